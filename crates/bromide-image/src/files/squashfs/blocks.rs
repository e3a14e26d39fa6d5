//! Blocks of SquashFS, unpacked one at a time: those of metadata, which follow each other, and those of data.

use alloc::format;
use alloc::rc::Rc;
use alloc::vec;
use alloc::vec::Vec;
use core::cell::RefCell;

use lz4_flex::block::decompress_into;
use lzma_rust2::{LzmaReader, Read, XzReader};
use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::inflate_flags::{
    TINFL_FLAG_COMPUTE_ADLER32, TINFL_FLAG_PARSE_ZLIB_HEADER, TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF,
};
use miniz_oxide::inflate::core::{DecompressorOxide, decompress};

use crate::files::FilesError;
use crate::identify::fields::{narrow, wide};
use crate::read_at::{ReadAt, ReadError};

/// Most bytes of a block of metadata, packed or not.
const METADATA: usize = 8192;
/// Set where a block of metadata is stored as it is; its length is in the other bits.
const METADATA_AS_IS: u16 = 0x8000;
/// The same of a block of data.
const DATA_AS_IS: u32 = 1 << 24;

/// Blocks kept unpacked: some half a megabyte of metadata, and at most four of data.
const KEPT_METADATA: usize = 64;
const KEPT_DATA: usize = 4;

/// Most memory for a dictionary of xz or LZMA, in KiB: one is no longer than a block, 1 MiB at most.
const LZMA_MEMORY: u32 = 16 << 10;

/// How blocks are packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Packing {
    Zlib,
    Lzma,
    Xz,
    Lz4,
}

impl Packing {
    /// Of its number in the superblock; or its name, where it is not unpacked here.
    pub(super) const fn of(number: u16) -> Result<Self, &'static str> {
        match number {
            1 => Ok(Self::Zlib),
            2 => Ok(Self::Lzma),
            4 => Ok(Self::Xz),
            5 => Ok(Self::Lz4),
            3 => Err("LZO"),
            6 => Err("Zstandard"),
            _ => Err("something unknown"),
        }
    }

    /// What is packed; `None` where it is damaged or longer than `most`.
    fn unpack(self, packed: &[u8], most: usize) -> Option<Vec<u8>> {
        let mut out = vec![0; most];
        let len = match self {
            Self::Zlib => {
                let flags = TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF
                    | TINFL_FLAG_PARSE_ZLIB_HEADER
                    | TINFL_FLAG_COMPUTE_ADLER32;
                let found = decompress(&mut DecompressorOxide::new(), packed, &mut out, 0, flags);
                (found.0 == TINFLStatus::Done).then_some(found.2)?
            }
            Self::Lz4 => decompress_into(packed, &mut out).ok()?,
            Self::Xz => fill(XzReader::new_mem_limit(packed, false, LZMA_MEMORY), &mut out)?,
            Self::Lzma => fill(LzmaReader::new_mem_limit(packed, LZMA_MEMORY, None).ok()?, &mut out)?,
        };
        out.truncate(len);
        Some(out)
    }
}

/// Fills `out` as far as it goes; `None` where the stream is damaged or goes on behind it.
fn fill(mut from: impl Read, out: &mut [u8]) -> Option<usize> {
    let mut done = 0_usize;
    while let Some(rest @ [_, ..]) = out.get_mut(done..) {
        match from.read(rest) {
            Ok(0) => return Some(done),
            Ok(len) => done = done.saturating_add(len),
            Err(_) => return None,
        }
    }
    matches!(from.read(&mut [0]), Ok(0)).then_some(done)
}

/// A place in metadata.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    /// Where its block begins in the image.
    pub(super) block: u64,
    /// The byte in it, unpacked.
    pub(super) offset: usize,
}

/// A block of metadata.
#[derive(Clone)]
struct Metadata {
    bytes: Rc<Vec<u8>>,
    /// Where the next one begins.
    next: u64,
}

/// Blocks by their place, the ones used last at the end.
struct Kept<T>(Vec<(u64, T)>);

impl<T: Clone> Kept<T> {
    fn get(&mut self, at: u64) -> Option<T> {
        let index = self.0.iter().position(|it| it.0 == at)?;
        let found = self.0.remove(index);
        let value = found.1.clone();
        self.0.push(found);
        Some(value)
    }

    fn put(&mut self, at: u64, value: &T, most: usize) {
        if self.0.len() >= most {
            self.0.remove(0);
        }
        self.0.push((at, value.clone()));
    }
}

