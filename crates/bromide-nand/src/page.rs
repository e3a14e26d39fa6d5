//! A whole page: its ECC state, its bad-block mark, and the page as a running phone writes it.
//!
//! Facts: nand-yaffs2.md sections 2, 3 and 7.

use crate::ecc::{self, SectorState};
use crate::layout::LayoutError;
use crate::{Geometry, Layout, SECTOR_BYTES, fdm};

/// Most sectors a page can have (16384 bytes).
const MAX_SECTORS: usize = 32;

/// What the ECC says of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PageState {
    /// All sectors are code words.
    Clean,
    /// Every sector is within the strength of the code, and at least one needs it.
    Correctable {
        /// Wrong bits of the page.
        bits: u16,
        /// Wrong bits of its worst sector, 1 to 4.
        worst: u8,
    },
    /// At least one sector is beyond repair. An erased sector beside a written one counts as such: a page is
    /// written whole, so its data are not there.
    Damaged {
        /// Bit `s` set: sector `s` is beyond repair.
        sectors: u32,
    },
    /// All sectors are erased.
    Blank {
        /// Zero bits of the page.
        flipped: u16,
    },
    /// No spare bytes, an unknown ECC, or not the length of one page: nothing can be said.
    NotChecked,
}

/// The ECC state of one page as stored, in `layout`.
///
/// Look at the bad-block mark first ([`bad_mark`]): it is programmed over whatever the block held, without ECC
/// (nand-yaffs2.md section 7), so such a page is damaged or not depending on its old content.
#[must_use]
pub fn check_page(stored: &[u8], layout: Layout, geometry: &Geometry) -> PageState {
    let Some(crate::Ecc::Bch4) = geometry.ecc() else { return PageState::NotChecked };
    let Ok(sectors) = layout.sectors(stored, geometry) else { return PageState::NotChecked };
    let (mut bits, mut worst, mut flipped) = (0_u16, 0_u8, 0_u16);
    let (mut damaged, mut blank, mut written) = (0_u32, 0_u32, false);
    let mut this = 1_u32;
    for (data, spare) in sectors {
        match ecc::check_sector(data, spare) {
            SectorState::Clean => written = true,
            SectorState::Correctable { bits: wrong } => {
                written = true;
                bits = bits.saturating_add(u16::from(wrong));
                worst = worst.max(wrong);
            }
            SectorState::Damaged => damaged |= this,
            SectorState::Blank { flipped: zeros } => {
                blank |= this;
                flipped = flipped.saturating_add(u16::from(zeros));
            }
        }
        this = this.wrapping_shl(1);
    }
    if written {
        damaged |= blank;
    }
    match (damaged, blank, bits) {
        (0, 0, 0) => PageState::Clean,
        (0, 0, _) => PageState::Correctable { bits, worst },
        (0, _, _) => PageState::Blank { flipped },
        (sectors, _, _) => PageState::Damaged { sectors },
    }
}

/// Whether this page carries a bad-block mark; meaningful in the first page of a block.
///
/// Read without the ECC ([`fdm::is_bad`]). `None` where there is no spare, or not the length of one page.
#[must_use]
pub fn bad_mark(stored: &[u8], layout: Layout, geometry: &Geometry) -> Option<bool> {
    if stored.len() != usize::try_from(layout.unit_bytes(geometry)).ok()? || geometry.spare_per_sector() == 0
    {
        return None;
    }
    let first_spare = match layout {
        Layout::Interleaved => SECTOR_BYTES,
        Layout::DataThenSpare => usize::try_from(geometry.page).ok()?,
        Layout::MainOnly => return None,
    };
    stored.get(first_spare.checked_add(fdm::MARK)?).map(|mark| fdm::is_bad(*mark))
}

/// Why a page cannot be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// The ECC of such a chip is not known.
    #[error("unknown ECC: {spare} spare bytes for a page of {page}")]
    UnknownEcc {
        /// Main bytes a page.
        page: u32,
        /// Spare bytes a page.
        spare: u32,
    },
    /// A buffer is not as long as one page.
    #[error(transparent)]
    Layout(#[from] LayoutError),
}

