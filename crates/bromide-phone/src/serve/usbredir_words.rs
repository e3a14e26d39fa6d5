//! The messages of usbredir 0.7 as bytes: header, capabilities, what a device announces, what is asked of it.
//!
//! Promises: a message is parsed only when it came whole, and its length is checked before anything is kept for it.

use super::usb::Shown;
use crate::usb::{MAX_TRANSFER, Speed, Urbs};

/// Message types.
pub(super) mod kind {
    pub(in crate::serve) const HELLO: u32 = 0;
    pub(super) const CONNECT: u32 = 1;
    pub(in crate::serve) const DISCONNECT: u32 = 2;
    pub(super) const INTERFACE_INFO: u32 = 4;
    pub(super) const ENDPOINT_INFO: u32 = 5;
    pub(super) const SET_CONFIGURATION: u32 = 6;
    pub(super) const GET_CONFIGURATION: u32 = 7;
    pub(super) const CONFIGURATION_STATUS: u32 = 8;
    pub(super) const SET_ALTERNATE: u32 = 9;
    pub(super) const GET_ALTERNATE: u32 = 10;
    pub(super) const ALTERNATE_STATUS: u32 = 11;
    pub(super) const START_INTERRUPT: u32 = 15;
    pub(super) const STOP_INTERRUPT: u32 = 16;
    pub(super) const INTERRUPT_STATUS: u32 = 17;
    pub(super) const CANCEL: u32 = 21;
    pub(in crate::serve) const DISCONNECT_ACK: u32 = 24;
    pub(super) const CONTROL: u32 = 100;
    pub(super) const BULK: u32 = 101;
}

const CANCELLED: u8 = 1;
const STALLED: u8 = 4;
/// Bits of the capability word.
const DEVICE_VERSION: u32 = 1 << 1;
const ACKNOWLEDGES: u32 = 1 << 3;
const MAX_PACKET: u32 = 1 << 4;
const IDS_64: u32 = 1 << 5;
const BULK_32: u32 = 1 << 6;
const OURS: u32 = DEVICE_VERSION | ACKNOWLEDGES | MAX_PACKET | IDS_64 | BULK_32;

/// What both sides can do.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Caps {
    device_version: bool,
    pub(super) acknowledges: bool,
    max_packet: bool,
    wide_ids: bool,
    wide_bulk: bool,
}

impl Caps {
    /// From the body of a hello: 64 bytes of version, then at least one word of capabilities.
    pub(super) fn of(hello: &[u8]) -> Option<Self> {
        let both = u32::from_le_bytes(*hello.get(64..)?.first_chunk()?) & OURS;
        Some(Self {
            device_version: both & DEVICE_VERSION != 0,
            acknowledges: both & ACKNOWLEDGES != 0,
            max_packet: both & MAX_PACKET != 0,
            wide_ids: both & IDS_64 != 0,
            wide_bulk: both & BULK_32 != 0,
        })
    }

    /// Answer to a bulk message.
    pub(super) fn bulk(
        self,
        out: &mut Vec<u8>,
        id: u64,
        endpoint: u8,
        status: u8,
        actual: usize,
        data: &[u8],
    ) {
        let [a, b, c, d, ..] = actual.to_le_bytes();
        let head = [endpoint, status, a, b, 0, 0, 0, 0, c, d];
        let head = &head[..if self.wide_bulk { 10 } else { 8 }];
        begin(out, self, kind::BULK, id, head.len() + data.len());
        out.extend_from_slice(head);
        out.extend_from_slice(data);
    }
}

fn begin(out: &mut Vec<u8>, caps: Caps, kind: u32, id: u64, bytes: usize) {
    out.extend(kind.to_le_bytes());
    // No message is longer than a transfer and its header.
    out.extend((bytes as u32).to_le_bytes());
    if caps.wide_ids {
        out.extend(id.to_le_bytes());
    } else {
        out.extend((id as u32).to_le_bytes());
    }
}

/// Appends a message.
pub(super) fn put(out: &mut Vec<u8>, caps: Caps, kind: u32, id: u64, body: &[u8]) {
    begin(out, caps, kind, id, body.len());
    out.extend_from_slice(body);
}

