//! Writes a tree as YAFFS2 chunks, in the order an image maker does: an object's header, then its data.
//!
//! Nothing is held but the names given so far. Objects come in any order in which a directory is made before what is
//! in it, and a file before its hard links; depth first is what factory images have.

use alloc::borrow::ToOwned;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::header::{self, Attributes, Device, Kind};
use super::tags::{FIRST_SEQUENCE, HEADER_BYTES, SOFTWARE_BYTES, Tags};
use super::{CHUNK, LAST_CHUNK, LAST_OBJECT, LONGEST_NAME, LONGEST_TARGET};

/// Object id of the root directory.
const ROOT: u32 = 1;

/// Object id of the first object below the root in image makers' pages.
const FIRST_OBJECT: u32 = 257;

/// A directory of the image being written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct DirectoryId(u32);

/// An object of the image being written that is no directory and may get further names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ObjectId(u32);

/// What a chunk of a file's content is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Piece {
    /// The bytes given.
    Data,
    /// A hole: the chunk is not written and reads as zeros.
    Hole,
}

/// The bytes of a file, asked for in order, one chunk at a time.
pub trait Content<E> {
    /// Length in bytes.
    fn size(&self) -> u64;

    /// Fills all of `into` with the bytes from `at` on, or says that they are a hole.
    ///
    /// # Errors
    /// Whatever keeps the bytes from being had.
    fn fill(&mut self, at: u64, into: &mut [u8]) -> Result<Piece, E>;
}

impl<E> Content<E> for &[u8] {
    fn size(&self) -> u64 {
        u64::try_from(self.len()).unwrap_or(u64::MAX)
    }

    fn fill(&mut self, at: u64, into: &mut [u8]) -> Result<Piece, E> {
        let tail = usize::try_from(at).ok().and_then(|at| self.get(at..)).unwrap_or_default();
        for (into, byte) in into.iter_mut().zip(tail) {
            *into = *byte;
        }
        Ok(Piece::Data)
    }
}

/// Content of `size` bytes that a closure fills in, as [`Content::fill`] does.
pub fn from_fn<E>(size: u64, fill: impl FnMut(u64, &mut [u8]) -> Result<Piece, E>) -> impl Content<E> {
    FromFn { size, fill }
}

struct FromFn<F> {
    size: u64,
    fill: F,
}

impl<E, F: FnMut(u64, &mut [u8]) -> Result<Piece, E>> Content<E> for FromFn<F> {
    fn size(&self) -> u64 {
        self.size
    }

    fn fill(&mut self, at: u64, into: &mut [u8]) -> Result<Piece, E> {
        (self.fill)(at, into)
    }
}

/// Why an object cannot be written. After [`WriteError::Sink`] or [`WriteError::Content`] the image is cut short at
/// that place; after any other the object was not written at all and the writer may go on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError<E> {
    /// A name of no bytes, `.` or `..`.
    #[error("\"{0}\" cannot be a name")]
    NotAName(String),
    /// A name with a slash or a zero byte.
    #[error("the name \"{0}\" holds a slash or a zero byte")]
    NameByte(String),
    /// A name longer than [`LONGEST_NAME`] bytes.
    #[error("a name of {0} bytes is longer than 255")]
    NameTooLong(usize),
    /// The directory has this name already.
    #[error("the directory has \"{0}\" already")]
    Duplicate(String),
    /// A symbolic link's target is empty, holds a zero byte or is longer than [`LONGEST_TARGET`] bytes.
    #[error("a link target of {0} bytes (1 to 159 are possible, none of them zero)")]
    Target(usize),
    /// No id is left for another object.
    #[error("more objects than YAFFS2 has ids for")]
    TooManyObjects,
    /// The file has more bytes than chunks can be numbered.
    #[error("a file of {0} bytes is too large for YAFFS2 chunk numbers")]
    FileTooLarge(u64),
    /// The directory or link target is not of this image.
    #[error("object {0} is not of this image")]
    NotOfThisImage(u32),
    /// The content could not be had.
    #[error("the content failed: {0}")]
    Content(E),
    /// The chunk could not be put away.
    #[error("the sink failed: {0}")]
    Sink(E),
}

