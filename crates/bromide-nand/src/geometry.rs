//! The shape of a NAND chip: bytes a page, pages a block, blocks a chip.
//!
//! Promises that a [`Geometry`] made by [`Geometry::new`] describes a chip whose sizes all fit their types.
//! "Main" bytes are what a file or partition table counts; "stored" bytes include the spare area.
//! Facts: nand-yaffs2.md section 1.

/// Shape of one chip. All sizes in bytes unless the name says otherwise.
///
/// Made by [`Geometry::new`], which refuses impossible shapes; the fields are there to be read. A value changed
/// by hand afterwards makes the derived sizes saturate or come out 0, never panic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Geometry {
    /// Main (data) bytes of a page: a power of two, 512 to 16384.
    pub page: u32,
    /// Spare (out-of-band) bytes of a page.
    pub spare: u32,
    /// Pages in an erase block.
    pub pages_per_block: u32,
    /// Erase blocks on the chip, replacement pool included.
    pub blocks: u32,
}

/// An ECC whose code is known from real bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Ecc {
    /// Binary BCH, 4 wrong bits in each sector of 512 data + 8 FDM bytes, 52 parity bits: [`crate::ecc`].
    Bch4,
}

/// Why a shape was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadGeometry {
    /// Page size in bytes.
    #[error("page of {0} bytes: not a power of two from 512 to 16384")]
    Page(u32),
    /// Spare size in bytes, page size in bytes.
    #[error("spare of {spare} bytes for a page of {page}: from 1 to a quarter of the page expected")]
    Spare {
        /// Spare bytes a page.
        spare: u32,
        /// Main bytes a page.
        page: u32,
    },
    /// Pages in a block.
    #[error("{0} pages in a block: from 1 to 4096 expected")]
    PagesPerBlock(u32),
    /// Blocks on the chip.
    #[error("{0} blocks: from 1 to 65536 expected")]
    Blocks(u32),
}

impl Geometry {
    /// A chip of `blocks` erase blocks of `pages_per_block` pages of `page` main and `spare` spare bytes.
    ///
    /// # Errors
    /// Every value outside its range, the first one named. The limits (block numbers are 16 bits wide in the
    /// bad block table, nand-yaffs2.md section 7) also keep every derived size within its type.
    pub const fn new(page: u32, spare: u32, pages_per_block: u32, blocks: u32) -> Result<Self, BadGeometry> {
        if !page.is_power_of_two() || page < 512 || page > 16384 {
            return Err(BadGeometry::Page(page));
        }
        if spare == 0 || spare > page / 4 {
            return Err(BadGeometry::Spare { spare, page });
        }
        if pages_per_block == 0 || pages_per_block > 4096 {
            return Err(BadGeometry::PagesPerBlock(pages_per_block));
        }
        if blocks == 0 || blocks > 65536 {
            return Err(BadGeometry::Blocks(blocks));
        }
        Ok(Self { page, spare, pages_per_block, blocks })
    }

    /// ECC sectors of 512 data bytes in a page.
    #[must_use]
    pub const fn sectors_per_page(&self) -> u32 {
        self.page / 512
    }

    /// Spare bytes that belong to each sector. Where the spare does not divide evenly (4096 + 218), the bytes
    /// left over stand at the end of the page and belong to no sector.
    #[must_use]
    pub const fn spare_per_sector(&self) -> u32 {
        match self.spare.checked_div(self.sectors_per_page()) {
            Some(bytes) => bytes,
            None => 0,
        }
    }

    /// Main and spare bytes of a page together.
    #[must_use]
    pub const fn stored_page(&self) -> u32 {
        self.page.saturating_add(self.spare)
    }

    /// Main bytes of a block.
    #[must_use]
    pub const fn block_bytes(&self) -> u32 {
        self.page.saturating_mul(self.pages_per_block)
    }

    /// Main and spare bytes of a block together.
    #[must_use]
    pub const fn stored_block(&self) -> u32 {
        self.stored_page().saturating_mul(self.pages_per_block)
    }

