//! A map as a table of comma-separated values. A size or start that is derived or not known stays empty.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::{Item, Written, downloads, items};
use crate::map::csv::COLUMNS;
use crate::map::model::{Details, Map, Size, StartIs};

pub(super) fn write(map: &Map) -> Written {
    let mut text = format!("{}\n", COLUMNS.join(","));
    let items = items(map);
    for item in &items {
        let (start, size, blocks) = match item {
            Item::Partition(it) => {
                let start = (it.start_is != StartIs::Unknown).then_some(it.start);
                let size = if let Size::Stated(size) = it.size { Some(size) } else { None };
                (start, size, None)
            }
            Item::Reserved(it) => (None, it.size, Some(it.blocks_from_end)),
        };
        let (name, storage, region, download, details) = match item {
            Item::Partition(it) => (&it.name, it.storage, &it.region, it.downloadable, &it.details),
            Item::Reserved(it) => (&it.name, it.storage, &it.region, it.downloadable, &it.details),
        };
        let Details { kind, operation, file, reserved, .. } = details;
        let hex = |it: Option<u64>| it.map_or_else(String::new, |it| format!("{it:#x}"));
        let cells = [
            name.clone(),
            storage.scatter().to_owned(),
            region.scatter(),
            hex(start),
            hex(size),
            blocks.map_or_else(String::new, |it| format!("{it}")),
            format!("{download}"),
            format!("{reserved}"),
            kind.clone().unwrap_or_default(),
            operation.clone().unwrap_or_default(),
            file.clone().unwrap_or_default(),
        ];
        let cells: Vec<String> = cells.iter().map(|it| cell(it)).collect();
        text.push_str(&cells.join(","));
        text.push('\n');
    }
    let mut remarks = alloc::vec![
        "sizes and starts that are derived stay empty; header and further keys are left out".to_owned()
    ];
    downloads(map, &mut remarks);
    Written { text, remarks, entries: items.len() }
}

/// In quotes where the text would break the table.
fn cell(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}
