//! The kernel's questions to the disk.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use fuser::{
    BsdFileFlags, Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags, Generation, INodeNo,
    LockOwner, OpenFlags, RenameFlags, ReplyAttr, ReplyCreate, ReplyData, ReplyDirectory, ReplyEmpty,
    ReplyEntry, ReplyOpen, ReplyStatfs, ReplyWrite, Request, TimeOrNow, WriteFlags,
};

use super::content::PAGE;
use super::journal::{Inode, Name};
use super::state::{Kind, State};

/// How long the kernel may keep what it was told: all changes go through it.
const TTL: Duration = Duration::from_secs(60);

/// A list of a directory, made when it is opened, so that removing while listing skips nothing.
type List = Vec<(Inode, FileType, Vec<u8>)>;

/// The disk on its cable.
pub(super) struct Mounted {
    pub(super) state: Arc<Mutex<State>>,
    lists: Mutex<HashMap<u64, List>>,
}

impl Mounted {
    pub(super) fn new(state: Arc<Mutex<State>>) -> Self {
        Self { state, lists: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        locked(&self.state)
    }

    /// Runs something that gives a file to tell about.
    fn told(&self, what: impl FnOnce(&mut State) -> Result<Inode, Errno>) -> Result<FileAttr, Errno> {
        let mut state = self.state();
        let inode = what(&mut state)?;
        attributes(&state, inode)
    }
}

/// A poisoned lock is as good: every change is made whole or not at all before anything can panic.
pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn name(parent: INodeNo, name: &OsStr) -> Name {
    (parent.0, name.as_bytes().to_vec())
}

fn owner(request: &Request) -> (u32, u32) {
    (request.uid(), request.gid())
}

fn answer(done: Result<(), Errno>, reply: ReplyEmpty) {
    match done {
        Ok(()) => reply.ok(),
        Err(error) => reply.error(error),
    }
}

fn entry(found: Result<FileAttr, Errno>, reply: ReplyEntry) {
    match found {
        Ok(attributes) => reply.entry(&TTL, &attributes, Generation(0)),
        Err(error) => reply.error(error),
    }
}

fn attributes(state: &State, inode: Inode) -> Result<FileAttr, Errno> {
    let node = state.node(inode)?;
    let (kind, size, pages) = match &node.kind {
        Kind::Directory { .. } => (FileType::Directory, PAGE, 1),
        Kind::File(stored) => (FileType::RegularFile, stored.now.size, stored.now.pages.len() as u64),
    };
    Ok(FileAttr {
        ino: INodeNo(inode),
        size,
        blocks: pages * (PAGE / 512),
        atime: node.changed,
        mtime: node.changed,
        ctime: node.changed,
        crtime: node.changed,
        kind,
        perm: u16::try_from(node.mode & 0o7777).unwrap_or(0),
        nlink: node.links,
        uid: node.owner.0,
        gid: node.owner.1,
        rdev: 0,
        blksize: 4096,
        flags: 0,
    })
}

fn list(state: &State, inode: Inode) -> Result<List, Errno> {
    let above = match &state.node(inode)?.kind {
        Kind::Directory { above, .. } => *above,
        Kind::File(_) => return Err(Errno::ENOTDIR),
    };
    let mut list =
        vec![(inode, FileType::Directory, b".".to_vec()), (above, FileType::Directory, b"..".to_vec())];
    for (name, below) in state.entries(inode)? {
        list.push((*below, attributes(state, *below)?.kind, name.clone()));
    }
    Ok(list)
}

impl Filesystem for Mounted {
    fn lookup(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        entry(self.told(|state| state.lookup(parent.0, name.as_bytes())), reply);
    }

    fn getattr(&self, _: &Request, inode: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        match attributes(&self.state(), inode.0) {
            Ok(attributes) => reply.attr(&TTL, &attributes),
            Err(error) => reply.error(error),
        }
    }

    fn setattr(
        &self,
        _: &Request,
        inode: INodeNo,
        mode: Option<u32>,
        uid: Option<u32>,
        gid: Option<u32>,
        size: Option<u64>,
        _: Option<TimeOrNow>,
        modified: Option<TimeOrNow>,
        _: Option<SystemTime>,
        _: Option<FileHandle>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        let done = self.told(|state| {
            if let Some(size) = size {
                state.resize(inode.0, size)?;
            }
            let node = state.nodes.get_mut(&inode.0).ok_or(Errno::ENOENT)?;
            node.mode = mode.map_or(node.mode, |mode| mode & 0o7777);
            node.owner = (uid.unwrap_or(node.owner.0), gid.unwrap_or(node.owner.1));
            node.changed = match modified {
                Some(TimeOrNow::SpecificTime(time)) => time,
                Some(TimeOrNow::Now) => SystemTime::now(),
                None => node.changed,
            };
            Ok(inode.0)
        });
        match done {
            Ok(attributes) => reply.attr(&TTL, &attributes),
            Err(error) => reply.error(error),
        }
    }

    fn mkdir(&self, who: &Request, parent: INodeNo, at: &OsStr, mode: u32, umask: u32, reply: ReplyEntry) {
        entry(self.told(|state| state.make(name(parent, at), mode & !umask, owner(who), false)), reply);
    }

