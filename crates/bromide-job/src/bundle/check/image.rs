//! One image and what lies beside it, held against the record.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use super::beside::{self, Beside};
use super::bytes::{self, Content, Expected, Progress};
use super::{Check, CheckError, CheckedImage, DifferingRanges, Finding};
use crate::bundle::{Image, ImageShape};
use crate::mapfile::State;
use crate::pagecheck::{Counts, PageCheck};

/// Checks an image. What is found goes into `checked`.
pub(super) fn check(
    check: &Check,
    image: &Image,
    shape: &ImageShape,
    checked: &mut CheckedImage,
    progress: &mut Progress<'_>,
) -> Result<(), CheckError> {
    let one = One { check, image, shape, folder: &check.folder };
    match image.sha256 {
        Some(_) => one.whole(checked, progress),
        None => one.begun(&mut checked.findings, progress),
    }
}

/// An image being checked.
struct One<'a> {
    check: &'a Check,
    image: &'a Image,
    shape: &'a ImageShape,
    folder: &'a Path,
}

impl One<'_> {
    /// The record calls it whole.
    fn whole(&self, checked: &mut CheckedImage, progress: &mut Progress<'_>) -> Result<(), CheckError> {
        let (image, shape, findings) = (self.image, self.shape, &mut checked.findings);
        if image.bytes != shape.bytes {
            let what = format!("a whole image of its place has {} bytes, not {}", shape.bytes, image.bytes);
            findings.push(Finding::Record(what));
        }
        match self.mapfile() {
            Ok(Some(beside)) if beside.map.is_whole() => {}
            Ok(Some(_)) => findings.push(Finding::Mapfile {
                file: self.named(".map"),
                what: "bytes are missing in it that the record says are there".into(),
            }),
            Ok(None) => findings.push(Finding::Missing(self.named(".map"))),
            Err(finding) => findings.push(finding),
        }
        let opened = of_size(self.folder, &image.file, shape.bytes);
        if self.check.quick {
            findings.extend(opened.err());
            return Ok(());
        }
        let reported = beside::report(self.folder, image, findings);
        match opened {
            Ok(file) => self.content(&file, reported, checked, progress),
            Err(finding) => {
                findings.push(finding);
                progress.add(shape.bytes)
            }
        }
    }

    /// Its bytes.
    fn content(
        &self,
        file: &File,
        reported: Option<Counts>,
        checked: &mut CheckedImage,
        progress: &mut Progress<'_>,
    ) -> Result<(), CheckError> {
        let (image, shape, findings) = (self.image, self.shape, &mut checked.findings);
        let crc32 = checksums(image, shape, findings);
        let range = image.ranges.as_ref().map_or(0, |ranges| ranges.bytes);
        let expected = crc32.as_deref().map(|crc32| Expected { bytes: range, crc32 });
        let check = PageCheck::new(shape.geometry, shape.layout, shape.start);
        let content = match bytes::read(file, shape.bytes, expected, Some(check), progress)? {
            Ok(content) => content,
            Err(e) => {
                findings.push(Finding::Unreadable { file: image.file.clone(), why: e.to_string() });
                return Ok(());
            }
        };
        let ranges = content.differing.map(|(first, count)| DifferingRanges {
            count,
            of: crc32.as_ref().map_or(0, Vec::len),
            bytes: range,
            first: shape.place(first.saturating_mul(range)),
        });
        let Content { sha256: found, pages, .. } = content;
        let same = image.sha256.as_ref() == Some(&found);
        checked.pages = pages.map(|pages| pages.counts);
        match ranges {
            ranges if !same => findings.push(Finding::Digest { found, ranges }),
            Some(ranges) => findings.push(Finding::Checksums(ranges)),
            None => {}
        }
        // Other bytes have other pages; that needs no second word.
        if let (true, Some(found)) = (same, checked.pages) {
            let recorded = image.pages.map(|pages| pages.counts());
            findings.extend(unlike("the record", recorded, &found));
            findings.extend(unlike("the page report", reported, &found));
        }
        Ok(())
    }

    /// The record does not call it whole.
    fn begun(&self, findings: &mut Vec<Finding>, progress: &mut Progress<'_>) -> Result<(), CheckError> {
        let (image, shape) = (self.image, self.shape);
        findings.extend(image.refused.clone().map(Finding::Refused));
        let (target, part) = (self.length(&image.file), self.length(&self.named(".part")));
        let beside = match self.mapfile() {
            Ok(beside) => beside,
            Err(finding) => {
                findings.push(finding);
                return Ok(());
            }
        };
        let whole = beside.as_ref().is_some_and(|it| it.map.is_whole());
        if whole && target == Some(shape.bytes) {
            findings.push(Finding::NotRecorded);
            return Ok(());
        }
        findings.extend(target.map(|_| Finding::Extra(image.file.clone())));
        let Some(beside) = beside else {
            let untried =
                Finding::Untried { bytes: shape.bytes, ranges: std::iter::once(0..shape.bytes).collect() };
            findings.push(part.map_or(untried, |_| Finding::Missing(self.named(".map"))));
            return Ok(());
        };
        findings.extend(beside.missing());
        if whole {
            findings.push(Finding::NotRecorded);
        }
        self.part(&beside, part, findings, progress)
    }

    /// The bytes of an image that is not whole.
    fn part(
        &self,
        beside: &Beside,
        length: Option<u64>,
        findings: &mut Vec<Finding>,
        progress: &mut Progress<'_>,
    ) -> Result<(), CheckError> {
        let file = self.named(".part");
        let end = beside.map.stretches().iter().rfind(|it| it.state == State::Finished);
        let end = end.map_or(0, |it| it.range.end);
        match length {
            None if end == 0 => return Ok(()),
            None => findings.push(Finding::Missing(file)),
            Some(found) if found < end => findings.push(Finding::Size { file, expected: end, found }),
            Some(_) => match &beside.prefix {
                Some((bytes, sha256)) if !self.check.quick => {
                    findings.extend(self.prefix(file, *bytes, sha256, progress)?);
                }
                _ => {}
            },
        }
        Ok(())
    }

    /// The bytes from the start on of which the mapfile notes the digest.
    fn prefix(
        &self,
        file: String,
        bytes: u64,
        sha256: &str,
        progress: &mut Progress<'_>,
    ) -> Result<Option<Finding>, CheckError> {
        let opened = match regular(self.folder, &file) {
            Ok(opened) => opened,
            Err(finding) => return Ok(Some(finding)),
        };
        Ok(match bytes::read(&opened, bytes, None, None, progress)? {
            Ok(content) if content.sha256 == sha256 => None,
            Ok(content) => Some(Finding::Digest { found: content.sha256, ranges: None }),
            Err(e) => Some(Finding::Unreadable { file, why: e.to_string() }),
        })
    }

    fn mapfile(&self) -> Result<Option<Beside>, Finding> {
        beside::mapfile(self.folder, &self.check.record, self.image, self.shape)
    }

    fn named(&self, suffix: &str) -> String {
        format!("{}{suffix}", self.image.file)
    }

    fn length(&self, name: &str) -> Option<u64> {
        fs::symlink_metadata(self.folder.join(name)).ok().map(|found| found.len())
    }
}

