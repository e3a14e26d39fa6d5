//! Which events are the phone's: those of other devices, a keyboard's say, go no further than this.
//!
//! A device is known by its answer to the question which it is, which the kernel asks at every new address and
//! after every reset; until then its events are held. A phone is known by the port it is at, which sysfs shows a
//! moment after that answer; until then they are held too. Everything that is held is bounded in number, size and
//! time.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use bromide_capture::{UsbmonEvent, UsbmonStep};
use bromide_proto::bus::Face;

use super::super::listing::Device;
use super::wanted::WantedPort;

/// Bus, and address on it.
pub(super) type Address = (u16, u8);

/// Of one device. An enumeration takes a few dozen events of some hundred bytes.
const MOST_HELD: usize = 256;
const MOST_HELD_BYTES: usize = 1 << 20;
/// An enumeration is over within 5 s or has failed (`USB_CTRL_GET_TIMEOUT` of Linux), give or take.
const LONGEST_HELD: Duration = Duration::from_secs(10);

/// An event of the phone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Kept {
    pub(super) event: UsbmonEvent,
    pub(super) note: Option<String>,
    /// Nobody saw it: it stands for what the device said before the recording.
    pub(super) made_up: bool,
}

/// Events that wait.
#[derive(Debug)]
struct Held {
    events: Vec<UsbmonEvent>,
    bytes: usize,
    since: Instant,
}

impl Held {
    fn new(now: Instant) -> Self {
        Self { events: Vec::new(), bytes: 0, since: now }
    }

    fn push(&mut self, event: UsbmonEvent) {
        self.bytes += event.size();
        self.events.push(event);
    }

    fn is_full(&self) -> bool {
        self.events.len() >= MOST_HELD || self.bytes >= MOST_HELD_BYTES
    }

    fn is_old(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.since) >= LONGEST_HELD
    }
}

/// What is known of an address.
#[derive(Debug)]
enum State {
    /// Another device, or a phone that is not meant.
    Other,
    /// The phone.
    Phone,
    /// A device that was asked which it is, or is new.
    Asked { before: Before, question: Option<u64>, held: Held },
    /// A phone, nobody knows where yet.
    Somewhere { ids: (u16, u16), held: Held },
}

/// What an address was before the question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Before {
    Nothing,
    Other,
    Phone,
}

/// Chooses.
#[derive(Debug)]
pub(super) struct Sort {
    devices: HashMap<Address, State>,
    wanted: WantedPort,
    /// The phone's events, in order, to be taken.
    pub(super) kept: Vec<Kept>,
    /// What the user should know, to be taken.
    pub(super) told: Vec<String>,
}

impl Sort {
    pub(super) fn new(wanted: WantedPort) -> Self {
        Self { devices: HashMap::new(), wanted, kept: Vec::new(), told: Vec::new() }
    }

    /// A device that was there before the recording began, and its descriptor.
    pub(super) fn was_there(&mut self, device: &Device, descriptor: &[u8; 18], at: Duration) {
        let address = address_of(device);
        let ids = (device.vid, device.pid);
        let state = if is_phone(ids) && self.wanted.takes(&device.port) {
            self.describe(address, descriptor, at, &said(ids, &device.port));
            State::Phone
        } else {
            State::Other
        };
        self.devices.insert(address, state);
    }

    /// Takes the next event of any device.
    pub(super) fn take(&mut self, event: UsbmonEvent, now: Instant) {
        let address = event.device();
        if address.1 == 0 {
            return; // a device that has no address yet is nobody
        }
        let state = self.devices.remove(&address);
        let state = match state {
            Some(State::Somewhere { ids, mut held }) => {
                held.push(event);
                State::Somewhere { ids, held }
            }
            Some(State::Asked { before, question, mut held }) => {
                let question = if event.asks_which() { Some(event.id()) } else { question };
                held.push(event);
                self.asked(before, question, held)
            }
            known if event.asks_which() || known.is_none() => {
                let before = match known {
                    None => Before::Nothing,
                    Some(State::Phone) => Before::Phone,
                    Some(_) => Before::Other,
                };
                let question = event.asks_which().then_some(event.id());
                let mut held = Held::new(now);
                held.push(event);
                self.asked(before, question, held)
            }
            Some(State::Phone) => {
                self.kept.push(Kept { event, note: None, made_up: false });
                State::Phone
            }
            _ => State::Other,
        };
        let state = self.bounded(address, state, now);
        self.devices.insert(address, state);
    }

