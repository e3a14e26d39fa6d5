//! Notices that something came or went on USB, with and without a device daemon.
//!
//! The kernel's own announcements (netlink group 1) come whether udevd runs or not, but not into every container; a
//! library that listens to udevd's group hears nothing where none runs (test-bench.md section 3). So whoever waits
//! looks at the list every [`LOOK`] in any case, and the announcements only make the look come sooner.

use core::time::Duration;
use std::time::Instant;

/// The longest time between two looks at the list of devices. A preloader is useful for 0.3 s at worst.
pub const LOOK: Duration = Duration::from_millis(15);

/// The kernel's announcements, where they can be had.
#[derive(Debug)]
pub(crate) struct Arrivals {
    #[cfg(target_os = "linux")]
    announcements: Option<std::os::fd::OwnedFd>,
}

impl Arrivals {
    /// Listens from now on.
    pub(crate) fn new() -> Self {
        Self {
            #[cfg(target_os = "linux")]
            announcements: netlink::listen().ok(),
        }
    }

    /// Returns when something was announced, at `until`, or after [`LOOK`], whichever is first.
    pub(crate) fn wait(&mut self, until: Option<Instant>) {
        let left = until.map_or(LOOK, |u| u.saturating_duration_since(Instant::now())).min(LOOK);
        #[cfg(target_os = "linux")]
        if let Some(socket) = &self.announcements {
            if netlink::heard(socket, left) {
                return;
            }
            self.announcements = None; // it does not work: looking alone is enough
        }
        std::thread::sleep(left);
    }
}

#[cfg(target_os = "linux")]
mod netlink {
    use core::time::Duration;
    use std::os::fd::OwnedFd;
    use std::time::Instant;

    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    use rustix::io::Errno;
    use rustix::net::netlink::{KOBJECT_UEVENT, SocketAddrNetlink};
    use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType, bind, recv, socket_with};

    const KERNEL: u32 = 1;

    pub(super) fn listen() -> rustix::io::Result<OwnedFd> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = socket_with(AddressFamily::NETLINK, SocketType::DGRAM, flags, Some(KOBJECT_UEVENT))?;
        bind(&socket, &SocketAddrNetlink::new(0, KERNEL))?;
        Ok(socket)
    }

    /// Waits until USB was announced or the time is over; false means the socket is of no use.
    pub(super) fn heard(socket: &OwnedFd, within: Duration) -> bool {
        let until = Instant::now() + within;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let time = Timespec { tv_sec: 0, tv_nsec: left.subsec_nanos().into() };
            match poll(&mut [PollFd::new(socket, PollFlags::IN)], Some(&time)) {
                Ok(0) | Err(Errno::INTR) if left.is_zero() => return true,
                Ok(0) | Err(Errno::INTR) => {}
                Ok(_) => match take(socket) {
                    Ok(true) => return true,
                    Ok(false) => {}
                    Err(()) => return false,
                },
                Err(_) => return false,
            }
        }
    }

    /// Takes what was announced so far: whether USB or a tty was among it.
    ///
    /// Nothing is believed but "look again", so it does not matter who sent it.
    fn take(socket: &OwnedFd) -> Result<bool, ()> {
        let mut message = [0u8; 4096];
        let mut ours = false;
        for _ in 0..256 {
            match recv(socket, &mut message, RecvFlags::DONTWAIT) {
                Ok((n, _)) => ours |= concerns_usb(message.get(..n).unwrap_or_default()),
                Err(Errno::AGAIN) => break,
                Err(Errno::NOBUFS) => ours = true, // some were lost
                Err(Errno::INTR) => {}
                Err(_) => return Err(()),
            }
        }
        Ok(ours)
    }

    fn concerns_usb(message: &[u8]) -> bool {
        message.split(|b| *b == 0).any(|field| matches!(field, b"SUBSYSTEM=usb" | b"SUBSYSTEM=tty"))
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn only_announcements_about_usb_or_ttys_are_heard() {
            let add =
                b"add@/devices/usb1/1-1\0ACTION=add\0DEVPATH=/devices/usb1/1-1\0SUBSYSTEM=usb\0SEQNUM=9\0";
            assert!(concerns_usb(add));
            assert!(!concerns_usb(b"add@/devices/x\0ACTION=add\0SUBSYSTEM=block\0NOTE=SUBSYSTEM=usb\0"));
            assert!(!concerns_usb(b""));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_over_in_time_whether_or_not_anything_is_announced() {
        let mut arrivals = Arrivals::new();
        let start = Instant::now();
        for _ in 0..10 {
            arrivals.wait(None);
        }
        assert!(start.elapsed() < Duration::from_secs(5));
        arrivals.wait(Some(start)); // already over
    }
}
