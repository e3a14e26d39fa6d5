//! What file system an image holds, and its files.
//!
//! An Android sparse image is looked through. A dump with its spare bytes is corrected for a file system that knows
//! nothing of them; YAFFS2 is given all of its bytes. A dump with a table of partitions in it, or a map given beside
//! it, is a directory of them.

use alloc::boxed::Box;
use alloc::format;
use alloc::rc::Rc;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::ops::Range;

use bromide_nand::{Geometry, Layout};

use super::main_bytes::MainBytes;
use super::replaced::{Replaced, replaced_blocks};
use super::unpack::Room;
use super::volumes::{PARTITIONS, Volumes};
use super::yaffs2::{Yaffs2Files, yaffs2_form};
use super::{BootFiles, CpioFiles, ExtFiles, Files, FilesError, SquashFiles};
use crate::identify::{self, Form};
use crate::map::{self, Map};
use crate::read_at::{Part, ReadAt, ReadError};
use crate::sparse::{self, Sparse};
use crate::yaffs2::read::Tree;

/// Bytes at the start by which file systems are told apart.
const HEAD: usize = 0x1000;

/// What is known of an image before it is looked at.
#[derive(Debug, Clone, Copy, Default)]
pub struct Known<'a> {
    /// It is a dump of the whole chip this map is of.
    pub map: Option<&'a Map>,
    /// How the data bytes lie in it.
    pub form: Option<Form>,
    /// Every byte of it is slow to come: a phone on a cable. As few as possible are looked at.
    pub slow: bool,
}

/// The files of an image of any kind known here; `None` where there is no file system in it.
///
/// # Errors
/// The image cannot be read, or is of a file system that cannot.
pub fn open(image: Rc<dyn ReadAt>, known: Known<'_>) -> Result<Option<Box<dyn Files>>, FilesError> {
    let image = unpacked(image)?;
    let form = known.form.map_or_else(|| identify::form(&*image), Ok)?;
    // A phone replaces blocks itself.
    let rows = if known.slow { Vec::new() } else { replaced(&image, form)? };
    let told = match rows.len() {
        0 => None,
        1 => Some("1 block is bad and read from the one that replaces it".to_string()),
        many => Some(format!("{many} blocks are bad and read from those that replace them")),
    };
    let image: Rc<dyn ReadAt> = match pages(form) {
        Some((geometry, layout)) if !rows.is_empty() => {
            let block =
                u64::from(layout.unit_bytes(&geometry)).saturating_mul(geometry.pages_per_block.into());
            Rc::new(Replaced::new(image, block, rows))
        }
        _ => image,
    };
    let own = if known.map.is_none() { own_map(&image)? } else { None };
    let Some(map) = known.map.or(own.as_ref()) else { return one(image, form, known.slow, &Room::default()) };
    let (parts, mut doubts) = parts(&image, map, form);
    doubts.extend(told);
    if parts.is_empty() {
        return Err(FilesError::Unreadable("no partition of the map lies in this image".to_string()));
    }
    let room = Room::default();
    let open = Box::new(move |part| {
        let whole = unpacked(Rc::clone(&part))?;
        // The content of a sparse image has its own form.
        let form = if Rc::ptr_eq(&whole, &part) { form } else { identify::form(&*whole)? };
        one(whole, form, known.slow, &room)
    });
    let volumes = Volumes::new(PARTITIONS, parts, doubts, open);
    let slow = Box::new(move |part: &Rc<dyn ReadAt>| glance(part, form));
    Ok(Some(Box::new(if known.slow { volumes.with_glance(slow) } else { volumes })))
}

/// Whether [`one`] would find a file system, where bytes are slow to come.
fn glance(part: &Rc<dyn ReadAt>, form: Form) -> Result<bool, FilesError> {
    let start = head(&*main_bytes(part, form), HEAD).unwrap_or_default();
    let packed = start.starts_with(&sparse::MAGIC);
    let plain = ExtFiles::<Rc<dyn ReadAt>>::is_one(&start)
        || BootFiles::is_one(&start)
        || SquashFiles::is_one(&start);
    Ok(packed || plain || yaffs2_form(&**part, true)?.is_some())
}

/// The content of a sparse image; any other as it is.
fn unpacked(image: Rc<dyn ReadAt>) -> Result<Rc<dyn ReadAt>, FilesError> {
    if !head(&*image, 4)?.starts_with(&sparse::MAGIC) {
        return Ok(image);
    }
    match Sparse::read(image) {
        Ok(content) => Ok(Rc::new(content)),
        Err(e) => Err(FilesError::Unreadable(e.to_string())),
    }
}

fn head(image: &dyn ReadAt, most: usize) -> Result<Vec<u8>, ReadError> {
    let mut head = alloc::vec![0; most.min(usize::try_from(image.len()).unwrap_or(usize::MAX))];
    image.read_at(0, &mut head)?;
    Ok(head)
}

