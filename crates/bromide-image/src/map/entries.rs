//! Keys and values of scatter files, whatever they are written in, made into a map (formats.md sections 2.2 to 2.5).
//!
//! The YAML-like text and the XML hold the same keys. Both readers hand them over one by one; here they become
//! partitions, areas counted from the end of the device (section 3.2), and true addresses where the file has only
//! linear ones (section 3.1).

use alloc::borrow::ToOwned;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::error::{Fault, MapError};
use super::lines::{Line, prefixed_hex, printable};
use super::{
    Details, MOST_PARTITIONS, Map, Partition, Region, Reserved, Section, Size, Source, Storage, names,
};

/// Addresses from here to the end of 32 bits are block counts from the end of the device, for the areas named below
/// and for reserved ones (formats.md section 3.2).
const SENTINELS: core::ops::RangeInclusive<u64> = 0xFFFF_0000..=0xFFFF_FFFF;
const AT_THE_END: [&str; 5] = ["BMTPOOL", "OTP", "SDRPMB", "FLASHINFO", "SGPT"];

const HOW_HEX: &str = "a scatter file has it (0x12700000)";

/// A value and where it stands.
#[derive(Clone)]
pub(super) struct Value<'a> {
    pub(super) text: String,
    pub(super) line: Line<'a>,
    pub(super) column: u32,
}

impl Value<'_> {
    fn fault(&self, what: Fault) -> MapError {
        self.line.fault(self.column, what)
    }

    /// Nothing where the file says `NONE` or nothing.
    fn unless_none(&self) -> Option<String> {
        (!self.text.is_empty() && !self.text.eq_ignore_ascii_case("NONE")).then(|| self.text.clone())
    }

    fn number(&self) -> Result<u64, MapError> {
        prefixed_hex(self.text.as_bytes(), 64, HOW_HEX).map_err(|what| self.fault(what))
    }

    fn boolean(&self) -> Result<bool, MapError> {
        if self.text.eq_ignore_ascii_case("true") {
            Ok(true)
        } else if self.text.eq_ignore_ascii_case("false") {
            Ok(false)
        } else {
            let found = format!("\"{}\"", printable(self.text.as_bytes()));
            Err(self.fault(Fault::Expected { wanted: "true or false", found }))
        }
    }
}

/// The keys of one entry.
struct Entry<'a> {
    /// Index of its section.
    section: usize,
    line: Line<'a>,
    column: u32,
    known: BTreeMap<&'static str, Value<'a>>,
    other: Vec<(String, String)>,
    /// Names of those, to find one that stands twice, and the first that does with its line.
    seen: BTreeSet<String>,
    twice: Option<(String, u32)>,
}

/// The keys that are looked at.
const KNOWN: [&str; 12] = [
    "partition_name",
    "file_name",
    "is_download",
    "type",
    "linear_start_addr",
    "physical_start_addr",
    "partition_size",
    "region",
    "storage",
    "boundary_check",
    "is_reserved",
    "operation_type",
];

/// Takes keys in the order of the file.
pub(super) struct Entries<'a> {
    map: Map,
    /// A `storage_type` was met.
    nested: bool,
    entries: Vec<Entry<'a>>,
    /// The last entry still takes keys.
    open: bool,
    /// Keys of the header, or of the section that is read.
    seen: BTreeSet<String>,
    /// One of them stood twice.
    twice: bool,
}

impl<'a> Entries<'a> {
    pub(super) fn new() -> Self {
        Self {
            map: Map::new(Source::ScatterV1),
            nested: false,
            entries: Vec::new(),
            open: false,
            seen: BTreeSet::new(),
            twice: false,
        }
    }

    /// `storage_type` opens a section.
    pub(super) fn section(&mut self, storage: &Value<'a>) -> Result<(), MapError> {
        self.open = false;
        self.nested = true;
        self.seen.clear();
        if self.map.sections.len() == MOST_PARTITIONS {
            return Err(storage.fault(Fault::TooMany(MOST_PARTITIONS)));
        }
        let storage = self.storage(storage);
        self.map.sections.push(Section { storage, ..Section::default() });
        Ok(())
    }

