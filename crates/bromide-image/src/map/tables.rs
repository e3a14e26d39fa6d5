//! Maps out of the tables on the flash itself (formats.md sections 5.1 to 5.3).
//!
//! The line of a partition is its place in the table, from 1. A name that no file could have is changed, and a note
//! says so: names of these maps become names of files. Nothing else is mended.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;

use super::{MOST_PARTITIONS, Map, Partition, Region, Reserved, Size, Source, Storage, names};
use crate::table::{Length, gpt, mbr, pmt};

/// Starts from here to the end of 32 bits are block counts from the end of the device (formats.md section 3.2).
const SENTINELS: core::ops::RangeInclusive<u64> = 0xFFFF_0000..=0xFFFF_FFFF;

/// Keys under which a map keeps what only a table on flash has; no other kind of file than JSON holds them.
pub(super) const KEY_SLOTS: &str = "gpt_slots";
pub(super) const KEY_DISK_GUID: &str = "gpt_disk_guid";
pub(super) const KEY_INDEX: &str = "gpt_index";
pub(super) const KEY_TYPE: &str = "gpt_type";
pub(super) const KEY_GUID: &str = "gpt_guid";
pub(super) const KEY_ATTRIBUTES: &str = "gpt_attributes";
const KEY_MASK_FLAGS: &str = "pmt_mask_flags";
const KEY_MBR_TYPE: &str = "mbr_type";
const KEY_MBR_ACTIVE: &str = "mbr_active";

/// Entries of a GPT as everyone else writes it.
pub(super) const SLOTS: u32 = 128;

/// Whether a key is one that only a table on flash has.
pub(super) fn is_table_key(key: &str) -> bool {
    ["gpt_", "mbr_", "pmt_"].iter().any(|prefix| key.starts_with(prefix))
}

/// The map a NAND phone keeps in its PMT. Starts count main-area bytes.
#[must_use]
pub fn of_pmt(partitions: &[pmt::Partition]) -> Map {
    of_pmt_in(partitions, Storage::Nand, &Region::Whole)
}

/// The map an early eMMC phone keeps in its PMT. Starts may count from the first boot partition, as those of the
/// oldest scatter files do: the place of the MBR tells (formats.md section 3.1).
#[must_use]
pub fn of_emmc_pmt(partitions: &[pmt::Partition]) -> Map {
    let mut map = of_pmt_in(partitions, Storage::Emmc, &Region::User);
    let mbr = map.partitions.iter().find(|it| it.name.eq_ignore_ascii_case("MBR")).map(|it| it.start);
    let Some(mbr) = mbr else {
        map.notes.push("the table lists no MBR; its starts are taken to count from the user area".to_owned());
        return map;
    };
    for it in &mut map.partitions {
        if let Some(start) = it.start.checked_sub(mbr) {
            it.linear = (start != it.start).then_some(it.start);
            it.start = start;
        } else {
            it.region = Region::Boot1;
        }
    }
    map
}

fn of_pmt_in(partitions: &[pmt::Partition], storage: Storage, region: &Region) -> Map {
    let mut map = Map::new(Source::Pmt);
    let last = partitions.iter().rfind(|it| !SENTINELS.contains(&it.start)).map(|it| it.index);
    for it in partitions.iter().take(MOST_PARTITIONS) {
        let line = it.index.saturating_add(1);
        let (bare, downloadable) = names::without_prefix(&it.name);
        let name = sane(bare, line, &mut map);
        if SENTINELS.contains(&it.start) {
            let blocks = u32::try_from(it.start & 0xFFFF).unwrap_or(0);
            if storage == Storage::Nand && name.eq_ignore_ascii_case("BMTPOOL") && blocks > 0 {
                map.pool_blocks = map.pool_blocks.or(Some(blocks));
            }
            let mut reserved = Reserved::new(name, blocks, line);
            reserved.size = match it.length {
                Length::Bytes(bytes) if bytes > 0 => Some(bytes),
                Length::Bytes(_) | Length::ToEnd => None,
            };
            (reserved.storage, reserved.region) = (storage, region.clone());
            map.reserved.push(reserved);
            continue;
        }
        let size = match it.length {
            Length::ToEnd => Size::ToEnd,
            Length::Bytes(0) if Some(it.index) == last => {
                map.notes.push(format!("{name} has size 0 and is the last: it is taken to reach to the end"));
                Size::ToEnd
            }
            Length::Bytes(bytes) => Size::Stated(bytes),
        };
        let mut partition = Partition::new(name, it.start, size, line);
        partition.downloadable = downloadable;
        (partition.storage, partition.region) = (storage, region.clone());
        if it.flags != 0 {
            partition.details.other.push((KEY_MASK_FLAGS.to_owned(), format!("{:#x}", it.flags)));
        }
        map.partitions.push(partition);
    }
    map.assume_downloads();
    map
}

