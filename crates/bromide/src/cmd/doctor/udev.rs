//! The daemon that applies rules to devices, and our rules.

use super::check::Check;
use super::machine::Machine;
use crate::cmd::setup::{rules as ours, sudo};

/// Where udevd looks, the first file of a name counts (udev(7)).
const FOLDERS: [&str; 5] = [
    "/etc/udev/rules.d",
    "/run/udev/rules.d",
    "/usr/local/lib/udev/rules.d",
    "/usr/lib/udev/rules.d",
    "/lib/udev/rules.d",
];

/// The state of our rules file.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Rules {
    Missing,
    Right(String),
    Different(String),
    Off(String),
    Unreadable(String),
}

/// Looks for our file.
pub(super) fn rules(machine: &Machine) -> Rules {
    for folder in FOLDERS {
        let path = format!("{folder}/{}", ours::NAME);
        if let Some(target) = machine.link(&path)
            && target == "/dev/null"
        {
            return Rules::Off(path);
        }
        if !machine.has(&path) {
            continue;
        }
        return match machine.text(&path) {
            None => Rules::Unreadable(path),
            Some(text) if text.is_empty() => Rules::Off(path),
            Some(text) if text == ours::text().trim() => Rules::Right(path),
            Some(_) => Rules::Different(path),
        };
    }
    Rules::Missing
}

/// Whether udevd runs. Its socket stays when it was killed, so the process is looked for too, where it can be seen.
pub(super) fn runs(machine: &Machine) -> bool {
    let names = ["systemd-udevd", "udevd", "eudevd", "(udev-worker)"];
    names.iter().any(|name| !machine.running(name).is_empty())
        // In a process namespace of its own the daemon cannot be seen, its socket can.
        || (machine.is_container() && machine.has("/run/udev/control"))
}

/// The daemon.
pub(super) fn daemon(machine: &Machine, runs: bool) -> Check {
    let name = "udevd";
    if runs {
        return Check::fine(name, "running");
    }
    let why = "not running: no rule has any effect, and phones are noticed by looking again and again";
    if machine.is_root() {
        return Check::fine(name, "not running; you are root and need no rules");
    }
    Check::warning(name, why, "start it (systemctl start systemd-udevd), or use sudo for each command")
}

/// The rules.
pub(super) fn installed(machine: &Machine, rules: &Rules, udevd: bool) -> Check {
    let name = "rules";
    let install = sudo("setup linux --install");
    match rules {
        Rules::Right(path) => Check::fine(name, format!("{path} is up to date")),
        Rules::Different(path) => Check::warning(
            name,
            format!("{path} is from another version, or was edited"),
            format!("{install}  (shows the difference)"),
        ),
        Rules::Off(path) => Check::warning(
            name,
            format!("{path} is switched off (empty, or a link to /dev/null)"),
            format!("remove it, then {install}"),
        ),
        Rules::Unreadable(path) => Check::warning(name, format!("{path} cannot be read"), install),
        Rules::Missing if machine.is_root() && !udevd => Check::fine(name, "not installed, nor needed here"),
        Rules::Missing => Check::warning(name, "not installed: phones open only for root", install),
    }
}

/// A line of any rules file that speaks of MediaTek's vendor id and of this word.
pub(super) fn line_with(machine: &Machine, file_has: &str, word: &str) -> Option<String> {
    for folder in FOLDERS {
        for name in machine.names(folder).unwrap_or_default() {
            if !name.ends_with(".rules") || name == ours::NAME || !name.contains(file_has) {
                continue;
            }
            let text = machine.text(&format!("{folder}/{name}")).unwrap_or_default();
            let about = |line: &str| {
                let line = line.trim_start();
                !line.starts_with('#') && line.to_ascii_lowercase().contains("0e8d") && line.contains(word)
            };
            if text.lines().any(about) {
                return Some(name);
            }
        }
    }
    None
}
