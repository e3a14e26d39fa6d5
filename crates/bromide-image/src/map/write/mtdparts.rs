//! The kernel's `mtdparts=` argument (formats.md section 4.5).

use alloc::borrow::ToOwned;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::{Starts, Written, about, tells_more};
use crate::map::model::{Map, Partition, Region, Size, StartIs, Storage};
use crate::map::mtdparts::LONGEST_ID;
use crate::map::names::is_sane;

/// Name of the flash where the map has none: that of MediaTek's NAND driver in the sample of formats.md section 4.5.
const ID: &str = "mtk-nand";

pub(super) fn write(map: &Map) -> Written {
    let starts = Starts::of(map);
    let mut text = String::from("mtdparts=");
    let mut unheld: Vec<&str> = map.reserved.iter().map(|it| it.name.as_str()).collect();
    let mut misnamed: Vec<&str> = Vec::new();
    let mut derived: Vec<&str> = Vec::new();
    let mut open: Vec<&str> = Vec::new();
    let mut regions: Vec<(&Region, Vec<&Partition>)> = Vec::new();
    let mut places: BTreeMap<&Region, usize> = BTreeMap::new();
    for it in &map.partitions {
        let id_fits = match &it.region {
            Region::Whole => true,
            Region::Other(id) => is_id(id),
            _ => false,
        };
        let nand = matches!(it.storage, Storage::Nand | Storage::Nor | Storage::Unknown);
        if !nand || !id_fits || it.start_is == StartIs::Unknown {
            unheld.push(&it.name);
            continue;
        }
        if !is_word(&it.name) {
            misnamed.push(&it.name);
            continue;
        }
        let count = regions.len();
        match regions.get_mut(*places.entry(&it.region).or_insert(count)) {
            Some((_, partitions)) => partitions.push(it),
            None => regions.push((&it.region, alloc::vec![it])),
        }
    }
    regions.sort_by_key(|(region, _)| **region != Region::Whole);
    let mut remarks = Vec::new();
    let stated = map.mtd_id.as_deref();
    if stated.is_some_and(|it| !is_id(it)) {
        remarks.push(format!("the name of the flash cannot be written; {ID} is"));
    }
    let first = stated.filter(|it| is_id(it)).unwrap_or(ID);
    if regions.first().is_some_and(|it| *it.0 != Region::Whole) {
        remarks.push("the first flash is read as the whole chip".to_owned());
    }
    let mut entries = 0_usize;
    for (at, (region, partitions)) in regions.iter().enumerate() {
        let id = match region {
            Region::Other(id) => id.as_str(),
            _ => first,
        };
        text.push_str(&format!("{}{id}:", if at > 0 { ";" } else { "" }));
        let mut next = Some(0);
        for (at, it) in partitions.iter().enumerate() {
            text.push_str(if at > 0 { "," } else { "" });
            let size = starts.size(it);
            if size.is_none() && (it.size != Size::ToEnd || at.saturating_add(1) < partitions.len()) {
                open.push(&it.name);
            } else if size.is_some() && it.end().is_none() {
                derived.push(&it.name);
            }
            next = partition(&mut text, it, size, next);
            entries = entries.saturating_add(1);
        }
    }
    text.push('\n');
    remarks
        .extend(about(&unheld, "left out: this kind of file holds NAND partitions with a known start only"));
    remarks.extend(about(&misnamed, "left out: blanks, ; and ) cannot stand in a name here"));
    remarks
        .extend(about(&derived, "the size is derived from the next start, and written as if it were stated"));
    remarks.extend(about(
        &open,
        "written as the rest of the flash, which the kernel takes of the last one only",
    ));
    let held = || regions.iter().flat_map(|it| &it.1);
    if held().any(|it| it.storage != Storage::Nand) {
        remarks.push("the kind of flash has no place here; it is read as NAND".to_owned());
    }
    if map.partitions.iter().any(|it| tells_more(map, it)) {
        remarks.push("types, file names and what is downloaded have no place here".to_owned());
    }
    if map.erase_block.is_some() || map.platform.is_some() {
        remarks.push("the erase block and the SoC have no place here".to_owned());
    }
    Written { text, remarks, entries }
}

/// What neither the kernel nor its command line takes for an end.
fn is_word(text: &str) -> bool {
    is_sane(text) && !text.contains([')', ';']) && !text.contains(char::is_whitespace)
}

fn is_id(text: &str) -> bool {
    is_word(text) && !text.contains(':') && text.len() <= LONGEST_ID
}

/// Writes one entry and returns where the next begins when it does not say.
fn partition(text: &mut String, it: &Partition, size: Option<u64>, next: Option<u64>) -> Option<u64> {
    text.push_str(&size.map_or_else(|| "-".to_owned(), bytes));
    if next != Some(it.start) {
        text.push_str(&format!("@{}", bytes(it.start)));
    }
    text.push_str(&format!("({})", it.name));
    for flag in it.details.flags.iter().filter(|it| matches!(it.as_str(), "ro" | "lk")) {
        text.push_str(flag);
    }
    it.start.checked_add(size?)
}

/// In KiB where that is exact.
fn bytes(count: u64) -> String {
    match (count.checked_rem(1024), count.checked_div(1024)) {
        (Some(0), Some(kib)) if kib > 0 => format!("{kib}k"),
        _ => format!("{count}"),
    }
}
