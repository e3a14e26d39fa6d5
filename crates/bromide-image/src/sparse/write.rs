//! Writing sparse images: first the chunks are planned, then they are handed out piece by piece.

use alloc::vec;
use alloc::vec::Vec;

use super::{CHUNK_BYTES, HEADER_BYTES, MAGIC, MOST_CHUNKS};
use crate::read_at::{ReadAt, ReadError};

/// Most bytes a raw chunk carries; their count with the header must fit 32 bits.
const MOST_RAW: u64 = 64 << 20;

/// Bytes handed out at a time, at least.
const PIECE: usize = 1 << 16;

/// Why content cannot become a sparse image.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// The content could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A block size that fills do not divide, or that is larger than a chunk.
    #[error("blocks of {0} bytes; a multiple of 4 up to {MOST_RAW} is needed")]
    BlockBytes(u32),
    /// Content that is no whole number of blocks.
    #[error("{bytes} bytes are no whole number of blocks of {block_bytes} bytes")]
    Length {
        /// Bytes of the content.
        bytes: u64,
        /// Bytes of a block.
        block_bytes: u32,
    },
    /// More blocks than 32 bits count, or more chunks than a reader takes.
    #[error("the content is too large or too mixed for one sparse image")]
    TooLarge,
}

/// A chunk to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Chunk {
    /// The four bytes all its blocks repeat, or none for bytes as they are.
    fill: Option<[u8; 4]>,
    blocks: u32,
}

/// The chunks of a sparse image. Blocks that repeat four bytes become fills, zeros too: on flash a zero is content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    block_bytes: u32,
    blocks: u32,
    chunks: Vec<Chunk>,
}

impl Plan {
    /// Looks through the content.
    ///
    /// # Errors
    /// A block size that cannot be, content that does not go into such blocks, or a fault of the medium.
    pub fn of(content: &(impl ReadAt + ?Sized), block_bytes: u32) -> Result<Self, PlanError> {
        if block_bytes == 0 || !block_bytes.is_multiple_of(4) || u64::from(block_bytes) > MOST_RAW {
            return Err(PlanError::BlockBytes(block_bytes));
        }
        let bytes = content.len();
        if !bytes.is_multiple_of(block_bytes.into()) {
            return Err(PlanError::Length { bytes, block_bytes });
        }
        let blocks = bytes.checked_div(block_bytes.into()).and_then(|it| u32::try_from(it).ok());
        let blocks = blocks.ok_or(PlanError::TooLarge)?;
        let most_raw = u32::try_from(MOST_RAW.checked_div(block_bytes.into()).unwrap_or(1)).unwrap_or(1);
        let mut chunks: Vec<Chunk> = Vec::new();
        let mut block = vec![0; usize::try_from(block_bytes).unwrap_or(0)];
        for number in 0..blocks {
            content.read_at(u64::from(number).saturating_mul(block_bytes.into()), &mut block)?;
            let fill = repeated(&block);
            match chunks.last_mut() {
                Some(last) if last.fill == fill && (fill.is_some() || last.blocks < most_raw) => {
                    last.blocks = last.blocks.saturating_add(1);
                }
                _ => chunks.push(Chunk { fill, blocks: 1 }),
            }
        }
        let few = u32::try_from(chunks.len()).is_ok_and(|count| count <= MOST_CHUNKS);
        if few { Ok(Self { block_bytes, blocks, chunks }) } else { Err(PlanError::TooLarge) }
    }

    /// Bytes of the sparse image.
    #[must_use]
    pub fn file_bytes(&self) -> u64 {
        let chunk = |it: &Chunk| self.payload(*it).saturating_add(CHUNK_BYTES.into());
        self.chunks.iter().map(chunk).fold(HEADER_BYTES.into(), u64::saturating_add)
    }

    fn payload(&self, chunk: Chunk) -> u64 {
        let raw = u64::from(chunk.blocks).saturating_mul(self.block_bytes.into());
        if chunk.fill.is_some() { 4 } else { raw }
    }

    /// Hands out the bytes of the image in order. `content` must be what the plan was made of.
    ///
    /// # Errors
    /// The first that `content` or `out` gives.
    pub fn write<E: From<ReadError>>(
        &self,
        content: &(impl ReadAt + ?Sized),
        out: &mut dyn FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut head = MAGIC.to_vec();
        let count = u32::try_from(self.chunks.len()).unwrap_or(u32::MAX);
        head.extend([1, 0, HEADER_BYTES, CHUNK_BYTES].map(u16::to_le_bytes).as_flattened());
        head.extend([self.block_bytes, self.blocks, count, 0].map(u32::to_le_bytes).as_flattened());
        out(&head)?;
        let mut at = 0_u64;
        let mut piece = vec![0; PIECE];
        for &chunk in &self.chunks {
            let payload = self.payload(chunk);
            let total = u32::try_from(payload.saturating_add(CHUNK_BYTES.into())).unwrap_or(u32::MAX);
            let kind = if chunk.fill.is_some() { 0xCAC2_u32 } else { 0xCAC1 };
            out([kind, chunk.blocks, total].map(u32::to_le_bytes).as_flattened())?;
            let end = at.saturating_add(u64::from(chunk.blocks).saturating_mul(self.block_bytes.into()));
            if let Some(four) = chunk.fill {
                out(&four)?;
                at = end;
            }
            while at < end {
                let now = usize::try_from(end.saturating_sub(at)).unwrap_or(PIECE).min(PIECE);
                let Some(now) = piece.get_mut(..now) else { break };
                content.read_at(at, now)?;
                out(now)?;
                at = at.saturating_add(u64::try_from(now.len()).unwrap_or(u64::MAX));
            }
        }
        Ok(())
    }
}

/// The four bytes a block repeats, if that is all it does.
fn repeated(block: &[u8]) -> Option<[u8; 4]> {
    let (fours, _) = block.as_chunks::<4>();
    let first = *fours.first()?;
    fours.iter().all(|it| *it == first).then_some(first)
}
