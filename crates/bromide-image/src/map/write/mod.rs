//! Turns a map into another kind of file, and says what that kind cannot hold.
//!
//! What is written obeys the rules of the vendor's tools: lines end with a line feed alone, keys come in the printed
//! order (formats.md section 2).

mod csv;
mod gpt;
mod json;
mod keys;
mod mtdparts;
mod scatter_v0;
mod scatter_v1;
mod scatter_xml;

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

pub use gpt::{GptMapError, WrittenGpt, write_gpt};

use super::model::{Map, Partition, Region, Reserved, Size, StartIs, Storage};

/// The kinds of text a map can be written as; [`write_gpt`] is for the table on flash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Format {
    /// The oldest scatter dialect: names and linear addresses.
    ScatterV0,
    /// YAML-like scatter text, V1.1.x; V2.x for several storages.
    ScatterV1,
    /// XML scatter file, V1.1.x; V2.x for several storages.
    ScatterXml,
    /// The kernel's `mtdparts=` argument.
    Mtdparts,
    /// Everything, for programs.
    Json,
    /// A table, for people.
    Csv,
}

impl Format {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::ScatterV0, Self::ScatterV1, Self::ScatterXml, Self::Mtdparts, Self::Json, Self::Csv];

    /// The name a user gives.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::ScatterV0 => "scatter-v0",
            Self::ScatterV1 => "scatter-v1",
            Self::ScatterXml => "scatter-xml",
            Self::Mtdparts => "mtdparts",
            Self::Json => "json",
            Self::Csv => "csv",
        }
    }
}

/// A map in another form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// The file.
    pub text: String,
    /// What this kind of file cannot hold, and what had to be assumed, as sentences for people.
    pub remarks: Vec<String>,
    /// How many partitions and reserved areas the file holds.
    pub entries: usize,
}

/// Writes a map. What the format cannot hold is left out and told; no input makes this fail.
#[must_use]
pub fn write(map: &Map, format: Format) -> Written {
    match format {
        Format::ScatterV0 => scatter_v0::write(map),
        Format::ScatterV1 => scatter_v1::write(map),
        Format::ScatterXml => scatter_xml::write(map),
        Format::Mtdparts => mtdparts::write(map),
        Format::Json => json::write(map),
        Format::Csv => csv::write(map),
    }
}

/// A partition or an area counted from the end, in the order of the file.
#[derive(Clone, Copy)]
enum Item<'a> {
    Partition(&'a Partition),
    Reserved(&'a Reserved),
}

impl Item<'_> {
    fn line(&self) -> u32 {
        match self {
            Self::Partition(it) => it.line,
            Self::Reserved(it) => it.line,
        }
    }
}

fn items(map: &Map) -> Vec<Item<'_>> {
    let partitions = map.partitions.iter().map(Item::Partition);
    let mut items: Vec<_> = partitions.chain(map.reserved.iter().map(Item::Reserved)).collect();
    items.sort_by_key(Item::line);
    items
}

/// The starts of all partitions, for the sizes that are a matter of the next one.
struct Starts<'a>(Vec<(Storage, &'a Region, u64)>);

impl<'a> Starts<'a> {
    fn of(map: &'a Map) -> Self {
        let known = map.partitions.iter().filter(|it| it.start_is != StartIs::Unknown);
        let mut starts: Vec<_> = known.map(|it| (it.storage, &it.region, it.start)).collect();
        starts.sort_unstable();
        Self(starts)
    }

    /// The nearest start behind that of a partition in its region.
    fn next(&self, it: &Partition) -> Option<u64> {
        let here = (it.storage, &it.region, it.start);
        let at = self.0.partition_point(|other| *other <= here);
        let next = self.0.get(at)?;
        ((next.0, next.1) == (here.0, here.1)).then_some(next.2)
    }

    /// The size in bytes; none up to the end of the region.
    fn size(&self, it: &Partition) -> Option<u64> {
        match it.size {
            Size::Stated(size) => Some(size),
            Size::ToEnd => None,
            Size::ToNext | Size::Unknown => Some(self.next(it)?.saturating_sub(it.start)),
        }
    }
}

/// Sentences about many partitions in one: the first names, and how many more.
fn about(names: &[&str], what: &str) -> Option<String> {
    let shown = names.get(..names.len().min(4))?;
    let more = names.len().saturating_sub(shown.len());
    match (shown, more) {
        ([], _) => None,
        (_, 0) => Some(format!("{}: {what}", shown.join(", "))),
        _ => Some(format!("{} and {more} more: {what}", shown.join(", "))),
    }
}

/// What listings and tables on flash do not tell, but the file must.
fn downloads(map: &Map, remarks: &mut Vec<String>) {
    if !map.source.states_downloads() && !map.partitions.is_empty() {
        remarks.push("what is offered for download is not stated; that is assumed by the names".to_owned());
    }
}

/// Whether the map tells what a partition is besides its place.
fn tells_more(map: &Map, it: &Partition) -> bool {
    let hidden = map.source.states_downloads() && !it.downloadable;
    it.details.file.is_some() || it.details.kind.is_some() || hidden
}

/// What only listings of a running phone tell, and no file for the vendor's tool holds.
fn running_phone(map: &Map, remarks: &mut Vec<String>) {
    let tells = |it: &&Partition| it.details.device.is_some() || it.details.mount.is_some();
    let names: Vec<&str> = map.partitions.iter().filter(tells).map(|it| it.name.as_str()).collect();
    remarks.extend(about(&names, "block device and mount point have no place in this kind of file"));
}
