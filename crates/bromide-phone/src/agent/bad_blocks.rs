//! The bad-block table as the agent finds it on the chip (`nand-yaffs2.md` section 7, `formats.md` section 5.4).

use super::nand::NandPart;
use crate::nand_chip::NandChip;

const ROWS_AT: usize = 20;
const ROW: usize = 4;

/// Rows of the table: bad block, block that stands for it.
#[derive(Debug)]
pub(super) struct Table(Vec<(u16, u16)>);

impl Table {
    /// Searches the pool from the end of the chip downwards; the first valid table in a good block counts.
    pub(super) fn find(part: &NandPart, chip: &NandChip) -> Option<Self> {
        let pool = part.blocks - part.pool_blocks..part.blocks;
        pool.rev().map(|block| block * part.pages_per_block).find_map(|page| {
            let stored = part.own_page(chip, page)?;
            let mut main = Vec::new();
            part.push_main(&stored, &mut main);
            Self::parse(&main, part).filter(|_| !part.is_bad(chip, page))
        })
    }

    fn parse(main: &[u8], part: &NandPart) -> Option<Self> {
        let [b'B', b'M', b'T', 1, _bad, mapped, checksum] = *main.first_chunk::<7>()? else { return None };
        let rows = main.get(ROWS_AT..ROWS_AT + part.pool_blocks as usize * ROW)?;
        let sum = rows.iter().fold(1u8.wrapping_add(mapped), |sum, byte| sum.wrapping_add(*byte));
        if sum != checksum || u32::from(mapped) > part.pool_blocks {
            return None;
        }
        let pairs: Vec<_> = rows
            .chunks_exact(ROW)
            .take(usize::from(mapped))
            .map(|row| (u16::from_le_bytes([row[0], row[1]]), u16::from_le_bytes([row[2], row[3]])))
            .collect();
        let in_pool = |by: u16| (part.blocks - part.pool_blocks..part.blocks).contains(&u32::from(by));
        pairs.iter().all(|(_, by)| in_pool(*by)).then_some(Self(pairs))
    }

    /// The block that holds the bytes of this logical block.
    pub(super) fn stand_in(&self, block: u32) -> u32 {
        let row = self.0.iter().find(|(bad, _)| u32::from(*bad) == block);
        row.map_or(block, |(_, by)| u32::from(*by))
    }

    pub(super) fn rows(&self) -> &[(u16, u16)] {
        &self.0
    }
}
