//! The guest's first file system: busybox, the modules, the programs under test, and udev with its libraries.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::cpio::Archive;
use super::kernel::Kernel;
use super::tools;
use crate::process::root;

const FOLDERS: [&str; 9] = ["bin", "dev", "proc", "sys", "tmp", "mnt", "run", "etc/udev/rules.d", "var/lib"];
/// People of the guest: one without rights, and the groups udev's own rules name.
const PASSWD: &str = "root:x:0:0:root:/:/bin/sh\nuser:x:1000:1000:user:/tmp:/bin/sh\n";
const GROUPS: &str = "root:x:0:\ntty:x:5:\ndisk:x:6:\ndialout:x:20:\nplugdev:x:46:\ninput:x:104:\nkvm:x:105:\nrender:x:106:\nuser:x:1000:\n";
/// Where Debian keeps the daemon: in current systems a second name of `udevadm`.
const UDEV: [&str; 2] = ["/lib/systemd/systemd-udevd", "/usr/lib/systemd/systemd-udevd"];

/// Builds the archive with these programs (name, file) in `/bin`.
pub(crate) fn build(kernel: &Kernel, programs: &[(&str, &PathBuf)]) -> Result<Vec<u8>, String> {
    let mut archive = Archive::default();
    FOLDERS.iter().for_each(|folder| archive.folder(folder));
    put(&mut archive, "init", &root().join("bench/guest/init"))?;
    put(&mut archive, "bin/busybox", &tools::admin("busybox"))?;
    archive.file("etc/passwd", PASSWD.as_bytes());
    archive.file("etc/group", GROUPS.as_bytes());
    let mut order = String::new();
    for module in &kernel.modules {
        let name = file_name(module);
        put(&mut archive, &format!("modules/{name}"), module)?;
        order.push_str(&name);
        order.push('\n');
    }
    archive.file("modules/order", order.as_bytes());
    for (name, program) in programs {
        put(&mut archive, &format!("bin/{name}"), program)?;
    }
    let udevadm = tools::find("udevadm").ok_or("udevadm is missing")?;
    let daemon = UDEV.iter().map(Path::new).find(|p| p.exists()).ok_or("systemd-udevd is missing")?;
    with_libraries(&mut archive, "bin/udevadm", &udevadm)?;
    with_libraries(&mut archive, "bin/systemd-udevd", daemon)?;
    Ok(archive.finish())
}

/// A program and every library its loader would ask for, at the paths where it looks.
fn with_libraries(archive: &mut Archive, name: &str, program: &Path) -> Result<(), String> {
    put(archive, name, program)?;
    let listed = tools::output(Command::new("ldd").arg(program))?;
    for library in listed.split_whitespace().filter(|word| word.starts_with('/')) {
        put(archive, library, Path::new(library))?;
    }
    Ok(())
}

fn put(archive: &mut Archive, name: &str, from: &Path) -> Result<(), String> {
    let bytes = fs::read(from).map_err(|e| format!("{}: {e}", from.display()))?;
    archive.file(name, &bytes);
    Ok(())
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
