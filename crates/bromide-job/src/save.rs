//! Saves a read back: file, digest and page check on a thread of their own, behind a short queue.
//!
//! The phone waits while the host thinks, so the conversation answers first and hands the packet over afterwards;
//! up to [`QUEUE`] packets wait here before [`Save::put`] blocks. Buffers are handed back, so nothing is allocated
//! per packet and memory stays at about ten packets.
//!
//! Promises:
//! - Bytes go to `NAME.part`; `NAME` appears only when exactly the expected bytes are on the disk, by a rename.
//! - Whatever ends the run earlier (an error, a dropped [`Save`], a killed process) leaves `NAME.part` with the
//!   bytes so far, and an existing `NAME` as it was.
//! - Without `force` nothing that exists is replaced or removed, not even a file that appeared meanwhile.
//! - Two programs never write the same `NAME.part`.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::dump::Ranges;
use crate::pagecheck::{PageCheck, PageSummary};

mod interim;
pub(crate) mod place;
mod sink;
pub(crate) mod system;

pub use interim::Interim;
use place::Place;
use sink::{Failure, Sink};

/// Packets that may wait for the disk.
pub const QUEUE: usize = 8;

/// What to save and under which conditions.
#[derive(Debug)]
pub struct SaveOptions {
    /// Replace an existing file, discard an interrupted one.
    pub force: bool,
    /// Bytes that will come, exactly.
    pub expected_bytes: u64,
    /// The check of the pages on their way, where they can be checked.
    pub check: Option<PageCheck>,
}

impl SaveOptions {
    /// Everything that would make [`Save::create`] refuse, without creating anything.
    ///
    /// # Errors
    /// As [`Save::create`], but for those of creating itself.
    pub fn check(&self, target: &Path) -> Result<(), SaveError> {
        Place::new(target)?.check(self.force, self.expected_bytes)
    }

    /// Whether so many bytes fit where `target` is going to be, whatever is there.
    ///
    /// # Errors
    /// Too little room, or whatever the system says.
    pub fn room(target: &Path, bytes: u64) -> Result<(), SaveError> {
        Place::new(target)?.check_for(bytes, true, true)
    }
}

/// A file being saved. Dropped unfinished, it leaves `NAME.part` with everything that was put.
#[derive(Debug)]
pub struct Save {
    place: Place,
    force: bool,
    sink: Sink<File>,
    expected: u64,
    put: u64,
}

/// A file that is whole and on the disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Saved {
    /// Its final name.
    pub path: PathBuf,
    /// Its size in bytes.
    pub bytes: u64,
    /// SHA-256 of its content, 64 lower-case hex digits.
    pub sha256: String,
    /// What the page check found, if there was one.
    pub pages: Option<PageSummary>,
    /// Checksums of its ranges, where they were wanted.
    pub ranges: Option<Ranges>,
}

/// Why a file cannot be saved.
#[derive(Debug, Error)]
pub enum SaveError {
    /// There is a file of that name.
    #[error("{} exists already", .0.display())]
    Exists(PathBuf),
    /// An earlier run was interrupted; its bytes are kept.
    #[error("an interrupted read left {} ({bytes} bytes)", part.display())]
    PartExists {
        /// The file left behind.
        part: PathBuf,
        /// Its size.
        bytes: u64,
    },
    /// Another program is saving to the same name.
    #[error("another program is writing {}", .0.display())]
    PartBusy(PathBuf),
    /// Something that is no regular file has that name (a folder, a device, a link).
    #[error("{} is not a regular file", .0.display())]
    NotAFile(PathBuf),
    /// The path does not end in a file name.
    #[error("\"{}\" names no file", .0.display())]
    NoName(PathBuf),
    /// The folder does not exist.
    #[error("there is no folder {}", .0.display())]
    NoFolder(PathBuf),
    /// There is not enough room, known before the first byte.
    #[error("{} has {free} bytes free, {needed} are needed", folder.display())]
    DiskFull {
        /// The folder.
        folder: PathBuf,
        /// Bytes to come.
        needed: u64,
        /// Bytes that are free.
        free: u64,
    },
    /// The bytes that came are not as many as expected; what came is kept under the interim name.
    #[error("{got} bytes came for {}, {expected} were expected", part.display())]
    Length {
        /// The interim file.
        part: PathBuf,
        /// Bytes expected.
        expected: u64,
        /// Bytes that came.
        got: u64,
    },
    /// Writing failed on the way.
    #[error("writing {} failed after {written} bytes: {error}", part.display())]
    Write {
        /// The interim file.
        part: PathBuf,
        /// Bytes that are in it.
        written: u64,
        /// What the system said.
        error: io::Error,
    },
    /// Somebody removed or replaced the interim file.
    #[error("{} was removed or replaced while it was written", .0.display())]
    PartGone(PathBuf),
    /// What an earlier run left is of another read.
    #[error("{} was begun by another read (different: {what})", part.display())]
    OtherRead {
        /// The file left behind.
        part: PathBuf,
        /// What differs.
        what: String,
    },
    /// What an earlier run left was changed since.
    #[error("{} is not as the run before left it", .0.display())]
    Altered(PathBuf),
    /// The mapfile beside a part cannot be understood.
    #[error("{}: {what}", map.display())]
    MapDamaged {
        /// The mapfile.
        map: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// Anything else the system refused.
    #[error("cannot {doing} {}: {error}", path.display())]
    Io {
        /// What was tried.
        doing: &'static str,
        /// With which file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
}

impl SaveError {
    /// Stable name for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
        match self {
            Self::Exists(_) => "save/exists",
            Self::PartExists { .. } => "save/part-exists",
            Self::PartBusy(_) => "save/busy",
            Self::NotAFile(_) => "save/not-a-file",
            Self::NoName(_) => "save/no-name",
            Self::NoFolder(_) => "save/no-folder",
            Self::DiskFull { .. } => "save/disk-full",
            Self::Write { error, .. } | Self::Io { error, .. }
                if matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge) =>
            {
                "save/disk-full"
            }
            Self::Length { .. } => "save/length",
            Self::PartGone(_) => "save/part-gone",
            Self::OtherRead { .. } => "save/other-read",
            Self::Altered(_) => "save/altered",
            Self::MapDamaged { .. } => "save/map-damaged",
            Self::Write { .. } | Self::Io { .. } => "save/io",
        }
    }