/// The map in a GUID partition table. Blocks of 512 bytes are those of eMMC, blocks of 4096 those of UFS.
#[must_use]
pub fn of_gpt(table: &gpt::Table) -> Map {
    let mut map = Map::new(Source::Gpt);
    let (storage, region) = match table.block_bytes {
        4096 => (Storage::Ufs, Region::UfsLu(2)),
        _ => (Storage::Emmc, Region::User),
    };
    if table.slots != SLOTS {
        map.other.push((KEY_SLOTS.to_owned(), format!("{}", table.slots)));
    }
    if !table.disk_guid.is_zero() {
        map.other.push((KEY_DISK_GUID.to_owned(), format!("{}", table.disk_guid)));
    }
    if table.partitions.len() > MOST_PARTITIONS {
        map.notes.push(format!("only the first {MOST_PARTITIONS} partitions of the table are read"));
    }
    for (place, it) in (1_u32..).zip(table.partitions.iter().take(MOST_PARTITIONS)) {
        let device = (storage == Storage::Emmc).then(|| format!("mmcblk0p{}", it.index));
        let name = match &device {
            Some(device) if it.name.trim().is_empty() => device.clone(),
            _ => sane(it.name.trim(), it.index, &mut map),
        };
        let mut partition = Partition::new(name, it.start, Size::Stated(it.size), it.index);
        (partition.storage, partition.region) = (storage, region.clone());
        partition.details.device = device;
        let other = &mut partition.details.other;
        if it.index != place {
            other.push((KEY_INDEX.to_owned(), format!("{}", it.index)));
        }
        if it.kind != gpt::Guid::BASIC_DATA {
            other.push((KEY_TYPE.to_owned(), format!("{}", it.kind)));
        }
        if !it.guid.is_zero() {
            other.push((KEY_GUID.to_owned(), format!("{}", it.guid)));
        }
        if it.attributes != 0 {
            other.push((KEY_ATTRIBUTES.to_owned(), format!("{:#x}", it.attributes)));
        }
        map.partitions.push(partition);
    }
    map.assume_downloads();
    map
}

/// The map in a chain of MBR and EBRs: places without names, so that partitions go by their block devices.
#[must_use]
pub fn of_mbr(chain: &mbr::Chain) -> Map {
    let mut map = Map::new(Source::Mbr);
    map.notes.extend(chain.warnings.iter().map(|it| format!("{it}")));
    map.notes.push("an MBR has no names, and its sizes are about 1 MiB short on these phones".to_owned());
    for it in chain.partitions() {
        let device = format!("mmcblk0p{}", it.number);
        let size = match it.length {
            Length::Bytes(bytes) => Size::Stated(bytes),
            Length::ToEnd => Size::ToEnd,
        };
        let mut partition = Partition::new(device.clone(), it.start, size, it.number);
        (partition.storage, partition.region) = (Storage::Emmc, Region::User);
        partition.details.device = Some(device);
        partition.details.other.push((KEY_MBR_TYPE.to_owned(), format!("{:#04x}", it.kind)));
        if it.active {
            partition.details.other.push((KEY_MBR_ACTIVE.to_owned(), "true".to_owned()));
        }
        map.partitions.push(partition);
    }
    map.assume_downloads();
    map
}

