//! Android sparse images: what flash tools take in place of a raw image that is mostly empty (formats.md section 6.7).
//!
//! [`Sparse::read`] takes the chunk headers only and gives the raw content as a [`ReadAt`], so that an image of many
//! gigabytes is never expanded in memory. [`Plan`] goes the other way: one look through the content tells the chunks,
//! a second one writes them. Stretches nobody cares about read as zeros. Checksums are passed over: no file at hand
//! carries one, so what a chunk of that kind covers could not be confirmed.

mod write;

use alloc::vec::Vec;

pub use write::{Plan, PlanError};

use crate::read_at::{ReadAt, ReadError};
use crate::table::field;

/// The first four bytes.
pub const MAGIC: [u8; 4] = 0xED26_FF3A_u32.to_le_bytes();

/// Bytes of the file header as everyone writes it; a larger one says so itself.
pub const HEADER_BYTES: u16 = 28;

/// Bytes of a chunk header as everyone writes it; a larger one says so in the file header.
pub const CHUNK_BYTES: u16 = 12;

/// Most chunks a file may have: enough for 8 GiB in which every other block of 4096 bytes is empty. The bound keeps
/// what a hostile file takes in memory small.
pub const MOST_CHUNKS: u32 = 1 << 21;

/// The file header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Version, before and after the dot; 1.0.
    pub version: (u16, u16),
    /// Bytes of this header.
    pub header_bytes: u16,
    /// Bytes of a chunk header.
    pub chunk_bytes: u16,
    /// Bytes of a block, 4096 as everyone writes it.
    pub block_bytes: u32,
    /// Blocks of the raw content.
    pub blocks: u32,
    /// Chunks of the file.
    pub chunks: u32,
    /// The stored checksum of the content, 0 where the writer left it out.
    pub checksum: u32,
}

impl Header {
    /// Reads the header that `bytes` begin with.
    ///
    /// # Errors
    /// Another magic number or version, or sizes nothing can be read by.
    pub fn parse(bytes: &[u8]) -> Result<Self, SparseError> {
        if !bytes.starts_with(&MAGIC) {
            return Err(SparseError::NoMagic);
        }
        let half = |at| field::bytes(bytes, at).map(u16::from_le_bytes);
        let word = |at| field::le32(bytes, at);
        let fields = || {
            Some(Self {
                version: (half(4)?, half(6)?),
                header_bytes: half(8)?,
                chunk_bytes: half(10)?,
                block_bytes: word(12)?,
                blocks: word(16)?,
                chunks: word(20)?,
                checksum: word(24)?,
            })
        };
        let header = fields().ok_or(SparseError::CutHeader)?;
        if header.version.0 != 1 {
            return Err(SparseError::Version(header.version.0, header.version.1));
        }
        let Self { header_bytes, chunk_bytes, block_bytes, .. } = header;
        if header_bytes < HEADER_BYTES || chunk_bytes < CHUNK_BYTES {
            return Err(SparseError::HeaderBytes { header_bytes, chunk_bytes });
        }
        if block_bytes == 0 || !block_bytes.is_multiple_of(4) {
            return Err(SparseError::BlockBytes(block_bytes));
        }
        Ok(header)
    }

    /// Bytes of the raw content.
    #[must_use]
    pub fn raw_bytes(&self) -> u64 {
        u64::from(self.block_bytes).saturating_mul(self.blocks.into())
    }
}

