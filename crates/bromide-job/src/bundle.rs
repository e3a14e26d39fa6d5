//! A dump of a phone as a folder of plain files, and the record that makes one thing of them.
//!
//! ```text
//! DIR/bundle.json     this record                   DIR/SHA256SUMS     for sha256sum -c
//! DIR/map.json, scatter.txt   the partition map     DIR/log/RUN/       what was said and done, a folder per run
//! DIR/NAME.img        an image that is whole        DIR/NAME.img.report.json   its pages
//! DIR/NAME.img.map    its mapfile (GNU ddrescue)    DIR/NAME.img.part  an image that is not whole
//! ```
//! Promises: the record names a file as whole only once it is; it is replaced as a whole and durable; one program at a
//! time writes into a folder; a folder begun with one phone, chip and map is never gone on with another. Names of
//! members are stable; addresses and digests are strings, everything else is a number.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use bromide_image::map::{self, Format, Map};
use thiserror::Error;

use crate::dump::to_be_replaced;
use crate::mapfile::State;
use crate::phone_id::PhoneId;
use crate::readback::{Book, Done, Left, address_kind};
use crate::rows::Row;
use crate::save::SaveError;
use crate::save::place::{remove_if_there, replace_file, sync_folder};
use crate::save::system::{Lock, lock};

pub mod check;
pub mod compare;
#[cfg(test)]
mod fixture;
mod record;
mod shape;

pub use record::{Agent, Image, Pages, RangeSums, Record, Run, Second, Whole};
pub use shape::{ImageShape, Place};

/// The record's name.
pub const FILE: &str = "bundle.json";
/// Value of `format`.
pub const FORMAT: &str = "bromide-bundle/1";
/// The map with everything that is known, and as the vendor's tool of these phones wants it.
pub const MAPS: [(&str, Format); 2] = [("map.json", Format::Json), ("scatter.txt", Format::ScatterV0)];

/// More than any record of ours.
const MOST_BYTES: u64 = 64 << 20;

/// Why a folder cannot be used as a bundle.
#[derive(Debug, Error)]
pub enum BundleError {
    /// There is no record in it.
    #[error("{} holds no bundle: there is no {FILE} in it", .0.display())]
    None(PathBuf),
    /// The record cannot be understood.
    #[error("{}: {what}", path.display())]
    Damaged {
        /// The record.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// Another program is writing into it.
    #[error("another program is writing into {}", .0.display())]
    Busy(PathBuf),
    /// It was begun with another phone, or another way of reading.
    #[error("{} was begun with another {what}", folder.display())]
    Other {
        /// The folder.
        folder: PathBuf,
        /// What is different.
        what: String,
    },
    /// The disk.
    #[error(transparent)]
    Save(#[from] SaveError),
}

impl BundleError {
    /// Stable name for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::None(_) => "bundle/none",
            Self::Damaged { .. } => "bundle/damaged",
            Self::Busy(_) => "bundle/busy",
            Self::Other { .. } => "bundle/other",
            Self::Save(e) => e.code(),
        }
    }
}

/// Reads the record of a folder.
///
/// # Errors
/// No record, or one that is damaged.
pub fn load(folder: &Path) -> Result<Record, BundleError> {
    let path = folder.join(FILE);
    let damaged = |what: String| BundleError::Damaged { path: path.clone(), what };
    let text = fs::metadata(&path).and_then(|found| {
        if found.len() > MOST_BYTES {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, "too large for a record"));
        }
        fs::read_to_string(&path)
    });
    let text = match text {
        Ok(text) => text,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Err(BundleError::None(folder.to_owned())),
        Err(e) => return Err(damaged(e.to_string())),
    };
    Record::parse(&text).map_err(damaged)
}

/// A folder that a run writes into.
#[derive(Debug)]
pub struct Bundle {
    folder: PathBuf,
    /// What an earlier run recorded, until this one begins; then what is recorded.
    record: Option<Record>,
    run: Run,
    /// Whether this run has recorded that it began.
    begun: bool,
    /// What is there of an earlier read counts for nothing.
    anew: bool,
    clock: fn() -> String,
    /// Held as long as the bundle is open.
    _lock: Option<File>,
}

