//! The JSON that [`super::write()`] makes, read back; what is missing from it counts as not known.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;
use core::marker::PhantomData;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, SeqAccess, Visitor};

use super::error::{Fault, MapError};
use super::lines::{Line, printable};
use super::{
    Details, MOST_PARTITIONS, Map, Mount, Partition, Region, Reserved, Section, Size, Source, StartIs,
    Storage, names,
};

type Pairs = List<(String, String)>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    source: Option<SourceWord>,
    #[serde(default)]
    platform: Option<String>,
    #[serde(default)]
    project: Option<String>,
    #[serde(default)]
    config_version: Option<String>,
    #[serde(default)]
    mtd_id: Option<String>,
    #[serde(default)]
    erase_block: Option<u32>,
    #[serde(default)]
    pool_blocks: Option<u32>,
    #[serde(default)]
    other: Pairs,
    #[serde(default)]
    sections: List<OneSection>,
    partitions: List<OnePartition>,
    #[serde(default)]
    reserved: List<OneReserved>,
    #[serde(default)]
    notes: List<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OneSection {
    storage: StorageWord,
    #[serde(default)]
    boot_channel: Option<String>,
    #[serde(default)]
    block_size: Option<u64>,
    #[serde(default)]
    other: Pairs,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OnePartition {
    name: Name,
    #[serde(default)]
    storage: StorageWord,
    #[serde(default)]
    region: String,
    #[serde(default)]
    start: Option<u64>,
    #[serde(default)]
    start_derived: bool,
    #[serde(default)]
    size: Option<u64>,
    #[serde(default)]
    size_is: Option<SizeWord>,
    #[serde(default)]
    linear: Option<u64>,
    #[serde(default = "yes")]
    downloadable: bool,
    /// Follows from the operation, and is not looked at.
    #[serde(default, rename = "visible")]
    _visible: bool,
    #[serde(default)]
    reserved: bool,
    #[serde(default, rename = "type")]
    kind: Option<String>,
    #[serde(default)]
    operation: Option<String>,
    #[serde(default)]
    file: Option<String>,
    #[serde(default)]
    device: Option<String>,
    #[serde(default)]
    mount_point: Option<String>,
    #[serde(default)]
    file_system: Option<String>,
    #[serde(default)]
    flags: List<String>,
    #[serde(default)]
    other: Pairs,
    #[serde(default)]
    line: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OneReserved {
    name: Name,
    #[serde(default)]
    storage: StorageWord,
    #[serde(default)]
    region: String,
    blocks_from_end: u32,
    #[serde(default)]
    size: Option<u64>,
    #[serde(default)]
    downloadable: bool,
    #[serde(default = "yes")]
    reserved: bool,
    #[serde(default, rename = "type")]
    kind: Option<String>,
    #[serde(default)]
    operation: Option<String>,
    #[serde(default)]
    file: Option<String>,
    #[serde(default)]
    device: Option<String>,
    #[serde(default)]
    mount_point: Option<String>,
    #[serde(default)]
    file_system: Option<String>,
    #[serde(default)]
    flags: List<String>,
    #[serde(default)]
    other: Pairs,
    #[serde(default)]
    line: u32,
}

const fn yes() -> bool {
    true
}

/// Parses text that begins as JSON does.
pub(super) fn parse(text: &[u8]) -> Result<Map, MapError> {
    let file: File = serde_json::from_slice(text).map_err(|error| fault(text, &error))?;
    let mut map = Map::new(file.source.map_or(Source::Json, |it| it.0));
    (map.platform, map.project, map.config_version) = (file.platform, file.project, file.config_version);
    (map.mtd_id, map.erase_block, map.pool_blocks) = (file.mtd_id, file.erase_block, file.pool_blocks);
    (map.other, map.notes) = (file.other.0, file.notes.0);
    map.sections = file.sections.0.into_iter().map(section).collect();
    let lines = (1_u32..).zip(file.partitions.0);
    map.partitions = lines.map(|(place, it)| partition(place, it)).collect();
    let lines = (1_u32..).zip(file.reserved.0);
    map.reserved = lines.map(|(place, it)| reserved(place, it)).collect();
    if map.partitions.is_empty() && map.reserved.is_empty() {
        return Err(Line { number: 1, bytes: text }.fault(1, Fault::Empty));
    }
    Ok(map)
}

/// The fault with its place, which the library tells in its text too.
fn fault(text: &[u8], error: &serde_json::Error) -> MapError {
    let line = text.split(|byte| *byte == b'\n').nth(error.line().saturating_sub(1)).unwrap_or_default();
    let number = u32::try_from(error.line()).unwrap_or(u32::MAX);
    let column = u32::try_from(error.column()).unwrap_or(u32::MAX).max(1);
    let said = error.to_string();
    let what = said.rsplit_once(" at line ").map_or(said.as_str(), |it| it.0);
    Line { number, bytes: line }.fault(column, Fault::Json(printable(what.as_bytes())))
}

fn section(it: OneSection) -> Section {
    let OneSection { storage, boot_channel, block_size, other } = it;
    Section { storage: storage.0, boot_channel, block_size, other: other.0 }
}

fn partition(place: u32, it: OnePartition) -> Partition {
    let size = match (it.size, it.size_is) {
        (_, Some(SizeWord::ToNext)) => Size::ToNext,
        (_, Some(SizeWord::ToEnd)) => Size::ToEnd,
        (_, Some(SizeWord::Unknown)) | (None, _) => Size::Unknown,
        (Some(size), _) => Size::Stated(size),
    };
    let line = if it.line == 0 { place } else { it.line };
    let mut made = Partition::new(it.name.0, it.start.unwrap_or(0), size, line);
    made.start_is = match (it.start, it.start_derived) {
        (None, _) => StartIs::Unknown,
        (Some(_), true) => StartIs::FromSizes,
        (Some(_), false) => StartIs::Stated,
    };
    (made.storage, made.region) = (it.storage.0, Region::from_scatter(&it.region));
    (made.linear, made.downloadable) = (it.linear, it.downloadable);
    made.details = Details {
        kind: it.kind,
        operation: it.operation,
        file: it.file,
        reserved: it.reserved,
        device: it.device,
        mount: mount(it.mount_point, it.file_system),
        flags: it.flags.0,
        other: it.other.0,
    };
    made
}

fn reserved(place: u32, it: OneReserved) -> Reserved {
    let line = if it.line == 0 { place } else { it.line };
    let mut made = Reserved::new(it.name.0, it.blocks_from_end, line);
    (made.storage, made.region) = (it.storage.0, Region::from_scatter(&it.region));
    (made.size, made.downloadable) = (it.size, it.downloadable);
    made.details = Details {
        kind: it.kind,
        operation: it.operation,
        file: it.file,
        reserved: it.reserved,
        device: it.device,
        mount: mount(it.mount_point, it.file_system),
        flags: it.flags.0,
        other: it.other.0,
    };
    made
}

fn mount(point: Option<String>, file_system: Option<String>) -> Option<Mount> {
    Some(Mount { point: point?, file_system: file_system.unwrap_or_default() })
}

#[derive(Deserialize, Clone, Copy)]
enum SizeWord {
    #[serde(rename = "stated")]
    Stated,
    #[serde(rename = "to the next start")]
    ToNext,
    #[serde(rename = "to the end")]
    ToEnd,
    #[serde(rename = "unknown")]
    Unknown,
}

/// A name a partition can have.
struct Name(String);

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let name = String::deserialize(from)?;
        let bad = || D::Error::custom(format!("\"{}\" is not a partition name", printable(name.as_bytes())));
        if names::is_sane(&name) { Ok(Self(name)) } else { Err(bad()) }
    }
}

