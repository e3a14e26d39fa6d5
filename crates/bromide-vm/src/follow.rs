//! The phone is followed: each face goes into the guest the moment it appears, and comes out when it leaves.
//!
//! Promises: one port chain of the host, one port of the guest; whatever ends the run, the guest keeps nothing of
//! this tool's and the phone goes back to the host's drivers; every wait has a bound.

use std::fs;
use std::time::{Duration, Instant, SystemTime};

use bromide_link::Cancel;
use bromide_link::usb::{Change, Device, Places, Watch};
use bromide_proto::bus::{Face, Sighting};
use bromide_proto::link::LinkError;

use crate::error::VmError;
use crate::guest::{Guest, GuestPort, Held};
use crate::holder;
use crate::machine::{HostDevice, Machine};
use crate::take_back::{out, returned, take_back};

/// How long a device that is there may still be refused: rights are given a moment after the device came.
const RIGHTS: Duration = Duration::from_secs(2);
/// Between two tries.
const AGAIN: Duration = Duration::from_millis(20);
/// How often the machine is asked whether it is still on while nothing happens on USB.
const LOOK: Duration = Duration::from_millis(200);
/// More than that since the device's file was made: it was there before.
const LONG_AGO: Duration = Duration::from_secs(60);

/// What is wished.
#[derive(Debug, Clone)]
pub struct Wish {
    /// Where the system shows its devices.
    pub places: Places,
    /// Only the phone at this port chain; `None`: the first that shows a wished face.
    pub port: Option<String>,
    /// The faces that go into the guest.
    pub faces: Vec<Face>,
    /// Whether the guest's resets of the port reach the phone.
    pub guest_reset: bool,
}

/// What happens meanwhile. Times are since the moment named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A face appeared, or was there when watching began.
    Came {
        /// What it shows.
        seen: Sighting,
        /// It was there before.
        before: bool,
    },
    /// It is none of those wished for; it stays with the host.
    Passed(Sighting),
    /// A phone came at another port than the one that is followed; it stays with the host.
    Elsewhere {
        /// What it shows, and where.
        seen: Sighting,
        /// The port that is followed.
        followed: String,
    },
    /// The user wishes to stop while the guest has the phone.
    TakingBack,
    /// The guest has it.
    Attached {
        /// What it shows.
        seen: Sighting,
        /// Where.
        port: GuestPort,
        /// How long the machine took.
        took: Duration,
        /// Since the kernel made the device's file; `None`: it was there before, or that is not known.
        since_kernel: Option<Duration>,
    },
    /// It left before the guest had it.
    Missed {
        /// What it showed.
        seen: Sighting,
        /// For how long it was tried.
        tried: Duration,
        /// How long it was there, as far as is known.
        stayed: Duration,
    },
    /// It could not be attached, though it is there; the next face is tried again.
    NotAttached(Sighting, VmError),
    /// The face is gone.
    Left {
        /// What it showed.
        seen: Sighting,
        /// How long it was there.
        stayed: Duration,
    },
    /// The guest has let go of it.
    Detached {
        /// Its name in the machine.
        id: String,
        /// How long that took.
        took: Duration,
        /// It was left there by an earlier run.
        stale: bool,
    },
    /// The host's drivers have it again; none: no driver took it.
    GivenBack {
        /// Where it is.
        port: String,
        /// Their names.
        drivers: Vec<String>,
    },
}

/// What the guest holds at present.
#[derive(Debug)]
struct Now {
    held: Held,
    device: Device,
}

/// Follows one phone into one machine.
#[derive(Debug)]
pub struct Follower<'a> {
    machine: &'a mut dyn Machine,
    wish: Wish,
    port: GuestPort,
    /// What an earlier run has left in the guest.
    left: Vec<Held>,
    now: Option<Now>,
    /// An attachment failed in a way that leaves open whether the guest has it.
    doubtful: bool,
}

