//! Headers of Android's boot images: `boot` and `recovery` of versions 0 to 4, `vendor_boot` of 3 and 4 (formats.md
//! section 6.6; the fields of `vendor_boot` behind the page size are those of Android's public documentation).

use alloc::vec;
use alloc::vec::Vec;

use crate::identify::fields::{has, le32, le64, part};

/// Bytes that hold any of the headers.
pub(crate) const BYTES: usize = 0x880;

/// Bytes of an entry in the table of the ramdisks of a `vendor_boot`.
const FRAGMENT: usize = 108;

/// A stretch of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Section {
    pub(crate) name: &'static str,
    /// First byte.
    pub(crate) at: u64,
    pub(crate) bytes: u64,
}

/// A header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Header {
    /// Whether it is of a `vendor_boot`.
    pub(crate) vendor: bool,
    /// 0 to 4.
    pub(crate) version: u32,
    /// What the sections are aligned to, in bytes.
    pub(crate) page: u32,
    /// What is in the image behind its header, in order, with its bytes; empty ones too.
    pub(crate) parts: Vec<(&'static str, u32)>,
    /// Addresses by name, in order.
    pub(crate) addresses: Vec<(&'static str, u64)>,
    /// Version and patch level of the system, packed.
    pub(crate) os_version: u32,
    pub(crate) name: Vec<u8>,
    /// Up to its end.
    pub(crate) cmdline: Vec<u8>,
    /// Digest of the content, in some form; empty where there is none.
    pub(crate) id: Vec<u8>,
    /// Size of an old vendor's device tree where the version should be.
    pub(crate) vendor_dt: bool,
    /// Bytes of the header itself.
    header_bytes: u64,
}

impl Header {
    /// Of the first [`BYTES`] of an image, or as many as there are.
    pub(crate) fn parse(head: &[u8]) -> Option<Self> {
        if has(head, 0, b"VNDRBOOT") {
            return Some(Self::vendor(head));
        }
        if !has(head, 0, b"ANDROID!") || head.len() < 0x30 {
            return None;
        }
        // Old vendor variants keep the size of a device tree where the version is: no version is that large.
        let stated = le32(head, 0x28);
        let version = if stated <= 4 { stated } else { 0 };
        Some(if version >= 3 { Self::new(head, version) } else { Self::old(head, version, stated) })
    }

    /// Versions 0 to 2.
    fn old(head: &[u8], version: u32, stated: u32) -> Self {
        let mut parts =
            vec![("kernel", le32(head, 8)), ("ramdisk", le32(head, 0x10)), ("second", le32(head, 0x18))];
        let mut addresses = vec![
            ("kernel", le32(head, 0x0C).into()),
            ("ramdisk", le32(head, 0x14).into()),
            ("second", le32(head, 0x1C).into()),
            ("tags", le32(head, 0x20).into()),
        ];
        parts.extend((stated > 4).then_some(("dt", stated)));
        parts.extend((version >= 1).then(|| ("recovery_dtbo", le32(head, 0x660))));
        parts.extend((version >= 2).then(|| ("dtb", le32(head, 0x670))));
        addresses.extend((version >= 2).then(|| ("dtb", le64(head, 0x674))));
        Self {
            vendor: false,
            version,
            page: le32(head, 0x24),
            parts,
            addresses,
            os_version: if stated > 4 { 0 } else { le32(head, 0x2C) },
            name: text(head, 0x30, 16),
            cmdline: [text(head, 0x40, 512), text(head, 0x260, 1024)].concat(),
            id: part(head, 0x240, 32).to_vec(),
            vendor_dt: stated > 4,
            header_bytes: 0,
        }
    }

    /// Versions 3 and 4.
    fn new(head: &[u8], version: u32) -> Self {
        let mut parts = vec![("kernel", le32(head, 8)), ("ramdisk", le32(head, 0x0C))];
        parts.extend((version == 4).then(|| ("signature", le32(head, 0x62C))));
        Self {
            vendor: false,
            version,
            page: 4096,
            parts,
            addresses: Vec::new(),
            os_version: le32(head, 0x10),
            name: Vec::new(),
            cmdline: text(head, 0x2C, 1536),
            id: Vec::new(),
            vendor_dt: false,
            header_bytes: 0,
        }
    }

    fn vendor(head: &[u8]) -> Self {
        let version = le32(head, 8);
        let mut parts = vec![("ramdisk", le32(head, 24)), ("dtb", le32(head, 2100))];
        if version == 4 {
            parts.extend([("ramdisk_table", le32(head, 2112)), ("bootconfig", le32(head, 2124))]);
        }
        Self {
            vendor: true,
            version,
            page: le32(head, 12),
            parts,
            addresses: vec![
                ("kernel", le32(head, 16).into()),
                ("ramdisk", le32(head, 20).into()),
                ("tags", le32(head, 2076).into()),
                ("dtb", le64(head, 2104)),
            ],
            os_version: 0,
            name: text(head, 2080, 16),
            cmdline: text(head, 28, 2048),
            id: Vec::new(),
            vendor_dt: false,
            header_bytes: if version == 4 { 2128 } else { 2112 },
        }
    }

    /// Whether its page size can be, without which nothing behind the header can be found.
    pub(crate) const fn plausible(&self) -> bool {
        let known = !self.vendor || matches!(self.version, 3 | 4);
        known && self.page.is_power_of_two() && self.page >= 512 && self.page <= 0x10_0000
    }

    /// Bytes of a part.
    pub(crate) fn bytes_of(&self, name: &str) -> u32 {
        self.parts.iter().find(|(part, _)| *part == name).map_or(0, |(_, bytes)| *bytes)
    }

    /// An address.
    pub(crate) fn address_of(&self, name: &str) -> u64 {
        self.addresses.iter().find(|(part, _)| *part == name).map_or(0, |(_, address)| *address)
    }

    /// The parts where they are, empty ones too, and the end of the image.
    pub(crate) fn sections(&self) -> (Vec<Section>, u64) {
        let page = u64::from(self.page).max(1);
        let aligned = |bytes: u64| bytes.checked_next_multiple_of(page).unwrap_or(u64::MAX);
        let mut at = aligned(self.header_bytes).max(page);
        let mut sections = Vec::new();
        for &(name, bytes) in &self.parts {
            sections.push(Section { name, at, bytes: bytes.into() });
            at = at.saturating_add(aligned(bytes.into()));
        }
        (sections, at)
    }
}

/// A ramdisk among those of a `vendor_boot`: its name, its type, and where in them it is, in bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fragment {
    pub(crate) name: Vec<u8>,
    pub(crate) kind: u32,
    pub(crate) at: u32,
    pub(crate) bytes: u32,
}

/// The entries of a table of ramdisks.
pub(crate) fn fragments(table: &[u8]) -> Vec<Fragment> {
    let entries = table.chunks_exact(FRAGMENT);
    let fragment = |it: &[u8]| Fragment {
        name: text(it, 12, 32),
        kind: le32(it, 8),
        at: le32(it, 4),
        bytes: le32(it, 0),
    };
    entries.map(fragment).collect()
}

/// A field of text, up to its end.
fn text(bytes: &[u8], at: usize, len: usize) -> Vec<u8> {
    part(bytes, at, len).iter().copied().take_while(|&byte| byte != 0).collect()
}
