//! What all commands share: send, take, echo, status words, and a memory of the last exchanges.

use crate::codes::da;
use crate::error::{Error, ErrorKind};
use crate::link::{Link, LinkError, Mark};
use alloc::collections::VecDeque;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use core::fmt::Write;
use core::time::Duration;

/// Exchanges kept for an error's tail.
const TAIL_LINES: usize = 12;
/// The slowest line believed: a UART of 9600 baud brings a byte a millisecond.
const SLOWEST: Duration = Duration::from_millis(1);
/// A packet of 1024 pages may still be under way when a drain begins, at full speed for two seconds.
const LONGEST_DRAIN: Duration = Duration::from_secs(15);
/// More than any packet in bytes, for links whose clock stands still while bytes come.
const MOST_DRAINED: usize = 64 << 20;
/// Bytes of one exchange that are kept.
const TAIL_BYTES: usize = 24;

/// A link with a step name and a memory of its last exchanges.
#[derive(Debug)]
pub struct Talk<L> {
    link: L,
    /// Name of the step the conversation is in; errors carry it.
    pub step: &'static str,
    tail: VecDeque<(char, Vec<u8>, usize)>,
}

impl<L: Link> Talk<L> {
    /// Wraps a link.
    pub const fn new(link: L) -> Self {
        Self { link, step: "start", tail: VecDeque::new() }
    }

    /// Gives the link back.
    pub fn into_link(self) -> L {
        self.link
    }

    /// Time by the link's clock.
    pub fn now(&self) -> Duration {
        self.link.now()
    }

    /// How many bytes may be asked for at once, see [`Link::most_at_once`].
    pub fn most_at_once(&self) -> Option<u32> {
        self.link.most_at_once()
    }

    /// Tells a watcher of the cable what the bytes are, see [`Link::mark`].
    pub fn mark(&mut self, mark: Mark<'_>) {
        self.link.mark(mark);
    }

    /// Turns a kind into an error of the present step, with the tail.
    pub fn fail(&self, kind: impl Into<ErrorKind>) -> Error {
        Error { step: self.step, kind: kind.into(), tail: self.tail() }
    }

    /// Sends all bytes.
    pub async fn send(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.note('>', bytes, bytes.len());
        self.link.send(bytes).await.map_err(|e| self.fail(e))
    }

    /// Takes exactly `into.len()` bytes; `within` is patience for each next piece.
    pub async fn take(&mut self, into: &mut [u8], within: Duration) -> Result<(), Error> {
        match self.try_take(into, within).await {
            (_, None) => Ok(()),
            (_, Some(e)) => Err(self.fail(e)),
        }
    }

    /// As [`Talk::try_take_paced`] with the same patience for every piece.
    pub async fn try_take(&mut self, into: &mut [u8], within: Duration) -> (usize, Option<LinkError>) {
        self.try_take_paced(into, within, within, &mut |_| {}).await
    }

    /// Takes up to `into.len()` bytes, handing each piece to `seen` as it comes.
    ///
    /// `first` is patience for the first piece, `gap` for every later one; the whole may take as long as both and
    /// a millisecond a byte allow, so that a trickle ends too. Returns how many came and, if not all, why.
    pub async fn try_take_paced(
        &mut self,
        into: &mut [u8],
        first: Duration,
        gap: Duration,
        seen: &mut dyn FnMut(&[u8]),
    ) -> (usize, Option<LinkError>) {
        let bytes = u32::try_from(into.len()).unwrap_or(u32::MAX);
        let slowest = SLOWEST.saturating_mul(bytes);
        let until = self.now().saturating_add(first).saturating_add(gap).saturating_add(slowest);
        let mut have = 0usize;
        let mut error = None;
        while let Some(rest) = into.get_mut(have..).filter(|r| !r.is_empty()) {
            let within = if have == 0 { first } else { gap };
            if self.now() >= until {
                error = Some(LinkError::Timeout(within));
                break;
            }
            match self.link.recv(rest, within).await {
                Ok(n) => {
                    seen(rest.get(..n).unwrap_or_default());
                    have = have.saturating_add(n);
                }
                Err(e) => {
                    error = Some(e);
                    break;
                }
            }
        }
        let got = into.get(..have).unwrap_or_default();
        self.note('<', got, have);
        (have, error)
    }