impl<'a> Follower<'a> {
    /// Everything goes to this port, which [`Guest::choose`] has found free in this guest.
    pub fn new(machine: &'a mut dyn Machine, guest: &Guest, port: GuestPort, wish: Wish) -> Self {
        Self { machine, wish, port, left: guest.ours(), now: None, doubtful: false }
    }

    /// Follows until the user wishes to stop (which is how it is meant to end), then takes the phone back.
    ///
    /// # Errors
    /// [`VmError::Gone`] when the machine was switched off; the bus cannot be watched; several phones and no choice;
    /// or the machine does not let go of the phone at the end.
    pub fn follow(&mut self, cancel: &Cancel, tell: &mut dyn FnMut(&Event)) -> Result<(), VmError> {
        for held in core::mem::take(&mut self.left) {
            out(self.machine, &held, &self.wish.places, tell)?;
        }
        let followed = self.watch(cancel, tell);
        if self.now.is_some() && followed.is_ok() {
            tell(&Event::TakingBack);
        }
        // Also after a failure: what is left in the guest hinders the next run.
        let ended = self.end(tell);
        followed.and(ended)
    }

    fn watch(&mut self, cancel: &Cancel, tell: &mut dyn FnMut(&Event)) -> Result<(), VmError> {
        let mut watch = Watch::new(self.wish.places.clone());
        let mut first = Vec::new();
        loop {
            // What is there at the beginning is looked at together: two phones are no choice.
            match watch.next(if first.is_empty() { LOOK } else { Duration::ZERO }, cancel) {
                // Whatever came just before the wish to stop stays with the host.
                Ok(_) if cancel.is_set() => return Ok(()),
                Ok(change @ Change::Came { before: true, .. }) => first.push(change),
                Ok(change) => {
                    self.begin(&mut first, cancel, tell)?;
                    self.changed(change, cancel, tell)?;
                }
                Err(LinkError::Timeout(_)) => {
                    self.begin(&mut first, cancel, tell)?;
                    self.machine.check()?;
                }
                Err(LinkError::Cancelled) => return Ok(()),
                Err(e) => return Err(VmError::Usb(e.to_string())),
            }
        }
    }

    /// The phones that were there before.
    fn begin(
        &mut self,
        first: &mut Vec<Change>,
        cancel: &Cancel,
        tell: &mut dyn FnMut(&Event),
    ) -> Result<(), VmError> {
        let ports: Vec<String> = first.iter().filter_map(|change| self.wanted(change)).collect();
        if ports.len() > 1 {
            return Err(VmError::SeveralPhones(ports));
        }
        for change in first.drain(..) {
            self.changed(change, cancel, tell)?;
        }
        Ok(())
    }

    /// The port of a phone that would be taken.
    fn wanted(&self, change: &Change) -> Option<String> {
        let Change::Came { seen, .. } = change else { return None };
        let here = self.wish.port.as_ref().is_none_or(|port| *port == seen.port);
        (here && self.wish.faces.contains(&seen.face)).then(|| seen.port.clone())
    }

    fn changed(
        &mut self,
        change: Change,
        cancel: &Cancel,
        tell: &mut dyn FnMut(&Event),
    ) -> Result<(), VmError> {
        let (Change::Came { seen, .. } | Change::Left { seen, .. }) = &change;
        let wished = self.wish.faces.contains(&seen.face);
        if let Some(followed) = self.wish.port.clone().filter(|port| *port != seen.port) {
            if wished && matches!(change, Change::Came { .. }) {
                tell(&Event::Elsewhere { seen: seen.clone(), followed });
            }
            return Ok(());
        }
        match change {
            Change::Came { seen, device, before } => {
                tell(&Event::Came { seen: seen.clone(), before });
                if wished {
                    self.attach(seen, device, before, cancel, tell)
                } else {
                    tell(&Event::Passed(seen));
                    Ok(())
                }
            }
            Change::Left { seen, stayed } => {
                tell(&Event::Left { seen, stayed });
                self.let_go(tell)
            }
        }
    }

