# shows: eleven hostile descriptor sets: each ends in time, refused in words or read right
# limit: 240
. /mnt/lib.sh
expected=$(stored 0x980000 0x40000)
refused=0; read=0
for number in 0 1 2 3 4 5 6 7 8 9 10; do
    phone "boot=bootrom&plugs=1&layout=hostile:$number"
    dmesg -c > /dev/null
    begin=$(now)
    timeout 30 bromide read --at 0x980000 --len 0x40000 --da "$DA" --via usb --wait 5 -o piece.bin > read.log 2>&1
    code=$?
    echo "--- set $number: exit code $code after $(calc "$(now) - $begin") s"
    grep -E '^ *(error|next):' read.log
    dmesg | grep -E 'config|descriptor|interface|endpoint|probe|altsetting' | sed 's/^/  kernel: /' | head -4
    sound read.log "set $number"
    # A phone that nobody has seen is no answer to what it says.
    check "set $number: the kernel has asked it" grep -qE 'SET_CONFIGURATION|GET_DESCRIPTOR' phone.log
    if [ $code = 143 ] || [ $code = 137 ]; then fail "set $number hangs"; cat read.log
    elif [ $code = 0 ]; then
        read=$((read + 1))
        check "set $number: read right" test "$(digest piece.bin)" = "$expected"
    else
        refused=$((refused + 1))
        check "set $number: refused for what it is" grep -qE '^error: .*(interface|endpoint|descriptor|configuration)' read.log
        check "set $number: no file" test ! -e piece.bin
    fi
    rm -f piece.bin piece.bin.*
    unplug $phone
done
echo "$refused refused, $read read"
check "some are refused" test $refused -gt 0
check "some can be read all the same" test $read -gt 0
