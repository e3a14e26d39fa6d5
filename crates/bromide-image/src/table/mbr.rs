//! The DOS chain of one MBR and its EBRs as MediaTek writes it (formats.md section 5.2).
//!
//! Unlike on a desktop computer one EBR may hold several partitions; an entry is a link only by its type. Links count
//! from the first extended partition, partitions from the record that holds them. Only partitions the kernel must see
//! are listed, and their sizes come out about 1 MiB short: for reading back, the distance to the next start is the
//! better size.

use alloc::vec::Vec;

use super::{Length, field};
use crate::read_at::{ReadAt, ReadError};

/// Bytes of a sector, which all numbers in the records count.
pub const SECTOR_BYTES: u64 = 512;

/// Most EBRs a chain may have; real ones have one or two (formats.md section 5.2).
pub const MOST_EBRS: usize = 16;

/// Type of the entry that covers a device with a GUID partition table.
pub const PROTECTIVE: u8 = 0xEE;

const RECORD: usize = 512;
const ENTRIES_AT: usize = 0x1BE;
const ENTRY: usize = 16;
const DISK_SIGNATURE_AT: usize = 0x1B8;

/// Why there is no chain to be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MbrError {
    /// The bytes could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The first sector does not end in 55 AA.
    #[error("the first sector is no MBR: it does not end in 55 AA")]
    NoSignature,
    /// The first sector ends in 55 AA but does not hold a partition table.
    #[error("the first sector is no MBR: entry {slot} has the status {status:#04x}, neither 00 nor 80")]
    NoTable {
        /// Entry, from 1.
        slot: u8,
        /// Its first byte.
        status: u8,
    },
    /// A link leads back to a record that was already read.
    #[error("the chain of EBRs is a loop: a link leads back to {at:#x}")]
    Loop {
        /// First byte of the record met twice.
        at: u64,
    },
    /// The chain goes on after the bound.
    #[error("the chain has more than {MOST_EBRS} EBRs")]
    TooLong,
}

/// What was accepted but deserves a word.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Warning {
    /// The chain goes on where the bytes end, as in a dump of the MBR alone.
    #[error("the EBR at {at:#x} is not in these bytes; partitions it holds are missing")]
    EbrBeyond {
        /// First byte of the EBR.
        at: u64,
    },
    /// A link leads to a sector that is no EBR.
    #[error("there is no EBR at {at:#x}, where a link leads; partitions may be missing")]
    NoEbr {
        /// First byte of the sector.
        at: u64,
    },
    /// A record has more than one link; the first is followed.
    #[error("the record at {at:#x} has a second link in entry {slot}, which is not followed")]
    SecondLink {
        /// First byte of the record.
        at: u64,
        /// Entry, from 1.
        slot: u8,
    },
}

/// Why a chain cannot be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// The chain has no record, or its first does not lie at byte 0.
    #[error("the first record of a chain must lie at byte 0")]
    NoMbr,
    /// More records than a reader follows.
    #[error("the chain has more than {MOST_EBRS} EBRs")]
    TooLong,
    /// An entry number other than 1 to 4, or the same twice.
    #[error("entry {slot} of the record at {at:#x} is given twice or is not 1 to 4")]
    Slot {
        /// First byte of the record.
        at: u64,
        /// The entry number.
        slot: u8,
    },
    /// A start or size that is no whole number of sectors, or too far for 32 bits, or before the record.
    #[error("entry {slot} of the record at {at:#x} cannot be told in sectors of {SECTOR_BYTES} bytes")]
    Unrepresentable {
        /// First byte of the record.
        at: u64,
        /// The entry number.
        slot: u8,
    },
    /// A record's link does not lead to the next record, or is missing, or leads on from the last one.
    #[error("the link in the record at {at:#x} and the record after it do not agree")]
    Link {
        /// First byte of the record.
        at: u64,
    },
}

/// One used entry of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// Place in the record, 1 to 4.
    pub slot: u8,
    /// Whether it carries the boot mark (80).
    pub active: bool,
    /// Partition type, such as 83 for Linux.
    pub kind: u8,
    /// First byte, counted from the start of the user area.
    pub start: u64,
    /// Its length.
    pub length: Length,
}

impl Entry {
    /// Whether the entry is a link to an EBR: type 05, or one of its later twins 0F and 85.
    #[must_use]
    pub const fn is_link(&self) -> bool {
        matches!(self.kind, 0x05 | 0x0F | 0x85)
    }
}

