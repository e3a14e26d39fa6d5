//! ext2, ext3 and ext4 as trees of files. The fields are those of the public format descriptions ("ext4 Data Structures
//! and Algorithms" of the Linux kernel documentation).
//!
//! Ids are inode numbers, so all names of a file share one. A journal with content that is not in its place yet is
//! honoured without being written: the files are as after a mount. Extended attributes, holes, times to the nanosecond,
//! content in inodes and preallocated space are read; checksums of metadata are not verified, names are compared with
//! case, access control lists are not told, and what is encrypted is refused.

mod blocks;
mod directory;
mod disk;
mod inode;
mod journal;
mod superblock;
mod xattr;

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::cell::RefCell;
use core::ops::Range;

use self::disk::Disk;
use self::inode::Inode;
use self::superblock::Superblock;
use super::{Entry, Files, FilesError, Kind, Time, Xattr};
use crate::identify::fields::narrow;
use crate::read_at::{ReadAt, ReadError};

/// Inode of the root directory.
const ROOT: u32 = 2;
/// Longest target of a symbolic link.
const LONGEST_TARGET: u64 = 4096;
/// Targets shorter than this stand in the inode.
const SHORT_TARGET: u64 = 60;
/// Most doubts kept.
const MOST_DOUBTS: usize = 64;

/// An ext2, ext3 or ext4 file system.
pub struct ExtFiles<S> {
    sb: Superblock,
    disk: Disk<S>,
    /// Gathered while directories are read.
    doubts: RefCell<BTreeSet<String>>,
}

impl<S: ReadAt> ExtFiles<S> {
    /// Whether an image that begins with these bytes, 1536 or more, is one.
    #[must_use]
    pub fn is_one(head: &[u8]) -> bool {
        Superblock::is_one(head)
    }

    /// The file system in an image. A journal that cannot be read is a doubt, not an error.
    ///
    /// # Errors
    /// It is none, uses features not known here, has no root directory, or cannot be read.
    pub fn open(source: S) -> Result<Self, FilesError> {
        let mut bytes = vec![0; superblock::BYTES];
        source.read_at(superblock::AT, &mut bytes)?;
        let sb = Superblock::parse(&bytes)?;
        let disk = Disk::new(source, sb.block, sb.blocks);
        let mut files = Self { sb, disk, doubts: RefCell::default() };
        match files.newer() {
            Ok(newer) => files.disk.replay(newer),
            Err(FilesError::Read(error @ ReadError::Medium { .. })) => return Err(error.into()),
            Err(error) => files.doubt(format!(
                "files may be older than they should be, or mixed up: the journal was not honoured ({error})"
            )),
        }
        let root = files.inode(ROOT.into())?;
        if root.kind != Kind::Directory {
            return Err(FilesError::Not { id: ROOT.into(), wanted: "directory" });
        }
        Ok(files)
    }

    fn newer(&self) -> Result<BTreeMap<u64, disk::Newer>, FilesError> {
        match self.sb.journal {
            Some(journal) => journal::newer(&self.disk, &Inode::read(&self.sb, &self.disk, journal)?),
            None if self.sb.recover => Err(FilesError::Unreadable("it is on another device".into())),
            None => Ok(BTreeMap::new()),
        }
    }

    fn doubt(&self, doubt: String) {
        let mut doubts = self.doubts.borrow_mut();
        if doubts.len() < MOST_DOUBTS {
            doubts.insert(doubt);
        }
    }

    fn inode(&self, id: u64) -> Result<Inode, FilesError> {
        let number = u32::try_from(id).map_err(|_| FilesError::NoObject(id))?;
        Inode::read(&self.sb, &self.disk, number)
    }

    fn of_kind(&self, id: u64, kind: Kind, wanted: &'static str) -> Result<Inode, FilesError> {
        let inode = self.inode(id)?;
        if inode.kind != kind {
            return Err(FilesError::Not { id, wanted });
        }
        inode.readable()?;
        Ok(inode)
    }

    /// The object of a name; one whose inode cannot be read is of an unknown kind.
    fn named(&self, number: u32, name: Vec<u8>) -> Result<Entry, FilesError> {
        match Inode::read(&self.sb, &self.disk, number) {
            Ok(inode) => Ok(inode.entry(name)),
            Err(FilesError::Read(error @ ReadError::Medium { .. })) => Err(error.into()),
            Err(_) => Ok(unknown(number, name)),
        }
    }

