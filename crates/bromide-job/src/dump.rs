//! An image that is read bit by bit over as many runs as it takes: `NAME.part`, `NAME.map`, and `NAME` when it is whole.
//!
//! ```text
//! put(at, pages) ──queue──► keeper: writes, digests, checks ──► checkpoints: sync, then the mapfile says so
//! ```
//! Promises:
//! - What the mapfile calls finished is on the disk: the data is synced before the mapfile that names it.
//! - `NAME` appears only when every byte is finished, by a rename, with the mapfile whole before it. An older file of
//!   that name which is to be replaced stays until then, and the mapfile says that it is to be.
//! - Before bytes of which the mapfile notes the digest are overwritten, and whenever some are not believed any more,
//!   the mapfile on the disk says so first.
//! - Whatever ends the run, both files stay, and [`Dump::begin`] goes on from them: for the same read of the same
//!   phone only, and only if the bytes from the start on still have the digest the mapfile notes for them.
//! - Bytes nobody could read are filled with a text that says so ([`unread_page`]), so that they cannot be taken for
//!   data or for an erased page.
//! - Neither the disk nor the digests are waited for, up to [`QUEUE`] packets.

use std::fs::File;
use std::iter::once;
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::mapfile::{Mapfile, State};
use crate::pagecheck::PageCheck;
use crate::save::place::{Place, lstat, sync_folder, with_suffix};
use crate::save::{QUEUE, SaveError, Saved};

mod checkpoint;
mod found;
mod keeper;
mod stream;

pub(crate) use found::to_be_replaced;
pub use stream::{RANGE_BLOCKS, Ranges};

use checkpoint::About;
use found::{Found, Part};
use keeper::{Begin, Keeper};
use stream::Stream;

/// What is read into which file under which conditions.
#[derive(Debug, Clone)]
pub struct DumpOptions {
    /// Begin anew: discard what an earlier run left.
    pub anew: bool,
    /// Replace an existing file.
    pub replace: bool,
    /// Bytes of the whole image.
    pub bytes: u64,
    /// Bytes of a page in it.
    pub unit: u32,
    /// Bytes after which, at the latest, what came is made durable and called finished.
    pub checkpoint: u64,
    /// The check of its pages.
    pub check: PageCheck,
    /// Bytes of the ranges that get a checksum of their own; not 0.
    pub range: u64,
    /// What identifies the read: an object whose members must be equal for another run to go on with it.
    pub origin: Value,
}

/// An image being read. Dropped, it leaves what was put, durable.
#[derive(Debug)]
pub struct Dump {
    place: Place,
    options: DumpOptions,
    keeper: Keeper,
    map: Mapfile,
    /// Bytes an earlier run left.
    resumed: u64,
}

/// Where an image stands before it is touched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Nothing is there.
    New,
    /// An earlier run left so many finished bytes.
    Begun(u64),
    /// The file is whole under its final name.
    Whole,
}

/// The mapfile of an image.
#[must_use]
pub fn map_path(target: &Path) -> PathBuf {
    with_suffix(target, ".map")
}

/// What would be in the way of any read into `target`, as far as it shows without the phone.
///
/// # Errors
/// The name, the folder, something that is no file; with neither `anew` nor a mapfile beside it, a file or a part.
pub fn early(target: &Path, anew: bool, keep_whole: bool) -> Result<(), SaveError> {
    let begun = lstat(&map_path(target))?.is_some();
    let may_be_there = begun && (keep_whole || found::replaces(target)?);
    Place::new(target)?.check_for(0, anew || begun, anew || may_be_there)
}

impl Dump {
    /// Where `target` stands for this read; everything that would make [`Dump::begin`] refuse, without touching it.
    ///
    /// # Errors
    /// As [`Dump::begin`], but for those of the disk itself.
    pub fn standing(target: &Path, options: &DumpOptions) -> Result<Standing, SaveError> {
        let place = Place::new(target)?;
        let found = if options.anew { None } else { Found::look(&place, options)? };
        match found {
            Some(Found::Whole(_)) => Ok(Standing::Whole),
            Some(Found::Part(part)) => {
                let done = part.map.total(State::Finished);
                let replace = options.replace || part.replaces;
                place.check_for(options.bytes.saturating_sub(done), true, replace)?;
                Ok(Standing::Begun(done))
            }
            other => {
                place.check_for(options.bytes, options.anew, options.replace || other.is_some())?;
                Ok(Standing::New)
            }
        }
    }

