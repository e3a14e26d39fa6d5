//! File systems by their superblocks (formats.md section 6.8; the fields are those of the public format descriptions).

use alloc::format;
use alloc::string::String;

use super::fields::{be32, byte, has, le16, le32, le64, part, text};
use super::view::Spot;
use super::{Confidence, Finding, Kind};
use crate::read_at::ReadError;

/// The file system that begins here.
pub(super) fn any(spot: &Spot<'_>) -> Result<Option<Finding>, ReadError> {
    if let Some(found) = ext(spot).or_else(|| erofs(spot)).or_else(|| squashfs(spot)) {
        return Ok(Some(found));
    }
    if let Some(found) = f2fs(spot).or_else(|| fat(spot)).or_else(|| ubifs(spot)) {
        return Ok(Some(found));
    }
    ubi(spot)
}

/// 16 bytes as a UUID.
fn uuid(bytes: &[u8]) -> String {
    let mut out = String::new();
    for (at, byte) in bytes.iter().enumerate() {
        if matches!(at, 4 | 6 | 8 | 10) {
            out.push('-');
        }
        out.push_str(&format!("{byte:02x}"));
    }
    out
}

/// Superblock at 1024. Copies of it stand at the start of other block groups and say so at 0x5A.
fn ext(spot: &Spot<'_>) -> Option<Finding> {
    let sb = spot.head.get(0x400..)?;
    let (log_block, blocks) = (le32(sb, 0x18), le32(sb, 0x04));
    if !has(sb, 0x38, &[0x53, 0xEF]) || log_block > 6 || blocks == 0 || le32(sb, 0x28) == 0 {
        return None;
    }
    let (compat, incompat) = (le32(sb, 0x5C), le32(sb, 0x60));
    // Journal: ext3. Extents, 64 bits, flexible groups, and the like: ext4.
    let version = if incompat & 0x3C0 != 0 {
        "ext4"
    } else if compat & 4 != 0 {
        "ext3"
    } else {
        "ext2"
    };
    let high = if incompat & 0x80 != 0 { u64::from(le32(sb, 0x150)) << 32 } else { 0 };
    let block = 1024_u64 << log_block;
    let found = spot
        .finding(Kind::Ext, Confidence::Certain)
        .long((high | u64::from(blocks)).saturating_mul(block))
        .text("version", version)
        .number("block", block)
        .number("blocks", high | u64::from(blocks))
        .text("label", text(sb, 0x78, 16))
        .text("uuid", uuid(part(sb, 0x68, 16)))
        .text("last_mounted", text(sb, 0x88, 64));
    Some(match le16(sb, 0x5A) {
        0 => found,
        group => Finding { length: None, ..found.number("copy_in_group", group) },
    })
}

fn f2fs(spot: &Spot<'_>) -> Option<Finding> {
    let sb = spot.head.get(0x400..)?;
    let log_block = le32(sb, 0x10);
    if !has(sb, 0, &[0x10, 0x20, 0xF5, 0xF2]) || !(9..=16).contains(&log_block) {
        return None;
    }
    let block = 1_u64 << log_block;
    let found = spot
        .finding(Kind::F2fs, Confidence::Certain)
        .long(le64(sb, 0x24).saturating_mul(block))
        .text("version", format!("{}.{}", le16(sb, 4), le16(sb, 6)))
        .number("block", block)
        .number("blocks", le64(sb, 0x24))
        .text("uuid", uuid(part(sb, 0x6C, 16)));
    Some(found)
}

fn erofs(spot: &Spot<'_>) -> Option<Finding> {
    let sb = spot.head.get(0x400..)?;
    let log_block = byte(sb, 0x0C);
    if !has(sb, 0, &[0xE2, 0xE1, 0xF5, 0xE0]) || !(9..=16).contains(&log_block) {
        return None;
    }
    let block = 1_u64 << log_block;
    let found = spot
        .finding(Kind::Erofs, Confidence::Certain)
        .long(u64::from(le32(sb, 0x24)).saturating_mul(block))
        .number("block", block)
        .number("blocks", le32(sb, 0x24))
        .text("label", text(sb, 0x40, 16))
        .text("uuid", uuid(part(sb, 0x30, 16)));
    Some(found)
}

fn squashfs(spot: &Spot<'_>) -> Option<Finding> {
    let sb = &spot.head;
    let (block, log_block) = (le32(sb, 12), le16(sb, 22));
    if !spot.has(0, b"hsqs") || le16(sb, 28) != 4 || block.checked_ilog2() != Some(log_block.into()) {
        return None;
    }
    let compression = match le16(sb, 20) {
        1 => "gzip",
        2 => "lzma",
        3 => "lzo",
        4 => "xz",
        5 => "lz4",
        6 => "zstd",
        _ => "unknown",
    };
    let found = spot
        .finding(Kind::Squashfs, Confidence::Certain)
        .long(le64(sb, 40))
        .text("version", format!("{}.{}", le16(sb, 28), le16(sb, 30)))
        .text("compression", compression)
        .number("block", block)
        .number("inodes", le32(sb, 4))
        .number("made", le32(sb, 8));
    Some(found)
}

fn fat(spot: &Spot<'_>) -> Option<Finding> {
    let head = &spot.head;
    let (name, label_at) = if spot.has(0x52, b"FAT32") {
        ("FAT32", 0x47)
    } else if spot.has(0x36, b"FAT") {
        ("FAT12 or FAT16", 0x2B)
    } else {
        return None;
    };
    let (sector, per_cluster) = (le16(head, 0x0B), byte(head, 0x0D));
    if !sector.is_power_of_two()
        || sector < 512
        || !per_cluster.is_power_of_two()
        || !spot.has(0x1FE, &[0x55, 0xAA])
    {
        return None;
    }
    let sectors = match le16(head, 0x13) {
        0 => le32(head, 0x20),
        small => small.into(),
    };
    let found = spot
        .finding(Kind::Fat, Confidence::Certain)
        .long(u64::from(sectors).saturating_mul(sector.into()))
        .text("version", name)
        .number("sector", sector)
        .number("cluster", u64::from(sector).saturating_mul(per_cluster.into()))
        .text("label", text(head, label_at, 11).trim_end());
    Some(found)
}

/// Nodes of a UBIFS volume.
fn ubifs(spot: &Spot<'_>) -> Option<Finding> {
    let node = byte(&spot.head, 20);
    // Twelve node types; the first node of a volume is its superblock (6).
    if !spot.has(0, &[0x31, 0x18, 0x10, 0x06]) || node > 11 {
        return None;
    }
    let confidence = if node == 6 { Confidence::Certain } else { Confidence::Likely };
    Some(spot.finding(Kind::Ubifs, confidence).number("node", node))
}

/// Erase blocks of UBI: the second one tells their size.
fn ubi(spot: &Spot<'_>) -> Result<Option<Finding>, ReadError> {
    if !spot.has(0, b"UBI#") || byte(&spot.head, 4) != 1 {
        return Ok(None);
    }
    let mut found = spot
        .finding(Kind::Ubi, Confidence::Certain)
        .hex("volume_header", be32(&spot.head, 16))
        .hex("data", be32(&spot.head, 20))
        .hex("image", be32(&spot.head, 24));
    for shift in 14..=22_u32 {
        let size = 1_u64 << shift;
        if has(&spot.bytes(size, 4)?, 0, b"UBI#") {
            found = found.number("erase_block", size);
            break;
        }
    }
    Ok(Some(found))
}