    fn names(&self, directory: u64) -> Result<Vec<(u32, Vec<u8>)>, FilesError> {
        let inode = self.of_kind(directory, Kind::Directory, "directory")?;
        let names = directory::names(&self.disk, &inode, self.sb.file_types)?;
        names.damage.into_iter().for_each(|damage| self.doubt(damage));
        Ok(names.found)
    }

    /// Bytes of a content, wherever it is.
    fn content(&self, inode: &Inode, offset: u64, into: &mut [u8]) -> Result<usize, FilesError> {
        if !inode.is_inline() {
            return blocks::read(&self.disk, inode, offset, into);
        }
        let mut all = inode.content.clone();
        all.extend(xattr::inline_data(inode));
        all.resize(narrow(inode.size).min(narrow(self.sb.block)), 0);
        let rest = all.get(narrow(offset)..).unwrap_or_default();
        let len = rest.len().min(into.len());
        into.iter_mut().zip(rest).for_each(|(into, byte)| *into = *byte);
        Ok(len)
    }
}

fn unknown(number: u32, name: Vec<u8>) -> Entry {
    Entry {
        id: number.into(),
        name,
        kind: Kind::Unknown,
        mode: 0,
        uid: 0,
        gid: 0,
        size: 0,
        accessed: Time::default(),
        modified: Time::default(),
        changed: Time::default(),
        names: 1,
        device: (0, 0),
    }
}

impl<S: ReadAt> Files for ExtFiles<S> {
    fn title(&self) -> &'static str {
        self.sb.title
    }

    fn root(&self) -> u64 {
        ROOT.into()
    }

    fn entry(&self, id: u64) -> Result<Entry, FilesError> {
        self.inode(id).map(|inode| inode.entry(Vec::new()))
    }

    fn children(&self, directory: u64) -> Result<Vec<Entry>, FilesError> {
        let mut names = self.names(directory)?;
        // Stable: of equal names the first of the disk stays first, which a phone finds.
        names.sort_by(|a, b| a.1.cmp(&b.1));
        names.into_iter().map(|(number, name)| self.named(number, name)).collect()
    }

    fn child(&self, directory: u64, name: &[u8]) -> Result<Option<Entry>, FilesError> {
        let found = self.names(directory)?.into_iter().find(|(_, found)| found == name);
        found.map(|(number, name)| self.named(number, name)).transpose()
    }

    fn target(&self, id: u64) -> Result<Vec<u8>, FilesError> {
        let inode = self.of_kind(id, Kind::Symlink, "symbolic link")?;
        if inode.size > LONGEST_TARGET {
            return Err(FilesError::Unreadable(format!("inode {id}: its target is too long to be one")));
        }
        if inode.size < SHORT_TARGET && !inode.has_extents() {
            return Ok(inode.content.get(..narrow(inode.size)).unwrap_or_default().to_vec());
        }
        let mut target = vec![0; narrow(inode.size)];
        let len = self.content(&inode, 0, &mut target)?;
        target.truncate(len);
        Ok(target)
    }

    fn read(&self, id: u64, offset: u64, into: &mut [u8]) -> Result<usize, FilesError> {
        let inode = self.of_kind(id, Kind::File, "file")?;
        self.content(&inode, offset, into)
    }

    fn stored(&self, id: u64, offset: u64) -> Result<Option<Range<u64>>, FilesError> {
        let inode = self.of_kind(id, Kind::File, "file")?;
        if inode.is_inline() {
            return Ok((offset < inode.size).then_some(offset..inode.size));
        }
        let block = self.sb.block;
        let mut at = offset;
        while at < inode.size {
            let run = blocks::run(&self.disk, &inode, at.checked_div(block).unwrap_or(0))?;
            let until = run.until.saturating_mul(block).min(inode.size);
            if run.at.is_some() {
                return Ok(Some(at..until));
            }
            at = until;
        }
        Ok(None)
    }

    fn xattrs(&self, id: u64) -> Result<Vec<Xattr>, FilesError> {
        xattr::all(&self.sb, &self.disk, &self.inode(id)?)
    }

    fn largest(&self) -> u64 {
        (1_u64 << 32).saturating_mul(self.sb.block)
    }

    fn doubts(&self) -> Vec<String> {
        self.doubts.borrow().iter().cloned().collect()
    }
}
