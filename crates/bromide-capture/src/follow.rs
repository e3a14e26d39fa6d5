//! Which of the captured USB devices is the phone, and which of its transfers are the conversation.
//!
//! In a recording of our own the remarks say it. In what another tool was captured with, a device is known by its
//! descriptor, is the phone from its first bulk transfer on, and its conversation is the first pair of bulk endpoints
//! that carries anything. A phone that runs its own system is not spoken to and passed over.

use std::collections::{BTreeMap, VecDeque};

use bromide_proto::bus::{BusSpeed, Face, Sighting};
use bromide_proto::link::Direction;

use crate::entry::{Bytes, Entry, Piece, What};
use crate::error::CaptureError;
use crate::packet::Packet;
use crate::remark::{Remark, missing};
use crate::urb::{Address, Step, Transfer, Urb};

/// More phones than a capture has; what is older is forgotten.
const MOST_PHONES: usize = 4096;

/// The phone that is followed at present.
#[derive(Debug)]
struct Phone {
    device: Address,
    to_phone: Option<u8>,
    from_phone: Option<u8>,
}

impl Phone {
    const fn at(device: Address) -> Self {
        Self { device, to_phone: None, from_phone: None }
    }

    /// Whether this endpoint is the one of its direction, which the first to carry anything becomes.
    fn speaks_by(&mut self, direction: Direction, endpoint: u8) -> bool {
        let known = match direction {
            Direction::ToPhone => &mut self.to_phone,
            Direction::FromPhone => &mut self.from_phone,
        };
        *known.get_or_insert(endpoint) == endpoint
    }
}

/// Follows the phone from packet to packet.
#[derive(Debug, Default)]
pub(crate) struct Follow {
    phone: Option<Phone>,
    /// The remarks say what happens.
    ours: bool,
    /// Phones seen so far, by where they are.
    known: BTreeMap<Address, (Face, u16, u16)>,
}

impl Follow {
    /// Appends what this packet tells.
    pub(crate) fn packet(
        &mut self,
        packet: &Packet,
        urb: &Urb<'_>,
        out: &mut VecDeque<Entry>,
    ) -> Result<(), CaptureError> {
        let Packet { frame, at, comments, .. } = packet;
        let damaged = |what| CaptureError::Damaged { frame: *frame, what };
        let mut tell = |what| out.push_back(Entry { at: *at, frame: *frame, what });
        let mut kept = None;
        let mut absent = None;
        for text in comments {
            match Remark::parse(text).map_err(damaged)? {
                Remark::Opened(seen) => {
                    self.ours = true;
                    self.phone = Some(Phone::at(urb.device));
                    tell(What::Opened(seen));
                }
                Remark::Closed => tell(What::Closed),
                Remark::Note(text) => {
                    absent = absent.or(missing(&text));
                    tell(What::Note(text));
                }
                Remark::Kept(piece) => kept = Some(piece),
            }
        }
        if self.ours && absent == Some(urb.length) && urb.data.is_empty() {
            return Ok(()); // the note is all there is of them
        }
        if !self.ours {
            self.look(urb, &mut tell);
        }
        let Some((direction, bytes)) = self.bytes(*frame, urb, kept)? else { return Ok(()) };
        tell(What::Bytes(direction, bytes));
        Ok(())
    }

    /// What another tool's capture shows of phones that come and go.
    fn look(&mut self, urb: &Urb<'_>, tell: &mut impl FnMut(What)) {
        let device = urb.device;
        let is_open = self.phone.as_ref().is_some_and(|phone| phone.device == device);
        if urb.gone {
            self.known.remove(&device);
            if is_open {
                self.phone = None;
                tell(What::Closed);
            }
            return;
        }
        if let Some((vid, pid)) = device_descriptor(urb) {
            self.meet(device, vid, pid, tell);
        }
        if urb.transfer != Transfer::Bulk || is_open {
            return;
        }
        if let Some((face, vid, pid)) = self.known.get(&device).copied().filter(|it| it.0 != Face::Android) {
            if self.phone.replace(Phone::at(device)).is_some() {
                tell(What::Closed);
            }
            let port = format!("bus {}, device {}", device.0, device.1);
            tell(What::Opened(Sighting { face, vid, pid, port, speed: BusSpeed::Unknown }));
        }
    }

    /// A device said which it is. The phone that was followed has left when it is now something else, or when another
    /// phone is new on its bus.
    fn meet(&mut self, device: Address, vid: u16, pid: u16, tell: &mut impl FnMut(What)) {
        let face = Face::of(vid, pid);
        let before = match face {
            Some(face) => self.known.insert(device, (face, vid, pid)),
            None => self.known.remove(&device),
        };
        if self.known.len() > MOST_PHONES {
            self.known.pop_first();
        }
        let changed = before.map(|(_, vid, pid)| (vid, pid)) != face.map(|_| (vid, pid));
        let replaced =
            |phone: &Phone| phone.device == device || (face.is_some() && phone.device.0 == device.0);
        if let Some(left) = self.phone.take_if(|phone| changed && replaced(phone)) {
            if left.device != device {
                self.known.remove(&left.device);
            }
            tell(What::Closed);
        }
    }

    /// The bytes of the conversation that this event has.
    fn bytes(
        &mut self,
        frame: u64,
        urb: &Urb<'_>,
        kept: Option<Piece>,
    ) -> Result<Option<(Direction, Bytes)>, CaptureError> {
        let phone = self.phone.as_mut().filter(|phone| phone.device == urb.device);
        let (Some(phone), Some(direction)) = (phone, urb.carries()) else { return Ok(None) };
        if urb.transfer != Transfer::Bulk || urb.length == 0 || !phone.speaks_by(direction, urb.endpoint) {
            return Ok(None);
        }
        let held = urb.data.len() as u64;
        if held >= urb.length {
            return Ok(Some((direction, Bytes::Here(urb.data.to_vec()))));
        }
        match kept {
            Some(piece) if piece.len == urb.length => Ok(Some((direction, Bytes::Elsewhere(piece)))),
            Some(_) => Err(CaptureError::Damaged { frame, what: "bytes kept elsewhere in another number" }),
            None => Err(CaptureError::Truncated { frame, held, full: urb.length }),
        }
    }
}

/// Vendor and product, where this is a device's answer to GET_DESCRIPTOR(device): known by its length and type (USB
/// 2.0 section 9.6.1), because the question may have been before the capture. At address 0 a device is not itself yet.
pub(crate) fn device_descriptor(urb: &Urb<'_>) -> Option<(u16, u16)> {
    let answers = urb.transfer == Transfer::Control && urb.step == Step::Completed && urb.device.1 != 0;
    match urb.data {
        [18, 1, _, _, _, _, _, _, v0, v1, p0, p1, ..] if answers => {
            Some((u16::from_le_bytes([*v0, *v1]), u16::from_le_bytes([*p0, *p1])))
        }
        _ => None,
    }
}
