//! Images behind MediaTek's 512-byte header, logo.bin among them (formats.md sections 6.4 and 6.5).

use alloc::format;
use alloc::vec::Vec;

use super::fields::{has, is_name, le32, narrow, text, wide};
use super::view::Spot;
use super::{Confidence, Finding, Kind, files};
use crate::files::boot::{Extended, MtkHeader};
use crate::read_at::ReadError;

/// Most headers followed in a row; a real lk.img has about ten.
const MOST_IMAGES: usize = 64;

/// The image here and, where the headers are of the extended kind, those behind it.
pub(super) fn images(spot: &Spot<'_>) -> Result<Vec<Finding>, ReadError> {
    let mut all = Vec::new();
    let Some((first, mut next)) = image(spot)? else { return Ok(all) };
    all.extend(first);
    while let Some(at) = next.filter(|&at| at < spot.view.len && all.len() < MOST_IMAGES) {
        let Some((more, after)) = image(&spot.view.spot(at)?)? else { break };
        all.extend(more);
        next = after;
    }
    Ok(all)
}

type Image = (Vec<Finding>, Option<u64>);

/// One header with what is behind it, and where the next header is.
fn image(spot: &Spot<'_>) -> Result<Option<Image>, ReadError> {
    let Some(MtkHeader { header_bytes, payload_bytes: size, name, load, extended }) =
        MtkHeader::parse(&spot.head)
    else {
        return Ok(None);
    };
    let confidence = if is_name(&name) { Confidence::Certain } else { Confidence::Likely };
    let length = header_bytes.saturating_add(size);
    let mut found = spot
        .finding(Kind::MtkImage, confidence)
        .long(length)
        .text("name", text(&name, 0, 32))
        .number("payload_bytes", size);
    if load != 0xFFFF_FFFF {
        found = found.hex("load", load);
    }
    let mut next = None;
    if let Some(Extended { image_type, align }) = extended {
        found = found.hex("image_type", image_type).number("extended", 1_u8);
        let end = spot.at.saturating_add(length);
        // A header that does not lead on would be met for ever.
        next = end.checked_next_multiple_of(align).filter(|&at| at > spot.at && size > 0);
    }
    let payload = spot.view.spot(spot.at.saturating_add(header_bytes))?;
    let mut all = Vec::new();
    if let Some(logo) = logo(&payload, size)? {
        all.push(Finding { offset: spot.at, length: Some(length), ..logo });
    } else if let Some(inside) = files::payload(&payload) {
        found = found.text("payload", inside.kind.code());
    }
    all.push(found);
    Ok(Some((all, next)))
}

/// The table of pictures behind the header; `size` is what the header says.
fn logo(payload: &Spot<'_>, size: u64) -> Result<Option<Finding>, ReadError> {
    let (count, total) = (le32(&payload.head, 0), le32(&payload.head, 4));
    let table = u64::from(count).saturating_mul(4).saturating_add(8);
    if !(1..=0x1000).contains(&count)
        || u64::from(total) != size
        || u64::from(le32(&payload.head, 8)) != table
    {
        return Ok(None);
    }
    let table = payload.bytes(0, narrow(table))?;
    let offsets: Vec<u32> =
        (0..count).map(|it| le32(&table, narrow(it.into()).saturating_mul(4).saturating_add(8))).collect();
    let ordered = offsets.windows(2).all(|pair| pair.first() < pair.last());
    let first = payload.bytes(wide(table.len()), 2)?;
    let zlib = has(&first, 0, &[0x78]);
    let confidence = if ordered { Confidence::Certain } else { Confidence::Likely };
    let mut found = payload.finding(Kind::Logo, confidence).number("pictures", count);
    if !ordered {
        found = found.text("damage", "the offsets of the pictures do not ascend, or are cut off");
    }
    if !zlib && !first.is_empty() {
        found = found.text("damage", format!("the first picture is no zlib stream: it begins {first:02x?}"));
    }
    Ok(Some(found))
}
