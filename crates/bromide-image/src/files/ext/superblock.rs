//! What the superblock says of the whole file system, and where the inodes of a group lie.

use alloc::format;

use super::Disk;
use crate::files::FilesError;
use crate::identify::fields::{byte, has, le16, le32, narrow, wide};
use crate::read_at::ReadAt;

/// Where the superblock stands, and its bytes.
pub(super) const AT: u64 = 1024;
pub(super) const BYTES: usize = 1024;

/// Features without which a file system must not be read at all, by the bit of `s_feature_incompat`.
const FILE_TYPES: u32 = 0x2;
const RECOVER: u32 = 0x4;
const META_GROUPS: u32 = 0x10;
const WIDE: u32 = 0x80;
/// Extents, 64 bits, multiple mount protection, flexible groups, attributes in inodes, seed of the checksums, large
/// directories, content in inodes, encryption, names without case.
const HARMLESS: u32 = 0x40 | 0x100 | 0x200 | 0x400 | 0x2000 | 0x4000 | 0x8000 | 0x1_0000 | 0x2_0000;

/// The superblock, as far as reading needs it.
#[derive(Debug, Clone)]
pub(super) struct Superblock {
    /// "ext2", "ext3" or "ext4".
    pub(super) title: &'static str,
    /// Bytes of a block, 1024 to 65536.
    pub(super) block: u64,
    /// Blocks there are.
    pub(super) blocks: u64,
    /// Whether names in directories carry the type of what they name.
    pub(super) file_types: bool,
    /// Inode of the journal, where the journal holds what is not in its place yet.
    pub(super) journal: Option<u32>,
    /// Whether there is such a journal at all, be it on another device.
    pub(super) recover: bool,
    /// Bytes of an inode.
    inode: u64,
    inodes: u32,
    inodes_per_group: u32,
    blocks_per_group: u32,
    first_block: u64,
    descriptor: u64,
    wide: bool,
    /// First group of descriptor blocks that stand in their own groups.
    first_meta: Option<u64>,
    sparse: bool,
}

impl Superblock {
    /// Whether one stands in these bytes, the first of an image.
    pub(super) fn is_one(head: &[u8]) -> bool {
        let sb = head.get(narrow(AT)..).unwrap_or_default();
        has(sb, 0x38, &[0x53, 0xEF]) && le32(sb, 0x18) <= 6 && le32(sb, 4) != 0 && le32(sb, 0x28) != 0
    }

    /// Of the bytes at [`AT`].
    pub(super) fn parse(sb: &[u8]) -> Result<Self, FilesError> {
        let wrong = |why: &str| FilesError::Unreadable(format!("superblock: {why}"));
        if !has(sb, 0x38, &[0x53, 0xEF]) {
            return Err(wrong("it has no magic number"));
        }
        let (compat, incompat, log_block) = (le32(sb, 0x5C), le32(sb, 0x60), le32(sb, 0x18));
        let known = FILE_TYPES | RECOVER | META_GROUPS | WIDE | HARMLESS;
        if incompat & !known != 0 {
            return Err(wrong(&format!("it needs features not known here ({:#x})", incompat & !known)));
        }
        if log_block > 6 {
            return Err(wrong("the size of a block is impossible"));
        }
        let block = 1024_u64 << log_block;
        let high = if incompat & WIDE != 0 { u64::from(le32(sb, 0x150)) << 32 } else { 0 };
        // The first revision has neither features nor a choice of inode sizes.
        let inode = if le32(sb, 0x4C) == 0 { 128 } else { u64::from(le16(sb, 0x58)) };
        if !inode.is_power_of_two() || !(128..=block).contains(&inode) {
            return Err(wrong("the size of an inode is impossible"));
        }
        let descriptor = if incompat & WIDE != 0 { u64::from(le16(sb, 0xFE)) } else { 32 };
        if !descriptor.is_power_of_two() || !(32..=block).contains(&descriptor) {
            return Err(wrong("the size of a group descriptor is impossible"));
        }
        let (inodes_per_group, blocks_per_group) = (le32(sb, 0x28), le32(sb, 0x20));
        if inodes_per_group == 0 || blocks_per_group == 0 {
            return Err(wrong("its groups are empty"));
        }
        let recover = incompat & RECOVER != 0;
        Ok(Self {
            title: match (incompat & 0x3C0, compat & 4) {
                (0, 0) => "ext2",
                (0, _) => "ext3",
                _ => "ext4",
            },
            block,
            blocks: high | u64::from(le32(sb, 4)),
            file_types: incompat & FILE_TYPES != 0,
            journal: Some(le32(sb, 0xE0)).filter(|&inode| recover && inode != 0),
            recover,
            inode,
            inodes: le32(sb, 0),
            inodes_per_group,
            blocks_per_group,
            first_block: le32(sb, 0x14).into(),
            descriptor,
            wide: incompat & WIDE != 0 && descriptor >= 64,
            first_meta: (incompat & META_GROUPS != 0).then(|| le32(sb, 0x104).into()),
            sparse: byte(sb, 0x64) & 1 != 0,
        })
    }

    /// Bytes of an inode, and the block and the place in it where it stands.
    pub(super) fn place<S: ReadAt>(
        &self,
        disk: &Disk<S>,
        inode: u32,
    ) -> Result<(u64, u64, usize), FilesError> {
        let index = inode.checked_sub(1).filter(|_| inode <= self.inodes);
        let Some(index) = index else { return Err(FilesError::NoObject(inode.into())) };
        let group = u64::from(index.checked_div(self.inodes_per_group).unwrap_or(0));
        let in_group = u64::from(index.checked_rem(self.inodes_per_group).unwrap_or(0));
        let (block, within) = self.descriptor_place(group);
        let block = disk.block(block)?;
        let descriptor = block.get(narrow(within)..).unwrap_or_default();
        let high = if self.wide { u64::from(le32(descriptor, 0x28)) << 32 } else { 0 };
        let table = high | u64::from(le32(descriptor, 8));
        let at = in_group.saturating_mul(self.inode);
        let block = table.saturating_add(at.checked_div(self.block).unwrap_or(0));
        Ok((block, at.checked_rem(self.block).unwrap_or(0), narrow(self.inode)))
    }

    /// Block and place in it of the descriptor of a group.
    fn descriptor_place(&self, group: u64) -> (u64, u64) {
        let per_block = self.block.checked_div(self.descriptor).unwrap_or(1);
        let nth = group.checked_div(per_block).unwrap_or(0);
        let within = group.checked_rem(per_block).unwrap_or(0).saturating_mul(self.descriptor);
        if self.first_meta.is_some_and(|first| nth >= first) {
            let first = nth.saturating_mul(per_block);
            let start = first.saturating_mul(self.blocks_per_group.into()).saturating_add(self.first_block);
            return (start.saturating_add(self.has_copy(first).into()), within);
        }
        let own = u64::from(self.block == wide(BYTES));
        (own.saturating_add(1).saturating_add(nth), within)
    }

    /// Whether a group begins with a copy of the superblock: with sparse copies, 0, 1, and powers of 3, 5 and 7.
    fn has_copy(&self, group: u64) -> bool {
        let power_of = |base: u64| {
            let mut power = base;
            while power < group {
                power = power.saturating_mul(base);
            }
            power == group
        };
        !self.sparse || group <= 1 || [3, 5, 7].into_iter().any(power_of)
    }
}
