//! A tree written into a folder, safely: everything is done relative to open directories, by names of one component,
//! and nothing that exists is opened, replaced or followed.
//!
//! - A directory is made, then opened without following links; the way back is `..`, believed only if it is the
//!   directory the way down came from.
//! - A file gets its bytes and attributes under an interim name; the rename to its own replaces nothing.
//! - Directories can be entered by their owner alone until they are filled; then they get mode and times.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bromide_image::files::{Entry, Time, Xattr};
use rustix::fs::{
    AtFlags, CWD, Dir, Mode, OFlags, RawMode, RenameFlags, Timespec, Timestamps, XattrFlags, fchmod, fchown,
    fsetxattr, fstat, fstatvfs, ftruncate, futimens, linkat, mkdirat, openat, renameat_with, statat,
    symlinkat, unlinkat, utimensat,
};
use rustix::io::Errno;

use super::content::{Outcome, copy};
use super::job::{DAMAGED, Item, Job, PART, Target, Written, join};
use super::remark::{ExtractError, What};
use super::writer::{Writer, write_all};

/// Bytes read and written at once.
const STEP: usize = 1 << 18;

/// Bytes of a file from which on it is written by a thread of its own.
const LARGE: u64 = 4 * STEP as u64;

/// Names tried for one object on a file system where more names are equal than here.
const TRIES: usize = 64;

/// The folder, or the directory in it that is written to.
pub(super) struct Folder {
    root: OwnedFd,
    at: OwnedFd,
    /// Identities of the directories above it.
    above: Vec<(u64, u64)>,
    /// Whether the start's attributes are given to the folder: it was made here.
    made: bool,
    privileged: bool,
    keep_suid: bool,
    buffer: Vec<u8>,
    /// Started with the first large file.
    writer: Option<Writer>,
}

fn identity(fd: impl AsFd) -> io::Result<(u64, u64)> {
    let stat = fstat(fd)?;
    #[allow(
        clippy::useless_conversion,
        clippy::unnecessary_cast,
        reason = "the types differ between systems"
    )]
    Ok((stat.st_dev as u64, u64::from(stat.st_ino)))
}

fn open_directory(at: impl AsFd, name: &[u8]) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(at, name, flags, Mode::empty())
}

fn failed(doing: &'static str, path: &[u8], error: impl Into<io::Error>) -> ExtractError {
    ExtractError::Io { doing, path: String::from_utf8_lossy(path).into_owned(), error: error.into() }
}

/// Whether a name may be what a file system refuses.
fn is_of_the_name(error: Errno) -> bool {
    matches!(error, Errno::INVAL | Errno::ILSEQ | Errno::NAMETOOLONG)
}

/// Whether nothing more can be written after this.
fn is_final(error: Errno) -> bool {
    use Errno as E;
    matches!(error, E::NOSPC | E::DQUOT | E::ROFS | E::IO | E::MFILE | E::NFILE | E::NOMEM)
}

fn permissions(mode: u32) -> Mode {
    Mode::from_raw_mode((mode & 0o7777) as RawMode)
}

fn times(entry: &Entry) -> Timestamps {
    let spec = |time: Time| Timespec { tv_sec: time.seconds as _, tv_nsec: time.nanos.min(999_999_999) as _ };
    Timestamps { last_access: spec(entry.accessed), last_modification: spec(entry.modified) }
}

impl Folder {
    /// Opens a folder that is empty, or makes it.
    pub(super) fn open(path: &Path, keep_suid: bool) -> Result<Self, ExtractError> {
        let io =
            |doing, error: io::Error| ExtractError::Io { doing, path: path.display().to_string(), error };
        let made = match rustix::fs::mkdir(path, Mode::RWXU) {
            Ok(()) => true,
            Err(Errno::EXIST) => false,
            Err(Errno::NOENT) => {
                let above = path.parent().filter(|it| !it.as_os_str().is_empty());
                return Err(ExtractError::NoFolder(above.map_or_else(|| PathBuf::from("."), Path::to_owned)));
            }
            Err(error) => return Err(io("make", error.into())),
        };
        // The user's own path may end in a slash or lead through links, but not be one.
        let root = match openat(
            CWD,
            path,
            OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC,
            Mode::empty(),
        ) {
            Ok(root) => root,
            Err(Errno::NOTDIR | Errno::LOOP) => return Err(ExtractError::NotAFolder(path.to_owned())),
            Err(error) => return Err(io("open", error.into())),
        };
        let mut inside = Dir::read_from(&root).map_err(|e| io("look into", e.into()))?;
        if inside.any(|it| it.is_ok_and(|it| !matches!(it.file_name().to_bytes(), b"." | b".."))) {
            return Err(ExtractError::NotEmpty(path.to_owned()));
        }
        let at = root.try_clone().map_err(|e| io("open", e))?;
        let privileged = rustix::process::geteuid().is_root();
        let buffer = vec![0; STEP];
        Ok(Self { root, at, above: Vec::new(), made, privileged, keep_suid, buffer, writer: None })
    }

