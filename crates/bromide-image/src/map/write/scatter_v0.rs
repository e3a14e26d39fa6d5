//! The oldest scatter dialect: a name and a linear address per partition (formats.md section 2.1).

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::{Starts, Written, about, downloads};
use crate::map::model::{Map, Partition, Region, Size, StartIs};
use crate::map::names::without_prefix;

/// Addresses from here on are block counts.
const FIRST_SENTINEL: u64 = 0xFFFF_0000;

pub(super) fn write(map: &Map) -> Written {
    let mut remarks = Vec::new();
    let storages = map.storages();
    let storage = storages.first().copied().unwrap_or_default();
    if storages.len() > 1 {
        remarks.push(format!("this kind of file has one storage; only {storage} is written"));
    }
    let mut all: Vec<&Partition> = map.partitions.iter().filter(|it| it.storage == storage).collect();
    // One address space for all regions exists only where linear addresses are known.
    let linear = all.iter().any(|it| it.linear.is_some());
    all.sort_by_key(|it| address(it));
    let mut text = String::new();
    let mut entries = 0_usize;
    let mut unheld = Vec::new();
    let mut chosen: Vec<&Partition> = Vec::new();
    for it in all {
        let at = address(it);
        let ascending = chosen.last().is_none_or(|before| address(before) < at);
        let in_space = linear || matches!(it.region, Region::Whole | Region::User | Region::UfsLu(2));
        let held = is_name(&it.name)
            && it.start_is != StartIs::Unknown
            && in_space
            && ascending
            && at < FIRST_SENTINEL
            && at.trailing_zeros() >= 2;
        if held { chosen.push(it) } else { unheld.push(it.name.as_str()) }
    }
    for it in &chosen {
        let prefix = if it.downloadable { "" } else { "__NODL_" };
        entry(&mut text, &format!("{prefix}{}", it.name), address(it));
        entries = entries.saturating_add(1);
    }
    for it in map.reserved.iter().filter(|it| it.storage == storage) {
        let at = FIRST_SENTINEL.saturating_add(u64::from(it.blocks_from_end));
        if is_name(&it.name) && it.blocks_from_end <= 0xFFFF {
            entry(&mut text, &format!("__NODL_{}", it.name), at);
            entries = entries.saturating_add(1);
        } else {
            unheld.push(it.name.as_str());
        }
    }
    text.push_str("\n\n");
    remarks.extend(about(&unheld, "left out: the name, the region or the address cannot be written"));
    remarks.extend(about(
        &resized(map, &chosen),
        "the size cannot be written; it is read as up to the next start",
    ));
    downloads(map, &mut remarks);
    let tells = chosen.iter().any(|it| {
        let details = &it.details;
        details.kind.is_some()
            || details.operation.is_some()
            || details.file.is_some()
            || !details.other.is_empty()
    });
    if tells {
        remarks.push("types, operations, file names and further keys have no place here".to_owned());
    }
    if map.platform.is_some() || map.project.is_some() || map.config_version.is_some() {
        remarks.push("SoC, project and dialect version have no place here".to_owned());
    }
    Written { text, remarks, entries }
}

fn address(it: &Partition) -> u64 {
    it.linear.unwrap_or(it.start)
}

/// Letters, digits and underscores, and no prefix that would be taken off again.
fn is_name(name: &str) -> bool {
    let inner = |it: u8| it.is_ascii_alphanumeric() || it == b'_';
    !name.is_empty() && name.bytes().all(inner) && without_prefix(name).1
}

fn entry(text: &mut String, name: &str, address: u64) {
    text.push_str(&format!("{name} {address:#x}\n{{\n}}\n"));
}

/// Partitions whose stated size is another than what will be read.
fn resized<'a>(map: &'a Map, chosen: &[&'a Partition]) -> Vec<&'a str> {
    let starts = Starts::of(map);
    let differs = |it: &&&Partition| match it.size {
        Size::Stated(size) => starts.next(it).is_none_or(|next| next.saturating_sub(it.start) != size),
        _ => false,
    };
    chosen.iter().filter(differs).map(|it| it.name.as_str()).collect()
}
