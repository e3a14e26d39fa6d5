//! A tree of files of an image written out: into a folder, or as a tar archive.
//!
//! Nothing an image says is trusted. Every object gets a name that can be written (see [`name`]); nothing is written
//! outside of the folder, through a link, or over something that is there; a file has its right name only when its
//! bytes are right and whole, and is called `NAME.damaged` otherwise; holes stay holes. What could not be done as the
//! image says is told.

mod content;
#[cfg(unix)]
mod folder;
mod job;
pub mod name;
mod remark;
mod tar;
#[cfg(unix)]
mod writer;

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;

use bromide_image::files::{Entry, Files};

pub use remark::{ExtractError, Remark, Summary, Tell, Told, What};

use crate::save::place::with_suffix;
use crate::save::system::rename_new;
use job::{Job, run};

/// What to write out.
#[derive(Clone, Copy)]
pub struct Start<'a> {
    /// The files of an image.
    pub files: &'a dyn Files,
    /// A directory, of which everything below is written, or one object.
    pub entry: &'a Entry,
    /// Its path in the image, as remarks begin with.
    pub path: &'a [u8],
}

/// Writes a tree into a folder, which must be empty or is made. `keep_suid`: whether the set-user-id and
/// set-group-id bits are kept although the files get another owner; root keeps them always.
///
/// # Errors
/// The folder cannot be used, the disk is full or fails, or `stop` says so; what was written so far stays.
#[cfg(unix)]
pub fn to_folder(
    start: &Start<'_>,
    folder: &Path,
    keep_suid: bool,
    tell: &mut Tell<'_>,
    stop: &dyn Fn() -> bool,
) -> Result<Summary, ExtractError> {
    let mut tell = |told: Told<'_>| tell(told);
    let mut job = Job::new(start.files, &mut tell, stop);
    let mut target = folder::Folder::open(folder, keep_suid)?;
    let (needed, free) = (job.measure(start.entry)?, target.free());
    if needed > free {
        return Err(ExtractError::DiskFull { folder: folder.to_owned(), needed, free });
    }
    run(&mut job, &mut target, start.entry, start.path)?;
    Ok(job.summary)
}

/// Writes a tree as a tar archive in the form of POSIX.1-2001 (pax), with extended attributes as GNU tar and libarchive
/// keep them, and files with holes as GNU tar keeps them (sparse format 1.0).
///
/// # Errors
/// Writing fails, a file could be read first and then not, or `stop` says so; the archive has no end then.
pub fn to_tar(
    start: &Start<'_>,
    out: &mut dyn Write,
    tell: &mut Tell<'_>,
    stop: &dyn Fn() -> bool,
) -> Result<Summary, ExtractError> {
    let mut tell = |told: Told<'_>| tell(told);
    let mut job = Job::new(start.files, &mut tell, stop);
    job.measure(start.entry)?;
    let mut target = tar::Tar::new(out);
    target.start(&mut job, start)?;
    run(&mut job, &mut target, start.entry, start.path)?;
    target.end()?;
    Ok(job.summary)
}

/// As [`to_tar`], into a new file, which has its name only when it is whole: until then it is called `NAME.part`, and
/// after a failure it is removed.
///
/// # Errors
/// As of [`to_tar`]; the file, or one called `NAME.part`, is there already.
pub fn to_tar_file(
    start: &Start<'_>,
    path: &Path,
    tell: &mut Tell<'_>,
    stop: &dyn Fn() -> bool,
) -> Result<Summary, ExtractError> {
    let io = |doing, path: &Path, error| ExtractError::Io { doing, path: path.display().to_string(), error };
    in_new_file(path, io, |file| {
        let mut out = BufWriter::with_capacity(1 << 20, file);
        to_tar(start, &mut out, tell, stop)
    })
}

/// Makes a new file that has its name only when `write` has written all of it: until then it is called `NAME.part`, and
/// after a failure it is removed. Nothing is replaced.
///
/// # Errors
/// Of `write`, or what `io` makes of the system's: what was tried, with which file, and why not.
pub fn in_new_file<T, E>(
    path: &Path,
    io: impl Fn(&'static str, &Path, io::Error) -> E,
    write: impl FnOnce(&File) -> Result<T, E>,
) -> Result<T, E> {
    let part = with_suffix(path, ".part");
    if path.symlink_metadata().is_ok() {
        return Err(io("make", path, io::ErrorKind::AlreadyExists.into()));
    }
    let made = File::options().write(true).create_new(true).open(&part);
    let file = made.map_err(|e| io("make", &part, e))?;
    let done = write(&file).and_then(|done| {
        file.sync_all().map_err(|e| io("write", &part, e))?;
        rename_new(&part, path).map_err(|e| io("name", path, e))?;
        Ok(done)
    });
    if done.is_err() {
        let _ = fs::remove_file(&part); // half a file is of no use to anybody
    }
    done
}
