//! The oldest scatter dialect (formats.md section 2.1, dialect A): a name and a start per partition, no sizes.
//!
//! ```text
//! ANDROID 0x13a0000
//! {
//! }
//! ```
//!
//! More is accepted than the vendor's tool takes; the notes of the map say so where that happened: comments, braces
//! on one line, and the list without braces (an OTA list).

use alloc::borrow::ToOwned;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::error::{Fault, MapError};
use super::lines::{Line, Token, lines, prefixed_hex, printable, quoted};
use super::{MOST_PARTITIONS, Map, Partition, Region, Reserved, Size, Source, Storage, names};

/// Addresses from here on are block counts from the end of the device (formats.md section 3.2).
const FIRST_SENTINEL: u64 = 0xFFFF_0000;

const HOW_HEX: &str = "a scatter file has it (0x12700000)";

/// What the text may go on with.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Due {
    Name,
    Open,
    Close,
}

struct Parser<'a> {
    map: Map,
    due: Due,
    /// Line and column of the last entry's name, for errors that are noticed later.
    entry: Option<(Line<'a>, u32)>,
    braces: Option<bool>,
    comments: Option<u32>,
    same_line: Option<u32>,
}

/// Parses text that has been recognised as this dialect.
pub(super) fn parse(text: &[u8]) -> Result<Map, MapError> {
    let map = Map::new(Source::ScatterV0);
    let mut parser =
        Parser { map, due: Due::Name, entry: None, braces: None, comments: None, same_line: None };
    let mut last = Line { number: 1, bytes: b"" };
    for line in lines(text) {
        parser.line(line)?;
        last = line;
    }
    parser.finish(last)
}

impl<'a> Parser<'a> {
    fn line(&mut self, line: Line<'a>) -> Result<(), MapError> {
        let mut words = line.tokens();
        let mut first = true;
        while let Some(word) = words.next() {
            if word.bytes.starts_with(b"#") || word.bytes.starts_with(b"//") {
                self.comments = self.comments.or(Some(line.number));
                return Ok(());
            }
            match (self.due, word.bytes) {
                (Due::Open, b"{") => {
                    self.braces = Some(true);
                    self.due = Due::Close;
                }
                (Due::Close, b"}") => self.due = Due::Name,
                (Due::Close, _) => {
                    return Err(unexpected(line, word, "} (nothing stands between the braces)"));
                }
                (Due::Open, _) if self.braces == Some(true) || !first => {
                    return Err(unexpected(line, word, "{"));
                }
                (Due::Name, _) if !first => return Err(unexpected(line, word, "the end of the line")),
                (Due::Open | Due::Name, _) => {
                    // Without a brace after its first entry the whole list must do without.
                    if self.due == Due::Open {
                        self.braces = Some(false);
                    }
                    self.entry(line, word, words.next())?;
                    self.due = if self.braces == Some(false) { Due::Name } else { Due::Open };
                }
            }
            if !first && matches!(word.bytes, b"{" | b"}") {
                self.same_line = self.same_line.or(Some(line.number));
            }
            first = false;
        }
        Ok(())
    }

    fn entry(&mut self, line: Line<'a>, word: Token<'_>, address: Option<Token<'_>>) -> Result<(), MapError> {
        if matches!(word.bytes, b"{" | b"}") {
            return Err(unexpected(line, word, "a partition name"));
        }
        let is_name = |it: &u8| it.is_ascii_alphanumeric() || *it == b'_';
        let full = core::str::from_utf8(word.bytes).ok().filter(|it| it.as_bytes().iter().all(is_name));
        let full = full.ok_or_else(|| line.fault(word.column, Fault::BadName(printable(word.bytes))))?;
        let address = address.ok_or_else(|| {
            let what = Fault::Expected { wanted: "an address (0x...)", found: quoted(None) };
            line.fault(line.end_column(), what)
        })?;
        let start =
            prefixed_hex(address.bytes, 32, HOW_HEX).map_err(|what| line.fault(address.column, what))?;
        if self.map.partitions.len().saturating_add(self.map.reserved.len()) == MOST_PARTITIONS {
            return Err(line.fault(word.column, Fault::TooMany(MOST_PARTITIONS)));
        }
        self.entry = Some((line, word.column));
        let (name, downloadable) = names::without_prefix(full);
        let placed = if start >= FIRST_SENTINEL {
            self.reserved(name, start, line.number)
        } else {
            self.partition(name, start, downloadable, line.number)
        };
        placed.map_err(|what| line.fault(address.column, what))
    }

