//! The USB devices that are there now, with their port chains.
//!
//! On Linux read from sysfs, without opening any device and without root: a handful of small files each, so that
//! it can be repeated every few milliseconds. Elsewhere `nusb` lists them.

use std::io;
use std::path::{Path, PathBuf};

use bromide_proto::bus::{BusSpeed, Face, Sighting};

/// Where the system keeps its view of the devices. Other places than the default are for tests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Places {
    /// Usually `/sys`.
    pub sys: PathBuf,
    /// Usually `/dev`.
    pub dev: PathBuf,
}

impl Default for Places {
    fn default() -> Self {
        Self { sys: "/sys".into(), dev: "/dev".into() }
    }
}

impl Places {
    /// The folder with one entry for each device and interface.
    pub(crate) fn devices(&self) -> PathBuf {
        self.sys.join("bus/usb/devices")
    }
}

/// A USB device: a phone, a hub, anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// Port chain like `1-4.2`; a root hub is `usb1`.
    pub port: String,
    /// Number of the bus.
    pub bus: u8,
    /// Address on the bus, another at each appearance.
    pub address: u8,
    /// Vendor id.
    pub vid: u16,
    /// Product id.
    pub pid: u16,
    /// How fast it was enumerated.
    pub speed: BusSpeed,
    /// Whether it is a hub.
    pub hub: bool,
}

impl Device {
    /// This device as an appearance of a phone, when its ids say it is one.
    pub fn sighting(&self) -> Option<Sighting> {
        let face = Face::of(self.vid, self.pid)?;
        let Self { vid, pid, speed, .. } = *self;
        Some(Sighting { face, vid, pid, port: self.port.clone(), speed })
    }

    /// The file through which it is opened directly.
    pub fn node(&self, places: &Places) -> PathBuf {
        places.dev.join(format!("bus/usb/{:03}/{:03}", self.bus, self.address))
    }

    /// Whether this very appearance is still there.
    pub fn is_there(&self, places: &Places) -> bool {
        is_there(self, places)
    }
}

/// All devices and root hubs, sorted by bus and port.
///
/// # Errors
/// When the system has no USB bus ([`io::ErrorKind::NotFound`]) or does not let it be listed. Devices that leave
/// meanwhile are left out.
pub fn list(places: &Places) -> io::Result<Vec<Device>> {
    let mut all = imp::list(places)?;
    all.sort_by_cached_key(|d| port_order(&d.port));
    Ok(all)
}

/// The phones among the devices, sorted by bus and port. Cheaper than [`list`]: of most devices only the ids are read.
///
/// # Errors
/// As [`list`].
pub(crate) fn phones(places: &Places) -> io::Result<Vec<(Sighting, Device)>> {
    let phones = imp::phones(places)?;
    let mut phones: Vec<_> = phones.into_iter().filter_map(|d| Some((d.sighting()?, d))).collect();
    phones.sort_by_cached_key(|(_, d)| port_order(&d.port));
    Ok(phones)
}

/// Numbers in a port chain, so that port 10 comes after port 9, and a hub before what hangs on it.
fn port_order(port: &str) -> Vec<u32> {
    port.trim_start_matches("usb").split(['-', '.']).map(|n| n.parse().unwrap_or(u32::MAX)).collect()
}

/// Reads one attribute of sysfs without its line end.
pub(crate) fn attribute(folder: &Path, name: &str) -> Option<String> {
    std::fs::read_to_string(folder.join(name)).ok().map(|text| text.trim().to_owned())
}

#[cfg(target_os = "linux")]
mod imp {
    use super::*;

    pub(super) fn list(places: &Places) -> io::Result<Vec<Device>> {
        select(places, |name| !name.contains(':'), |_, _| true)
    }

    pub(super) fn phones(places: &Places) -> io::Result<Vec<Device>> {
        let plugged = |name: &str| !name.contains(':') && !name.starts_with("usb");
        select(places, plugged, |vid, pid| Face::of(vid, pid).is_some())
    }

    /// `1-4.2:1.0` is an interface, `usb1` a root hub.
    fn select(
        places: &Places,
        name: impl Fn(&str) -> bool,
        id: impl Fn(u16, u16) -> bool,
    ) -> io::Result<Vec<Device>> {
        let folder = places.devices();
        let names = std::fs::read_dir(&folder)?.filter_map(|e| e.ok()?.file_name().into_string().ok());
        Ok(names.filter(|n| name(n)).filter_map(|name| device(&folder, name, &id)).collect())
    }

