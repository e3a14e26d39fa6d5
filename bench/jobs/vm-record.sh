# shows: a program in the virtual machine reads the phone, through its switch to high speed; what was recorded meanwhile replays
# limit: 200
# root: yes
. /mnt/lib.sh
. /mnt/lib_vm.sh
# The processor of the inner machine halts; bench-probe plays its USB driver, on QEMU's xHCI, through its test socket. The
# program in it is behind a port, where every byte passes guest port, usb-host, and this kernel's USB.
host_root
{ head -c 65520 /dev/zero; printf '\372\364\353\375'; head -c 12 /dev/zero; } > /host/tmp/halt.bin
in_host qemu-system-x86_64 -name bench -accel tcg -bios /tmp/halt.bin -M pc -m 64 -nodefaults -display none \
    -device qemu-xhci,id=xhci,addr=4,p2=8,p3=8 -qtest unix:/run/qtest.sock,server=on,wait=off -qtest-log none \
    -qmp unix:/run/qmp.sock,server=on,wait=off -daemonize -pidfile /run/qemu.pid || { fail "no inner machine"; exit 1; }
bench-probe guest --qtest /host/run/qtest.sock --port 3 --listen 127.0.0.1:5000 > guest.log 2>&1 & guest=$!
bromide vm attach --qmp $QMP --guest-port 3 --record session.pcapng > attach.log 2>&1 & follower=$!
check "the recording begins before the phone comes" within 10 test -e session.pcapng.part
phone "boot=bootrom&key=held&plugs=1"
check "the guest has configured the phone" within 30 grep -q '0e8d:0003 configured' guest.log
bit inside.bin --via tcp:127.0.0.1:5000 --speed high --wait 60
check "the program in the guest has read the right bytes" test "$code.$(digest inside.bin)" = "0.$(stored 0x980000 0x40000)"
says '0e8d:2001 configured' guest.log "through the switch to high speed"
kill -INT $follower; wait $follower; code=$?
cat attach.log guest.log
check "Ctrl-C ends the recording ($code)" test $code = 0
check "it has its own name" test -s session.pcapng -a ! -e session.pcapng.part
cp session.pcapng "$OUT/"
echo 0003 2001 > "$OUT/faces"
unplug $phone
bit replayed.bin --via replay:session.pcapng --speed high
check "the recording gives the same bytes again" test "$code.$(digest replayed.bin)" = "0.$(digest inside.bin)"
tail -3 replayed.bin.log
# Told something else, it stops at the first byte that differs.
bromide read --at 0xa00000 --len 0x40000 --da "$DA" -o other.bin --via replay:session.pcapng --speed high > other.log 2>&1; code=$?
check "and nothing else" test "$code" = 4 -a ! -e other.bin
kill $guest; machine_off