    fn reserved(&mut self, name: &str, start: u64, line: u32) -> Result<(), Fault> {
        let blocks_from_end = u32::try_from(start.saturating_sub(FIRST_SENTINEL)).unwrap_or(u32::MAX);
        if name.eq_ignore_ascii_case("BMTPOOL") {
            if let Some(pool) = self.map.reserved.iter().find(|it| it.name.eq_ignore_ascii_case(name)) {
                return Err(Fault::SecondPool(pool.line));
            }
            if blocks_from_end == 0 {
                self.map.notes.push(format!("line {line}: the bad-block pool has no length; it is ignored"));
            } else {
                self.map.pool_blocks = Some(blocks_from_end);
            }
        }
        self.map.reserved.push(Reserved::new(name.to_owned(), blocks_from_end, line));
        Ok(())
    }

    fn partition(&mut self, name: &str, start: u64, downloadable: bool, line: u32) -> Result<(), Fault> {
        if start.trailing_zeros() < 2 {
            return Err(Fault::NotWordAligned(start));
        }
        if let Some(before) = self.map.partitions.last().filter(|before| before.start >= start) {
            return Err(Fault::NotAscending {
                name: name.to_owned(),
                start,
                before: before.name.clone(),
                before_start: before.start,
                before_line: before.line,
            });
        }
        let mut partition = Partition::new(name.to_owned(), start, Size::ToNext, line);
        partition.downloadable = downloadable;
        self.map.partitions.push(partition);
        Ok(())
    }

    fn finish(mut self, last: Line<'_>) -> Result<Map, MapError> {
        // One entry alone has shown no braces yet.
        match (self.due, self.braces, self.entry) {
            (Due::Close, _, _) => return Err(at_end(last, "}")),
            (Due::Open, Some(true), _) => return Err(at_end(last, "{")),
            (Due::Open, _, _) => self.braces = Some(false),
            _ => {}
        }
        let Some(partition) = self.map.partitions.last_mut() else {
            let (line, column) = self.entry.unwrap_or((last, 1));
            return Err(line.fault(column, Fault::Empty));
        };
        partition.size = Size::ToEnd;
        if self.braces == Some(false) {
            self.map.source = Source::OtaList;
        }
        self.map.notes.extend(self.notes());
        self.split_at_mbr();
        Ok(self.map)
    }

    /// With an MBR it is the map of an eMMC: addresses count from the first boot partition, the user area begins
    /// where the MBR is (formats.md section 3.1).
    fn split_at_mbr(&mut self) {
        let is_mbr = |it: &&Partition| it.name.eq_ignore_ascii_case("MBR");
        let Some(mbr) = self.map.partitions.iter().find(is_mbr).map(|it| it.start) else { return };
        for it in &mut self.map.partitions {
            it.storage = Storage::Emmc;
            if let Some(start) = it.start.checked_sub(mbr) {
                it.region = Region::User;
                it.linear = (start != it.start).then_some(it.start);
                it.start = start;
            } else {
                it.region = Region::Boot1;
            }
        }
        // Behind the last entry before the MBR lie the rest of the boot partitions and the RPMB.
        if let Some(it) = self.map.partitions.iter_mut().rfind(|it| it.region == Region::Boot1) {
            it.size = Size::ToEnd;
        }
        self.map.pool_blocks = None;
        for it in &mut self.map.reserved {
            (it.storage, it.region) = (Storage::Emmc, Region::User);
        }
    }

    /// Where this parser is more liberal than the vendor's tool, and what is odd besides.
    fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if self.map.source == Source::OtaList {
            notes.push("no braces: an OTA list, which the vendor's tool refuses".to_owned());
        }
        if let Some(line) = self.comments {
            notes.push(format!("line {line}: comments are skipped; the vendor's tool refuses them"));
        }
        if let Some(line) = self.same_line {
            notes.push(format!("line {line}: a brace beside other text, which the vendor's tool refuses"));
        }
        let mut seen = BTreeMap::new();
        for it in &self.map.partitions {
            if let Some(before) = seen.insert(it.name.to_ascii_uppercase(), it.line) {
                notes.push(format!("{} is named twice, in lines {before} and {}", it.name, it.line));
            }
        }
        if self.map.partitions.iter().any(|it| it.name.eq_ignore_ascii_case("MBR")) {
            notes.push("an MBR is listed: this is the map of a phone with eMMC, not NAND".to_owned());
        }
        notes
    }
}

fn unexpected(line: Line<'_>, word: Token<'_>, wanted: &'static str) -> MapError {
    line.fault(word.column, Fault::Expected { wanted, found: quoted(Some(word)) })
}

fn at_end(last: Line<'_>, wanted: &'static str) -> MapError {
    let what = Fault::Expected { wanted, found: "the end of the file".to_owned() };
    last.fault(last.end_column(), what)
}
