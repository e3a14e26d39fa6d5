//! What lies beside an image, held against the record: its mapfile and its page report.

use std::fs::{self, File};
use std::io::{self, BufReader, Read};
use std::ops::Range;
use std::path::Path;

use serde::Deserialize;
use serde_json::{Value, json};

use super::Finding;
use crate::bundle::{Image, ImageShape, Pages, Record};
use crate::mapfile::{Mapfile, State};
use crate::pagecheck::Counts;

/// Larger than any mapfile or report of ours.
const MOST_BYTES: u64 = 256 << 20;

/// Begins the remark of a mapfile with what identifies the read (`dump.rs`).
const ORIGIN: &str = "bromide read:";
/// Begins the remark with the digest of the bytes from the start on: their number, then SHA-256.
const PREFIX: &str = "bromide sha256 of the first ";

/// A mapfile that belongs to its image.
#[derive(Debug)]
pub(super) struct Beside {
    pub(super) map: Mapfile,
    /// So many bytes from the start on have this SHA-256.
    pub(super) prefix: Option<(u64, String)>,
}

impl Beside {
    /// Bytes that are missing: those that were tried, and those that were not.
    pub(super) fn missing(&self) -> impl Iterator<Item = Finding> {
        let total = |ranges: &[Range<u64>]| ranges.iter().map(|it| it.end - it.start).sum();
        let tried = joined(&self.map, |state| !matches!(state, State::Finished | State::Untried));
        let untried = joined(&self.map, |state| state == State::Untried);
        let tried = (!tried.is_empty()).then(|| Finding::Unread { bytes: total(&tried), ranges: tried });
        let untried =
            (!untried.is_empty()).then(|| Finding::Untried { bytes: total(&untried), ranges: untried });
        tried.into_iter().chain(untried)
    }
}

/// Stretches of these states, neighbours as one.
fn joined(map: &Mapfile, wanted: fn(State) -> bool) -> Vec<Range<u64>> {
    let mut all: Vec<Range<u64>> = Vec::new();
    for stretch in map.stretches().iter().filter(|it| wanted(it.state)) {
        match all.last_mut() {
            Some(last) if last.end == stretch.range.start => last.end = stretch.range.end,
            _ => all.push(stretch.range.clone()),
        }
    }
    all
}

/// Reads the mapfile of an image; `None` where there is none, and what is wrong with it.
pub(super) fn mapfile(
    folder: &Path,
    record: &Record,
    image: &Image,
    shape: &ImageShape,
) -> Result<Option<Beside>, Finding> {
    let file = format!("{}.map", image.file);
    let wrong = |what: String| Finding::Mapfile { file: file.clone(), what };
    let Some(text) = text(folder, &file)? else { return Ok(None) };
    let (map, remarks) = Mapfile::parse(&text).map_err(|e| wrong(e.to_string()))?;
    if map.bytes() != shape.bytes {
        return Err(wrong(format!("it covers {} bytes, the image has {}", map.bytes(), shape.bytes)));
    }
    // A mapfile of a rescue program says nothing of the phone.
    if let Some(origin) = remarks.iter().find_map(|remark| remark.strip_prefix(ORIGIN)) {
        let origin: Value = serde_json::from_str(origin).map_err(|e| wrong(e.to_string()))?;
        let due = json!({
            "phone": record.phone, "name": image.name, "start": shape.start, "length": image.length,
            "flag": image.flag, "addresses": image.addresses,
        });
        let members = due.as_object().into_iter().flatten();
        let other: Vec<&str> = members
            .filter(|(key, due)| origin.get(*key) != Some(*due))
            .map(|(key, _)| key.as_str())
            .collect();
        if !other.is_empty() {
            return Err(wrong(format!("it is of another read (different: {})", other.join(", "))));
        }
    }
    let prefix = remarks.iter().find_map(|remark| remark.strip_prefix(PREFIX)).and_then(|rest| {
        let (bytes, sha256) = rest.split_once(" bytes: ")?;
        let bytes = bytes.parse().ok().filter(|bytes| *bytes <= map.prefix())?;
        Some((bytes, sha256.to_owned()))
    });
    Ok(Some(Beside { map, prefix }))
}

/// Text of a file of bounded size; `None` where there is none.
fn text(folder: &Path, name: &str) -> Result<Option<String>, Finding> {
    let unreadable = |e: io::Error| Finding::Unreadable { file: name.to_owned(), why: e.to_string() };
    let Some(mut file) = open(folder, name)? else { return Ok(None) };
    let mut text = String::new();
    file.read_to_string(&mut text).map_err(unreadable)?;
    Ok(Some(text))
}

/// A regular file of bounded size, links not followed; `None` where nothing has the name.
pub(super) fn open(folder: &Path, name: &str) -> Result<Option<File>, Finding> {
    let path = folder.join(name);
    let unreadable = |why: String| Finding::Unreadable { file: name.to_owned(), why };
    match fs::symlink_metadata(&path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(unreadable(e.to_string())),
        Ok(found) if !found.is_file() => Err(Finding::NotAFile(name.to_owned())),
        Ok(found) if found.len() > MOST_BYTES => Err(unreadable("it is too large".into())),
        Ok(_) => File::open(&path).map(Some).map_err(|e| unreadable(e.to_string())),
    }
}

/// What is looked at in a page report.
#[derive(Debug, Deserialize)]
struct Report {
    file: String,
    bytes: u64,
    sha256: String,
    range: ReportRange,
    read: ReportRead,
    pages: Option<Pages>,
}

#[derive(Debug, Deserialize)]
struct ReportRange {
    start: String,
    length: String,
}

#[derive(Debug, Deserialize)]
struct ReportRead {
    flag: u8,
}

/// Holds the report of a whole image against the record. Gives its counts.
pub(super) fn report(folder: &Path, image: &Image, findings: &mut Vec<Finding>) -> Option<Counts> {
    let file = format!("{}.report.json", image.file);
    let opened = match open(folder, &file) {
        Ok(Some(opened)) => opened,
        Ok(None) => {
            findings.push(Finding::Missing(file));
            return None;
        }
        Err(finding) => {
            findings.push(finding);
            return None;
        }
    };
    let report: Report = match serde_json::from_reader(BufReader::new(opened)) {
        Ok(report) => report,
        Err(e) => {
            findings.push(Finding::Report { file, what: e.to_string() });
            return None;
        }
    };
    let recorded = image.sha256.as_deref().unwrap_or_default();
    let length = format!("{:#x}", image.length);
    let same = [
        ("file", report.file == image.file),
        ("size", report.bytes == image.bytes),
        ("sha256", report.sha256 == recorded),
        ("start", report.range.start == image.start),
        ("length", report.range.length == length),
        ("way of reading", report.read.flag == image.flag),
    ];
    let other: Vec<&str> = same.iter().filter(|(_, same)| !same).map(|(what, _)| *what).collect();
    if !other.is_empty() {
        let what = format!("it is of another image (different: {})", other.join(", "));
        findings.push(Finding::Report { file, what });
        return None;
    }
    report.pages.map(|pages| pages.counts())
}

impl Pages {
    /// The same as numbers of a page check.
    #[must_use]
    pub const fn counts(&self) -> Counts {
        Counts {
            clean: self.clean,
            correctable: self.correctable,
            damaged: self.damaged,
            blank: self.blank,
            in_bad_blocks: self.in_bad_blocks,
            not_checked: self.not_checked,
        }
    }
}
