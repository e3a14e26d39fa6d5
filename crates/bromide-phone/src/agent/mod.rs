//! The Download Agent after the jump, generations G1 and G2.
//!
//! Promises: the bytes of `da-legacy-device.md` (sections 2 to 9 for G2, 12 for G1). It takes the chip's geometry
//! from the record the host offered, not from the chip, as the real one does. Writing is not modelled: every
//! command that would change the chip is refused or not answered, never answered with success.

mod bad_blocks;
mod commands;
mod nand;
mod partition_table;
mod read_back;
mod report;
mod start;

use core::convert::Infallible;
use std::collections::BTreeMap;

use bromide_proto::codes::da;
use bromide_proto::link::Link;

use crate::model::Model;
use crate::nand_chip::NandChip;
use crate::options::{Boot, Generation, Options};
use crate::wire::{Ended, Wire};

use nand::NandPart;

/// 32-bit status words (`da-legacy-device.md` section 10, `da-legacy.md` section 12, v7.1504 numbers).
mod status {
    pub(super) const INVALID_STORAGE: u32 = 0x03eb;
    pub(super) const NO_PARTITION_TABLE: u32 = 0x040d;
    pub(super) const BOOT_STYLE_NONE: u32 = 0x0409;
    pub(super) const BOOT_STYLE_NAND: u32 = 0x040b;
    pub(super) const NOT_SUPPORTED_OPTION: u32 = 0x0410;
    pub(super) const CALIBRATION_FAILED: u32 = 0x0bba;
    pub(super) const EXTERNAL_RAM_OFF: u32 = 0x0bbf;
    pub(super) const NAND_NOT_IN_TABLE: u32 = 0x0bc2;
    pub(super) const NOR_NOT_FOUND: u32 = 0x0bc3;
    pub(super) const NAND_NOT_FOUND: u32 = 0x0bc4;
    pub(super) const INVALID_BEGIN: u32 = 0x0bd8;
    pub(super) const INVALID_RANGE: u32 = 0x0bdc;
    pub(super) const NO_NAND_CONTROLLER: u32 = 0x0be7;
    pub(super) const NOT_SUPPORTED: u32 = 0x0bfa;
    pub(super) const BLANK_FLASH: u32 = 0x0c06;
    pub(super) const CONTAINER_EXCEEDED: u32 = 0x0c25;
    pub(super) const END_OF_FLASH: u32 = 0x0c26;
    pub(super) const NO_EMMC: u32 = 0x0c48;
    pub(super) const NO_SD: u32 = 0x0c4a;
    pub(super) const READ_PROTECTED: u32 = 0x177b;
    pub(super) const FORMAT_PROTECTED: u32 = 0x177c;
    pub(super) const SECURITY_OFF: u32 = 0x1799;
}

/// What the agent remembers between commands; it outlives the change to 0e8d:2001.
#[derive(Debug)]
pub(crate) struct Agent {
    generation: Generation,
    high_speed: bool,
    /// Status of the NAND in the report, 0 = usable.
    nand_status: u32,
    nand: Option<NandPart>,
    dram_on: bool,
    registers: BTreeMap<u32, u16>,
    /// First bytes of the page read last: what flag 2 delivers instead of spare bytes.
    leftover: Vec<u8>,
}

impl Agent {
    pub(crate) fn new(generation: Generation, boot: Boot) -> Self {
        let preloader = boot == Boot::Preloader;
        Self {
            generation,
            high_speed: preloader,
            nand_status: status::NAND_NOT_FOUND,
            nand: None,
            dram_on: preloader,
            registers: BTreeMap::new(),
            leftover: Vec::new(),
        }
    }

    /// The phone came back as 0e8d:2001.
    pub(crate) fn switch_to_high_speed(&mut self) {
        self.high_speed = true;
    }
}

/// An agent at work: its memory, the phone it runs on, and the cable.
pub(crate) struct Session<'a, L> {
    pub(crate) wire: &'a mut Wire<L>,
    pub(crate) agent: &'a mut Agent,
    pub(crate) model: &'a Model,
    pub(crate) chip: &'a NandChip,
    pub(crate) options: &'a mut Options,
    pub(crate) remarks: &'a mut Vec<String>,
}

impl<L: Link> Session<'_, L> {
    async fn ack(&mut self) -> Result<(), Ended> {
        self.wire.send(&[da::ACK]).await
    }

    async fn word(&mut self, word: u32) -> Result<(), Ended> {
        self.wire.send(&word.to_be_bytes()).await
    }

    /// A5 and a status.
    async fn refuse(&mut self, status: u32) -> Result<(), Ended> {
        let [a, b, c, d] = status.to_be_bytes();
        self.wire.send(&[da::NACK, a, b, c, d]).await
    }

    /// Stops for good; the plug-in ends as [`Ended::Halted`] when the host lets go.
    async fn halt(&mut self, why: &str) -> Result<Infallible, Ended> {
        self.remark(why.to_owned());
        match self.wire.silence().await {
            Err(Ended::Unplugged) => Err(Ended::Halted),
            other => other,
        }
    }

    fn remark(&mut self, what: String) {
        crate::phone::remark(self.remarks, what);
    }
}
