//! Bytes of a file one stretch after the other: what is announced is never believed before it is there.

use std::io::{self, BufReader, Read};

/// What came of a wish for so many bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Came {
    /// All of them.
    All,
    /// The file ends here, before the first of them.
    Nothing,
    /// The file ends in the middle of them.
    Part,
}

/// A file that is read once, from its beginning to its end.
#[derive(Debug)]
pub(crate) struct Source<R>(BufReader<R>);

impl<R: Read> Source<R> {
    pub(crate) fn new(from: R) -> Self {
        Self(BufReader::with_capacity(1 << 16, from))
    }

    /// The next `len` bytes in place of what `into` held. Memory grows with what comes, not with what is asked.
    pub(crate) fn take(&mut self, len: u64, into: &mut Vec<u8>) -> io::Result<Came> {
        into.clear();
        let came = self.0.by_ref().take(len).read_to_end(into)?;
        Ok(came_of(came as u64, len))
    }

    /// Passes over `len` bytes.
    pub(crate) fn skip(&mut self, len: u64) -> io::Result<Came> {
        let came = io::copy(&mut self.0.by_ref().take(len), &mut io::sink())?;
        Ok(came_of(came, len))
    }
}

const fn came_of(came: u64, len: u64) -> Came {
    if came == len {
        Came::All
    } else if came == 0 {
        Came::Nothing
    } else {
        Came::Part
    }
}
