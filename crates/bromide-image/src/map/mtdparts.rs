//! The kernel's `mtdparts=` argument (formats.md section 4.5): names, sizes, and starts where they are not the end of
//! the partition before.
//!
//! ```text
//! mtdparts=mtk-nand:256k(preloader),768k(dsp_bl),-(userdata)
//! ```

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;

use super::error::{Fault, MapError};
use super::lines::{Line, column, lines, printable};
use super::{MOST_PARTITIONS, Map, Partition, Region, Size, Source, StartIs, Storage, names};

/// What such an argument begins with; a whole kernel command line may stand around it.
pub(super) const KEY: &[u8] = b"mtdparts=";

/// Longest name of a flash in bytes; real ones have a dozen.
pub(super) const LONGEST_ID: usize = 255;

/// Parses text that has such an argument in it.
pub(super) fn parse(text: &[u8]) -> Result<Map, MapError> {
    let mut map = Map::new(Source::Mtdparts);
    let mut end = Line { number: 1, bytes: b"" };
    for line in lines(text) {
        end = line;
        let Some(at) = line.bytes.windows(KEY.len()).position(|it| it == KEY) else { continue };
        let mut cursor = Cursor { line, position: at.saturating_add(KEY.len()) };
        cursor.devices(&mut map)?;
        if map.partitions.is_empty() {
            return Err(cursor.expected("a partition"));
        }
        return Ok(map);
    }
    Err(end.fault(1, Fault::Empty))
}

struct Cursor<'a> {
    line: Line<'a>,
    position: usize,
}

impl<'a> Cursor<'a> {
    fn rest(&self) -> &'a [u8] {
        self.line.bytes.get(self.position..).unwrap_or_default()
    }

    fn take(&mut self, what: u8) -> bool {
        let found = self.rest().first() == Some(&what);
        self.position = self.position.saturating_add(usize::from(found));
        found
    }

    /// Bytes up to the first of `ends`, which stays.
    fn until(&mut self, ends: &[u8]) -> Option<&'a [u8]> {
        let rest = self.rest();
        let length = rest.iter().position(|it| ends.contains(it))?;
        self.position = self.position.saturating_add(length);
        rest.get(..length)
    }

    fn fault(&self, what: Fault) -> MapError {
        self.line.fault(column(self.position), what)
    }

    fn expected(&self, wanted: &'static str) -> MapError {
        let found = match self.rest().first() {
            Some(byte) => format!("\"{}\"", printable(&[*byte])),
            None => "the end of the line".to_owned(),
        };
        self.fault(Fault::Expected { wanted, found })
    }

    fn text(&self, bytes: &[u8]) -> Result<String, MapError> {
        let text = core::str::from_utf8(bytes).ok().filter(|it| names::is_sane(it));
        text.map(ToOwned::to_owned).ok_or_else(|| self.fault(Fault::BadName(printable(bytes))))
    }

    /// `id:part,part;id:part`. The first device is the flash; partitions of further ones lie in a region of that name.
    fn devices(&mut self, map: &mut Map) -> Result<(), MapError> {
        loop {
            let from = self.position;
            let id = self.until(b":").ok_or_else(|| self.expected("the name of a flash and a colon"))?;
            let start = Self { line: self.line, position: from };
            // Every partition of a further flash keeps its id.
            if id.len() > LONGEST_ID {
                return Err(start.fault(Fault::BadName(printable(id))));
            }
            let id = start.text(id)?;
            self.take(b':');
            let region = if map.mtd_id.is_none() { Region::Whole } else { Region::Other(id.clone()) };
            map.mtd_id = map.mtd_id.take().or(Some(id));
            let mut next = Some(0);
            loop {
                if map.partitions.len() == MOST_PARTITIONS {
                    return Err(self.fault(Fault::TooMany(MOST_PARTITIONS)));
                }
                let mut partition = self.partition(&mut next, map.partitions.len())?;
                partition.region = region.clone();
                map.partitions.push(partition);
                if !self.take(b',') {
                    break;
                }
            }
            if !self.take(b';') {
                break;
            }
        }
        match self.rest().first() {
            None => Ok(()),
            Some(it) if it.is_ascii_whitespace() || *it == b'"' => Ok(()),
            Some(_) => Err(self.expected("a comma, a semicolon or the end")),
        }
    }

    /// `size[@offset](name)[ro][lk]`. `next` is the end of the partition before, none behind one without size.
    fn partition(&mut self, next: &mut Option<u64>, count: usize) -> Result<Partition, MapError> {
        let from = self.position;
        let size = if self.take(b'-') { None } else { Some(self.number()?) };
        let stated = if self.take(b'@') { Some(self.number()?) } else { None };
        let name = if self.take(b'(') {
            let name = self.until(b")").ok_or_else(|| self.expected("a name and )"))?;
            self.take(b')');
            self.text(name)?
        } else {
            // The kernel's own name for one without.
            format!("Partition_{count:03}")
        };
        let after_rest = Self { line: self.line, position: from };
        let start = stated.or(*next).ok_or_else(|| {
            after_rest.expected("nothing, because the one before takes the rest of the flash")
        })?;
        *next = match size {
            Some(size) => {
                let end = start.checked_add(size);
                Some(end.ok_or_else(|| self.fault(Fault::TooLarge("the sum of the sizes".to_owned(), 64)))?)
            }
            None => None,
        };
        let mut it = Partition::new(name, start, size.map_or(Size::ToEnd, Size::Stated), self.line.number);
        it.start_is = if stated.is_some() { StartIs::Stated } else { StartIs::FromSizes };
        it.storage = Storage::Nand;
        for flag in ["ro", "lk"] {
            if self.rest().starts_with(flag.as_bytes()) {
                self.position = self.position.saturating_add(flag.len());
                it.details.flags.push(flag.to_owned());
            }
        }
        Ok(it)
    }

    /// Decimal or `0x` hexadecimal, with k, m or g behind it.
    fn number(&mut self) -> Result<u64, MapError> {
        let rest = self.rest();
        let (radix, digits) = match rest.strip_prefix(b"0x").or_else(|| rest.strip_prefix(b"0X")) {
            Some(digits) => (16, digits),
            None => (10, rest),
        };
        let is_digit = |it: &&u8| char::from(**it).is_digit(radix);
        let length = digits.iter().take_while(is_digit).count();
        let text = core::str::from_utf8(digits.get(..length).unwrap_or_default()).unwrap_or_default();
        if text.is_empty() {
            return Err(self.expected("a size (256k, 0x40000 or -)"));
        }
        let too_large = || self.fault(Fault::TooLarge(printable(text.as_bytes()), 64));
        let value = u64::from_str_radix(text, radix).map_err(|_| too_large())?;
        let shift = match digits.get(length).map(u8::to_ascii_lowercase) {
            Some(b'k') => 10,
            Some(b'm') => 20,
            Some(b'g') => 30,
            _ => 0,
        };
        let value = value.checked_mul(1_u64.checked_shl(shift).unwrap_or(1)).ok_or_else(too_large)?;
        let read = rest.len().saturating_sub(digits.len()).saturating_add(length);
        self.position = self.position.saturating_add(read).saturating_add(usize::from(shift > 0));
        Ok(value)
    }
}
