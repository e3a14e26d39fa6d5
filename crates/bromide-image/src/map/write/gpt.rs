//! A map as a GUID partition table, for the user area of an eMMC or the third logical unit of a UFS (formats.md
//! section 5.3). The table lists partitions; itself, and what lies in its place, it does not.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::{Item, Starts, about, items, tells_more};
use crate::map::model::{Details, Map, Partition, Region, StartIs, Storage};
use crate::map::tables::{
    KEY_ATTRIBUTES, KEY_DISK_GUID, KEY_GUID, KEY_INDEX, KEY_SLOTS, KEY_TYPE, SLOTS, is_table_key,
};
use crate::table::gpt::{self, Guid, NAME_UNITS, Table, WriteError};

/// Bytes sgdisk gives the protective MBR and each header in its backup file, whatever the blocks are.
const SAVED: usize = 512;

/// A map as a GUID partition table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrittenGpt {
    /// The first and the last bytes of the device.
    pub table: gpt::Written,
    /// Bytes of a block: 512 on eMMC, 4096 on UFS.
    pub block_bytes: u32,
    /// What the table cannot hold, and what had to be assumed, as sentences for people.
    pub remarks: Vec<String>,
    /// How many partitions the table holds.
    pub entries: usize,
}

impl WrittenGpt {
    /// The table as `sgdisk --load-backup` takes it: protective MBR, both headers, entries.
    #[must_use]
    pub fn for_sgdisk(&self) -> Vec<u8> {
        let block = usize::try_from(self.block_bytes).unwrap_or(SAVED);
        let primary = &self.table.primary;
        let behind = |at: usize| primary.get(at..).unwrap_or_default();
        let backup_header = self.table.backup.len().saturating_sub(block);
        let mut file = Vec::new();
        for part in
            [primary.as_slice(), behind(block), self.table.backup.get(backup_header..).unwrap_or_default()]
        {
            file.extend(part.iter().take(SAVED));
        }
        file.extend(behind(block.saturating_mul(2)));
        file
    }
}

/// Why a map cannot be a GUID partition table.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GptMapError {
    /// Two devices have two tables.
    #[error("the map is of eMMC and of UFS, which have a table each")]
    SeveralStorages,
    /// Nothing in it is known to lie where a GPT could tell of it.
    #[error(
        "no partition of the map is known to lie in the user area of an eMMC or in the third unit of a UFS"
    )]
    Nothing,
    /// The partitions contradict each other or the device.
    #[error(transparent)]
    Table(#[from] WriteError),
}

/// Writes the partitions of a map as a table for a device of `flash_size` bytes: the user area of an eMMC, or the
/// third logical unit of a UFS.
///
/// # Errors
/// Nothing to be held, overlaps, or a device of no whole number of blocks or too small.
pub fn write_gpt(map: &Map, flash_size: u64) -> Result<WrittenGpt, GptMapError> {
    let holds = |storage, region: &Region| match storage {
        Storage::Emmc | Storage::Sd => *region == Region::User,
        Storage::Ufs => *region == Region::UfsLu(2),
        Storage::Nand | Storage::Nor | Storage::Unknown => false,
    };
    let held = map.partitions.iter().filter(|it| holds(it.storage, &it.region));
    let storages: Vec<Storage> = held.map(|it| it.storage).collect();
    let storage = *storages.first().ok_or(GptMapError::Nothing)?;
    if storages.iter().any(|it| *it != storage) {
        return Err(GptMapError::SeveralStorages);
    }
    let block_bytes = if storage == Storage::Ufs { 4096 } else { 512 };
    let mut table = Table::new(block_bytes, flash_size, Vec::new());
    table.first_usable = first_usable(map, block_bytes).max(table.first_usable);
    let mut writer = Writer {
        starts: Starts::of(map),
        block: u64::from(block_bytes),
        flash_size,
        table,
        left: Default::default(),
    };
    for item in items(map) {
        let (at, region) = match item {
            Item::Partition(it) => (it.storage, &it.region),
            Item::Reserved(it) => (it.storage, &it.region),
        };
        if at == storage && holds(at, region) {
            writer.item(map, item);
        } else {
            let name = match item {
                Item::Partition(it) => &it.name,
                Item::Reserved(it) => &it.name,
            };
            writer.left.elsewhere.push(name);
        }
    }
    writer.finish(map)
}

/// Behind the room a phone gives the table, where the map tells it.
fn first_usable(map: &Map, block_bytes: u32) -> u64 {
    let room = map.partitions.iter().find(|it| it.name.eq_ignore_ascii_case("PGPT") && it.start == 0);
    let end = room.and_then(Partition::end).unwrap_or(0);
    end.checked_div(u64::from(block_bytes)).unwrap_or(0)
}

/// Names of what the table does not hold, by reason.
#[derive(Default)]
struct Left<'a> {
    elsewhere: Vec<&'a str>,
    unplaced: Vec<&'a str>,
    table_itself: Vec<&'a str>,
    unfit: Vec<&'a str>,
    at_the_end: Vec<&'a str>,
    /// Held, but with a GUID that was not in the map.
    named: usize,
}

struct Writer<'a> {
    starts: Starts<'a>,
    block: u64,
    flash_size: u64,
    table: Table,
    left: Left<'a>,
}

impl<'a> Writer<'a> {
    /// First byte partitions may use, and the first behind those.
    fn usable(&self) -> (u64, u64) {
        let bytes = |blocks: u64| blocks.saturating_mul(self.block);
        (bytes(self.table.first_usable), bytes(self.table.last_usable.saturating_add(1)))
    }

