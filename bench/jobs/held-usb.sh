# shows: another program holds the phone through usbfs: refused in words
# limit: 90
. /mnt/lib.sh
phone "boot=bootrom&key=held"
until_true 10 there 0003
bench-probe hold-usb 0e8d:0003 > hold.log 2>&1 & holder=$!
check "it is held" until_true 5 grep -q held hold.log
piece piece.bin --via usb --wait 4
unfinished piece.bin "refused"
says '[Bb]usy|another program|in use' piece.bin.log "it says why"
kill $holder
