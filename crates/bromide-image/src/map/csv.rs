//! A table of comma-separated values with a heading: what [`super::write()`] makes, or what a person makes by hand.
//!
//! ```text
//! name,storage,region,start,size
//! boot,EMMC,EMMC_USER,0x1d80000,0x1000000
//! ```
//!
//! Columns may be missing or in another order; `name` and `start` must be there. A size that is empty reaches to the
//! next start of the region. Quotes protect commas, and a doubled quote stands for one.

use alloc::borrow::ToOwned;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use super::error::{Fault, MapError};
use super::lines::{Line, column, decimal, lines, prefixed_hex, printable};
use super::{
    Details, MOST_PARTITIONS, Map, Partition, Region, Reserved, Size, Source, StartIs, Storage, names,
};

/// The columns, in the order they are written in.
pub(super) const COLUMNS: [&str; 11] = [
    "name",
    "storage",
    "region",
    "start",
    "size",
    "blocks_from_end",
    "download",
    "reserved",
    "type",
    "operation",
    "file",
];

const HOW_HEX: &str = "a table has it (0x12700000)";

/// A cell and where it begins.
#[derive(Clone)]
struct Cell {
    text: String,
    column: u32,
}

/// Whether a line names columns, the two that must be there among them.
pub(super) fn is_heading(line: Line<'_>) -> bool {
    columns(line).is_some_and(|it| ["name", "start"].iter().all(|must| it.contains(must)))
}

/// The columns a heading names, when it names nothing else.
fn columns(line: Line<'_>) -> Option<Vec<&'static str>> {
    let known = |it: &Cell| COLUMNS.into_iter().find(|name| name.eq_ignore_ascii_case(it.text.trim()));
    cells(line).ok()?.iter().map(known).collect()
}

/// Parses text that begins with a heading.
pub(super) fn parse(text: &[u8]) -> Result<Map, MapError> {
    let mut map = Map::new(Source::Csv);
    let mut heading: Option<Vec<&'static str>> = None;
    let mut end = Line { number: 1, bytes: b"" };
    for line in lines(text) {
        end = line;
        if line.bytes.trim_ascii().is_empty() {
            continue;
        }
        let Some(heading) = &heading else {
            heading = columns(line);
            continue;
        };
        if map.partitions.len().saturating_add(map.reserved.len()) == MOST_PARTITIONS {
            return Err(line.fault(1, Fault::TooMany(MOST_PARTITIONS)));
        }
        Row::of(line, heading)?.into_map(&mut map)?;
    }
    if map.partitions.is_empty() && map.reserved.is_empty() {
        return Err(end.fault(1, Fault::Empty));
    }
    open_ends(&mut map);
    Ok(map)
}

/// The last partition of a region has no next start.
fn open_ends(map: &mut Map) {
    let mut last: BTreeMap<(Storage, Region), u64> = BTreeMap::new();
    for it in map.partitions.iter().filter(|it| it.start_is != StartIs::Unknown) {
        let start = last.entry((it.storage, it.region.clone())).or_insert(it.start);
        *start = it.start.max(*start);
    }
    for it in map.partitions.iter_mut().filter(|it| it.size == Size::ToNext) {
        if last.get(&(it.storage, it.region.clone())) == Some(&it.start) {
            it.size = Size::ToEnd;
        }
    }
}

/// The cells of a line.
fn cells(line: Line<'_>) -> Result<Vec<Cell>, MapError> {
    let mut cells = Vec::new();
    let mut rest = line.bytes;
    loop {
        let at = column(line.bytes.len().saturating_sub(rest.len()));
        let (bytes, after) = match rest.strip_prefix(b"\"") {
            Some(inside) => quoted(inside).ok_or_else(|| line.fault(at, Fault::Quote))?,
            None => {
                let len = rest.iter().position(|it| *it == b',').unwrap_or(rest.len());
                let (bytes, after) = rest.split_at_checked(len).unwrap_or((rest, b""));
                (bytes.to_vec(), after)
            }
        };
        let text = String::from_utf8(bytes).map_err(|_| line.fault(at, Fault::BadValue))?;
        cells.push(Cell { text, column: at });
        match after.strip_prefix(b",") {
            Some(next) => rest = next,
            None if after.is_empty() => return Ok(cells),
            None => return Err(line.fault(at, Fault::Quote)),
        }
    }
}

/// The content of a cell up to its closing quote, and what is behind that.
fn quoted(inside: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut content = Vec::new();
    let mut rest = inside;
    loop {
        let end = rest.iter().position(|it| *it == b'"')?;
        let (part, after) = rest.split_at_checked(end)?;
        content.extend(part);
        let after = after.get(1..)?;
        match after.strip_prefix(b"\"") {
            Some(more) => {
                content.push(b'"');
                rest = more;
            }
            None => return Some((content, after)),
        }
    }
}

/// The cells of a line by their columns.
struct Row<'a> {
    line: Line<'a>,
    cells: BTreeMap<&'static str, Cell>,
}

