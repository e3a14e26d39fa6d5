//! What the kernel sees of an image: inodes, names that can be shown, every directory at one place.
//!
//! A directory that an image gives two names, or that is inside itself, is shown where it was met first and nowhere
//! else, so that no program walks in a circle.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bromide_image::files::{Entry, Files, Kind, Time, Xattr};
use bromide_job::extract::name::Names;
use fuser::{Errno, FileAttr, FileType, INodeNo};

/// Entries of directories that are kept.
const MOST_KEPT: usize = 1 << 16;

/// Stretches of a file that are counted for its blocks.
const MOST_STRETCHES: usize = 256;

/// The inode of the start, as FUSE wants it.
const ROOT: u64 = 1;

/// A name and what it is of.
type Named = (Vec<u8>, Entry);

/// The files below a directory of an image.
pub(super) struct View<'a> {
    files: &'a dyn Files,
    root: u64,
    /// Directories met, and the one each is shown in.
    parents: HashMap<u64, u64>,
    kept: HashMap<u64, Rc<Vec<Named>>>,
    entries_kept: usize,
}

impl<'a> View<'a> {
    pub(super) fn new(files: &'a dyn Files, root: u64) -> Self {
        Self { files, root, parents: HashMap::from([(root, root)]), kept: HashMap::new(), entries_kept: 0 }
    }

    /// An object's inode: its id, but that the root's is 1 and 0 is none.
    fn inode(&self, id: u64) -> INodeNo {
        INodeNo(match id {
            id if id == self.root => ROOT,
            // The root has left its place to whoever is driven from it.
            ROOT if self.root != 0 => self.root,
            0 | ROOT => u64::MAX,
            id => id,
        })
    }

    /// The object of an inode.
    fn id(&self, inode: INodeNo) -> u64 {
        match inode.0 {
            ROOT => self.root,
            inode if inode == self.root => ROOT,
            u64::MAX => u64::from(self.root == 0),
            inode => inode,
        }
    }

    fn entry(&self, inode: INodeNo) -> Result<Entry, Errno> {
        self.files.entry(self.id(inode)).map_err(|_| Errno::EIO)
    }

    /// What is shown in a directory.
    fn inside(&mut self, directory: u64) -> Result<Rc<Vec<Named>>, Errno> {
        if let Some(found) = self.kept.get(&directory) {
            return Ok(Rc::clone(found));
        }
        let entries = self.files.children(directory).map_err(|_| Errno::EIO)?;
        let mut names = Names::default();
        let mut shown = Vec::with_capacity(entries.len());
        // Twice in the same directory is once too often.
        let mut here = HashSet::from([directory]);
        for (entry, mut name) in names.assign(self.files, directory, entries) {
            if entry.kind == Kind::Directory
                && (*self.parents.entry(entry.id).or_insert(directory) != directory || !here.insert(entry.id))
            {
                continue;
            }
            if entry.kind == Kind::File && self.files.caution(entry.id).is_some() {
                name = names.take(&entry.name, b".damaged");
            }
            shown.push((name, entry));
        }
        shown.sort_by(|a, b| a.0.cmp(&b.0));
        if self.entries_kept > MOST_KEPT {
            self.kept.clear();
            self.entries_kept = 0;
        }
        self.entries_kept += shown.len();
        let shown = Rc::new(shown);
        self.kept.insert(directory, Rc::clone(&shown));
        Ok(shown)
    }

    pub(super) fn lookup(&mut self, parent: INodeNo, name: &[u8]) -> Result<FileAttr, Errno> {
        let inside = self.inside(self.id(parent))?;
        let at = inside.binary_search_by(|it| it.0.as_slice().cmp(name)).map_err(|_| Errno::ENOENT)?;
        inside.get(at).map(|(_, entry)| self.attributes(entry)).ok_or(Errno::ENOENT)
    }

    pub(super) fn getattr(&self, inode: INodeNo) -> Result<FileAttr, Errno> {
        self.entry(inode).map(|entry| self.attributes(&entry))
    }

