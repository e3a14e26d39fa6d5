//! The disk's files as a program sees them, beside what of them would survive.

use std::collections::{BTreeMap, HashMap};
use std::time::SystemTime;

use fuser::Errno;

use super::content::{Content, PAGE, Page};
use super::journal::{Inode, Journal, Name, ROOT, Rule, Step};

/// Versions of one page that are remembered between two syncs.
const MOST_VERSIONS: usize = 8;

/// Room on the disk, and what it says about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Room {
    /// Bytes it takes; no bound without.
    pub(crate) bytes: Option<u64>,
    /// It promises more than it has, as a disk with quotas does.
    pub(crate) promises: bool,
}

/// Bytes of a disk without a bound, as it says.
const ROOMY: u64 = 1 << 40;

/// A file or directory.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) mode: u32,
    pub(super) owner: (u32, u32),
    pub(super) changed: SystemTime,
    pub(super) kind: Kind,
    /// Names it has.
    pub(super) links: u32,
    /// Times it is open.
    opens: u32,
}

impl Node {
    fn new(mode: u32, owner: (u32, u32), kind: Kind) -> Self {
        Self { mode: mode & 0o7777, owner, changed: SystemTime::now(), kind, links: 1, opens: 0 }
    }

    /// The same one with other content, not open.
    pub(super) fn again(&self, kind: Kind) -> Self {
        Self { kind, links: 1, opens: 0, ..self.clone() }
    }
}

#[derive(Debug, Clone)]
pub(super) enum Kind {
    Directory { entries: BTreeMap<Vec<u8>, Inode>, above: Inode },
    File(Box<Stored>),
}

/// A file's content, now and on the platter.
#[derive(Debug, Clone, Default)]
pub(super) struct Stored {
    pub(super) now: Content,
    pub(super) safe: Content,
    /// What pages were since they were safe, oldest first.
    pub(super) since: BTreeMap<u64, Vec<Page>>,
}

/// Everything on the disk.
#[derive(Debug, Clone)]
pub(super) struct State {
    pub(super) nodes: HashMap<Inode, Node>,
    pub(super) journal: Journal,
    pub(super) rule: Rule,
    pub(super) room: Room,
    next: Inode,
    /// Pages and nodes that take room.
    used: u64,
    /// Changes until the power fails.
    left: Option<u64>,
    /// Changes so far.
    pub(super) changes: u64,
}

impl State {
    pub(super) fn new(rule: Rule) -> Self {
        let mut state = Self {
            nodes: HashMap::new(),
            journal: Journal::default(),
            rule,
            room: Room::default(),
            next: ROOT + 1,
            used: 1,
            left: None,
            changes: 0,
        };
        let kind = Kind::Directory { entries: BTreeMap::new(), above: ROOT };
        state.nodes.insert(ROOT, Node::new(0o755, (0, 0), kind));
        state
    }

    /// After so many more changes nothing changes any more.
    pub(super) fn fail_after(&mut self, changes: Option<u64>) {
        self.left = changes;
    }

    pub(super) fn failed(&self) -> bool {
        self.left == Some(0)
    }

