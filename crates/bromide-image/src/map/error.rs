//! What can be wrong with a map, with a name asked of it, or with a map against a chip.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use super::model::Storage;

/// A fault in the text of a map, and where it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {what}")]
pub struct MapError {
    /// Line, from 1. CR, LF and CRLF each end one line.
    pub line: u32,
    /// Column, from 1, counted in bytes.
    pub column: u32,
    /// What is wrong.
    pub what: Fault,
    /// The offending line, fit for printing: shortened around the column, control characters escaped, tabs as blanks.
    pub text: String,
    /// Where in `text` the column is, in bytes; at most its length.
    pub at: usize,
}

/// What is wrong in the text of a map. Quoted text is shortened and fit for printing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// Nothing but blanks, comments or reserved areas.
    #[error("the file names no partition")]
    Empty,
    /// A manifest stands where a map is due; the path of the scatter file it names, relative to it.
    #[error("this is a flash.xml manifest; the scatter file it names is \"{0}\"")]
    Manifest(String),
    /// A known file that is no map.
    #[error("this is {0}, not a partition map")]
    NotAMap(&'static str),
    /// Nothing known.
    #[error(
        "no kind of partition map is recognised: neither a scatter file nor a partition listing of a phone"
    )]
    Unrecognised,
    /// Another token was due.
    #[error("expected {wanted}, found {found}")]
    Expected {
        /// What was due.
        wanted: &'static str,
        /// What stands there, in quotes, or "the end of the line" and the like.
        found: String,
    },
    /// A name with characters no partition name has.
    #[error("\"{0}\" is not a partition name")]
    BadName(String),
    /// Not `0x` and hexadecimal digits (scatter) or hexadecimal digits alone (`/proc/mtd`).
    #[error("\"{0}\" is not a hexadecimal number as {1}")]
    BadHex(String, &'static str),
    /// A number beyond what this kind of file can state.
    #[error("{0} is more than {1} bits")]
    TooLarge(String, u32),
    /// An address that is no multiple of 4; the vendor's tool refuses it too.
    #[error("{0:#x} is not word aligned")]
    NotWordAligned(u64),
    /// Addresses must ascend: sizes follow from them.
    #[error("{name} at {start:#x} does not come after {before} at {before_start:#x} (line {before_line})")]
    NotAscending {
        /// The partition of this line.
        name: String,
        /// Its start in bytes.
        start: u64,
        /// The partition before it.
        before: String,
        /// That one's start in bytes.
        before_start: u64,
        /// That one's line.
        before_line: u32,
    },
    /// The bad-block pool is stated twice.
    #[error("a second bad-block pool; the first is in line {0}")]
    SecondPool(u32),
    /// A size that is no multiple of the erase block.
    #[error("the size {size:#x} of \"{name}\" is no multiple of its erase block {erase_block:#x}")]
    NotInBlocks {
        /// The partition.
        name: String,
        /// Its size in bytes.
        size: u64,
        /// The erase block in bytes.
        erase_block: u32,
    },
    /// `/proc/mtd` with parts of different chips, whose sizes do not add up to starts.
    #[error("the erase block {found:#x} differs from {before:#x} of the lines before: more than one chip")]
    EraseBlockChanges {
        /// Erase block of this line in bytes.
        found: u32,
        /// Erase block of the lines before.
        before: u32,
    },
    /// A line of `/proc/mtd` is missing, so the starts cannot be added up.
    #[error(
        "mtd{found} where mtd{due} is due: starts are the sum of all sizes before, so no line may be missing"
    )]
    MtdMissing {
        /// The number in this line.
        found: u64,
        /// The number due.
        due: u64,
    },
    /// Not decimal digits, or more than 64 bits.
    #[error("\"{0}\" is not a decimal number")]
    BadNumber(String),
    /// A key of an entry that must be there.
    #[error("the entry has no {0}")]
    KeyMissing(&'static str),
    /// A key stands twice in one entry.
    #[error("a second {key} in one entry; the first is in line {line}")]
    KeyTwice {
        /// The key.
        key: String,
        /// Line of the first.
        line: u32,
    },
    /// A value with control characters.
    #[error("a value with control characters")]
    BadValue,
    /// Broken XML, or XML of a kind no scatter file has.
    #[error("XML: {0}")]
    Xml(String),
    /// Broken JSON, or JSON that is no map.
    #[error("JSON: {0}")]
    Json(String),
    /// A quote in a table that is not closed in its line, or has something behind it.
    #[error("a cell that is not closed by its quote")]
    Quote,
    /// More partitions than any phone has.
    #[error("more than {0} partitions")]
    TooMany(usize),
}

