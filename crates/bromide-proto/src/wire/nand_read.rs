//! `DF`, NAND read back: request and answer header in both formats.
//!
//! Source: `da-legacy-observed.md` section 7.3, `da-legacy-device.md` sections 5 and 12.

use super::{Short, Take};
use crate::agent_format::Format;
use crate::codes::da;
use alloc::vec::Vec;

/// What a unit of the data stream holds. Flags 2 (stale bytes) and 3 (cannot be parsed) are not offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Shape {
    /// Flag 0: page and spare in chip order, 4 x (512 + 16).
    AsStored,
    /// Flag 1: main bytes only.
    MainOnly,
    /// Flag 4: main bytes, then the spare parts.
    SpareLast,
}

impl Shape {
    /// The number on the wire.
    #[must_use]
    pub const fn flag(self) -> u8 {
        match self {
            Self::AsStored => 0,
            Self::MainOnly => 1,
            Self::SpareLast => 4,
        }
    }

    /// Bytes of one page in this shape.
    #[must_use]
    pub const fn unit(self, page: u32, spare: u32) -> u32 {
        match self {
            Self::MainOnly => page,
            Self::AsStored | Self::SpareLast => page.saturating_add(spare),
        }
    }
}

/// Which address space a read counts in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AddressKind {
    /// Through the bad-block table; the chip less its pool.
    Logical,
    /// The chip as it is.
    Physical,
}

/// A read request; addresses and lengths are main-area bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NandRead {
    /// What a unit holds.
    pub shape: Shape,
    /// Address space.
    pub kind: AddressKind,
    /// First main-area byte, a multiple of the page size.
    pub start: u64,
    /// Main-area bytes, a multiple of the page size, not 0.
    pub length: u64,
}

impl NandRead {
    /// The request, or `None` where G1's 32-bit fields cannot hold the numbers.
    #[must_use]
    pub fn encode(&self, format: Format) -> Option<Vec<u8>> {
        let kind = match self.kind {
            AddressKind::Logical => 0,
            AddressKind::Physical => 1,
        };
        let mut out = Vec::with_capacity(23);
        out.extend([da::NAND_READ, self.shape.flag(), kind]);
        match format {
            Format::G1 => {
                out.extend(u32::try_from(self.start).ok()?.to_be_bytes());
                out.extend(u32::try_from(self.length).ok()?.to_be_bytes());
            }
            Format::G2 => {
                out.extend(self.start.to_be_bytes());
                out.extend(self.length.to_be_bytes());
            }
        }
        // container length 0: no extra byte before each packet
        out.extend([0; 4]);
        Some(out)
    }
}

/// The three words after the agent's 5A.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadHeader {
    /// Main bytes of a page.
    pub page: u32,
    /// Spare bytes of a page.
    pub spare: u32,
    /// Bytes per page in the data stream.
    pub unit: u32,
}

impl ReadHeader {
    /// Bytes of the header on the wire.
    pub const BYTES: usize = 12;

    /// Reads the header.
    pub fn decode(bytes: &[u8]) -> Result<Self, Short> {
        let mut t = Take::new(bytes);
        Ok(Self { page: t.u32_be()?, spare: t.u32_be()?, unit: t.u32_be()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn g2_request_for_the_seed_system_partition() {
        // da-legacy.md section 15, test vectors
        let read =
            NandRead { shape: Shape::AsStored, kind: AddressKind::Logical, start: 0, length: 0x1270_0000 };
        let mut wanted = alloc::vec![0xdf, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x12, 0x70, 0, 0];
        wanted.extend([0; 4]);
        assert_eq!(read.encode(Format::G2).unwrap(), wanted);
    }

    #[test]
    fn g1_and_g2_requests_of_the_observed_hosts() {
        // da-legacy-observed.md section 7.3
        let read =
            NandRead { shape: Shape::AsStored, kind: AddressKind::Physical, start: 0x20000, length: 0x8000 };
        assert_eq!(read.encode(Format::G1).unwrap(), [0xdf, 0, 1, 0, 2, 0, 0, 0, 0, 0x80, 0, 0, 0, 0, 0]);
        assert_eq!(
            read.encode(Format::G2).unwrap(),
            [0xdf, 0, 1, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0x80, 0, 0, 0, 0, 0]
        );
    }

    #[test]
    fn g1_refuses_numbers_beyond_32_bits() {
        let read =
            NandRead { shape: Shape::MainOnly, kind: AddressKind::Logical, start: 1 << 32, length: 0x800 };
        assert_eq!(read.encode(Format::G1), None);
        assert!(read.encode(Format::G2).is_some());
    }

    #[test]
    fn header_of_a_2048_64_chip() {
        let header = ReadHeader::decode(&[0, 0, 8, 0, 0, 0, 0, 0x40, 0, 0, 8, 0x40]).unwrap();
        assert_eq!(header, ReadHeader { page: 2048, spare: 64, unit: 2112 });
        assert_eq!(Shape::AsStored.unit(2048, 64), 2112);
        assert_eq!(Shape::MainOnly.unit(2048, 64), 2048);
    }
}
