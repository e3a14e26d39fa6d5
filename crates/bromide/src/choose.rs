//! `--via`: where the phone is.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use bromide_link::replay::{ReplayBus, ReplayLink};
use bromide_link::usb::{Notice, Places, UsbBus, UsbOptions, UsbOrTty};
use bromide_link::{Cancel, SerialBus, SerialLink, TcpBus, TcpLink};
use bromide_phone::{BusLink, Clock, PhoneBus};
use bromide_proto::bus::{Bus, Face, Sighting};
use bromide_proto::link::{Link, LinkError};

use crate::recording;
use crate::report::Failure;
use crate::virtual_phone::Spec;

/// Longest single wait without a look at Ctrl-C.
const SLICE: Duration = Duration::from_millis(100);

/// Where the phone is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Via {
    /// On USB: the only phone, or the one at this port chain.
    Usb(Option<String>),
    /// A serial port or pseudo-terminal.
    Serial(PathBuf),
    /// A virtual phone served elsewhere.
    Tcp(String),
    /// A virtual phone in this process.
    Phone(Spec),
    /// A recorded phone.
    Replay(PathBuf),
}

impl FromStr for Via {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            None if text == "usb" => Ok(Self::Usb(None)),
            Some(("usb", port)) => port_chain(port).map(|port| Self::Usb(Some(port))),
            Some(("serial", path)) if !path.is_empty() => Ok(Self::Serial(path.into())),
            Some(("tcp", address)) if address.contains(':') => Ok(Self::Tcp(address.into())),
            Some(("phone", spec)) => spec.parse().map(Self::Phone),
            Some(("replay", path)) if !path.is_empty() => Ok(Self::Replay(path.into())),
            _ => {
                Err("use usb, usb:PORTCHAIN, serial:/dev/ttyACM0, tcp:HOST:PORT, phone:MODEL or replay:FILE"
                    .into())
            }
        }
    }
}

/// A bus number, and the ports from the root hub on.
pub(crate) fn port_chain(text: &str) -> Result<String, String> {
    let number = |it: &str| !it.is_empty() && it.bytes().all(|b| b.is_ascii_digit());
    match text.split_once('-') {
        Some((bus, ports)) if number(bus) && ports.split('.').all(number) => Ok(text.to_owned()),
        _ => Err("a USB port chain looks like 1-4.2; bromide devices lists them".into()),
    }
}

impl fmt::Display for Via {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usb(None) => f.write_str("any USB port"),
            Self::Usb(Some(port)) => write!(f, "USB port {port}"),
            Self::Serial(path) => write!(f, "{}", path.display()),
            Self::Tcp(address) => f.write_str(address),
            Self::Phone(spec) => write!(f, "virtual phone {}", spec.model),
            Self::Replay(path) => write!(f, "recording {}", path.display()),
        }
    }
}

/// Any place a phone comes to.
pub(crate) enum AnyBus<'a> {
    Usb(Box<UsbBus<'a>>),
    Serial(SerialBus),
    Tcp(TcpBus),
    Phone(PhoneBus, Cancel),
    Replay(ReplayBus),
}

impl<'a> AnyBus<'a> {
    /// The place `--via` names. `notice` hears what happens to a phone on USB besides, which is looked for in `places`.
    pub(crate) fn at(
        via: &Via,
        places: Places,
        cancel: &Cancel,
        notice: impl FnMut(Notice) + 'a,
    ) -> Result<Self, Failure> {
        Ok(match via {
            Via::Usb(port) => {
                let options = UsbOptions { cancel: cancel.clone(), port: port.clone(), places };
                Self::Usb(Box::new(UsbBus::new(options, notice)))
            }
            Via::Serial(path) => Self::Serial(SerialBus::new(path.clone(), cancel.clone())),
            Via::Tcp(address) => Self::Tcp(TcpBus::new(address.clone(), cancel.clone())),
            Via::Phone(spec) => Self::Phone(spec.bus(cancel)?, cancel.clone()),
            Via::Replay(path) => {
                let (playback, pieces) = recording::open(path)?;
                Self::Replay(ReplayBus::new(playback, pieces, cancel.clone()))
            }
        })
    }

    /// What lets time pass at this place, until the user wishes to stop.
    pub(crate) fn sleeper(&self, cancel: &Cancel) -> impl Fn(Duration) -> Result<(), LinkError> + 'static {
        let clock = if let Self::Phone(bus, _) = self { bus.clock() } else { Clock::real() };
        let cancel = cancel.clone();
        move |time| {
            let until = clock.now().saturating_add(time);
            while !cancel.is_set() {
                let now = clock.now();
                if now >= until {
                    return Ok(());
                }
                clock.sleep_until(until.min(now.saturating_add(SLICE)));
            }
            Err(LinkError::Cancelled)
        }
    }
}

