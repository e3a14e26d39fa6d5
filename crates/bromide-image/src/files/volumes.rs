//! The partitions of a whole-chip dump as directories, each opened when somebody looks into it.
//!
//! A partition with a file system is a directory with its tree; any other is a file with the bytes the dump has of it,
//! spare bytes included.

use alloc::boxed::Box;
use alloc::format;
use alloc::rc::Rc;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use core::cell::OnceCell;
use core::ops::Range;

use super::{Entry, Files, FilesError, Kind, Xattr};
use crate::read_at::ReadAt;

/// Bits of an id that are the partition's own.
const OWN_BITS: u32 = 40;

/// Opens what is in a partition; `None` where that is no file system.
pub type Opener = Box<dyn Fn(Rc<dyn ReadAt>) -> Result<Option<Box<dyn Files>>, FilesError>>;

/// Whether a file system is in a partition, by a few of its bytes.
pub type Glance = Box<dyn Fn(&Rc<dyn ReadAt>) -> Result<bool, FilesError>>;

/// What was found in a partition: one that cannot be read does not hide the others.
type Found = Result<Option<Box<dyn Files>>, String>;

struct Volume {
    name: Vec<u8>,
    bytes: Rc<dyn ReadAt>,
    files: OnceCell<Found>,
    /// What a glance found.
    has_files: OnceCell<bool>,
}

/// What the files of a whole chip are called, in [`Files::title`].
pub const PARTITIONS: &str = "partitions";

/// Partitions side by side.
pub struct Volumes {
    title: &'static str,
    volumes: Vec<Volume>,
    open: Opener,
    glance: Option<Glance>,
    doubts: Vec<String>,
}

impl Volumes {
    /// Partitions by name, each with its bytes, to be opened by `open`.
    #[must_use]
    pub fn new(
        title: &'static str,
        parts: Vec<(Vec<u8>, Rc<dyn ReadAt>)>,
        doubts: Vec<String>,
        open: Opener,
    ) -> Self {
        let volume = |(name, bytes)| {
            let (files, has_files) = (OnceCell::new(), OnceCell::new());
            Volume { name, bytes, files, has_files }
        };
        let mut volumes: Vec<Volume> = parts.into_iter().map(volume).collect();
        volumes.sort_by(|a, b| a.name.cmp(&b.name));
        Self { title, volumes, open, glance: None, doubts }
    }

    /// Opens a partition only when its files are asked for. Before, nothing is known of it but whether it has some,
    /// which `glance` tells; it is a directory without owner and time.
    #[must_use]
    pub fn with_glance(self, glance: Glance) -> Self {
        Self { glance: Some(glance), ..self }
    }

    /// The partition an id belongs to, its number, and the id in its own tree: `None` for the partition itself.
    fn split(&self, id: u64) -> Result<(usize, &Volume, Option<u64>), FilesError> {
        let number = id.checked_shr(OWN_BITS).unwrap_or(0).checked_sub(1);
        let at = number.and_then(|it| usize::try_from(it).ok()).ok_or(FilesError::NoObject(id))?;
        let volume = self.volumes.get(at).ok_or(FilesError::NoObject(id))?;
        let own = id & mask();
        Ok((at, volume, own.checked_sub(1)))
    }

    /// The tree of a partition, `None` where it has none, or why it cannot be read.
    fn opened<'a>(&self, volume: &'a Volume) -> &'a Found {
        volume.files.get_or_init(|| (self.open)(Rc::clone(&volume.bytes)).map_err(|e| e.to_string()))
    }

    /// The tree of a partition, if there is one that can be read.
    fn files<'a>(&self, volume: &'a Volume) -> Option<&'a dyn Files> {
        self.opened(volume).as_ref().ok()?.as_deref()
    }

    /// The tree an object is in, its number, and its id there. A partition with a file system is its root.
    fn inside(&self, id: u64) -> Result<(usize, &dyn Files, u64), FilesError> {
        let (at, volume, own) = self.split(id)?;
        let files = match self.opened(volume) {
            Ok(Some(files)) => &**files,
            Ok(None) => return Err(FilesError::Not { id, wanted: "directory" }),
            Err(why) => {
                return Err(FilesError::Unreadable(format!("{}: {why}", volume.name.escape_ascii())));
            }
        };
        let own = own.unwrap_or_else(|| files.root());
        Ok((at, files, own))
    }

    /// An entry of a partition's tree as one of this.
    fn lift(at: usize, root: u64, mut entry: Entry) -> Result<Entry, FilesError> {
        // The root is the partition itself, wherever it is met.
        let own = if entry.id == root { Some(0) } else { entry.id.checked_add(1) };
        let own = own.filter(|own| *own <= mask()).ok_or(FilesError::NoObject(entry.id))?;
        entry.id = volume_id(at) | own;
        Ok(entry)
    }

    fn volume_entry(&self, at: usize, volume: &Volume) -> Result<Entry, FilesError> {
        let id = volume_id(at);
        if let (Some(glance), None) = (&self.glance, volume.files.get()) {
            let found = match volume.has_files.get() {
                Some(known) => *known,
                None => glance(&volume.bytes)?,
            };
            if *volume.has_files.get_or_init(|| found) {
                return Ok(Entry { name: volume.name.clone(), ..Entry::plain(id, Kind::Directory, 0o555) });
            }
            let _ = volume.files.set(Ok(None));
        }
        let Some(files) = self.files(volume) else {
            let size = volume.bytes.len();
            return Ok(Entry { name: volume.name.clone(), size, ..Entry::plain(id, Kind::File, 0o444) });
        };
        let mut entry = files.entry(files.root())?;
        (entry.id, entry.name) = (id, volume.name.clone());
        Ok(entry)
    }
}

