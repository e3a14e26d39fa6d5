//! What a file held before a page of it was read better and replaced.
//!
//! A recording refers to the file that keeps the pages, with a sum. Where a page is replaced later, a note tells what
//! passed first, so that every byte can still be put back:
//!
//! ```text
//! replaced file="system.img" at=135168 was=00ff1a...
//! ```

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use crate::entry::Piece;
use crate::remark::{bytes_of, path_of, quoted, unquoted};

/// Bytes of a file before they were replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Replaced {
    file: PathBuf,
    at: u64,
    was: Vec<u8>,
}

/// A note that this file, relative to the recording's folder, held these bytes before others took their place.
#[must_use]
pub fn remark_of_replaced(file: &Path, at: u64, was: &[u8]) -> String {
    let mut text = format!("replaced file={} at={at} was=", quoted(&bytes_of(file)));
    for byte in was {
        write!(text, "{byte:02x}").unwrap_or_default();
    }
    text
}

/// Whether a note is one by [`remark_of_replaced`], and so has bytes of a page in it.
#[must_use]
pub fn is_of_replaced(note: &str) -> bool {
    Replaced::parse(note).is_some()
}

impl Replaced {
    pub(crate) fn parse(note: &str) -> Option<Self> {
        let (file, rest) = unquoted(note.strip_prefix("replaced file=")?)?;
        let (at, hex) = rest.strip_prefix(" at=")?.split_once(" was=")?;
        let digits = hex.as_bytes().chunks(2);
        let byte = |pair: &[u8]| u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok();
        let was: Option<Vec<u8>> = digits.map(byte).collect();
        Some(Self { file: path_of(file)?, at: at.parse().ok()?, was: was? })
    }

    /// Puts back what of `bytes`, a piece of a file, was replaced; whether any of it was.
    fn undo(&self, piece: &Piece, bytes: &mut [u8]) -> bool {
        let end = self.at.saturating_add(self.was.len() as u64).min(piece.at.saturating_add(piece.len));
        let start = self.at.max(piece.at);
        if self.file != piece.file || start >= end {
            return false;
        }
        let place = |at: u64, from: u64| usize::try_from(at - from).unwrap_or(usize::MAX);
        let to = bytes.get_mut(place(start, piece.at)..place(end, piece.at));
        let from = self.was.get(place(start, self.at)..place(end, self.at));
        if let (Some(to), Some(from)) = (to, from) {
            to.copy_from_slice(from);
        }
        true
    }
}

/// Undoes replacements, the latest first, until the piece has its sum; whether it has.
pub(crate) fn restore(all: &[Replaced], piece: &Piece, bytes: &mut [u8]) -> bool {
    all.iter().rev().any(|it| it.undo(piece, bytes) && crc32fast::hash(bytes) == piece.crc32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_there_is_told_and_understood() {
        let file = Path::new("../a \"b\".img");
        let note = remark_of_replaced(file, 7, &[0, 255, 26]);
        assert_eq!(note, r#"replaced file="../a \"b\".img" at=7 was=00ff1a"#);
        assert_eq!(
            Replaced::parse(&note),
            Some(Replaced { file: file.into(), at: 7, was: vec![0, 255, 26] })
        );
        for other in ["replaced", "replaced file=\"a\" at=x was=00", "replaced file=\"a\" at=1 was=0g", "x"] {
            assert!(!is_of_replaced(other), "{other}");
        }
    }

    #[test]
    fn a_piece_is_put_back_through_all_replacements_or_some() {
        let parse = |at, was: &[u8]| Replaced::parse(&remark_of_replaced(Path::new("f"), at, was)).unwrap();
        let all = [parse(12, b"2"), parse(8, b"ab0"), parse(12, b"X"), parse(90, b"far")];
        let piece = |bytes: &[u8]| Piece { file: "f".into(), at: 10, len: 4, crc32: crc32fast::hash(bytes) };
        for first in [&b"0123"[..], b"01X3"] {
            let mut now = *b"Z1Y3";
            let mut wanted = first.to_vec();
            // The piece that came between the replacements has the later byte of the first page already.
            if first == b"01X3" {
                wanted = b"Z1X3".to_vec();
            }
            assert!(restore(&all, &piece(&wanted), &mut now));
            assert_eq!(now.to_vec(), wanted);
        }
        assert!(!restore(&all, &piece(b"none"), &mut b"Z1Y3".to_vec()));
        let elsewhere = Piece { file: "g".into(), ..piece(b"0123") };
        assert!(!restore(&all, &elsewhere, &mut b"Z1Y3".to_vec()));
    }
}
