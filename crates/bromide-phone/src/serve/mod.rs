//! A phone that another process can reach: over a pseudo terminal, over TCP, or as a USB device.
//!
//! Promises: the calls block until the stop flag is set, which they notice within 100 ms. Over a terminal or TCP one
//! connection is one plug-in, and a phone that returns as 0e8d:2001 does so on the next one; on USB the phone shows
//! one face after the other by itself.

#[cfg(not(unix))]
mod elsewhere;
#[cfg(unix)]
mod fd;
#[cfg(unix)]
mod pty;
mod served;
#[cfg(unix)]
mod tcp;
#[cfg(unix)]
mod urb_stream;
#[cfg(unix)]
mod usb;
#[cfg(unix)]
mod usbip;
#[cfg(unix)]
mod usbredir;
#[cfg(unix)]
mod usbredir_words;
#[cfg(unix)]
mod vhci;

use core::future::Future;
use core::pin::pin;
use core::sync::atomic::AtomicBool;
use core::task::{Context, Poll, Waker};
use core::time::Duration;
use std::io;
use std::path::PathBuf;

use crate::pace::Pace;
use crate::usb::Face;
use crate::wire::Ended;

#[cfg(not(unix))]
pub use elsewhere::{connections, terminal, usbip, usbredir, vhci};
#[cfg(unix)]
pub use pty::terminal;
pub use served::{Next, Over, Served, pty, tcp};
#[cfg(unix)]
pub use tcp::connections;
#[cfg(unix)]
pub use usbip::usbip;
#[cfg(unix)]
pub use usbredir::usbredir;
#[cfg(unix)]
pub use vhci::vhci;

/// What happens while a phone is served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Serving {
    /// The phone can be reached at this terminal or address from now on.
    At(String),
    /// A host is there: a plug-in begins.
    PluggedIn,
    /// The plug-in is over.
    Over(Ended),
    /// Something the phone could not say on the cable.
    Remark(String),
    /// The phone is on the bus.
    Appeared {
        /// As what.
        face: Face,
        /// Where: a port or a client.
        place: String,
    },
    /// The phone is off the bus; another face may follow.
    Left {
        /// As what it was there.
        face: Face,
        /// Why it left, in words.
        why: String,
    },
    /// A request on endpoint 0 that changed something or was refused.
    Request(String),
}

/// Why a phone could not be served any longer.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address could not be used.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address asked for.
        address: String,
        /// What the system said.
        source: io::Error,
    },
    /// The pseudo terminal could not be made.
    #[error("cannot make a pseudo terminal: {0}")]
    Terminal(io::Error),
    /// The link path could not be made, or is something else already.
    #[error("cannot make the link {path}: {source}", path = path.display())]
    Link {
        /// The path asked for.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Waiting for a host failed.
    #[error("waiting for a host: {0}")]
    Wait(io::Error),
    /// The kernel's virtual host controller does not take the phone.
    #[error("cannot attach to vhci_hcd: {what}: {source}")]
    Attach {
        /// What was tried.
        what: String,
        /// What the system said.
        source: io::Error,
    },
}

/// How it is served.
#[derive(Debug, Clone, Copy)]
pub struct Terms<'a> {
    /// Speed of the link.
    pub pace: Pace,
    /// Set from elsewhere to end the serving.
    pub stop: &'a AtomicBool,
}

impl Terms<'_> {
    /// A turn of direction at high speed is over before a sleeper is awake.
    fn eager(&self) -> Duration {
        if self.pace == Pace::HighSpeed { Duration::from_micros(200) } else { Duration::ZERO }
    }
}

/// Polls once, which is enough for a future over a blocking link.
fn to_the_end<T>(life: impl Future<Output = T>) -> T {
    match pin!(life).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(ended) => ended,
        Poll::Pending => unreachable!("a blocking link never leaves its poll waiting"),
    }
}
