//! The reader: from the pages of a partition to its files, as the phone would see them.
//!
//! [`Tree::scan`] looks at every page once and keeps a few dozen bytes of each chunk and the names of what is there;
//! the bytes of files stay where they are and are read when asked for. What is read is judged by the rules of
//! nand-yaffs2.md section 6: sequence numbers decide what is newest; checkpoints and summaries are caches and not
//! looked at; pages beyond repair count as never written.
//!
//! Nothing in an image makes the reader panic, go round in circles or take memory beyond that. Names are bytes and
//! given as they are stored: see [`Problem::Name`] before making paths of them.

mod content;
mod detect;
mod fields;
mod history;
mod log;
mod options;
mod pages;
mod place;
mod problem;
mod replay;
mod skim;
mod tagged;
mod whereabouts;

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::cell::OnceCell;
use core::cmp::Reverse;
use core::ops::Range;

pub use content::{Content, FileError};
pub use detect::{Detected, detect};
pub use fields::{Kind, Xattr};
pub use history::{Event, Version};
pub use options::{ByteOrder, Options, TagsAt, Verify};
pub use problem::{Counts, MOST_PROBLEMS, Problem, Problems};
pub use whereabouts::PageTags;

use fields::{Brief, Shown};
use log::Log;
use pages::{Condition, Page, Pages};
use place::Loose;
use replay::{Chunk, State};
use skim::Skimmed;

use super::LAST_CHUNK;
use crate::read_at::{ReadAt, ReadError};

/// Object id of the root directory.
pub const ROOT: u32 = 1;

/// Object id of the directory of what has no other place. It is in the tree when it has a header or is not empty.
pub const LOST_FOUND: u32 = 2;

/// Objects a phone's driver makes up, which no header describes.
const MADE_UP: [u32; 2] = [3, 4];

/// Most bytes of names and targets that are kept: some 60 for each object there can be.
const MOST_NAMES: usize = 16 << 20;

/// One object of the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Object id.
    pub id: u32,
    /// Object id of the directory it is in; its own for the root.
    pub parent: u32,
    /// What it is.
    pub kind: Kind,
    /// File type and permission bits as in Unix, the type filled in where the writer left it out. Of a hard link, as
    /// owner, times and size, its target's.
    pub mode: u32,
    /// User id of the owner.
    pub uid: u32,
    /// Group id of the owner.
    pub gid: u32,
    /// Time of the last access, Unix seconds.
    pub accessed: u32,
    /// Time of the last change of the content, Unix seconds.
    pub modified: u32,
    /// Time of the last change of the attributes, Unix seconds.
    pub changed: u32,
    /// Bytes of a file, holes included.
    pub size: u64,
    /// Name as stored: any bytes but zero, not always UTF-8, see [`Problem::Name`].
    pub name: Vec<u8>,
    /// Target of a symbolic link as stored.
    pub target: Vec<u8>,
    /// Device number of a special file in the kernel's encoding: [`Self::device_numbers`].
    pub device: u32,
    /// Object id a hard link is another name of; its own for anything else.
    pub equivalent: u32,
    /// Page of the header; none for what was found without one.
    pub page: Option<u32>,
    /// Its chunks in [`Tree::chunks`].
    chunks: Range<usize>,
}

impl Node {
    /// Major and minor number of a device.
    #[must_use]
    pub const fn device_numbers(&self) -> (u32, u32) {
        ((self.device >> 8) & 0xFFF, (self.device & 0xFF) | ((self.device >> 12) & 0xF_FF00))
    }
}

/// The files of an image.
#[derive(Debug)]
pub struct Tree<S> {
    pages: Pages<S>,
    log: Log,
    /// By id.
    nodes: Vec<Node>,
    /// Chunks that count, by object and number.
    chunks: Vec<Chunk>,
    /// Indexes of nodes, by parent, name, and the newest header first.
    by_name: Vec<usize>,
    problems: Problems,
    /// Of all pages, where it turned out that skimming was not enough.
    whole: OnceCell<Log>,
}

impl<S: ReadAt> Tree<S> {
    /// Reads the tags of all pages and the headers of all objects of `source`, which begins with a block. With
    /// [`Verify::Headers`] the same as [`Self::skim`].
    ///
    /// # Errors
    /// The source's own. An image of anything else gives an empty tree and as many problems as it has pages.
    pub fn scan(source: S, options: Options) -> Result<Self, ReadError> {
        if options.verify == Verify::Headers {
            return Self::skim(source, options);
        }
        let pages = Pages::new(source, options);
        let mut problems = Problems::default();
        let log = Log::scan(&pages, &mut problems)?;
        Self::replay(pages, log, problems)
    }

