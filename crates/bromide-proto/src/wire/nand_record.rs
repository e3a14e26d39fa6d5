//! One NAND device record of region 2: 56 bytes, little-endian, offered to the agent unchanged.
//!
//! Source: `da-legacy-device.md` section 3, `da-legacy.md` section 2.3.

use super::{Short, Take};
use alloc::vec::Vec;

/// Bytes of one record; the agent announces the same number.
pub const RECORD_BYTES: usize = 0x38;

/// The fields of a record a host can use. The addresses inside the agent stay in the raw bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NandRecord {
    /// Device index; its low 16 bits come back as "NAND id" in the report.
    pub index: u32,
    /// First byte of READ ID.
    pub maker: u16,
    /// Second byte of READ ID.
    pub device: u16,
    /// Bytes 3, 4, 5 of READ ID; FF = not compared. The fourth is a spare.
    pub extended: [u8; 4],
    /// Size of the chip's main area in MiB.
    pub size_mib: u32,
    /// Pages per erase block.
    pub pages_per_block: u32,
    /// Main bytes of a page.
    pub page: u32,
    /// True for a 16-bit bus.
    pub wide: bool,
    /// Address cycles.
    pub address_cycles: u32,
    /// Spare bytes per 512 main bytes.
    pub spare_per_512: u32,
}

impl NandRecord {
    /// Reads one record of [`RECORD_BYTES`] bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self, Short> {
        let mut t = Take::new(bytes);
        Ok(Self {
            index: t.u32_le()?,
            maker: t.u16_le()?,
            device: t.u16_le()?,
            extended: t.array()?,
            size_mib: t.u32_le()?,
            pages_per_block: t.u32_le()?,
            page: t.u32_le()?,
            wide: t.u32_le()? == 1,
            address_cycles: t.u32_le()?,
            spare_per_512: t.u32_le()?,
        })
    }

    /// The last record of a table has neither maker nor device.
    #[must_use]
    pub const fn is_terminator(&self) -> bool {
        self.maker == 0 && self.device == 0
    }

    /// Spare bytes of a page (64 for 2048 + 64).
    #[must_use]
    pub const fn spare(&self) -> u32 {
        self.page.wrapping_div(512).saturating_mul(self.spare_per_512)
    }

    /// Main bytes of the chip.
    #[must_use]
    pub fn chip_bytes(&self) -> u64 {
        u64::from(self.size_mib).saturating_mul(1 << 20)
    }
}

/// The records of a table region, or `None` where the region is no such table
/// (length not a multiple of 56, or no terminator at its end).
#[must_use]
pub fn table(region: &[u8]) -> Option<Vec<&[u8]>> {
    let chunks = region.chunks_exact(RECORD_BYTES);
    if !chunks.remainder().is_empty() {
        return None;
    }
    let records: Vec<&[u8]> = chunks.collect();
    let last = NandRecord::decode(records.last()?).ok()?;
    last.is_terminator().then_some(records)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec;

    /// da-legacy-observed.md section 5: record 68 of the v7.1320 table.
    fn hynix() -> Vec<u8> {
        let mut record = vec![
            0x67, 0, 0, 0, 0xad, 0, 0xbc, 0, 0x90, 0x55, 0x54, 0xff, 0, 2, 0, 0, 0x40, 0, 0, 0, 0, 8, 0, 0,
            1, 0, 0, 0, 5, 0, 0, 0, 0x10, 0, 0, 0,
        ];
        record.resize(RECORD_BYTES, 0);
        record
    }

    #[test]
    fn the_observed_hynix_record_decodes() {
        let record = NandRecord::decode(&hynix()).unwrap();
        assert_eq!((record.index, record.maker, record.device), (0x67, 0xad, 0xbc));
        assert_eq!(record.extended, [0x90, 0x55, 0x54, 0xff]);
        assert_eq!(record.chip_bytes(), 0x2000_0000);
        assert_eq!((record.pages_per_block, record.page, record.spare()), (64, 2048, 64));
        assert!(record.wide);
        assert_eq!(record.address_cycles, 5);
    }

    #[test]
    fn a_region_of_odd_length_or_without_terminator_is_no_table() {
        let mut region = hynix();
        assert!(table(&region).is_none());
        region.extend([0; RECORD_BYTES]);
        assert_eq!(table(&region).unwrap().len(), 2);
        region.push(0);
        assert!(table(&region).is_none());
        assert!(table(&[]).is_none());
    }
}
