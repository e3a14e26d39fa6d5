//! A disk that forgets: a file system in memory, mounted through FUSE, that knows what is durable and what is not.
//!
//! A program that uses it cannot tell it from another one, until the power is cut ([`Disk::power_cut`]): then the disk
//! holds what was synced, and chance decides over everything else, as [`cut`] says. It can be full, or be fuller than
//! it says ([`Room`]), and its power can fail between two changes that are counted ([`Disk::fail_after`]).

mod content;
mod cut;
mod journal;
mod mount;
mod state;

#[cfg(test)]
mod tests;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use fuser::{BackgroundSession, Config, MountOption};
use rustix::mount::{UnmountFlags, unmount};

pub(crate) use journal::Rule;
pub(crate) use state::Room;

use mount::{Mounted, locked};
use state::State;

/// A mounted disk. Unmounted when dropped.
pub(crate) struct Disk {
    state: Arc<Mutex<State>>,
    session: Option<BackgroundSession>,
    at: PathBuf,
}

impl Disk {
    /// An empty disk, mounted over this directory.
    pub(crate) fn mount(at: &Path, rule: Rule) -> io::Result<Self> {
        Self::with(State::new(rule), at.canonicalize()?)
    }

    fn with(state: State, at: PathBuf) -> io::Result<Self> {
        let state = Arc::new(Mutex::new(state));
        let mut config = Config::default();
        config.mount_options = vec![
            MountOption::NoSuid,
            MountOption::NoDev,
            MountOption::DefaultPermissions,
            MountOption::FSName("forgetful".into()),
            MountOption::Subtype("forgetful".into()),
        ];
        let session = Some(fuser::spawn_mount(Mounted::new(Arc::clone(&state)), &at, &config)?);
        Ok(Self { state, session, at })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        locked(&self.state)
    }

    /// From now on it has this much room, what is on it included.
    pub(crate) fn set_room(&self, room: Room) {
        self.state().room = room;
    }

    /// Bytes in use.
    pub(crate) fn used(&self) -> u64 {
        self.state().used()
    }

    /// Changes so far (those of [`Self::fail_after`]).
    pub(crate) fn changes(&self) -> u64 {
        self.state().changes
    }

    /// After so many more changes (writes, syncs, names, sizes) the power fails: every later one gets EIO and changes
    /// nothing. `None` takes that back.
    pub(crate) fn fail_after(&self, changes: Option<u64>) {
        self.state().fail_after(changes);
    }

    /// Whether the power has failed.
    pub(crate) fn has_failed(&self) -> bool {
        self.state().failed()
    }

    /// Cuts the power and mounts what is left at the same place. Programs that have files open on it must be gone.
    pub(crate) fn power_cut(mut self, seed: u64) -> io::Result<Self> {
        let after = cut::power_cut(&self.state(), seed);
        self.unmount()?;
        Self::with(after, self.at.clone())
    }

    fn unmount(&mut self) -> io::Result<()> {
        let Some(session) = self.session.take() else { return Ok(()) };
        // It goes at once, used or not. Only root may do that directly.
        match unmount(&self.at, UnmountFlags::DETACH) {
            Ok(()) => {
                // Its thread ends with whatever error the kernel has for a disk that is gone.
                let _ = session.join();
                Ok(())
            }
            Err(_) => session.umount_and_join(),
        }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = self.unmount(); // nobody is left to be told
    }
}
