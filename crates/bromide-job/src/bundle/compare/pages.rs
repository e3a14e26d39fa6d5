//! Pages of two images, one by one.

use bromide_image::read_at::ReadAt;
use bromide_nand::PageState;

use super::{CompareError, Side};
use crate::open_file::OpenFile;
use crate::pageimage::page::Page;
use crate::pageimage::{Form, Shape};

/// Read at once, of each image.
const PIECE: u64 = 1 << 20;

/// How the pages of two images differ.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PageDiff {
    /// Pages compared.
    pub compared: u64,
    /// Pages that are not there in one of them.
    pub not_compared: u64,
    /// Pages with other bits.
    pub differing: u64,
    /// Bits that differ; where one has no spare bytes, of the main bytes.
    pub bits: u64,
    /// Differing pages that are the same once their parity has corrected them.
    pub same_after_correction: u64,
    /// Differing pages that are beyond repair in one of them, so that nobody knows.
    pub beyond_repair: u64,
    /// The blocks they lie in.
    pub runs: Vec<BlockRun>,
}

/// Neighbouring blocks of which the same is to be said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlockRun {
    /// Number of the first block on the chip.
    pub first: u64,
    /// Blocks.
    pub blocks: u64,
    /// Pages that differ in them.
    pub pages: u64,
    /// Bits that differ in those.
    pub bits: u64,
    /// Whether all of those are the same after correction.
    pub same_after_correction: bool,
}

impl PageDiff {
    /// Whether the content is the same, as far as it was compared.
    #[must_use]
    pub const fn is_same(&self) -> bool {
        self.differing == self.same_after_correction
    }

    fn add(&mut self, block: u64, page: Differs) {
        let same = page.how == How::Corrected;
        self.differing += 1;
        self.bits += page.bits;
        self.same_after_correction += u64::from(same);
        self.beyond_repair += u64::from(page.how == How::BeyondRepair);
        match self.runs.last_mut().filter(|last| last.first + last.blocks > block) {
            Some(last) => {
                last.pages += 1;
                last.bits += page.bits;
                last.same_after_correction &= same;
            }
            None => self.runs.push(BlockRun {
                first: block,
                blocks: 1,
                pages: 1,
                bits: page.bits,
                same_after_correction: same,
            }),
        }
    }

    /// Blocks become runs.
    fn join(&mut self) {
        let blocks = std::mem::take(&mut self.runs);
        for block in blocks {
            match self.runs.last_mut() {
                Some(last)
                    if last.first + last.blocks == block.first
                        && last.same_after_correction == block.same_after_correction =>
                {
                    last.blocks += 1;
                    last.pages += block.pages;
                    last.bits += block.bits;
                }
                _ => self.runs.push(block),
            }
        }
    }
}

/// Compares the pages of two images of the same place ([`Side::is_comparable`]). `go_on` is told the pages done and says
/// whether to go on.
///
/// # Errors
/// An image cannot be read; the caller wanted an end.
pub fn pages(a: &Side, b: &Side, go_on: &mut dyn FnMut(u64) -> bool) -> Result<PageDiff, CompareError> {
    let (mut first, mut second) = (Source::open(a)?, Source::open(b)?);
    let mut found = PageDiff::default();
    let per_block = u64::from(a.shape.geometry.pages_per_block).max(1);
    let first_page = a.shape.start / u64::from(a.shape.geometry.page).max(1);
    let (end, most) = (a.pages(), (PIECE / a.shape.unit().max(b.shape.unit())).max(1));
    let mut at = 0;
    while at < end {
        if let Some(behind) = first.missing(at).max(second.missing(at)) {
            found.not_compared += behind.min(end) - at;
            at = behind;
            continue;
        }
        let count = most.min(first.there(at, end)).min(second.there(at, end)).max(1);
        first.read(at, count)?;
        second.read(at, count)?;
        if a.form != b.form || first.bytes != second.bytes {
            let pages = first.bytes.chunks_exact(first.unit).zip(second.bytes.chunks_exact(second.unit));
            for (number, (one, other)) in (at..).zip(pages) {
                if let Some(page) = differs(one, other, &mut first.page, &mut second.page) {
                    found.add((first_page + number) / per_block, page);
                }
            }
        }
        found.compared += count;
        at += count;
        if !go_on(at) {
            return Err(CompareError::Stopped);
        }
    }
    found.join();
    Ok(found)
}

