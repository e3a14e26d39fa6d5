//! An image with every wrong bit put right that the parity can put right.

use std::cell::Cell;
use std::mem;
use std::path::Path;

use bromide_image::read_at::{ReadAt, ReadError};

use super::check::{Seen, Tally};
use super::page::Page;
use super::stream::{GoOn, Piece};
use super::write::Notes;
use super::{Checked, Output, PageImageError, Shape, check};
use crate::open_file::OpenFile;
use crate::save::Saved;

/// What was done to an image.
#[derive(Debug)]
pub struct Fixed {
    /// The state of the image that was read.
    pub before: Checked,
    /// Pages that are not as they were.
    pub changed_pages: u64,
    /// Bits of the filler behind the parity that were set back to one.
    pub filler_bits: u64,
    /// What was written.
    pub saved: Saved,
}

/// Which part of the work goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The image is read and written.
    Write,
    /// What was written is read back and checked.
    ReadBack,
}

/// Writes `source` with every correctable sector corrected (data, FDM and parity) and erased pages erased again. Pages
/// beyond repair and blocks marked bad stay as they are. What was written is read back and checked before it gets its
/// name. `tell` is told the bytes read and says whether to go on.
///
/// # Errors
/// An image without parity, of an unknown ECC, or that ends within a page; the source's own; whatever saving meets;
/// [`PageImageError::Stopped`]. Then nothing was written.
pub fn fix<S: ReadAt>(
    source: &S,
    shape: &Shape,
    output: &Output<'_>,
    tell: &mut dyn FnMut(Step, u64) -> bool,
) -> Result<Fixed, PageImageError> {
    shape.whole()?;
    if !shape.form.has_parity() {
        return Err(PageImageError::NoParity(shape.form));
    }
    if !shape.can_check() {
        let (page, spare) = (shape.geometry.page, shape.geometry.spare);
        return Err(PageImageError::UnknownEcc { page, spare });
    }
    let step = Cell::new(Step::Write);
    let mut notes = Mended { tally: Tally::new(*shape), changed_pages: 0, filler_bits: 0, step: &step };
    let make = || {
        let mut page = Page::new(*shape);
        move |piece: &mut Piece| mend(piece, shape, &mut page)
    };
    let mut go_on = |done| tell(step.get(), done);
    let saved = output.write((source, shape), shape.offset(shape.pages), &mut go_on, make, &mut notes)?;
    let Mended { tally, changed_pages, filler_bits, .. } = notes;
    Ok(Fixed { before: tally.checked, changed_pages, filler_bits, saved })
}

/// What was said of the pieces.
struct Mended<'a> {
    tally: Tally,
    changed_pages: u64,
    filler_bits: u64,
    step: &'a Cell<Step>,
}

impl Notes for Mended<'_> {
    type Said = (Seen, u64, u64);

    fn take(&mut self, first: u32, (seen, changed, filler): Self::Said) {
        self.tally.add(first, seen);
        self.changed_pages += changed;
        self.filler_bits += filler;
    }

    /// Nothing is left to correct, and what could not be corrected is as it was.
    fn judge(&mut self, part: &Path, go_on: &mut GoOn<'_>) -> Result<(), PageImageError> {
        self.step.set(Step::ReadBack);
        let before = &self.tally.checked;
        let medium = |e: std::io::Error| ReadError::Medium { at: 0, why: e.to_string() };
        let written = OpenFile::open(part).map_err(medium)?;
        let after = check(&written, &before.shape, go_on)?;
        let left = after.counts.corrected() + after.counts.flipped_blank;
        if left != 0 || after.damaged != before.damaged || after.counts.pages() != before.counts.pages() {
            let what = format!("{left} pages with wrong bits, {} damaged", after.damaged.len());
            return Err(PageImageError::WrittenWrong(what));
        }
        Ok(())
    }
}

/// Writes the pages of a piece corrected; says what state they were in, how many changed, and filler bits set back.
fn mend(piece: &mut Piece, shape: &Shape, page: &mut Page) -> (Seen, u64, u64) {
    let mut out = mem::take(&mut piece.out);
    out.clear();
    let (mut changed, filler) = (0, page.filler);
    let seen = Seen::of(piece, shape, |stored| {
        let state = page.open(stored);
        let from = out.len();
        out.resize(from + stored.len(), 0);
        let into = out.get_mut(from..).unwrap_or_default();
        page.put(shape.form.layout(), into);
        changed += u64::from(into != stored);
        state
    });
    if piece.in_bad_block {
        out.extend_from_slice(&piece.bytes);
    }
    piece.out = out;
    (seen, changed, page.filler - filler)
}
