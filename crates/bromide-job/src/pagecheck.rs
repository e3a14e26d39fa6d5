//! The check on the way: every stored page that passes is judged by its own ECC, marks and block index.
//!
//! Promises: takes any chunking; never changes a byte; memory is bounded by [`MOST_RUNS`], whatever comes. Facts:
//! nand-yaffs2.md sections 2 (sector ECC), 3 (FDM bytes) and 7 (bad blocks). Without spare bytes or with an ECC
//! that is not known from real bytes nothing is guessed: such pages count as not checked.

use std::ops::Range;

use bromide_nand::{Geometry, Layout, PageState, bad_mark, check_page, ecc, fdm};

mod runs;

pub use runs::{MOST_RUNS, Run, Runs};

/// Pages beyond repair, at least, before a wrong layout is suspected.
const SUSPICIOUS: u64 = 16;

/// The checker of one stream of pages.
#[derive(Debug, Clone)]
pub struct PageCheck {
    /// Bytes of a page not whole yet.
    begun: Vec<u8>,
    unit: usize,
    can_check: bool,
    /// The next page.
    page: u64,
    /// Whether the first page of the present block carries a bad mark.
    in_bad_block: bool,
    /// Pages that pass and pages beyond repair, those of bad blocks included: seen through a wrong layout the byte
    /// taken for the mark is data, so whole blocks may seem bad.
    passing: u64,
    failing: u64,
    /// Pages with any wrong bit, those of bad blocks and erased ones included.
    doubtful: Runs<()>,
    found: PageSummary,
}

/// What the check found. Page and block numbers count from the start of the address space that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageSummary {
    /// Shape of the chip.
    pub geometry: Geometry,
    /// Order of the bytes in a page of the stream.
    pub layout: Layout,
    /// Number of the first page of the stream.
    pub first_page: u64,
    /// Pages by state.
    pub counts: Counts,
    /// Wrong bits of all correctable pages together.
    pub wrong_bits: u64,
    /// Pages with at least one sector beyond repair; what is said of them: bit `s` set, sector `s` is.
    pub damaged: Runs<u32>,
    /// Pages with wrong bits, all within the strength of the code.
    pub correctable: Runs<WrongBits>,
    /// Blocks whose first page carries a bad mark.
    pub bad_blocks: Vec<u32>,
    /// Blocks that stand in for another: block, and the block its pages say they stand for.
    pub replaced: Vec<(u32, u16)>,
    /// What a person should know about these figures.
    pub remarks: Vec<String>,
}

/// Pages by state; every page of the stream is in exactly one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// All sectors are code words.
    pub clean: u64,
    /// Wrong bits, all within the strength of the code.
    pub correctable: u64,
    /// At least one sector beyond repair.
    pub damaged: u64,
    /// Erased.
    pub blank: u64,
    /// In a block whose first page carries a bad mark; not looked at further.
    pub in_bad_blocks: u64,
    /// Without spare bytes, or of an unknown ECC.
    pub not_checked: u64,
}

impl Counts {
    /// All pages.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.clean + self.correctable + self.damaged + self.blank + self.in_bad_blocks + self.not_checked
    }
}

/// Wrong bits of a correctable page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WrongBits {
    /// Of the whole page.
    pub bits: u16,
    /// Of its worst sector, 1 to 4.
    pub worst: u8,
}

impl PageCheck {
    /// A checker for pages in `layout`, the first one at main-area address `start` (rounded down to a page).
    ///
    /// Blocks are those of the chip: `start` need not be the beginning of one. Of a block entered in its middle the
    /// mark is not seen, so it counts as good.
    #[must_use]
    pub fn new(geometry: Geometry, layout: Layout, start: u64) -> Self {
        let first_page = start / u64::from(geometry.page.max(1));
        let mut remarks = Vec::new();
        let can_check = layout != Layout::MainOnly && geometry.ecc().is_some();
        if layout == Layout::MainOnly {
            remarks.push("not checked: these pages came without their spare bytes".to_owned());
        } else if !can_check {
            let (page, spare) = (geometry.page, geometry.spare);
            remarks.push(format!("not checked: the ECC of pages of {page} + {spare} bytes is not known"));
        }
        Self {
            begun: Vec::new(),
            unit: usize::try_from(layout.unit_bytes(&geometry)).unwrap_or(usize::MAX).max(1),
            can_check,
            page: first_page,
            in_bad_block: false,
            passing: 0,
            failing: 0,
            doubtful: Runs::default(),
            found: PageSummary {
                geometry,
                layout,
                first_page,
                counts: Counts::default(),
                wrong_bits: 0,
                damaged: Runs::default(),
                correctable: Runs::default(),
                bad_blocks: Vec::new(),
                replaced: Vec::new(),
                remarks,
            },
        }
    }

