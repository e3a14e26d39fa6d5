//! Bytes of files, read from their chunks when asked for.

use alloc::vec::Vec;
use core::ops::Range;

use super::fields::Kind;
use super::log::{Known, Log};
use super::options::Verify;
use super::pages::{self, Condition, Page};
use super::problem::Problems;
use super::replay::{self, Chunk};
use super::tagged::{Tagged, What};
use super::{Node, Tree};
use crate::read_at::{ReadAt, ReadError};

/// Why the bytes of an object cannot be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// There is no such object.
    #[error("there is no object {0}")]
    NoObject(u32),
    /// Only files have bytes.
    #[error("object {0} is no file")]
    NotAFile(u32),
    /// A page of it is beyond repair. Met only where [`super::Verify::Tags`] put the check off.
    #[error("page {0} is damaged beyond repair")]
    Damaged(u32),
    /// A page of it is not what it was assumed to be. Met only where [`Tree::skim`] did not look, and not with
    /// [`Verify::Headers`] unless there is no such file by a look at all pages.
    #[error("page {0} is not the part of the file it was taken for")]
    NotAsAssumed(u32),
    /// The source failed.
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// The bytes of one version of a file, to be read by [`Tree::read_content`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    /// Bytes, holes included.
    pub size: u64,
    pub(super) object: u32,
    pub(super) chunks: Vec<Chunk>,
}

impl Content {
    /// Bytes that are stored; the rest are holes, or were erased since.
    #[must_use]
    pub fn stored_bytes(&self) -> u64 {
        stored(&self.chunks, self.size)
    }
}

/// Bytes of these chunks, at most those of their file.
fn stored(chunks: &[Chunk], size: u64) -> u64 {
    chunks.iter().map(|chunk| u64::from(chunk.bytes)).fold(0, u64::saturating_add).min(size)
}

impl<S: ReadAt> Tree<S> {
    /// Fills `into` with bytes of a file from `offset` on, and gives how many there were: fewer than asked for only
    /// at its end. Holes read as zeros. A hard link has the bytes of what it is another name of.
    ///
    /// # Errors
    /// No file of this id, the source's own, or a page beyond repair that was not checked before.
    pub fn read_file(&self, id: u32, offset: u64, into: &mut [u8]) -> Result<usize, FileError> {
        let node = self.resolve(id)?;
        if node.kind != Kind::File {
            return Err(FileError::NotAFile(node.id));
        }
        let read = self.read_chunks(node.id, node.size, self.chunks_of(node), offset, into);
        let Err(FileError::NotAsAssumed(page)) = read else { return read };
        if self.pages.options.verify != Verify::Headers {
            return read;
        }
        let chunks = self.chunks_after_all(node.id)?.ok_or(FileError::NotAsAssumed(page))?;
        self.read_chunks(node.id, node.size, &chunks, offset, into)
    }

    /// The chunks of a file by a look at all pages; none where it is no file by that.
    fn chunks_after_all(&self, id: u32) -> Result<Option<Vec<Chunk>>, FileError> {
        let log = match self.whole.get() {
            Some(log) => log,
            None => {
                let log = Log::scan(&self.pages, &mut Problems::default())?;
                self.whole.get_or_init(|| log)
            }
        };
        let mut chunks = Vec::new();
        let state = replay::replay(log, log.of(id), self.chunk_bytes(), &mut chunks);
        Ok(state.is_some_and(|state| !state.gone).then_some(chunks))
    }

    /// As [`Self::read_file`], of the content of an earlier version.
    ///
    /// # Errors
    /// The source's own, or a page beyond repair that was not checked before.
    pub fn read_content(&self, content: &Content, offset: u64, into: &mut [u8]) -> Result<usize, FileError> {
        self.read_chunks(content.object, content.size, &content.chunks, offset, into)
    }

    /// Bytes of a file that are stored, the rest being holes.
    #[must_use]
    pub fn stored_bytes(&self, node: &Node) -> u64 {
        stored(self.chunks_of(node), node.size)
    }

    /// The first stretch of a file at or after `offset` that is stored, up to the next hole or its end; `None` where
    /// only a hole is left.
    #[must_use]
    pub fn stored_at(&self, node: &Node, offset: u64) -> Option<Range<u64>> {
        self.stretch(self.chunks_of(node), node.size, offset)
    }

    /// As [`Self::stored_at`], of an earlier version.
    #[must_use]
    pub fn content_stored_at(&self, content: &Content, offset: u64) -> Option<Range<u64>> {
        self.stretch(&content.chunks, content.size, offset)
    }

