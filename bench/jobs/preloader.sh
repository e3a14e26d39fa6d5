# shows: a preloader that stays 1 s is caught at every plug-in; from the kernel's event to the first byte
# limit: 240
# after: arrival
. /mnt/lib.sh
plugs=25
[ "$FULL" = 1 ] && plugs=100
listen
bench-probe events "$OUT/events.txt" & events=$!
begin=$(now)
phone "boot=preloader&stay=1000&plugs=$plugs&gap=1500"
expected=$(stored 0x980000 0x20000)
caught=0
for number in $(seq $plugs); do
    bromide read --at 0x980000 --len 0x20000 --da "$DA" --via usb --wait 15 -o piece.bin --force > read.log 2>&1
    code=$?
    sound read.log "plug-in $number"
    if [ $code = 0 ] && [ "$(digest piece.bin)" = "$expected" ]; then
        caught=$((caught + 1))
    else
        echo "plug-in $number: exit code $code"; tail -5 read.log
        [ $((number - caught)) -lt 4 ] || break
    fi
    if [ "$(grep -c '^USB ' read.log)" != 1 ]; then
        echo "plug-in $number: met more than once"; cat read.log
    fi
    rm -f piece.bin piece.bin.*
done
unlisten
kill $events
echo "$plugs plug-ins in $(calc "$(now) - $begin") s"
check "$caught of $plugs plug-ins caught" test $caught = $plugs