    /// For `map_err`: this was tried with this file.
    pub(crate) fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |error| Self::Io { doing, path, error }
    }
}

/// Whether both names are of one file that exists, by another path, a link or a hard link too.
pub(crate) fn is_one_file(a: &Path, b: &Path) -> bool {
    let about = |path: &Path| path.metadata().ok();
    about(a).zip(about(b)).is_some_and(|(a, b)| system::is_same_file(&a, &b))
}

impl Save {
    /// Checks the place, creates `TARGET.part` and starts the saving thread.
    ///
    /// # Errors
    /// The name, the folder, existing files without `force`, too little room on the disk, or whatever the system
    /// says to creating a file. Then nothing was created, and nothing removed unless `force`.
    pub fn create(target: &Path, options: SaveOptions) -> Result<Self, SaveError> {
        let place = Place::new(target)?;
        place.check(options.force, options.expected_bytes)?;
        let file = place.create(options.force)?;
        let sink = Sink::start(file, options.check).map_err(SaveError::io("start saving", target))?;
        Ok(Self { place, force: options.force, sink, expected: options.expected_bytes, put: 0 })
    }

    /// The file by its final name.
    #[must_use]
    pub fn target(&self) -> &Path {
        &self.place.target
    }

    /// A buffer for the next packet: a used one with its old content where there is one, else an empty one.
    pub fn buffer(&mut self) -> Vec<u8> {
        self.sink.buffer()
    }

    /// Hands over the next bytes of the file. Waits while [`QUEUE`] packets are in front of it.
    ///
    /// # Errors
    /// What the thread met while writing earlier packets; more bytes than expected. After an error nothing
    /// more is written.
    pub fn put(&mut self, packet: Vec<u8>) -> Result<(), SaveError> {
        let got = self.put + packet.len() as u64;
        if got > self.expected {
            return Err(self.length(got));
        }
        self.put = got;
        self.sink.put(packet).map_err(|f| self.failed(f))
    }

    /// Waits for the thread, makes the bytes durable and gives the file its final name.
    ///
    /// # Errors
    /// A wrong number of bytes, or a failure of the disk; the bytes then stay under the interim name.
    /// [`SaveError::Exists`]: a file of that name appeared meanwhile and was left alone.
    pub fn finish(self) -> Result<Saved, SaveError> {
        self.finish_if(|_| Ok(()))
    }

    /// As [`Self::finish`], once `look` has found nothing wrong with the file under its interim name.
    ///
    /// # Errors
    /// As [`Self::finish`], or whatever `look` found; the bytes then stay under the interim name.
    pub fn finish_if<E: From<SaveError>>(
        mut self,
        look: impl FnOnce(&Path) -> Result<(), E>,
    ) -> Result<Saved, E> {
        let sunk = self.sink.close().map_err(|f| self.failed(f))?;
        if self.put != self.expected {
            return Err(self.length(self.put).into());
        }
        sunk.writer.sync_all().map_err(SaveError::io("save", &self.place.part))?;
        look(&self.place.part)?;
        self.place.commit(&sunk.writer, self.force)?;
        Ok(Saved {
            path: self.place.target.clone(),
            bytes: sunk.written,
            sha256: sunk.sha256,
            pages: sunk.pages,
            ranges: None,
        })
    }

    fn failed(&self, Failure { written, error }: Failure) -> SaveError {
        SaveError::Write { part: self.place.part.clone(), written, error }
    }

    fn length(&self, got: u64) -> SaveError {
        SaveError::Length { part: self.place.part.clone(), expected: self.expected, got }
    }
}
