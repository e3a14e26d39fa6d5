//! An image in a file that stops being read when the user wants it.

use std::path::Path;

use bromide_image::read_at::{ReadAt, ReadError};
use bromide_job::open_file::OpenFile;
use bromide_link::Cancel;

use crate::report::{Failure, exit};

/// A file and what ends the work on it.
pub(crate) struct Stoppable {
    file: OpenFile,
    cancel: Cancel,
}

impl Stoppable {
    /// Opens the file a user named.
    pub(crate) fn open(path: &Path, cancel: &Cancel) -> Result<Self, Failure> {
        let file = OpenFile::open(path).map_err(|e| {
            let what = format!("{}: {e}", path.display());
            Failure::new("file/io", exit::FAILED, what, "name a file that can be read")
        })?;
        Ok(Self { file, cancel: cancel.clone() })
    }
}

impl ReadAt for Stoppable {
    fn len(&self) -> u64 {
        self.file.len()
    }

    fn read_at(&self, at: u64, into: &mut [u8]) -> Result<(), ReadError> {
        if self.cancel.is_set() {
            return Err(ReadError::Medium { at, why: "stopped by the user".to_owned() });
        }
        self.file.read_at(at, into)
    }
}
