//! What the BootROM reads: device headers, GFH chains, DRAM settings; and the agents of the flash tool
//! (formats.md sections 1, 6.1 to 6.3).

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::fields::{byte, has, le16, le32, narrow, text, wide};
use super::view::Spot;
use super::{Confidence, Finding, Kind};
use crate::read_at::ReadError;

/// Bytes of a container read for its table: the largest preallocated one seen is 0x4C0C (section 1.6).
const DA_TABLE: usize = 0x5000;

/// A Download Agent container: what its head says, and where its last region ends.
pub(super) fn da_container(spot: &Spot<'_>) -> Result<Option<Finding>, ReadError> {
    if !spot.has(0, b"MTK_DOWNLOAD_AGENT") || spot.head.len() < 0x6C {
        return Ok(None);
    }
    let magic = le32(&spot.head, 0x64) == 0x2266_8899;
    let confidence = if magic { Confidence::Certain } else { Confidence::Likely };
    let entries = le32(&spot.head, 0x68);
    let table = spot.bytes(0, DA_TABLE)?;
    let mut found = spot
        .finding(Kind::DaContainer, confidence)
        .text("label", text(&table, 0x20, 64))
        .number("version", le32(&table, 0x60))
        .number("entries", entries);
    let codes: Vec<String> = entry_starts(&table, entries)
        .map(|at| format!("{:04x}", le16(&table, at.saturating_add(2))))
        .collect();
    if wide(codes.len()) == u64::from(entries) && entries > 0 {
        let ends = entry_starts(&table, entries).flat_map(|entry| {
            let slots = usize::from(le16(&table, entry.saturating_add(0x12))).min(10);
            let table = &table;
            (0..slots).map(move |slot| {
                let at = entry.saturating_add(0x14).saturating_add(slot.saturating_mul(0x14));
                u64::from(le32(table, at)).saturating_add(le32(table, at.saturating_add(4)).into())
            })
        });
        found = match ends.max() {
            Some(end) => found.long(end),
            None => found,
        };
        found = found.text("hw_codes", codes.join(" "));
    }
    if !magic {
        found = found.text("damage", "no magic number before the entries");
    }
    Ok(Some(found))
}

/// Offsets of the entries, as far as each begins as it should.
fn entry_starts(table: &[u8], entries: u32) -> impl Iterator<Item = usize> {
    let all = (0..entries).map(|it| narrow(it.into()).saturating_mul(0xDC).saturating_add(0x6C));
    all.take_while(|&at| has(table, at, b"\xda\xda"))
}

/// A preloader behind its boot device header, as it lies on the medium, and what is in it.
pub(super) fn preloader(spot: &Spot<'_>) -> Result<Vec<Finding>, ReadError> {
    const DEVICES: [(&[u8], &str); 4] = [
        (b"EMMC_BOOT\0", "emmc"),
        (b"UFS_BOOT\0", "ufs"),
        (b"SDMMC_BOOT\0", "sdmmc"),
        (b"SF_BOOT\0", "serial-nor"),
    ];
    let nand = spot.has(0, b"BOOTLOADER!");
    let device = DEVICES.iter().find(|(magic, _)| spot.has(0, magic)).map(|it| it.1);
    let Some(device) = device.or(nand.then_some("nand")) else { return Ok(Vec::new()) };
    let start = spot.bytes(0, 0x2000)?;
    let mut found = spot.finding(Kind::Preloader, Confidence::Certain).text("device", device);
    if nand {
        found = nand_header(found, &start);
    } else {
        found = found.number("version", le32(&start, 0x0C));
    }
    // eMMC headers say where the layout block is; on NAND it is at one of the following pages.
    let stated = if nand { 0 } else { narrow(le32(&start, 0x10).into()) };
    let layout = core::iter::once(stated).chain((0x200..0x2000).step_by(0x200));
    if let Some(at) = layout.into_iter().find(|&at| has(&start, at, b"BRLYT\0\0\0")) {
        found = found
            .hex("brlyt", wide(at))
            .hex("header_bytes", le32(&start, at.saturating_add(0x0C)))
            .long(le32(&start, at.saturating_add(0x10)).into());
        if has(&start, at.saturating_add(0x14), b"BBBB") {
            found = found.hex("boot_type", le32(&start, at.saturating_add(0x18)));
        }
    }
    let mut all = alloc::vec![found];
    // Section 6.1: 0x800 where seen, else any multiple of 0x200 below 0x2000.
    let first = core::iter::once(0x800).chain((0x200..0x2000).step_by(0x200));
    if let Some(at) = first.into_iter().find(|&at| is_file_info(&start, at)) {
        all.extend(gfh(&spot.view.spot(spot.at.saturating_add(wide(at)))?)?);
    }
    Ok(all)
}

