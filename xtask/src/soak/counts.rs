//! What happened in all sessions, as a table.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use super::faults::Kind;

/// Numbers that are added up.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) sessions: u64,
    pub(super) on_disk: u64,
    pub(super) processes: u64,
    /// Processes that went on with what an earlier one left, by the same command and by `resume`.
    pub(super) again: u64,
    pub(super) resumed: u64,
    /// Sessions whose first process ended well.
    pub(super) at_once: u64,
    /// Processes with this kind of fault asked for.
    pub(super) kinds: BTreeMap<Kind, u64>,
    /// Processes that were gone before they ended by themselves.
    pub(super) killed: u64,
    /// Power cuts, those after the end of a dump included.
    pub(super) power_cuts: u64,
    /// Processes that said there are pages that cannot be read.
    pub(super) unread: u64,
    /// Images with their own names compared with the phone.
    pub(super) images: u64,
    /// Pages in finished images that are not what the phone holds, all of them named in a report as doubtful.
    pub(super) told: u64,
    /// Sessions looked at with sha256sum and ddrescuelog.
    pub(super) foreign: u64,
}

impl Counts {
    pub(super) fn add(&mut self, other: &Self) {
        for (mine, theirs) in [
            (&mut self.sessions, other.sessions),
            (&mut self.on_disk, other.on_disk),
            (&mut self.processes, other.processes),
            (&mut self.again, other.again),
            (&mut self.resumed, other.resumed),
            (&mut self.at_once, other.at_once),
            (&mut self.killed, other.killed),
            (&mut self.power_cuts, other.power_cuts),
            (&mut self.unread, other.unread),
            (&mut self.images, other.images),
            (&mut self.told, other.told),
            (&mut self.foreign, other.foreign),
        ] {
            *mine += theirs;
        }
        for (kind, count) in &other.kinds {
            *self.kinds.entry(*kind).or_default() += count;
        }
    }
}

/// All sessions of a run.
pub(super) struct Table<'a> {
    pub(super) counts: &'a Counts,
    /// First and last seed.
    pub(super) seeds: Option<(u64, u64)>,
    pub(super) wall: Duration,
}

impl fmt::Display for Table<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = self.counts;
        let mut row = |what: &str, value: &dyn fmt::Display| writeln!(f, "  {what:<44} {value:>14}");
        row("sessions", &counts.sessions)?;
        row("  on the forgetful disk", &counts.on_disk)?;
        row("  that ended at the first try", &counts.at_once)?;
        if let Some((from, to)) = self.seeds {
            row("seeds", &format!("{from} to {to}"))?;
        }
        row("processes", &counts.processes)?;
        row("  that went on by the same command", &counts.again)?;
        row("  that went on by resume", &counts.resumed)?;
        row("  that were killed", &counts.killed)?;
        row("  that found pages that do not come", &counts.unread)?;
        for kind in Kind::ALL {
            let count = counts.kinds.get(&kind).copied().unwrap_or(0);
            row(&format!("  with: {}", kind.name()), &count)?;
        }
        row("power cuts, after the end too", &counts.power_cuts)?;
        row("images compared with the phone", &counts.images)?;
        row("pages that differ, all told in reports", &counts.told)?;
        row("sessions seen by sha256sum and ddrescuelog", &counts.foreign)?;
        let seconds = self.wall.as_secs_f64();
        row("wall time, seconds", &format!("{seconds:.1}"))?;
        let each = seconds * 1000.0 / counts.sessions.max(1) as f64;
        row("  each session, milliseconds", &format!("{each:.1}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_add_up_and_are_all_shown() {
        let one =
            Counts { sessions: 1, told: 2, kinds: BTreeMap::from([(Kind::Drop, 3)]), ..Counts::default() };
        let mut sum = one.clone();
        sum.add(&one);
        assert_eq!((sum.sessions, sum.told, sum.kinds[&Kind::Drop]), (2, 4, 6));
        let shown = Table { counts: &sum, seeds: Some((5, 6)), wall: Duration::from_secs(3) }.to_string();
        for said in ["5 to 6", "bytes lost", "power cut", "1500.0"] {
            assert!(shown.contains(said), "{said} in {shown}");
        }
    }
}
