//! Descriptor sets of the phone's faces, byte by byte (`usbip-cdc.md` sections 2 to 4).
//!
//! Promises: P1 to D1 are the published tables; at full speed only the bulk packet sizes differ. What the tables
//! mark as inferred (functional descriptors of P2 and B2, all of 0e8d:0003) is inferred here too.

use std::str::FromStr;

use super::{Face, Speed, hostile};
use crate::options::UnknownWord;

/// A descriptor set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// Preloader: data interface first, endpoint descriptors of 8 bytes.
    P1,
    /// Preloader, newer: communication interface first.
    P2,
    /// Preloader: as P1, but the first interface carries number 1.
    P3,
    /// BootROM: communication interface first.
    B1,
    /// BootROM: data interface first, interrupt endpoint 4.
    B2,
    /// Agent of MT65xx: data interface first.
    D0,
    /// Agent of later chips: communication interface first.
    D1,
    /// A broken set, to test hosts; see [`Layout::HOSTILE`].
    Hostile(u8),
}

const DEVICE_2000: [u8; 18] = [18, 1, 0, 2, 2, 0, 0, 64, 0x8d, 0x0e, 0x00, 0x20, 0, 1, 1, 2, 0, 1];
const DEVICE_0003: [u8; 18] = [18, 1, 0, 2, 2, 0, 0, 64, 0x8d, 0x0e, 0x03, 0x00, 0, 1, 0, 0, 0, 1];
const DEVICE_2001: [u8; 18] = [18, 1, 0x10, 1, 2, 0, 0, 64, 0x8d, 0x0e, 0x01, 0x20, 0, 1, 0, 0, 0, 1];

const HEADER: &[u8] = &[5, 0x24, 0, 0x10, 1];
const ACM: &[u8] = &[4, 0x24, 2, 0x0f];

/// Everything that tells one configuration from another.
struct Shape {
    attributes: u8,
    string: u8,
    data_first: bool,
    /// Interface number and string.
    data: (u8, u8),
    communication: (u8, u8),
    /// Address, bytes and interval of the interrupt endpoint.
    interrupt: (u8, u8, u8),
    in_first: bool,
    /// Bytes of an endpoint descriptor.
    endpoint: usize,
}

const P1: Shape = Shape {
    attributes: 0xc0,
    string: 3,
    data_first: true,
    data: (0, 4),
    communication: (1, 5),
    interrupt: (0x83, 64, 16),
    in_first: false,
    endpoint: 8,
};
const P2: Shape = Shape { data_first: false, data: (1, 4), communication: (0, 5), endpoint: 7, ..P1 };
const P3: Shape = Shape { data: (1, 4), communication: (0, 5), ..P1 };
const B1: Shape = Shape { string: 0, data: (1, 0), communication: (0, 0), ..P2 };
const B2: Shape = Shape {
    attributes: 0x80,
    string: 0,
    data: (0, 0),
    communication: (1, 0),
    interrupt: (0x84, 16, 3),
    endpoint: 7,
    ..P1
};
const D0: Shape = Shape { interrupt: (0x84, 8, 1), in_first: true, ..B2 };
const D1: Shape = Shape { data_first: false, data: (1, 2), communication: (0, 1), ..D0 };

impl Layout {
    /// How many hostile sets there are: `Hostile(0)` to `Hostile(HOSTILE - 1)`. In this order: a descriptor of
    /// length zero; a configuration cut short; a total length of 65535; a total length of 9; bulk endpoints with
    /// number 0; no bulk pair; 30 interfaces; a union that names missing interfaces; bulk packets of 0 bytes; no
    /// interfaces; the last descriptor longer than what is left.
    pub const HOSTILE: u8 = 11;

    /// The default for a face.
    #[must_use]
    pub const fn of(face: Face) -> Self {
        match face {
            Face::Preloader => Self::P1,
            Face::BootRom => Self::B1,
            Face::Agent => Self::D0,
        }
    }

    /// The device descriptor; a hostile set borrows the face's own.
    #[must_use]
    pub const fn device(self, face: Face) -> [u8; 18] {
        match (self, face) {
            (Self::P1 | Self::P2 | Self::P3, _) | (Self::Hostile(_), Face::Preloader) => DEVICE_2000,
            (Self::B1 | Self::B2, _) | (Self::Hostile(_), Face::BootRom) => DEVICE_0003,
            (Self::D0 | Self::D1, _) | (Self::Hostile(_), Face::Agent) => DEVICE_2001,
        }
    }

