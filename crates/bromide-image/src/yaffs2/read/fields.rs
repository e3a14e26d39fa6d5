//! The fields of an object header (nand-yaffs2.md section 5).

use alloc::vec::Vec;

use super::options::ByteOrder;
use super::tagged::Extra;
use crate::yaffs2::{LAST_OBJECT, LONGEST_NAME, LONGEST_TARGET};

/// What an object is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A file with bytes.
    File,
    /// A symbolic link.
    Symlink,
    /// A directory.
    Directory,
    /// Another name of a file.
    HardLink,
    /// A device, a named pipe or a socket; the mode tells which.
    Special,
}

impl Kind {
    pub(super) const fn from_number(number: u32) -> Option<Self> {
        Some(match number {
            1 => Self::File,
            2 => Self::Symlink,
            3 => Self::Directory,
            4 => Self::HardLink,
            5 => Self::Special,
            _ => return None,
        })
    }
}

/// Objects whose parent is one of these are unlinked or deleted.
const GRAVES: [u32; 2] = [3, 4];

/// Most bytes of a target in the enlarged headers of one vendor's kernel, and where device number and shadow id are
/// in those.
const VENDOR_TARGET: usize = 1200;
const VENDOR_DEVICE: usize = 1504;
const VENDOR_SHADOWS: usize = 1548;

/// End of the fixed fields; extended attributes follow.
const END: usize = 512;

/// What replaying the log needs of a header; the rest is read again when wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Brief {
    pub(super) kind: Kind,
    pub(super) parent: u32,
    /// Bytes of a file, 0 for anything else.
    pub(super) size: u64,
    pub(super) equivalent: u32,
    pub(super) shrink: bool,
    /// Object this one took the place of, 0 for none.
    pub(super) shadows: u32,
}

impl Brief {
    /// Of a chunk with the tags `extra`, if they were of the kernel's form. `None` for a header of no known kind.
    pub(super) fn read(chunk: &[u8], extra: Option<Extra>, order: ByteOrder, in_band: bool) -> Option<Self> {
        let word = |at| order.word(chunk, at);
        let kind = Kind::from_number(word(0))?;
        let size = match (kind, word(496)) {
            (Kind::File, u32::MAX) => u64::from(word(292)),
            (Kind::File, high) => (u64::from(high) << 32) | u64::from(word(292)),
            _ => 0,
        };
        let [shadows_at, shrink_at] = if in_band { [488, 492] } else { [504, 508] };
        let object = |id: u32| (1..=LAST_OBJECT).contains(&id).then_some(id);
        let shadows = match extra {
            Some(extra) if !extra.shadows => None,
            Some(_) => object(word(shadows_at)).or_else(|| object(word(VENDOR_SHADOWS))),
            None => object(word(shadows_at)),
        };
        let shrink = extra.map_or_else(|| !matches!(word(shrink_at), 0 | u32::MAX), |extra| extra.shrink);
        let (parent, equivalent) = (word(4), word(296));
        Some(Self { kind, parent, size, equivalent, shrink, shadows: shadows.unwrap_or(0) })
    }

    /// Whether the object is unlinked or deleted by this header.
    pub(super) fn buried(&self) -> bool {
        GRAVES.contains(&self.parent)
    }
}

/// The fields a user sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shown {
    pub(super) name: Vec<u8>,
    pub(super) target: Vec<u8>,
    pub(super) mode: u32,
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) accessed: u32,
    pub(super) modified: u32,
    pub(super) changed: u32,
    pub(super) device: u32,
}

impl Shown {
    pub(super) fn read(chunk: &[u8], kind: Kind, order: ByteOrder) -> Self {
        let word = |at| order.word(chunk, at);
        let target = match kind {
            Kind::Symlink => text(chunk, 300, VENDOR_TARGET),
            _ => Vec::new(),
        };
        let device = match (kind, word(460)) {
            (Kind::Special, u32::MAX) => word(VENDOR_DEVICE),
            (Kind::Special, device) => device,
            _ => 0,
        };
        Self {
            name: text(chunk, 10, LONGEST_NAME),
            target,
            mode: mode(kind, word(268)),
            uid: word(272),
            gid: word(276),
            accessed: word(280),
            modified: word(284),
            changed: word(288),
            device,
        }
    }
}

/// A mode with the kind's bits above the permissions; writers leave them out at times.
fn mode(kind: Kind, stored: u32) -> u32 {
    let of_kind = match kind {
        Kind::File | Kind::HardLink => 0o100_000,
        Kind::Symlink => 0o120_000,
        Kind::Directory => 0o040_000,
        Kind::Special => stored & 0o170_000,
    };
    of_kind | (stored & 0o7777)
}

/// The bytes from `at` up to a zero byte, the end, or `longest`.
fn text(chunk: &[u8], at: usize, longest: usize) -> Vec<u8> {
    let bytes = chunk.get(at..).unwrap_or_default();
    let bytes = bytes.get(..longest).unwrap_or(bytes);
    bytes.split(|byte| *byte == 0).next().unwrap_or_default().to_vec()
}

/// One extended attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Xattr {
    /// Its name, as stored.
    pub name: Vec<u8>,
    /// Its value.
    pub value: Vec<u8>,
}

/// The extended attributes behind the fixed fields of a header chunk. A record that does not fit ends the list.
pub(super) fn xattrs(chunk: &[u8], target: &[u8], order: ByteOrder) -> Vec<Xattr> {
    // The enlarged target runs over where they would be.
    if target.len() > LONGEST_TARGET {
        return Vec::new();
    }
    let mut found = Vec::new();
    let mut rest = chunk.get(END..).unwrap_or_default();
    while let Some((record, after)) = next_record(rest, order) {
        let mut parts = record.splitn(2, |byte| *byte == 0);
        let (Some(name), Some(value)) = (parts.next(), parts.next()) else { break };
        found.push(Xattr { name: name.to_vec(), value: value.to_vec() });
        rest = after;
    }
    found
}

/// The record at the start without its length, and what follows it.
fn next_record(rest: &[u8], order: ByteOrder) -> Option<(&[u8], &[u8])> {
    let len = usize::try_from(order.word(rest, 0)).ok()?;
    let (record, after) = rest.split_at_checked(len)?;
    Some((record.get(4..)?, after))
}