    /// Hands a face over, trying again while it is there and rights may still come.
    fn attach(
        &mut self,
        seen: Sighting,
        device: Device,
        before: bool,
        cancel: &Cancel,
        tell: &mut dyn FnMut(&Event),
    ) -> Result<(), VmError> {
        self.let_go(tell)?;
        let host = HostDevice::of(&device, &self.wish.places);
        let made = (!before).then(|| fs::metadata(&host.node).and_then(|it| it.modified()).ok()).flatten();
        let begun = Instant::now();
        let why = loop {
            let asked = Instant::now();
            let answer = match holder::of(&device, &self.wish.places) {
                Some(by) => Err(VmError::Claimed(by)),
                None => self.machine.attach(&host, &self.port, self.wish.guest_reset),
            };
            match answer {
                Ok(held) => {
                    let since_kernel = made.and_then(|made| SystemTime::now().duration_since(made).ok());
                    // From now on this port counts, whatever the phone shows there.
                    self.wish.port.get_or_insert_with(|| seen.port.clone());
                    self.now = Some(Now { held, device });
                    tell(&Event::Attached {
                        seen,
                        port: self.port.clone(),
                        took: asked.elapsed(),
                        since_kernel: since_kernel.filter(|since| *since < LONG_AGO),
                    });
                    return Ok(());
                }
                Err(VmError::Gone) => return Err(VmError::Gone),
                // The last face has not been let go of yet, or an answer came too late to be heard.
                Err(VmError::PortTaken { .. }) if begun.elapsed() < RIGHTS => {
                    take_back(self.machine, &self.wish.places, tell)?;
                }
                Err(VmError::Denied(_) | VmError::PhoneGone(_) | VmError::Claimed(_))
                    if begun.elapsed() < RIGHTS => {}
                Err(why) => break why,
            }
            if cancel.is_set() || !device.is_there(&self.wish.places) {
                break VmError::PhoneGone(host.node.display().to_string());
            }
            std::thread::sleep(AGAIN);
        };
        self.doubtful = matches!(why, VmError::NoAnswer(_) | VmError::Refused(_));
        if cancel.is_set() {
            return Ok(());
        }
        if device.is_there(&self.wish.places) {
            tell(&Event::NotAttached(seen, why));
        } else {
            let stayed = made.and_then(|made| SystemTime::now().duration_since(made).ok());
            let tried = begun.elapsed();
            tell(&Event::Missed { seen, tried, stayed: stayed.unwrap_or(tried) });
        }
        Ok(())
    }

    /// Takes out of the guest what is in it.
    fn let_go(&mut self, tell: &mut dyn FnMut(&Event)) -> Result<(), VmError> {
        if core::mem::take(&mut self.doubtful) {
            take_back(self.machine, &self.wish.places, tell)?;
        }
        let Some(now) = self.now.take() else { return Ok(()) };
        let begun = Instant::now();
        match self.machine.detach(&now.held) {
            Ok(()) | Err(VmError::NoDevice(_)) => {
                tell(&Event::Detached { id: now.held.id, took: begun.elapsed(), stale: false });
                Ok(())
            }
            Err(e) => {
                self.now = Some(now);
                Err(e)
            }
        }
    }

    fn end(&mut self, tell: &mut dyn FnMut(&Event)) -> Result<(), VmError> {
        let port = self.now.as_ref().map(|now| now.device.port.clone());
        let mut over = self.let_go(tell);
        if over.is_ok() {
            over = take_back(self.machine, &self.wish.places, tell);
        }
        // Nor has a machine that was killed given anything back.
        if let Some(port) = port.filter(|_| matches!(over, Ok(()) | Err(VmError::Gone))) {
            returned(&port, &self.wish.places, tell);
        }
        over
    }
}

#[cfg(test)]
mod tests;
