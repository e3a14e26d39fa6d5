//! The text of `/proc/mtd` (formats.md section 4.1): sizes and names in flash order. The starts are their sums.
//!
//! ```text
//! dev:    size   erasesize  name
//! mtd0: 00040000 00020000 "preloader"
//! ```

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::detect::is_mtd_name;
use super::error::{Fault, MapError};
use super::lines::{Line, Token, hex, lines, printable, quoted};
use super::names::is_sane;
use super::{MOST_PARTITIONS, Map, Partition, Size, Source, StartIs, Storage};

const HOW_HEX: &str = "/proc/mtd has it (12700000)";

/// Parses text that has at least one line of `/proc/mtd` in it.
pub(super) fn parse(text: &[u8]) -> Result<Map, MapError> {
    let mut partitions: Vec<Partition> = Vec::new();
    let mut erase_block = None;
    let mut start = 0_u64;
    let mut skipped: Option<u32> = None;
    let mut last = Line { number: 1, bytes: b"" };
    for line in lines(text) {
        let body = line.bytes.trim_ascii();
        if body.is_empty() || body.starts_with(b"dev:") {
            continue;
        }
        last = line;
        if !body.starts_with(b"mtd") {
            // A prompt or a command pasted along. A lost line cannot hide here: the mtd numbers are counted.
            skipped = skipped.or(Some(line.number));
            continue;
        }
        if partitions.len() == MOST_PARTITIONS {
            return Err(line.fault(1, Fault::TooMany(MOST_PARTITIONS)));
        }
        let row = row(line, partitions.len())?;
        match erase_block {
            Some(before) if before != row.erase_block => {
                let what = Fault::EraseBlockChanges { found: row.erase_block, before };
                return Err(line.fault(row.column, what));
            }
            _ => erase_block = Some(row.erase_block),
        }
        let mut partition = Partition::new(row.name, start, Size::Stated(row.size), line.number);
        partition.start_is = StartIs::FromSizes;
        partition.storage = Storage::Nand;
        partition.details.device = Some(format!("mtd{}", partitions.len()));
        partitions.push(partition);
        start = start
            .checked_add(row.size)
            .ok_or_else(|| line.fault(row.column, Fault::TooLarge("the sum of the sizes".to_owned(), 64)))?;
    }
    if partitions.is_empty() {
        return Err(last.fault(1, Fault::Empty));
    }
    let notes =
        skipped.map(|line| format!("line {line} is no line of /proc/mtd; it and any like it are skipped"));
    Ok(Map { partitions, erase_block, notes: notes.into_iter().collect(), ..Map::new(Source::ProcMtd) })
}

struct Row {
    name: String,
    size: u64,
    erase_block: u32,
    /// Column of the size.
    column: u32,
}

/// One line `mtdN: SIZE ERASE "name"`; N must be the number due.
fn row(line: Line<'_>, due: usize) -> Result<Row, MapError> {
    let mut words = line.tokens();
    let mut next = |wanted| {
        words
            .next()
            .ok_or_else(|| line.fault(line.end_column(), Fault::Expected { wanted, found: quoted(None) }))
    };
    number(line, next("mtd and its number")?, due)?;
    let size_word = next("the size in hexadecimal")?;
    let erase_word = next("the erase size in hexadecimal")?;
    let name_word = next("the name in quotes")?;
    let read = |word: Token<'_>, bits| {
        hex(word.bytes, word.bytes, bits, HOW_HEX).map_err(|what| line.fault(word.column, what))
    };
    let size = read(size_word, 64)?;
    let erase_block = u32::try_from(read(erase_word, 32)?).unwrap_or(0);
    let name = name(line, name_word)?;
    // An erase block of 0 divides nothing, so it is caught here too.
    if size.checked_rem(u64::from(erase_block)) != Some(0) {
        return Err(line.fault(size_word.column, Fault::NotInBlocks { name, size, erase_block }));
    }
    Ok(Row { name, size, erase_block, column: size_word.column })
}

fn number(line: Line<'_>, word: Token<'_>, due: usize) -> Result<(), MapError> {
    let expected = || {
        let what = Fault::Expected { wanted: "mtd, a number and a colon", found: quoted(Some(word)) };
        line.fault(word.column, what)
    };
    let name = word.bytes.strip_suffix(b":").filter(|it| is_mtd_name(it)).ok_or_else(expected)?;
    let digits = name.strip_prefix(b"mtd").and_then(|it| core::str::from_utf8(it).ok());
    let found = digits.and_then(|it| it.parse::<u64>().ok()).ok_or_else(expected)?;
    let due = u64::try_from(due).unwrap_or(u64::MAX);
    if found == due { Ok(()) } else { Err(line.fault(word.column, Fault::MtdMissing { found, due })) }
}

/// The text in quotes. It may hold blanks; what would be mischief in a file name is refused.
fn name(line: Line<'_>, word: Token<'_>) -> Result<String, MapError> {
    let from = usize::try_from(word.column.saturating_sub(1)).unwrap_or(usize::MAX);
    let tail = line.bytes.get(from..).unwrap_or_default().trim_ascii();
    let inner = tail.strip_prefix(b"\"").and_then(|it| it.strip_suffix(b"\"")).ok_or_else(|| {
        let what = Fault::Expected { wanted: "the name in quotes", found: quoted(Some(word)) };
        line.fault(word.column, what)
    })?;
    let bad = || line.fault(word.column, Fault::BadName(printable(inner)));
    let name = core::str::from_utf8(inner).map_err(|_| bad())?;
    if is_sane(name) { Ok(name.to_owned()) } else { Err(bad()) }
}