    /// The entry at this place of a directory's list; none behind its end.
    pub(super) fn listed(
        &mut self,
        directory: INodeNo,
        at: usize,
    ) -> Result<Option<(INodeNo, FileType, Vec<u8>)>, Errno> {
        let id = self.id(directory);
        let inside = self.inside(id)?;
        Ok(match at {
            0 => Some((directory, FileType::Directory, b".".to_vec())),
            1 => {
                let above = self.parents.get(&id).copied().unwrap_or(self.root);
                Some((self.inode(above), FileType::Directory, b"..".to_vec()))
            }
            at => {
                inside.get(at - 2).map(|(name, entry)| (self.inode(entry.id), kind(entry.kind), name.clone()))
            }
        })
    }

    pub(super) fn readlink(&self, inode: INodeNo) -> Result<Vec<u8>, Errno> {
        self.files.target(self.id(inode)).map_err(|_| Errno::EIO)
    }

    /// Whether a file may be opened.
    pub(super) fn open(&self, inode: INodeNo) -> Result<(), Errno> {
        let entry = self.entry(inode)?;
        if entry.size <= self.files.largest() { Ok(()) } else { Err(Errno::EIO) }
    }

    pub(super) fn read(&self, inode: INodeNo, offset: u64, size: u32) -> Result<Vec<u8>, Errno> {
        let mut bytes = vec![0; usize::try_from(size).unwrap_or(0)];
        // Half an answer would be taken for the end of the file.
        let len = self.files.read(self.id(inode), offset, &mut bytes).map_err(|_| Errno::EIO)?;
        bytes.truncate(len);
        Ok(bytes)
    }

    pub(super) fn xattrs(&self, inode: INodeNo) -> Result<Vec<Xattr>, Errno> {
        self.files.xattrs(self.id(inode)).map_err(|_| Errno::EIO)
    }

    /// Blocks of 512 bytes that are stored.
    fn blocks(&self, entry: &Entry) -> u64 {
        let (mut at, mut bytes) = (0, 0_u64);
        for _ in 0..MOST_STRETCHES {
            match self.files.stored(entry.id, at) {
                Ok(Some(range)) if range.end > at => {
                    bytes += range.end - range.start.max(at);
                    at = range.end;
                }
                _ => return bytes.div_ceil(512),
            }
        }
        (bytes + entry.size.saturating_sub(at)).div_ceil(512)
    }

    fn attributes(&self, entry: &Entry) -> FileAttr {
        let (major, minor) = entry.device;
        FileAttr {
            ino: self.inode(entry.id),
            size: entry.size,
            blocks: if entry.kind == Kind::File { self.blocks(entry) } else { 0 },
            atime: moment(entry.accessed),
            mtime: moment(entry.modified),
            ctime: moment(entry.changed),
            crtime: UNIX_EPOCH,
            kind: kind(entry.kind),
            perm: u16::try_from(entry.mode & 0o7777).unwrap_or(0),
            nlink: entry.names.max(1),
            uid: entry.uid,
            gid: entry.gid,
            // As Linux packs device numbers into 32 bits.
            rdev: (minor & 0xFF) | (major & 0xFFF) << 8 | (minor & 0xF_FF00) << 12,
            blksize: 4096,
            flags: 0,
        }
    }
}

fn moment(time: Time) -> SystemTime {
    let seconds = Duration::from_secs(time.seconds.unsigned_abs());
    let whole =
        if time.seconds < 0 { UNIX_EPOCH.checked_sub(seconds) } else { UNIX_EPOCH.checked_add(seconds) };
    let nanos = Duration::from_nanos(u64::from(time.nanos));
    whole.and_then(|it| it.checked_add(nanos)).unwrap_or(UNIX_EPOCH)
}

const fn kind(kind: Kind) -> FileType {
    match kind {
        Kind::File | Kind::Unknown => FileType::RegularFile,
        Kind::Directory => FileType::Directory,
        Kind::Symlink => FileType::Symlink,
        Kind::CharacterDevice => FileType::CharDevice,
        Kind::BlockDevice => FileType::BlockDevice,
        Kind::Pipe => FileType::NamedPipe,
        Kind::Socket => FileType::Socket,
    }
}
