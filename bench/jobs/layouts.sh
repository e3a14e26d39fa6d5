# shows: every published descriptor layout of preloader and BootROM: a piece is read through each
# limit: 120
. /mnt/lib.sh
expected=$(stored 0x980000 0x40000)
for layout in p1 p2 p3 b1 b2; do
    case $layout in p*) boot=preloader ;; *) boot=bootrom ;; esac
    phone "boot=$boot&plugs=1&layout=$layout"
    bit "$layout.bin" --via usb
    check "layout $layout" test "$code.$(digest $layout.bin)" = "0.$expected"
    sound "$layout.bin.log" "layout $layout"
    unplug $phone
done
