//! The Download Agent container: one file with agents for many chips.
//!
//! Layout: `formats.md` section 1, checked there on 13 real containers. Stricter than the vendor library, which
//! loads truncated and damaged files (section 1.10). A damaged or truncated entry is refused alone; the others
//! stay usable.

use super::{Short, Take};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use thiserror::Error;

const MAGIC_TEXT: &[u8] = b"MTK_DOWNLOAD_AGENT";
const MAGIC: u32 = 0x2266_8899;
const ENTRY_MAGIC: u16 = 0xdada;
const HEADER_BYTES: usize = 0x6c;
const SLOT_BYTES: usize = 0x14;
/// Bytes of an entry before its region slots.
const ENTRY_HEAD: usize = 0x14;
const MAX_REGIONS: u16 = 10;
/// The most entries believed; 18 is the most seen, 88 the largest preallocated table.
const MAX_ENTRIES: u32 = 1024;

/// Why a file is no usable container.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DaFileError {
    /// The first bytes are not `MTK_DOWNLOAD_AGENT`, or the second magic is wrong.
    #[error("this is not a Download Agent container: {0}")]
    NotAContainer(&'static str),
    /// The file ends inside its own table.
    #[error(
        "the container is truncated: its table of {entries} entries needs {need} bytes, the file has {have}"
    )]
    TruncatedTable {
        /// Entries the header announces.
        entries: u32,
        /// Bytes the table needs.
        need: usize,
        /// Bytes there are.
        have: usize,
    },
    /// The header announces no entry, or more than a container can hold.
    #[error("the container announces {0} entries")]
    EntryCount(u32),
    /// An entry that was asked for is damaged.
    #[error("entry {index} of the container is damaged: {what}")]
    Entry {
        /// Position in the table, from 0.
        index: usize,
        /// What is wrong.
        what: String,
    },
}

/// A place in the container that holds a program part or a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Region {
    /// Byte offset in the container.
    pub offset: u32,
    /// Length in bytes, signature included.
    pub length: u32,
    /// Address in the phone.
    pub load: u32,
    /// Where the signature begins, as the file says: in the region, or in the file for V6 containers. Not relied on.
    pub sig_at: u32,
    /// Signature bytes at the end of the region; 0 = unsigned.
    pub sig_len: u32,
}

/// One chip's agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DaEntry {
    /// Position in the table, from 0.
    pub index: usize,
    /// Chip the entry is for.
    pub hw_code: u16,
    /// Sub code; 0 = any.
    pub sub_code: u16,
    /// Hardware version.
    pub hw_version: u16,
    /// Software version.
    pub sw_version: u16,
    /// Informational; never used to choose a flow.
    pub entry_region: u16,
    /// The used region slots.
    pub regions: Vec<Region>,
    /// Set when the entry cannot be used, with the reason.
    pub damage: Option<String>,
}

/// A parsed container, borrowing the file's bytes.
#[derive(Debug, Clone)]
pub struct DaFile<'a> {
    bytes: &'a [u8],
    /// Free text of the container, for people (and the wire format rule).
    pub label: String,
    /// Container format version; 4 in all files seen.
    pub version: u32,
    /// The entries in file order.
    pub entries: Vec<DaEntry>,
    /// Oddities that do not stop anything.
    pub warnings: Vec<String>,
}

