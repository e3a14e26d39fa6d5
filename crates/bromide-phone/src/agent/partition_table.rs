//! A2: the partition table as the agent finds it on the chip and tells it (`da-legacy.md` section 10, `formats.md`
//! section 5.1).
//!
//! Known from reading only. Assumed: that the blocks are found before the pool the host named, that pages beyond the
//! repair of the ECC do not count, and that any byte but 5A ends the exchange.

use bromide_proto::codes::da;
use bromide_proto::link::Link;

use super::{Session, status};
use crate::nand_chip::NandChip;
use crate::options::TableAnswer;
use crate::pmt::{self, Entry};
use crate::wire::Ended;

use super::nand::NandPart;

impl<L: Link> Session<'_, L> {
    pub(super) async fn partition_table(&mut self) -> Result<(), Ended> {
        let found = self.agent.nand.as_ref().and_then(|part| find(part, self.chip));
        let (Some(entries), false) = (found, self.options.table == TableAnswer::Refused) else {
            return self.refuse(status::NO_PARTITION_TABLE).await;
        };
        let records: Vec<u8> = entries.iter().flat_map(|entry| record(entry, self.options.table)).collect();
        self.ack().await?;
        // At most 20 entries of 96 bytes.
        self.word(records.len() as u32).await?;
        if self.wire.byte().await? == da::ACK {
            self.wire.send(&records).await?;
            self.wire.byte().await?;
        }
        Ok(())
    }
}

/// The table: the newest good page of the first block, else of its mirror. Pages are written upwards.
fn find(part: &NandPart, chip: &NandChip) -> Option<Vec<Entry>> {
    let mirror = part.blocks.checked_sub(part.pool_blocks)?.checked_sub(1)?;
    [(mirror.checked_sub(1)?, pmt::PT), (mirror, pmt::MPT)].into_iter().find_map(|(block, signature)| {
        let first = block * part.pages_per_block;
        (first..first + part.pages_per_block).rev().find_map(|page| {
            let stored = part.good_page(chip, part.chip_page(page, false))?;
            let mut main = Vec::new();
            part.push_main(&stored, &mut main);
            pmt::entries(signature, &main, &part.free_bytes(&stored)).filter(|entries| !entries.is_empty())
        })
    })
}

/// One record; its numbers are little-endian.
fn record(entry: &Entry, form: TableAnswer) -> Vec<u8> {
    let mut bytes = entry.name.to_vec();
    let size = match entry.size {
        // To the end: all ones in every width.
        u32::MAX => u64::MAX,
        size => u64::from(size),
    };
    let (start, flags) = (u64::from(entry.start), u64::from(entry.flags));
    let numbers = match form {
        TableAnswer::Marked => vec![size, u64::MAX, start, flags],
        TableAnswer::Wide | TableAnswer::Narrow | TableAnswer::Refused => vec![size, start, flags],
    };
    let take = if form == TableAnswer::Narrow { 4 } else { 8 };
    bytes.extend(numbers.iter().flat_map(|number| number.to_le_bytes().into_iter().take(take)));
    bytes
}
