//! `image extract`: the files of an image, into a folder or a tar archive.

use std::io::{self, BufWriter, ErrorKind, IsTerminal as _};
use std::path::{Path, PathBuf};

use bromide_image::files::{Entry, Files, Left};
use bromide_job::event::Event;
use bromide_job::extract::{ExtractError, Remark, Start, Summary, Told, What, to_tar, to_tar_file};
use bromide_link::Cancel;
use clap::Args;
use serde_json::{Map, Value, json};

use super::ls::put;
use super::open::{Opened, open_place, shown};
use super::place::Place;
use crate::front::Front;
use crate::numbers::grouped;
use crate::report::{Failure, exit};

/// Lines told about single files; programs get all of them.
const MOST_LINES: usize = 100;

/// Extract the files of a partition's image
///
/// Modes, times, links, holes and user.* attributes are kept; as root also owners, devices, pipes and
/// all other attributes. Others than root lose the set-user-id and set-group-id bits, unless
/// --keep-suid is given. Sockets are left out.
///
/// Nothing is written outside of the folder, through a link or over something that exists. Links are
/// written as they are stored: they may lead anywhere, so mind them when you use the files. Names
/// that cannot be written are changed: / becomes %2F, .. becomes %2E%2E, and of equal names one is
/// called NAME~2.
///
/// A file with a page beyond repair, or that may be wrong for another reason, is called NAME.damaged;
/// where bytes are missing there are zeros. The exit code is then 5.
///
/// Examples:
///
///   bromide image extract system.img -o system/
///
///   bromide image extract system.img lib/hw -o hw/
///
///   bromide image extract system.img --tar | tar -tv
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Extract {
    #[command(flatten)]
    pub(crate) place: Place,
    /// Folder to write into, new or empty; with --tar the archive [default: standard output]
    #[arg(short, long, value_name = "DIR", required_unless_present = "tar")]
    pub(crate) output: Option<PathBuf>,
    /// Write a tar archive (pax, with owners, devices, extended attributes and holes)
    #[arg(long)]
    pub(crate) tar: bool,
    /// Keep the set-user-id and set-group-id bits although the files will be yours
    #[arg(long, conflicts_with = "tar")]
    pub(crate) keep_suid: bool,
}

/// `bromide image extract`.
pub(crate) fn extract(args: &Extract, front: &mut Front, cancel: &Cancel) -> Result<(), Failure> {
    if args.tar && args.output.is_none() {
        let usage = |what, advice| Err(Failure::new("image/usage", exit::USAGE, what, advice));
        if matches!(front, Front::Json(_)) {
            return usage(
                "an archive on standard output is no JSON",
                "leave --json out, or name a file with -o",
            );
        }
        if io::stdout().is_terminal() {
            return usage("an archive is nothing for a terminal", "name a file with -o, or pipe it into tar");
        }
    }
    let opened = open_place(&args.place, front, cancel)?;
    let (entry, path) = opened.named(front)?;
    let to = match (&args.output, args.tar) {
        (Some(file), true) => To::TarFile(file),
        (None, _) => To::Stdout,
        (Some(folder), false) => To::Folder(folder, args.keep_suid),
    };
    write_out(&opened, &*opened.files, &entry, &path, &to, front, cancel)
}

/// Where files go.
pub(super) enum To<'a> {
    /// The folder, and whether set-id bits are kept.
    Folder(&'a Path, #[cfg_attr(not(unix), allow(dead_code, reason = "nothing is written there"))] bool),
    TarFile(&'a Path),
    Stdout,
}

/// Writes a tree out and tells how it went.
pub(super) fn write_out(
    opened: &Opened,
    files: &dyn Files,
    entry: &Entry,
    path: &[u8],
    to: &To<'_>,
    front: &mut Front,
    cancel: &Cancel,
) -> Result<(), Failure> {
    let start = Start { files, entry, path };
    let mut lines = Lines::default();
    let written = {
        let mut tell = |told: Told<'_>| match told {
            Told::Start(bytes) => front.tell(&Event::CopyStart(bytes)),
            Told::Done(done) => front.tell(&Event::Copied(done)),
            Told::Remark(remark) => match front {
                Front::Json(json) => json.line(&value(remark)),
                Front::Screen(_) => lines.add(remark),
            },
        };
        run(&start, to, &mut tell, cancel)
    };
    front.settle();
    opened.tell_doubts(front);
    for line in lines.told(&opened.title) {
        front.tell(&Event::Warning(&line));
    }
    let summary = written.map_err(|error| failure(opened, to, &error, cancel));
    let summary = match summary {
        Err(failure) if failure.code == GONE => return Ok(()),
        other => other?,
    };
    tell_summary(&summary, to, front);
    match (summary.damaged, summary.refused) {
        (0, 0) => Ok(()),
        (damaged, _) => {
            let code = if damaged == 0 { exit::FAILED } else { exit::DAMAGED };
            let what = format!(
                "{}: {} damaged, {} that could not be read or written",
                opened.title,
                count(summary.damaged, "file is", "files are"),
                count(summary.refused, "object", "objects")
            );
            Err(Failure::new("image/damaged", code, what, "everything else is whole and right"))
        }
    }
}

