# shows: the cable pulled in the middle of a read, and at 25 random moments: no hang, no panic, no wrong file
# limit: 600
. /mnt/lib.sh
phone "boot=bootrom&plugs=1&pull-after=2000000"
fetch recovery.img --via usb --speed full --wait 5
unfinished recovery.img "pulled after 2,000,000 bytes"
check "what came is kept as .part" test -s recovery.img.part
sound recovery.img.log "pulled"
unplug $phone
plugs=25
[ "$FULL" = 1 ] && plugs=100
expected=$(stored 0x980000 0x100000)
phone "boot=bootrom&plugs=$plugs&pull-after=random:$plugs&gap=300" pulls.log
whole=0; broken=0; wrong=0; hung=0; entered=0
for number in $(seq $plugs); do
    timeout 60 bromide read --at 0x980000 --len 0x100000 --da "$DA" --via usb --speed full --wait 5 -o piece.bin > read.log 2>&1
    code=$?
    sound read.log "pull $number"
    # A phone that comes back is entered again in the same run.
    grep -q 'connection to the phone failed' read.log && entered=$((entered + 1))
    if [ $code = 143 ]; then hung=$((hung + 1)); echo "pull $number hangs"; tail -5 read.log
    elif [ ! -e piece.bin ]; then broken=$((broken + 1)); [ $code != 0 ] || wrong=$((wrong + 1))
    elif [ "$(digest piece.bin)" = "$expected" ]; then whole=$((whole + 1))
    else wrong=$((wrong + 1)); fi
    rm -f piece.bin piece.bin.*
    # The phone has used up its plug-ins, some of them several in one read.
    [ $code = 3 ] && break
done
echo "$number reads: $whole whole, $broken without a phone in the end, $wrong wrong, $hung hung, $entered entered again"
check "no wrong file" test $wrong = 0
check "no hang" test $hung = 0
check "pulls hit reads" test $entered -gt 0
