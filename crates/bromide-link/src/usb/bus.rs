//! The phone as it comes and goes: waits for a face, opens it, and stays with the port it was first met at.
//!
//! Promises: an appearance is noticed within [`LOOK`](super::LOOK) with or without a device daemon; only the port
//! chain identifies the phone, never its address; between two phones nothing is guessed. Where the system does not
//! let the phone be opened directly, the serial port of the same phone is used and the caller is told.

use core::fmt;
use core::time::Duration;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use bromide_proto::bus::{Bus, Face, Sighting};
use bromide_proto::link::{Link, LinkError};

use super::arrivals::Arrivals;
use super::details::tty_of;
use super::link::{Attempt, UsbLink};
use super::listing::{Device, Places, phones};
use crate::cancel::Cancel;
use crate::serial::{OpenOptions, SerialLink};

/// How long a refusal may last before it counts: the device daemon applies its rules some 50 ms after the phone is
/// there, a driver or prober that is just looking at it lets go as soon (test-bench.md section 3).
const SETTLE: Duration = Duration::from_secs(1);

/// How long the direct way is tried before the serial port of the same phone is taken instead.
const DIRECT: Duration = Duration::from_millis(250);

/// How long a phone is alone at another port before that is worth a word.
const ELSEWHERE: Duration = Duration::from_secs(1);

/// How to wait for phones.
#[derive(Debug, Clone, Default)]
pub struct UsbOptions {
    /// The flag that interrupts every wait.
    pub cancel: Cancel,
    /// The port chain of the one phone that is meant, like `1-4.2`.
    pub port: Option<String>,
    /// Where the system lists its devices.
    pub places: Places,
}

/// What the user should hear of while a phone is opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// The phone may not be opened directly; it is reached through its serial port, which can lose bytes.
    OnTty {
        /// The phone.
        seen: Sighting,
        /// The file that was refused.
        node: PathBuf,
        /// The serial port that is used.
        tty: PathBuf,
        /// The udev rule that would allow it, see [`udev_rule`].
        rule: String,
    },
    /// While one port is waited at, a phone shows a face that is waited for at another. Told once.
    Elsewhere {
        /// The phone that is not meant.
        seen: Sighting,
        /// The port that is.
        port: String,
    },
    /// The phone may not be opened directly, and there is no serial port that may.
    Refused {
        /// The phone.
        seen: Sighting,
        /// The file that was refused.
        node: PathBuf,
        /// The udev rule that would allow it, see [`udev_rule`].
        rule: String,
    },
}

/// Two phones or more, and no word which one is meant. Comes inside [`LinkError::Other`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeveralPhones(
    /// All that were there, sorted by port.
    pub Vec<Sighting>,
);

impl fmt::Display for SeveralPhones {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list: Vec<_> = self.0.iter().map(ToString::to_string).collect();
        write!(f, "{} phones are there: {}", self.0.len(), list.join("; "))
    }
}

impl core::error::Error for SeveralPhones {}

/// The system has no USB bus at all. Comes inside [`LinkError::Other`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("this system has no USB bus: {} does not exist", .0.display())]
pub struct NoBus(
    /// Where it would be listed.
    pub PathBuf,
);

/// The rule that lets the user who is logged in open one kind of device, and keeps modem and media probers away
/// (formats.md section 8.1). It belongs in a file that sorts before `73-seat-late.rules`.
pub fn udev_rule(vid: u16, pid: u16) -> String {
    format!(
        "ACTION!=\"remove\", SUBSYSTEM==\"usb\", ENV{{DEVTYPE}}==\"usb_device\", ATTR{{idVendor}}==\"{vid:04x}\", \
         ATTR{{idProduct}}==\"{pid:04x}\", TAG+=\"uaccess\", ENV{{ID_MM_DEVICE_IGNORE}}=\"1\", ENV{{MTP_NO_PROBE}}=\"1\""
    )
}

