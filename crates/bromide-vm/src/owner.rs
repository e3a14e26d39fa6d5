//! Which run has put a device into a guest: its name bears the number of the process.
//!
//! What a run that still goes on has put there is its own; what one that is gone has left is anybody's to take out.

use std::fs;

/// Whose a device is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owner {
    /// This run's, or one's that is gone.
    Ours,
    /// That of another run, which goes on: its process.
    Running(u32),
}

/// Whose a device of this name is; `None`: not this tool's.
pub(crate) fn of(id: &str, prefix: &str) -> Option<Owner> {
    let rest = id.strip_prefix(prefix)?;
    let number = rest.trim_start_matches('-').split('-').next().unwrap_or_default();
    let process = number.parse().ok().filter(|process| *process != std::process::id() && goes_on(*process));
    Some(process.map_or(Owner::Ours, Owner::Running))
}

/// Whether a process of this number is this program. A number is given again after a while.
fn goes_on(process: u32) -> bool {
    let name = |who: &str| fs::read(format!("/proc/{who}/comm")).ok();
    let other = name(&process.to_string());
    other.is_some() && other == name("self")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_tells_whose_a_device_is() {
        let own = std::process::id();
        assert_eq!(of(&format!("p-{own}-3"), "p-"), Some(Owner::Ours));
        assert_eq!(of("p-4294967295-1", "p-"), Some(Owner::Ours), "no such process");
        assert_eq!(of("p-1", "p-"), Some(Owner::Ours), "another program");
        assert_eq!(of("p-", "p-"), Some(Owner::Ours));
        assert_eq!(of("usb-tablet", "p-"), None);
    }
}