    /// Takes the next bytes of the stream.
    pub fn feed(&mut self, mut bytes: &[u8]) {
        if !self.begun.is_empty() {
            let missing = self.unit.saturating_sub(self.begun.len()).min(bytes.len());
            let (now, later) = bytes.split_at(missing);
            self.begun.extend_from_slice(now);
            bytes = later;
            if self.begun.len() < self.unit {
                return;
            }
            let page = std::mem::take(&mut self.begun);
            self.take(&page);
            self.begun = page;
            self.begun.clear();
        }
        let pages = bytes.chunks_exact(self.unit);
        self.begun.extend_from_slice(pages.remainder());
        for page in pages {
            self.take(page);
        }
    }

    /// Pages so far in which any bit is wrong, counted from the start of the stream: the chip's fault or the cable's.
    pub(crate) fn doubtful(&self) -> impl Iterator<Item = Range<u64>> + '_ {
        let first = self.found.first_page;
        self.doubtful
            .list()
            .iter()
            .map(move |run| run.first - first..run.first - first + u64::from(run.pages))
    }

    /// What was found, once the stream has ended.
    #[must_use]
    pub fn finish(mut self) -> PageSummary {
        let rest = self.begun.len();
        if rest > 0 {
            self.found.remarks.push(format!("the last {rest} bytes are no whole page and were not checked"));
        }
        if self.failing >= SUSPICIOUS && self.passing * 50 < self.failing {
            self.found.remarks.push(
                "practically no written page passes: these pages may have another layout or another ECC than \
                 assumed"
                    .to_owned(),
            );
        }
        self.found
    }

    /// Judges one whole page.
    fn take(&mut self, stored: &[u8]) {
        let page = self.page;
        self.page += 1;
        let PageSummary { geometry, layout, .. } = self.found;
        if !self.can_check {
            self.found.counts.not_checked += 1;
            return;
        }
        let per_block = u64::from(geometry.pages_per_block.max(1));
        let block = u32::try_from(page / per_block).unwrap_or(u32::MAX);
        if page.is_multiple_of(per_block) {
            // The mark is programmed over whatever the block held, without ECC: look at it first (section 7).
            self.in_bad_block = bad_mark(stored, layout, &geometry) == Some(true);
            if self.in_bad_block {
                self.found.bad_blocks.push(block);
            }
        }
        let state = check_page(stored, layout, &geometry);
        if !matches!(state, PageState::Clean | PageState::Blank { flipped: 0 } | PageState::NotChecked) {
            self.doubtful.push(page, ());
        }
        match state {
            PageState::Clean | PageState::Correctable { .. } => self.passing += 1,
            PageState::Damaged { .. } => self.failing += 1,
            PageState::Blank { .. } | PageState::NotChecked => {}
        }
        if self.in_bad_block {
            self.found.counts.in_bad_blocks += 1;
        } else {
            self.found.note(page, block, state, stored);
        }
    }
}

impl PageSummary {
    /// Main-area address of a page, in bytes.
    #[must_use]
    pub fn address(&self, page: u64) -> u64 {
        page.saturating_mul(u64::from(self.geometry.page))
    }

    /// Where a page begins in the saved stream, in bytes.
    #[must_use]
    pub fn offset(&self, page: u64) -> u64 {
        let unit = u64::from(self.layout.unit_bytes(&self.geometry));
        page.saturating_sub(self.first_page).saturating_mul(unit)
    }

    /// Notes the state of a page of a good block.
    fn note(&mut self, page: u64, block: u32, state: PageState, stored: &[u8]) {
        match state {
            PageState::Clean => {
                self.counts.clean += 1;
                self.note_index(block, stored);
            }
            PageState::Correctable { bits, worst } => {
                self.counts.correctable += 1;
                self.wrong_bits += u64::from(bits);
                self.correctable.push(page, WrongBits { bits, worst });
                self.note_index(block, stored);
            }
            PageState::Damaged { sectors } => {
                self.counts.damaged += 1;
                self.damaged.push(page, sectors);
            }
            PageState::Blank { .. } => self.counts.blank += 1,
            PageState::NotChecked => self.counts.not_checked += 1,
        }
    }

    /// Notes the block that this good or correctable page says it stands for (section 3).
    fn note_index(&mut self, block: u32, stored: &[u8]) {
        if self.replaced.last().is_some_and(|(last, _)| *last == block) {
            return;
        }
        let Ok(mut sectors) = self.layout.sectors(stored, &self.geometry) else { return };
        let last = self.geometry.sectors_per_page().saturating_sub(1);
        let Some((data, spare)) = sectors.nth(last as usize) else { return };
        let own_place = |spare: &[u8; 16]| {
            // FFFF: a page written without index, as by a program that does not know the table.
            matches!(fdm::index(&spare[..fdm::PER_SECTOR]), None | Some(fdm::NOT_REMAPPED | 0xffff))
        };
        if own_place(spare) {
            return;
        }
        // The index is used only as the code vouches for it: a flipped bit must not make a replacement.
        let (mut data, mut spare) = (*data, *spare);
        ecc::correct_sector(&mut data, &mut spare);
        match fdm::index(&spare[..fdm::PER_SECTOR]) {
            Some(index) if !own_place(&spare) && u32::from(index) < self.geometry.blocks => {
                self.replaced.push((block, index));
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests;