/// A phone that is open, one way or the other.
#[derive(Debug)]
pub enum UsbOrTty {
    /// Directly.
    Usb(Box<UsbLink>),
    /// Through the kernel's serial driver, which can lose bytes: see [`SerialLink::MOST_AT_ONCE`].
    Tty(SerialLink, Arc<AtomicBool>),
}

impl UsbOrTty {
    /// Notes that the phone is gone, so that the bus does not meet what is left of it.
    fn note<T>(&self, ended: Result<T, LinkError>) -> Result<T, LinkError> {
        if let (Self::Tty(_, gone), Err(LinkError::Unplugged)) = (self, &ended) {
            gone.store(true, Ordering::Relaxed);
        }
        ended
    }
}

impl Link for UsbOrTty {
    async fn send(&mut self, bytes: &[u8]) -> Result<(), LinkError> {
        let ended = match self {
            Self::Usb(link) => link.send(bytes).await,
            Self::Tty(link, _) => link.send(bytes).await,
        };
        self.note(ended)
    }

    async fn recv(&mut self, into: &mut [u8], within: Duration) -> Result<usize, LinkError> {
        let ended = match self {
            Self::Usb(link) => link.recv(into, within).await,
            Self::Tty(link, _) => link.recv(into, within).await,
        };
        self.note(ended)
    }

    fn now(&self) -> Duration {
        crate::stream::now()
    }

    fn most_at_once(&self) -> Option<u32> {
        match self {
            Self::Usb(link) => link.most_at_once(),
            Self::Tty(link, _) => link.most_at_once(),
        }
    }
}

/// All USB ports of this machine, until a phone was met; then one of them.
pub struct UsbBus<'a> {
    options: UsbOptions,
    port: Option<String>,
    /// The appearance that was opened last, and whether its link found it gone.
    last: Option<(Device, Arc<AtomicBool>)>,
    arrivals: Arrivals,
    /// The direct way was refused before: do not lose time with it again.
    denied: bool,
    /// Since when there is a phone at another port only, and whether that was told.
    elsewhere: Option<Instant>,
    pointed: bool,
    tell: Box<dyn FnMut(Notice) + 'a>,
}

impl fmt::Debug for UsbBus<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UsbBus")
            .field("options", &self.options)
            .field("port", &self.port)
            .finish_non_exhaustive()
    }
}

/// An appearance that could not be opened yet.
struct Refusal {
    device: Device,
    since: Instant,
    error: LinkError,
}

impl<'a> UsbBus<'a> {
    /// All ports, or the one that `options` names. `tell` hears what the user should know.
    pub fn new(options: UsbOptions, tell: impl FnMut(Notice) + 'a) -> Self {
        let port = options.port.clone();
        Self {
            options,
            port,
            last: None,
            arrivals: Arrivals::new(),
            denied: false,
            elsewhere: None,
            pointed: false,
            tell: Box::new(tell),
        }
    }

    /// The port that counts, once it is known.
    pub fn port(&self) -> Option<&str> {
        self.port.as_deref()
    }

    /// The one appearance that is meant, if it is there.
    fn find(&mut self, faces: &[Face]) -> Result<Option<(Sighting, Device)>, LinkError> {
        let mut found = phones(&self.options.places).map_err(|e| match e.kind() {
            std::io::ErrorKind::NotFound => LinkError::Other(NoBus(self.options.places.devices()).into()),
            _ => LinkError::Other(e.into()),
        })?;
        found.retain(|(seen, d)| faces.contains(&seen.face) && !self.is_over(d));
        if let Some(port) = &self.port {
            let (here, elsewhere) = found.into_iter().partition(|(_, d)| d.port == *port);
            found = here;
            self.point_at(&elsewhere, found.is_empty());
        }
        if found.len() > 1 {
            let all = found.into_iter().map(|(seen, _)| seen).collect();
            return Err(LinkError::Other(SeveralPhones(all).into()));
        }
        Ok(found.pop())
    }

