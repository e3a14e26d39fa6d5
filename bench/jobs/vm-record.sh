# shows: tools in the virtual machine talk to the phone through its switch to high speed; the recordings replay and decode
# limit: 200
# root: yes
# after: session
. /mnt/lib.sh
. /mnt/lib_vm.sh
# The processor of the inner machine halts; bench-probe plays its USB driver, on QEMU's xHCI, through its test socket. The
# program in it is behind a port, where every byte passes guest port, usb-host, and this kernel's USB.
halt_bios
in_host qemu-system-x86_64 -name bench -accel tcg -bios /tmp/halt.bin -M pc -m 64 -nodefaults -display none \
    -device qemu-xhci,id=xhci,addr=4,p2=8,p3=8 -qtest unix:/run/qtest.sock,server=on,wait=off -qtest-log none \
    -qmp unix:/run/qmp.sock,server=on,wait=off -daemonize -pidfile /run/qemu.pid || { fail "no inner machine"; exit 1; }
bench-probe guest --qtest /host/run/qtest.sock --port 3 --listen 127.0.0.1:5000 > guest.log 2>&1 & guest=$!
# First a tool that knows nothing of Bromide: the start sequence, the chip's code, and what a BootROM says of itself.
bromide vm attach --qmp $QMP --guest-port 3 --record tool.pcapng > tool.log 2>&1 & follower=$!
check "the recording begins before the phone comes" within 10 test -e tool.pcapng.part
phone "boot=bootrom&key=held&plugs=1"
check "the guest has configured the phone" within 30 grep -q '0e8d:0003 configured' guest.log
words="a0:1 0a:1 50:1 05:1 fd:5 fc:9 fe:1 ff:1 d8:7"
bench-probe say 127.0.0.1:5000 $words > said.txt 2>&1; code=$?
cat said.txt
check "a tool in the guest has talked to the phone" test "$code.$(grep -c '>' said.txt)" = 0.9
says '> fd < fd6575' said.txt "which is an MT6575"
kill -INT $follower; wait $follower; code=$?
check "Ctrl-C ends the recording ($code)" test $code = 0
unplug $phone
bromide log replay tool.pcapng --as-phone --listen tcp:127.0.0.1:5001 > served.log 2>&1 & server=$!
bench-probe say 127.0.0.1:5001 $words > again.txt 2>&1
check "the recorded phone answers that tool as the phone did" cmp said.txt again.txt
kill $server; wait $server
bromide log replay tool.pcapng --as-phone --listen tcp:127.0.0.1:5002 > differs.log 2>&1 & server=$!
bench-probe say 127.0.0.1:5002 a0:1 0a:1 51:1 > other.txt 2>&1
wait $server; code=$?
check "and tells where another tool speaks differently ($code)" test $code = 4
says 'byte 2 to the phone' differs.log "byte by byte"
# Then Bromide in the guest, through the switch to high speed.
bromide vm attach --qmp $QMP --guest-port 3 --record session.pcapng > attach.log 2>&1 & follower=$!
within 10 test -e session.pcapng.part
configured=$(grep -c configured guest.log)
phone "boot=bootrom&key=held&plugs=1"
within 30 eval '[ "$(grep -c configured guest.log)" -gt $configured ]'
bit inside.bin --via tcp:127.0.0.1:5000 --speed high --wait 60
check "the program in the guest has read the right bytes" test "$code.$(digest inside.bin)" = "0.$(stored 0x980000 0x40000)"
says '0e8d:2001 configured' guest.log "through the switch to high speed"
kill -INT $follower; wait $follower; code=$?
cat attach.log guest.log
check "Ctrl-C ends the recording ($code)" test $code = 0
check "it has its own name" test -s session.pcapng -a ! -e session.pcapng.part
says 'Recorded .* bytes to the phone' attach.log "it says how much"
check "nothing was cut or lost" eval '! grep -q holes attach.log tool.log'
cp session.pcapng "$OUT/"
echo 0003 2001 > "$OUT/faces"
unplug $phone
kill $guest; machine_off
