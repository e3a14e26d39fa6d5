//! Page size and layout of an image, from its bytes alone.
//!
//! Promises: at most [`MOST_READS`] short reads, spread over the whole length, fewer once the answer is sure; `None`
//! rather than a guess. An image of main bytes alone cannot be told from any other bytes, so it is `None` too.
//!
//! The way (nand-yaffs2.md section 1): in the right layout nearly every written sector is a code word or within
//! four bits of one, in a wrong one practically none. Interleaved sectors stand 528 bytes apart whatever the page,
//! so there the page size comes from where index and check byte are found (section 3).

use alloc::vec;
use alloc::vec::Vec;

use crate::ecc::{self, SectorState};
use crate::{Geometry, Layout, fdm};

/// Most stretches of an image that are read, a power of two; each is at most [`STRETCH`] bytes.
pub const MOST_READS: usize = 512;

/// Bytes read in one go: whole pages of every size that is tried, the largest being 8192 + 256.
pub const STRETCH: usize = 8448;

/// Stretches in a block of 64 pages of 2112 bytes. Blocks are filled from their first page, so that comes first.
const STRETCHES_A_BLOCK: u64 = 16;

/// Page sizes that are tried, in sectors of 512 bytes.
const SECTORS: [u32; 5] = [1, 2, 4, 8, 16];

/// Sectors that pass, after which no more are looked for: those of six stretches.
const SURE: u32 = 96;

/// Evidence below this is none: one clean sector is enough, a few nearly beyond repair are not.
const ENOUGH_BITS: u32 = 40;

/// How many bits of evidence a sector with 0 to 4 wrong bits is: 52 less the logarithm of so many patterns of wrong
/// bits, rounded down.
const BITS: [u32; 5] = [52, 39, 28, 18, 8];

/// A damaged sector with fewer zero bits than this (of 4096) may well be an erased one, and says nothing.
const NEARLY_ERASED: u32 = 512;

/// What an image seems to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Detected {
    /// Main bytes of a page.
    pub page: u32,
    /// Spare bytes of a page: 16 a sector.
    pub spare: u32,
    /// How page and spare are ordered: [`Layout::Interleaved`] or [`Layout::DataThenSpare`].
    pub layout: Layout,
    /// Whether the page size was seen. Where it was not it is 2048, the usual one: interleaved pages without index
    /// and check byte look the same in every size, and so do their main bytes.
    pub page_size_seen: bool,
    /// Written sectors that were looked at.
    pub written: u32,
    /// Of those, the ones that are code words or within four bits of one in this layout.
    pub passing: u32,
}

/// What the image of `len` bytes is, which begins with a page and of which `read` fills a buffer from an offset.
///
/// The offsets and buffers asked for are within `len`. A `read` that answers `None` has failed there, which is passed
/// over.
pub fn detect(mut read: impl FnMut(u64, &mut [u8]) -> Option<()>, len: u64) -> Option<Detected> {
    let mut guesses: Vec<Guess> = SECTORS.into_iter().filter_map(Guess::new).collect();
    let mut buffer = vec![0; STRETCH];
    for offset in places(len) {
        let here = usize::try_from(len.saturating_sub(offset)).unwrap_or(usize::MAX).min(STRETCH);
        let Some(stretch) = buffer.get_mut(..here) else { continue };
        if read(offset, stretch).is_none() {
            continue;
        }
        for guess in &mut guesses {
            guess.look(stretch);
        }
        if guesses.iter().any(Guess::is_sure) {
            break;
        }
    }
    guesses.iter().max_by_key(|guess| guess.passing)?.outcome()
}

/// Where to look: the first stretch of every block, then the second of every block, and so on; of an image with more
/// blocks than looks, the first stretch of one block in each of so many equal parts. Spread evenly wherever it stops.
fn places(len: u64) -> impl Iterator<Item = u64> {
    let stretch = u64::try_from(STRETCH).unwrap_or(u64::MAX);
    let looks = u64::try_from(MOST_READS).unwrap_or(u64::MAX);
    let block = stretch.saturating_mul(STRETCHES_A_BLOCK);
    let blocks = len.div_ceil(block);
    let parts = blocks.min(looks);
    let start = move |part: u64| part.saturating_mul(blocks).checked_div(parts).unwrap_or(blocks);
    let block_of = move |part: u64| {
        // Some block of its part: evenly spaced ones could all fall between the blocks of some regular use.
        let choice = start(part.saturating_add(1)).saturating_sub(start(part));
        let noise = part.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_shr(32);
        noise.checked_rem(choice).map(|within| start(part).saturating_add(within))
    };
    // Numbers below `looks` with their bits in reverse order: 0, 1/2, 1/4, 3/4, ... of the whole.
    let unused = looks.leading_zeros().saturating_add(1);
    let spread = (0..looks).map(move |turn| turn.reverse_bits().wrapping_shr(unused));
    let numbers = spread.filter(move |part| *part < parts).filter_map(block_of);
    (0..STRETCHES_A_BLOCK)
        .flat_map(move |round| numbers.clone().map(move |number| (number, round)))
        .map(move |(number, round)| {
            number.saturating_mul(block).saturating_add(round.saturating_mul(stretch))
        })
        .filter(move |offset| *offset < len)
        .take(MOST_READS)
}

/// One order of bytes and what speaks for it.
struct Guess {
    layout: Layout,
    geometry: Geometry,
    written: u32,
    passing: u32,
    /// Evidence in bits.
    bits: u32,
    sizes: PageSizes,
}

impl Guess {
    /// Pages of one sector are the same in both layouts, and stand for interleaved ones of any size.
    fn new(sectors: u32) -> Option<Self> {
        let layout = if sectors == 1 { Layout::Interleaved } else { Layout::DataThenSpare };
        let geometry = Geometry::new(sectors.checked_mul(512)?, sectors.checked_mul(16)?, 64, 1).ok()?;
        Some(Self { layout, geometry, written: 0, passing: 0, bits: 0, sizes: PageSizes::default() })
    }

