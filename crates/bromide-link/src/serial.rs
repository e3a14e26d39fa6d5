//! A phone on a serial port: `/dev/ttyACM0`, a USB-serial bridge, or a pseudo-terminal of the virtual phone.
//!
//! Promises: raw bytes, 8N1 at 921,600 baud, one program at a time; opening waits for the port to appear.
//!
//! A tty can lose data silently: seen with a burst through an emulated USB controller, whole 1024-byte blocks
//! were missing without any error (test-bench.md section 3). This link cannot notice that; whoever talks over it
//! has to know how many bytes to expect, ask for at most [`SerialLink::MOST_AT_ONCE`] of them at a time, set a
//! deadline on silence and verify every sum.

use core::fmt::Display;
use core::time::Duration;
use std::fs::File;
use std::path::Path;
use std::time::Instant;

use bromide_proto::link::{Link, LinkError};
use rustix::fs::{FlockOperation, Mode, OFlags, flock, fstat, major};
use rustix::io::Errno;
use rustix::termios::{QueueSelector, ioctl_tiocexcl, ioctl_tiocnxcl, isatty, tcflush};
use serial2::{SerialPort, Settings};

use crate::cancel::Cancel;
use crate::stream::Stream;

/// Speed set on the port. It is only a number on USB and on a pseudo-terminal; on a real UART it is the
/// preloader's usual rate.
pub const BAUD_RATE: u32 = 921_600;

/// How often a port that is not there yet is looked for. BootROM and preloader stay for a few seconds only
/// (test-bench.md section 3), so this stays well below the time the system needs to announce them.
const LOOK: Duration = Duration::from_millis(20);

/// How long a refusal may last before it counts. A new device node first belongs to root until the device
/// daemon has applied its rules, and modem probers open every new port for a moment.
const SETTLE: Duration = Duration::from_secs(1);

/// How to open a port.
#[derive(Debug, Clone, Default)]
pub struct OpenOptions {
    /// The flag that interrupts every wait, that for the port included.
    pub cancel: Cancel,
    /// How long to wait for the port to appear; zero means it must be there now.
    pub wait: Duration,
}

/// One end of a serial line, held exclusively until dropped.
#[derive(Debug)]
pub struct SerialLink {
    stream: Stream<File>,
    exclusive: bool,
    last_was_send: bool,
}

impl SerialLink {
    /// How many bytes to ask a phone for at once, so that they fit the tty's buffer even when nobody reads for a
    /// while: older kernels keep 64 KiB, and what comes beyond is dropped without an error (test-bench.md
    /// section 3). Half of it leaves room for what the driver itself holds.
    pub const MOST_AT_ONCE: usize = 32 << 10;

    /// Opens the tty at `path`, waiting for it to appear, and drops whatever it had received before.
    ///
    /// # Errors
    /// [`LinkError::Timeout`]: no such port within `wait`. [`LinkError::Busy`]: another program holds it.
    /// [`LinkError::Denied`]: no permission. [`LinkError::Cancelled`]. [`LinkError::Other`]: not a serial port,
    /// or one that cannot be set to raw mode.
    pub fn open(path: impl AsRef<Path>, options: OpenOptions) -> Result<Self, LinkError> {
        let path = path.as_ref();
        let start = Instant::now();
        let until = start.checked_add(options.wait);
        let mut refused_since = None;
        loop {
            if options.cancel.is_set() {
                return Err(LinkError::Cancelled);
            }
            let now = Instant::now();
            let late = until.is_some_and(|u| now >= u);
            match attempt(path) {
                Ok((file, exclusive)) => {
                    let stream = Stream::new(file, options.cancel);
                    return Ok(Self { stream, exclusive, last_was_send: false });
                }
                Err(Attempt::Absent) if late => return Err(LinkError::Timeout(options.wait)),
                Err(Attempt::Absent) => refused_since = None,
                Err(Attempt::Refused(e)) => {
                    let since: Instant = *refused_since.get_or_insert(now);
                    if late || now.duration_since(since) >= SETTLE {
                        return Err(e);
                    }
                }
                Err(Attempt::Hopeless(e)) => return Err(e),
            }
            options.cancel.sleep_until(now + LOOK);
        }
    }
}

/// Why one attempt to open the port failed.
enum Attempt {
    /// There is no such port (any more).
    Absent,
    /// It is there but not for us; that may change within [`SETTLE`].
    Refused(LinkError),
    /// Waiting cannot help.
    Hopeless(LinkError),
}

