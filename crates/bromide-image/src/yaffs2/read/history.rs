//! Earlier versions and deleted objects: what the log still has of them.
//!
//! A phone writes a header whenever a file is closed, cut, renamed or deleted, and erases nothing before it needs the
//! block. So a version is what the log says up to one header. Blocks that were erased since take chunks with them
//! without a trace: such a version reads zeros where they were.

use alloc::vec::Vec;

use super::content::{Content, FileError};
use super::fields::{Brief, Kind, Shown};
use super::log::{self, Record};
use super::replay;
use super::{ROOT, Tree};
use crate::read_at::ReadAt;

/// What happened to an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Event {
    /// It was made, changed or given another name.
    Written,
    /// It was cut to the size of this version.
    Cut,
    /// It was unlinked or deleted.
    Deleted,
    /// Another object, of this id, was given its name.
    Replaced(u32),
}

/// An object at one moment of its life.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// Object id.
    pub id: u32,
    /// Sequence number of the block this is in: higher is later.
    pub sequence: u32,
    /// Page this is in; within a block, higher is later.
    pub page: u32,
    /// What happened.
    pub event: Event,
    /// What it is; none where only its replacement is known.
    pub kind: Option<Kind>,
    /// Object id of its directory. 3 and 4 are no directories but say that it was unlinked or deleted.
    pub parent: u32,
    /// Its name as stored; what a deletion says instead is of no meaning.
    pub name: Vec<u8>,
    /// Target of a symbolic link.
    pub target: Vec<u8>,
    /// Mode, as of [`super::Node::mode`].
    pub mode: u32,
    /// Time of the last change of the content, Unix seconds.
    pub modified: u32,
    /// Bytes of a file.
    pub size: u64,
}

impl<S: ReadAt> Tree<S> {
    /// What happened to an object, from the newest on, as far as the image still tells.
    ///
    /// # Errors
    /// The source's own.
    pub fn history(&self, id: u32) -> Result<Vec<Version>, FileError> {
        self.log.of(id).iter().filter_map(|record| self.version(record).transpose()).collect()
    }

    /// Objects that are not in the tree but had a name once, by id.
    pub fn deleted(&self) -> impl Iterator<Item = u32> {
        let objects = self.log.records.chunk_by(|a, b| a.object == b.object);
        let named = |record: &Record| self.header_of(record).is_some_and(|header| !header.buried());
        objects.filter(move |records| records.iter().any(named)).filter_map(|records| {
            let id = records.first()?.object;
            self.node(id).is_none().then_some(id)
        })
    }

    /// The newest version of an object that was in a directory.
    ///
    /// # Errors
    /// The source's own.
    pub fn last_named(&self, id: u32) -> Result<Option<Version>, FileError> {
        let named = |record: &&Record| self.header_of(record).is_some_and(|header| !header.buried());
        let found = self.log.of(id).iter().find(named);
        found.map_or(Ok(None), |record| self.version(record))
    }

    /// The path a version had: as [`Self::last_path`] of its directory, and its name.
    ///
    /// # Errors
    /// The source's own.
    pub fn version_path(&self, version: &Version) -> Result<Vec<u8>, FileError> {
        let mut path = self.last_path(version.parent)?;
        if version.parent != ROOT {
            path.push(b'/');
        }
        path.extend(&version.name);
        Ok(path)
    }

    /// The path of a directory, names joined by slashes; of directories that are no longer there, their last names.
    /// Where nothing is known of one, or the path gets longer than any that can be named, it begins with `?`.
    ///
    /// # Errors
    /// The source's own.
    pub fn last_path(&self, directory: u32) -> Result<Vec<u8>, FileError> {
        let (mut names, mut room) = (Vec::new(), LONGEST_PATH);
        let mut at = directory;
        // Every step reads a page, and they may go in a circle.
        for _ in 0..MOST_DELETED {
            if at == ROOT {
                names.reverse();
                return Ok(names.join(&b'/'));
            }
            if self.node(at).is_some() {
                match self.path_within(at, room) {
                    Some(path) => names.push(path),
                    None => break,
                }
                at = ROOT;
                continue;
            }
            let Some(above) = self.last_named(at)? else { break };
            match room.checked_sub(above.name.len().saturating_add(1)) {
                Some(left) => room = left,
                None => break,
            }
            at = above.parent;
            names.push(above.name);
        }
        names.push(b"?".to_vec());
        names.reverse();
        Ok(names.join(&b'/'))
    }

    /// The bytes a version of a file had. Bytes written after the header are counted in only where the next thing
    /// that happened was its end: such a file was never closed.
    ///
    /// # Errors
    /// Not a file, or not a version of this image.
    pub fn content(&self, version: &Version) -> Result<Content, FileError> {
        let records = self.log.of(version.id);
        let at = records
            .iter()
            .position(|record| record.page == version.page && matches!(record.event, log::Event::Header(_)));
        let at = at.ok_or(FileError::NoObject(version.id))?;
        let header = records.get(at).and_then(|record| self.header_of(record));
        if header.is_none_or(|header| header.kind != Kind::File) {
            return Err(FileError::NotAFile(version.id));
        }
        let newer = records.get(..at).unwrap_or_default();
        let data = |record: &Record| matches!(record.event, log::Event::Data { .. });
        let unclosed = newer.iter().rev().take_while(|record| data(record)).count();
        let next = newer.iter().rev().nth(unclosed);
        let ends = next.is_some_and(|next| {
            matches!(next.event, log::Event::Shadowed { .. })
                || self.header_of(next).is_some_and(Brief::buried)
        });
        let from = if ends || next.is_none() { at.saturating_sub(unclosed) } else { at };
        let mut chunks = Vec::new();
        let upto = records.get(from..).unwrap_or_default();
        let state = replay::replay(&self.log, upto, self.chunk_bytes(), &mut chunks);
        Ok(Content { size: state.map_or(0, |state| state.size), object: version.id, chunks })
    }

    fn header_of(&self, record: &Record) -> Option<&Brief> {
        match record.event {
            log::Event::Header(index) => self.log.header(index),
            log::Event::Data { .. } | log::Event::Shadowed { .. } => None,
        }
    }

    /// The version a record begins; none for bytes.
    fn version(&self, record: &Record) -> Result<Option<Version>, FileError> {
        let Record { object: id, page, event } = *record;
        let sequence = self.log.sequence(page);
        let Some(header) = self.header_of(record) else {
            let log::Event::Shadowed { by } = event else { return Ok(None) };
            let event = Event::Replaced(by);
            let (name, target) = (Vec::new(), Vec::new());
            let (kind, parent, mode, modified, size) = (None, 0, 0, 0, 0);
            return Ok(Some(Version {
                id,
                sequence,
                page,
                event,
                kind,
                parent,
                name,
                target,
                mode,
                modified,
                size,
            }));
        };
        let event = match header {
            header if header.buried() => Event::Deleted,
            header if header.shrink => Event::Cut,
            _ => Event::Written,
        };
        let opened = self.open(page)?;
        let shown = Shown::read(opened.chunk(), header.kind, self.pages.options.order);
        let Shown { name, target, mode, modified, .. } = shown;
        let (kind, parent, size) = (Some(header.kind), header.parent, header.size);
        Ok(Some(Version { id, sequence, page, event, kind, parent, name, target, mode, modified, size }))
    }
}

/// Bytes of the longest path that can be named.
const LONGEST_PATH: usize = 4096;

/// Most deleted directories one inside the other whose names are looked up.
const MOST_DELETED: usize = 128;
