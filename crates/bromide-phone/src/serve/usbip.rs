//! A phone behind a USB/IP port (`usbip-cdc.md` section 7): device list, import, requests.
//!
//! Promises: a phone that is imported is refused to everybody else until the connection is closed; a new face
//! needs a new import. A client that says nothing or nonsense is closed after two seconds and keeps nobody waiting.

use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use core::time::Duration;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Mutex, PoisonError};

use rustix::event::PollFlags;

use super::fd::poll_one;
use super::urb_stream;
use super::usb::{Carried, Carrier, LOOK, Shown, live};
use super::{ServeError, Serving, Terms};
use crate::phone::Phone;
use crate::usb::{Answer, Port, Speed};

const VERSION: [u8; 2] = [1, 0x11];
const BUS_ID: &[u8] = b"1-1";
/// How long a client may take to say what it wants.
const OPENING: Duration = Duration::from_secs(2);
/// Clients that may be in their opening at once.
const OPENINGS: usize = 32;

/// Serves the phone on this address, for example `127.0.0.1:3240`, until the stop flag is set or there were
/// enough plug-ins.
pub fn usbip(
    phone: &mut Phone,
    address: &str,
    terms: Terms<'_>,
    tell: &mut dyn FnMut(Serving),
) -> Result<(), ServeError> {
    let refused = |source| ServeError::Listen { address: address.to_owned(), source };
    let listener = TcpListener::bind(address).map_err(refused)?;
    listener.set_nonblocking(true).map_err(refused)?;
    tell(Serving::At(listener.local_addr().map_err(refused)?.to_string()));
    let (given, imports) = channel();
    let desk = Desk { offer: Mutex::new(None), given, busy: AtomicUsize::new(0) };
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                // A failing wait shows in `accept` as well, which then has nothing.
                let _ = poll_one(listener.as_fd(), PollFlags::IN, LOOK);
                let Ok((stream, _)) = listener.accept() else { continue };
                if desk.busy.fetch_add(1, Ordering::Relaxed) < OPENINGS {
                    scope.spawn(|| {
                        // Who does not keep to the protocol is closed; nothing else is to be done.
                        let _ = desk.open(stream);
                        desk.busy.fetch_sub(1, Ordering::Relaxed);
                    });
                } else {
                    desk.busy.fetch_sub(1, Ordering::Relaxed);
                }
            }
        });
        let lived = live(phone, terms, tell, &mut Client { desk: &desk, imports: &imports });
        done.store(true, Ordering::Relaxed);
        lived
    })
}

/// What is offered to clients.
struct Desk {
    /// The phone on the bus, and whether a client has it.
    offer: Mutex<Option<Offer>>,
    given: Sender<TcpStream>,
    busy: AtomicUsize,
}

struct Offer {
    record: Vec<u8>,
    interfaces: Vec<u8>,
    taken: bool,
}

impl Desk {
    fn set(&self, offer: Option<Offer>) {
        *self.offer.lock().unwrap_or_else(PoisonError::into_inner) = offer;
    }

    /// Sections 7.1 and 7.2.
    fn open(&self, mut stream: TcpStream) -> io::Result<()> {
        stream.set_nonblocking(false)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(OPENING))?;
        stream.set_write_timeout(Some(OPENING))?;
        let mut head = [0; 8];
        stream.read_exact(&mut head)?;
        match [head[2], head[3]] {
            [0x80, 0x05] => stream.write_all(&self.list()),
            [0x80, 0x03] => {
                let mut bus_id = [0; 32];
                stream.read_exact(&mut bus_id)?;
                self.import(stream, &bus_id)
            }
            _ => Ok(()),
        }
    }

    fn list(&self) -> Vec<u8> {
        let offer = self.offer.lock().unwrap_or_else(PoisonError::into_inner);
        let mut list = [&VERSION[..], &[0, 5, 0, 0, 0, 0]].concat();
        list.extend(u32::from(offer.is_some()).to_be_bytes());
        if let Some(offer) = &*offer {
            list.extend(&offer.record);
            list.extend(&offer.interfaces);
        }
        list
    }

    fn import(&self, mut stream: TcpStream, bus_id: &[u8; 32]) -> io::Result<()> {
        let mut offer = self.offer.lock().unwrap_or_else(PoisonError::into_inner);
        let named = bus_id.split(|byte| *byte == 0).next() == Some(BUS_ID);
        let Some(offer) = offer.as_mut().filter(|offer| named && !offer.taken) else {
            return stream.write_all(&[1, 0x11, 0, 3, 0, 0, 0, 1]);
        };
        let mut answer = [&VERSION[..], &[0, 3, 0, 0, 0, 0]].concat();
        answer.extend(&offer.record);
        stream.write_all(&answer)?;
        offer.taken = true;
        // Nobody listens any more when the serving has just ended.
        let _ = self.given.send(stream);
        Ok(())
    }
}

/// Bytes of section 7.3, and four per interface.
fn offer(shown: &Shown) -> Offer {
    let device = shown.device();
    let configuration = shown.configuration();
    let mut record = b"/sys/devices/virtual/1-1".to_vec();
    record.resize(256, 0);
    record.extend(BUS_ID);
    record.resize(288, 0);
    for word in [1, 2, speed(shown.face.speed())] {
        record.extend(word.to_be_bytes());
    }
    // Descriptors are little-endian, the record is not.
    for at in [8, 10, 12] {
        record.extend([device[at + 1], device[at]]);
    }
    let descriptors = shown.descriptors();
    let found = descriptors.iter().filter(|d| d[1] == 4 && d.len() >= 8 && d[3] == 0);
    let interfaces: Vec<u8> = found.flat_map(|d| [d[5], d[6], d[7], 0]).collect();
    // At most 30.
    let count = (interfaces.len() / 4) as u8;
    record.extend([device[4], device[5], device[6], configuration[5], 1, count]);
    Offer { record, interfaces, taken: false }
}

/// The kernel's number of a speed.
pub(super) fn speed(speed: Speed) -> u32 {
    match speed {
        Speed::Full => 2,
        Speed::High => 3,
    }
}

struct Client<'a> {
    desk: &'a Desk,
    imports: &'a Receiver<TcpStream>,
}

impl Carrier for Client<'_> {
    fn connect(&mut self, shown: &Shown, terms: Terms<'_>) -> Result<Option<(OwnedFd, String)>, ServeError> {
        self.desk.set(Some(offer(shown)));
        loop {
            match self.imports.recv_timeout(LOOK) {
                Ok(stream) => {
                    let place =
                        stream.peer_addr().map_or_else(|_| "a client".into(), |peer| peer.to_string());
                    return Ok(Some((stream.into(), place)));
                }
                Err(RecvTimeoutError::Timeout) if !terms.stop.load(Ordering::Relaxed) => {}
                Err(_) => return Ok(None),
            }
        }
    }

    fn answer(&self) -> Answer {
        urb_stream::answer()
    }

    fn carry(&mut self, port: &Port<'_>, tell: &mut dyn FnMut(Serving)) -> Carried {
        urb_stream::carry(port, tell)
    }

    fn leave(&mut self, _carried: &Carried, _terms: Terms<'_>) {
        self.desk.set(None);
    }
}
