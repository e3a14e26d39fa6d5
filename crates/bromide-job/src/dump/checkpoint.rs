//! Makes what was written durable, and only then says so in the mapfile; on a thread of its own, so that neither the
//! phone nor the next packets wait for the disk.

use std::fs::File;
use std::io::Write;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use serde_json::Value;

use super::map_path;
use crate::mapfile::Mapfile;
use crate::save::SaveError;
use crate::save::place::{Place, replace_file};

/// Begins the remark with what identifies the read.
pub(super) const ORIGIN: &str = "bromide read: ";
/// The remark of a read that is to replace an older file of the final name, and has not got to it yet.
pub(super) const REPLACES: &str = "bromide replaces an older file of this name";
/// Begins the remark with the digest of the bytes from the start on: their number, then SHA-256.
pub(super) const PREFIX: &str = "bromide sha256 of the first ";

/// Bytes from the start of an image, and their SHA-256 in lower-case hex.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Prefix {
    pub(super) bytes: u64,
    pub(super) sha256: String,
}

/// What a mapfile says besides its states.
#[derive(Debug, Clone)]
pub(super) struct About {
    /// What identifies the read.
    pub(super) origin: Value,
    /// The file of the final name is an older one, to be replaced.
    pub(super) replaces: bool,
}

/// What is to be made durable: everything written so far.
struct Snapshot {
    map: Mapfile,
    prefix: Prefix,
    /// Told when it is.
    done: Option<SyncSender<()>>,
}

/// The near end.
#[derive(Debug)]
pub(super) struct Checkpoints {
    wanted: Option<SyncSender<Snapshot>>,
    thread: Option<JoinHandle<()>>,
    failed: Arc<Mutex<Option<SaveError>>>,
}

impl Checkpoints {
    pub(super) fn start(file: File, place: Place, about: About) -> Result<Self, SaveError> {
        // Nothing is queued: a snapshot taken while one is being written would be old when its turn comes.
        let (wanted, snapshots) = sync_channel::<Snapshot>(0);
        let failed = Arc::new(Mutex::new(None));
        let told = Arc::clone(&failed);
        let target = place.target.clone();
        let work = move || {
            for Snapshot { map, prefix, done } in snapshots {
                if let Err(error) = durable(&file, &place, &map, &about, Some(&prefix)) {
                    *told.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                    return;
                }
                if let Some(tell) = done {
                    let _ = tell.send(()); // whoever asked may have given up
                }
            }
        };
        let thread = thread::Builder::new().name("checkpoint".into()).spawn(work);
        let thread = thread.map_err(SaveError::io("start saving", &target))?;
        Ok(Self { wanted: Some(wanted), thread: Some(thread), failed })
    }

    /// Asks for one, unless one is being written. Whether it was taken.
    pub(super) fn ask(&self, map: &Mapfile, prefix: Prefix) -> Result<bool, SaveError> {
        let Some(wanted) = &self.wanted else { return Ok(false) };
        match wanted.try_send(Snapshot { map: map.clone(), prefix, done: None }) {
            Ok(()) => Ok(true),
            Err(TrySendError::Full(_)) => Ok(false),
            Err(TrySendError::Disconnected(_)) => Err(self.failure()),
        }
    }

    /// Waits until the mapfile says this, and no older word can come after it.
    pub(super) fn now(&self, map: &Mapfile, prefix: Prefix) -> Result<(), SaveError> {
        let Some(wanted) = &self.wanted else { return Ok(()) };
        let (tell, done) = sync_channel(1);
        let snapshot = Snapshot { map: map.clone(), prefix, done: Some(tell) };
        if wanted.send(snapshot).is_ok() && done.recv().is_ok() { Ok(()) } else { Err(self.failure()) }
    }

    /// Waits for the one under way.
    pub(super) fn end(&mut self) -> Result<(), SaveError> {
        self.wanted = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join(); // a panic leaves the mapfile as it was, and the last one is written by the caller
        }
        let failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner).take();
        failed.map_or(Ok(()), Err)
    }

    fn failure(&self) -> SaveError {
        let failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner).take();
        failed.unwrap_or_else(|| {
            SaveError::io("write", std::path::Path::new("the mapfile"))(std::io::ErrorKind::BrokenPipe.into())
        })
    }
}

impl Drop for Checkpoints {
    fn drop(&mut self) {
        let _ = self.end(); // nobody is left to be told
    }
}

/// The data first, then the word about it.
pub(super) fn durable(
    file: &File,
    place: &Place,
    map: &Mapfile,
    about: &About,
    prefix: Option<&Prefix>,
) -> Result<(), SaveError> {
    file.sync_data().map_err(SaveError::io("save", &place.part))?;
    write_map(place, map, about, prefix)
}

/// Replaces the mapfile, durable.
pub(super) fn write_map(
    place: &Place,
    map: &Mapfile,
    about: &About,
    prefix: Option<&Prefix>,
) -> Result<(), SaveError> {
    let version = env!("CARGO_PKG_VERSION");
    let mut remarks = vec![
        format!("Mapfile. Created by Bromide {version}, in the format of GNU ddrescue"),
        format!("{ORIGIN}{}", about.origin),
    ];
    if about.replaces {
        remarks.push(REPLACES.to_owned());
    }
    if let Some(Prefix { bytes, sha256 }) = prefix.filter(|prefix| prefix.bytes > 0) {
        remarks.push(format!("{PREFIX}{bytes} bytes: {sha256}"));
    }
    let text = map.text(&remarks);
    replace_file(&map_path(&place.target), |to| to.write_all(text.as_bytes()))
}
