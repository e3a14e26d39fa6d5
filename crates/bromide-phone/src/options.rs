//! How one virtual phone is to behave: how it was booted, which agent it plays, which faults it has.
//!
//! Promises: nothing here changes the chip's contents; every setting is what a real phone could be or do.

use core::time::Duration;
use std::str::FromStr;

use serde::Deserialize;

use crate::usb::UsbOptions;

/// The wire format a Download Agent speaks (`da-legacy-observed.md` section 1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Generation {
    /// Containers of the phones' own time, up to v7.1320.
    G1,
    /// Containers of 2015 and later.
    G2,
}

/// Which program answers first (`brom-preloader.md` section 6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Boot {
    /// The BootROM: silent, full speed, external memory off.
    #[default]
    BootRom,
    /// The preloader: says READY, high speed, external memory on.
    Preloader,
}

/// What the NAND controller delivers; which one the real one does is unknown (`nand-yaffs2.md` section 8).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum EccDelivery {
    /// The bytes as they are on the chip.
    #[default]
    Raw,
    /// Sectors with up to four wrong bits arrive repaired.
    Corrected,
}

/// The word given for an option is none of those known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{given:?} is none of {known}")]
pub struct UnknownWord {
    given: String,
    known: &'static str,
}

impl UnknownWord {
    pub(crate) fn new(given: &str, known: &'static str) -> Self {
        Self { given: given.to_owned(), known }
    }
}

impl FromStr for Generation {
    type Err = UnknownWord;
    fn from_str(s: &str) -> Result<Self, UnknownWord> {
        match s {
            "g1" => Ok(Self::G1),
            "g2" => Ok(Self::G2),
            _ => Err(UnknownWord::new(s, "g1, g2")),
        }
    }
}

impl FromStr for Boot {
    type Err = UnknownWord;
    fn from_str(s: &str) -> Result<Self, UnknownWord> {
        match s {
            "bootrom" => Ok(Self::BootRom),
            "preloader" => Ok(Self::Preloader),
            _ => Err(UnknownWord::new(s, "bootrom, preloader")),
        }
    }
}

impl FromStr for EccDelivery {
    type Err = UnknownWord;
    fn from_str(s: &str) -> Result<Self, UnknownWord> {
        match s {
            "raw" => Ok(Self::Raw),
            "corrected" => Ok(Self::Corrected),
            _ => Err(UnknownWord::new(s, "raw, corrected")),
        }
    }
}

/// What a command loop does with a start sequence it has already had (`brom-preloader.md` section 10, question 6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SecondStart {
    /// Nothing.
    #[default]
    Silent,
    /// The byte comes back.
    Echo,
    /// The complement comes back, as the first time.
    Complement,
}

/// What the agent says to A2 where the chip has a partition table (`da-legacy.md` section 10).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TableAnswer {
    /// Records of 96 bytes: the agent of the MT6575.
    #[default]
    Marked,
    /// Records of 88 bytes: other agents, 64 bits wide.
    Wide,
    /// Records of 76 bytes: other agents, 32 bits wide.
    Narrow,
    /// It does not find the table and says so.
    Refused,
}

/// How the phone behaves; the default is a healthy phone held in its BootROM.
#[derive(Debug, Clone)]
pub struct Options {
    /// Which program answers first.
    pub boot: Boot,
    /// What an upload speaks that is neither a known agent nor a demo agent; `None`: it crashes.
    pub agent: Option<Generation>,
    /// What the NAND controller delivers.
    pub ecc: EccDelivery,
    /// Time until the watchdog resets the phone unless the host disables it; `None`: it never bites.
    pub watchdog: Option<Duration>,
    /// How long the BootROM stays on the bus without a handshake byte (`brom-preloader.md` section 9).
    pub bootrom_patience: Option<Duration>,
    /// How long the preloader stays on the bus before the handshake starts.
    pub preloader_patience: Option<Duration>,
    /// What the command loop does with a second start sequence.
    pub second_start: SecondStart,
    /// Final status of write32: 0000 or 0001, both mean success (`brom-preloader.md` section 2).
    pub write32_status: u16,
    /// What the agent says of a partition table on the chip.
    pub table: TableAnswer,
    /// What is broken.
    pub faults: Faults,
    /// How it behaves on USB.
    pub usb: UsbOptions,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            boot: Boot::BootRom,
            agent: None,
            ecc: EccDelivery::Raw,
            watchdog: Some(Duration::from_secs(10)),
            bootrom_patience: Some(Duration::from_secs(5)),
            preloader_patience: Some(Duration::from_secs(3)),
            second_start: SecondStart::Silent,
            write32_status: 0,
            table: TableAnswer::Marked,
            faults: Faults::default(),
            usb: UsbOptions::default(),
        }
    }
}

/// What is broken in a phone; the default is nothing.
#[derive(Debug, Clone, Default)]
pub struct Faults {
    /// The NAND part does not answer, or its controller is not usable.
    pub nand: NandFault,
    /// The hello ends in FF and the agent stops: it does not know this chip.
    pub unknown_chip: bool,
    /// The report ends in CF and the agent stops.
    pub soc_refused: bool,
    /// The report comes this much later.
    pub report_delay: Duration,
    /// The report's tail begins with A5 and the 5A follows after this time (`da-legacy.md` section 2.4).
    pub first_time_processing: Option<Duration>,
    /// The first so many packets of a read back carry a wrong sum, repeats counted.
    pub wrong_sums: u32,
    /// Read backs that break at a page; the first entry that fits a page and is not used up acts.
    pub reads: Vec<ReadFault>,
    /// Every read back is refused with A5 0000177B (`da-legacy-device.md` section 5.3).
    pub read_protected: bool,
}

/// How the NAND part fails to be found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum NandFault {
    /// It does not.
    #[default]
    None,
    /// READ ID gives nothing: report status BC4.
    NoChip,
    /// The controller is not usable: A5 instead of the table exchange, report status BE7.
    NoController,
}

/// A read back that breaks when it reaches a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadFault {
    /// Page number in the address space of the request (logical or physical).
    pub page: u32,
    /// How many times it happens; `u32::MAX`: always.
    pub times: u32,
    /// What happens.
    pub kind: ReadFaultKind,
}

/// What happens at a faulty page (`da-legacy.md` section 5.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadFaultKind {
    /// The agent stops in the middle of the packet without a word and is back in its command loop.
    SilentStop,
    /// `A5`, this status and the page's byte address come inside the stream, and the command ends.
    InBand {
        /// The status, for example C26.
        status: u32,
    },
}
