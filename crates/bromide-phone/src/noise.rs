//! Bits that come wrong from a NAND chip: weak cells, which are always the same, and reads that go wrong once.
//!
//! Promises: weak cells follow from the seed and the page's number alone, so the same phone has the same ones
//! whenever it is made and whatever was read before; noise follows from the seed and how many pages were read.
//! Both are invented: bits are hit independently of each other and of what is stored, in erased pages too.

use core::sync::atomic::{AtomicU64, Ordering};

/// How a chip misreads; the default does not.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Noise {
    /// Decides which bits.
    pub seed: u64,
    /// Each stored bit is wrong with this probability, 0 to 0.5.
    pub weak_cells: f64,
    /// A page comes with one bit flipped with this probability, 0 to 0.5, that the next reading may have right.
    pub jitter: f64,
}

impl Noise {
    /// Does to the stored bytes of a page, as they are in the cells, what this chip does when it reads them.
    /// `reads` counts all pages read.
    pub(crate) fn disturb(&self, page: u32, bytes: &mut [u8], reads: &AtomicU64) {
        if self.weak_cells > 0.0 {
            let mut dice = Dice::of([self.seed, 0, u64::from(page)]);
            let bits = bytes.len() as u64 * 8;
            let mut at = dice.distance(self.weak_cells);
            while at < bits {
                flip(bytes, at);
                at = at.saturating_add(1).saturating_add(dice.distance(self.weak_cells));
            }
        }
        if self.jitter > 0.0 {
            let count = reads.fetch_add(1, Ordering::Relaxed);
            let mut dice = Dice::of([self.seed, 1, count]);
            if dice.unit() < self.jitter {
                let bits = bytes.len() as u64 * 8;
                flip(bytes, dice.roll() % bits.max(1));
            }
        }
    }
}

fn flip(bytes: &mut [u8], bit: u64) {
    if let Some(byte) = usize::try_from(bit / 8).ok().and_then(|at| bytes.get_mut(at)) {
        *byte ^= 1 << (bit % 8);
    }
}

/// SplitMix64 (Steele, Lea and Flood 2014).
struct Dice(u64);

impl Dice {
    /// A generator of its own for these numbers.
    fn of(numbers: [u64; 3]) -> Self {
        numbers.into_iter().fold(Self(0), |mut dice, number| Self(dice.roll() ^ number))
    }

    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// 0 to below 1, in steps of 2^-53.
    fn unit(&mut self) -> f64 {
        (self.roll() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// How many bits are right before the next wrong one: a geometric number, from a uniform one by its logarithm.
    fn distance(&mut self, p: f64) -> u64 {
        ((1.0 - self.unit()).ln() / (-p).ln_1p()) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong_bits(noise: Noise, pages: u32) -> Vec<Vec<u8>> {
        let reads = AtomicU64::new(0);
        let read = |page| {
            let mut bytes = vec![0; 2112];
            noise.disturb(page, &mut bytes, &reads);
            bytes
        };
        (0..pages).map(read).collect()
    }

    fn count(pages: &[Vec<u8>]) -> u32 {
        pages.iter().flatten().map(|byte| byte.count_ones()).sum()
    }

    #[test]
    fn as_many_cells_are_weak_as_the_probability_says() {
        // 16,896 bits a page.
        for (p, pages, due) in [(1e-6, 60_000, 1014), (1e-4, 600, 1014), (0.25, 1, 4224)] {
            let noise = Noise { seed: 3, weak_cells: p, jitter: 0.0 };
            let wrong = count(&wrong_bits(noise, pages));
            assert!(wrong.abs_diff(due) < due / 8, "{p}: {wrong}");
        }
    }

    #[test]
    fn weak_cells_stay_and_differ_from_page_to_page_and_seed_to_seed() {
        let noise = Noise { seed: 3, weak_cells: 1e-3, jitter: 0.0 };
        let pages = wrong_bits(noise, 50);
        assert_eq!(pages, wrong_bits(noise, 50));
        assert_ne!(pages[0], pages[1]);
        assert_ne!(pages[0], wrong_bits(Noise { seed: 4, ..noise }, 1)[0]);
        let mut again = vec![0; 2112];
        noise.disturb(49, &mut again, &AtomicU64::new(77));
        assert_eq!(pages[49], again, "what was read before made a difference");
    }

    #[test]
    fn jitter_flips_one_bit_of_as_many_pages_as_asked_for_and_repeats_from_its_seed() {
        let noise = Noise { seed: 3, weak_cells: 0.0, jitter: 0.1 };
        let pages = wrong_bits(noise, 5000);
        assert!(pages.iter().all(|page| page.iter().map(|byte| byte.count_ones()).sum::<u32>() <= 1));
        assert!(count(&pages).abs_diff(500) < 110, "{}", count(&pages));
        assert_eq!(pages, wrong_bits(noise, 5000));
        let reads = AtomicU64::new(0);
        let same_page = (0..200).map(|_| {
            let mut bytes = vec![0; 2112];
            noise.disturb(7, &mut bytes, &reads);
            bytes
        });
        let different: std::collections::HashSet<_> = same_page.collect();
        assert!(different.len() > 5, "a page read again is not wrong at the same bit");
    }

    #[test]
    fn a_chip_without_noise_gives_what_is_stored() {
        assert_eq!(count(&wrong_bits(Noise::default(), 100)), 0);
    }
}
