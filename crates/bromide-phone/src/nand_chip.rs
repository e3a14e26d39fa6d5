//! A raw NAND chip: what is stored, how it changes, which bits are wrong.
//!
//! Promises: erasing sets every bit of a block, programming only clears bits, bit errors stay until the block is
//! erased; weak cells and noise ([`Noise`]) are in what is read, never in what is stored. Pages are stored bytes, main and spare in the order of the chip (`nand-yaffs2.md` section 1); the chip
//! knows nothing of sectors, parity or partitions. A chip in a file is never held in memory.

use std::collections::{BTreeMap, HashMap};
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::sync::atomic::AtomicU64;

use thiserror::Error;

use crate::file_at::{read_exact_at, write_all_at};
use crate::model::Nand;
use crate::noise::Noise;

/// Why the chip could not be read or changed.
#[derive(Debug, Error)]
pub enum ChipError {
    /// The backing file failed.
    #[error("flash file: {0}")]
    File(#[from] io::Error),
    /// The backing file is not this chip.
    #[error("{path}: {found} bytes, but this chip stores {expected}")]
    Size {
        /// The file.
        path: String,
        /// Its length in bytes.
        found: u64,
        /// Stored bytes of the chip.
        expected: u64,
    },
    /// No such page, block or byte.
    #[error("{what} {index} lies behind the chip's end")]
    Range {
        /// "page", "block" or "byte".
        what: &'static str,
        /// The number asked for.
        index: u32,
    },
    /// The bytes are not a whole number of stored pages.
    #[error("{0} bytes are not a whole number of stored pages")]
    Length(usize),
}

/// One wrong bit of a page: stored byte and bit number (0 = least significant).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Flip {
    byte: u32,
    bit: u8,
}

/// The chip.
#[derive(Debug)]
pub struct NandChip {
    page_bytes: u32,
    pages_per_block: u32,
    blocks: u32,
    store: Store,
    flips: BTreeMap<u32, Vec<Flip>>,
    erases: BTreeMap<u32, u32>,
    programs: u64,
    noise: Noise,
    /// Pages read while there is noise.
    reads: AtomicU64,
}

#[derive(Debug)]
enum Store {
    /// Blocks not in the map are erased.
    Memory(HashMap<u32, Box<[u8]>>),
    File(File),
}

impl NandChip {
    /// An erased chip in memory; only blocks that were programmed take any.
    #[must_use]
    pub fn blank(nand: &Nand) -> Self {
        Self::with(nand, Store::Memory(HashMap::new()))
    }

    /// A chip kept in a file of exactly [`Nand::stored_chip_bytes`] bytes; created erased when there is none.
    pub fn open(nand: &Nand, path: &Path) -> Result<Self, ChipError> {
        let expected = nand.stored_chip_bytes();
        if !path.exists() {
            create_erased(path, expected)?;
        }
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        let found = file.metadata()?.len();
        if found != expected {
            return Err(ChipError::Size { path: path.display().to_string(), found, expected });
        }
        Ok(Self::with(nand, Store::File(file)))
    }

    fn with(nand: &Nand, store: Store) -> Self {
        Self {
            page_bytes: nand.stored_page_bytes(),
            pages_per_block: nand.pages_per_block,
            blocks: nand.blocks,
            store,
            flips: BTreeMap::new(),
            erases: BTreeMap::new(),
            programs: 0,
            noise: Noise::default(),
            reads: AtomicU64::new(0),
        }
    }

    /// Makes the chip misread from now on.
    pub fn set_noise(&mut self, noise: Noise) {
        self.noise = noise;
    }

    /// Stored bytes of a page.
    #[must_use]
    pub fn page_bytes(&self) -> u32 {
        self.page_bytes
    }

    /// Pages of a block.
    #[must_use]
    pub fn pages_per_block(&self) -> u32 {
        self.pages_per_block
    }

    /// Blocks of the chip.
    #[must_use]
    pub fn blocks(&self) -> u32 {
        self.blocks
    }

    /// How often this block was erased since the chip was made or opened.
    #[must_use]
    pub fn erase_count(&self, block: u32) -> u32 {
        self.erases.get(&block).copied().unwrap_or(0)
    }

    /// How many pages were programmed since the chip was made or opened.
    #[must_use]
    pub fn program_count(&self) -> u64 {
        self.programs
    }

