//! A recording copied into another, with every piece put back or still referred to.

use std::io::{self, Read, Write};

use crate::entry::{Bytes, Entry, What};
use crate::error::CaptureError;
use crate::pieces::{PieceError, Pieces};
use crate::playback::Playback;
use crate::recording::Recording;

/// A copy that could not be made.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The recording cannot be read.
    #[error(transparent)]
    Capture(#[from] CaptureError),
    /// Bytes it refers to cannot be had.
    #[error("frame {frame}: {source}")]
    Piece {
        /// The packet that refers to them.
        frame: u64,
        /// Why not.
        source: PieceError,
    },
    /// The copy cannot be written.
    #[error("the copy cannot be written: {0}")]
    Write(io::Error),
}

/// What was copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Exported {
    /// Entries.
    pub entries: u64,
    /// Bytes in the copy itself.
    pub bytes: u64,
    /// Pieces put back.
    pub put_back: u64,
    /// Pieces the copy refers to.
    pub referred: u64,
    /// The recording was cut off behind them.
    pub cut: bool,
}

/// Copies all entries. With `pieces` every byte is in the copy; without, it refers to the same files by the same
/// names and belongs into the same folder. A recording that is cut off is copied as far as it goes.
///
/// # Errors
/// The recording, a piece or the copy fails; the copy then has what came before.
pub fn export<R: Read, W: Write>(
    playback: Playback<R>,
    mut pieces: Option<&mut Pieces>,
    to: &mut Recording<W>,
) -> Result<Exported, ExportError> {
    let mut done = Exported::default();
    let mut bytes = Vec::new();
    for entry in playback {
        let Entry { at, frame, what } = match entry {
            Ok(entry) => entry,
            Err(CaptureError::Cut { .. }) => {
                done.cut = true;
                break;
            }
            Err(other) => return Err(other.into()),
        };
        let written = match (what, pieces.as_deref_mut()) {
            (What::Opened(seen), _) => to.opened(at, &seen),
            (What::Closed, _) => to.closed(at),
            (What::Note(text), _) => to.note(at, &text),
            (What::Bytes(direction, Bytes::Here(here)), _) => {
                done.bytes += here.len() as u64;
                to.bytes(at, direction, &here)
            }
            (What::Bytes(direction, Bytes::Elsewhere(piece)), None) => {
                done.referred += 1;
                to.piece(at, direction, &piece)
            }
            (What::Bytes(direction, Bytes::Elsewhere(piece)), Some(pieces)) => {
                pieces.read(&piece, &mut bytes).map_err(|source| ExportError::Piece { frame, source })?;
                done.put_back += 1;
                done.bytes += piece.len;
                to.bytes(at, direction, &bytes)
            }
        };
        written.map_err(ExportError::Write)?;
        done.entries += 1;
    }
    to.flush().map_err(ExportError::Write)?;
    Ok(done)
}
