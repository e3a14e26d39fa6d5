//! A second reading of an image, in another order and in other packets, and what to do where the two differ.
//!
//! Without being asked for, pages whose own parity shows a wrong bit are read a second time: two opposite faults of
//! the cable leave the sum of a packet as it was, and a tired cell is often read right the next time.
//!
//! NAND does not give the same bits twice. Where the page's own parity tells which reading is the better one it
//! decides; elsewhere the majority of several readings does, bit by bit. Every page that differed is reported.

use std::ops::Range;

use bromide_nand::{Geometry, Layout, PageState, check_page};

use super::pages::{InMemory, Manner, Pages, Went};
use crate::dump::Dump;
use crate::error::JobError;
use crate::event::{Event, Tell};
use crate::same_page::same_page;
use crate::source::Source;

/// Pages compared at once, from the end of the image to its start.
const STRETCH: u64 = 512;
/// Pages with wrong bits that are read once more; more of them are the chip's way of being.
const MOST_DOUBTFUL: u64 = 20_000;
/// Readings of a page that differs, the first two included.
const READINGS: usize = 5;
/// Pages that are named; more are counted.
const NAMED: usize = 10_000;

/// What a second reading showed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verified {
    /// Pages compared.
    pub pages: u64,
    /// Pages that differed, by number in the image, and how each was settled; at most 10,000 of them.
    pub differing: Vec<(u64, Settled)>,
    /// All that differed.
    pub differed: u64,
    /// Pages that did not come a second time.
    pub not_again: u64,
}

/// How a page was settled that two readings gave differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    /// The parity of its sectors says which reading is right, or that they mean the same.
    Parity,
    /// Bit by bit, as most of the readings have it; no parity confirms it.
    Majority,
}

impl Settled {
    /// A word for reports.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Parity => "parity",
            Self::Majority => "majority",
        }
    }
}

/// Wrong bits of a reading that parity can vouch for.
const fn wrong_bits(state: PageState) -> Option<u16> {
    match state {
        PageState::Clean => Some(0),
        PageState::Correctable { bits, .. } => Some(bits),
        PageState::Blank { flipped } => Some(flipped),
        PageState::Damaged { .. } | PageState::NotChecked => None,
    }
}

/// The first reading.
pub(super) trait First {
    /// Bytes of it.
    fn read_at(&mut self, at: u64, into: &mut [u8]) -> Result<(), JobError>;

    /// A page came differently: its place, as it was, and the best of all readings.
    fn differs(&mut self, at: u64, was: &[u8], best: Vec<u8>, tell: &mut Tell<'_>) -> Result<(), JobError>;
}

/// The better reading is kept.
impl First for Dump {
    fn read_at(&mut self, at: u64, into: &mut [u8]) -> Result<(), JobError> {
        Ok(Self::read_at(self, at, into)?)
    }

    fn differs(&mut self, at: u64, was: &[u8], best: Vec<u8>, tell: &mut Tell<'_>) -> Result<(), JobError> {
        if was == best {
            return Ok(());
        }
        tell(Event::Replaced { file: self.target(), at, was });
        Ok(self.put(at, best)?)
    }
}

/// An image that is read again.
pub(super) struct Again<'a, 'r> {
    pub(super) pages: &'a mut Pages<'r>,
    pub(super) geometry: &'a Geometry,
    pub(super) layout: Layout,
    /// What the first reading asked for at once.
    pub(super) pages_per_packet: u32,
}

impl Again<'_, '_> {
    /// Reads the whole image again and settles what differs.
    pub(super) async fn compare<S: Source>(
        &mut self,
        source: &mut S,
        first: &mut impl First,
        tell: &mut Tell<'_>,
    ) -> Result<Verified, JobError> {
        let unit = self.pages.unit();
        let mut found = Verified::default();
        let mut end = self.pages.count();
        let all = end * unit;
        tell(Event::VerifyStart { row: self.pages.row, bytes: all });
        while end > 0 {
            let start = end.saturating_sub(STRETCH);
            let mut second = self.beside(first, start..end)?;
            let manner = Manner::swift(other_than(self.pages_per_packet));
            let went = self.pages.read(source, start..end, manner, &mut second, tell).await?;
            if let Went::Stopped { page, .. } = went {
                found.not_again += end - page;
            }
            self.stretch(source, start, second, first, &mut found, tell).await?;
            end = start;
            tell(Event::Read(all - end * unit));
        }
        found.differing.sort_unstable_by_key(|(page, _)| *page);
        Ok(found)
    }

