//! A phone on this machine's own USB bus, by the kernel's virtual host controller `vhci_hcd` (`usbip-cdc.md`
//! section 7.5): one end of a socket pair is given to the kernel for every face.
//!
//! Promises: every face appears at the same port, as that of a phone on one cable does. Needs root and the module.

use core::sync::atomic::Ordering;
use core::time::Duration;
use std::fs;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::Instant;

use super::urb_stream;
use super::usb::{Carried, Carrier, Shown, live};
use super::{ServeError, Serving, Terms, usbip};
use crate::phone::Phone;
use crate::usb::{Answer, Port};

const CONTROLLER: &str = "/sys/devices/platform/vhci_hcd.0";
/// Bus number 1, device number 2; the kernel only hands it back.
const DEVICE_ID: u32 = 1 << 16 | 2;
/// How long a port may take to become free after the last face left it.
const FREE: Duration = Duration::from_secs(10);
/// How often the ports are looked at.
const LOOK: Duration = Duration::from_millis(5);

/// Attaches the phone, at this port if one is given, until the stop flag is set or there were enough plug-ins.
pub fn vhci(
    phone: &mut Phone,
    port: Option<u32>,
    terms: Terms<'_>,
    tell: &mut dyn FnMut(Serving),
) -> Result<(), ServeError> {
    status()?;
    tell(Serving::At("vhci".into()));
    live(phone, terms, tell, &mut Controller { port })
}

fn status() -> Result<String, ServeError> {
    let what = format!("{CONTROLLER}/status");
    fs::read_to_string(&what).map_err(|source| ServeError::Attach { what, source })
}

/// Free ports of the hub for full and high speed. A row is "hub port state speed device socket busid"; state 004
/// is free.
fn free_ports(status: &str) -> impl Iterator<Item = u32> {
    status.lines().filter_map(|row| {
        let mut words = row.split_whitespace();
        let (hub, port, state) = (words.next()?, words.next()?, words.next()?);
        port.parse().ok().filter(|_| hub == "hs" && state == "004")
    })
}

struct Controller {
    /// Where the phone was first.
    port: Option<u32>,
}

impl Carrier for Controller {
    fn connect(&mut self, shown: &Shown, terms: Terms<'_>) -> Result<Option<(OwnedFd, String)>, ServeError> {
        let until = Instant::now() + FREE;
        let speed = usbip::speed(shown.face.speed());
        loop {
            if terms.stop.load(Ordering::Relaxed) {
                return Ok(None);
            }
            let status = status()?;
            let mut free = free_ports(&status);
            let found = free.find(|port| self.port.is_none_or(|wanted| wanted == *port));
            let failed = |what: String, source| Err(ServeError::Attach { what, source });
            let late = Instant::now() > until;
            let Some(port) = found else {
                if late {
                    return failed("no free port".to_owned(), io::ErrorKind::ResourceBusy.into());
                }
                std::thread::sleep(LOOK);
                continue;
            };
            let (ours, kernels) = UnixStream::pair().map_err(ServeError::Wait)?;
            let line = format!("{port} {} {DEVICE_ID} {speed}", kernels.as_raw_fd());
            match fs::write(format!("{CONTROLLER}/attach"), &line) {
                Ok(()) => {
                    self.port = Some(port);
                    return Ok(Some((ours.into(), format!("port {port} of vhci_hcd"))));
                }
                // Somebody else was faster, or the port is still on its way out.
                Err(error) if error.kind() == io::ErrorKind::ResourceBusy && !late => {
                    std::thread::sleep(LOOK)
                }
                Err(source) => return failed(format!("writing \"{line}\""), source),
            }
        }
    }

    fn answer(&self) -> Answer {
        urb_stream::answer()
    }

    fn carry(&mut self, port: &Port<'_>, tell: &mut dyn FnMut(Serving)) -> Carried {
        urb_stream::carry(port, tell)
    }

    /// Closing the socket, which has happened, is all the kernel needs.
    fn leave(&mut self, _carried: &Carried, _terms: Terms<'_>) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_free_ports_of_the_right_hub_are_taken() {
        let status = "hub port sta spd dev      sockfd local_busid\n\
                      hs  0000 006 003 00010002 000003 1-1\n\
                      hs  0001 004 000 00000000 000000 0-0\n\
                      ss  0008 004 000 00000000 000000 0-0\n\
                      hs  0002 004 000 00000000 000000 0-0\n";
        assert_eq!(free_ports(status).collect::<Vec<_>>(), [1, 2]);
        assert_eq!(free_ports("").next(), None);
    }
}
