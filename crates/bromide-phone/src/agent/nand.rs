//! The NAND part as the agent sees it: the host's record, the pages behind it, the order of their bytes.
//!
//! Facts: `da-legacy-device.md` sections 3 and 5.1, `nand-yaffs2.md` section 1.

use bromide_nand::ecc::{SectorState, correct_sector};

use super::bad_blocks::Table;
use super::start::Pool;
use crate::nand_chip::{ChipError, NandChip, as_index};
use crate::options::EccDelivery;

/// Bytes of one record of the table.
pub(super) const RECORD_BYTES: usize = 56;
/// Main bytes of a sector.
const SECTOR: usize = 512;

/// One record of the NAND table; its fields are little-endian.
pub(super) struct Record([u8; RECORD_BYTES]);

impl Record {
    pub(super) fn new(bytes: [u8; RECORD_BYTES]) -> Self {
        Self(bytes)
    }

    /// Maker and device equal; bytes 3 and 4 compared together unless byte 3 is FF; byte 5 unless it is FF.
    pub(super) fn matches(&self, id: [u8; 5]) -> bool {
        let own = &self.0;
        [own[4], own[6]] == id[..2]
            && (own[8] == 0xff || own[8..10] == id[2..4])
            && (own[10] == 0xff || own[10] == id[4])
    }

    fn u16(&self, at: usize) -> u16 {
        u16::from_le_bytes([self.0[at], self.0[at + 1]])
    }

    fn u32(&self, at: usize) -> u32 {
        u32::from(self.u16(at)) | u32::from(self.u16(at + 2)) << 16
    }
}

/// The chip as the matching record describes it.
#[derive(Debug)]
pub(super) struct NandPart {
    pub(super) record_id: u16,
    /// Maker and device from the record, the rest from the chip.
    codes: [u16; 5],
    pub(super) page_bytes: u32,
    pub(super) spare_bytes: u32,
    pub(super) pages_per_block: u32,
    pub(super) blocks: u32,
    pub(super) bus_bits: u8,
    pub(super) address_cycles: u8,
    pub(super) pool_blocks: u32,
    table: Option<Table>,
}

impl NandPart {
    /// `None` when the record describes a chip that cannot be.
    pub(super) fn new(record: &Record, id: [u8; 5], pool: Pool) -> Option<Self> {
        let (megabytes, pages_per_block, page_bytes) = (record.u32(0x0c), record.u32(0x10), record.u32(0x14));
        let spare_per_sector = record.u32(0x20);
        let possible = matches!(page_bytes, 512 | 1024 | 2048 | 4096 | 8192)
            && (1..=1024).contains(&pages_per_block)
            && (1..=4095).contains(&megabytes)
            && (1..=64).contains(&spare_per_sector);
        if !possible {
            return None;
        }
        let block_bytes = page_bytes * pages_per_block;
        let blocks = (megabytes << 20) / block_bytes;
        let pool_blocks = match pool {
            Pool::Blocks(blocks) => blocks,
            Pool::Bytes(bytes) => bytes / block_bytes,
        };
        let mut codes = id.map(u16::from);
        codes[0] = record.u16(4);
        codes[1] = record.u16(6);
        Some(Self {
            record_id: record.u16(0),
            codes,
            page_bytes,
            spare_bytes: page_bytes / 512 * spare_per_sector,
            pages_per_block,
            blocks,
            bus_bits: if record.u32(0x18) == 1 { 0x10 } else { 0x08 },
            address_cycles: record.0[0x1c],
            pool_blocks: pool_blocks.min(blocks),
            table: None,
        })
    }

    /// Looks for the bad-block table in the pool the host named; without a pool there is none.
    pub(super) fn find_table(&mut self, chip: &NandChip) {
        self.table = Table::find(self, chip);
    }

    pub(super) fn table(&self) -> Option<&Table> {
        self.table.as_ref()
    }

    pub(super) fn has_table(&self) -> bool {
        self.table.is_some()
    }

    pub(super) fn codes(&self) -> [u16; 5] {
        self.codes
    }

    pub(super) fn size_bytes(&self) -> u32 {
        self.blocks * self.block_bytes()
    }

    pub(super) fn block_bytes(&self) -> u32 {
        self.page_bytes * self.pages_per_block
    }

    pub(super) fn pages(&self) -> u32 {
        self.blocks * self.pages_per_block
    }

    pub(super) fn stored_page(&self) -> usize {
        as_index(self.page_bytes + self.spare_bytes)
    }

    /// Main bytes an address of this kind may reach.
    pub(super) fn limit(&self, physical: bool) -> u32 {
        match physical {
            true => self.size_bytes(),
            false => (self.blocks - self.pool_blocks) * self.block_bytes(),
        }
    }

