# Runs the jobs of /mnt/queue one after the other; each in its own folder, with its own time.
# What a job says is in /mnt/results/NAME.log, live; NAME.started and NAME.done frame it.
while read -r name limit; do
    mkdir -p "/tmp/$name" "/mnt/out/$name"
    cd "/tmp/$name" || exit 1
    dmesg -c > /dev/null
    begin=$(cut -d' ' -f1 /proc/uptime)
    echo "$begin" > "/mnt/results/$name.started"
    # What the kernel is busy with just before the time is over; a task that hangs is only seen while it hangs.
    (sleep $((limit - 5)); echo w > /proc/sysrq-trigger) > /dev/null 2>&1 & late=$!
    NAME=$name timeout -k 2 "$limit" sh "/mnt/jobs/$name.sh" > "/mnt/results/$name.log" 2>&1 < /dev/null
    code=$?
    kill "$late"
    dmesg > "/tmp/$name/kernel"
    # Nothing of a job outlives it: programs, phones, processes of udev.
    for left in bromide bench-probe systemd-udevd dd qemu-system-x86_64 libvirtd; do killall -9 "$left" 2> /dev/null; done
    rm -rf /run/udev
    if grep -E 'BUG:|Oops|general protection|blocked for more than' "/tmp/$name/kernel" > "/tmp/$name/complaints"; then
        sed 's/^/FAIL the kernel: /' "/tmp/$name/complaints" >> "/mnt/results/$name.log"
    fi
    if [ "$code" != 0 ] || grep -q '^FAIL ' "/mnt/results/$name.log"; then
        {
            for log in *.log; do [ -f "$log" ] && echo "--- $log" && tail -c 3000 "$log"; done
            echo "--- kernel"; tail -n 60 "/tmp/$name/kernel"
        } >> "/mnt/results/$name.log"
    fi
    for _ in $(seq 40); do
        grep -q ' 006 ' /sys/devices/platform/vhci_hcd.*/status || break
        sleep 0.1
    done
    end=$(cut -d' ' -f1 /proc/uptime)
    cd / && rm -rf "/tmp/$name"
    echo "$code $(awk "BEGIN { print $end - $begin }")" > "/mnt/results/$name.done"
done < /mnt/queue
