# shows: the figures: against the link's ceiling, and against a bare loop of queued bulk reads on the same controller
# limit: 300
. /mnt/lib.sh
# span LOG: seconds from the first request to the last confirmed packet, by the program's own events.
stamped() { while read -r line; do read -r up idle < /proc/uptime; echo "$up $line"; done; }
span() { awk '/"read-start"/ { a = $1 } /"event":"read"/ { b = $1 } END { print b - a }' "$1"; }
# rate KEYS WORDS..: bytes a second of one read of recovery.
rate() {
    keys=$1; shift
    rm -f speed.img
    phone "boot=bootrom&plugs=1&$keys"
    bromide --json read recovery --map "$MAP" --da "$DA" -o speed.img --force --via usb "$@" 2> speed.log | stamped > speed.json
    [ "$(digest speed.img)" = "$(recovery)" ] || { fail "another file with $keys"; cat speed.log; } >&2
    unplug $phone
    calc "5406720 / $(span speed.json)"
}
# bare BYTES BORDERS..: the best of two shapes of queue: requests of so many bytes, so many of them.
bare() {
    bytes=$1; shift
    bench-probe source "$@" > source.log 2>&1 & source=$!
    until_true 10 grep -q 1209 /sys/bus/usb/devices/*/idVendor
    # Long requests for short transfers cost the kernel memory it clears for nothing: 131072 4 is 15 times slower there.
    shapes="4096/64 16384/32"
    [ $# -gt 0 ] || shapes="65536/32 1048576/4"
    for shape in $shapes; do
        shape="${shape%/*} ${shape#*/}"
        echo "  bare loop, transfers of ${*:-any length}, requests $shape: $(bench-probe drain "$bytes" $shape)" | tee -a bare.txt >&2
        tail -1 bare.txt
    done | awk '{ if ($NF > best) best = $NF } END { print best }'
    unplug $source
}
mb() { awk "BEGIN { printf \"%.2f MB/s\", $1 / 1e6 }"; }
# against WHAT RATE AGAINST RATE
against() {
    check "measured: $1" awk "BEGIN { exit !(${2:-0} > 0 && ${4:-0} > 0) }"
    figure "$1" "$(mb "$2")" "$3" "$(mb "$4")" "$(awk "BEGIN { printf \"%.3f\", $2 / (${4:-0} + 1e-9) }")"
}
# 19 packets of 64 bytes in each frame of 1 ms.
slow=$(rate link=full-speed --speed full)
against "read back, full-speed link" "$slow" "its ceiling" 1216000
# A page is 2112 bytes: 33 packets at full speed, so the agent sends its last byte apart; a short packet at high speed.
theirs=$(bare 4194304 2111 1)
ours=$(rate link=none --speed full)
against "read back, no link model, --speed full, a transfer a page" "$ours" "bare loop, same transfers" "$theirs"
theirs=$(bare 8388608 2112)
ours=$(rate link=none --speed high)
against "read back, no link model, --speed high, a transfer a page" "$ours" "bare loop, same transfers" "$theirs"
theirs=$(bare 16777216)
ours=$(rate "link=none&transfers=whole" --speed high)
against "read back, no link model, --speed high, whole transfers" "$ours" "bare loop, whole transfers" "$theirs"