/// Why a name does not give one partition.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FindError {
    /// No partition has the name or an alias of it.
    #[error(transparent)]
    Unknown(#[from] UnknownPartition),
    /// More than one has.
    #[error("\"{asked}\" names more than one partition: {}", Found(.found))]
    Ambiguous {
        /// The name asked for.
        asked: String,
        /// The partitions that answer to it, each with its line in the file.
        found: Vec<(String, u32)>,
    },
}

/// No partition answers to a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownPartition {
    /// The name asked for.
    pub asked: String,
    /// Up to three names that are spelled much alike, best first; `ANDROID (system)` where an alias is the near one.
    pub nearest: Vec<String>,
    /// Every name of the map, in its order.
    pub all: Vec<String>,
}

impl core::error::Error for UnknownPartition {}

impl fmt::Display for UnknownPartition {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "no partition is named \"{}\"", self.asked)?;
        let (intro, names) = if self.nearest.is_empty() {
            ("; the map has ", self.all.as_slice())
        } else {
            ("; the nearest: ", self.nearest.as_slice())
        };
        for (at, name) in names.iter().enumerate() {
            write!(out, "{}{name}", if at == 0 { intro } else { ", " })?;
        }
        Ok(())
    }
}

struct Found<'a>(&'a [(String, u32)]);

impl fmt::Display for Found<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (name, line)) in self.0.iter().enumerate() {
            write!(out, "{}{name} (line {line})", if at == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}

/// Why a map does not fit a chip. Every address and size is in main-area bytes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PlaceError {
    /// The chip's own numbers make no sense.
    #[error(
        "a chip of {bytes:#x} bytes cannot have blocks of {block_bytes:#x} bytes and a pool of {pool_blocks} of them"
    )]
    ImpossibleChip {
        /// Main-area bytes of the chip.
        bytes: u64,
        /// Bytes of an erase block.
        block_bytes: u32,
        /// Blocks of the bad-block pool.
        pool_blocks: u32,
    },
    /// No partition of the map lies in NAND.
    #[error("the map is one of a phone with {0}, the chip is NAND")]
    OtherStorage(Storage),
    /// The map does not say where a partition begins.
    #[error("the map does not say where {name} (line {line}) begins")]
    StartUnknown {
        /// The partition.
        name: String,
        /// Its line.
        line: u32,
    },
    /// Map and chip state different erase blocks.
    #[error("the map is for erase blocks of {map:#x} bytes, the chip has {chip:#x}")]
    EraseBlock {
        /// Erase block of the map.
        map: u32,
        /// Erase block of the chip.
        chip: u32,
    },
    /// Map and chip state different bad-block pools.
    #[error("the map has a bad-block pool of {map} blocks, the chip one of {chip}")]
    Pool {
        /// Blocks of the pool in the map.
        map: u32,
        /// Blocks of the pool of the chip.
        chip: u32,
    },
    /// A start or size that is no multiple of the erase block.
    #[error("{what} of {name} (line {line}), {value:#x}, is no multiple of the erase block {block_bytes:#x}")]
    NotInBlocks {
        /// The partition.
        name: String,
        /// Its line in the file.
        line: u32,
        /// "the start" or "the size".
        what: &'static str,
        /// The offending value in bytes.
        value: u64,
        /// The erase block in bytes.
        block_bytes: u32,
    },
    /// Two partitions share bytes.
    #[error(
        "{name} (line {line}) begins at {start:#x}, inside {other} (line {other_line}) which ends at {other_end:#x}"
    )]
    Overlap {
        /// The later partition.
        name: String,
        /// Its line.
        line: u32,
        /// Its start.
        start: u64,
        /// The partition it reaches into.
        other: String,
        /// That one's line.
        other_line: u32,
        /// The end of that one.
        other_end: u64,
    },
    /// A partition ends (or begins) beyond the chip.
    #[error("{name} (line {line}) reaches {end:#x}, the chip ends at {chip:#x}: a map of another phone?")]
    BeyondChip {
        /// The partition.
        name: String,
        /// Its line.
        line: u32,
        /// Its end, or its start where the size is not stated.
        end: u64,
        /// Main-area bytes of the chip.
        chip: u64,
    },
    /// A partition reaches into the blocks reserved at the end of the chip.
    #[error("{name} (line {line}) reaches {end:#x}, into the blocks reserved from {limit:#x} on")]
    BeyondLogicalEnd {
        /// The partition.
        name: String,
        /// Its line.
        line: u32,
        /// Its end, or its start where the size is not stated.
        end: u64,
        /// Where the reserved blocks begin.
        limit: u64,
    },
}
