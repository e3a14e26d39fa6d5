//! The way through a tree: every directory before what is in it, every object under a name that can be written,
//! further names of a file as links to the first.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::vec;

use bromide_image::files::{Entry, Files, Kind, LONGEST_PATH, Left, Walk};

use super::content::stored_bytes;
use super::name::{Names, portable};
use super::remark::{ExtractError, Remark, Summary, Tell, Told, What};

/// Name of a file that is not whole yet.
pub(super) const PART: &[u8] = b".bromide-part";

/// One extraction.
pub(super) struct Job<'a> {
    pub(super) files: &'a dyn Files,
    pub(super) summary: Summary,
    tell: &'a mut Tell<'a>,
    stop: &'a dyn Fn() -> bool,
    done: u64,
    /// Bytes read are not told: they are read a second time.
    pub(super) muted: bool,
    sorts: BTreeSet<String>,
}

/// An object on its way.
pub(super) struct Item<'a> {
    pub(super) entry: &'a Entry,
    /// Path in the image.
    pub(super) stored: &'a [u8],
    /// Path of the directory it is written to, below the start.
    pub(super) parent: &'a [u8],
    /// Name it shall have.
    pub(super) name: Vec<u8>,
    /// What other names of it begin with.
    wanted: Cow<'a, [u8]>,
    /// All names of that directory.
    pub(super) names: &'a mut Names,
    /// A name in it that nothing else has.
    #[cfg_attr(not(unix), allow(dead_code, reason = "nothing is written to folders there"))]
    pub(super) part: &'a [u8],
}

/// A file that was written.
#[derive(Debug, Clone)]
pub(super) struct Written {
    pub(super) path: Vec<u8>,
    pub(super) damaged: bool,
    /// Device and inode, where it is on a disk.
    #[cfg_attr(not(unix), allow(dead_code, reason = "nothing is written to folders there"))]
    pub(super) identity: (u64, u64),
}

/// Where objects are put. What it could not put it has told.
pub(super) trait Target {
    /// Makes a directory and goes into it; its name, or none.
    fn enter(&mut self, job: &mut Job<'_>, item: &mut Item<'_>) -> Result<Option<Vec<u8>>, ExtractError>;
    /// The directory is filled.
    fn leave(&mut self, job: &mut Job<'_>, entry: &Entry, stored: &[u8]) -> Result<(), ExtractError>;
    /// Writes a file.
    fn file(&mut self, job: &mut Job<'_>, item: &mut Item<'_>) -> Result<Option<Written>, ExtractError>;
    /// Writes a further name of a file; false where there can be none.
    fn link(&mut self, job: &mut Job<'_>, item: &mut Item<'_>, first: &Written)
    -> Result<bool, ExtractError>;
    /// Writes a symbolic link.
    fn symlink(&mut self, job: &mut Job<'_>, item: &mut Item<'_>, target: &[u8]) -> Result<(), ExtractError>;
    /// Writes a device or pipe.
    fn special(&mut self, job: &mut Job<'_>, item: &mut Item<'_>) -> Result<(), ExtractError>;
}

impl<'a> Item<'a> {
    pub(super) fn new(
        entry: &'a Entry,
        (stored, parent): (&'a [u8], &'a [u8]),
        name: Vec<u8>,
        names: &'a mut Names,
        part: &'a [u8],
    ) -> Self {
        Self { entry, stored, parent, name, wanted: Cow::Borrowed(&entry.name), names, part }
    }

    /// Path below the start.
    pub(super) fn path(&self) -> Vec<u8> {
        join(self.parent, &self.name)
    }

    /// Another name, as this one is taken.
    pub(super) fn rename(&mut self, end: &[u8]) {
        self.name = self.names.take(&self.wanted, end);
    }

    /// Another name, as this one is none where it shall be written. Whether there is one.
    #[cfg_attr(not(unix), allow(dead_code, reason = "nothing is written to folders there"))]
    pub(super) fn spell_out(&mut self, end: &[u8]) -> bool {
        let before = self.wanted.clone();
        self.wanted = Cow::Owned(portable(&before));
        let another = self.wanted != before;
        if another {
            self.rename(end);
        }
        another
    }
}

/// Path and name joined by a slash.
pub(super) fn join(path: &[u8], name: &[u8]) -> Vec<u8> {
    let gap: &[u8] = if path.is_empty() { b"" } else { b"/" };
    [path, gap, name].concat()
}

impl<'a> Job<'a> {
    pub(super) fn new(files: &'a dyn Files, tell: &'a mut Tell<'a>, stop: &'a dyn Fn() -> bool) -> Self {
        Self { files, summary: Summary::default(), tell, stop, done: 0, muted: false, sorts: BTreeSet::new() }
    }

    /// Fails when the user wants to stop.
    pub(super) fn go_on(&self) -> Result<(), ExtractError> {
        if (self.stop)() { Err(ExtractError::Stopped) } else { Ok(()) }
    }

    pub(super) fn remark(&mut self, stored: &[u8], what: What) {
        self.summary.count(&what);
        (self.tell)(Told::Remark(&Remark { path: stored.to_vec(), what }));
    }

    /// An attribute that could not be given is told once for its sort.
    pub(super) fn attribute(&mut self, stored: &[u8], sort: &str, why: impl ToString) {
        if !self.sorts.contains(sort) {
            self.sorts.insert(sort.to_owned());
            self.remark(stored, What::Attribute { sort: sort.to_owned(), why: why.to_string() });
        }
    }

    pub(super) fn advance(&mut self, bytes: u64) {
        if !self.muted {
            self.done += bytes;
            (self.tell)(Told::Done(self.done));
        }
    }

