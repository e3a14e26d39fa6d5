//! A disturbed cable for tests: deterministic faults at chosen bytes, or many at random places from a seed.
//!
//! Offsets count the bytes of the *undisturbed* stream in one direction from 0: run once without faults, ask
//! [`Faulty::seen`] how many bytes passed each way, then repeat the run with a fault at each of them.
//!
//! [`FaultyBus`] does the same to every appearance of a phone, as a [`FaultSpec`] says, and pulls plugs besides.

mod bus;
mod cable;
mod course;
mod dice;
mod probability;
mod spec;

use core::time::Duration;

use bromide_proto::link::{Direction, Link, LinkError, Mark};

pub use bus::{FaultyBus, FaultyLink};
pub use cable::Hands;
pub use probability::Probability;
pub use spec::{BadPage, ChipFaults, FaultSpec, FaultSpecError, Losses, Place, Slow, Stalls, Unplug};

use course::{Course, Faults, Step, Way};
use dice::Dice;

/// What happens to a byte of the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// The bit with this number (0 is the lowest; taken modulo 8) is inverted.
    Flip(u8),
    /// The byte is replaced by this one.
    Replace(u8),
    /// This many bytes from here on are lost. 0 changes nothing.
    Drop(u64),
    /// A foreign byte comes just before this one, at the moment this one comes.
    Insert(u8),
    /// The cable is cut just before this byte: it and everything later, both ways, is lost.
    Cut,
}

/// One fault: what happens to which byte of which direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    /// The stream it happens in.
    pub direction: Direction,
    /// The byte it happens to, counted from 0 in the undisturbed stream of that direction.
    pub at: u64,
    /// What happens.
    pub change: Change,
}

/// A link with faults. Without any it is transparent and only counts.
#[derive(Debug)]
pub struct Faulty<L> {
    link: L,
    course: Course,
    cut: bool,
    /// The true byte that an inserted one came before, when there was room for one only.
    held: Option<u8>,
}

impl<L: Link> Faulty<L> {
    /// Puts these faults on `link`. Of several at the same byte of one direction only the first counts, and a
    /// fault at a byte that an earlier one drops does not happen.
    pub fn new(link: L, faults: impl IntoIterator<Item = Fault>) -> Self {
        let (to, from) = faults.into_iter().partition(|f: &Fault| f.direction == Direction::ToPhone);
        Self::with(link, Faults::chosen(to), Faults::chosen(from))
    }

    /// About one byte in `to_phone` bytes sent, and one in `from_phone` bytes received, is flipped, replaced,
    /// preceded by a foreign byte, or lost (alone or with up to 63 after it). 0 means never. The cable is never
    /// cut. The same seed and the same traffic give the same faults, whatever the chunking.
    pub fn seeded(link: L, seed: u64, to_phone: u32, from_phone: u32) -> Self {
        let mut dice = Dice(seed);
        let to = Faults::random(Direction::ToPhone, to_phone, Dice(dice.roll()));
        let from = Faults::random(Direction::FromPhone, from_phone, Dice(dice.roll()));
        Self::with(link, to, from)
    }

    fn with(link: L, to: Faults, from: Faults) -> Self {
        Self::going_on(
            link,
            Course { to_phone: Way::new(to), from_phone: Way::new(from), applied: Vec::new() },
        )
    }

    /// Puts faults on `link` that began on another one.
    fn going_on(link: L, course: Course) -> Self {
        Self { link, course, cut: false, held: None }
    }

    /// Bytes of the undisturbed stream that passed (or were lost) so far.
    pub fn seen(&self, direction: Direction) -> u64 {
        match direction {
            Direction::ToPhone => self.course.to_phone.seen,
            Direction::FromPhone => self.course.from_phone.seen,
        }
    }

    /// The faults that really happened, in order.
    pub fn applied(&self) -> &[Fault] {
        &self.course.applied
    }

    /// The link underneath.
    pub fn into_inner(self) -> L {
        self.link
    }

