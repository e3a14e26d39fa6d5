//! A phone that another process can reach: over a pseudo terminal or over TCP.
//!
//! Promises: the calls block until the stop flag is set, which they notice within 100 ms. One connection is one
//! plug-in; a phone that returns as 0e8d:2001 does so on the next one.

mod fd;
mod pty;
mod tcp;

use core::future::Future;
use core::pin::pin;
use core::sync::atomic::AtomicBool;
use core::task::{Context, Poll, Waker};
use core::time::Duration;
use std::io;
use std::path::PathBuf;

use crate::pace::{Pace, Paced};
use crate::phone::Phone;
use crate::wire::Ended;

pub use pty::pty;
pub use tcp::tcp;

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
}

/// How a phone is served.
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

/// One plug-in over a blocking link: the phone's future ends inside one poll. Saying that it is over is left to
/// the caller, who may have to tidy up first.
fn plug_in<L: bromide_proto::link::Link>(
    phone: &mut Phone,
    link: L,
    pace: Pace,
    tell: &mut dyn FnMut(Serving),
) -> Ended {
    tell(Serving::PluggedIn);
    let heard = phone.remarks().len();
    let clock = phone.clock().clone();
    let ended = {
        let life = pin!(phone.serve(Paced::new(link, pace, clock)));
        match life.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(ended) => ended,
            Poll::Pending => unreachable!("a blocking link never leaves its poll waiting"),
        }
    };
    for remark in phone.remarks().iter().skip(heard) {
        tell(Serving::Remark(remark.clone()));
    }
    ended
}
