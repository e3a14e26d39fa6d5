//! What `gdisk -l` prints of a GPT: first and last sector of every partition.
//!
//! ```text
//! Sector size (logical): 512 bytes
//! Number  Start (sector)    End (sector)  Size       Code  Name
//!    1            1024            7167   3.0 MiB     0700  proinfo
//! ```

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::vec::Vec;

use super::error::{Fault, MapError};
use super::lines::{Line, Token, decimal, lines, printable, quoted};
use super::{MOST_PARTITIONS, Map, Partition, Region, Size, Source, Storage, names};

/// Bytes of a sector where the listing does not say; that of eMMC.
const SECTOR: u64 = 512;

/// Parses text that has the heading of the listing in it.
pub(super) fn parse(text: &[u8]) -> Result<Map, MapError> {
    let mut map = Map::new(Source::Gdisk);
    let mut sector = SECTOR;
    let mut in_table = false;
    let mut end = Line { number: 1, bytes: b"" };
    for line in lines(text) {
        end = line;
        let words: Vec<Token<'_>> = line.tokens().take(8).collect();
        if let Some(stated) = sector_size(&words) {
            sector = stated;
        }
        let Some(first) = words.first() else { continue };
        in_table |= first.bytes == b"Number";
        if !in_table || !first.bytes.iter().all(u8::is_ascii_digit) {
            continue;
        }
        if map.partitions.len() == MOST_PARTITIONS {
            return Err(line.fault(1, Fault::TooMany(MOST_PARTITIONS)));
        }
        map.partitions.push(row(line, &words, sector)?);
    }
    if map.partitions.is_empty() {
        return Err(end.fault(1, Fault::Empty));
    }
    Ok(map)
}

/// `Sector size (logical): 512 bytes`, newer `Sector size (logical/physical): 512/512 bytes`.
fn sector_size(words: &[Token<'_>]) -> Option<u64> {
    let mut words = words.iter().map(|it| it.bytes);
    if (words.next(), words.next()) != (Some(b"Sector"), Some(b"size")) {
        return None;
    }
    let number = words.nth(1)?.split(|it| *it == b'/').next()?;
    decimal(number).ok().filter(|it| *it > 0)
}

fn row(line: Line<'_>, words: &[Token<'_>], sector: u64) -> Result<Partition, MapError> {
    let word = |at: usize, wanted| {
        words
            .get(at)
            .ok_or_else(|| line.fault(line.end_column(), Fault::Expected { wanted, found: quoted(None) }))
    };
    let number = |at, wanted| {
        let word = word(at, wanted)?;
        decimal(word.bytes).map_err(|what| line.fault(word.column, what))
    };
    let (first, last) = (number(1, "the first sector")?, number(2, "the last sector")?);
    let sectors = last.checked_sub(first).and_then(|it| it.checked_add(1));
    let bytes = |it: u64| it.checked_mul(sector);
    let place = (bytes(first), sectors.and_then(bytes));
    let (Some(start), Some(size)) = place else {
        let last = word(2, "the last sector")?;
        let found = quoted(Some(*last));
        return Err(line.fault(last.column, Fault::Expected { wanted: "a sector behind the first", found }));
    };
    // Size and its unit are two words, then the type; the name is the rest of the line and may be missing.
    word(5, "the type code")?;
    let at =
        words.get(6).map_or(line.bytes.len(), |it| usize::try_from(it.column.saturating_sub(1)).unwrap_or(0));
    let raw = line.bytes.get(at..).unwrap_or_default().trim_ascii();
    let device = format!("mmcblk0p{}", number(0, "the number")?);
    let name = match core::str::from_utf8(raw).ok() {
        Some("") => device.clone(),
        Some(name) if names::is_sane(name) => name.to_owned(),
        _ => return Err(line.fault(super::lines::column(at), Fault::BadName(printable(raw)))),
    };
    let mut partition = Partition::new(name, start, Size::Stated(size), line.number);
    // Sectors of 512 bytes are those of eMMC; UFS has 4096 (formats.md section 2.4).
    if sector == SECTOR {
        (partition.storage, partition.region) = (Storage::Emmc, Region::User);
        partition.details.device = Some(device);
    } else {
        (partition.storage, partition.region) = (Storage::Ufs, Region::UfsLu(2));
    }
    Ok(partition)
}