impl<'a> Row<'a> {
    fn of(line: Line<'a>, heading: &[&'static str]) -> Result<Self, MapError> {
        let cells = cells(line)?;
        if let Some(more) = cells.get(heading.len()) {
            let found = alloc::format!("\"{}\"", printable(more.text.as_bytes()));
            let wanted = "as many cells as the heading has";
            return Err(line.fault(more.column, Fault::Expected { wanted, found }));
        }
        Ok(Self { line, cells: heading.iter().copied().zip(cells).collect() })
    }

    /// The cell, unless it is empty or missing.
    fn cell(&self, name: &str) -> Option<&Cell> {
        self.cells.get(name).filter(|it| !it.text.is_empty())
    }

    fn text(&self, name: &str) -> Result<Option<String>, MapError> {
        let Some(cell) = self.cell(name) else { return Ok(None) };
        if cell.text.contains(char::is_control) {
            return Err(self.line.fault(cell.column, Fault::BadValue));
        }
        Ok(Some(cell.text.clone()))
    }

    fn number(&self, name: &str, bits: u32) -> Result<Option<u64>, MapError> {
        let Some(cell) = self.cell(name) else { return Ok(None) };
        let word = cell.text.trim().as_bytes();
        let hex = word.starts_with(b"0x") || word.starts_with(b"0X");
        let number = if hex { prefixed_hex(word, bits, HOW_HEX) } else { decimal(word) };
        let fault = |what| self.line.fault(cell.column, what);
        let number = number.map_err(fault)?;
        if number.checked_shr(bits).unwrap_or(0) != 0 {
            return Err(fault(Fault::TooLarge(printable(word), bits)));
        }
        Ok(Some(number))
    }

    fn flag(&self, name: &str, usual: bool) -> Result<bool, MapError> {
        let Some(cell) = self.cell(name) else { return Ok(usual) };
        match cell.text.trim() {
            it if it.eq_ignore_ascii_case("true") => Ok(true),
            it if it.eq_ignore_ascii_case("false") => Ok(false),
            it => {
                let found = alloc::format!("\"{}\"", printable(it.as_bytes()));
                Err(self.line.fault(cell.column, Fault::Expected { wanted: "true or false", found }))
            }
        }
    }

    fn storage(&self) -> Result<Storage, MapError> {
        let Some(cell) = self.cell("storage") else { return Ok(Storage::Unknown) };
        if cell.text.eq_ignore_ascii_case(Storage::Unknown.scatter()) {
            return Ok(Storage::Unknown);
        }
        Storage::from_scatter(&cell.text).ok_or_else(|| {
            let found = alloc::format!("\"{}\"", printable(cell.text.as_bytes()));
            let wanted = "NAND, NOR, EMMC, SDMMC, UFS or NONE";
            self.line.fault(cell.column, Fault::Expected { wanted, found })
        })
    }

    fn name(&self) -> Result<String, MapError> {
        let Some(cell) = self.cell("name") else {
            return Err(self.line.fault(1, Fault::KeyMissing("name")));
        };
        if !names::is_sane(&cell.text) {
            let name = printable(cell.text.as_bytes());
            return Err(self.line.fault(cell.column, Fault::BadName(name)));
        }
        Ok(cell.text.clone())
    }

    fn into_map(self, map: &mut Map) -> Result<(), MapError> {
        let number = self.line.number;
        let (name, storage) = (self.name()?, self.storage()?);
        let region = self.text("region")?.map_or(Region::Whole, |it| Region::from_scatter(&it));
        let (start, size) = (self.number("start", 64)?, self.number("size", 64)?);
        let details = Details {
            kind: self.text("type")?,
            operation: self.text("operation")?,
            file: self.text("file")?,
            reserved: self.flag("reserved", false)?,
            ..Details::default()
        };
        let downloadable = self.flag("download", true)?;
        if let Some(blocks) = self.number("blocks_from_end", 32)? {
            let mut it = Reserved::new(name, u32::try_from(blocks).unwrap_or(u32::MAX), number);
            let nand = matches!(storage, Storage::Nand | Storage::Unknown);
            if nand && it.name.eq_ignore_ascii_case("BMTPOOL") && blocks > 0 {
                map.pool_blocks = map.pool_blocks.or(Some(it.blocks_from_end));
            }
            (it.size, it.storage, it.region) = (size, storage, region);
            (it.downloadable, it.details) = (downloadable, details);
            map.reserved.push(it);
            return Ok(());
        }
        let size = match (start, size) {
            (_, Some(size)) => Size::Stated(size),
            (Some(_), None) => Size::ToNext,
            (None, None) => Size::Unknown,
        };
        let mut it = Partition::new(name.to_owned(), start.unwrap_or(0), size, number);
        if start.is_none() {
            it.start_is = StartIs::Unknown;
        }
        (it.storage, it.region, it.downloadable, it.details) = (storage, region, downloadable, details);
        map.partitions.push(it);
        Ok(())
    }
}
