//! Two dumps compared: their phones, their partitions, the pages of each pair of images, and the files in them.
//!
//! Promises: images are read from front to back and never held; of each difference it is said whether it is more than
//! wrong bits that the parity corrects; of trees of files the names and attributes are held, the bytes are not.

use std::io;
use std::path::{Path, PathBuf};

use bromide_image::map::Map;
use bromide_image::read_at::ReadError;
use bromide_nand::{Geometry, Layout};
use thiserror::Error;

use super::check::Finding;
use super::{Image, ImageShape, Record, check};
use crate::pageimage::{Form, Shape};
use crate::phone_id::PhoneId;

mod files;
mod pages;

pub use files::{Change, FileChange, TreeDiff, What, trees};
pub use pages::{BlockRun, PageDiff, pages};

/// What ended a comparison early.
#[derive(Debug, Error)]
pub enum CompareError {
    /// The caller wanted an end.
    #[error("stopped")]
    Stopped,
    /// An image cannot be opened.
    #[error("{}: {error}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// An image cannot be read.
    #[error("{}: {error}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: ReadError,
    },
}

/// One of two images.
#[derive(Debug, Clone)]
pub struct Side {
    /// The file.
    pub path: PathBuf,
    /// How its pages lie in it.
    pub form: Form,
    /// Where they come from.
    pub shape: ImageShape,
    /// First and behind the last of each run of pages that are not there, in rising order.
    pub unread: Vec<(u64, u64)>,
}

impl Side {
    /// An image of a bundle: the file, or what there is of one that is not whole.
    ///
    /// # Errors
    /// What the record or the mapfile contradicts, or that nothing of it was read.
    pub fn of_bundle(folder: &Path, record: &Record, image: &Image) -> Result<Self, String> {
        let shape = record.geometry().and_then(|chip| image.shape(chip));
        let shape = shape.ok_or("its place and size are none of the chip")?;
        let form = match shape.layout {
            Layout::Interleaved => Form::Interleaved,
            Layout::DataThenSpare => Form::SpareLast,
            Layout::MainOnly => Form::MainOnly,
        };
        let (path, gaps) = match image.sha256 {
            Some(_) => (folder.join(&image.file), Vec::new()),
            None => {
                let gaps = check::gaps(folder, record, image, &shape).map_err(|it| it.to_string())?;
                (folder.join(format!("{}.part", image.file)), gaps.ok_or("nothing of it was read yet")?)
            }
        };
        let unit = shape.unit();
        let unread = gaps.iter().map(|it| (it.start / unit, it.end.div_ceil(unit))).collect();
        Ok(Self { path, form, shape, unread })
    }

    /// A file of which the form is known, as if it began at the chip's first byte; at most `length` main-area bytes of
    /// it. `None` where it has no page, or more than any chip.
    #[must_use]
    pub fn of_file(path: &Path, found: &Shape, length: u64) -> Option<Self> {
        let Geometry { page, spare, pages_per_block, .. } = found.geometry;
        let geometry = Geometry::new(page, spare, pages_per_block, 65536).ok()?;
        let length = length.min(u64::from(found.pages) * u64::from(page));
        let bytes = length / u64::from(page) * u64::from(found.page_bytes());
        let shape = ImageShape { geometry, layout: found.form.layout(), start: 0, length, bytes };
        Some(Self { path: path.to_owned(), form: found.form, shape, unread: Vec::new() })
    }

    /// Pages.
    #[must_use]
    pub fn pages(&self) -> u64 {
        self.shape.length / u64::from(self.shape.geometry.page).max(1)
    }

    /// Whether both are of the same pages of chips of one shape.
    #[must_use]
    pub fn is_comparable(&self, other: &Self) -> bool {
        let what = |it: &Self| {
            let chip = it.shape.geometry;
            (chip.page, chip.spare, chip.pages_per_block, it.shape.start, it.shape.length)
        };
        what(self) == what(other)
    }
}

/// The images of two dumps, by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pair<'a> {
    /// Only the first dump has it.
    First(&'a Image),
    /// Only the second dump has it.
    Second(&'a Image),
    /// Both have it.
    Both(&'a Image, &'a Image),
}

/// Images of the same name side by side, in the order of the first dump.
#[must_use]
pub fn pairs<'a>(a: &'a Record, b: &'a Record) -> Vec<Pair<'a>> {
    let twin = |of: &'a Record, name: &str| of.images.iter().find(|image| image.name == name);
    let first = a.images.iter().map(|image| match twin(b, &image.name) {
        Some(other) => Pair::Both(image, other),
        None => Pair::First(image),
    });
    let second = b.images.iter().filter(|image| twin(a, &image.name).is_none());
    first.chain(second.map(Pair::Second)).collect()
}

/// A difference in words: of what, and how it is in the first and in the second.
pub type Told = (&'static str, String, String);

/// How two images of one name were read differently; the pages may still be the same.
#[must_use]
pub fn read_differently(a: &Image, b: &Image) -> Vec<Told> {
    let of = |it: &Image| {
        let flag = match it.flag {
            0 => "as stored".to_owned(),
            1 => "main bytes only".to_owned(),
            4 => "spare last".to_owned(),
            other => other.to_string(),
        };
        [
            ("start", it.start.clone()),
            ("length", format!("{:#x}", it.length)),
            ("pages", flag),
            ("addresses", it.addresses.clone()),
        ]
    };
    differing(of(a), of(b))
}

/// How two phones differ.
#[must_use]
pub fn phones(a: &PhoneId, b: &PhoneId) -> Vec<Told> {
    let of = |it: &PhoneId| {
        let [page, spare, pages, blocks] = it.geometry;
        [
            ("chip", it.chip.clone()),
            ("codes", it.codes.clone()),
            ("NAND chip", it.nand.clone()),
            ("NAND shape", format!("{page} + {spare} bytes, {pages} pages, {blocks} blocks")),
            ("bad-block pool", it.pool_blocks.to_string()),
            ("unit", if it.unit.is_empty() { "not known".to_owned() } else { it.unit.clone() }),
        ]
    };
    differing(of(a), of(b))
}

fn differing<const N: usize>(a: [(&'static str, String); N], b: [(&'static str, String); N]) -> Vec<Told> {
    let both = a.into_iter().zip(b).map(|((what, a), (_, b))| (what, a, b));
    both.filter(|(_, a, b)| a != b).collect()
}

/// The partition map of a bundle; `None` where it has none.
///
/// # Errors
/// It is not there, or no map.
pub fn map_of(folder: &Path, record: &Record) -> Result<Option<Map>, Finding> {
    let file = record.maps.iter().find(|name| *name == "map.json").or_else(|| record.maps.first());
    file.map(|file| check::map(folder, file)).transpose()
}

#[cfg(test)]
mod tests;
