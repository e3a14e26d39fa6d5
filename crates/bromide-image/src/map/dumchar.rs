//! The text of `/proc/dumchar_info` (formats.md section 4.3): names, sizes, and on eMMC the starts in the user area.
//!
//! ```text
//! Part_Name    Size               StartAddr         Type   MapTo
//! android      0x0000000020100000 0x00000000020e8000   2   /dev/block/mmcblk0p3
//! ```
//!
//! On NAND (type 1) the third column is the number of the mtd device, and the starts are the sums of the sizes.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::vec::Vec;

use super::error::{Fault, MapError};
use super::lines::{Line, Token, lines, prefixed_hex, printable, quoted};
use super::{
    MOST_PARTITIONS, Map, Partition, Region, Reserved, Size, Source, StartIs, Storage, by_name, names,
};

const HOW_HEX: &str = "/proc/dumchar_info has it (0x12700000)";

/// The pool's number is a sentinel less the linear address of the user area, whose low half is 0 (formats.md section
/// 4.3): that comes behind the boot partitions and the RPMB, which take less than 64 MiB.
const SENTINELS: core::ops::RangeInclusive<u64> = 0xFC00_0000..=0xFFFF_FFFF;
const SENTINEL_BLOCKS: u64 = 0xFFFF;

/// Parses text that has a line or the heading of `/proc/dumchar_info` in it.
pub(super) fn parse(text: &[u8]) -> Result<Map, MapError> {
    let mut map = Map::new(Source::DumcharInfo);
    let mut end = Line { number: 1, bytes: b"" };
    let mut mtd: Vec<(u64, Partition)> = Vec::new();
    for line in lines(text) {
        end = line;
        let Some(row) = Row::read(line)? else { continue };
        let count = map.partitions.len().saturating_add(map.reserved.len()).saturating_add(mtd.len());
        if count == MOST_PARTITIONS {
            return Err(line.fault(1, Fault::TooMany(MOST_PARTITIONS)));
        }
        if row.partition.name.eq_ignore_ascii_case("bmtpool") {
            pool(&mut map, row);
        } else if row.nand {
            mtd.push((row.third, row.partition));
        } else {
            map.partitions.push(row.partition);
        }
    }
    nand(&mut map, mtd, end)?;
    if map.partitions.is_empty() {
        return Err(end.fault(1, Fault::Empty));
    }
    Ok(map)
}

/// The bad-block pool. On NAND nothing is said of its place; on eMMC the low 16 bits of a sentinel count blocks from
/// the end. A number of another form is an address where a size is stated, and nothing where none is.
fn pool(map: &mut Map, row: Row) {
    let Row { partition: it, third, nand } = row;
    let size = match it.size {
        Size::Stated(size) if size > 0 => Some(size),
        _ => None,
    };
    let sentinel = SENTINELS.contains(&third);
    let blocks = u32::try_from(third & SENTINEL_BLOCKS).unwrap_or(0);
    if size.is_some() && !nand && !sentinel && third > 0 {
        map.partitions.push(it);
        return;
    }
    if nand || !sentinel || (blocks == 0 && size.is_none()) {
        map.notes
            .push(format!("line {}: nothing is said of the place of {}; it is left out", it.line, it.name));
        return;
    }
    let mut reserved = Reserved::new(it.name, blocks, it.line);
    (reserved.size, reserved.storage, reserved.region) = (size, it.storage, it.region);
    reserved.details.device = it.details.device;
    map.reserved.push(reserved);
}

/// NAND partitions get their starts in the order of their mtd numbers.
fn nand(map: &mut Map, mut mtd: Vec<(u64, Partition)>, end: Line<'_>) -> Result<(), MapError> {
    mtd.sort_by_key(|it| it.0);
    let mut start = 0_u64;
    for (due, (found, mut partition)) in (0_u64..).zip(mtd) {
        if found != due {
            return Err(Line { number: partition.line, ..end }.fault(1, Fault::MtdMissing { found, due }));
        }
        partition.start = start;
        partition.start_is = StartIs::FromSizes;
        if let Size::Stated(size) = partition.size {
            let too_large = || end.fault(1, Fault::TooLarge("the sum of the sizes".to_owned(), 64));
            start = start.checked_add(size).ok_or_else(too_large)?;
        }
        map.partitions.push(partition);
    }
    Ok(())
}

struct Row {
    partition: Partition,
    /// The third column.
    third: u64,
    nand: bool,
}

impl Row {
    /// None for lines without two hexadecimal columns: heading, explanations below the table, prompts.
    fn read(line: Line<'_>) -> Result<Option<Self>, MapError> {
        let mut words = line.tokens();
        let (Some(name), Some(size), Some(third)) = (words.next(), words.next(), words.next()) else {
            return Ok(None);
        };
        let is_hex = |it: &Token<'_>| it.bytes.starts_with(b"0x") || it.bytes.starts_with(b"0X");
        if !is_hex(&size) || !is_hex(&third) {
            return Ok(None);
        }
        let kind = words.next();
        let nand = match kind.map(|it| it.bytes) {
            Some(b"1") => true,
            Some(b"2") => false,
            _ => {
                let column = kind.map_or(line.end_column(), |it| it.column);
                let what = Fault::Expected { wanted: "type 1 (NAND) or 2 (eMMC)", found: quoted(kind) };
                return Err(line.fault(column, what));
            }
        };
        let read = |word: Token<'_>| {
            prefixed_hex(word.bytes, 64, HOW_HEX).map_err(|what| line.fault(word.column, what))
        };
        let (size, start) = (read(size)?, read(third)?);
        let text = core::str::from_utf8(name.bytes).ok().filter(|it| names::is_sane(it));
        let text = text.ok_or_else(|| line.fault(name.column, Fault::BadName(printable(name.bytes))))?;
        let device = words.next().and_then(|it| core::str::from_utf8(it.bytes).ok()).map(by_name::base);
        let region = match (nand, words.next().map(|it| it.bytes), device) {
            (true, _, _) => Region::Whole,
            (_, Some(b"BOOT_1"), _) | (_, None, Some("misc-sd")) => Region::Boot1,
            (_, Some(b"BOOT_2"), _) => Region::Boot2,
            (_, Some(b"USER") | None, _) => Region::User,
            (_, Some(other), _) => Region::Other(printable(other)),
        };
        let start = if nand { 0 } else { start };
        let mut partition = Partition::new(text.to_owned(), start, Size::Stated(size), line.number);
        partition.storage = if nand { Storage::Nand } else { Storage::Emmc };
        partition.region = region;
        partition.details.device = device.map(ToOwned::to_owned);
        Ok(Some(Self { partition, third: read(third)?, nand }))
    }
}