/// One attempt: open, lock, make raw. The flag tells whether the tty was set exclusive.
fn attempt(path: &Path) -> Result<(File, bool), Attempt> {
    let name = || path.display().to_string();
    let flags = OFlags::RDWR | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = match rustix::fs::open(path, flags, Mode::empty()) {
        Ok(fd) => File::from(fd),
        Err(Errno::NOENT | Errno::NXIO | Errno::NODEV | Errno::IO) => return Err(Attempt::Absent),
        Err(Errno::ACCESS | Errno::PERM) => return Err(Attempt::Refused(LinkError::Denied(name()))),
        Err(Errno::BUSY) => return Err(Attempt::Refused(LinkError::Busy(name()))),
        Err(e) => return Err(hopeless(path, e)),
    };
    if !isatty(&file) {
        return Err(hopeless(path, "not a serial port"));
    }
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(Errno::WOULDBLOCK) => return Err(Attempt::Refused(LinkError::Busy(name()))),
        Err(e) => return Err(hopeless(path, e)),
    }
    // The lock keeps out programs that lock too; the exclusive mode keeps out all others but root's. Not on a
    // pseudo-terminal: its mode would outlive a killed program as long as the virtual phone is there.
    let exclusive = !is_pseudo_terminal(&file) && ioctl_tiocexcl(&file).is_ok();
    match make_raw(file) {
        Ok(file) => Ok((file, exclusive)),
        Err(e) => match Errno::from_io_error(&e) {
            Some(Errno::NXIO | Errno::NODEV | Errno::IO) => Err(Attempt::Absent), // it left meanwhile
            _ => Err(hopeless(path, format_args!("cannot be set to raw mode: {e}"))),
        },
    }
}

fn hopeless(path: &Path, why: impl Display) -> Attempt {
    Attempt::Hopeless(LinkError::Other(format!("{}: {why}", path.display()).into()))
}

/// Linux numbers the slave sides of its pseudo-terminals with the majors 136 to 143 (kernel's devices list).
fn is_pseudo_terminal(file: &File) -> bool {
    cfg!(target_os = "linux") && fstat(file).is_ok_and(|s| (136..=143).contains(&major(s.st_rdev)))
}

/// Raw bytes both ways, [`BAUD_RATE`] 8N1, RTS and DTR raised, nothing pending in either direction.
fn make_raw(file: File) -> std::io::Result<File> {
    // First of all: output left from before would make the next call wait until it has been taken.
    tcflush(&file, QueueSelector::IOFlush)?;
    let mut port = SerialPort::from(std::os::fd::OwnedFd::from(file));
    let mut settings: Settings = port.get_configuration()?;
    settings.set_raw(); // 8N1, no flow control, reads return as soon as one byte is there
    settings.set_baud_rate(BAUD_RATE)?;
    port.set_configuration(&settings)?;
    // MediaTek's USB ports ignore the modem lines and a pseudo-terminal has none: failures mean nothing.
    let _ = port.set_rts(true);
    let _ = port.set_dtr(true);
    // Again: what came in before the port was raw may have been altered on its way.
    tcflush(&port, QueueSelector::IFlush)?;
    Ok(File::from(std::os::fd::OwnedFd::from(port)))
}

impl Link for SerialLink {
    /// Hands `bytes` to the port; gives up with [`LinkError::Timeout`] when it takes none for
    /// [`STALL`](crate::STALL).
    async fn send(&mut self, bytes: &[u8]) -> Result<(), LinkError> {
        let sent = self.stream.send(bytes);
        self.last_was_send = sent.is_ok();
        sent
    }

    async fn recv(&mut self, into: &mut [u8], within: Duration) -> Result<usize, LinkError> {
        self.last_was_send = false;
        self.stream.recv(into, within)
    }

    fn now(&self) -> Duration {
        crate::stream::now()
    }

    fn most_at_once(&self) -> Option<u32> {
        u32::try_from(Self::MOST_AT_ONCE).ok()
    }
}

impl Drop for SerialLink {
    fn drop(&mut self) {
        if !self.last_was_send {
            // Closing a tty waits (up to 30 s) until a stalled phone has taken everything. Whatever is still
            // queued after a receive was meant for an answer that will not come.
            let _ = tcflush(&self.stream.io, QueueSelector::OFlush);
        }
        if self.exclusive {
            let _ = ioctl_tiocnxcl(&self.stream.io);
        }
    }
}
