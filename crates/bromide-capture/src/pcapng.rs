//! The block format of Wireshark, reading: blocks that carry packets are understood, all others passed over.
//!
//! Source: draft-ietf-opsawg-pcapng (block types, options, time resolution).

use std::io::Read;
use std::time::Duration;

use crate::error::CaptureError;
use crate::order::Order;
use crate::packet::{LARGEST, Packet, nanoseconds};
use crate::source::{Came, Source};

/// Type of a Section Header Block, the same in both byte orders, and so the beginning of every file.
pub(crate) const MAGIC: [u8; 4] = [0x0a, 0x0d, 0x0d, 0x0a];
const SECTION: u32 = 0x0a0d_0d0a;
const INTERFACE: u32 = 1;
/// The packet block of old programs.
const OLD_PACKET: u32 = 2;
const SIMPLE_PACKET: u32 = 3;
const PACKET: u32 = 6;
/// By which a section tells its byte order.
const ORDER: u32 = 0x1a2b_3c4d;

/// A block with a packet in it: the packet, and room for fields and options.
const LARGEST_BLOCK: u64 = LARGEST + (1 << 20);
/// More interfaces than any machine has.
const MOST_INTERFACES: usize = 4096;

/// What an Interface Description Block says.
#[derive(Debug, Clone, Copy)]
struct Interface {
    link: u32,
    /// Longest packet kept; 0: any.
    snaplen: u32,
    /// `if_tsresol`: a power of 10, or with its highest bit of 2, that a second is divided by.
    resolution: u8,
    /// `if_tsoffset`: seconds to be added.
    offset: i64,
}

impl Interface {
    fn time(&self, stamp: u64) -> Duration {
        let power = self.resolution & 0x7f;
        let stamp = u128::from(stamp);
        let ns = if self.resolution & 0x80 != 0 {
            (stamp * 1_000_000_000) >> power
        } else if power <= 9 {
            stamp * 10u128.pow(u32::from(9 - power))
        } else {
            10u128.checked_pow(u32::from(power - 9)).map_or(0, |parts| stamp / parts)
        };
        let time = nanoseconds(ns);
        let seconds = Duration::from_secs(self.offset.unsigned_abs());
        if self.offset < 0 { time.saturating_sub(seconds) } else { time.saturating_add(seconds) }
    }
}

/// Where in a file the reader is.
#[derive(Debug)]
pub(crate) struct Pcapng {
    order: Order,
    interfaces: Vec<Interface>,
    /// Time of the last packet that had one; a Simple Packet Block has none.
    last: Duration,
    head: Vec<u8>,
    body: Vec<u8>,
}

impl Pcapng {
    /// The rest of the first section's header, whose type is read.
    pub(crate) fn begin<R: Read>(from: &mut Source<R>) -> Result<Self, CaptureError> {
        let mut reader = Self {
            order: Order::Little,
            interfaces: Vec::new(),
            last: Duration::ZERO,
            head: Vec::new(),
            body: Vec::new(),
        };
        let mut length = Vec::new();
        if from.take(4, &mut length)? != Came::All {
            return Err(CaptureError::Cut { frame: 0 });
        }
        reader.section(from, length.first_chunk().copied().unwrap_or_default(), 0)?;
        Ok(reader)
    }

    pub(crate) fn next<R: Read>(
        &mut self,
        from: &mut Source<R>,
        frame: u64,
    ) -> Result<Option<Packet>, CaptureError> {
        loop {
            match from.take(8, &mut self.head)? {
                Came::All => {}
                Came::Nothing => return Ok(None),
                Came::Part => return Err(CaptureError::Cut { frame }),
            }
            // A file system may have made room for bytes that a power cut kept it from writing.
            if self.head.iter().all(|byte| *byte == 0) {
                return Err(CaptureError::Cut { frame });
            }
            let kind = self.order.u32(&self.head, 0).unwrap_or_default();
            let length = self.head.last_chunk().copied().unwrap_or_default();
            if kind == SECTION {
                self.section(from, length, frame)?;
                continue;
            }
            let known = matches!(kind, INTERFACE | OLD_PACKET | SIMPLE_PACKET | PACKET);
            let length = u64::from(self.order.u32(&length, 0).unwrap_or_default());
            self.body(from, length, 8, known, frame)?;
            match kind {
                INTERFACE => self.interface(frame)?,
                OLD_PACKET | SIMPLE_PACKET | PACKET => return self.packet(kind, frame).map(Some),
                _ => {}
            }
        }
    }