    /// Pages on the chip.
    #[must_use]
    pub const fn pages(&self) -> u32 {
        self.pages_per_block.saturating_mul(self.blocks)
    }

    /// Main bytes of the chip.
    #[must_use]
    pub fn chip_bytes(&self) -> u64 {
        u64::from(self.block_bytes()).saturating_mul(u64::from(self.blocks))
    }

    /// Main and spare bytes of the chip together.
    #[must_use]
    pub fn stored_chip_bytes(&self) -> u64 {
        u64::from(self.stored_block()).saturating_mul(u64::from(self.blocks))
    }

    /// The sector ECC such a chip carries, as far as it is known from real bytes; `None` = unknown, not checked.
    ///
    /// 16 spare bytes a sector go with the 4-bit code (nand-yaffs2.md section 2). Wider spares have stronger
    /// codes of which no real bytes have been seen.
    #[must_use]
    pub const fn ecc(&self) -> Option<Ecc> {
        match self.sectors_per_page().checked_mul(16) {
            Some(bytes) if bytes == self.spare && self.spare != 0 => Some(Ecc::Bch4),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_users_chip_has_the_sizes_of_its_dump() {
        // nand-yaffs2.md section 1; 512 MiB chip of formats.md section 3.3.
        let chip = Geometry::new(2048, 64, 64, 4096).unwrap();
        assert_eq!(chip.sectors_per_page(), 4);
        assert_eq!(chip.spare_per_sector(), 16);
        assert_eq!(chip.stored_page(), 2112);
        assert_eq!(chip.block_bytes(), 128 << 10);
        assert_eq!(chip.stored_block(), 135_168);
        assert_eq!(chip.chip_bytes(), 512 << 20);
        assert_eq!(chip.stored_chip_bytes(), 553_648_128);
        assert_eq!(chip.pages(), 262_144);
        assert_eq!(chip.ecc(), Some(Ecc::Bch4));
    }

    #[test]
    fn only_sixteen_spare_bytes_a_sector_have_a_known_code() {
        let ecc = |page, spare| Geometry::new(page, spare, 64, 1024).unwrap().ecc();
        assert_eq!(ecc(512, 16), Some(Ecc::Bch4));
        assert_eq!(ecc(4096, 128), Some(Ecc::Bch4));
        assert_eq!(ecc(4096, 218), None);
        assert_eq!(ecc(4096, 224), None);
        assert_eq!(ecc(2048, 65), None);
    }

    #[test]
    fn impossible_shapes_are_refused_by_name() {
        assert_eq!(Geometry::new(2000, 64, 64, 1), Err(BadGeometry::Page(2000)));
        assert_eq!(Geometry::new(0, 0, 0, 0), Err(BadGeometry::Page(0)));
        assert_eq!(Geometry::new(32768, 64, 64, 1), Err(BadGeometry::Page(32768)));
        assert_eq!(Geometry::new(2048, 0, 64, 1), Err(BadGeometry::Spare { spare: 0, page: 2048 }));
        assert_eq!(Geometry::new(2048, 513, 64, 1), Err(BadGeometry::Spare { spare: 513, page: 2048 }));
        assert_eq!(Geometry::new(2048, 64, 0, 1), Err(BadGeometry::PagesPerBlock(0)));
        assert_eq!(Geometry::new(2048, 64, 64, 65537), Err(BadGeometry::Blocks(65537)));
    }

    #[test]
    fn the_largest_shape_does_not_saturate() {
        let chip = Geometry::new(16384, 4096, 4096, 65536).unwrap();
        assert_eq!(chip.stored_chip_bytes(), 20480 * 4096 * 65536);
    }

    #[test]
    fn a_shape_spoilt_by_hand_does_not_panic() {
        let mut chip = Geometry::new(512, 16, 1, 1).unwrap();
        (chip.page, chip.spare, chip.pages_per_block) = (0, u32::MAX, u32::MAX);
        assert_eq!(chip.spare_per_sector(), 0);
        assert_eq!(chip.ecc(), None);
        assert_eq!(chip.stored_block(), u32::MAX);
    }
}
