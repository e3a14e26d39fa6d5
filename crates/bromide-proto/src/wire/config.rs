//! What the host tells a freshly started agent: 15 bytes (G1) or 18 bytes (G2), no answer.
//!
//! Source: `da-legacy-observed.md` section 4, `da-legacy-device.md` sections 2 and 12.

use crate::agent_format::Format;
use alloc::vec::Vec;

/// Host configuration of a single-stage agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HostConfig {
    /// Answer to `FF`.
    pub brom_version: u8,
    /// Answer to `FE`.
    pub bl_version: u8,
    /// Bad-block pool at the end of the chip, in blocks. It shortens the logical address space.
    pub pool_blocks: u32,
}

/// NOR chip selects, NAND chip select, NAND access timing: the values both reference hosts send.
const FIXED: [u8; 7] = [0x00, 0x08, 0x00, 0x70, 0x07, 0xff, 0xff];
/// External clock: 26 MHz.
const CLOCK_26_MHZ: u8 = 0x02;
/// Boot MSDC channel.
const MSDC_CHANNEL: u8 = 0x00;
/// G2: the pool field counts blocks.
const POOL_IN_BLOCKS: u8 = 0x00;
/// G2: battery mode "automatic".
const BATTERY_AUTO: u8 = 0x02;
/// G2: reset keys, power + home.
const RESET_KEYS: u8 = 0x01;

impl HostConfig {
    /// The bytes as they go over the wire.
    #[must_use]
    pub fn encode(&self, format: Format) -> Vec<u8> {
        let mut out = Vec::with_capacity(18);
        out.extend([self.brom_version, self.bl_version]);
        out.extend(FIXED);
        match format {
            Format::G1 => {
                out.extend(self.pool_blocks.to_be_bytes());
                out.extend([CLOCK_26_MHZ, MSDC_CHANNEL]);
            }
            Format::G2 => {
                out.push(POOL_IN_BLOCKS);
                out.extend(self.pool_blocks.to_be_bytes());
                out.extend([BATTERY_AUTO, RESET_KEYS, CLOCK_26_MHZ, MSDC_CHANNEL]);
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BROM: HostConfig = HostConfig { brom_version: 5, bl_version: 0xfe, pool_blocks: 80 };

    #[test]
    fn g1_configuration_is_the_observed_fifteen_bytes() {
        assert_eq!(
            BROM.encode(Format::G1),
            [0x05, 0xfe, 0x00, 0x08, 0x00, 0x70, 0x07, 0xff, 0xff, 0, 0, 0, 0x50, 0x02, 0x00]
        );
    }

    #[test]
    fn g2_configuration_is_the_worked_eighteen_bytes() {
        assert_eq!(
            BROM.encode(Format::G2),
            [0x05, 0xfe, 0x00, 0x08, 0x00, 0x70, 0x07, 0xff, 0xff, 0, 0, 0, 0, 0x50, 0x02, 0x01, 0x02, 0x00]
        );
    }

    #[test]
    fn without_a_scatter_file_the_observed_g2_host_sent_pool_zero() {
        let none = HostConfig { pool_blocks: 0, ..BROM };
        assert_eq!(none.encode(Format::G2)[9..14], [0, 0, 0, 0, 0]);
    }
}