/// An image being read.
struct Source<'a> {
    side: &'a Side,
    file: OpenFile,
    unit: usize,
    bytes: Vec<u8>,
    page: OnePage,
}

/// One page without its wrong bits.
struct OnePage {
    form: Form,
    page: Page,
}

impl<'a> Source<'a> {
    fn open(side: &'a Side) -> Result<Self, CompareError> {
        let failed = |error| CompareError::Open { path: side.path.clone(), error };
        let file = OpenFile::open(&side.path).map_err(failed)?;
        let shape = Shape { form: side.form, geometry: side.shape.geometry, pages: 1, left_over: 0 };
        let page = OnePage { form: side.form, page: Page::new(shape) };
        let unit = usize::try_from(side.shape.unit()).unwrap_or(usize::MAX);
        Ok(Self { side, file, unit, bytes: Vec::new(), page })
    }

    /// Behind the run of missing pages that a page is in.
    fn missing(&self, at: u64) -> Option<u64> {
        let runs = &self.side.unread;
        let next = runs.partition_point(|(_, end)| *end <= at);
        runs.get(next).filter(|(start, _)| *start <= at).map(|(_, end)| *end)
    }

    /// Pages that are there from this one on.
    fn there(&self, at: u64, end: u64) -> u64 {
        let runs = &self.side.unread;
        let next = runs.partition_point(|(_, end)| *end <= at);
        runs.get(next).map_or(end, |(start, _)| *start).saturating_sub(at)
    }

    fn read(&mut self, at: u64, count: u64) -> Result<(), CompareError> {
        let bytes = usize::try_from(count).unwrap_or(usize::MAX).saturating_mul(self.unit);
        self.bytes.resize(bytes, 0);
        let failed = |error| CompareError::Read { path: self.side.path.clone(), error };
        self.file.read_at(at * self.side.shape.unit(), &mut self.bytes).map_err(failed)
    }
}

/// A page that differs.
struct Differs {
    bits: u64,
    how: How,
}

#[derive(PartialEq, Eq)]
enum How {
    /// The same after correction.
    Corrected,
    /// Another content.
    Other,
    /// One is beyond repair.
    BeyondRepair,
}

/// `None`: the stored bytes are the same, or where the forms are different ones the main bytes, as stored.
fn differs(a: &[u8], b: &[u8], first: &mut OnePage, second: &mut OnePage) -> Option<Differs> {
    let same_form = first.form == second.form;
    if same_form && a == b {
        return None;
    }
    let with_spare = same_form || (first.form.has_parity() && second.form.has_parity());
    first.page.spread(a);
    second.page.spread(b);
    let bits = bits(first.page.main(), second.page.main())
        + if with_spare { self::bits(first.page.spare(), second.page.spare()) } else { 0 };
    if bits == 0 {
        return None;
    }
    let states = [first.page.open(a), second.page.open(b)];
    let main = first.page.main() == second.page.main();
    let spare = !with_spare || first.page.spare() == second.page.spare();
    let how = match main && spare {
        _ if states.iter().any(|state| matches!(state, PageState::Damaged { .. })) => How::BeyondRepair,
        true => How::Corrected,
        false => How::Other,
    };
    Some(Differs { bits, how })
}

/// Bits that differ.
fn bits(a: &[u8], b: &[u8]) -> u64 {
    a.iter().zip(b).map(|(a, b)| u64::from((a ^ b).count_ones())).sum()
}
