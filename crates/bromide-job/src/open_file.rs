//! Files of this computer that are read where somebody asks.

use std::fs::File;
use std::io::{ErrorKind, Read as _, Result, Seek as _, SeekFrom};
use std::path::Path;

use bromide_image::read_at::{ReadAt, ReadError};

/// A file or device, open for reading at any place.
#[derive(Debug)]
pub struct OpenFile {
    file: File,
    len: u64,
}

impl OpenFile {
    /// Opens a file or device.
    ///
    /// # Errors
    /// It cannot be read, or is a directory.
    pub fn open(path: &Path) -> Result<Self> {
        let file = File::open(path)?;
        let about = file.metadata()?;
        if about.is_dir() {
            return Err(ErrorKind::IsADirectory.into());
        }
        // A device says its length only where its end is.
        let len = if about.is_file() { about.len() } else { (&file).seek(SeekFrom::End(0))? };
        Ok(Self { file, len })
    }

    /// An open file of which the length is known.
    #[must_use]
    pub const fn of(file: File, len: u64) -> Self {
        Self { file, len }
    }
}

impl ReadAt for OpenFile {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_at(&self, at: u64, into: &mut [u8]) -> std::result::Result<(), ReadError> {
        let mut file = &self.file;
        let read = file.seek(SeekFrom::Start(at)).and_then(|_| file.read_exact(into));
        read.map_err(|e| ReadError::Medium { at, why: e.to_string() })
    }
}
