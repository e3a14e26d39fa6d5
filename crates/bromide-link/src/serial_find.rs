//! Finds the serial port of a MediaTek phone by its USB ids, as Linux lists them.
//!
//! Ids: `brom-preloader.md` section 1. Only BootROM and preloader are looked for: a running Android phone is not a
//! download target. On systems without `/sys/class/tty` nothing is found.

use core::time::Duration;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use bromide_proto::link::LinkError;

use crate::cancel::Cancel;

const VENDOR: &str = "0e8d";
const PRODUCTS: [&str; 2] = ["0003", "2000"];
/// A preloader is useful for 0.3 s at worst, so look often; one look reads a handful of small files.
const LOOK: Duration = Duration::from_millis(20);

/// Waits for the first port that belongs to a phone in BootROM or preloader mode.
///
/// # Errors
/// [`LinkError::Timeout`] after `wait`, [`LinkError::Cancelled`].
pub fn wait_for_port(wait: Duration, cancel: &Cancel) -> Result<PathBuf, LinkError> {
    let start = Instant::now();
    loop {
        if let Some(port) = port_in(Path::new("/sys/class/tty")) {
            return Ok(port);
        }
        if cancel.is_set() {
            return Err(LinkError::Cancelled);
        }
        if start.elapsed() >= wait {
            return Err(LinkError::Timeout(wait));
        }
        cancel.sleep_until(Instant::now() + LOOK);
    }
}

fn port_in(class: &Path) -> Option<PathBuf> {
    let mut names: Vec<_> = fs::read_dir(class)
        .ok()?
        .filter_map(|e| e.ok()?.file_name().into_string().ok())
        .filter(|name| name.starts_with("ttyACM") || name.starts_with("ttyUSB"))
        .collect();
    names.sort();
    names
        .into_iter()
        .find(|name| is_phone(&class.join(name).join("device")))
        .map(|n| Path::new("/dev").join(n))
}

/// `device` is the interface (or a port below it); the USB device with the ids lies one to three levels up.
fn is_phone(device: &Path) -> bool {
    let Ok(device) = device.canonicalize() else { return false };
    device.ancestors().take(4).any(|level| {
        let id = |file| fs::read_to_string(level.join(file)).ok();
        let (Some(vendor), Some(product)) = (id("idVendor"), id("idProduct")) else { return false };
        vendor.trim() == VENDOR && PRODUCTS.contains(&product.trim())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(root: &Path, tty: &str, vendor: &str, product: &str) {
        let usb = root.join(format!("devices/usb1/1-{tty}"));
        let interface = usb.join("1-1:1.1");
        fs::create_dir_all(&interface).unwrap();
        fs::write(usb.join("idVendor"), format!("{vendor}\n")).unwrap();
        fs::write(usb.join("idProduct"), format!("{product}\n")).unwrap();
        let entry = root.join("class").join(tty);
        fs::create_dir_all(&entry).unwrap();
        std::os::unix::fs::symlink(interface, entry.join("device")).unwrap();
    }

    #[test]
    fn the_phone_is_picked_out_among_other_serial_ports() {
        let root = tempfile::tempdir().unwrap();
        device(root.path(), "ttyACM0", "2341", "0043");
        device(root.path(), "ttyACM1", "0e8d", "200a");
        device(root.path(), "ttyACM2", "0e8d", "0003");
        assert_eq!(port_in(&root.path().join("class")), Some("/dev/ttyACM2".into()));
    }

    #[test]
    fn without_a_phone_or_without_the_folder_nothing_is_found() {
        let root = tempfile::tempdir().unwrap();
        device(root.path(), "ttyACM0", "2341", "0043");
        assert_eq!(port_in(&root.path().join("class")), None);
        assert_eq!(port_in(&root.path().join("missing")), None);
    }

    #[test]
    fn waiting_ends_in_time_and_on_request() {
        let cancel = Cancel::new();
        assert!(matches!(
            wait_for_port(Duration::from_millis(1), &cancel),
            Err(LinkError::Timeout(_)) | Ok(_)
        ));
        cancel.set();
        assert!(matches!(wait_for_port(Duration::from_secs(60), &cancel), Err(LinkError::Cancelled) | Ok(_)));
    }
}
