//! What the two capture programs write in front of the bytes of a USB transfer, reading.
//!
//! Sources: `Documentation/usb/usbmon.rst` of Linux (the 48 and 64 bytes of a usbmon event), the link type list of
//! tcpdump.org (189, 220, 249), the USBPcap capture format (desowin.org/usbpcap/captureformat.html). The bench has
//! shown link type 189 to tshark (test-bench.md section 3).

use bromide_proto::link::Direction;

use crate::order::Order;
use crate::packet::Packet;
use crate::usbmon::{HEAD, Head};

/// usbmon's events of 48 bytes.
pub(crate) const USB_LINUX: u32 = 189;
/// usbmon's events of 64 bytes.
pub(crate) const USB_LINUX_MMAPPED: u32 = 220;
/// USBPcap, on Windows.
pub(crate) const USBPCAP: u32 = 249;

/// `USBD_STATUS_DEVICE_GONE` of Windows.
const GONE_WINDOWS: u32 = 0xc000_7000;

/// What kind of transfer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transfer {
    Control,
    Bulk,
    Other,
}

/// What happened to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    Submitted,
    Completed,
    Failed,
}

/// Bus and address of a device.
pub(crate) type Address = (u16, u16);

/// One event of a USB transfer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Urb<'a> {
    pub(crate) device: Address,
    /// With 0x80 for the direction to the host.
    pub(crate) endpoint: u8,
    pub(crate) transfer: Transfer,
    pub(crate) step: Step,
    /// It ended because the device left.
    pub(crate) gone: bool,
    /// Bytes of the event on the cable.
    pub(crate) length: u64,
    /// What was captured of them.
    pub(crate) data: &'a [u8],
}

impl<'a> Urb<'a> {
    /// `None`: the link type is not one of these.
    pub(crate) fn of(packet: &'a Packet) -> Option<Result<Self, &'static str>> {
        let parsed = match packet.link {
            USB_LINUX => usbmon(&packet.data, packet.order, HEAD),
            USB_LINUX_MMAPPED => usbmon(&packet.data, packet.order, 64),
            USBPCAP => usbpcap(&packet.data),
            _ => return None,
        };
        Some(parsed.ok_or("a packet shorter than the header of its kind"))
    }

    /// The way the bytes of this event go, if it is the one of its transfer that has them.
    pub(crate) const fn carries(&self) -> Option<Direction> {
        match (self.step, self.endpoint & 0x80) {
            (Step::Submitted, 0) => Some(Direction::ToPhone),
            (Step::Completed, 0x80) => Some(Direction::FromPhone),
            _ => None,
        }
    }
}

fn usbmon(packet: &[u8], order: Order, header: usize) -> Option<Urb<'_>> {
    let data = packet.get(header..)?;
    Some(Head::read(order, packet)?.urb(data))
}

/// Little-endian wherever it was captured.
fn usbpcap(packet: &[u8]) -> Option<Urb<'_>> {
    let order = Order::Little;
    let data = packet.get(usize::from(order.u16(packet, 0)?).max(27)..)?;
    let length = order.u32(packet, 23)?;
    let completed = packet.get(16)? & 1 != 0;
    Some(Urb {
        device: (order.u16(packet, 17)?, order.u16(packet, 19)?),
        endpoint: *packet.get(21)?,
        transfer: match packet.get(22)? {
            2 => Transfer::Control,
            3 => Transfer::Bulk,
            _ => Transfer::Other,
        },
        step: if completed { Step::Completed } else { Step::Submitted },
        gone: completed && order.u32(packet, 10)? == GONE_WINDOWS,
        length: length.into(),
        data: usize::try_from(length).ok().and_then(|length| data.get(..length)).unwrap_or(data),
    })
}
