//! The kernel's USB: is it there, are its device nodes, may they be used; which phones are on it.

use bromide_proto::bus::Face;

use super::check::Check;
use super::machine::Machine;
use super::udev::Rules;
use crate::cmd::setup::sudo;

const DEVICES: &str = "/sys/bus/usb/devices";

/// MiB of queued reads that usbfs should allow. Four reads of 1 MiB are the largest queue that was of use
/// (`test-bench.md` section 3); the rest is for a second phone and for other programs.
const MEMORY: u64 = 8;

/// A MediaTek phone on the bus.
pub(super) struct Phone {
    /// Port chain, as the kernel names the device: `1-4.2`.
    pub(super) port: String,
    pub(super) face: Face,
    vid: u16,
    pid: u16,
    /// Its usbfs node.
    pub(super) node: Option<String>,
    /// Nodes of its serial ports.
    pub(super) ports: Vec<String>,
}

impl Phone {
    /// Whether it is in a mode this tool talks to.
    pub(super) fn is_target(&self) -> bool {
        self.face != Face::Android
    }
}

/// All that are there.
pub(super) fn phones(machine: &Machine) -> Vec<Phone> {
    let names = machine.names(DEVICES).unwrap_or_default();
    let phone = |name: &String| {
        let id = |file| u16::from_str_radix(&machine.text(&format!("{DEVICES}/{name}/{file}"))?, 16).ok();
        let (vid, pid) = (id("idVendor")?, id("idProduct")?);
        let face = Face::of(vid, pid)?;
        let interfaces =
            names.iter().filter(|other| other.strip_prefix(name).is_some_and(|r| r.starts_with(':')));
        let ports =
            interfaces.flat_map(|one| machine.names(&format!("{DEVICES}/{one}/tty")).unwrap_or_default());
        let ports = ports.map(|port| format!("/dev/{port}")).collect();
        Some(Phone { port: name.clone(), face, vid, pid, node: node(machine, name), ports })
    };
    names.iter().filter_map(phone).collect()
}

/// The usbfs node a device should have.
fn node(machine: &Machine, device: &str) -> Option<String> {
    let number = |file| machine.text(&format!("{DEVICES}/{device}/{file}"))?.parse::<u32>().ok();
    Some(format!("/dev/bus/usb/{:03}/{:03}", number("busnum")?, number("devnum")?))
}

/// Is there USB at all?
pub(super) fn kernel(machine: &Machine) -> Check {
    let name = "kernel support";
    let Some(devices) = machine.names(DEVICES) else {
        return if machine.is_container() {
            Check::problem(
                name,
                "no USB in this container: /sys/bus/usb is missing",
                "run it outside, or give the container the host's /sys and /dev/bus/usb",
            )
        } else {
            Check::problem(
                name,
                "the kernel has no USB: /sys/bus/usb is missing",
                "sudo modprobe usbcore; in a virtual machine, give it a USB controller",
            )
        };
    };
    match devices.iter().filter(|device| device.starts_with("usb")).count() {
        0 => Check::problem(
            name,
            "the kernel knows USB, but there is no controller",
            "sudo modprobe xhci_pci; in a virtual machine, give it a USB controller",
        ),
        1 => Check::fine(name, "one bus"),
        n => Check::fine(name, format!("{n} buses")),
    }
}

/// Are there the nodes through which a program talks to a device?
pub(super) fn nodes(machine: &Machine) -> Check {
    let name = "device nodes";
    let cure = if machine.is_container() {
        "give the container the host's folder: --volume /dev/bus/usb:/dev/bus/usb"
    } else {
        "mount the kernel's device folder (devtmpfs) on /dev, or start udevd"
    };
    let devices = machine.names(DEVICES).unwrap_or_default();
    let wanted: Vec<_> = devices.iter().filter_map(|device| node(machine, device)).collect();
    let missing: Vec<_> = wanted.iter().filter(|node| !machine.has(node)).collect();
    match (missing.first(), wanted.len()) {
        (None, 0) if machine.has("/dev/bus/usb") => Check::fine(name, "/dev/bus/usb is there"),
        (None, 0) => Check::problem(name, "/dev/bus/usb is missing", cure),
        (None, n) => Check::fine(name, format!("all {n} devices have one")),
        (Some(one), n) => {
            Check::problem(name, format!("{} of {n} devices have none, {one} for one", missing.len()), cure)
        }
    }
}

/// Which phones there are. None is no trouble: they come and go.
pub(super) fn seen(phones: &[Phone]) -> Check {
    let name = "phones now";
    let one = |p: &Phone| format!("{} ({:04x}:{:04x}) at port {}", p.face, p.vid, p.pid, p.port);
    match phones {
        [] => Check::fine(name, "none on the bus"),
        [only] => Check::fine(name, one(only)),
        [first, second] => Check::fine(name, format!("{}, {}", one(first), one(second))),
        [first, ..] => Check::fine(name, format!("{}, {}", phones.len(), one(first))),
    }
}

/// May they be opened?
pub(super) fn access(machine: &Machine, phones: &[Phone], rules: &Rules) -> Check {
    let name = "access";
    let mut nodes = phones.iter().filter(|phone| phone.is_target()).filter_map(|phone| phone.node.as_deref());
    let shut = nodes.clone().find(|node| machine.has(node) && !machine.may_use(node));
    match (shut, nodes.next()) {
        (None, Some(_)) => Check::fine(name, "the phone may be opened"),
        (None, None) if machine.is_root() => Check::fine(name, "you are root"),
        (None, None) => Check::fine(name, "to be seen when a phone is there; the rules decide"),
        (Some(node), _) if matches!(rules, Rules::Right(_)) => Check::problem(
            name,
            format!("{node} may not be opened, although the rules are right"),
            "plug the phone in again; without a login at this very computer (ssh) use sudo or a group, see docs/linux.md",
        ),
        (Some(node), _) => {
            Check::problem(name, format!("{node} may not be opened"), sudo("setup linux --install"))
        }
    }
}

/// How much may be queued for reading?
pub(super) fn memory(machine: &Machine) -> Check {
    let name = "usbfs memory";
    let file = "/sys/module/usbcore/parameters/usbfs_memory_mb";
    match machine.text(file).and_then(|text| text.parse::<u64>().ok()) {
        None => Check::fine(name, "the kernel does not tell its limit"),
        Some(0) => Check::fine(name, "without limit"),
        Some(mib) if mib >= MEMORY => Check::fine(name, format!("{mib} MiB for queued reads")),
        Some(mib) => Check::warning(
            name,
            format!("{mib} MiB for queued reads of all programs; {MEMORY} is better"),
            format!("echo 16 | sudo tee {file}"),
        ),
    }
}
