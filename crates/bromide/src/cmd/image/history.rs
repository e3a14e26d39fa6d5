//! `image history`: earlier versions and deleted files, as far as the flash still has them.

mod gone;
mod paths;

use std::io::{self, ErrorKind, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use bromide_image::files::{self, Entry, Files, FilesError, Kind, Walk, lookup};
use bromide_image::yaffs2::read::{Event as Happened, Version};
use bromide_job::event::Event;
use bromide_job::extract::in_new_file;
use bromide_link::Cancel;
use clap::Args;
use serde_json::{Map, Value, json};

use super::extract::{To, write_out};
use super::ls::{put, time};
use super::open::{Opened, open_place, shown};
use super::place::Place;
use crate::front::Front;
use crate::numbers::grouped;
use crate::out;
use crate::report::{Failure, exit};
use gone::Gone;
use paths::Paths;

/// Bytes read and written at once.
const STEP: usize = 1 << 20;

/// List earlier versions and deleted files of a YAFFS2 partition, and get them back
///
/// YAFFS2 writes every change to a new place and erases old ones only when it needs the room, so that
/// a used partition has old versions and deleted files. Without PATH: the deleted files, and the
/// files with more than one version. With PATH, which may be a deleted file's: its versions, newest
/// first.
///
/// Blocks that were erased since take parts of a version with them without a trace; those parts read
/// as zeros. How many bytes of a version are stored is told; a file with holes of its own looks the
/// same.
///
/// Examples:
///
///   bromide image history userdata.img
///
///   bromide image history userdata.img data/app/notes.db
///
///   bromide image history userdata.img data/app/notes.db --extract 3 -o notes.db
///
///   bromide image history userdata.img --undelete -o deleted/
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct History {
    #[command(flatten)]
    pub(crate) place: Place,
    /// Write the bytes of this version of PATH, as numbered in the list, to a new file
    #[arg(long, value_name = "N", requires = "output", conflicts_with = "undelete")]
    pub(crate) extract: Option<usize>,
    /// Extract all deleted files, under the last paths they had, into a new folder
    #[arg(long, requires = "output")]
    pub(crate) undelete: bool,
    /// The file or folder to write
    #[arg(short, long, value_name = "OUT")]
    pub(crate) output: Option<PathBuf>,
}

/// `bromide image history`.
pub(crate) fn history(args: &History, front: &mut Front, cancel: &Cancel) -> Result<(), Failure> {
    let opened = open_place(&args.place, front, cancel)?;
    let (files, path) = partition(&opened)?;
    opened.tell_doubts(front);
    let Some(history) = files.history() else {
        let what = format!("{}: {} keeps no earlier versions", opened.title, files.title());
        let advice = match files.title() {
            files::PARTITIONS => "name one of its partitions: FILE:userdata",
            _ => "only YAFFS2 does",
        };
        return Err(Failure::new("image/no-history", exit::FAILED, what, advice));
    };
    let path = (!path.is_empty()).then_some(path);
    if args.undelete && path.is_some() {
        let what = "--undelete gets all deleted files back";
        return Err(Failure::new("image/usage", exit::USAGE, what, "leave the path out, or --undelete"));
    }
    if args.extract.is_some() && path.is_none() {
        let what = "--extract needs the path of a file";
        return Err(Failure::new("image/usage", exit::USAGE, what, "name it behind the image"));
    }
    match (path, &args.output) {
        (None, Some(folder)) if args.undelete => {
            let gone = Gone::collect(history).map_err(|e| opened.failed(&e.to_string()))?;
            let root = gone.entry(gone.root()).map_err(|e| opened.failed(&e.to_string()))?;
            write_out(&opened, &gone, &root, b"", &To::Folder(folder, false), front, cancel)
        }
        (None, _) => overview(&opened, files, history, front),
        (Some(path), output) => {
            let versions = versions_of(&opened, files, history, &path)?;
            match (args.extract, output) {
                (Some(number), Some(file)) => {
                    let version = number.checked_sub(1).and_then(|at| versions.get(at)).ok_or_else(|| {
                        let what = format!("{}: /{} has no version {number}", opened.title, shown(&path));
                        Failure::new(
                            "image/no-version",
                            exit::FAILED,
                            what,
                            "leave --extract out to see which it has",
                        )
                    })?;
                    save(&opened, files, history, version, file, front)
                }
                _ => list(&opened, history, &versions, front),
            }
        }
    }
}

/// The partition a path leads into, and the rest of the path. A dump of one partition is that partition.
fn partition(opened: &Opened) -> Result<(&dyn Files, Vec<u8>), Failure> {
    let path = opened.plain_path();
    let mut parts = path.splitn(2, |byte| *byte == b'/');
    let first = parts.next().unwrap_or_default();
    match opened.files.volume(first).map_err(|e| opened.failed(&e.to_string()))? {
        Some(files) => Ok((files, parts.next().unwrap_or_default().to_vec())),
        None => Ok((&*opened.files, path)),
    }
}

/// What is known of a path: an object of the tree, or the last deleted one that had it.
fn versions_of(
    opened: &Opened,
    files: &dyn Files,
    history: &dyn files::History,
    path: &[u8],
) -> Result<Vec<Version>, Failure> {
    let failed = |e: FilesError| opened.failed(&e.to_string());
    if let Some(entry) = lookup(files, path).map_err(failed)? {
        return history.versions(entry.id).map_err(failed);
    }
    let (mut found, mut paths): (Option<Version>, _) = (None, Paths::new(history));
    for id in history.deleted() {
        opened.go_on()?;
        let Some(last) = history.last_named(id).map_err(failed)? else { continue };
        let newer = found.as_ref().is_none_or(|it| (it.sequence, it.page) < (last.sequence, last.page));
        if newer && paths.of(&last).map_err(failed)? == path {
            found = Some(last);
        }
    }
    let found = found.ok_or_else(|| {
        let what = format!("{}: there neither is nor was a {} in it", opened.title, shown(path));
        Failure::new("image/no-file", exit::FAILED, what, "leave the path out to see what there is")
    })?;
    history.versions(u64::from(found.id)).map_err(failed)
}

/// Deleted objects, and files with more than one version.
fn overview(
    opened: &Opened,
    files: &dyn Files,
    history: &dyn files::History,
    front: &mut Front,
) -> Result<(), Failure> {
    let failed = |e: FilesError| opened.failed(&e.to_string());
    let (mut deleted, mut changed) = (Vec::new(), Vec::new());
    let mut paths = Paths::new(history);
    for id in history.deleted() {
        opened.go_on()?;
        if let Some(last) = history.last_named(id).map_err(failed)? {
            let path = paths.of(&last).map_err(failed)?;
            deleted.push((path, last, history.versions(id).map_err(failed)?.len()));
        }
    }
    deleted.sort_by(|a, b| a.0.cmp(&b.0));
    for step in Walk::new(files, files.root(), b"") {
        opened.go_on()?;
        let step = step.map_err(failed)?;
        if step.entry.kind == Kind::File {
            let versions = history.versions(step.entry.id).map_err(failed)?;
            if versions.len() > 1 {
                changed.push((step.path, step.entry, versions.len()));
            }
        }
    }
    if let Front::Json(json) = front {
        for (path, last, versions) in &deleted {
            json.line(&short_value(
                "deleted",
                path,
                u64::from(last.id),
                last.size,
                i64::from(last.modified),
                last.kind,
                *versions,
            ));
        }
        for (path, entry, versions) in &changed {
            let Entry { id, size, modified, .. } = entry;
            json.line(&short_value("changed", path, *id, *size, modified.seconds, None, *versions));
        }
        return Ok(());
    }
    let line = |size: u64, at: i64, versions: usize, path: &[u8]| {
        format!("{:>13}  {}  {versions:>8}  {}", grouped(size), time(at), shown(path))
    };
    let mut lines = vec![format!("Deleted: {}", grouped(deleted.len() as u64))];
    if !deleted.is_empty() {
        lines.push(format!("{:>13}  {:<20}  {:>8}  last path", "bytes", "changed", "versions"));
    }
    lines.extend(deleted.iter().map(|(path, it, n)| line(it.size, i64::from(it.modified), *n, path)));
    lines.push(format!("\nWith earlier versions: {}", grouped(changed.len() as u64)));
    lines.extend(changed.iter().map(|(path, it, n)| line(it.size, it.modified.seconds, *n, path)));
    out::result(&lines)
}

fn short_value(
    event: &str,
    path: &[u8],
    id: u64,
    size: u64,
    modified: i64,
    kind: Option<bromide_image::yaffs2::read::Kind>,
    versions: usize,
) -> Value {
    let mut all = Map::new();
    all.insert("event".into(), json!(event));
    put(&mut all, "path", path);
    if let Some(kind) = kind {
        all.insert("kind".into(), json!(gone::kind_of(kind).code()));
    }
    for (key, value) in [("object", id), ("bytes", size), ("versions", versions as u64)] {
        all.insert(key.into(), json!(value));
    }
    all.insert("modified".into(), json!(modified));
    Value::Object(all)
}

/// What happened, in a word or two.
fn happened(version: &Version) -> String {
    match version.event {
        Happened::Written => "written".to_owned(),
        Happened::Cut => "cut".to_owned(),
        Happened::Deleted => "deleted".to_owned(),
        Happened::Replaced(by) => format!("replaced by {by}"),
    }
}

/// The versions of one object, newest first.
fn list(
    opened: &Opened,
    history: &dyn files::History,
    versions: &[Version],
    front: &mut Front,
) -> Result<(), Failure> {
    let mut lines = vec![format!(
        "{:>7}  {:>8}  {:>7}  {:<20}  {:>13}  {:>13}  {:<16}  path",
        "version", "sequence", "page", "changed", "bytes", "stored", "event"
    )];
    let mut paths = Paths::new(history);
    for (at, it) in versions.iter().enumerate() {
        opened.go_on()?;
        let deleted = matches!(it.event, Happened::Deleted | Happened::Replaced(_));
        let path = if deleted { Ok(Vec::new()) } else { paths.of(it) };
        let path = path.map_err(|e| opened.failed(&e.to_string()))?;
        let stored = history.content(it).ok().map(|content| history.stored_content(&content));
        if let Front::Json(json) = front {
            let mut all = Map::new();
            all.insert("event".into(), json!("version"));
            put(&mut all, "path", &path);
            for (key, value) in
                [("version", at as u64 + 1), ("sequence", it.sequence.into()), ("page", it.page.into())]
            {
                all.insert(key.into(), json!(value));
            }
            all.insert("happened".into(), json!(happened(it).split(' ').next()));
            all.insert("bytes".into(), json!(it.size));
            all.insert("stored_bytes".into(), json!(stored));
            all.insert("modified".into(), json!(it.modified));
            json.line(&Value::Object(all));
            continue;
        }
        lines.push(format!(
            "{:>7}  {:>8}  {:>7}  {}  {:>13}  {:>13}  {:<16}  {}",
            at + 1,
            it.sequence,
            it.page,
            time(i64::from(it.modified)),
            grouped(it.size),
            stored.map_or_else(|| "-".to_owned(), grouped),
            happened(it),
            shown(&path)
        ));
    }
    if matches!(front, Front::Screen(_)) { out::result(&lines) } else { Ok(()) }
}

/// Writes the bytes of a version to a new file, which has its name only when it is whole.
fn save(
    opened: &Opened,
    files: &dyn Files,
    history: &dyn files::History,
    version: &Version,
    file: &Path,
    front: &mut Front,
) -> Result<(), Failure> {
    let content = history.content(version).map_err(|e| opened.failed(&e.to_string()))?;
    if content.size > files.largest() {
        return Err(
            opened.failed(&format!("this version claims {} bytes, more than a file can have", content.size))
        );
    }
    let refused = |doing: &str, path: &Path, e: io::Error| {
        let (code, advice) = match e.kind() {
            ErrorKind::AlreadyExists => ("file/exists", "name another file, or remove it first"),
            ErrorKind::StorageFull => ("file/disk-full", "make room, or name a file on another disk"),
            ErrorKind::NotFound => ("file/no-folder", "make the folder it shall be in first"),
            _ => ("file/io", ""),
        };
        Failure::new(code, exit::FAILED, format!("cannot {doing} {}: {e}", path.display()), advice)
    };
    in_new_file(file, refused, |mut out| {
        let io = |e| refused("write", file, e);
        let (mut at, mut buffer) = (0, vec![0; STEP]);
        // Holes stay holes.
        while let Some(stored) = history.content_stored(&content, at) {
            opened.go_on()?;
            let len = usize::try_from(stored.end - stored.start).unwrap_or(STEP).min(STEP);
            let read = history.read_content(&content, stored.start, &mut buffer[..len]);
            let len = read.map_err(|e| opened.failed(&e.to_string()))?;
            out.seek(SeekFrom::Start(stored.start))
                .and_then(|_| out.write_all(&buffer[..len]))
                .map_err(io)?;
            at = stored.start + len.max(1) as u64;
        }
        out.set_len(content.size).map_err(io)
    })?;
    let missing = content.size - history.stored_content(&content).min(content.size);
    if missing != 0 {
        front.tell(&Event::Warning(&format!(
            "{}: {} of {} bytes are not stored: holes of the file, or erased since; they are zeros",
            file.display(),
            grouped(missing),
            grouped(content.size)
        )));
    }
    front.say(&format!("Saved {}, {} bytes", file.display(), grouped(content.size)));
    Ok(())
}
