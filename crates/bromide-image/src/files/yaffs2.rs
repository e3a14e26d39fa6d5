//! YAFFS2 partitions as trees of files.

mod doubts;
mod find;

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use core::ops::Range;

use super::{Entry, Files, FilesError, History, Kind, Time, Xattr};
use crate::read_at::ReadAt;
use crate::yaffs2::LAST_CHUNK;
use crate::yaffs2::read::{self, FileError, Node, ROOT, Tree};

pub use find::yaffs2_form;

/// Bytes of the largest pages.
const LARGEST_PAGE: u64 = 8192;

/// A tree of YAFFS2. Ids are those of the objects; a hard link has its target's.
#[derive(Debug)]
pub struct Yaffs2Files<S> {
    tree: Tree<S>,
    /// Names of objects that do not have exactly one, by id.
    names: BTreeMap<u32, u32>,
}

impl<S: ReadAt> Yaffs2Files<S> {
    /// The files of a tree that was read.
    #[must_use]
    pub fn new(tree: Tree<S>) -> Self {
        let mut names: BTreeMap<u32, u32> = BTreeMap::new();
        let mut count = |id| {
            let names = names.entry(id).or_insert(0);
            *names = names.saturating_add(1);
        };
        for node in tree.nodes() {
            count(node.equivalent);
            if node.kind == read::Kind::Directory {
                count(node.id);
                if node.parent != node.id {
                    count(node.parent);
                }
            }
        }
        names.retain(|_, names| *names != 1);
        Self { tree, names }
    }

    /// The tree, for what only YAFFS2 has: history, pages, deleted objects.
    #[must_use]
    pub const fn tree(&self) -> &Tree<S> {
        &self.tree
    }

    fn node(&self, id: u64) -> Result<&Node, FilesError> {
        u32::try_from(id).ok().and_then(|id| self.tree.node(id)).ok_or(FilesError::NoObject(id))
    }

    /// The entry of a node: a hard link's is its target's under its own name.
    fn entry_of(&self, node: &Node) -> Entry {
        let real = self.tree.node(node.equivalent).unwrap_or(node);
        let time = |seconds: u32| Time { seconds: i64::from(seconds), nanos: 0 };
        let kind = match real.kind {
            read::Kind::File | read::Kind::HardLink => Kind::File,
            read::Kind::Directory => Kind::Directory,
            read::Kind::Symlink => Kind::Symlink,
            read::Kind::Special => Kind::of_mode(real.mode),
        };
        let size = match kind {
            Kind::Symlink => u64::try_from(real.target.len()).unwrap_or(u64::MAX),
            Kind::File => real.size,
            _ => 0,
        };
        Entry {
            id: u64::from(real.id),
            name: node.name.clone(),
            kind,
            mode: real.mode & 0o7777,
            uid: real.uid,
            gid: real.gid,
            size,
            accessed: time(real.accessed),
            modified: time(real.modified),
            changed: time(real.changed),
            names: self.names.get(&real.id).copied().unwrap_or(1),
            device: if kind.is_device() { real.device_numbers() } else { (0, 0) },
        }
    }
}

impl<S: ReadAt> Files for Yaffs2Files<S> {
    fn title(&self) -> &'static str {
        "YAFFS2"
    }

    fn root(&self) -> u64 {
        u64::from(ROOT)
    }

    fn entry(&self, id: u64) -> Result<Entry, FilesError> {
        self.node(id).map(|node| self.entry_of(node))
    }

    fn children(&self, directory: u64) -> Result<Vec<Entry>, FilesError> {
        let node = self.node(directory)?;
        if node.kind != read::Kind::Directory {
            return Err(FilesError::Not { id: directory, wanted: "directory" });
        }
        Ok(self.tree.children(node.id).map(|node| self.entry_of(node)).collect())
    }

    fn child(&self, directory: u64, name: &[u8]) -> Result<Option<Entry>, FilesError> {
        let node = self.node(directory)?;
        Ok(self.tree.child(node.id, name).map(|node| self.entry_of(node)))
    }

    fn target(&self, id: u64) -> Result<Vec<u8>, FilesError> {
        let node = self.node(id)?;
        match node.kind {
            read::Kind::Symlink => Ok(node.target.clone()),
            _ => Err(FilesError::Not { id, wanted: "symbolic link" }),
        }
    }

    fn read(&self, id: u64, offset: u64, into: &mut [u8]) -> Result<usize, FilesError> {
        Ok(self.tree.read_file(self.node(id)?.id, offset, into)?)
    }

    fn stored(&self, id: u64, offset: u64) -> Result<Option<Range<u64>>, FilesError> {
        Ok(self.tree.stored_at(self.node(id)?, offset))
    }

    fn xattrs(&self, id: u64) -> Result<Vec<Xattr>, FilesError> {
        let found = self.tree.xattrs(self.node(id)?.id)?;
        Ok(found.into_iter().map(|it| Xattr { name: it.name, value: it.value }).collect())
    }

    fn largest(&self) -> u64 {
        u64::from(LAST_CHUNK).saturating_mul(LARGEST_PAGE)
    }

    fn caution(&self, id: u64) -> Option<String> {
        let node = self.node(id).ok().filter(|node| node.kind == read::Kind::File)?;
        let damaged = self.tree.counts().damaged;
        let holes = self.tree.stored_bytes(node) < node.size;
        let pages = if damaged == 1 { "page" } else { "pages" };
        (holes && damaged != 0).then(|| {
            format!(
                "it has holes, which read as zeros; {damaged} {pages} damaged beyond repair may have been parts of it"
            )
        })
    }

    fn history(&self) -> Option<&dyn History> {
        Some(self)
    }

    fn doubts(&self) -> Vec<String> {
        doubts::doubts(&self.tree)
    }
}

impl From<FileError> for FilesError {
    fn from(error: FileError) -> Self {
        match error {
            FileError::NoObject(id) => Self::NoObject(u64::from(id)),
            FileError::NotAFile(id) => Self::Not { id: u64::from(id), wanted: "file" },
            FileError::Damaged(page) => Self::DamagedPage(page),
            FileError::Read(error) => Self::Read(error),
            other @ FileError::NotAsAssumed(_) => Self::Unreadable(other.to_string()),
        }
    }
}
