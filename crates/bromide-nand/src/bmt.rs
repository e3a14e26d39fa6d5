//! The bad block table (BMT): which block of the replacement pool stands in for which bad block.
//!
//! Promises that a table is only accepted whole: signature, version, counts and checksum right. Facts:
//! nand-yaffs2.md section 7, formats.md section 5.4 (from public driver sources, no real table seen).
//!
//! Where it is: the last blocks of the chip, 80 unless the project says otherwise and at most [`MAX_POOL`], are
//! the pool. The table is in the first page of one good block of the pool. Search from the very last block of the
//! chip downwards, skipping blocks with a bad mark ([`crate::bad_mark`]), and take the first page that
//! [`Bmt::parse`] accepts; FDM bytes 1..3 of that page also say "bmt", but a mismatch there is tolerated. A table
//! that is lost can be rebuilt from [`crate::fdm::index`] of the pool's pages.
//!
//! | offset | size | field |
//! | --- | --- | --- |
//! | 0 | 3 | "BMT" |
//! | 3 | 1 | version 1 |
//! | 4 | 1 | bad count, unused (FF) |
//! | 5 | 1 | mapped count |
//! | 6 | 1 | checksum |
//! | 7 | 13 | reserved (FF) |
//! | 20 | 128 x 4 | bad block, replacement block: 16 bits each, little-endian |

use alloc::vec::Vec;

/// Most blocks a replacement pool can have.
pub const MAX_POOL: u8 = 127;

/// FDM bytes 1..=3 of the table's page: its second signature.
pub const FDM_SIGNATURE: [u8; 3] = *b"bmt";

const SIGNATURE: [u8; 3] = *b"BMT";
const VERSION: u8 = 1;
const HEADER_BYTES: usize = 20;
const ROWS: usize = 128;
const ROW_BYTES: usize = 4;

/// Main bytes the table takes in its page: header and 128 rows.
pub const TABLE_BYTES: usize = 532;

/// The bad block table of a chip.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Bmt {
    /// Bad block, block of the pool that stands in for it; block numbers count from the start of the chip.
    pub entries: Vec<(u16, u16)>,
}

/// Why bytes are no bad block table, or a table cannot be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BmtError {
    /// The first three bytes.
    #[error("no bad block table: it begins with {0:02x?}, not with \"BMT\"")]
    Signature([u8; 3]),
    /// The version.
    #[error("bad block table of version {0}, only 1 is known")]
    Version(u8),
    /// Size of the pool in blocks.
    #[error("replacement pool of {0} blocks: from 1 to 127 expected")]
    Pool(u8),
    /// More replacements than the pool has blocks.
    #[error("{mapped} blocks replaced out of a pool of {pool}")]
    Count {
        /// Replacements.
        mapped: usize,
        /// Blocks of the pool.
        pool: u8,
    },
    /// Fewer bytes than the table takes.
    #[error("{found} bytes hold no bad block table of {expected}")]
    Short {
        /// Bytes of the table.
        expected: usize,
        /// Bytes given.
        found: usize,
    },
    /// The checksum.
    #[error("bad block table with checksum {stored:#04x}, its content adds up to {computed:#04x}")]
    Checksum {
        /// As stored.
        stored: u8,
        /// Of the content.
        computed: u8,
    },
}

impl Bmt {
    /// Reads the table from the main bytes of its page, for a pool of `pool` blocks.
    ///
    /// # Errors
    /// Anything that makes it not a valid table for such a pool.
    pub fn parse(main: &[u8], pool: u8) -> Result<Self, BmtError> {
        let pool_bytes = pool_bytes(pool)?;
        let short = BmtError::Short { expected: HEADER_BYTES.saturating_add(pool_bytes), found: main.len() };
        let (header, table) = main.split_first_chunk::<HEADER_BYTES>().ok_or(short)?;
        let [s0, s1, s2, version, _bad, mapped, stored, ..] = *header;
        if [s0, s1, s2] != SIGNATURE {
            return Err(BmtError::Signature([s0, s1, s2]));
        }
        if version != VERSION {
            return Err(BmtError::Version(version));
        }
        if mapped > pool {
            return Err(BmtError::Count { mapped: usize::from(mapped), pool });
        }
        let rows = table.get(..pool_bytes).ok_or(short)?;
        let computed = checksum(mapped, rows);
        if stored != computed {
            return Err(BmtError::Checksum { stored, computed });
        }
        let rows = rows.as_chunks::<ROW_BYTES>().0.iter().take(usize::from(mapped));
        let entries =
            rows.map(|[b0, b1, r0, r1]| (u16::from_le_bytes([*b0, *b1]), u16::from_le_bytes([*r0, *r1])));
        Ok(Self { entries: entries.collect() })
    }

    /// Writes the table and FF behind it into `main`, the main bytes of its page, for a pool of `pool` blocks.
    ///
    /// # Errors
    /// A pool that is too large or too small for the entries, or fewer than [`TABLE_BYTES`] of `main`.
    pub fn build(&self, pool: u8, main: &mut [u8]) -> Result<(), BmtError> {
        let pool_bytes = pool_bytes(pool)?;
        let count = BmtError::Count { mapped: self.entries.len(), pool };
        let mapped = u8::try_from(self.entries.len()).map_err(|_| count)?;
        if mapped > pool {
            return Err(count);
        }
        let short = BmtError::Short { expected: TABLE_BYTES, found: main.len() };
        if main.len() < TABLE_BYTES {
            return Err(short);
        }
        main.fill(0xff);
        let (header, table) = main.split_first_chunk_mut::<HEADER_BYTES>().ok_or(short)?;
        let rows = table.get_mut(..pool_bytes).ok_or(short)?;
        rows.fill(0); // unused rows of the pool are zero, those behind it FF
        for (row, (bad, replacement)) in rows.as_chunks_mut::<ROW_BYTES>().0.iter_mut().zip(&self.entries) {
            let ([b0, b1], [r0, r1]) = (bad.to_le_bytes(), replacement.to_le_bytes());
            *row = [b0, b1, r0, r1];
        }
        let [s0, s1, s2] = SIGNATURE;
        let fields = [s0, s1, s2, VERSION, 0xff, mapped, checksum(mapped, rows)];
        for (to, field) in header.iter_mut().zip(fields) {
            *to = field;
        }
        Ok(())
    }

