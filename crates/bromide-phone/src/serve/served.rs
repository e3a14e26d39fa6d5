//! What can be behind a terminal or a TCP port: anything that lives through one plug-in after the other.

use std::path::Path;

use bromide_proto::link::Link;

use super::{ServeError, Serving, Terms, connections, terminal, to_the_end};
use crate::pace::{Pace, Paced};
use crate::phone::Phone;
use crate::wire::Ended;

/// Something that behaves as a phone on a cable.
pub trait Served {
    /// Lives through one plug-in over a link that blocks inside its poll. What it tells meanwhile goes to `tell`; that
    /// the plug-in is over is left to the caller, who may have to tidy up first.
    fn plug_in<L: Link>(&mut self, link: L, tell: &mut dyn FnMut(Serving)) -> Over;
}

/// The end of a plug-in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Over {
    /// How it ended.
    pub told: Serving,
    /// What comes after it.
    pub next: Next,
}

/// What comes after a plug-in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Another plug-in, whenever a host opens.
    Open,
    /// Another plug-in, which the host knows of: it may open again before it was seen to close.
    Returns,
    /// None: the serving ends.
    Nothing,
}

/// A virtual phone at the speed of its link.
struct PacedPhone<'a>(&'a mut Phone, Pace);

impl Served for PacedPhone<'_> {
    fn plug_in<L: Link>(&mut self, link: L, tell: &mut dyn FnMut(Serving)) -> Over {
        let Self(phone, pace) = self;
        tell(Serving::PluggedIn);
        let heard = phone.remarks().len();
        let clock = phone.clock().clone();
        let ended = to_the_end(phone.serve(Paced::new(link, *pace, clock)));
        for remark in phone.remarks().iter().skip(heard) {
            tell(Serving::Remark(remark.clone()));
        }
        let next = if ended == Ended::ReturnsAs2001 { Next::Returns } else { Next::Open };
        Over { told: Serving::Over(ended), next }
    }
}

/// Serves the phone on a pseudo terminal until the stop flag is set, as [`terminal`] does.
///
/// # Errors
/// Those of [`terminal`].
pub fn pty(
    phone: &mut Phone,
    link: Option<&Path>,
    terms: Terms<'_>,
    tell: &mut dyn FnMut(Serving),
) -> Result<(), ServeError> {
    terminal(&mut PacedPhone(phone, terms.pace), link, terms, tell)
}

/// Serves the phone on this address, for example `127.0.0.1:0`, until the stop flag is set, as [`connections`] does.
///
/// # Errors
/// Those of [`connections`].
pub fn tcp(
    phone: &mut Phone,
    address: &str,
    terms: Terms<'_>,
    tell: &mut dyn FnMut(Serving),
) -> Result<(), ServeError> {
    connections(&mut PacedPhone(phone, terms.pace), address, terms, tell)
}
