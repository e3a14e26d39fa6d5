//! `log export`.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use bromide_capture::{
    About, Bytes, CaptureError, Entry, ExportError, Exported, Piece, Pieces, Playback, Recording, What,
    export as whole, is_of_replaced,
};
use bromide_log::{RECORDING, Redactor, Store, StoredRun, pages_noted, relative};
use bromide_proto::link::Direction;
use clap::Args;
use serde_json::json;

use super::{failed, find, redactor};
use crate::front::Front;
use crate::numbers::grouped;
use crate::report::{Failure, exit};

/// Stands in a copy for pages that were left out.
const LEFT_OUT: &str = "left-out";

/// Make a recording of a run that is complete in itself, for Wireshark and for others
///
/// The pages that were saved are put back from the files that keep them; where such a file is gone or has changed
/// since, the export says so and makes nothing. --without-pages leaves pages out; their lengths and sums stay. With
/// --redact pages are left out too, and names and unique ids are masked.
#[derive(Debug, Args)]
pub(crate) struct Export {
    /// Which run: a folder, the number in bromide log list, or the beginning of the folder's name
    run: String,
    /// File to write, which must not exist yet
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Leave pages out
    #[arg(long)]
    without_pages: bool,
}

/// `bromide log export`.
pub(super) fn export(args: &Export, store: &Store, redact: bool, front: &mut Front) -> Result<(), Failure> {
    let run = find(store, Some(&args.run))?;
    let recording = run.folder.join(RECORDING);
    let from = File::open(&recording).map_err(|e| failed(&run, &e))?;
    let playback = Playback::new(from).map_err(|e| of_capture(&run, &e))?;
    let target = &args.output;
    if target.symlink_metadata().is_ok() {
        let what = format!("{} exists already", target.display());
        return Err(Failure::new("log/exists", exit::FAILED, what, "choose another name with -o"));
    }
    let folder = target.parent().filter(|it| !it.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let unwritten = |e: &dyn std::fmt::Display| {
        Failure::new(
            "file/io",
            exit::FAILED,
            format!("{}: {e}", target.display()),
            "choose another place with -o",
        )
    };
    // It gets its name when it is whole.
    let mut interim = tempfile::Builder::new();
    #[cfg(unix)]
    interim.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let file = interim.prefix(".bromide-export-").tempfile_in(folder).map_err(|e| unwritten(&e))?;
    let about = About::here(concat!("bromide ", env!("CARGO_PKG_VERSION")));
    let mut to = Recording::new(BufWriter::new(file), &about).map_err(|e| unwritten(&e))?;
    let done = if redact || args.without_pages {
        let mut redactor = redact.then(|| redactor(&run));
        without_pages(&run, playback, folder, redactor.as_mut(), &mut to)
    } else {
        whole(playback, Some(&mut Pieces::beside(&recording)), &mut to)
    };
    let done = done.map_err(|e| of_export(&run, &e))?;
    let file = to.into_inner().into_inner().map_err(|e| unwritten(&e))?;
    file.persist_noclobber(target).map_err(|e| unwritten(&e))?;
    tell(&done, target, front);
    Ok(())
}

fn tell(done: &Exported, target: &Path, front: &mut Front) {
    match front {
        Front::Json(json) => json.line(&json!({
            "event": "exported", "file": target.to_string_lossy(), "entries": done.entries, "bytes": done.bytes,
            "put_back": done.put_back, "left_out": done.referred, "cut": done.cut,
        })),
        Front::Screen(screen) => {
            let pages = match (done.put_back, done.referred) {
                (0, 0) => String::new(),
                (put, 0) => format!(", {} packets of pages put back", grouped(put)),
                (_, out) => format!(", {} packets of pages left out", grouped(out)),
            };
            let bytes = grouped(done.bytes);
            screen.say(&format!("Saved   {}: {bytes} bytes of the cable{pages}", target.display()));
            if done.cut {
                screen.say("Note    the recording was cut off; this is what there is of it");
            }
        }
    }
}

/// Everything but pages, masked where wished.
fn without_pages<W: Write>(
    run: &StoredRun,
    playback: Playback<File>,
    folder: &Path,
    redactor: Option<&mut Redactor>,
    to: &mut Recording<W>,
) -> Result<Exported, ExportError> {
    let mut done = Exported::default();
    let mut entries = Vec::new();
    // Bytes to come that are pages.
    let mut pages = 0;
    for entry in playback {
        match entry {
            Ok(entry) => leave_out(entry, &mut pages, &mut entries),
            Err(CaptureError::Cut { .. }) => done.cut = true,
            Err(other) => return Err(other.into()),
        }
    }
    let (from, here) = (absolute(&run.folder), absolute(folder));
    for entry in &mut entries {
        if let What::Bytes(_, Bytes::Elsewhere(piece)) = &mut entry.what
            && piece.file != Path::new(LEFT_OUT)
        {
            piece.file = relative(&here, &resolved(&from.join(&piece.file)));
        }
    }
    if let Some(redactor) = redactor {
        redactor.entries(&mut entries);
    }
    for Entry { at, what, .. } in &entries {
        let written = match what {
            What::Opened(seen) => to.opened(*at, seen),
            What::Closed => to.closed(*at),
            What::Note(text) => to.note(*at, text),
            What::Bytes(direction, Bytes::Here(bytes)) => {
                done.bytes += bytes.len() as u64;
                to.bytes(*at, *direction, bytes)
            }
            What::Bytes(direction, Bytes::Elsewhere(piece)) => {
                done.referred += 1;
                to.piece(*at, *direction, piece)
            }
        };
        written.map_err(ExportError::Write)?;
        done.entries += 1;
    }
    to.flush().map_err(ExportError::Write)?;
    Ok(done)
}

/// Puts a reference to nothing in the place of pages.
fn leave_out(entry: Entry, pages: &mut u64, into: &mut Vec<Entry>) {
    let Entry { at, frame, what } = entry;
    let mut put = |what| into.push(Entry { at, frame, what });
    match what {
        What::Bytes(Direction::FromPhone, Bytes::Here(bytes)) if *pages > 0 => {
            let most = usize::try_from(*pages).unwrap_or(usize::MAX);
            let (out, rest) = bytes.split_at(most.min(bytes.len()));
            let len = out.len() as u64;
            *pages -= len;
            let piece = Piece { file: LEFT_OUT.into(), at: 0, len, crc32: crc32fast::hash(out) };
            put(What::Bytes(Direction::FromPhone, Bytes::Elsewhere(piece)));
            if !rest.is_empty() {
                put(What::Bytes(Direction::FromPhone, Bytes::Here(rest.to_vec())));
            }
        }
        What::Note(text) if is_of_replaced(&text) => {}
        what => {
            match &what {
                What::Note(text) => *pages = pages_noted(text).unwrap_or(*pages),
                What::Opened(_) | What::Closed => *pages = 0,
                What::Bytes(..) => {}
            }
            put(what);
        }
    }
}

fn absolute(folder: &Path) -> PathBuf {
    folder.canonicalize().unwrap_or_else(|_| folder.to_owned())
}

/// The path without `..`; what it leads through has no symbolic links.
fn resolved(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        if part == std::path::Component::ParentDir {
            out.pop();
        } else {
            out.push(part);
        }
    }
    out
}

fn of_capture(run: &StoredRun, error: &CaptureError) -> Failure {
    Failure::new("log/recording", exit::FAILED, format!("{}: {error}", run.folder.display()), "")
}

fn of_export(run: &StoredRun, error: &ExportError) -> Failure {
    match error {
        ExportError::Capture(e) => of_capture(run, e),
        ExportError::Piece { source, .. } => {
            let advice = "put the file back where it was, or leave the pages out with --without-pages";
            Failure::new(source.code(), exit::FAILED, error.to_string(), advice)
        }
        ExportError::Write(e) => {
            Failure::new("file/io", exit::FAILED, e.to_string(), "choose another place with -o")
        }
    }
}