    /// Reads whole pages from `first` on as the cells give them, bit errors included.
    pub fn read(&self, first: u32, into: &mut [u8]) -> Result<(), ChipError> {
        let last = self.end_page(first, into.len())?;
        match &self.store {
            Store::File(file) => read_exact_at(file, into, self.offset(first))?,
            Store::Memory(blocks) => {
                let size = as_index(self.page_bytes);
                for (page, out) in (first..last).zip(into.chunks_exact_mut(size)) {
                    match blocks.get(&(page / self.pages_per_block)) {
                        None => out.fill(0xff),
                        Some(block) => out.copy_from_slice(&block[self.in_block(page)..][..size]),
                    }
                }
            }
        }
        for (page, flips) in self.flips.range(first..last) {
            let at = as_index(page - first) * as_index(self.page_bytes);
            for flip in flips {
                into[at + as_index(flip.byte)] ^= 1 << flip.bit;
            }
        }
        if self.noise != Noise::default() {
            for (page, out) in (first..last).zip(into.chunks_exact_mut(as_index(self.page_bytes))) {
                self.noise.disturb(page, out, &self.reads);
            }
        }
        Ok(())
    }

    /// Programs whole pages from `first` on: bits can only go from one to zero.
    pub fn program(&mut self, first: u32, bytes: &[u8]) -> Result<(), ChipError> {
        let last = self.end_page(first, bytes.len())?;
        self.programs += u64::from(last - first);
        let size = as_index(self.page_bytes);
        if let Store::File(file) = &self.store {
            let mut cells = vec![0; bytes.len()];
            read_exact_at(file, &mut cells, self.offset(first))?;
            clear_bits(&mut cells, bytes);
            return Ok(write_all_at(file, &cells, self.offset(first))?);
        }
        for (page, new) in (first..last).zip(bytes.chunks_exact(size)) {
            let at = self.in_block(page);
            let block = self.memory_block(page / self.pages_per_block);
            clear_bits(&mut block[at..at + size], new);
        }
        Ok(())
    }

    /// Erases a block: all bits one, its bit errors gone.
    pub fn erase(&mut self, block: u32) -> Result<(), ChipError> {
        if block >= self.blocks {
            return Err(ChipError::Range { what: "block", index: block });
        }
        let first = block * self.pages_per_block;
        match &mut self.store {
            Store::Memory(blocks) => drop(blocks.remove(&block)),
            Store::File(file) => {
                let size = as_index(self.page_bytes * self.pages_per_block);
                write_all_at(file, &vec![0xff; size], u64::from(first) * u64::from(self.page_bytes))?;
            }
        }
        self.flips.retain(|page, _| !(first..first + self.pages_per_block).contains(page));
        *self.erases.entry(block).or_default() += 1;
        Ok(())
    }

    /// Makes one stored bit read wrong until the block is erased; a second time makes it right again.
    pub fn flip(&mut self, page: u32, byte: u32, bit: u8) -> Result<(), ChipError> {
        self.end_page(page, as_index(self.page_bytes))?;
        if byte >= self.page_bytes || bit > 7 {
            return Err(ChipError::Range { what: "byte", index: byte });
        }
        let flips = self.flips.entry(page).or_default();
        let flip = Flip { byte, bit };
        match flips.iter().position(|f| *f == flip) {
            Some(at) => drop(flips.remove(at)),
            None => flips.push(flip),
        }
        Ok(())
    }

    /// The page behind the last of `bytes` bytes of pages from `first` on.
    fn end_page(&self, first: u32, bytes: usize) -> Result<u32, ChipError> {
        let size = as_index(self.page_bytes);
        if !bytes.is_multiple_of(size) {
            return Err(ChipError::Length(bytes));
        }
        let end = u32::try_from(bytes / size).ok().and_then(|n| first.checked_add(n));
        match end {
            Some(end) if end <= self.blocks * self.pages_per_block => Ok(end),
            _ => Err(ChipError::Range { what: "page", index: first }),
        }
    }

    fn offset(&self, page: u32) -> u64 {
        u64::from(page) * u64::from(self.page_bytes)
    }

    fn in_block(&self, page: u32) -> usize {
        as_index(page % self.pages_per_block) * as_index(self.page_bytes)
    }

    fn memory_block(&mut self, block: u32) -> &mut [u8] {
        let size = as_index(self.page_bytes * self.pages_per_block);
        match &mut self.store {
            Store::Memory(blocks) => blocks.entry(block).or_insert_with(|| vec![0xff; size].into()),
            Store::File(_) => unreachable!("only called for a chip in memory"),
        }
    }
}

fn clear_bits(cells: &mut [u8], new: &[u8]) {
    for (cell, new) in cells.iter_mut().zip(new) {
        *cell &= new;
    }
}

/// Writes the erased chip under another name first, so that an interrupted creation is not taken for a chip.
fn create_erased(path: &Path, bytes: u64) -> io::Result<()> {
    let mut part = path.as_os_str().to_owned();
    part.push(".part");
    let mut file = File::create(&part)?;
    let piece = vec![0xff; 1 << 20];
    let mut left = bytes;
    while left > 0 {
        let n = usize::try_from(left).unwrap_or(usize::MAX).min(piece.len());
        file.write_all(&piece[..n])?;
        left -= n as u64;
    }
    drop(file);
    std::fs::rename(&part, path)
}

