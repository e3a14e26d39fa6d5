//! What a session is: a seed and what follows from it, before anything runs.
//!
//! A session is one dump in several tries. Each but the last ones may have faults and an end that is not its own; the
//! last ones have none, so a dump that is not whole after them cannot be resumed.

use super::dice::Dice;
use super::faults::{self, Fault, Kind};
use super::forgetful_disk::Rule;

/// Tries at the end that nothing is done to.
const QUIET: usize = 3;
/// Most tries with faults.
const MOST_TROUBLED: u64 = 4;

/// A session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) seed: u64,
    pub(super) phone: Phone,
    pub(super) shape: Shape,
    /// Pages a packet, if not as many as by default.
    pub(super) packet: Option<u32>,
    pub(super) place: Place,
    pub(super) tries: Vec<Try>,
}

/// The virtual phone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Phone {
    /// Which of the chips.
    pub(super) chip: usize,
    pub(super) agent: &'static str,
    pub(super) boot: &'static str,
    /// Whether its silences take time. Nothing depends on it but how long a session takes.
    pub(super) real_time: bool,
}

/// The order of the bytes of a page in the images.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    Stored,
    MainOnly,
    SpareLast,
}

impl Shape {
    pub(super) fn option(self) -> Option<&'static str> {
        match self {
            Self::Stored => None,
            Self::MainOnly => Some("--main-only"),
            Self::SpareLast => Some("--spare-last"),
        }
    }
}

/// Where the dump is saved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// This computer's own memory.
    Folder,
    /// The disk that forgets.
    Disk(Rule),
}

/// One process.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Try {
    /// `bromide resume DIR` instead of the same command again.
    pub(super) resume: bool,
    pub(super) faults: Vec<Fault>,
    /// Seed of the faults.
    pub(super) seed: u64,
    pub(super) end: End,
    pub(super) room: Option<Full>,
}

/// How a process ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum End {
    #[default]
    Itself,
    /// SIGKILL after so many thousandths of the time of an undisturbed dump.
    Kill(u64),
    /// SIGINT then.
    Interrupt(u64),
    /// The power of the disk fails after so many thousandths of the changes of an undisturbed dump.
    PowerCut(u64),
}

/// A disk with too little room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Full {
    /// Thousandths of what an undisturbed dump takes.
    pub(super) of: u64,
    /// It promises more than it has.
    pub(super) quota: bool,
}

/// Which sessions are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Disks {
    /// Some of them on the forgetful disk.
    #[default]
    Some,
    All,
    None,
}

impl Plan {
    /// The session of a seed.
    pub(super) fn of(seed: u64, chips: usize, pages: u64, disks: Disks) -> Self {
        let mut dice = Dice::new(seed);
        let phone = Phone {
            chip: usize::try_from(dice.below(chips as u64)).unwrap_or(0),
            agent: dice.pick(&["g1", "g2"]).copied().unwrap_or("g2"),
            boot: if dice.one_in(4) { "preloader" } else { "bootrom" },
            real_time: dice.one_in(20),
        };
        let shape = match dice.below(6) {
            0 => Shape::MainOnly,
            1 => Shape::SpareLast,
            _ => Shape::Stored,
        };
        let packet = *dice.pick(&[None, None, Some(1), Some(5), Some(16)]).unwrap_or(&None);
        let on_disk = dice.one_in(2);
        let rule = if dice.one_in(4) { Rule::Journal } else { Rule::Strict };
        let place = match disks {
            Disks::None => Place::Folder,
            Disks::Some if !on_disk => Place::Folder,
            _ => Place::Disk(rule),
        };
        let chip = faults::of_chip(&mut dice).filter(|_| shape != Shape::MainOnly);
        let troubled = dice.between(1, MOST_TROUBLED + 1);
        let mut tries: Vec<Try> = (0..troubled).map(|_| troubled_try(&mut dice, place, pages)).collect();
        tries.extend((0..QUIET).map(|_| Try { resume: dice.one_in(2), ..Try::default() }));
        // What is lost is waited for, many times over: minutes, where waiting takes time.
        if phone.real_time {
            tries.iter_mut().for_each(|it| it.faults.retain(|fault| !fault.kind.is_waited_for()));
        }
        // Without their spare bytes nothing can be told of pages that came wrong.
        if shape == Shape::MainOnly {
            tries.iter_mut().for_each(|it| it.faults.retain(|fault| !fault.kind.changes_pages()));
        }
        // The first makes the bundle; the last must do without one if none was ever made.
        tries.iter_mut().take(1).for_each(|it| it.resume = false);
        tries.iter_mut().rev().take(2).for_each(|it| it.resume = false);
        // Wrong bits of a chip are the same for the same seed only, and a chip keeps what it has.
        if let Some(fault) = chip {
            let seed = dice.below(1 << 32);
            for it in &mut tries {
                it.faults.insert(0, fault.clone());
                it.seed = seed;
            }
        }
        Self { seed, phone, shape, packet, place, tries }
    }