    /// What the last event of a device in question says of it.
    fn asked(&mut self, before: Before, question: Option<u64>, held: Held) -> State {
        let undecided = |held| State::Asked { before, question, held };
        let Some(last) = held.events.last() else { return undecided(held) };
        let answers = matches!(last.step(), UsbmonStep::Completed(_) | UsbmonStep::Refused)
            && question.is_none_or(|it| it == last.id());
        if !answers {
            return undecided(held);
        }
        match last.tells_which() {
            Some(ids) if is_phone(ids) => State::Somewhere { ids, held },
            Some(_) => State::Other,
            // The first bytes of a descriptor: a longer one will be asked for.
            None if before == Before::Nothing || last.begins_descriptor() => undecided(held),
            None => self.as_before(before, held),
        }
    }

    /// The question came to nothing: the address is what it was.
    fn as_before(&mut self, before: Before, held: Held) -> State {
        if before == Before::Phone {
            self.release(held, None);
            return State::Phone;
        }
        State::Other
    }

    /// Gives up what is held too long.
    fn bounded(&mut self, address: Address, state: State, now: Instant) -> State {
        match state {
            State::Asked { before, held, .. } if held.is_full() || held.is_old(now) => {
                if before == Before::Nothing {
                    self.give_up(address, held.events.len(), "never said which it is");
                }
                self.as_before(before, held)
            }
            State::Somewhere { ids, held } if held.is_full() || held.is_old(now) => {
                let what = format!("said it is {}, but its port could not be found", name(ids));
                self.give_up(address, held.events.len(), &what);
                State::Other
            }
            other => other,
        }
    }

    fn give_up(&mut self, (bus, address): Address, events: usize, what: &str) {
        let told = format!(
            "a device at bus {bus}, address {address} {what}: it is left out ({events} events so far)"
        );
        self.told.push(told);
    }

    /// Whether a look at the list of devices can tell anything.
    pub(super) fn waits(&self) -> bool {
        self.devices.values().any(|state| {
            matches!(state, State::Somewhere { .. } | State::Asked { before: Before::Nothing, .. })
        })
    }

    /// These devices are there now, `descriptor` has what they say of themselves.
    pub(super) fn look(
        &mut self,
        there: &[Device],
        mut descriptor: impl FnMut(&Device) -> [u8; 18],
        at: Duration,
        now: Instant,
    ) {
        let addresses: Vec<_> = self.devices.keys().copied().collect();
        for address in addresses {
            let Some(state) = self.devices.remove(&address) else { continue };
            let device = there.iter().find(|device| address_of(device) == address);
            let state = match (state, device) {
                (State::Somewhere { ids, held }, Some(device)) if ids == (device.vid, device.pid) => {
                    self.placed(ids, &device.port, held)
                }
                // Its answer was before the recording.
                (State::Asked { before: Before::Nothing, held, .. }, Some(device)) => {
                    let ids = (device.vid, device.pid);
                    if is_phone(ids) && self.wanted.takes(&device.port) {
                        self.describe(address, &descriptor(device), at, &said(ids, &device.port));
                        self.release(held, None);
                        State::Phone
                    } else {
                        State::Other
                    }
                }
                (other, _) => other,
            };
            let state = self.bounded(address, state, now);
            self.devices.insert(address, state);
        }
    }

    fn placed(&mut self, ids: (u16, u16), port: &str, held: Held) -> State {
        if !self.wanted.takes(port) {
            return State::Other;
        }
        self.release(held, Some(said(ids, port)));
        State::Phone
    }

    fn release(&mut self, held: Held, mut note: Option<String>) {
        let kept = held.events.into_iter().map(|event| Kept { event, note: note.take(), made_up: false });
        self.kept.extend(kept);
    }

    /// Question and answer that nobody has seen.
    fn describe(&mut self, (bus, address): Address, descriptor: &[u8; 18], at: Duration, said: &str) {
        let note = format!("made up, as it was there before the recording: {said}");
        let pair = UsbmonEvent::described(bus, address, at, 0, descriptor);
        let kept = pair.into_iter().zip([Some(note), None]);
        self.kept.extend(kept.map(|(event, note)| Kept { event, note, made_up: true }));
    }

    /// Nothing more comes.
    pub(super) fn end(&mut self) {
        let left: Vec<_> = self.devices.drain().collect();
        for (address, state) in left {
            if let State::Somewhere { ids, held } = state {
                let what = format!("said it is {}, but its port could not be found", name(ids));
                self.give_up(address, held.events.len(), &what);
            }
        }
    }
}

fn address_of(device: &Device) -> Address {
    (device.bus.into(), device.address)
}

/// A phone in download mode. What is said to one that runs its own system is its user's business.
fn is_phone((vid, pid): (u16, u16)) -> bool {
    Face::of(vid, pid).is_some_and(|face| face != Face::Android)
}

fn name((vid, pid): (u16, u16)) -> String {
    let face = Face::of(vid, pid).map_or("no phone", Face::name);
    format!("{face} {vid:04x}:{pid:04x}")
}

fn said(ids: (u16, u16), port: &str) -> String {
    format!("{} at port {port}", name(ids))
}

#[cfg(test)]
mod tests;