impl<'a> DaFile<'a> {
    /// Reads the table of a container.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, DaFileError> {
        if !bytes.starts_with(MAGIC_TEXT) {
            return Err(DaFileError::NotAContainer("it does not begin with MTK_DOWNLOAD_AGENT"));
        }
        let (label, version, count) =
            header(bytes).map_err(|_| DaFileError::NotAContainer("it ends inside its header"))??;
        if count == 0 || count > MAX_ENTRIES {
            return Err(DaFileError::EntryCount(count));
        }
        let entries = usize::try_from(count).unwrap_or(usize::MAX);
        let stride = stride(bytes, count);
        let mut file =
            Self { bytes, label, version, entries: Vec::with_capacity(entries), warnings: Vec::new() };
        let mut at = HEADER_BYTES;
        for index in 0..entries {
            let entry = file.entry(index, at).map_err(|short| DaFileError::TruncatedTable {
                entries: count,
                need: short.need.saturating_add(at),
                have: bytes.len(),
            })?;
            at = at.saturating_add(stride.unwrap_or_else(|| {
                ENTRY_HEAD.saturating_add(entry.regions.len().saturating_mul(SLOT_BYTES))
            }));
            file.entries.push(entry);
        }
        file.warn();
        Ok(file)
    }

    /// The bytes of region `number` of an entry, signature included.
    pub fn region(&self, entry: &DaEntry, number: usize) -> Result<(Region, &'a [u8]), DaFileError> {
        let damaged = |what: String| DaFileError::Entry { index: entry.index, what };
        if let Some(what) = &entry.damage {
            return Err(damaged(what.clone()));
        }
        let region = entry
            .regions
            .get(number)
            .copied()
            .ok_or_else(|| damaged(format!("it has no region {number}")))?;
        let bytes = slice(self.bytes, &region)
            .ok_or_else(|| damaged(format!("region {number} lies outside the file")))?;
        Ok((region, bytes))
    }

    fn entry(&self, index: usize, at: usize) -> Result<DaEntry, Short> {
        let mut t = Take::new(self.bytes.get(at..).unwrap_or_default());
        let magic = t.u16_le()?;
        let [hw_code, sub_code, hw_version, sw_version] =
            [t.u16_le()?, t.u16_le()?, t.u16_le()?, t.u16_le()?];
        t.bytes(6)?; // reserved, page size or variant, reserved
        let entry_region = t.u16_le()?;
        let count = t.u16_le()?;
        let mut entry = DaEntry {
            index,
            hw_code,
            sub_code,
            hw_version,
            sw_version,
            entry_region,
            regions: Vec::new(),
            damage: None,
        };
        if magic != ENTRY_MAGIC {
            entry.damage = Some(format!("it begins with {magic:04x}, not dada"));
        } else if count > MAX_REGIONS {
            entry.damage = Some(format!("it claims {count} regions, at most 10 fit"));
        } else {
            for _ in 0..count {
                let [offset, length, load, sig_at, sig_len] =
                    [t.u32_le()?, t.u32_le()?, t.u32_le()?, t.u32_le()?, t.u32_le()?];
                entry.regions.push(Region { offset, length, load, sig_at, sig_len });
            }
            entry.damage = entry.regions.iter().enumerate().find_map(|(n, r)| self.damage(n, r));
        }
        Ok(entry)
    }

    fn damage(&self, number: usize, region: &Region) -> Option<String> {
        if region.sig_len > region.length {
            return Some(format!("the signature of region {number} is longer than the region"));
        }
        if region.load.checked_add(region.length).is_none() {
            return Some(format!("region {number} wraps around the end of the address space"));
        }
        if region.length > 0 && slice(self.bytes, region).is_none() {
            let end = u64::from(region.offset).saturating_add(u64::from(region.length));
            return Some(format!(
                "region {number} ends at byte {end}, but the file has {}: the file is truncated",
                self.bytes.len()
            ));
        }
        None
    }

    fn warn(&mut self) {
        if self.version != 4 {
            self.warnings.push(format!("container version {}, only 4 is known", self.version));
        }
        let v6 = self.label.starts_with("MTK_DA_v6");
        for entry in &self.entries {
            let odd = |r: &Region| {
                let base = if v6 { r.offset } else { 0 };
                r.sig_len > 0 && r.sig_at != base.wrapping_add(r.length).wrapping_sub(r.sig_len)
            };
            if entry.damage.is_none() && entry.regions.iter().any(odd) {
                let text = format!("entry {}: a signature does not begin where the table says", entry.index);
                self.warnings.push(text);
            }
        }
        let end = self
            .entries
            .iter()
            .flat_map(|e| &e.regions)
            .map(|r| u64::from(r.offset).saturating_add(u64::from(r.length)))
            .max()
            .unwrap_or_default();
        let have = u64::try_from(self.bytes.len()).unwrap_or(u64::MAX);
        if have > end {
            self.warnings.push(format!("{} bytes follow the last region", have.saturating_sub(end)));
        }
    }
}

fn header(bytes: &[u8]) -> Result<Result<(String, u32, u32), DaFileError>, Short> {
    let mut t = Take::new(bytes);
    t.bytes(0x20)?;
    let label = t.bytes(64)?;
    let label = label.split(|b| *b == 0).next().unwrap_or_default();
    let label = String::from_utf8_lossy(label).to_string();
    let version = t.u32_le()?;
    if t.u32_le()? != MAGIC {
        return Ok(Err(DaFileError::NotAContainer("its second magic number is wrong")));
    }
    let count = t.u32_le()?;
    Ok(Ok((label, version, count)))
}

/// Distance between entries: 0xDC, in old containers 0xD8, `None` for the compact form (`formats.md` 1.7).
fn stride(bytes: &[u8], count: u32) -> Option<usize> {
    const NORMAL: usize = 0xdc;
    const OLD: usize = 0xd8;
    let magic_at = |stride: usize| {
        let at = HEADER_BYTES.saturating_add(stride);
        bytes.get(at..at.saturating_add(2)) == Some(&ENTRY_MAGIC.to_le_bytes())
    };
    if count == 1 || magic_at(NORMAL) {
        Some(NORMAL)
    } else if magic_at(OLD) {
        Some(OLD)
    } else if compact(bytes) {
        None
    } else {
        Some(NORMAL)
    }
}