    fn stretch(&self, chunks: &[Chunk], size: u64, offset: u64) -> Option<Range<u64>> {
        let step = self.chunk_bytes();
        let start = |chunk: &Chunk| u64::from(chunk.number.saturating_sub(1)).saturating_mul(step);
        let from = chunks.partition_point(|chunk| start(chunk).saturating_add(step) <= offset);
        let mut rest = chunks.get(from..).unwrap_or_default().iter();
        let begins = start(rest.next()?).max(offset);
        let mut ends = begins.checked_next_multiple_of(step).filter(|end| *end > begins);
        ends = ends.or_else(|| begins.checked_add(step));
        for chunk in rest {
            if Some(start(chunk)) != ends {
                break;
            }
            ends = ends.and_then(|end| end.checked_add(step));
        }
        let ends = ends.unwrap_or(u64::MAX).min(size);
        (begins < ends).then_some(begins..ends)
    }

    fn chunks_of(&self, node: &Node) -> &[Chunk] {
        self.chunks.get(node.chunks.clone()).unwrap_or_default()
    }

    fn read_chunks(
        &self,
        object: u32,
        size: u64,
        chunks: &[Chunk],
        offset: u64,
        into: &mut [u8],
    ) -> Result<usize, FileError> {
        let left = usize::try_from(size.saturating_sub(offset)).unwrap_or(usize::MAX);
        let len = left.min(into.len());
        let into = into.get_mut(..len).unwrap_or_default();
        into.fill(0);
        let step = self.chunk_bytes();
        let end = offset.saturating_add(u64::try_from(len).unwrap_or(u64::MAX));
        let first = offset.checked_div(step).unwrap_or(0).saturating_add(1);
        let from = chunks.partition_point(|chunk| u64::from(chunk.number) < first);
        let rest = chunks.get(from..).unwrap_or_default();
        let start = |chunk: &Chunk| u64::from(chunk.number.saturating_sub(1)).saturating_mul(step);
        let wanted = rest.get(..rest.partition_point(|chunk| start(chunk) < end)).unwrap_or_default();
        let (mut run, mut page) = (Vec::new(), self.pages.buffer());
        // Chunks written one after another lie in pages one after another and are read together.
        let most = usize::try_from(self.pages.run()).unwrap_or(1);
        for together in wanted.chunk_by(|a, b| a.page.checked_add(1) == Some(b.page)) {
            for some in together.chunks(most) {
                let Some(head) = some.first() else { continue };
                self.pages.fetch(head.page, u32::try_from(some.len()).unwrap_or(1), &mut run)?;
                for (chunk, stored) in some.iter().zip(self.pages.stored(&run)) {
                    let (skip, to) = place(chunk, start(chunk), offset, into);
                    self.read_chunk(object, chunk, stored, &mut page, skip, to)?;
                }
            }
        }
        Ok(len)
    }

    /// The bytes of one chunk from `skip` on.
    fn read_chunk(
        &self,
        object: u32,
        chunk: &Chunk,
        stored: &[u8],
        page: &mut Page,
        skip: usize,
        into: &mut [u8],
    ) -> Result<(), FileError> {
        let as_it_is = match chunk.known {
            Known::Clean => true,
            Known::Tags => !self.pages.checks_sectors() || self.pages.is_clean(stored),
            Known::Assumed => false,
        };
        if as_it_is {
            self.pages.copy(stored, skip, into);
            return Ok(());
        }
        let what = What::Data { chunk: chunk.number, bytes: chunk.bytes };
        let is_it = |tagged| matches!(tagged, Tagged::Chunk { object: its, what: is, .. } if its == object && is == what);
        if chunk.known == Known::Assumed && self.pages.tagged_if_clean(stored, page).is_some_and(is_it) {
            self.pages.copy(stored, skip, into);
            return Ok(());
        }
        let read = self.pages.read_whole(stored, page);
        if matches!(read.condition, Condition::Damaged | Condition::Blank) {
            return Err(FileError::Damaged(chunk.page));
        }
        if chunk.known == Known::Assumed && !is_it(read.tagged) {
            return Err(FileError::NotAsAssumed(chunk.page));
        }
        pages::fill(into, page.chunk().get(skip..).unwrap_or_default());
        Ok(())
    }
}

/// How much of a chunk that starts at `start` of the file is skipped for what is wanted from `offset` on, and the
/// place of the rest.
fn place<'a>(chunk: &Chunk, start: u64, offset: u64, into: &'a mut [u8]) -> (usize, &'a mut [u8]) {
    let narrow = |distance: u64| usize::try_from(distance).unwrap_or(usize::MAX);
    let skip = narrow(offset.saturating_sub(start));
    let to = into.get_mut(narrow(start.saturating_sub(offset))..).unwrap_or_default();
    let len = usize::from(chunk.bytes).saturating_sub(skip).min(to.len());
    (skip, to.get_mut(..len).unwrap_or_default())
}
