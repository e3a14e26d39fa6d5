# shows: the same through a real libvirtd and virsh: 2000, 0003, 2001 and back, same guest port, ten cycles, nothing left
# limit: 600
# full: only
# root: yes
# needs: libvirt
# after: handover
. /mnt/lib.sh
. /mnt/lib_vm.sh
host_root
mkdir -p /host/run/libvirt /host/var/lib/libvirt/qemu /host/var/log/libvirt/qemu /host/etc/libvirt/qemu
printf '%s\n' 'user = "root"' 'group = "root"' 'dynamic_ownership = 0' 'stdio_handler = "file"' 'security_driver = "none"' \
    'cgroup_controllers = []' 'namespaces = []' 'remember_owner = 0' > /host/etc/libvirt/qemu.conf
printf '%s\n' 'listen_tls = 0' 'listen_tcp = 0' 'auth_unix_rw = "none"' 'auth_unix_ro = "none"' > /host/etc/libvirt/libvirtd.conf
hostname bench
in_host libvirtd > libvirtd.log 2>&1 & daemon=$!
check "libvirtd runs" within 40 test -S /host/run/libvirt/libvirt-sock
v() { in_host timeout 60 virsh -q "$@"; }
cat > /host/run/domain.xml <<'X'
<domain type='qemu'>
  <name>winxp</name><memory unit='MiB'>64</memory><vcpu>1</vcpu>
  <os><type arch='x86_64' machine='pc'>hvm</type></os>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
    <controller type='usb' index='0' model='qemu-xhci' ports='8'/>
    <input type='tablet' bus='usb'/>
    <memballoon model='none'/>
  </devices>
</domain>
X
v create /run/domain.xml --paused || { fail "no domain"; tail libvirtd.log; exit 1; }
# The program is outside the root in which virsh lives, so it calls it through this.
printf '#!/bin/sh\nexec chroot /host /usr/bin/env PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C virsh "$@"\n' > /tmp/virsh
chmod +x /tmp/virsh; export PATH="/tmp:$PATH"
domain() { v dumpxml winxp; }
# With the prompt that QEMU's own monitor has, as a sign that it answered.
monitor() { said=$(v qemu-monitor-command winxp --hmp "$1") && echo "(qemu) $said"; }
bromide vm attach winpx > try.log 2>&1; check "a domain that does not exist" test $? = 2
says 'there are winxp' try.log "it names those that do"
bromide vm attach winxp --guest-port 1 > try.log 2>&1; says 'taken by input .*vm/port-taken' try.log "a port that is taken"
bromide vm attach winxp --guest-port 9 > try.log 2>&1; says 'ports 1 to 8' try.log "a port that does not exist"
bench-probe events "$OUT/events.txt" & events=$!
follow winxp --guest-port 3
bench-probe faces '2000:7000,gap:500,0003:7000,gap:500,2001:7000,gap:500,0003:7000,gap:500,2000:7000,gap:500,0003:*' > faces.log & phone=$!
# Not more often: libvirt does one thing after the other, and what is measured is the attaching.
(while sleep 2; do monitor 'info usb'; domain | tr -d '\n ' | grep -o "hostdev.*/hostdev"; done) > usb.log 2>&1 & poll=$!
all='3:2000 3:0003 3:2001 3:0003 3:2000 3:0003'
within 120 eval '[ "$(parade usb.log)" = "$all" ]'
check "guest port and face, says info usb: $(parade usb.log)" test "$(parade usb.log)" = "$all"
kill $poll
has='<addressbus=.[0-9]*.device=.[0-9]*./></source><aliasname=.ua-bromide-phone-[0-9]*./><addresstype=.usb.bus=.0.port=.3./>'
check "and virsh, six addresses at one port" test "$(grep -o "$has" usb.log | sort -u | wc -l)" = 6
bromide vm status winxp > status.log 2>&1
cat status.log
says 'port 3 .*the phone, BootROM' status.log "status says so"
interrupted
check "Ctrl-C ends it well ($code)" test $code = 0
check "nothing is left in the guest" guest_is_empty
check "nor in the domain" eval '! domain | grep -q hostdev'
check "cdc_acm has it again" within 5 acm_has_it
check "six faces came in" test "$(told attached)" = 6
unplug $phone
cp "$OUT/follow.json" "$OUT/follow.first.json"
follow winxp --guest-port 3
for cycle in $(seq 10); do
    bench-probe faces '2000:4000,gap:700,0003:4000,gap:700,2001:4000' 1 > faces.log
    within 10 guest_is_empty || fail "cycle $cycle: left in the guest: $(guest_usb)"
done
check "thirty faces came in: $(told attached)" test "$(told attached)" = 30
check "none was missed or refused" test "$(told missed).$(told not-attached)" = 0.0
bench-probe faces '0003:*' > faces.log & phone=$!
check "it is in the guest" within 20 in_guest 0003 3
# Killed: the next command takes out what is left.
kill -9 $follower; wait $follower
bromide vm detach winxp > detach.log 2>&1; code=$?
cat detach.log
check "detach takes out what a killed run has left" test $code = 0
check "nothing is left in the guest" guest_is_empty
check "cdc_acm has it again" within 5 acm_has_it
unplug $phone
kill $events
# Both runs together are what is measured.
cat "$OUT/follow.first.json" "$OUT/follow.json" > all.json && mv all.json "$OUT/follow.json"
# The domain is switched off with the phone in it, and Ctrl-C comes before anybody has asked.
bench-probe faces '0003:*' > faces.log & phone=$!
bromide vm attach winxp > off.log 2>&1 & follower=$!
check "it is in the guest" within 30 in_guest 0003 2
v destroy winxp
interrupted
check "a domain that is switched off ends it well ($code)" test $code = 0
says 'has been switched off' off.log "and is told"
check "cdc_acm has it again" within 5 acm_has_it
cat off.log
unplug $phone
check "no process is left" eval '! pidof bromide virsh > /dev/null'
check "no device is left" test -z "$(ports)"
kill $daemon
