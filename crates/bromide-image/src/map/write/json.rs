//! Everything in a map as JSON, for programs, read back by `map::json`. Numbers are exact integers of up to 64 bits.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::Written;
use crate::map::model::{Details, Map, Partition, Reserved, Section, Size, StartIs};

pub(super) fn write(map: &Map) -> Written {
    let pairs = [
        ("source", quoted(map.source.code())),
        ("platform", optional(map.platform.as_deref())),
        ("project", optional(map.project.as_deref())),
        ("config_version", optional(map.config_version.as_deref())),
        ("mtd_id", optional(map.mtd_id.as_deref())),
        ("erase_block", number(map.erase_block.map(u64::from))),
        ("pool_blocks", number(map.pool_blocks.map(u64::from))),
        ("other", other(&map.other)),
        ("sections", list(map.sections.iter().map(section))),
        ("partitions", list(map.partitions.iter().map(partition))),
        ("reserved", list(map.reserved.iter().map(reserved))),
        ("notes", list(map.notes.iter().map(|it| quoted(it)))),
    ];
    let lines: Vec<String> = pairs.iter().map(|(key, value)| format!("  \"{key}\": {value}")).collect();
    let entries = map.partitions.len().saturating_add(map.reserved.len());
    Written { text: format!("{{\n{}\n}}\n", lines.join(",\n")), remarks: Vec::new(), entries }
}

fn section(it: &Section) -> String {
    object(&[
        ("storage", quoted(it.storage.scatter())),
        ("boot_channel", optional(it.boot_channel.as_deref())),
        ("block_size", number(it.block_size)),
        ("other", other(&it.other)),
    ])
}

fn partition(it: &Partition) -> String {
    let (start, derived) = match it.start_is {
        StartIs::Stated => (Some(it.start), false),
        StartIs::FromSizes => (Some(it.start), true),
        StartIs::Unknown => (None, false),
    };
    let (size, size_is) = match it.size {
        Size::Stated(size) => (Some(size), "stated"),
        Size::ToNext => (None, "to the next start"),
        Size::ToEnd => (None, "to the end"),
        Size::Unknown => (None, "unknown"),
    };
    let mut pairs = alloc::vec![
        ("name", quoted(&it.name)),
        ("storage", quoted(it.storage.scatter())),
        ("region", quoted(&it.region.scatter())),
        ("start", number(start)),
        ("start_derived", format!("{derived}")),
        ("size", number(size)),
        ("size_is", quoted(size_is)),
        ("linear", number(it.linear)),
        ("downloadable", format!("{}", it.downloadable)),
        ("visible", format!("{}", it.visible())),
    ];
    pairs.extend(details(&it.details, it.line));
    object(&pairs)
}

fn reserved(it: &Reserved) -> String {
    let mut pairs = alloc::vec![
        ("name", quoted(&it.name)),
        ("storage", quoted(it.storage.scatter())),
        ("region", quoted(&it.region.scatter())),
        ("blocks_from_end", format!("{}", it.blocks_from_end)),
        ("size", number(it.size)),
        ("downloadable", format!("{}", it.downloadable)),
    ];
    pairs.extend(details(&it.details, it.line));
    object(&pairs)
}

fn details(it: &Details, line: u32) -> [(&'static str, String); 10] {
    [
        ("reserved", format!("{}", it.reserved)),
        ("type", optional(it.kind.as_deref())),
        ("operation", optional(it.operation.as_deref())),
        ("file", optional(it.file.as_deref())),
        ("device", optional(it.device.as_deref())),
        ("mount_point", optional(it.mount.as_ref().map(|it| it.point.as_str()))),
        ("file_system", optional(it.mount.as_ref().map(|it| it.file_system.as_str()))),
        ("flags", list(it.flags.iter().map(|it| quoted(it)))),
        ("other", other(&it.other)),
        ("line", format!("{line}")),
    ]
}

/// As pairs, because a key may stand twice.
fn other(pairs: &[(String, String)]) -> String {
    let pairs: Vec<String> =
        pairs.iter().map(|(key, value)| format!("[{}, {}]", quoted(key), quoted(value))).collect();
    format!("[{}]", pairs.join(", "))
}

fn object(pairs: &[(&str, String)]) -> String {
    let pairs: Vec<String> = pairs.iter().map(|(key, value)| format!("\"{key}\": {value}")).collect();
    format!("{{{}}}", pairs.join(", "))
}

fn list(items: impl Iterator<Item = String>) -> String {
    let items: Vec<String> = items.map(|it| format!("\n    {it}")).collect();
    if items.is_empty() { "[]".to_owned() } else { format!("[{}\n  ]", items.join(",")) }
}

fn number(it: Option<u64>) -> String {
    it.map_or_else(|| "null".to_owned(), |it| format!("{it}"))
}

fn optional(it: Option<&str>) -> String {
    it.map_or_else(|| "null".to_owned(), quoted)
}

fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len().saturating_add(2));
    out.push('"');
    for it in text.chars() {
        match it {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            it if it.is_control() => out.push_str(&format!("\\u{:04x}", u32::from(it))),
            it => out.push(it),
        }
    }
    out.push('"');
    out
}