fn unlike(of: &str, expected: Option<Counts>, found: &Counts) -> Option<Finding> {
    let expected = expected.filter(|expected| expected != found)?;
    Some(Finding::Pages { of: of.to_owned(), expected: Box::new(expected), found: Box::new(*found) })
}

/// The file of a whole image, of its size.
fn of_size(folder: &Path, name: &str, expected: u64) -> Result<File, Finding> {
    let file = regular(folder, name)?;
    let unreadable = |e: io::Error| Finding::Unreadable { file: name.to_owned(), why: e.to_string() };
    match file.metadata().map_err(unreadable)?.len() {
        found if found == expected => Ok(file),
        found => Err(Finding::Size { file: name.to_owned(), expected, found }),
    }
}

/// A regular file; links are not followed.
fn regular(folder: &Path, name: &str) -> Result<File, Finding> {
    let path = folder.join(name);
    let unreadable = |e: io::Error| Finding::Unreadable { file: name.to_owned(), why: e.to_string() };
    match fs::symlink_metadata(&path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Err(Finding::Missing(name.to_owned())),
        Err(e) => Err(unreadable(e)),
        Ok(found) if !found.is_file() => Err(Finding::NotAFile(name.to_owned())),
        Ok(_) => File::open(&path).map_err(unreadable),
    }
}

/// The recorded checksums of ranges, if they are some for all of the image.
fn checksums(image: &Image, shape: &ImageShape, findings: &mut Vec<Finding>) -> Option<Vec<u32>> {
    let ranges = image.ranges.as_ref()?;
    let read = |sum: &String| {
        let digits = sum.len() == 8 && sum.bytes().all(|it| it.is_ascii_hexdigit());
        digits.then(|| u32::from_str_radix(sum, 16).ok())?
    };
    let sums: Option<Vec<u32>> = ranges.crc32.iter().map(read).collect();
    let due = shape.bytes.checked_div(ranges.bytes).map(|_| shape.bytes.div_ceil(ranges.bytes));
    match sums {
        Some(sums) if due == Some(sums.len() as u64) => Some(sums),
        _ => {
            findings.push(Finding::Record("its checksums are not those of ranges that cover it".into()));
            None
        }
    }
}