fn run(
    start: &Start<'_>,
    to: &To<'_>,
    tell: &mut dyn FnMut(Told<'_>),
    cancel: &Cancel,
) -> Result<Summary, ExtractError> {
    let stop = || cancel.is_set();
    match to {
        #[cfg(unix)]
        To::Folder(folder, keep_suid) => {
            bromide_job::extract::to_folder(start, folder, *keep_suid, tell, &stop)
        }
        #[cfg(not(unix))]
        To::Folder(..) => Err(ExtractError::Io {
            doing: "extract into",
            path: "a folder on this system".to_owned(),
            error: ErrorKind::Unsupported.into(),
        }),
        To::TarFile(file) => to_tar_file(start, file, tell, &stop),
        To::Stdout => to_tar(start, &mut BufWriter::with_capacity(1 << 20, io::stdout().lock()), tell, &stop),
    }
}

/// Code of a failure that is none: the reader of an archive has seen enough.
const GONE: &str = "file/reader-gone";

fn failure(opened: &Opened, to: &To<'_>, error: &ExtractError, cancel: &Cancel) -> Failure {
    let (code, advice) = match error {
        _ if cancel.is_set() => {
            let mut stopped = Failure::stopped();
            if let To::Folder(folder, _) = to {
                stopped.advice = Some(format!("{} has what was extracted so far", folder.display()));
            }
            return stopped;
        }
        ExtractError::Stopped | ExtractError::Changed { .. } => ("image/file", ""),
        ExtractError::NotEmpty(_) => {
            ("file/exists", "name a new folder; nothing that exists is written over")
        }
        ExtractError::NotAFolder(_) => ("file/exists", "name a new folder"),
        ExtractError::NoFolder(_) => ("file/no-folder", "make it first"),
        ExtractError::DiskFull { .. } => ("file/disk-full", "make room, or extract to another disk"),
        ExtractError::Moved => ("file/io", "extract again, where nobody else moves directories"),
        ExtractError::Io { error, .. } => match (error.kind(), to) {
            (ErrorKind::BrokenPipe, To::Stdout) => (GONE, ""),
            (ErrorKind::AlreadyExists, _) => ("file/exists", "name another file, or remove it first"),
            (ErrorKind::Unsupported, _) => ("file/system", "use --tar -o FILE"),
            (ErrorKind::StorageFull, _) => ("file/disk-full", "make room, or extract to another disk"),
            _ => ("file/io", ""),
        },
    };
    Failure::new(code, exit::FAILED, format!("{}: {error}", opened.title), advice)
}

/// Remarks for people: told at the end, so that no bar is in their way.
#[derive(Default)]
struct Lines {
    told: Vec<String>,
    more: u64,
}

impl Lines {
    fn add(&mut self, remark: &Remark) {
        // Those are counted.
        if matches!(remark.what, What::Skipped(_)) {
            return;
        }
        if self.told.len() >= MOST_LINES {
            self.more += 1;
            return;
        }
        self.told.push(line(remark));
    }

    fn told(self, title: &str) -> impl Iterator<Item = String> {
        let more = (self.more != 0)
            .then(|| format!("{} more like that; --json tells all of them", grouped(self.more)));
        self.told.into_iter().chain(more).map(move |line| format!("{title}: {line}"))
    }
}

fn line(remark: &Remark) -> String {
    let path = short(&remark.path);
    match &remark.what {
        What::Renamed(to) => format!("/{path} is called {} now", short(to)),
        What::Damaged { to, missing: 0, why } => format!("/{path} is called {}: {why}", short(to)),
        What::Damaged { to, missing, why } => {
            format!("/{path} is called {}: {why}; {} bytes are missing", short(to), grouped(*missing))
        }
        What::Refused(why) => format!("/{path} is left out: {why}"),
        What::Skipped(kind) => format!("/{path} is left out: a {}", kind.code()),
        What::Left(Left::TooDeep) => format!("/{path} lies too deep and is left out"),
        What::Left(Left::SeenBefore) => format!("/{path} was met before under another name and is left out"),
        What::Unread(why) => format!("/{path}: not everything in it could be read: {why}"),
        What::Attribute { sort, why } => {
            format!(
                "/{path} and perhaps others did not get their {} attributes: {why}",
                shown(sort.as_bytes())
            )
        }
    }
}

/// A path that only a hostile image has is not told whole.
fn short(path: &[u8]) -> String {
    path.get(..200).map_or_else(|| shown(path), |start| format!("{}..", shown(start)))
}

fn value(remark: &Remark) -> Value {
    let mut all = Map::new();
    let (event, to, why) = match &remark.what {
        What::Renamed(to) => ("renamed", Some(to), None),
        What::Damaged { to, why, .. } => ("damaged", Some(to), Some(why.as_str())),
        What::Refused(why) => ("refused", None, Some(why.as_str())),
        What::Skipped(kind) => ("skipped", None, Some(kind.code())),
        What::Left(Left::TooDeep) => ("refused", None, Some("too deep")),
        What::Left(Left::SeenBefore) => ("skipped", None, Some("met before")),
        What::Unread(why) => ("unread", None, Some(why.as_str())),
        What::Attribute { why, .. } => ("attribute", None, Some(why.as_str())),
    };
    all.insert("event".into(), json!(event));
    put(&mut all, "path", &remark.path);
    if let Some(to) = to {
        put(&mut all, "to", to);
    }
    if let What::Damaged { missing, .. } = &remark.what {
        all.insert("missing_bytes".into(), json!(missing));
    }
    if let What::Attribute { sort, .. } = &remark.what {
        all.insert("sort".into(), json!(sort));
    }
    if let Some(why) = why {
        all.insert("why".into(), json!(why));
    }
    Value::Object(all)
}

/// 1 file, 2 files.
fn count(n: u64, one: &str, more: &str) -> String {
    format!("{} {}", grouped(n), if n == 1 { one } else { more })
}

fn tell_summary(summary: &Summary, to: &To<'_>, front: &mut Front) {
    if let Front::Json(json) = front {
        json.line(&json!({
            "event": "extracted",
            "files": summary.files,
            "directories": summary.directories,
            "symlinks": summary.symlinks,
            "hard_links": summary.hard_links,
            "specials": summary.specials,
            "bytes": summary.bytes,
            "renamed": summary.renamed,
            "damaged": summary.damaged,
            "refused": summary.refused,
            "skipped": summary.skipped,
        }));
        return;
    }
    let to = match to {
        To::Folder(path, _) | To::TarFile(path) => format!(" to {}", path.display()),
        To::Stdout => String::new(),
    };
    let parts = [
        (summary.files, "file", "files"),
        (summary.directories, "directory", "directories"),
        (summary.symlinks, "symbolic link", "symbolic links"),
        (summary.hard_links, "hard link", "hard links"),
        (summary.specials, "device or pipe", "devices and pipes"),
        (summary.bytes, "byte", "bytes"),
        (summary.renamed, "renamed", "renamed"),
        (summary.damaged, "damaged", "damaged"),
        (summary.refused, "left out for an error", "left out for errors"),
        (summary.skipped, "left out for its kind", "left out for their kind"),
    ];
    let told = parts.iter().enumerate().filter(|(at, (n, ..))| *at == 0 || *n > 0);
    let told: Vec<String> = told.map(|(_, (n, one, more))| count(*n, one, more)).collect();
    front.say(&format!("Extracted {}{to}", told.join(", ")));
}