    /// Receives the byte (or, for [`Change::Drop`], the bytes) that `fault` is about and does it to them.
    /// Returns how many bytes are left to hand over. Until the byte comes, nothing has happened.
    async fn strike(&mut self, fault: Fault, into: &mut [u8], within: Duration) -> Result<usize, LinkError> {
        let wanted = if let Change::Drop(count) = fault.change { count } else { 1 };
        let n = self.link.recv(upto(into, wanted), within).await?;
        self.course.from_phone.advance(n);
        self.course.from_phone.faults.used();
        self.course.happened(fault);
        let came = into[0];
        match fault.change {
            Change::Flip(bit) => into[0] = flip(came, bit),
            Change::Replace(with) => into[0] = with,
            Change::Insert(extra) => {
                into[0] = extra;
                match into.get_mut(1) {
                    Some(second) => *second = came,
                    None => self.held = Some(came),
                }
                return Ok(into.len().min(2));
            }
            Change::Drop(count) => {
                self.course.from_phone.losing = count.saturating_sub(n as u64);
                return Ok(0);
            }
            Change::Cut => unreachable!("a cut needs no byte"),
        }
        Ok(1)
    }
}

impl<L: Link> Link for Faulty<L> {
    async fn send(&mut self, bytes: &[u8]) -> Result<(), LinkError> {
        if self.cut {
            return Err(LinkError::Unplugged);
        }
        let mut out = Vec::with_capacity(bytes.len() + 1);
        let mut rest = bytes;
        while let [first, after @ ..] = rest {
            match self.course.to_phone.step() {
                Step::Pass(most) => {
                    let (now, later) = rest.split_at(clamp(most, rest.len()));
                    out.extend_from_slice(now);
                    self.course.to_phone.advance(now.len());
                    rest = later;
                }
                Step::Lose(most) => {
                    let (lost, later) = rest.split_at(clamp(most, rest.len()));
                    self.course.to_phone.advance(lost.len());
                    self.course.to_phone.losing -= lost.len() as u64;
                    rest = later;
                }
                Step::Hit(fault) => {
                    self.course.to_phone.faults.used();
                    self.course.happened(fault);
                    match fault.change {
                        Change::Flip(bit) => out.push(flip(*first, bit)),
                        Change::Replace(with) => out.push(with),
                        Change::Insert(extra) => out.extend([extra, *first]),
                        Change::Drop(count) => {
                            self.course.to_phone.losing = count;
                            continue;
                        }
                        Change::Cut => {
                            self.cut = true;
                            break;
                        }
                    }
                    self.course.to_phone.advance(1);
                    rest = after;
                }
            }
        }
        if !out.is_empty() {
            self.link.send(&out).await?;
        }
        if self.cut { Err(LinkError::Unplugged) } else { Ok(()) }
    }

    /// As the link underneath, but `within` is renewed whenever all bytes that came were dropped.
    async fn recv(&mut self, into: &mut [u8], within: Duration) -> Result<usize, LinkError> {
        if self.cut {
            return Err(LinkError::Unplugged);
        }
        if into.is_empty() {
            return self.link.recv(into, within).await;
        }
        self.course.to_phone.pause();
        if let Some(byte) = self.held.take() {
            into[0] = byte;
            return Ok(1);
        }
        loop {
            match self.course.from_phone.step() {
                Step::Pass(most) => {
                    let n = self.link.recv(upto(into, most), within).await?;
                    self.course.from_phone.advance(n);
                    return Ok(n);
                }
                Step::Lose(most) => {
                    let came = self.link.recv(upto(into, most), within).await;
                    if let Err(LinkError::Timeout(_)) = came {
                        self.course.from_phone.pause();
                    }
                    let n = came?;
                    self.course.from_phone.advance(n);
                    self.course.from_phone.losing -= n as u64;
                }
                Step::Hit(fault) if fault.change == Change::Cut => {
                    self.course.from_phone.faults.used();
                    self.course.happened(fault);
                    self.cut = true;
                    return Err(LinkError::Unplugged);
                }
                Step::Hit(fault) => match self.strike(fault, into, within).await? {
                    0 => {}
                    n => return Ok(n),
                },
            }
        }
    }

    fn now(&self) -> Duration {
        self.link.now()
    }

    fn most_at_once(&self) -> Option<u32> {
        self.link.most_at_once()
    }

    fn mark(&mut self, mark: Mark<'_>) {
        self.link.mark(mark);
    }
}

/// The first `most` bytes of `into`, or all.
fn upto(into: &mut [u8], most: u64) -> &mut [u8] {
    let n = clamp(most, into.len());
    &mut into[..n]
}

fn clamp(most: u64, len: usize) -> usize {
    usize::try_from(most).map_or(len, |m| m.min(len))
}

fn flip(byte: u8, bit: u8) -> u8 {
    byte ^ (1 << (bit % 8))
}

#[cfg(test)]
mod tests;
