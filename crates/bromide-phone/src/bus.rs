//! A phone on a bus inside one process: it comes, leaves and returns with another face, on a virtual or real clock.
//!
//! Promises: closing the port is not pulling the cable; the phone goes on, and what it said meanwhile is there when
//! the port is opened again. Opening takes what it takes on a real bus: the hub's debounce and reset, enumeration,
//! and the host's next look (`test-bench.md` section 3). The host is seen by nothing but its bytes.

use core::time::Duration;
use std::cell::RefCell;
use std::rc::Rc;

use bromide_proto::bus::{Bus, BusSpeed, Face, Sighting};
use bromide_proto::link::{Link, LinkError};

use crate::cable::PhoneLink;
use crate::clock::Clock;
use crate::options::Boot;
use crate::pace::Pace;
use crate::phone::Phone;
use crate::usb::HighSpeed;
use crate::wire::Ended;

/// Away from the bus between `70` and 0e8d:2001 (`da-legacy.md` section 3.2).
const SWITCHES: Duration = Duration::from_millis(200);
/// Away between a restart and the BootROM, with the key held.
const RESTARTS: Duration = Duration::from_millis(300);

/// How the bus and the hands around it behave.
#[derive(Debug, Clone)]
pub struct BusManner {
    /// From the phone's pull-up to an enumerated device: 100 ms of debounce (USB 2.0 section 7.1.7.3), reset, and
    /// the first requests.
    pub enumerates: Duration,
    /// The host looks this often.
    pub looks: Duration,
    /// When the phone is plugged in, by the clock.
    pub plugged_at: Duration,
    /// The key that holds the phone in its BootROM is held whenever the phone restarts, or from this time on.
    pub key_from: Option<Duration>,
    /// When the user takes the phone off, its battery out, and plugs it in again.
    pub power_cycle_at: Option<Duration>,
    /// What happens at 0e8d:2001, counted in bytes to the host since the port was opened. Where the link aborts,
    /// transfers fail until the port is opened again, and what was under way is lost.
    pub high_speed: HighSpeed,
    /// Speed of the bytes.
    pub pace: Pace,
}

impl Default for BusManner {
    fn default() -> Self {
        Self {
            enumerates: Duration::from_millis(150),
            looks: Duration::from_millis(15),
            plugged_at: Duration::ZERO,
            key_from: Some(Duration::ZERO),
            power_cycle_at: None,
            high_speed: HighSpeed::Ok,
            pace: Pace::None,
        }
    }
}

/// Where the phone is.
enum Whereabouts {
    /// Not on the bus; enumerated with this face at that time, if ever.
    Away(Box<Phone>, Option<(Face, Duration)>),
    /// On the bus, the port closed.
    Closed(Face, Box<PhoneLink>),
    /// On the bus, the port open.
    Open,
}

struct Place {
    manner: BusManner,
    clock: Clock,
    phone: Option<Whereabouts>,
}

/// The bus, with one port and one phone.
pub struct PhoneBus(Rc<RefCell<Place>>);

impl PhoneBus {
    /// A phone that will be plugged in when its manner says.
    #[must_use]
    pub fn new(phone: Phone, clock: Clock, manner: BusManner) -> Self {
        let face = boot_face(&phone);
        let comes = manner.plugged_at.saturating_add(manner.enumerates);
        let phone = Some(Whereabouts::Away(Box::new(phone), Some((face, comes))));
        Self(Rc::new(RefCell::new(Place { manner, clock, phone })))
    }

    /// The clock that everything on this bus is measured with.
    #[must_use]
    pub fn clock(&self) -> Clock {
        self.0.borrow().clock.clone()
    }
}

fn boot_face(phone: &Phone) -> Face {
    match phone.options.boot {
        Boot::BootRom => Face::BootRom,
        Boot::Preloader => Face::Preloader,
    }
}

impl Place {
    /// Lets the phone come and go as it would have until now; gives the face it shows.
    fn look(&mut self) -> Option<Face> {
        loop {
            match self.phone.take()? {
                Whereabouts::Away(phone, Some((face, at))) if at <= self.clock.now() => {
                    let link = PhoneLink::plug_paced(*phone, self.clock.clone(), self.manner.pace);
                    self.phone = Some(Whereabouts::Closed(face, Box::new(link)));
                }
                Whereabouts::Closed(face, mut link) => {
                    link.crank();
                    let now = self.clock.now();
                    let pulled = self.manner.power_cycle_at.take_if(|at| *at <= now).is_some();
                    if link.ended().is_none() && !pulled {
                        self.phone = Some(Whereabouts::Closed(face, link));
                        return Some(face);
                    }
                    self.leaves(*link);
                }
                away => {
                    self.phone = Some(away);
                    return None;
                }
            }
        }
    }