    /// Bytes that may still be written.
    pub(super) fn free(&self) -> u64 {
        fstatvfs(&self.root).map_or(u64::MAX, |stat| stat.f_bavail.saturating_mul(stat.f_frsize))
    }

    /// Makes something under the item's name, or under another where that is taken or refused: on some file systems
    /// names are equal that differ here, or none at all. Whether it could be made.
    fn try_make(
        &self,
        item: &mut Item<'_>,
        end: &[u8],
        doing: &'static str,
        how: impl Fn(BorrowedFd<'_>, &[u8]) -> rustix::io::Result<()>,
    ) -> Result<rustix::io::Result<()>, ExtractError> {
        for _ in 0..TRIES {
            match how(self.at.as_fd(), &item.name) {
                Err(Errno::EXIST) => item.rename(end),
                Err(error) if is_final(error) => return Err(failed(doing, &item.path(), error)),
                Err(error) if is_of_the_name(error) && item.spell_out(end) => {}
                done => return Ok(done),
            }
        }
        Ok(Err(Errno::EXIST))
    }

    /// The same; what is refused is told.
    fn make(
        &self,
        job: &mut Job<'_>,
        item: &mut Item<'_>,
        end: &[u8],
        doing: &'static str,
        how: impl Fn(BorrowedFd<'_>, &[u8]) -> rustix::io::Result<()>,
    ) -> Result<bool, ExtractError> {
        let made = self.try_make(item, end, doing, how)?;
        if let Err(error) = made {
            job.remark(item.stored, What::Refused(format!("cannot {doing}: {error}")));
        }
        Ok(made.is_ok())
    }

    /// Owner, extended attributes, mode, times, in an order in which none undoes another.
    fn dress(&self, job: &mut Job<'_>, fd: BorrowedFd<'_>, entry: &Entry, stored: &[u8]) {
        if self.privileged
            && let Err(error) = fchown(fd, owner(entry.uid), group(entry.gid))
        {
            job.attribute(stored, "owner", error);
        }
        self.xattrs(job, entry, stored, |it| fsetxattr(fd, &it.name[..], &it.value, XattrFlags::empty()));
        if let Err(error) = fchmod(fd, self.mode(entry)) {
            job.attribute(stored, "mode", error);
        }
        if let Err(error) = futimens(fd, &times(entry)) {
            job.attribute(stored, "times", error);
        }
    }

    fn mode(&self, entry: &Entry) -> Mode {
        let keep = self.privileged || self.keep_suid;
        permissions(if keep { entry.mode } else { entry.mode & 0o1777 })
    }

    fn xattrs(
        &self,
        job: &mut Job<'_>,
        entry: &Entry,
        stored: &[u8],
        set: impl Fn(&Xattr) -> rustix::io::Result<()>,
    ) {
        let found = match job.files.xattrs(entry.id) {
            Ok(found) => found,
            Err(error) => return job.attribute(stored, "extended", error),
        };
        for xattr in found {
            let sort: Vec<u8> =
                xattr.name.split_inclusive(|byte| *byte == b'.').next().unwrap_or_default().into();
            let sort: String = String::from_utf8_lossy(&sort).chars().take(20).collect();
            if sort != "user." && !self.privileged {
                job.attribute(stored, &sort, "only root may set them");
            } else if let Err(error) = set(&xattr) {
                job.attribute(stored, &sort, error);
            }
        }
    }

    /// The same for what cannot be opened: links, devices and pipes.
    fn dress_by_name(&self, job: &mut Job<'_>, item: &Item<'_>, is_link: bool) {
        let (at, name) = (self.at.as_fd(), &item.name[..]);
        let no_follow = AtFlags::SYMLINK_NOFOLLOW;
        if self.privileged {
            let done = rustix::fs::chownat(at, name, owner(item.entry.uid), group(item.entry.gid), no_follow);
            if let Err(error) = done {
                job.attribute(item.stored, "owner", error);
            }
        }
        #[cfg(target_os = "linux")]
        {
            use std::os::fd::AsRawFd as _;
            // There is no call for it that takes a directory; its own entry in /proc is as good as one.
            let path = join(format!("/proc/self/fd/{}", at.as_raw_fd()).as_bytes(), name);
            let set =
                |it: &Xattr| rustix::fs::lsetxattr(&path[..], &it.name[..], &it.value, XattrFlags::empty());
            self.xattrs(job, item.entry, item.stored, set);
        }
        if !is_link && let Err(error) = self.chmod_by_name(name, item.entry) {
            job.attribute(item.stored, "mode", error);
        }
        if let Err(error) = utimensat(at, name, &times(item.entry), no_follow) {
            job.attribute(item.stored, "times", error);
        }
    }

    /// A handle that neither opens nor follows what has the name stands for it.
    #[cfg(target_os = "linux")]
    fn chmod_by_name(&self, name: &[u8], entry: &Entry) -> rustix::io::Result<()> {
        use std::os::fd::AsRawFd as _;
        let handle =
            openat(&self.at, name, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?;
        rustix::fs::chmod(format!("/proc/self/fd/{}", handle.as_raw_fd()), self.mode(entry))
    }

    #[cfg(not(target_os = "linux"))]
    fn chmod_by_name(&self, name: &[u8], entry: &Entry) -> rustix::io::Result<()> {
        rustix::fs::chmodat(&self.at, name, self.mode(entry), AtFlags::SYMLINK_NOFOLLOW)
    }

    /// The thread for large files; none where there can be none.
    fn writer(&mut self) -> Option<&mut Writer> {
        if self.writer.is_none() {
            self.writer = Writer::start(STEP).ok();
        }
        self.writer.as_mut()
    }

    /// Writes the bytes of a file into one that was just made and has its size already.
    fn fill(
        &mut self,
        job: &mut Job<'_>,
        item: &Item<'_>,
        file: &Arc<OwnedFd>,
    ) -> Result<Outcome, ExtractError> {
        let mut buffer = std::mem::take(&mut self.buffer);
        let told = |error: io::Error| failed("write", &item.path(), error);
        let mut writer = if item.entry.size >= LARGE { self.writer() } else { None };
        let outcome = copy(job, item.entry, &mut buffer, |at, buffer, len| match &mut writer {
            Some(writer) => writer.write(file, at, buffer, len).map_err(told),
            None => write_all(file, at, buffer.get(..len).unwrap_or_default()).map_err(told),
        });
        let settled = writer.map_or(Ok(()), Writer::settle).map_err(told);
        self.buffer = buffer;
        let outcome = outcome?;
        settled?;
        Ok(outcome)
    }

    /// Fills and dresses a file under its interim name, then gives it its own.
    fn finish(
        &mut self,
        job: &mut Job<'_>,
        item: &mut Item<'_>,
        part: &[u8],
        file: &Arc<OwnedFd>,
    ) -> Result<Option<Written>, ExtractError> {
        match ftruncate(file, item.entry.size) {
            Ok(()) => {}
            Err(Errno::FBIG | Errno::INVAL) => {
                let why = format!("it claims {} bytes, more than a file can have there", item.entry.size);
                job.remark(item.stored, What::Refused(why));
                let _ = unlinkat(&self.at, part, AtFlags::empty());
                return Ok(None);
            }
            Err(error) => return Err(failed("give its size to", &item.path(), error)),
        }
        let outcome = self.fill(job, item, file)?;
        self.dress(job, file.as_fd(), item.entry, item.stored);
        let identity = identity(file).map_err(|e| failed("look at", &item.path(), e))?;
        let (damaged, end) = (outcome.why.is_some(), if outcome.why.is_some() { DAMAGED } else { b"" });
        if damaged {
            item.rename(end);
        }
        if !self.make(job, item, end, "name", |at, name| rename_new(at, part, name))? {
            let _ = unlinkat(&self.at, part, AtFlags::empty());
            return Ok(None);
        }
        job.summary.bytes += outcome.bytes;
        if let Some(why) = outcome.why {
            let to = item.path();
            job.remark(item.stored, What::Damaged { to, missing: outcome.missing, why });
        }
        Ok(Some(Written { path: item.path(), damaged, identity }))
    }
}

/// Renames within a directory unless the new name is taken.
fn rename_new(at: BorrowedFd<'_>, from: &[u8], to: &[u8]) -> rustix::io::Result<()> {
    match renameat_with(at, from, at, to, RenameFlags::NOREPLACE) {
        // Not every file system can; then a look first has to do.
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
            match statat(at, to, AtFlags::SYMLINK_NOFOLLOW) {
                Err(Errno::NOENT) => rustix::fs::renameat(at, from, at, to),
                Err(error) => Err(error),
                Ok(_) => Err(Errno::EXIST),
            }
        }
        other => other,
    }
}

/// An id that stands for "leave as it is" cannot be given.
fn owner(uid: u32) -> Option<rustix::fs::Uid> {
    (uid != u32::MAX).then(|| rustix::fs::Uid::from_raw(uid))
}

fn group(gid: u32) -> Option<rustix::fs::Gid> {
    (gid != u32::MAX).then(|| rustix::fs::Gid::from_raw(gid))
}

impl Target for Folder {
    fn enter(&mut self, job: &mut Job<'_>, item: &mut Item<'_>) -> Result<Option<Vec<u8>>, ExtractError> {
        if !self.make(job, item, b"", "make the directory", |at, name| mkdirat(at, name, Mode::RWXU))? {
            return Ok(None);
        }
        let inside = open_directory(&self.at, &item.name).map_err(|e| failed("open", &item.path(), e))?;
        self.above.push(identity(&self.at).map_err(|e| failed("look at", &item.path(), e))?);
        self.at = inside;
        Ok(Some(item.name.clone()))
    }

    fn leave(&mut self, job: &mut Job<'_>, entry: &Entry, stored: &[u8]) -> Result<(), ExtractError> {
        let Some(above) = self.above.pop() else {
            if self.made {
                self.dress(job, self.root.as_fd(), entry, stored);
            }
            return Ok(());
        };
        let back = open_directory(&self.at, b"..").map_err(|e| failed("leave", stored, e))?;
        if identity(&back).map_err(|e| failed("leave", stored, e))? != above {
            return Err(ExtractError::Moved);
        }
        let inside = std::mem::replace(&mut self.at, back);
        self.dress(job, inside.as_fd(), entry, stored);
        Ok(())
    }

    fn file(&mut self, job: &mut Job<'_>, item: &mut Item<'_>) -> Result<Option<Written>, ExtractError> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let (mut part, mut tries) = (item.part.to_vec(), TRIES);
        let file = loop {
            match openat(&self.at, &part[..], flags, Mode::RUSR | Mode::WUSR) {
                Ok(file) => break file,
                // A file system where names are equal that differ here.
                Err(Errno::EXIST) if tries > 0 => (part, tries) = (item.names.take(PART, b""), tries - 1),
                Err(error) => return Err(failed("make a file for", &item.path(), error)),
            }
        };
        let done = self.finish(job, item, &part, &Arc::new(file));
        if done.is_err() {
            let _ = unlinkat(&self.at, &part[..], AtFlags::empty()); // the error told is the first
        }
        done
    }

    fn link(
        &mut self,
        job: &mut Job<'_>,
        item: &mut Item<'_>,
        first: &Written,
    ) -> Result<bool, ExtractError> {
        let io = |e: io::Error| failed("link", &first.path, e);
        let mut names: Vec<&[u8]> = first.path.split(|byte| *byte == b'/').collect();
        let Some(name) = names.pop() else { return Ok(false) };
        let mut from = self.root.try_clone().map_err(io)?;
        for directory in names {
            from = match open_directory(&from, directory) {
                Ok(inside) => inside,
                // Its mode may keep its owner out by now.
                Err(Errno::ACCESS) => return Ok(false),
                Err(error) => return Err(failed("link", &first.path, error)),
            };
        }
        let end: &[u8] = if first.damaged { DAMAGED } else { b"" };
        for _ in 0..TRIES {
            match linkat(&from, name, &self.at, &item.name[..], AtFlags::empty()) {
                Ok(()) => {
                    let made = statat(&self.at, &item.name[..], AtFlags::SYMLINK_NOFOLLOW)
                        .map_err(|e| io(e.into()))?;
                    #[allow(clippy::unnecessary_cast, clippy::useless_conversion, reason = "systems differ")]
                    let made = (made.st_dev as u64, u64::from(made.st_ino));
                    return if made == first.identity { Ok(true) } else { Err(ExtractError::Moved) };
                }
                Err(Errno::EXIST) => item.rename(end),
                Err(error) if is_final(error) => return Err(io(error.into())),
                Err(error) if is_of_the_name(error) && item.spell_out(end) => {}
                // No hard links there, or none more: the file is written once more.
                Err(error) => {
                    job.attribute(item.stored, "hard links", error);
                    return Ok(false);
                }
            }
        }
        Ok(false)
    }

    fn symlink(&mut self, job: &mut Job<'_>, item: &mut Item<'_>, target: &[u8]) -> Result<(), ExtractError> {
        if self.make(job, item, b"", "make the link", |at, name| symlinkat(target, at, name))? {
            job.summary.symlinks += 1;
            self.dress_by_name(job, item, true);
        }
        Ok(())
    }

    #[cfg(target_os = "linux")]
    fn special(&mut self, job: &mut Job<'_>, item: &mut Item<'_>) -> Result<(), ExtractError> {
        use bromide_image::files::Kind;
        use rustix::fs::{FileType, makedev, mknodat};
        let kind = match item.entry.kind {
            Kind::CharacterDevice => FileType::CharacterDevice,
            Kind::BlockDevice => FileType::BlockDevice,
            _ => FileType::Fifo,
        };
        let (major, minor) = item.entry.device;
        let make =
            |at: BorrowedFd<'_>, name: &[u8]| mknodat(at, name, kind, Mode::RUSR, makedev(major, minor));
        let made = if self.privileged {
            self.try_make(item, b"", "make the device", make)?
        } else {
            Err(Errno::PERM)
        };
        match made {
            Ok(()) => {
                job.summary.specials += 1;
                self.dress_by_name(job, item, false);
            }
            // Root of a container may not make devices either.
            Err(Errno::PERM | Errno::ACCESS) => job.remark(item.stored, What::Skipped(item.entry.kind)),
            Err(error) => job.remark(item.stored, What::Refused(format!("cannot make the device: {error}"))),
        }
        Ok(())
    }

    #[cfg(not(target_os = "linux"))]
    fn special(&mut self, job: &mut Job<'_>, item: &mut Item<'_>) -> Result<(), ExtractError> {
        job.remark(item.stored, What::Skipped(item.entry.kind));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use bromide_image::files::Kind;

    use super::super::name::Names;
    use super::*;

    fn entry(name: &[u8]) -> Entry {
        Entry { name: name.to_vec(), ..Entry::plain(2, Kind::File, 0o644) }
    }

    /// The names tried until a file system that takes only some of them has the object, or none.
    fn tried(name: &[u8], takes: impl Fn(&[u8]) -> rustix::io::Result<()>) -> (Vec<String>, bool) {
        let around = tempfile::tempdir().unwrap();
        let folder = Folder::open(&around.path().join("folder"), false).unwrap();
        let (entry, mut names, tried) = (entry(name), Names::default(), RefCell::new(Vec::new()));
        let first = names.take(name, b"");
        let mut item = Item::new(&entry, (name, b""), first, &mut names, b".part");
        let made = folder.try_make(&mut item, b".end", "make it", |_, name| {
            tried.borrow_mut().push(String::from_utf8_lossy(name).into_owned());
            takes(name)
        });
        (tried.into_inner(), made.unwrap().is_ok())
    }

    #[test]
    fn a_name_that_is_refused_is_spelled_out() {
        let strict = |name: &[u8]| match name {
            name if name.len() > 143 => Err(Errno::NAMETOOLONG),
            name if name.contains(&b':') => Err(Errno::INVAL),
            name => std::str::from_utf8(name).map(drop).map_err(|_| Errno::ILSEQ),
        };
        let names = |all: &[&str]| (all.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>(), true);
        assert_eq!(tried(b"a.txt", strict), names(&["a.txt"]));
        assert_eq!(tried(b"a:b", strict), names(&["a:b", "a%3Ab.end"]));
        assert_eq!(tried(b"\xff", strict), names(&["\u{fffd}", "%FF.end"]));
        let (long, made) = tried(&[b'n'; 200], strict);
        assert!(made && long.len() == 2 && long.last().is_some_and(|it| it.ends_with("%...end")), "{long:?}");
    }

    #[test]
    fn what_is_refused_under_any_name_is_given_up() {
        let (all, made) = tried(b"a:b", |_| Err(Errno::INVAL));
        assert_eq!((all.len(), made), (2, false), "{all:?}");
        let (all, made) = tried(b"plain", |_| Err(Errno::INVAL));
        assert_eq!((all.len(), made), (1, false), "{all:?}");
        let (all, made) = tried(b"a:b", |_| Err(Errno::EXIST));
        assert_eq!((all.len(), made), (TRIES, false));
    }

    #[test]
    fn where_case_does_not_matter_a_name_that_is_taken_gets_a_number() {
        let there: [&[u8]; 2] = [b"readme", b"readme.end"];
        let takes = |name: &[u8]| {
            if there.contains(&&name.to_ascii_lowercase()[..]) { Err(Errno::EXIST) } else { Ok(()) }
        };
        let (all, made) = tried(b"README", takes);
        assert_eq!(
            (&all[..], made),
            (&["README", "README.end", "README~2.end"].map(str::to_owned)[..], true)
        );
    }
}