/// What is known of a read before its first page.
#[derive(Debug, Clone)]
pub struct Beginning {
    /// The agent in use.
    pub agent: Agent,
    /// Where the partitions lie, and who says so.
    pub map: Option<Map>,
}

impl Bundle {
    /// Takes a folder that is there. With `anew` what an earlier run recorded counts for nothing. `clock` gives the
    /// time in UTC as RFC 3339.
    ///
    /// # Errors
    /// Another program in the folder; a record that is damaged.
    pub fn open(
        folder: &Path,
        anew: bool,
        command: &[String],
        clock: fn() -> String,
    ) -> Result<Self, BundleError> {
        let locked = take(folder)?;
        let record = match load(folder) {
            _ if anew => None,
            Ok(record) => Some(record),
            Err(BundleError::None(_)) => None,
            Err(e) => return Err(e),
        };
        let run = Run { command: command.to_vec(), begun: clock(), ended: None, outcome: None, log: None };
        Ok(Self { folder: folder.to_owned(), record, run, begun: false, anew, clock, _lock: locked })
    }

    /// What is recorded so far.
    #[must_use]
    pub const fn record(&self) -> Option<&Record> {
        self.record.as_ref()
    }

    /// Makes durable which files there are: a run that was killed may have renamed the last one and said no more.
    ///
    /// # Errors
    /// The disk.
    pub fn settle(&self) -> Result<(), BundleError> {
        Ok(sync_folder(&self.folder)?)
    }

    /// Names the folder of this run's log, relative to the bundle.
    pub fn logged_in(&mut self, folder: &str) {
        self.run.log = Some(folder.to_owned());
    }

    /// The phone is there and the rows are known: checks that they are those of the earlier runs, and records them.
    ///
    /// # Errors
    /// Another phone, map or way of reading than before; the disk.
    pub fn begin(&mut self, phone: &PhoneId, rows: &[Row], begin: &Beginning) -> Result<(), BundleError> {
        let images: Vec<Image> = rows.iter().map(Image::of).collect();
        if self.anew {
            // Before the record forgets the older images: a run that is cut short must not pass them off as its own.
            rows.iter().try_for_each(|row| to_be_replaced(&row.target))?;
        }
        let run = self.run.clone();
        match &mut self.record {
            Some(record) => {
                if let Some(what) = record.differs(phone, &images) {
                    return Err(BundleError::Other { folder: self.folder.clone(), what });
                }
                record.state = Whole::Reading;
                record.agent = begin.agent.clone();
                for (image, row) in record.images.iter_mut().zip(rows) {
                    // Somebody took it away since.
                    if image.sha256.is_some() && !is_there(&row.target, image.bytes) {
                        *image = Image::of(row);
                    }
                }
                record.runs.push(run);
            }
            None => {
                let maps = self.write_maps(begin.map.as_ref())?;
                self.record = Some(Record::new(phone.clone(), begin.agent.clone(), maps, images, run));
            }
        }
        self.begun = true;
        self.save()
    }

    /// The run is over. Nothing happens if it never began.
    ///
    /// # Errors
    /// The disk.
    pub fn end(&mut self, outcome: &str) -> Result<(), BundleError> {
        let now = (self.clock)();
        let Some(record) = self.record.as_mut().filter(|_| self.begun) else { return Ok(()) };
        let Some(run) = record.runs.last_mut() else { return Ok(()) };
        (run.ended, run.outcome) = (Some(now), Some(outcome.to_owned()));
        record.state = record.judged();
        self.save()
    }

    fn write_maps(&self, map: Option<&Map>) -> Result<Vec<String>, BundleError> {
        let Some(map) = map else { return Ok(Vec::new()) };
        let mut names = Vec::new();
        for (name, format) in MAPS {
            let written = map::write(map, format);
            if written.entries > 0 {
                replace_file(&self.folder.join(name), |to| to.write_all(written.text.as_bytes()))?;
                names.push(name.to_owned());
            } else {
                remove_if_there(&self.folder.join(name))?;
            }
        }
        Ok(names)
    }

