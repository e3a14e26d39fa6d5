//! Events of Linux's usbmon: the head each of them has, and those that its device files give one after the other.
//!
//! Source: `Documentation/usb/usbmon.rst` of Linux (`struct usbmon_packet`, "Raw binary format and API"). Nothing is
//! believed of a length before its bytes are there.

use std::time::Duration;

use bromide_proto::link::Direction;

use crate::follow::device_descriptor;
use crate::order::Order;
use crate::urb::{Step, Transfer, Urb};

/// Bytes in front of the data of each event that is read from `/dev/usbmonN`.
pub(crate) const HEAD: usize = 48;

/// More data than any event has: a fifth of the largest ring the kernel lets a reader ask for (1200 KiB,
/// `drivers/usb/mon/mon_bin.c`), and the descriptors of an isochronous transfer.
const MOST_DATA: usize = 1 << 20;

/// usbmon's numbers for kinds of transfer.
pub(crate) const CONTROL: u8 = 2;
/// See [`CONTROL`].
pub(crate) const BULK: u8 = 3;
/// Direction of an endpoint: to the host.
pub(crate) const IN: u8 = 0x80;
/// Status of Linux: under way.
pub(crate) const EINPROGRESS: i32 = -115;
/// Status of Linux: the device was shut down.
pub(crate) const ESHUTDOWN: i32 = -108;
/// Status of Linux: the device does not exist.
const ENODEV: i32 = -19;
/// GET_DESCRIPTOR(device), USB 2.0 section 9.4.3, without index and length.
const GET_DEVICE_DESCRIPTOR: [u8; 4] = [IN, 6, 0, 1];

/// The first 48 bytes of an event, which all its forms share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) id: u64,
    /// `S` submitted, `C` completed, `E` refused.
    pub(crate) step: u8,
    pub(crate) transfer: u8,
    pub(crate) endpoint: u8,
    pub(crate) device: u8,
    pub(crate) bus: u16,
    /// 0: `setup` is there.
    pub(crate) no_setup: u8,
    /// 0: data is there; else why not.
    pub(crate) no_data: u8,
    pub(crate) seconds: u64,
    pub(crate) micros: u32,
    pub(crate) status: i32,
    /// Bytes on the cable, or asked for.
    pub(crate) length: u32,
    /// Bytes of them that follow the head.
    pub(crate) captured: u32,
    pub(crate) setup: [u8; 8],
}

impl Head {
    /// `None`: too short.
    pub(crate) fn read(order: Order, bytes: &[u8]) -> Option<Self> {
        let byte = |at: usize| bytes.get(at).copied();
        Some(Self {
            id: order.u64(bytes, 0)?,
            step: byte(8)?,
            transfer: byte(9)?,
            endpoint: byte(10)?,
            device: byte(11)?,
            bus: order.u16(bytes, 12)?,
            no_setup: byte(14)?,
            no_data: byte(15)?,
            seconds: order.u64(bytes, 16)?,
            micros: order.u32(bytes, 24)?,
            status: order.u32(bytes, 28)?.cast_signed(),
            length: order.u32(bytes, 32)?,
            captured: order.u32(bytes, 36)?,
            setup: *bytes.get(40..)?.first_chunk()?,
        })
    }

    /// Little-endian, whatever the machine is: so is every file that is written here.
    pub(crate) fn bytes(&self) -> [u8; HEAD] {
        let mut bytes = [0; HEAD];
        let mut put = |at: usize, field: &[u8]| {
            bytes.iter_mut().skip(at).zip(field).for_each(|(to, from)| *to = *from);
        };
        put(0, &self.id.to_le_bytes());
        put(8, &[self.step, self.transfer, self.endpoint, self.device]);
        put(12, &self.bus.to_le_bytes());
        put(14, &[self.no_setup, self.no_data]);
        put(16, &self.seconds.to_le_bytes());
        put(24, &self.micros.to_le_bytes());
        put(28, &self.status.to_le_bytes());
        put(32, &self.length.to_le_bytes());
        put(36, &self.captured.to_le_bytes());
        put(40, &self.setup);
        bytes
    }

    /// The event that has this head, with what was captured of its data.
    pub(crate) fn urb<'a>(&self, data: &'a [u8]) -> Urb<'a> {
        let step = match self.step {
            b'S' => Step::Submitted,
            b'C' => Step::Completed,
            _ => Step::Failed,
        };
        let captured = usize::try_from(self.captured).unwrap_or(usize::MAX);
        Urb {
            device: (self.bus, self.device.into()),
            endpoint: self.endpoint,
            transfer: match self.transfer {
                CONTROL => Transfer::Control,
                BULK => Transfer::Bulk,
                _ => Transfer::Other,
            },
            step,
            gone: step == Step::Completed && [ESHUTDOWN, ENODEV].contains(&self.status),
            length: self.length.into(),
            data: data.get(..captured).unwrap_or(data),
        }
    }
}