/// The files of one partition.
fn one(
    image: Rc<dyn ReadAt>,
    form: Form,
    slow: bool,
    room: &Room,
) -> Result<Option<Box<dyn Files>>, FilesError> {
    let main = main_bytes(&image, form);
    // A page beyond repair at the start hides the others, not YAFFS2.
    let start = head(&*main, HEAD).unwrap_or_default();
    if let Some(files) = plain(&main, &start, slow, room)? {
        return Ok(Some(files));
    }
    let Some(options) = yaffs2_form(&*image, slow)? else { return Ok(None) };
    let tree = if slow { Tree::skim(image, options)? } else { Tree::scan(image, options)? };
    Ok(Some(Box::new(Yaffs2Files::new(tree))))
}

/// The file systems that know nothing of spare bytes.
fn plain(
    main: &Rc<dyn ReadAt>,
    head: &[u8],
    slow: bool,
    room: &Room,
) -> Result<Option<Box<dyn Files>>, FilesError> {
    if ExtFiles::<Rc<dyn ReadAt>>::is_one(head) {
        return Ok(Some(Box::new(ExtFiles::open(Rc::clone(main))?)));
    }
    if BootFiles::is_one(head) {
        return Ok(Some(Box::new(BootFiles::within(Rc::clone(main), room.clone())?)));
    }
    if SquashFiles::is_one(head) {
        return Ok(Some(Box::new(SquashFiles::open(Rc::clone(main))?)));
    }
    // All of an archive is read to list it.
    if slow || !CpioFiles::is_one(head) {
        return Ok(None);
    }
    // What xz packs shows only when it is unpacked: it may be none.
    match CpioFiles::within(Rc::clone(main), room.clone())? {
        Some(files) => Ok(Some(Box::new(files))),
        None => Ok(None),
    }
}

/// What a file system that knows nothing of spare bytes sees.
fn main_bytes(image: &Rc<dyn ReadAt>, form: Form) -> Rc<dyn ReadAt> {
    match pages(form) {
        Some((geometry, layout)) => Rc::new(MainBytes::new(Rc::clone(image), geometry, layout)),
        None => Rc::clone(image),
    }
}

/// The pages of an image that has their spare bytes too.
fn pages(form: Form) -> Option<(Geometry, Layout)> {
    let layout = match form {
        Form::Interleaved => Layout::Interleaved,
        Form::SpareLast => Layout::DataThenSpare,
        Form::Plain | Form::DataAndTags => return None,
    };
    Geometry::new(2048, 64, 64, 65536).ok().map(|geometry| (geometry, layout))
}

/// The blocks that are replaced in a dump of a whole chip by physical addresses.
fn replaced(image: &Rc<dyn ReadAt>, form: Form) -> Result<Vec<(u16, u16)>, ReadError> {
    pages(form).map_or(Ok(Vec::new()), |(geometry, layout)| replaced_blocks(image, &geometry, layout))
}

/// The table of a dump of a whole chip. That of a single partition has none that reaches over more than one.
fn own_map(image: &Rc<dyn ReadAt>) -> Result<Option<Map>, FilesError> {
    let start = head(&**image, HEAD)?;
    // What is text is no dump, and a file system at the very start is one partition.
    if known_start(&start) {
        return Ok(None);
    }
    match map::read_dump(&**image) {
        Ok(Some(map)) if map.partitions.len() > 1 => Ok(Some(map)),
        Ok(_) | Err(map::OpenError::NoTable | map::OpenError::Text(_) | map::OpenError::Table(_)) => Ok(None),
        Err(map::OpenError::Read(e)) => Err(e.into()),
        Err(other) => Err(FilesError::Unreadable(other.to_string())),
    }
}

/// Whether a file system with a magic number begins here.
fn known_start(head: &[u8]) -> bool {
    let has = |at: usize, what: &[u8]| head.get(at..).is_some_and(|rest| rest.starts_with(what));
    has(0x438, &[0x53, 0xEF])
        || BootFiles::is_one(head)
        || CpioFiles::is_one(head)
        || has(0, b"hsqs")
        || has(0, &[0x1F, 0x8B])
}

/// A named partition with its bytes.
type Named = (Vec<u8>, Rc<dyn ReadAt>);

/// The partitions that lie in the image, with what was assumed or left out.
fn parts(image: &Rc<dyn ReadAt>, map: &Map, form: Form) -> (Vec<Named>, Vec<String>) {
    let (stretches, doubts) = map::stretches(map, form.data_bytes(image.len()));
    let part = |(name, range): (String, Range<u64>)| {
        let (from, to) = (form.file_offset(range.start), form.file_offset(range.end));
        let bytes: Rc<dyn ReadAt> = Rc::new(Part::new(Rc::clone(image), from, to.saturating_sub(from)));
        (name.into_bytes(), bytes)
    };
    (stretches.into_iter().map(part).collect(), doubts)
}
