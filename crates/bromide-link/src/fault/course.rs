//! Where the faults on single bytes come from, and how far both streams are.

use bromide_proto::link::Direction;

use super::dice::{Dice, Places};
use super::{Change, Fault, FaultSpec, Losses};

/// A long run with many faults should not fill the memory with their list.
const REMEMBERED: usize = 1 << 20;

/// Both directions and what happened in them: what outlives one link where faults go on over several.
#[derive(Debug, Default)]
pub(super) struct Course {
    pub(super) to_phone: Way,
    pub(super) from_phone: Way,
    pub(super) applied: Vec<Fault>,
}

impl Course {
    /// The faults of a specification on the bytes of both directions.
    pub(super) fn of(spec: &FaultSpec) -> Self {
        let way = |direction, losses: &Losses, [drop, flip, insert]: [&str; 3]| {
            let rated = |kind, probability, key| Rated {
                places: Places::rated(probability, Dice::of(spec.seed, key)),
                kind,
            };
            let kinds = vec![
                rated(Kind::Drop(losses.run), losses.drop, drop),
                rated(Kind::Flip, losses.flip, flip),
                rated(Kind::Insert, losses.insert, insert),
            ];
            Way::new(Faults::Rated { direction, kinds, next: None })
        };
        Self {
            to_phone: way(Direction::ToPhone, &spec.to_phone, ["drop-sent", "flip-sent", "insert-sent"]),
            from_phone: way(Direction::FromPhone, &spec.from_phone, ["drop", "flip", "insert"]),
            applied: Vec::new(),
        }
    }

    /// The link is gone, and with it the rest of a loss under way.
    pub(super) fn at_a_new_link(mut self) -> Self {
        self.to_phone.losing = 0;
        self.from_phone.losing = 0;
        self
    }

    /// Remembers a fault that happened: the first [`REMEMBERED`] of them.
    pub(super) fn happened(&mut self, fault: Fault) {
        if self.applied.len() < REMEMBERED {
            self.applied.push(fault);
        }
    }
}

/// One direction of the cable.
#[derive(Debug, Default)]
pub(super) struct Way {
    pub(super) seen: u64,
    /// Bytes still to be lost by a [`Change::Drop`] under way.
    pub(super) losing: u64,
    pub(super) faults: Faults,
}

/// What is to be done with the next bytes.
pub(super) enum Step {
    /// At most this many (1 or more) pass unharmed.
    Pass(u64),
    /// At most this many (1 or more) are lost.
    Lose(u64),
    /// The next byte is hit.
    Hit(Fault),
}

impl Way {
    pub(super) fn new(faults: Faults) -> Self {
        Self { seen: 0, losing: 0, faults }
    }

    pub(super) fn step(&mut self) -> Step {
        if self.losing > 0 {
            return Step::Lose(self.losing);
        }
        match self.faults.next(self.seen) {
            None => Step::Pass(u64::MAX),
            Some(fault) if fault.at == self.seen => Step::Hit(fault),
            Some(fault) => Step::Pass(fault.at - self.seen),
        }
    }

    /// The line fell silent or turned. A loss drawn at random is one of a buffer that ran over and ends there, so that
    /// it does not eat the answers to the next questions; a chosen one takes as many bytes as it says.
    pub(super) fn pause(&mut self) {
        if matches!(self.faults, Faults::Rated { .. }) {
            self.losing = 0;
        }
    }

    pub(super) fn advance(&mut self, n: usize) {
        self.seen += n as u64;
    }
}

/// Where the faults of one direction come from.
#[derive(Debug)]
pub(super) enum Faults {
    /// A list, the next one last.
    Chosen(Vec<Fault>),
    /// About one byte in `one_in`.
    Random { next: Fault, one_in: u32, dice: Dice },
    /// Each kind at places of its own, so that leaving one out leaves the others where they were. `next` is the
    /// first of them and the number of its kind, once it was looked for.
    Rated { direction: Direction, kinds: Vec<Rated>, next: Option<(Fault, usize)> },
}

/// Faults of one kind.
#[derive(Debug)]
pub(super) struct Rated {
    places: Places,
    kind: Kind,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    /// 1 to so many bytes.
    Drop(u64),
    Flip,
    Insert,
}

impl Rated {
    /// The change at the next place.
    fn change(&mut self) -> Change {
        let dice = self.places.dice();
        match self.kind {
            Kind::Drop(run) => Change::Drop(1 + dice.below(run.max(1))),
            Kind::Flip => Change::Flip(dice.below(8) as u8),
            Kind::Insert => Change::Insert(dice.roll() as u8),
        }
    }
}

impl Default for Faults {
    fn default() -> Self {
        Self::Chosen(Vec::new())
    }
}

impl Faults {
    pub(super) fn chosen(mut list: Vec<Fault>) -> Self {
        list.sort_by_key(|f| f.at); // stable: of several at one byte the first stays first
        list.dedup_by_key(|f| f.at);
        list.reverse();
        list.retain(|f| f.change != Change::Drop(0));
        Self::Chosen(list)
    }

    pub(super) fn random(direction: Direction, one_in: u32, dice: Dice) -> Self {
        if one_in == 0 {
            return Self::Chosen(Vec::new());
        }
        let next = Fault { direction, at: 0, change: Change::Drop(0) };
        let mut faults = Self::Random { next, one_in, dice };
        faults.used();
        faults
    }

    /// The first fault at or after byte `seen`; those before it were swallowed by a drop.
    fn next(&mut self, seen: u64) -> Option<Fault> {
        loop {
            let fault = match self {
                Self::Chosen(list) => *list.last()?,
                Self::Random { next, .. } => *next,
                Self::Rated { direction, kinds, next } => match next {
                    Some((fault, _)) => *fault,
                    None => next.insert(first(*direction, kinds)?).0,
                },
            };
            if fault.at >= seen {
                return Some(fault);
            }
            self.used();
        }
    }

    /// Goes on to the fault after the next one.
    pub(super) fn used(&mut self) {
        match self {
            Self::Chosen(list) => drop(list.pop()),
            Self::Random { next, one_in, dice } => {
                // Distances of 1..=2n-1, all alike, have the mean n.
                next.at += 1 + dice.below(2 * u64::from(*one_in) - 1);
                next.change = any_change(dice);
            }
            Self::Rated { kinds, next, .. } => {
                if let Some((_, kind)) = next.take() {
                    kinds[kind].places.used();
                }
            }
        }
    }
}

/// The first place of all kinds, what happens there, and which kind it is of; of several at one byte the first.
fn first(direction: Direction, kinds: &mut [Rated]) -> Option<(Fault, usize)> {
    let (number, rated) =
        kinds.iter_mut().enumerate().min_by_key(|(_, rated)| rated.places.next().unwrap_or(u64::MAX))?;
    let at = rated.places.next()?;
    Some((Fault { direction, at, change: rated.change() }, number))
}

/// Anything but a cut.
fn any_change(dice: &mut Dice) -> Change {
    match dice.below(5) {
        0 => Change::Flip(dice.below(8) as u8),
        1 => Change::Replace(dice.roll() as u8),
        2 => Change::Insert(dice.roll() as u8),
        3 => Change::Drop(1),
        _ => Change::Drop(1 + dice.below(64)),
    }
}
