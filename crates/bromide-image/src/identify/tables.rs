//! Tables on the flash, and the places they name (formats.md section 5).

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use bromide_nand::bmt::Bmt;

use super::fields::{byte, crc32, has, is_name, le32, le64, narrow, part, wide};
use super::view::Spot;
use super::{Confidence, Finding, Kind};
use crate::read_at::ReadError;

/// Blocks of a logical unit of eMMC and SD.
const SECTOR: u64 = 512;

/// Most links of an EBR chain (section 5.2).
const MOST_LINKS: usize = 16;

/// Largest entry table read; 128 entries of 128 bytes are 16 KiB.
const LARGEST_TABLE: u64 = 1 << 20;

/// Where a table says that a partition begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) at: u64,
    pub(super) name: String,
}

/// A table and its partitions.
pub(super) type Table = (Finding, Vec<Place>);

/// The table that begins here, in the order of how much each says.
pub(super) fn any(spot: &Spot<'_>) -> Result<Option<Table>, ReadError> {
    if let Some(table) = gpt(spot)? {
        return Ok(Some(table));
    }
    if let Some(table) = pmt(spot)? {
        return Ok(Some(table));
    }
    if let Some(found) = bmt(spot)? {
        return Ok(Some((found, Vec::new())));
    }
    mbr(spot)
}

/// A GPT whose header is the second block from here (512 or 4096 bytes a block).
fn gpt(spot: &Spot<'_>) -> Result<Option<Table>, ReadError> {
    if spot.has(0x200, b"EFI PART") {
        return gpt_at(spot, 512, &spot.bytes(512, 512)?).map(Some);
    }
    // Blocks of 4096 bytes are worth a look only behind a protective MBR.
    if spot.has(0x1FE, &[0x55, 0xAA]) {
        let header = spot.bytes(4096, 512)?;
        if has(&header, 0, b"EFI PART") {
            return gpt_at(spot, 4096, &header).map(Some);
        }
    }
    Ok(None)
}

fn gpt_at(spot: &Spot<'_>, block: u64, header: &[u8]) -> Result<Table, ReadError> {
    let (size, entries, entry) = (le32(header, 12), le32(header, 80), le32(header, 84));
    let mut plain = part(header, 0, narrow(size.into())).to_vec();
    if let Some(field) = plain.get_mut(16..20) {
        field.fill(0);
    }
    let crc = |ok: bool| if ok { "right" } else { "wrong" };
    let header_ok = (92..=512).contains(&size) && crc32(&plain) == le32(header, 16);
    let table_at = le64(header, 72).saturating_mul(block);
    let table_len = u64::from(entries).saturating_mul(entry.into());
    let mut found = spot
        .finding(Kind::Gpt, if header_ok { Confidence::Certain } else { Confidence::Likely })
        .number("block", block)
        .number("entries", entries)
        .text("header_crc", crc(header_ok));
    let mut places = Vec::new();
    if entry >= 128 && table_len <= LARGEST_TABLE {
        let table = spot.bytes(table_at, narrow(table_len))?;
        if wide(table.len()) == table_len {
            found = found.text("table_crc", crc(crc32(&table) == le32(header, 88)));
        } else {
            found = found.text("table_crc", "not in the file");
        }
        places = table.chunks_exact(narrow(entry.into())).filter_map(|it| gpt_place(it, block)).collect();
        found = found.long(table_at.saturating_add(table_len));
    }
    let names: Vec<&str> = places.iter().map(|it| it.name.as_str()).collect();
    Ok((found.number("partitions", wide(places.len())).text("names", names.join(" ")), places))
}

fn gpt_place(entry: &[u8], block: u64) -> Option<Place> {
    if part(entry, 0, 16).iter().all(|&it| it == 0) {
        return None;
    }
    let units = part(entry, 56, 72).as_chunks::<2>().0.iter().map(|it| u16::from_le_bytes(*it));
    let name = char::decode_utf16(units.take_while(|&it| it != 0))
        .map(|c| c.ok().filter(|c| !c.is_control()).unwrap_or('?'))
        .collect();
    Some(Place { at: le64(entry, 32).saturating_mul(block), name })
}

/// An MBR or EBR, and the chain that begins with it.
fn mbr(spot: &Spot<'_>) -> Result<Option<Table>, ReadError> {
    let Some(entries) = mbr_entries(&spot.head) else { return Ok(None) };
    let code_is_empty = part(&spot.head, 0, 0x1B8).iter().all(|&it| it == 0);
    if !code_is_empty && spot.at != 0 {
        return Ok(None);
    }
    let confidence = match (code_is_empty, entries.is_empty()) {
        (true, false) => Confidence::Certain,
        (false, false) => Confidence::Likely,
        (_, true) => Confidence::Possible,
    };
    let listed: Vec<String> =
        entries.iter().map(|it| format!("{:02x}@{:#x}+{:#x}", it.kind, it.start, it.sectors)).collect();
    let found = spot
        .finding(Kind::Mbr, confidence)
        .long(SECTOR)
        .number("entries", wide(entries.len()))
        .text("partitions", listed.join(" "));
    let places = if spot.at == 0 { mbr_places(spot, entries)? } else { Vec::new() };
    Ok(Some((found, places)))
}

