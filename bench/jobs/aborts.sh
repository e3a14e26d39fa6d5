# shows: a phone that breaks off at high speed every time is dumped whole by one command, agent alive or gone
# limit: 240
. /mnt/lib.sh
for way in aborts dies; do
    phone "boot=bootrom&key=held&plugs=1&high-speed=$way:1500000" $way.phone.log
    fetch $way.img --via usb --speed high
    whole $way.img "high speed $way"
    grep 'attached' $way.phone.log
    unplug $phone
done
says '0e8d:2001.*' aborts.phone.log "it was at high speed"
