//! Formats of the wider world that stand inside partitions, and text (formats.md section 6.8).

use alloc::string::ToString;

use super::fields::{be32, byte, le16, narrow};
use super::view::{Spot, View};
use super::{Confidence, Finding, Kind, android};
use crate::read_at::ReadError;

/// Largest text read as a map.
const LARGEST_TEXT: u64 = 4 << 20;

/// A stream or program that is only worth naming where something is known to begin: few bytes speak for it.
pub(super) fn payload(spot: &Spot<'_>) -> Option<Finding> {
    let head = &spot.head;
    if spot.has(0, &[0x1F, 0x8B, 8]) {
        // The upper three flag bits are reserved.
        let known = byte(head, 3) < 0x20;
        return known.then(|| spot.finding(Kind::Gzip, Confidence::Likely));
    }
    if spot.has(0, b"\x7fELF") && (1..=2).contains(&byte(head, 4)) {
        let big = byte(head, 5) == 2;
        let machine = if big { be32(head, 0x10) & 0xFFFF } else { le16(head, 0x12).into() };
        let bits = if byte(head, 4) == 1 { 32_u8 } else { 64 };
        return Some(
            spot.finding(Kind::Elf, Confidence::Certain).number("bits", bits).number("machine", machine),
        );
    }
    // Method and check bits of the two-byte header: a multiple of 31.
    let zlib = u16::from_be_bytes([byte(head, 0), byte(head, 1)]);
    if zlib == 0x78DA || zlib == 0x789C {
        return Some(spot.finding(Kind::Zlib, Confidence::Possible));
    }
    android::zimage(spot).or_else(|| android::device_tree(spot))
}

/// A text file: a partition map of any kind that can be read, or something else.
pub(super) fn text(view: &View<'_>) -> Result<Option<Finding>, ReadError> {
    if view.len == 0 || view.len > LARGEST_TEXT {
        return Ok(None);
    }
    let start = view.bytes(0, 4096)?;
    let wide = start.starts_with(b"\xff\xfe") || start.starts_with(b"\xfe\xff");
    let ascii = start.iter().filter(|it| it.is_ascii()).count();
    let like_text = start.iter().all(|&it| is_text(it)) && ascii >= start.len().div_ceil(2);
    if !wide && !like_text {
        return Ok(None);
    }
    if wide && !start.get(2..).unwrap_or_default().contains(&0) {
        return Ok(None);
    }
    let whole = view.bytes(0, narrow(view.len))?;
    if !wide && !whole.iter().all(|&it| is_text(it)) {
        return Ok(None);
    }
    let found = match crate::map::parse(&whole) {
        Ok(map) => Finding::new(0, Kind::PartitionMap, Confidence::Certain)
            .text("source", map.source.code())
            .number("partitions", super::fields::wide(map.partitions.len())),
        Err(fault) => Finding::new(0, Kind::Text, Confidence::Likely).text("not_a_map", fault.to_string()),
    };
    Ok(Some(found.long(view.len)))
}

/// Text has no control characters but blanks and line ends; any code page is welcome, but FF is what erased flash has.
const fn is_text(byte: u8) -> bool {
    matches!(byte, b'\t' | b'\n' | b'\r' | 0x0C | 0x1A | 0x20..=0x7E | 0x80..=0xFE)
}
