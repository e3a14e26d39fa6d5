//! What a person wants to know about a device on the list: who holds it, and whether it may be opened.

use std::fs;
use std::path::{Path, PathBuf};

use super::listing::{Device, Places, attribute};

/// More about a [`Device`], read without opening it and without root. Empty on other systems than Linux.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Details {
    /// What the device calls itself; foreign text.
    pub product: Option<String>,
    /// Drivers that are bound to its interfaces, each once, in the order of the interfaces.
    pub drivers: Vec<String>,
    /// Its serial port, like `/dev/ttyACM0`.
    pub tty: Option<PathBuf>,
    /// The file through which it is opened directly.
    pub node: PathBuf,
    /// Whether this process may open that.
    pub access: Access,
}

/// Whether a file may be read and written by this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// It may.
    Granted,
    /// It exists, but the permissions are against it.
    Denied,
    /// It does not exist, as in a container that was not given it.
    Missing,
}

impl Details {
    /// Looks at `device`; what has left meanwhile is simply missing.
    pub fn of(device: &Device, places: &Places) -> Self {
        let at = places.devices().join(&device.port);
        let mut drivers = Vec::new();
        for interface in interfaces(places, device) {
            let bound = fs::read_link(interface.join("driver")).ok();
            let name = bound.as_deref().and_then(Path::file_name).map(|n| n.to_string_lossy().into_owned());
            drivers.extend(name.filter(|n| !drivers.contains(n)));
        }
        let node = device.node(places);
        let access = access(&node);
        let product = attribute(&at, "product").filter(|p| !p.is_empty());
        Self { product, drivers, tty: tty_of(device, places), node, access }
    }
}

/// The serial port that the kernel made for a device.
pub(crate) fn tty_of(device: &Device, places: &Places) -> Option<PathBuf> {
    interfaces(places, device).iter().find_map(|interface| {
        // A CDC port is listed in a folder of its own, that of a USB-serial bridge beside the interface's files.
        let mut names: Vec<_> = [interface.join("tty"), interface.clone()]
            .iter()
            .filter_map(|folder| fs::read_dir(folder).ok())
            .flatten()
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .filter(|name| name.starts_with("ttyACM") || name.starts_with("ttyUSB"))
            .collect();
        names.sort();
        names.first().map(|name| places.dev.join(name))
    })
}

/// The folders of a device's interfaces, in order.
fn interfaces(places: &Places, device: &Device) -> Vec<PathBuf> {
    let folder = places.devices().join(&device.port);
    let prefix = format!("{}:", device.port);
    let mut names: Vec<_> = fs::read_dir(&folder)
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| name.starts_with(&prefix))
        .collect();
    names.sort();
    names.into_iter().map(|name| folder.join(name)).collect()
}

/// Whether this process may read and write a file.
pub(crate) fn access(node: &Path) -> Access {
    if !node.exists() {
        return Access::Missing;
    }
    #[cfg(unix)]
    let granted = {
        use rustix::fs::Access as Want;
        rustix::fs::access(node, Want::READ_OK | Want::WRITE_OK).is_ok()
    };
    #[cfg(not(unix))]
    let granted = true;
    if granted { Access::Granted } else { Access::Denied }
}
