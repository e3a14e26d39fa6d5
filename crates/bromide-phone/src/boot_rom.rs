//! BootROM and preloader from power-up to the jump: start sequence and command loop.
//!
//! Promises: every field is echoed only after it came whole; a command that is not known gets no answer
//! (`brom-preloader.md` section 4: the real reaction is unknown). Sections in the comments are that page's.

use core::convert::Infallible;
use core::time::Duration;

use bromide_proto::codes::{VIRTUAL_WATERMARK, brom};
use bromide_proto::link::Link;
use std::collections::BTreeMap;

use crate::model::Model;
use crate::options::{Boot, Generation, Options, SecondStart};
use crate::upload::{Announced, Uploads, status, xor16};
use crate::wire::{Ended, Wire};

const READY_EVERY: Duration = Duration::from_millis(100);
/// Mode register of the watchdog (section 7.1); only 16-bit accesses reach it.
const WATCHDOG_MODE: u32 = 0xc000_0000;
const WATCHDOG_KEY: u16 = 0x2200;

/// Bits of the target configuration (section 4.4).
mod config {
    pub(super) const SLA: u32 = 1 << 1;
    pub(super) const DAA: u32 = 1 << 2;
    pub(super) const CERT: u32 = 1 << 4;
    pub(super) const READ_AUTH: u32 = 1 << 5;
    pub(super) const WRITE_AUTH: u32 = 1 << 6;
}

/// The program that answers until an agent runs.
pub(crate) struct BootRom<'a, L> {
    wire: &'a mut Wire<L>,
    model: &'a Model,
    options: &'a Options,
    registers: BTreeMap<u32, u32>,
    uploads: Uploads,
}

impl<'a, L: Link> BootRom<'a, L> {
    pub(crate) fn new(wire: &'a mut Wire<L>, model: &'a Model, options: &'a Options) -> Self {
        let registers = VIRTUAL_WATERMARK.iter().map(|(at, word)| (*at, u32::from(*word))).collect();
        Self { wire, model, options, registers, uploads: Uploads::default() }
    }

    fn in_boot_rom(&self) -> bool {
        self.options.boot == Boot::BootRom
    }

    /// Until the jump: the format of the agent that runs then, `None` if what runs is no agent.
    pub(crate) async fn run(&mut self) -> Result<Option<Generation>, Ended> {
        match self.options.boot {
            Boot::BootRom => self.start_boot_rom().await?,
            Boot::Preloader => self.start_preloader().await?,
        }
        loop {
            let command = self.wire.byte().await?;
            if let Some(jumped) = self.command(command).await? {
                return Ok(jumped);
            }
        }
    }

    /// Section 3: complements in order; an unexpected byte comes back plus one and starts over.
    async fn start_boot_rom(&mut self) -> Result<(), Ended> {
        let patience = self.options.bootrom_patience.unwrap_or(Duration::MAX);
        let mut step = 0;
        while step < brom::START.len() {
            let Some(byte) = self.wire.byte_within(patience).await? else {
                if self.options.bootrom_patience.is_some() {
                    return Err(Ended::LeftBus);
                }
                continue;
            };
            if byte == brom::START[step] {
                step += 1;
                self.wire.send(&[!byte]).await?;
            } else {
                step = 0;
                self.wire.send(&[byte.wrapping_add(1)]).await?;
            }
        }
        Ok(())
    }

    /// Section 3: READY until the handshake starts; unexpected bytes get no answer, a repeated A0 does.
    async fn start_preloader(&mut self) -> Result<(), Ended> {
        let mut waited = Duration::ZERO;
        let mut step = 0;
        while step < brom::START.len() {
            let patience = if step == 0 { READY_EVERY } else { Duration::MAX };
            if step == 0 {
                self.wire.send(b"READY").await?;
            }
            let Some(byte) = self.wire.byte_within(patience).await? else {
                waited += READY_EVERY;
                match self.options.preloader_patience {
                    Some(limit) if waited >= limit && step == 0 => return Err(Ended::LeftBus),
                    _ => continue,
                }
            };
            if byte == brom::START[step] {
                step += 1;
            } else {
                step = usize::from(byte == brom::START[0]);
            }
            if step > 0 {
                self.wire.send(&[!byte]).await?;
            }
        }
        Ok(())
    }

