//! The text of `/proc/partitions` (formats.md section 4.2): block devices and their sizes in KiB, no names.
//!
//! `mtdblockN` are the partitions of a NAND in flash order, so their starts are the sums of the sizes. Of
//! `mmcblk0pN` only the sizes are known.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::error::{Fault, MapError};
use super::lines::{Line, Token, decimal, lines, printable, quoted};
use super::{MOST_PARTITIONS, Map, Partition, Region, Size, Source, StartIs, Storage};

/// Parses text that has the heading of `/proc/partitions` in it.
pub(super) fn parse(text: &[u8]) -> Result<Map, MapError> {
    let mut map = Map::new(Source::ProcPartitions);
    let mut end = Line { number: 1, bytes: b"" };
    let mut next_start = 0_u64;
    for line in lines(text) {
        end = line;
        let words: Vec<Token<'_>> = line.tokens().take(5).collect();
        let [major, minor, blocks, name] = words.as_slice() else {
            // A prompt, or nothing. The heading has four words, and so has no other line that matters.
            continue;
        };
        if major.bytes == b"major" || !major.bytes.iter().all(u8::is_ascii_digit) {
            continue;
        }
        let read = |word: &Token<'_>| decimal(word.bytes).map_err(|what| line.fault(word.column, what));
        read(minor)?;
        let too_large = || line.fault(blocks.column, Fault::TooLarge(quoted(Some(*blocks)), 64));
        let size = read(blocks)?.checked_mul(1024).ok_or_else(too_large)?;
        let device = core::str::from_utf8(name.bytes)
            .ok()
            .filter(|it| super::names::is_sane(it))
            .ok_or_else(|| line.fault(name.column, Fault::BadName(printable(name.bytes))))?;
        if map.partitions.len() == MOST_PARTITIONS {
            return Err(line.fault(1, Fault::TooMany(MOST_PARTITIONS)));
        }
        let mut partition = Partition::new(device.to_owned(), 0, Size::Stated(size), line.number);
        partition.details.device = Some(device.to_owned());
        if device.starts_with("mtdblock") {
            partition.storage = Storage::Nand;
            (partition.start, partition.start_is) = (next_start, StartIs::FromSizes);
            next_start = next_start.checked_add(size).ok_or_else(too_large)?;
        } else if is_partition_of_mmc(device) {
            (partition.storage, partition.region) = (Storage::Emmc, Region::User);
            partition.start_is = StartIs::Unknown;
        } else {
            // Whole devices, loop and ram disks are no partitions of the phone's flash.
            continue;
        }
        map.partitions.push(partition);
    }
    if map.partitions.is_empty() {
        return Err(end.fault(1, Fault::Empty));
    }
    map.notes.extend(nameless(&map.partitions));
    Ok(map)
}

/// How the note of [`nameless`] begins.
pub(super) const NAMELESS: &str = "the names are those of block devices";

/// A note about partitions that go by their block device, if there are any.
pub(super) fn nameless(partitions: &[Partition]) -> Option<String> {
    let count = partitions.iter().filter(|it| it.details.device.as_ref() == Some(&it.name)).count();
    (count > 0)
        .then(|| format!("{NAMELESS}; what mount or a by-name folder prints has those of {count} partitions"))
}

/// `mmcblk0p7` and the like.
fn is_partition_of_mmc(device: &str) -> bool {
    device
        .strip_prefix("mmcblk0p")
        .is_some_and(|it| !it.is_empty() && it.bytes().all(|it| it.is_ascii_digit()))
}
