//! The sector ECC of the MT6573/75/77 family: a binary BCH code, 4 wrong bits in 512 data + 8 FDM + 52 parity bits.
//!
//! Promises: up to four wrong bits of a sector are always found; five to eight are never called clean, and called
//! correctable about once in 340 (a random pattern lies within four bits of some code word with probability
//! 0.29 %). Facts: nand-yaffs2.md section 2, found on real sectors.
//!
//! A good sector costs one CRC, by tables or (feature `simd`) carry-less multiplication. Two rules stand beside the code:
//! - A sector with at most [`BLANK_LIMIT`] zero bits in its 528 bytes is blank (erased). All FF is no code word,
//!   nor within four bits of one, so no written sector without error is taken for one.
//! - The 12 filler bits behind the parity are ones in every written sector and not under the code. More than
//!   [`FILLER_LIMIT`] zeros among them: not a sector of this code, damaged whatever the parity says. That keeps
//!   528 zero bytes, which *are* a code word, from passing as clean when a chip or cable returns nothing but zeros.

mod code;
mod field;
mod locate;
#[cfg(feature = "simd")]
mod multiply;
mod roots;

pub use code::{parity, stored_parity};
pub use locate::{Errors, WrongBit};

use code::{FILLER, PARITY};

/// Most zero bits among the 528 bytes of a sector that still counts as erased.
pub const BLANK_LIMIT: u32 = 4;

/// Most zeros among the 12 filler bits of a sector that still counts as written under this code.
pub const FILLER_LIMIT: u32 = 4;

/// What the ECC says of a sector.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SectorState {
    /// A code word: no error.
    Clean,
    /// Within the strength of the code.
    Correctable {
        /// Wrong bits in data, FDM and parity together, 1 to 4.
        bits: u8,
    },
    /// Beyond the strength of the code, or not a sector of this code.
    Damaged,
    /// Erased.
    Blank {
        /// Zero bits in the 528 bytes, at most [`BLANK_LIMIT`].
        flipped: u8,
    },
}

/// The state of the sector with these data and spare bytes (8 FDM, 52 parity bits, 12 filler bits).
#[must_use]
pub fn check_sector(data: &[u8; 512], spare: &[u8; 16]) -> SectorState {
    find_errors(data, spare).0
}

/// The state of a sector, and its wrong bits where it is correctable (none otherwise).
#[must_use]
pub fn find_errors(data: &[u8; 512], spare: &[u8; 16]) -> (SectorState, Errors) {
    let none = Errors::default();
    if let Some(flipped) = zero_bits_of_blank(data, spare) {
        return (SectorState::Blank { flipped }, none);
    }
    let ([fdm, stored], _) = spare.as_chunks::<8>() else { return (SectorState::Damaged, none) };
    let stored = u64::from_le_bytes(*stored);
    if (!stored & FILLER).count_ones() > FILLER_LIMIT {
        return (SectorState::Damaged, none);
    }
    let remainder = parity(data, fdm) ^ (stored & PARITY);
    if remainder == 0 {
        return (SectorState::Clean, none);
    }
    match Errors::locate(remainder) {
        Some(errors) => (SectorState::Correctable { bits: errors.count() }, errors),
        None => (SectorState::Damaged, none),
    }
}

/// Repairs a correctable sector in place and gives the state it was in; any other sector is left as it is.
pub fn correct_sector(data: &mut [u8; 512], spare: &mut [u8; 16]) -> SectorState {
    let (state, errors) = find_errors(data, spare);
    for wrong in errors.iter() {
        if let Some(byte) = data.iter_mut().chain(spare.iter_mut()).nth(usize::from(wrong.byte)) {
            *byte ^= wrong.mask();
        }
    }
    state
}

/// Zero bits of a sector that counts as blank, `None` for a written one, usually after its first bytes.
fn zero_bits_of_blank(data: &[u8; 512], spare: &[u8; 16]) -> Option<u8> {
    let mut zeros = 0_u32;
    for word in data.as_chunks::<8>().0.iter().chain(spare.as_chunks::<8>().0) {
        let word = u64::from_ne_bytes(*word);
        if word != u64::MAX {
            zeros = zeros.saturating_add(word.count_zeros());
            if zeros > BLANK_LIMIT {
                return None;
            }
        }
    }
    u8::try_from(zeros).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Data of FF under the FDM bytes of page 0, sector 1 of the real dump (nand-yaffs2.md section 2).
    const FF_SECTOR: ([u8; 512], [u8; 16]) =
        ([0xff; 512], [0xff, 0, 0, 0, 0, 0, 0xff, 0xff, 0xa7, 0x5b, 0x43, 0x81, 0x75, 0xa3, 0xf5, 0xff]);

    #[test]
    fn a_written_sector_of_ff_is_clean_and_not_blank() {
        let (data, spare) = FF_SECTOR;
        assert_eq!(check_sector(&data, &spare), SectorState::Clean);
    }

    #[test]
    fn an_erased_sector_is_blank_up_to_four_flipped_bits() {
        let (mut data, mut spare) = ([0xff; 512], [0xff; 16]);
        assert_eq!(check_sector(&data, &spare), SectorState::Blank { flipped: 0 });
        data[0] = 0x7f;
        data[511] = 0xf9;
        assert_eq!(check_sector(&data, &spare), SectorState::Blank { flipped: 3 });
        spare[15] = 0x7f;
        assert_eq!(check_sector(&data, &spare), SectorState::Blank { flipped: 4 });
        spare[0] = 0xfe;
        assert_eq!(check_sector(&data, &spare), SectorState::Damaged);
    }

    #[test]
    fn all_ff_is_not_within_four_bits_of_a_code_word() {
        assert_eq!(Errors::locate(parity(&[0xff; 512], &[0xff; 8]) ^ PARITY), None);
    }

    #[test]
    fn nothing_but_zeros_is_damaged_although_it_is_a_code_word() {
        assert_eq!(parity(&[0; 512], &[0; 8]), 0);
        assert_eq!(check_sector(&[0; 512], &[0; 16]), SectorState::Damaged);
        // Written on purpose, zeros have the filler of any written sector.
        let mut spare = [0; 16];
        (spare[14], spare[15]) = (0xf0, 0xff);
        assert_eq!(check_sector(&[0; 512], &spare), SectorState::Clean);
    }

    #[test]
    fn the_filler_may_lose_four_bits_and_no_more() {
        let (data, mut spare) = FF_SECTOR;
        spare[15] = 0xf0;
        assert_eq!(check_sector(&data, &spare), SectorState::Clean);
        spare[14] ^= 0x80;
        assert_eq!(check_sector(&data, &spare), SectorState::Damaged);
    }

    #[test]
    fn wrong_bits_are_named_by_their_place_and_repaired() {
        let (mut data, mut spare) = FF_SECTOR;
        data[17] ^= 0x20;
        spare[3] ^= 0x01;
        spare[14] ^= 0x08; // the last parity bit, x^0
        data[0] ^= 0x01; // the first bit, x^4211
        let (state, errors) = find_errors(&data, &spare);
        assert_eq!(state, SectorState::Correctable { bits: 4 });
        let mut places: std::vec::Vec<_> = errors.iter().map(|wrong| (wrong.byte, wrong.bit)).collect();
        places.sort_unstable();
        assert_eq!(places, [(0, 0), (17, 5), (515, 0), (526, 3)]);
        assert_eq!(correct_sector(&mut data, &mut spare), state);
        assert_eq!((data, spare), FF_SECTOR);
    }
}
