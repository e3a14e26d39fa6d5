//! A phone's partition map: which partitions there are, where each begins, and what is known of its size.
//!
//! Read from what the owner of a phone can get: the text of `/proc/mtd`, or a scatter file of the vendor's tool in
//! its oldest dialect (formats.md sections 2.1 and 4.1). [`parse`] tells them apart by content, never by file name,
//! and says which known file it met when it cannot read that one yet.
//!
//! A map alone rarely holds every size. [`Map::place`] resolves it against a real chip and checks the result.
//! No input makes anything here panic, and the time taken grows in line with the input.

mod detect;
mod error;
mod lines;
mod names;
mod place;
mod proc_mtd;
mod scatter_v0;

use alloc::string::String;
use alloc::vec::Vec;

pub use error::{Fault, FindError, MapError, PlaceError, UnknownPartition};
pub use names::aliases;
pub use place::{ChipShape, Derived, PMT_BLOCKS, Placed, Placement};

/// Most partitions a map may hold. Real files have up to 64 a section, the vendor's tools hold 128
/// (formats.md section 2.7); the bound keeps a hostile file cheap.
pub const MOST_PARTITIONS: usize = 4096;

/// The kind of file a map was read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Source {
    /// The text of `/proc/mtd`: sizes in flash order, starts by adding them up.
    ProcMtd,
    /// The oldest scatter dialect, `NAME 0xADDR { }`: starts, no sizes.
    ScatterV0,
    /// The same list without braces, as over-the-air update scripts use it.
    OtaList,
}

/// What a map says about the size of a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Size {
    /// That many bytes.
    Stated(u64),
    /// Up to the start of the next partition.
    ToNext,
    /// Up to the end of what the chip offers.
    ToEnd,
}

/// One partition as the map has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partition {
    /// Name as in the file, without the `__NODL_` and `__NODL_RSV_` prefixes.
    pub name: String,
    /// First byte, counted in main-area bytes from the start of the chip.
    pub start: u64,
    /// What is known of the size.
    pub size: Size,
    /// Whether the vendor's tool offers it for download. Reading back works for all.
    pub downloadable: bool,
    /// Line of the file it stands in, from 1.
    pub line: u32,
}

/// An area counted in blocks back from the end of the device (formats.md section 3.2), such as the bad-block pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reserved {
    /// Name as in the file, without prefixes.
    pub name: String,
    /// Blocks from the start of the area to the end of the device.
    pub blocks_from_end: u32,
    /// Line of the file it stands in, from 1.
    pub line: u32,
}

/// A partition map as read from one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Map {
    /// The kind of file.
    pub source: Source,
    /// The partitions in the order of the file, reserved areas left out.
    pub partitions: Vec<Partition>,
    /// Areas counted from the end of the device, the bad-block pool among them.
    pub reserved: Vec<Reserved>,
    /// Length of the bad-block pool (BMTPOOL) in erase blocks, where the file states it.
    pub pool_blocks: Option<u32>,
    /// Erase block size in bytes, where the file states it.
    pub erase_block: Option<u32>,
    /// What was accepted but deserves a word, as sentences for people.
    pub notes: Vec<String>,
}

/// Reads a partition map of any readable kind, which is found out from the content.
///
/// # Errors
/// The first fault met, with its line and column. A file of a known kind that is not readable yet, or that is no map
/// at all, is named.
pub fn parse(text: &[u8]) -> Result<Map, MapError> {
    let text = lines::without_bom(text);
    match detect::detect(text)? {
        detect::Kind::ProcMtd => proc_mtd::parse(text),
        detect::Kind::ScatterV0 => scatter_v0::parse(text),
    }
}

impl Map {
    /// The partition of this name. Upper and lower case are the same, the scatter prefixes do not count, and where no
    /// partition has the very name the aliases of [`aliases`] do (`system` finds `ANDROID`).
    ///
    /// # Errors
    /// No such partition, with the nearest names; or more than one.
    pub fn find(&self, name: &str) -> Result<&Partition, FindError> {
        names::find(&self.partitions, name, |it| &it.name, |it| it.line)
    }
}
