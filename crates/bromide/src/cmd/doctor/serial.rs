//! The serial port the kernel makes of a phone: its driver, and the right to use it.

use super::check::Check;
use super::machine::{Machine, User};
use super::udev::Rules;
use super::usb::Phone;

/// Groups that own serial ports and USB devices: Debian and Fedora, Arch and Gentoo, older Debian.
const GROUPS: [&str; 3] = ["dialout", "uucp", "plugdev"];

const MODPROBE: [&str; 5] = [
    "/etc/modprobe.d",
    "/run/modprobe.d",
    "/usr/local/lib/modprobe.d",
    "/usr/lib/modprobe.d",
    "/lib/modprobe.d",
];

/// The driver cdc_acm.
pub(super) fn driver(machine: &Machine) -> Check {
    let name = "cdc_acm driver";
    if machine.has("/sys/module/cdc_acm") || machine.has("/sys/bus/usb/drivers/cdc_acm") {
        return Check::fine(name, "loaded");
    }
    if let Some(file) = blacklisted(machine) {
        return Check::warning(
            name,
            format!("switched off by {file}: only direct USB access works"),
            format!("take the line about cdc_acm out of {file}"),
        );
    }
    let release = machine.text("/proc/sys/kernel/osrelease").unwrap_or_default();
    let listed = ["/lib/modules", "/usr/lib/modules"].iter().any(|folder| {
        ["modules.dep", "modules.builtin"].iter().any(|list| {
            let text = machine.text(&format!("{folder}/{release}/{list}")).unwrap_or_default();
            text.lines().any(|line| line.split(':').next().unwrap_or_default().contains("/cdc-acm.ko"))
        })
    });
    if listed {
        return Check::fine(name, "there, loaded when a phone comes");
    }
    Check::warning(
        name,
        format!("not part of kernel {release} as seen from here: only direct USB access works"),
        "install the kernel's extra modules if you want the serial port as well",
    )
}

/// The file that keeps the driver from being loaded.
fn blacklisted(machine: &Machine) -> Option<String> {
    for folder in MODPROBE {
        for name in
            machine.names(folder).unwrap_or_default().into_iter().filter(|name| name.ends_with(".conf"))
        {
            let path = format!("{folder}/{name}");
            let text = machine.text(&path).unwrap_or_default();
            let off = |line: &str| {
                let words: Vec<_> = line.split_whitespace().collect();
                matches!(words.as_slice(), ["blacklist" | "install", "cdc_acm" | "cdc-acm", ..])
            };
            if text.lines().any(off) {
                return Some(path);
            }
        }
    }
    None
}

/// The user's groups.
pub(super) fn group(machine: &Machine, rules: &Rules, udevd: bool) -> Check {
    let name = "group";
    let Some(user) = machine.user() else {
        return Check::fine(name, "unknown: /proc is not to be read");
    };
    if user.uid == 0 {
        return Check::fine(name, "you are root");
    }
    let groups = groups(machine);
    if let Some((group, ..)) = groups.iter().find(|(_, gid, _)| user.gids.contains(gid)) {
        return Check::fine(name, format!("you are in {group}"));
    }
    if let Some((group, ..)) = groups.iter().find(|(.., members)| is_member(machine, &user, members)) {
        return Check::warning(
            name,
            format!("you were added to {group} after this login"),
            "log out and in again",
        );
    }
    match groups.first() {
        _ if udevd && matches!(rules, Rules::Right(_)) => {
            Check::fine(name, "none that owns serial ports; the rules give access without")
        }
        Some((group, ..)) => Check::warning(
            name,
            format!("you are not in {group}, which owns serial ports"),
            format!("sudo usermod --append --groups {group} $USER, then log in again"),
        ),
        None => Check::fine(name, "this system has no group for serial ports"),
    }
}

/// Name, number and members of the groups that matter and exist, the one that owns serial ports first.
fn groups(machine: &Machine) -> Vec<(String, u32, String)> {
    let text = machine.text("/etc/group").unwrap_or_default();
    let of = |wanted: &&str| {
        text.lines().find_map(|line| match line.split(':').collect::<Vec<_>>().as_slice() {
            [name, _, gid, members] if name == wanted => {
                Some(((*name).to_owned(), gid.parse().ok()?, (*members).to_owned()))
            }
            _ => None,
        })
    };
    GROUPS.iter().filter_map(of).collect()
}

fn is_member(machine: &Machine, user: &User, members: &str) -> bool {
    let text = machine.text("/etc/passwd").unwrap_or_default();
    let uid = user.uid.to_string();
    let name = text.lines().find_map(|line| match line.split(':').collect::<Vec<_>>().as_slice() {
        [name, _, its, ..] if *its == uid => Some((*name).to_owned()),
        _ => None,
    });
    name.is_some_and(|name| members.split(',').any(|member| member == name))
}

/// The serial ports that phones have now.
pub(super) fn ports(machine: &Machine, phones: &[Phone]) -> Check {
    let name = "phone's port";
    let ports: Vec<_> = phones.iter().filter(|p| p.is_target()).flat_map(|phone| &phone.ports).collect();
    let Some(first) = ports.first() else { return Check::fine(name, "none now") };
    match ports.iter().find(|port| !machine.has(port) || !machine.may_use(port)) {
        None => Check::fine(name, format!("{first} may be opened")),
        Some(port) if !machine.has(port) => Check::warning(
            name,
            format!("the kernel has made {port}, but there is no such node here"),
            "in a container: give it the host's /dev",
        ),
        Some(port) => Check::warning(
            name,
            format!("{port} may not be opened"),
            "see access and group above; direct USB access does not need it",
        ),
    }
}
