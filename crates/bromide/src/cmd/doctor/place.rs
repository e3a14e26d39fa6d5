//! The folder a dump would go to, and the terminal.

use std::io::IsTerminal;

use super::check::Check;
use super::machine::Machine;
use crate::numbers::grouped;

/// The whole chip of the first phone, 512 MiB with its spare bytes: 262,144 pages of 2112 (`nand-yaffs2.md` section 1).
const WHOLE_CHIP: u64 = 262_144 * 2112;

/// Room for a dump.
pub(super) fn disk(machine: &Machine) -> Check {
    let name = "free space";
    let mib = |bytes: u64| format!("{} MiB", grouped(bytes >> 20));
    match machine.free {
        None => Check::fine(name, "unknown on this system"),
        Some(free) if free >= WHOLE_CHIP => Check::fine(name, format!("{} in this folder", mib(free))),
        Some(free) => Check::warning(
            name,
            format!("{} in this folder; a whole chip of 512 MiB takes {}", mib(free), mib(WHOLE_CHIP)),
            "make room, or write to another disk with -o",
        ),
    }
}

/// How output will look.
pub(super) fn terminal() -> Check {
    let name = "terminal";
    if !std::io::stderr().is_terminal() {
        return Check::fine(name, "none: plain lines, progress at every tenth");
    }
    let plain = std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty());
    Check::fine(name, if plain { "without colours (NO_COLOR)" } else { "with colours and progress bars" })
}
