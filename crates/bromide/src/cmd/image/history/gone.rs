//! The deleted objects of an image as a tree of their own, so that they are extracted like any other.

use std::collections::BTreeMap;
use std::ops::Range;

use bromide_image::files::{Entry, Files, FilesError, History, Kind, Time};
use bromide_image::yaffs2::read::{self, Content, Version};

use super::paths::Paths;

/// Id of the root; others count on from it.
const ROOT: u64 = 1;

/// An object of the tree.
struct Node {
    entry: Entry,
    inside: Vec<u64>,
    content: Option<Content>,
    target: Vec<u8>,
}

/// Deleted files, links and directories, under the last paths they had.
pub(super) struct Gone<'a> {
    history: &'a dyn History,
    nodes: Vec<Node>,
    directories: BTreeMap<(u64, Vec<u8>), u64>,
}

pub(super) const fn kind_of(kind: read::Kind) -> Kind {
    match kind {
        read::Kind::File => Kind::File,
        read::Kind::Directory => Kind::Directory,
        read::Kind::Symlink => Kind::Symlink,
        read::Kind::HardLink | read::Kind::Special => Kind::Unknown,
    }
}

impl<'a> Gone<'a> {
    pub(super) fn collect(history: &'a dyn History) -> Result<Self, FilesError> {
        let mut gone = Self { history, nodes: Vec::new(), directories: BTreeMap::new() };
        gone.add(&[], Kind::Directory, 0o755, 0);
        let mut paths = Paths::new(history);
        for id in history.deleted() {
            let Some(version) = history.last_named(id)? else { continue };
            let above = paths.above(&version)?.split(|byte| *byte == b'/').filter(|name| !name.is_empty());
            let mut parent = ROOT;
            for name in above {
                parent = gone.directory(parent, name);
            }
            match version.kind.map_or(Kind::Unknown, kind_of) {
                Kind::Directory => _ = gone.directory(parent, &version.name),
                kind => gone.put(parent, kind, &version)?,
            }
        }
        Ok(gone)
    }

    fn add(&mut self, name: &[u8], kind: Kind, mode: u32, modified: u32) -> u64 {
        let id = self.nodes.len() as u64 + ROOT;
        let time = Time { seconds: i64::from(modified), nanos: 0 };
        let (name, mode) = (name.to_vec(), mode & 0o777);
        let times = Entry { accessed: time, modified: time, changed: time, ..Entry::plain(id, kind, mode) };
        let entry = Entry { name, ..times };
        self.nodes.push(Node { entry, inside: Vec::new(), content: None, target: Vec::new() });
        id
    }

    /// The directory of this name in another, made where it is missing.
    fn directory(&mut self, parent: u64, name: &[u8]) -> u64 {
        if let Some(id) = self.directories.get(&(parent, name.to_vec())) {
            return *id;
        }
        let id = self.add(name, Kind::Directory, 0o755, 0);
        self.inside(parent, id);
        self.directories.insert((parent, name.to_vec()), id);
        id
    }

    fn inside(&mut self, parent: u64, id: u64) {
        if let Some(node) = self.nodes.get_mut((parent - ROOT) as usize) {
            node.inside.push(id);
        }
    }

    fn put(&mut self, parent: u64, kind: Kind, version: &Version) -> Result<(), FilesError> {
        let content = if kind == Kind::File { Some(self.history.content(version)?) } else { None };
        let id = self.add(&version.name, kind, version.mode, version.modified);
        self.inside(parent, id);
        if let Some(node) = self.nodes.last_mut() {
            node.entry.size = content.as_ref().map_or(version.target.len() as u64, |content| content.size);
            node.content = content;
            node.target.clone_from(&version.target);
        }
        Ok(())
    }

    fn node(&self, id: u64) -> Result<&Node, FilesError> {
        let at = id.checked_sub(ROOT).and_then(|at| usize::try_from(at).ok());
        at.and_then(|at| self.nodes.get(at)).ok_or(FilesError::NoObject(id))
    }
}

impl Files for Gone<'_> {
    fn title(&self) -> &'static str {
        "deleted files"
    }

    fn root(&self) -> u64 {
        ROOT
    }

    fn entry(&self, id: u64) -> Result<Entry, FilesError> {
        Ok(self.node(id)?.entry.clone())
    }

    fn children(&self, directory: u64) -> Result<Vec<Entry>, FilesError> {
        self.node(directory)?.inside.iter().map(|id| self.entry(*id)).collect()
    }

    fn target(&self, id: u64) -> Result<Vec<u8>, FilesError> {
        Ok(self.node(id)?.target.clone())
    }

    fn read(&self, id: u64, offset: u64, into: &mut [u8]) -> Result<usize, FilesError> {
        let content = self.node(id)?.content.as_ref();
        self.history.read_content(content.ok_or(FilesError::Not { id, wanted: "file" })?, offset, into)
    }

    fn stored(&self, id: u64, offset: u64) -> Result<Option<Range<u64>>, FilesError> {
        let content = self.node(id)?.content.as_ref();
        Ok(content.and_then(|content| self.history.content_stored(content, offset)))
    }

    fn largest(&self) -> u64 {
        1 << 34 // as YAFFS2: 2^21 chunks of at most 8192 bytes
    }

    fn caution(&self, id: u64) -> Option<String> {
        let content = self.node(id).ok()?.content.as_ref()?;
        let missing = content.size.saturating_sub(self.history.stored_content(content));
        (missing != 0).then(|| format!("{missing} bytes are not stored: holes of the file, or erased since"))
    }
}