    /// Whoever changes something asks first.
    fn power(&mut self) -> Result<(), Errno> {
        self.changes += 1;
        match &mut self.left {
            Some(0) => Err(Errno::EIO),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// Blocks in all and blocks left, as the disk says.
    pub(super) fn blocks(&self) -> (u64, u64) {
        let said = self.room.bytes.filter(|_| !self.room.promises).unwrap_or(ROOMY) / PAGE;
        (said, said.saturating_sub(self.used))
    }

    /// Bytes in use.
    pub(super) fn used(&self) -> u64 {
        self.used * PAGE
    }

    /// Puts a node in its place that needs no name any more, or has it already.
    pub(super) fn add(&mut self, inode: Inode, node: Node) {
        let pages = match &node.kind {
            Kind::File(stored) => stored.now.pages.len() as u64,
            Kind::Directory { .. } => 0,
        };
        self.next = self.next.max(inode + 1);
        if self.nodes.insert(inode, node).is_none() {
            self.used += 1;
        }
        self.used += pages;
    }

    fn take(&mut self, pages: u64) -> Result<(), Errno> {
        if self.room.bytes.is_some_and(|bytes| self.used + pages > bytes / PAGE) {
            return Err(Errno::ENOSPC);
        }
        self.used += pages;
        Ok(())
    }

    pub(super) fn node(&self, inode: Inode) -> Result<&Node, Errno> {
        self.nodes.get(&inode).ok_or(Errno::ENOENT)
    }

    pub(super) fn entries(&self, directory: Inode) -> Result<&BTreeMap<Vec<u8>, Inode>, Errno> {
        match &self.node(directory)?.kind {
            Kind::Directory { entries, .. } => Ok(entries),
            Kind::File(_) => Err(Errno::ENOTDIR),
        }
    }

    fn entries_mut(&mut self, directory: Inode) -> Result<&mut BTreeMap<Vec<u8>, Inode>, Errno> {
        let node = self.nodes.get_mut(&directory).ok_or(Errno::ENOENT)?;
        node.changed = SystemTime::now();
        match &mut node.kind {
            Kind::Directory { entries, .. } => Ok(entries),
            Kind::File(_) => Err(Errno::ENOTDIR),
        }
    }

    pub(super) fn lookup(&self, directory: Inode, name: &[u8]) -> Result<Inode, Errno> {
        self.entries(directory)?.get(name).copied().ok_or(Errno::ENOENT)
    }

    pub(super) fn file(&self, inode: Inode) -> Result<&Stored, Errno> {
        match &self.node(inode)?.kind {
            Kind::File(stored) => Ok(stored),
            Kind::Directory { .. } => Err(Errno::EISDIR),
        }
    }

    fn file_mut(&mut self, inode: Inode) -> Result<&mut Stored, Errno> {
        match self.nodes.get_mut(&inode).map(|node| &mut node.kind) {
            Some(Kind::File(stored)) => Ok(stored),
            Some(Kind::Directory { .. }) => Err(Errno::EISDIR),
            None => Err(Errno::ENOENT),
        }
    }

    /// Makes an empty file, or a directory.
    pub(super) fn make(
        &mut self,
        at: Name,
        mode: u32,
        owner: (u32, u32),
        file: bool,
    ) -> Result<Inode, Errno> {
        self.power()?;
        if self.entries(at.0)?.contains_key(&at.1) {
            return Err(Errno::EEXIST);
        }
        self.take(1)?;
        let inode = self.next;
        self.next += 1;
        let kind = if file {
            Kind::File(Box::default())
        } else {
            Kind::Directory { entries: BTreeMap::new(), above: at.0 }
        };
        self.nodes.insert(inode, Node::new(mode, owner, kind));
        self.entries_mut(at.0)?.insert(at.1.clone(), inode);
        self.journal.add(Step::Link(at, inode));
        Ok(inode)
    }

    /// Takes a name away.
    pub(super) fn remove(&mut self, at: Name, file: bool) -> Result<(), Errno> {
        self.power()?;
        let inode = self.lookup(at.0, &at.1)?;
        match (&self.node(inode)?.kind, file) {
            (Kind::Directory { .. }, true) => return Err(Errno::EISDIR),
            (Kind::File(_), false) => return Err(Errno::ENOTDIR),
            (Kind::Directory { entries, .. }, false) if !entries.is_empty() => return Err(Errno::ENOTEMPTY),
            _ => {}
        }
        self.entries_mut(at.0)?.remove(&at.1);
        self.journal.add(Step::Unlink(at));
        self.unlinked(inode);
        Ok(())
    }

    pub(super) fn rename(&mut self, from: Name, to: Name, replace: bool) -> Result<(), Errno> {
        self.power()?;
        let inode = self.lookup(from.0, &from.1)?;
        let target = self.entries(to.0)?.get(&to.1).copied();
        match target {
            Some(_) if !replace => return Err(Errno::EEXIST),
            Some(same) if same == inode => return Ok(()),
            Some(other) => match (&self.node(inode)?.kind, &self.node(other)?.kind) {
                (Kind::File(_), Kind::Directory { .. }) => return Err(Errno::EISDIR),
                (Kind::Directory { .. }, Kind::File(_)) => return Err(Errno::ENOTDIR),
                (_, Kind::Directory { entries, .. }) if !entries.is_empty() => return Err(Errno::ENOTEMPTY),
                _ => {}
            },
            None => {}
        }
        self.entries_mut(from.0)?.remove(&from.1);
        self.entries_mut(to.0)?.insert(to.1.clone(), inode);
        if let Some(Kind::Directory { above, .. }) = self.nodes.get_mut(&inode).map(|node| &mut node.kind) {
            *above = to.0;
        }
        self.journal.add(Step::Rename(from, to, inode));
        if let Some(replaced) = target {
            self.unlinked(replaced);
        }
        Ok(())
    }

    fn unlinked(&mut self, inode: Inode) {
        if let Some(node) = self.nodes.get_mut(&inode) {
            node.links = node.links.saturating_sub(1);
        }
        self.give_back(inode);
    }

    pub(super) fn opened(&mut self, inode: Inode) -> Result<(), Errno> {
        self.nodes.get_mut(&inode).map(|node| node.opens += 1).ok_or(Errno::ENOENT)
    }

    pub(super) fn closed(&mut self, inode: Inode) {
        if let Some(node) = self.nodes.get_mut(&inode) {
            node.opens = node.opens.saturating_sub(1);
        }
        self.give_back(inode);
    }

    /// The room of what nobody can reach any more. It is remembered: its name may come back after a power cut.
    fn give_back(&mut self, inode: Inode) {
        let Some(node) = self.nodes.get(&inode).filter(|node| node.links == 0 && node.opens == 0) else {
            return;
        };
        let pages = match &node.kind {
            Kind::File(stored) => stored.now.pages.len() as u64,
            Kind::Directory { .. } => 0,
        };
        self.used = self.used.saturating_sub(pages + 1);
    }

    /// Writes as much as there is room for; the number of bytes.
    pub(super) fn write(&mut self, inode: Inode, at: u64, bytes: &[u8]) -> Result<usize, Errno> {
        self.power()?;
        at.checked_add(bytes.len() as u64).filter(|end| *end < 1 << 60).ok_or(Errno::EFBIG)?;
        let mut done = 0;
        while let Some(rest) = bytes.get(done..).filter(|rest| !rest.is_empty()) {
            let here = at + done as u64;
            let now = rest.len().min(usize::try_from(PAGE - here % PAGE).unwrap_or(0));
            let is_new = !self.file(inode)?.now.pages.contains_key(&(here / PAGE));
            match self.take(u64::from(is_new)) {
                Ok(()) => self.put(inode, here, rest.get(..now).unwrap_or_default())?,
                Err(full) if done == 0 => return Err(full),
                Err(_) => break,
            }
            done += now;
        }
        let size = self.file(inode)?.now.size;
        if self.journal.size_of(inode) != Some(size) {
            self.journal.add(Step::Size(inode, size));
        }
        Ok(done)
    }

    fn put(&mut self, inode: Inode, at: u64, bytes: &[u8]) -> Result<(), Errno> {
        if let Some(node) = self.nodes.get_mut(&inode) {
            node.changed = SystemTime::now();
        }
        let stored = self.file_mut(inode)?;
        for page in stored.now.write(at, bytes) {
            let versions = stored.since.entry(page).or_default();
            if versions.len() == MOST_VERSIONS {
                versions.remove(0);
            }
            versions.extend(stored.now.pages.get(&page).cloned());
        }
        Ok(())
    }

    pub(super) fn resize(&mut self, inode: Inode, size: u64) -> Result<(), Errno> {
        self.power()?;
        let stored = self.file_mut(inode)?;
        let before = stored.now.pages.len();
        stored.now.resize(size);
        let _ = stored.since.split_off(&size.div_ceil(PAGE));
        // What was in the cut page behind the cut is gone in every version.
        if let Some(versions) = stored.since.get_mut(&(size / PAGE)) {
            versions.clear();
            versions.extend(stored.now.pages.get(&(size / PAGE)).cloned());
        }
        let freed = before - stored.now.pages.len();
        self.used = self.used.saturating_sub(freed as u64);
        self.journal.add(Step::Size(inode, size));
        Ok(())
    }

    /// fsync, or fdatasync without `names_too`.
    pub(super) fn sync_file(&mut self, inode: Inode, names_too: bool) -> Result<(), Errno> {
        self.power()?;
        let rule = self.rule;
        let stored = self.file_mut(inode)?;
        stored.safe = stored.now.clone();
        stored.since.clear();
        let size = stored.now.size;
        self.journal.sync_file(inode, size, rule, names_too);
        Ok(())
    }

    pub(super) fn sync_directory(&mut self, inode: Inode) -> Result<(), Errno> {
        self.power()?;
        self.journal.sync_directory(inode, self.rule);
        Ok(())
    }
}
