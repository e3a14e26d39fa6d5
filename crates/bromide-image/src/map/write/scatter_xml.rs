//! XML scatter files (formats.md section 2.5).

use alloc::format;
use alloc::string::String;

use super::Written;
use super::keys::{File, Keys};
use crate::map::Map;

pub(super) fn write(map: &Map) -> Written {
    let file = File::of(map, is_name);
    let mut text = String::from("<?xml version=\"1.0\" encoding=\"utf-8\"?>\n\n<root>\n");
    text.push_str("  <general name=\"MTK_PLATFORM_CFG\">\n");
    text.push_str(&format!("    <config_version name=\"{}\">\n", escaped(&file.version)));
    keys(&mut text, "      ", &file.header);
    let flat = file.sections.first().filter(|_| !file.nested);
    if let Some(part) = flat {
        text.push_str(&format!("      <storage>{}</storage>\n", part.storage.scatter()));
        keys(&mut text, "      ", &part.header);
    }
    text.push_str("    </config_version>\n  </general>\n");
    let mut entries = 0_usize;
    for part in &file.sections {
        let storage = part.storage.scatter();
        let indent = if file.nested { "    " } else { "  " };
        if file.nested {
            text.push_str(&format!("  <storage_type name=\"{storage}\">\n"));
            text.push_str("    <general name=\"MTK_STORAGE_CFG\">\n");
            text.push_str(&format!("      <storage name=\"{storage}\">\n"));
            keys(&mut text, "        ", &part.header);
            text.push_str("      </storage>\n    </general>\n");
        }
        for (at, entry) in part.entries.iter().enumerate() {
            text.push_str(&format!("{indent}<partition_index name=\"SYS{at}\">\n"));
            keys(&mut text, &format!("{indent}  "), entry);
            text.push_str(&format!("{indent}</partition_index>\n"));
            entries = entries.saturating_add(1);
        }
        if file.nested {
            text.push_str("  </storage_type>\n");
        }
    }
    text.push_str("</root>\n");
    Written { text, remarks: file.remarks, entries }
}

fn is_name(key: &str) -> bool {
    let inner = |it: u8| it.is_ascii_alphanumeric() || matches!(it, b'_' | b'-' | b'.');
    key.bytes().all(inner) && key.starts_with(|it: char| it.is_ascii_alphabetic() || it == '_')
}

fn keys(text: &mut String, indent: &str, keys: &Keys<'_>) {
    for (key, value) in keys {
        text.push_str(&format!("{indent}<{key}>{}</{key}>\n", escaped(value)));
    }
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for it in text.chars() {
        match it {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&apos;"),
            other => out.push(other),
        }
    }
    out
}
