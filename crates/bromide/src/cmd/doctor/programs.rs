//! Other programs that grab phones: ModemManager, brltty, and whoever has one open right now.

use super::check::{Check, number};
use super::machine::Machine;
use super::udev::{Rules, line_with};
use super::usb::Phone;
use crate::cmd::setup::sudo;

/// It sends AT commands to new serial ports, and so into the handshake of a preloader.
pub(super) fn modem_manager(machine: &Machine, rules: &Rules, udevd: bool) -> Check {
    let name = "ModemManager";
    if machine.running("ModemManager").is_empty() {
        return Check::fine(name, "not running");
    }
    let elsewhere = line_with(machine, "", "ID_MM_DEVICE_IGNORE");
    match (rules, elsewhere) {
        (Rules::Right(_), _) if udevd => Check::fine(name, "running, and told to leave phones alone"),
        (_, Some(file)) if udevd => {
            Check::fine(name, format!("running, and told by {file} to leave MediaTek devices alone"))
        }
        _ if !udevd => Check::problem(
            name,
            "running, and without udevd no rule keeps it from phones",
            "sudo systemctl stop ModemManager",
        ),
        _ => Check::problem(
            name,
            "running: it talks into the one to three seconds of a preloader",
            format!("{}  (or: sudo systemctl stop ModemManager)", sudo("setup linux --install")),
        ),
    }
}

/// It claims some serial adapters, none of MediaTek's as it is delivered (`formats.md` section 8.1).
pub(super) fn brltty(machine: &Machine) -> Check {
    let name = "brltty";
    let claims = line_with(machine, "brltty", "");
    match (machine.running("brltty").is_empty(), claims) {
        (_, Some(file)) => Check::warning(
            name,
            format!("its rules {file} claim MediaTek devices"),
            "if you use no braille display: sudo apt remove brltty",
        ),
        (true, None) => Check::fine(name, "not running"),
        (false, None) => Check::fine(name, "running; it claims no MediaTek device"),
    }
}

/// Programs that have a phone's node open, as far as they can be looked into.
pub(super) fn holders(machine: &Machine, phones: &[Phone]) -> Check {
    let name = "phone in use";
    let targets = || phones.iter().filter(|phone| phone.is_target());
    if targets().next().is_none() {
        return Check::fine(name, "no phone to be held");
    }
    let is_phone = |path: &String| targets().any(|p| p.node.as_ref() == Some(path) || p.ports.contains(path));
    let mut hidden = 0;
    let mut held: Vec<(String, String)> = Vec::new();
    for process in machine.processes() {
        let folder = format!("/proc/{process}/fd");
        let Some(open) = machine.names(&folder) else {
            hidden += 1;
            continue;
        };
        let links = open.iter().filter_map(|fd| machine.link(&format!("{folder}/{fd}")));
        if let Some(path) = links.into_iter().find(is_phone) {
            held.push((process, path));
        }
    }
    let unseen = match hidden {
        0 => String::new(),
        n => format!("; {} could not be looked into, sudo shows them", number(n, "program")),
    };
    match held.first() {
        None => Check::fine(name, format!("by no program{unseen}")),
        Some((process, path)) => {
            let comm = machine.text(&format!("/proc/{process}/comm")).unwrap_or_default();
            let more = match held.len() {
                1 => String::new(),
                n => format!(", and {} more", n - 1),
            };
            let why = format!("{comm} (process {process}) has {path} open{more}{unseen}");
            let cure = match comm.as_str() {
                "ModemManager" => "sudo systemctl stop ModemManager".to_owned(),
                _ => format!("end that program: kill {process}"),
            };
            Check::problem(name, why, cure)
        }
    }
}
