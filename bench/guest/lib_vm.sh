# What jobs with a virtual machine share. The inner machine is the QEMU of the machine that booted this guest, its file
# system at /host, read-only. Its processor never runs (-S): what counts is what is on its USB.
export NO_COLOR=1
host_root() {
    [ -e /host/usr ] && return
    mkdir -p /host
    mount -t 9p -o trans=virtio,version=9p2000.L,msize=524288,ro,cache=loose root /host || { fail "no /host"; exit 1; }
    for folder in proc sys dev; do mount -o bind "/$folder" "/host/$folder"; done
    for folder in tmp run root var/lib/libvirt var/log/libvirt var/cache/libvirt etc/libvirt; do
        [ -d "/host/$folder" ] && mount -t tmpfs none "/host/$folder"
    done
    mkdir -p /host/run/lock
}
in_host() { chroot /host /usr/bin/env PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C "$@"; }
# within SECONDS COMMAND..: tries again and again; unlike until_true it counts what the tries take.
within() {
    by=$(($(cut -d. -f1 /proc/uptime) + $1)); shift
    while ! "$@" 2> /dev/null; do
        [ "$(cut -d. -f1 /proc/uptime)" -lt $by ] || return 1
        sleep 0.1
    done
}
# halt_bios: a firmware with which a processor that runs does nothing: interrupts off, halt, for ever.
halt_bios() { host_root; { head -c 65520 /dev/zero; printf '\372\364\353\375'; head -c 12 /dev/zero; } > /host/tmp/halt.bin; }
# machine WORDS..: a paused QEMU with a QMP socket and monitors at ports 4444 and 4445.
QMP=/host/run/qmp.sock
PAUSED=-S
machine() {
    host_root
    in_host qemu-system-x86_64 -name bench -accel tcg -M pc -m 64 -nodefaults -display none $PAUSED "$@" \
        -qmp unix:/run/qmp.sock,server=on,wait=off -monitor tcp:127.0.0.1:4444,server=on,wait=off \
        -monitor tcp:127.0.0.1:4445,server=on,wait=off -daemonize -pidfile /run/qemu.pid || { fail "no inner machine"; exit 1; }
    # What QEMU itself says of its USB, again and again.
    (while sleep 0.2; do echo 'info usb'; done) | nc 127.0.0.1 4445 > usb.log 2> /dev/null &
}
# The first device that a QEMU opens costs it a second here, because its pages come through the shared folder: it opens
# one that is none before anything is measured.
xhci() {
    machine -device qemu-xhci,id=xhci,p2=8,p3=8 "$@"
    monitor 'device_add usb-host,id=none,bus=xhci.0,port=8,hostdevice=/dev/null' > /dev/null
}
machine_off() { kill "$(cat /host/run/qemu.pid)" 2> /dev/null; within 10 eval '! pidof qemu-system-x86_64 > /dev/null'; }
# monitor COMMAND: what QEMU's own monitor answers.
monitor() { { echo "$1"; sleep 0.2; } | timeout 5 nc 127.0.0.1 4444 | tr -d '\r'; }
guest_usb() { monitor 'info usb' | grep -a 'Product'; }
# in_guest PID PORT: QEMU itself says that this face is at this port of the guest.
in_guest() { guest_usb | grep -qa "Port $2, .*Product Phone $1"; }
# It has to have answered at all.
guest_is_empty() { said=$(monitor 'info usb'); [ "$(echo "$said" | grep -ca '(qemu)')" -gt 0 ] && ! echo "$said" | grep -qa 'Phone'; }
# parade FILE: guest ports and faces in the order in which QEMU said it had them.
parade() { grep -ao 'Port [0-9.]*, .*Product Phone [0-9]*' "$1" | sed 's/Port \([0-9.]*\),.*Phone /\1:/' | uniq | tr '\n' ' ' | sed 's/ $//'; }
# Drivers of the phone's interfaces on this side.
drivers() { for link in /sys/bus/usb/devices/*:*/driver; do readlink "$link" | sed 's|.*/||'; done | grep -vx hub | sort -u; }
acm_has_it() { [ "$(drivers)" = cdc_acm ]; }
# follow WORDS..: bromide vm attach; its process is $follower.
follow() { bromide vm attach "$@" --json > "$OUT/follow.json" 2> follow.log & follower=$!; within 20 grep -q '"waiting"' "$OUT/follow.json"; }
# interrupted: Ctrl-C, and its exit code in $code.
interrupted() { kill -INT "$follower"; wait "$follower"; code=$?; }
told() { grep -c "\"event\":\"$1\"" "$OUT/follow.json"; }