/// Our hello; its id always has 32 bits.
pub(super) fn hello() -> Vec<u8> {
    let mut body = b"bromide virtual phone".to_vec();
    body.resize(64, 0);
    body.extend(OURS.to_le_bytes());
    let mut bytes = Vec::new();
    put(&mut bytes, Caps::default(), kind::HELLO, 0, &body);
    bytes
}

/// Endpoints, interfaces and the device, in the order the other side wants them.
pub(super) fn announce(shown: &Shown, caps: Caps) -> Vec<u8> {
    // 32 slots each: 16 OUT, 16 IN. Type 255 is "none".
    let (mut types, mut intervals, mut owners, mut packets) = ([255; 32], [0; 32], [0; 32], [0u16; 32]);
    (types[0], types[16], packets[0], packets[16]) = (0, 0, 64, 64);
    let mut interfaces: Vec<[u8; 4]> = Vec::new();
    for descriptor in shown.descriptors() {
        match descriptor[..] {
            [_, 4, number, 0, _, class, subclass, protocol, ..] if interfaces.len() < 32 => {
                interfaces.push([number, class, subclass, protocol]);
            }
            [_, 5, address, attributes, low, high, interval, ..] if address & 0x0f != 0 => {
                let slot = usize::from(address & 0x0f) + if address & 0x80 != 0 { 16 } else { 0 };
                (types[slot], intervals[slot]) = (attributes & 3, interval);
                owners[slot] = interfaces.last().map_or(0, |interface| interface[0]);
                packets[slot] = u16::from_le_bytes([low, high]);
            }
            _ => {}
        }
    }
    let mut out = Vec::new();
    let mut body = [types, intervals, owners].concat();
    if caps.max_packet {
        body.extend(packets.iter().flat_map(|bytes| bytes.to_le_bytes()));
    }
    put(&mut out, caps, kind::ENDPOINT_INFO, 0, &body);
    // At most 32.
    let mut body = (interfaces.len() as u32).to_le_bytes().to_vec();
    for field in 0..4 {
        let mut row: Vec<u8> = interfaces.iter().map(|interface| interface[field]).collect();
        row.resize(32, 0);
        body.extend(row);
    }
    put(&mut out, caps, kind::INTERFACE_INFO, 0, &body);
    let device = shown.device();
    let speed = match shown.face.speed() {
        Speed::Full => 1,
        Speed::High => 2,
    };
    let mut body = vec![speed, device[4], device[5], device[6]];
    body.extend(&device[8..12]);
    if caps.device_version {
        body.extend(&device[12..14]);
    }
    put(&mut out, caps, kind::CONNECT, 0, &body);
    out
}

/// A message that came whole.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) kind: u32,
    id: u64,
    pub(super) body: Vec<u8>,
}

/// Bytes that have come, message by message.
#[derive(Debug, Default)]
pub(super) struct Reader {
    pub(super) input: Vec<u8>,
    at: usize,
}

impl Reader {
    /// The next message if it is complete; the error says what is wrong with it.
    pub(super) fn next(&mut self, caps: Caps) -> Result<Option<Message>, String> {
        let head = if caps.wide_ids { 16 } else { 12 };
        let rest = &self.input[self.at..];
        let word = |at: usize| rest[at..].first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes));
        let body = if rest.len() < head { None } else { Some(word(4) as usize) };
        if body.is_some_and(|bytes| bytes > MAX_TRANSFER + 64) {
            return Err(format!("a message of {} bytes", word(4)));
        }
        let Some(body) = body.and_then(|bytes| rest.get(head..head + bytes)) else {
            self.input.drain(..self.at);
            self.at = 0;
            return Ok(None);
        };
        let high = if caps.wide_ids { u64::from(word(12)) << 32 } else { 0 };
        let message = Message { kind: word(0), id: high | u64::from(word(8)), body: body.to_vec() };
        self.at += head + message.body.len();
        Ok(Some(message))
    }
}