    /// `None`: it left, is not wanted, or what sysfs says makes no sense.
    fn device(folder: &Path, port: String, wanted: impl Fn(u16, u16) -> bool) -> Option<Device> {
        let at = folder.join(&port);
        let hex = |name| u16::from_str_radix(&attribute(&at, name)?, 16).ok();
        let (vid, pid) = (hex("idVendor")?, hex("idProduct")?);
        if !wanted(vid, pid) {
            return None;
        }
        let speed = match attribute(&at, "speed")?.as_str() {
            "1.5" => BusSpeed::Low,
            "12" => BusSpeed::Full,
            "480" => BusSpeed::High,
            "5000" | "10000" | "20000" => BusSpeed::Super,
            _ => BusSpeed::Unknown,
        };
        let number = |name| attribute(&at, name)?.parse::<u8>().ok();
        let (bus, address) = (number("busnum")?, number("devnum")?);
        Some(Device { port, bus, address, vid, pid, speed, hub: hex("bDeviceClass") == Some(9) })
    }
}

#[cfg(not(target_os = "linux"))]
mod imp {
    use super::*;
    use nusb::MaybeFuture;

    pub(super) fn list(_: &Places) -> io::Result<Vec<Device>> {
        Ok(nusb::list_devices().wait().map_err(io::Error::from)?.map(|info| of(&info)).collect())
    }

    pub(super) fn phones(places: &Places) -> io::Result<Vec<Device>> {
        list(places)
    }

    fn of(info: &nusb::DeviceInfo) -> Device {
        Device {
            port: super::port_of(info),
            bus: 0,
            address: info.device_address(),
            vid: info.vendor_id(),
            pid: info.product_id(),
            speed: match info.speed() {
                Some(nusb::Speed::Low) => BusSpeed::Low,
                Some(nusb::Speed::Full) => BusSpeed::Full,
                Some(nusb::Speed::High) => BusSpeed::High,
                Some(nusb::Speed::Super | nusb::Speed::SuperPlus) => BusSpeed::Super,
                _ => BusSpeed::Unknown,
            },
            hub: info.class() == 9,
        }
    }
}

/// Whether this very appearance of a device is still there.
pub(crate) fn is_there(device: &Device, places: &Places) -> bool {
    if cfg!(target_os = "linux") {
        let address = attribute(&places.devices().join(&device.port), "devnum");
        address.and_then(|a| a.parse().ok()) == Some(device.address)
    } else {
        list(places).is_ok_and(|all| all.contains(device))
    }
}

/// Whether the system has chosen none of the device's configurations, so that nothing but its ids can be used.
pub(crate) fn is_unconfigured(device: &Device, places: &Places) -> bool {
    let chosen = attribute(&places.devices().join(&device.port), "bConfigurationValue");
    matches!(chosen.as_deref(), Some("" | "0"))
}

/// The device's descriptors as they came from it, where the system keeps them.
pub(crate) fn raw_descriptors(device: &Device, places: &Places) -> Option<Vec<u8>> {
    std::fs::read(places.devices().join(&device.port).join("descriptors")).ok()
}

/// The port chain of a device as `nusb` knows it.
#[cfg(target_os = "linux")]
pub(crate) fn port_of(info: &nusb::DeviceInfo) -> String {
    info.sysfs_path().file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// The port chain of a device as `nusb` knows it.
#[cfg(not(target_os = "linux"))]
pub(crate) fn port_of(info: &nusb::DeviceInfo) -> String {
    let chain: Vec<_> = info.port_chain().iter().map(u8::to_string).collect();
    format!("{}-{}", info.bus_id(), chain.join("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_sorted_by_number_and_hubs_come_before_what_hangs_on_them() {
        let mut ports = ["2-1", "1-10", "1-9.1", "usb2", "1-9", "usb1"];
        ports.sort_by_cached_key(|p| port_order(p));
        assert_eq!(ports, ["usb1", "1-9", "1-9.1", "1-10", "usb2", "2-1"]);
    }
}
