# shows: a user without rights: told the rule to add; the serial port is taken where it may be
# limit: 120
. /mnt/lib.sh
phone "boot=bootrom&key=held"
until_true 10 test -c /dev/ttyACM0
chmod 777 .
try() { su user -c "bromide read --at 0x980000 --len 0x100000 --da $DA --via usb --wait 4 -o $1" > "$1.log" 2>&1; code=$?; }
try refused.bin
unfinished refused.bin "no rights at all"
says 'udev|rule|setup linux' refused.bin.log "it says what to do"
sound refused.bin.log "no rights"
cat refused.bin.log
# The node is made anew, with no rights, whenever the phone comes back.
(while sleep 0.05; do chmod 666 /dev/ttyACM0; done) 2> /dev/null & opener=$!
try tty.bin
kill $opener
check "through the serial port" test "$code.$(digest tty.bin)" = "0.$(stored 0x980000 0x100000)"
cat tty.bin.log
