//! Bounded reading and writing on a non-blocking file descriptor, the common half of serial port and TCP.
//!
//! Promises: reading is tried before waiting, so a stream that keeps up costs one system call a piece; every
//! wait ends by its patience, or at most 100 ms after the user's wish to stop.

use core::time::Duration;
use std::io::{Error, ErrorKind, Read, Write};
use std::sync::OnceLock;
use std::time::Instant;

use bromide_proto::link::LinkError;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::AsFd;
use rustix::io::Errno;

use crate::cancel::{Cancel, SLICE};

/// How long a send waits for the other side to take one more byte before it gives up with
/// [`LinkError::Stalled`]. Any progress renews it.
pub const STALL: Duration = Duration::from_secs(10);

/// Time since this process first asked.
pub(crate) fn now() -> Duration {
    static FIRST: OnceLock<Instant> = OnceLock::new();
    FIRST.get_or_init(Instant::now).elapsed()
}

/// A non-blocking descriptor together with the flag that interrupts its waits.
#[derive(Debug)]
pub(crate) struct Stream<T> {
    pub(crate) io: T,
    pub(crate) cancel: Cancel,
    /// How long a write may stall; [`STALL`] except in tests.
    pub(crate) stall: Duration,
}

impl<T: Read + Write + AsFd> Stream<T> {
    /// `io` must already be non-blocking.
    pub(crate) fn new(io: T, cancel: Cancel) -> Self {
        Self { io, cancel, stall: STALL }
    }

    /// One piece of 1..=`into.len()` bytes, or the reason why none came `within` that time.
    pub(crate) fn recv(&mut self, into: &mut [u8], within: Duration) -> Result<usize, LinkError> {
        if into.is_empty() {
            return Err(LinkError::Other("a receive into an empty buffer can never end".into()));
        }
        let until = Instant::now().checked_add(within); // None: too far away to name, wait for ever
        loop {
            if self.cancel.is_set() {
                return Err(LinkError::Cancelled);
            }
            match self.io.read(into) {
                Ok(0) => return Err(LinkError::Unplugged),
                Ok(n) => return Ok(n),
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) if e.kind() == ErrorKind::WouldBlock => {
                    if !self.wait(PollFlags::IN, until)? {
                        return Err(LinkError::Timeout(within));
                    }
                }
                Err(e) => return Err(refused(e)),
            }
        }
    }

    /// Hands all `bytes` to the operating system. An error says nothing about how many of them left.
    pub(crate) fn send(&mut self, mut bytes: &[u8]) -> Result<(), LinkError> {
        let mut until = None;
        while !bytes.is_empty() {
            if self.cancel.is_set() {
                return Err(LinkError::Cancelled);
            }
            match self.io.write(bytes) {
                Ok(n) if n > 0 => {
                    bytes = bytes.get(n..).unwrap_or_default();
                    until = None;
                }
                Ok(_) => self.wait_for_room(&mut until)?,
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) if e.kind() == ErrorKind::WouldBlock => self.wait_for_room(&mut until)?,
                Err(e) => return Err(refused(e)),
            }
        }
        Ok(())
    }

    /// Waits until the other side takes bytes again; `until` is set by the first wait without progress.
    fn wait_for_room(&self, until: &mut Option<Instant>) -> Result<(), LinkError> {
        let until = *until.get_or_insert_with(|| Instant::now() + self.stall);
        match self.wait(PollFlags::OUT, Some(until))? {
            true => Ok(()),
            false => Err(LinkError::Stalled(self.stall)),
        }
    }

    /// Waits for `what` (or for trouble, which the next call will report). False: `until` has passed.
    fn wait(&self, what: PollFlags, until: Option<Instant>) -> Result<bool, LinkError> {
        loop {
            if self.cancel.is_set() {
                return Err(LinkError::Cancelled);
            }
            let left = until.map_or(SLICE, |u| u.saturating_duration_since(Instant::now()));
            let slice = left.min(SLICE);
            let slice = Timespec { tv_sec: 0, tv_nsec: slice.subsec_nanos().cast_signed().into() };
            match poll(&mut [PollFd::new(&self.io, what)], Some(&slice)) {
                Ok(0) if left.is_zero() => return Ok(false),
                Ok(0) | Err(Errno::INTR) => {}
                Ok(_) => return Ok(true),
                Err(e) => return Err(refused(e.into())),
            }
        }
    }
}

/// What an error of an open descriptor means: the usual faces of a pulled cable, or something else.
fn refused(e: Error) -> LinkError {
    match Errno::from_io_error(&e) {
        Some(
            Errno::CONNRESET | Errno::CONNABORTED | Errno::TIMEDOUT | Errno::HOSTUNREACH | Errno::NETUNREACH,
        ) => LinkError::Unplugged,
        #[cfg(unix)]
        Some(Errno::IO | Errno::NXIO | Errno::NODEV | Errno::PIPE) => LinkError::Unplugged,
        _ => LinkError::Other(e.into()),
    }
}