/// How much was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    /// Objects, the root and hard links included.
    pub objects: u32,
    /// Chunks, headers included; one page of flash each.
    pub chunks: u64,
}

/// Writes one image into a sink, which gets every chunk with the 25 software bytes of its page.
#[derive(Debug)]
pub struct Writer<S> {
    sink: S,
    next: u32,
    /// The names of every directory.
    directories: BTreeMap<u32, BTreeSet<Vec<u8>>>,
    chunks: u64,
}

impl<S, E> Writer<S>
where
    S: FnMut(&[u8; CHUNK], &[u8; SOFTWARE_BYTES]) -> Result<(), E>,
{
    /// Starts an image with its root directory.
    ///
    /// # Errors
    /// The sink's own.
    pub fn new(sink: S, root: &Attributes) -> Result<(Self, DirectoryId), WriteError<E>> {
        let directories = BTreeMap::from([(ROOT, BTreeSet::new())]);
        let mut writer = Self { sink, next: FIRST_OBJECT, directories, chunks: 0 };
        writer.header(ROOT, ROOT, b"", Kind::Directory, root)?;
        Ok((writer, DirectoryId(ROOT)))
    }

    /// Adds a directory.
    ///
    /// # Errors
    /// A name that is no name or taken, no id left, or the sink's own.
    pub fn directory(
        &mut self,
        parent: DirectoryId,
        name: &[u8],
        attributes: &Attributes,
    ) -> Result<DirectoryId, WriteError<E>> {
        let id = self.object(parent, name, Kind::Directory, attributes)?;
        self.directories.insert(id, BTreeSet::new());
        Ok(DirectoryId(id))
    }

    /// Adds a file with its content.
    ///
    /// # Errors
    /// As [`Writer::directory`]; a file too large; or the content's own.
    pub fn file(
        &mut self,
        parent: DirectoryId,
        name: &[u8],
        attributes: &Attributes,
        mut content: impl Content<E>,
    ) -> Result<ObjectId, WriteError<E>> {
        let size = content.size();
        let too_large = || WriteError::FileTooLarge(size);
        let chunks = size.div_ceil(CHUNK_BYTES);
        if chunks > u64::from(LAST_CHUNK) {
            return Err(too_large());
        }
        let low = u32::try_from(size).map_err(|_| too_large())?;
        let id = self.object(parent, name, Kind::File(low), attributes)?;
        let mut left = size;
        let mut at = 0_u64;
        for chunk in 1..=LAST_CHUNK {
            if left == 0 {
                break;
            }
            let bytes = left.min(CHUNK_BYTES);
            self.data(id, chunk, at, bytes, &mut content)?;
            left = left.saturating_sub(bytes);
            at = at.saturating_add(bytes);
        }
        Ok(ObjectId(id))
    }

    /// Adds a symbolic link.
    ///
    /// # Errors
    /// As [`Writer::directory`], or a target that cannot be stored.
    pub fn symlink(
        &mut self,
        parent: DirectoryId,
        name: &[u8],
        attributes: &Attributes,
        target: &[u8],
    ) -> Result<ObjectId, WriteError<E>> {
        if target.is_empty() || target.len() > LONGEST_TARGET || target.contains(&0) {
            return Err(WriteError::Target(target.len()));
        }
        self.object(parent, name, Kind::Symlink(target), attributes).map(ObjectId)
    }

    /// Adds a special file.
    ///
    /// # Errors
    /// As [`Writer::directory`].
    pub fn special(
        &mut self,
        parent: DirectoryId,
        name: &[u8],
        attributes: &Attributes,
        device: Device,
    ) -> Result<ObjectId, WriteError<E>> {
        self.object(parent, name, Kind::Special(device), attributes).map(ObjectId)
    }

    /// Adds another name for an object written before. Its owner, permissions and times are the object's.
    ///
    /// # Errors
    /// As [`Writer::directory`], or an object of another image.
    pub fn hard_link(
        &mut self,
        parent: DirectoryId,
        name: &[u8],
        object: ObjectId,
    ) -> Result<(), WriteError<E>> {
        if !(FIRST_OBJECT..self.next).contains(&object.0) || self.directories.contains_key(&object.0) {
            return Err(WriteError::NotOfThisImage(object.0));
        }
        let none = Attributes { mode: 0, uid: 0, gid: 0, accessed: 0, modified: 0, changed: 0 };
        self.object(parent, name, Kind::HardLink(object.0), &none).map(drop)
    }

    /// How much was written so far. Nothing is held back, so an image may end at any object.
    pub fn written(&self) -> Written {
        // The ids from 257 up are given without a gap, and the root is one more.
        let objects = self.next.saturating_sub(FIRST_OBJECT).saturating_add(1);
        Written { objects, chunks: self.chunks }
    }

    /// Checks name and directory, gives the object an id and writes its header.
    fn object(
        &mut self,
        parent: DirectoryId,
        name: &[u8],
        kind: Kind<'_>,
        attributes: &Attributes,
    ) -> Result<u32, WriteError<E>> {
        is_name(name)?;
        let id = self.next;
        if id > LAST_OBJECT {
            return Err(WriteError::TooManyObjects);
        }
        let names = self.directories.get_mut(&parent.0).ok_or(WriteError::NotOfThisImage(parent.0))?;
        if !names.insert(name.to_owned()) {
            return Err(WriteError::Duplicate(name.escape_ascii().to_string()));
        }
        self.next = id.saturating_add(1);
        self.header(id, parent.0, name, kind, attributes)?;
        Ok(id)
    }

    fn header(
        &mut self,
        id: u32,
        parent: u32,
        name: &[u8],
        kind: Kind<'_>,
        attributes: &Attributes,
    ) -> Result<(), WriteError<E>> {
        let page = header::chunk(parent, name, kind, attributes);
        self.put(&page, Tags { sequence: FIRST_SEQUENCE, object: id, chunk: 0, bytes: HEADER_BYTES })
    }

    fn data(
        &mut self,
        object: u32,
        chunk: u32,
        at: u64,
        bytes: u64,
        content: &mut impl Content<E>,
    ) -> Result<(), WriteError<E>> {
        let mut page = [0xFF; CHUNK];
        let len = usize::try_from(bytes).unwrap_or(CHUNK);
        let into = page.get_mut(..len).unwrap_or_default();
        match content.fill(at, into).map_err(WriteError::Content)? {
            Piece::Hole => Ok(()),
            Piece::Data => {
                let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
                self.put(&page, Tags { sequence: FIRST_SEQUENCE, object, chunk, bytes })
            }
        }
    }

    fn put(&mut self, page: &[u8; CHUNK], tags: Tags) -> Result<(), WriteError<E>> {
        (self.sink)(page, &tags.software_bytes()).map_err(WriteError::Sink)?;
        self.chunks = self.chunks.saturating_add(1);
        Ok(())
    }
}

/// [`CHUNK`] as a number of bytes in a file.
const CHUNK_BYTES: u64 = 2048;
const _: () = assert!(CHUNK == 2048);

fn is_name<E>(name: &[u8]) -> Result<(), WriteError<E>> {
    let shown = || name.escape_ascii().to_string();
    if name.len() > LONGEST_NAME {
        Err(WriteError::NameTooLong(name.len()))
    } else if matches!(name, b"" | b"." | b"..") {
        Err(WriteError::NotAName(shown()))
    } else if name.iter().any(|byte| matches!(byte, b'/' | 0)) {
        Err(WriteError::NameByte(shown()))
    } else {
        Ok(())
    }
}