/// Writes a page as a running phone does, interleaved, with index, check byte and parity, into `out`.
///
/// `main` has `geometry.page` bytes, `out` `geometry.stored_page()`. `software` and `stands_for` as for
/// [`fdm::build`]: the file system's spare bytes, and the bad block this page's block stands for, if any.
///
/// # Errors
/// A buffer of the wrong length; a chip whose ECC is not known.
pub fn encode_page(
    main: &[u8],
    software: &[u8],
    stands_for: Option<u16>,
    geometry: &Geometry,
    out: &mut [u8],
) -> Result<(), EncodeError> {
    let unknown = EncodeError::UnknownEcc { page: geometry.page, spare: geometry.spare };
    let Some(crate::Ecc::Bch4) = geometry.ecc() else { return Err(unknown) };
    Layout::MainOnly.expect_length(main, geometry)?;
    Layout::Interleaved.expect_length(out, geometry)?;
    let mut fdm_bytes = [[0; fdm::PER_SECTOR]; MAX_SECTORS];
    let sectors = main.as_chunks::<SECTOR_BYTES>().0;
    let fdm_bytes = fdm_bytes.get_mut(..sectors.len()).ok_or(unknown)?;
    fdm::build(software, stands_for, fdm_bytes.as_flattened_mut());
    let places = out.as_chunks_mut::<{ SECTOR_BYTES + 16 }>().0;
    for ((place, data), fdm) in places.iter_mut().zip(sectors).zip(&*fdm_bytes) {
        let (to_data, spare) = place.split_at_mut(SECTOR_BYTES);
        let (to_fdm, to_parity) = spare.split_at_mut(fdm::PER_SECTOR);
        to_data.copy_from_slice(data);
        to_fdm.copy_from_slice(fdm);
        to_parity.copy_from_slice(&ecc::stored_parity(data, fdm));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chip() -> Geometry {
        Geometry::new(2048, 64, 64, 4096).unwrap()
    }

    /// A page of text as a phone writes it.
    fn written() -> [u8; 2112] {
        let main: [u8; 2048] = core::array::from_fn(|at| b"GNU General Public License "[at % 27]);
        let mut page = [0; 2112];
        encode_page(&main, &[0, 0x10, 0, 0, 2, 1], None, &chip(), &mut page).unwrap();
        page
    }

    fn state(page: &[u8]) -> PageState {
        check_page(page, Layout::Interleaved, &chip())
    }

    #[test]
    fn a_written_page_is_clean_in_both_layouts_with_spare() {
        let page = written();
        assert_eq!(state(&page), PageState::Clean);
        let mut other = [0; 2112];
        Layout::Interleaved.convert(&page, Layout::DataThenSpare, &mut other, &chip()).unwrap();
        assert_eq!(check_page(&other, Layout::DataThenSpare, &chip()), PageState::Clean);
        assert!(matches!(state(&other), PageState::Damaged { .. }), "the layouts are told apart");
    }

    #[test]
    fn a_page_with_four_flipped_bits_in_each_sector_is_correctable() {
        let mut page = written();
        for sector in page.chunks_exact_mut(528) {
            (sector[0], sector[300], sector[513], sector[521]) =
                (sector[0] ^ 1, sector[300] ^ 0x40, sector[513] ^ 8, sector[521] ^ 0x80);
        }
        assert_eq!(state(&page), PageState::Correctable { bits: 16, worst: 4 });
        page[600] ^= 1;
        assert_eq!(state(&page), PageState::Damaged { sectors: 0b0010 });
    }

    #[test]
    fn the_worst_sector_of_a_correctable_page_is_named() {
        let mut page = written();
        page[0] ^= 1;
        page[2000] ^= 7;
        assert_eq!(state(&page), PageState::Correctable { bits: 4, worst: 3 });
    }

    #[test]
    fn an_erased_page_is_blank_although_a_bit_flipped_in_every_sector() {
        let mut page = [0xff; 2112];
        assert_eq!(state(&page), PageState::Blank { flipped: 0 });
        page.iter_mut().step_by(528).for_each(|byte| *byte = 0xef);
        assert_eq!(state(&page), PageState::Blank { flipped: 4 });
        page[1056..1058].fill(0xf0);
        assert_eq!(state(&page), PageState::Damaged { sectors: 0b0100 });
    }

    #[test]
    fn an_erased_sector_in_a_written_page_is_damage() {
        let mut page = written();
        page[528..1056].fill(0xff);
        assert_eq!(state(&page), PageState::Damaged { sectors: 0b0010 });
    }

    #[test]
    fn a_page_of_nothing_but_zeros_is_damaged() {
        assert_eq!(state(&[0; 2112]), PageState::Damaged { sectors: 0b1111 });
    }

    #[test]
    fn what_cannot_be_checked_is_not_checked() {
        assert_eq!(state(&[0xff; 2111]), PageState::NotChecked);
        assert_eq!(check_page(&[0xff; 2048], Layout::MainOnly, &chip()), PageState::NotChecked);
        let unknown = Geometry::new(4096, 224, 64, 1024).unwrap();
        assert_eq!(check_page(&[0xff; 4320], Layout::Interleaved, &unknown), PageState::NotChecked);
    }

    #[test]
    fn the_bad_mark_is_read_from_the_first_spare_byte_in_either_layout() {
        let mut page = written();
        assert_eq!(bad_mark(&page, Layout::Interleaved, &chip()), Some(false));
        page[512] = 0;
        assert_eq!(bad_mark(&page, Layout::Interleaved, &chip()), Some(true));
        let mut other = [0; 2112];
        Layout::Interleaved.convert(&page, Layout::DataThenSpare, &mut other, &chip()).unwrap();
        assert_eq!(other[2048], 0);
        assert_eq!(bad_mark(&other, Layout::DataThenSpare, &chip()), Some(true));
        assert_eq!(bad_mark(&page[..2048], Layout::MainOnly, &chip()), None);
        assert_eq!(bad_mark(&page[..600], Layout::Interleaved, &chip()), None);
    }

    #[test]
    fn a_page_that_cannot_be_written_is_refused_by_name() {
        let encode = |main: &[u8], chip: &Geometry, out: &mut [u8]| encode_page(main, &[], None, chip, out);
        let length = |expected, found| Err(EncodeError::Layout(LayoutError::Length { expected, found }));
        assert_eq!(encode(&[0; 2047], &chip(), &mut [0; 2112]), length(2048, 2047));
        assert_eq!(encode(&[0; 2048], &chip(), &mut [0; 2048]), length(2112, 2048));
        let unknown = Geometry::new(2048, 128, 64, 1024).unwrap();
        let refused = encode(&[0; 2048], &unknown, &mut [0; 2176]);
        assert_eq!(refused, Err(EncodeError::UnknownEcc { page: 2048, spare: 128 }));
    }
}
