//! How fast the modelled link is: full speed, high speed, or as fast as it goes.
//!
//! Promises: at most 19 bulk packets of 64 bytes in a frame of 1 ms at full speed, 13 of 512 bytes in a
//! microframe of 125 us at high speed, and one frame for each turn of direction, whose last moment carries the
//! first packet of the new direction. What the other side does inside that frame is hidden by it. Bytes arrive no
//! earlier than the model says.
//!
//! The model's time runs ahead of or behind the clock like a bus whose host keeps reads queued: a phone thread
//! that wakes late catches up, but never by more than [`QUEUED`] bytes.

use core::time::Duration;
use std::str::FromStr;

use bromide_proto::link::{Link, LinkError};

use crate::clock::Clock;
use crate::options::UnknownWord;

/// Bytes handed over at once.
const SLICE: usize = 16 * 1024;
/// Bytes of reads a USB host keeps queued, so that a stall of its own costs nothing.
const QUEUED: u64 = 256 * 1024;

/// Speed of the link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Pace {
    /// As fast as it goes.
    #[default]
    None,
    /// At most 1,216,000 bytes a second.
    FullSpeed,
    /// At most 53,248,000 bytes a second.
    HighSpeed,
}

impl FromStr for Pace {
    type Err = UnknownWord;
    fn from_str(s: &str) -> Result<Self, UnknownWord> {
        match s {
            "none" => Ok(Self::None),
            "full-speed" => Ok(Self::FullSpeed),
            "high-speed" => Ok(Self::HighSpeed),
            _ => Err(UnknownWord::new(s, "none, full-speed, high-speed")),
        }
    }
}

/// Bulk packets and frames of one speed.
#[derive(Debug, Clone, Copy)]
struct Bus {
    packet: u64,
    packets_per_frame: u64,
    frame_nanos: u64,
}

impl Pace {
    fn bus(self) -> Option<Bus> {
        match self {
            Self::None => None,
            Self::FullSpeed => Some(Bus { packet: 64, packets_per_frame: 19, frame_nanos: 1_000_000 }),
            Self::HighSpeed => Some(Bus { packet: 512, packets_per_frame: 13, frame_nanos: 125_000 }),
        }
    }

    /// Most bytes a second, without turns; `None` = no limit.
    #[must_use]
    pub fn bytes_per_second(self) -> Option<u64> {
        self.bus().map(|bus| bus.packet * bus.packets_per_frame * 1_000_000_000 / bus.frame_nanos)
    }
}

impl Bus {
    fn time(&self, bytes: u64) -> Duration {
        Duration::from_nanos(bytes.div_ceil(self.packet) * self.frame_nanos / self.packets_per_frame)
    }

    /// What a turn costs besides the packets of the new direction, the first of which is part of the frame.
    fn turn(&self) -> Duration {
        Duration::from_nanos(self.frame_nanos).saturating_sub(self.time(1))
    }
}

/// A link of the phone's side slowed down to a pace.
#[derive(Debug)]
pub struct Paced<L> {
    inner: L,
    bus: Option<Bus>,
    clock: Clock,
    /// When the bus is free again.
    free: Duration,
    sending: bool,
    held: Vec<u8>,
}

impl<L: Link> Paced<L> {
    /// Slows `inner` down; with [`Pace::None`] nothing changes.
    pub fn new(inner: L, pace: Pace, clock: Clock) -> Self {
        let free = clock.now();
        Self { inner, bus: pace.bus(), clock, free, sending: true, held: Vec::new() }
    }

    async fn flush(&mut self) -> Result<(), LinkError> {
        let Some(bus) = self.bus else { return Ok(()) };
        if self.held.is_empty() {
            return Ok(());
        }
        if !self.sending {
            self.sending = true;
            self.free += bus.turn();
        }
        let oldest = self.clock.now().saturating_sub(bus.time(QUEUED));
        self.free = self.free.max(oldest) + bus.time(self.held.len() as u64);
        self.clock.sleep_until(self.free);
        self.inner.send(&self.held).await?;
        self.held.clear();
        Ok(())
    }
}

impl<L: Link> Link for Paced<L> {
    async fn send(&mut self, bytes: &[u8]) -> Result<(), LinkError> {
        if self.bus.is_none() {
            return self.inner.send(bytes).await;
        }
        let mut rest = bytes;
        while !rest.is_empty() {
            let (now, later) = rest.split_at(rest.len().min(SLICE - self.held.len()));
            self.held.extend_from_slice(now);
            rest = later;
            if self.held.len() == SLICE {
                self.flush().await?;
            }
        }
        Ok(())
    }

    async fn recv(&mut self, into: &mut [u8], within: Duration) -> Result<usize, LinkError> {
        let Some(bus) = self.bus else { return self.inner.recv(into, within).await };
        self.flush().await?;
        let came = self.inner.recv(into, within).await;
        // A phone that waited in vain speaks next at the clock's time, not at the model's.
        let turned = if self.sending { self.free + bus.turn() } else { self.free };
        self.free = self.clock.now().max(if came.is_ok() { turned } else { self.free });
        let n = came?;
        self.sending = false;
        self.free += bus.time(n as u64);
        self.clock.sleep_until(self.free);
        Ok(n)
    }

    fn now(&self) -> Duration {
        self.inner.now()
    }
}
