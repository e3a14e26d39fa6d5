//! The place of a file: interim name, what stands in the way, room on the disk, and the step to the final name.

use std::ffi::OsString;
use std::fs::{self, File, Metadata};
use std::io::{self, BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use super::SaveError;
use super::system::{Lock, free_bytes, is_same_file, lock, on_disk, open_no_link, rename_new};

/// How long a lock is waited for.
const LOCK_TRIES: u32 = 20;
const LOCK_PAUSE: Duration = Duration::from_millis(10);

/// Where a file will be and where it is until it is whole.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) target: PathBuf,
    pub(crate) part: PathBuf,
    pub(crate) folder: PathBuf,
}

impl Place {
    pub(crate) fn new(target: &Path) -> Result<Self, SaveError> {
        let text = target.as_os_str().as_encoded_bytes();
        if target.file_name().is_none() || text.ends_with(b"/") || text.ends_with(b"/.") {
            return Err(SaveError::NoName(target.to_owned()));
        }
        Ok(Self { target: target.to_owned(), part: with_suffix(target, ".part"), folder: folder_of(target) })
    }

    /// Whether `needed` bytes can be saved here: see [`crate::save::Save::create`].
    pub(crate) fn check(&self, force: bool, needed: u64) -> Result<(), SaveError> {
        self.check_for(needed, force, force)
    }

    /// The same, where a part or a file of the final name may be there already.
    pub(crate) fn check_for(&self, needed: u64, part_too: bool, target_too: bool) -> Result<(), SaveError> {
        if !self.folder.is_dir() {
            return Err(SaveError::NoFolder(self.folder.clone()));
        }
        match lstat(&self.target)? {
            Some(found) if !found.is_file() => return Err(SaveError::NotAFile(self.target.clone())),
            Some(_) if !target_too => return Err(SaveError::Exists(self.target.clone())),
            _ => {}
        }
        let mut reclaimed = 0;
        match lstat(&self.part)? {
            Some(found) if !part_too => {
                return Err(SaveError::PartExists { part: self.part.clone(), bytes: found.len() });
            }
            Some(found) if found.is_dir() => return Err(SaveError::NotAFile(self.part.clone())),
            Some(found) => reclaimed = on_disk(&found),
            None => {}
        }
        let free = free_bytes(&self.folder).map_err(SaveError::io("look at", &self.folder))?;
        let free = free.saturating_add(reclaimed);
        if free < needed {
            return Err(SaveError::DiskFull { folder: self.folder.clone(), needed, free });
        }
        Ok(())
    }

    /// Creates the interim file, empty, ours alone; never through a link.
    pub(crate) fn create(&self, force: bool) -> Result<File, SaveError> {
        if force {
            self.discard_part()?;
        }
        let file = match File::options().write(true).create_new(true).open(&self.part) {
            Ok(file) => file,
            Err(e) if e.kind() == ErrorKind::AlreadyExists => {
                return Err(SaveError::PartExists { part: self.part.clone(), bytes: 0 });
            }
            Err(e) => return Err(SaveError::io("create", &self.part)(e)),
        };
        self.lock(&file)?;
        self.still_ours(&file)?;
        Ok(file)
    }

    /// Opens what an earlier run left, ours alone; never through a link.
    pub(crate) fn open_again(&self) -> Result<File, SaveError> {
        let file = open_no_link(&self.part).map_err(SaveError::io("open", &self.part))?;
        self.lock(&file)?;
        self.still_ours(&file)?;
        Ok(file)
    }

    /// Removes an interrupted run's file, unless that run is still going on.
    fn discard_part(&self) -> Result<(), SaveError> {
        let Some(found) = lstat(&self.part)? else { return Ok(()) };
        if found.is_file() {
            let _file = self.open_again()?;
            return fs::remove_file(&self.part).map_err(SaveError::io("remove", &self.part));
        }
        fs::remove_file(&self.part).map_err(SaveError::io("remove", &self.part))
    }

    /// The lock lasts as long as the open file, so it cannot be left behind. A program that has just ended, or is
    /// just starting another one, may hold it a moment longer.
    fn lock(&self, file: &File) -> Result<(), SaveError> {
        for _ in 0..LOCK_TRIES {
            match lock(file) {
                Lock::Busy => thread::sleep(LOCK_PAUSE),
                // Some network file systems have no locks; then still_ours() has to do.
                Lock::Held | Lock::None => return Ok(()),
            }
        }
        Err(SaveError::PartBusy(self.part.clone()))
    }

    /// Refuses when the interim name no longer stands for this very file.
    fn still_ours(&self, file: &File) -> Result<(), SaveError> {
        let ours = file.metadata().map_err(SaveError::io("look at", &self.part))?;
        match lstat(&self.part)? {
            Some(named) if is_same_file(&named, &ours) => Ok(()),
            _ => Err(SaveError::PartGone(self.part.clone())),
        }
    }

    /// Gives the interim file, whose content must be durable already, its final name.
    pub(crate) fn commit(&self, file: &File, force: bool) -> Result<(), SaveError> {
        self.still_ours(file)?;
        let renamed =
            if force { fs::rename(&self.part, &self.target) } else { rename_new(&self.part, &self.target) };
        match renamed {
            Ok(()) => sync_folder(&self.folder),
            Err(e) if e.kind() == ErrorKind::AlreadyExists => Err(SaveError::Exists(self.target.clone())),
            Err(e) => Err(SaveError::io("rename", &self.part)(e)),
        }
    }
}

/// Writes a small file beside others under an interim name, durable, then gives it its name, replacing an older one.
pub(crate) fn replace_file(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
) -> Result<(), SaveError> {
    let part = with_suffix(path, ".part");
    remove_if_there(&part)?;
    let file = File::options().write(true).create_new(true).open(&part);
    let mut file = BufWriter::new(file.map_err(SaveError::io("create", &part))?);
    let written = write(&mut file).and_then(|()| file.flush()).and_then(|()| file.get_ref().sync_all());
    let moved = written
        .map_err(SaveError::io("write", &part))
        .and_then(|()| fs::rename(&part, path).map_err(SaveError::io("rename", &part)));
    if moved.is_err() {
        let _ = fs::remove_file(&part); // half a report is of no use to anybody
    }
    moved?;
    sync_folder(&folder_of(path))
}

/// Removes a file that may not be there.
pub(crate) fn remove_if_there(path: &Path) -> Result<(), SaveError> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != ErrorKind::NotFound => Err(SaveError::io("remove", path)(e)),
        _ => Ok(()),
    }
}

/// `NAME` with this at its end.
pub(crate) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}

/// The folder a file is in; the present one for a bare name.
fn folder_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// What has this name, links not followed; `None` if nothing has.
pub(crate) fn lstat(path: &Path) -> Result<Option<Metadata>, SaveError> {
    match fs::symlink_metadata(path) {
        Ok(found) => Ok(Some(found)),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
        Err(e) => Err(SaveError::io("look at", path)(e)),
    }
}

/// Makes a rename durable.
pub(crate) fn sync_folder(folder: &Path) -> Result<(), SaveError> {
    match File::open(folder).and_then(|f| f.sync_all()) {
        // Some file systems refuse to sync a folder; the file itself is durable already.
        Err(e) if matches!(e.kind(), ErrorKind::InvalidInput | ErrorKind::PermissionDenied) => Ok(()),
        other => other.map_err(SaveError::io("save the folder", folder)),
    }
}