const fn mask() -> u64 {
    (1 << OWN_BITS) - 1
}

fn volume_id(at: usize) -> u64 {
    u64::try_from(at).unwrap_or(u64::MAX).saturating_add(1) << OWN_BITS
}

impl Files for Volumes {
    fn title(&self) -> &'static str {
        self.title
    }

    fn root(&self) -> u64 {
        0
    }

    fn entry(&self, id: u64) -> Result<Entry, FilesError> {
        if id == self.root() {
            return Ok(Entry::plain(id, Kind::Directory, 0o555));
        }
        let (at, volume, own) = self.split(id)?;
        match own {
            None => self.volume_entry(at, volume),
            Some(_) => {
                let (at, files, own) = self.inside(id)?;
                Self::lift(at, files.root(), files.entry(own)?)
            }
        }
    }

    fn children(&self, directory: u64) -> Result<Vec<Entry>, FilesError> {
        if directory == self.root() {
            return self.volumes.iter().enumerate().map(|(at, it)| self.volume_entry(at, it)).collect();
        }
        let (at, files, own) = self.inside(directory)?;
        let root = files.root();
        files.children(own)?.into_iter().map(|entry| Self::lift(at, root, entry)).collect()
    }

    fn child(&self, directory: u64, name: &[u8]) -> Result<Option<Entry>, FilesError> {
        if directory == self.root() {
            let found = self.volumes.iter().enumerate().find(|(_, it)| it.name == name);
            return found.map(|(at, it)| self.volume_entry(at, it)).transpose();
        }
        let (at, files, own) = self.inside(directory)?;
        files.child(own, name)?.map(|entry| Self::lift(at, files.root(), entry)).transpose()
    }

    fn target(&self, id: u64) -> Result<Vec<u8>, FilesError> {
        let (_, files, own) = self.inside(id)?;
        files.target(own)
    }

    fn read(&self, id: u64, offset: u64, into: &mut [u8]) -> Result<usize, FilesError> {
        let (_, volume, own) = self.split(id)?;
        if own.is_some() || self.files(volume).is_some() {
            let (_, files, own) = self.inside(id)?;
            return files.read(own, offset, into);
        }
        let left = usize::try_from(volume.bytes.len().saturating_sub(offset)).unwrap_or(usize::MAX);
        let len = left.min(into.len());
        let into = into.get_mut(..len).unwrap_or_default();
        volume.bytes.read_at(offset.min(volume.bytes.len()), into)?;
        Ok(len)
    }

    fn stored(&self, id: u64, offset: u64) -> Result<Option<Range<u64>>, FilesError> {
        let (_, volume, own) = self.split(id)?;
        if own.is_some() || self.files(volume).is_some() {
            let (_, files, own) = self.inside(id)?;
            return files.stored(own, offset);
        }
        let size = volume.bytes.len();
        Ok((offset < size).then_some(offset..size))
    }

    fn xattrs(&self, id: u64) -> Result<Vec<Xattr>, FilesError> {
        match self.inside(id) {
            Ok((_, files, own)) => files.xattrs(own),
            Err(FilesError::Not { .. } | FilesError::Unreadable(_)) => Ok(Vec::new()),
            Err(other) if id != self.root() => Err(other),
            Err(_) => Ok(Vec::new()),
        }
    }

    fn volume(&self, name: &[u8]) -> Result<Option<&dyn Files>, FilesError> {
        match self.volumes.iter().find(|it| it.name == name) {
            Some(volume) => match self.opened(volume) {
                Ok(files) => Ok(files.as_deref()),
                Err(why) => Err(FilesError::Unreadable(why.clone())),
            },
            None => Ok(None),
        }
    }

    fn largest(&self) -> u64 {
        u64::MAX >> 1
    }

    fn caution(&self, id: u64) -> Option<String> {
        let (_, files, own) = self.inside(id).ok()?;
        let size = files.entry(own).ok()?.size;
        match files.largest() {
            largest if size > largest => Some(format!("it claims {size} bytes, more than a file can have")),
            _ => files.caution(own),
        }
    }

    fn doubts(&self) -> Vec<String> {
        let mut told = self.doubts.clone();
        for volume in &self.volumes {
            let inside = match volume.files.get() {
                Some(Ok(Some(files))) => files.doubts(),
                Some(Err(why)) => alloc::vec![format!("its files cannot be read: {why}")],
                _ => continue,
            };
            told.extend(inside.iter().map(|doubt| format!("{}: {doubt}", volume.name.escape_ascii())));
        }
        told
    }
}
