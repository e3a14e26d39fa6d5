//! A map from a file of any size and kind: text, or a dump that has a table of the flash in it.
//!
//! A dump is read where its tables lie and nowhere else, so that one of many gigabytes never is in memory: GPT first,
//! then the PMT, which has names, then the MBR, which has none (formats.md sections 5.1 to 5.3). A table alone, cut
//! out of its dump, does too.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;

use super::error::{Fault, MapError};
use super::{Content, Map, detect, lines, nand_pages, of_emmc_pmt, of_gpt, of_mbr, of_pmt, read};
use crate::read_at::{ReadAt, ReadError};
use crate::table::gpt::{self, GptError};
use crate::table::mbr;
use crate::table::pmt::{self, PmtError, Which, emmc};

/// Most bytes of text a map may have: the largest real scatter file has 80 KiB.
pub const MOST_TEXT_BYTES: u64 = 16 << 20;

/// Bytes at the start by which text and dumps are told apart.
const HEAD: u64 = 0x1_0000;

/// Why a file gives no map.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The bytes could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The text has a fault.
    #[error(transparent)]
    Text(#[from] MapError),
    /// More text than a map has.
    #[error("{0} bytes of text are too many for a map or a list")]
    TooLong(u64),
    /// A dump, and no table in it.
    #[error("no partition table is in this dump: no GPT, no PMT and no MBR, each where it would have to be")]
    NoTable,
    /// A table that cannot be read.
    #[error("{0}")]
    Table(String),
}

/// Reads a partition map from text of any kind, from a table of the flash, or from a dump that has one.
///
/// # Errors
/// The file cannot be read, the text has a fault, or there is no table that can be read.
pub fn read_at(source: &(impl ReadAt + ?Sized)) -> Result<Content, OpenError> {
    let head = bytes(source, 0, HEAD)?;
    if !is_dump(&head) {
        let len = source.len();
        if len > MOST_TEXT_BYTES {
            return Err(OpenError::TooLong(len));
        }
        return Ok(read(&bytes(source, 0, len)?)?);
    }
    if let Some(map) = table(source)? {
        return Ok(Content::Map(map));
    }
    match detect::detect(lines::without_bom(&head)) {
        Err(error) if matches!(error.what, Fault::NotAMap(what) if what != detect::BINARY) => {
            Err(error.into())
        }
        _ => Err(OpenError::NoTable),
    }
}

/// Reads the table of a dump; `None` for what is text or has no table.
///
/// # Errors
/// The dump cannot be read, or its only table is broken.
pub fn read_dump(source: &(impl ReadAt + ?Sized)) -> Result<Option<Map>, OpenError> {
    if is_dump(&bytes(source, 0, HEAD)?) { table(source) } else { Ok(None) }
}

/// Text has no zeros, and nothing but FF is an erased chip. A PMT begins with text, but not for long.
fn is_dump(head: &[u8]) -> bool {
    head.contains(&0) || head.starts_with(&[0xFF; 4])
}

/// `len` bytes from `at` on, or as many as there are.
pub(super) fn bytes(source: &(impl ReadAt + ?Sized), at: u64, len: u64) -> Result<Vec<u8>, ReadError> {
    let len = source.len().saturating_sub(at).min(len);
    let mut bytes = vec![0; usize::try_from(len).unwrap_or(0)];
    if !bytes.is_empty() {
        source.read_at(at, &mut bytes)?;
    }
    Ok(bytes)
}

/// The table of a dump, where it has one. A table that is there and cannot be read is only an error when there is no
/// other.
fn table(source: &(impl ReadAt + ?Sized)) -> Result<Option<Map>, OpenError> {
    let mut broken = None;
    match from_gpt(source) {
        Ok(map) => return Ok(Some(map)),
        Err(GptError::Read(error)) => return Err(error.into()),
        Err(GptError::NoSignature) => {}
        Err(other) => broken = Some(format!("GPT: {other}")),
    }
    let pmt = match from_emmc_pmt(source) {
        Err(PmtError::NoSignature | PmtError::NotClosed | PmtError::Short { .. }) => nand_pmt(source),
        other => other,
    };
    match pmt {
        Ok(map) => return Ok(Some(map)),
        Err(PmtError::Read(error)) => return Err(error.into()),
        Err(PmtError::NoSignature) => {}
        Err(other) => broken = broken.or_else(|| Some(format!("PMT: {other}"))),
    }
    match from_mbr(source) {
        Ok(Some(map)) => return Ok(Some(map)),
        Ok(None) => {}
        Err(mbr::MbrError::Read(error)) => return Err(error.into()),
        Err(other) => broken = broken.or_else(|| Some(format!("MBR: {other}"))),
    }
    broken.map_or(Ok(None), |what| Err(OpenError::Table(what)))
}

