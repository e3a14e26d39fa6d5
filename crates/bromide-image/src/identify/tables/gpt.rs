//! GUID partition tables: every copy there is, and what is wrong with it (formats.md section 5.3).

use alloc::string::ToString;
use alloc::vec::Vec;

use super::super::fields::{has, wide};
use super::super::{Confidence, Finding, Kind};
use super::{Place, Table, clean, listed, only_medium};
use crate::identify::view::Spot;
use crate::read_at::{ReadAt, ReadError};
use crate::table::gpt::{self, Found, GptError, Warning, Which};

/// The table of the device that begins here. At the start of the file its end is looked at too: a dump may have lost
/// the primary, or be the end of a device alone.
pub(super) fn any(spot: &Spot<'_>) -> Result<Option<Table>, ReadError> {
    let primaries = primaries(spot)?;
    if spot.at != 0 {
        // The block after the protective MBR decides; nothing else begins with it.
        let first = primaries.into_iter().next();
        return Ok(first.map(|found| match found {
            Ok(found) => (alloc::vec![finding(spot, &found)], places(spot, &found)),
            Err(error) => (alloc::vec![unreadable(spot, &error)], Vec::new()),
        }));
    }
    let best = match gpt::read(spot) {
        Ok(best) => best,
        Err(GptError::NoSignature) => return Ok(None),
        Err(GptError::Read(error)) => return only_medium(error).map(|()| None),
        Err(error) => return Ok(Some((alloc::vec![unreadable(spot, &error)], Vec::new()))),
    };
    let mut copies: Vec<Found> = primaries.into_iter().filter_map(Result::ok).collect();
    copies.extend(backup(spot, &best));
    copies.retain(|it| it.header_at != best.header_at);
    let told = finding(spot, &best);
    let own =
        |it: &&Warning| matches!(it, Warning::BackupOutside { .. } | Warning::Missing(_) | Warning::Differ);
    let between: Vec<_> = best.warnings.iter().filter(own).map(ToString::to_string).collect();
    let told = if between.is_empty() { told } else { told.text("copies", between.join("; ")) };
    let mut findings = alloc::vec![told];
    findings.extend(copies.iter().map(|it| finding(spot, it)));
    // The scan goes on behind what begins here.
    findings.sort_by_key(|it| it.offset);
    Ok(Some((findings, places(spot, &best))))
}

/// The primary in blocks of 512 and 4096 bytes, where there is one.
fn primaries(spot: &Spot<'_>) -> Result<Vec<Result<Found, GptError>>, ReadError> {
    let mut found = Vec::new();
    for block in gpt::BLOCK_SIZES {
        // Other places than the first are looked at in thousands: only behind a protective MBR a block is read.
        let behind_mbr = spot.at == 0 || block == 512 || spot.has(0x1FE, &[0x55, 0xAA]);
        if (block == 512 && !has(&spot.head, 512, b"EFI PART")) || !behind_mbr {
            continue;
        }
        match gpt::read_copy(spot, Which::Primary, block, block.into()) {
            Err(GptError::Read(error)) => only_medium(error)?,
            Err(GptError::NoSignature) => {}
            other => found.push(other),
        }
    }
    Ok(found)
}

/// The backup, where the best copy says or at the end of the file.
fn backup(spot: &Spot<'_>, best: &Found) -> Option<Found> {
    let block = best.table.block_bytes;
    let ends = [best.device_bytes, spot.len()];
    let at = ends.into_iter().filter_map(|end| end.checked_sub(block.into()));
    at.into_iter().find_map(|at| gpt::read_copy(spot, Which::Backup, block, at).ok())
}

fn finding(spot: &Spot<'_>, found: &Found) -> Finding {
    let table = &found.table;
    let block = u64::from(table.block_bytes);
    let entries = u64::from(table.slots).saturating_mul(table.entry_bytes.into());
    let entries_end = found.entries_at.saturating_add(entries);
    let header_end = found.header_at.saturating_add(block);
    // The primary takes in the protective MBR before it.
    let from = match found.which {
        Which::Primary => 0,
        Which::Backup => found.entries_at.min(found.header_at),
    };
    let says = |wrong: bool| if wrong { "wrong" } else { "right" };
    let any = |what: fn(&Warning) -> bool| found.warnings.iter().any(what);
    let header_wrong = any(|it| matches!(it, Warning::HeaderCrc(_) | Warning::HeaderBytes { .. }));
    let cut = any(|it| matches!(it, Warning::Cut { .. }));
    let table_crc = if cut { "cut short" } else { says(any(|it| matches!(it, Warning::TableCrc(_)))) };
    let names = listed(table.partitions.iter().map(|it| clean(&it.name)));
    let told = Finding::new(
        spot.at.saturating_add(from),
        Kind::Gpt,
        if header_wrong { Confidence::Likely } else { Confidence::Certain },
    )
    .long(entries_end.max(header_end).saturating_sub(from))
    .text("copy", found.which.to_string())
    .number("block", block)
    .number("entries", table.slots)
    .text("header_crc", says(header_wrong))
    .text("table_crc", table_crc)
    .number("device_bytes", found.device_bytes)
    .number("partitions", wide(table.partitions.len()))
    .text("names", names);
    let odd = |it: &&Warning| {
        matches!(it, Warning::Misplaced { .. } | Warning::Extent { .. } | Warning::Name { .. })
    };
    let odd: Vec<_> = found.warnings.iter().filter(odd).take(MOST_ODD).map(ToString::to_string).collect();
    if odd.is_empty() { told } else { told.text("odd", odd.join("; ")) }
}

/// Most oddities told of one copy: a hostile one has one in each entry.
const MOST_ODD: usize = 8;

fn unreadable(spot: &Spot<'_>, error: &GptError) -> Finding {
    spot.finding(Kind::Gpt, Confidence::Likely).text("damage", error.to_string())
}

fn places(spot: &Spot<'_>, found: &Found) -> Vec<Place> {
    let place = |it: &gpt::Partition| Place { at: spot.at.saturating_add(it.start), name: clean(&it.name) };
    found.table.partitions.iter().map(place).collect()
}
