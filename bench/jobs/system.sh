# shows: the whole system partition, 318996480 bytes, at both speeds
# limit: 900
# full: only
. /mnt/lib.sh
expected=$(dd if=/mnt/system.sha256 2> /dev/null | cut -d' ' -f1)
for speed in full high; do
    bromide phone serve --flash /mnt/flash.bin --listen vhci --with "boot=bootrom&plugs=1&link=$speed-speed" > phone.log 2>&1 & phone=$!
    begin=$(now)
    bromide read system --map "$MAP" --da "$DA" --via usb --speed $speed -o "$OUT/system.img" --force > "$speed.log" 2>&1; code=$?
    took=$(calc "$(now) - $begin")
    tail -4 "$speed.log"
    check "$speed speed" test "$code.$(cut -d' ' -f1 "$OUT/system.img.sha256")" = "0.$expected"
    figure "system, --speed $speed" "$took s" "its bytes" "318996480" "$(awk "BEGIN { printf \"%.2f MB/s\", 318.99648 / $took }")"
    unplug $phone
    rm -f "$OUT/system.img"
done