impl Bus for AnyBus<'_> {
    type Link = AnyLink;

    async fn meet(&mut self, faces: &[Face], within: Duration) -> Result<(Sighting, AnyLink), LinkError> {
        match self {
            Self::Usb(bus) => bus.meet(faces, within).await.map(|(seen, link)| (seen, AnyLink::Usb(link))),
            Self::Serial(bus) => {
                bus.meet(faces, within).await.map(|(seen, link)| (seen, AnyLink::Serial(link)))
            }
            Self::Tcp(bus) => bus.meet(faces, within).await.map(|(seen, link)| (seen, AnyLink::Tcp(link))),
            Self::Replay(bus) => {
                bus.meet(faces, within).await.map(|(seen, link)| (seen, AnyLink::Replay(link)))
            }
            Self::Phone(bus, cancel) => {
                let until = bus.now().saturating_add(within);
                loop {
                    // In slices, between which the user is heard.
                    let slice = until.saturating_sub(bus.now()).min(SLICE);
                    match bus.meet(faces, slice).await {
                        Err(LinkError::Timeout(_)) if cancel.is_set() => return Err(LinkError::Cancelled),
                        Err(LinkError::Timeout(_)) if bus.now() < until => {}
                        Err(LinkError::Timeout(_)) => return Err(LinkError::Timeout(within)),
                        met => {
                            return met
                                .map(|(seen, link)| (seen, AnyLink::Phone(Box::new(link), cancel.clone())));
                        }
                    }
                }
            }
        }
    }

    fn now(&self) -> Duration {
        match self {
            Self::Usb(bus) => bus.now(),
            Self::Serial(bus) => bus.now(),
            Self::Tcp(bus) => bus.now(),
            Self::Phone(bus, _) => bus.now(),
            Self::Replay(bus) => bus.now(),
        }
    }
}

/// Any cable.
pub(crate) enum AnyLink {
    Usb(UsbOrTty),
    Serial(SerialLink),
    Tcp(TcpLink),
    Phone(Box<BusLink>, Cancel),
    Replay(ReplayLink),
}

impl AnyLink {
    /// Takes a phone in this process off the cable, its battery out. Others notice when the link is closed.
    pub(crate) fn pull(&mut self) {
        if let Self::Phone(link, _) = self {
            link.pull();
        }
    }
}

impl Link for AnyLink {
    async fn send(&mut self, bytes: &[u8]) -> Result<(), LinkError> {
        match self {
            Self::Usb(link) => link.send(bytes).await,
            Self::Serial(link) => link.send(bytes).await,
            Self::Tcp(link) => link.send(bytes).await,
            Self::Phone(link, _) => link.send(bytes).await,
            Self::Replay(link) => link.send(bytes).await,
        }
    }

    async fn recv(&mut self, into: &mut [u8], within: Duration) -> Result<usize, LinkError> {
        match self {
            Self::Usb(link) => link.recv(into, within).await,
            Self::Serial(link) => link.recv(into, within).await,
            Self::Tcp(link) => link.recv(into, within).await,
            Self::Phone(link, cancel) => patient(link, into, within, cancel).await,
            Self::Replay(link) => link.recv(into, within).await,
        }
    }

    fn now(&self) -> Duration {
        match self {
            Self::Usb(link) => link.now(),
            Self::Serial(link) => link.now(),
            Self::Tcp(link) => link.now(),
            Self::Phone(link, _) => link.now(),
            Self::Replay(link) => link.now(),
        }
    }

    fn most_at_once(&self) -> Option<u32> {
        match self {
            Self::Usb(link) => link.most_at_once(),
            Self::Serial(link) => link.most_at_once(),
            Self::Tcp(link) => link.most_at_once(),
            Self::Phone(link, _) => link.most_at_once(),
            Self::Replay(link) => link.most_at_once(),
        }
    }
}

/// The phone in this process sleeps through a silence as a whole, so a long patience is given in slices, between
/// which the user is heard.
async fn patient(
    link: &mut BusLink,
    into: &mut [u8],
    within: Duration,
    cancel: &Cancel,
) -> Result<usize, LinkError> {
    let mut left = within;
    loop {
        if cancel.is_set() {
            return Err(LinkError::Cancelled);
        }
        let slice = left.min(SLICE);
        match link.recv(into, slice).await {
            Err(LinkError::Timeout(_)) if left > slice => left -= slice,
            Err(LinkError::Timeout(_)) => return Err(LinkError::Timeout(within)),
            ended => return ended,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_the_help_text_is_understood() {
        assert_eq!("usb".parse(), Ok(Via::Usb(None)));
        assert_eq!("usb:1-4.2".parse(), Ok(Via::Usb(Some("1-4.2".into()))));
        assert_eq!("serial:/dev/ttyACM0".parse(), Ok(Via::Serial("/dev/ttyACM0".into())));
        assert_eq!("tcp:localhost:9000".parse(), Ok(Via::Tcp("localhost:9000".into())));
        assert!(matches!("phone:mt6575".parse(), Ok(Via::Phone(_))));
        assert_eq!("replay:a:b.pcapng".parse(), Ok(Via::Replay("a:b.pcapng".into())));
        for bad in [
            "",
            "replay:",
            "usb:",
            "usb:4",
            "usb:1-",
            "usb:1-4.",
            "serial:",
            "tcp:nowhere",
            "ttyACM0",
            "phone",
        ] {
            assert!(bad.parse::<Via>().is_err(), "{bad}");
        }
    }
}
