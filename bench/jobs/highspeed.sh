# shows: recovery at full speed and at high speed, one sha256; the switch to 0e8d:2001 followed; its capture in tshark
# limit: 120
# after: faces
. /mnt/lib.sh
echo 0003 2001 > "$OUT/faces"
listen
for speed in full high; do
    phone "boot=bootrom&plugs=1&layout=d1"
    fetch "$speed.img" --via usb --speed $speed
    whole "$speed.img" "--speed $speed"
    unplug $phone
done
unlisten
check "one sha256: $(digest full.img)" test "$(digest full.img)" = "$(digest high.img)"
says 'attached as 0e8d:2001' phone.log "the phone came back as 2001"
phone "boot=bootrom&plugs=1&layout=d0"
bit d0.bin --via usb --speed high
check "the agent's other layout" test "$code.$(digest d0.bin)" = "0.$(stored 0x980000 0x40000)"
says 'attached as 0e8d:2001' phone.log "it came back as 2001 too"
