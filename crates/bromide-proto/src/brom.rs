//! The BootROM's and the preloader's command layer, host side: start sequence to the jump into the agent.
//!
//! ```text
//! A0 0A 50 05 -> 5F F5 AF FA     start, one byte at a time
//! FD, FC                         which chip
//! D0/D2 watchdog off             16 bits wide on MT6575/77
//! FE                             FE back: BootROM; else a preloader's version
//! D8                             security; SLA or DAA set: stop
//! FF, FE                         both answers go into the agent's configuration
//! D1/D4 remap register           BootROM only
//! D7, D5                         upload region 1, jump
//! ```
//! Sources: `brom-preloader.md` sections 3, 4, 7, 8; `da-legacy-observed.md` section 2, which wins.

use crate::chips::{self, Chip, ChipCodes};
use crate::codes::{VIRTUAL_WATERMARK, brom};
use crate::error::{Error, ErrorKind};
use crate::link::{Link, LinkError};
use crate::talk::Talk;
use crate::wire::checksum::Xor16;
use core::time::Duration;

/// Patience for one byte of the start sequence (`brom-preloader.md` section 3).
const START_PATIENCE: Duration = Duration::from_millis(20);
/// Pause before the start sequence is begun again.
const START_PAUSE: Duration = Duration::from_millis(2);
/// Silence that ends what a preloader was still saying.
const SETTLE: Duration = Duration::from_millis(20);
/// More foreign bytes than a preloader's READY or a stale echo explain: something else is on this line.
const NOISE: usize = 4096;
/// Vendor time-outs for an echo and a status word.
const ECHO: Duration = Duration::from_secs(10);
const STATUS: Duration = Duration::from_secs(30);
/// Status words from here on are errors (`brom-preloader.md` section 2).
const FIRST_ERROR: u16 = 0x1000;
/// "Serial link authentication required" (`brom-preloader.md` section 5).
const AUTH_FIRST: u16 = 0x1d0d;
/// Upload pieces of the vendor host.
const PIECE: usize = 0x400;

/// Who answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Boot {
    /// The chip's ROM.
    BootRom,
    /// A preloader of this version.
    Preloader(u8),
}

/// Answer to D8.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TargetConfig(pub u32);

impl TargetConfig {
    /// Secure boot: the boot image is checked. Does not hinder reading.
    #[must_use]
    pub const fn secure_boot(self) -> bool {
        self.0 & 1 != 0
    }
    /// The host must answer a challenge.
    #[must_use]
    pub const fn serial_link_auth(self) -> bool {
        self.0 & 2 != 0
    }
    /// Either of the two that end a read back.
    #[must_use]
    pub const fn wants_auth(self) -> bool {
        self.serial_link_auth() || self.agent_auth()
    }
    /// The agent must be signed by the key owner.
    #[must_use]
    pub const fn agent_auth(self) -> bool {
        self.0 & 4 != 0
    }
}

/// Everything the phone says about itself before an agent runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    /// Codes of the chip.
    pub codes: ChipCodes,
    /// Row of the chip table.
    pub chip: &'static Chip,
    /// Who answered.
    pub boot: Boot,
    /// Security bits.
    pub target_config: TargetConfig,
    /// Answer to FF.
    pub brom_version: u8,
    /// Answer to FE.
    pub bl_version: u8,
}

/// The command layer after the start sequence.
#[derive(Debug)]
pub struct Brom<L> {
    talk: Talk<L>,
}

impl<L: Link> Brom<L> {
    /// Does the start sequence, patiently: nobody is believed to be there when it has not worked `within` this time.
    ///
    /// A preloader's READY and stale bytes are skipped; a broken sequence begins again. The first rounds are quick,
    /// for a preloader that stays a moment only; later ones wait longer, for a cable with a long way.
    pub async fn hello(link: L, within: Duration) -> Result<Self, Error> {
        let mut talk = Talk::new(link);
        talk.step = "start sequence";
        let until = talk.now().saturating_add(within);
        let mut heard = 0usize;
        for round in 0u32.. {
            let patience = START_PATIENCE.saturating_mul(1 << round.wrapping_div(4).wrapping_rem(6));
            if start_sequence(&mut talk, patience, &mut heard).await? {
                talk.drain(SETTLE).await?;
                return Ok(Self { talk });
            }
            if talk.now() >= until {
                break;
            }
            // A late answer to an old byte would put the next try out of step.
            heard = heard.saturating_add(
                talk.drain(START_PAUSE.max(patience.checked_div(2).unwrap_or(patience))).await?,
            );
        }
        Err(talk.fail(if heard > NOISE { ErrorKind::Babble } else { ErrorKind::NoHandshake }))
    }

