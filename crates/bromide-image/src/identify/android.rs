//! Android's own containers: boot, vendor_boot, sparse, verified boot, device trees, super
//! (formats.md sections 6.6 to 6.8).

use alloc::format;
use alloc::string::ToString;
use alloc::vec::Vec;

use super::fields::{be32, be64, has, le32, text};
use super::view::{Spot, View};
use super::{Confidence, Finding, Form, Kind, files, fs, mtk};
use crate::files::boot::{self, Section};
use crate::read_at::ReadError;
use crate::sparse::{self, Header, Sparse, SparseError};

/// A boot or recovery image and what its kernel and ramdisk begin with.
pub(super) fn boot(spot: &Spot<'_>) -> Result<Vec<Finding>, ReadError> {
    if !spot.has(0, b"ANDROID!") {
        return Ok(Vec::new());
    }
    let Some(header) = boot::Header::parse(&spot.bytes(0, boot::header::BYTES)?) else {
        return Ok(Vec::new());
    };
    let plausible = header.plausible();
    let confidence = if plausible { Confidence::Certain } else { Confidence::Likely };
    let mut found = spot
        .finding(Kind::AndroidBoot, confidence)
        .number("version", header.version)
        .number("page", header.page)
        .number("kernel_bytes", header.bytes_of("kernel"))
        .number("ramdisk_bytes", header.bytes_of("ramdisk"));
    let cmdline = |most: usize| text(&header.cmdline, 0, most);
    if header.version >= 3 {
        found = found.text("cmdline", cmdline(1536));
    } else {
        found = found
            .number("second_bytes", header.bytes_of("second"))
            .hex("kernel_load", header.address_of("kernel"))
            .hex("ramdisk_load", header.address_of("ramdisk"))
            .text("name", text(&header.name, 0, 16))
            .text("cmdline", cmdline(512));
        if header.vendor_dt {
            found = found.number("vendor_dt_bytes", header.bytes_of("dt"));
        }
    }
    if !plausible {
        return Ok(alloc::vec![found.text("damage", "the page size is impossible")]);
    }
    let (sections, end) = header.sections();
    let mut all = alloc::vec![found.long(end)];
    for Section { name, at, .. } in sections.into_iter().filter(|it| it.bytes > 0) {
        if matches!(name, "kernel" | "ramdisk") {
            all.extend(section(spot, name, at)?);
        }
    }
    Ok(all)
}

/// What a section of a boot image begins with: in images of the MT65xx era a header of its own (section 6.4).
fn section(spot: &Spot<'_>, name: &'static str, at: u64) -> Result<Vec<Finding>, ReadError> {
    let inner = spot.view.spot(spot.at.saturating_add(at))?;
    let mut found = mtk::images(&inner)?;
    if found.is_empty() {
        found.extend(files::payload(&inner));
    }
    Ok(found.into_iter().map(|it| it.text("inside", name)).collect())
}

/// A vendor_boot image.
pub(super) fn vendor_boot(spot: &Spot<'_>) -> Result<Option<Finding>, ReadError> {
    if !spot.has(0, b"VNDRBOOT") {
        return Ok(None);
    }
    let Some(header) = boot::Header::parse(&spot.bytes(0, boot::header::BYTES)?) else { return Ok(None) };
    let confidence = if header.plausible() { Confidence::Certain } else { Confidence::Likely };
    let found = spot.finding(Kind::VendorBoot, confidence);
    Ok(Some(found.number("version", header.version).number("page", header.page)))
}

/// A sparse image: its chunks, and what its content begins with.
pub(super) fn sparse(spot: &Spot<'_>) -> Result<Option<Finding>, ReadError> {
    if !spot.has(0, &sparse::MAGIC) || spot.head.len() < sparse::HEADER_BYTES.into() {
        return Ok(None);
    }
    let header = match Header::parse(&spot.head) {
        Ok(header) => header,
        Err(fault) => {
            let found = spot.finding(Kind::Sparse, Confidence::Likely);
            return Ok(Some(found.text("damage", fault.to_string())));
        }
    };
    let found = spot
        .finding(Kind::Sparse, Confidence::Certain)
        .text("version", format!("{}.{}", header.version.0, header.version.1))
        .number("block", header.block_bytes)
        .number("blocks", header.blocks)
        .number("chunks", header.chunks)
        .number("expanded_bytes", header.raw_bytes());
    let content = match Sparse::read(spot) {
        Ok(content) => content,
        Err(SparseError::Read(medium @ ReadError::Medium { .. })) => return Err(medium),
        // The bound on bytes read, which is told of the whole file.
        Err(SparseError::Read(ReadError::Beyond { .. })) => return Ok(Some(found)),
        Err(fault) => return Ok(Some(found.text("damage", fault.to_string()))),
    };
    let counts = content.counts();
    let found = found
        .long(content.file_bytes())
        .number("raw_chunks", counts.raw)
        .number("fill_chunks", counts.fill)
        .number("dont_care_chunks", counts.dont_care);
    let inner = View::new(&content, Form::Plain, 0);
    let inner = match inner.spot(0) {
        Ok(inner) => inner,
        Err(error) => return past_the_bound(error).map(|_| Some(found)),
    };
    let inside = fs::any(&inner).or_else(past_the_bound)?;
    Ok(Some(match inside.or(super_partition(&inner).or_else(past_the_bound)?) {
        Some(inside) => found.text("content", inside.kind.code()),
        None => found,
    }))
}

