//! A phone behind a TCP port: one connection is one plug-in.

use core::sync::atomic::Ordering;
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsFd;

use rustix::event::PollFlags;

use super::fd::{FdLink, LOOK, poll_one};
use super::{Next, ServeError, Served, Serving, Terms};

/// Serves a phone on this address, for example `127.0.0.1:0`, until the stop flag is set or nothing comes any more.
///
/// Connections are taken one after the other; while one is served the next waits.
///
/// # Errors
/// The address cannot be used, or waiting fails.
pub fn connections(
    served: &mut impl Served,
    address: &str,
    terms: Terms<'_>,
    tell: &mut dyn FnMut(Serving),
) -> Result<(), ServeError> {
    let refused = |source| ServeError::Listen { address: address.to_owned(), source };
    let listener = TcpListener::bind(address).map_err(refused)?;
    listener.set_nonblocking(true).map_err(refused)?;
    tell(Serving::At(listener.local_addr().map_err(refused)?.to_string()));
    while !terms.stop.load(Ordering::Relaxed) {
        poll_one(listener.as_fd(), PollFlags::IN, LOOK).map_err(|e| ServeError::Wait(e.into()))?;
        // A connection that failed before it was taken is the caller's loss; the phone waits for the next.
        if let Ok((stream, _)) = listener.accept()
            && prepare(&stream).is_ok()
        {
            let over = served.plug_in(FdLink::new(&stream, terms.stop, terms.eager()), tell);
            drop(stream);
            tell(over.told);
            if over.next == Next::Nothing {
                break;
            }
        }
    }
    Ok(())
}

/// Echoed bytes must not wait for each other.
fn prepare(stream: &TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    stream.set_nonblocking(true)
}
