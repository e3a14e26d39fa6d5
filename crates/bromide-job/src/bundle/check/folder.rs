//! What concerns a folder as a whole: the record's state, `SHA256SUMS`, the partition maps, files that do not belong.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use bromide_image::map::{self, Content, Map, Size, StartIs};

use super::{CheckedImage, Finding};
use crate::bundle::{Image, Record, Whole};
use crate::open_file::OpenFile;
use crate::sums;

/// Names in one sentence.
const LISTED: usize = 8;

/// What the record says of all images.
pub(super) fn state(record: &Record) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut files = BTreeSet::new();
    for image in &record.images {
        if !files.insert(&image.file) {
            findings.push(Finding::Record(format!("{} is there twice", image.file)));
        }
        let digit = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
        if image.sha256.as_ref().is_some_and(|it| it.len() != 64 || !it.chars().all(digit)) {
            findings.push(Finding::Record(format!("the digest of {} is none", image.file)));
        }
    }
    let open = record.images.iter().filter(|image| image.sha256.is_none()).count();
    if record.geometry().is_none() {
        findings.push(Finding::Record("its chip has a shape that none has".into()));
    }
    match (record.state, open) {
        (Whole::Whole, 1..) => {
            findings.push(Finding::Record(format!("it calls itself whole, and {open} images are not")));
        }
        (Whole::Reading | Whole::Incomplete, 0) => findings.push(Finding::NotRecorded),
        _ => {}
    }
    findings
}

/// The list of digests, as text.
pub(super) fn sums(folder: &Path, record: &Record, images: &mut [CheckedImage], others: &mut Vec<Finding>) {
    let lines = match sums::of_folder(folder) {
        Ok(lines) => lines,
        Err(e) => return others.push(Finding::Sums(e.to_string())),
    };
    let mut listed: BTreeMap<&[u8], Vec<&str>> = BTreeMap::new();
    for line in &lines {
        listed.entry(&line.name).or_default().push(&line.sha256);
    }
    for (image, checked) in record.images.iter().zip(images) {
        let found = listed.remove(image.file.as_bytes()).unwrap_or_default();
        let wrong = match (&image.sha256, found.as_slice()) {
            (None, []) => continue,
            (Some(due), [one]) if one.eq_ignore_ascii_case(due) => continue,
            (Some(_), []) => "it has no line",
            (Some(_), [_]) => "its line has another digest than the record",
            (_, [_, _, ..]) => "it has more than one line",
            (None, [_]) => "it has a line, and is not whole",
        };
        checked.findings.push(Finding::Sums(wrong.to_owned()));
    }
    let names = listed.keys().map(|name| String::from_utf8_lossy(name));
    let images = names.filter(|name| looks_like_ours(name));
    others
        .extend(images.map(|name| Finding::Sums(format!("a line about {name}, which is not in the record"))));
}

/// The maps, held against the places of the images.
pub(super) fn maps(folder: &Path, record: &Record, others: &mut Vec<Finding>) {
    for file in &record.maps {
        let wrong = |what: String| Finding::Map { file: file.clone(), what };
        let found = fs::symlink_metadata(folder.join(file));
        let map = match found {
            Err(_) => Err(Finding::Missing(file.clone())),
            Ok(found) if !found.is_file() => Err(Finding::NotAFile(file.clone())),
            Ok(_) => load(&folder.join(file)).map_err(wrong),
        };
        match map {
            Err(finding) => others.push(finding),
            // Only this one holds all there is to say.
            Ok(map) => others.extend(contradiction(&map, record, file == "map.json").map(wrong)),
        }
    }
}

pub(in crate::bundle) fn load(path: &Path) -> Result<Map, String> {
    let file = OpenFile::open(path).map_err(|e| e.to_string())?;
    match map::read_at(&file) {
        Ok(Content::Map(map)) => Ok(map),
        Ok(Content::Manifest(_)) => Err("it is no partition map".to_owned()),
        Err(e) => Err(e.to_string()),
    }
}

/// How a map contradicts the images.
fn contradiction(map: &Map, record: &Record, all: bool) -> Option<String> {
    let (mut missing, mut elsewhere) = (Vec::new(), Vec::new());
    for image in &record.images {
        match map.find(&image.name) {
            Err(_) if all => missing.push(image),
            Err(_) => {}
            Ok(found) => {
                let start = found.start_is == StartIs::Unknown || Some(found.start) == image.first_byte();
                let size = !matches!(found.size, Size::Stated(size) if size != image.length);
                if !start || !size {
                    elsewhere.push(image);
                }
            }
        }
    }
    let told = [("names no", missing), ("has another place for", elsewhere)];
    let told = told.into_iter().filter(|(_, images)| !images.is_empty());
    let told: Vec<String> = told.map(|(verb, images)| format!("it {verb} {}", names(&images))).collect();
    (!told.is_empty()).then(|| told.join("; "))
}

fn names(images: &[&Image]) -> String {
    let named: Vec<&str> = images.iter().take(LISTED).map(|image| image.name.as_str()).collect();
    match images.len().saturating_sub(LISTED) {
        0 => named.join(", "),
        more => format!("{} and {more} more", named.join(", ")),
    }
}

/// Files that look like images of the bundle.
pub(super) fn extra(folder: &Path, record: &Record, others: &mut Vec<Finding>) {
    let known: BTreeSet<String> =
        record.images.iter().flat_map(|it| [it.file.clone(), format!("{}.part", it.file)]).collect();
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(e) => return others.push(Finding::Unreadable { file: ".".into(), why: e.to_string() }),
    };
    let names = entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
    let mut strange: Vec<String> =
        names.filter(|name| looks_like_ours(name) && !known.contains(name)).collect();
    strange.sort();
    others.extend(strange.into_iter().map(Finding::Extra));
    // Two files of one image: nobody knows which one is meant.
    for image in record.images.iter().filter(|image| image.sha256.is_some()) {
        let part = format!("{}.part", image.file);
        if folder.join(&part).symlink_metadata().is_ok() {
            others.push(Finding::Extra(part));
        }
    }
}

/// Whether a file claims to be an image.
fn looks_like_ours(name: &str) -> bool {
    name.ends_with(".img") || name.ends_with(".img.part")
}