    fn save(&self) -> Result<(), BundleError> {
        let Some(record) = &self.record else { return Ok(()) };
        replace_file(&self.folder.join(FILE), |to| {
            serde_json::to_writer_pretty(&mut *to, record)?;
            to.write_all(b"\n")
        })?;
        Ok(())
    }

    fn change(&mut self, row: &Row, change: impl FnOnce(&mut Image)) -> Result<(), SaveError> {
        let Some(record) = &mut self.record else { return Ok(()) };
        if let Some(image) = record.images.iter_mut().find(|image| image.is_of(row)) {
            change(image);
        }
        self.save().map_err(|e| match e {
            BundleError::Save(e) => e,
            other => SaveError::io("write", &self.folder)(io::Error::other(other.to_string())),
        })
    }
}

impl Book for Bundle {
    fn has(&self, row: &Row) -> bool {
        let images = self.record.iter().flat_map(|record| &record.images);
        images.into_iter().any(|image| image.is_of(row) && image.sha256.is_some())
    }

    fn keep(&mut self, done: &Done) -> Result<(), SaveError> {
        let now = (self.clock)();
        self.change(&done.row, |image| image.whole(done, now))
    }

    fn leave(&mut self, left: &Left) -> Result<(), SaveError> {
        let gaps = left.map.stretches().iter().filter(|it| it.state != State::Finished);
        let gaps: Vec<[u64; 2]> = gaps.map(|it| [it.range.start, it.range.end - it.range.start]).collect();
        self.change(&left.row, |image| {
            image.unread = gaps;
            image.refused.clone_from(&left.refused);
        })
    }
}

/// Whether there is a file of so many bytes.
fn is_there(file: &Path, bytes: u64) -> bool {
    fs::symlink_metadata(file).is_ok_and(|found| found.is_file() && found.len() == bytes)
}

/// Locks a folder as long as the file returned is open; `None` where there are no locks.
fn take(folder: &Path) -> Result<Option<File>, BundleError> {
    let Ok(file) = File::open(folder) else { return Ok(None) };
    match lock(&file) {
        Lock::Busy => Err(BundleError::Busy(folder.to_owned())),
        Lock::Held => Ok(Some(file)),
        Lock::None => Ok(None),
    }
}

impl Image {
    /// Nothing of it is there yet.
    fn of(row: &Row) -> Self {
        let file = row.target.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Self {
            name: row.name.clone(),
            file,
            start: format!("{:#x}", row.start),
            length: row.length,
            addresses: address_kind(row.kind).to_owned(),
            flag: row.shape.flag(),
            ..Self::default()
        }
    }

    fn is_of(&self, row: &Row) -> bool {
        self.same_read(&Self::of(row))
    }

    /// Whether both are the same stretch of a phone, read the same way.
    fn same_read(&self, other: &Self) -> bool {
        let what = |it: &Self| (it.file.clone(), it.start.clone(), it.length, it.addresses.clone(), it.flag);
        what(self) == what(other)
    }

    fn whole(&mut self, done: &Done, now: String) {
        let saved = &done.saved;
        self.bytes = saved.bytes;
        self.sha256 = Some(saved.sha256.clone());
        self.finished = Some(now);
        self.ranges = saved.ranges.as_ref().map(|ranges| RangeSums {
            bytes: ranges.bytes,
            crc32: ranges.crc32.iter().map(|sum| format!("{sum:08x}")).collect(),
        });
        self.pages = saved.pages.as_ref().map(|pages| Pages::of(&pages.counts));
        self.read_twice = done.verified.as_ref().map(|it| Second {
            pages: it.pages,
            differed: it.differed,
            not_read_again: it.not_again,
        });
        self.unread.clear();
        self.refused = None;
    }
}

#[cfg(test)]
mod tests;
