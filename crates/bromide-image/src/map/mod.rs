//! A phone's partition map: which partitions there are, where each begins, and what is known of its size.
//!
//! Read from what the owner of a phone can get: a scatter file of the vendor's tool in any of its dialects (formats.md
//! section 2), or a listing the phone prints (section 4). [`parse`] and [`read`] tell them apart by content, never by
//! file name.
//!
//! A map alone rarely holds every size. [`Map::place`] resolves it against a real NAND chip and checks the result;
//! [`Map::check`] lists what is wrong or odd in a map of any storage; [`write()`] turns it into another kind of file.
//! No input makes anything here panic, and the time taken grows in line with the input.

mod by_name;
mod check;
mod csv;
mod detect;
mod dumchar;
mod dump;
mod entries;
mod error;
mod gdisk;
mod json;
mod lines;
mod model;
mod mount;
mod mtdparts;
mod names;
mod nand_pages;
mod place;
mod proc_mtd;
mod proc_partitions;
mod scatter_v0;
mod scatter_v1;
mod scatter_xml;
mod stretches;
mod tables;
mod write;
mod xml;

pub use check::{Finding, Weight};
pub use dump::{MOST_TEXT_BYTES, OpenError, read_at, read_dump};
pub use error::{Fault, FindError, MapError, PlaceError, UnknownPartition};
pub use model::{Details, Map, Mount, Partition, Region, Reserved, Section, Size, Source, StartIs, Storage};
pub use mount::annotate;
pub use names::aliases;
pub use place::{ChipShape, Derived, PMT_BLOCKS, Placed, Placement};
pub use scatter_xml::Manifest;
pub use stretches::stretches;
pub use tables::{of_emmc_pmt, of_gpt, of_mbr, of_pmt};
pub use write::{Format, GptMapError, Written, WrittenGpt, write, write_gpt};

/// Most partitions a map may hold. Real files have up to 64 a section, the vendor's tools hold 128
/// (formats.md section 2.7); the bound keeps a hostile file cheap.
pub const MOST_PARTITIONS: usize = 4096;

/// What a file turned out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// A partition map.
    Map(Map),
    /// A manifest that names the scatter file to read instead.
    Manifest(Manifest),
}

/// Reads a partition map from text of any kind, or the manifest that names one. The kind is found out from the content.
/// Tables of the flash are for [`read_at`].
///
/// # Errors
/// The first fault met, with its line and column; a known file that is no map is named.
pub fn read(text: &[u8]) -> Result<Content, MapError> {
    let text = lines::without_bom(text);
    let mut map = match detect::detect(text)? {
        detect::Kind::ProcMtd => proc_mtd::parse(text),
        detect::Kind::ScatterV0 => scatter_v0::parse(text),
        detect::Kind::ScatterV1 => scatter_v1::parse(text),
        detect::Kind::Xml => return scatter_xml::parse(text),
        detect::Kind::ProcPartitions => proc_partitions::parse(text),
        detect::Kind::Dumchar => dumchar::parse(text),
        detect::Kind::Mtdparts => mtdparts::parse(text),
        detect::Kind::ByName => by_name::parse(text),
        detect::Kind::Gdisk => gdisk::parse(text),
        // What that says of downloads counts, whatever it was made of.
        detect::Kind::Json => return json::parse(text).map(Content::Map),
        detect::Kind::Csv => csv::parse(text),
    }?;
    map.assume_downloads();
    Ok(Content::Map(map))
}

/// Reads a partition map of any kind, which is found out from the content.
///
/// # Errors
/// As [`read`]; a manifest is an error too.
pub fn parse(text: &[u8]) -> Result<Map, MapError> {
    match read(text)? {
        Content::Map(map) => Ok(map),
        Content::Manifest(manifest) => {
            let first = lines::Line { number: 1, bytes: lines::without_bom(text) };
            Err(first.fault(1, Fault::Manifest(lines::printable(manifest.scatter.as_bytes()))))
        }
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