    /// Mentions a phone that waits at another port, once and not before the one that is meant had time to come.
    fn point_at(&mut self, elsewhere: &[(Sighting, Device)], missing: bool) {
        let Some((seen, _)) = elsewhere.first().filter(|_| missing && !self.pointed) else {
            self.elsewhere = None;
            return;
        };
        let since = *self.elsewhere.get_or_insert_with(Instant::now);
        if since.elapsed() >= ELSEWHERE {
            self.pointed = true;
            let port = self.port.clone().unwrap_or_default();
            (self.tell)(Notice::Elsewhere { seen: seen.clone(), port });
        }
    }

    /// Whether this is what is left of an appearance that has ended.
    fn is_over(&self, device: &Device) -> bool {
        self.last.as_ref().is_some_and(|(d, gone)| d == device && gone.load(Ordering::Relaxed))
    }

    /// One attempt to open what is there. `Ok(None)`: look again.
    fn open(
        &mut self,
        seen: &Sighting,
        device: &Device,
        refusal: &mut Option<Refusal>,
    ) -> Result<Option<UsbOrTty>, LinkError> {
        let gone = Arc::new(AtomicBool::new(false));
        let UsbOptions { cancel, places, .. } = &self.options;
        let error = match UsbLink::attempt(device, places, cancel.clone(), gone.clone()) {
            Ok(link) => {
                self.last = Some((device.clone(), gone));
                return Ok(Some(UsbOrTty::Usb(Box::new(link))));
            }
            Err(Attempt::Absent) => return Ok(None),
            Err(Attempt::Hopeless(e)) => return Err(e),
            Err(Attempt::Refused(e)) => e,
        };
        let now = Instant::now();
        let since = refusal.as_ref().filter(|r| r.device == *device).map_or(now, |r| r.since);
        let lasted = now.duration_since(since);
        let denied = matches!(error, LinkError::Denied(_));
        if denied
            && (self.denied || lasted >= DIRECT)
            && let Some((tty, link)) = self.open_tty(device)
        {
            self.denied = true;
            let (node, rule) = (device.node(&self.options.places), udev_rule(seen.vid, seen.pid));
            (self.tell)(Notice::OnTty { seen: seen.clone(), node, tty, rule });
            self.last = Some((device.clone(), gone.clone()));
            return Ok(Some(UsbOrTty::Tty(link, gone)));
        }
        if lasted >= SETTLE {
            if denied {
                let (node, rule) = (device.node(&self.options.places), udev_rule(seen.vid, seen.pid));
                (self.tell)(Notice::Refused { seen: seen.clone(), node, rule });
            }
            return Err(error);
        }
        *refusal = Some(Refusal { device: device.clone(), since, error });
        Ok(None)
    }

    /// The serial port of the same appearance, if it may be opened.
    fn open_tty(&self, device: &Device) -> Option<(PathBuf, SerialLink)> {
        let tty = tty_of(device, &self.options.places)?;
        let options = OpenOptions { cancel: self.options.cancel.clone(), wait: Duration::ZERO };
        SerialLink::open(&tty, options).ok().map(|link| (tty, link))
    }
}

impl Bus for UsbBus<'_> {
    type Link = UsbOrTty;

    /// As [`Bus::meet`]. Several phones and no choice made: [`LinkError::Other`] with [`SeveralPhones`] in it.
    /// A phone that refuses to be opened and leaves again is reported as refused, not as a time-out.
    async fn meet(&mut self, faces: &[Face], within: Duration) -> Result<(Sighting, UsbOrTty), LinkError> {
        let until = Instant::now().checked_add(within);
        let mut refusal = None;
        loop {
            if self.options.cancel.is_set() {
                return Err(LinkError::Cancelled);
            }
            if let Some((seen, device)) = self.find(faces)?
                && let Some(link) = self.open(&seen, &device, &mut refusal)?
            {
                self.port = Some(seen.port.clone());
                return Ok((seen, link));
            }
            if until.is_some_and(|u| Instant::now() >= u) {
                return Err(refusal.map_or(LinkError::Timeout(within), |r| r.error));
            }
            self.arrivals.wait(until);
        }
    }

    fn now(&self) -> Duration {
        crate::stream::now()
    }
}
