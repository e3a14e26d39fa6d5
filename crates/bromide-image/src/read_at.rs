//! Bytes that can be read at any place: a file, a slice, a phone behind a cable.
//!
//! What reads a table or an image asks for the few bytes it needs through [`ReadAt`], so that a dump of many
//! gigabytes never has to be in memory.

use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;

/// Why bytes could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// The bytes asked for do not all lie inside.
    #[error("{wanted} bytes at {at:#x} reach beyond the end at {len:#x}")]
    Beyond {
        /// First byte asked for.
        at: u64,
        /// Bytes asked for.
        wanted: u64,
        /// Bytes there are.
        len: u64,
    },
    /// What holds the bytes failed.
    #[error("cannot read at {at:#x}: {why}")]
    Medium {
        /// First byte asked for.
        at: u64,
        /// What the medium says.
        why: String,
    },
}

/// A run of bytes of known length, read in any order.
pub trait ReadAt {
    /// Bytes there are.
    fn len(&self) -> u64;

    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Fills `into` with the bytes from `at` on.
    ///
    /// # Errors
    /// They do not all lie inside, or the medium fails; `into` is then unspecified.
    fn read_at(&self, at: u64, into: &mut [u8]) -> Result<(), ReadError>;
}

impl ReadAt for [u8] {
    fn len(&self) -> u64 {
        u64::try_from(<[u8]>::len(self)).unwrap_or(u64::MAX)
    }

    fn read_at(&self, at: u64, into: &mut [u8]) -> Result<(), ReadError> {
        let from = usize::try_from(at).ok();
        let found = from.and_then(|from| self.get(from..)?.get(..into.len()));
        let Some(found) = found else {
            let wanted = u64::try_from(into.len()).unwrap_or(u64::MAX);
            return Err(ReadError::Beyond { at, wanted, len: ReadAt::len(self) });
        };
        into.copy_from_slice(found);
        Ok(())
    }
}

impl ReadAt for Vec<u8> {
    fn len(&self) -> u64 {
        ReadAt::len(self.as_slice())
    }

    fn read_at(&self, at: u64, into: &mut [u8]) -> Result<(), ReadError> {
        self.as_slice().read_at(at, into)
    }
}

impl<T: ReadAt + ?Sized> ReadAt for &T {
    fn len(&self) -> u64 {
        (**self).len()
    }

    fn read_at(&self, at: u64, into: &mut [u8]) -> Result<(), ReadError> {
        (**self).read_at(at, into)
    }
}

impl<T: ReadAt + ?Sized> ReadAt for Rc<T> {
    fn len(&self) -> u64 {
        (**self).len()
    }

    fn read_at(&self, at: u64, into: &mut [u8]) -> Result<(), ReadError> {
        (**self).read_at(at, into)
    }
}

impl<T: ReadAt + ?Sized> ReadAt for Box<T> {
    fn len(&self) -> u64 {
        (**self).len()
    }

    fn read_at(&self, at: u64, into: &mut [u8]) -> Result<(), ReadError> {
        (**self).read_at(at, into)
    }
}

/// A stretch of other bytes.
#[derive(Debug, Clone)]
pub struct Part<S> {
    of: S,
    from: u64,
    len: u64,
}

impl<S: ReadAt> Part<S> {
    /// `len` bytes of `of` from `from` on, or as many as there are.
    #[must_use]
    pub fn new(of: S, from: u64, len: u64) -> Self {
        let from = from.min(of.len());
        let len = of.len().saturating_sub(from).min(len);
        Self { of, from, len }
    }
}

impl<S: ReadAt> ReadAt for Part<S> {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_at(&self, at: u64, into: &mut [u8]) -> Result<(), ReadError> {
        let wanted = u64::try_from(into.len()).unwrap_or(u64::MAX);
        if at.checked_add(wanted).is_none_or(|end| end > self.len) {
            return Err(ReadError::Beyond { at, wanted, len: self.len });
        }
        self.of.read_at(self.from.saturating_add(at), into)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slice_gives_its_bytes_and_refuses_what_it_lacks() {
        let bytes: &[u8] = &[1, 2, 3, 4];
        let mut two = [0; 2];
        bytes.read_at(2, &mut two).unwrap();
        assert_eq!(two, [3, 4]);
        assert_eq!(bytes.read_at(3, &mut two), Err(ReadError::Beyond { at: 3, wanted: 2, len: 4 }));
        assert!(bytes.read_at(u64::MAX, &mut two).is_err());
        assert_eq!(bytes.read_at(4, &mut []), Ok(()));
        let part = Part::new(bytes, 1, 2);
        part.read_at(0, &mut two).unwrap();
        assert_eq!((two, part.len()), ([2, 3], 2));
        assert!(part.read_at(1, &mut two).is_err());
        assert_eq!((Part::new(bytes, 3, 9).len(), Part::new(bytes, 9, 9).len()), (1, 0));
        assert_eq!(Part::new(bytes, 9, 9).read_at(0, &mut []), Ok(()));
    }
}