    /// The same tree from as few pages as can be, for sources where each costs time.
    ///
    /// A partition as its image maker left it is known from its headers: the pages of file bytes between them, and
    /// those of blocks whose first page is erased, are not looked at but assumed ([`Counts::assumed`]). When a file
    /// is read, its pages are checked to be what they were taken for ([`FileError::NotAsAssumed`]). Damage in pages
    /// not looked at is met only then, too, and is not among the problems here.
    ///
    /// Where anything was written otherwise, as on every partition a phone has written to, all pages are read as by
    /// [`Self::scan`].
    ///
    /// # Errors
    /// The source's own.
    pub fn skim(source: S, options: Options) -> Result<Self, ReadError> {
        let pages = Pages::new(source, options);
        match skim::skim(&pages)? {
            Skimmed::Log(log, problems) => Self::replay(pages, log, problems),
            Skimmed::Unlike(looked) => {
                let mut problems = Problems::default();
                let mut log = Log::scan(&pages, &mut problems)?;
                log.counts.looked = log.counts.looked.saturating_add(looked);
                Self::replay(pages, log, problems)
            }
        }
    }

    fn replay(pages: Pages<S>, log: Log, problems: Problems) -> Result<Self, ReadError> {
        let (nodes, chunks, by_name) = (Vec::new(), Vec::new(), Vec::new());
        let mut tree = Self { pages, log, nodes, chunks, by_name, problems, whole: OnceCell::new() };
        let objects = tree.objects();
        let loose = objects.iter().map(|(id, object)| (*id, object.loose())).collect();
        let parents = place::place(&loose, &mut tree.problems);
        drop(loose);
        tree.name(&objects, &parents)?;
        tree.link();
        tree.sort();
        Ok(tree)
    }

    /// The root directory.
    #[must_use]
    pub fn root(&self) -> Option<&Node> {
        self.node(ROOT)
    }

    /// The object of this id, if it is in the tree.
    #[must_use]
    pub fn node(&self, id: u32) -> Option<&Node> {
        let at = self.nodes.binary_search_by_key(&id, |node| node.id).ok()?;
        self.nodes.get(at)
    }

    /// All objects of the tree by id, the root included.
    #[must_use]
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// What is in a directory, by name; nothing for anything else.
    pub fn children(&self, id: u32) -> impl Iterator<Item = &Node> {
        let range = self.children_range(id);
        self.by_name.get(range).unwrap_or_default().iter().filter_map(|at| self.nodes.get(*at))
    }

    /// The object at a path of names joined by slashes, slashes at both ends allowed. Of two objects of the same name,
    /// the one with the newer header. Links are not followed, and `..` is a name like any other.
    #[must_use]
    pub fn lookup(&self, path: &[u8]) -> Option<&Node> {
        let names = path.split(|byte| *byte == b'/').filter(|name| !name.is_empty());
        names.into_iter().try_fold(self.root()?, |at, name| self.child(at.id, name))
    }

    /// The object of this name in a directory.
    #[must_use]
    pub fn child(&self, directory: u32, name: &[u8]) -> Option<&Node> {
        let range = self.by_name.get(self.children_range(directory))?;
        let at = range.partition_point(|at| self.name_of(*at) < name);
        let found = range.get(at).and_then(|at| self.nodes.get(*at))?;
        (found.name == name).then_some(found)
    }

    /// The path of an object below the root, names joined by slashes; empty for the root and for what is not there.
    #[must_use]
    pub fn path(&self, id: u32) -> Vec<u8> {
        let mut names = Vec::new();
        let mut at = self.node(id);
        while let Some(node) = at.filter(|node| node.id != ROOT) {
            names.push(node.name.as_slice());
            at = self.node(node.parent);
        }
        names.reverse();
        names.join(&b'/')
    }

    /// As [`Self::path`], but none for a path of more than `longest` bytes, which costs no more than one that long.
    /// Paths of all objects of a hostile image could fill any memory.
    #[must_use]
    pub fn path_within(&self, id: u32, longest: usize) -> Option<Vec<u8>> {
        let (mut len, mut at) = (0_usize, self.node(id));
        while let Some(node) = at.filter(|node| node.id != ROOT) {
            let slash = usize::from(node.parent != ROOT);
            len = len.saturating_add(node.name.len()).saturating_add(slash);
            if len > longest {
                return None;
            }
            at = self.node(node.parent);
        }
        Some(self.path(id))
    }

    /// The extended attributes of an object, in the order stored.
    ///
    /// # Errors
    /// No such object, or its header cannot be read again.
    pub fn xattrs(&self, id: u32) -> Result<Vec<Xattr>, FileError> {
        let node = self.resolve(id)?;
        let Some(number) = node.page else { return Ok(Vec::new()) };
        let page = self.open(number)?;
        Ok(fields::xattrs(page.chunk(), &node.target, self.pages.options.order))
    }

    /// What was accepted but deserves a word.
    #[must_use]
    pub const fn problems(&self) -> &Problems {
        &self.problems
    }

