//! MBR and EBR, and the chain that begins with the first (formats.md section 5.2).

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::super::fields::{part, wide};
use super::super::{Confidence, Kind};
use super::{Place, Table, listed, only_medium};
use crate::identify::view::Spot;
use crate::read_at::ReadError;
use crate::table::Length;
use crate::table::mbr::{self, Chain, MbrError, PROTECTIVE, SECTOR_BYTES, Warning};

/// The record that begins here. Only the chain from the start of the file is followed: elsewhere it is not known what
/// its links count from.
pub(super) fn any(spot: &Spot<'_>) -> Result<Option<Table>, ReadError> {
    if !spot.has(0x1FE, &[0x55, 0xAA]) {
        return Ok(None);
    }
    let code_is_empty = part(&spot.head, 0, 0x1B8).iter().all(|&it| it == 0);
    if !code_is_empty && spot.at != 0 {
        return Ok(None);
    }
    let Some(sector) = spot.head.first_chunk() else { return Ok(None) };
    let Ok(first) = mbr::read_record(sector) else { return Ok(None) };
    let first = first.entries;
    let confidence = match (code_is_empty, first.is_empty()) {
        (true, false) => Confidence::Certain,
        (false, false) => Confidence::Likely,
        (_, true) => Confidence::Possible,
    };
    let mut found = spot
        .finding(Kind::Mbr, confidence)
        .long(SECTOR_BYTES)
        .number("entries", wide(first.len()))
        .text("partitions", listed(first.iter().map(in_sectors)));
    if spot.at != 0 {
        return Ok(Some((alloc::vec![found], Vec::new())));
    }
    Ok(Some(match mbr::read(spot) {
        Ok(chain) => {
            found = found.number("ebrs", wide(chain.records.len()).saturating_sub(1));
            let missing = chain.warnings.iter().filter(|it| !matches!(it, Warning::SecondLink { .. }));
            let missing: Vec<_> = missing.map(ToString::to_string).collect();
            if !missing.is_empty() {
                found = found.text("damage", missing.join("; "));
            }
            (alloc::vec![found], places(&chain))
        }
        Err(MbrError::Read(error)) => {
            only_medium(error)?;
            (alloc::vec![found], Vec::new())
        }
        // A chain that bites its tail still has a first record.
        Err(error) => (alloc::vec![found.text("damage", error.to_string())], Vec::new()),
    }))
}

/// An entry as it stands: type, start and count in sectors.
fn in_sectors(entry: &mbr::Entry) -> String {
    let sectors = |bytes: u64| bytes.div_euclid(SECTOR_BYTES);
    let start = sectors(entry.start);
    match entry.length {
        Length::Bytes(bytes) => format!("{:02x}@{start:#x}+{:#x}", entry.kind, sectors(bytes)),
        Length::ToEnd => format!("{:02x}@{start:#x}+end", entry.kind),
    }
}

/// Where the EBRs of a chain and the partitions of each record begin.
fn places(chain: &Chain) -> Vec<Place> {
    let mut places = Vec::new();
    for (number, record) in chain.records.iter().enumerate() {
        let table = if number == 0 { String::from("mbr") } else { format!("ebr{number}") };
        for data in record.entries.iter().filter(|it| !it.is_link() && it.kind != PROTECTIVE) {
            places.push(Place { at: data.start, name: format!("{table}-{}", data.slot) });
        }
        if number > 0 {
            places.push(Place { at: record.at, name: table });
        }
    }
    places
}
