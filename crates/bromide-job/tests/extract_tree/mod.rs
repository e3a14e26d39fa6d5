//! A tree in memory that holds whatever a test wants, and what is in a folder after its extraction.
#![allow(dead_code, reason = "no test file uses all of it")]

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fs;
use std::ops::Range;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use bromide_image::files::{Entry, Files, FilesError, Kind, Time, Xattr};
use bromide_job::extract::{ExtractError, Remark, Start, Summary, Told, to_folder, to_tar};

/// A tree in memory; directories hold whatever names and ids they were given.
#[derive(Default)]
pub(crate) struct Tree {
    pub(crate) entries: BTreeMap<u64, Entry>,
    pub(crate) inside: BTreeMap<u64, Vec<(Vec<u8>, u64)>>,
    pub(crate) bytes: BTreeMap<u64, Vec<u8>>,
    pub(crate) targets: BTreeMap<u64, Vec<u8>>,
    pub(crate) xattrs: BTreeMap<u64, Vec<Xattr>>,
    /// Stored stretches of files that are not stored whole.
    pub(crate) stored: BTreeMap<u64, Vec<Range<u64>>>,
    /// Files with a damaged page, and where it begins.
    pub(crate) damaged: BTreeMap<u64, u64>,
    pub(crate) doubtful: Option<u64>,
    /// Bytes of the largest file, where it is not the usual.
    pub(crate) largest: Option<u64>,
    /// How often a directory was read.
    pub(crate) asked: Cell<usize>,
}

pub(crate) const PAGE: u64 = 2048;

impl Tree {
    pub(crate) fn new() -> Self {
        let mut tree = Self::default();
        tree.object(1, Kind::Directory);
        tree
    }

    pub(crate) fn object(&mut self, id: u64, kind: Kind) -> &mut Entry {
        let time = |seconds| Time { seconds, nanos: 5 };
        let entry = Entry {
            id,
            name: Vec::new(),
            kind,
            mode: if kind == Kind::Directory { 0o751 } else { 0o640 },
            uid: 0,
            gid: 0,
            size: 0,
            accessed: time(1_000_000_000),
            modified: time(1_100_000_000 + i64::try_from(id).unwrap()),
            changed: time(0),
            names: 1,
            device: (1, 3),
        };
        self.entries.insert(id, entry);
        self.entries.get_mut(&id).unwrap()
    }

    pub(crate) fn name(&mut self, directory: u64, name: impl AsRef<[u8]>, id: u64) {
        self.inside.entry(directory).or_default().push((name.as_ref().to_vec(), id));
    }

    pub(crate) fn directory(&mut self, parent: u64, name: impl AsRef<[u8]>, id: u64) {
        self.object(id, Kind::Directory);
        self.name(parent, name, id);
    }

    pub(crate) fn file(&mut self, parent: u64, name: impl AsRef<[u8]>, id: u64, bytes: impl AsRef<[u8]>) {
        let bytes = bytes.as_ref().to_vec();
        self.object(id, Kind::File).size = bytes.len() as u64;
        self.bytes.insert(id, bytes);
        self.name(parent, name, id);
    }

    pub(crate) fn link(&mut self, parent: u64, name: impl AsRef<[u8]>, id: u64, target: impl AsRef<[u8]>) {
        self.object(id, Kind::Symlink);
        self.targets.insert(id, target.as_ref().to_vec());
        self.name(parent, name, id);
    }
}

