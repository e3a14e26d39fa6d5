//! Trees of files in two images, by path.

use std::collections::BTreeMap;
use std::rc::Rc;

use bromide_image::files::{self, Entry, Files, Kind, Known, Walk, read_as_far_as_possible};
use bromide_image::read_at::ReadAt;

use super::CompareError;

/// Bytes of two files compared at once.
const STEP: usize = 1 << 16;

/// Troubles that are told.
const MOST_TROUBLES: usize = 64;

/// How two trees differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TreeDiff {
    /// The file systems, as people call them.
    pub titles: [String; 2],
    /// Objects in each.
    pub objects: [u64; 2],
    /// What differs, by path.
    pub changes: Vec<FileChange>,
    /// What could not be looked at, in words.
    pub troubles: Vec<String>,
}

/// An object that is not the same in both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileChange {
    /// Its path, as stored.
    pub path: Vec<u8>,
    /// What changed.
    pub change: Change,
}

/// What changed between the first tree and the second.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Only the second has it.
    Added(Entry),
    /// Only the first has it.
    Removed(Entry),
    /// Both have it, with differences.
    Changed {
        /// In the first.
        was: Entry,
        /// In the second.
        is: Entry,
        /// The differences.
        what: Vec<What>,
    },
}

/// A difference of one object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// It is of another kind.
    Kind,
    /// Another number of bytes.
    Size,
    /// Other bytes; the first one that differs.
    Content(u64),
    /// Its bytes cannot be had: why.
    Unread(String),
    /// Permission bits.
    Mode,
    /// User or group.
    Owner,
    /// When its content changed last.
    Modified,
    /// Where a link leads.
    Target(Vec<u8>, Vec<u8>),
    /// Device numbers.
    Device,
    /// Extended attributes.
    Attributes,
}

impl What {
    /// Whether it is about more than attributes.
    #[must_use]
    pub const fn is_content(&self) -> bool {
        matches!(self, Self::Kind | Self::Size | Self::Content(_) | Self::Unread(_))
    }

    /// Stable name for programs.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Kind => "kind",
            Self::Size => "size",
            Self::Content(_) => "content",
            Self::Unread(_) => "unread",
            Self::Mode => "mode",
            Self::Owner => "owner",
            Self::Modified => "modified",
            Self::Target(..) => "target",
            Self::Device => "device",
            Self::Attributes => "attributes",
        }
    }
}

impl FileChange {
    /// Whether only attributes changed.
    #[must_use]
    pub fn is_metadata_only(&self) -> bool {
        matches!(&self.change, Change::Changed { what, .. } if !what.iter().any(What::is_content))
    }
}

/// Compares the trees of two images; `None` where neither holds a file system. Access times are not looked at.
///
/// # Errors
/// The caller wanted an end. What cannot be read is among the troubles.
pub fn trees(
    a: Rc<dyn ReadAt>,
    b: Rc<dyn ReadAt>,
    go_on: &mut dyn FnMut() -> bool,
) -> Result<Option<TreeDiff>, CompareError> {
    let mut troubles = Vec::new();
    let (first, second) = (open(a, "first", &mut troubles), open(b, "second", &mut troubles));
    let (first, second) = match (first, second) {
        (None, None) if troubles.is_empty() => return Ok(None),
        (Some(first), Some(second)) => (first, second),
        (first, second) => {
            let title = |it: Option<Box<dyn Files>>| it.map_or("no file system", |it| it.title()).to_owned();
            let titles = [title(first), title(second)];
            return Ok(Some(TreeDiff { titles, objects: [0, 0], changes: Vec::new(), troubles }));
        }
    };
    let (one, other) = (listed(&*first, "first", &mut troubles), listed(&*second, "second", &mut troubles));
    let objects = [one.len() as u64, other.len() as u64];
    let titles = [first.title().to_owned(), second.title().to_owned()];
    let mut both = Both { first: &*first, second: &*second, linked: BTreeMap::new() };
    let changes = both.changes(one, other, go_on)?;
    Ok(Some(TreeDiff { titles, objects, changes, troubles }))
}

fn open(image: Rc<dyn ReadAt>, which: &str, troubles: &mut Vec<String>) -> Option<Box<dyn Files>> {
    match files::open(image, Known::default()) {
        Ok(found) => found,
        Err(e) => {
            troubles.push(format!("{which}: {e}"));
            None
        }
    }
}

type Tree = BTreeMap<Vec<u8>, Entry>;

/// Every object below the root.
fn listed(files: &dyn Files, which: &str, troubles: &mut Vec<String>) -> Tree {
    let mut tree = Tree::new();
    for step in Walk::new(files, files.root(), b"") {
        match step {
            Ok(step) => {
                tree.insert(step.path, step.entry);
            }
            Err(e) if troubles.len() < MOST_TROUBLES => troubles.push(format!("{which}: {e}")),
            Err(_) => {}
        }
    }
    troubles.extend(files.doubts().into_iter().map(|doubt| format!("{which}: {doubt}")));
    tree
}

