//! The thread that writes the three files.
//!
//! A file that cannot be written to any more is left as it was after its last whole record; the others go on. Nothing
//! of this ends anything else.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bromide_capture::{About, Bytes, Entry, Recording, What};
use serde_json::json;

use crate::place::{ACCOUNT, EVENTS, RECORDING};
use crate::queue::{Item, Queue};
use crate::whole::Whole;

/// Bytes of a file that are gathered before they are written.
const GATHERED: usize = 1 << 20;

/// What is missing in a log.
#[derive(Debug, Default)]
pub(crate) struct Incomplete(Mutex<(Option<String>, bool)>);

impl Incomplete {
    fn lock(&self) -> MutexGuard<'_, (Option<String>, bool)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The first reason is the one that is told.
    fn because(&self, why: String) {
        self.lock().0.get_or_insert(why);
    }

    pub(crate) fn why(&self) -> Option<String> {
        self.lock().0.clone()
    }

    /// The reason, the first time it is asked for.
    pub(crate) fn untold(&self) -> Option<String> {
        let (why, told) = &mut *self.lock();
        if why.is_none() || std::mem::replace(told, true) { None } else { why.clone() }
    }
}

/// The files of a log.
#[derive(Debug)]
pub(crate) struct Files {
    recording: Option<Recording<Whole>>,
    /// Of it, since it was last flushed.
    recorded: usize,
    events: Option<Whole>,
    account: Option<Whole>,
}

impl Files {
    /// Makes them. The file of events is locked as long as the run lasts, so that nobody prunes it.
    pub(crate) fn create(folder: &Path, version: &str) -> io::Result<Self> {
        let create = |name: &str| -> io::Result<File> {
            OpenOptions::new().write(true).create_new(true).open(folder.join(name))
        };
        let events = create(EVENTS)?;
        // A file system without locks is no reason to have no log.
        let _ = events.try_lock();
        let account = Whole::new(create(ACCOUNT)?);
        let recording =
            Recording::new(Whole::new(create(RECORDING)?), &About::here(&format!("bromide {version}")))?;
        Ok(Self {
            recording: Some(recording),
            recorded: 0,
            events: Some(Whole::new(events)),
            account: Some(account),
        })
    }

    fn item(&mut self, item: &Item, incomplete: &Incomplete) {
        match item {
            Item::Entry(entry) => {
                self.recorded += match &entry.what {
                    What::Bytes(_, Bytes::Here(bytes)) => bytes.len(),
                    _ => 0,
                };
                let flush = self.recorded > GATHERED;
                if flush {
                    self.recorded = 0;
                }
                keep(&mut self.recording, RECORDING, incomplete, |to| {
                    record(to, entry)?;
                    if flush { to.flush() } else { Ok(()) }
                });
            }
            Item::Line(line) => keep(&mut self.events, EVENTS, incomplete, |to| writeln!(to, "{line}")),
            Item::Story(text) => {
                keep(&mut self.account, ACCOUNT, incomplete, |to| to.write_all(text.as_bytes()))
            }
        }
    }

    fn dropped(&mut self, things: u64, incomplete: &Incomplete) {
        if things == 0 {
            return;
        }
        let why = format!("the disk was too slow: {things} entries are missing");
        let at = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        keep(&mut self.recording, RECORDING, incomplete, |to| to.note(at, &why));
        let line = json!({"event": "incomplete", "text": why, "at": crate::clock::rfc3339(at)});
        keep(&mut self.events, EVENTS, incomplete, |to| writeln!(to, "{line}"));
        incomplete.because(why);
    }

    fn flush(&mut self, incomplete: &Incomplete) {
        keep(&mut self.recording, RECORDING, incomplete, Recording::flush);
        keep(&mut self.events, EVENTS, incomplete, Whole::flush);
        keep(&mut self.account, ACCOUNT, incomplete, Whole::flush);
    }
}

/// Writes to a file, which is given up when it fails.
fn keep<W>(
    file: &mut Option<W>,
    name: &str,
    incomplete: &Incomplete,
    write: impl FnOnce(&mut W) -> io::Result<()>,
) {
    if let Some(Err(e)) = file.as_mut().map(write) {
        incomplete.because(format!("{name} could not be written any more: {e}"));
        *file = None;
    }
}

/// One entry into a recording.
pub(crate) fn record<W: Write>(to: &mut Recording<W>, entry: &Entry) -> io::Result<()> {
    let at = entry.at;
    match &entry.what {
        What::Opened(seen) => to.opened(at, seen),
        What::Bytes(direction, Bytes::Here(bytes)) => to.bytes(at, *direction, bytes),
        What::Bytes(direction, Bytes::Elsewhere(piece)) => to.piece(at, *direction, piece),
        What::Closed => to.closed(at),
        What::Note(text) => to.note(at, text),
    }
}

/// Writes until nothing comes any more.
pub(crate) fn write(mut files: Files, queue: &Queue, incomplete: &Incomplete) {
    let mut buffer = Vec::new();
    loop {
        let mut batch = queue.take(buffer);
        for item in batch.items.drain(..) {
            files.item(&item, incomplete);
        }
        files.dropped(batch.dropped, incomplete);
        files.flush(incomplete);
        if batch.last {
            break;
        }
        buffer = batch.items;
    }
    // The lock is let go before anybody hears that all is written.
    drop(files);
    queue.end();
}
