//! Trees of files in an image, whatever the file system: what is listed, extracted and mounted.
//!
//! [`Files`] is what every file system here answers to. Nothing an image says is trusted: names may hold anything but
//! a zero byte, a directory may be its own grandchild, and a size is a claim. [`Walk`] goes through a tree in bounds.
//! Symbolic links are never followed.

pub(crate) mod boot;
mod cpio;
mod error;
mod ext;
mod history;
mod main_bytes;
mod open;
mod replaced;
mod squashfs;
mod unpack;
mod volumes;
mod walk;
mod yaffs2;

use alloc::string::String;
use alloc::vec::Vec;
use core::ops::Range;

pub use boot::BootFiles;
pub use cpio::CpioFiles;
pub use error::FilesError;
pub use ext::ExtFiles;
pub use history::History;
pub use main_bytes::MainBytes;
pub use open::{Known, open};
pub use replaced::{Replaced, replaced_blocks};
pub use squashfs::SquashFiles;
pub use volumes::{Glance, Opener, PARTITIONS, Volumes};
pub use walk::{LONGEST_PATH, Left, Step, Walk};
pub use yaffs2::{Yaffs2Files, yaffs2_form};

/// What an object of a tree is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A file with bytes.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A character device.
    CharacterDevice,
    /// A block device.
    BlockDevice,
    /// A named pipe.
    Pipe,
    /// A socket.
    Socket,
    /// Something the image says no more about.
    Unknown,
}

impl Kind {
    /// Of the file type bits of a Unix mode.
    #[must_use]
    pub const fn of_mode(mode: u32) -> Self {
        match mode & 0o170_000 {
            0o010_000 => Self::Pipe,
            0o020_000 => Self::CharacterDevice,
            0o040_000 => Self::Directory,
            0o060_000 => Self::BlockDevice,
            0o100_000 => Self::File,
            0o120_000 => Self::Symlink,
            0o140_000 => Self::Socket,
            _ => Self::Unknown,
        }
    }

    /// The file type bits of a Unix mode; 0 for what is unknown.
    #[must_use]
    pub const fn type_bits(self) -> u32 {
        match self {
            Self::Pipe => 0o010_000,
            Self::CharacterDevice => 0o020_000,
            Self::Directory => 0o040_000,
            Self::BlockDevice => 0o060_000,
            Self::File => 0o100_000,
            Self::Symlink => 0o120_000,
            Self::Socket => 0o140_000,
            Self::Unknown => 0,
        }
    }

    /// Stable name for programs.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Directory => "directory",
            Self::Symlink => "symlink",
            Self::CharacterDevice => "character-device",
            Self::BlockDevice => "block-device",
            Self::Pipe => "pipe",
            Self::Socket => "socket",
            Self::Unknown => "special",
        }
    }

    /// Whether it has device numbers.
    #[must_use]
    pub const fn is_device(self) -> bool {
        matches!(self, Self::CharacterDevice | Self::BlockDevice)
    }
}

/// A moment, counted from 1970-01-01 UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Time {
    /// Seconds.
    pub seconds: i64,
    /// Nanoseconds after them, below 1,000,000,000.
    pub nanos: u32,
}

/// One object, under one of its names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The object: hard links of one file have the same.
    pub id: u64,
    /// Name as stored: any bytes but zero, not always UTF-8, may hold slashes or be `..`; empty for the root.
    pub name: Vec<u8>,
    /// What it is.
    pub kind: Kind,
    /// Permission bits, with set-user-id, set-group-id and sticky: the lower 12 bits of a Unix mode.
    pub mode: u32,
    /// User id of the owner.
    pub uid: u32,
    /// Group id of the owner.
    pub gid: u32,
    /// Bytes of a file, holes included; of a symbolic link, those of its target; 0 for anything else.
    pub size: u64,
    /// Last access.
    pub accessed: Time,
    /// Last change of the content.
    pub modified: Time,
    /// Last change of the attributes.
    pub changed: Time,
    /// Names of the object; of a directory, the names its subdirectories give it count too.
    pub names: u32,
    /// Major and minor number of a device.
    pub device: (u32, u32),
}

impl Entry {
    /// An object without a name, of which nothing else is said: root's, empty, of 1970.
    #[must_use]
    pub const fn plain(id: u64, kind: Kind, mode: u32) -> Self {
        let time = Time { seconds: 0, nanos: 0 };
        Self {
            id,
            name: Vec::new(),
            kind,
            mode,
            uid: 0,
            gid: 0,
            size: 0,
            accessed: time,
            modified: time,
            changed: time,
            names: 1,
            device: (0, 0),
        }
    }
}

/// An extended attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Xattr {
    /// Its whole name, such as `security.selinux`.
    pub name: Vec<u8>,
    /// Its value.
    pub value: Vec<u8>,
}

