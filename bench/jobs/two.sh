# shows: two phones at once: refused without a choice, the right one with usb:PORTCHAIN
# limit: 180
. /mnt/lib.sh
chip
# Preloaders that stay: a BootROM leaves every 5 s, and then there is only one phone.
# The other phone has the other partition's bytes in recovery. Not cp: it would fill the hole.
dd if="$FLASH" of=other.bin bs=1M count=19 2> /dev/null
truncate -s 553648128 other.bin
dd if="$FLASH" of=other.bin bs=2112 skip=2304 seek=4864 count=2560 conv=notrunc 2> /dev/null
phone "boot=preloader&stay=60000" one.log; one=$phone
until_true 10 there 2000
first=$(ports 2000)
phone "boot=preloader&stay=60000" two.log other.bin
both() { [ "$(ports 2000 | wc -l)" = 2 ]; }
check "both are there" until_true 10 both
second=$(ports 2000 | grep -vx "$first")
piece neither.bin --via usb --wait 5
unfinished neither.bin "no choice made"
says "$first" neither.bin.log "it names the one"
says "$second" neither.bin.log "it names the other"
piece two.bin --via "usb:$second"
check "the other, by its port" test "$code.$(digest two.bin)" = "0.$(stored 0x980000 0x100000 other.bin)"
piece one.bin --via "usb:$first"
check "the one, by its port" test "$code.$(digest one.bin)" = "0.$(stored 0x980000 0x100000)"
check "they differ" test "$(digest one.bin)" != "$(digest two.bin)"
