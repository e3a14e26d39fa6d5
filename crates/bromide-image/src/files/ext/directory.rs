//! Directories: names and inode numbers, block by block. What an index of hashes adds looks like unused space.

use alloc::format;
use alloc::vec;
use alloc::vec::Vec;

use super::inode::Inode;
use super::{Disk, blocks, xattr};
use crate::files::FilesError;
use crate::identify::fields::{byte, le16, le32, narrow, part};
use crate::read_at::ReadAt;

/// Most names in one directory, and most blocks looked at for them; never more than there are.
const MOST_NAMES: usize = 1 << 20;
const MOST_BLOCKS: u64 = 1 << 18;

/// Bytes of a record before its name.
const HEADER: usize = 8;

/// The names of a directory in the order of the disk.
#[derive(Debug, Default)]
pub(super) struct Names {
    /// Inode and name.
    pub(super) found: Vec<(u32, Vec<u8>)>,
    /// What could not be read, a sentence each.
    pub(super) damage: Vec<alloc::string::String>,
}

/// What is in a directory. `file_types`: whether the byte behind the length of a name is no part of it.
pub(super) fn names<S: ReadAt>(disk: &Disk<S>, inode: &Inode, file_types: bool) -> Result<Names, FilesError> {
    let mut names = Names::default();
    if inode.is_inline() {
        // The number of the parent, then records; more of them in an attribute.
        records(inode.content.get(4..).unwrap_or_default(), file_types, &mut names.found);
        let more = xattr::inline_data(inode);
        records(&more, file_types, &mut names.found);
        return Ok(names);
    }
    let end = inode.size.div_ceil(disk.block);
    let (mut at, mut looked_at) = (0_u64, 0_u64);
    let mut buffer = vec![0; narrow(disk.block)];
    while at < end {
        let run = blocks::run(disk, inode, at)?;
        let until = run.until.min(end);
        let Some(first) = run.at else {
            at = until;
            continue;
        };
        for ahead in 0..until.saturating_sub(at) {
            looked_at = looked_at.saturating_add(1);
            if looked_at > MOST_BLOCKS.min(disk.blocks) || names.found.len() > MOST_NAMES {
                return Err(FilesError::Unreadable(format!(
                    "directory inode {} has too many names to be one",
                    inode.number
                )));
            }
            disk.read(first.saturating_add(ahead), 0, &mut buffer)?;
            if !records(&buffer, file_types, &mut names.found) {
                let block = at.saturating_add(ahead);
                names.damage.push(format!(
                    "directory inode {}: block {block} is damaged, names may be missing",
                    inode.number
                ));
            }
        }
        at = until;
    }
    Ok(names)
}

/// Adds the records of a block; gives whether they fill it as they should.
fn records(block: &[u8], file_types: bool, into: &mut Vec<(u32, Vec<u8>)>) -> bool {
    let mut rest = block;
    while rest.len() >= HEADER {
        let stated = usize::from(le16(rest, 4));
        // Two ways to say 65536, which does not fit.
        let len = if stated == 0 || stated == 0xFFFF { rest.len() } else { stated };
        let name_len = if file_types { usize::from(byte(rest, 6)) } else { usize::from(le16(rest, 6)) };
        let name = part(rest, HEADER, name_len);
        let Some((_, next)) = rest.split_at_checked(len).filter(|_| len >= HEADER) else { return false };
        let inode = le32(rest, 0);
        if inode != 0 && !matches!(name, b"." | b"..") {
            if name.is_empty() || name.len() != name_len || name.contains(&0) || len < name_len {
                return false;
            }
            into.push((inode, name.to_vec()));
        }
        rest = next;
    }
    rest.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_that_do_not_fill_a_block_are_told() {
        let mut block = vec![0; 64];
        block[..12].copy_from_slice(b"\x0c\0\0\0\x0c\0\x03\x01one\0");
        block[12..24].copy_from_slice(b"\x0d\0\0\0\x34\0\x03\x01two\0");
        let mut found = Vec::new();
        assert!(records(&block, true, &mut found));
        assert_eq!(found, [(12, b"one".to_vec()), (13, b"two".to_vec())]);
        for (at, wrong) in [(4, 4), (4, 65), (16, 0x44), (6, 0), (8, 0)] {
            let mut block = block.clone();
            block[at] = wrong;
            assert!(!records(&block, true, &mut Vec::new()), "{at}");
        }
    }
}