    /// Bytes to come, told and given.
    pub(super) fn measure(&mut self, start: &Entry) -> Result<u64, ExtractError> {
        let mut seen = BTreeSet::new();
        let largest = self.files.largest();
        let mut count = |entry: &Entry| {
            let counts = entry.kind == Kind::File && entry.size <= largest && seen.insert(entry.id);
            if counts { stored_bytes(self.files, entry) } else { 0 }
        };
        let mut bytes = count(start);
        if start.kind == Kind::Directory {
            // What cannot be read is told when it is written.
            for step in Walk::new(self.files, start.id, b"").flatten() {
                self.go_on()?;
                bytes = bytes.saturating_add(count(&step.entry));
            }
        }
        (self.tell)(Told::Start(bytes));
        Ok(bytes)
    }
}

struct Level {
    directory: Entry,
    stored: Vec<u8>,
    path: Vec<u8>,
    names: Names,
    part: Vec<u8>,
    left: vec::IntoIter<(Entry, Vec<u8>)>,
}

impl Level {
    /// What is in a directory, with names; nothing where it cannot be read, which is told.
    fn open(job: &mut Job<'_>, directory: Entry, stored: Vec<u8>, path: Vec<u8>) -> Self {
        let entries = job.files.children(directory.id).unwrap_or_else(|error| {
            job.remark(&stored, What::Unread(error.to_string()));
            Vec::new()
        });
        let mut names = Names::default();
        let left = names.assign(job.files, directory.id, entries).into_iter();
        let part = names.take(PART, b"");
        Self { directory, stored, path, names, part, left }
    }
}

/// Puts everything below a directory, or one object alone. `stored` is its path in the image.
pub(super) fn run(
    job: &mut Job<'_>,
    target: &mut dyn Target,
    start: &Entry,
    stored: &[u8],
) -> Result<(), ExtractError> {
    let mut seen = BTreeSet::from([start.id]);
    let mut firsts = BTreeMap::new();
    if start.kind != Kind::Directory {
        let mut names = Names::default();
        let (name, part) = (names.take(&start.name, b""), names.take(PART, b""));
        let item = Item::new(start, (stored, b""), name, &mut names, &part);
        return put(job, target, item, &mut firsts);
    }
    let mut levels = vec![Level::open(job, start.clone(), stored.to_vec(), Vec::new())];
    while let Some(level) = levels.last_mut() {
        job.go_on()?;
        let Some((entry, name)) = level.left.next() else {
            target.leave(job, &level.directory, &level.stored)?;
            levels.pop();
            continue;
        };
        let stored = join(&level.stored, &entry.name);
        let Level { path: parent, names, part, .. } = level;
        let mut item = Item::new(&entry, (&stored, parent), name, names, part);
        if entry.kind != Kind::Directory {
            put(job, target, item, &mut firsts)?;
        } else if stored.len() > LONGEST_PATH {
            job.remark(&stored, What::Left(Left::TooDeep));
        } else if !seen.insert(entry.id) {
            job.remark(&stored, What::Left(Left::SeenBefore));
        } else if let Some(name) = target.enter(job, &mut item)? {
            job.summary.directories += 1;
            let path = join(parent, &name);
            if name != entry.name {
                job.remark(&stored, What::Renamed(path.clone()));
            }
            levels.push(Level::open(job, entry, stored, path));
        }
    }
    Ok(())
}

/// Puts one object that is no directory.
fn put(
    job: &mut Job<'_>,
    target: &mut dyn Target,
    mut item: Item<'_>,
    firsts: &mut BTreeMap<u64, Written>,
) -> Result<(), ExtractError> {
    let (refused, skipped) = (job.summary.refused, job.summary.skipped);
    let mut damaged = false;
    match item.entry.kind {
        Kind::File => damaged = put_file(job, target, &mut item, firsts)?,
        Kind::Symlink => match job.files.target(item.entry.id) {
            Ok(to) => target.symlink(job, &mut item, &to)?,
            Err(error) => job.remark(item.stored, What::Refused(error.to_string())),
        },
        Kind::CharacterDevice | Kind::BlockDevice | Kind::Pipe => target.special(job, &mut item)?,
        kind => job.remark(item.stored, What::Skipped(kind)),
    }
    let there = (refused, skipped) == (job.summary.refused, job.summary.skipped);
    if there && !damaged && item.name != item.entry.name {
        job.remark(item.stored, What::Renamed(item.path()));
    }
    Ok(())
}

/// Writes a file, or a link to it where it is there already; whether it is damaged.
fn put_file(
    job: &mut Job<'_>,
    target: &mut dyn Target,
    item: &mut Item<'_>,
    firsts: &mut BTreeMap<u64, Written>,
) -> Result<bool, ExtractError> {
    let (entry, largest) = (item.entry, job.files.largest());
    if entry.size > largest {
        let why = format!("it claims {} bytes, more than a file can have ({largest})", entry.size);
        job.remark(item.stored, What::Refused(why));
        return Ok(false);
    }
    if let Some(first) = firsts.get(&entry.id) {
        if first.damaged {
            item.rename(DAMAGED);
        }
        if target.link(job, item, first)? {
            job.summary.hard_links += 1;
            return Ok(false); // a name it does not have in the image is told as such
        }
    }
    let Some(written) = target.file(job, item)? else { return Ok(false) };
    job.summary.files += 1;
    let damaged = written.damaged;
    // Where the first takes no more links, the next names are links to this one.
    firsts.insert(entry.id, written);
    Ok(damaged)
}

/// End of the name of a file whose bytes are not all there or may not be the right ones.
pub(super) const DAMAGED: &[u8] = b".damaged";
