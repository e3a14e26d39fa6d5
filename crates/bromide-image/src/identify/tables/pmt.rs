//! MediaTek's own table: in NAND pages, or as a record of 2048 or 4096 bytes of eMMC phones (formats.md section 5.1).

use alloc::string::ToString;
use alloc::vec::Vec;

use super::super::fields::{has, wide};
use super::super::{Confidence, Form, Kind};
use super::{Place, Table, listed, only_medium};
use crate::identify::view::Spot;
use crate::read_at::ReadError;
use crate::table::pmt::nand::PageShape;
use crate::table::pmt::{self, Info, PmtError, Which, emmc, nand};

/// Pages of NAND and how many of them make a block: those of the phones that have this table.
const PAGE: usize = 2048;
const PAGES: usize = 64;
const BLOCK: u64 = 128 << 10;

/// Blocks of the pool at the end of a NAND chip unless a project says otherwise; the table and its mirror are before.
const POOL: u64 = 80;

/// Free bytes of a page's spare area that [`Spot::free`] gives.
const FREE: usize = 25;

/// A table, how sure it is one, its bytes where they are known, and how far behind this place its newest copy lies.
type Read = (pmt::Table, Confidence, Option<u64>, u64);

/// The table that begins here.
pub(super) fn any(spot: &Spot<'_>) -> Result<Option<Table>, ReadError> {
    let Some(which) = Which::of(&spot.head) else { return Ok(None) };
    let said = match which {
        Which::Pt => "primary",
        Which::Mpt => "mirror",
    };
    let found = spot.finding(Kind::Pmt, Confidence::Possible);
    let (table, confidence, length, newest) = match read(spot)? {
        Ok(read) => read,
        Err(error) => {
            let found = found.text("copy", said).text("damage", error.to_string());
            return Ok(Some((alloc::vec![found], Vec::new())));
        }
    };
    let mut found = super::Finding { confidence, length, ..found }
        .text("copy", said)
        .number("entry_bytes", wide(table.width.bytes()))
        .number("partitions", wide(table.partitions.len()))
        .text("names", listed(table.partitions.iter().map(|it| it.name.clone())));
    if newest > 0 {
        found = found.hex("newest_copy", spot.at.saturating_add(newest));
    }
    let odd: Vec<_> = table.warnings.iter().map(ToString::to_string).collect();
    if !odd.is_empty() {
        found = found.text("odd", odd.join("; "));
    }
    // Entries count from the start of the chip, so they are places only in a dump of all of it.
    let place = |it: pmt::Partition| Place { at: it.start, name: it.name };
    let places = if spot.at == 0 { Vec::new() } else { table.partitions.into_iter().map(place).collect() };
    Ok(Some((alloc::vec![found], places)))
}

/// Reads the table in whichever form it closes, else as NAND pages.
fn read(spot: &Spot<'_>) -> Result<Result<Read, PmtError>, ReadError> {
    let record = spot.bytes(0, emmc::LATE_BYTES)?;
    if has(&record, 4, b"1.0\0")
        && let Ok(table) = emmc::read_late(&record)
    {
        return Ok(Ok((table, Confidence::Certain, Some(wide(emmc::LATE_BYTES)), 0)));
    }
    if let Ok(table) = emmc::read(&record) {
        // The update state stands before the second signature.
        let info = record.get(emmc::RECORD_BYTES.saturating_sub(8)..).and_then(|it| it.first_chunk());
        let goes_on = info.is_some_and(|it| Info(*it).continues());
        let two = goes_on && !table.warnings.contains(&pmt::Warning::NoSecondRecord);
        let records = if two { 2_u64 } else { 1 };
        let length = wide(emmc::RECORD_BYTES).saturating_mul(records);
        return Ok(Ok((table, Confidence::Certain, Some(length), 0)));
    }
    let (pages, shape) = block(spot)?;
    let found = match nand::find(&pages, shape) {
        Ok(found) => found,
        Err(error) => return Ok(Err(error)),
    };
    let Some(best) = found.best() else { return Ok(Err(PmtError::NoSignature)) };
    let stride = wide(shape.main.saturating_add(shape.free));
    let newest = best.at.checked_div(stride).unwrap_or(0).saturating_mul(wide(PAGE));
    let confidence = if best.table.info.is_some() { Confidence::Certain } else { Confidence::Likely };
    Ok(Ok((best.table.clone(), confidence, None, newest)))
}

/// The pages of the block from here, each with its free spare bytes where the file has any: every write of the table
/// takes the next page, so the newest copy may be any of them.
fn block(spot: &Spot<'_>) -> Result<(Vec<u8>, PageShape), ReadError> {
    let main = spot.bytes(0, PAGE.saturating_mul(PAGES))?;
    let free = !spot.free(0)?.is_empty();
    let shape = PageShape { main: PAGE, free: if free { FREE } else { 0 } };
    if !free {
        return Ok((main, shape));
    }
    let mut pages = Vec::new();
    for (number, page) in main.chunks_exact(PAGE).enumerate() {
        let at = wide(number).saturating_mul(wide(PAGE));
        // Pages that were never written need no look at their spare.
        let mut free = if Which::of(page).is_some() { spot.free(at)? } else { Vec::new() };
        free.resize(FREE, 0xFF);
        pages.extend_from_slice(page);
        pages.extend(free);
    }
    Ok((pages, shape))
}

/// Where the table lies that no other table tells of: before the pool of a NAND chip, or where eMMC phones have it.
/// `device` is the whole file, `after_mbr` whether it begins with an MBR.
pub(in crate::identify) fn hidden(
    device: &Spot<'_>,
    form: Form,
    after_mbr: bool,
) -> Result<Vec<u64>, ReadError> {
    let mut places = Vec::new();
    let len = device.room();
    if form != Form::Plain || (len.is_power_of_two() && len >= 32 << 20) {
        for blocks in [POOL.saturating_add(2), POOL.saturating_add(1)] {
            let at = len.checked_sub(blocks.saturating_mul(BLOCK)).filter(|&at| at > 0);
            if let Some(at) = at
                && Which::of(&device.bytes(at, 4)?).is_some()
            {
                places.push(at);
            }
        }
    }
    if after_mbr && form == Form::Plain {
        match emmc::find(device) {
            Ok(found) => places.extend([found.pt, found.mpt].into_iter().flatten().map(|it| it.at)),
            Err(PmtError::Read(error)) => only_medium(error)?,
            Err(_) => {}
        }
    }
    Ok(places)
}