/// What lies beyond the bytes that may be read is not known, which is no fault.
fn past_the_bound(error: ReadError) -> Result<Option<Finding>, ReadError> {
    if matches!(error, ReadError::Beyond { .. }) { Ok(None) } else { Err(error) }
}

/// Verified boot metadata: a header of 256 bytes, then two blocks whose sizes it states.
pub(super) fn vbmeta(spot: &Spot<'_>) -> Option<Finding> {
    let head = &spot.head;
    if !spot.has(0, b"AVB0") || head.len() < 256 {
        return None;
    }
    let length = be64(head, 12).saturating_add(be64(head, 20)).saturating_add(256);
    let plausible = be32(head, 4) == 1 && length <= 0x10_0000;
    let confidence = if plausible { Confidence::Certain } else { Confidence::Likely };
    let found = spot
        .finding(Kind::Vbmeta, confidence)
        .text("needs_version", format!("{}.{}", be32(head, 4), be32(head, 8)))
        .number("algorithm", be32(head, 28))
        .number("rollback_index", be64(head, 112))
        .hex("flags", be32(head, 120))
        .text("made_by", text(head, 128, 47));
    Some(if plausible { found.long(length) } else { found })
}

/// A footer in the last 64 bytes of the file.
pub(super) fn avb_footer(view: &super::view::View<'_>) -> Result<Option<Finding>, ReadError> {
    let Some(at) = view.len.checked_sub(64) else { return Ok(None) };
    let footer = view.bytes(at, 64)?;
    if !has(&footer, 0, b"AVBf") {
        return Ok(None);
    }
    let found = Finding::new(at, Kind::AvbFooter, Confidence::Likely)
        .long(64)
        .number("image_bytes", be64(&footer, 12))
        .hex("vbmeta", be64(&footer, 20))
        .number("vbmeta_bytes", be64(&footer, 28));
    Ok(Some(found))
}

/// A device tree blob or a table of overlays, both big-endian.
pub(super) fn device_tree(spot: &Spot<'_>) -> Option<Finding> {
    let head = &spot.head;
    let (magic, total) = (be32(head, 0), be32(head, 4));
    if magic == 0xD00D_FEED {
        let version = be32(head, 20);
        let known = total >= 40 && (16..=17).contains(&version) && be32(head, 8) < total;
        let confidence = if known { Confidence::Certain } else { Confidence::Possible };
        return Some(
            spot.finding(Kind::DeviceTree, confidence).long(total.into()).number("version", version),
        );
    }
    if magic != 0xD7B7_AB1E {
        return None;
    }
    let known = be32(head, 8) == 32 && be32(head, 12) == 32;
    let confidence = if known { Confidence::Certain } else { Confidence::Likely };
    Some(spot.finding(Kind::Dtbo, confidence).long(total.into()).number("trees", be32(head, 16)))
}

/// Dynamic partitions: their geometry stands 4 KiB from the start.
pub(super) fn super_partition(spot: &Spot<'_>) -> Result<Option<Finding>, ReadError> {
    // The first 4 KiB are reserved and empty: nothing else need be read for most places.
    if spot.room() < 0x1034 || spot.head.iter().any(|&it| it != 0) {
        return Ok(None);
    }
    let geometry = spot.bytes(0x1000, 0x34)?;
    if !has(&geometry, 0, &[0x67, 0x44, 0x6C, 0x61]) {
        return Ok(None);
    }
    let found = spot
        .finding(Kind::Super, Confidence::Certain)
        .number("metadata_bytes", le32(&geometry, 40))
        .number("slots", le32(&geometry, 44))
        .number("logical_block", le32(&geometry, 48));
    Ok(Some(found))
}

/// Bytes of a Linux kernel image for ARM: start and end stand in its head.
pub(super) fn zimage(spot: &Spot<'_>) -> Option<Finding> {
    if !spot.has(0x24, &[0x18, 0x28, 0x6F, 0x01]) || spot.head.len() < 0x30 {
        return None;
    }
    let (start, end) = (le32(&spot.head, 0x28), le32(&spot.head, 0x2C));
    let found = spot.finding(Kind::Zimage, Confidence::Likely);
    Some(match end.checked_sub(start) {
        Some(length) if length > 0 => found.long(length.into()),
        _ => found,
    })
}

/// MediaTek's secro area.
pub(super) fn secro(spot: &Spot<'_>) -> Option<Finding> {
    spot.has(0, b"AND_AC_REGION").then(|| spot.finding(Kind::Secro, Confidence::Certain))
}
