//! The data of a sector made short by carry-less multiplication, where the CPU has it.
//!
//! The engine is a generic 64-bit CRC that finds out by itself what the CPU can do. It needs a polynomial of
//! degree 64 that ends in 1; the generator g shifted up by 12 does not, and comes out wrong. But any multiple of
//! g serves: a remainder by it is the same modulo g, of 64 bits instead of 52, and the tables take it from there.

use std::sync::LazyLock;

use crc_fast::{CrcAlgorithm, CrcParams, checksum_with_params, get_calculator_target};

use super::code::BCH4;

/// g (x^12 + 1) without its x^64.
const MULTIPLE: u64 = (BCH4.poly << 12) ^ (BCH4.poly | 1 << 52);

/// `None` where the CPU cannot multiply without carries: our own tables are faster than the engine's, behind a lock.
static ENGINE: LazyLock<Option<CrcParams>> = LazyLock::new(|| {
    let in_software = get_calculator_target(CrcAlgorithm::CrcCustom).starts_with("software");
    (!in_software).then(|| CrcParams::new("multiple of BCH4", 64, MULTIPLE, 0, true, 0, 0))
});

/// Eight bytes, least significant first, that may stand for `data` when eight more follow: XORed with those they
/// have the same remainder. `None` where the CPU has no carry-less multiplication.
pub(super) fn shortened(data: &[u8]) -> Option<u64> {
    // The CRC is data x^64 modulo the multiple: as a polynomial, the data moved out of the way of the eight bytes.
    ENGINE.map(|engine| checksum_with_params(engine, data))
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::super::code::{by_tables, parity};
    use super::*;

    #[test]
    fn both_ways_give_the_same_parity_for_any_length_and_place_in_memory() {
        let mut state = 0x1d87_2b41_u64;
        let mut noise = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state
        };
        let bytes: Vec<u8> = core::iter::repeat_with(|| noise().to_le_bytes()[0]).take(3000).collect();
        for len in 0..1200 {
            for _ in 0..4 {
                let start = usize::try_from(noise() % 1700).unwrap();
                let (data, fdm) = (&bytes[start..start + len], noise().to_le_bytes());
                assert_eq!(parity(data, &fdm), by_tables(data, &fdm), "{len} bytes from {start}");
            }
        }
    }

    #[test]
    fn every_single_bit_of_a_sector_has_the_same_remainder_both_ways() {
        for bit in 0..520 * 8 {
            let mut sector = [0; 520];
            sector[bit / 8] = 1 << (bit % 8);
            let (data, fdm) = sector.split_at(512);
            assert_eq!(parity(data, fdm), by_tables(data, fdm), "bit {bit}");
        }
    }

    #[test]
    fn the_multiple_is_one_and_ends_in_1() {
        let generator = u128::from(BCH4.poly) | 1 << 52;
        assert_eq!(u128::from(MULTIPLE) | 1 << 64, (generator << 12) ^ generator);
        assert_eq!(MULTIPLE & 1, 1);
    }

    #[cfg(target_arch = "x86_64")]
    #[test]
    fn the_engine_runs_where_the_cpu_multiplies_without_carries() {
        let able = std::is_x86_feature_detected!("pclmulqdq") && std::is_x86_feature_detected!("sse4.1");
        assert_eq!(shortened(&[0; 512]).is_some(), able);
    }
}
