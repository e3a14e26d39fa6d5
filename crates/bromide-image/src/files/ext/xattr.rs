//! Extended attributes: in the rest of the inode, in a block of their own, long values in an inode of theirs.
//!
//! Access control lists are left out: their form on the disk is not the one that programs know.

use alloc::vec;
use alloc::vec::Vec;

use super::inode::Inode;
use super::superblock::Superblock;
use super::{Disk, blocks};
use crate::files::{FilesError, Kind, Xattr};
use crate::identify::fields::{byte, has, le16, le32, narrow, part, wide};
use crate::read_at::ReadAt;

const MAGIC: &[u8] = &[0, 0, 0x02, 0xEA];
/// Bytes of the header of a block of attributes.
const BLOCK_HEADER: usize = 32;
/// Bytes of an entry before its name.
const ENTRY: usize = 16;
/// Longest value there can be.
const LONGEST: usize = 1 << 16;

/// Where a value is.
enum Value<'a> {
    Here(&'a [u8]),
    /// In the inode of this number, so many bytes.
    Inode(u32, usize),
}

struct Found<'a> {
    index: u8,
    name: &'a [u8],
    value: Value<'a>,
}

/// All attributes of an inode.
pub(super) fn all<S: ReadAt>(
    sb: &Superblock,
    disk: &Disk<S>,
    inode: &Inode,
) -> Result<Vec<Xattr>, FilesError> {
    let mut all = Vec::new();
    let mut add = |found: Found<'_>| -> Result<(), FilesError> {
        let Some(prefix) = prefix(found.index) else { return Ok(()) };
        if (found.index, found.name) == (7, b"data") {
            return Ok(());
        }
        let value = match found.value {
            Value::Here(value) => value.to_vec(),
            Value::Inode(number, len) => {
                let holder = Inode::read(sb, disk, number)?;
                let mut value = vec![0; len];
                let read = blocks::read(disk, &holder, 0, &mut value)?;
                value.truncate(read);
                value
            }
        };
        all.push(Xattr { name: [prefix, found.name].concat(), value });
        Ok(())
    };
    if has(&inode.attributes, 0, MAGIC) {
        let area = inode.attributes.get(MAGIC.len()..).unwrap_or_default();
        entries(area, area).try_for_each(&mut add)?;
    }
    if inode.attribute_block != 0 {
        let block = disk.block(inode.attribute_block)?;
        if !has(&block, 0, MAGIC) {
            return Err(FilesError::Unreadable("a block of attributes has no magic number".into()));
        }
        entries(block.get(BLOCK_HEADER..).unwrap_or_default(), &block).try_for_each(&mut add)?;
    }
    Ok(all)
}

/// What of a content inside the inode did not fit between its fields.
pub(super) fn inline_data(inode: &Inode) -> Vec<u8> {
    if !has(&inode.attributes, 0, MAGIC) || inode.kind == Kind::Unknown {
        return Vec::new();
    }
    let area = inode.attributes.get(MAGIC.len()..).unwrap_or_default();
    let found = entries(area, area).find(|it| (it.index, it.name) == (7, b"data"));
    match found.map(|it| it.value) {
        Some(Value::Here(value)) => value.to_vec(),
        _ => Vec::new(),
    }
}

/// The entries of an area; values count their place from the start of `whole`.
fn entries<'a>(area: &'a [u8], whole: &'a [u8]) -> impl Iterator<Item = Found<'a>> {
    let mut rest = area;
    core::iter::from_fn(move || {
        if le32(rest, 0) == 0 || rest.len() < ENTRY {
            return None;
        }
        let name_len = usize::from(byte(rest, 0));
        let len = narrow(wide(ENTRY.saturating_add(name_len)).next_multiple_of(4));
        let (at, holder, size) = (usize::from(le16(rest, 2)), le32(rest, 4), narrow(le32(rest, 8).into()));
        let value = if holder == 0 {
            Value::Here(part(whole, at, size))
        } else {
            Value::Inode(holder, size.min(LONGEST))
        };
        let found = Found { index: byte(rest, 1), name: part(rest, ENTRY, name_len), value };
        rest = rest.get(len..).unwrap_or_default();
        Some(found)
    })
}

/// What the name begins with, which is stored as a number.
const fn prefix(index: u8) -> Option<&'static [u8]> {
    match index {
        1 => Some(b"user."),
        4 => Some(b"trusted."),
        6 => Some(b"security."),
        7 => Some(b"system."),
        _ => None,
    }
}