    /// `partition_index` opens an entry.
    pub(super) fn entry(&mut self, line: Line<'a>, column: u32) -> Result<(), MapError> {
        if self.entries.len() == MOST_PARTITIONS {
            return Err(line.fault(column, Fault::TooMany(MOST_PARTITIONS)));
        }
        let section = self.current_section();
        self.entries.push(Entry {
            section,
            line,
            column,
            known: BTreeMap::new(),
            other: Vec::new(),
            seen: BTreeSet::new(),
            twice: None,
        });
        self.open = true;
        Ok(())
    }

    /// Keys from here on belong to the section or the header.
    pub(super) fn close_entry(&mut self) {
        self.open = false;
    }

    /// Any other key.
    pub(super) fn key(&mut self, key: &str, value: Value<'a>) -> Result<(), MapError> {
        if matches!(key, "general" | "info" | "description") {
            return Ok(());
        }
        if value.text.contains(char::is_control) {
            return Err(value.fault(Fault::BadValue));
        }
        match self.entries.last_mut().filter(|_| self.open) {
            Some(entry) => entry.key(key, value),
            None => self.header(key, &value),
        }
    }

    fn header(&mut self, key: &str, value: &Value<'a>) -> Result<(), MapError> {
        if !self.seen.insert(key.to_owned()) && !self.twice {
            self.twice = true;
            let line = value.line.number;
            self.map.notes.push(format!(
                "line {line}: {key} stands twice in the header; of a key that is looked at the last one counts"
            ));
        }
        match key {
            "config_version" => self.map.config_version = value.unless_none(),
            "platform" => self.map.platform = value.unless_none(),
            "project" => self.map.project = value.unless_none(),
            "storage" => {
                let storage = self.storage(value);
                let section = self.current_section();
                if let Some(it) = self.map.sections.get_mut(section) {
                    it.storage = storage;
                }
            }
            "boot_channel" | "block_size" => {
                let number = if key == "block_size" { Some(value.number()?) } else { None };
                let section = self.current_section();
                if let Some(it) = self.map.sections.get_mut(section) {
                    match number {
                        Some(_) => it.block_size = number,
                        None => it.boot_channel = value.unless_none(),
                    }
                }
            }
            _ => {
                let pair = (key.to_owned(), value.text.clone());
                match self.map.sections.last_mut().filter(|_| self.nested) {
                    Some(section) => section.other.push(pair),
                    None => self.map.other.push(pair),
                }
            }
        }
        Ok(())
    }

    /// Index of the section keys belong to; files of one storage have it unnamed.
    fn current_section(&mut self) -> usize {
        if self.map.sections.is_empty() {
            self.map.sections.push(Section::default());
        }
        self.map.sections.len().saturating_sub(1)
    }

    fn storage(&mut self, value: &Value<'a>) -> Storage {
        Storage::from_scatter(&value.text).unwrap_or_else(|| {
            let (line, text) = (value.line.number, printable(value.text.as_bytes()));
            self.map.notes.push(format!("line {line}: \"{text}\" is no known storage"));
            Storage::Unknown
        })
    }

    /// The map, once the file has ended. `nested` is the source of files with sections, `flat` of those without.
    pub(super) fn finish(mut self, end: Line<'a>, flat: Source, nested: Source) -> Result<Map, MapError> {
        self.map.source = if self.nested { nested } else { flat };
        let entries = core::mem::take(&mut self.entries);
        if entries.is_empty() {
            return Err(end.fault(1, Fault::Empty));
        }
        let mut rows = Vec::with_capacity(entries.len());
        for entry in entries {
            if let Some(row) = self.row(entry)? {
                rows.push(row);
            }
        }
        let bases = Bases::of(&rows);
        for row in rows {
            self.place(row, &bases);
        }
        if self.map.partitions.is_empty() {
            return Err(end.fault(1, Fault::Empty));
        }
        self.sizes_of_zero();
        if let Some(nand) = self.map.section(Storage::Nand) {
            self.map.erase_block = nand.block_size.and_then(|it| u32::try_from(it).ok()).filter(|it| *it > 0);
        }
        Ok(self.map)
    }