/// Takes in all messages that came whole.
pub(super) fn take_in(urbs: &mut Urbs, reader: &mut Reader, caps: Caps) -> Result<(), String> {
    while let Some(message) = reader.next(caps)? {
        one(urbs, caps, message)?;
        urbs.check().map_err(|e| e.to_string())?;
    }
    Ok(())
}

fn one(urbs: &mut Urbs, caps: Caps, message: Message) -> Result<(), String> {
    let Message { kind, id, body } = message;
    let short = || format!("message {kind} with {} bytes", body.len());
    let out = |urbs: &mut Urbs, kind, body: &[u8]| put(&mut urbs.outbox, caps, kind, id, body);
    match kind {
        kind::CONTROL => control(urbs, caps, id, &body).ok_or_else(short),
        kind::BULK => bulk(urbs, caps, id, &body).ok_or_else(short)?,
        kind::SET_CONFIGURATION => {
            let value = *body.first().ok_or_else(short)?;
            let status = urbs.control([0, 9, value, 0, 0, 0, 0, 0], &[]).map_or(STALLED, |_| 0);
            out(urbs, kind::CONFIGURATION_STATUS, &[status, value]);
            Ok(())
        }
        kind::GET_CONFIGURATION => {
            let value = u8::from(urbs.configured());
            out(urbs, kind::CONFIGURATION_STATUS, &[0, value]);
            Ok(())
        }
        kind::SET_ALTERNATE | kind::GET_ALTERNATE => {
            let interface = *body.first().ok_or_else(short)?;
            let setting = if kind == kind::SET_ALTERNATE { *body.get(1).ok_or_else(short)? } else { 0 };
            let status = urbs.control([1, 0x0b, setting, 0, interface, 0, 0, 0], &[]).map_or(STALLED, |_| 0);
            out(urbs, kind::ALTERNATE_STATUS, &[status, interface, 0]);
            Ok(())
        }
        kind::START_INTERRUPT | kind::STOP_INTERRUPT => {
            let endpoint = *body.first().ok_or_else(short)?;
            out(urbs, kind::INTERRUPT_STATUS, &[0, endpoint]);
            Ok(())
        }
        kind::CANCEL => {
            if urbs.unlink(id) {
                caps.bulk(&mut urbs.outbox, id, 0x81, CANCELLED, 0, &[]);
            }
            Ok(())
        }
        // Resets, filters and streams mean nothing to this device.
        _ => Ok(()),
    }
}

/// Endpoint, request, type, status, value, index, length, then data.
fn control(urbs: &mut Urbs, caps: Caps, id: u64, body: &[u8]) -> Option<()> {
    let (&[endpoint, request, kind, _, a, b, c, d, e, f], data) = body.split_first_chunk::<10>()?;
    let answer = urbs.control([kind, request, a, b, c, d, e, f], data);
    let status = if answer.is_err() { STALLED } else { 0 };
    let said = answer.unwrap_or_default();
    let bytes = if kind & 0x80 != 0 { said.len() } else { data.len() };
    let [low, high, ..] = bytes.to_le_bytes();
    let mut reply = vec![endpoint, request, kind, status, a, b, c, d, low, high];
    reply.extend(said);
    put(&mut urbs.outbox, caps, kind::CONTROL, id, &reply);
    Some(())
}

/// Endpoint, status, length, stream, upper length, then data. `None`: too short.
fn bulk(urbs: &mut Urbs, caps: Caps, id: u64, body: &[u8]) -> Option<Result<(), String>> {
    let (head, data) = body.split_at_checked(if caps.wide_bulk { 10 } else { 8 })?;
    let wide = if caps.wide_bulk { [head[8], head[9]] } else { [0, 0] };
    let bytes = u32::from_le_bytes([head[2], head[3], wide[0], wide[1]]) as usize;
    if bytes > MAX_TRANSFER {
        return Some(Err(format!("a transfer of {bytes} bytes; {MAX_TRANSFER} is the most")));
    }
    let endpoint = head[0] & 0x0f;
    let taken = if head[0] & 0x80 != 0 {
        urbs.submit_in(id, endpoint, bytes)
    } else {
        urbs.submit_out(id, endpoint, data.to_vec())
    };
    Some(taken.map_err(|e| e.to_string()))
}
