//! Writing the table: protective MBR, both headers, both copies of the entries.

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use super::header::{CRC32, HEADER_BYTES, SIGNATURE};
use super::{BLOCK_SIZES, ENTRY_BYTES, Guid, MOST_TABLE_BYTES, NAME_UNITS, Partition, Table};
use crate::table::field;
use crate::table::mbr::PROTECTIVE;

/// The bytes of a table and where they go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// Protective MBR, header and entries: the first bytes of the device.
    pub primary: Vec<u8>,
    /// Entries and header: the last bytes of the device.
    pub backup: Vec<u8>,
    /// First byte of `backup` on the device.
    pub backup_at: u64,
}

/// Why a table cannot be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// A block size that phones do not have.
    #[error("blocks of {0} bytes; there are 512 and 4096")]
    BlockBytes(u32),
    /// An entry size no reader accepts: 128 times a power of two is required.
    #[error("entries of {0} bytes; 128, 256, 512 and so on are possible")]
    EntryBytes(u32),
    /// The device is no whole number of blocks, or too small for the table, or the usable blocks run into it.
    #[error(
        "the table and blocks {first_usable} to {last_usable} do not fit a device of {device_bytes} bytes"
    )]
    Device {
        /// Bytes of the device.
        device_bytes: u64,
        /// First usable block.
        first_usable: u64,
        /// Last usable block.
        last_usable: u64,
    },
    /// The entries take more than [`MOST_TABLE_BYTES`] together.
    #[error("{0} entries are too many")]
    TooMany(u32),
    /// An index of 0, beyond the slots, or given twice.
    #[error("{name}: entry {index} is taken, or not one of the {slots} there are")]
    Index {
        /// Name of the partition.
        name: String,
        /// Its index.
        index: u32,
        /// Entries there are.
        slots: u32,
    },
    /// A name that is too long, or has a zero in it.
    #[error("{name:?} is no name of at most {NAME_UNITS} UTF-16 units")]
    Name {
        /// The name.
        name: String,
    },
    /// A type of zeros, which marks an unused entry.
    #[error("{name} has the type of an unused entry")]
    Kind {
        /// Name of the partition.
        name: String,
    },
    /// A start or size that is no whole number of blocks, an empty partition, or one outside the usable blocks.
    #[error("{name} at {start:#x}, {size:#x} bytes, is not made of usable blocks")]
    Extent {
        /// Name of the partition.
        name: String,
        /// First byte.
        start: u64,
        /// Bytes.
        size: u64,
    },
    /// Two partitions share bytes.
    #[error("{first} and {second} overlap")]
    Overlap {
        /// The one that starts first.
        first: String,
        /// The other.
        second: String,
    },
}

/// Where the parts of a table lie, in blocks.
struct Plan {
    block_bytes: u64,
    table_blocks: u64,
    last: u64,
}

impl Table {
    /// A table of 128 entries over a whole device, with everything between the copies usable. The disk GUID is zeros,
    /// as MediaTek leaves it.
    #[must_use]
    pub fn new(block_bytes: u32, device_bytes: u64, partitions: Vec<Partition>) -> Self {
        let block = u64::from(block_bytes.max(1));
        let table = (128 * u64::from(ENTRY_BYTES)).div_ceil(block);
        let blocks = device_bytes.div_euclid(block);
        Self {
            block_bytes,
            disk_guid: Guid::ZERO,
            first_usable: table.saturating_add(2),
            last_usable: blocks.saturating_sub(table).saturating_sub(2),
            slots: 128,
            entry_bytes: ENTRY_BYTES,
            partitions,
        }
    }

    /// The bytes of the table on a device of `device_bytes`.
    ///
    /// # Errors
    /// Anything a strict reader would refuse: overlaps, partitions outside the usable blocks, names too long.
    pub fn write(&self, device_bytes: u64) -> Result<Written, WriteError> {
        let plan = self.plan(device_bytes)?;
        let entries = self.entries(&plan)?;
        self.refuse_overlaps()?;
        let crc = CRC32.checksum(&entries);
        let block = usize::try_from(plan.block_bytes).unwrap_or(0);
        let mut padded = entries;
        padded.resize(padded.len().next_multiple_of(block), 0);

        let mut primary = protective_mbr(plan.last, block);
        primary.extend(self.header(1, plan.last, 2, crc, block));
        primary.extend(&padded);
        let entries_block = plan.last.saturating_sub(plan.table_blocks);
        let backup_header = self.header(plan.last, 1, entries_block, crc, block);
        let mut backup = padded;
        backup.extend(backup_header);
        Ok(Written { primary, backup, backup_at: entries_block.saturating_mul(plan.block_bytes) })
    }

