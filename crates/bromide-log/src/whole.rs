//! A file that only ever holds whole records, whatever happens to the disk or the program.
//!
//! Records are gathered in memory and go to the file together; where the disk takes only a part of them the file is
//! cut back to what it held before.

use std::fs::File;
use std::io::{self, Write};

/// The file. [`Write::flush`] is what writes; what is written between two of them belongs together.
#[derive(Debug)]
pub(crate) struct Whole {
    file: File,
    /// Bytes of whole records in the file.
    good: u64,
    gathered: Vec<u8>,
}

impl Whole {
    pub(crate) const fn new(file: File) -> Self {
        Self { file, good: 0, gathered: Vec::new() }
    }
}

impl Write for Whole {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.gathered.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.gathered.is_empty() {
            return Ok(());
        }
        let written = self.file.write_all(&self.gathered);
        match &written {
            Ok(()) => self.good += self.gathered.len() as u64,
            // Where even that fails a reader sees a record cut short, as after a power cut.
            Err(_) => drop(self.file.set_len(self.good)),
        }
        self.gathered.clear();
        written
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_in_the_file_before_a_record_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        let mut whole = Whole::new(File::create(&path).unwrap());
        whole.write_all(b"half a ").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"");
        whole.write_all(b"record\n").unwrap();
        whole.flush().unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"half a record\n");
    }
}
