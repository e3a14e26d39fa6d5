//! Every coming and going of a phone, one after the other.

use core::time::Duration;
use std::io;
use std::time::Instant;

use bromide_proto::bus::Sighting;
use bromide_proto::link::LinkError;

use super::arrivals::Arrivals;
use super::listing::{Device, Places, phones};
use crate::cancel::Cancel;

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A phone showed a face.
    Came {
        /// What it shows.
        seen: Sighting,
        /// The device behind it.
        device: Device,
        /// Whether it was there already when watching began, so that nobody knows since when.
        before: bool,
    },
    /// It is gone.
    Left {
        /// What it showed.
        seen: Sighting,
        /// How long it was there, or at least how long it was watched.
        stayed: Duration,
    },
}

/// Watches the bus. Needs neither root nor a device daemon.
#[derive(Debug)]
pub struct Watch {
    places: Places,
    arrivals: Arrivals,
    present: Vec<(Sighting, Device, Instant)>,
    waiting: Vec<Change>,
    begun: bool,
}

impl Watch {
    /// Begins to watch. What is there already is reported first.
    pub fn new(places: Places) -> Self {
        let (present, waiting) = (Vec::new(), Vec::new());
        Self { places, arrivals: Arrivals::new(), present, waiting, begun: false }
    }

    /// Waits for the next change.
    ///
    /// # Errors
    /// [`LinkError::Timeout`] when nothing changed `within` that time, [`LinkError::Cancelled`], and
    /// [`LinkError::Other`] (an [`io::Error`]) when the system has no USB bus.
    pub fn next(&mut self, within: Duration, cancel: &Cancel) -> Result<Change, LinkError> {
        let until = Instant::now().checked_add(within);
        loop {
            if self.waiting.is_empty() {
                self.look().map_err(|e| LinkError::Other(e.into()))?;
            }
            if !self.waiting.is_empty() {
                return Ok(self.waiting.remove(0));
            }
            if cancel.is_set() {
                return Err(LinkError::Cancelled);
            }
            if until.is_some_and(|u| Instant::now() >= u) {
                return Err(LinkError::Timeout(within));
            }
            self.arrivals.wait(until);
        }
    }

    /// Looks once and notes what changed: first what left, then what came.
    fn look(&mut self) -> io::Result<()> {
        let now = Instant::now();
        let mut there = phones(&self.places)?;
        let (stay, left): (Vec<_>, Vec<_>) = core::mem::take(&mut self.present)
            .into_iter()
            .partition(|(_, d, _)| there.iter().any(|t| t.1 == *d));
        self.waiting.extend(
            left.into_iter().map(|(seen, _, since)| Change::Left { seen, stayed: now.duration_since(since) }),
        );
        there.retain(|(_, d)| stay.iter().all(|s| s.1 != *d));
        self.present = stay;
        for (seen, device) in there {
            self.present.push((seen.clone(), device.clone(), now));
            self.waiting.push(Change::Came { seen, device, before: !self.begun });
        }
        self.begun = true;
        Ok(())
    }
}
