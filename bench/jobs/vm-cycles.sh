# shows: ten cycles of plug, face changes, unplug in a row leave nothing in the guest, on the host, or among the processes
# limit: 240
# root: yes
# after: handover
. /mnt/lib.sh
. /mnt/lib_vm.sh
xhci
bench-probe events "$OUT/events.txt" & events=$!
follow --qmp $QMP --guest-port 3
for cycle in $(seq 10); do
    bench-probe faces '2000:1200,gap:300,0003:1200,gap:300,2001:1200' 1 > faces.log; code=$?
    [ $code = 0 ] || fail "cycle $cycle: the phone: $code"
    within 5 guest_is_empty || fail "cycle $cycle: left in the guest: $(guest_usb)"
done
check "thirty faces came in: $(told attached)" test "$(told attached)" = 30
check "thirty went out: $(told detached)" test "$(told detached)" = 30
check "none was missed or refused" test "$(told missed).$(told not-attached)" = 0.0
bench-probe faces '0003:*' > faces.log & phone=$!
check "it is in the guest" within 15 in_guest 0003 3
# The other end: not by Ctrl-C, but killed. The next run takes out what is left.
kill -9 $follower; wait $follower
check "a killed run leaves the phone in the guest" in_guest 0003 3
bromide vm status --qmp $QMP > status.log 2>&1
cat status.log
says 'port 3 .*the phone, BootROM' status.log "status says that it is the phone"
bromide vm detach --qmp $QMP > detach.log 2>&1; code=$?
cat detach.log
check "detach takes it out" test $code = 0
check "nothing is left in the guest" guest_is_empty
check "cdc_acm has it again" within 3 acm_has_it
kill $events
unplug $phone
check "no process is left" eval '! pidof bromide > /dev/null'
check "no device is left" test -z "$(ports)"
machine_off
