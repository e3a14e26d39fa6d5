//! The journal of a file system that was not taken off properly: which blocks it has newer content for.
//!
//! All numbers are big-endian. Only finished transactions count. Checksums are not looked at, and fast commits not read.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::rc::Rc;
use alloc::vec::Vec;

use super::disk::{JOURNAL_MAGIC, Newer};
use super::inode::Inode;
use super::{Disk, blocks};
use crate::files::FilesError;
use crate::identify::fields::{be32, has, narrow, wide};
use crate::read_at::ReadAt;

/// Most blocks of a journal looked at, and most blocks it may have content for: four times those of the largest one
/// that is made by default.
const MOST_BLOCKS: u64 = 1 << 20;

const DESCRIPTOR: u32 = 1;
const COMMIT: u32 = 2;
const REVOKE: u32 = 5;

const WIDE: u32 = 2;
const CHECKSUM_2: u32 = 8;
const CHECKSUM_3: u32 = 0x10;
const FAST_COMMIT: u32 = 0x20;

const ESCAPED: u32 = 1;
const SAME_UUID: u32 = 2;
const LAST: u32 = 8;

/// Bytes of the header of every block of the journal itself: magic number, kind, transaction.
const HEADER: usize = 12;

struct Log<'a, S> {
    disk: &'a Disk<S>,
    inode: &'a Inode,
    features: u32,
    first: u64,
    end: u64,
}

/// What the finished transactions change.
#[derive(Default)]
struct Changes {
    /// By transaction, in order.
    written: Vec<(u32, u64, Newer)>,
    /// Blocks whose content in this and earlier transactions is void.
    revoked: BTreeMap<u64, u32>,
}

/// The newer blocks.
pub(super) fn newer<S: ReadAt>(disk: &Disk<S>, inode: &Inode) -> Result<BTreeMap<u64, Newer>, FilesError> {
    let (_, sb) = block(disk, inode, 0)?;
    let wrong = |why: &str| FilesError::Unreadable(format!("journal: {why}"));
    if !has(&sb, 0, &JOURNAL_MAGIC) || !(3..=4).contains(&be32(&sb, 4)) {
        return Err(wrong("it has no superblock"));
    }
    let features = if be32(&sb, 4) == 4 { be32(&sb, 0x28) } else { 0 };
    if features & !0x3F != 0 || u64::from(be32(&sb, 0x0C)) != disk.block {
        return Err(wrong("it is of a kind not known here"));
    }
    // Fast commits stand behind the rest: 256 blocks unless another number is stated.
    let fast = match be32(&sb, 0x54) {
        _ if features & FAST_COMMIT == 0 => 0,
        0 => 256,
        stated => u64::from(stated),
    };
    let end = u64::from(be32(&sb, 0x10)).min(inode.size.div_ceil(disk.block)).saturating_sub(fast);
    let log = Log { disk, inode, features, first: be32(&sb, 0x14).into(), end };
    let start = u64::from(be32(&sb, 0x1C));
    let changes = if start == 0 { Changes::default() } else { log.changes(start, be32(&sb, 0x18))? };
    let mut newer = BTreeMap::new();
    for (transaction, at, content) in changes.written {
        let void = changes.revoked.get(&at).is_some_and(|&by| !is_later(transaction, by));
        if !void {
            newer.insert(at, content);
        }
    }
    Ok(newer)
}

/// Numbers of transactions wrap.
const fn is_later(transaction: u32, than: u32) -> bool {
    transaction != than && transaction.wrapping_sub(than) < 1 << 31
}

/// A block of the journal, and where it is.
fn block<S: ReadAt>(disk: &Disk<S>, inode: &Inode, index: u64) -> Result<(u64, Rc<[u8]>), FilesError> {
    let hole = || FilesError::Unreadable(format!("journal: block {index} is missing"));
    let at = blocks::run(disk, inode, index)?.at.ok_or_else(hole)?;
    Ok((at, disk.block(at)?))
}

impl<S: ReadAt> Log<'_, S> {
    const fn after(&self, index: u64) -> u64 {
        let next = index.saturating_add(1);
        if next < self.end { next } else { self.first }
    }

    fn changes(&self, start: u64, mut transaction: u32) -> Result<Changes, FilesError> {
        let mut changes = Changes::default();
        let (mut finished, mut revoked) = (0, Vec::new());
        let (mut index, mut passed) = (start, 0_u64);
        while passed < self.end.min(MOST_BLOCKS) {
            let (_, block) = block(self.disk, self.inode, index)?;
            if !has(&block, 0, &JOURNAL_MAGIC) || be32(&block, 8) != transaction {
                break;
            }
            passed = passed.saturating_add(1);
            index = self.after(index);
            match be32(&block, 4) {
                DESCRIPTOR => {
                    for (at, escaped) in self.tags(&block) {
                        let content = Newer { at: self.place(index)?, escaped };
                        changes.written.push((transaction, at, content));
                        passed = passed.saturating_add(1);
                        index = self.after(index);
                    }
                }
                REVOKE => revoked.extend(self.revokes(&block)),
                COMMIT => {
                    changes.revoked.extend(revoked.drain(..).map(|at| (at, transaction)));
                    finished = changes.written.len();
                    transaction = transaction.wrapping_add(1);
                }
                _ => break,
            }
            if wide(revoked.len()) > MOST_BLOCKS || wide(changes.revoked.len()) > MOST_BLOCKS {
                return Err(FilesError::Unreadable("journal: it revokes too many blocks".into()));
            }
        }
        changes.written.truncate(finished);
        Ok(changes)
    }

    fn place(&self, index: u64) -> Result<u64, FilesError> {
        block(self.disk, self.inode, index).map(|(at, _)| at)
    }

    /// The blocks that the following ones are content of.
    fn tags(&self, block: &[u8]) -> Vec<(u64, bool)> {
        let (wide, third) = (self.features & WIDE != 0, self.features & CHECKSUM_3 != 0);
        let len = match (third, self.features & CHECKSUM_2 != 0, wide) {
            (true, ..) => 16,
            (_, true, true) => 14,
            (_, true, false) => 10,
            (_, false, true) => 12,
            (_, false, false) => 8,
        };
        let (mut tags, mut at) = (Vec::new(), HEADER);
        while at.saturating_add(len) <= block.len() {
            // The flags are the low half of a word, or all of it.
            let flags = be32(block, at.saturating_add(4));
            let high = if wide { u64::from(be32(block, at.saturating_add(8))) << 32 } else { 0 };
            tags.push((high | u64::from(be32(block, at)), flags & ESCAPED != 0));
            if flags & LAST != 0 {
                break;
            }
            at = at.saturating_add(len);
            if flags & SAME_UUID == 0 {
                at = at.saturating_add(16);
            }
        }
        tags
    }

    fn revokes(&self, block: &[u8]) -> Vec<u64> {
        let wide = self.features & WIDE != 0;
        let used = narrow(be32(block, HEADER).into()).min(block.len());
        let list = block.get(HEADER.saturating_add(4)..used).unwrap_or_default();
        let number = |it: &[u8]| {
            if wide { u64::from(be32(it, 0)) << 32 | u64::from(be32(it, 4)) } else { be32(it, 0).into() }
        };
        list.chunks_exact(if wide { 8 } else { 4 }).map(number).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transactions_are_ordered_across_the_wrap() {
        assert!(is_later(5, 4) && is_later(1, u32::MAX) && !is_later(4, 4) && !is_later(u32::MAX, 1));
    }
}
