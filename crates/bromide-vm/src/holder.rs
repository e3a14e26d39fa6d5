//! Which program has a device open that a guest is to get.

use std::fs;
use std::path::Path;

use bromide_link::usb::{Details, Device, Places};

/// Programs that hold a device through its node appear as this driver.
const PROGRAM: &str = "usbfs";

/// Who has claimed the device past the kernel's drivers, if anybody has: a guest could not use it then. A driver of
/// the kernel is no hindrance, QEMU takes the device from it.
pub(crate) fn of(device: &Device, places: &Places) -> Option<String> {
    let details = Details::of(device, places);
    if !details.drivers.iter().any(|driver| driver == PROGRAM) {
        return None;
    }
    let programs = with_open(&details.node);
    Some(if programs.is_empty() {
        "another program of this computer".to_owned()
    } else {
        programs.join(", ")
    })
}

/// Programs that have a file open, as far as they can be looked into.
fn with_open(file: &Path) -> Vec<String> {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let mut found = Vec::new();
    for process in processes {
        let folder = process.path();
        let open = fs::read_dir(folder.join("fd")).into_iter().flatten().flatten();
        if !open.filter_map(|fd| fs::read_link(fd.path()).ok()).any(|to| to == file) {
            continue;
        }
        let name = fs::read_to_string(folder.join("comm")).unwrap_or_default();
        found.push(format!("{} (process {})", name.trim(), process.file_name().to_string_lossy()));
    }
    found
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_has_a_file_open_is_named_with_its_number() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let found = with_open(file.path());
        assert!(found.iter().any(|it| it.contains(&std::process::id().to_string())), "{found:?}");
        assert!(with_open(Path::new("/nonexistent")).is_empty());
    }
}
