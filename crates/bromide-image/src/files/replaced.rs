//! A dump of a whole NAND chip by physical addresses, seen as the phone sees it: the blocks that the bad-block table
//! names as replaced are those of the pool that stand in for them (nand-yaffs2.md section 7).
//!
//! A dump by logical addresses has them in place already, and the same table. So a row of the table counts only where
//! the block of the pool says of itself which block it stands for, and the replaced block does not say so too.

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;

use bromide_nand::bmt::{Bmt, MAX_POOL};
use bromide_nand::{Geometry, Layout, fdm};

use super::main_bytes::MainBytes;
use crate::read_at::{ReadAt, ReadError};

/// Blocks of the pool unless a project says otherwise.
const POOL: u8 = 80;

/// Pages of a block whose word is heard, where the first ones are not readable.
const WITNESSES: u32 = 4;

/// The replaced blocks of a whole chip's dump, each with the one of the pool that stands in for it; none where the dump
/// has no table, or every block in its place. `geometry` is that of the pages; its number of blocks is not looked at.
///
/// # Errors
/// The source's own.
pub fn replaced_blocks<S: ReadAt>(
    image: &S,
    geometry: &Geometry,
    layout: Layout,
) -> Result<Vec<(u16, u16)>, ReadError> {
    let block = u64::from(layout.unit_bytes(geometry)).saturating_mul(u64::from(geometry.pages_per_block));
    let blocks = image.len().checked_div(block).unwrap_or(0);
    // Block numbers of the table have 16 bits.
    let blocks = match u16::try_from(blocks) {
        Ok(blocks) if image.len().checked_rem(block) == Some(0) => blocks,
        _ => return Ok(Vec::new()),
    };
    let chip = Chip { image, geometry, layout, block };
    let mut rows = Vec::new();
    for (bad, by) in chip.table(blocks)?.map(|it| it.entries).unwrap_or_default() {
        let stands_in = bad < blocks && by < blocks && chip.stands_for(by)? == Some(bad);
        if stands_in && chip.stands_for(bad)? != Some(bad) {
            rows.push((bad, by));
        }
    }
    Ok(rows)
}

/// An image some of whose blocks lie elsewhere in it.
#[derive(Debug)]
pub struct Replaced<S> {
    image: S,
    /// Stored bytes of a block.
    block: u64,
    /// Replaced block, the one that stands in for it.
    rows: Vec<(u16, u16)>,
}

impl<S: ReadAt> Replaced<S> {
    /// An image with these blocks, of so many stored bytes each, in their places.
    #[must_use]
    pub const fn new(image: S, block: u64, rows: Vec<(u16, u16)>) -> Self {
        Self { image, block, rows }
    }
}

impl<S: ReadAt> ReadAt for Replaced<S> {
    fn len(&self) -> u64 {
        self.image.len()
    }

    fn read_at(&self, at: u64, into: &mut [u8]) -> Result<(), ReadError> {
        let (mut at, mut rest) = (at, into);
        while !rest.is_empty() {
            let number = at.checked_div(self.block).unwrap_or(0);
            let within = at.checked_rem(self.block).unwrap_or(0);
            let by = self.rows.iter().find(|(bad, _)| u64::from(*bad) == number);
            let from = by.map_or(number, |(_, by)| u64::from(*by)).saturating_mul(self.block);
            let left = usize::try_from(self.block.saturating_sub(within)).unwrap_or(usize::MAX);
            let len = left.min(rest.len());
            if len == 0 {
                // Blocks of no bytes are none.
                return self.image.read_at(at, rest);
            }
            let Some((to, later)) = rest.split_at_mut_checked(len) else { break };
            self.image.read_at(from.saturating_add(within), to)?;
            at = at.saturating_add(u64::try_from(len).unwrap_or(u64::MAX));
            rest = later;
        }
        Ok(())
    }
}

/// A dump of a chip while its table is looked for.
struct Chip<'a, S> {
    image: &'a S,
    geometry: &'a Geometry,
    layout: Layout,
    block: u64,
}

impl<S: ReadAt> Chip<'_, S> {
    /// The newest place first: from the end of the chip down through the largest pool there can be.
    fn table(&self, blocks: u16) -> Result<Option<Bmt>, ReadError> {
        let main = MainBytes::new(self.image, *self.geometry, self.layout);
        let per_block =
            u64::from(self.geometry.page).saturating_mul(u64::from(self.geometry.pages_per_block));
        let mut page = vec![0; usize::try_from(self.geometry.page).unwrap_or(0)];
        for number in (blocks.saturating_sub(u16::from(MAX_POOL))..blocks).rev() {
            match main.read_at(u64::from(number).saturating_mul(per_block), &mut page) {
                // A block of the pool that went bad itself.
                Err(ReadError::Medium { .. }) => continue,
                other => other?,
            }
            if page.starts_with(b"BMT") {
                let pools = core::iter::once(POOL).chain(1..=MAX_POOL);
                if let Some(table) = pools.filter_map(|pool| Bmt::parse(&page, pool).ok()).next() {
                    return Ok(Some(table));
                }
            }
        }
        Ok(None)
    }

    /// The block that pages of this one say they stand for; `None` where it stands in its own place or says nothing.
    fn stands_for(&self, block: u16) -> Result<Option<u16>, ReadError> {
        let unit = u64::from(self.layout.unit_bytes(self.geometry));
        let mut page: Box<[u8]> = vec![0; usize::try_from(unit).unwrap_or(0)].into();
        for number in 0..WITNESSES.min(self.geometry.pages_per_block) {
            let at = u64::from(block).saturating_mul(self.block);
            self.image.read_at(at.saturating_add(u64::from(number).saturating_mul(unit)), &mut page)?;
            let Ok(sectors) = self.layout.sectors(&page, self.geometry) else { continue };
            let bytes: Vec<u8> =
                sectors.flat_map(|(_, spare)| spare.iter().copied().take(fdm::PER_SECTOR)).collect();
            match fdm::index(&bytes) {
                Some(fdm::NOT_REMAPPED) => return Ok(None),
                // The check byte tells a word from one with a wrong bit.
                Some(index) if index != 0xFFFF && fdm::check_holds(&bytes) => return Ok(Some(index)),
                _ => {}
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_read_over_the_borders_of_blocks_takes_each_from_where_it_lies() {
        let image: Vec<u8> = (0..40).collect();
        let seen = Replaced::new(&image[..], 10, vec![(1, 3)]);
        let mut all = [0; 30];
        seen.read_at(5, &mut all).unwrap();
        let wanted: Vec<u8> = (5..10).chain(30..40).chain(20..35).collect();
        assert_eq!(all[..], wanted);
        assert!(seen.read_at(35, &mut [0; 6]).is_err());
        Replaced::new(&image[..], 0, Vec::new()).read_at(5, &mut all).unwrap();
        assert_eq!(all[..], image[5..35]);
    }
}