    /// Lets time pass until then. The phone lives through it whether or not a host looks.
    fn pass(&mut self, until: Duration) {
        loop {
            self.look();
            let due = match &self.phone {
                Some(Whereabouts::Away(_, Some((_, comes)))) => Some(*comes),
                Some(Whereabouts::Closed(_, link)) => link.wakes(),
                _ => None,
            };
            match due.filter(|at| *at > self.clock.now() && *at < until) {
                Some(at) => self.clock.sleep_until(at),
                None => return self.clock.sleep_until(until),
            }
        }
    }

    /// The phone left by itself, or its cable was pulled: what comes next.
    fn leaves(&mut self, link: PhoneLink) {
        let (mut phone, ended) = link.unplug();
        let now = self.clock.now();
        let next = match ended {
            Ended::ReturnsAs2001 => Some((Face::Agent, now.saturating_add(SWITCHES))),
            // D9 switches the phone off: nothing follows.
            Ended::Finished(_) => None,
            _ => {
                phone.power_off();
                self.manner.key_from.map(|from| {
                    phone.options.boot = Boot::BootRom;
                    (Face::BootRom, from.max(now.saturating_add(RESTARTS)))
                })
            }
        };
        let next = next.map(|(face, at)| (face, at.saturating_add(self.manner.enumerates)));
        self.phone = Some(Whereabouts::Away(Box::new(phone), next));
    }
}

impl Bus for PhoneBus {
    type Link = BusLink;

    async fn meet(&mut self, faces: &[Face], within: Duration) -> Result<(Sighting, BusLink), LinkError> {
        let until = self.now().saturating_add(within);
        loop {
            let mut place = self.0.borrow_mut();
            if place.look().is_some_and(|face| faces.contains(&face))
                && let Some(Whereabouts::Closed(face, link)) = place.phone.replace(Whereabouts::Open)
            {
                let fault = if face == Face::Agent { place.manner.high_speed } else { HighSpeed::Ok };
                let place = Rc::clone(&self.0);
                let open = BusLink { link: Some(link), face, place, heard: 0, fault, broken: false };
                return Ok((sighting(face), open));
            }
            let now = place.clock.now();
            if now >= until {
                return Err(LinkError::Timeout(within));
            }
            let next = now.saturating_add(place.manner.looks.max(Duration::from_millis(1))).min(until);
            place.pass(next);
        }
    }

    fn now(&self) -> Duration {
        self.0.borrow().clock.now()
    }
}

fn sighting(face: Face) -> Sighting {
    let (pid, speed) = match face {
        Face::BootRom => (0x0003, BusSpeed::Full),
        Face::Preloader => (0x2000, BusSpeed::High),
        Face::Agent => (0x2001, BusSpeed::High),
        Face::Android => (0x2008, BusSpeed::High),
    };
    Sighting { face, vid: 0x0e8d, pid, port: "virtual".to_owned(), speed }
}

/// An open port.
pub struct BusLink {
    link: Option<Box<PhoneLink>>,
    face: Face,
    place: Rc<RefCell<Place>>,
    heard: u64,
    fault: HighSpeed,
    broken: bool,
}

impl BusLink {
    /// The phone's end of the cable, to see why it is gone.
    #[must_use]
    pub fn ended(&self) -> Option<Ended> {
        self.link.as_ref().and_then(|link| link.ended())
    }

    /// Takes the phone off the cable and its battery out; with its key held it returns in its BootROM. Nothing comes
    /// over this link any more.
    pub fn pull(&mut self) {
        if let Some(link) = self.link.take() {
            self.place.borrow_mut().leaves(*link);
        }
    }

    fn open(&mut self) -> Result<&mut PhoneLink, LinkError> {
        if self.broken {
            return Err(LinkError::Other("transfer error".into()));
        }
        self.link.as_deref_mut().ok_or(LinkError::Unplugged)
    }

    /// Counts what came, and lets the fault happen.
    fn count(&mut self, came: usize) -> Result<usize, LinkError> {
        self.heard = self.heard.saturating_add(came as u64);
        match self.fault {
            HighSpeed::Aborts(after) if self.heard > after => {
                self.broken = true;
                if let Some(link) = &mut self.link {
                    link.lose_all();
                }
                Err(LinkError::Other("transfer error".into()))
            }
            HighSpeed::Dies(after) if self.heard > after => {
                self.pull();
                Err(LinkError::Unplugged)
            }
            _ => Ok(came),
        }
    }
}

impl Link for BusLink {
    async fn send(&mut self, bytes: &[u8]) -> Result<(), LinkError> {
        self.open()?.send(bytes).await
    }

    async fn recv(&mut self, into: &mut [u8], within: Duration) -> Result<usize, LinkError> {
        let came = self.open()?.recv(into, within).await?;
        self.count(came)
    }

    fn now(&self) -> Duration {
        self.link.as_ref().map_or_else(|| self.place.borrow().clock.now(), |link| link.now())
    }
}

impl Drop for BusLink {
    /// The port is closed; the cable stays.
    fn drop(&mut self) {
        if let (Some(link), Ok(mut place)) = (self.link.take(), self.place.try_borrow_mut()) {
            place.phone = Some(Whereabouts::Closed(self.face, link));
        }
    }
}
