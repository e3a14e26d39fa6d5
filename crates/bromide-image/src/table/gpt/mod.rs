//! The GUID partition table as eMMC and UFS phones carry it (formats.md section 5.3).
//!
//! [`read`] finds the table wherever a dump has it: primary or backup, in blocks of 512 or 4096 bytes, whole or cut
//! short. Sizes of header and entries come from the header. Checksums are verified, and a wrong one is a warning: a
//! table that is a little damaged is worth more to the owner of a phone than none. MediaTek's habits are all legal
//! here: 23 entries in place of 128, a disk GUID of zeros, one type for every partition, no preloader.

mod guid;
mod header;
mod write;

use alloc::string::String;
use alloc::vec::Vec;

pub use guid::Guid;
pub use write::{WriteError, Written};

use crate::read_at::{ReadAt, ReadError};

/// Logical block sizes that are probed: eMMC has 512 bytes, UFS 4096 (formats.md section 5.3).
pub const BLOCK_SIZES: [u32; 2] = [512, 4096];

/// Bytes of an entry as everyone writes it.
pub const ENTRY_BYTES: u32 = 128;

/// Most bytes the entries may take together. Real tables have 16 KiB or less; the bound keeps a hostile header cheap.
pub const MOST_TABLE_BYTES: u64 = 1 << 20;

/// The units of UTF-16 a name has room for.
pub const NAME_UNITS: usize = 36;

/// Which copy of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Which {
    /// At the start of the device.
    Primary,
    /// At its end.
    Backup,
}

impl core::fmt::Display for Which {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Primary => "primary",
            Self::Backup => "backup",
        })
    }
}

/// One partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partition {
    /// Its place among the entries, from 1, which is the number Linux gives it.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// First byte, counted from the start of the device.
    pub start: u64,
    /// Bytes it takes.
    pub size: u64,
    /// What kind of partition; MediaTek writes [`Guid::BASIC_DATA`] for all.
    pub kind: Guid,
    /// Its own GUID.
    pub guid: Guid,
    /// Attribute bits as stored.
    pub attributes: u64,
}

/// A table, free of where it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Bytes of a logical block, 512 or 4096.
    pub block_bytes: u32,
    /// GUID of the disk; zeros on MediaTek phones.
    pub disk_guid: Guid,
    /// First logical block partitions may use.
    pub first_usable: u64,
    /// Last logical block partitions may use.
    pub last_usable: u64,
    /// Entries there is room for.
    pub slots: u32,
    /// Bytes of an entry.
    pub entry_bytes: u32,
    /// The used entries in their order.
    pub partitions: Vec<Partition>,
}

/// A table and what was seen while reading it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The table.
    pub table: Table,
    /// The copy it comes from.
    pub which: Which,
    /// First byte of the header in the source.
    pub header_at: u64,
    /// First byte of the entries in the source.
    pub entries_at: u64,
    /// Bytes of the device, from the place of the copy at its end.
    pub device_bytes: u64,
    /// What was accepted but deserves a word.
    pub warnings: Vec<Warning>,
}

/// Why there is no table to be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GptError {
    /// The bytes could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// No header where one could be.
    #[error("there is no GPT: no EFI PART at byte 512 or 4096, nor in the last block")]
    NoSignature,
    /// The header ends with the source.
    #[error("the header at {at:#x} is cut short")]
    CutHeader {
        /// First byte of the header.
        at: u64,
    },
    /// Entries of a size nothing can be read from.
    #[error("the header at {at:#x} tells entries of {bytes} bytes; there are at least {ENTRY_BYTES}")]
    EntryBytes {
        /// First byte of the header.
        at: u64,
        /// The size it tells.
        bytes: u32,
    },
    /// Entries that take more than [`MOST_TABLE_BYTES`] together.
    #[error(
        "the header at {at:#x} tells {slots} entries of {bytes} bytes, more than {MOST_TABLE_BYTES} together"
    )]
    TooLarge {
        /// First byte of the header.
        at: u64,
        /// Entries it tells.
        slots: u32,
        /// Bytes of each.
        bytes: u32,
    },
    /// No entry lies in the source.
    #[error("the entries the header at {at:#x} tells of are not in these bytes")]
    NoEntries {
        /// First byte of the header.
        at: u64,
    },
}

