//! PMT, MediaTek's own partition table, which overrides the table compiled into a phone once it was re-partitioned
//! (formats.md section 5.1; da-legacy.md section 10 for the answer of a Download Agent).
//!
//! * [`nand`]: 20 entries in a page, with a signature in the page and another in its spare area.
//! * [`emmc`]: records of 2048 bytes near the start of the user area, or of 4096 bytes near the end of the device.
//! * [`answer`]: the list a Download Agent gives for the command A2.
//!
//! The numbers come from vendor source code; no dump of a real PMT was at hand. What is read is therefore checked
//! where it can be: every name must be printable and padded with zeros.

pub mod answer;
pub mod emmc;
mod entry;
pub mod nand;

use alloc::string::String;
use alloc::vec::Vec;

pub use entry::Width;

use super::Length;
use crate::read_at::ReadError;

/// Bytes of a name.
pub const NAME_BYTES: usize = 64;

/// Which of the two copies, told by their signatures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Which {
    /// The table itself, "1vTP" on flash.
    Pt,
    /// Its mirror, "1TPM" on flash.
    Mpt,
}

impl Which {
    /// The four bytes on flash.
    #[must_use]
    pub const fn signature(self) -> [u8; 4] {
        match self {
            Self::Pt => 0x5054_7631_u32.to_le_bytes(),
            Self::Mpt => 0x4D50_5431_u32.to_le_bytes(),
        }
    }

    /// The copy whose signature `bytes` begin with.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Option<Self> {
        [Self::Pt, Self::Mpt].into_iter().find(|which| bytes.starts_with(&which.signature()))
    }
}

impl core::fmt::Display for Which {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Pt => "PT",
            Self::Mpt => "MPT",
        })
    }
}

/// One partition of a PMT.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partition {
    /// Its place in the table, from 0.
    pub index: u32,
    /// Its name, printable ASCII of at most 64 bytes.
    pub name: String,
    /// First byte: of the main area on NAND, of the device on eMMC.
    pub start: u64,
    /// Its length.
    pub length: Length,
    /// The mask flags as stored.
    pub flags: u64,
}

/// The four bytes of update state ("pi") beside a table. Of two fields in one byte the first named is taken to be the
/// low nibble, as the compilers of these phones lay them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Info(pub [u8; 4]);

impl Info {
    /// Number of the write; a later table has the next one.
    #[must_use]
    pub const fn sequence(self) -> u8 {
        self.0[0]
    }

    /// Whether another record with more entries follows (eMMC).
    #[must_use]
    pub const fn continues(self) -> bool {
        self.0[1] >> 4 == 1
    }

    /// Whether the mirror was being downloaded, and whether it has room.
    #[must_use]
    pub const fn mirror(self) -> (u8, u8) {
        (self.0[2] & 15, self.0[2] >> 4)
    }

    /// Whether the table was changed, and whether it has room.
    #[must_use]
    pub const fn table(self) -> (u8, u8) {
        (self.0[3] & 15, self.0[3] >> 4)
    }
}

/// One copy of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Which copy.
    pub which: Which,
    /// Bytes of an entry.
    pub width: Width,
    /// The update state, where there is one.
    pub info: Option<Info>,
    /// The partitions in the order of the table.
    pub partitions: Vec<Partition>,
    /// What was accepted but deserves a word.
    pub warnings: Vec<Warning>,
}

/// A copy and where it lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Located {
    /// First byte of the page or record in what was searched.
    pub at: u64,
    /// The copy.
    pub table: Table,
}

/// What a search came up with: at least one copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The table.
    pub pt: Option<Located>,
    /// Its mirror.
    pub mpt: Option<Located>,
}

impl Found {
    /// The table, or its mirror where that is all there is.
    #[must_use]
    pub const fn best(&self) -> Option<&Located> {
        match &self.pt {
            Some(pt) => Some(pt),
            None => self.mpt.as_ref(),
        }
    }

    /// Whether both copies are there and name different partitions.
    #[must_use]
    pub fn differ(&self) -> bool {
        match (&self.pt, &self.mpt) {
            (Some(pt), Some(mpt)) => pt.table.partitions != mpt.table.partitions,
            _ => false,
        }
    }
}

/// Why bytes are no PMT.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PmtError {
    /// The bytes could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// Neither signature where one must be.
    #[error("there is no PMT: no 1vTP or 1TPM where it must be")]
    NoSignature,
    /// Fewer bytes than a table takes.
    #[error("a PMT of this kind takes {wanted} bytes; there are {have}")]
    Short {
        /// Bytes it takes.
        wanted: usize,
        /// Bytes there are.
        have: usize,
    },
    /// An entry whose name is not printable.
    #[error("entry {index} of the PMT has no readable name")]
    Name {
        /// Its place, from 0.
        index: u32,
    },
    /// No entry is used.
    #[error("the PMT names no partition")]
    Empty,
    /// The second signature of a record is missing.
    #[error("the PMT is not closed by its signature a second time")]
    NotClosed,
    /// The length of an answer fits no record size.
    #[error("{0} bytes are no whole number of PMT records of 96, 88 or 76 bytes")]
    AnswerBytes(usize),
    /// More records than a Download Agent has.
    #[error("{0} PMT records; a Download Agent has at most {most}", most = answer::MOST_RECORDS)]
    TooMany(usize),
}

/// What was accepted but deserves a word.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Warning {
    /// The spare area has another signature than the page.
    #[error("the spare area of the {0} page does not carry its signature")]
    SpareSignature(Which),
    /// The spare area was not there to be checked.
    #[error("the {0} page has no spare area to confirm it")]
    NoSpare(Which),
    /// The table has something after its first unused entry; it is left out.
    #[error("entries after the unused entry {index} are left out")]
    AfterUnused {
        /// The first unused entry, from 0.
        index: u32,
    },
    /// A second record was announced and is not there.
    #[error("the PMT goes on in a second record, which is not there; partitions are missing")]
    NoSecondRecord,
    /// The second record announces a third, which is not read.
    #[error("the PMT goes on after its second record, which is not read")]
    ThirdRecord,
    /// A used record of an answer lacks its end marker of FF.
    #[error("record {index} lacks its end marker")]
    EndMarker {
        /// Its place, from 0.
        index: u32,
    },
}

/// Why a table cannot be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// More partitions than there is room for.
    #[error("{count} partitions; there is room for {room}")]
    TooMany {
        /// Partitions given.
        count: usize,
        /// Entries there are.
        room: usize,
    },
    /// A name that is empty, too long or not printable.
    #[error("{name:?} is no printable name of at most {NAME_BYTES} bytes")]
    Name {
        /// The name.
        name: String,
    },
    /// A number too large for the entry, or a size that would read as "to the end".
    #[error("start, size or flags of {name} do not fit an entry of {width} bytes", width = width.bytes())]
    Number {
        /// Name of the partition.
        name: String,
        /// The entry.
        width: Width,
    },
    /// The page is too small for the table.
    #[error("a page of {0} bytes is too small for a PMT")]
    Page(usize),
    /// Entries of this size do not occur here.
    #[error("entries of {width} bytes do not occur here", width = .0.bytes())]
    Width(Width),
}
