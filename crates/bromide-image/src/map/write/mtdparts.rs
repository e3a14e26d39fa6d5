//! The kernel's `mtdparts=` argument (formats.md section 4.5).

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::{Starts, Written, about};
use crate::map::model::{Map, Partition, Region, StartIs, Storage};

/// Name of the flash where the map has none: that of MediaTek's NAND driver in the sample of formats.md section 4.5.
const ID: &str = "mtk-nand";

pub(super) fn write(map: &Map) -> Written {
    let starts = Starts::of(map);
    let mut text = String::from("mtdparts=");
    let mut unheld: Vec<&str> = map.reserved.iter().map(|it| it.name.as_str()).collect();
    let mut regions: Vec<(&Region, Vec<&Partition>)> = Vec::new();
    for it in &map.partitions {
        let id_fits = match &it.region {
            Region::Whole => true,
            Region::Other(id) => !id.contains(':') && id.trim() == id,
            _ => false,
        };
        let nand = matches!(it.storage, Storage::Nand | Storage::Nor | Storage::Unknown);
        if !nand || !id_fits || it.start_is == StartIs::Unknown || it.name.contains(')') {
            unheld.push(&it.name);
            continue;
        }
        match regions.iter_mut().find(|(region, _)| **region == it.region) {
            Some((_, partitions)) => partitions.push(it),
            None => regions.push((&it.region, alloc::vec![it])),
        }
    }
    regions.sort_by_key(|(region, _)| **region != Region::Whole);
    let mut entries = 0_usize;
    for (at, (region, partitions)) in regions.iter().enumerate() {
        let id = match region {
            Region::Other(id) => id.as_str(),
            _ => map.mtd_id.as_deref().unwrap_or(ID),
        };
        text.push_str(&format!("{}{id}:", if at > 0 { ";" } else { "" }));
        let mut next = Some(0);
        for (at, it) in partitions.iter().enumerate() {
            text.push_str(if at > 0 { "," } else { "" });
            next = partition(&mut text, it, starts.size(it), next);
            entries = entries.saturating_add(1);
        }
    }
    text.push('\n');
    let mut remarks = Vec::new();
    remarks
        .extend(about(&unheld, "left out: this kind of file holds NAND partitions with a known start only"));
    if map
        .partitions
        .iter()
        .any(|it| it.details.file.is_some() || it.details.kind.is_some() || !it.downloadable)
    {
        remarks.push("types, file names and what is downloaded have no place here".to_owned());
    }
    if map.erase_block.is_some() || map.platform.is_some() {
        remarks.push("the erase block and the SoC have no place here".to_owned());
    }
    Written { text, remarks, entries }
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
