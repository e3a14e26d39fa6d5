//! YAML-like scatter text, as the vendor's printer writes it (formats.md sections 2.2 and 2.4).

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::keys::{File, Keys};
use super::{Written, about};
use crate::map::Map;

const BANNER: &str = "############################################################################################################";

pub(super) fn write(map: &Map) -> Written {
    let file = File::of(map, |key| key.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'_'));
    let mut text = banner("General Setting");
    text.push_str("- general: MTK_PLATFORM_CFG\n  info: \n");
    text.push_str(&format!("    - config_version: {}\n", file.version));
    keys(&mut text, "      ", &file.header);
    let mut entries = 0_usize;
    for part in &file.sections {
        let storage = part.storage.scatter();
        let (dash, rest) = if file.nested {
            text.push_str(&banner(&format!("{storage} Layout Setting")));
            text.push_str(&format!("- storage_type: {storage}\n  description: \n"));
            text.push_str("  - general: MTK_STORAGE_CFG\n    info: \n");
            text.push_str(&format!("      - storage: {storage}\n"));
            keys(&mut text, "        ", &part.header);
            text.push('\n');
            ("  - ", "    ")
        } else {
            text.push_str(&format!("      storage: {storage}\n"));
            keys(&mut text, "      ", &part.header);
            text.push_str(&banner("Layout Setting"));
            ("- ", "  ")
        };
        for (at, entry) in part.entries.iter().enumerate() {
            text.push_str(&format!("{dash}partition_index: SYS{at}\n"));
            keys(&mut text, rest, entry);
            text.push('\n');
            entries = entries.saturating_add(1);
        }
    }
    let parts = file.sections.iter().flat_map(|it| it.entries.iter().chain([&it.header]));
    let values = parts.chain([&file.header]).flatten().map(|it| it.1.as_str());
    let otherwise: Vec<&str> = values.filter(|it| !is_plain(it)).collect();
    let mut remarks = file.remarks.clone();
    remarks
        .extend(about(&otherwise, "YAML takes this otherwise than the vendor's tools, which read by lines"));
    Written { text, remarks, entries }
}

/// Whether YAML takes a value as the text it is (YAML 1.2, section 7.3.3), or as nothing when it is empty.
fn is_plain(text: &str) -> bool {
    let mut chars = text.chars();
    let (first, second) = (chars.next(), chars.next());
    let begins = match first {
        Some('-' | '?' | ':') => second.is_some_and(|it| it != ' '),
        Some(it) => !",[]{}#&*!|>'\"%@`".contains(it),
        None => true,
    };
    begins && !text.contains(": ") && !text.contains(" #") && !text.ends_with(':')
}

fn banner(title: &str) -> String {
    format!("{BANNER}\n#\n#  {title}\n#\n{BANNER}\n")
}

fn keys(text: &mut String, indent: &str, keys: &Keys<'_>) {
    for (key, value) in keys {
        text.push_str(&format!("{indent}{key}: {value}\n"));
    }
}
