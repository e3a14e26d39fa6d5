//! Compressed streams as a phone's kernel unpacks them: gzip, LZ4 in its legacy form, xz and LZMA (RFC 1951 and 1952; the
//! legacy frame of the LZ4 frame format description; the .xz file format), one or more in a row.

use alloc::format;
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::Cell;

use lz4_flex::block::decompress_into;
use lzma_rust2::{LzmaReader, Read, XzReader};
use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::inflate_flags::TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF;
use miniz_oxide::inflate::core::{DecompressorOxide, decompress};

use super::FilesError;
use crate::identify::fields::{byte, has, le16, le32, narrow, wide};

/// Most bytes unpacked: nothing a phone starts from is larger.
pub(super) const MOST: usize = 256 << 20;

/// Memory for what is unpacked of one image, all of its partitions together: many that claim the same bytes must not
/// take it many times.
#[derive(Debug, Clone)]
pub(super) struct Room(Rc<Cell<usize>>);

impl Default for Room {
    fn default() -> Self {
        Self(Rc::new(Cell::new(MOST)))
    }
}

impl Room {
    /// Bytes left.
    pub(super) fn left(&self) -> usize {
        self.0.get()
    }

    /// Takes some for as long as the image is open.
    pub(super) fn take(&self, bytes: usize) -> Result<(), FilesError> {
        self.0.set(self.left().checked_sub(bytes).ok_or_else(too_large)?);
        Ok(())
    }
}

/// Bytes of an LZ4 block unpacked, except the last.
const LZ4_BLOCK: usize = 8 << 20;
/// Most bytes of one packed: what nothing can be done with grows by 1/255 and 16.
const LZ4_LONGEST: u32 = 8_421_520;
const LZ4_MAGIC: u32 = 0x184C_2102;

/// Most memory for the dictionary of an xz or LZMA stream, in KiB.
const LZMA_MEMORY: u32 = 128 << 10;

/// A way of packing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Packing {
    /// gzip.
    Gzip,
    /// LZ4, legacy form.
    Lz4,
    /// xz.
    Xz,
    /// LZMA with its old header.
    Lzma,
    /// One that is known by name only.
    Foreign(&'static str),
}

impl Packing {
    /// Of what begins with these bytes; `None` when they are of no packing known.
    pub(super) fn of(head: &[u8]) -> Option<Self> {
        const FOREIGN: [(&[u8], &str); 4] = [
            (b"BZh", "bzip2"),
            (b"\x89LZO", "lzop"),
            (b"\x28\xb5\x2f\xfd", "Zstandard"),
            (b"\x04\x22\x4d\x18", "LZ4 frames"),
        ];
        if has(head, 0, &[0x1F, 0x8B, 8]) {
            return Some(Self::Gzip);
        }
        if head.len() >= 4 && le32(head, 0) == LZ4_MAGIC {
            return Some(Self::Lz4);
        }
        if has(head, 0, b"\xfd7zXZ\0") {
            return Some(Self::Xz);
        }
        // Usual parameters, and a dictionary of some power of two from 64 KiB up.
        if has(head, 0, b"\x5d\0\0") && le32(head, 1).is_power_of_two() {
            return Some(Self::Lzma);
        }
        FOREIGN.iter().find(|(magic, _)| has(head, 0, magic)).map(|it| Self::Foreign(it.1))
    }
}

/// What streams hold, one after the other, and what was odd about them. `most`: bytes after which it stops, with the
/// beginning unpacked.
pub(super) fn unpack(packed: &[u8], most: usize) -> Result<(Vec<u8>, Option<&'static str>), FilesError> {
    let mut all = Vec::new();
    let mut rest = packed;
    while let Some(packing) = Packing::of(rest) {
        rest = match packing {
            Packing::Gzip => gunzip(rest, &mut all, most)?,
            Packing::Lz4 => unlz4(rest, &mut all, most)?,
            Packing::Xz => unxz(rest, &mut all, most)?,
            Packing::Lzma => unlzma(rest, &mut all, most)?,
            Packing::Foreign(name) => {
                return Err(FilesError::Unreadable(format!(
                    "it is packed with {name}, which is not unpacked here"
                )));
            }
        };
        // Between two there may be padding.
        let next = rest.iter().position(|&byte| byte != 0).unwrap_or(rest.len());
        rest = rest.get(next..).unwrap_or_default();
    }
    let odd = (!rest.is_empty()).then_some("behind the packed bytes are others, which were left out");
    Ok((all, odd))
}

fn too_large() -> FilesError {
    FilesError::Unreadable(format!("unpacked, the archives of the image are larger than {} MiB", MOST >> 20))
}

/// The first bytes of what is packed here, as far as `head` reaches; at most `most`. xz gives none: its first block is
/// unpacked whole or not at all.
pub(super) fn begin(head: &[u8], most: usize) -> Vec<u8> {
    let mut out = alloc::vec![0; most];
    let len = match Packing::of(head) {
        Some(Packing::Gzip) => {
            let body = gzip_body(head).unwrap_or_default();
            let mut state = DecompressorOxide::new();
            decompress(&mut state, body, &mut out, 0, TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF).2
        }
        // An incomplete block cannot be unpacked; it begins with its literals as they are.
        Some(Packing::Lz4) => {
            let long = byte(head, 8) >> 4 == 0xF;
            let literals = head.get(if long { 10 } else { 9 }..).unwrap_or_default();
            out.iter_mut().zip(literals).for_each(|(into, literal)| *into = *literal);
            literals.len()
        }
        Some(Packing::Lzma) => LzmaReader::new_mem_limit(head, LZMA_MEMORY, None)
            .map_or(0, |mut reader| read_some(&mut reader, &mut out)),
        _ => 0,
    };
    out.truncate(len);
    out
}

