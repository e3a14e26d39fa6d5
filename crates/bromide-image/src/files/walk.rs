//! A walk through a tree, every directory before what is in it, in bounds that no image can stretch.

use alloc::collections::BTreeSet;
use alloc::vec::{self, Vec};

use super::{Entry, Files, FilesError, Kind};

/// Longest path a walk makes: longer ones no program could name, and only a hostile image has them.
pub const LONGEST_PATH: usize = 4096;

/// Why a directory is not gone into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Left {
    /// The paths in it would be longer than [`LONGEST_PATH`].
    TooDeep,
    /// It was walked through under another name; it may be inside itself.
    SeenBefore,
}

/// One object met on the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Names from the start of the walk on, joined by slashes. A name may hold slashes itself: only [`Self::depth`]
    /// tells how deep it lies.
    pub path: Vec<u8>,
    /// The object, under the last name of the path.
    pub entry: Entry,
    /// Directories between it and the start of the walk: 0 for what is in the start itself.
    pub depth: usize,
    /// Whether it is the last in its directory.
    pub last: bool,
    /// For a directory that the walk passes by: why.
    pub left: Option<Left>,
}

struct Level {
    path: Vec<u8>,
    entries: vec::IntoIter<Entry>,
}

/// A walk through a tree. After an error it goes on behind what could not be read.
pub struct Walk<'a> {
    files: &'a dyn Files,
    levels: Vec<Level>,
    /// Gone into next, if the walk is not told otherwise.
    next: Option<(u64, Vec<u8>)>,
    seen: BTreeSet<u64>,
}

impl<'a> Walk<'a> {
    /// Through what is below a directory, which is not met itself. `path` is what the paths begin with, without the
    /// slash after it.
    #[must_use]
    pub fn new(files: &'a dyn Files, directory: u64, path: &[u8]) -> Self {
        let seen = BTreeSet::from([directory]);
        Self { files, levels: Vec::new(), next: Some((directory, path.to_vec())), seen }
    }

    /// Passes by what is in the directory met last.
    pub fn pass_by(&mut self) {
        self.next = None;
    }

    fn enter(&mut self) -> Result<(), FilesError> {
        let Some((directory, path)) = self.next.take() else { return Ok(()) };
        let entries = self.files.children(directory)?.into_iter();
        self.levels.push(Level { path, entries });
        Ok(())
    }

    fn step(&mut self) -> Option<Step> {
        loop {
            let depth = self.levels.len().saturating_sub(1);
            let level = self.levels.last_mut()?;
            let Some(entry) = level.entries.next() else {
                self.levels.pop();
                continue;
            };
            let last = level.entries.len() == 0;
            let mut path = level.path.clone();
            if !path.is_empty() {
                path.push(b'/');
            }
            path.extend(&entry.name);
            let mut left = None;
            if entry.kind == Kind::Directory {
                if path.len() > LONGEST_PATH || self.levels.len() > LONGEST_PATH {
                    left = Some(Left::TooDeep);
                } else if self.seen.insert(entry.id) {
                    self.next = Some((entry.id, path.clone()));
                } else {
                    left = Some(Left::SeenBefore);
                }
            }
            return Some(Step { path, entry, depth, last, left });
        }
    }
}

impl Iterator for Walk<'_> {
    type Item = Result<Step, FilesError>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Err(failed) = self.enter() {
            return Some(Err(failed));
        }
        self.step().map(Ok)
    }
}