fn from_gpt(source: &(impl ReadAt + ?Sized)) -> Result<Map, GptError> {
    let found = match sgdisk_backup(source)? {
        Some((block_bytes, start)) => {
            gpt::read_copy(&start, gpt::Which::Primary, block_bytes, u64::from(block_bytes))?
        }
        None => gpt::read(source)?,
    };
    let mut map = of_gpt(&found.table);
    let mut notes = Vec::new();
    if found.which == gpt::Which::Backup {
        notes.push("read from the backup at the end of the device".to_string());
    }
    notes.extend(found.warnings.iter().map(ToString::to_string));
    map.notes.splice(..0, notes);
    Ok(map)
}

/// What `sgdisk --backup` saves, made into the start of a device: protective MBR, both headers, entries, with 512
/// bytes for each of the first three whatever the blocks are.
fn sgdisk_backup(source: &(impl ReadAt + ?Sized)) -> Result<Option<(u32, Vec<u8>)>, ReadError> {
    let saved = bytes(source, 0, gpt::MOST_TABLE_BYTES)?;
    let part = |from: usize, to: usize| saved.get(from..to).unwrap_or_default();
    let (mbr, header, other, entries) =
        (part(0, 512), part(512, 1024), part(1024, 1536), saved.get(1536..).unwrap_or_default());
    let signature = b"EFI PART";
    let of = |header: &[u8], at: usize| {
        let number = header.get(at..).and_then(|it| it.first_chunk().copied());
        number.map_or(0, u64::from_le_bytes)
    };
    let is_one = header.starts_with(signature)
        && other.starts_with(signature)
        && of(header, 32) == of(other, 24)
        && of(header, 24) == 1;
    if !is_one {
        return Ok(None);
    }
    // Which blocks the device has is not told; but the first usable one lies behind the entries.
    let before = u64::try_from(entries.len()).unwrap_or(0).saturating_add(1024);
    let block = if of(header, 40).saturating_mul(512) < before { 4096 } else { 512 };
    let size = usize::try_from(block).unwrap_or(512);
    let mut start = mbr.to_vec();
    start.resize(size, 0);
    start.extend(header);
    start.resize(size.saturating_mul(2), 0);
    start.extend(entries);
    Ok(Some((block, start)))
}

fn from_emmc_pmt(source: &(impl ReadAt + ?Sized)) -> Result<Map, PmtError> {
    let head = bytes(source, 0, 0x2000)?;
    let cut_out = Which::of(&head).map(|_| emmc::read(&head).or_else(|_| emmc::read_late(&head)));
    let (table, differ) = match cut_out {
        Some(Ok(table)) => (table, false),
        // A page of NAND begins like a record; the entries decide.
        Some(Err(_)) => return Err(PmtError::NotClosed),
        None => {
            let found = emmc::find(source)?;
            let differ = found.differ();
            (found.best().ok_or(PmtError::NoSignature)?.table.clone(), differ)
        }
    };
    Ok(with_remarks(of_emmc_pmt(&table.partitions), &table, differ))
}

fn nand_pmt(source: &(impl ReadAt + ?Sized)) -> Result<Map, PmtError> {
    let found = nand_pages::find(source)?;
    let best = found.best().ok_or(PmtError::NoSignature)?;
    Ok(with_remarks(of_pmt(&best.table.partitions), &best.table, found.differ()))
}

fn with_remarks(mut map: Map, table: &pmt::Table, differ: bool) -> Map {
    let mirror = (table.which == Which::Mpt).then(|| "read from the mirror of the table".to_string());
    let differ = differ.then(|| "the table and its mirror name different partitions".to_string());
    // A dump without spare bytes is the usual one, and nothing to speak of.
    let warnings = table.warnings.iter().filter(|it| !matches!(it, pmt::Warning::NoSpare(_)));
    let notes: Vec<String> = warnings.map(ToString::to_string).chain(mirror).chain(differ).collect();
    map.notes.splice(..0, notes);
    map
}

/// The chain, where it has partitions. That of a GPT has none of its own, and the first sector of a file system may
/// look like an empty one.
fn from_mbr(source: &(impl ReadAt + ?Sized)) -> Result<Option<Map>, mbr::MbrError> {
    if source.len() < mbr::SECTOR_BYTES {
        return Ok(None);
    }
    let chain = match mbr::read(source) {
        Err(mbr::MbrError::NoSignature | mbr::MbrError::NoTable { .. }) => return Ok(None),
        other => other?,
    };
    if chain.is_protective() || chain.partitions().is_empty() {
        return Ok(None);
    }
    Ok(Some(of_mbr(&chain)))
}
