//! The files beside a recording that keep what it does not repeat.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Component, Path, PathBuf};

use crate::entry::{Piece, What};
use crate::playback::Playback;
use crate::replaced::{Replaced, restore};

/// Longest piece that is read: far above what a packet has.
const LARGEST: u64 = 256 << 20;

/// A piece that cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum PieceError {
    /// Neither the file nor what an interrupted run left of it is there.
    #[error("{path} is missing, which the recording refers to", path = .0.display())]
    Missing(PathBuf),
    /// It could not be read.
    #[error("{path}: {source}", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file ends before the piece does.
    #[error("{path} has not the {len} bytes at {at} that the recording refers to", path = path.display())]
    Short {
        /// The file.
        path: PathBuf,
        /// First byte of the piece.
        at: u64,
        /// Bytes of the piece.
        len: u64,
    },
    /// The file has other bytes there than those that passed.
    #[error("{path} has changed since it was recorded: the {len} bytes at {at} are others", path = path.display())]
    Changed {
        /// The file.
        path: PathBuf,
        /// First byte of the piece.
        at: u64,
        /// Bytes of the piece.
        len: u64,
    },
    /// A name that leads out of every folder, or a length no packet has.
    #[error("the recording refers to {path} in a way that is not allowed", path = .0.display())]
    Refused(PathBuf),
}

impl PieceError {
    /// Stable name for programs.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Missing(_) => "capture/piece-missing",
            Self::Io { .. } => "capture/piece-io",
            Self::Short { .. } => "capture/piece-short",
            Self::Changed { .. } => "capture/piece-changed",
            Self::Refused(_) => "capture/piece-refused",
        }
    }
}

/// Finds pieces in the folder of a recording. The file used last stays open.
#[derive(Debug)]
pub struct Pieces {
    folder: PathBuf,
    open: Option<(PathBuf, File)>,
    /// The recording, until it was asked what was replaced in the files.
    recording: Option<PathBuf>,
    replaced: Vec<Replaced>,
}

