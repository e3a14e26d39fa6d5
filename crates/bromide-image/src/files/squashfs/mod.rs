//! SquashFS 4.0 as trees of files, packed with zlib, LZ4, xz or LZMA (the format as the kernel documents it).
//!
//! Nothing but the blocks asked for is unpacked, and a few megabytes of them are kept. Ids are the places of inodes;
//! hard links share one. There is one time, that of the last change.

mod blocks;
mod inode;
mod xattr;

use alloc::collections::VecDeque;
use alloc::format;
use alloc::rc::Rc;
use alloc::vec;
use alloc::vec::Vec;
use core::cell::RefCell;
use core::ops::Range;

use blocks::{Blocks, Packing, Place, stored_bytes};
use inode::{Content, Inode, NONE, Tail};

use super::{Entry, Files, FilesError, Kind, Time, Xattr};
use crate::identify::fields::{has, le16, le32, le64, narrow, wide};
use crate::read_at::ReadAt;

const SUPERBLOCK: usize = 96;
/// Bits of an id for the place in a block of 8192 bytes.
const OFFSET_BITS: u32 = 13;
/// Longest target of a symbolic link.
const LONGEST_TARGET: u64 = 4096;
/// Longest name.
const LONGEST_NAME: usize = 256;
/// Most names in a directory.
const MOST_NAMES: usize = 1 << 18;
/// Most blocks of a file: 128 GiB of the usual ones.
const MOST_BLOCKS: u64 = 1 << 20;
/// Most lists of blocks kept.
const KEPT_LISTS: usize = 4;

/// Where the blocks of a file are.
struct List {
    /// Place and word of each; the word is 0 for a hole.
    blocks: Vec<(u64, u32)>,
    tail: Tail,
}

/// Where the tables of an image are.
#[derive(Debug, Clone, Copy)]
struct Tables {
    inodes: u64,
    directories: u64,
    fragments: u64,
    ids: u64,
    xattrs: u64,
}

/// A SquashFS file system.
pub struct SquashFiles {
    blocks: Blocks,
    /// Bytes of a block of data: a power of two from 4 KiB to 1 MiB.
    block: u64,
    tables: Tables,
    fragments: u32,
    ids: u16,
    root: u64,
    lists: RefCell<VecDeque<(u64, Rc<List>)>>,
}

impl SquashFiles {
    /// Whether an image that begins with these bytes, 96 or more, is one.
    #[must_use]
    pub fn is_one(head: &[u8]) -> bool {
        has(head, 0, b"hsqs") && le16(head, 28) == 4
    }

    /// The file system in an image.
    ///
    /// # Errors
    /// It is none, is packed in a way that is not known here, or cannot be read.
    pub fn open(source: Rc<dyn ReadAt>) -> Result<Self, FilesError> {
        let mut head = [0; SUPERBLOCK];
        source.read_at(0, &mut head)?;
        let refused = |what| Err(FilesError::Unreadable(what));
        if !Self::is_one(&head) {
            return refused("it is no SquashFS of version 4".into());
        }
        let packing = match Packing::of(le16(&head, 20)) {
            Ok(packing) => packing,
            Err(name) => return refused(format!("it is packed with {name}, which is not unpacked here")),
        };
        let block = le32(&head, 12);
        if !block.is_power_of_two() || !(1 << 12..=1 << 20).contains(&block) {
            return refused(format!("blocks of {block} bytes: there are none such"));
        }
        let tables = Tables {
            inodes: le64(&head, 64),
            directories: le64(&head, 72),
            fragments: le64(&head, 80),
            ids: le64(&head, 48),
            xattrs: le64(&head, 56),
        };
        let (at, offset) = (le64(&head, 32) >> 16, le16(&head, 32));
        let root = id(at, offset).ok_or_else(|| FilesError::Unreadable("its root is nowhere".into()))?;
        let files = Self {
            blocks: Blocks::new(source, packing, narrow(block.into())),
            block: block.into(),
            tables,
            fragments: le32(&head, 16),
            ids: le16(&head, 26),
            root,
            lists: RefCell::default(),
        };
        files.of_kind(root, Kind::Directory, "directory")?;
        Ok(files)
    }

    fn inode(&self, id: u64) -> Result<Inode, FilesError> {
        let block = self.tables.inodes.saturating_add(id >> OFFSET_BITS);
        let offset = narrow(id & ((1 << OFFSET_BITS) - 1));
        Inode::read(&self.blocks, Place { block, offset })?.ok_or(FilesError::NoObject(id))
    }

