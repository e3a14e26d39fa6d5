# shows: how long QEMU's own matching by vendor takes, beside what bromide vm attach takes
# limit: 120
# full: only
# root: yes
# after: takeover
. /mnt/lib.sh
. /mnt/lib_vm.sh
xhci
bench-probe events "$OUT/events.txt" & events=$!
monitor 'device_add usb-host,id=own,bus=xhci.0,port=3,vendorid=0x0e8d' > /dev/null
for number in 1 2 3 4 5 6 7 8; do
    bench-probe faces '0003:4000,gap:700' 1 > faces.log & phone=$!
    until_true 10 acm_has_it
    # Busybox has no finer clock than a hundredth of a second since the start; the wall clock comes from the events.
    until_true 10 in_guest 0003 3 && echo "$(date +%s).$(date +%N 2> /dev/null | cut -c1-3)" >> "$OUT/taken.txt"
    wait $phone
done
check "all were taken" test "$(wc -l < "$OUT/taken.txt")" = 8
kill $events
machine_off
