//! The classic capture format: a header of 24 bytes, then packets behind 16 bytes each.
//!
//! Source: draft-ietf-opsawg-pcap (magic numbers, both byte orders, micro- and nanoseconds).

use std::io::Read;

use crate::error::CaptureError;
use crate::order::Order;
use crate::packet::{LARGEST, Packet, nanoseconds};
use crate::source::{Came, Source};

/// Magic number of a file with microseconds.
const MICRO: u32 = 0xa1b2_c3d4;
/// Magic number of a file with nanoseconds.
const NANO: u32 = 0xa1b2_3c4d;

/// What the header of a file says.
#[derive(Debug)]
pub(crate) struct Pcap {
    order: Order,
    /// Nanoseconds in a unit of the second time field.
    unit: u32,
    link: u32,
    head: Vec<u8>,
}

impl Pcap {
    /// The rest of the file's header, of which the `first` four bytes are known.
    pub(crate) fn begin<R: Read>(first: [u8; 4], from: &mut Source<R>) -> Result<Self, CaptureError> {
        let (order, unit) = match (u32::from_le_bytes(first), u32::from_be_bytes(first)) {
            (MICRO, _) => (Order::Little, 1000),
            (NANO, _) => (Order::Little, 1),
            (_, MICRO) => (Order::Big, 1000),
            (_, NANO) => (Order::Big, 1),
            _ => return Err(CaptureError::NotACapture),
        };
        let mut head = Vec::new();
        if from.take(20, &mut head)? != Came::All {
            return Err(CaptureError::Cut { frame: 0 });
        }
        // The upper four bits tell of a check sequence behind the packets.
        let link = order.u32(&head, 16).unwrap_or_default() & 0x0fff_ffff;
        Ok(Self { order, unit, link, head })
    }

    pub(crate) fn next<R: Read>(
        &mut self,
        from: &mut Source<R>,
        frame: u64,
    ) -> Result<Option<Packet>, CaptureError> {
        match from.take(16, &mut self.head)? {
            Came::All => {}
            Came::Nothing => return Ok(None),
            Came::Part => return Err(CaptureError::Cut { frame }),
        }
        let field = |at| self.order.u32(&self.head, at).unwrap_or_default();
        let (seconds, parts, held) = (field(0), field(4), u64::from(field(8)));
        if held > LARGEST {
            return Err(CaptureError::Damaged { frame, what: "a packet of an impossible length" });
        }
        let mut data = Vec::new();
        if from.take(held, &mut data)? != Came::All {
            return Err(CaptureError::Cut { frame });
        }
        let at = nanoseconds(u128::from(seconds) * 1_000_000_000 + u128::from(parts) * u128::from(self.unit));
        let (link, order) = (self.link, self.order);
        Ok(Some(Packet { frame: frame.saturating_add(1), at, link, order, data, comments: Vec::new() }))
    }
}
