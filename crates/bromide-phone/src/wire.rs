//! The phone's end of the cable: bytes and big-endian numbers, and the one clock that may end everything.
//!
//! Promises: a wait ends with bytes or with the reason why this plug-in is over ([`Ended`]); nothing received is
//! lost, also while the phone pauses. All numbers are big-endian (`brom-preloader.md` section 0).

use core::convert::Infallible;
use core::fmt;
use core::time::Duration;

use bromide_proto::link::{Link, LinkError};

use crate::clock::Clock;

const INPUT: usize = 16 * 1024;

/// Why a plug-in is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// The host closed, or the cable was pulled.
    Unplugged,
    /// Nobody shook hands in time; the phone left the bus and comes back.
    LeftBus,
    /// The watchdog was not disabled in time.
    WatchdogReset,
    /// What was uploaded is no program this phone knows; it was silent from the jump until it was unplugged.
    Crashed,
    /// The agent stopped for good and was silent until it was unplugged.
    Halted,
    /// The host asked for high speed: the phone returns as 0e8d:2001 with the agent still running.
    ReturnsAs2001,
    /// D9 with this value.
    Finished(u32),
    /// DB: the watchdog restarts the phone.
    Restarted {
        /// The time given, in a unit nobody has determined.
        timeout: u16,
        /// The flags given, of unknown meaning.
        flags: u32,
    },
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unplugged => f.write_str("the host let go"),
            Self::LeftBus => f.write_str("nobody shook hands in time"),
            Self::WatchdogReset => f.write_str("reset by the watchdog, which the host did not disable"),
            Self::Crashed => f.write_str("what was uploaded crashed; the host let go"),
            Self::Halted => f.write_str("the agent had stopped for good; the host let go"),
            Self::ReturnsAs2001 => f.write_str("returning as 0e8d:2001, the agent still running"),
            Self::Finished(what) => write!(f, "finished with {what}"),
            Self::Restarted { .. } => f.write_str("restarted by the agent's watchdog command"),
        }
    }
}

/// The phone's end of the cable.
pub(crate) struct Wire<L> {
    link: L,
    clock: Clock,
    /// When the watchdog bites.
    pub(crate) watchdog: Option<Duration>,
    input: Vec<u8>,
    at: usize,
}

impl<L: Link> Wire<L> {
    pub(crate) fn new(link: L, clock: Clock, watchdog: Option<Duration>) -> Self {
        Self { link, clock, watchdog, input: Vec::new(), at: 0 }
    }

    /// Waits up to `within` for input; false when none came.
    async fn fill(&mut self, within: Duration) -> Result<bool, Ended> {
        if self.bitten() {
            return Err(Ended::WatchdogReset);
        }
        let bites = self.watchdog.map_or(Duration::MAX, |at| at.saturating_sub(self.clock.now()));
        if self.at == self.input.len() {
            self.input.clear();
            self.at = 0;
        }
        let keep = self.input.len();
        self.input.resize(keep + INPUT, 0);
        let came = self.link.recv(&mut self.input[keep..], within.min(bites)).await;
        self.input.truncate(keep + came.as_ref().copied().unwrap_or(0));
        match came {
            Ok(_) => Ok(true),
            Err(LinkError::Timeout(_)) if self.bitten() => Err(Ended::WatchdogReset),
            Err(LinkError::Timeout(_)) => Ok(false),
            Err(_) => Err(Ended::Unplugged),
        }
    }

    fn bitten(&self) -> bool {
        self.watchdog.is_some_and(|at| at <= self.clock.now())
    }

    /// The next byte, or `None` when none came `within` this time.
    pub(crate) async fn byte_within(&mut self, within: Duration) -> Result<Option<u8>, Ended> {
        if self.at == self.input.len() && !self.fill(within).await? {
            return Ok(None);
        }
        let byte = self.input[self.at];
        self.at += 1;
        Ok(Some(byte))
    }

    /// The next byte, however long it takes.
    pub(crate) async fn byte(&mut self) -> Result<u8, Ended> {
        loop {
            if let Some(byte) = self.byte_within(Duration::MAX).await? {
                return Ok(byte);
            }
        }
    }

    /// Fills `into`, however long it takes.
    pub(crate) async fn take(&mut self, into: &mut [u8]) -> Result<(), Ended> {
        let mut done = 0;
        while done < into.len() {
            if self.at == self.input.len() && !self.fill(Duration::MAX).await? {
                continue;
            }
            let n = (into.len() - done).min(self.input.len() - self.at);
            into[done..done + n].copy_from_slice(&self.input[self.at..self.at + n]);
            done += n;
            self.at += n;
        }
        Ok(())
    }

    /// Reads so many bytes and forgets them.
    pub(crate) async fn skip(&mut self, bytes: u32) -> Result<(), Ended> {
        for _ in 0..bytes {
            self.byte().await?;
        }
        Ok(())
    }

    pub(crate) async fn array<const N: usize>(&mut self) -> Result<[u8; N], Ended> {
        let mut bytes = [0; N];
        self.take(&mut bytes).await?;
        Ok(bytes)
    }

    pub(crate) async fn u16(&mut self) -> Result<u16, Ended> {
        Ok(u16::from_be_bytes(self.array().await?))
    }

    pub(crate) async fn u32(&mut self) -> Result<u32, Ended> {
        Ok(u32::from_be_bytes(self.array().await?))
    }

    pub(crate) async fn u64(&mut self) -> Result<u64, Ended> {
        Ok(u64::from_be_bytes(self.array().await?))
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) -> Result<(), Ended> {
        if self.bitten() {
            return Err(Ended::WatchdogReset);
        }
        self.link.send(bytes).await.map_err(|_| Ended::Unplugged)
    }

    /// Does nothing for this long; what arrives meanwhile is kept.
    pub(crate) async fn pause(&mut self, time: Duration) -> Result<(), Ended> {
        let until = self.clock.now().saturating_add(time);
        loop {
            let left = until.saturating_sub(self.clock.now());
            if left.is_zero() {
                return Ok(());
            }
            self.fill(left).await?;
        }
    }

    /// Never says anything again; ends only with the plug-in.
    pub(crate) async fn silence(&mut self) -> Result<Infallible, Ended> {
        loop {
            self.byte().await?;
        }
    }
}
