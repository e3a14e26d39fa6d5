//! All bytes of an image, read once: digest, checksums of ranges and state of the pages, each on a thread of its own.

use std::fs::File;
use std::io::{self, Read};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;

use sha2::{Digest, Sha256};

use super::CheckError;
use crate::agent_file::hex;
use crate::pagecheck::{PageCheck, PageSummary};

/// Read at once.
const PIECE: usize = 1 << 20;

/// Pieces a thread may have before it.
const AHEAD: usize = 3;

/// Tells how many bytes were read, of all files together.
pub(super) struct Progress<'a> {
    pub(super) done: u64,
    pub(super) go_on: &'a mut dyn FnMut(u64) -> bool,
}

impl Progress<'_> {
    pub(super) fn add(&mut self, bytes: u64) -> Result<(), CheckError> {
        self.done = self.done.saturating_add(bytes);
        if (self.go_on)(self.done) { Ok(()) } else { Err(CheckError::Stopped) }
    }
}

/// Checksums that ranges of a file should have.
#[derive(Debug, Clone, Copy)]
pub(super) struct Expected<'a> {
    /// Bytes of a range, not 0.
    pub(super) bytes: u64,
    pub(super) crc32: &'a [u32],
}

/// What the bytes of a file are like.
#[derive(Debug)]
pub(super) struct Content {
    pub(super) sha256: String,
    /// Number of the first range with another checksum, and how many there are.
    pub(super) differing: Option<(u64, usize)>,
    pub(super) pages: Option<PageSummary>,
}

/// Reads the first `bytes` bytes of a file. A failure of the disk is the inner error.
pub(super) fn read(
    file: &File,
    bytes: u64,
    expected: Option<Expected<'_>>,
    check: Option<PageCheck>,
    progress: &mut Progress<'_>,
) -> Result<io::Result<Content>, CheckError> {
    thread::scope(|scope| {
        let (to_digest, pieces) = sync_channel(AHEAD);
        let digest = thread::Builder::new().name("digest".into());
        let digest = digest.spawn_scoped(scope, move || digested(&pieces)).map_err(CheckError::Thread)?;
        let (to_check, pieces) = sync_channel(AHEAD);
        let pages = thread::Builder::new().name("pages".into());
        let pages = pages.spawn_scoped(scope, move || checked(&pieces, check)).map_err(CheckError::Thread)?;
        let mut sums = Sums::new(expected);
        let mut file = file.take(bytes);
        let mut left = bytes;
        while left > 0 {
            let mut piece = Vec::with_capacity(PIECE);
            match (&mut file).take(PIECE as u64).read_to_end(&mut piece) {
                Err(e) => return Ok(Err(e)),
                Ok(0) => return Ok(Err(io::ErrorKind::UnexpectedEof.into())),
                Ok(got) => left -= got as u64,
            }
            let piece = Arc::new(piece);
            // A thread that died says so when it is joined.
            let _ = to_digest.send(Arc::clone(&piece));
            let _ = to_check.send(Arc::clone(&piece));
            sums.feed(&piece);
            progress.add(piece.len() as u64)?;
        }
        drop((to_digest, to_check));
        let died = |_| CheckError::Thread(io::Error::other("a thread panicked"));
        let sha256 = digest.join().map_err(died)?;
        let pages = pages.join().map_err(died)?;
        Ok(Ok(Content { sha256, differing: sums.finish(), pages }))
    })
}

type Pieces = Receiver<Arc<Vec<u8>>>;

fn digested(pieces: &Pieces) -> String {
    let mut digest = Sha256::new();
    pieces.iter().for_each(|piece| digest.update(&*piece));
    hex(&digest.finalize())
}

fn checked(pieces: &Pieces, check: Option<PageCheck>) -> Option<PageSummary> {
    let mut check = check?;
    pieces.iter().for_each(|piece| check.feed(&piece));
    Some(check.finish())
}

/// The checksums of ranges, held against the expected ones.
struct Sums<'a> {
    expected: Option<Expected<'a>>,
    range: crc32fast::Hasher,
    at: u64,
    differing: Option<(u64, usize)>,
}

impl<'a> Sums<'a> {
    fn new(expected: Option<Expected<'a>>) -> Self {
        Self { expected, range: crc32fast::Hasher::new(), at: 0, differing: None }
    }

    fn feed(&mut self, mut bytes: &[u8]) {
        let Some(Expected { bytes: range, .. }) = self.expected else { return };
        while !bytes.is_empty() {
            let left = range - self.at % range;
            let (now, later) = bytes.split_at(usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len()));
            self.range.update(now);
            self.at += now.len() as u64;
            if self.at.is_multiple_of(range) {
                self.close();
            }
            bytes = later;
        }
    }

    /// The end of a range.
    fn close(&mut self) {
        let Some(Expected { bytes, crc32 }) = self.expected else { return };
        let number = (self.at - 1) / bytes;
        let found = std::mem::take(&mut self.range).finalize();
        let due = usize::try_from(number).ok().and_then(|number| crc32.get(number));
        if due != Some(&found) {
            self.differing.get_or_insert((number, 0)).1 += 1;
        }
    }

    fn finish(mut self) -> Option<(u64, usize)> {
        if self.expected.is_some_and(|it| !self.at.is_multiple_of(it.bytes)) {
            self.close();
        }
        self.differing
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sums(bytes: &[u8], range: u64, crc32: &[u32], chunk: usize) -> Option<(u64, usize)> {
        let mut sums = Sums::new(Some(Expected { bytes: range, crc32 }));
        bytes.chunks(chunk).for_each(|piece| sums.feed(piece));
        sums.finish()
    }

    #[test]
    fn the_first_of_the_ranges_that_differ_is_found_whatever_the_chunks() {
        let bytes: Vec<u8> = (0..1000_u32).map(|at| (at * 7) as u8).collect();
        let right: Vec<u32> = bytes.chunks(300).map(crc32fast::hash).collect();
        let wrong = [right[0], right[1] ^ 1, right[2], 0];
        for chunk in [1, 7, 299, 300, 301, 1000] {
            assert_eq!(sums(&bytes, 300, &right, chunk), None);
            assert_eq!(sums(&bytes, 300, &wrong, chunk), Some((1, 2)));
            assert_eq!(sums(&bytes, 300, &right[..3], chunk), Some((3, 1)), "the last one is missing");
        }
    }
}
