//! `--via`: which cable, and the one enum over all cables, so that every conversation is compiled once.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use bromide_link::{Cancel, OpenOptions, SerialLink, TcpLink, serial_find};
use bromide_phone::PhoneLink;
use bromide_proto::link::{Link, LinkError};

use crate::report::Failure;
use crate::virtual_phone::Spec;

/// The longest silence of a phone in this process before the user is heard.
const SLICE: Duration = Duration::from_millis(100);

/// Where the phone is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Via {
    /// The first serial port of a MediaTek phone.
    Auto,
    /// A serial port or pseudo-terminal.
    Serial(PathBuf),
    /// A virtual phone served elsewhere.
    Tcp(String),
    /// A virtual phone in this process.
    Phone(Spec),
}

impl FromStr for Via {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            None if text == "auto" => Ok(Self::Auto),
            Some(("serial", path)) if !path.is_empty() => Ok(Self::Serial(path.into())),
            Some(("tcp", address)) if address.contains(':') => Ok(Self::Tcp(address.into())),
            Some(("phone", spec)) => spec.parse().map(Self::Phone),
            _ => Err("use auto, serial:/dev/ttyACM0, tcp:HOST:PORT or phone:MODEL".into()),
        }
    }
}

impl fmt::Display for Via {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("any serial port of a MediaTek phone"),
            Self::Serial(path) => write!(f, "{}", path.display()),
            Self::Tcp(address) => f.write_str(address),
            Self::Phone(spec) => write!(f, "virtual phone {}", spec.model),
        }
    }
}

/// Any cable.
pub(crate) enum AnyLink {
    Serial(SerialLink),
    Tcp(TcpLink),
    Phone(Box<PhoneLink>, Cancel),
}

impl Link for AnyLink {
    async fn send(&mut self, bytes: &[u8]) -> Result<(), LinkError> {
        match self {
            Self::Serial(link) => link.send(bytes).await,
            Self::Tcp(link) => link.send(bytes).await,
            Self::Phone(link, _) => link.send(bytes).await,
        }
    }

    async fn recv(&mut self, into: &mut [u8], within: Duration) -> Result<usize, LinkError> {
        match self {
            Self::Serial(link) => link.recv(into, within).await,
            Self::Tcp(link) => link.recv(into, within).await,
            Self::Phone(link, cancel) => patient(link, into, within, cancel).await,
        }
    }

    fn now(&self) -> Duration {
        match self {
            Self::Serial(link) => link.now(),
            Self::Tcp(link) => link.now(),
            Self::Phone(link, _) => link.now(),
        }
    }
}

/// The phone in this process sleeps through a silence as a whole, so a long patience is given in slices, between
/// which the user is heard.
async fn patient(
    link: &mut PhoneLink,
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

/// Opens the cable, waiting for the phone.
pub(crate) fn open(via: &Via, wait: Duration, cancel: &Cancel) -> Result<AnyLink, Failure> {
    let failed = |e: LinkError| Failure::of_link(&e, via);
    let options = || OpenOptions { cancel: cancel.clone(), wait };
    match via {
        Via::Auto => {
            let path = serial_find::wait_for_port(wait, cancel).map_err(failed)?;
            SerialLink::open(path, options()).map(AnyLink::Serial).map_err(failed)
        }
        Via::Serial(path) => SerialLink::open(path, options()).map(AnyLink::Serial).map_err(failed),
        Via::Tcp(address) => {
            TcpLink::connect(address.as_str(), wait, cancel.clone()).map(AnyLink::Tcp).map_err(failed)
        }
        Via::Phone(spec) => Ok(AnyLink::Phone(Box::new(spec.plug_in(cancel)?), cancel.clone())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_the_help_text_is_understood() {
        assert_eq!("auto".parse(), Ok(Via::Auto));
        assert_eq!("serial:/dev/ttyACM0".parse(), Ok(Via::Serial("/dev/ttyACM0".into())));
        assert_eq!("tcp:localhost:9000".parse(), Ok(Via::Tcp("localhost:9000".into())));
        assert!(matches!("phone:mt6575".parse(), Ok(Via::Phone(_))));
        for bad in ["", "usb", "serial:", "tcp:nowhere", "ttyACM0", "phone"] {
            assert!(bad.parse::<Via>().is_err(), "{bad}");
        }
    }
}
