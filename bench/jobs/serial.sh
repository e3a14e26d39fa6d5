# shows: the kernel's serial driver in between: recovery is read through /dev/ttyACM0
# limit: 120
. /mnt/lib.sh
phone "boot=bootrom&key=held"
until_true 10 test -c /dev/ttyACM0
fetch recovery.img --via serial:/dev/ttyACM0
whole recovery.img "over the serial port"
