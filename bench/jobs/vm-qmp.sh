# shows: a phone followed into a real QEMU by QMP through 2000, 0003, 2001 and back, always at guest port 3, and given back
# limit: 120
# root: yes
# after: handover
. /mnt/lib.sh
. /mnt/lib_vm.sh
xhci
bench-probe events "$OUT/events.txt" & events=$!
bromide vm attach --qmp $QMP --guest-port 3 --dry-run > plan.log 2>&1
says '"hostdevice":"/dev/bus/usb/BBB/DDD"' plan.log "a dry run shows what would be said"
check "and says nothing" guest_is_empty
follow --qmp $QMP --guest-port 3
bench-probe faces '2000:2500,gap:300,0003:2500,gap:300,2001:2500,gap:300,0003:2500,gap:300,2000:2500,gap:300,0003:*' > faces.log & phone=$!
all='3:2000 3:0003 3:2001 3:0003 3:2000 3:0003'
within 40 eval '[ "$(parade usb.log)" = "$all" ]'
check "guest port and face, says info usb: $(parade usb.log)" test "$(parade usb.log)" = "$all"
check "QEMU has it from cdc_acm" within 5 eval '! acm_has_it'
interrupted
check "Ctrl-C ends it well ($code)" test $code = 0
check "nothing is left in the guest" guest_is_empty
check "cdc_acm has it again" within 3 acm_has_it
check "no process is left" eval '! pidof bromide > /dev/null'
check "six faces came in" test "$(told attached)" = 6
check "none was missed" test "$(told missed)" = 0
cat "$OUT/follow.json" follow.log
kill $events
bromide vm status --qmp $QMP
machine_off
unplug $phone
# Windows XP and 7 have no driver for xHCI: an EHCI with its companions takes both speeds at one port, too.
machine -device ich9-usb-ehci1,id=usb,addr=5.7 -device ich9-usb-uhci1,masterbus=usb.0,firstport=0,addr=5.0,multifunction=on \
    -device ich9-usb-uhci2,masterbus=usb.0,firstport=2,addr=5.1 -device ich9-usb-uhci3,masterbus=usb.0,firstport=4,addr=5.2
bromide vm attach --qmp $QMP > xp.log 2>&1 & follower=$!
bench-probe faces '0003:3000,gap:300,2001:*' > faces.log & phone=$!
for face in 0003 2001; do check "$face is at port 1 of an EHCI with companions" within 15 in_guest $face 1; done
# The machine is switched off while the phone is in it.
machine_off
check "a machine that is switched off ends it" within 15 eval '! kill -0 $follower 2> /dev/null'
wait $follower; check "with exit code $?" test $? = 0
check "cdc_acm has it again" within 3 acm_has_it
cat xp.log
unplug $phone