    /// The configuration with its interfaces and endpoints.
    #[must_use]
    pub fn configuration(self, speed: Speed) -> Vec<u8> {
        match self {
            Self::P1 => P1.bytes(speed),
            Self::P2 => P2.bytes(speed),
            Self::P3 => P3.bytes(speed),
            // A BootROM is never faster than full speed (section 3).
            Self::B1 => B1.bytes(Speed::Full),
            Self::B2 => B2.bytes(Speed::Full),
            Self::D0 => D0.bytes(speed),
            Self::D1 => D1.bytes(speed),
            Self::Hostile(which) => hostile::configuration(which, P2.bytes(speed)),
        }
    }

    /// A string; what the real texts of D1 are nobody knows, so it has none (`usbip-cdc.md` section 12).
    #[must_use]
    pub const fn string(self, index: u8) -> Option<&'static str> {
        match (self, index) {
            (Self::P1 | Self::P2 | Self::P3 | Self::Hostile(_), 1) => Some("MediaTek"),
            (Self::P1 | Self::P2 | Self::P3 | Self::Hostile(_), 2) => Some("MT65xx Preloader"),
            (Self::P1 | Self::P2 | Self::P3 | Self::Hostile(_), 3) => Some("USB CDC ACM for preloader"),
            (Self::P1 | Self::P2 | Self::P3 | Self::Hostile(_), 4) => Some("CDC ACM Data Interface"),
            (Self::P1 | Self::P2 | Self::P3 | Self::Hostile(_), 5) => Some("CDC ACM Communication Interface"),
            _ => None,
        }
    }

    /// Number of the interrupt endpoint.
    #[must_use]
    pub const fn interrupt(self) -> u8 {
        match self {
            Self::B2 | Self::D0 | Self::D1 => 4,
            _ => 3,
        }
    }
}

impl Shape {
    fn bytes(&self, speed: Speed) -> Vec<u8> {
        let mut all = vec![9, 2, 0, 0, 2, 1, self.string, self.attributes, 0xfa];
        let data = self.data_interface(speed);
        let communication = self.communication_interface();
        let (first, second) = if self.data_first { (data, communication) } else { (communication, data) };
        all.extend(first);
        all.extend(second);
        // At most 70 bytes.
        all[2] = all.len() as u8;
        all
    }

    fn data_interface(&self, speed: Speed) -> Vec<u8> {
        let [low, high] = if speed == Speed::High { [0, 2] } else { [64, 0] };
        let (number, string) = self.data;
        let mut bytes = vec![9, 4, number, 0, 2, 0x0a, 0, 0, string];
        for address in if self.in_first { [0x81, 0x01] } else { [0x01, 0x81] } {
            bytes.extend(self.endpoint([address, 2, low, high, 0]));
        }
        bytes
    }

    fn communication_interface(&self) -> Vec<u8> {
        let ((own, string), (data, _)) = (self.communication, self.data);
        let (address, bytes, interval) = self.interrupt;
        let mut all = vec![9, 4, own, 0, 1, 2, 2, 1, string];
        all.extend(HEADER);
        all.extend(ACM);
        all.extend([5, 0x24, 6, own, data]);
        all.extend([5, 0x24, 1, 3, data]);
        all.extend(self.endpoint([address, 3, bytes, 0, interval]));
        all
    }

    /// The surplus byte of the long form is zero (`usbip-cdc.md` section 2.2, inferred there).
    fn endpoint(&self, fields: [u8; 5]) -> Vec<u8> {
        let mut bytes = vec![self.endpoint as u8, 5];
        bytes.extend(fields);
        bytes.resize(self.endpoint, 0);
        bytes
    }
}

impl FromStr for Layout {
    type Err = UnknownWord;
    fn from_str(s: &str) -> Result<Self, UnknownWord> {
        let known = || UnknownWord::new(s, "p1, p2, p3, b1, b2, d0, d1, hostile:0 to hostile:10");
        Ok(match s {
            "p1" => Self::P1,
            "p2" => Self::P2,
            "p3" => Self::P3,
            "b1" => Self::B1,
            "b2" => Self::B2,
            "d0" => Self::D0,
            "d1" => Self::D1,
            _ => {
                let which = s.strip_prefix("hostile:").and_then(|n| n.parse().ok()).ok_or_else(known)?;
                if which >= Self::HOSTILE {
                    return Err(known());
                }
                Self::Hostile(which)
            }
        })
    }
}
