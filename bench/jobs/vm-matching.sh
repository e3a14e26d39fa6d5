# shows: how long QEMU's own matching by vendor takes, beside what bromide vm attach takes
# limit: 120
# full: only
# root: yes
# after: takeover
. /mnt/lib.sh
. /mnt/lib_vm.sh
# QEMU looks only while the machine runs (hw/usb/host-libusb.c), and libusb, which it asks, hears of new devices only
# from udevd.
halt_bios; PAUSED=
mkdir -p /run/udev /host/run/udev
systemd-udevd --daemon --resolve-names=never
check "udevd runs" within 10 test -S /run/udev/control
mount -o bind /run/udev /host/run/udev
xhci -bios /tmp/halt.bin
bench-probe events "$OUT/events.txt" & events=$!
monitor 'device_add usb-host,id=own,bus=xhci.0,port=3,vendorid=0x0e8d' > /dev/null
for number in 1 2 3 4 5 6 7 8; do bench-probe faces '0003:4000,gap:700' 1 > faces.log; done
check "QEMU took some: $(parade usb.log)" grep -qa 'Port 3, .*Product Phone 0003' usb.log
kill $events
machine_off
umount /host/run/udev