/// The files of an image.
///
/// Ids are the image's own and only good for this tree. All of it can be asked for in any order.
pub trait Files {
    /// The file system, as people call it.
    fn title(&self) -> &'static str;

    /// Id of the root directory.
    fn root(&self) -> u64;

    /// The object of this id. Its name is that of one of its names, or empty where the file system keeps names in
    /// directories alone.
    ///
    /// # Errors
    /// No such object, or its place cannot be read.
    fn entry(&self, id: u64) -> Result<Entry, FilesError>;

    /// What is in a directory, by name; `.` and `..` are not told.
    ///
    /// # Errors
    /// No directory, or its place cannot be read.
    fn children(&self, directory: u64) -> Result<Vec<Entry>, FilesError>;

    /// The object of this name in a directory; of several, the one a phone would find.
    ///
    /// # Errors
    /// As of [`Self::children`].
    fn child(&self, directory: u64, name: &[u8]) -> Result<Option<Entry>, FilesError> {
        Ok(self.children(directory)?.into_iter().find(|entry| entry.name == name))
    }

    /// Target of a symbolic link, as stored.
    ///
    /// # Errors
    /// No link, or its place cannot be read.
    fn target(&self, id: u64) -> Result<Vec<u8>, FilesError>;

    /// Fills `into` with bytes of a file from `offset` on, and gives how many there were: fewer than asked for only
    /// at its end. Holes read as zeros. Bit errors that can be corrected are.
    ///
    /// # Errors
    /// No file, or its bytes cannot be had.
    fn read(&self, id: u64, offset: u64, into: &mut [u8]) -> Result<usize, FilesError>;

    /// The first stretch of a file at or after `offset` that is stored; what lies between is a hole. `None` when the
    /// rest of it is one. A file system that keeps no holes gives all of the rest.
    ///
    /// # Errors
    /// No file, or its place cannot be read.
    fn stored(&self, id: u64, offset: u64) -> Result<Option<Range<u64>>, FilesError> {
        let size = self.entry(id)?.size;
        Ok((offset < size).then_some(offset..size))
    }

    /// The extended attributes of an object.
    ///
    /// # Errors
    /// No such object, or they cannot be read.
    fn xattrs(&self, _id: u64) -> Result<Vec<Xattr>, FilesError> {
        Ok(Vec::new())
    }

    /// Bytes of the largest file this file system can hold: what claims more would be endless zeros.
    fn largest(&self) -> u64 {
        1 << 44
    }

    /// Why the bytes of a file may not be the right ones although all of them can be read; `None` where nothing
    /// speaks against them.
    fn caution(&self, _id: u64) -> Option<String> {
        None
    }

    /// One of several file systems side by side, by the name of its partition; `None` where there are no partitions,
    /// none of this name, or no file system in it.
    ///
    /// # Errors
    /// It cannot be read.
    fn volume(&self, _name: &[u8]) -> Result<Option<&dyn Files>, FilesError> {
        Ok(None)
    }

    /// Earlier versions and deleted objects, where the file system keeps them.
    fn history(&self) -> Option<&dyn History> {
        None
    }

    /// What was accepted but deserves a word, a sentence each.
    fn doubts(&self) -> Vec<String> {
        Vec::new()
    }
}

/// Fills `into` with bytes of a file from `offset` on as far as they can be had: how many there are, and what stands
/// in the way of the next one.
pub fn read_as_far_as_possible(
    files: &dyn Files,
    id: u64,
    offset: u64,
    into: &mut [u8],
) -> (usize, Option<FilesError>) {
    let whole = match files.read(id, offset, into) {
        Ok(len) => return (len, None),
        Err(failed) => failed,
    };
    let mut done = 0_usize;
    for step in into.chunks_mut(SMALLEST) {
        let at = offset.saturating_add(u64::try_from(done).unwrap_or(u64::MAX));
        match files.read(id, at, step) {
            Ok(0) => break,
            Ok(len) => done = done.saturating_add(len),
            Err(failed) => return (done, Some(failed)),
        }
    }
    (done, Some(whole))
}

/// Smallest unit any file system here stores bytes in.
const SMALLEST: usize = 512;

/// The object at a path of names joined by slashes, slashes at both ends allowed, and `.` standing for where it is.
/// Links are not followed, and `..` is a name like any other.
///
/// # Errors
/// As of [`Files::child`].
pub fn lookup(files: &dyn Files, path: &[u8]) -> Result<Option<Entry>, FilesError> {
    let mut at = files.entry(files.root())?;
    for name in path.split(|byte| *byte == b'/').filter(|name| !matches!(*name, b"" | b".")) {
        if at.kind != Kind::Directory {
            return Ok(None);
        }
        let Some(next) = files.child(at.id, name)? else { return Ok(None) };
        at = next;
    }
    Ok(Some(at))
}
