//! `doctor`: what on this computer stands between a phone and this tool, and how to mend it.
//!
//! Promises: it only looks, needs no root and works in a container; what it cannot see is said, not guessed. Facts:
//! `formats.md` section 8.1, `test-bench.md` sections 3 and 5.

mod check;
mod machine;
mod place;
mod programs;
mod serial;
mod udev;
mod usb;

use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Value, json};

use crate::front::Front;
use crate::numbers::bytes;
use crate::out::{self, harmless};
use crate::report::{Failure, exit};
use check::{Check, State, number};
use machine::Machine;

/// Look at this computer: may it talk to a phone, and what is in the way?
///
/// Looks at the kernel's USB support, the rights to it, the udev rules, programs that grab phones, the serial port
/// driver and the room for a dump. Nothing is changed; root is not needed. Each finding says what to do.
///
/// Exit code: 0 when nothing is in the way, also with warnings; 1 when there is a problem.
#[derive(Debug, Args)]
pub(crate) struct Doctor {
    /// Another root of the file system
    #[arg(long, value_name = "FOLDER", hide = true, default_value = "/")]
    root: PathBuf,
    /// Free bytes to assume
    #[arg(long, value_name = "BYTES", hide = true, value_parser = bytes)]
    free: Option<u64>,
}

/// `bromide doctor`.
pub(crate) fn doctor(args: &Doctor, front: &mut Front) -> Result<(), Failure> {
    let real = args.root == Path::new("/");
    if real && !cfg!(target_os = "linux") {
        let what = "doctor knows Linux only so far";
        return Err(Failure::new(
            "doctor/system",
            exit::FAILED,
            what,
            "docs/platforms.md tells what other systems need",
        ));
    }
    let machine = Machine::new(&args.root, real, args.free);
    let groups = examine(&machine);
    let count = |state| groups.iter().flat_map(|(_, checks)| checks).filter(|c| c.state == state).count();
    let (problems, warnings) = (count(State::Problem), count(State::Warning));
    match front {
        Front::Json(json) => {
            for (group, checks) in &groups {
                checks.iter().for_each(|check| json.line(&value(group, check)));
            }
            json.line(&json!({"event": "doctor", "problems": problems, "warnings": warnings}));
        }
        Front::Screen(_) => {
            let terminal = std::io::stdout().is_terminal();
            let color = terminal && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
            out::result(&lines(&groups, problems, warnings, color))?;
        }
    }
    if problems == 0 {
        return Ok(());
    }
    let what = format!("{} in the way", number(problems, "problem"));
    Err(Failure::new(
        "doctor/problems",
        exit::FAILED,
        what,
        "mend it as said above, then look again: bromide doctor",
    ))
}

type Groups = Vec<(&'static str, Vec<Check>)>;

/// All checks, in the order in which a person would look.
fn examine(machine: &Machine) -> Groups {
    let phones = usb::phones(machine);
    let rules = udev::rules(machine);
    let udevd = udev::runs(machine);
    vec![
        (
            "USB",
            vec![
                usb::kernel(machine),
                usb::nodes(machine),
                usb::seen(&phones),
                usb::access(machine, &phones, &rules),
                usb::memory(machine),
            ],
        ),
        ("Rules", vec![udev::daemon(machine, udevd), udev::installed(machine, &rules, udevd)]),
        (
            "Other programs",
            vec![
                programs::modem_manager(machine, &rules, udevd),
                programs::brltty(machine),
                programs::holders(machine, &phones),
            ],
        ),
        (
            "Serial port, the second way",
            vec![
                serial::driver(machine),
                serial::group(machine, &rules, udevd),
                serial::ports(machine, &phones),
            ],
        ),
        ("This place", vec![place::disk(machine), place::terminal()]),
    ]
}

fn value(group: &str, check: &Check) -> Value {
    json!({
        "event": "check", "group": group, "name": check.name, "state": check.state.code(),
        "text": check.why, "cure": check.cure,
    })
}

fn lines(groups: &Groups, problems: usize, warnings: usize, color: bool) -> Vec<String> {
    let mut lines = Vec::new();
    for (group, checks) in groups {
        lines.push((*group).to_owned());
        for check in checks {
            let mark = format!("{:<8}", check.state.word());
            let mark = if color { format!("\x1b[{}m{mark}\x1b[0m", check.state.paint()) } else { mark };
            lines.push(format!("  {mark} {:<16} {}", check.name, harmless(&check.why)));
            lines.extend(check.cure.iter().map(|cure| format!("{:28}next: {}", "", harmless(cure))));
        }
        lines.push(String::new());
    }
    lines.push(match (problems, warnings) {
        (0, 0) => "Nothing is in the way. Plug the phone in.".to_owned(),
        (0, n) => format!("Nothing is in the way as far as can be seen; {} above.", number(n, "warning")),
        (p, 0) => format!("{} above.", number(p, "problem")),
        (p, n) => format!("{} and {} above.", number(p, "problem"), number(n, "warning")),
    });
    lines
}
