//! The computer as its file system tells it: everything is read below one root, so that a tree of plain files can
//! stand for a computer.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// More than any file here has that is read whole; the rest of a longer one is not looked at.
const LARGEST: u64 = 4 << 20;

/// A computer.
pub(super) struct Machine {
    root: PathBuf,
    /// Whether this is the computer we run on; a tree of files has rights of its own.
    real: bool,
    /// Free bytes of the present folder; `None`: unknown.
    pub(super) free: Option<u64>,
}

/// Who runs this.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct User {
    pub(super) uid: u32,
    pub(super) gids: Vec<u32>,
}

impl Machine {
    pub(super) fn new(root: &Path, real: bool, free: Option<u64>) -> Self {
        Self { root: root.to_owned(), real, free: free.or_else(free_bytes) }
    }

    fn at(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }

    pub(super) fn has(&self, path: &str) -> bool {
        self.at(path).exists()
    }

    /// Content of a text file, blanks at its ends cut off.
    pub(super) fn text(&self, path: &str) -> Option<String> {
        let mut bytes = Vec::new();
        File::open(self.at(path)).ok()?.take(LARGEST).read_to_end(&mut bytes).ok()?;
        Some(String::from_utf8_lossy(&bytes).trim().to_owned())
    }

    /// Names in a folder, sorted. Nothing: there is no such folder, or it may not be read.
    pub(super) fn names(&self, path: &str) -> Option<Vec<String>> {
        let entries = fs::read_dir(self.at(path)).ok()?;
        let mut names: Vec<_> = entries.filter_map(|e| e.ok()?.file_name().into_string().ok()).collect();
        names.sort();
        Some(names)
    }

    /// Where a link leads.
    pub(super) fn link(&self, path: &str) -> Option<String> {
        Some(fs::read_link(self.at(path)).ok()?.to_string_lossy().into_owned())
    }

    /// Whoever runs this, by `/proc/self/status`.
    pub(super) fn user(&self) -> Option<User> {
        let status = self.text("/proc/self/status")?;
        let numbers = |key: &str| -> Option<Vec<u32>> {
            let line = status.lines().find_map(|line| line.strip_prefix(key))?;
            Some(line.split_whitespace().filter_map(|n| n.parse().ok()).collect())
        };
        // Real, effective, saved, file system: the effective one decides.
        let uid = *numbers("Uid:")?.get(1)?;
        let mut gids = numbers("Groups:").unwrap_or_default();
        gids.extend(numbers("Gid:").and_then(|gids| gids.get(1).copied()));
        Some(User { uid, gids })
    }

    pub(super) fn is_root(&self) -> bool {
        self.user().is_some_and(|user| user.uid == 0)
    }

    /// Whether whoever runs this may read and write a device node.
    pub(super) fn may_use(&self, path: &str) -> bool {
        let path = self.at(path);
        if self.real { may_use_really(&path) } else { self.is_root() || self.may_by_mode(&path) }
    }

    /// Running programs of this name (as `/proc/N/comm` has it), by process number.
    pub(super) fn running(&self, name: &str) -> Vec<String> {
        let mut found = self.processes();
        found.retain(|process| self.text(&format!("/proc/{process}/comm")).as_deref() == Some(name));
        found
    }

    /// Numbers of all processes that can be seen.
    pub(super) fn processes(&self) -> Vec<String> {
        let mut names = self.names("/proc").unwrap_or_default();
        names.retain(|name| name.bytes().all(|b| b.is_ascii_digit()));
        names
    }

    /// Whether this is a container, which sees only the devices it was given.
    pub(super) fn is_container(&self) -> bool {
        self.has("/.dockerenv") || self.has("/run/.containerenv") || self.has("/run/systemd/container")
    }

    #[cfg(unix)]
    fn may_by_mode(&self, path: &Path) -> bool {
        use std::os::unix::fs::MetadataExt;
        let (Ok(about), Some(user)) = (fs::metadata(path), self.user()) else { return false };
        let shift = match () {
            () if about.uid() == user.uid => 6,
            () if user.gids.contains(&about.gid()) => 3,
            () => 0,
        };
        (about.mode() >> shift) & 0o6 == 0o6
    }

    #[cfg(not(unix))]
    fn may_by_mode(&self, path: &Path) -> bool {
        path.exists()
    }
}

/// What the system says, access control lists included: that is how a login gets at a phone.
#[cfg(unix)]
fn may_use_really(path: &Path) -> bool {
    rustix::fs::access(path, rustix::fs::Access::READ_OK | rustix::fs::Access::WRITE_OK).is_ok()
}

#[cfg(not(unix))]
fn may_use_really(path: &Path) -> bool {
    path.exists()
}

/// Bytes an ordinary user may still write to the present folder.
#[cfg(unix)]
fn free_bytes() -> Option<u64> {
    let about = rustix::fs::statvfs(".").ok()?;
    Some(about.f_bavail.saturating_mul(about.f_frsize))
}

#[cfg(not(unix))]
fn free_bytes() -> Option<u64> {
    None
}