    /// The typed values of an entry; none for the nameless reserved one of a real file (formats.md section 3.2).
    fn row(&mut self, mut entry: Entry<'a>) -> Result<Option<Row>, MapError> {
        let missing = |entry: &Entry<'a>, key| entry.line.fault(entry.column, Fault::KeyMissing(key));
        let reserved = entry.take("is_reserved").map_or(Ok(false), |it| it.boolean())?;
        let name = entry.take("partition_name").ok_or_else(|| missing(&entry, "partition_name"))?;
        if name.text.is_empty() && reserved {
            let line = entry.line.number;
            self.map.notes.push(format!("line {line}: a reserved entry without a name is left out"));
            return Ok(None);
        }
        if !names::is_sane(&name.text) {
            return Err(name.fault(Fault::BadName(printable(name.text.as_bytes()))));
        }
        if let Some((key, line)) = &entry.twice {
            self.map.notes.push(format!("line {line}: {key} stands twice in one entry; both are kept"));
        }
        let linear = entry.number("linear_start_addr")?;
        let physical = entry.number("physical_start_addr")?;
        let Some(either) = physical.or(linear) else {
            return Err(missing(&entry, "physical_start_addr"));
        };
        let file = entry.take("file_name").and_then(|it| it.unless_none());
        let downloadable = entry.take("is_download").map_or(Ok(file.is_some()), |it| it.boolean())?;
        // The opposite of is_reserved in every real file, so only the exception is worth keeping.
        let check = entry.take("boundary_check");
        if let Some(check) = check.filter(|it| !it.boolean().is_ok_and(|check| check != reserved)) {
            entry.other.insert(0, ("boundary_check".to_owned(), check.text));
        }
        let section = self.map.sections.get(entry.section).map_or(Storage::Unknown, |it| it.storage);
        let storage = match entry.take("storage") {
            Some(it) => self.storage(&it),
            None => section,
        };
        if section != storage && section != Storage::Unknown {
            let (line, name) = (entry.line.number, &name.text);
            self.map.notes.push(format!("line {line}: {name} lies in {storage}, its section is {section}"));
        }
        Ok(Some(Row {
            size: entry.number("partition_size")?,
            region: entry.take("region").map_or(Region::Whole, |it| Region::from_scatter(&it.text)),
            line: entry.line.number,
            name: name.text,
            linear: linear.unwrap_or(either),
            physical: either,
            downloadable,
            storage,
            details: Details {
                kind: entry.take("type").and_then(|it| it.unless_none()),
                operation: entry.take("operation_type").and_then(|it| it.unless_none()),
                file,
                reserved,
                other: entry.other,
                ..Details::default()
            },
        }))
    }

    fn place(&mut self, row: Row, bases: &Bases) {
        let Row { name, linear, physical, size, region, storage, line, downloadable, details } = row;
        let at_end = details.reserved || AT_THE_END.iter().any(|it| it.eq_ignore_ascii_case(&name));
        let sentinel = [physical, linear].into_iter().find(|it| at_end && SENTINELS.contains(it));
        if let Some(sentinel) = sentinel {
            let blocks_from_end = u32::try_from(sentinel.saturating_sub(*SENTINELS.start())).unwrap_or(0);
            if storage == Storage::Nand && name.eq_ignore_ascii_case("BMTPOOL") && blocks_from_end > 0 {
                self.map.pool_blocks = self.map.pool_blocks.or(Some(blocks_from_end));
            }
            let size = size.filter(|it| *it > 0);
            self.map.reserved.push(Reserved {
                name,
                blocks_from_end,
                size,
                line,
                downloadable,
                storage,
                region,
                details,
            });
            return;
        }
        let start = bases.start(storage, &region, linear, physical);
        self.map.partitions.push(Partition {
            size: size.map_or(Size::ToNext, Size::Stated),
            linear: (linear != start).then_some(linear),
            downloadable,
            storage,
            region,
            details,
            ..Partition::new(name, start, Size::ToNext, line)
        });
    }