/// Why bytes are no sparse image that can be expanded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SparseError {
    /// The bytes could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// Another beginning.
    #[error("no sparse image: it does not begin with 3A FF 26 ED")]
    NoMagic,
    /// The file ends within its header.
    #[error("the file ends within its header")]
    CutHeader,
    /// A version other than 1.
    #[error("sparse image of version {0}.{1}; 1.0 is known")]
    Version(u16, u16),
    /// Headers smaller than their fields.
    #[error("headers of {header_bytes} and {chunk_bytes} bytes; they take at least 28 and 12")]
    HeaderBytes {
        /// Bytes of the file header.
        header_bytes: u16,
        /// Bytes of a chunk header.
        chunk_bytes: u16,
    },
    /// A block size that fills do not divide.
    #[error("blocks of {0} bytes; a multiple of 4 is needed")]
    BlockBytes(u32),
    /// More chunks than [`MOST_CHUNKS`].
    #[error("{0} chunks; at most {MOST_CHUNKS} are read")]
    TooMany(u32),
    /// The file ends before or within a chunk.
    #[error("the file ends within chunk {chunk} at {at:#x}")]
    Cut {
        /// The chunk, from 0.
        chunk: u32,
        /// Where it begins.
        at: u64,
    },
    /// A chunk of no known kind.
    #[error("chunk {chunk} at {at:#x} is of the unknown kind {kind:#06x}")]
    Kind {
        /// The chunk, from 0.
        chunk: u32,
        /// Where it begins.
        at: u64,
        /// Its kind.
        kind: u16,
    },
    /// A chunk whose size does not go with its kind and blocks.
    #[error("chunk {chunk} at {at:#x} says {told} bytes; it takes {wanted}")]
    ChunkBytes {
        /// The chunk, from 0.
        chunk: u32,
        /// Where it begins.
        at: u64,
        /// Bytes it says.
        told: u32,
        /// Bytes its kind and blocks take.
        wanted: u64,
    },
    /// The chunks do not add up to the blocks of the header.
    #[error("the chunks hold {found} blocks; the header says {told}")]
    Blocks {
        /// Blocks of all chunks.
        found: u64,
        /// Blocks of the header.
        told: u32,
    },
}

/// How many chunks there are of each kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Chunks that carry their blocks.
    pub raw: u32,
    /// Chunks that repeat four bytes.
    pub fill: u32,
    /// Chunks nobody cares about.
    pub dont_care: u32,
    /// Chunks that carry a checksum.
    pub checksum: u32,
}

/// Where the bytes of a stretch of blocks are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Content {
    /// In the file from here on.
    Raw(u64),
    /// These, again and again.
    Fill([u8; 4]),
}

/// A stretch of blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Run {
    /// First byte of the raw content.
    start: u64,
    content: Content,
}

/// A sparse image, to be read as its raw content.
#[derive(Debug, Clone)]
pub struct Sparse<S> {
    source: S,
    header: Header,
    counts: Counts,
    end: u64,
    runs: Vec<Run>,
}

impl<S: ReadAt> Sparse<S> {
    /// Reads the headers of file and chunks.
    ///
    /// # Errors
    /// Not a sparse image, or one whose chunks do not hold together; the first fault met.
    pub fn read(source: S) -> Result<Self, SparseError> {
        let mut bytes = [0; 28];
        let here = usize::try_from(source.len()).unwrap_or(usize::MAX).min(bytes.len());
        let head = bytes.get_mut(..here).unwrap_or_default();
        source.read_at(0, head)?;
        let header = Header::parse(head)?;
        if u64::from(header.header_bytes) > source.len() {
            return Err(SparseError::CutHeader);
        }
        if header.chunks > MOST_CHUNKS {
            return Err(SparseError::TooMany(header.chunks));
        }
        let mut sparse = Self {
            source,
            header,
            counts: Counts::default(),
            end: header.header_bytes.into(),
            runs: Vec::new(),
        };
        let mut blocks = 0_u64;
        for chunk in 0..header.chunks {
            blocks = blocks.saturating_add(sparse.take(chunk, blocks)?);
        }
        if blocks != u64::from(header.blocks) {
            return Err(SparseError::Blocks { found: blocks, told: header.blocks });
        }
        Ok(sparse)
    }

