//! Reading one copy of the table: its header, then its entries.

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use crc::{CRC_32_ISO_HDLC, Crc};

use super::{
    ENTRY_BYTES, Found, GptError, Guid, MOST_TABLE_BYTES, NAME_UNITS, Partition, Table, Warning, Which,
};
use crate::read_at::ReadAt;
use crate::table::field;

pub(super) const CRC32: Crc<u32> = Crc::<u32>::new(&CRC_32_ISO_HDLC);

pub(super) const SIGNATURE: &[u8; 8] = b"EFI PART";

/// Bytes of the header that have a meaning.
pub(super) const HEADER_BYTES: usize = 92;

/// The fields of a header that reading the entries needs.
struct Header {
    own_block: u64,
    other_block: u64,
    first_usable: u64,
    last_usable: u64,
    disk_guid: Guid,
    entries_block: u64,
    slots: u32,
    entry_bytes: u32,
    entries_crc: u32,
}

impl Header {
    fn of(block: &[u8]) -> Option<Self> {
        Some(Self {
            own_block: field::le64(block, 24)?,
            other_block: field::le64(block, 32)?,
            first_usable: field::le64(block, 40)?,
            last_usable: field::le64(block, 48)?,
            disk_guid: Guid(field::bytes(block, 56)?),
            entries_block: field::le64(block, 72)?,
            slots: field::le32(block, 80)?,
            entry_bytes: field::le32(block, 84)?,
            entries_crc: field::le32(block, 88)?,
        })
    }
}

pub(super) fn read(
    source: &(impl ReadAt + ?Sized),
    which: Which,
    block_bytes: u32,
    at: u64,
) -> Result<Found, GptError> {
    let left = source.len().saturating_sub(at).min(u64::from(block_bytes));
    let mut block = vec![0; usize::try_from(left).unwrap_or(0)];
    if !block.is_empty() {
        source.read_at(at, &mut block)?;
    }
    if !block.starts_with(SIGNATURE) {
        return Err(GptError::NoSignature);
    }
    let header = Header::of(&block).ok_or(GptError::CutHeader { at })?;
    let mut warnings = Vec::new();
    warnings.extend(check(&block, which, block_bytes));
    let per_block = u64::from(block_bytes);
    let own_block = at.checked_div(per_block).unwrap_or(0);
    if header.own_block != own_block {
        warnings.push(Warning::Misplaced { which, told: header.own_block });
    }
    let entries_at = match which {
        Which::Primary => header.entries_block.checked_mul(per_block),
        Which::Backup => header
            .own_block
            .checked_sub(header.entries_block)
            .and_then(|before| at.checked_sub(before.checked_mul(per_block)?)),
    };
    let entries_at = entries_at.ok_or(GptError::NoEntries { at })?;
    let entries = entries(source, which, at, entries_at, &header, &mut warnings)?;
    let partitions = partitions(&entries, &header, block_bytes, &mut warnings);
    let last_block = match which {
        Which::Primary => header.other_block,
        Which::Backup => header.own_block,
    };
    let table = Table {
        block_bytes,
        disk_guid: header.disk_guid,
        first_usable: header.first_usable,
        last_usable: header.last_usable,
        slots: header.slots,
        entry_bytes: header.entry_bytes,
        partitions,
    };
    let device_bytes = last_block.saturating_add(1).saturating_mul(per_block);
    Ok(Found { table, which, header_at: at, entries_at, device_bytes, warnings })
}

/// What is wrong with the header itself.
fn check(block: &[u8], which: Which, block_bytes: u32) -> Option<Warning> {
    let bytes = field::le32(block, 12)?;
    let told = usize::try_from(bytes).ok()?;
    let fits = told >= HEADER_BYTES && bytes <= block_bytes;
    let Some(header) = block.get(..told).filter(|_| fits) else {
        return Some(Warning::HeaderBytes { which, bytes });
    };
    // The checksum is taken with its own field as zeros.
    let mut digest = CRC32.digest();
    digest.update(header.get(..16)?);
    digest.update(&[0; 4]);
    digest.update(header.get(20..)?);
    (digest.finalize() != field::le32(block, 16)?).then_some(Warning::HeaderCrc(which))
}

/// The bytes of the entries as far as the source has them.
fn entries(
    source: &(impl ReadAt + ?Sized),
    which: Which,
    header_at: u64,
    entries_at: u64,
    header: &Header,
    warnings: &mut Vec<Warning>,
) -> Result<Vec<u8>, GptError> {
    let (slots, bytes) = (header.slots, header.entry_bytes);
    if bytes < ENTRY_BYTES {
        return Err(GptError::EntryBytes { at: header_at, bytes });
    }
    let all = u64::from(slots).saturating_mul(u64::from(bytes));
    if all > MOST_TABLE_BYTES {
        return Err(GptError::TooLarge { at: header_at, slots, bytes });
    }
    let here = source.len().saturating_sub(entries_at).min(all);
    let have = here.checked_div(u64::from(bytes)).unwrap_or(0);
    if have == 0 && slots != 0 {
        return Err(GptError::NoEntries { at: header_at });
    }
    let mut entries = vec![0; usize::try_from(here).unwrap_or(0)];
    if !entries.is_empty() {
        source.read_at(entries_at, &mut entries)?;
    }
    if here < all {
        warnings.push(Warning::Cut { which, have: u32::try_from(have).unwrap_or(slots), slots });
    } else if CRC32.checksum(&entries) != header.entries_crc {
        warnings.push(Warning::TableCrc(which));
    }
    Ok(entries)
}

fn partitions(
    entries: &[u8],
    header: &Header,
    block_bytes: u32,
    warnings: &mut Vec<Warning>,
) -> Vec<Partition> {
    let mut partitions = Vec::new();
    let each = usize::try_from(header.entry_bytes).unwrap_or(usize::MAX);
    for (index, entry) in (1_u32..).zip(entries.chunks_exact(each)) {
        let (Some(kind), Some(guid), Some(first), Some(last), Some(attributes)) = (
            field::bytes(entry, 0).map(Guid),
            field::bytes(entry, 16).map(Guid),
            field::le64(entry, 32),
            field::le64(entry, 40),
            field::le64(entry, 48),
        ) else {
            continue;
        };
        if kind.is_zero() {
            continue;
        }
        let Some((start, size)) = extent(first, last, u64::from(block_bytes)) else {
            warnings.push(Warning::Extent { index, first, last });
            continue;
        };
        let (name, is_text) = name(entry.get(56..).unwrap_or_default());
        if !is_text {
            warnings.push(Warning::Name { index });
        }
        partitions.push(Partition { index, name, start, size, kind, guid, attributes });
    }
    partitions
}

/// Start and size in bytes of the blocks from `first` to `last`.
fn extent(first: u64, last: u64, block_bytes: u64) -> Option<(u64, u64)> {
    let start = first.checked_mul(block_bytes)?;
    let end = last.checked_add(1)?.checked_mul(block_bytes)?;
    (last >= first).then_some((start, end.checked_sub(start)?))
}

/// The name, and whether all of it was text.
fn name(field: &[u8]) -> (String, bool) {
    let pairs = field.chunks_exact(2).take(NAME_UNITS);
    let units = pairs.filter_map(|pair| pair.first_chunk().map(|two| u16::from_le_bytes(*two)));
    let mut is_text = true;
    let name = char::decode_utf16(units.take_while(|unit| *unit != 0))
        .map(|unit| {
            unit.unwrap_or_else(|_| {
                is_text = false;
                char::REPLACEMENT_CHARACTER
            })
        })
        .collect();
    (name, is_text)
}