    async fn command(&mut self, command: u8) -> Result<Option<Option<Generation>>, Ended> {
        match command {
            brom::GET_BL_VER => {
                let own = self.model.chip.preloader_version;
                self.wire.send(&[if self.in_boot_rom() { command } else { own }]).await?;
            }
            brom::GET_VERSION => {
                let own = self.model.chip.bootrom_version;
                self.wire.send(&[if self.in_boot_rom() { own } else { command }]).await?;
            }
            brom::GET_HW_CODE => {
                let words = [self.model.chip.hw_code, status::OK];
                self.answer(command, &words.map(u16::to_be_bytes).concat()).await?;
            }
            brom::GET_HW_SW_VER => {
                let chip = &self.model.chip;
                let words = [chip.sub_code, chip.hw_version, chip.sw_version, status::OK];
                self.answer(command, &words.map(u16::to_be_bytes).concat()).await?;
            }
            brom::GET_TARGET_CONFIG => {
                let config = self.model.chip.target_config.to_be_bytes();
                self.answer(command, &[&config[..], &status::OK.to_be_bytes()].concat()).await?;
            }
            brom::GET_ME_ID if self.in_boot_rom() => {
                let id = self.model.chip.me_id;
                let length = 16u32.to_be_bytes();
                self.answer(command, &[&length[..], &id, &status::OK.to_be_bytes()].concat()).await?;
            }
            brom::READ16_OLD | brom::READ16 | brom::READ32 => self.read_words(command).await?,
            brom::WRITE16 | brom::WRITE32 => self.write_words(command).await?,
            SEND_CERT | SEND_AUTH if self.in_boot_rom() => self.authenticate(command).await?,
            SLA_CHALLENGE if self.in_boot_rom() => self.challenge().await?,
            brom::SEND_DA => self.send_da().await?,
            brom::JUMP_DA => return self.jump_da().await,
            other if brom::START.contains(&other) => self.second_start(other).await?,
            _ => {}
        }
        Ok(None)
    }

    async fn second_start(&mut self, byte: u8) -> Result<(), Ended> {
        match self.options.second_start {
            SecondStart::Silent => Ok(()),
            SecondStart::Echo => self.wire.send(&[byte]).await,
            SecondStart::Complement => self.wire.send(&[!byte]).await,
        }
    }

    /// The command comes back, the answer follows.
    async fn answer(&mut self, command: u8, answer: &[u8]) -> Result<(), Ended> {
        self.wire.send(&[&[command], answer].concat()).await
    }

    async fn echoed_u32(&mut self) -> Result<u32, Ended> {
        let bytes: [u8; 4] = self.wire.array().await?;
        self.wire.send(&bytes).await?;
        Ok(u32::from_be_bytes(bytes))
    }

    async fn status(&mut self, word: u16) -> Result<(), Ended> {
        self.wire.send(&word.to_be_bytes()).await
    }

    fn has(&self, bits: u32) -> bool {
        self.model.chip.target_config & bits != 0
    }

    /// Sections 4.5 and 4.6.
    async fn read_words(&mut self, command: u8) -> Result<(), Ended> {
        let wide = command == brom::READ32;
        let with_status = command != brom::READ16_OLD;
        self.wire.send(&[command]).await?;
        let address = self.echoed_u32().await?;
        let count = self.echoed_u32().await?;
        if with_status {
            if self.has(config::SLA | config::READ_AUTH) {
                return self.status(status::SLA_REQUIRED).await;
            }
            self.status(status::OK).await?;
        }
        let step = if wide { 4 } else { 2 };
        for n in 0..count {
            let at = address.wrapping_add(n.wrapping_mul(step));
            let word = self.registers.get(&at).copied().unwrap_or(0).to_be_bytes();
            self.wire.send(if wide { &word } else { &word[2..] }).await?;
        }
        if with_status { self.status(status::OK).await } else { Ok(()) }
    }

    /// Section 4.7: each value is echoed on its own.
    async fn write_words(&mut self, command: u8) -> Result<(), Ended> {
        let wide = command == brom::WRITE32;
        self.wire.send(&[command]).await?;
        let address = self.echoed_u32().await?;
        let count = self.echoed_u32().await?;
        if self.has(config::SLA | config::WRITE_AUTH) {
            return self.status(status::SLA_REQUIRED).await;
        }
        self.status(status::OK).await?;
        for n in 0..count {
            if wide {
                let value = self.echoed_u32().await?;
                self.store(address.wrapping_add(n.wrapping_mul(4)), value);
            } else {
                let bytes: [u8; 2] = self.wire.array().await?;
                self.wire.send(&bytes).await?;
                self.store16(address.wrapping_add(n.wrapping_mul(2)), u16::from_be_bytes(bytes));
            }
        }
        self.status(if wide { self.options.write32_status } else { status::OK }).await
    }

