//! Tells by content what kind of file a text is (formats.md sections 2 and 4), readable here or not.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;

use super::error::{Fault, MapError};
use super::lines::{Line, lines, printable};

/// The kinds that can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    ProcMtd,
    ScatterV0,
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
        return Err(first.fault(1, xml(text)));
    }
    Signs::of(text).verdict(first)
}

/// Files that are no text.
fn binary(text: &[u8]) -> Option<&'static str> {
    if text.starts_with(b"MTK_DOWNLOAD_AGENT") {
        Some("a Download Agent container")
    } else if text.starts_with(b"ANDROID!") {
        Some("an Android boot image")
    } else if text.starts_with(b"\xff\xfe") || text.starts_with(b"\xfe\xff") {
        Some("UTF-16 text (save it as UTF-8)")
    } else if text.contains(&0) {
        Some("a binary file")
    } else {
        None
    }
}

fn contains(text: &[u8], what: &[u8]) -> bool {
    text.windows(what.len()).any(|it| it == what)
}

/// What an XML file is, by its elements.
fn xml(text: &[u8]) -> Fault {
    let kind = if contains(text, b"<flash-mode") {
        return Fault::NotAMap("a flash.xml manifest (it names the scatter file)");
    } else if contains(text, b"<storage_type") {
        "an XML scatter file (V2.x)"
    } else if contains(text, b"<partition_index") {
        "an XML scatter file (V1.1.x)"
    } else {
        return Fault::NotAMap("an XML file without partitions");
    };
    Fault::NotReadableYet(kind.to_owned())
}

/// The first line of every kind of sign met in a text.
#[derive(Default)]
struct Signs<'a> {
    yaml_like: Option<Line<'a>>,
    storage_sections: bool,
    config_version: Option<&'a [u8]>,
    mtd: bool,
    scatter: bool,
    other: Option<(Line<'a>, Fault)>,
}

impl<'a> Signs<'a> {
    fn of(text: &'a [u8]) -> Self {
        let mut signs = Self::default();
        for line in lines(text) {
            signs.look_at(line);
        }
        signs
    }

    fn look_at(&mut self, line: Line<'a>) {
        let body = line.bytes.trim_ascii();
        if body.is_empty() || body.starts_with(b"#") || body.starts_with(b"//") {
            return;
        }
        if let Some((key, value)) = key_and_value(body) {
            match key {
                b"partition_index" => self.yaml_like = self.yaml_like.or(Some(line)),
                b"general" if value.starts_with(b"MTK_") => self.yaml_like = self.yaml_like.or(Some(line)),
                b"storage_type" => self.storage_sections = true,
                b"config_version" => self.config_version = self.config_version.or(Some(value)),
                b"dev" => self.mtd = true,
                it => self.mtd |= is_mtd_name(it),
            }
        }
        if self.other.is_none() {
            self.other = listing(line).map(|what| (line, what));
        }
        self.scatter |= is_scatter_line(line);
    }

    fn verdict(self, first: Line<'_>) -> Result<Kind, MapError> {
        if let Some(line) = self.yaml_like {
            let version = match (self.config_version, self.storage_sections) {
                (Some(version), _) if !version.is_empty() => printable(version),
                (_, true) => "V2.x".to_owned(),
                (_, false) => "V1.1.x".to_owned(),
            };
            return Err(line.fault(1, Fault::NotReadableYet(format!("a YAML-like scatter file ({version})"))));
        }
        if self.mtd {
            return Ok(Kind::ProcMtd);
        }
        if let Some((line, what)) = self.other {
            return Err(line.fault(1, what));
        }
        if self.scatter {
            return Ok(Kind::ScatterV0);
        }
        Err(first.fault(1, Fault::Unrecognised))
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

/// Partition listings of a phone that are known but not read (formats.md sections 4.2 to 4.5, 5.3).
fn listing(line: Line<'_>) -> Option<Fault> {
    let mut words = line.tokens().map(|it| it.bytes);
    let (one, two, three) = (words.next()?, words.next(), words.next());
    let yet = |what: &str| Some(Fault::NotReadableYet(String::from(what)));
    // Size, start and type: with fewer columns it may be a scatter line with something behind it.
    let dumchar = [two, three].iter().all(|it| it.is_some_and(is_prefixed_hex)) && words.next().is_some();
    if dumchar || (one == b"Part_Name" && two == Some(b"Size")) {
        yet("the text of /proc/dumchar_info")
    } else if one == b"major" && two == Some(b"minor") {
        yet("the text of /proc/partitions")
    } else if one.starts_with(b"mtdparts=") {
        yet("an mtdparts= line")
    } else if contains(line.bytes, b" -> /dev/block/") {
        yet("a by-name listing")
    } else if one == b"Number" && two == Some(b"Start") {
        yet("a GPT listing")
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
