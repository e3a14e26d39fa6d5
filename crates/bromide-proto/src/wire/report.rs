//! The detection report an agent sends after its start, in both formats.
//!
//! G1: 184 bytes (`da-legacy-observed.md` section 6). G2: 208 bytes plus two per NAND id byte
//! (`da-legacy-device.md` section 4). Then ten bytes of tail in both.

use super::{Short, Take};
use crate::agent_format::Format;
use alloc::vec::Vec;

/// NOR part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nor {
    /// 0 = found.
    pub status: u32,
    /// Agent's number of the device.
    pub id: u16,
    /// Bytes.
    pub size: u32,
}

/// NAND part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nand {
    /// 0 = found and matched by a record.
    pub status: u32,
    /// Low 16 bits of the matching record's index.
    pub id: u16,
    /// Main-area bytes of the chip.
    pub size: u32,
    /// READ ID bytes.
    pub codes: Vec<u16>,
    /// Main bytes of a page.
    pub page: u16,
    /// Spare bytes of a page.
    pub spare: u16,
    /// Pages per erase block.
    pub pages_per_block: u16,
    /// Bus width in bits.
    pub bus_width: u8,
    /// Address cycles.
    pub address_cycles: u8,
    /// The agent found a bad-block table.
    pub has_bad_block_table: bool,
}

/// eMMC part; sizes in bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Emmc {
    /// 0 = found.
    pub status: u32,
    /// boot 1, boot 2, RPMB, GP 1 to 4.
    pub areas: [u64; 7],
    /// User area.
    pub user: u64,
    /// Card identification.
    pub cid: [u8; 16],
}

/// SD part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sd {
    /// 0 = found.
    pub status: u32,
    /// Bytes.
    pub size: u64,
}

/// RAM part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ram {
    /// Internal RAM: 0 = works.
    pub internal_status: u32,
    /// Bytes.
    pub internal_size: u32,
    /// External RAM: 0 = works, BBF = not switched on (normal from the BootROM).
    pub external_status: u32,
    /// Bytes.
    pub external_size: u64,
    /// Random id of the chip.
    pub random_id: [u8; 16],
}

/// The report whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// NOR flash.
    pub nor: Nor,
    /// Raw NAND.
    pub nand: Nand,
    /// eMMC.
    pub emmc: Emmc,
    /// SD card.
    pub sd: Sd,
    /// Memories and random id.
    pub ram: Ram,
}

/// Bytes of the NOR part.
const NOR_BYTES: usize = 28;
/// READ ID bytes an agent of these chips reports.
pub const ID_CODES: u16 = 5;

/// Length of the report on the wire, for [`ID_CODES`] id bytes.
#[must_use]
pub const fn bytes(format: Format) -> usize {
    match format {
        Format::G1 => 0xb8,
        Format::G2 => 218,
    }
}

/// A report that cannot be one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadReport {
    /// Too few bytes.
    #[error(transparent)]
    Short(#[from] Short),
    /// G2 only: the count of NAND id bytes must be 5 for these agents.
    #[error("the report counts {0} NAND id bytes instead of 5")]
    IdCount(u16),
    /// A yes/no byte is neither.
    #[error("the bad-block table byte of the report is {0:02x}")]
    NotABool(u8),
}

impl Report {
    /// Reads a report of [`bytes`] bytes.
    pub fn decode(raw: &[u8], format: Format) -> Result<Self, BadReport> {
        let mut t = Take::new(raw);
        let nor = nor(&mut t)?;
        let nand = nand(&mut t, format)?;
        let wide = format == Format::G2;
        let emmc = emmc(&mut t, wide)?;
        let sd = Sd { status: t.u32_be()?, size: t.u64_be()? };
        t.bytes(16)?;
        let ram = ram(&mut t, wide)?;
        Ok(Self { nor, nand, emmc, sd, ram })
    }
}

fn nor(t: &mut Take<'_>) -> Result<Nor, Short> {
    let status = t.u32_be()?;
    t.bytes(2)?; // chip selects
    let nor = Nor { status, id: t.u16_be()?, size: t.u32_be()? };
    t.bytes(NOR_BYTES.saturating_sub(12))?; // device codes, OTP
    Ok(nor)
}

