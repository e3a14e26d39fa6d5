//! Which lines of an INF match a device, best first, and which of them a system uses (`formats.md` sections 7.2
//! and 7.3).

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::{Conditions, DeviceId, Inf, Model, Models, Query, System, UsbId};

/// A models line that matches a device, through one of its ids.
#[derive(Debug, Clone, Copy)]
pub struct Match<'i, 'a> {
    /// The models section.
    pub models: &'i Models<'a>,
    /// The line.
    pub model: &'i Model<'a>,
    /// The id.
    pub id: UsbId,
    /// It is not the first id of its line, so it counts less.
    pub compatible: bool,
    /// What else must be true of the device.
    pub conditions: Conditions,
}

impl Match<'_, '_> {
    /// Lesser is better: sure before conditional, hardware id before compatible id, then the id that says more.
    pub fn rank(&self) -> impl Ord + use<> {
        let id = &self.id;
        let lacks = [id.pid.is_none(), id.rev.is_none(), id.mi.is_none(), id.vid.is_none()];
        (!self.conditions.none(), self.compatible, lacks)
    }
}

/// On which PCs a device gets a driver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// On 32-bit and 64-bit Windows.
    Both,
    /// On 32-bit Windows only.
    Only32,
    /// On 64-bit Windows only.
    Only64,
    /// The lines that match are in sections that no PC uses, or match under conditions only.
    Neither,
}

impl<'a> Inf<'a> {
    /// Every models line that matches a device, for sure or under conditions, best first.
    pub fn matches(&self, query: &Query) -> Vec<Match<'_, 'a>> {
        let mut found = Vec::new();
        for models in &self.models {
            for model in &models.lines {
                let best = model.ids.iter().enumerate().filter_map(|(at, id)| {
                    let DeviceId::Usb(id) = id else { return None };
                    let conditions = id.fit(query)?;
                    Some(Match { models, model, id: *id, compatible: at > 0, conditions })
                });
                found.extend(best.min_by_key(Match::rank));
            }
        }
        // Stable: among equals the file's order stays.
        found.sort_by_key(Match::rank);
        found
    }

    /// The match a system would use, out of those of [`Inf::matches`]: the best sure one in the sections meant for it.
    pub fn used<'i>(&self, matches: &[Match<'i, 'a>], system: System) -> Option<Match<'i, 'a>> {
        let mut chosen = BTreeMap::new();
        for models in &self.models {
            let Some(fit) = models.decoration.fit(system) else { continue };
            let best = chosen.entry(models.named_in).or_insert((fit, models.section));
            if fit > best.0 {
                *best = (fit, models.section);
            }
        }
        let meant = |models: &Models<'_>| {
            chosen.get(&models.named_in).is_some_and(|(_, section)| *section == models.section)
        };
        matches.iter().find(|found| found.conditions.none() && meant(found.models)).copied()
    }

    /// On which PCs the device gets a driver section from this file. Whether there is an install section for it is
    /// told by [`Inf::install`].
    pub fn reach(&self, matches: &[Match<'_, 'a>]) -> Reach {
        let on = |system| self.used(matches, system).is_some();
        match (on(System::WINDOWS_10_X86), on(System::WINDOWS_10_X64)) {
            (true, true) => Reach::Both,
            (true, false) => Reach::Only32,
            (false, true) => Reach::Only64,
            (false, false) => Reach::Neither,
        }
    }
}
