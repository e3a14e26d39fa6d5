//! A phone behind a TCP port: a virtual phone, or a serial port served by another machine.

use core::time::Duration;
use std::io::{
    self,
    ErrorKind::{ConnectionRefused, ConnectionReset, TimedOut},
};
use std::net::{TcpStream, ToSocketAddrs};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Instant;

use bromide_proto::link::{Link, LinkError};

use crate::cancel::{Cancel, SLICE};
use crate::stream::Stream;

/// Pause between two attempts to connect.
const AGAIN: Duration = Duration::from_millis(50);

/// The least time one attempt gets, even when the patience is (nearly) used up.
const LEAST: Duration = Duration::from_millis(100);

/// One end of a TCP connection. The end of the stream means [`LinkError::Unplugged`].
#[derive(Debug)]
pub struct TcpLink {
    stream: Stream<TcpStream>,
}

impl TcpLink {
    /// Connects to `address` (`HOST:PORT`), trying again for up to `wait` while nobody listens there.
    ///
    /// # Errors
    /// [`LinkError::Timeout`]: nobody answered within `wait`. [`LinkError::Cancelled`]. [`LinkError::Other`]:
    /// not an address, no such host, or no way to reach it.
    pub fn connect(address: &str, wait: Duration, cancel: Cancel) -> Result<Self, LinkError> {
        let start = Instant::now();
        let until = start.checked_add(wait);
        loop {
            let left = until.map(|u| u.saturating_duration_since(Instant::now()));
            let patience = left.unwrap_or(Duration::from_secs(60)).max(LEAST);
            let late = left.is_some_and(|l| l.is_zero());
            match attempt(address, patience, &cancel)? {
                Ok(stream) => return Self::adopt(stream, cancel).map_err(|e| LinkError::Other(e.into())),
                Err(Failure::Address(e)) => return Err(other(address, &e)),
                Err(Failure::Nobody) if late => return Err(LinkError::Timeout(wait)),
                Err(Failure::Unreachable(e)) if late => return Err(other(address, &e)),
                Err(_) => cancel.sleep_until(Instant::now() + AGAIN.min(left.unwrap_or(AGAIN))),
            }
        }
    }

    /// Makes a link of a connection that exists already, for instance one just accepted.
    ///
    /// # Errors
    /// When the connection cannot be made non-blocking or undelayed.
    pub fn adopt(stream: TcpStream, cancel: Cancel) -> io::Result<Self> {
        // Half-duplex exchanges of a few bytes: waiting to fill a segment would cost 40 ms a turn.
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        Ok(Self { stream: Stream::new(stream, cancel) })
    }
}

/// Why one attempt to connect failed.
enum Failure {
    /// Not an address, or no such host.
    Address(io::Error),
    /// Nobody listens, or nobody answered in time.
    Nobody,
    /// The operating system cannot or will not send anything there.
    Unreachable(io::Error),
}

fn other(address: &str, e: &io::Error) -> LinkError {
    LinkError::Other(format!("{address}: {e}").into())
}

/// One attempt to resolve and connect, on a thread of its own: neither can be interrupted, so when the user
/// wants to stop, the thread is left behind and ends by itself.
fn attempt(
    address: &str,
    patience: Duration,
    cancel: &Cancel,
) -> Result<Result<TcpStream, Failure>, LinkError> {
    let (tell, told) = channel();
    let address = address.to_owned();
    std::thread::Builder::new()
        .name("connect".into())
        .spawn(move || {
            let _ = tell.send(connect(&address, patience)); // nobody listens any more: fine
        })
        .map_err(|e| LinkError::Other(e.into()))?;
    loop {
        if cancel.is_set() {
            return Err(LinkError::Cancelled);
        }
        match told.recv_timeout(SLICE) {
            Ok(outcome) => return Ok(outcome),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Err(LinkError::Other("connecting failed".into())),
        }
    }
}

/// Tries every address of the host until one answers.
fn connect(address: &str, patience: Duration) -> Result<TcpStream, Failure> {
    let mut last = Failure::Address(io::Error::other("the host has no address"));
    for one in address.to_socket_addrs().map_err(Failure::Address)? {
        last = match TcpStream::connect_timeout(&one, patience) {
            // While nobody listens on a local port, the system may pick that very port for our own end.
            Ok(stream) if is_own_end(&stream) => Failure::Nobody,
            Ok(stream) => return Ok(stream),
            Err(e) => match e.kind() {
                ConnectionRefused | ConnectionReset | TimedOut => Failure::Nobody,
                _ => Failure::Unreachable(e),
            },
        };
    }
    Err(last)
}

/// Whether the connection leads from a port to itself.
fn is_own_end(stream: &TcpStream) -> bool {
    matches!((stream.local_addr(), stream.peer_addr()), (Ok(here), Ok(there)) if here == there)
}

impl Link for TcpLink {
    /// Hands `bytes` to the connection; gives up with [`LinkError::Timeout`] when the other side takes none
    /// for [`STALL`](crate::STALL).
    async fn send(&mut self, bytes: &[u8]) -> Result<(), LinkError> {
        self.stream.send(bytes)
    }

    async fn recv(&mut self, into: &mut [u8], within: Duration) -> Result<usize, LinkError> {
        self.stream.recv(into, within)
    }

    fn now(&self) -> Duration {
        crate::stream::now()
    }
}
