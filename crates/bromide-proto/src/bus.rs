//! The faces a phone shows on USB, and the bus it shows them on.
//!
//! A phone vanishes and returns under another product id several times in one job; the address changes each time,
//! the port does not. So a [`Sighting`] names the port chain, and a [`Bus`] follows that alone
//! (test-bench.md section 3). Ids: `brom-preloader.md` section 1, `formats.md` sections 7.4 and 8.1.

use alloc::string::String;
use core::fmt;
use core::time::Duration;

use crate::link::{Link, LinkError};

/// What runs on the phone, as far as its USB ids tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Face {
    /// The phone's own system runs: not a download target.
    Android,
    /// The preloader, for at most three seconds, of which 0.3 s may be all that is useful.
    Preloader,
    /// The ROM's download mode: about 5 s without a handshake, but back at once while the key is held.
    BootRom,
    /// A Download Agent after its high-speed switch.
    Agent,
}

impl Face {
    /// Every face, in the order in which a phone is led through them.
    pub const ALL: [Self; 4] = [Self::Android, Self::Preloader, Self::BootRom, Self::Agent];

    /// The face behind a vendor and product id; `None` is no MediaTek phone, or none that is known.
    pub fn of(vid: u16, pid: u16) -> Option<Self> {
        IDS.iter().find(|id| id.vid == vid && (id.first..=id.last).contains(&pid)).map(|id| id.face)
    }

    /// The field's name for it, as a sentence can use it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Android => "Android",
            Self::Preloader => "preloader",
            Self::BootRom => "BootROM",
            Self::Agent => "Download Agent",
        }
    }
}

impl fmt::Display for Face {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A range of product ids of one vendor and what they mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Id {
    /// Vendor id.
    pub vid: u16,
    /// First product id.
    pub first: u16,
    /// Last product id, included.
    pub last: u16,
    /// What it means.
    pub face: Face,
    /// Whose it is, in a few words.
    pub about: &'static str,
}

const fn id(vid: u16, pid: u16, face: Face, about: &'static str) -> Id {
    Id { vid, first: pid, last: pid, face, about }
}

/// Every id that is known, for rules and lists; no two ranges overlap.
pub const IDS: &[Id] = &[
    // brom-preloader.md section 1, two or more sources each.
    id(0x0e8d, 0x0003, Face::BootRom, "BootROM"),
    id(0x0e8d, 0x2000, Face::Preloader, "preloader"),
    id(0x0e8d, 0x2001, Face::Agent, "agent after the high-speed switch"),
    // formats.md section 7.4.
    id(0x0e8d, 0x1003, Face::BootRom, "older BootROM"),
    // brom-preloader.md section 1, one source: accepted by another tool.
    id(0x0e8d, 0x20ff, Face::Preloader, "preloader"),
    id(0x0e8d, 0x3000, Face::Preloader, "preloader"),
    id(0x0e8d, 0x6000, Face::Preloader, "preloader, data on interface 2"),
    id(0x1004, 0x6000, Face::Preloader, "LG preloader"),
    id(0x22d9, 0x0006, Face::Preloader, "OPPO preloader"),
    id(0x0fce, 0xf200, Face::Preloader, "Sony preloader"),
    id(0x0fce, 0xd1dd, Face::Preloader, "Sony preloader"),
    id(0x0fce, 0xd1e2, Face::Preloader, "Sony preloader"),
    id(0x0fce, 0xd1e9, Face::Preloader, "Sony preloader"),
    id(0x0fce, 0xd1ec, Face::Preloader, "Sony preloader"),
    // formats.md section 7.4: gadgets of a running system.
    id(0x0e8d, 0x0023, Face::Android, "feature phone's COM ports"),
    Id { vid: 0x0e8d, first: 0x2006, last: 0x2031, face: Face::Android, about: "Android: MTP, ADB, storage" },
    id(0x0bb4, 0x0005, Face::Android, "Android under the HTC vendor id"),
    id(0x0bb4, 0x0c02, Face::Android, "Android under the HTC vendor id"),
    id(0x0bb4, 0x0c03, Face::Android, "Android under the HTC vendor id"),
];

/// How fast the device was enumerated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BusSpeed {
    /// 1.5 Mbit/s.
    Low,
    /// 12 Mbit/s: BootROM; bulk packets of at most 64 bytes.
    Full,
    /// 480 Mbit/s: preloader and agent; bulk packets of 512 bytes.
    High,
    /// 5 Gbit/s or more.
    Super,
    /// The system does not say.
    Unknown,
}

impl fmt::Display for BusSpeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Low => "low speed",
            Self::Full => "full speed",
            Self::High => "high speed",
            Self::Super => "SuperSpeed",
            Self::Unknown => "speed unknown",
        })
    }
}

/// One appearance of a phone.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Sighting {
    /// What it shows.
    pub face: Face,
    /// Vendor id.
    pub vid: u16,
    /// Product id.
    pub pid: u16,
    /// Port chain from the bus through every hub, like `1-4.2`.
    pub port: String,
    /// How fast it was enumerated.
    pub speed: BusSpeed,
}

impl fmt::Display for Sighting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({:04x}:{:04x}) at port {}, {}", self.face, self.vid, self.pid, self.port, self.speed)
    }
}

/// Where a phone comes and goes, each time perhaps with another face.
#[allow(async_fn_in_trait)] // as for `Link`: one thread, nothing spawns
pub trait Bus {
    /// An open connection to one face of the phone.
    type Link: Link;

    /// Waits until the phone shows one of these faces, and opens it. Give up the link of the last face first.
    ///
    /// After the first meeting only the same port counts.
    ///
    /// # Errors
    /// [`LinkError::Timeout`] when none of the faces came `within` that time; otherwise why the phone that did
    /// come could not be opened, or [`LinkError::Cancelled`].
    async fn meet(&mut self, faces: &[Face], within: Duration) -> Result<(Sighting, Self::Link), LinkError>;

    /// Time since some fixed moment, by the clock that [`Bus::meet`] waits on; the same as the links'.
    fn now(&self) -> Duration;
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn the_four_faces_of_the_first_phone_are_known() {
        assert_eq!(Face::of(0x0bb4, 0x0c03), Some(Face::Android));
        assert_eq!(Face::of(0x0e8d, 0x2000), Some(Face::Preloader));
        assert_eq!(Face::of(0x0e8d, 0x0003), Some(Face::BootRom));
        assert_eq!(Face::of(0x0e8d, 0x2001), Some(Face::Agent));
    }

    #[test]
    fn a_range_of_ids_ends_where_it_is_said_to_end() {
        for (pid, face) in
            [(0x2005, None), (0x2006, Some(Face::Android)), (0x2031, Some(Face::Android)), (0x2032, None)]
        {
            assert_eq!(Face::of(0x0e8d, pid), face, "{pid:04x}");
        }
        assert_eq!(Face::of(0x1d6b, 0x0003), None, "another vendor's product 0003");
    }

    #[test]
    fn no_id_has_two_meanings() {
        for (n, a) in IDS.iter().enumerate() {
            assert!(a.first <= a.last);
            for b in &IDS[n + 1..] {
                assert!(a.vid != b.vid || a.last < b.first || b.last < a.first, "{a:?} and {b:?}");
            }
        }
    }

    #[test]
    fn a_sighting_reads_as_a_person_would_say_it() {
        let seen = Sighting {
            face: Face::BootRom,
            vid: 0x0e8d,
            pid: 3,
            port: "1-4.2".to_string(),
            speed: BusSpeed::Full,
        };
        assert_eq!(seen.to_string(), "BootROM (0e8d:0003) at port 1-4.2, full speed");
    }
}
