//! A chip as it leaves the factory: marked bad blocks, bad-block and partition table, and written pages.
//!
//! Promises: every written page has real parity, check byte and index (`nand-yaffs2.md` sections 2 and 3); a page
//! of a replaced block lands in the block that stands for it, with that block's own number as index (section 7).
//! A bad block without a stand-in cannot be written.

use bromide_nand::bmt::{Bmt, FDM_SIGNATURE};
use bromide_nand::{BadGeometry, Geometry};
use thiserror::Error;

use crate::model::{Model, Nand, Partition};
use crate::nand_chip::{ChipError, NandChip, as_index};
use crate::pmt;

/// Stored offset of FDM byte 0, the driver's bad-block mark.
const MARK_AT: usize = 512;

/// Why the factory could not build the chip.
#[derive(Debug, Error)]
pub enum FactoryError {
    /// The chip could not be read or programmed.
    #[error(transparent)]
    Chip(#[from] ChipError),
    /// The chip is not the one of the model.
    #[error("the chip has {chip} blocks, the model says {model}")]
    OtherChip {
        /// Blocks of the chip given.
        chip: u32,
        /// Blocks of the model's chip.
        model: u32,
    },
    /// A page in a bad block that nothing stands for.
    #[error("page {page} lies in bad block {block}, which is not replaced")]
    BadBlock {
        /// The logical page.
        page: u32,
        /// Its block.
        block: u32,
    },
    /// A page behind the logical space.
    #[error("page {0} lies behind the logical space")]
    Behind(u32),
    /// No partition of that name.
    #[error("the model has no partition {0:?}")]
    NoPartition(String),
    /// The pool has no good block left for the bad-block table.
    #[error("the pool has no free good block for the bad-block table")]
    NoTableBlock,
    /// The geometry is outside what the page format is known for.
    #[error(transparent)]
    Geometry(#[from] BadGeometry),
    /// The page could not be laid out.
    #[error(transparent)]
    Encode(#[from] bromide_nand::EncodeError),
    /// The partition table could not be laid out.
    #[error("partition table: {0}")]
    Pmt(String),
    /// The bad-block table could not be laid out.
    #[error(transparent)]
    Table(#[from] bromide_nand::bmt::BmtError),
}

/// What [`Factory::fill`] writes: pages that follow from a seed, with blank stretches between them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Filling {
    /// Decides every byte.
    pub seed: u64,
    /// Written pages in a row.
    pub written: u32,
    /// Blank pages after them.
    pub blank: u32,
}

impl Default for Filling {
    fn default() -> Self {
        Self { seed: 7, written: 61, blank: 3 }
    }
}

/// Builds a chip.
#[derive(Debug)]
pub struct Factory {
    nand: Nand,
    model: Model,
    geometry: Geometry,
    chip: NandChip,
    /// Encoded pages of one block that are not programmed yet, and the chip page of the first.
    pending: (u32, Vec<u8>),
}

impl Factory {
    /// Marks the model's bad blocks and writes its bad-block table on a chip that is erased.
    pub fn new(model: &Model, chip: NandChip) -> Result<Self, FactoryError> {
        let nand = model.nand.clone();
        if chip.blocks() != nand.blocks || chip.page_bytes() != nand.stored_page_bytes() {
            return Err(FactoryError::OtherChip { chip: chip.blocks(), model: nand.blocks });
        }
        let geometry = Geometry::new(nand.page_bytes, nand.spare_bytes, nand.pages_per_block, nand.blocks)?;
        let mut factory = Self { model: model.clone(), nand, geometry, chip, pending: (0, Vec::new()) };
        factory.mark_bad_blocks()?;
        factory.write_table()?;
        if model.pmt {
            factory.write_pmt(0, &model.partitions())?;
        }
        Ok(factory)
    }

    /// Writes a partition table (PMT) of these partitions, whatever they say, and its mirror: each into page `page` of
    /// its block, the first write of a phone's life into page 0 (`formats.md` section 5.1).
    pub fn write_pmt(&mut self, page: u32, partitions: &[Partition]) -> Result<(), FactoryError> {
        let blocks =
            self.nand.pmt_blocks().ok_or_else(|| FactoryError::Pmt("there is no room".to_owned()))?;
        for (block, signature) in blocks.into_iter().zip([pmt::PT, pmt::MPT]) {
            let main = pmt::page(signature, partitions, self.nand.page_bytes).map_err(FactoryError::Pmt)?;
            let spare = pmt::spare(signature, page as u8);
            self.program_logical(block * self.nand.pages_per_block + page, &main, &spare)?;
        }
        Ok(())
    }

    /// Writes one page: `main` bytes of the whole page, and the file system's `software` bytes (25 survive).
    pub fn program_logical(&mut self, page: u32, main: &[u8], software: &[u8]) -> Result<(), FactoryError> {
        let block = page / self.nand.pages_per_block;
        if block >= self.nand.first_pool_block() {
            return Err(FactoryError::Behind(page));
        }
        let stand_in = self.nand.stand_in(block);
        if self.nand.bad_blocks.contains(&stand_in) {
            return Err(FactoryError::BadBlock { page, block });
        }
        let stands_for = (stand_in != block).then_some(block as u16);
        let at = stand_in * self.nand.pages_per_block + page % self.nand.pages_per_block;
        self.program(at, main, software, stands_for)
    }

    /// Fills the first `pages` pages of a partition; blocks that are bad and not replaced stay as they are.
    pub fn fill(&mut self, partition: &str, pages: u32, filling: Filling) -> Result<(), FactoryError> {
        let share =
            self.model.partition(partition).ok_or_else(|| FactoryError::NoPartition(partition.to_owned()))?;
        let page_bytes = u64::from(self.nand.page_bytes);
        let first = (share.start / page_bytes) as u32;
        let pages = pages.min((share.bytes / page_bytes) as u32);
        let mut main = vec![0; as_index(self.nand.page_bytes)];
        for page in first..first + pages {
            let blank = (page - first) % (filling.written + filling.blank).max(1) >= filling.written;
            if blank || self.nand.is_lost(page / self.nand.pages_per_block) {
                continue;
            }
            pattern(filling.seed ^ u64::from(page), &mut main);
            self.program_logical(page, &main, &tags(page - first))?;
        }
        Ok(())
    }

    /// The finished chip.
    pub fn finish(mut self) -> Result<NandChip, FactoryError> {
        self.flush()?;
        Ok(self.chip)
    }

    fn mark_bad_blocks(&mut self) -> Result<(), FactoryError> {
        let mut page = vec![0xff; as_index(self.nand.stored_page_bytes())];
        page[MARK_AT] = 0;
        for block in &self.nand.bad_blocks {
            self.chip.program(block * self.nand.pages_per_block, &page)?;
        }
        Ok(())
    }

    /// In the last block of the pool that is good and stands for nothing.
    fn write_table(&mut self) -> Result<(), FactoryError> {
        if self.nand.pool_blocks == 0 {
            return Ok(());
        }
        let free = |block: &u32| {
            !self.nand.bad_blocks.contains(block) && self.nand.replaced.iter().all(|row| row.by != *block)
        };
        let pool = self.nand.first_pool_block()..self.nand.blocks;
        let block = pool.rev().find(free).ok_or(FactoryError::NoTableBlock)?;
        let rows = self.nand.replaced.iter().map(|row| (row.bad as u16, row.by as u16));
        let mut main = vec![0xff; as_index(self.nand.page_bytes)];
        Bmt { entries: rows.collect() }.build(self.nand.pool_blocks as u8, &mut main)?;
        self.program(block * self.nand.pages_per_block, &main, &FDM_SIGNATURE, None)
    }

    fn program(
        &mut self,
        at: u32,
        main: &[u8],
        software: &[u8],
        stands_for: Option<u16>,
    ) -> Result<(), FactoryError> {
        let size = as_index(self.nand.stored_page_bytes());
        let next = self.pending.0 + (self.pending.1.len() / size) as u32;
        if at != next || at.is_multiple_of(self.nand.pages_per_block) {
            self.flush()?;
            self.pending.0 = at;
        }
        let from = self.pending.1.len();
        self.pending.1.resize(from + size, 0);
        let out = &mut self.pending.1[from..];
        let encoded = bromide_nand::encode_page(main, software, stands_for, &self.geometry, out);
        if encoded.is_err() {
            self.pending.1.truncate(from);
        }
        Ok(encoded?)
    }

    fn flush(&mut self) -> Result<(), FactoryError> {
        let (first, bytes) = &mut self.pending;
        if !bytes.is_empty() {
            self.chip.program(*first, bytes)?;
            bytes.clear();
        }
        Ok(())
    }
}

/// The stored bytes behind a logical page by the model's own list of replacements: what a read back with flag 0
/// of a healthy phone must give.
pub fn stored_page(model: &Model, chip: &NandChip, page: u32) -> Result<Vec<u8>, ChipError> {
    let per_block = model.nand.pages_per_block;
    let at = model.nand.stand_in(page / per_block) * per_block + page % per_block;
    let mut bytes = vec![0; as_index(model.nand.stored_page_bytes())];
    chip.read(at, &mut bytes)?;
    Ok(bytes)
}

/// Bytes that follow from the seed and never look blank.
fn pattern(seed: u64, into: &mut [u8]) {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    for chunk in into.chunks_mut(8) {
        // xorshift64: quick, and no two pages alike.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        chunk.copy_from_slice(&state.to_le_bytes()[..chunk.len()]);
    }
}

/// Software bytes of the shape of packed tags (`nand-yaffs2.md` section 4), for pages that hold no file system.
fn tags(chunk: u32) -> [u8; 25] {
    let mut tags = [0xff; 25];
    for (at, word) in [(0, 0x1000u32), (4, 0x101), (8, chunk + 1), (12, 0x800)] {
        tags[at..at + 4].copy_from_slice(&word.to_le_bytes());
    }
    tags
}

#[cfg(test)]
mod tests {
    use super::*;
    use bromide_nand::{Layout, PageState, bad_mark, check_page};

    fn model() -> Model {
        Model::builtin("mt6575").unwrap()
    }

    fn read(chip: &NandChip, page: u32) -> Vec<u8> {
        let mut bytes = vec![0; 2112];
        chip.read(page, &mut bytes).unwrap();
        bytes
    }

    fn built() -> (Factory, Geometry) {
        let model = model();
        let factory = Factory::new(&model, NandChip::blank(&model.nand)).unwrap();
        let geometry = factory.geometry;
        (factory, geometry)
    }

    #[test]
    fn the_bad_blocks_are_marked_and_no_others() {
        let (factory, geometry) = built();
        let chip = factory.finish().unwrap();
        for block in [0, 1000, 1001, 2600, 4016, 4095] {
            let marked = bad_mark(&read(&chip, block * 64), Layout::Interleaved, &geometry);
            assert_eq!(marked, Some([1000, 2600, 4095].contains(&block)), "block {block}");
        }
    }

    #[test]
    fn the_table_lies_in_the_last_good_block_with_its_signatures() {
        let (factory, geometry) = built();
        let page = read(&factory.finish().unwrap(), 4094 * 64);
        assert_eq!(page[513..516], *b"bmt");
        assert_eq!(check_page(&page, Layout::Interleaved, &geometry), PageState::Clean);
        let mut main = vec![0; 2048];
        Layout::Interleaved.main_bytes(&page, &mut main, &geometry).unwrap();
        assert_eq!(Bmt::parse(&main, 80).unwrap().entries, [(1000, 4016)]);
    }

    #[test]
    fn a_page_of_a_replaced_block_carries_the_number_of_the_block_it_stands_for() {
        let (mut factory, geometry) = built();
        factory.program_logical(1000 * 64 + 3, &[0x42; 2048], b"tags").unwrap();
        factory.program_logical(1001 * 64, &[0x43; 2048], b"tags").unwrap();
        let chip = factory.finish().unwrap();
        let (page, other) = (read(&chip, 4016 * 64 + 3), read(&chip, 1001 * 64));
        assert_eq!(page[2101..2103], 1000u16.to_le_bytes());
        assert_eq!(other[2101..2103], [0xaa, 0xaa]);
        assert_eq!(check_page(&page, Layout::Interleaved, &geometry), PageState::Clean);
        assert_eq!(stored_page(&model(), &chip, 1000 * 64 + 3).unwrap(), page);
        assert!(read(&chip, 1000 * 64 + 3).iter().all(|b| *b == 0xff));
    }

    #[test]
    fn what_cannot_be_written_is_refused() {
        let (mut factory, _) = built();
        let mut refused = |page, bytes: usize| {
            factory.program_logical(page, &vec![0; bytes], b"").expect_err("must be refused").to_string()
        };
        assert!(refused(2600 * 64, 2048).contains("2600"));
        assert!(refused(4016 * 64, 2048).contains("logical"));
        assert!(refused(0, 2047).contains("2047"));
        assert!(matches!(factory.fill("nowhere", 1, Filling::default()), Err(FactoryError::NoPartition(_))));
    }

    #[test]
    fn a_filled_partition_has_clean_pages_and_blank_ones_and_depends_on_its_seed_only() {
        let fill = |seed| {
            let (mut factory, geometry) = built();
            factory.fill("cache", 90 * 64, Filling { seed, ..Filling::default() }).unwrap();
            (factory.finish().unwrap(), geometry)
        };
        let ((a, geometry), (b, _), (c, _)) = (fill(1), fill(1), fill(2));
        let first = 2517 * 64;
        let state = |page| check_page(&read(&a, page), Layout::Interleaved, &geometry);
        assert_eq!(state(first), PageState::Clean);
        assert_eq!(state(first + 60), PageState::Clean);
        assert_eq!(state(first + 61), PageState::Blank { flipped: 0 });
        assert_eq!(state(first + 64), PageState::Clean);
        assert_eq!(read(&a, first + 5), read(&b, first + 5));
        assert_ne!(read(&a, first + 5), read(&c, first + 5));
        assert_ne!(read(&a, first + 5), read(&a, first + 6));
    }

    #[test]
    fn a_chip_of_another_shape_is_refused() {
        let small = Nand { blocks: 128, ..model().nand };
        assert!(Factory::new(&model(), NandChip::blank(&small)).is_err());
    }
}
