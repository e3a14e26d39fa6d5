//! `/dev/usbmon0`: the events of all buses, one after the other.

use core::time::Duration;
use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::PathBuf;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use super::super::listing::Places;
use super::UsbmonError;

/// Bytes of one read: an event of the usual ring (300 KiB, of which one event fills a fifth), and its head. A longer
/// one comes in several reads.
const READ: usize = 64 << 10;
/// How long an end is left alone before it is tried again.
const PAUSE: Duration = Duration::from_millis(10);

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
    file: File,
    buffer: Box<[u8]>,
    at_end: bool,
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
            Ok(file) => {
                Ok(Self { file: file.into(), buffer: vec![0; READ].into_boxed_slice(), at_end: false })
            }
            // The node without the module behind it.
            Err(Errno::NODEV | Errno::NXIO) => Err(UsbmonError::Missing(path)),
            Err(e) => Err(match io::Error::from(e) {
                e if e.kind() == ErrorKind::NotFound => UsbmonError::Missing(path),
                e if e.kind() == ErrorKind::PermissionDenied => UsbmonError::Denied(path),
                error => UsbmonError::Io { path, error },
            }),
        }
    }

    /// Appends what there is, at most one event.
    pub(super) fn read(&mut self, into: &mut Vec<u8>) -> io::Result<Came> {
        self.at_end = false;
        match self.file.read(&mut self.buffer) {
            Ok(0) => {
                self.at_end = true;
                Ok(Came::End)
            }
            Ok(length) => {
                into.extend(self.buffer.get(..length).unwrap_or_default());
                Ok(Came::Bytes)
            }
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => Ok(Came::Nothing),
            Err(e) => Err(e),
        }
    }

    /// Waits until there is something, or for this time.
    pub(super) fn wait(&self, within: Duration) {
        if self.at_end {
            std::thread::sleep(within.min(PAUSE));
            return;
        }
        let time = Timespec { tv_sec: 0, tv_nsec: within.subsec_nanos().into() };
        if poll(&mut [PollFd::new(&self.file, PollFlags::IN)], Some(&time)).is_err() {
            std::thread::sleep(within.min(PAUSE));
        }
    }
}