    /// Begins the image, or goes on with what an earlier run left of it.
    ///
    /// # Errors
    /// The name, the folder, an existing file, too little room; a part that belongs to another read or was altered;
    /// whatever the system says.
    pub fn begin(target: &Path, mut options: DumpOptions) -> Result<Self, SaveError> {
        let place = Place::new(target)?;
        let found = if options.anew { None } else { Found::look(&place, &options)? };
        let (file, begin) = match found {
            Some(Found::Whole(_)) => return Err(SaveError::Exists(place.target.clone())),
            Some(Found::Part(_)) => {
                let (file, part) = go_on(&place, &options)?;
                options.replace |= part.replaces;
                (file, Begin { map: part.map, prefix: part.prefix })
            }
            other => {
                options.replace |= other.is_some();
                (start(&place, &options)?, Begin { map: Mapfile::new(options.bytes), prefix: None })
            }
        };
        let resumed = begin.map.total(State::Finished);
        let map = begin.map.clone();
        let about = about(&place, &options)?;
        let keeper = Keeper::start(file, &place, &options, about, begin)?;
        Ok(Self { place, options, keeper, map, resumed })
    }

    /// The file by its final name.
    #[must_use]
    pub fn target(&self) -> &Path {
        &self.place.target
    }

    /// Which bytes are there, put ones included.
    #[must_use]
    pub const fn map(&self) -> &Mapfile {
        &self.map
    }

    /// Bytes an earlier run left.
    #[must_use]
    pub const fn resumed(&self) -> u64 {
        self.resumed
    }

    /// A buffer for the next packet: a used one with its old content where there is one, else an empty one.
    pub fn buffer(&mut self) -> Vec<u8> {
        self.keeper.buffer()
    }

    /// Hands over bytes at their place in the image. Waits while [`QUEUE`] packets are in front of them.
    ///
    /// # Errors
    /// What was met while earlier ones were written; bytes behind the image's end.
    pub fn put(&mut self, at: u64, packet: Vec<u8>) -> Result<(), SaveError> {
        let end = at.saturating_add(packet.len() as u64);
        if end > self.options.bytes {
            let (part, expected) = (self.place.part.clone(), self.options.bytes);
            return Err(SaveError::Length { part, expected, got: end });
        }
        self.keeper.put(at, packet).map_err(|e| self.failed(e))?;
        self.map.set(at..end, State::Finished);
        Ok(())
    }

    /// Notes what is known of bytes that did not come.
    ///
    /// # Errors
    /// As [`Dump::put`].
    pub fn mark(&mut self, range: Range<u64>, state: State) -> Result<(), SaveError> {
        self.map.set(range.clone(), state);
        self.keeper.mark(range, state).map_err(|e| self.failed(e))
    }

    /// Reads bytes of the image back once everything put has been written.
    ///
    /// # Errors
    /// As [`Dump::put`], and whatever the system says to reading.
    pub fn read_at(&mut self, at: u64, into: &mut [u8]) -> Result<(), SaveError> {
        self.keeper.settle().map_err(|e| self.failed(e))?;
        stream::read_at(&self.place.part, at, into)
    }