/// What was accepted but deserves a word.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Warning {
    /// The header does not match its checksum.
    #[error("the {0} header does not match its CRC")]
    HeaderCrc(Which),
    /// The entries do not match their checksum.
    #[error("the {0} entries do not match their CRC")]
    TableCrc(Which),
    /// The header tells a size for itself that cannot be; its checksum is not verified.
    #[error("the {which} header tells {bytes} bytes for itself")]
    HeaderBytes {
        /// The copy.
        which: Which,
        /// The size it tells.
        bytes: u32,
    },
    /// The source ends among the entries.
    #[error(
        "the {which} entries are cut short: {have} of {slots} are here, and their CRC cannot be verified"
    )]
    Cut {
        /// The copy.
        which: Which,
        /// Entries that are whole.
        have: u32,
        /// Entries the header tells.
        slots: u32,
    },
    /// The header tells another place for itself.
    #[error("the {which} header says it lies in block {told}")]
    Misplaced {
        /// The copy.
        which: Which,
        /// The block it tells.
        told: u64,
    },
    /// An entry that cannot be: it ends before it begins, or beyond all bounds. It is left out.
    #[error("entry {index} is left out: it goes from block {first} to {last}")]
    Extent {
        /// The entry, from 1.
        index: u32,
        /// First block.
        first: u64,
        /// Last block.
        last: u64,
    },
    /// A name with something that is no text, replaced in what was read.
    #[error("the name of entry {index} is not UTF-16")]
    Name {
        /// The entry, from 1.
        index: u32,
    },
    /// The copy of the table at the end of the device lies outside the source, as in any dump of the start.
    #[error("the backup at {at:#x} is not in these bytes")]
    BackupOutside {
        /// First byte of the backup's header.
        at: u64,
    },
    /// The other copy cannot be read.
    #[error("the {0} copy is missing or cannot be read")]
    Missing(Which),
    /// The other copy is damaged.
    #[error("the {0} copy is damaged")]
    Damaged(Which),
    /// The copies are whole and name different partitions.
    #[error("primary and backup are both whole but differ")]
    Differ,
}

impl Warning {
    /// Whether it says that the copy itself is not as it was written.
    #[must_use]
    pub const fn is_damage(&self) -> bool {
        matches!(
            self,
            Self::HeaderCrc(_)
                | Self::TableCrc(_)
                | Self::HeaderBytes { .. }
                | Self::Cut { .. }
                | Self::Extent { .. }
        )
    }
}

impl Found {
    /// Whether this copy is not as it was written.
    #[must_use]
    pub fn is_damaged(&self) -> bool {
        self.warnings.iter().any(Warning::is_damage)
    }
}

/// Reads the table from a whole device, its start or its end. The primary is preferred, the backup taken when the
/// primary is missing or when it alone is whole; what is wrong with the other is among the warnings.
///
/// # Errors
/// Neither copy can be read; the error is that of the primary if there is anything of it.
pub fn read(source: &(impl ReadAt + ?Sized)) -> Result<Found, GptError> {
    let mut primary: Result<Found, GptError> = Err(GptError::NoSignature);
    for block_bytes in BLOCK_SIZES {
        let found = read_copy(source, Which::Primary, block_bytes, u64::from(block_bytes));
        let better = match (&primary, &found) {
            (_, Err(GptError::NoSignature)) => false,
            (Err(GptError::NoSignature), _) | (Err(_), Ok(_)) => true,
            (Ok(old), Ok(new)) => old.is_damaged() && !new.is_damaged(),
            (_, Err(_)) => false,
        };
        if better {
            primary = found;
        }
    }
    if let Err(GptError::Read(failed)) = primary {
        return Err(GptError::Read(failed));
    }
    match primary {
        Ok(primary) => Ok(with_backup(source, primary)),
        Err(error) => {
            let mut backup = last_block(source).ok_or(error)?;
            backup.warnings.push(Warning::Missing(Which::Primary));
            Ok(backup)
        }
    }
}

/// The primary with what the backup adds to it, or the backup if that alone is whole.
fn with_backup(source: &(impl ReadAt + ?Sized), mut primary: Found) -> Found {
    let block_bytes = primary.table.block_bytes;
    let at = primary.device_bytes.saturating_sub(u64::from(block_bytes));
    let beyond = primary.device_bytes > source.len();
    let told = if beyond { None } else { read_copy(source, Which::Backup, block_bytes, at).ok() };
    let Some(mut backup) = told.or_else(|| last_block(source)) else {
        primary.warnings.push(if beyond {
            Warning::BackupOutside { at }
        } else {
            Warning::Missing(Which::Backup)
        });
        return primary;
    };
    match (primary.is_damaged(), backup.is_damaged()) {
        (true, false) => {
            backup.warnings.push(Warning::Damaged(Which::Primary));
            return backup;
        }
        (_, true) => primary.warnings.push(Warning::Damaged(Which::Backup)),
        (false, false) if primary.table.partitions != backup.table.partitions => {
            primary.warnings.push(Warning::Differ);
        }
        (false, false) => {}
    }
    primary
}

/// The backup whose header is the last block of the source, in either block size.
fn last_block(source: &(impl ReadAt + ?Sized)) -> Option<Found> {
    BLOCK_SIZES.into_iter().find_map(|block_bytes| {
        let at = source.len().checked_sub(u64::from(block_bytes))?;
        read_copy(source, Which::Backup, block_bytes, at).ok()
    })
}

/// Reads one copy whose header lies at byte `header_at` of the source. The entries of a backup are looked for at
/// their distance before the header, so that the end of a device can be read by itself.
///
/// # Errors
/// No header there, one that nothing can be read by, or no entry within the source.
pub fn read_copy(
    source: &(impl ReadAt + ?Sized),
    which: Which,
    block_bytes: u32,
    header_at: u64,
) -> Result<Found, GptError> {
    header::read(source, which, block_bytes, header_at)
}