    fn plan(&self, device_bytes: u64) -> Result<Plan, WriteError> {
        if !BLOCK_SIZES.contains(&self.block_bytes) {
            return Err(WriteError::BlockBytes(self.block_bytes));
        }
        if self.entry_bytes < ENTRY_BYTES || !self.entry_bytes.is_power_of_two() {
            return Err(WriteError::EntryBytes(self.entry_bytes));
        }
        let bytes = u64::from(self.slots).saturating_mul(u64::from(self.entry_bytes));
        if bytes > MOST_TABLE_BYTES {
            return Err(WriteError::TooMany(self.slots));
        }
        let (first_usable, last_usable) = (self.first_usable, self.last_usable);
        let unfit = WriteError::Device { device_bytes, first_usable, last_usable };
        let block_bytes = u64::from(self.block_bytes);
        let table_blocks = bytes.div_ceil(block_bytes);
        let last = device_bytes.checked_div(block_bytes).and_then(|blocks| blocks.checked_sub(1));
        let Some(last) = last.filter(|_| device_bytes.is_multiple_of(block_bytes)) else {
            return Err(unfit);
        };
        let after_primary = table_blocks.saturating_add(2);
        let backup = last.saturating_sub(table_blocks);
        if first_usable < after_primary || last_usable < first_usable || last_usable >= backup {
            return Err(unfit);
        }
        Ok(Plan { block_bytes, table_blocks, last })
    }

    fn entries(&self, plan: &Plan) -> Result<Vec<u8>, WriteError> {
        let each = usize::try_from(self.entry_bytes).unwrap_or(0);
        let slots = usize::try_from(self.slots).unwrap_or(0);
        let mut entries = vec![0; each.saturating_mul(slots)];
        for partition in &self.partitions {
            let Partition { index, name, start, size, kind, guid, attributes } = partition;
            let taken = || WriteError::Index { name: name.clone(), index: *index, slots: self.slots };
            let place = index.checked_sub(1).and_then(|place| usize::try_from(place).ok());
            let entry =
                place.and_then(|place| entries.chunks_exact_mut(each).nth(place)).ok_or_else(taken)?;
            if entry.iter().any(|byte| *byte != 0) {
                return Err(taken());
            }
            if kind.is_zero() {
                return Err(WriteError::Kind { name: name.clone() });
            }
            let extent = || WriteError::Extent { name: name.clone(), start: *start, size: *size };
            let (first, last) = self.blocks(*start, *size, plan.block_bytes).ok_or_else(extent)?;
            let units: Vec<[u8; 2]> = name.encode_utf16().map(u16::to_le_bytes).collect();
            if units.len() > NAME_UNITS || name.contains('\0') {
                return Err(WriteError::Name { name: name.clone() });
            }
            let numbers = [first, last, *attributes].map(u64::to_le_bytes);
            field::put(entry, 0, &kind.0);
            field::put(entry, 16, &guid.0);
            field::put(entry, 32, numbers.as_flattened());
            field::put(entry, 56, units.as_flattened());
        }
        Ok(entries)
    }

    /// First and last block of a partition that is made of usable ones.
    fn blocks(&self, start: u64, size: u64, block_bytes: u64) -> Option<(u64, u64)> {
        if size == 0 || !start.is_multiple_of(block_bytes) || !size.is_multiple_of(block_bytes) {
            return None;
        }
        let first = start.checked_div(block_bytes)?;
        let last = start.checked_add(size)?.checked_div(block_bytes)?.checked_sub(1)?;
        (first >= self.first_usable && last <= self.last_usable).then_some((first, last))
    }

    fn refuse_overlaps(&self) -> Result<(), WriteError> {
        let mut sorted: Vec<&Partition> = self.partitions.iter().collect();
        sorted.sort_by_key(|partition| partition.start);
        for pair in sorted.windows(2) {
            if let [first, second] = pair
                && first.start.saturating_add(first.size) > second.start
            {
                return Err(WriteError::Overlap { first: first.name.clone(), second: second.name.clone() });
            }
        }
        Ok(())
    }

    fn header(&self, own: u64, other: u64, entries: u64, entries_crc: u32, block: usize) -> Vec<u8> {
        let mut header = vec![0; block];
        field::put(&mut header, 0, SIGNATURE);
        field::put(&mut header, 8, &0x1_0000_u32.to_le_bytes());
        field::put(&mut header, 12, &u32::try_from(HEADER_BYTES).unwrap_or(0).to_le_bytes());
        let blocks = [own, other, self.first_usable, self.last_usable].map(u64::to_le_bytes);
        field::put(&mut header, 24, blocks.as_flattened());
        field::put(&mut header, 56, &self.disk_guid.0);
        field::put(&mut header, 72, &entries.to_le_bytes());
        let sizes = [self.slots, self.entry_bytes, entries_crc].map(u32::to_le_bytes);
        field::put(&mut header, 80, sizes.as_flattened());
        let crc = CRC32.checksum(header.get(..HEADER_BYTES).unwrap_or_default());
        field::put(&mut header, 16, &crc.to_le_bytes());
        header
    }
}

/// One entry of type EE from block 1 to `last`, or as far as 32 bits go.
fn protective_mbr(last: u64, block: usize) -> Vec<u8> {
    let mut sector = vec![0; block];
    let count = u32::try_from(last).unwrap_or(u32::MAX);
    let entry = [0, 0, 2, 0, PROTECTIVE, 0xFF, 0xFF, 0xFF, 1, 0, 0, 0];
    field::put(&mut sector, 0x1BE, &entry);
    field::put(&mut sector, 0x1CA, &count.to_le_bytes());
    field::put(&mut sector, 510, &[0x55, 0xAA]);
    sector
}
