//! A listing of a `by-name` folder (formats.md section 4.4): names and the block devices they point to.
//!
//! ```text
//! lrwxrwxrwx 1 root root  20 2015-02-07 09:36 boot -> /dev/block/mmcblk0p7
//! ```

use alloc::borrow::ToOwned;

use super::error::{Fault, MapError};
use super::lines::{Line, lines, printable};
use super::{MOST_PARTITIONS, Map, Partition, Region, Size, Source, StartIs, Storage, names};

/// What every line of such a listing has.
pub(super) const ARROW: &[u8] = b" -> /dev/block/";

/// Parses text that has such a line in it; every other line is skipped.
pub(super) fn parse(text: &[u8]) -> Result<Map, MapError> {
    let mut map = Map::new(Source::ByName);
    let mut end = Line { number: 1, bytes: b"" };
    for line in lines(text) {
        end = line;
        let Some(at) = line.bytes.windows(ARROW.len()).position(|it| it == ARROW) else { continue };
        let (before, after) = line.bytes.split_at_checked(at).unwrap_or_default();
        let name = before.rsplit(u8::is_ascii_whitespace).next().unwrap_or_default();
        let target = after.get(4..).unwrap_or_default().trim_ascii();
        let column = super::lines::column(at.saturating_sub(name.len()));
        let sane = |it: &[u8]| {
            core::str::from_utf8(it).ok().filter(|it| !it.contains(char::is_control)).map(ToOwned::to_owned)
        };
        let text = sane(name).filter(|it| names::is_sane(it));
        let text = text.ok_or_else(|| line.fault(column, Fault::BadName(printable(name))))?;
        let target = sane(target).ok_or_else(|| line.fault(column, Fault::BadValue))?;
        if map.partitions.len() == MOST_PARTITIONS {
            return Err(line.fault(1, Fault::TooMany(MOST_PARTITIONS)));
        }
        let device = base(&target);
        let mut partition = Partition::new(text, 0, Size::Unknown, line.number);
        partition.start_is = StartIs::Unknown;
        (partition.storage, partition.region) = place(device);
        partition.details.device = Some(device.to_owned());
        map.partitions.push(partition);
    }
    if map.partitions.is_empty() {
        return Err(end.fault(1, Fault::Empty));
    }
    map.notes.push("a by-name listing has neither starts nor sizes".to_owned());
    Ok(map)
}

/// The last part of a path.
pub(super) fn base(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// Where a block device lies, as far as its name tells.
fn place(device: &str) -> (Storage, Region) {
    if device.starts_with("mtd") {
        (Storage::Nand, Region::Whole)
    } else if device.starts_with("mmcblk0boot0") {
        (Storage::Emmc, Region::Boot1)
    } else if device.starts_with("mmcblk0boot1") {
        (Storage::Emmc, Region::Boot2)
    } else if device.starts_with("mmcblk0") {
        (Storage::Emmc, Region::User)
    } else if device.starts_with("sda") {
        (Storage::Ufs, Region::UfsLu(0))
    } else if device.starts_with("sdb") {
        (Storage::Ufs, Region::UfsLu(1))
    } else if device.starts_with("sdc") {
        (Storage::Ufs, Region::UfsLu(2))
    } else {
        (Storage::Unknown, Region::Whole)
    }
}