    /// Reads these pages once more. Tells how many, and how many came differently.
    pub(super) async fn look_twice<S: Source>(
        &mut self,
        source: &mut S,
        doubtful: Vec<Range<u64>>,
        first: &mut impl First,
        tell: &mut Tell<'_>,
    ) -> Result<Verified, JobError> {
        let mut found = Verified::default();
        for range in doubtful {
            if found.pages >= MOST_DOUBTFUL {
                found.not_again += range.end - range.start;
                continue;
            }
            let mut second = self.beside(first, range.clone())?;
            let manner = Manner { one_of_many: true, ..Manner::swift(self.pages_per_packet) };
            let went = self.pages.read(source, range.clone(), manner, &mut second, tell).await?;
            if let Went::Stopped { page, .. } = went {
                found.not_again += range.end - page;
            }
            self.stretch(source, range.start, second, first, &mut found, tell).await?;
        }
        Ok(found)
    }

    /// Room for these pages, beside what the first reading has there.
    fn beside(&self, first: &mut impl First, pages: Range<u64>) -> Result<InMemory, JobError> {
        let unit = self.pages.unit();
        let mut second = InMemory::from(pages.start * unit);
        let mut known = vec![0; usize::try_from((pages.end - pages.start) * unit).unwrap_or(0)];
        first.read_at(second.first, &mut known)?;
        second.known = Some((self.pages.row.target.clone(), known));
        Ok(second)
    }

