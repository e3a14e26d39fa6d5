# shows: what hinders a phone on its way into a guest is told in words: port taken, no controller, no rights, held, too late
# limit: 120
# root: yes
. /mnt/lib.sh
. /mnt/lib_vm.sh
try() { bromide vm attach --qmp $QMP "$@" > try.log 2>&1; code=$?; tail -3 try.log; }
xhci -device usb-tablet,bus=xhci.0,port=2
try --guest-port 2
check "a port that is taken" test $code = 2
says 'taken by usb-tablet.*vm/port-taken' try.log "it says by what"
says 'free: 1, 3, 4' try.log "and which are free"
try --guest-port 9; says 'ports 1 to 8' try.log "a port that does not exist"
try --guest-bus usb.7; says 'there are xhci.0' try.log "a bus that does not exist"
# The only place at the socket is taken.
bromide vm attach --qmp $QMP > first.log 2>&1 & follower=$!
within 10 grep -q Waiting first.log
try; says 'one program at a time' try.log "a socket that is in use"
bench-probe faces '0003:*' > faces.log & phone=$!
within 10 in_guest 0003 1
kill -INT $follower; wait $follower
unplug $phone
# Another program has the phone.
bench-probe faces '0003:*' > faces.log & phone=$!
within 10 there 0003
within 3 acm_has_it
bench-probe hold-usb 0e8d:0003 > hold.log 2>&1 & holder=$!
within 5 grep -q held hold.log
bromide vm attach --qmp $QMP > held.log 2>&1 & follower=$!
check "a phone that another program holds is refused" within 10 grep -q claimed held.log
check "it is not in the guest" guest_is_empty
check "the other program still has it" kill -0 $holder
kill -INT $follower; wait $follower
says 'in use by bench-probe \(process [0-9]+\).*vm/claimed' held.log "it says which program"
kill $holder; wait $holder 2> /dev/null
machine_off
# A machine whose user may not open the phone.
host_root
in_host setpriv --reuid 1000 --clear-groups qemu-system-x86_64 -accel tcg -M pc -m 64 -nodefaults -display none -S \
    -device qemu-xhci,id=xhci -qmp unix:/tmp/user.sock,server=on,wait=off -daemonize || fail "no machine of a user"
timeout -s INT 5 bromide vm attach --qmp /host/tmp/user.sock > denied.log 2>&1
says 'may not open the phone.*vm/denied' denied.log "no rights"
says '^  next: let the user .* setup linux --install' denied.log "it says what to do"
cat denied.log
killall -9 qemu-system-x86_64; within 5 eval '! pidof qemu-system-x86_64 > /dev/null'
unplug $phone
# A controller of high speed only: QEMU finds the phone and cannot make use of it.
machine -device ich9-usb-ehci1,id=fast
bromide vm attach --qmp $QMP > speed.log 2>&1 & follower=$!
bench-probe faces '0003:3000' 1 > faces.log
kill -INT $follower; wait $follower
cat speed.log
says 'could not open the phone.*vm/not-opened' speed.log "a full-speed phone at a high-speed port"
says 'EHCI with UHCI companions' speed.log "it says what kind of controller it takes"
machine_off
# A phone that is gone before any machine could have it.
xhci
bromide vm attach --qmp $QMP > late.log 2>&1 & follower=$!
within 10 grep -q Waiting late.log
kill -STOP "$(cat /host/run/qemu.pid)"
(sleep 2.5; kill -CONT "$(cat /host/run/qemu.pid)") &
bench-probe faces '2000:1500' 1 > faces.log
within 10 grep -q 'left before' late.log
kill -INT $follower; wait $follower; code=$?
cat late.log
says 'left before the guest had it: it was there for [0-9.]+ s, and was asked for during [0-9.]+ s' late.log "a phone that is faster than the machine"
says 'next: hold Volume-Down' late.log "it says what to do"
check "and ends well ($code)" test $code = 0
machine_off
machine
try; says 'no USB controller.*vm/no-controller' try.log "a machine without USB"
says 'qemu-xhci' try.log "it says how to give it one"
machine_off
try; says 'vm/no-socket' try.log "no machine at all"
check "no panic" eval '! grep -l panicked *.log'