/// Two trees side by side.
struct Both<'a> {
    first: &'a dyn Files,
    second: &'a dyn Files,
    /// Files of several names that were compared under one of them.
    linked: BTreeMap<(u64, u64), Option<What>>,
}

impl Both<'_> {
    fn changes(
        &mut self,
        first: Tree,
        mut second: Tree,
        go_on: &mut dyn FnMut() -> bool,
    ) -> Result<Vec<FileChange>, CompareError> {
        let mut changes = Vec::new();
        for (path, was) in first {
            let change = match second.remove(&path) {
                None => Some(Change::Removed(was)),
                Some(is) => {
                    let what = self.compare(&was, &is, go_on)?;
                    (!what.is_empty()).then_some(Change::Changed { was, is, what })
                }
            };
            changes.extend(change.map(|change| FileChange { path, change }));
        }
        let added = second.into_iter().map(|(path, is)| FileChange { path, change: Change::Added(is) });
        changes.extend(added);
        changes.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(changes)
    }

    fn compare(
        &mut self,
        was: &Entry,
        is: &Entry,
        go_on: &mut dyn FnMut() -> bool,
    ) -> Result<Vec<What>, CompareError> {
        if was.kind != is.kind {
            return Ok(vec![What::Kind]);
        }
        let mut what = Vec::new();
        match was.kind {
            Kind::File if was.size != is.size => what.push(What::Size),
            Kind::File => what.extend(self.content(was, is, go_on)?),
            Kind::Symlink => what.extend(self.target(was, is)),
            _ => {}
        }
        // A directory's time says only that something in it came or went.
        let modified = was.kind != Kind::Directory && was.modified != is.modified;
        let attributes = [
            (was.mode != is.mode, What::Mode),
            ((was.uid, was.gid) != (is.uid, is.gid), What::Owner),
            (modified, What::Modified),
            (was.kind.is_device() && was.device != is.device, What::Device),
            (self.attributes_differ(was.id, is.id), What::Attributes),
        ];
        what.extend(attributes.into_iter().filter(|(differs, _)| *differs).map(|(_, what)| what));
        Ok(what)
    }

    fn attributes_differ(&self, first: u64, second: u64) -> bool {
        let sorted = |files: &dyn Files, id| {
            let mut all = files.xattrs(id).unwrap_or_default();
            all.sort_by(|a, b| a.name.cmp(&b.name));
            all
        };
        sorted(self.first, first) != sorted(self.second, second)
    }

    fn target(&self, was: &Entry, is: &Entry) -> Option<What> {
        match (self.first.target(was.id), self.second.target(is.id)) {
            (Ok(a), Ok(b)) => (a != b).then_some(What::Target(a, b)),
            (Err(e), _) | (_, Err(e)) => Some(What::Unread(e.to_string())),
        }
    }

    /// Compares the bytes of two files of one size.
    fn content(
        &mut self,
        was: &Entry,
        is: &Entry,
        go_on: &mut dyn FnMut() -> bool,
    ) -> Result<Option<What>, CompareError> {
        if let Some(known) = self.linked.get(&(was.id, is.id)) {
            return Ok(known.clone());
        }
        let found = self.bytes(was, is, go_on)?;
        if was.names > 1 {
            self.linked.insert((was.id, is.id), found.clone());
        }
        Ok(found)
    }

    fn bytes(
        &self,
        was: &Entry,
        is: &Entry,
        go_on: &mut dyn FnMut() -> bool,
    ) -> Result<Option<What>, CompareError> {
        if was.size > self.first.largest().min(self.second.largest()) {
            return Ok(Some(What::Unread("it claims to be larger than any file there".into())));
        }
        let (mut one, mut other) = (vec![0; STEP], vec![0; STEP]);
        let mut at = 0;
        while at < was.size {
            if !go_on() {
                return Err(CompareError::Stopped);
            }
            // What is a hole in both is the same.
            match self.stored(was.id, is.id, at) {
                None => break,
                Some(next) => at = next,
            }
            let (got, failed) = read_as_far_as_possible(self.first, was.id, at, &mut one);
            let (also, failed_too) = read_as_far_as_possible(self.second, is.id, at, &mut other);
            let there = got.min(also);
            let pairs = one.iter().zip(&other).take(there);
            if let Some(place) = pairs.enumerate().find_map(|(place, (a, b))| (a != b).then_some(place)) {
                return Ok(Some(What::Content(at + place as u64)));
            }
            if let Some(failed) = failed.or(failed_too) {
                return Ok(Some(What::Unread(failed.to_string())));
            }
            if there == 0 {
                return Ok(Some(What::Unread("it ends before its size".into())));
            }
            at += there as u64;
        }
        Ok(None)
    }

    /// Where the next bytes are stored in one of two files; `None` when the rest of both is a hole.
    fn stored(&self, first: u64, second: u64, at: u64) -> Option<u64> {
        let next = |files: &dyn Files, id| match files.stored(id, at) {
            Ok(next) => next.map(|range| range.start.max(at)),
            Err(_) => Some(at), // reading says why
        };
        let both = [next(self.first, first), next(self.second, second)];
        both.into_iter().flatten().min()
    }
}
