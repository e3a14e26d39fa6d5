//! The main bytes of NAND pages, corrected on the way: how a file system that knows nothing of spare bytes sees a chip.

use alloc::vec;
use alloc::vec::Vec;
use core::cell::RefCell;

use bromide_nand::ecc::{self, SectorState};
use bromide_nand::{Geometry, Layout, SECTOR_BYTES};

use crate::read_at::{ReadAt, ReadError};

/// Spare bytes of a sector whose ECC is known here.
const SPARE: usize = 16;

/// The main bytes of pages of 512 + 16 byte sectors, under the ECC of nand-yaffs2.md section 2.
///
/// A sector with a correctable error is corrected; an erased one is FF; one beyond repair is an error that names its
/// page.
#[derive(Debug)]
pub struct MainBytes<S> {
    of: S,
    geometry: Geometry,
    layout: Layout,
    /// The page read last, corrected, and its number.
    page: RefCell<(Option<u64>, Vec<u8>)>,
}

impl<S: ReadAt> MainBytes<S> {
    /// The pages of `of`, which begins with one; what is left behind the last whole page is not seen.
    #[must_use]
    pub fn new(of: S, geometry: Geometry, layout: Layout) -> Self {
        let page = RefCell::new((None, Vec::new()));
        Self { of, geometry, layout, page }
    }

    fn page_bytes(&self) -> u64 {
        u64::from(self.geometry.page)
    }

    /// Main bytes of a page, corrected.
    fn load(&self, number: u64) -> Result<Vec<u8>, ReadError> {
        let unit = self.layout.unit_bytes(&self.geometry);
        let at = number.saturating_mul(u64::from(unit));
        let mut stored = vec![0; usize::try_from(unit).unwrap_or(0)];
        self.of.read_at(at, &mut stored)?;
        let fault = |why: &str| ReadError::Medium { at, why: alloc::format!("page {number} {why}") };
        let sectors =
            self.layout.sectors(&stored, &self.geometry).map_err(|e| fault(&alloc::format!("{e}")))?;
        let mut main = Vec::with_capacity(usize::try_from(self.geometry.page).unwrap_or(0));
        for (data, spare) in sectors {
            let (mut data, mut spare): ([u8; SECTOR_BYTES], [u8; SPARE]) = (*data, *spare);
            match ecc::correct_sector(&mut data, &mut spare) {
                SectorState::Damaged => return Err(fault("is damaged beyond repair")),
                SectorState::Blank { .. } => data.fill(0xFF),
                SectorState::Clean | SectorState::Correctable { .. } => {}
            }
            main.extend_from_slice(&data);
        }
        Ok(main)
    }
}

impl<S: ReadAt> ReadAt for MainBytes<S> {
    fn len(&self) -> u64 {
        let unit = u64::from(self.layout.unit_bytes(&self.geometry));
        self.of.len().checked_div(unit).unwrap_or(0).saturating_mul(self.page_bytes())
    }

    fn read_at(&self, at: u64, into: &mut [u8]) -> Result<(), ReadError> {
        let wanted = u64::try_from(into.len()).unwrap_or(u64::MAX);
        if at.checked_add(wanted).is_none_or(|end| end > self.len()) {
            return Err(ReadError::Beyond { at, wanted, len: self.len() });
        }
        let (mut at, mut rest) = (at, into);
        let mut kept = self.page.borrow_mut();
        while !rest.is_empty() {
            let number = at.checked_div(self.page_bytes()).unwrap_or(0);
            let within = at.checked_rem(self.page_bytes()).unwrap_or(0);
            if kept.0 != Some(number) {
                *kept = (None, self.load(number)?);
                kept.0 = Some(number);
            }
            let from = usize::try_from(within).unwrap_or(usize::MAX);
            let from = kept.1.get(from..).unwrap_or_default();
            let len = from.len().min(rest.len());
            let (Some(from), Some((to, later))) = (from.get(..len), rest.split_at_mut_checked(len)) else {
                break;
            };
            if len == 0 {
                return Err(ReadError::Medium { at, why: alloc::format!("page {number} is short") });
            }
            to.copy_from_slice(from);
            at = at.saturating_add(u64::try_from(len).unwrap_or(u64::MAX));
            rest = later;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pages() -> (Vec<u8>, Vec<u8>, Geometry) {
        let chip = Geometry::new(2048, 64, 64, 1).unwrap();
        let main: Vec<u8> =
            (0..3 * 2048_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        let mut stored = vec![0; 3 * 2112];
        for (main, page) in main.chunks(2048).zip(stored.chunks_mut(2112)) {
            bromide_nand::encode_page(main, &[], None, &chip, page).unwrap();
        }
        (main, stored, chip)
    }

    #[test]
    fn any_stretch_of_the_main_bytes_is_read_with_wrong_bits_corrected() {
        let (main, mut stored, chip) = pages();
        for at in [5, 530, 2112 + 100, 2112 + 515, 4224 + 2111 - 20] {
            stored[at] ^= 0x10;
        }
        let seen = MainBytes::new(stored, chip, Layout::Interleaved);
        assert_eq!(seen.len(), 3 * 2048);
        for (from, to) in [(0, 6144), (1, 2), (2047, 2049), (511, 4097), (6143, 6144), (6144, 6144)] {
            let mut into = vec![0; to - from];
            seen.read_at(from as u64, &mut into).unwrap();
            assert!(into == main[from..to], "{from}..{to}");
        }
        assert!(matches!(seen.read_at(6144, &mut [0]), Err(ReadError::Beyond { .. })));
    }

    #[test]
    fn a_page_beyond_repair_is_named_and_the_others_are_still_read() {
        let (main, mut stored, chip) = pages();
        stored[2112..2140].fill(0x55);
        let seen = MainBytes::new(stored, chip, Layout::Interleaved);
        let mut into = [0; 100];
        let failed = seen.read_at(2000, &mut into).unwrap_err();
        let failed = std::format!("{failed}");
        assert!(failed.contains("page 1 is damaged beyond repair"), "{failed}");
        seen.read_at(4096, &mut into).unwrap();
        assert_eq!(into, main[4096..4196]);
        seen.read_at(0, &mut into).unwrap();
        assert_eq!(into, main[..100]);
    }

    #[test]
    fn erased_pages_are_all_ones_although_bits_flipped() {
        let chip = Geometry::new(2048, 64, 64, 1).unwrap();
        let mut stored = vec![0xFF; 2112 + 7];
        stored[77] = 0xFE;
        let seen = MainBytes::new(stored, chip, Layout::Interleaved);
        let mut into = [0; 2048];
        seen.read_at(0, &mut into).unwrap();
        assert_eq!((into, seen.len()), ([0xFF; 2048], 2048));
    }
}
