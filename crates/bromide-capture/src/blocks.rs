//! The block format of Wireshark, writing: little-endian, nanoseconds, one interface.
//!
//! Source: draft-ietf-opsawg-pcapng.

use std::time::Duration;

/// `opt_comment`.
pub(crate) const COMMENT: u16 = 1;
const SHB_HARDWARE: u16 = 2;
const SHB_OS: u16 = 3;
const SHB_USERAPPL: u16 = 4;
const IF_NAME: u16 = 2;
const IF_TSRESOL: u16 = 9;

/// Longest value of an option: its length has 16 bits, and padding is to fit too.
pub(crate) const LONGEST_OPTION: usize = 0xfff0;

/// Appends the header of a section.
pub(crate) fn section(into: &mut Vec<u8>, comment: &str, os: &str, program: &str) {
    block(into, 0x0a0d_0d0a, |body| {
        body.extend(0x1a2b_3c4d_u32.to_le_bytes());
        body.extend([1, 0, 0, 0]);
        // Length of the section: not known.
        body.extend([0xff; 8]);
        option(body, COMMENT, comment.as_bytes());
        option(body, SHB_HARDWARE, b"none");
        option(body, SHB_OS, os.as_bytes());
        option(body, SHB_USERAPPL, program.as_bytes());
        option(body, 0, &[]);
    });
}

/// Appends the description of an interface whose packets are kept at any length.
pub(crate) fn interface(into: &mut Vec<u8>, link: u16, name: &str) {
    block(into, 1, |body| {
        body.extend(link.to_le_bytes());
        body.extend([0; 6]);
        option(body, IF_NAME, name.as_bytes());
        option(body, IF_TSRESOL, &[9]);
        option(body, 0, &[]);
    });
}

/// Appends a packet made of these parts, which was `absent` bytes longer.
pub(crate) fn packet(into: &mut Vec<u8>, at: Duration, parts: &[&[u8]], absent: u32, comment: Option<&str>) {
    let ns = u64::try_from(at.as_nanos()).unwrap_or(u64::MAX);
    let held = parts.iter().map(|part| part.len()).sum::<usize>();
    let held = u32::try_from(held).unwrap_or(u32::MAX);
    block(into, 6, |body| {
        body.extend([0; 4]);
        body.extend(((ns >> 32) as u32).to_le_bytes());
        body.extend((ns as u32).to_le_bytes());
        body.extend(held.to_le_bytes());
        body.extend(held.saturating_add(absent).to_le_bytes());
        let begun = body.len();
        parts.iter().for_each(|part| body.extend(*part));
        pad(body, begun);
        if let Some(text) = comment {
            option(body, COMMENT, text.as_bytes());
            option(body, 0, &[]);
        }
    });
}

fn block(into: &mut Vec<u8>, kind: u32, body: impl FnOnce(&mut Vec<u8>)) {
    let begun = into.len();
    into.extend(kind.to_le_bytes());
    into.extend([0; 4]);
    body(into);
    let length = u32::try_from(into.len() - begun + 4).unwrap_or(u32::MAX).to_le_bytes();
    if let Some(field) = into.get_mut(begun + 4..begun + 8) {
        field.copy_from_slice(&length);
    }
    into.extend(length);
}

fn option(into: &mut Vec<u8>, code: u16, value: &[u8]) {
    let value = value.get(..LONGEST_OPTION).unwrap_or(value);
    into.extend(code.to_le_bytes());
    into.extend((value.len() as u16).to_le_bytes());
    let begun = into.len();
    into.extend(value);
    pad(into, begun);
}

fn pad(into: &mut Vec<u8>, begun: usize) {
    into.resize(begun + (into.len() - begun).next_multiple_of(4), 0);
}