    fn store16(&mut self, address: u32, value: u16) {
        if address != WATCHDOG_MODE {
            return self.store(address, u32::from(value));
        }
        // Section 7.1: without the key in the top byte nothing happens; bit 0 is "enable". The key is not stored.
        if value & 0xff00 == WATCHDOG_KEY {
            self.store(address, u32::from(value & 0x00ff));
            if value & 1 == 0 {
                self.wire.watchdog = None;
            }
        }
    }

    /// The watchdog block ignores 32-bit writes, and its marks cannot be overwritten.
    fn store(&mut self, address: u32, value: u32) {
        let marked = VIRTUAL_WATERMARK.iter().any(|(at, _)| *at == address);
        // A host that writes everywhere must not make the phone grow.
        if !marked && (self.registers.len() < 4096 || self.registers.contains_key(&address)) {
            self.registers.insert(address, value);
        }
    }

    /// Section 4.12: E0 and E2.
    async fn authenticate(&mut self, command: u8) -> Result<(), Ended> {
        self.wire.send(&[command]).await?;
        let bytes = self.echoed_u32().await?;
        let wanted = if command == SEND_CERT { config::CERT } else { config::DAA };
        if !self.has(wanted) {
            return self.status(status::NOT_NEEDED).await;
        }
        if bytes > self.model.memory.upload_bytes {
            return self.status(status::INVALID_RANGE).await;
        }
        self.status(status::OK).await?;
        let mut data = vec![0; bytes as usize];
        self.wire.take(&mut data).await?;
        self.status(xor16(&data)).await?;
        // Nobody but the maker's key owner can make one that is accepted.
        self.status(status::AUTH_VERIFY_FAILED).await
    }

    /// Section 4.14: a challenge that nobody can answer here, so what follows it is silence.
    async fn challenge(&mut self) -> Result<(), Ended> {
        self.wire.send(&[SLA_CHALLENGE]).await?;
        if !self.has(config::SLA) {
            return self.status(status::SLA_NOT_NEEDED).await;
        }
        self.status(status::OK).await?;
        self.wire.send(&16u32.to_be_bytes()).await?;
        self.wire.send(&self.model.chip.random_id).await?;
        let never: Infallible = self.wire.silence().await?;
        match never {}
    }

    /// Section 4.8.
    async fn send_da(&mut self) -> Result<(), Ended> {
        self.wire.send(&[brom::SEND_DA]).await?;
        let address = self.echoed_u32().await?;
        let bytes = self.echoed_u32().await?;
        let signature = self.echoed_u32().await?;
        let announced = Announced { address, bytes, signature };
        let daa = self.has(config::DAA);
        let word = match announced.status(&self.model.memory, daa) {
            _ if self.has(config::SLA) => status::SLA_REQUIRED,
            status::OK if !self.uploads.room_for(address) => status::TOO_MANY_BLOCKS,
            word => word,
        };
        self.status(word).await?;
        if word != status::OK {
            return Ok(());
        }
        let mut data = vec![0; bytes as usize];
        self.wire.take(&mut data).await?;
        self.status(xor16(&data)).await?;
        if daa {
            // This phone holds no key: under DAA every signature is a wrong one.
            return self.status(status::DA_SIGNATURE).await;
        }
        self.uploads.keep(address, data);
        self.status(status::OK).await
    }

    /// Section 4.9.
    async fn jump_da(&mut self) -> Result<Option<Option<Generation>>, Ended> {
        self.wire.send(&[brom::JUMP_DA]).await?;
        let address = self.echoed_u32().await?;
        let word = self.uploads.jump_status(address);
        self.status(word).await?;
        if word != status::OK {
            return Ok(None);
        }
        Ok(Some(self.uploads.agent_at(address, &self.model.memory, &self.model.agents, self.options.agent)))
    }
}

/// Commands of section 4 that only a phone needs to know by number.
const SEND_CERT: u8 = 0xe0;
const SEND_AUTH: u8 = 0xe2;
const SLA_CHALLENGE: u8 = 0xe3;