    /// Where a partition up to the end ends: before the areas that the table holds, and the backup.
    fn last_end(&self, map: &Map) -> u64 {
        let (_, end) = self.usable();
        let areas = map.reserved.iter().filter(|it| !is_table(&it.name));
        let starts = areas.filter_map(|it| it.place(self.flash_size, map.block_size(it.storage)));
        starts.map(|it| it.0).fold(end, u64::min)
    }

    fn item(&mut self, map: &Map, item: Item<'a>) {
        let (first, end) = self.usable();
        match item {
            Item::Partition(it) if it.start_is == StartIs::Unknown => self.left.unplaced.push(&it.name),
            Item::Partition(it) if is_table(&it.name) || it.start < first => {
                self.left.table_itself.push(&it.name);
            }
            Item::Partition(it) => {
                // One that begins behind the end is no partition of this device, which the table refuses.
                let rest = || self.last_end(map).saturating_sub(it.start).max(self.block);
                let size = self.starts.size(it).unwrap_or_else(rest);
                self.entry(&it.name, it.start, size, &it.details);
            }
            Item::Reserved(it) if is_table(&it.name) => self.left.table_itself.push(&it.name),
            Item::Reserved(it) => match it.place(self.flash_size, map.block_size(it.storage)) {
                Some((start, size)) if start.checked_add(size).is_some_and(|it| it <= end) => {
                    self.entry(&it.name, start, size, &it.details);
                }
                _ => self.left.at_the_end.push(&it.name),
            },
        }
    }

    fn entry(&mut self, name: &'a str, start: u64, size: u64, details: &Details) {
        let in_blocks = start.is_multiple_of(self.block) && size.is_multiple_of(self.block) && size > 0;
        if !in_blocks || name.encode_utf16().count() > NAME_UNITS {
            self.left.unfit.push(name);
            return;
        }
        let other = |key: &str| details.other.iter().find(|it| it.0 == key).map(|it| it.1.as_str());
        let guid = other(KEY_GUID).and_then(Guid::parse);
        if guid.is_none() {
            self.left.named = self.left.named.saturating_add(1);
        }
        let stated = other(KEY_INDEX).and_then(|it| it.parse().ok()).filter(|it| *it > 0);
        let free = |index: &u32| self.table.partitions.iter().all(|it| it.index != *index);
        let next = || self.table.partitions.iter().map(|it| it.index).max().unwrap_or(0).saturating_add(1);
        let index = stated.filter(free).unwrap_or_else(next);
        let attributes = other(KEY_ATTRIBUTES).and_then(|it| it.strip_prefix("0x"));
        self.table.partitions.push(gpt::Partition {
            index,
            name: name.to_owned(),
            start,
            size,
            kind: other(KEY_TYPE).and_then(Guid::parse).unwrap_or(Guid::BASIC_DATA),
            guid: guid.unwrap_or_else(|| guid_of(name, start)),
            attributes: attributes.and_then(|it| u64::from_str_radix(it, 16).ok()).unwrap_or(0),
        });
    }

    fn finish(self, map: &Map) -> Result<WrittenGpt, GptMapError> {
        let Self { mut table, left, flash_size, .. } = self;
        let header = |key: &str| map.other.iter().find(|it| it.0 == key).map(|it| it.1.as_str());
        table.disk_guid = header(KEY_DISK_GUID).and_then(Guid::parse).unwrap_or_default();
        let used = table.partitions.iter().map(|it| it.index).max().unwrap_or(0);
        let slots = header(KEY_SLOTS).and_then(|it| it.parse().ok()).filter(|it| *it <= SLOTS);
        table.slots = slots.unwrap_or(SLOTS).max(used);
        let entries = table.partitions.len();
        if entries == 0 {
            return Err(GptMapError::Nothing);
        }
        let mut remarks = Vec::new();
        remarks.extend(about(&left.elsewhere, "left out: a GPT tells of the user area (or third unit) only"));
        remarks.extend(about(&left.unplaced, "left out, since their place cannot be stated"));
        remarks.extend(about(&left.table_itself, "left out: that is where the table itself lies"));
        remarks.extend(about(
            &left.at_the_end,
            "left out: at the end of the device, where the backup of the table lies",
        ));
        remarks.extend(about(&left.unfit, "left out: no whole blocks, or a name longer than 36 letters"));
        if left.named > 0 {
            remarks.push(format!(
                "{} partitions have a GUID made of their name and start, since the map has none",
                left.named
            ));
        }
        let unheld = |it: &Partition| it.details.other.iter().any(|it| !is_table_key(&it.0));
        if map.partitions.iter().any(|it| tells_more(map, it) || unheld(it)) {
            remarks.push("types, file names and what is downloaded have no place here".to_owned());
        }
        let block_bytes = table.block_bytes;
        Ok(WrittenGpt { table: table.write(flash_size)?, block_bytes, remarks, entries })
    }
}

fn is_table(name: &str) -> bool {
    ["PGPT", "SGPT", "GPT", "MBR", "EBR1", "EBR2"].iter().any(|it| it.eq_ignore_ascii_case(name))
}

/// A GUID that is the same for the same name and start, and marked as one of no standard kind (version 8). The mixing
/// is FNV-1a of 128 bits.
fn guid_of(name: &str, start: u64) -> Guid {
    let mut mixed = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d_u128;
    for byte in name.bytes().chain(start.to_le_bytes()) {
        mixed = (mixed ^ u128::from(byte)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b);
    }
    let mut bytes = mixed.to_le_bytes();
    // Version and variant, in the order on flash.
    let [_, _, _, _, _, _, _, version, variant, ..] = &mut bytes;
    *version = (*version & 0x0f) | 0x80;
    *variant = (*variant & 0x3f) | 0x80;
    Guid(bytes)
}
