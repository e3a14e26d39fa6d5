//! What a header says beside its parts, as lines of text: a name, an equals sign, a value.

use alloc::format;
use alloc::string::String;

use super::MtkHeader;
use super::header::{Fragment, Header};

/// The lines of a header.
pub(super) fn of(header: &Header) -> String {
    let mut out = format!("header_version = {}\npage_size = {}\n", header.version, header.page);
    for (name, address) in &header.addresses {
        out.push_str(&format!("{name}_addr = {address:#x}\n"));
    }
    if header.os_version != 0 {
        let (version, level) = (header.os_version >> 11, header.os_version & 0x7FF);
        let (a, b, c) = (version >> 14, (version >> 7) & 0x7F, version & 0x7F);
        let year = (level >> 4).saturating_add(2000);
        out.push_str(&format!("os_version = {a}.{b}.{c}\nos_patch_level = {year}-{:02}\n", level & 0xF));
    }
    if !header.name.is_empty() {
        out.push_str(&format!("name = {}\n", header.name.escape_ascii()));
    }
    if header.id.iter().any(|&byte| byte != 0) {
        out.push_str("id = ");
        header.id.iter().for_each(|byte| out.push_str(&format!("{byte:02x}")));
        out.push('\n');
    }
    out
}

/// Adds the ramdisks of a `vendor_boot`, a line each.
pub(super) fn fragments(fragments: &[Fragment], out: &mut String) {
    for Fragment { name, kind, at, bytes } in fragments {
        let name = name.escape_ascii();
        out.push_str(&format!("ramdisk_fragment = {at:#x} {bytes} type {kind} {name}\n"));
    }
}

/// Adds what MediaTek's header of a part says.
pub(super) fn mtk(part: &str, header: &MtkHeader, out: &mut String) {
    let end = header.name.iter().position(|&byte| byte == 0).unwrap_or(header.name.len());
    let name = header.name.get(..end).unwrap_or_default();
    out.push_str(&format!("{part}_mtk_name = {}\n", name.escape_ascii()));
    out.push_str(&format!("{part}_mtk_addr = {:#x}\n", header.load));
}
