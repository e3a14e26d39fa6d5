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
            // Links have no permissions on Linux; an image may say anything.
            perm: if entry.kind == Kind::Symlink {
                0o777
            } else {
                u16::try_from(entry.mode & 0o7777).unwrap_or(0)
            },
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

#[cfg(test)]
mod tests {
    use bromide_image::files::FilesError;

    use super::*;

    /// Directories 0 to 3 and the last id there is, all in the root, which is in itself, too.
    struct Few(u64);

    impl Files for Few {
        fn title(&self) -> &'static str {
            "few"
        }
        fn root(&self) -> u64 {
            self.0
        }
        fn entry(&self, id: u64) -> Result<Entry, FilesError> {
            let time = Time { seconds: -1, nanos: 250_000_000 };
            Ok(Entry {
                id,
                name: format!("{id}").into_bytes(),
                kind: Kind::Directory,
                mode: 0o750,
                uid: 0,
                gid: 0,
                size: 0,
                accessed: time,
                modified: Time { seconds: i64::MIN, nanos: 0 },
                changed: Time { seconds: i64::MAX, nanos: u32::MAX },
                names: 0,
                device: (0x123, 0x4_5678),
            })
        }
        fn children(&self, directory: u64) -> Result<Vec<Entry>, FilesError> {
            if directory == self.0 { (0..4).map(|id| self.entry(id)).collect() } else { Ok(Vec::new()) }
        }
        fn target(&self, id: u64) -> Result<Vec<u8>, FilesError> {
            Err(FilesError::NoObject(id))
        }
        fn read(&self, id: u64, _: u64, _: &mut [u8]) -> Result<usize, FilesError> {
            Err(FilesError::NoObject(id))
        }
    }

    #[test]
    fn every_object_has_an_inode_of_its_own_and_the_root_the_one_fuse_knows() {
        for root in [0, 1, 2, 3, 9] {
            let files = Few(root);
            let view = View::new(&files, root);
            let inodes: HashSet<u64> = (0..10).map(|id| view.inode(id).0).collect();
            assert!(inodes.len() == 10 && !inodes.contains(&0), "{root}: {inodes:?}");
            assert_eq!(view.inode(root).0, ROOT);
            for id in 0..10 {
                assert_eq!(view.id(view.inode(id)), id, "{root}");
            }
        }
    }

    #[test]
    fn a_directory_is_shown_once_and_never_in_itself() {
        for root in [0, 1, 2] {
            let files = Few(root);
            let mut view = View::new(&files, root);
            let mut shown = Vec::new();
            while let Some((inode, kind, name)) = view.listed(INodeNo(ROOT), shown.len()).unwrap() {
                assert_eq!(kind, FileType::Directory);
                shown.push((inode, name));
            }
            let names: Vec<&[u8]> = shown.iter().map(|it| &it.1[..]).collect();
            let others = (0..4).filter(|id| *id != root).map(|id| format!("{id}").into_bytes());
            let wanted: Vec<Vec<u8>> = [b".".to_vec(), b"..".to_vec()].into_iter().chain(others).collect();
            assert_eq!(names, wanted);
            assert_eq!(
                (shown[0].0, shown[1].0),
                (INodeNo(ROOT), INodeNo(ROOT)),
                "above the root is the root"
            );
            for (inode, name) in &shown[2..] {
                assert_eq!(view.lookup(INodeNo(ROOT), name).unwrap().ino, *inode);
                assert_eq!(view.listed(*inode, 1).unwrap().unwrap().0, INodeNo(ROOT));
                assert!(view.listed(*inode, 2).unwrap().is_none());
            }
            assert!(view.lookup(INodeNo(ROOT), b"nine").is_err());
        }
    }

    #[test]
    fn times_no_system_has_and_numbers_of_devices_are_shown_as_far_as_they_go() {
        let files = Few(1);
        let told = View::new(&files, 1).getattr(INodeNo(ROOT)).unwrap();
        let before = UNIX_EPOCH - Duration::from_millis(750);
        assert_eq!((told.atime, told.perm, told.nlink), (before, 0o750, 1));
        assert_eq!(told.rdev, 0x4561_2378);
    }
}
