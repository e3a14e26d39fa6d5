# shows: BootROM and preloader with udevd running; all other jobs run without
# limit: 90
. /mnt/lib.sh
mkdir -p /run/udev
systemd-udevd --daemon --resolve-names=never
check "udevd runs" until_true 10 test -S /run/udev/control
phone "boot=bootrom&key=held"
piece rom.bin --via usb --speed full
check "BootROM" test "$code.$(digest rom.bin)" = "0.$(stored 0x980000 0x100000)"
unplug $phone
phone "boot=preloader&stay=1000&plugs=1&gap=100"
piece piece.bin --via usb
check "preloader" test "$code.$(digest piece.bin)" = "0.$(stored 0x980000 0x100000)"