    fn mknod(
        &self,
        who: &Request,
        parent: INodeNo,
        at: &OsStr,
        mode: u32,
        umask: u32,
        _: u32,
        reply: ReplyEntry,
    ) {
        // S_IFMT and S_IFREG of inode(7).
        if mode & 0o170_000 != 0o100_000 {
            return reply.error(Errno::EPERM);
        }
        entry(self.told(|state| state.make(name(parent, at), mode & !umask, owner(who), true)), reply);
    }

    fn create(
        &self,
        who: &Request,
        parent: INodeNo,
        at: &OsStr,
        mode: u32,
        umask: u32,
        _: i32,
        reply: ReplyCreate,
    ) {
        let made = self.told(|state| {
            let inode = state.make(name(parent, at), mode & !umask, owner(who), true)?;
            state.opened(inode)?;
            Ok(inode)
        });
        match made {
            Ok(attributes) => {
                reply.created(&TTL, &attributes, Generation(0), FileHandle(0), FopenFlags::empty());
            }
            Err(error) => reply.error(error),
        }
    }

    fn unlink(&self, _: &Request, parent: INodeNo, at: &OsStr, reply: ReplyEmpty) {
        answer(self.state().remove(name(parent, at), true), reply);
    }

    fn rmdir(&self, _: &Request, parent: INodeNo, at: &OsStr, reply: ReplyEmpty) {
        answer(self.state().remove(name(parent, at), false), reply);
    }

    fn rename(
        &self,
        _: &Request,
        parent: INodeNo,
        at: &OsStr,
        new_parent: INodeNo,
        new: &OsStr,
        flags: RenameFlags,
        reply: ReplyEmpty,
    ) {
        if !(flags - RenameFlags::RENAME_NOREPLACE).is_empty() {
            return reply.error(Errno::EINVAL);
        }
        let replace = !flags.contains(RenameFlags::RENAME_NOREPLACE);
        answer(self.state().rename(name(parent, at), name(new_parent, new), replace), reply);
    }

    fn open(&self, _: &Request, inode: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        match self.state().opened(inode.0) {
            Ok(()) => reply.opened(FileHandle(0), FopenFlags::empty()),
            Err(error) => reply.error(error),
        }
    }

    fn read(
        &self,
        _: &Request,
        inode: INodeNo,
        _: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        match self.state().file(inode.0).map(|stored| stored.now.read(offset, size.into())) {
            Ok(bytes) => reply.data(&bytes),
            Err(error) => reply.error(error),
        }
    }

    fn write(
        &self,
        _: &Request,
        inode: INodeNo,
        _: FileHandle,
        offset: u64,
        data: &[u8],
        _: WriteFlags,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        match self.state().write(inode.0, offset, data) {
            Ok(bytes) => reply.written(u32::try_from(bytes).unwrap_or(u32::MAX)),
            Err(error) => reply.error(error),
        }
    }

    fn flush(&self, _: &Request, _: INodeNo, _: FileHandle, _: LockOwner, reply: ReplyEmpty) {
        reply.ok(); // closing a file makes nothing durable
    }

    fn release(
        &self,
        _: &Request,
        inode: INodeNo,
        _: FileHandle,
        _: OpenFlags,
        _: Option<LockOwner>,
        _: bool,
        reply: ReplyEmpty,
    ) {
        self.state().closed(inode.0);
        reply.ok();
    }

    fn fsync(&self, _: &Request, inode: INodeNo, _: FileHandle, datasync: bool, reply: ReplyEmpty) {
        answer(self.state().sync_file(inode.0, !datasync), reply);
    }

    fn opendir(&self, _: &Request, inode: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        match list(&self.state(), inode.0) {
            Ok(list) => {
                let mut lists = locked(&self.lists);
                let handle = lists.keys().max().map_or(1, |last| last + 1);
                lists.insert(handle, list);
                reply.opened(FileHandle(handle), FopenFlags::empty());
            }
            Err(error) => reply.error(error),
        }
    }

    fn readdir(
        &self,
        _: &Request,
        inode: INodeNo,
        handle: FileHandle,
        offset: u64,
        mut reply: ReplyDirectory,
    ) {
        let mut lists = locked(&self.lists);
        let Some(kept) = lists.get_mut(&handle.0) else { return reply.error(Errno::EBADF) };
        if offset == 0 {
            // rewinddir(3): as if opened anew.
            match list(&self.state(), inode.0) {
                Ok(list) => *kept = list,
                Err(error) => return reply.error(error),
            }
        }
        let from = usize::try_from(offset).unwrap_or(usize::MAX);
        for (at, (inode, kind, name)) in (offset + 1..).zip(kept.iter().skip(from)) {
            if reply.add(INodeNo(*inode), at, *kind, OsStr::from_bytes(name)) {
                break;
            }
        }
        reply.ok();
    }

    fn releasedir(&self, _: &Request, _: INodeNo, handle: FileHandle, _: OpenFlags, reply: ReplyEmpty) {
        locked(&self.lists).remove(&handle.0);
        reply.ok();
    }

    fn fsyncdir(&self, _: &Request, inode: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        answer(self.state().sync_directory(inode.0), reply);
    }

    fn statfs(&self, _: &Request, _: INodeNo, reply: ReplyStatfs) {
        let (all, free) = self.state().blocks();
        reply.statfs(all, free, free, 1 << 20, 1 << 20, 4096, 255, 4096);
    }
}