    /// How many pages of each sort there are.
    #[must_use]
    pub const fn counts(&self) -> &Counts {
        &self.log.counts
    }

    /// A page read again and corrected.
    fn open(&self, number: u32) -> Result<Page, FileError> {
        let (mut run, mut page) = (Vec::new(), self.pages.buffer());
        self.pages.fetch(number, 1, &mut run)?;
        match self.pages.open(&run, &mut page) {
            Condition::Damaged | Condition::Blank => Err(FileError::Damaged(number)),
            Condition::Sound { .. } | Condition::Unchecked => Ok(page),
        }
    }

    /// The node, or for a hard link the node it is another name of.
    fn resolve(&self, id: u32) -> Result<&Node, FileError> {
        let node = self.node(id).ok_or(FileError::NoObject(id))?;
        self.node(node.equivalent).ok_or(FileError::NoObject(node.equivalent))
    }

    fn chunk_bytes(&self) -> u64 {
        u64::try_from(self.pages.options.chunk_bytes()).unwrap_or(u64::MAX).max(1)
    }

    /// Replays the log of every object, by id.
    fn objects(&mut self) -> Vec<(u32, Object)> {
        let mut objects = Vec::new();
        let chunk_bytes = self.chunk_bytes();
        for records in self.log.records.chunk_by(|a, b| a.object == b.object) {
            let Some(id) = records.first().map(|record| record.object) else { continue };
            if MADE_UP.contains(&id) {
                continue;
            }
            let start = self.chunks.len();
            let Some(state) = replay::replay(&self.log, records, chunk_bytes, &mut self.chunks) else {
                continue;
            };
            if state.gone {
                self.chunks.truncate(start);
            }
            if state.stray {
                self.problems.add(Problem::BytesOfNoFile(id));
            }
            objects.push((id, Object { state, chunks: start..self.chunks.len() }));
        }
        objects
    }

    /// Reads the headers of what is there and makes the nodes.
    fn name(&mut self, objects: &[(u32, Object)], parents: &BTreeMap<u32, u32>) -> Result<(), ReadError> {
        for id in [ROOT, LOST_FOUND] {
            let described = objects.iter().take(2).any(|(its, object)| *its == id && !object.state.gone);
            if !described && (id == ROOT || parents.values().any(|parent| *parent == id)) {
                self.nodes.push(self.node_without_header(id, ROOT, None));
            }
        }
        let mut bytes_of_names = 0_usize;
        for (id, object) in objects {
            let parent = match *id {
                ROOT | LOST_FOUND if object.state.gone => continue,
                ROOT | LOST_FOUND => ROOT,
                _ => match parents.get(id) {
                    Some(parent) => *parent,
                    None => continue,
                },
            };
            let mut node = match object.state.header {
                Some((brief, page)) => self.node_of(*id, parent, &brief, page, object)?,
                None => self.node_without_header(*id, parent, Some(object)),
            };
            bytes_of_names = bytes_of_names.saturating_add(node.name.len()).saturating_add(node.target.len());
            if bytes_of_names > MOST_NAMES {
                self.problems.add(Problem::TooManyNames(*id));
                (node.name, node.target) = (numbered(*id), Vec::new());
            }
            self.nodes.push(node);
        }
        self.nodes.sort_unstable_by_key(|node| node.id);
        for node in &self.nodes {
            if let Some(problem) = doubt(node, self.pages.options.chunk_bytes()) {
                self.problems.add(problem);
            }
        }
        Ok(())
    }

    fn node_of(
        &self,
        id: u32,
        parent: u32,
        brief: &Brief,
        number: u32,
        object: &Object,
    ) -> Result<Node, ReadError> {
        let (mut run, mut page) = (Vec::new(), self.pages.buffer());
        self.pages.fetch(number, 1, &mut run)?;
        self.pages.open(&run, &mut page);
        // The root is the root whatever its header says.
        let kind = if matches!(id, ROOT | LOST_FOUND) { Kind::Directory } else { brief.kind };
        let Shown { mut name, target, mode, uid, gid, accessed, modified, changed, device } =
            Shown::read(page.chunk(), kind, self.pages.options.order);
        if id == ROOT {
            name.clear();
        }
        let equivalent = if kind == Kind::HardLink { brief.equivalent } else { id };
        let (size, chunks) = (object.state.size, object.chunks.clone());
        let page = Some(number);
        Ok(Node {
            id,
            parent,
            kind,
            mode,
            uid,
            gid,
            accessed,
            modified,
            changed,
            size,
            name,
            target,
            device,
            equivalent,
            page,
            chunks,
        })
    }