/// Fills `out` as far as it goes.
fn read_some(from: &mut impl Read, out: &mut [u8]) -> usize {
    let mut done = 0_usize;
    while let Ok(len @ 1..) = from.read(out.get_mut(done..).unwrap_or_default()) {
        done = done.saturating_add(len);
    }
    done
}

/// What follows the header of a gzip member; `None` when that is cut off or of an unknown kind.
fn gzip_body(packed: &[u8]) -> Option<&[u8]> {
    let flags = byte(packed, 3);
    let mut rest = packed.get(10..).filter(|_| flags < 0x20)?;
    if flags & 4 != 0 {
        rest = rest.get(usize::from(le16(rest, 0)).saturating_add(2)..)?;
    }
    // Name and comment.
    for flag in [8, 16] {
        if flags & flag != 0 {
            let end = rest.iter().position(|&byte| byte == 0)?;
            rest = rest.get(end.saturating_add(1)..)?;
        }
    }
    if flags & 2 != 0 { rest.get(2..) } else { Some(rest) }
}

/// Adds a gzip member; gives what follows it.
fn gunzip<'a>(packed: &'a [u8], all: &mut Vec<u8>, most: usize) -> Result<&'a [u8], FilesError> {
    let damaged = |why| FilesError::Unreadable(format!("the gzip stream is damaged: {why}"));
    let mut rest = gzip_body(packed).ok_or_else(|| damaged("its header is not whole"))?;
    let mut state = DecompressorOxide::new();
    let (start, mut at) = (all.len(), all.len());
    let mut grow = 1_usize << 16;
    loop {
        if at == all.len() {
            if at >= most {
                return Err(too_large());
            }
            grow = grow.saturating_mul(2);
            all.resize(at.saturating_add(grow).min(most), 0);
        }
        let (here, flags) =
            (all.get_mut(start..).unwrap_or_default(), TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF);
        let (status, read, written) = decompress(&mut state, rest, here, at.saturating_sub(start), flags);
        rest = rest.get(read..).unwrap_or_default();
        at = at.saturating_add(written);
        match status {
            TINFLStatus::Done => break,
            TINFLStatus::HasMoreOutput => {}
            TINFLStatus::FailedCannotMakeProgress | TINFLStatus::NeedsMoreInput => {
                return Err(damaged("it is cut off"));
            }
            _ => return Err(damaged("it makes no sense")),
        }
    }
    all.truncate(at);
    let found = crc::Crc::<u32>::new(&crc::CRC_32_ISO_HDLC).checksum(all.get(start..).unwrap_or_default());
    let len = u32::try_from(at.saturating_sub(start)).unwrap_or(u32::MAX);
    match rest.split_at_checked(8) {
        Some((end, after)) if le32(end, 0) == found && le32(end, 4) == len => Ok(after),
        Some(_) => Err(damaged("its checksum is another")),
        None => Err(damaged("it is cut off")),
    }
}

/// Adds an LZ4 stream; gives what follows it.
fn unlz4<'a>(packed: &'a [u8], all: &mut Vec<u8>, most: usize) -> Result<&'a [u8], FilesError> {
    let damaged = || FilesError::Unreadable("the LZ4 stream is damaged".into());
    let mut rest = packed.get(4..).unwrap_or_default();
    loop {
        let len = le32(rest, 0);
        // The end is not marked: what is no length of a block does not belong to it. Some append the size of all.
        if rest.len() < 4 || len == LZ4_MAGIC || !(1..=LZ4_LONGEST).contains(&len) {
            let appended = rest.len() >= 4 && wide(all.len()) & 0xFFFF_FFFF == u64::from(len);
            return Ok(rest.get(if appended { 4 } else { 0 }..).unwrap_or_default());
        }
        let (_, body) = rest.split_at_checked(4).ok_or_else(damaged)?;
        let (block, after) = body.split_at_checked(narrow(len.into())).ok_or_else(damaged)?;
        let start = all.len();
        let room = LZ4_BLOCK.min(most.saturating_sub(start));
        all.resize(start.saturating_add(room), 0);
        let written = decompress_into(block, all.get_mut(start..).unwrap_or_default());
        let Ok(written) = written else {
            return Err(if room < LZ4_BLOCK { too_large() } else { damaged() });
        };
        all.truncate(start.saturating_add(written));
        rest = after;
    }
}

/// Adds an xz stream; gives what follows it.
fn unxz<'a>(packed: &'a [u8], all: &mut Vec<u8>, most: usize) -> Result<&'a [u8], FilesError> {
    let mut rest = packed;
    drain(XzReader::new_mem_limit(&mut rest, false, LZMA_MEMORY), all, most)?;
    Ok(rest)
}

/// Adds an LZMA stream; gives what follows it.
fn unlzma<'a>(packed: &'a [u8], all: &mut Vec<u8>, most: usize) -> Result<&'a [u8], FilesError> {
    let mut rest = packed;
    drain(LzmaReader::new_mem_limit(&mut rest, LZMA_MEMORY, None).map_err(lzma)?, all, most)?;
    Ok(rest)
}

fn lzma(error: lzma_rust2::Error) -> FilesError {
    FilesError::Unreadable(format!("the xz or LZMA stream is damaged: {error:?}"))
}

/// Adds all that a reader gives.
fn drain(mut from: impl Read, all: &mut Vec<u8>, most: usize) -> Result<(), FilesError> {
    let mut piece = alloc::vec![0; 1 << 16];
    loop {
        let len = from.read(&mut piece).map_err(lzma)?;
        if len == 0 {
            return Ok(());
        }
        all.extend(piece.get(..len).unwrap_or_default());
        if all.len() > most {
            return Err(too_large());
        }
    }
}
