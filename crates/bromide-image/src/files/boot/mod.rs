//! Boot, recovery and vendor_boot images of Android as trees of files.
//!
//! Each part is a file as it is stored, kernel and ramdisk without MediaTek's header (formats.md sections 6.4 and 6.6):
//! `kernel`, `ramdisk.img`, `second`, `dt`, `dtb`, `recovery_dtbo`, `signature`, `bootconfig`. `ramdisk` is the ramdisk
//! as a directory, unpacked when it is first looked into. `cmdline` is the kernel's command line, `bootimg.cfg` what
//! else the header says.

mod config;
pub(crate) mod header;
mod mtk;

use alloc::format;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::cell::OnceCell;

pub(crate) use header::{Header, Section};
pub(crate) use mtk::{Extended, MtkHeader};

use super::unpack::Room;
use super::{CpioFiles, Entry, Files, FilesError, Kind, Time};
use crate::identify::fields::narrow;
use crate::read_at::{Part, ReadAt};

const ROOT: u64 = 1;
/// Id of the first thing in the root; those in the ramdisk count from [`IN_RAMDISK`].
const FIRST: u64 = 2;
const IN_RAMDISK: u64 = 1 << 32;

/// Largest table of ramdisks read.
const MOST_TABLE: u64 = 1 << 20;

enum Content {
    Bytes(Rc<dyn ReadAt>),
    /// The ramdisk, as a directory.
    Ramdisk(Rc<dyn ReadAt>, OnceCell<Result<CpioFiles, FilesError>>),
}

struct Object {
    name: &'static str,
    content: Content,
}

/// A boot image.
pub struct BootFiles {
    title: &'static str,
    /// By name.
    objects: Vec<Object>,
    doubts: Vec<String>,
    room: Room,
}

impl BootFiles {
    /// Whether an image that begins with these bytes, 48 or more, is one.
    #[must_use]
    pub fn is_one(head: &[u8]) -> bool {
        Header::parse(head).is_some_and(|header| header.plausible())
    }

    /// The parts of an image.
    ///
    /// # Errors
    /// It is none, its page size is impossible, or it cannot be read. A part beyond the end of the image is a doubt.
    pub fn open(source: Rc<dyn ReadAt>) -> Result<Self, FilesError> {
        Self::within(source, Room::default())
    }

    /// The same, its ramdisk unpacked in the memory left for an image.
    pub(super) fn within(source: Rc<dyn ReadAt>, room: Room) -> Result<Self, FilesError> {
        let mut head = vec![0; narrow(source.len()).min(header::BYTES)];
        source.read_at(0, &mut head)?;
        let header =
            Header::parse(&head).ok_or_else(|| FilesError::Unreadable("it is no boot image".into()))?;
        if !header.plausible() {
            return Err(FilesError::Unreadable(format!(
                "the boot image is of version {} with pages of {} bytes: there are none such",
                header.version, header.page
            )));
        }
        let title = if header.vendor { "vendor_boot image" } else { "boot image" };
        let mut files = Self { title, objects: Vec::new(), doubts: Vec::new(), room };
        let mut config = config::of(&header);
        for section in header.sections().0.into_iter().filter(|it| it.bytes > 0) {
            let part = Part::new(Rc::clone(&source), section.at, section.bytes);
            if part.len() < section.bytes {
                let (name, there, bytes) = (section.name, part.len(), section.bytes);
                files.doubts.push(format!("{name} is cut off: {there} of its {bytes} bytes are there"));
            }
            files.add(section.name, Rc::new(part), &mut config);
        }
        let mut cmdline = header.cmdline;
        cmdline.push(b'\n');
        files.push("cmdline", Content::Bytes(Rc::new(cmdline)));
        files.push("bootimg.cfg", Content::Bytes(Rc::new(config.into_bytes())));
        files.objects.sort_by_key(|object| object.name);
        Ok(files)
    }

    fn push(&mut self, name: &'static str, content: Content) {
        self.objects.push(Object { name, content });
    }

    fn add(&mut self, name: &'static str, part: Rc<dyn ReadAt>, config: &mut String) {
        match name {
            "ramdisk" => {
                let payload = self.payload(name, part, config);
                self.push("ramdisk.img", Content::Bytes(Rc::clone(&payload)));
                self.push(name, Content::Ramdisk(payload, OnceCell::new()));
            }
            "kernel" => {
                let payload = self.payload(name, part, config);
                self.push(name, Content::Bytes(payload));
            }
            "ramdisk_table" => {
                let mut table = vec![0; narrow(part.len().min(MOST_TABLE))];
                match part.read_at(0, &mut table) {
                    Ok(()) => config::fragments(&header::fragments(&table), config),
                    Err(failed) => self.doubts.push(format!("{name}: {failed}")),
                }
            }
            _ => self.push(name, Content::Bytes(part)),
        }
    }

    /// What is behind MediaTek's header, where a part has one.
    fn payload(&mut self, name: &'static str, part: Rc<dyn ReadAt>, config: &mut String) -> Rc<dyn ReadAt> {
        let mut head = vec![0; narrow(part.len().min(0x200))];
        // A page beyond repair there hides this part, not the others.
        if let Err(failed) = part.read_at(0, &mut head) {
            self.doubts.push(format!("the start of {name}: {failed}"));
            return part;
        }
        let Some(mtk) = MtkHeader::parse(&head) else { return part };
        config::mtk(name, &mtk, config);
        let payload = Part::new(part, mtk.header_bytes, mtk.payload_bytes);
        if payload.len() < mtk.payload_bytes {
            let (there, bytes) = (payload.len(), mtk.payload_bytes);
            self.doubts
                .push(format!("MediaTek's header says that {name} has {bytes} bytes; {there} are there"));
        }
        Rc::new(payload)
    }

