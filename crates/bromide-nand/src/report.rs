//! What there is to say of many pages: a count of each state, and one state for a whole block.
//!
//! Promises that every page added is in exactly one of the counts that [`Counts::pages`] sums up. Parts of a chip
//! judged on different threads are merged with [`Counts::merge`], in any order.

use crate::PageState;

/// Pages by state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Counts {
    /// Pages without a wrong bit.
    pub clean: u64,
    /// Correctable pages by the wrong bits of their worst sector: `correctable[0]` had one, `correctable[3]` four.
    pub correctable: [u64; 4],
    /// Wrong bits of all correctable pages together.
    pub wrong_bits: u64,
    /// Pages with a sector beyond repair.
    pub damaged: u64,
    /// Erased pages, those with flipped bits among them.
    pub blank: u64,
    /// Erased pages in which at least one bit flipped.
    pub flipped_blank: u64,
    /// Bits that flipped in all erased pages together.
    pub flipped_bits: u64,
    /// Pages of blocks whose first page carries a bad mark, not looked at further.
    pub in_bad_blocks: u64,
    /// Pages without spare bytes, of an unknown ECC, or cut off.
    pub not_checked: u64,
}

impl Counts {
    /// Counts one page of a block without a bad mark.
    pub fn add(&mut self, page: PageState) {
        match page {
            PageState::Clean => more(&mut self.clean, 1),
            PageState::Correctable { bits, worst } => {
                let [one, two, three, four] = &mut self.correctable;
                let by_worst = match worst {
                    0 | 1 => one,
                    2 => two,
                    3 => three,
                    _ => four,
                };
                more(by_worst, 1);
                more(&mut self.wrong_bits, u64::from(bits));
            }
            PageState::Damaged { .. } => more(&mut self.damaged, 1),
            PageState::Blank { flipped } => {
                more(&mut self.blank, 1);
                more(&mut self.flipped_blank, u64::from(flipped > 0));
                more(&mut self.flipped_bits, u64::from(flipped));
            }
            PageState::NotChecked => more(&mut self.not_checked, 1),
        }
    }

    /// Counts the pages of a block whose first page carries a bad mark.
    pub fn add_bad_block(&mut self, pages: u64) {
        more(&mut self.in_bad_blocks, pages);
    }

    /// Adds the counts of other pages.
    pub fn merge(&mut self, other: &Self) {
        more(&mut self.clean, other.clean);
        for (mine, theirs) in self.correctable.iter_mut().zip(other.correctable) {
            more(mine, theirs);
        }
        more(&mut self.wrong_bits, other.wrong_bits);
        more(&mut self.damaged, other.damaged);
        more(&mut self.blank, other.blank);
        more(&mut self.flipped_blank, other.flipped_blank);
        more(&mut self.flipped_bits, other.flipped_bits);
        more(&mut self.in_bad_blocks, other.in_bad_blocks);
        more(&mut self.not_checked, other.not_checked);
    }

    /// Correctable pages, whatever their worst sector.
    #[must_use]
    pub fn corrected(&self) -> u64 {
        self.correctable.iter().fold(0, |sum, pages| sum.saturating_add(*pages))
    }

    /// All pages counted.
    #[must_use]
    pub fn pages(&self) -> u64 {
        let states =
            [self.clean, self.corrected(), self.damaged, self.blank, self.in_bad_blocks, self.not_checked];
        states.into_iter().fold(0, u64::saturating_add)
    }
}

/// No chip has 2^64 pages, so a sum that stays at the limit is never seen.
fn more(count: &mut u64, by: u64) {
    *count = count.saturating_add(by);
}

/// The worst there is to say of a block, the better first in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BlockState {
    /// Every page is erased.
    Blank,
    /// Written, in part or whole, without a wrong bit.
    Clean,
    /// Wrong bits, all within the strength of the code: those of the worst sector of the block, 1 to 4.
    Corrected(u8),
    /// No page is known to be damaged, but at least one could not be checked, or there was none.
    NotChecked,
    /// At least one page has a sector beyond repair.
    Damaged,
    /// The first page carries a bad mark: whatever the pages hold is not to be trusted.
    BadMark,
}

impl From<PageState> for BlockState {
    fn from(page: PageState) -> Self {
        match page {
            PageState::Clean => Self::Clean,
            PageState::Correctable { worst, .. } => Self::Corrected(worst),
            PageState::Damaged { .. } => Self::Damaged,
            PageState::Blank { .. } => Self::Blank,
            PageState::NotChecked => Self::NotChecked,
        }
    }
}

/// The state of the block with these pages; `bad_mark` is what [`crate::bad_mark`] says of the first one.
#[must_use]
pub fn block_state(pages: impl IntoIterator<Item = PageState>, bad_mark: bool) -> BlockState {
    if bad_mark {
        return BlockState::BadMark;
    }
    pages.into_iter().map(BlockState::from).max().unwrap_or(BlockState::NotChecked)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [PageState; 9] = [
        PageState::Clean,
        PageState::Correctable { bits: 3, worst: 1 },
        PageState::Correctable { bits: 2, worst: 2 },
        PageState::Correctable { bits: 9, worst: 3 },
        PageState::Correctable { bits: 16, worst: 4 },
        PageState::Damaged { sectors: 0b0101 },
        PageState::Blank { flipped: 0 },
        PageState::Blank { flipped: 7 },
        PageState::NotChecked,
    ];

    fn counted(pages: &[PageState]) -> Counts {
        let mut counts = Counts::default();
        pages.iter().for_each(|page| counts.add(*page));
        counts
    }

    #[test]
    fn every_page_is_counted_in_one_state() {
        let mut counts = counted(&ALL);
        counts.add_bad_block(64);
        let expected = Counts {
            clean: 1,
            correctable: [1; 4],
            wrong_bits: 30,
            damaged: 1,
            blank: 2,
            flipped_blank: 1,
            flipped_bits: 7,
            in_bad_blocks: 64,
            not_checked: 1,
        };
        assert_eq!(counts, expected);
        assert_eq!((counts.corrected(), counts.pages()), (4, 9 + 64));
    }

    #[test]
    fn counts_of_parts_merge_to_the_count_of_the_whole() {
        for middle in 0..=ALL.len() {
            let (front, back) = ALL.split_at(middle);
            let (mut one, mut other) = (counted(front), counted(back));
            one.add_bad_block(2);
            other.add_bad_block(3);
            let mut whole = counted(&ALL);
            whole.add_bad_block(5);
            let mut merged = other;
            merged.merge(&one);
            one.merge(&other);
            assert_eq!((one, merged), (whole, whole));
        }
    }

    #[test]
    fn a_block_is_as_bad_as_its_worst_page() {
        use BlockState::{BadMark, Blank, Clean, Corrected, Damaged, NotChecked};
        let blank = PageState::Blank { flipped: 1 };
        let [clean, one, .., not_checked] = ALL;
        let (four, damaged) = (ALL[4], ALL[5]);
        assert_eq!(block_state([blank, blank], false), Blank);
        assert_eq!(block_state([clean, blank], false), Clean);
        assert_eq!(block_state([one, four, clean, blank], false), Corrected(4));
        assert_eq!(block_state([clean, four, not_checked], false), NotChecked);
        assert_eq!(block_state([damaged, not_checked, clean], false), Damaged);
        assert_eq!(block_state([clean], true), BadMark);
        assert_eq!(block_state([], true), BadMark);
        assert_eq!(block_state([], false), NotChecked);
    }
}
