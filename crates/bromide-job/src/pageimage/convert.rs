//! The same image in another form.
//!
//! Between forms with parity the bytes only change their order. On the way to a form without, what the parity can
//! correct is corrected; on the way back, spare bytes are built as a phone's driver builds them (nand-yaffs2.md
//! sections 3 and 8). Which block a replaced block stands for is lost in forms without the chip's spare bytes.

use std::mem;

use bromide_image::identify::{self, Confidence, Kind};
use bromide_image::read_at::ReadAt;
use bromide_image::yaffs2::tags::{PACKED_BYTES, SOFTWARE_BYTES, packed};
use bromide_nand::{Layout, PageState, encode_page, fdm};

use super::check::{Seen, Tally};
use super::page::Page;
use super::stream::{GoOn, Piece};
use super::write::Notes;
use super::{Checked, Form, Output, PageImageError, Shape};
use crate::save::Saved;

/// What became of an image.
#[derive(Debug)]
pub struct Converted {
    /// What was written.
    pub saved: Saved,
    /// The state of the pages that were read, where the new form has no parity to find it out again.
    pub checked: Option<Checked>,
    /// Damaged pages whose tags were beyond repair too, and that are erased pages now.
    pub left_out: u64,
}

/// How a page gets from one form to the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// The same bytes in another order.
    Reorder,
    /// Main bytes, corrected where there is parity.
    Main,
    /// Main bytes and tags, corrected.
    Tagged,
    /// Main bytes with spare bytes built around the tags, if there are any.
    Encoded,
}

/// Writes `source` in the form `to`. `fill_spare` allows spare bytes to be built for main bytes that have none, as of a
/// page that no file system has written. `go_on` is told the bytes read and says whether to go on.
///
/// Of a page beyond repair, forms without parity get the main bytes as they are; [`Form::YaffsImage`] gets an erased page
/// where the tags are beyond repair too, and for every page of a block marked bad.
///
/// # Errors
/// A way that loses what cannot be had back, or is none; an image that ends within a page; the source's own; whatever
/// saving meets; [`PageImageError::Stopped`]. Then nothing was written.
pub fn convert<S: ReadAt>(
    source: &S,
    shape: &Shape,
    to: Form,
    fill_spare: bool,
    output: &Output<'_>,
    go_on: &mut GoOn<'_>,
) -> Result<Converted, PageImageError> {
    let way = way(shape, to, fill_spare)?;
    shape.whole()?;
    if shape.form == Form::MainOnly && is_yaffs(source)? {
        return Err(PageImageError::TagsAreGone);
    }
    let bytes = u64::from(shape.pages) * u64::from(to.page_bytes(&shape.geometry));
    let make = || {
        let mut converter = Converter::new(way, shape, to);
        move |piece: &mut Piece| converter.piece(piece)
    };
    let mut notes = Told { tally: Tally::new(*shape), left_out: 0 };
    let saved = output.write((source, shape), bytes, go_on, make, &mut notes)?;
    let judged = shape.form.has_parity() && way != Way::Reorder;
    let Told { tally, left_out } = notes;
    Ok(Converted { saved, checked: Some(tally.checked).filter(|_| judged), left_out })
}

fn way(shape: &Shape, to: Form, fill_spare: bool) -> Result<Way, PageImageError> {
    let (from, geometry) = (shape.form, shape.geometry);
    let known = || match geometry.ecc() {
        Some(_) => Ok(()),
        None => Err(PageImageError::UnknownEcc { page: geometry.page, spare: geometry.spare }),
    };
    let room = || {
        let sectors = geometry.sectors_per_page() as usize;
        let fits = fdm::software_bytes(sectors) >= SOFTWARE_BYTES && geometry.spare as usize >= PACKED_BYTES;
        if fits { Ok(()) } else { Err(PageImageError::NoRoomForTags) }
    };
    match (from, to) {
        (from, to) if from == to => Err(PageImageError::SameForm(to)),
        (from, to) if from.has_parity() && to.has_parity() => Ok(Way::Reorder),
        (_, Form::MainOnly) => Ok(Way::Main),
        (Form::MainOnly, Form::YaffsImage) => Err(PageImageError::SpareIsGone),
        (Form::MainOnly, _) if !fill_spare => Err(PageImageError::SpareIsGone),
        (Form::MainOnly, _) => known().map(|()| Way::Encoded),
        (_, Form::YaffsImage) => known().and_then(|()| room()).map(|()| Way::Tagged),
        (_, _) => known().and_then(|()| room()).map(|()| Way::Encoded),
    }
}