    /// Asks all that is needed to choose an agent, and switches the watchdog off on the way.
    pub async fn identity(&mut self) -> Result<Identity, Error> {
        let hw_code = self.hw_code().await?;
        chips::admit(hw_code).map_err(|e| self.talk.fail(e))?;
        let codes = self.versions(hw_code).await?;
        let chip = chips::recognise(codes).map_err(|e| self.talk.fail(e))?;
        if let Err(error) = self.first_registers(chip).await {
            return Err(self.locked(error).await);
        }
        self.boot_loader().await?;
        let target_config = self.target_config().await?;
        let brom_version = self.brom_version().await?;
        let bl_version = self.boot_loader().await?;
        let boot = if bl_version == brom::GET_BL_VER { Boot::BootRom } else { Boot::Preloader(bl_version) };
        Ok(Identity { codes, chip, boot, target_config, brom_version, bl_version })
    }

    /// Uploads an agent and jumps to it. `demo` agents go to virtual phones only.
    ///
    /// `progress` hears (bytes sent, bytes in all).
    pub async fn start_agent(
        mut self,
        identity: &Identity,
        agent: &Upload<'_>,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<Talk<L>, Error> {
        self.talk.step = "security check";
        if identity.target_config.wants_auth() {
            return Err(self.talk.fail(ErrorKind::AuthRequired(identity.target_config.0)));
        }
        if agent.demo && !self.is_virtual().await? {
            self.talk.step = "check for a virtual phone";
            return Err(self.talk.fail(ErrorKind::DemoAgentForRealPhone));
        }
        if identity.boot == Boot::BootRom {
            self.remap(identity.chip.remap).await?;
        }
        self.load(agent, progress).await?;
        self.jump(agent.load).await?;
        Ok(self.talk)
    }

    /// FD.
    pub async fn hw_code(&mut self) -> Result<u16, Error> {
        self.talk.step = "chip code (FD)";
        self.talk.echo(&[brom::GET_HW_CODE], ECHO).await?;
        let code = self.talk.take_u16(STATUS).await?;
        self.status().await?;
        Ok(code)
    }

    async fn versions(&mut self, hw_code: u16) -> Result<ChipCodes, Error> {
        self.talk.step = "chip versions (FC)";
        self.talk.echo(&[brom::GET_HW_SW_VER], ECHO).await?;
        let sub_code = self.talk.take_u16(STATUS).await?;
        let hw_version = self.talk.take_u16(STATUS).await?;
        let sw_version = self.talk.take_u16(STATUS).await?;
        self.status().await?;
        Ok(ChipCodes { hw_code, sub_code, hw_version, sw_version })
    }

    /// FE, without echo.
    async fn boot_loader(&mut self) -> Result<u8, Error> {
        self.talk.step = "boot loader version (FE)";
        self.talk.send(&[brom::GET_BL_VER]).await?;
        self.talk.take_u8(ECHO).await
    }

    /// FF, without echo.
    async fn brom_version(&mut self) -> Result<u8, Error> {
        self.talk.step = "BootROM version (FF)";
        self.talk.send(&[brom::GET_VERSION]).await?;
        self.talk.take_u8(ECHO).await
    }

    async fn target_config(&mut self) -> Result<TargetConfig, Error> {
        self.talk.step = "security configuration (D8)";
        self.talk.echo(&[brom::GET_TARGET_CONFIG], ECHO).await?;
        let config = self.talk.take_u32(STATUS).await?;
        self.status().await?;
        Ok(TargetConfig(config))
    }

    async fn first_registers(&mut self, chip: &Chip) -> Result<(), Error> {
        if let Some(address) = chip.extra_read {
            match self.read32(address).await {
                // The value is of no use to anybody; whether a preloader serves this read is not known.
                Err(e) if matches!(e.kind, ErrorKind::BromStatus(status) if status != AUTH_FIRST) => {}
                other => other.map(drop)?,
            }
        }
        self.watchdog_off(chip).await
    }

    /// A phone that wants authentication may refuse its registers before it was asked for its configuration.
    async fn locked(&mut self, error: Error) -> Error {
        if !matches!(error.kind, ErrorKind::BromStatus(AUTH_FIRST)) {
            return error;
        }
        match self.target_config().await {
            Ok(config) if config.wants_auth() => self.talk.fail(ErrorKind::AuthRequired(config.0)),
            _ => error,
        }
    }

    async fn watchdog_off(&mut self, chip: &Chip) -> Result<(), Error> {
        let (address, value) = chip.watchdog;
        self.read16(address).await?;
        self.talk.step = "watchdog off (D2)";
        self.command(brom::WRITE16, address).await?;
        self.status().await?;
        self.talk.echo(&value.to_be_bytes(), ECHO).await?;
        self.status().await
    }

