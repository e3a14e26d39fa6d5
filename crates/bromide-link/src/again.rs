//! A named place that is opened again and again: a serial port or a TCP address seen as a [`Bus`].
//!
//! Promises: which face the phone shows there is not known, so the first one asked for is believed; ids are 0.
//! A port that vanishes and returns under its name is followed; one that returns under another name is not.

use core::time::Duration;
use std::path::PathBuf;
use std::time::Instant;

use bromide_proto::bus::{Bus, BusSpeed, Face, Sighting};
use bromide_proto::link::LinkError;

use crate::cancel::Cancel;
use crate::serial::{OpenOptions, SerialLink};
use crate::tcp::TcpLink;

/// A phone that was just asked to leave has this long to do so before its place is opened again: without a list of
/// devices there is no other sign.
const LEAVES: Duration = Duration::from_millis(150);

fn seen(face: Option<&Face>, place: String) -> Sighting {
    let face = face.copied().unwrap_or(Face::BootRom);
    Sighting { face, vid: 0, pid: 0, port: place, speed: BusSpeed::Unknown }
}

/// Waits before every meeting but the first.
#[derive(Debug, Default)]
struct Meetings(u32);

impl Meetings {
    fn pause(&mut self, cancel: &Cancel) {
        if self.0 > 0 {
            cancel.sleep_until(Instant::now() + LEAVES);
        }
        self.0 = self.0.saturating_add(1);
    }
}

/// A serial port by name.
#[derive(Debug)]
pub struct SerialBus {
    path: PathBuf,
    cancel: Cancel,
    meetings: Meetings,
}

impl SerialBus {
    /// The tty at `path`, which need not be there yet.
    pub fn new(path: PathBuf, cancel: Cancel) -> Self {
        Self { path, cancel, meetings: Meetings::default() }
    }
}

impl Bus for SerialBus {
    type Link = SerialLink;

    async fn meet(&mut self, faces: &[Face], within: Duration) -> Result<(Sighting, SerialLink), LinkError> {
        self.meetings.pause(&self.cancel);
        let options = OpenOptions { cancel: self.cancel.clone(), wait: within };
        let link = SerialLink::open(&self.path, options)?;
        Ok((seen(faces.first(), self.path.display().to_string()), link))
    }

    fn now(&self) -> Duration {
        crate::stream::now()
    }
}

/// A TCP address.
#[derive(Debug)]
pub struct TcpBus {
    address: String,
    cancel: Cancel,
    meetings: Meetings,
}

impl TcpBus {
    /// `HOST:PORT`, where a phone is served or will be.
    pub fn new(address: String, cancel: Cancel) -> Self {
        Self { address, cancel, meetings: Meetings::default() }
    }
}

impl Bus for TcpBus {
    type Link = TcpLink;

    async fn meet(&mut self, faces: &[Face], within: Duration) -> Result<(Sighting, TcpLink), LinkError> {
        self.meetings.pause(&self.cancel);
        let link = TcpLink::connect(&self.address, within, self.cancel.clone())?;
        Ok((seen(faces.first(), self.address.clone()), link))
    }

    fn now(&self) -> Duration {
        crate::stream::now()
    }
}