/// What is no stream of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("these are no events of usbmon: one would have {0} bytes of data")]
pub struct NotUsbmon(
    /// What the head says.
    pub u32,
);

/// One event as `/dev/usbmonN` gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsbmonEvent {
    pub(crate) head: Head,
    pub(crate) data: Vec<u8>,
}

/// What an event says of its transfer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UsbmonStep {
    /// It begins.
    Submitted,
    /// It has ended: with this status of Linux, 0 for a good end.
    Completed(i32),
    /// The system did not take it; it has ended too.
    Refused,
}

impl UsbmonEvent {
    /// The event that these bytes begin with, in this machine's byte order, and its length; `None`: more bytes are
    /// needed.
    ///
    /// # Errors
    /// It announces more data than any event has.
    pub fn first_of(bytes: &[u8]) -> Result<Option<(Self, usize)>, NotUsbmon> {
        Self::first_in_order(Order::NATIVE, bytes)
    }

    fn first_in_order(order: Order, bytes: &[u8]) -> Result<Option<(Self, usize)>, NotUsbmon> {
        let Some(head) = Head::read(order, bytes) else { return Ok(None) };
        let captured = usize::try_from(head.captured).ok().filter(|it| *it <= MOST_DATA);
        let length = HEAD + captured.ok_or(NotUsbmon(head.captured))?;
        Ok(bytes.get(HEAD..length).map(|data| (Self { head, data: data.to_vec() }, length)))
    }

    /// What is seen when a host asks this device for its descriptor, made up: the question and the answer.
    #[must_use]
    pub fn described(bus: u16, address: u8, at: Duration, id: u64, descriptor: &[u8; 18]) -> [Self; 2] {
        let asked = Head {
            id,
            step: b'S',
            transfer: CONTROL,
            endpoint: IN,
            device: address,
            bus,
            no_setup: 0,
            no_data: b'<',
            seconds: at.as_secs(),
            micros: at.subsec_micros(),
            status: EINPROGRESS,
            length: 18,
            captured: 0,
            setup: [IN, 6, 0, 1, 0, 0, 18, 0],
        };
        let answered =
            Head { step: b'C', no_setup: b'-', no_data: 0, status: 0, captured: 18, setup: [0; 8], ..asked };
        [Self { head: asked, data: Vec::new() }, Self { head: answered, data: descriptor.to_vec() }]
    }

    /// Bus, and address on it: another at each appearance of a device, 0 before it has one.
    #[must_use]
    pub const fn device(&self) -> (u16, u8) {
        (self.head.bus, self.head.device)
    }

    /// With 0x80 for the direction to the host.
    #[must_use]
    pub const fn endpoint(&self) -> u8 {
        self.head.endpoint
    }

    /// Which transfer; the same number comes again when it has ended.
    #[must_use]
    pub const fn id(&self) -> u64 {
        self.head.id
    }

    /// What it says of its transfer.
    #[must_use]
    pub const fn step(&self) -> UsbmonStep {
        match self.head.step {
            b'S' => UsbmonStep::Submitted,
            b'C' => UsbmonStep::Completed(self.head.status),
            _ => UsbmonStep::Refused,
        }
    }

    /// Since 1970-01-01 00:00 UTC.
    #[must_use]
    pub fn at(&self) -> Duration {
        Duration::from_secs(self.head.seconds).saturating_add(Duration::from_micros(self.head.micros.into()))
    }

    /// Bytes in memory.
    #[must_use]
    pub fn size(&self) -> usize {
        HEAD + self.data.len()
    }

    /// Way and number of the bytes of a bulk transfer, if this is the event that has them.
    #[must_use]
    pub fn bulk(&self) -> Option<(Direction, u64)> {
        let urb = self.head.urb(&self.data);
        let direction = urb.carries().filter(|_| urb.transfer == Transfer::Bulk)?;
        Some((direction, urb.length))
    }

    /// How many of how many bytes were captured, if this event should have more than it has: usbmon cuts a long one
    /// to a fifth of its ring.
    #[must_use]
    pub fn cut(&self) -> Option<(usize, u64)> {
        let urb = self.head.urb(&self.data);
        let carries = urb.carries().is_some() && urb.transfer != Transfer::Other;
        (carries && (urb.data.len() as u64) < urb.length).then_some((urb.data.len(), urb.length))
    }

