# shows: watch --record: what another program says, directly and through the serial driver, is replayed to the same bytes
# limit: 240
# after: session
. /mnt/lib.sh
expected=$(chip; stored 0x980000 0x100000)
# record FILE: through usbmon, in the background; its process is $recorder.
record() {
    bromide watch --json --record "$1" > "$1.log" 2>&1 & recorder=$!
    until_true 20 grep -q '"recording"' "$1.log"
}
# recorded FILE: ends it; nothing is cut or lost.
recorded() {
    kill $recorder; wait $recorder
    check "$1: it ends well" test $? = 0
    grep '"recorded"' "$1.log"
    says '"lost":0,"truncated":0' "$1.log" "$1: nothing cut or lost"
    check "$1: under its own name" test -s "$1" -a ! -e "$1.part"
}
same() { check "$2" test "$code.$(digest "$1")" = "0.$expected"; [ "$code" = 0 ] || tail -20 "$1.log"; }

echo 0003 2001 > "$OUT/faces"
record session.pcapng
phone "boot=bootrom&plugs=1&layout=d1"
begin=$(now)
piece usb.bin --via usb --speed high
same usb.bin "read by another process at high speed, in $(calc "$(now) - $begin") s"
unplug $phone
recorded session.pcapng
cp session.pcapng "$OUT"
piece usb-again.bin --via replay:session.pcapng --speed high
same usb-again.bin "the same bytes out of the recording"

# The phone is there before: it does not say again which it is.
phone "boot=bootrom&key=held" tty.phone.log
until_true 10 test -c /dev/ttyACM0
record tty.pcapng
piece tty.bin --via serial:/dev/ttyACM0
same tty.bin "read by another process through the serial driver"
recorded tty.pcapng; cp tty.pcapng "$OUT"
unplug $phone
# A serial port takes 32 KiB at once, which the replay has to be told: 15 pages.
piece tty-again.bin --via replay:tty.pcapng --packet-pages 15
same tty-again.bin "the same bytes out of the recording"
bromide log replay tty.pcapng --as-phone --listen pty:phone.tty > served.log 2>&1 & server=$!
until_true 10 test -e phone.tty
piece served.bin --via serial:phone.tty
same served.bin "the same bytes out of the recording served to another process"
kill $server 2> /dev/null

mkdir -m 777 user
su user -c "bromide watch --record user/x.pcapng" > denied.log 2>&1
check "without rights: refused" test $? = 1
says 'setfacl -m u:.USER:r /dev/usbmon0' denied.log "without rights: told what to do"
check "without rights: no file" test -z "$(ls user)"
