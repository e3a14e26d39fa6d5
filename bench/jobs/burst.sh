# shows: the serial port on an emulated xHCI, where bursts were lost: the file is right or stays .part
# limit: 240
# boot: redirected
# phone: boot=bootrom&key=held
. /mnt/lib.sh
FLASH=/tmp/flash.bin
chip
check "the phone is there" until_true 20 test -c /dev/ttyACM0
lsusb 2> /dev/null
fetch tty.img --via serial:/dev/ttyACM0
if [ $code = 0 ]; then whole tty.img "over the serial port"; else unfinished tty.img "over the serial port"; tail -5 tty.img.log; fi
sound tty.img.log "over the serial port"
until_true 20 there 0003
fetch usb.img --via usb --speed full
whole usb.img "directly"