    /// Whether a host asks the device which it is.
    #[must_use]
    pub fn asks_which(&self) -> bool {
        let Head { step, transfer, no_setup, setup, .. } = self.head;
        (step, transfer, no_setup) == (b'S', CONTROL, 0) && setup.starts_with(&GET_DEVICE_DESCRIPTOR)
    }

    /// Vendor and product, if this is a device's answer to that question.
    #[must_use]
    pub fn tells_which(&self) -> Option<(u16, u16)> {
        device_descriptor(&self.head.urb(&self.data)).filter(|_| self.head.endpoint == IN)
    }

    /// Whether it is such an answer, or no more than the beginning of one: a kernel may ask for 8 bytes first.
    #[must_use]
    pub fn begins_descriptor(&self) -> bool {
        (self.head.step, self.head.transfer) == (b'C', CONTROL) && self.data.starts_with(&[18, 1])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DESCRIPTOR: [u8; 18] = [18, 1, 0, 2, 2, 0, 0, 64, 0x8d, 0x0e, 3, 0, 0, 1, 0, 0, 0, 1];

    fn pair() -> [UsbmonEvent; 2] {
        let at = Duration::new(1_700_000_000, 123_456_000);
        UsbmonEvent::described(0x102, 5, at, 0xffff_8800_1234_5678, &DESCRIPTOR)
    }

    #[test]
    fn a_head_comes_back_from_its_bytes_in_either_order() {
        let [_, answered] = pair();
        let little = [&answered.head.bytes()[..], &answered.data].concat();
        assert_eq!(UsbmonEvent::first_in_order(Order::Little, &little), Ok(Some((answered.clone(), 66))));
        let mut big = little;
        for field in [0..8, 12..14, 16..24, 24..28, 28..32, 32..36, 36..40] {
            big[field].reverse();
        }
        assert_eq!(UsbmonEvent::first_in_order(Order::Big, &big), Ok(Some((answered, 66))));
    }

    #[test]
    fn an_event_is_given_when_it_is_whole() {
        let [_, answered] = pair();
        let mut stream = [&answered.head.bytes()[..], &answered.data].concat();
        for short in 0..stream.len() {
            assert_eq!(UsbmonEvent::first_in_order(Order::Little, &stream[..short]), Ok(None), "{short}");
        }
        stream.extend(b"more");
        assert_eq!(UsbmonEvent::first_in_order(Order::Little, &stream).unwrap().unwrap().1, 66);
    }

    #[test]
    fn what_is_no_usbmon_is_refused_before_memory_is_filled() {
        let stream = [b'x'; HEAD];
        let length = u32::from_le_bytes([b'x'; 4]);
        assert_eq!(UsbmonEvent::first_of(&stream), Err(NotUsbmon(length)));
    }

    #[test]
    fn a_descriptor_is_asked_for_and_told() {
        let [asked, answered] = pair();
        assert!(asked.asks_which() && !answered.asks_which());
        assert_eq!((asked.tells_which(), answered.tells_which()), (None, Some((0x0e8d, 3))));
        assert_eq!(answered.at(), Duration::new(1_700_000_000, 123_456_000));
        // At address 0 it is not itself yet.
        let unborn = UsbmonEvent { head: Head { device: 0, ..answered.head }, ..answered };
        assert_eq!(unborn.tells_which(), None);
    }

    #[test]
    fn bytes_are_missed_only_in_the_event_that_has_them() {
        let [asked, answered] = pair();
        assert_eq!((asked.cut(), answered.cut()), (None, None));
        let cut = UsbmonEvent { data: vec![18, 1], head: Head { captured: 2, ..answered.head } };
        assert_eq!(cut.cut(), Some((2, 18)));
        let bulk = |step, endpoint, length| UsbmonEvent {
            head: Head { step, endpoint, transfer: BULK, length, captured: 0, ..asked.head },
            data: Vec::new(),
        };
        assert_eq!(bulk(b'S', 0x81, 512).cut(), None, "asked for");
        assert_eq!(bulk(b'C', 0x01, 512).cut(), None, "told that they were sent");
        assert_eq!(bulk(b'S', 0x01, 512).cut(), Some((0, 512)));
        assert_eq!(bulk(b'S', 0x01, 512).bulk(), Some((Direction::ToPhone, 512)));
        assert_eq!(bulk(b'C', 0x81, 7).bulk(), Some((Direction::FromPhone, 7)));
    }
}