#[derive(Debug, Clone, Copy)]
struct MbrEntry {
    kind: u8,
    start: u32,
    sectors: u32,
}

impl MbrEntry {
    const fn is_link(&self) -> bool {
        matches!(self.kind, 5 | 0x0F | 0x85)
    }
}

/// The used entries of a table sector; `None` where it is none.
fn mbr_entries(sector: &[u8]) -> Option<Vec<MbrEntry>> {
    if !has(sector, 0x1FE, &[0x55, 0xAA]) {
        return None;
    }
    let rows = part(sector, 0x1BE, 64).as_chunks::<16>().0;
    if rows.iter().any(|row| !matches!(byte(row, 0), 0 | 0x80)) {
        return None;
    }
    let entry = |row: &[u8; 16]| MbrEntry { kind: byte(row, 4), start: le32(row, 8), sectors: le32(row, 12) };
    let used = rows.iter().map(entry).filter(|it| it.kind != 0 && it.sectors != 0);
    Some(used.collect())
}

/// Where the partitions of a chain begin: data entries count from the table that holds them, links from the first
/// extended partition (section 5.2).
fn mbr_places(spot: &Spot<'_>, first: Vec<MbrEntry>) -> Result<Vec<Place>, ReadError> {
    let extended = first.iter().find(|it| it.is_link()).map(|it| u64::from(it.start));
    let (mut places, mut seen): (Vec<Place>, Vec<u64>) = (Vec::new(), Vec::new());
    let (mut entries, mut base, mut table) = (first, 0_u64, String::from("mbr"));
    loop {
        for (number, data) in (1_u32..).zip(&entries).filter(|(_, it)| !it.is_link() && it.kind != 0xEE) {
            let at = base.saturating_add(data.start.into()).saturating_mul(SECTOR);
            places.push(Place { at, name: format!("{table}-{number}") });
        }
        let link = entries.iter().find(|it| it.is_link()).map(|it| u64::from(it.start));
        let (Some(extended), Some(link)) = (extended, link) else { break };
        base = if seen.is_empty() { extended } else { extended.saturating_add(link) };
        if seen.contains(&base) || seen.len() >= MOST_LINKS {
            break;
        }
        seen.push(base);
        let at = base.saturating_mul(SECTOR);
        let Some(next) = mbr_entries(&spot.bytes(at, 512)?) else { break };
        (entries, table) = (next, format!("ebr{}", seen.len()));
    }
    Ok(places)
}

/// MediaTek's own table: from NAND, or a record of 2048 or 4096 bytes from eMMC (section 5.1).
fn pmt(spot: &Spot<'_>) -> Result<Option<Table>, ReadError> {
    let mirror = spot.has(0, b"1TPM");
    let signature: &[u8] = if mirror { b"1TPM" } else { b"1vTP" };
    if !spot.has(0, signature) {
        return Ok(None);
    }
    let page = spot.bytes(0, 4096)?;
    let record = [2048, 4096].into_iter().find(|&len| has(&page, narrow(len).saturating_sub(4), signature));
    let first: usize = if has(&page, 4, b"1.0\0") { 8 } else { 4 };
    // The second entry tells how wide they are: its name begins where the first one ends.
    let starts_name = |width: usize| is_name(part(&page, first.saturating_add(width), 64));
    let width = [88, 76].into_iter().find(|&width| starts_name(width)).unwrap_or(76);
    let entries = page.get(first..).unwrap_or_default().chunks_exact(width);
    let named: Vec<&[u8]> = entries.take(40).take_while(|it| is_name(part(it, 0, 64))).collect();
    let place = |entry: &&[u8]| {
        let at = if width == 88 { le64(entry, 72) } else { le32(entry, 68).into() };
        Place { at, name: super::fields::text(entry, 0, 64) }
    };
    let places: Vec<Place> = named.iter().map(place).collect();
    let confidence = match (record, places.is_empty()) {
        (Some(_), _) => Confidence::Certain,
        (None, false) => Confidence::Likely,
        (None, true) => Confidence::Possible,
    };
    let names: Vec<&str> = places.iter().map(|it| it.name.as_str()).collect();
    let mut found = spot
        .finding(Kind::Pmt, confidence)
        .text("copy", if mirror { "mirror" } else { "primary" })
        .number("entry_bytes", wide(width))
        .number("partitions", wide(places.len()))
        .text("names", names.join(" "));
    if let Some(record) = record {
        found = found.long(record);
    }
    // Entries count from the start of the chip, so they are places only in a dump of all of it.
    Ok(Some((found, if spot.at == 0 { Vec::new() } else { places })))
}

/// The bad-block table; its checksum needs the length of the pool, 80 blocks on these phones (section 5.4).
fn bmt(spot: &Spot<'_>) -> Result<Option<Finding>, ReadError> {
    const POOL: u8 = 80;
    if !spot.has(0, b"BMT\x01") {
        return Ok(None);
    }
    let page = spot.bytes(0, 2048)?;
    let found = spot
        .finding(Kind::Bmt, Confidence::Likely)
        .number("bad", byte(&page, 4))
        .number("mapped", byte(&page, 5));
    Ok(Some(match Bmt::parse(&page, POOL) {
        Ok(_) => Finding { confidence: Confidence::Certain, ..found }.text("checksum", "right"),
        Err(fault) => found.text("damage", format!("{fault}")),
    }))
}
