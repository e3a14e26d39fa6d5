# shows: the guest itself: the kernel's virtual host controller, serial driver, usbfs and usbmon are there
# limit: 30
. /mnt/lib.sh
check "virtual host controller" test -f /sys/devices/platform/vhci_hcd.0/attach
check "usbmon" test -c /dev/usbmon0
check "usbfs" test -d /dev/bus/usb
check "serial driver" test -d /sys/bus/usb/drivers/cdc_acm
check "no udev" test ! -S /run/udev/control
begin=$(now)
chip
echo "chip copied in $(calc "$(now) - $begin") s"
check "program" bromide --version
