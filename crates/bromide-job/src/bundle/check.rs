//! Whether a bundle is what its record says, from its files alone.
//!
//! Promises: nothing is written, no phone is needed, links are not followed and nothing outside the folder is opened;
//! every byte is read once and no image is held; whatever a record or a file says, the outcome is a value. A file that
//! is missing or unlike the record is a [`Finding`], not an error.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::{BundleError, Image, ImageShape, Record, Whole, load};
use crate::pagecheck::Counts;
use crate::save::system::{Lock, lock};

mod beside;
mod bytes;
mod finding;
mod folder;
mod image;

pub use finding::{DifferingRanges, Finding, Weight};

use bytes::Progress;

/// What ended a check early.
#[derive(Debug, Error)]
pub enum CheckError {
    /// The caller wanted an end.
    #[error("stopped")]
    Stopped,
    /// A thread could not be started or died.
    #[error("cannot start working: {0}")]
    Thread(io::Error),
}

/// A bundle to be checked.
#[derive(Debug)]
pub struct Check {
    folder: PathBuf,
    record: Record,
    /// Only sizes, mapfiles and digests as text.
    quick: bool,
}

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// The images in the order of the record.
    pub images: Vec<CheckedImage>,
    /// What concerns no single image.
    pub others: Vec<Finding>,
    /// Another program is reading into the folder right now.
    pub busy: bool,
}

/// What a check found of one image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckedImage {
    /// Partition.
    pub name: String,
    /// Its file.
    pub file: String,
    /// Bytes of the whole file.
    pub bytes: u64,
    /// Where its bytes come from; `None` where the record contradicts itself.
    pub shape: Option<ImageShape>,
    /// The state of its pages, if they were looked at.
    pub pages: Option<Counts>,
    /// What is not as it should be; nothing where all is well.
    pub findings: Vec<Finding>,
}

impl Checked {
    /// The worst there is; `None` where all is well.
    #[must_use]
    pub fn worst(&self) -> Option<Weight> {
        let all = self.images.iter().flat_map(|image| &image.findings).chain(&self.others);
        all.map(Finding::weight).max()
    }
}

impl Check {
    /// Reads the record of a folder. With `quick` no image will be read.
    ///
    /// # Errors
    /// No record, or one that cannot be understood.
    pub fn open(folder: &Path, quick: bool) -> Result<Self, BundleError> {
        Ok(Self { folder: folder.to_owned(), record: load(folder)?, quick })
    }

    /// The record.
    #[must_use]
    pub const fn record(&self) -> &Record {
        &self.record
    }

    /// Bytes that a run reads when all is well.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let of = |image: &Image| match self.shape(image) {
            _ if self.quick => 0,
            Some(shape) if image.sha256.is_some() => shape.bytes,
            Some(shape) => {
                let beside = beside::mapfile(&self.folder, &self.record, image, &shape).ok().flatten();
                beside.and_then(|it| it.prefix).map_or(0, |(bytes, _)| bytes)
            }
            None => 0,
        };
        self.record.images.iter().map(of).fold(0, u64::saturating_add)
    }

    fn shape(&self, image: &Image) -> Option<ImageShape> {
        image.shape(self.record.geometry()?)
    }

    /// Looks at everything. `go_on` is told the bytes read and says whether to go on.
    ///
    /// # Errors
    /// The caller wanted an end; no thread.
    pub fn run(&self, go_on: &mut dyn FnMut(u64) -> bool) -> Result<Checked, CheckError> {
        let mut progress = Progress { done: 0, go_on };
        let busy = self.record.state == Whole::Reading && is_busy(&self.folder);
        let mut images = Vec::with_capacity(self.record.images.len());
        for image in &self.record.images {
            let shape = self.shape(image);
            let mut checked = CheckedImage {
                name: image.name.clone(),
                file: image.file.clone(),
                bytes: shape.map_or(image.bytes, |shape| shape.bytes),
                shape,
                pages: None,
                findings: Vec::new(),
            };
            match shape {
                Some(shape) => image::check(self, image, &shape, &mut checked, &mut progress)?,
                None => {
                    checked.findings.push(Finding::Record("its place and size are none of the chip".into()))
                }
            }
            images.push(checked);
        }
        let mut others = folder::state(&self.record);
        folder::sums(&self.folder, &self.record, &mut images, &mut others);
        folder::maps(&self.folder, &self.record, &mut others);
        folder::extra(&self.folder, &self.record, &mut others);
        Ok(Checked { images, others, busy })
    }
}

/// Whether another program holds the folder.
fn is_busy(folder: &Path) -> bool {
    File::open(folder).is_ok_and(|file| matches!(lock(&file), Lock::Busy))
}

#[cfg(test)]
mod tests;