/// The name, changed where it is none a partition can have.
fn sane(name: &str, line: u32, map: &mut Map) -> String {
    if names::is_sane(name) {
        return name.to_owned();
    }
    let plain: String = name.trim().chars().map(|it| if names::is_mischief(it) { '_' } else { it }).collect();
    let plain = match plain.strip_prefix('.') {
        Some(rest) => format!("_{rest}"),
        None if plain.is_empty() => format!("partition{line}"),
        None => plain,
    };
    map.notes.push(format!("entry {line} of the table has a name that is none; it is called {plain} here"));
    plain
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    fn entry(index: u32, name: &str, start: u64, length: Length) -> pmt::Partition {
        pmt::Partition { index, name: name.to_owned(), start, length, flags: 0 }
    }

    #[test]
    fn a_nand_table_gives_names_places_and_the_pool() {
        let map = of_pmt(&[
            entry(0, "PRELOADER", 0, Length::Bytes(0x4_0000)),
            entry(1, "__NODL_NVRAM", 0x10_0000, Length::Bytes(0x30_0000)),
            entry(2, "USRDATA", 0x176A_0000, Length::ToEnd),
            entry(3, "BMTPOOL", 0xFFFF_0050, Length::Bytes(0xA0_0000)),
        ]);
        let rows: Vec<_> = map
            .partitions
            .iter()
            .map(|it| (it.name.as_str(), it.start, it.size, it.downloadable, it.line))
            .collect();
        assert_eq!(
            rows,
            [
                ("PRELOADER", 0, Size::Stated(0x4_0000), true, 1),
                ("NVRAM", 0x10_0000, Size::Stated(0x30_0000), false, 2),
                ("USRDATA", 0x176A_0000, Size::ToEnd, true, 3),
            ]
        );
        assert_eq!((map.source, map.storages()), (Source::Pmt, [Storage::Nand].to_vec()));
        assert_eq!(map.pool_blocks, Some(0x50));
        assert_eq!(map.reserved.first().map(|it| it.size), Some(Some(0xA0_0000)));
    }

    #[test]
    fn a_last_partition_of_size_zero_reaches_to_the_end_and_a_note_says_so() {
        let map =
            of_pmt(&[entry(0, "a", 0, Length::Bytes(0x2_0000)), entry(1, "b", 0x2_0000, Length::Bytes(0))]);
        assert_eq!(map.partitions.last().map(|it| it.size), Some(Size::ToEnd));
        assert!(map.notes.iter().any(|it| it.contains("size 0")));
    }

    #[test]
    fn names_that_would_be_mischief_in_a_file_name_are_changed() {
        let map =
            of_pmt(&[entry(0, "../etc", 0, Length::Bytes(1)), entry(1, "__NODL_/", 1, Length::Bytes(1))]);
        let names: Vec<_> = map.partitions.iter().map(|it| it.name.as_str()).collect();
        assert_eq!(names, ["_._etc", "_"]);
        assert!(names.iter().all(|it| names::is_sane(it)));
        assert_eq!(map.notes.len(), 2);
    }

    #[test]
    fn addresses_of_an_emmc_table_count_from_its_mbr() {
        let map = of_emmc_pmt(&[
            entry(0, "PRELOADER", 0, Length::Bytes(0x4_0000)),
            entry(1, "MBR", 0x60_0000, Length::Bytes(0x4000)),
            entry(2, "ANDROID", 0x26E_8000, Length::Bytes(0x2110_0000)),
        ]);
        let rows: Vec<_> = map.partitions.iter().map(|it| (it.region.clone(), it.start, it.linear)).collect();
        assert_eq!(
            rows,
            [
                (Region::Boot1, 0, None),
                (Region::User, 0, Some(0x60_0000)),
                (Region::User, 0x20E_8000, Some(0x26E_8000)),
            ]
        );
    }
}
