//! USB/IP requests and answers over a stream socket (`usbip-cdc.md` section 7.4), after the import or without one.
//!
//! Promises: a host that breaks the rules is sent away with the reason; nothing is reserved for bytes that have
//! not come. All numbers are big-endian except inside the setup packet.

use std::sync::Arc;

use super::Serving;
use super::usb::{Carried, LOOK};
use crate::usb::{Answer, Done, MAX_TRANSFER, Port, Status, Urbs};

const HEADER: usize = 48;
/// Negative errno values (`usbip-cdc.md` section 7.4).
const STALLED: i32 = -32;
const BABBLED: i32 = -75;
const UNLINKED: i32 = -104;

/// Bytes asked of the socket at once.
const CHUNK: usize = 256 << 10;

pub(super) fn answer() -> Answer {
    Arc::new(|out: &mut Vec<u8>, done: &Done<'_>| {
        let status = match done.status {
            Status::Done => 0,
            Status::Stall => STALLED,
            Status::Babble => BABBLED,
        };
        // The number came as 32 bits; no transfer is longer than 16 MiB.
        ret_submit(out, done.id as u32, status, done.actual as u32, done.data);
    })
}

fn ret_submit(out: &mut Vec<u8>, number: u32, status: i32, actual: u32, data: &[u8]) {
    let mut head = [0; HEADER];
    head[3] = 3;
    head[4..8].copy_from_slice(&number.to_be_bytes());
    head[20..24].copy_from_slice(&status.to_be_bytes());
    head[24..28].copy_from_slice(&actual.to_be_bytes());
    out.extend_from_slice(&head);
    out.extend_from_slice(data);
}

fn ret_unlink(out: &mut Vec<u8>, number: u32, status: i32) {
    let mut head = [0; HEADER];
    head[3] = 4;
    head[4..8].copy_from_slice(&number.to_be_bytes());
    head[20..24].copy_from_slice(&status.to_be_bytes());
    out.extend_from_slice(&head);
}

/// Carries requests until the host or the phone leaves.
pub(super) fn carry(port: &Port<'_>, tell: &mut dyn FnMut(Serving)) -> Carried {
    let mut chunk = vec![0; CHUNK];
    let mut input = Vec::new();
    loop {
        if port.over() {
            return Carried::PhoneLeft;
        }
        match port.read(&mut chunk, &mut input, LOOK) {
            Ok(None) => continue,
            Ok(Some(0)) | Err(_) => return Carried::HostLeft(None),
            Ok(Some(_)) => {}
        }
        let (taken, log) = port.with(|urbs| (take_in(urbs, &input), urbs.control.take_log()));
        log.into_iter().for_each(|line| tell(Serving::Request(line)));
        match taken {
            Ok(bytes) => drop(input.drain(..bytes)),
            Err(words) => return Carried::HostLeft(Some(words)),
        }
    }
}

/// Takes in all requests that came whole; how many bytes they were.
fn take_in(urbs: &mut Urbs, input: &[u8]) -> Result<usize, String> {
    let mut at = 0;
    while let Some(bytes) = one(urbs, &input[at..])? {
        at += bytes;
        urbs.check().map_err(|e| e.to_string())?;
    }
    Ok(at)
}

fn one(urbs: &mut Urbs, input: &[u8]) -> Result<Option<usize>, String> {
    let Some(head) = input.first_chunk::<HEADER>() else { return Ok(None) };
    let word = |at: usize| u32::from_be_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
    let number = word(4);
    match word(0) {
        1 => submit(urbs, head, &input[HEADER..]),
        2 => {
            let found = urbs.unlink(u64::from(word(20)));
            ret_unlink(&mut urbs.outbox, number, if found { UNLINKED } else { 0 });
            Ok(Some(HEADER))
        }
        other => Err(format!("{other:#x} is no USB/IP command")),
    }
}

fn submit(urbs: &mut Urbs, head: &[u8; HEADER], body: &[u8]) -> Result<Option<usize>, String> {
    let word = |at: usize| u32::from_be_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
    let (number, direction, endpoint) = (word(4), word(12), word(16));
    let bytes = usize::try_from(word(24)).unwrap_or(usize::MAX);
    if bytes > MAX_TRANSFER {
        return Err(format!("a transfer of {bytes} bytes; {MAX_TRANSFER} is the most"));
    }
    if !matches!(word(32), 0 | u32::MAX) {
        return Err("isochronous transfers are not for this device".to_owned());
    }
    let Some(endpoint) = u8::try_from(endpoint).ok().filter(|n| *n < 16) else {
        return Err(format!("endpoint {endpoint} cannot be"));
    };
    let data = match direction {
        0 => body.get(..bytes),
        1 => Some(&[][..]),
        other => return Err(format!("{other} is no direction")),
    };
    let Some(data) = data else { return Ok(None) };
    let too_much = |e: crate::usb::TooMuch| e.to_string();
    match (endpoint, direction) {
        (0, _) => {
            let setup = [head[40], head[41], head[42], head[43], head[44], head[45], head[46], head[47]];
            control(urbs, number, setup, data, bytes);
        }
        (_, 0) => urbs.submit_out(u64::from(number), endpoint, data.to_vec()).map_err(too_much)?,
        (_, _) => urbs.submit_in(u64::from(number), endpoint, bytes).map_err(too_much)?,
    }
    Ok(Some(HEADER + data.len()))
}

fn control(urbs: &mut Urbs, number: u32, setup: [u8; 8], data: &[u8], bytes: usize) {
    match urbs.control(setup, data) {
        Err(_) => ret_submit(&mut urbs.outbox, number, STALLED, 0, &[]),
        Ok(mut said) if setup[0] & 0x80 != 0 => {
            said.truncate(bytes);
            ret_submit(&mut urbs.outbox, number, 0, said.len() as u32, &said);
        }
        Ok(_) => ret_submit(&mut urbs.outbox, number, 0, data.len() as u32, &[]),
    }
}
