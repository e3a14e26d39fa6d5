//! A phone behind a pseudo terminal: opening the terminal is plugging in, closing it is pulling the cable.
//!
//! How a hang-up is seen: the kernel reports it on the master while no process has the slave open, provided it
//! was open once. So the slave is opened for the set-up (raw mode, before any byte can be echoed or translated)
//! and closed again; from then on "no hang-up" means "a host is there". The slave's settings live as long as the
//! master, so a later host finds raw mode.
//!
//! Two limits a terminal has against a real cable: a host that closes and opens again within a few milliseconds
//! may find the phone in mid-sentence, and bytes the phone wrote into a closed terminal are thrown away.

use core::sync::atomic::Ordering;
use core::time::Duration;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use rustix::event::PollFlags;
use rustix::fs::{Mode, OFlags, fcntl_getfl, fcntl_setfl};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{OptionalActions, QueueSelector, tcflush, tcgetattr, tcsetattr};

use super::fd::{FdLink, hung_up, poll_one};
use super::{Next, ServeError, Served, Serving, Terms};

/// How often the terminal is looked at for a host.
const LOOK_FOR_HOST: Duration = Duration::from_millis(2);
/// How long a phone that left the bus waits for the host to close before the terminal vanishes under it.
const FAREWELL: Duration = Duration::from_secs(2);

/// Serves a phone on a pseudo terminal until the stop flag is set or nothing comes any more.
///
/// With `link`, a symbolic link of that name points to the terminal and is removed at the end; an existing link
/// is replaced, anything else of that name is an error. A phone that leaves the bus keeps its terminal if the
/// host closes it within two seconds; otherwise the terminal vanishes and a new one takes its place.
///
/// # Errors
/// The terminal or the link cannot be made.
pub fn terminal(
    served: &mut impl Served,
    link: Option<&Path>,
    terms: Terms<'_>,
    tell: &mut dyn FnMut(Serving),
) -> Result<(), ServeError> {
    let mut terminal = Terminal::new(link)?;
    tell(Serving::At(terminal.shown()));
    while !terms.stop.load(Ordering::Relaxed) {
        if hung_up(terminal.master.as_fd()) {
            std::thread::sleep(LOOK_FOR_HOST);
            continue;
        }
        let over = served.plug_in(FdLink::new(&terminal.master, terms.stop, terms.eager()), tell);
        if !hung_up(terminal.master.as_fd()) {
            tell(over.told);
            // What a host has not read vanishes with the terminal, so it gets its time even when nothing follows.
            let let_go = terminal.left_by_host(over.next, terms);
            if !let_go && over.next != Next::Nothing {
                drop(terminal);
                terminal = Terminal::new(link)?;
                tell(Serving::At(terminal.shown()));
            }
            terminal.forget();
        } else {
            terminal.forget();
            tell(over.told);
        }
        if over.next == Next::Nothing {
            break;
        }
    }
    Ok(())
}

/// A terminal without a host, in raw mode.
struct Terminal {
    master: OwnedFd,
    path: PathBuf,
    link: Option<Link>,
}

/// A symbolic link that goes with its terminal.
struct Link(PathBuf);

impl Drop for Link {
    fn drop(&mut self) {
        // Nothing to be done about a link that somebody else removed.
        let _ = std::fs::remove_file(&self.0);
    }
}

impl Terminal {
    fn new(link: Option<&Path>) -> Result<Self, ServeError> {
        let (master, path) = raw_terminal().map_err(|e| ServeError::Terminal(e.into()))?;
        let link = link.map(|link| point(link, &path)).transpose()?;
        Ok(Self { master, path, link })
    }

    fn shown(&self) -> String {
        self.link.as_ref().map_or(&self.path, |link| &link.0).display().to_string()
    }

    /// Whether the host lets go of a phone that left the bus, in time for the terminal to stay.
    fn left_by_host(&self, next: Next, terms: Terms<'_>) -> bool {
        let rounds = FAREWELL.as_millis() / LOOK_FOR_HOST.as_millis();
        for _ in 0..rounds {
            if hung_up(self.master.as_fd()) || terms.stop.load(Ordering::Relaxed) {
                return true;
            }
            // Nobody says a word to a phone that is about to return: this host has closed and opened again.
            if next == Next::Returns && self.has_input() {
                return true;
            }
            std::thread::sleep(LOOK_FOR_HOST);
        }
        false
    }

    fn has_input(&self) -> bool {
        poll_one(self.master.as_fd(), PollFlags::IN, Duration::ZERO)
            .is_ok_and(|flags| flags.contains(PollFlags::IN))
    }

    /// Throws away what the last host did not read, and what it sent and did not live to see answered.
    fn forget(&self) {
        // Failing leaves a few stale bytes, which a host's handshake survives.
        let _ = tcflush(&self.master, QueueSelector::OFlush);
        let _ = make_raw_and_empty(&self.path);
        let mut rest = [0; 4096];
        while hung_up(self.master.as_fd())
            && matches!(rustix::io::read(&self.master, &mut rest), Ok(n) if n > 0)
        {}
    }
}

fn point(link: &Path, to: &Path) -> Result<Link, ServeError> {
    let failed = |source| ServeError::Link { path: link.to_owned(), source };
    if link.symlink_metadata().is_ok_and(|found| found.file_type().is_symlink()) {
        std::fs::remove_file(link).map_err(failed)?;
    }
    symlink(to, link).map_err(failed)?;
    Ok(Link(link.to_owned()))
}

/// Not every system can set it at opening; serving starts no other program.
#[cfg(target_os = "linux")]
const CLOEXEC: OpenptFlags = OpenptFlags::CLOEXEC;
#[cfg(not(target_os = "linux"))]
const CLOEXEC: OpenptFlags = OpenptFlags::empty();

fn raw_terminal() -> rustix::io::Result<(OwnedFd, PathBuf)> {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | CLOEXEC)?;
    grantpt(&master)?;
    unlockpt(&master)?;
    let name = ptsname(&master, Vec::new())?;
    let path = PathBuf::from(String::from_utf8_lossy(name.as_bytes()).into_owned());
    make_raw_and_empty(&path)?;
    fcntl_setfl(&master, fcntl_getfl(&master)? | OFlags::NONBLOCK)?;
    Ok((master, path))
}

/// What a host would read is emptied on the slave: flushing the master leaves the last 4 KiB there.
fn make_raw_and_empty(path: &Path) -> rustix::io::Result<()> {
    let slave = rustix::fs::open(path, OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty())?;
    let mut settings = tcgetattr(&slave)?;
    settings.make_raw();
    tcsetattr(&slave, OptionalActions::Now, &settings)?;
    tcflush(&slave, QueueSelector::IFlush)
}