fn nand(t: &mut Take<'_>, format: Format) -> Result<Nand, BadReport> {
    let status = t.u32_be()?;
    t.u8()?; // chip select
    let id = t.u16_be()?;
    let size = t.u32_be()?;
    if format == Format::G2 {
        let count = t.u16_be()?;
        if count != ID_CODES {
            return Err(BadReport::IdCount(count));
        }
    }
    let mut codes = Vec::with_capacity(usize::from(ID_CODES));
    for _ in 0..ID_CODES {
        codes.push(t.u16_be()?);
    }
    Ok(Nand {
        status,
        id,
        size,
        codes,
        page: t.u16_be()?,
        spare: t.u16_be()?,
        pages_per_block: t.u16_be()?,
        bus_width: t.u8()?,
        address_cycles: t.u8()?,
        has_bad_block_table: match t.u8()? {
            0 => false,
            1 => true,
            other => return Err(BadReport::NotABool(other)),
        },
    })
}

fn emmc(t: &mut Take<'_>, wide: bool) -> Result<Emmc, Short> {
    let status = t.u32_be()?;
    let mut areas = [0; 7];
    for area in &mut areas {
        *area = if wide { t.u64_be()? } else { u64::from(t.u32_be()?) };
    }
    let emmc = Emmc { status, areas, user: t.u64_be()?, cid: t.array()? };
    t.bytes(8)?; // firmware version
    Ok(emmc)
}

fn ram(t: &mut Take<'_>, wide: bool) -> Result<Ram, Short> {
    let [internal_status, internal_size, external_status] = [t.u32_be()?, t.u32_be()?, t.u32_be()?];
    t.bytes(2)?; // kind, chip select
    let external_size = if wide { t.u64_be()? } else { u64::from(t.u32_be()?) };
    Ok(Ram { internal_status, internal_size, external_status, external_size, random_id: t.array()? })
}

/// The ten bytes after the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tail {
    /// Download status; C06 ("blank flash") in all MT6575 agents seen.
    pub download_status: u32,
    /// 40B = NAND, 409 = none.
    pub boot_style: u32,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::hex;

    #[test]
    fn the_g2_report_of_the_worked_example_decodes() {
        // da-legacy.md section 2.4 (EC BC from the BootROM), random id invented
        let raw = hex("00000bc3 0008 ffff 00000000 0000000000000000 00000000 00000000
             00000000 00 007a 20000000 0005 00ec 00bc 0000 0055 0054 0800 0040 0040 10 05 01
             00000c48 0000000000000000 0000000000000000 0000000000000000 0000000000000000
             0000000000000000 0000000000000000 0000000000000000 0000000000000000
             00000000000000000000000000000000 0000000000000000
             00000c4a 0000000000000000 00000000000000000000000000000000
             00000000 00020000 00000bbf 00 00 0000000000000000 000102030405060708090a0b0c0d0e0f");
        assert_eq!(raw.len(), bytes(Format::G2));
        let report = Report::decode(&raw, Format::G2).unwrap();
        assert_eq!(report.nor.status, 0xbc3);
        let nand = &report.nand;
        assert_eq!((nand.status, nand.id, nand.size), (0, 0x7a, 0x2000_0000));
        assert_eq!(nand.codes, [0xec, 0xbc, 0, 0x55, 0x54]);
        assert_eq!((nand.page, nand.spare, nand.pages_per_block), (2048, 64, 64));
        assert_eq!((nand.bus_width, nand.address_cycles, nand.has_bad_block_table), (16, 5, true));
        assert_eq!((report.emmc.status, report.sd.status), (0xc48, 0xc4a));
        assert_eq!((report.ram.internal_size, report.ram.external_status), (0x20000, 0xbbf));
        assert_eq!(report.ram.random_id[15], 15);
    }

    #[test]
    fn the_g1_report_of_the_observed_agent_decodes() {
        // da-legacy-observed.md section 6
        let raw = hex("00000bc3 00 08 ffff 00000000 0000000000000000 00000000 00000000
             00000000 00 0067 20000000 00ad00bc009000550054 0800 0040 0040 10 05 00
             00000c48 00000000000000000000000000000000000000000000000000000000 0000000000000000
             00000000000000000000000000000000 0000000000000000
             00000c4a 0000000000000000 00000000000000000000000000000000
             00000000 00020000 00000bbf 0000 00000000 00000000000000000000000000000000");
        assert_eq!(raw.len(), bytes(Format::G1));
        let report = Report::decode(&raw, Format::G1).unwrap();
        assert_eq!((report.nand.id, report.nand.size), (0x67, 0x2000_0000));
        assert_eq!(report.nand.codes, [0xad, 0xbc, 0x90, 0x55, 0x54]);
        assert!(!report.nand.has_bad_block_table);
        assert_eq!(report.ram.external_status, 0xbbf);
    }

    #[test]
    fn a_report_one_byte_short_is_an_error() {
        for format in [Format::G1, Format::G2] {
            let raw = alloc::vec![0; bytes(format) - 1];
            assert!(Report::decode(&raw, format).is_err());
        }
    }
}