    /// Takes the chunk at the end of what is read; gives its blocks.
    fn take(&mut self, chunk: u32, before: u64) -> Result<u64, SparseError> {
        let at = self.end;
        let data = at.saturating_add(self.header.chunk_bytes.into());
        if data > self.source.len() {
            return Err(SparseError::Cut { chunk, at });
        }
        let mut head = [0; 12];
        self.source.read_at(at, &mut head)?;
        let [k0, k1, _, _, b0, b1, b2, b3, t0, t1, t2, t3] = head;
        let (kind, told) = (u16::from_le_bytes([k0, k1]), u32::from_le_bytes([t0, t1, t2, t3]));
        let blocks = u32::from_le_bytes([b0, b1, b2, b3]);
        let bytes = u64::from(blocks).saturating_mul(self.header.block_bytes.into());
        let start = before.saturating_mul(self.header.block_bytes.into());
        let (counter, payload, content) = match kind {
            0xCAC1 => (&mut self.counts.raw, bytes, Some(Content::Raw(data))),
            0xCAC2 => (&mut self.counts.fill, 4, Some(Content::Fill([0; 4]))),
            0xCAC3 => (&mut self.counts.dont_care, 0, Some(Content::Fill([0; 4]))),
            0xCAC4 => (&mut self.counts.checksum, 4, None),
            _ => return Err(SparseError::Kind { chunk, at, kind }),
        };
        *counter = counter.saturating_add(1);
        let wanted = u64::from(self.header.chunk_bytes).saturating_add(payload);
        if u64::from(told) != wanted {
            return Err(SparseError::ChunkBytes { chunk, at, told, wanted });
        }
        let end = at.saturating_add(wanted);
        if end > self.source.len() {
            return Err(SparseError::Cut { chunk, at });
        }
        self.end = end;
        let Some(mut content) = content else { return Ok(0) };
        if kind == 0xCAC2 {
            let mut four = [0; 4];
            self.source.read_at(data, &mut four)?;
            content = Content::Fill(four);
        }
        if blocks > 0 {
            self.runs.push(Run { start, content });
        }
        Ok(blocks.into())
    }

    /// The header.
    #[must_use]
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// How many chunks there are of each kind.
    #[must_use]
    pub const fn counts(&self) -> Counts {
        self.counts
    }

    /// First byte of the file behind the last chunk.
    #[must_use]
    pub const fn file_bytes(&self) -> u64 {
        self.end
    }
}

/// The raw content.
impl<S: ReadAt> ReadAt for Sparse<S> {
    fn len(&self) -> u64 {
        self.header.raw_bytes()
    }

    fn read_at(&self, at: u64, into: &mut [u8]) -> Result<(), ReadError> {
        let len = ReadAt::len(self);
        let wanted = u64::try_from(into.len()).unwrap_or(u64::MAX);
        if at.checked_add(wanted).is_none_or(|end| end > len) {
            return Err(ReadError::Beyond { at, wanted, len });
        }
        let (mut at, mut rest) = (at, into);
        let mut run = self.runs.partition_point(|it| it.start <= at).saturating_sub(1);
        while !rest.is_empty() {
            let Some(Run { start, content }) = self.runs.get(run) else { break };
            run = run.saturating_add(1);
            let end = self.runs.get(run).map_or(len, |it| it.start);
            let in_run = usize::try_from(end.saturating_sub(at)).unwrap_or(usize::MAX).min(rest.len());
            let Some((now, later)) = rest.split_at_mut_checked(in_run) else { break };
            let offset = at.saturating_sub(*start);
            match content {
                Content::Raw(data) => self.source.read_at(data.saturating_add(offset), now)?,
                Content::Fill(four) => {
                    let phase = usize::try_from(offset % 4).unwrap_or(0);
                    let bytes = four.iter().cycle().skip(phase);
                    now.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
                }
            }
            at = at.saturating_add(u64::try_from(in_run).unwrap_or(u64::MAX));
            rest = later;
        }
        Ok(())
    }
}