    /// Size 0 in the last partition of a region is "up to the end" (formats.md section 2.2).
    fn sizes_of_zero(&mut self) {
        let mut last: BTreeMap<(Storage, Region), u64> = BTreeMap::new();
        for it in &self.map.partitions {
            let start = last.entry((it.storage, it.region.clone())).or_default();
            *start = it.start.max(*start);
        }
        for it in &mut self.map.partitions {
            let is_last = last.get(&(it.storage, it.region.clone())) == Some(&it.start);
            if is_last && matches!(it.size, Size::Stated(0) | Size::ToNext) {
                it.size = Size::ToEnd;
            }
        }
    }
}

/// One entry with its values read.
struct Row {
    name: String,
    linear: u64,
    physical: u64,
    size: Option<u64>,
    region: Region,
    storage: Storage,
    line: u32,
    downloadable: bool,
    details: Details,
}

impl<'a> Entry<'a> {
    fn key(&mut self, key: &str, value: Value<'a>) -> Result<(), MapError> {
        let Some(known) = KNOWN.iter().find(|it| **it == key) else {
            if !self.seen.insert(key.to_owned()) {
                self.twice.get_or_insert_with(|| (key.to_owned(), value.line.number));
            }
            // The one value all files have; it is written again without being kept.
            if (key, value.text.as_str()) != ("reserve", "0x00") {
                self.other.push((key.to_owned(), value.text));
            }
            return Ok(());
        };
        if let Some(before) = self.known.get(known) {
            let line = before.line.number;
            return Err(value.fault(Fault::KeyTwice { key: key.to_owned(), line }));
        }
        self.known.insert(known, value);
        Ok(())
    }

    fn take(&mut self, key: &str) -> Option<Value<'a>> {
        self.known.remove(key)
    }

    fn number(&mut self, key: &str) -> Result<Option<u64>, MapError> {
        self.take(key).map(|it| it.number()).transpose()
    }
}

/// Where the user area begins in linear addresses, for storages whose physical addresses are all 0.
struct Bases(BTreeMap<Storage, u64>);

impl Bases {
    fn of(rows: &[Row]) -> Self {
        let mut bases = BTreeMap::new();
        let mut seen: BTreeMap<Storage, (u32, bool, u64, Option<u64>)> = BTreeMap::new();
        let main = rows.iter().filter(|it| it.region.has_device_end() && !SENTINELS.contains(&it.linear));
        for it in main {
            let (count, moved, least, mbr) = seen.entry(it.storage).or_insert((0, false, u64::MAX, None));
            *count = count.saturating_add(1);
            *moved |= it.physical != 0;
            *least = it.linear.min(*least);
            if it.name.eq_ignore_ascii_case("MBR") {
                *mbr = mbr.or(Some(it.linear));
            }
        }
        for (storage, (count, moved, least, mbr)) in seen {
            if count > 1 && !moved {
                let base = if storage == Storage::Nand { 0 } else { mbr.unwrap_or(least) };
                bases.insert(storage, base);
            }
        }
        Self(bases)
    }

    fn start(&self, storage: Storage, region: &Region, linear: u64, physical: u64) -> u64 {
        match (self.0.get(&storage), region) {
            (Some(base), it) if it.has_device_end() => linear.saturating_sub(*base),
            (Some(_), Region::Boot1 | Region::BothBoots) => linear,
            _ => physical,
        }
    }
}
