# shows: another program holds the serial port: the kernel's driver is detached and the phone read
# limit: 90
. /mnt/lib.sh
phone "boot=bootrom&key=held"
until_true 10 test -c /dev/ttyACM0
bench-probe hold-tty /dev/ttyACM0 > hold.log 2>&1 & holder=$!
check "it is held" until_true 5 grep -q held hold.log
piece piece.bin --via usb --speed full
check "read all the same" test "$code.$(digest piece.bin)" = "0.$(stored 0x980000 0x100000)"
kill $holder