    /// Compares pages from `start` on.
    async fn stretch<S: Source>(
        &mut self,
        source: &mut S,
        start: u64,
        second: InMemory,
        first: &mut impl First,
        found: &mut Verified,
        tell: &mut Tell<'_>,
    ) -> Result<(), JobError> {
        let unit = self.pages.unit();
        let before = second.known.map(|(_, known)| known).unwrap_or_default();
        let size = usize::try_from(unit).unwrap_or(usize::MAX);
        for (number, (a, b)) in (start..).zip(before.chunks_exact(size).zip(second.bytes.chunks_exact(size)))
        {
            found.pages += 1;
            if a == b {
                continue;
            }
            let readings = more(self.pages, source, number, [a.to_vec(), b.to_vec()], tell).await?;
            let (settled, best) = settle(&readings, self.geometry, self.layout);
            found.differed += 1;
            if found.differing.len() < NAMED {
                found.differing.push((number, settled));
            }
            first.differs(number * unit, a, best, tell)?;
        }
        Ok(())
    }
}

/// Another packet size than the first reading had.
const fn other_than(pages_per_packet: u32) -> u32 {
    if pages_per_packet == 48 { 64 } else { 48 }
}

/// Further readings of one page.
async fn more<S: Source>(
    pages: &mut Pages<'_>,
    source: &mut S,
    number: u64,
    two: [Vec<u8>; 2],
    tell: &mut Tell<'_>,
) -> Result<Vec<Vec<u8>>, JobError> {
    let mut readings = Vec::from(two);
    while readings.len() < READINGS {
        let mut one = InMemory::from(number * pages.unit());
        match pages.read(source, number..number + 1, Manner::single(), &mut one, tell).await? {
            Went::All => readings.push(one.bytes),
            Went::Stopped { .. } => break,
        }
    }
    Ok(readings)
}

/// The reading that parity calls best, or the majority of all. One that is like no other while others are like each
/// other is of another page, however well it looks: a link that failed may have given it.
fn settle(readings: &[Vec<u8>], geometry: &Geometry, layout: Layout) -> (Settled, Vec<u8>) {
    let alone = |n: usize| !(0..readings.len()).any(|m| m != n && same_page(&readings[n], &readings[m]));
    let kin: Vec<Vec<u8>> = (0..readings.len()).filter(|n| !alone(*n)).map(|n| readings[n].clone()).collect();
    let readings = if kin.is_empty() { readings } else { &kin };
    let judged: Vec<(u16, &Vec<u8>)> = readings
        .iter()
        .filter_map(|page| Some((wrong_bits(check_page(page, layout, geometry))?, page)))
        .collect();
    let Some(least) = judged.iter().map(|(bits, _)| *bits).min() else {
        return (Settled::Majority, majority(readings));
    };
    let best: Vec<&Vec<u8>> =
        judged.iter().filter(|(bits, _)| *bits == least).map(|(_, page)| *page).collect();
    let often = |page: &Vec<u8>| readings.iter().filter(|other| *other == page).count();
    let chosen =
        best.iter().rev().max_by_key(|page| often(page)).map(|page| (*page).clone()).unwrap_or_default();
    // Two that are equally right and unlike each other: no parity decides between them.
    let alike = least > 0 || best.iter().all(|page| **page == chosen);
    (if alike { Settled::Parity } else { Settled::Majority }, chosen)
}

/// Every bit as most readings have it; of an even number of readings the last is left out.
fn majority(readings: &[Vec<u8>]) -> Vec<u8> {
    let odd = readings.len() - usize::from(readings.len().is_multiple_of(2));
    let readings = readings.get(..odd.max(1)).unwrap_or(readings);
    let mut best = readings.first().cloned().unwrap_or_default();
    for (at, byte) in best.iter_mut().enumerate() {
        let bit = |n: u32| {
            let ones = readings.iter().filter(|page| page.get(at).is_some_and(|b| b >> n & 1 == 1)).count();
            u8::from(ones * 2 > readings.len()) << n
        };
        *byte = (0..8).map(bit).sum();
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_majority_is_taken_bit_by_bit() {
        let readings = [vec![0b1111_0000, 1], vec![0b1110_0001, 1], vec![0b1111_0000, 3]];
        assert_eq!(majority(&readings), [0b1111_0000, 1]);
        assert_eq!(majority(&readings[..2]), readings[0]);
        assert_eq!(majority(&readings[..1]), readings[0]);
    }

    #[test]
    fn parity_chooses_the_reading_with_fewer_wrong_bits_and_the_majority_where_there_is_none() {
        let geometry = Geometry::new(2048, 64, 64, 64).unwrap();
        let main: Vec<u8> = (0..2048u32).map(|n| (n * 7 + n / 256) as u8).collect();
        let mut page = vec![0; 2112];
        bromide_nand::encode_page(&main, &[], None, &geometry, &mut page).unwrap();
        let flipped = |bits: &[usize]| {
            let mut page = page.clone();
            bits.iter().for_each(|bit| page[bit / 8] ^= 1 << (bit % 8));
            page
        };
        let readings = [flipped(&[5, 900]), flipped(&[77])];
        let (settled, best) = settle(&readings, &geometry, Layout::Interleaved);
        assert_eq!((settled, best), (Settled::Parity, readings[1].clone()));
        // One bit is wrong in every reading of this page; another page, all of it right, came in between.
        let other: Vec<u8> = main.iter().map(|byte| byte.wrapping_mul(91) ^ 0x5a).collect();
        let mut stray = vec![0; 2112];
        bromide_nand::encode_page(&other, &[], None, &geometry, &mut stray).unwrap();
        let readings = [flipped(&[5]), stray, flipped(&[5]), flipped(&[5])];
        assert_eq!(settle(&readings, &geometry, Layout::Interleaved), (Settled::Parity, flipped(&[5])));
        let many: Vec<usize> = (0..40).map(|n| n * 100).collect();
        let broken = [flipped(&many), flipped(&many[1..]), flipped(&many)];
        let (settled, best) = settle(&broken, &geometry, Layout::Interleaved);
        assert_eq!((settled, best), (Settled::Majority, broken[0].clone()));
    }
}
