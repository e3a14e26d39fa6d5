//! What is computed over an image's bytes in their order: SHA-256, a checksum per range, the page check.
//!
//! CRC-32 tells where two images differ, SHA-256 whether; the first costs nothing beside the second.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::Path;

use sha2::{Digest, Sha256};

use super::DumpOptions;
use crate::agent_file::hex;
use crate::pagecheck::{PageCheck, PageSummary};
use crate::save::SaveError;

/// Blocks of the chip in a range with a checksum of its own: about 1 MiB.
pub const RANGE_BLOCKS: u64 = 8;

/// Read from disk at once.
const PIECE: usize = 1 << 20;

/// Checksums of the ranges of an image, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ranges {
    /// Bytes of a range; the last one may be shorter.
    pub bytes: u64,
    /// CRC-32 (IEEE 802.3) of each.
    pub crc32: Vec<u32>,
}

/// The bytes that went by so far.
#[derive(Debug, Clone)]
pub(super) struct Stream {
    digest: Sha256,
    check: PageCheck,
    ranges: Ranges,
    range: crc32fast::Hasher,
    /// Bytes so far.
    pub(super) at: u64,
}

impl Stream {
    pub(super) fn new(options: &DumpOptions) -> Self {
        Self {
            digest: Sha256::new(),
            check: options.check.clone(),
            ranges: Ranges { bytes: options.range.max(1), crc32: Vec::new() },
            range: crc32fast::Hasher::new(),
            at: 0,
        }
    }

    pub(super) fn feed(&mut self, bytes: &[u8]) {
        self.digest.update(bytes);
        self.check.feed(bytes);
        let mut rest = bytes;
        while !rest.is_empty() {
            let left = self.ranges.bytes - self.at % self.ranges.bytes;
            let (now, later) = rest.split_at(usize::try_from(left).unwrap_or(usize::MAX).min(rest.len()));
            self.range.update(now);
            self.at += now.len() as u64;
            if self.at.is_multiple_of(self.ranges.bytes) {
                self.ranges.crc32.push(std::mem::take(&mut self.range).finalize());
            }
            rest = later;
        }
    }

    /// SHA-256 so far, lower-case hex.
    pub(super) fn sha256(&self) -> String {
        hex(&self.digest.clone().finalize())
    }

    /// Pages so far in which any bit is wrong.
    pub(super) fn doubtful(&self) -> Vec<Range<u64>> {
        self.check.doubtful().collect()
    }

    /// Goes on with the bytes of a file up to `end`.
    pub(super) fn up_to(mut self, path: &Path, end: u64) -> Result<Self, SaveError> {
        if self.at < end {
            let failed = || SaveError::io("read", path);
            let mut file = File::open(path).map_err(failed())?;
            file.seek(SeekFrom::Start(self.at)).map_err(failed())?;
            let mut piece = vec![0; PIECE];
            while self.at < end {
                let most = usize::try_from(end - self.at).unwrap_or(usize::MAX).min(PIECE);
                let into = piece.get_mut(..most).unwrap_or_default();
                file.read_exact(into).map_err(failed())?;
                self.feed(into);
            }
        }
        Ok(self)
    }

    /// SHA-256, checksums, page check.
    pub(super) fn finish(mut self) -> (String, Ranges, PageSummary) {
        if !self.at.is_multiple_of(self.ranges.bytes) {
            self.ranges.crc32.push(self.range.finalize());
        }
        (hex(&self.digest.finalize()), self.ranges, self.check.finish())
    }
}

/// Reads exactly these bytes of a file.
pub(super) fn read_at(path: &Path, at: u64, into: &mut [u8]) -> Result<(), SaveError> {
    let read = File::open(path).and_then(|mut file| {
        file.seek(SeekFrom::Start(at))?;
        file.read_exact(into)
    });
    read.map_err(SaveError::io("read", path))
}
