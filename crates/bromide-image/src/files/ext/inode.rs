//! Inodes: what a file system says of an object beside its names and its content.

use alloc::format;
use alloc::vec::Vec;

use super::Disk;
use super::superblock::Superblock;
use crate::files::{Entry, FilesError, Kind, Time};
use crate::identify::fields::{le16, le32, narrow, part};
use crate::read_at::ReadAt;

const ENCRYPTED: u32 = 0x800;
const EXTENTS: u32 = 0x8_0000;
const INLINE: u32 = 0x1000_0000;

/// Bytes of the smallest inode; a larger one says at its end how many more it uses.
const SMALLEST: usize = 128;

/// An inode.
#[derive(Debug, Clone)]
pub(super) struct Inode {
    pub(super) number: u32,
    pub(super) kind: Kind,
    pub(super) size: u64,
    /// Where the content is, or a short content itself: 60 bytes.
    pub(super) content: Vec<u8>,
    /// Extended attributes in the inode, from their magic number on; empty where there is no room.
    pub(super) attributes: Vec<u8>,
    /// Block of further ones; 0 for none.
    pub(super) attribute_block: u64,
    flags: u32,
    mode: u32,
    uid: u32,
    gid: u32,
    links: u16,
    times: [Time; 3],
}

impl Inode {
    /// The inode of this number.
    pub(super) fn read<S: ReadAt>(sb: &Superblock, disk: &Disk<S>, number: u32) -> Result<Self, FilesError> {
        let (block, within, len) = sb.place(disk, number)?;
        let block = disk.block(block)?;
        let raw = block.get(narrow(within)..).and_then(|rest| rest.get(..len)).unwrap_or_default();
        let mode = u32::from(le16(raw, 0));
        let kind = Kind::of_mode(mode);
        if kind == Kind::Unknown || raw.len() < SMALLEST {
            return Err(FilesError::Unreadable(format!("inode {number} holds nothing (mode {mode:o})")));
        }
        // Only files are larger than 4 GiB; elsewhere the word had other uses.
        let high = if kind == Kind::File { u64::from(le32(raw, 0x6C)) << 32 } else { 0 };
        let high_word = |at: usize| u32::from(le16(raw, at)) << 16;
        let extra = if raw.len() > SMALLEST { usize::from(le16(raw, 0x80)) } else { 0 };
        let used = SMALLEST.saturating_add(extra);
        let time = |at: usize, extra_at: usize| {
            let more = if used >= extra_at.saturating_add(4) { le32(raw, extra_at) } else { 0 };
            time(le32(raw, at), more)
        };
        let attributes = if raw.len() > SMALLEST { raw.get(used..).unwrap_or_default() } else { &[] };
        Ok(Self {
            number,
            kind,
            size: high | u64::from(le32(raw, 4)),
            content: part(raw, 0x28, 60).to_vec(),
            attributes: attributes.to_vec(),
            attribute_block: u64::from(le16(raw, 0x76)) << 32 | u64::from(le32(raw, 0x68)),
            flags: le32(raw, 0x20),
            mode: mode & 0o7777,
            uid: high_word(0x78) | u32::from(le16(raw, 2)),
            gid: high_word(0x7A) | u32::from(le16(raw, 0x18)),
            links: le16(raw, 0x1A),
            times: [time(8, 0x8C), time(0x10, 0x88), time(0x0C, 0x84)],
        })
    }

    /// Whether the content is found through extents.
    pub(super) const fn has_extents(&self) -> bool {
        self.flags & EXTENTS != 0
    }

    /// Whether the content is in the inode itself.
    pub(super) const fn is_inline(&self) -> bool {
        self.flags & INLINE != 0
    }

    /// Refuses what nobody can read without a key.
    pub(super) fn readable(&self) -> Result<(), FilesError> {
        if self.flags & ENCRYPTED != 0 {
            return Err(FilesError::Unreadable(format!("inode {} is encrypted", self.number)));
        }
        Ok(())
    }

    /// As an object under a name.
    pub(super) fn entry(&self, name: Vec<u8>) -> Entry {
        let [accessed, modified, changed] = self.times;
        Entry {
            id: self.number.into(),
            name,
            kind: self.kind,
            mode: self.mode,
            uid: self.uid,
            gid: self.gid,
            size: if matches!(self.kind, Kind::File | Kind::Symlink) { self.size } else { 0 },
            accessed,
            modified,
            changed,
            names: self.links.into(),
            device: if self.kind.is_device() { self.device() } else { (0, 0) },
        }
    }

    /// Device numbers: 8 bits each in the first word, or 12 and 20 bits in the second.
    fn device(&self) -> (u32, u32) {
        let (old, new) = (le32(&self.content, 0), le32(&self.content, 4));
        if old != 0 {
            return ((old >> 8) & 0xFF, old & 0xFF);
        }
        ((new >> 8) & 0xFFF, (new & 0xFF) | ((new >> 12) & 0xF_FF00))
    }
}

/// Seconds as a signed word, two more bits of them and the nanoseconds in another.
fn time(seconds: u32, more: u32) -> Time {
    let low = i64::from(i32::from_le_bytes(seconds.to_le_bytes()));
    let nanos = Some(more >> 2).filter(|&nanos| nanos < 1_000_000_000).unwrap_or(0);
    Time { seconds: low.saturating_add(i64::from(more & 3) << 32), nanos }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_reach_from_1901_to_2446() {
        assert_eq!(time(0x8000_0000, 0), Time { seconds: -0x8000_0000, nanos: 0 });
        assert_eq!(time(0x8000_0000, 1), Time { seconds: 0x8000_0000, nanos: 0 });
        assert_eq!(time(5, 3 | 7 << 2), Time { seconds: 5 + (3 << 32), nanos: 7 });
        assert_eq!(time(5, u32::MAX).nanos, 0);
    }
}
