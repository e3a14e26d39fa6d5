//! What differs between systems in the safe saving of a file: locks, identity of files, free space, renaming.
//!
//! Tested on Linux. On Windows this compiles, no more: no lock is taken there and free space is not asked for.

#[cfg(not(unix))]
pub(crate) use elsewhere::*;
#[cfg(unix)]
pub(crate) use on_unix::*;

use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;

/// Whether a file could be locked.
#[cfg_attr(not(unix), allow(dead_code, reason = "no locks are taken there"))]
pub(crate) enum Lock {
    Held,
    /// Another program holds it.
    Busy,
    /// There are no locks.
    None,
}

/// Renames unless the new name is taken, by a look first, which leaves a gap of microseconds.
fn look_and_rename(from: &Path, to: &Path) -> io::Result<()> {
    match fs::symlink_metadata(to) {
        Err(e) if e.kind() == ErrorKind::NotFound => fs::rename(from, to),
        Err(e) => Err(e),
        Ok(_) => Err(ErrorKind::AlreadyExists.into()),
    }
}

#[cfg(unix)]
mod on_unix {
    use std::fs::{File, Metadata};
    use std::io;
    use std::os::unix::fs::MetadataExt;
    use std::path::Path;

    use rustix::fs::{CWD, FlockOperation, Mode, OFlags, RenameFlags, flock, renameat_with, statvfs};
    use rustix::io::Errno;

    use super::{Lock, look_and_rename};

    /// The lock lasts as long as the open file.
    pub(crate) fn lock(file: &File) -> Lock {
        match flock(file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Lock::Held,
            Err(Errno::WOULDBLOCK) => Lock::Busy,
            Err(_) => Lock::None,
        }
    }

    /// Opens a file for writing, never through a link.
    pub(in super::super) fn open_no_link(path: &Path) -> io::Result<File> {
        let flags = OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(File::from(rustix::fs::open(path, flags, Mode::empty())?))
    }

    pub(in super::super) fn is_same_file(a: &Metadata, b: &Metadata) -> bool {
        (a.dev(), a.ino()) == (b.dev(), b.ino())
    }

    /// Bytes a file takes on its disk.
    pub(in super::super) fn on_disk(file: &Metadata) -> u64 {
        file.blocks().saturating_mul(512) // the unit of st_blocks everywhere
    }

    /// Bytes an ordinary user may still write to this folder's file system.
    pub(in super::super) fn free_bytes(folder: &Path) -> io::Result<u64> {
        let stat = statvfs(folder)?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }

    /// Renames unless the new name is taken.
    pub(crate) fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
        match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
            // Not every file system can.
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => look_and_rename(from, to),
            other => Ok(other?),
        }
    }
}

#[cfg(not(unix))]
mod elsewhere {
    use std::fs::{File, Metadata};
    use std::io;
    use std::path::Path;

    use super::Lock;

    pub(crate) fn lock(_: &File) -> Lock {
        Lock::None
    }

    pub(in super::super) fn open_no_link(path: &Path) -> io::Result<File> {
        File::options().write(true).open(path)
    }

    /// As far as times and length tell.
    pub(in super::super) fn is_same_file(a: &Metadata, b: &Metadata) -> bool {
        (a.created().ok(), a.len()) == (b.created().ok(), b.len())
    }

    pub(in super::super) fn on_disk(file: &Metadata) -> u64 {
        file.len()
    }

    /// Not asked for: a full disk is noticed when it is full.
    pub(in super::super) fn free_bytes(_: &Path) -> io::Result<u64> {
        Ok(u64::MAX)
    }

    pub(crate) fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
        super::look_and_rename(from, to)
    }
}