struct SourceWord(Source);

impl<'de> Deserialize<'de> for SourceWord {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let word = String::deserialize(from)?;
        let found = Source::ALL.into_iter().find(|it| it.code() == word);
        found
            .map(Self)
            .ok_or_else(|| D::Error::custom("the source is none of the kinds of map that there are"))
    }
}

#[derive(Default)]
struct StorageWord(Storage);

impl<'de> Deserialize<'de> for StorageWord {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let word = String::deserialize(from)?;
        let unknown = (word == Storage::Unknown.scatter()).then_some(Storage::Unknown);
        let found = unknown.or_else(|| Storage::from_scatter(&word));
        found.map(Self).ok_or_else(|| D::Error::custom("a storage is NAND, NOR, EMMC, SDMMC, UFS or NONE"))
    }
}

/// A list of no more items than a map may have, whatever they are: a hostile file must stay cheap.
struct List<T>(Vec<T>);

impl<T> Default for List<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for List<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_seq(ListVisitor(PhantomData))
    }
}

struct ListVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ListVisitor<T> {
    type Value = List<T>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut from: A) -> Result<Self::Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = from.next_element()? {
            if items.len() == MOST_PARTITIONS {
                return Err(A::Error::custom(format!("more than {MOST_PARTITIONS} items in a list")));
            }
            items.push(item);
        }
        Ok(List(items))
    }
}
