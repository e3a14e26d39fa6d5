//! Programs of the machine that the bench calls, and how they get there.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::process;

/// What the guest's programs are built for: static, so that they run in an empty file system.
pub(crate) const TARGET: &str = "x86_64-unknown-linux-musl";
/// Programs and the Debian packages they come from.
const PROGRAMS: [(&str, &str); 8] = [
    ("qemu-system-x86_64", "qemu-system-x86"),
    ("busybox", "busybox-static"),
    ("depmod", "kmod"),
    ("dpkg-deb", "dpkg"),
    ("xz", "xz-utils"),
    ("tshark", "tshark"),
    ("setpriv", "util-linux"),
    ("udevadm", "udev"),
];

/// What jobs with libvirt need besides.
const LIBVIRT: [(&str, &str); 2] = [("libvirtd", "libvirt-daemon-system"), ("virsh", "libvirt-clients")];

/// Sees to it that libvirt is there.
pub(crate) fn libvirt(install: bool) -> Result<(), String> {
    let missing = LIBVIRT.iter().filter(|(program, _)| find(program).is_none());
    packages(&missing.map(|(_, package)| *package).collect::<Vec<_>>(), install)
}

/// Sees to it that everything is there: `install` allows the package manager to be called.
pub(crate) fn ready(install: bool) -> Result<(), String> {
    packages(&missing(), install)?;
    if process::works(&format!("rustup target add {TARGET}")) {
        Ok(())
    } else {
        Err(format!("the Rust target {TARGET} is missing: rustup target add {TARGET}"))
    }
}

/// Installs these Debian packages, if that is allowed.
pub(crate) fn packages(missing: &[&str], install: bool) -> Result<(), String> {
    if missing.is_empty() {
        return Ok(());
    }
    let names = missing.join(" ");
    let by_hand = format!("apt-get install --no-install-recommends {names}");
    if !install {
        return Err(format!("missing: {names}. Call with --install, or: {by_hand}"));
    }
    println!("==> {by_hand}");
    let arguments = ["install", "--yes", "--no-install-recommends"];
    // Stale package lists are refreshed only when they do not serve: that costs a quarter of a minute.
    if output(apt().args(arguments).args(missing)).is_err() {
        output(apt().arg("update"))?;
        let installed = output(apt().args(arguments).args(missing));
        installed.map_err(|e| format!("{e}\nnot installed; by hand: {by_hand}"))?;
    }
    Ok(())
}

/// Debian packages that are not there.
pub(crate) fn missing() -> Vec<&'static str> {
    let there = |program: &str| match find(program) {
        Some(path) if program == "busybox" => is_static(&path),
        Some(_) => true,
        None => false,
    };
    PROGRAMS.iter().filter(|(program, _)| !there(program)).map(|(_, package)| *package).collect()
}

/// A static program names no interpreter in its first page.
fn is_static(path: &Path) -> bool {
    let bytes = std::fs::read(path).unwrap_or_default();
    let head = bytes.get(..4096).unwrap_or(&bytes);
    !head.windows(8).any(|w| w == b"ld-linux")
}

/// Where a program is, also where only the administrator's path reaches.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var("PATH").unwrap_or_default();
    let folders = path.split(':').chain(["/usr/sbin", "/sbin", "/usr/bin", "/bin"]);
    folders.map(|folder| Path::new(folder).join(program)).find(|path| path.is_file())
}

/// A program by its full path where it is found.
pub(crate) fn admin(program: &str) -> PathBuf {
    find(program).unwrap_or_else(|| program.into())
}

/// The package manager, asking nothing; through sudo where the user is not the administrator.
pub(crate) fn apt() -> Command {
    let mut command = if rustix::process::geteuid().is_root() {
        Command::new("apt-get")
    } else {
        let mut sudo = Command::new("sudo");
        sudo.args(["-n", "DEBIAN_FRONTEND=noninteractive", "apt-get"]);
        sudo
    };
    command.env("DEBIAN_FRONTEND", "noninteractive").args(["-q", "-o", "Dpkg::Use-Pty=0"]);
    command
}

/// Runs a program to its end; its standard output, or its last words as an error.
pub(crate) fn output(command: &mut Command) -> Result<String, String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let done = command.output().map_err(|e| format!("{name}: {e}"))?;
    if done.status.success() {
        return Ok(String::from_utf8_lossy(&done.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    let last: Vec<&str> = said.lines().rev().take(5).collect();
    Err(format!("{name}: {}: {}", done.status, last.into_iter().rev().collect::<Vec<_>>().join("\n")))
}