    /// Judges the whole pages at the start of a stretch.
    fn look(&mut self, stretch: &[u8]) {
        let unit = usize::try_from(self.geometry.stored_page()).unwrap_or(usize::MAX);
        let mut fdm_bytes = Vec::new();
        for page in stretch.chunks_exact(unit) {
            let Ok(sectors) = self.layout.sectors(page, &self.geometry) else { continue };
            fdm_bytes.extend(sectors.map(|(data, spare)| self.judge(*data, *spare)));
        }
        if self.layout == Layout::Interleaved {
            self.sizes.look(&fdm_bytes);
        }
    }

    /// Judges a sector; gives the FDM bytes of one that passes.
    fn judge(&mut self, mut data: [u8; 512], mut spare: [u8; 16]) -> Option<[u8; 8]> {
        let wrong = match ecc::correct_sector(&mut data, &mut spare) {
            SectorState::Clean => 0,
            SectorState::Correctable { bits } => bits,
            SectorState::Blank { .. } => return None,
            SectorState::Damaged => {
                let zeros = data.iter().fold(0_u32, |sum, byte| sum.saturating_add(byte.count_zeros()));
                self.written = self.written.saturating_add(u32::from(zeros >= NEARLY_ERASED));
                return None;
            }
        };
        let ([fdm, _], _) = spare.as_chunks() else { return None };
        if data == [0; 512] && *fdm == [0; 8] {
            // Zeros are a code word wherever they are found.
            return None;
        }
        self.written = self.written.saturating_add(1);
        self.passing = self.passing.saturating_add(1);
        self.bits = self.bits.saturating_add(BITS.get(usize::from(wrong)).copied().unwrap_or(0));
        Some(*fdm)
    }

    fn is_sure(&self) -> bool {
        self.passing >= SURE && self.passing >= self.written / 2
    }

    /// One sector in ten must pass: an image may hold a few pages of another one.
    fn outcome(&self) -> Option<Detected> {
        if self.bits < ENOUGH_BITS || self.passing < self.written / 10 {
            return None;
        }
        let sectors = match self.layout {
            Layout::Interleaved => self.sizes.smallest(),
            _ => Some(self.geometry.sectors_per_page()),
        };
        let page = sectors.unwrap_or(4).checked_mul(512)?;
        Some(Detected {
            page,
            spare: page / 32,
            layout: self.layout,
            page_size_seen: sectors.is_some(),
            written: self.written,
            passing: self.passing,
        })
    }
}

/// For each of [`SECTORS`], how many runs of so many sectors end like a page, and how many were seen.
#[derive(Default)]
struct PageSizes([(u32, u32); 5]);

impl PageSizes {
    /// Takes the FDM bytes of sectors one after another, from the start of a page on; none for a sector beyond repair.
    fn look(&mut self, fdm_bytes: &[Option<[u8; 8]>]) {
        for ((ending, seen), sectors) in self.0.iter_mut().zip(SECTORS) {
            for page in fdm_bytes.chunks_exact(usize::try_from(sectors).unwrap_or(usize::MAX)) {
                let Some(page) = page.iter().copied().collect::<Option<Vec<_>>>() else { continue };
                let page = page.as_flattened();
                let ends = fdm::index(page) == Some(fdm::NOT_REMAPPED) && fdm::check_holds(page);
                *ending = ending.saturating_add(u32::from(ends));
                *seen = seen.saturating_add(1);
            }
        }
    }

    /// Two whole pages end like a larger one, so it is the smallest of which most do. A few stand for other blocks.
    fn smallest(&self) -> Option<u32> {
        let mut sizes = self.0.iter().zip(SECTORS);
        let most =
            |(ending, seen): &(u32, u32)| *ending > 0 && ending.saturating_mul(4) >= seen.saturating_mul(3);
        sizes.find(|(counted, _)| most(counted)).map(|(_, sectors)| sectors)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_images_are_looked_at_everywhere_once() {
        for len in [0, 1, 2112, 8448, 8449, 135_168, 1_000_000, 3_000_000] {
            let mut offsets: Vec<_> = places(len).collect();
            offsets.sort_unstable();
            let expected: Vec<_> = (0..len).step_by(STRETCH).collect();
            assert_eq!(offsets, expected, "{len} bytes");
        }
    }

    #[test]
    fn large_images_are_looked_at_evenly_and_no_more_often_than_promised() {
        for len in [100_000_000_u64, 553_648_128, 1 << 40, u64::MAX] {
            let mut offsets: Vec<_> = places(len).collect();
            assert_eq!(offsets.len(), MOST_READS);
            let mut early = offsets[..16].to_vec();
            early.sort_unstable();
            assert!(early.windows(2).all(|pair| pair[1] - pair[0] < len / 8), "{early:?} of {len}");
            assert!(early[0] < len / 8 && early[15] > len / 8 * 7, "{early:?} of {len}");
            offsets.sort_unstable();
            offsets.dedup();
            assert_eq!(offsets.len(), MOST_READS, "{len} bytes");
            assert!(offsets.iter().all(|offset| *offset < len));
        }
    }

    #[test]
    fn the_weights_are_what_the_code_gives() {
        let mut patterns = 1.0_f64;
        for (wrong, bits) in (1_i32..).zip(BITS) {
            let weight = 52.0 - patterns.log2();
            assert!(f64::from(bits) <= weight && weight < f64::from(bits + 1), "{bits}: {weight}");
            patterns *= f64::from(4213 - wrong) / f64::from(wrong);
        }
    }
}