    /// The page on the chip behind an address of this kind.
    pub(super) fn chip_page(&self, page: u32, physical: bool) -> u32 {
        let (block, within) = (page / self.pages_per_block, page % self.pages_per_block);
        match &self.table {
            Some(table) if !physical => table.stand_in(block) * self.pages_per_block + within,
            _ => page,
        }
    }

    /// The agent's bad mark: the first byte of any sector's spare in the first page of the block.
    pub(super) fn is_bad(&self, chip: &NandChip, chip_page: u32) -> bool {
        let first = self.own_page(chip, chip_page - chip_page % self.pages_per_block);
        first.is_some_and(|page| self.sectors(&page).any(|(_, spare)| spare.first() != Some(&0xff)))
    }

    /// A stored page as the agent reads it for itself: its own ECC correction is always on (section 5.1).
    pub(super) fn own_page(&self, chip: &NandChip, chip_page: u32) -> Option<Vec<u8>> {
        let mut page = vec![0; self.stored_page()];
        read_stored(chip, chip_page, &mut page, self.stored_page()).ok()?;
        repair(EccDelivery::Corrected, &mut page, self.stored_page());
        Some(page)
    }

    /// As [`Self::own_page`], unless a sector is beyond repair or a part of the page was never written.
    pub(super) fn good_page(&self, chip: &NandChip, chip_page: u32) -> Option<Vec<u8>> {
        let mut page = vec![0; self.stored_page()];
        read_stored(chip, chip_page, &mut page, self.stored_page()).ok()?;
        let sectors = page.as_chunks_mut::<{ SECTOR + 16 }>();
        if !sectors.1.is_empty() {
            return None;
        }
        for sector in sectors.0 {
            let (data, spare) = sector.split_at_mut(SECTOR);
            let state = correct_sector(data.try_into().ok()?, spare.try_into().ok()?);
            if !matches!(state, SectorState::Clean | SectorState::Correctable { .. }) {
                return None;
            }
        }
        Some(page)
    }

    /// The free spare bytes of a stored page as the driver presents them: seven of each sector behind its mark.
    pub(super) fn free_bytes(&self, stored: &[u8]) -> Vec<u8> {
        self.sectors(stored).flat_map(|(_, spare)| &spare[1..8]).copied().collect()
    }

    fn sectors<'a>(&self, page: &'a [u8]) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
        let spare = as_index(self.spare_bytes / (self.page_bytes / 512));
        page.chunks_exact(SECTOR + spare).map(|sector| sector.split_at(SECTOR))
    }

    /// Appends the main bytes of stored pages.
    pub(super) fn push_main(&self, stored: &[u8], out: &mut Vec<u8>) {
        for page in stored.chunks_exact(self.stored_page()) {
            self.sectors(page).for_each(|(main, _)| out.extend_from_slice(main));
        }
    }

    /// Appends stored pages with the main bytes first and the spare parts behind them.
    pub(super) fn push_main_then_spare(&self, stored: &[u8], out: &mut Vec<u8>) {
        for page in stored.chunks_exact(self.stored_page()) {
            self.sectors(page).for_each(|(main, _)| out.extend_from_slice(main));
            self.sectors(page).for_each(|(_, spare)| out.extend_from_slice(spare));
        }
    }
}

/// Reads stored pages of the size the agent believes in; a chip of another size gives cut or FF-padded pages.
pub(super) fn read_stored(
    chip: &NandChip,
    first: u32,
    into: &mut [u8],
    size: usize,
) -> Result<(), ChipError> {
    let own = as_index(chip.page_bytes());
    if own == size {
        return chip.read(first, into);
    }
    let mut page = vec![0xff; own.max(size)];
    for (n, out) in (first..).zip(into.chunks_exact_mut(size)) {
        chip.read(n, &mut page[..own])?;
        out.copy_from_slice(&page[..size]);
    }
    Ok(())
}

/// What the controller does to stored pages on their way out; a spare of another size than 16 bytes a sector has
/// a code nobody here knows, and is left alone.
pub(super) fn repair(ecc: EccDelivery, stored: &mut [u8], page: usize) {
    if ecc == EccDelivery::Raw || !page.is_multiple_of(SECTOR + 16) {
        return;
    }
    for sector in stored.chunks_exact_mut(SECTOR + 16) {
        if let ([data], spare) = sector.as_chunks_mut::<SECTOR>()
            && let Ok(spare) = <&mut [u8; 16]>::try_from(spare)
        {
            correct_sector(data, spare);
        }
    }
}
