//! An archive the kernel unpacks as its first file system: cpio in its "new ASCII" form, uncompressed.
//!
//! The layout is that of the kernel's own description (`Documentation/driver-api/early-userspace/buffer-format.rst`):
//! a 110-byte header of hexadecimal fields, the name with its NUL, padding to 4, the bytes, padding to 4. It is not
//! compressed because unpacking is the slow part on an emulated processor.

use std::collections::BTreeSet;
use std::path::{Component, Path};

/// File type and permission bits of a folder, and of a program or library.
const FOLDER: u32 = 0o040_755;
const FILE: u32 = 0o100_755;

/// An archive being written. Folders are made as files need them.
#[derive(Default)]
pub(crate) struct Archive {
    bytes: Vec<u8>,
    entries: u32,
    folders: BTreeSet<String>,
    names: BTreeSet<String>,
}

impl Archive {
    /// Adds a folder and those above it.
    pub(crate) fn folder(&mut self, name: &str) {
        let mut so_far = String::new();
        for part in Path::new(name).components() {
            let Component::Normal(part) = part else { continue };
            if !so_far.is_empty() {
                so_far.push('/');
            }
            so_far.push_str(&part.to_string_lossy());
            if self.folders.insert(so_far.clone()) {
                self.entry(&so_far, FOLDER, &[]);
            }
        }
    }

    /// Adds a file; a name that is there already stays as it is.
    pub(crate) fn file(&mut self, name: &str, bytes: &[u8]) {
        self.leaf(name, FILE, bytes);
    }

    /// The archive's bytes.
    pub(crate) fn finish(mut self) -> Vec<u8> {
        self.entry("TRAILER!!!", 0, &[]);
        self.bytes
    }

    fn leaf(&mut self, name: &str, mode: u32, bytes: &[u8]) {
        let name = name.trim_start_matches('/');
        if self.names.insert(name.to_owned()) {
            if let Some(folder) = Path::new(name).parent() {
                self.folder(&folder.to_string_lossy());
            }
            self.entry(name, mode, bytes);
        }
    }

    fn entry(&mut self, name: &str, mode: u32, bytes: &[u8]) {
        self.entries += 1;
        let links = 1 + u32::from(mode == FOLDER);
        let size = bytes.len() as u32;
        let fields = [self.entries, mode, 0, 0, links, 0, size, 0, 0, 0, 0, name.len() as u32 + 1, 0];
        self.bytes.extend(b"070701");
        for field in fields {
            self.bytes.extend(format!("{field:08x}").bytes());
        }
        self.bytes.extend(name.bytes());
        self.bytes.push(0);
        self.pad();
        self.bytes.extend(bytes);
        self.pad();
    }

    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_a_header_a_name_and_bytes_each_padded_to_four() {
        let mut archive = Archive::default();
        archive.file("a", b"12345");
        let bytes = archive.finish();
        assert_eq!(&bytes[..6], b"070701");
        assert_eq!(&bytes[6..22], b"00000001000081ed");
        assert_eq!(&bytes[54..62], b"00000005", "size");
        assert_eq!(&bytes[94..102], b"00000002", "name with its NUL");
        assert_eq!(&bytes[110..112], b"a\0");
        assert_eq!(&bytes[112..117], b"12345");
        assert_eq!(&bytes[120..126], b"070701", "the trailer begins at the next multiple of 4");
        assert_eq!(bytes.len() % 4, 0);
    }

    #[test]
    fn folders_come_once_and_before_what_is_in_them() {
        let mut archive = Archive::default();
        archive.file("x/y/one", b"");
        archive.file("x/y/two", b"");
        archive.file("x/y/two", b"again");
        let text = String::from_utf8_lossy(&archive.finish()).into_owned();
        assert_eq!(text.matches("x/y\0").count(), 1);
        assert_eq!(text.matches("x/y/two\0").count(), 1);
        assert!(text.find("x/y\0") < text.find("x/y/one\0"));
    }
}