/// The MBR or one EBR.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// First byte of its sector.
    pub at: u64,
    /// The used entries in order, links among them.
    pub entries: Vec<Entry>,
}

/// A partition, numbered as Linux numbers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Partition {
    /// 1 to 4 in the MBR, 5 and up through the EBRs.
    pub number: u32,
    /// First byte of the record that holds it.
    pub record_at: u64,
    /// Whether it carries the boot mark.
    pub active: bool,
    /// Partition type.
    pub kind: u8,
    /// First byte, counted from the start of the user area.
    pub start: u64,
    /// Its length.
    pub length: Length,
}

/// A whole chain: the MBR, then the EBRs in the order of the links.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    /// The four bytes before the entries of the MBR by which a computer tells disks apart; MediaTek leaves them 0.
    pub disk_signature: u32,
    /// The records.
    pub records: Vec<Record>,
    /// What was accepted but deserves a word.
    pub warnings: Vec<Warning>,
}

impl Chain {
    /// The partitions without the links.
    #[must_use]
    pub fn partitions(&self) -> Vec<Partition> {
        let mut found = Vec::new();
        let mut logical = 5_u32;
        for (place, record) in self.records.iter().enumerate() {
            for entry in record.entries.iter().filter(|entry| !entry.is_link()) {
                let number = if place == 0 { u32::from(entry.slot) } else { logical };
                if place != 0 {
                    logical = logical.saturating_add(1);
                }
                let Entry { active, kind, start, length, .. } = *entry;
                found.push(Partition { number, record_at: record.at, active, kind, start, length });
            }
        }
        found
    }

    /// Whether it only covers a GUID partition table.
    #[must_use]
    pub fn is_protective(&self) -> bool {
        self.records.first().is_some_and(|mbr| mbr.entries.iter().any(|entry| entry.kind == PROTECTIVE))
    }

    /// The sectors of the chain, each with its first byte on the device.
    ///
    /// # Errors
    /// Entries that 32-bit sector numbers cannot tell, and links that do not lead from record to record.
    pub fn write(&self) -> Result<Vec<(u64, [u8; 512])>, WriteError> {
        if self.records.first().is_none_or(|mbr| mbr.at != 0) {
            return Err(WriteError::NoMbr);
        }
        if self.records.len().saturating_sub(1) > MOST_EBRS {
            return Err(WriteError::TooLong);
        }
        let extended = self.records.get(1).map_or(0, |ebr| ebr.at);
        let mut seen = Vec::new();
        let next = self.records.iter().skip(1).map(|record| Some(record.at)).chain([None]);
        let mut sectors = Vec::new();
        for (record, next) in self.records.iter().zip(next) {
            let mut sector = record.write(extended, next)?;
            seen.push(record.at);
            if next.is_some_and(|next| seen.contains(&next)) {
                return Err(WriteError::Link { at: record.at });
            }
            if record.at == 0 {
                field::put(&mut sector, DISK_SIGNATURE_AT, &self.disk_signature.to_le_bytes());
            }
            sectors.push((record.at, sector));
        }
        Ok(sectors)
    }
}

impl Record {
    fn write(&self, extended: u64, next: Option<u64>) -> Result<[u8; 512], WriteError> {
        let at = self.at;
        let mut links = self.entries.iter().filter(|entry| entry.is_link());
        if links.next().map(|link| link.start) != next || links.next().is_some() {
            return Err(WriteError::Link { at });
        }
        let mut sector = [0; RECORD];
        field::put(&mut sector, 510, &[0x55, 0xAA]);
        let mut taken = [false; 4];
        for entry in &self.entries {
            let slot = entry.slot;
            let place = usize::from(slot).wrapping_sub(1);
            match taken.get_mut(place) {
                Some(taken) if !*taken && entry.kind != 0 => *taken = true,
                _ => return Err(WriteError::Slot { at, slot }),
            }
            let base = if entry.is_link() && at != 0 { extended } else { at };
            let (start, sectors) =
                numbers(entry, base, at == 0).ok_or(WriteError::Unrepresentable { at, slot })?;
            let from = ENTRIES_AT.saturating_add(place.saturating_mul(ENTRY));
            let fields = [
                &[if entry.active { 0x80 } else { 0 }, 0, 0, 0, entry.kind, 0, 0, 0][..],
                &start.to_le_bytes(),
                &sectors.to_le_bytes(),
            ];
            field::put(&mut sector, from, &fields.concat());
        }
        Ok(sector)
    }
}

