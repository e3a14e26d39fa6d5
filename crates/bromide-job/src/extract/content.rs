//! The bytes of a file: its stored stretches one after the other, as far as they can be had.

use core::ops::Range;

use bromide_image::files::{Entry, Files, FilesError, read_as_far_as_possible};

use super::job::Job;
use super::remark::ExtractError;

/// Smallest unit any file system stores bytes in.
const SMALLEST: u64 = 512;

/// What became of a file's bytes.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// Bytes that were read.
    pub(super) bytes: u64,
    /// Bytes that are missing.
    pub(super) missing: u64,
    /// Why the bytes are not all there or may not be the right ones.
    pub(super) why: Option<String>,
}

/// The first stored stretch at or after `at`, which is never before it, empty, or beyond the end.
pub(super) fn stored_from(
    files: &dyn Files,
    entry: &Entry,
    at: u64,
) -> Result<Option<Range<u64>>, FilesError> {
    let Some(found) = files.stored(entry.id, at)? else { return Ok(None) };
    let range = found.start.max(at)..found.end.min(entry.size);
    Ok((range.start < range.end).then_some(range))
}

/// Bytes of a file that are stored; what cannot be found out counts as none.
pub(super) fn stored_bytes(files: &dyn Files, entry: &Entry) -> u64 {
    let (mut at, mut bytes) = (0, 0_u64);
    while let Ok(Some(range)) = stored_from(files, entry, at) {
        bytes = bytes.saturating_add(range.end - range.start);
        at = range.end;
    }
    bytes
}

/// Reads a file's stored bytes. Behind a page that is beyond repair it goes on with the next. `put` gets the buffer with
/// how many bytes of it were read, and may leave another of the same length in its place.
pub(super) fn copy(
    job: &mut Job<'_>,
    entry: &Entry,
    buffer: &mut Vec<u8>,
    mut put: impl FnMut(u64, &mut Vec<u8>, usize) -> Result<(), ExtractError>,
) -> Result<Outcome, ExtractError> {
    let mut outcome = Outcome { why: job.files.caution(entry.id), ..Outcome::default() };
    let mut broken = None;
    let mut at = 0;
    'all: loop {
        let range = match stored_from(job.files, entry, at) {
            Ok(Some(range)) => range,
            Ok(None) => break,
            Err(error) => {
                outcome.missing += entry.size - at;
                broken = Some(error.to_string());
                break;
            }
        };
        at = range.start;
        while at < range.end {
            job.go_on()?;
            let len = usize::try_from(range.end - at).unwrap_or(usize::MAX).min(buffer.len());
            let piece = buffer.get_mut(..len).unwrap_or_default();
            let (got, ended) = read_as_far_as_possible(job.files, entry.id, at, piece);
            put(at, buffer, got)?;
            at += got as u64;
            outcome.bytes += got as u64;
            job.advance(got as u64);
            let Some(error) = ended.map(Some).or_else(|| (got == 0).then_some(None)) else { continue };
            job.go_on()?; // reading ends with an error when the user wants it
            let page = matches!(error, Some(FilesError::DamagedPage(_)));
            let why = error.map_or_else(|| "it ends before its size".to_owned(), |error| error.to_string());
            broken.get_or_insert(why);
            if !page {
                outcome.missing += entry.size - at;
                break 'all;
            }
            let next = (at / SMALLEST + 1) * SMALLEST;
            outcome.missing += next.min(range.end) - at;
            at = next.min(range.end);
        }
    }
    outcome.why = broken.or(outcome.why);
    Ok(outcome)
}
