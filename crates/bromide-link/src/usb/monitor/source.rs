//! `/dev/usbmon0`: the events of all buses, one after the other.

use core::time::Duration;
use std::io::{self, ErrorKind};
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use rustix::buffer::spare_capacity;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags};
use rustix::io::{Errno, read};
use rustix::process::setpriority_process;

use super::super::listing::Places;
use super::UsbmonError;

/// Room for one read: an event of the usual ring (300 KiB, of which one event fills a fifth), and its head. A longer
/// one comes in several reads.
const READ: usize = 64 << 10;
/// How long an end is left alone before it is tried again.
const PAUSE: Duration = Duration::from_millis(10);

/// Priority of the thread that reads, as nice(1) has it.
const URGENT: i32 = -15;

/// What a read brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Came {
    Bytes,
    /// Nothing yet.
    Nothing,
    /// The end, which a device does not have; a file that grows has it again and again.
    End,
}

/// The kernel's view of all that passes on USB, collected from the moment it is opened.
#[derive(Debug)]
pub struct Usbmon {
    file: OwnedFd,
}

impl Usbmon {
    /// Opens it. From now on the kernel collects 300 KiB of events, and forgets what comes beyond until they are read.
    ///
    /// # Errors
    /// The module is not loaded, the user may not, or whatever the system says.
    pub fn open(places: &Places) -> Result<Self, UsbmonError> {
        let path: PathBuf = places.dev.join("usbmon0");
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        match rustix::fs::open(&path, flags, Mode::empty()) {
            Ok(file) => Ok(Self { file }),
            // The node without the module behind it.
            Err(Errno::NODEV | Errno::NXIO) => Err(UsbmonError::Missing(path)),
            Err(e) => Err(match io::Error::from(e) {
                e if e.kind() == ErrorKind::NotFound => UsbmonError::Missing(path),
                e if e.kind() == ErrorKind::PermissionDenied => UsbmonError::Denied(path),
                error => UsbmonError::Io { path, error },
            }),
        }
    }

    /// Has the thread that calls this served before others, where the user may wish that (who is not root may not).
    pub(super) fn hurry(&self) {
        // In Linux a priority is a thread's: setpriority(2), "C library/kernel differences".
        let _ = setpriority_process(None, URGENT);
    }

    /// Appends what there is, at most one event, to a piece that is going to have about `piece` bytes.
    pub(super) fn read(&mut self, into: &mut Vec<u8>, piece: usize) -> io::Result<Came> {
        if into.capacity() - into.len() < READ {
            into.reserve(if into.is_empty() { piece + READ } else { READ });
        }
        match read(&self.file, spare_capacity(into)) {
            Ok(0) => Ok(Came::End),
            Ok(_) => Ok(Came::Bytes),
            Err(Errno::AGAIN | Errno::INTR) => Ok(Came::Nothing),
            Err(e) => Err(e.into()),
        }
    }

    /// Waits until there is something, or for this time.
    pub(super) fn wait(&self, came: Came, within: Duration) {
        if came == Came::End {
            std::thread::sleep(within.min(PAUSE));
            return;
        }
        let time = Timespec { tv_sec: 0, tv_nsec: within.subsec_nanos().into() };
        if poll(&mut [PollFd::new(&self.file, PollFlags::IN)], Some(&time)).is_err() {
            std::thread::sleep(within.min(PAUSE));
        }
    }
}