    /// What is known of an object without header: the directories that are always there, and files.
    fn node_without_header(&self, id: u32, parent: u32, object: Option<&Object>) -> Node {
        let directory = matches!(id, ROOT | LOST_FOUND);
        let (kind, mode) = if directory { (Kind::Directory, 0o040_755) } else { (Kind::File, 0o100_600) };
        let name = match id {
            ROOT => Vec::new(),
            LOST_FOUND => b"lost+found".to_vec(),
            _ => numbered(id),
        };
        Node {
            id,
            parent,
            kind,
            mode,
            uid: 0,
            gid: 0,
            accessed: 0,
            modified: 0,
            changed: 0,
            size: object.map_or(0, |object| object.state.size),
            name,
            target: Vec::new(),
            device: 0,
            equivalent: id,
            page: None,
            chunks: object.map_or(0..0, |object| object.chunks.clone()),
        }
    }

    /// Gives hard links the attributes of their targets and drops those to nothing.
    fn link(&mut self) {
        let mut nodes = core::mem::take(&mut self.nodes);
        let mut lost = Vec::new();
        for at in 0..nodes.len() {
            let Some(Node { id, kind: Kind::HardLink, equivalent, .. }) = nodes.get(at) else { continue };
            let (id, target) = (*id, *equivalent);
            let found = nodes.binary_search_by_key(&target, |node| node.id).ok().and_then(|at| nodes.get(at));
            let found = found.filter(|node| !matches!(node.kind, Kind::HardLink | Kind::Directory)).cloned();
            match (found, nodes.get_mut(at)) {
                (Some(found), Some(node)) => {
                    (node.mode, node.uid, node.gid) = (found.mode, found.uid, found.gid);
                    (node.accessed, node.modified, node.changed) =
                        (found.accessed, found.modified, found.changed);
                    (node.size, node.device) = (found.size, found.device);
                }
                _ => {
                    self.problems.add(Problem::HardLink { object: id, target });
                    lost.push(id);
                }
            }
        }
        nodes.retain(|node| lost.binary_search(&node.id).is_err());
        self.nodes = nodes;
    }

    /// Puts the nodes in the order of [`Self::children`] and notes names met twice.
    fn sort(&mut self) {
        let (nodes, log) = (&self.nodes, &self.log);
        let key = |at: &usize| {
            let node = nodes.get(*at)?;
            let newest = log.of(node.id).first().map(|record| log.position(record));
            Some((node.parent, node.name.as_slice(), Reverse(newest)))
        };
        let mut order: Vec<usize> = (0..nodes.len()).collect();
        // The root is nobody's child.
        order.retain(|at| nodes.get(*at).is_some_and(|node| node.id != ROOT));
        order.sort_by(|a, b| key(a).cmp(&key(b)));
        for pair in order.windows(2) {
            if let [Some(a), Some(b)] = [pair.first(), pair.last()].map(|at| at.and_then(|at| nodes.get(*at)))
                && a.parent == b.parent
                && a.name == b.name
            {
                self.problems.add(Problem::SameName(b.id));
            }
        }
        self.by_name = order;
    }

    fn children_range(&self, id: u32) -> Range<usize> {
        let parent = |at: &usize| self.nodes.get(*at).map_or(0, |node| node.parent);
        let from = self.by_name.partition_point(|at| parent(at) < id);
        let to = self.by_name.partition_point(|at| parent(at) <= id);
        from..to
    }

    fn name_of(&self, at: usize) -> &[u8] {
        self.nodes.get(at).map_or(&[], |node| &node.name)
    }
}

/// An object as its log leaves it.
#[derive(Debug)]
struct Object {
    state: State,
    chunks: Range<usize>,
}

impl Object {
    fn loose(&self) -> Loose {
        let header = self.state.header.map(|(header, _)| header);
        Loose {
            kind: header.map(|header| header.kind),
            parent: header.map_or(LOST_FOUND, |header| header.parent),
            gone: self.state.gone,
        }
    }
}

/// The name of an object that has none.
fn numbered(id: u32) -> Vec<u8> {
    alloc::format!("obj{id}").into_bytes()
}

/// What is strange about a node by itself.
fn doubt(node: &Node, chunk_bytes: usize) -> Option<Problem> {
    let reach = u64::from(LAST_CHUNK).saturating_mul(u64::try_from(chunk_bytes).unwrap_or(u64::MAX));
    let odd_name = matches!(node.name.as_slice(), b"" | b"." | b"..")
        || node.name.iter().any(|byte| *byte == b'/' || byte.is_ascii_control());
    if odd_name && node.id != ROOT {
        Some(Problem::Name(node.id))
    } else if node.size > reach {
        Some(Problem::Size(node.id))
    } else if node.kind == Kind::Special
        && !matches!(node.mode & 0o170_000, 0o010_000 | 0o020_000 | 0o060_000 | 0o140_000)
    {
        Some(Problem::SpecialKind(node.id))
    } else {
        None
    }
}
