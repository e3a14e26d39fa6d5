//! Whole events on their way to the disk: collected, handed over in large pieces, written by a thread of their own.

use std::io::{self, Write};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

/// Bytes of a piece, or one event more.
const PIECE: usize = 256 << 10;
/// Pieces that wait for the disk: 16 MiB, more than a second of high speed.
const WAITING: usize = 64;

/// The near end. What is written in one call stays in one piece.
#[derive(Debug)]
pub(super) struct Chunks {
    piece: Vec<u8>,
    to: SyncSender<Vec<u8>>,
}

impl Chunks {
    pub(super) fn new() -> (Self, Receiver<Vec<u8>>) {
        let (to, incoming) = sync_channel(WAITING);
        (Self { piece: Vec::new(), to }, incoming)
    }
}

impl Write for Chunks {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.piece.extend(bytes);
        if self.piece.len() >= PIECE {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    /// # Errors
    /// The far end has failed; what of is known there.
    fn flush(&mut self) -> io::Result<()> {
        if self.piece.is_empty() {
            return Ok(());
        }
        let piece = std::mem::take(&mut self.piece);
        self.to.send(piece).map_err(|_| io::Error::other("the recording cannot be written any more"))
    }
}

/// The far end, until the near one is dropped.
pub(super) fn write_all<W: Write>(mut to: W, pieces: &Receiver<Vec<u8>>) -> io::Result<W> {
    for piece in pieces {
        to.write_all(&piece)?;
        to.flush()?;
    }
    Ok(to)
}