    fn of_kind(&self, id: u64, kind: Kind, wanted: &'static str) -> Result<Inode, FilesError> {
        let inode = self.inode(id)?;
        if inode.kind == kind { Ok(inode) } else { Err(FilesError::Not { id, wanted }) }
    }

    /// An entry of the table of user and group ids.
    fn owner(&self, index: u16) -> Result<u32, FilesError> {
        if index >= self.ids {
            return Err(FilesError::Unreadable(format!("there is no owner {index}")));
        }
        Ok(u32::from_le_bytes(self.blocks.indexed(self.tables.ids, index.into())?))
    }

    fn told(&self, id: u64, name: Vec<u8>) -> Result<Entry, FilesError> {
        let inode = self.inode(id)?;
        let time = Time { seconds: inode.modified.into(), nanos: 0 };
        Ok(Entry {
            id,
            name,
            kind: inode.kind,
            mode: inode.mode.into(),
            uid: self.owner(inode.uid)?,
            gid: self.owner(inode.gid)?,
            size: inode.size,
            accessed: time,
            modified: time,
            changed: time,
            names: inode.names,
            device: if let Content::Device(major, minor) = inode.content { (major, minor) } else { (0, 0) },
        })
    }

    /// Names and ids of what is in a directory, until `enough` says so.
    fn names(&self, directory: u64, mut enough: impl FnMut(&[u8], u64) -> bool) -> Result<(), FilesError> {
        let inode = self.of_kind(directory, Kind::Directory, "directory")?;
        let Content::Directory { block, offset, bytes } = inode.content else { return Ok(()) };
        let block = self.tables.directories.saturating_add(block.into());
        let (mut at, mut left, mut count) = (Place { block, offset: offset.into() }, bytes, 0_usize);
        while left > 0 {
            let mut head = [0; 12];
            self.blocks.metadata(&mut at, &mut head)?;
            left = left.saturating_sub(12);
            let inodes = le32(&head, 4);
            for _ in 0..=le32(&head, 0).min(255) {
                let mut entry = [0; 8];
                self.blocks.metadata(&mut at, &mut entry)?;
                let mut name = [0; LONGEST_NAME];
                let len = usize::from(le16(&entry, 6)).saturating_add(1);
                let (Some(name), Some(id)) = (name.get_mut(..len), id(inodes.into(), le16(&entry, 0))) else {
                    return Err(FilesError::Unreadable(format!("directory {directory} is damaged")));
                };
                self.blocks.metadata(&mut at, name)?;
                left = left.saturating_sub(8).saturating_sub(wide(len));
                count = count.saturating_add(1);
                if count > MOST_NAMES {
                    return Err(FilesError::Unreadable(format!(
                        "directory {directory} has too many names to be one"
                    )));
                }
                if !name.contains(&0) && enough(name, id) {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// The blocks of a file.
    fn list(&self, id: u64, inode: &Inode) -> Result<Rc<List>, FilesError> {
        if let Some(known) = self.lists.borrow().iter().find(|it| it.0 == id) {
            return Ok(Rc::clone(&known.1));
        }
        let Content::File { first, tail, mut list } = inode.content else {
            return Err(FilesError::Not { id, wanted: "file" });
        };
        let whole = inode.size.checked_div(self.block).unwrap_or(0);
        let count = if tail.fragment == NONE { inode.size.div_ceil(self.block) } else { whole };
        if count > MOST_BLOCKS {
            return Err(FilesError::Unreadable(format!("object {id} claims {} bytes, too many", inode.size)));
        }
        let (mut at, mut blocks) = (first, Vec::new());
        for _ in 0..count {
            let mut word = [0; 4];
            self.blocks.metadata(&mut list, &mut word)?;
            let word = u32::from_le_bytes(word);
            blocks.push((at, word));
            at = at.saturating_add(stored_bytes(word));
        }
        let list = Rc::new(List { blocks, tail });
        let mut lists = self.lists.borrow_mut();
        lists.truncate(KEPT_LISTS.saturating_sub(1));
        lists.push_front((id, Rc::clone(&list)));
        Ok(list)
    }

    /// Fills `into`, which ends within a block, from a place in the block `index`.
    fn piece(&self, list: &List, index: u64, offset: usize, into: &mut [u8]) -> Result<(), FilesError> {
        let (block, offset) = match list.blocks.get(narrow(index)) {
            Some((_, 0)) => {
                into.fill(0);
                return Ok(());
            }
            Some(&(at, word)) => (self.blocks.data(at, word)?, offset),
            None => {
                let Tail { fragment, offset: begin } = list.tail;
                if fragment >= self.fragments {
                    return Err(FilesError::Unreadable(format!("there is no fragment {fragment}")));
                }
                let entry: [u8; 16] = self.blocks.indexed(self.tables.fragments, fragment.into())?;
                let block = self.blocks.data(le64(&entry, 0), le32(&entry, 8))?;
                (block, narrow(begin.into()).saturating_add(offset))
            }
        };
        let found = block.get(offset..).and_then(|rest| rest.get(..into.len()));
        let Some(found) = found else {
            return Err(FilesError::Unreadable("a block of the file is shorter than it should be".into()));
        };
        into.copy_from_slice(found);
        Ok(())
    }
}

/// The id of an inode: where its block begins behind the table of inodes, and where it is in that.
fn id(block: u64, offset: u16) -> Option<u64> {
    let offset = u64::from(offset);
    (offset < 1 << OFFSET_BITS && block <= u32::MAX.into()).then_some(block << OFFSET_BITS | offset)
}

impl Files for SquashFiles {
    fn title(&self) -> &'static str {
        "SquashFS"
    }

    fn root(&self) -> u64 {
        self.root
    }

    fn entry(&self, id: u64) -> Result<Entry, FilesError> {
        self.told(id, Vec::new())
    }

    fn children(&self, directory: u64) -> Result<Vec<Entry>, FilesError> {
        let mut names = Vec::new();
        self.names(directory, |name, id| {
            names.push((name.to_vec(), id));
            false
        })?;
        names.sort();
        names.into_iter().map(|(name, id)| self.told(id, name)).collect()
    }

    fn child(&self, directory: u64, name: &[u8]) -> Result<Option<Entry>, FilesError> {
        let mut found = None;
        self.names(directory, |it, id| {
            found = (it == name).then_some(id);
            found.is_some()
        })?;
        found.map(|id| self.told(id, name.to_vec())).transpose()
    }

    fn target(&self, id: u64) -> Result<Vec<u8>, FilesError> {
        let inode = self.of_kind(id, Kind::Symlink, "symbolic link")?;
        if inode.size > LONGEST_TARGET {
            return Err(FilesError::Unreadable(format!("object {id}: its target is too long to be one")));
        }
        let mut target = vec![0; narrow(inode.size)];
        if let Content::Symlink(mut at) = inode.content {
            self.blocks.metadata(&mut at, &mut target)?;
        }
        Ok(target)
    }

    fn read(&self, id: u64, offset: u64, into: &mut [u8]) -> Result<usize, FilesError> {
        let inode = self.of_kind(id, Kind::File, "file")?;
        let len = narrow(inode.size.saturating_sub(offset)).min(into.len());
        let mut rest = into.get_mut(..len).unwrap_or_default();
        if rest.is_empty() {
            return Ok(0);
        }
        let list = self.list(id, &inode)?;
        let mut at = offset;
        while !rest.is_empty() {
            let index = at.checked_div(self.block).unwrap_or(0);
            let within = at.checked_rem(self.block).unwrap_or(0);
            let here = narrow(self.block.saturating_sub(within)).min(rest.len());
            let (piece, behind) = rest.split_at_mut_checked(here).unwrap_or_default();
            self.piece(&list, index, narrow(within), piece)?;
            (rest, at) = (behind, at.saturating_add(wide(here)));
        }
        Ok(len)
    }

    fn stored(&self, id: u64, offset: u64) -> Result<Option<Range<u64>>, FilesError> {
        let inode = self.of_kind(id, Kind::File, "file")?;
        if offset >= inode.size {
            return Ok(None);
        }
        let list = self.list(id, &inode)?;
        let hole = |index: u64| list.blocks.get(narrow(index)).is_some_and(|it| it.1 == 0);
        let end = inode.size.div_ceil(self.block);
        let first = (offset.checked_div(self.block).unwrap_or(0)..end).find(|&it| !hole(it));
        let Some(first) = first else { return Ok(None) };
        let last = (first..end).find(|&it| hole(it)).unwrap_or(end);
        let range =
            offset.max(first.saturating_mul(self.block))..last.saturating_mul(self.block).min(inode.size);
        Ok(Some(range))
    }

    fn xattrs(&self, id: u64) -> Result<Vec<Xattr>, FilesError> {
        match self.inode(id)?.xattrs {
            NONE => Ok(Vec::new()),
            number => xattr::read(&self.blocks, self.tables.xattrs, number),
        }
    }
}
