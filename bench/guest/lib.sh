# What jobs share. Sourced first: `. /mnt/lib.sh`. A job checks its own results: `pass TEXT` and `fail TEXT`.
export NO_COLOR=1
FULL=$(cat /mnt/full)
MAP=/mnt/proc_mtd.txt
DA=/mnt/da.bin
OUT=/mnt/out/$NAME

pass() { echo "PASS $*"; }
fail() { echo "FAIL $*"; }
# figure WHAT OURS AGAINST THEIRS RATIO
figure() { echo "FIGURE $1 | $2 | $3, $4 | $5"; }
now() { cut -d' ' -f1 /proc/uptime; }
calc() { awk "BEGIN { print $1 }"; }

# check TEXT COMMAND..: pass or fail by the command's exit code.
check() { text=$1; shift; if "$@"; then pass "$text"; else fail "$text"; fi; }
# says PATTERN FILE TEXT: the file has a line that matches.
says() { if grep -qE "$1" "$2"; then pass "$3"; else fail "$3: no \"$1\" in:"; tail -25 "$2"; fi; }
# until_true SECONDS COMMAND..: tries ten times a second.
until_true() {
    left=$(($1 * 10)); shift
    while ! "$@" 2> /dev/null; do
        [ "$left" -gt 0 ] || return 1
        left=$((left - 1)); sleep 0.1
    done
}

# The chip of all phones of this boot, in memory: what lies before `system`. The rest of the file is a hole.
FLASH=/tmp/flash.bin
chip() {
    [ -f "$FLASH" ] && return
    dd if=/mnt/flash.bin of="$FLASH.half" bs=1M count=19 2> /dev/null
    truncate -s 553648128 "$FLASH.half" && mv "$FLASH.half" "$FLASH"
}
# stored ADDRESS LENGTH: the digest of the pages behind a stretch of main bytes.
stored() { dd if="${3:-$FLASH}" bs=2112 skip=$(($1 / 2048)) count=$(($2 / 2048)) 2> /dev/null | sha256sum | cut -d' ' -f1; }
digest() { sha256sum "$1" | cut -d' ' -f1; }
recovery() { stored 0x980000 0x500000; }
# phone KEYS [LOG [FLASH]]: a phone on the virtual host controller; its process is $phone.
phone() {
    chip
    bromide phone serve --flash "${3:-$FLASH}" --listen vhci --with "$1" > "${2:-phone.log}" 2>&1 & phone=$!
}
# unplug PROCESS: the cable is pulled; gone when the bus has noticed.
unplug() {
    kill -9 "$1" 2> /dev/null; wait "$1" 2> /dev/null
    until_true 5 eval '! grep -q " 006 " /sys/devices/platform/vhci_hcd.*/status'
}
# ports [PRODUCT]: port chains of the phones that are there.
ports() {
    for vendor in /sys/bus/usb/devices/*/idVendor; do
        folder=${vendor%/*}
        [ "$(cat "$vendor" 2> /dev/null)" = 0e8d ] || continue
        [ -z "$1" ] || [ "$(cat "$folder/idProduct")" = "$1" ] || continue
        echo "${folder##*/}"
    done
}
there() { [ -n "$(ports "$1")" ]; }
# fetch FILE WORDS..: reads recovery into FILE; log in FILE.log, exit code in $code, seconds in $took.
fetch() {
    file=$1; shift
    begin=$(now)
    bromide read recovery --map "$MAP" --da "$DA" -o "$file" "$@" > "$file.log" 2>&1; code=$?
    took=$(calc "$(now) - $begin")
    echo "read $*: exit code $code, $took s"
}
# piece FILE WORDS..: the same with 1 MiB of recovery.
piece() {
    file=$1; shift
    bromide read --at 0x980000 --len 0x100000 --da "$DA" -o "$file" "$@" > "$file.log" 2>&1; code=$?
}
# bit FILE WORDS..: the same with two blocks.
bit() {
    file=$1; shift
    bromide read --at 0x980000 --len 0x40000 --da "$DA" -o "$file" "$@" > "$file.log" 2>&1; code=$?
}
# whole FILE TEXT: the last fetch ended well and has the chip's bytes.
whole() {
    if [ "$code" != 0 ]; then fail "$2: exit code $code"; tail -25 "$1.log"
    elif [ "$(stat -c %s "$1")" = 5406720 ] && [ "$(digest "$1")" = "$(recovery)" ]; then pass "$2: 5406720 bytes, sha256 as the chip's"
    else fail "$2: another file"; ls -l "$1"; fi
}
# unfinished FILE TEXT: the last fetch failed and left no final file.
unfinished() {
    if [ "$code" = 0 ]; then fail "$2: it says that all went well"
    elif [ -e "$1" ]; then fail "$2: there is a final file"
    else pass "$2: exit code $code, no final file"; fi
}
# sound LOG TEXT: whatever happened, the program did not panic.
sound() { if grep -q 'panicked at' "$1"; then fail "$2: panic"; cat "$1"; fi; }
# listen: captures all buses; unlisten puts the capture into the job's results. In memory first: the shared folder is
# slower than the bus.
listen() { dd if=/dev/usbmon0 of=usbmon.raw bs=64k 2> /dev/null & mon=$!; }
unlisten() { sleep 0.3; kill -9 "$mon"; cp usbmon.raw "$OUT/usbmon.raw"; }