/// The blocks of an image.
pub(super) struct Blocks {
    source: Rc<dyn ReadAt>,
    packing: Packing,
    /// Most bytes of a block of data.
    most: usize,
    metadata: RefCell<Kept<Metadata>>,
    data: RefCell<Kept<Rc<Vec<u8>>>>,
}

impl Blocks {
    pub(super) fn new(source: Rc<dyn ReadAt>, packing: Packing, most: usize) -> Self {
        let (metadata, data) = (RefCell::new(Kept(Vec::new())), RefCell::new(Kept(Vec::new())));
        Self { source, packing, most, metadata, data }
    }

    /// Bytes of the image as they are.
    pub(super) fn raw(&self, at: u64, into: &mut [u8]) -> Result<(), ReadError> {
        self.source.read_at(at, into)
    }

    fn stored(&self, at: u64, len: usize, as_is: bool, most: usize) -> Result<Vec<u8>, FilesError> {
        let damaged = || FilesError::Unreadable(format!("the block at {at:#x} is damaged"));
        if len == 0 || len > most {
            return Err(damaged());
        }
        let mut bytes = vec![0; len];
        self.raw(at, &mut bytes)?;
        let bytes = if as_is { Some(bytes) } else { self.packing.unpack(&bytes, most) };
        bytes.filter(|it| !it.is_empty()).ok_or_else(damaged)
    }

    fn block(&self, at: u64) -> Result<Metadata, FilesError> {
        if let Some(known) = self.metadata.borrow_mut().get(at) {
            return Ok(known);
        }
        let mut head = [0; 2];
        self.raw(at, &mut head)?;
        let head = u16::from_le_bytes(head);
        let (begin, len) = (at.saturating_add(2), usize::from(head & !METADATA_AS_IS));
        let bytes = self.stored(begin, len, head & METADATA_AS_IS != 0, METADATA)?;
        let block = Metadata { bytes: Rc::new(bytes), next: begin.saturating_add(wide(len)) };
        self.metadata.borrow_mut().put(at, &block, KEPT_METADATA);
        Ok(block)
    }

    /// Fills `into` with metadata from a place on, which moves behind it.
    pub(super) fn metadata(&self, place: &mut Place, into: &mut [u8]) -> Result<(), FilesError> {
        let mut done = 0_usize;
        while let Some(left @ [_, ..]) = into.get_mut(done..) {
            let block = self.block(place.block)?;
            let rest = block.bytes.get(place.offset..).ok_or_else(|| {
                FilesError::Unreadable(format!("the metadata at {:#x} is too short", place.block))
            })?;
            let len = rest.len().min(left.len());
            left.iter_mut().zip(rest).for_each(|(into, byte)| *into = *byte);
            done = done.saturating_add(len);
            place.offset = place.offset.saturating_add(len);
            if len == rest.len() {
                *place = Place { block: block.next, offset: 0 };
            }
        }
        Ok(())
    }

    /// A block of data, from its place and the word that tells how it is stored.
    pub(super) fn data(&self, at: u64, word: u32) -> Result<Rc<Vec<u8>>, FilesError> {
        if let Some(known) = self.data.borrow_mut().get(at) {
            return Ok(known);
        }
        let len = narrow((word & !DATA_AS_IS).into());
        let block = Rc::new(self.stored(at, len, word & DATA_AS_IS != 0, self.most)?);
        self.data.borrow_mut().put(at, &block, KEPT_DATA);
        Ok(block)
    }

    /// An entry of a table whose blocks of metadata are found by a list of places at `list`.
    pub(super) fn indexed<const N: usize>(&self, list: u64, index: u64) -> Result<[u8; N], FilesError> {
        let size = wide(N).max(1);
        let at = index.saturating_mul(size);
        let nth = at.checked_div(wide(METADATA)).unwrap_or(0);
        let mut block = [0; 8];
        self.raw(list.saturating_add(nth.saturating_mul(8)), &mut block)?;
        let offset = narrow(at.checked_rem(wide(METADATA)).unwrap_or(0));
        let mut entry = [0; N];
        self.metadata(&mut Place { block: u64::from_le_bytes(block), offset }, &mut entry)?;
        Ok(entry)
    }
}

/// Bytes of a block of data as its word tells them: what the next one begins behind.
pub(super) fn stored_bytes(word: u32) -> u64 {
    (word & !DATA_AS_IS).into()
}