/// Start and count of an entry in sectors. "To the end" is written as MediaTek does: all ones in the MBR, and in an
/// EBR as much as brings start and count together to all ones.
fn numbers(entry: &Entry, base: u64, in_mbr: bool) -> Option<(u32, u32)> {
    let start = sectors(entry.start.checked_sub(base)?)?;
    let count = match entry.length {
        Length::ToEnd if in_mbr => u32::MAX,
        Length::ToEnd => u32::MAX.saturating_sub(start),
        // Start and count together must not look like "to the end".
        Length::Bytes(bytes) => {
            let short = |count: &u32| start.checked_add(*count).is_some_and(|end| end < u32::MAX);
            sectors(bytes).filter(short)?
        }
    };
    (count != 0).then_some((start, count))
}

fn sectors(bytes: u64) -> Option<u32> {
    if !bytes.is_multiple_of(SECTOR_BYTES) {
        return None;
    }
    u32::try_from(bytes.div_euclid(SECTOR_BYTES)).ok()
}

/// Reads the chain that begins in the first sector.
///
/// # Errors
/// The first sector is no MBR, the links form a loop or go on too long, or the medium fails. An EBR that is missing
/// is a warning: a dump of the MBR alone is still worth reading.
pub fn read(source: &(impl ReadAt + ?Sized)) -> Result<Chain, MbrError> {
    let mut sector = [0; RECORD];
    source.read_at(0, &mut sector)?;
    let disk_signature = field::le32(&sector, DISK_SIGNATURE_AT).unwrap_or(0);
    let mut chain = Chain { disk_signature, records: Vec::new(), warnings: Vec::new() };
    let mut link = chain.take(&sector, 0, 0)?;
    let extended = link.unwrap_or(0);
    while let Some(at) = link {
        if chain.records.iter().any(|record| record.at == at) {
            return Err(MbrError::Loop { at });
        }
        if chain.records.len() > MOST_EBRS {
            return Err(MbrError::TooLong);
        }
        if at.checked_add(SECTOR_BYTES).is_none_or(|end| end > source.len()) {
            chain.warnings.push(Warning::EbrBeyond { at });
            break;
        }
        source.read_at(at, &mut sector)?;
        link = match chain.take(&sector, at, extended) {
            Ok(link) => link,
            Err(_) => {
                chain.warnings.push(Warning::NoEbr { at });
                None
            }
        };
    }
    Ok(chain)
}

/// Reads one record by itself: its starts and links count from nothing but 0, and no link is followed.
///
/// # Errors
/// The sector is no record.
pub fn read_record(sector: &[u8; 512]) -> Result<Record, MbrError> {
    Ok(Record { at: 0, entries: entries(sector, 0, 0)? })
}

impl Chain {
    /// Adds the record in `sector` and gives where its link leads.
    fn take(&mut self, sector: &[u8; RECORD], at: u64, extended: u64) -> Result<Option<u64>, MbrError> {
        let entries = entries(sector, at, extended)?;
        let mut links = entries.iter().filter(|entry| entry.is_link());
        let link = links.next().map(|link| link.start);
        self.warnings.extend(links.map(|second| Warning::SecondLink { at, slot: second.slot }));
        self.records.push(Record { at, entries });
        Ok(link)
    }
}

fn entries(sector: &[u8; RECORD], at: u64, extended: u64) -> Result<Vec<Entry>, MbrError> {
    if !sector.ends_with(&[0x55, 0xAA]) {
        return Err(MbrError::NoSignature);
    }
    let mut entries = Vec::new();
    let rows = sector.get(ENTRIES_AT..).unwrap_or_default().chunks_exact(ENTRY);
    for (slot, row) in (1_u8..).zip(rows) {
        let (Some([status, _, _, _, kind]), Some(start), Some(count)) =
            (field::bytes(row, 0), field::le32(row, 8), field::le32(row, 12))
        else {
            continue;
        };
        if !matches!(status, 0 | 0x80) {
            return Err(MbrError::NoTable { slot, status });
        }
        if kind == 0 || count == 0 {
            continue;
        }
        let mut entry = Entry { slot, active: status == 0x80, kind, start: 0, length: Length::ToEnd };
        let base = if entry.is_link() { extended } else { at };
        entry.start = base.saturating_add(u64::from(start).saturating_mul(SECTOR_BYTES));
        if start.checked_add(count).is_some_and(|end| end < u32::MAX) {
            entry.length = Length::Bytes(u64::from(count).saturating_mul(SECTOR_BYTES));
        }
        entries.push(entry);
    }
    Ok(entries)
}
