//! A blocking link over a file descriptor that does not block: read or write at once, else poll.

use core::sync::atomic::{AtomicBool, Ordering};
use core::time::Duration;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Instant;

use bromide_proto::link::{Link, LinkError};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

/// How long a wait may go on without a look at the stop flag.
pub(super) const LOOK: Duration = Duration::from_millis(100);

/// How often a full cable is tried again before the link sleeps.
const LOOKS: u32 = 20;

/// One end of a cable made of a file descriptor.
pub(super) struct FdLink<'a> {
    fd: BorrowedFd<'a>,
    stop: &'a AtomicBool,
    /// How long to look for an answer without sleeping.
    eager: Duration,
    opened: Instant,
}

impl<'a> FdLink<'a> {
    /// `fd` must be in non-blocking mode. For the first moments of a wait, `eager` long, the link looks again and
    /// again instead of sleeping: being woken takes as long as a microframe.
    pub(super) fn new(fd: &'a impl AsFd, stop: &'a AtomicBool, eager: Duration) -> Self {
        Self { fd: fd.as_fd(), stop, eager, opened: Instant::now() }
    }

    /// Waits until `ready`, the other side is gone or the time is up (false).
    fn wait(&self, ready: PollFlags, until: Option<Instant>, within: Duration) -> Result<bool, LinkError> {
        loop {
            if self.stop.load(Ordering::Relaxed) {
                return Err(LinkError::Cancelled);
            }
            let left = until.map_or(within, |until| until.saturating_duration_since(Instant::now()));
            if left.is_zero() {
                return Ok(false);
            }
            match poll_one(self.fd, ready, left.min(LOOK)) {
                Ok(flags) if flags.is_empty() => {}
                // Hang-up and error come out of the read or write itself.
                Ok(_) => return Ok(true),
                Err(error) => return Err(gone(error)),
            }
        }
    }
}

impl Link for FdLink<'_> {
    async fn send(&mut self, bytes: &[u8]) -> Result<(), LinkError> {
        let mut rest = bytes;
        let mut looks = 0;
        while !rest.is_empty() {
            match rustix::io::write(self.fd, rest) {
                Ok(n) => {
                    rest = &rest[n..];
                    looks = 0;
                }
                // A terminal holds 8 KiB at most: sleeping for each of them costs two thirds of its speed.
                Err(Errno::AGAIN) if looks < LOOKS => {
                    looks += 1;
                    std::thread::yield_now();
                }
                Err(Errno::AGAIN) => {
                    self.wait(PollFlags::OUT, None, Duration::MAX)?;
                    if hung_up(self.fd) {
                        return Err(LinkError::Unplugged);
                    }
                }
                Err(Errno::INTR) => {}
                Err(error) => return Err(gone(error)),
            }
        }
        Ok(())
    }

    async fn recv(&mut self, into: &mut [u8], within: Duration) -> Result<usize, LinkError> {
        let begun = Instant::now();
        let until = begun.checked_add(within);
        loop {
            match rustix::io::read(self.fd, &mut *into) {
                Ok(0) => return Err(LinkError::Unplugged),
                Ok(n) => return Ok(n),
                Err(Errno::AGAIN) if begun.elapsed() < self.eager.min(within) => std::thread::yield_now(),
                Err(Errno::AGAIN) => {
                    if !self.wait(PollFlags::IN, until, within)? {
                        return Err(LinkError::Timeout(within));
                    }
                }
                Err(Errno::INTR) => {}
                Err(error) => return Err(gone(error)),
            }
        }
    }

    fn now(&self) -> Duration {
        self.opened.elapsed()
    }
}

/// A terminal whose other side closed says EIO, a socket EPIPE or ECONNRESET.
fn gone(error: Errno) -> LinkError {
    match error {
        Errno::IO | Errno::PIPE | Errno::CONNRESET => LinkError::Unplugged,
        other => LinkError::Other(Box::new(io::Error::from(other))),
    }
}

/// The events there are, waiting up to this long; none when the time is up or a signal came.
pub(super) fn poll_one(fd: BorrowedFd<'_>, events: PollFlags, within: Duration) -> Result<PollFlags, Errno> {
    let limit = Timespec::try_from(within).unwrap_or(Timespec { tv_sec: i64::MAX, tv_nsec: 0 });
    let mut fds = [PollFd::from_borrowed_fd(fd, events)];
    match poll(&mut fds, Some(&limit)) {
        Ok(_) => Ok(fds[0].revents()),
        Err(Errno::INTR) => Ok(PollFlags::empty()),
        Err(error) => Err(error),
    }
}

/// Whether the other side is closed right now.
pub(super) fn hung_up(fd: BorrowedFd<'_>) -> bool {
    poll_one(fd, PollFlags::empty(), Duration::ZERO)
        .is_ok_and(|flags| flags.intersects(PollFlags::HUP | PollFlags::ERR))
}