    async fn remap(&mut self, address: u32) -> Result<(), Error> {
        let value = self.read32(address).await? | 2;
        self.talk.step = "memory remap (D4)";
        self.command(brom::WRITE32, address).await?;
        self.status().await?;
        self.talk.echo(&value.to_be_bytes(), ECHO).await?;
        self.status().await
    }

    /// D0, one half-word.
    async fn read16(&mut self, address: u32) -> Result<u16, Error> {
        self.talk.step = "register read (D0)";
        self.command(brom::READ16, address).await?;
        self.status().await?;
        let value = self.talk.take_u16(STATUS).await?;
        self.status().await?;
        Ok(value)
    }

    /// D1, one word.
    async fn read32(&mut self, address: u32) -> Result<u32, Error> {
        self.talk.step = "register read (D1)";
        self.command(brom::READ32, address).await?;
        self.status().await?;
        let value = self.talk.take_u32(STATUS).await?;
        self.status().await?;
        Ok(value)
    }

    /// Command byte, address and count 1, each echoed.
    async fn command(&mut self, command: u8, address: u32) -> Result<(), Error> {
        self.talk.echo(&[command], ECHO).await?;
        self.talk.echo(&address.to_be_bytes(), ECHO).await?;
        self.talk.echo(&1u32.to_be_bytes(), ECHO).await
    }

    /// Harmless reads that only a virtual phone answers with its watermark.
    async fn is_virtual(&mut self) -> Result<bool, Error> {
        for (address, value) in VIRTUAL_WATERMARK {
            if self.read16(address).await? != value {
                return Ok(false);
            }
        }
        Ok(true)
    }

    async fn load(&mut self, agent: &Upload<'_>, progress: &mut dyn FnMut(u64, u64)) -> Result<(), Error> {
        self.talk.step = "announce the Download Agent (D7)";
        let too_long = || ErrorKind::BadRequest("the agent is longer than 4 GiB".into());
        let length = u32::try_from(agent.bytes.len()).map_err(|_| self.talk.fail(too_long()))?;
        self.talk.echo(&[brom::SEND_DA], ECHO).await?;
        for field in [agent.load, length, agent.sig_len] {
            self.talk.echo(&field.to_be_bytes(), ECHO).await?;
        }
        self.status().await?;
        self.talk.step = "upload the Download Agent";
        let mut sum = Xor16::default();
        let mut sent = 0u64;
        for piece in agent.bytes.chunks(PIECE) {
            self.talk.send(piece).await?;
            sum.update(piece);
            sent = sent.saturating_add(u64::try_from(piece.len()).unwrap_or(0));
            progress(sent, u64::from(length));
        }
        let heard = self.talk.take_u16(STATUS).await?;
        self.status().await?;
        if heard != sum.value() {
            return Err(self.talk.fail(ErrorKind::UploadSum { sent: sum.value(), heard }));
        }
        Ok(())
    }

    async fn jump(&mut self, address: u32) -> Result<(), Error> {
        self.talk.step = "start the Download Agent (D5)";
        self.talk.echo(&[brom::JUMP_DA], ECHO).await?;
        self.talk.echo(&address.to_be_bytes(), ECHO).await?;
        self.status().await
    }

    async fn status(&mut self) -> Result<(), Error> {
        match self.talk.take_u16(STATUS).await? {
            ok if ok < FIRST_ERROR => Ok(()),
            status => Err(self.talk.fail(ErrorKind::BromStatus(status))),
        }
    }
}

/// What D7 and D5 need.
#[derive(Debug, Clone, Copy)]
pub struct Upload<'a> {
    /// Region 1, signature included.
    pub bytes: &'a [u8],
    /// Address in the phone; the entry point is its start.
    pub load: u32,
    /// Signature bytes at the end.
    pub sig_len: u32,
    /// True for a stand-in that only virtual phones understand.
    pub demo: bool,
}

/// The four bytes, each waited for; false when one was not answered.
async fn start_sequence<L: Link>(
    talk: &mut Talk<L>,
    patience: Duration,
    heard: &mut usize,
) -> Result<bool, Error> {
    for byte in brom::START {
        talk.send(&[byte]).await?;
        let until = talk.now().saturating_add(patience);
        let mut answered = false;
        while !answered {
            let mut answer = [0];
            match talk.try_take(&mut answer, patience).await {
                (_, None) if answer == [!byte] => answered = true,
                (_, None) if talk.now() < until => *heard = heard.saturating_add(1),
                (_, None) | (_, Some(LinkError::Timeout(_))) => return Ok(false),
                (_, Some(e)) => return Err(talk.fail(e)),
            }
        }
    }
    Ok(true)
}