/// In the compact form the first region begins before a normal entry would end.
fn compact(bytes: &[u8]) -> bool {
    let slot = HEADER_BYTES.saturating_add(ENTRY_HEAD);
    let first = bytes.get(slot..).and_then(|b| Take::new(b).u32_le().ok());
    first.is_some_and(|offset| offset > 0 && offset < 0x6c + 0xdc)
}

fn slice<'a>(bytes: &'a [u8], region: &Region) -> Option<&'a [u8]> {
    let start = usize::try_from(region.offset).ok()?;
    let end = start.checked_add(usize::try_from(region.length).ok()?)?;
    bytes.get(start..end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec;

    /// A container of one entry, laid out by hand after formats.md 1.1 to 1.3.
    fn small() -> Vec<u8> {
        let mut f = vec![0u8; 0x6c + 0xdc];
        f[..18].copy_from_slice(MAGIC_TEXT);
        f[0x20..0x20 + 5].copy_from_slice(b"label");
        f[0x60] = 4;
        f[0x64..0x68].copy_from_slice(&[0x99, 0x88, 0x66, 0x22]);
        f[0x68] = 1;
        f[0x6c..0x78].copy_from_slice(&[0xda, 0xda, 0x75, 0x65, 0, 0, 0, 0xcb, 1, 0xe2, 0, 0]);
        f[0x7c] = 1; // entry region
        f[0x7e] = 1; // region count
        f[0x80..0x94].copy_from_slice(&[0x48, 1, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0xc2, 4, 0, 0, 0, 4, 0, 0, 0]);
        f.extend([1, 2, 3, 4, 0xa, 0xb, 0xc, 0xd]);
        f
    }

    #[test]
    fn a_small_container_parses_whole() {
        let bytes = small();
        let file = DaFile::parse(&bytes).unwrap();
        assert_eq!(file.label, "label");
        let entry = &file.entries[0];
        assert_eq!((entry.hw_code, entry.hw_version, entry.sw_version), (0x6575, 0xcb00, 0xe201));
        let (region, data) = file.region(entry, 0).unwrap();
        assert_eq!(region, Region { offset: 0x148, length: 8, load: 0xc200_0000, sig_at: 4, sig_len: 4 });
        assert_eq!(data, [1, 2, 3, 4, 0xa, 0xb, 0xc, 0xd]);
        assert!(file.warnings.is_empty());
        assert!(file.region(entry, 1).is_err());
    }

    #[test]
    fn a_truncated_region_refuses_its_entry_only() {
        let bytes = small();
        let cut = &bytes[..bytes.len() - 1];
        let file = DaFile::parse(cut).unwrap();
        let error = file.region(&file.entries[0], 0).unwrap_err();
        assert!(error.to_string().contains("truncated"), "{error}");
    }

    #[test]
    fn every_shorter_file_and_every_flipped_byte_is_an_error_or_a_container_never_a_panic() {
        let bytes = small();
        for end in 0..bytes.len() {
            if let Ok(file) = DaFile::parse(&bytes[..end]) {
                assert!(file.entries.iter().all(|e| file.region(e, 0).is_err()));
            }
        }
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut b = bytes.clone();
                b[at] ^= 1 << bit;
                if let Ok(file) = DaFile::parse(&b) {
                    for e in &file.entries {
                        let _ = file.region(e, 0);
                    }
                }
            }
        }
    }

    #[test]
    fn longer_signature_than_region_and_wrapping_addresses_are_refused() {
        let mut bytes = small();
        bytes[0x90] = 9;
        let file = DaFile::parse(&bytes).unwrap();
        assert!(file.entries[0].damage.as_ref().unwrap().contains("longer"));
        let mut bytes = small();
        bytes[0x88..0x8c].copy_from_slice(&[0xff; 4]);
        let file = DaFile::parse(&bytes).unwrap();
        assert!(file.entries[0].damage.as_ref().unwrap().contains("wraps"));
    }

    #[test]
    fn old_and_compact_strides_are_recognised() {
        for stride in [0xd8usize, 0x14 + 0x14] {
            let mut bytes = small();
            bytes[0x68] = 2;
            bytes.resize(0x200, 0);
            let entry = bytes[0x6c..0x6c + 0x28].to_vec();
            bytes[0x6c + stride..0x6c + stride + 0x28].copy_from_slice(&entry);
            let offset = if stride == 0xd8 { 0x1f0u32 } else { 0xc0 };
            for at in [0x6c + 0x14, 0x6c + stride + 0x14] {
                bytes[at..at + 4].copy_from_slice(&offset.to_le_bytes());
            }
            let file = DaFile::parse(&bytes).unwrap();
            assert_eq!(file.entries.len(), 2);
            assert!(file.entries.iter().all(|e| e.damage.is_none() && e.hw_code == 0x6575), "{stride:x}");
        }
    }
}
