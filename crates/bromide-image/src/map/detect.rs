//! Tells by content what kind of file a text is (formats.md sections 2 and 4), readable here or not.

use super::error::{Fault, MapError};
use super::lines::{Line, lines};

/// The kinds that can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    ProcMtd,
    ScatterV0,
    ScatterV1,
    Xml,
    ProcPartitions,
    Dumchar,
    Mtdparts,
    ByName,
    Gdisk,
    Json,
    Csv,
}

/// Finds out the kind of a text without byte order mark. Anything that cannot be read comes back as a fault that
/// says what it is.
pub(super) fn detect(text: &[u8]) -> Result<Kind, MapError> {
    let first = lines(text).find(|line| !line.bytes.trim_ascii().is_empty());
    let Some(first) = first else {
        return Err(Line { number: 1, bytes: b"" }.fault(1, Fault::Empty));
    };
    if let Some(what) = binary(text) {
        return Err(first.fault(1, Fault::NotAMap(what)));
    }
    if first.bytes.trim_ascii_start().starts_with(b"<") {
        return Ok(Kind::Xml);
    }
    if is_json(text) {
        return Ok(Kind::Json);
    }
    if super::csv::is_heading(first) {
        return Ok(Kind::Csv);
    }
    Signs::of(text).verdict(first)
}

/// A brace and a quote: no scatter file begins so.
fn is_json(text: &[u8]) -> bool {
    let inside = text.trim_ascii_start().strip_prefix(b"{");
    inside.is_some_and(|it| it.trim_ascii_start().starts_with(b"\""))
}

/// What a file is called of which no more is known than that it is no text.
pub(super) const BINARY: &str = "a binary file";

/// Files that are no text.
fn binary(text: &[u8]) -> Option<&'static str> {
    if text.starts_with(b"MTK_DOWNLOAD_AGENT") {
        Some("a Download Agent container")
    } else if text.starts_with(b"ANDROID!") {
        Some("an Android boot image")
    } else if text.starts_with(b"\xff\xfe") || text.starts_with(b"\xfe\xff") {
        Some("UTF-16 text (save it as UTF-8)")
    } else if text.contains(&0) {
        Some(BINARY)
    } else {
        None
    }
}

fn contains(text: &[u8], what: &[u8]) -> bool {
    text.windows(what.len()).any(|it| it == what)
}

/// The signs met in a text.
#[derive(Default)]
struct Signs {
    yaml_like: bool,
    mtd: bool,
    scatter: bool,
    listing: Option<Kind>,
    mount: bool,
}

impl Signs {
    fn of(text: &[u8]) -> Self {
        let mut signs = Self::default();
        for line in lines(text) {
            signs.look_at(line);
        }
        signs
    }

    fn look_at(&mut self, line: Line<'_>) {
        let body = line.bytes.trim_ascii();
        if body.is_empty() || body.starts_with(b"#") || body.starts_with(b"//") {
            return;
        }
        if let Some((key, value)) = key_and_value(body) {
            match key {
                b"partition_index" => self.yaml_like = true,
                b"general" => self.yaml_like |= value.starts_with(b"MTK_"),
                b"dev" => self.mtd = true,
                it => self.mtd |= is_mtd_name(it),
            }
        }
        self.listing = self.listing.or_else(|| listing(line));
        self.mount |= super::mount::parse_line(line).is_some();
        self.scatter |= is_scatter_line(line);
    }

    fn verdict(self, first: Line<'_>) -> Result<Kind, MapError> {
        if self.yaml_like {
            Ok(Kind::ScatterV1)
        } else if self.mtd {
            Ok(Kind::ProcMtd)
        } else if let Some(kind) = self.listing {
            Ok(kind)
        } else if self.scatter {
            Ok(Kind::ScatterV0)
        } else if self.mount {
            Err(first.fault(1, Fault::NotAMap("what mount prints (it tells where partitions are mounted)")))
        } else {
            Err(first.fault(1, Fault::Unrecognised))
        }
    }
}

/// `- key: value` or `key: value`, as both YAML-like scatter files and `/proc/mtd` have it.
fn key_and_value(body: &[u8]) -> Option<(&[u8], &[u8])> {
    let body = body.strip_prefix(b"-").unwrap_or(body).trim_ascii_start();
    let colon = body.iter().position(|&it| it == b':')?;
    let (key, value) = body.split_at_checked(colon)?;
    Some((key.trim_ascii_end(), value.get(1..)?.trim_ascii()))
}

/// `mtd` and digits.
pub(super) fn is_mtd_name(name: &[u8]) -> bool {
    name.strip_prefix(b"mtd")
        .is_some_and(|digits| !digits.is_empty() && digits.iter().all(u8::is_ascii_digit))
}

fn is_prefixed_hex(word: &[u8]) -> bool {
    (word.starts_with(b"0x") || word.starts_with(b"0X")) && word.len() > 2
}

/// The listing of a phone a line belongs to (formats.md sections 4.2 to 4.5).
fn listing(line: Line<'_>) -> Option<Kind> {
    let mut words = line.tokens().map(|it| it.bytes);
    let (one, two, three) = (words.next()?, words.next(), words.next());
    // Size, start and type: with fewer columns it may be a scatter line with something behind it.
    let dumchar = [two, three].iter().all(|it| it.is_some_and(is_prefixed_hex)) && words.next().is_some();
    if dumchar || (one == b"Part_Name" && two == Some(b"Size")) {
        Some(Kind::Dumchar)
    } else if one == b"major" && two == Some(b"minor") {
        Some(Kind::ProcPartitions)
    } else if contains(line.bytes, super::mtdparts::KEY) {
        Some(Kind::Mtdparts)
    } else if contains(line.bytes, super::by_name::ARROW) {
        Some(Kind::ByName)
    } else if one == b"Number" && two == Some(b"Start") {
        Some(Kind::Gdisk)
    } else {
        None
    }
}

/// `NAME 0xADDR`, or a line that begins with a brace.
fn is_scatter_line(line: Line<'_>) -> bool {
    let mut words = line.tokens().map(|it| it.bytes);
    let first = words.next();
    matches!(first, Some(b"{" | b"}")) || words.next().is_some_and(is_prefixed_hex)
}
