//! The cable as the conversations see it: two methods, one error.
//!
//! Promises: [`Link::recv`] gives 1..=len bytes or an error, never 0; it never drops a byte that arrived.
//! Time is an argument (`within` is patience for the *next* byte), so this crate owns no clock.
//! The virtual phone uses the same trait from its own end of the cable.

use alloc::boxed::Box;
use alloc::string::String;
use core::error::Error;
use core::time::Duration;

/// One end of a byte stream between host and phone.
///
/// Futures of generic links are not `Send`; a job owns one thread and nothing below it spawns, so the
/// lint about `async fn` in public traits does not apply.
#[allow(async_fn_in_trait)]
pub trait Link {
    /// Sends all `bytes`, or fails. Bytes handed over count as sent even if the other side never reads them.
    async fn send(&mut self, bytes: &[u8]) -> Result<(), LinkError>;

    /// Waits up to `within` for at least one byte and returns how many were placed in `into` (1..=`into.len()`).
    ///
    /// `Duration::MAX` means: wait for ever (used by the phone's side, never by the host's).
    async fn recv(&mut self, into: &mut [u8], within: Duration) -> Result<usize, LinkError>;

    /// Time since some fixed moment, by the clock that [`Link::recv`] waits on.
    ///
    /// Patience for the next byte alone bounds nothing against a phone that babbles; whole exchanges have deadlines.
    fn now(&self) -> Duration;

    /// How many bytes may safely be asked of the other side at once; `None`: any number.
    ///
    /// A serial driver drops what its buffer does not hold, without an error (test-bench.md section 3).
    fn most_at_once(&self) -> Option<u32> {
        None
    }

    /// Tells whoever watches the cable what the bytes on it are; changes nothing.
    fn mark(&mut self, mark: Mark<'_>) {
        let _ = mark;
    }
}

/// Which way bytes travel, seen from the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// Sent by the host.
    ToPhone,
    /// Received by the host.
    FromPhone,
}

/// What the host knows about bytes that somebody who only watches the cable cannot know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark<'a> {
    /// The next so many bytes received are pages. Who asked for them will tell what became of them, so a recorder
    /// need not copy them: either by [`Mark::Lost`], or with the packet in his hand.
    Pages(usize),
    /// Of the pages announced last these bytes came, and nobody keeps them.
    Lost(&'a [u8]),
}

impl<L: Link + ?Sized> Link for &mut L {
    async fn send(&mut self, bytes: &[u8]) -> Result<(), LinkError> {
        (**self).send(bytes).await
    }
    async fn recv(&mut self, into: &mut [u8], within: Duration) -> Result<usize, LinkError> {
        (**self).recv(into, within).await
    }
    fn now(&self) -> Duration {
        (**self).now()
    }
    fn most_at_once(&self) -> Option<u32> {
        (**self).most_at_once()
    }
    fn mark(&mut self, mark: Mark<'_>) {
        (**self).mark(mark);
    }
}

/// Why the cable gave nothing.
#[derive(Debug)]
pub enum LinkError {
    /// No byte came in this time.
    Timeout(Duration),
    /// The other side took no byte for this time.
    Stalled(Duration),
    /// The other end is gone (cable pulled, port vanished, connection closed).
    Unplugged,
    /// The port is held by another program.
    Busy(String),
    /// The operating system refused access; the text names the port.
    Denied(String),
    /// The user asked to stop.
    Cancelled,
    /// Anything else the operating system said.
    Other(Box<dyn Error + Send + Sync>),
    /// Nothing more can come, over this link or another one: a recording has ended, or does not fit.
    Over(Box<dyn Error + Send + Sync>),
}

impl LinkError {
    /// Stable name for programs.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Timeout(_) => "link/timeout",
            Self::Stalled(_) => "link/stalled",
            Self::Unplugged => "link/unplugged",
            Self::Busy(_) => "link/busy",
            Self::Denied(_) => "link/denied",
            Self::Cancelled => "link/cancelled",
            Self::Other(_) => "link/other",
            Self::Over(_) => "link/over",
        }
    }
}

impl core::fmt::Display for LinkError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Timeout(d) => write!(f, "nothing came for {} ms", d.as_millis()),
            Self::Stalled(d) => write!(f, "the phone took nothing for {} ms", d.as_millis()),
            Self::Unplugged => f.write_str("the phone left the cable"),
            Self::Busy(port) => write!(f, "{port} is in use by another program"),
            Self::Denied(port) => write!(f, "no permission to open {port}"),
            Self::Cancelled => f.write_str("stopped by the user"),
            Self::Other(e) | Self::Over(e) => write!(f, "{e}"),
        }
    }
}

impl Error for LinkError {}

/// Fills `into` completely; `within` is the patience for each next piece.
///
/// On an error the bytes received so far are at the front of `into`; their number is in the error's pair.
pub async fn recv_exact<L: Link>(
    link: &mut L,
    into: &mut [u8],
    within: Duration,
) -> Result<(), (usize, LinkError)> {
    let mut have = 0usize;
    while let Some(rest) = into.get_mut(have..).filter(|r| !r.is_empty()) {
        match link.recv(rest, within).await {
            Ok(n) => have = have.saturating_add(n),
            Err(e) => return Err((have, e)),
        }
    }
    Ok(())
}
