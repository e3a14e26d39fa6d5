//! How a phone behaves on USB: its layouts, its key, its patience with cables.

use core::time::Duration;
use std::str::FromStr;

use super::{Face, Layout};
use crate::options::UnknownWord;

/// What a reset of the phone leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Key {
    /// Back into the BootROM (`brom-preloader.md` section 1).
    #[default]
    Held,
    /// Into the preloader, and on to Android.
    Released,
}

/// What becomes of the link at 0e8d:2001.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum HighSpeed {
    /// It works.
    #[default]
    Ok,
    /// Each time it breaks after so many bytes to the host; the agent lives and the phone returns as 2001.
    Aborts(u64),
    /// It breaks after so many bytes to the host and the agent is gone: the phone resets.
    Dies(u64),
}

/// When the cable is pulled, in bytes sent to the host since it was plugged in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pull {
    /// After so many bytes.
    After(u64),
    /// Drawn anew for each plug-in from this seed: below 2^n bytes, n between 0 and 23.
    Random(u64),
}

/// A phone's behaviour on USB; the default stays plugged in and works.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsbOptions {
    /// Descriptors of 0e8d:2000.
    pub preloader: Layout,
    /// Descriptors of 0e8d:0003.
    pub boot_rom: Layout,
    /// Descriptors of 0e8d:2001.
    pub agent: Layout,
    /// Whether the key is held during a reset.
    pub key: Key,
    /// How many plug-ins there are; `None`: one after the other for ever.
    pub plugs: Option<u32>,
    /// Time between two plug-ins.
    pub gap: Duration,
    /// When the cable is pulled.
    pub pull: Option<Pull>,
    /// What becomes of the link at 0e8d:2001.
    pub high_speed: HighSpeed,
    /// Whether each page of a read back is a transfer of its own, as the real agent sends it
    /// (`da-legacy.md` section 3.4); otherwise a transfer ends where the phone has nothing more to say.
    pub page_transfers: bool,
}

impl Default for UsbOptions {
    fn default() -> Self {
        Self {
            preloader: Layout::of(Face::Preloader),
            boot_rom: Layout::of(Face::BootRom),
            agent: Layout::of(Face::Agent),
            key: Key::default(),
            plugs: None,
            gap: Duration::from_secs(1),
            pull: None,
            high_speed: HighSpeed::default(),
            page_transfers: true,
        }
    }
}

impl UsbOptions {
    /// The descriptors of a face.
    #[must_use]
    pub const fn layout(&self, face: Face) -> Layout {
        match face {
            Face::Preloader => self.preloader,
            Face::BootRom => self.boot_rom,
            Face::Agent => self.agent,
        }
    }

    /// Gives a layout to the face it belongs to; a hostile one goes to both faces a phone can start with.
    pub const fn set_layout(&mut self, layout: Layout) {
        match layout {
            Layout::P1 | Layout::P2 | Layout::P3 => self.preloader = layout,
            Layout::B1 | Layout::B2 => self.boot_rom = layout,
            Layout::D0 | Layout::D1 => self.agent = layout,
            Layout::Hostile(_) => (self.preloader, self.boot_rom) = (layout, layout),
        }
    }
}

impl FromStr for Key {
    type Err = UnknownWord;
    fn from_str(s: &str) -> Result<Self, UnknownWord> {
        match s {
            "held" => Ok(Self::Held),
            "released" => Ok(Self::Released),
            _ => Err(UnknownWord::new(s, "held, released")),
        }
    }
}

impl FromStr for HighSpeed {
    type Err = UnknownWord;
    fn from_str(s: &str) -> Result<Self, UnknownWord> {
        let unknown = || UnknownWord::new(s, "ok, aborts:BYTES, dies:BYTES");
        match s.split_once(':') {
            None if s == "ok" => Ok(Self::Ok),
            Some(("aborts", bytes)) => bytes.parse().map(Self::Aborts).map_err(|_| unknown()),
            Some(("dies", bytes)) => bytes.parse().map(Self::Dies).map_err(|_| unknown()),
            _ => Err(unknown()),
        }
    }
}

impl FromStr for Pull {
    type Err = UnknownWord;
    fn from_str(s: &str) -> Result<Self, UnknownWord> {
        let number = |digits: &str| digits.parse().map_err(|_| UnknownWord::new(s, "BYTES, random:SEED"));
        match s.strip_prefix("random:") {
            Some(seed) => number(seed).map(Self::Random),
            None => number(s).map(Self::After),
        }
    }
}
