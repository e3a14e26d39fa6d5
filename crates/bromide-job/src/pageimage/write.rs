//! An image written anew, piece by piece, under an interim name until it is whole.

use std::fs;
use std::path::{Path, PathBuf};

use bromide_image::read_at::ReadAt;

use super::stream::{GoOn, Piece, stream};
use super::{PageImageError, Shape};
use crate::save::place::with_suffix;
use crate::save::{Save, SaveOptions, Saved, is_one_file};

/// Where an image is written to.
#[derive(Debug, Clone, Copy)]
pub struct Output<'a> {
    /// The file.
    pub target: &'a Path,
    /// Replace it when it exists, and discard what an interrupted run left.
    pub force: bool,
    /// The image that is read, which is never written over.
    pub input: &'a Path,
}

impl Output<'_> {
    /// Refuses the input itself, whatever it is called.
    fn not_input(&self) -> Result<PathBuf, PageImageError> {
        let part = with_suffix(self.target, ".part");
        if is_one_file(self.target, self.input) || is_one_file(&part, self.input) {
            return Err(PageImageError::OverInput(self.target.to_owned()));
        }
        Ok(part)
    }

    /// Writes what the threads make of the pieces of `source`: `bytes` bytes. `notes` take what else they say, in the
    /// order of the image, and have the last word on the whole file. After a failure nothing is left.
    pub(super) fn write<S, N, W>(
        &self,
        (source, shape): (&S, &Shape),
        bytes: u64,
        go_on: &mut GoOn<'_>,
        make: impl Fn() -> W + Sync,
        notes: &mut N,
    ) -> Result<Saved, PageImageError>
    where
        S: ReadAt,
        N: Notes,
        W: FnMut(&mut Piece) -> N::Said,
    {
        let part = self.not_input()?;
        let options = SaveOptions { force: self.force, expected_bytes: bytes, check: None };
        let mut save = Save::create(self.target, options)?;
        let written = stream(source, shape, go_on, make, |mut piece: Piece, said| {
            notes.take(piece.first, said);
            let mut packet = save.buffer();
            std::mem::swap(&mut packet, &mut piece.out);
            save.put(packet)?;
            Ok::<_, PageImageError>(piece)
        });
        let saved = match written {
            Ok(()) => save.finish_if(|part| notes.judge(part, go_on)),
            Err(e) => {
                drop(save);
                Err(e)
            }
        };
        if saved.is_err() {
            let _ = fs::remove_file(part); // half an image is of no use to anybody
        }
        saved
    }
}

/// What is said of an image while it is written.
pub(super) trait Notes {
    /// What a thread says of a piece.
    type Said: Send;

    /// Takes what is said of the piece that begins with this page.
    fn take(&mut self, first: u32, said: Self::Said);

    /// Looks at the whole file under its interim name; an error keeps it from getting its own.
    fn judge(&mut self, _part: &Path, _go_on: &mut GoOn<'_>) -> Result<(), PageImageError> {
        Ok(())
    }
}