    /// A Section Header Block from behind its length on: the byte order may change, the interfaces are forgotten.
    fn section<R: Read>(
        &mut self,
        from: &mut Source<R>,
        length: [u8; 4],
        frame: u64,
    ) -> Result<(), CaptureError> {
        if from.take(4, &mut self.head)? != Came::All {
            return Err(CaptureError::Cut { frame });
        }
        self.order = match (Order::Little.u32(&self.head, 0), Order::Big.u32(&self.head, 0)) {
            (Some(ORDER), _) => Order::Little,
            (_, Some(ORDER)) => Order::Big,
            _ => return Err(CaptureError::Damaged { frame, what: "a section without a byte order" }),
        };
        self.interfaces.clear();
        let length = u64::from(self.order.u32(&length, 0).unwrap_or_default());
        self.body(from, length, 12, true, frame)?;
        match self.order.u16(&self.body, 0) {
            Some(1) => Ok(()),
            _ => Err(CaptureError::Damaged { frame, what: "a section of an unknown version" }),
        }
    }

    /// What is between the `begun` bytes of a block and its second length, kept where it is `wanted`.
    fn body<R: Read>(
        &mut self,
        from: &mut Source<R>,
        length: u64,
        begun: u64,
        wanted: bool,
        frame: u64,
    ) -> Result<(), CaptureError> {
        let damaged = |what| Err(CaptureError::Damaged { frame, what });
        let Some(inner) = length.checked_sub(begun + 4).filter(|_| length.is_multiple_of(4)) else {
            return damaged("a block of an impossible length");
        };
        if wanted && length > LARGEST_BLOCK {
            return damaged("a block of an impossible length");
        }
        let came = if wanted { from.take(inner, &mut self.body)? } else { from.skip(inner)? };
        if came != Came::All || from.take(4, &mut self.head)? != Came::All {
            return Err(CaptureError::Cut { frame });
        }
        match self.order.u32(&self.head, 0).map(u64::from) {
            Some(again) if again == length => Ok(()),
            _ => damaged("a block whose two lengths differ"),
        }
    }

    fn interface(&mut self, frame: u64) -> Result<(), CaptureError> {
        let (link, snaplen) = (self.order.u16(&self.body, 0), self.order.u32(&self.body, 4));
        let (Some(link), Some(snaplen)) = (link, snaplen) else {
            return Err(CaptureError::Damaged { frame, what: "an interface without its fields" });
        };
        if self.interfaces.len() >= MOST_INTERFACES {
            return Err(CaptureError::Damaged { frame, what: "more interfaces than any machine has" });
        }
        let mut interface = Interface { link: link.into(), snaplen, resolution: 6, offset: 0 };
        for (code, value) in options(self.order, self.body.get(8..).unwrap_or_default()) {
            match (code, value) {
                (9, [resolution, ..]) => interface.resolution = *resolution,
                (14, value) => {
                    interface.offset = self.order.u64(value, 0).unwrap_or_default().cast_signed();
                }
                _ => {}
            }
        }
        self.interfaces.push(interface);
        Ok(())
    }

    fn packet(&mut self, kind: u32, frame: u64) -> Result<Packet, CaptureError> {
        let frame = frame.saturating_add(1);
        let damaged = |what| CaptureError::Damaged { frame, what };
        let (order, body) = (self.order, &self.body);
        let short = || damaged("a packet without its fields");
        let long = |at| order.u32(body, at).ok_or_else(short);
        let index = match kind {
            SIMPLE_PACKET => 0,
            OLD_PACKET => order.u16(body, 0).ok_or_else(short)?.into(),
            _ => long(0)?,
        };
        let interface = usize::try_from(index).ok().and_then(|index| self.interfaces.get(index));
        let interface =
            *interface.ok_or_else(|| damaged("a packet of an interface that is not described"))?;
        let (head, held) = if kind == SIMPLE_PACKET {
            let full = long(0)?;
            (4, if interface.snaplen == 0 { full } else { full.min(interface.snaplen) })
        } else {
            self.last = interface.time(u64::from(long(4)?) << 32 | u64::from(long(8)?));
            (20, long(12)?)
        };
        let held = usize::try_from(held).unwrap_or(usize::MAX);
        let rest = body.get(head..).unwrap_or_default();
        let data = rest.get(..held).ok_or_else(|| damaged("a packet longer than its block"))?.to_vec();
        let behind = held.checked_next_multiple_of(4).and_then(|padded| rest.get(padded..));
        let behind = if kind == SIMPLE_PACKET { None } else { behind };
        let comments = options(order, behind.unwrap_or_default()).filter(|(code, _)| *code == 1);
        let comments = comments.map(|(_, text)| String::from_utf8_lossy(text).into_owned()).collect();
        Ok(Packet { frame, at: self.last, link: interface.link, order, data, comments })
    }
}

/// Code and value of each option, up to the end of options or to one that does not fit.
fn options(order: Order, mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let (code, length) = (order.u16(bytes, 0)?, usize::from(order.u16(bytes, 2)?));
        let value = bytes.get(4..)?.get(..length).filter(|_| code != 0)?;
        bytes = bytes.get(4 + length.next_multiple_of(4)..).unwrap_or_default();
        Some((code, value))
    })
}
