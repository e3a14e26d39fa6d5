//! One page: taken apart, corrected where it can be, and put together again.
//!
//! A repair that the check byte of the FDM contradicts is none (nand-yaffs2.md section 2): broken sectors lie within the
//! reach of the code about once in 340, and the check byte finds nearly all of those.

use bromide_nand::ecc::{self, SectorState};
use bromide_nand::{Layout, PageState, SECTOR_BYTES, check_page, fdm};

use super::Shape;

/// Spare bytes of a sector under the code.
const SPARE: usize = 16;

/// Bits behind the parity that are ones in every written sector (nand-yaffs2.md section 1).
const FILLER: [u8; 2] = [0xF0, 0xFF];

/// The bytes of one page, main bytes first, then the spare where there is one.
#[derive(Debug)]
pub(crate) struct Page {
    shape: Shape,
    bytes: Vec<u8>,
    /// Filler bits set back, over all pages.
    pub(super) filler: u64,
}

impl Page {
    pub(crate) fn new(shape: Shape) -> Self {
        let bytes = vec![0; shape.page_bytes() as usize];
        Self { shape, bytes, filler: 0 }
    }

    /// What the parity says of a stored page.
    pub(super) fn judge(&mut self, stored: &[u8]) -> PageState {
        let state = self.state(stored);
        // Only a repair needs the second look.
        if matches!(state, PageState::Correctable { .. }) { self.open(stored) } else { state }
    }

    /// Takes a stored page apart. A sound one is corrected, filler included; an erased one is FF again; a damaged one and
    /// one that cannot be checked are as they are stored.
    pub(crate) fn open(&mut self, stored: &[u8]) -> PageState {
        self.spread(stored);
        let state = self.state(stored);
        match state {
            PageState::Clean => self.restore_filler(),
            PageState::Correctable { .. } => {
                let sectors = self.correct();
                if !self.check_holds() {
                    self.spread(stored);
                    return PageState::Damaged { sectors };
                }
                self.restore_filler();
            }
            PageState::Blank { .. } => self.bytes.fill(0xFF),
            PageState::Damaged { .. } | PageState::NotChecked => {}
        }
        state
    }

    /// Takes a stored page apart, as it is.
    pub(crate) fn spread(&mut self, stored: &[u8]) {
        let to = if self.shape.form.layout() == Layout::MainOnly {
            Layout::MainOnly
        } else {
            Layout::DataThenSpare
        };
        // A page of the wrong length leaves the bytes alone; there are none, the stream cuts them.
        let _ = self.shape.form.layout().convert(stored, to, &mut self.bytes, &self.shape.geometry);
    }

    /// Main bytes.
    pub(crate) fn main(&self) -> &[u8] {
        self.bytes.get(..self.shape.geometry.page as usize).unwrap_or_default()
    }

    /// Spare bytes.
    pub(crate) fn spare(&self) -> &[u8] {
        self.bytes.get(self.shape.geometry.page as usize..).unwrap_or_default()
    }

    /// The page in another order of its bytes; `into` is one page in that order.
    pub(super) fn put(&self, layout: Layout, into: &mut [u8]) {
        let from = if self.spare().is_empty() { Layout::MainOnly } else { Layout::DataThenSpare };
        // Both lengths follow from the geometry.
        let _ = from.convert(&self.bytes, layout, into, &self.shape.geometry);
    }

    /// The FDM bytes of all sectors.
    pub(super) fn fdm(&self) -> Vec<u8> {
        let sectors = self.spare().chunks_exact(SPARE);
        sectors.flat_map(|spare| spare.iter().take(fdm::PER_SECTOR)).copied().collect()
    }

    /// Whether the check byte fits the other FDM bytes.
    pub(super) fn check_holds(&self) -> bool {
        fdm::check_holds(&self.fdm())
    }

    fn state(&self, stored: &[u8]) -> PageState {
        if !self.shape.form.has_parity() {
            return PageState::NotChecked;
        }
        check_page(stored, self.shape.form.layout(), &self.shape.geometry)
    }

    /// Corrects every sector; gives those that needed it, one bit each.
    fn correct(&mut self) -> u32 {
        let Some((main, spare)) = self.bytes.split_at_mut_checked(self.shape.geometry.page as usize) else {
            return 0;
        };
        let sectors = main.as_chunks_mut::<SECTOR_BYTES>().0.iter_mut().zip(spare.as_chunks_mut::<SPARE>().0);
        let wrong =
            |(data, spare)| matches!(ecc::correct_sector(data, spare), SectorState::Correctable { .. });
        sectors.map(wrong).zip(0..32).fold(0, |all, (wrong, at)| all | u32::from(wrong) << at)
    }

    fn restore_filler(&mut self) {
        let page = self.shape.geometry.page as usize;
        for spare in self.bytes.get_mut(page..).unwrap_or_default().chunks_exact_mut(SPARE) {
            let [.., a, b] = spare else { continue };
            let [low, high] = FILLER;
            self.filler += u64::from((!*a & low).count_ones() + (!*b & high).count_ones());
            (*a, *b) = (*a | low, *b | high);
        }
    }
}