/// Whether main bytes hold a YAFFS2 file system.
fn is_yaffs<S: ReadAt>(source: &S) -> Result<bool, PageImageError> {
    let found = identify::identify(source)?;
    Ok(found.findings.iter().any(|it| it.kind == Kind::Yaffs2 && it.confidence > Confidence::Possible))
}

/// What was said of the pieces.
struct Told {
    tally: Tally,
    left_out: u64,
}

impl Notes for Told {
    type Said = (Seen, u64);

    fn take(&mut self, first: u32, (seen, left_out): Self::Said) {
        self.tally.add(first, seen);
        self.left_out += left_out;
    }
}

/// The work of one thread.
struct Converter<'a> {
    way: Way,
    shape: &'a Shape,
    to: Form,
    page: Page,
    /// One page as the chip stores it.
    stored: Vec<u8>,
    /// Of the present piece.
    left_out: u64,
}

impl<'a> Converter<'a> {
    fn new(way: Way, shape: &'a Shape, to: Form) -> Self {
        let stored = vec![0; shape.geometry.stored_page() as usize];
        Self { way, shape, to, page: Page::new(*shape), stored, left_out: 0 }
    }

    fn piece(&mut self, piece: &mut Piece) -> (Seen, u64) {
        let mut out = mem::take(&mut piece.out);
        let unit = self.to.page_bytes(&self.shape.geometry) as usize;
        let pages = piece.bytes.len() / self.shape.page_bytes().max(1) as usize;
        out.resize(pages * unit, 0);
        let mut places = out.chunks_exact_mut(unit.max(1));
        let seen = Seen::of(piece, self.shape, |stored| {
            places.next().map_or(PageState::NotChecked, |into| self.one(stored, into))
        });
        if piece.in_bad_block {
            let stored = piece.bytes.chunks_exact(self.shape.page_bytes().max(1) as usize);
            stored.zip(places).for_each(|(stored, into)| self.of_bad_block(stored, into));
        }
        piece.out = out;
        (seen, mem::take(&mut self.left_out))
    }

    /// One page of a good block.
    fn one(&mut self, stored: &[u8], into: &mut [u8]) -> PageState {
        match self.way {
            Way::Reorder => {
                self.page.spread(stored);
                self.page.put(self.to.layout(), into);
                PageState::NotChecked
            }
            Way::Main => {
                let state = self.page.open(stored);
                self.page.put(Layout::MainOnly, into);
                state
            }
            Way::Tagged => self.tagged(stored, into),
            Way::Encoded => {
                self.encode(stored, into);
                PageState::NotChecked
            }
        }
    }

    /// A block marked bad: the same bytes in another order, and for an image file, which knows no marks, nothing.
    fn of_bad_block(&mut self, stored: &[u8], into: &mut [u8]) {
        if self.way == Way::Tagged {
            return into.fill(0xFF);
        }
        self.page.spread(stored);
        self.page.put(self.to.layout(), into);
    }

    fn tagged(&mut self, stored: &[u8], into: &mut [u8]) -> PageState {
        let state = self.page.open(stored);
        into.fill(0xFF);
        match state {
            PageState::Blank { .. } => return state,
            PageState::Damaged { .. } if !self.page.check_holds() => {
                self.left_out += 1;
                return state;
            }
            _ => {}
        }
        let mut software = [0xFF; SOFTWARE_BYTES];
        fdm::software(&self.page.fdm(), &mut software);
        let (main, spare) = into.split_at_mut(self.shape.geometry.page as usize);
        main.copy_from_slice(self.page.main());
        spare.iter_mut().zip(packed(&software)).for_each(|(to, from)| *to = from);
        state
    }

    fn encode(&mut self, stored: &[u8], into: &mut [u8]) {
        if stored.iter().all(|byte| *byte == 0xFF) {
            return into.fill(0xFF);
        }
        self.page.spread(stored);
        let software = self.page.spare();
        let software = software.get(..SOFTWARE_BYTES).unwrap_or_default();
        // Geometry and lengths were looked at before the first page.
        let geometry = &self.shape.geometry;
        let _ = encode_page(self.page.main(), software, None, geometry, &mut self.stored);
        let _ = Layout::Interleaved.convert(&self.stored, self.to.layout(), into, geometry);
    }
}
