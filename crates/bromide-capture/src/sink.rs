//! Where a recording is written to, block by block.

use std::io::{self, Write};

/// Takes whole blocks, and nothing behind a failure: a block may have been written in part then, and whatever came behind
/// it could not be read.
#[derive(Debug)]
pub(crate) struct Sink<W> {
    to: W,
    /// Blocks under construction.
    pub(crate) blocks: Vec<u8>,
    broken: bool,
}

impl<W: Write> Sink<W> {
    pub(crate) const fn new(to: W) -> Self {
        Self { to, blocks: Vec::new(), broken: false }
    }

    /// Writes what was put together, in one piece.
    pub(crate) fn write(&mut self) -> io::Result<()> {
        let written = if self.broken {
            Err(io::Error::other("the recording could not be written before"))
        } else {
            self.to.write_all(&self.blocks)
        };
        self.broken |= written.is_err();
        self.blocks.clear();
        written
    }

    pub(crate) fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }

    pub(crate) fn into_inner(self) -> W {
        self.to
    }
}