    /// One byte.
    pub async fn take_u8(&mut self, within: Duration) -> Result<u8, Error> {
        self.take_array(within).await.map(|[b]| b)
    }

    /// A fixed number of bytes.
    pub async fn take_array<const N: usize>(&mut self, within: Duration) -> Result<[u8; N], Error> {
        let mut bytes = [0; N];
        self.take(&mut bytes, within).await?;
        Ok(bytes)
    }

    /// 16 bits, most significant byte first.
    pub async fn take_u16(&mut self, within: Duration) -> Result<u16, Error> {
        self.take_array(within).await.map(u16::from_be_bytes)
    }

    /// 32 bits, most significant byte first.
    pub async fn take_u32(&mut self, within: Duration) -> Result<u32, Error> {
        self.take_array(within).await.map(u32::from_be_bytes)
    }

    /// 64 bits, most significant byte first.
    pub async fn take_u64(&mut self, within: Duration) -> Result<u64, Error> {
        self.take_array(within).await.map(u64::from_be_bytes)
    }

    /// Sends bytes and wants the same bytes back.
    pub async fn echo(&mut self, bytes: &[u8], within: Duration) -> Result<(), Error> {
        self.send(bytes).await?;
        let mut back = vec![0; bytes.len()];
        self.take(&mut back, within).await?;
        if back == bytes {
            Ok(())
        } else {
            Err(self.fail(ErrorKind::Echo { sent: hex(bytes), heard: hex(&back) }))
        }
    }

    /// Wants the agent's yes; `A5` is followed by a 32-bit status.
    pub async fn ack(&mut self, within: Duration) -> Result<(), Error> {
        match self.take_u8(within).await? {
            da::ACK => Ok(()),
            da::NACK => {
                let status = self.take_u32(within).await?;
                Err(self.fail(ErrorKind::AgentStatus(status)))
            }
            other => Err(self.unexpected("5a (yes) or a5 (no)", &[other])),
        }
    }

    /// Throws away what comes until `quiet` passes without a byte; returns how many bytes that were.
    ///
    /// Bounded to 15 s: a phone that never stops is an error.
    pub async fn drain(&mut self, quiet: Duration) -> Result<usize, Error> {
        let until = self.now().saturating_add(LONGEST_DRAIN);
        let mut junk = [0; 4096];
        let mut total = 0usize;
        loop {
            if self.now() >= until || total > MOST_DRAINED {
                return Err(self.fail(ErrorKind::Babble));
            }
            match self.link.recv(&mut junk, quiet).await {
                Ok(n) => {
                    total = total.saturating_add(n);
                    self.note('<', junk.get(..n).unwrap_or_default(), n);
                }
                Err(LinkError::Timeout(_)) => return Ok(total),
                Err(e) => return Err(self.fail(e)),
            }
        }
    }

    /// An error about an answer that was not due.
    pub fn unexpected(&self, wanted: &'static str, heard: &[u8]) -> Error {
        self.fail(ErrorKind::Unexpected { wanted, heard: hex(heard) })
    }

    fn note(&mut self, direction: char, bytes: &[u8], total: usize) {
        if bytes.is_empty() {
            return;
        }
        if self.tail.len() >= TAIL_LINES {
            self.tail.pop_front();
        }
        let kept = bytes.get(..TAIL_BYTES).unwrap_or(bytes).to_vec();
        self.tail.push_back((direction, kept, total));
    }

    fn tail(&self) -> String {
        let mut text = String::new();
        for (direction, bytes, total) in &self.tail {
            let more = if *total > bytes.len() { format!(" .. ({total} bytes)") } else { String::new() };
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{direction} {}{more}", hex(bytes));
        }
        text.trim_end().to_string()
    }
}

/// Lower-case hex, blanks between bytes, at most 24 bytes of it.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    let mut text = String::new();
    for (i, byte) in bytes.iter().take(TAIL_BYTES).enumerate() {
        let _ = write!(text, "{}{byte:02x}", if i > 0 { " " } else { "" });
    }
    if bytes.len() > TAIL_BYTES {
        text.push_str(" ..");
    }
    text
}