    /// A session with a single end before its time, and no other fault.
    pub(super) fn of_one(seed: u64, place: Place, end: End, room: Option<Full>) -> Self {
        let cut = Try { end, room, ..Try::default() };
        // Gone on with by either command; the last is the one that can also begin.
        let next = Try { resume: seed % 2 == 1, ..Try::default() };
        let tries = vec![cut, next, Try::default()];
        Self {
            seed,
            phone: Phone { chip: 0, agent: "g2", boot: "bootrom", real_time: false },
            shape: Shape::Stored,
            packet: None,
            place,
            tries,
        }
    }

    /// Whether the phone may send wrong bits whose sums are right.
    pub(super) fn lies(&self) -> bool {
        self.tries.iter().flat_map(|it| &it.faults).any(|fault| fault.kind.changes_pages())
    }
}

impl Try {
    /// What is done to it, for counting.
    pub(super) fn kinds(&self) -> Vec<Kind> {
        let mut kinds: Vec<Kind> = self.faults.iter().map(|fault| fault.kind).collect();
        kinds.extend(match self.end {
            End::Itself => None,
            End::Kill(_) => Some(Kind::SigKill),
            End::Interrupt(_) => Some(Kind::SigInt),
            End::PowerCut(_) => Some(Kind::PowerCut),
        });
        kinds.extend(self.room.map(|full| if full.quota { Kind::Quota } else { Kind::FullDisk }));
        kinds
    }

    /// The value of `--fault`, if anything is to go wrong.
    pub(super) fn spec(&self) -> Option<String> {
        let words: Vec<&str> = self.faults.iter().map(|fault| fault.word.as_str()).collect();
        (!words.is_empty()).then(|| format!("seed={},{}", self.seed, words.join(",")))
    }
}

/// A try with something in its way, most of the time.
fn troubled_try(dice: &mut Dice, place: Place, pages: u64) -> Try {
    let resume = dice.one_in(2);
    let seed = dice.below(1 << 32);
    let faults = faults::of_cable(dice, pages);
    // A little longer than an undisturbed dump takes, so that its end is met too.
    let end = match dice.below(8) {
        0..=2 => End::Kill(dice.below(1100)),
        3 => End::Interrupt(dice.below(1100)),
        4..=5 if place != Place::Folder => End::PowerCut(dice.below(1050)),
        _ => End::Itself,
    };
    let full = place != Place::Folder && dice.one_in(5);
    let room = full.then(|| Full { of: dice.below(1050), quota: dice.one_in(2) });
    Try { resume, faults, seed, end, room }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn plans(disks: Disks) -> impl Iterator<Item = Plan> {
        (0..2000).map(move |seed| Plan::of(seed, 4, 1000, disks))
    }

    #[test]
    fn the_same_seed_is_the_same_session() {
        assert!(plans(Disks::Some).eq(plans(Disks::Some)));
        assert_ne!(Plan::of(1, 4, 1000, Disks::Some).tries, Plan::of(2, 4, 1000, Disks::Some).tries);
    }

    #[test]
    fn every_kind_of_fault_comes() {
        let seen: HashSet<Kind> =
            plans(Disks::Some).flat_map(|plan| plan.tries).flat_map(|it| it.kinds()).collect();
        for kind in Kind::ALL {
            assert!(seen.contains(&kind), "{kind:?}");
        }
    }

    #[test]
    fn the_last_tries_are_left_alone_but_for_what_the_chip_has() {
        for plan in plans(Disks::Some) {
            let quiet = &plan.tries[plan.tries.len() - QUIET..];
            assert!(quiet.iter().all(|it| it.end == End::Itself && it.room.is_none()));
            assert!(quiet.iter().flat_map(|it| &it.faults).all(|fault| fault.kind == Kind::Ecc));
            assert!(!plan.tries[0].resume && !plan.tries[plan.tries.len() - 1].resume);
        }
    }

    #[test]
    fn a_chip_keeps_its_wrong_bits() {
        let with = |plan: &Plan| plan.tries[0].faults.first().is_some_and(|f| f.kind == Kind::Ecc);
        for plan in plans(Disks::Some).filter(with) {
            let first = &plan.tries[0];
            assert!(plan.tries.iter().all(|it| it.seed == first.seed && it.faults[0] == first.faults[0]));
        }
    }

    #[test]
    fn without_the_disk_nothing_needs_it_and_with_it_all_are_on_it() {
        let needs = |it: &Try| it.room.is_some() || matches!(it.end, End::PowerCut(_));
        for plan in plans(Disks::None) {
            assert!(plan.place == Place::Folder && !plan.tries.iter().any(needs));
        }
        assert!(plans(Disks::All).all(|plan| plan.place != Place::Folder));
    }

    #[test]
    fn a_specification_has_its_seed_first_and_is_none_without_faults() {
        assert_eq!(Try::default().spec(), None);
        let faults = vec![Fault { kind: Kind::Drop, word: "drop=1e-6".into() }];
        assert_eq!(Try { faults, seed: 5, ..Try::default() }.spec().as_deref(), Some("seed=5,drop=1e-6"));
    }
}
