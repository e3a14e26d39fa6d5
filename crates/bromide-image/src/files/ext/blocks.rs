//! Where the content of an inode lies: a tree of extents, or words that point to blocks through up to three others.

use alloc::format;
use alloc::rc::Rc;

use super::Disk;
use super::inode::Inode;
use crate::files::FilesError;
use crate::identify::fields::{le16, le32, narrow, wide};
use crate::read_at::ReadAt;

/// Bytes of an extent, an index and the header before them.
const ENTRY: usize = 12;
const EXTENT_MAGIC: u16 = 0xF30A;
const DEEPEST: u16 = 5;
/// Extents longer by this are allocated, but nothing was written there.
const UNWRITTEN: u64 = 0x8000;
/// Pointers in the inode itself.
const DIRECT: u64 = 12;

/// Blocks of a file that follow each other on the disk, or are all a hole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Run {
    /// First block of the file after it; beyond the one asked for.
    pub(super) until: u64,
    /// The block of the disk that holds the one asked for; `None` in a hole.
    pub(super) at: Option<u64>,
}

/// The run from a block of a file on.
pub(super) fn run<S: ReadAt>(disk: &Disk<S>, inode: &Inode, block: u64) -> Result<Run, FilesError> {
    if inode.has_extents() { extents(disk, inode, block) } else { pointers(disk, inode, block) }
}

/// Bytes from `offset` on: as many as there are before the end, holes as zeros.
pub(super) fn read<S: ReadAt>(
    disk: &Disk<S>,
    inode: &Inode,
    offset: u64,
    into: &mut [u8],
) -> Result<usize, FilesError> {
    let len = narrow(inode.size.saturating_sub(offset)).min(into.len());
    let (mut at, mut rest) = (offset, into.get_mut(..len).unwrap_or_default());
    while !rest.is_empty() {
        let block = at.checked_div(disk.block).unwrap_or(0);
        let run = run(disk, inode, block)?;
        let within = at.checked_rem(disk.block).unwrap_or(0);
        let run_bytes = run.until.saturating_mul(disk.block).saturating_sub(at);
        let here = narrow(run_bytes).min(rest.len());
        let Some((now, later)) = rest.split_at_mut_checked(here).filter(|_| here > 0) else { break };
        match run.at {
            Some(first) => disk.read(first, within, now)?,
            None => now.fill(0),
        }
        (at, rest) = (at.saturating_add(wide(here)), later);
    }
    Ok(len)
}

fn damaged(inode: &Inode, what: &str) -> FilesError {
    FilesError::Unreadable(format!("inode {}: {what}", inode.number))
}

fn extents<S: ReadAt>(disk: &Disk<S>, inode: &Inode, block: u64) -> Result<Run, FilesError> {
    let mut node: Rc<[u8]> = Rc::from(inode.content.as_slice());
    let mut above = None;
    let mut until = u64::MAX;
    loop {
        let depth = le16(&node, 6);
        let right_depth = above.map_or(depth <= DEEPEST, |above| depth.checked_add(1) == Some(above));
        if le16(&node, 0) != EXTENT_MAGIC || !right_depth {
            return Err(damaged(inode, "its tree of extents is damaged"));
        }
        let mut best = None;
        for entry in node.chunks_exact(ENTRY).skip(1).take(le16(&node, 2).into()) {
            let first = u64::from(le32(entry, 0));
            if first <= block {
                best = Some((first, entry));
            } else {
                until = until.min(first);
            }
        }
        let Some((first, entry)) = best else { return Ok(Run { until, at: None }) };
        if depth == 0 {
            let stated = u64::from(le16(entry, 4));
            let unwritten = stated > UNWRITTEN;
            let len = if unwritten { stated.saturating_sub(UNWRITTEN) } else { stated };
            let start = u64::from(le16(entry, 6)) << 32 | u64::from(le32(entry, 8));
            let end = first.saturating_add(len);
            if block >= end {
                return Ok(Run { until, at: None });
            }
            let at = start.saturating_add(block.saturating_sub(first));
            return Ok(Run { until: until.min(end), at: (!unwritten).then_some(at) });
        }
        let child = u64::from(le16(entry, 8)) << 32 | u64::from(le32(entry, 4));
        above = Some(depth);
        node = disk.block(child)?;
    }
}

fn pointers<S: ReadAt>(disk: &Disk<S>, inode: &Inode, block: u64) -> Result<Run, FilesError> {
    let Some(mut rest) = block.checked_sub(DIRECT) else {
        let direct = inode.content.get(..narrow(DIRECT).saturating_mul(4)).unwrap_or_default();
        return Ok(leaf(direct, block, block));
    };
    let per_block = disk.block.checked_div(4).unwrap_or(1);
    // Blocks below a pointer.
    let mut below = 1_u64;
    for slot in inode.content.chunks_exact(4).skip(narrow(DIRECT)) {
        below = below.saturating_mul(per_block);
        if rest >= below {
            rest = rest.saturating_sub(below);
            continue;
        }
        let mut pointer = le32(slot, 0);
        loop {
            if pointer == 0 {
                let until = block.saturating_add(below.saturating_sub(rest));
                return Ok(Run { until, at: None });
            }
            let node = disk.block(pointer.into())?;
            below = below.checked_div(per_block).unwrap_or(1);
            if below <= 1 {
                return Ok(leaf(&node, rest, block));
            }
            let index = rest.checked_div(below).unwrap_or(0);
            rest = rest.checked_rem(below).unwrap_or(0);
            pointer = le32(&node, narrow(index).saturating_mul(4));
        }
    }
    Err(damaged(inode, "it is larger than its pointers reach"))
}

/// The run of pointers from `index` on, which points to `block` of the file.
fn leaf(pointers: &[u8], index: u64, block: u64) -> Run {
    let mut words = pointers.chunks_exact(4).skip(narrow(index)).map(|word| u64::from(le32(word, 0)));
    let first = words.next().unwrap_or(0);
    let mut len = 1_u64;
    for word in words {
        let next = if first == 0 { 0 } else { first.saturating_add(len) };
        if word != next {
            break;
        }
        len = len.saturating_add(1);
    }
    Run { until: block.saturating_add(len), at: (first != 0).then_some(first) }
}