impl Pieces {
    /// Of a recording that lies in this folder.
    #[must_use]
    pub fn in_folder(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), open: None, recording: None, replaced: Vec::new() }
    }

    /// Of this recording. Where a page of a file was read better later and replaced, the recording is asked what
    /// passed first.
    #[must_use]
    pub fn beside(recording: &Path) -> Self {
        let folder = recording.parent().unwrap_or(Path::new(""));
        Self { recording: Some(recording.to_owned()), ..Self::in_folder(folder) }
    }

    /// Reads what the recording notes of replaced pages, once.
    fn learn(&mut self) {
        let file = self.recording.take().and_then(|path| File::open(path).ok());
        let Some(Ok(playback)) = file.map(Playback::new) else { return };
        for entry in playback.map_while(Result::ok) {
            if let What::Note(text) = &entry.what {
                self.replaced.extend(Replaced::parse(text));
            }
        }
    }

    /// The bytes of a piece in place of what `into` held: of the file of that name, or of what an interrupted run
    /// left (`NAME.part`), whichever holds them.
    ///
    /// # Errors
    /// They are not there, or not those.
    pub fn read(&mut self, piece: &Piece, into: &mut Vec<u8>) -> Result<(), PieceError> {
        let allowed = |part| matches!(part, Component::Normal(_) | Component::CurDir | Component::ParentDir);
        let file = &piece.file;
        if !file.components().all(allowed) || file.file_name().is_none() || piece.len > LARGEST {
            return Err(PieceError::Refused(file.clone()));
        }
        let whole = self.folder.join(file);
        let part = whole.with_added_extension("part");
        match self.read_from(&whole, piece, into) {
            Ok(()) => Ok(()),
            // A later run may have written another file of that name.
            Err(first) => match self.read_from(&part, piece, into) {
                Err(PieceError::Missing(_)) => Err(first),
                Err(second) if matches!(first, PieceError::Missing(_)) => Err(second),
                Err(_) => Err(first),
                Ok(()) => Ok(()),
            },
        }
    }

    fn read_from(&mut self, path: &Path, piece: &Piece, into: &mut Vec<u8>) -> Result<(), PieceError> {
        let Piece { at, len, crc32, .. } = *piece;
        let path = path.to_owned();
        let io = |source| PieceError::Io { path: path.clone(), source };
        let mut file = self.file(&path)?;
        file.seek(SeekFrom::Start(at)).map_err(io)?;
        into.clear();
        let came = file.take(len).read_to_end(into).map_err(io)?;
        if came as u64 != len {
            return Err(PieceError::Short { path, at, len });
        }
        if crc32fast::hash(into) == crc32 {
            return Ok(());
        }
        self.learn();
        if !restore(&self.replaced, piece, into) {
            return Err(PieceError::Changed { path, at, len });
        }
        Ok(())
    }

    fn file(&mut self, path: &Path) -> Result<&File, PieceError> {
        if self.open.as_ref().is_none_or(|(open, _)| open != path) {
            let io = |source: io::Error| match source.kind() {
                io::ErrorKind::NotFound => PieceError::Missing(path.to_owned()),
                _ => PieceError::Io { path: path.to_owned(), source },
            };
            // A pipe would be waited for.
            if !std::fs::metadata(path).map_err(io)?.is_file() {
                return Err(PieceError::Refused(path.to_owned()));
            }
            self.open = Some((path.to_owned(), File::open(path).map_err(io)?));
        }
        self.open.as_ref().map(|(_, file)| file).ok_or_else(|| PieceError::Missing(path.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(file: &str, at: u64, bytes: &[u8]) -> Piece {
        Piece { file: file.into(), at, len: bytes.len() as u64, crc32: crc32fast::hash(bytes) }
    }

    fn read(folder: &Path, piece: &Piece) -> Result<Vec<u8>, &'static str> {
        let mut bytes = vec![9];
        Pieces::in_folder(folder).read(piece, &mut bytes).map_err(|e| e.code())?;
        Ok(bytes)
    }

    #[test]
    fn a_piece_comes_from_the_file_or_from_what_an_interrupted_run_left_of_it() {
        let folder = tempfile::tempdir().unwrap();
        let piece = piece("system.img", 3, b"defg");
        assert_eq!(read(folder.path(), &piece), Err("capture/piece-missing"));
        std::fs::write(folder.path().join("system.img.part"), "abcdefgh").unwrap();
        assert_eq!(read(folder.path(), &piece).unwrap(), b"defg");
        std::fs::write(folder.path().join("system.img"), "another file").unwrap();
        assert_eq!(read(folder.path(), &piece).unwrap(), b"defg", "the part still has it");
        std::fs::remove_file(folder.path().join("system.img.part")).unwrap();
        assert_eq!(read(folder.path(), &piece), Err("capture/piece-changed"));
        std::fs::write(folder.path().join("system.img"), "abcdef").unwrap();
        assert_eq!(read(folder.path(), &piece), Err("capture/piece-short"));
    }

    #[test]
    fn a_recording_in_a_folder_of_its_own_refers_to_files_above_it() {
        let folder = tempfile::tempdir().unwrap();
        let runs = folder.path().join("log/1");
        std::fs::create_dir_all(&runs).unwrap();
        std::fs::write(folder.path().join("boot.img"), "abc").unwrap();
        assert_eq!(read(&runs, &piece("../../boot.img", 1, b"bc")).unwrap(), b"bc");
    }

    #[test]
    fn what_is_no_file_beside_the_recording_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let absolute = folder.path().join("x");
        std::fs::write(&absolute, "abc").unwrap();
        std::fs::create_dir(folder.path().join("sub")).unwrap();
        let huge = Piece { len: u64::MAX, ..piece("x", 0, b"abc") };
        for piece in
            [piece(absolute.to_str().unwrap(), 0, b"abc"), piece("..", 0, b""), piece("sub", 0, b""), huge]
        {
            assert_eq!(read(folder.path(), &piece), Err("capture/piece-refused"), "{piece:?}");
        }
    }
}