pub(crate) fn as_index(n: u32) -> usize {
    usize::try_from(n).expect("usize has at least 32 bits here")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Model;

    fn small() -> Nand {
        Nand { blocks: 8, pool_blocks: 2, bad_blocks: vec![], replaced: vec![], ..mt6575() }
    }

    fn mt6575() -> Nand {
        Model::builtin("mt6575").unwrap().nand
    }

    fn page(chip: &NandChip, n: u32) -> Vec<u8> {
        let mut bytes = vec![0; 2112];
        chip.read(n, &mut bytes).unwrap();
        bytes
    }

    fn both(check: impl Fn(NandChip)) {
        let folder = tempfile::tempdir().unwrap();
        check(NandChip::blank(&small()));
        check(NandChip::open(&small(), &folder.path().join("flash")).unwrap());
    }

    #[test]
    fn a_new_chip_is_erased() {
        both(|chip| assert!(page(&chip, 8 * 64 - 1).iter().all(|b| *b == 0xff)));
    }

    #[test]
    fn programming_only_clears_bits_and_erasing_sets_them_all() {
        both(|mut chip| {
            chip.program(64, &[0xf0; 2112]).unwrap();
            chip.program(64, &[0x3c; 2112]).unwrap();
            assert_eq!(page(&chip, 64), [0x30; 2112]);
            assert_eq!(page(&chip, 65), [0xff; 2112]);
            chip.erase(0).unwrap();
            assert_eq!(page(&chip, 64), [0x30; 2112]);
            chip.erase(1).unwrap();
            assert_eq!(page(&chip, 64), [0xff; 2112]);
            assert_eq!((chip.erase_count(1), chip.erase_count(2), chip.program_count()), (1, 0, 2));
        });
    }

    #[test]
    fn a_flipped_bit_stays_through_programming_and_goes_with_the_erase() {
        both(|mut chip| {
            chip.flip(3, 2111, 7).unwrap();
            assert_eq!(page(&chip, 3)[2111], 0x7f);
            chip.program(3, &[0; 2112]).unwrap();
            assert_eq!(page(&chip, 3)[2111], 0x80);
            let mut all = vec![0; 5 * 2112];
            chip.read(0, &mut all).unwrap();
            assert_eq!(all[4 * 2112 - 1], 0x80);
            chip.erase(0).unwrap();
            assert_eq!(page(&chip, 3), [0xff; 2112]);
        });
    }

    #[test]
    fn weak_cells_are_read_and_never_stored() {
        let noise = Noise { seed: 1, weak_cells: 1e-3, jitter: 0.0 };
        both(|mut chip| {
            chip.program(0, &[0x5a; 64 * 2112]).unwrap();
            chip.set_noise(noise);
            let read = page(&chip, 9);
            assert_ne!(read, [0x5a; 2112]);
            let mut all = vec![0; 64 * 2112];
            chip.read(0, &mut all).unwrap();
            assert_eq!(all[9 * 2112..10 * 2112], read, "read alone or with others");
            // A page programmed again stores no error of its reading.
            chip.program(9, &[0x5a; 2112]).unwrap();
            chip.set_noise(Noise::default());
            assert_eq!(page(&chip, 9), [0x5a; 2112]);
        });
    }

    #[test]
    fn pages_over_a_block_border_come_in_order() {
        both(|mut chip| {
            let bytes: Vec<u8> = (0..4u8).flat_map(|n| [n; 2112]).collect();
            chip.program(62, &bytes).unwrap();
            let mut back = vec![0; bytes.len()];
            chip.read(62, &mut back).unwrap();
            assert_eq!(back, bytes);
        });
    }

    #[test]
    fn nothing_behind_the_end_is_touched() {
        both(|mut chip| {
            assert!(chip.read(511, &mut [0; 2 * 2112]).is_err());
            assert!(chip.read(u32::MAX, &mut [0; 2112]).is_err());
            assert!(chip.read(0, &mut [0; 2111]).is_err());
            assert!(chip.program(512, &[0; 2112]).is_err());
            assert!(chip.erase(8).is_err());
            assert!(chip.flip(512, 0, 0).is_err());
            assert!(chip.flip(0, 2112, 0).is_err());
            assert!(chip.flip(0, 0, 8).is_err());
        });
    }

    #[test]
    fn a_chip_in_a_file_survives_being_closed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("flash");
        NandChip::open(&small(), &path).unwrap().program(5, &[0x11; 2112]).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().len(), small().stored_chip_bytes());
        assert_eq!(page(&NandChip::open(&small(), &path).unwrap(), 5), [0x11; 2112]);
    }

    #[test]
    fn a_file_of_another_size_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("flash");
        std::fs::write(&path, b"short").unwrap();
        let said = NandChip::open(&small(), &path).unwrap_err().to_string();
        assert!(said.contains("5 bytes") && said.contains("1081344"), "{said}");
    }
}
