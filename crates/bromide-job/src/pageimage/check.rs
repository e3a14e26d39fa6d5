//! The state of every page, block by block.

use bromide_image::read_at::ReadAt;
use bromide_nand::PageState;
use bromide_nand::report::{BlockState, Counts};

use super::page::Page;
use super::stream::{GoOn, Piece, stream};
use super::{PageImageError, Shape};

/// A page beyond repair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DamagedPage {
    /// Its number.
    pub page: u32,
    /// Bit `s` set: sector `s` is beyond repair.
    pub sectors: u32,
}

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// The image as pages.
    pub shape: Shape,
    /// Pages by state.
    pub counts: Counts,
    /// The worst there is to say of each block.
    pub blocks: Vec<BlockState>,
    /// Pages beyond repair, ascending; those of blocks marked bad are not among them.
    pub damaged: Vec<DamagedPage>,
}

impl Checked {
    /// Blocks whose first page carries a bad mark.
    pub fn bad_blocks(&self) -> impl Iterator<Item = usize> {
        let marked = |(_, state): &(usize, &BlockState)| **state == BlockState::BadMark;
        self.blocks.iter().enumerate().filter(marked).map(|(block, _)| block)
    }
}

/// Looks at every page of `source`. `go_on` is told the bytes read and says whether to go on.
///
/// # Errors
/// The source's own, or [`PageImageError::Stopped`].
pub fn check<S: ReadAt>(source: &S, shape: &Shape, go_on: &mut GoOn<'_>) -> Result<Checked, PageImageError> {
    let mut tally = Tally::new(*shape);
    let make = || {
        let mut page = Page::new(*shape);
        move |piece: &mut Piece| Seen::of(piece, shape, |stored| page.judge(stored))
    };
    stream(source, shape, go_on, make, |piece, seen: Seen| {
        tally.add(piece.first, seen);
        Ok::<_, PageImageError>(piece)
    })?;
    Ok(tally.checked)
}

/// What is to be said of one piece.
#[derive(Debug)]
pub(super) struct Seen {
    counts: Counts,
    worst: BlockState,
    damaged: Vec<DamagedPage>,
}

impl Seen {
    /// Looks at every page of a piece, of a block marked bad at none.
    pub(super) fn of(piece: &Piece, shape: &Shape, mut judge: impl FnMut(&[u8]) -> PageState) -> Self {
        let mut seen = Self { counts: Counts::default(), worst: BlockState::Blank, damaged: Vec::new() };
        let pages = piece.bytes.chunks_exact(shape.page_bytes().max(1) as usize);
        if piece.in_bad_block {
            seen.counts.add_bad_block(pages.len() as u64);
            seen.worst = BlockState::BadMark;
            return seen;
        }
        for (stored, page) in pages.zip(piece.first..) {
            seen.add(page, judge(stored));
        }
        seen
    }

    fn add(&mut self, page: u32, state: PageState) {
        self.counts.add(state);
        self.worst = self.worst.max(state.into());
        if let PageState::Damaged { sectors } = state {
            self.damaged.push(DamagedPage { page, sectors });
        }
    }
}

/// What was seen so far.
pub(super) struct Tally {
    pub(super) checked: Checked,
}

impl Tally {
    pub(super) fn new(shape: Shape) -> Self {
        let blocks = vec![BlockState::Blank; shape.geometry.blocks as usize];
        Self { checked: Checked { shape, counts: Counts::default(), blocks, damaged: Vec::new() } }
    }

    /// Pieces come in the order of their pages.
    pub(super) fn add(&mut self, first: u32, seen: Seen) {
        let Checked { shape, counts, blocks, damaged } = &mut self.checked;
        counts.merge(&seen.counts);
        damaged.extend(seen.damaged);
        let block = first / shape.geometry.pages_per_block.max(1);
        if let Some(state) = blocks.get_mut(block as usize) {
            *state = (*state).max(seen.worst);
        }
    }
}