/// Section 6.1: 12 + 4 + 8 bytes of text, then eight numbers.
fn nand_header(found: Finding, start: &[u8]) -> Finding {
    found
        .text("version", text(start, 12, 4))
        .number("page", le16(start, 26))
        .number("address_cycles", le16(start, 28))
        .number("spare", le16(start, 30))
        .number("pages_per_block", le16(start, 32))
        .number("blocks", le16(start, 34))
}

fn is_file_info(bytes: &[u8], at: usize) -> bool {
    has(bytes, at, b"MMM") && has(bytes, at.saturating_add(8), b"FILE_INFO")
}

/// A GFH file and the DRAM settings in it.
pub(super) fn gfh(spot: &Spot<'_>) -> Result<Vec<Finding>, ReadError> {
    if !is_file_info(&spot.head, 0) || spot.head.len() < 0x38 {
        return Ok(Vec::new());
    }
    let head = &spot.head;
    let (file_len, signature) = (le32(head, 0x20), le32(head, 0x2C));
    let file_type = le16(head, 0x18);
    let what = match file_type {
        1 => "ARM boot loader",
        3 => "DSP_BL",
        7 => "DA stub",
        9 => "extended boot loader",
        _ => "unknown",
    };
    let device = match byte(head, 0x1A) {
        0 => "none",
        2 => "nand",
        5 => "emmc",
        _ => "other",
    };
    let found = spot
        .finding(Kind::Gfh, Confidence::Certain)
        .long(file_len.into())
        .text("file", what)
        .number("file_type", file_type)
        .text("device", device)
        .number("device_type", byte(head, 0x1A))
        .number("signature_type", byte(head, 0x1B))
        .hex("load", le32(head, 0x1C))
        .number("max_bytes", le32(head, 0x24))
        .hex("content", le32(head, 0x28))
        .number("signature_bytes", signature)
        .hex("jump", le32(head, 0x30))
        .hex("attributes", le32(head, 0x34))
        .text("blocks", chain(&spot.bytes(0, 0x4000)?));
    let mut all = alloc::vec![found];
    // The last word of the body is the length of the settings block before it (section 6.3).
    let body_end = u64::from(file_len).saturating_sub(signature.into());
    if let Some(word_at) = body_end.checked_sub(4).filter(|&at| at >= 0x38) {
        let word = spot.bytes(word_at, 4)?;
        if let Some(at) = word_at.checked_sub(le32(&word, 0).into()) {
            let block = spot.view.spot(spot.at.saturating_add(at))?;
            let length = word_at.saturating_sub(at);
            all.extend(bloader_info(&block).map(|found| found.long(length)));
        }
    }
    Ok(all)
}

/// The blocks of a GFH chain, by name where the name is certain (section 6.2).
fn chain(bytes: &[u8]) -> String {
    let end = narrow(le32(bytes, 0x28).into());
    let (mut at, mut names) = (0_usize, Vec::new());
    while at < end && has(bytes, at, b"MMM") && names.len() < 64 {
        let size = usize::from(le16(bytes, at.saturating_add(4)));
        if size < 8 {
            break;
        }
        names.push(match le16(bytes, at.saturating_add(6)) {
            0 => String::from("FILE_INFO"),
            1 => String::from("BL_INFO"),
            2 => String::from("ANTI_CLONE"),
            3 => String::from("BL_SEC_KEY"),
            7 => String::from("BROM_CFG"),
            8 => String::from("BROM_SEC_CFG"),
            other => format!("{other:#x}"),
        });
        at = at.saturating_add(size);
    }
    names.join(" ")
}

/// A block of DRAM settings (section 6.3).
pub(super) fn bloader_info(spot: &Spot<'_>) -> Option<Finding> {
    if !spot.has(0, b"MTK_BLOADER_INFO_v") {
        return None;
    }
    let whole = spot.has(0x5C, &[0x22, 0x88, 0x44, 0x33]) && spot.has(0x64, b"MTK_BIN\0");
    let confidence = if whole { Confidence::Certain } else { Confidence::Likely };
    let found = spot
        .finding(Kind::BloaderInfo, confidence)
        .text("version", text(&spot.head, 18, 9))
        .text("preloader", text(&spot.head, 0x1B, 0x3D));
    Some(if whole { found.number("dram_entries", le32(&spot.head, 0x6C)) } else { found })
}
