//! The kernel's events with the wall clock beside them, which is also usbmon's clock.

use std::fs::File;
use std::io::Write;

use rustix::net::{AddressFamily, RecvFlags, SocketType, bind, netlink, recv, socket};
use rustix::time::{ClockId, clock_gettime};

/// The kernel's own multicast group; udev's is another.
const KERNEL: u32 = 1;

/// Writes a line for each event of a USB device, until killed.
pub(crate) fn events(file: &str) -> Result<(), String> {
    let failed = |e: rustix::io::Errno| format!("kernel events: {e}");
    let kind = Some(netlink::KOBJECT_UEVENT);
    let socket = socket(AddressFamily::NETLINK, SocketType::DGRAM, kind).map_err(failed)?;
    bind(&socket, &netlink::SocketAddrNetlink::new(0, KERNEL)).map_err(failed)?;
    let mut out = File::create(file).map_err(|e| format!("{file}: {e}"))?;
    let mut message = vec![0; 8192];
    loop {
        let (length, _) = recv(&socket, message.as_mut_slice(), RecvFlags::empty()).map_err(failed)?;
        let now = clock_gettime(ClockId::Realtime);
        let text = String::from_utf8_lossy(message.get(..length).unwrap_or_default()).into_owned();
        let field = |key: &str| text.split('\0').find_map(|f| f.strip_prefix(key)).unwrap_or("-");
        // A driver that is taken off an interface: QEMU, or whoever opens the phone.
        let unbound = field("DEVTYPE=") == "usb_interface" && field("ACTION=") == "unbind";
        if unbound {
            let product = field("PRODUCT=");
            writeln!(out, "{}.{:06} unbound {product} - -", now.tv_sec, now.tv_nsec / 1000)
                .map_err(|e| format!("{file}: {e}"))?;
        }
        if field("DEVTYPE=") == "usb_device" {
            let (action, product) = (field("ACTION="), field("PRODUCT="));
            let (bus, device) = (field("BUSNUM="), field("DEVNUM="));
            writeln!(out, "{}.{:06} {action} {product} {bus} {device}", now.tv_sec, now.tv_nsec / 1000)
                .map_err(|e| format!("{file}: {e}"))?;
        }
    }
}