    fn object(&self, id: u64) -> Result<&Object, FilesError> {
        let index = id.checked_sub(FIRST).map(narrow);
        index.and_then(|index| self.objects.get(index)).ok_or(FilesError::NoObject(id))
    }

    /// The archive of the ramdisk, if it was looked into or `now` is.
    fn ramdisk(&self, now: bool) -> Option<Result<&CpioFiles, FilesError>> {
        let (bytes, archive) = self.objects.iter().find_map(|it| match &it.content {
            Content::Ramdisk(bytes, archive) => Some((bytes, archive)),
            Content::Bytes(_) => None,
        })?;
        let archive = if now {
            Some(archive.get_or_init(|| CpioFiles::of_payload(Rc::clone(bytes), self.room.clone())))
        } else {
            archive.get()
        };
        archive.map(|archive| archive.as_ref().map_err(Clone::clone))
    }

    /// The archive and the id in it of something in the ramdisk; `None` for what is not in it.
    fn inside(&self, id: u64) -> Result<Option<(&CpioFiles, u64)>, FilesError> {
        let Some(inner) = id.checked_sub(IN_RAMDISK) else { return Ok(None) };
        let ramdisk = self.ramdisk(true).ok_or(FilesError::NoObject(id))??;
        Ok(Some((ramdisk, inner)))
    }

    fn entry_of(&self, id: u64, object: &Object) -> Entry {
        match &object.content {
            Content::Bytes(bytes) => plain(id, object.name, Kind::File, bytes.len()),
            Content::Ramdisk(..) => plain(id, object.name, Kind::Directory, 0),
        }
    }
}

/// An object that the image says nothing about but its bytes.
fn plain(id: u64, name: &str, kind: Kind, size: u64) -> Entry {
    Entry {
        id,
        name: name.as_bytes().to_vec(),
        kind,
        mode: if kind == Kind::Directory { 0o755 } else { 0o644 },
        uid: 0,
        gid: 0,
        size,
        accessed: Time::default(),
        modified: Time::default(),
        changed: Time::default(),
        names: 1,
        device: (0, 0),
    }
}

fn outside(mut entry: Entry) -> Entry {
    entry.id = entry.id.saturating_add(IN_RAMDISK);
    entry
}

impl Files for BootFiles {
    fn title(&self) -> &'static str {
        self.title
    }

    fn root(&self) -> u64 {
        ROOT
    }

    fn entry(&self, id: u64) -> Result<Entry, FilesError> {
        if let Some((ramdisk, inner)) = self.inside(id)? {
            return ramdisk.entry(inner).map(outside);
        }
        if id == ROOT {
            return Ok(plain(ROOT, "", Kind::Directory, 0));
        }
        Ok(self.entry_of(id, self.object(id)?))
    }

    fn children(&self, directory: u64) -> Result<Vec<Entry>, FilesError> {
        if let Some((ramdisk, inner)) = self.inside(directory)? {
            return Ok(ramdisk.children(inner)?.into_iter().map(outside).collect());
        }
        if directory == ROOT {
            return Ok((FIRST..).zip(&self.objects).map(|(id, object)| self.entry_of(id, object)).collect());
        }
        match (&self.object(directory)?.content, self.ramdisk(true)) {
            (Content::Ramdisk(..), Some(ramdisk)) => {
                let ramdisk =
                    ramdisk.map_err(|error| FilesError::Unreadable(format!("the ramdisk: {error}")))?;
                Ok(ramdisk.children(ramdisk.root())?.into_iter().map(outside).collect())
            }
            _ => Err(FilesError::Not { id: directory, wanted: "directory" }),
        }
    }

    fn target(&self, id: u64) -> Result<Vec<u8>, FilesError> {
        match self.inside(id)? {
            Some((ramdisk, inner)) => ramdisk.target(inner),
            None => Err(FilesError::Not { id, wanted: "symbolic link" }),
        }
    }

    fn read(&self, id: u64, offset: u64, into: &mut [u8]) -> Result<usize, FilesError> {
        if let Some((ramdisk, inner)) = self.inside(id)? {
            return ramdisk.read(inner, offset, into);
        }
        let not = FilesError::Not { id, wanted: "file" };
        let Content::Bytes(bytes) =
            &self.object(id).map_err(|error| if id == ROOT { not.clone() } else { error })?.content
        else {
            return Err(not);
        };
        let len = narrow(bytes.len().saturating_sub(offset)).min(into.len());
        bytes
            .read_at(offset, into.get_mut(..len).unwrap_or_default())
            .or_else(|error| if len == 0 { Ok(()) } else { Err(error) })?;
        Ok(len)
    }

    fn largest(&self) -> u64 {
        u32::MAX.into()
    }

    fn doubts(&self) -> Vec<String> {
        let ramdisk = self.ramdisk(false).and_then(Result::ok);
        let inside = ramdisk.iter().flat_map(|it| it.doubts()).map(|it| format!("the ramdisk: {it}"));
        self.doubts.iter().cloned().chain(inside).collect()
    }
}
