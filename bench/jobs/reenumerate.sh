# shows: a BootROM that leaves after 5 s and returns, again and again, is met at any time
# limit: 120
. /mnt/lib.sh
phone "boot=bootrom&key=held"
twice() { [ "$(grep -c 'attached as 0e8d:0003' phone.log)" -ge 2 ]; }
check "it left and came back by itself" until_true 30 twice
piece piece.bin --via usb --speed full
check "read at whichever visit" test "$code.$(digest piece.bin)" = "0.$(stored 0x980000 0x100000)"