impl Files for Tree {
    fn title(&self) -> &'static str {
        "a tree"
    }
    fn root(&self) -> u64 {
        1
    }
    fn entry(&self, id: u64) -> Result<Entry, FilesError> {
        self.entries.get(&id).cloned().ok_or(FilesError::NoObject(id))
    }
    fn children(&self, directory: u64) -> Result<Vec<Entry>, FilesError> {
        self.asked.set(self.asked.get() + 1);
        let inside = self.inside.get(&directory).map_or(&[][..], Vec::as_slice);
        inside.iter().map(|(name, id)| Ok(Entry { name: name.clone(), ..self.entry(*id)? })).collect()
    }
    fn target(&self, id: u64) -> Result<Vec<u8>, FilesError> {
        self.targets.get(&id).cloned().ok_or(FilesError::NoObject(id))
    }
    fn read(&self, id: u64, offset: u64, into: &mut [u8]) -> Result<usize, FilesError> {
        let size = self.entry(id)?.size;
        let len = size.saturating_sub(offset).min(into.len() as u64);
        if let Some(page) = self.damaged.get(&id)
            && offset < page + PAGE
            && *page < offset + len
        {
            return Err(FilesError::DamagedPage(7));
        }
        let into = &mut into[..len as usize];
        into.fill(0);
        let bytes = self.bytes.get(&id).map_or(&[][..], Vec::as_slice);
        let rest = bytes.get(offset as usize..).unwrap_or_default();
        let some = rest.len().min(into.len());
        into[..some].copy_from_slice(&rest[..some]);
        Ok(into.len())
    }
    fn stored(&self, id: u64, offset: u64) -> Result<Option<Range<u64>>, FilesError> {
        let size = self.entry(id)?.size;
        let whole = 0..size;
        let all = self.stored.get(&id).map_or(std::slice::from_ref(&whole), Vec::as_slice);
        Ok(all.iter().find(|it| it.end > offset).map(|it| it.start.max(offset)..it.end))
    }
    fn xattrs(&self, id: u64) -> Result<Vec<Xattr>, FilesError> {
        Ok(self.xattrs.get(&id).cloned().unwrap_or_default())
    }
    fn largest(&self) -> u64 {
        self.largest.unwrap_or(1 << 44)
    }
    fn caution(&self, id: u64) -> Option<String> {
        (self.doubtful == Some(id)).then(|| "it may be wrong".to_owned())
    }
}

pub(crate) fn extract(tree: &Tree, folder: &Path) -> (Result<Summary, ExtractError>, Vec<Remark>) {
    let root = tree.entry(1).unwrap();
    let mut remarks = Vec::new();
    let mut tell = |told: Told<'_>| {
        if let Told::Remark(remark) = told {
            remarks.push(remark.clone());
        }
    };
    let start = Start { files: tree, entry: &root, path: b"" };
    let done = to_folder(&start, folder, false, &mut tell, &|| false);
    (done, remarks)
}

pub(crate) fn archive(tree: &Tree) -> (Vec<u8>, Summary) {
    let root = tree.entry(1).unwrap();
    let start = Start { files: tree, entry: &root, path: b"" };
    let mut out = Vec::new();
    let summary = to_tar(&start, &mut out, &mut |_| {}, &|| false).unwrap();
    (out, summary)
}

/// Everything below a folder with its kind, mode, time, size, blocks, links and content.
pub(crate) fn listing(folder: &Path) -> BTreeMap<PathBuf, String> {
    let mut all = BTreeMap::new();
    let mut left = vec![folder.to_owned()];
    while let Some(path) = left.pop() {
        let stat = fs::symlink_metadata(&path).unwrap();
        let content = if stat.is_dir() {
            left.extend(fs::read_dir(&path).unwrap().map(|it| it.unwrap().path()));
            String::new()
        } else if stat.is_symlink() {
            format!("{:?}", fs::read_link(&path).unwrap())
        } else if stat.is_file() && stat.len() < 1 << 20 {
            format!("{:?}", fs::read(&path).unwrap())
        } else {
            format!("{} {}", stat.len(), stat.rdev())
        };
        let links = if stat.is_dir() { 0 } else { stat.nlink() };
        let told = format!("{:o} {}.{:09} {links} {content}", stat.mode(), stat.mtime(), stat.mtime_nsec());
        all.insert(path.strip_prefix(folder).unwrap().to_owned(), told);
    }
    all
}

pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}
