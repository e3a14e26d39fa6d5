//! The code itself: parity of a sector as a 52-bit reflected CRC (nand-yaffs2.md section 2).
//!
//! Bits are taken least significant first, the first bit of the data being the coefficient of x^4211; the
//! parity is the remainder by the generator 0x14523043ab86ab, written in the same order. That is the definition
//! of a reflected CRC without initial value.

use crc::{Algorithm, Crc, Table};

/// CRC parameters of nand-yaffs2.md section 2; `check` is the CRC of "123456789".
pub(super) const BCH4: Algorithm<u64> = Algorithm {
    width: 52,
    poly: 0x4_5230_43ab_86ab,
    init: 0,
    refin: true,
    refout: true,
    xorout: 0,
    check: 0x7_f172_d2ef_2ea6,
    residue: 0,
};

/// Sixteen tables (32 KiB): sixteen bytes a step, about five times as fast as one table.
static CRC: Crc<u64, Table<16>> = Crc::<u64, Table<16>>::new(&BCH4);

/// Which bits of the 8 stored bytes (little-endian) are parity.
pub(super) const PARITY: u64 = !FILLER;

/// Which bits of the 8 stored bytes are unused, ones in every written sector (nand-yaffs2.md section 1).
pub(super) const FILLER: u64 = 0xfff << 52;

/// The 52 parity bits a sector is written with (bits 52..63 of the result are 0).
///
/// A sector has 512 data and 8 FDM bytes; any other lengths give the remainder of that many bytes.
#[must_use]
pub fn parity(data: &[u8], fdm: &[u8]) -> u64 {
    #[cfg(feature = "simd")]
    if let Ok(fdm) = fdm.try_into()
        && let Some(short) = super::multiply::shortened(data)
    {
        let sum = short ^ u64::from_le_bytes(fdm);
        // Zeros in front change nothing, and sixteen bytes are one step of the tables, eight are eight.
        return CRC.checksum([[0; 8], sum.to_le_bytes()].as_flattened());
    }
    by_tables(data, fdm)
}

/// [`parity`] on any CPU.
pub(super) fn by_tables(data: &[u8], fdm: &[u8]) -> u64 {
    let mut digest = CRC.digest();
    digest.update(data);
    digest.update(fdm);
    digest.finalize()
}

/// The 8 bytes that stand behind the FDM bytes of a written sector: parity, then 12 filler bits, all ones.
#[must_use]
pub fn stored_parity(data: &[u8], fdm: &[u8]) -> [u8; 8] {
    (parity(data, fdm) | FILLER).to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_check_values_of_the_notes_come_out() {
        assert_eq!(parity(b"123456789", b""), BCH4.check);
        assert_eq!(stored_parity(b"1234567", b"89"), 0xa62e_efd2_72f1_f7ff_u64.to_be_bytes());
        assert_eq!(stored_parity(&[0; 512], &[0; 8]), 0x0000_0000_0000_f0ff_u64.to_be_bytes());
        assert_eq!(stored_parity(&[0xff; 512], &[0xff; 8]), 0x2620_981b_876e_fcff_u64.to_be_bytes());
        let counting: std::vec::Vec<u8> = (0..=255).cycle().take(520).collect();
        let (data, fdm) = counting.split_at(512);
        assert_eq!(stored_parity(data, fdm), 0x92cd_50f2_9b42_f0ff_u64.to_be_bytes());
    }

    #[test]
    fn the_table_entries_of_the_notes_come_out() {
        // The CRC of one byte is its table entry.
        assert_eq!(parity(&[0x01], &[]), 0x1_dadf_7bdd_5f38);
        assert_eq!(parity(&[0x80], &[]), 0xd_561d_5c20_c4a2);
        assert_eq!(parity(&[0xff], &[]), 0x9_2da3_4174_4dd4);
    }

    #[test]
    fn the_worked_sector_of_page_0_comes_out() {
        let fdm = [0xff, 0, 0, 0, 0, 0, 0xff, 0xff];
        assert_eq!(stored_parity(&[0xff; 512], &fdm), [0xa7, 0x5b, 0x43, 0x81, 0x75, 0xa3, 0xf5, 0xff]);
    }

    #[test]
    fn the_generator_is_the_product_of_its_four_minimal_polynomials() {
        let product = [0x201b_u64, 0x26b1, 0x2993, 0x274f].into_iter().fold(1, |product, factor| {
            (0..14).fold(0, |sum, bit| sum ^ ((product << bit) * (factor >> bit & 1)))
        });
        assert_eq!(product, 0x14_5230_43ab_86ab);
        assert_eq!(product, BCH4.poly | 1 << 52);
    }
}