    /// The last finished page before this byte that is not blank and unlike the one before it: another reading of it
    /// shows whether phone and file are in step. It is looked for where the pages before `end` were read, or else
    /// before the first gap. Its place in the image, and its bytes.
    ///
    /// # Errors
    /// As [`Dump::read_at`].
    pub fn witness(&mut self, end: u64) -> Result<Option<(u64, Vec<u8>)>, SaveError> {
        let finished = self
            .map
            .stretches()
            .iter()
            .rfind(|it| it.state == State::Finished && it.range.start < end && end <= it.range.end);
        let just_read = finished.map(|it| it.range.start..end);
        for range in just_read.into_iter().chain(once(0..self.map.prefix())) {
            let found = self.witness_in(range)?;
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    fn witness_in(&mut self, range: Range<u64>) -> Result<Option<(u64, Vec<u8>)>, SaveError> {
        /// Pages looked at, from the end on.
        const LOOK: u64 = 2048;
        let unit = u64::from(self.options.unit);
        let end = range.end / unit;
        let first = range.start.div_ceil(unit).max(end.saturating_sub(LOOK)).min(end);
        let mut bytes = vec![0; usize::try_from((end - first) * unit).unwrap_or(0)];
        if bytes.is_empty() {
            return Ok(None);
        }
        self.read_at(first * unit, &mut bytes)?;
        let pages: Vec<&[u8]> = bytes.chunks_exact(self.options.unit as usize).collect();
        let uniform = |page: &[u8]| page.iter().all(|byte| Some(byte) == page.first());
        let tells = |n: &usize| {
            let page = pages[*n];
            !uniform(page) && (*n == 0 || pages[n - 1] != page)
        };
        let found = (0..pages.len()).rev().find(tells);
        Ok(found.map(|n| ((first + n as u64) * unit, pages[n].to_vec())))
    }

    /// Pages of a whole image in which any bit is wrong by their own parity: the chip's fault or the cable's.
    ///
    /// # Errors
    /// As [`Dump::read_at`].
    pub fn doubtful(&mut self) -> Result<Vec<Range<u64>>, SaveError> {
        self.keeper.doubtful().map_err(|e| self.failed(e))
    }

    /// Closes an image that is not whole: everything put is durable, and what is missing is marked in the file too.
    ///
    /// # Errors
    /// Whatever the disk says.
    pub fn leave(mut self) -> Result<Mapfile, SaveError> {
        self.keeper.fill_gaps().map_err(|e| self.failed(e))?;
        let closed = self.keeper.close().map_err(|e| self.failed(e))?;
        Ok(closed.map)
    }

    /// Closes a whole image, makes it durable and gives it its final name.
    ///
    /// # Errors
    /// Bytes that are missing, or a failure of the disk; what there is then stays under the interim name.
    pub fn finish(mut self) -> Result<Saved, SaveError> {
        let closed = self.keeper.close().map_err(|e| self.failed(e))?;
        if !closed.map.is_whole() {
            let (part, expected) = (self.place.part.clone(), self.options.bytes);
            return Err(SaveError::Length { part, expected, got: closed.map.total(State::Finished) });
        }
        let length = closed.file.metadata().map_err(SaveError::io("look at", &self.place.part))?.len();
        if length != self.options.bytes {
            return Err(SaveError::Altered(self.place.part.clone()));
        }
        let stream = closed.stream.up_to(&self.place.part, self.options.bytes)?;
        self.place.commit(&closed.file, self.options.replace)?;
        Ok(saved(self.place.target.clone(), self.options.bytes, stream))
    }

    fn failed(&self, failure: keeper::Failure) -> SaveError {
        match failure {
            keeper::Failure::Altered => SaveError::Altered(self.place.part.clone()),
            keeper::Failure::Save(error) => error,
            keeper::Failure::Io { written, error } => {
                SaveError::Write { part: self.place.part.clone(), written, error }
            }
        }
    }
}

fn about(place: &Place, options: &DumpOptions) -> Result<About, SaveError> {
    let replaces = options.replace && lstat(&place.target)?.is_some();
    Ok(About { origin: options.origin.clone(), replaces })
}

/// A new part.
fn start(place: &Place, options: &DumpOptions) -> Result<File, SaveError> {
    place.check_for(options.bytes, options.anew, options.replace)?;
    if options.anew && lstat(&place.part)?.is_some_and(|it| it.is_file()) {
        // Whoever is still writing it keeps its mapfile too.
        drop(place.open_again()?);
    }
    // First the mapfile: a part without one would be nobody's.
    checkpoint::write_map(place, &Mapfile::new(options.bytes), &about(place, options)?, None)?;
    let file = place.create(options.anew)?;
    sync_folder(&place.folder)?;
    Ok(file)
}

/// The part an earlier run left, looked at once nobody else writes it.
fn go_on(place: &Place, options: &DumpOptions) -> Result<(File, Part), SaveError> {
    let file = place.open_again()?;
    let Some(Found::Part(part)) = Found::look(place, options)? else {
        return Err(SaveError::PartGone(place.part.clone()));
    };
    let done = part.map.total(State::Finished);
    place.check_for(options.bytes.saturating_sub(done), true, options.replace || part.replaces)?;
    let failed = || SaveError::io("shorten", &place.part);
    if file.metadata().map_err(failed())?.len() > options.bytes {
        // Left by a longer read that was begun anew, and ended before its part was gone.
        file.set_len(options.bytes).and_then(|()| file.sync_all()).map_err(failed())?;
    }
    Ok((file, part))
}

/// Digest, checksums and page check of an image that is whole under its final name already, from its bytes.
///
/// # Errors
/// Whatever the system says to reading it; another length than `options` say, or other bytes than its mapfile does.
pub fn look_again(target: &Path, options: &DumpOptions) -> Result<Saved, SaveError> {
    let altered = || SaveError::Altered(target.to_owned());
    let Some(Found::Whole(prefix)) = Found::look(&Place::new(target)?, options)? else {
        return Err(altered());
    };
    let mut stream = Stream::new(options);
    if let Some(prefix) = prefix.filter(|prefix| prefix.bytes <= options.bytes) {
        stream = stream.up_to(target, prefix.bytes)?;
        if stream.sha256() != prefix.sha256 {
            return Err(altered());
        }
    }
    let stream = stream.up_to(target, options.bytes)?;
    Ok(saved(target.to_owned(), options.bytes, stream))
}

fn saved(path: PathBuf, bytes: u64, stream: Stream) -> Saved {
    let (sha256, ranges, pages) = stream.finish();
    Saved { path, bytes, sha256, pages: Some(pages), ranges: Some(ranges) }
}

/// What stands in an image for a page that could not be read: its number and a word, again and again.
#[must_use]
pub fn unread_page(number: u64, unit: u32) -> Vec<u8> {
    let word = format!("UNREAD PAGE {number:#010x} *** ");
    word.bytes().cycle().take(unit as usize).collect()
}

#[cfg(test)]
mod tests;
