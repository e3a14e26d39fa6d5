# shows: the agent is gone at high speed and no key held: the program says what to do and waits
# limit: 90
. /mnt/lib.sh
phone "boot=bootrom&key=released&plugs=1&high-speed=dies:1500000"
bromide read recovery --map "$MAP" --da "$DA" --via usb --speed high -o recovery.img > read.log 2>&1 & reader=$!
asked() { grep -qiE 'hold|volume' read.log && grep -q 'left' phone.log; }
check "it says which key to hold" until_true 40 asked
check "it waits" kill -0 $reader
check "no final file" test ! -e recovery.img
kill $reader
wait $reader
cat read.log