    /// The block of the pool that stands in for `block`, `None` when that block is not replaced.
    #[must_use]
    pub fn replacement(&self, block: u16) -> Option<u16> {
        self.entries.iter().find(|(bad, _)| *bad == block).map(|(_, replacement)| *replacement)
    }
}

/// Bytes of the rows the checksum covers.
fn pool_bytes(pool: u8) -> Result<usize, BmtError> {
    if pool == 0 || pool > MAX_POOL {
        return Err(BmtError::Pool(pool));
    }
    Ok(usize::from(pool).saturating_mul(ROW_BYTES))
}

/// 8-bit sum of version, mapped count and the rows of the pool.
fn checksum(mapped: u8, rows: &[u8]) -> u8 {
    rows.iter().fold(VERSION.wrapping_add(mapped), |sum, byte| sum.wrapping_add(*byte))
}

const _: () = assert!(TABLE_BYTES == HEADER_BYTES + ROWS * ROW_BYTES);

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec;

    fn two_replaced() -> Bmt {
        Bmt { entries: vec![(0x0123, 4095), (7, 4094)] }
    }

    #[test]
    fn a_table_is_written_byte_for_byte_as_the_notes_say() {
        let mut main = [0; 2048];
        two_replaced().build(80, &mut main).unwrap();
        // 1 + 2 + (23 + 01 + ff + 0f) + (07 + 00 + fe + 0f) = 0x249
        assert_eq!(main[..7], [b'B', b'M', b'T', 1, 0xff, 2, 0x49]);
        assert_eq!(main[7..20], [0xff; 13]);
        assert_eq!(main[20..28], [0x23, 0x01, 0xff, 0x0f, 0x07, 0x00, 0xfe, 0x0f]);
        assert_eq!(main[28..340], [0; 312]);
        assert_eq!(main[340..], [0xff; 1708]);
    }

    #[test]
    fn a_written_table_reads_back_and_answers() {
        let mut main = [0; 4096];
        two_replaced().build(127, &mut main).unwrap();
        let table = Bmt::parse(&main, 127).unwrap();
        assert_eq!(table, two_replaced());
        assert_eq!(table.replacement(7), Some(4094));
        assert_eq!(table.replacement(8), None);
        assert_eq!(table.replacement(0), None, "unused rows are zero and no replacement of block 0");
    }

    #[test]
    fn a_changed_byte_of_the_table_is_refused() {
        let mut main = [0; 2048];
        two_replaced().build(80, &mut main).unwrap();
        for at in [0, 3, 5, 6, 20, 27, 339] {
            let mut wrong = main;
            wrong[at] ^= 0x40;
            assert!(Bmt::parse(&wrong, 80).is_err(), "byte {at}");
        }
        // Neither the unused count nor anything behind the pool is covered.
        for at in [4, 7, 340] {
            let mut other = main;
            other[at] ^= 0x40;
            assert_eq!(Bmt::parse(&other, 80), Ok(two_replaced()), "byte {at}");
        }
    }

    #[test]
    fn what_is_no_table_is_refused_by_name() {
        let mut main = [0; 2048];
        two_replaced().build(80, &mut main).unwrap();
        assert_eq!(Bmt::parse(&[0xff; 2048], 80), Err(BmtError::Signature([0xff; 3])));
        assert_eq!(Bmt::parse(&main, 0), Err(BmtError::Pool(0)));
        assert_eq!(Bmt::parse(&main, 128), Err(BmtError::Pool(128)));
        assert_eq!(Bmt::parse(&main, 1), Err(BmtError::Count { mapped: 2, pool: 1 }));
        assert_eq!(Bmt::parse(&main[..300], 80), Err(BmtError::Short { expected: 340, found: 300 }));
        assert_eq!(Bmt::parse(&[], 80), Err(BmtError::Short { expected: 340, found: 0 }));
        main[3] = 2;
        assert_eq!(Bmt::parse(&main, 80), Err(BmtError::Version(2)));
        (main[3], main[6]) = (1, 0);
        assert_eq!(Bmt::parse(&main, 80), Err(BmtError::Checksum { stored: 0, computed: 0x49 }));
    }

    #[test]
    fn a_table_that_fits_neither_pool_nor_page_is_not_written() {
        let three = Bmt { entries: vec![(1, 9); 3] };
        assert_eq!(three.build(2, &mut [0; 2048]), Err(BmtError::Count { mapped: 3, pool: 2 }));
        let many = Bmt { entries: vec![(1, 9); 300] };
        assert_eq!(many.build(127, &mut [0; 2048]), Err(BmtError::Count { mapped: 300, pool: 127 }));
        let mut small = [0x55; 512];
        assert_eq!(three.build(80, &mut small), Err(BmtError::Short { expected: 532, found: 512 }));
        assert_eq!(small, [0x55; 512], "nothing written");
    }
}
