//! The guest's kernel: a Debian package, downloaded and unpacked but never installed, and kept for the next run.
//!
//! The package's compressed image is unpacked once to the ELF file inside it: an emulated processor then boots in
//! 4 s instead of 10 s. Field positions are those of the x86 boot protocol (`Documentation/arch/x86/boot.rst`).

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::tools;

/// Names the package file to use instead of the current one.
const PACKAGE: &str = "BROMIDE_BENCH_KERNEL";
/// Modules the guest loads; what they need comes along.
const MODULES: [&str; 11] = [
    "usbmon",
    "vhci-hcd",
    "cdc-acm",
    "xhci-pci",
    "virtio_pci",
    "virtio_blk",
    "9p",
    "9pnet_virtio",
    "dummy_hcd",
    "libcomposite",
    "usb_f_acm",
];

/// An unpacked kernel.
pub(crate) struct Kernel {
    /// The ELF file.
    pub(crate) image: PathBuf,
    /// Module files in the order in which they can be loaded.
    pub(crate) modules: Vec<PathBuf>,
}

/// Downloads and unpacks what is missing in `folder`.
pub(crate) fn kernel(folder: &Path) -> Result<Kernel, String> {
    let root = folder.join("root");
    let image = folder.join("vmlinux");
    if !image.exists() {
        let _ = fs::remove_dir_all(folder);
        fs::create_dir_all(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
        let package = package(folder)?;
        tools::output(Command::new("dpkg-deb").arg("-x").arg(&package).arg(&root))?;
        let version = version(&root)?;
        tools::output(Command::new(tools::admin("depmod")).arg("-b").arg(&root).arg(&version))?;
        let compressed = root.join(format!("boot/vmlinuz-{version}"));
        let bytes = fs::read(&compressed).map_err(|e| format!("{}: {e}", compressed.display()))?;
        let elf = unpack(payload(&bytes)?)?;
        // Under its own name only when whole: its presence says that everything before it went well.
        let half = folder.join("vmlinux.half");
        fs::write(&half, elf).and_then(|()| fs::rename(&half, &image)).map_err(|e| e.to_string())?;
    }
    let modules = modules(&root, &version(&root)?)?;
    Ok(Kernel { image, modules })
}

fn package(folder: &Path) -> Result<PathBuf, String> {
    if let Some(path) = std::env::var_os(PACKAGE) {
        return Ok(path.into());
    }
    let listed = tools::output(Command::new("apt-cache").args(["depends", "linux-image-amd64"]))
        .ok()
        .and_then(|text| current(&text));
    let name = match listed {
        Some(name) => name,
        None => {
            tools::output(tools::apt().arg("update"))?;
            let text = tools::output(Command::new("apt-cache").args(["depends", "linux-image-amd64"]))?;
            current(&text).ok_or("no linux-image-amd64 in the package lists; a Debian mirror is needed")?
        }
    };
    println!("    downloading {name}");
    // The signed and the unsigned package hold the same modules; a mirror may have only one of them.
    let unsigned = format!("{name}-unsigned");
    let mut last = String::new();
    for name in [&name, &unsigned] {
        match tools::output(Command::new("apt-get").args(["download", name]).current_dir(folder)) {
            Ok(_) => break,
            Err(e) => last = e,
        }
    }
    let files = fs::read_dir(folder).map_err(|e| e.to_string())?;
    let found = files.flatten().map(|f| f.path()).find(|p| p.extension().is_some_and(|e| e == "deb"));
    found.ok_or_else(|| format!("the kernel package cannot be had ({PACKAGE} may name a file): {last}"))
}

/// The package the empty package `linux-image-amd64` stands for.
fn current(depends: &str) -> Option<String> {
    let names = depends.lines().filter_map(|line| line.trim().strip_prefix("Depends: "));
    names.into_iter().find(|name| name.starts_with("linux-image-")).map(str::to_owned)
}

fn version(root: &Path) -> Result<String, String> {
    let folder = root.join("lib/modules");
    let mut names = fs::read_dir(&folder).map_err(|e| format!("{}: {e}", folder.display()))?.flatten();
    let first = names.next().ok_or_else(|| format!("{}: no kernel", folder.display()))?;
    Ok(first.file_name().to_string_lossy().into_owned())
}

fn modules(root: &Path, version: &str) -> Result<Vec<PathBuf>, String> {
    let mut files = Vec::new();
    for module in MODULES {
        let shown = tools::output(Command::new(tools::admin("modprobe")).arg("-d").arg(root).args([
            "-S",
            version,
            "--show-depends",
            module,
        ]))?;
        for line in shown.lines() {
            let path = line.strip_prefix("insmod ").map(|rest| PathBuf::from(rest.trim()));
            files.extend(path.filter(|path| !files.contains(path)).into_iter().collect::<Vec<_>>());
        }
    }
    Ok(files)
}

/// The compressed ELF file inside a bzImage.
fn payload(image: &[u8]) -> Result<&[u8], String> {
    let word = |at: usize| {
        let bytes = image.get(at..at + 4).and_then(|b| b.try_into().ok());
        bytes.map(|b| u32::from_le_bytes(b) as usize)
    };
    let inside = || {
        // A setup of 0 sectors means 4.
        let sectors = *image.get(0x1f1)? as usize;
        let start = (if sectors == 0 { 4 } else { sectors } + 1) * 512 + word(0x248)?;
        image.get(start..start.checked_add(word(0x24c)?)?)
    };
    if image.get(0x202..0x206) != Some(b"HdrS") {
        return Err("the kernel is not a bzImage".into());
    }
    inside().ok_or_else(|| "the kernel's payload does not lie in its file".into())
}

fn unpack(payload: &[u8]) -> Result<Vec<u8>, String> {
    let program = match payload {
        [0xfd, b'7', b'z', ..] => "xz",
        [0x1f, 0x8b, ..] => "gzip",
        [0x28, 0xb5, 0x2f, 0xfd, ..] => "zstd",
        _ => return Err("the kernel is compressed in an unknown way".into()),
    };
    let mut child = Command::new(program)
        .arg("-dc")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|e| format!("{program}: {e}"))?;
    let mut input = child.stdin.take().ok_or("no pipe")?;
    let bytes = payload.to_owned();
    // What follows the stream is not part of it and may break the pipe.
    let feeding = std::thread::spawn(move || drop(input.write_all(&bytes)));
    let unpacked = child.wait_with_output().map_err(|e| format!("{program}: {e}"))?.stdout;
    let _ = feeding.join();
    if unpacked.starts_with(b"\x7fELF") { Ok(unpacked) } else { Err("the kernel is not an ELF file".into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_current_kernel_is_what_the_empty_package_depends_on() {
        let text = "linux-image-amd64\n  Depends: linux-image-6.1.0-56-amd64\n";
        assert_eq!(current(text).as_deref(), Some("linux-image-6.1.0-56-amd64"));
        assert_eq!(current("linux-image-amd64\n"), None);
    }

    #[test]
    fn the_payload_lies_behind_the_setup_sectors() {
        let mut image = vec![0; 3 * 512 + 16];
        image[0x1f1] = 1;
        image[0x202..0x206].copy_from_slice(b"HdrS");
        image[0x248] = 8;
        image[0x24c] = 4;
        image[1024 + 8..1024 + 12].copy_from_slice(b"data");
        assert_eq!(payload(&image), Ok(&b"data"[..]));
        image[0x24e] = 1;
        assert!(payload(&image).is_err(), "a length beyond the file");
        assert!(payload(b"short").is_err());
    }

    #[test]
    fn an_unknown_compression_is_refused() {
        assert!(unpack(b"plain").is_err());
    }
}
