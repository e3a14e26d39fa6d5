//! The phone as a USB device: faces, descriptors, control requests, pending transfers, and what happens over time.
//!
//! Promises: everything here is the same whatever carries it (`serve::usbip`, `serve::vhci`, `serve::usbredir`).
//! Facts from `usbip-cdc.md` (descriptors, requests, transfers), `brom-preloader.md` section 1 (faces) and
//! `da-legacy.md` section 3 (speed switch, transfer ends).

mod control;
mod descriptors;
mod hostile;
mod options;
mod plug;
#[cfg(unix)]
mod port;
mod urbs;

pub use descriptors::Layout;
pub use options::{HighSpeed, Key, Pull, UsbOptions};

pub(crate) use plug::{Left, Plug, Step};
#[cfg(unix)]
pub(crate) use port::{Port, UrbLink, poll_both};
pub(crate) use urbs::{Answer, Done, MAX_TRANSFER, Status, TooMuch, Urbs};

/// MediaTek's vendor id (`brom-preloader.md` section 1).
pub const VENDOR: u16 = 0x0e8d;

/// Which program of the phone is on the bus (`brom-preloader.md` section 1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Face {
    /// 0e8d:2000.
    Preloader,
    /// 0e8d:0003; also the agent that was started from it, until it switches to high speed.
    BootRom,
    /// 0e8d:2001, the agent after the switch to high speed.
    Agent,
}

impl Face {
    /// Product id.
    #[must_use]
    pub const fn pid(self) -> u16 {
        match self {
            Self::Preloader => 0x2000,
            Self::BootRom => 0x0003,
            Self::Agent => 0x2001,
        }
    }

    /// Speed of its link (`usbip-cdc.md` section 1).
    #[must_use]
    pub const fn speed(self) -> Speed {
        match self {
            Self::BootRom => Speed::Full,
            Self::Preloader | Self::Agent => Speed::High,
        }
    }
}

/// Speed of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speed {
    /// 12 Mbit/s, bulk packets of 64 bytes.
    Full,
    /// 480 Mbit/s, bulk packets of 512 bytes.
    High,
}

impl Speed {
    /// Bytes of a bulk packet.
    #[must_use]
    pub const fn packet(self) -> usize {
        match self {
            Self::Full => 64,
            Self::High => 512,
        }
    }
}

impl core::fmt::Display for Speed {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Full => "full speed",
            Self::High => "high speed",
        })
    }
}
