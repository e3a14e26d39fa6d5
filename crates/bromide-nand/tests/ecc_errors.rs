//! The sector ECC against random errors: what it promises up to four wrong bits, and how rarely it is fooled beyond.

use bromide_nand::ecc::{SectorState, check_sector, correct_sector, find_errors, stored_parity};

/// Reproducible noise (xorshift64).
struct Noise(u64);

impl Noise {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }

    /// `count` different bits of the 4212 under the code.
    fn bits(&mut self, count: usize) -> Vec<u64> {
        let mut bits = Vec::new();
        while bits.len() < count {
            let bit = self.below(4212);
            if !bits.contains(&bit) {
                bits.push(bit);
            }
        }
        bits
    }
}

/// A written sector of plain text under the FDM bytes of a data chunk.
fn text_sector() -> ([u8; 512], [u8; 16]) {
    let data = std::array::from_fn(|at| b"redistribute it and/or modify\nit under the terms of "[at % 52]);
    let fdm = [0xff, 0x00, 0x80, 0x00, 0x00, 0x00, 0x00, 0x08];
    let mut spare = [0; 16];
    spare[..8].copy_from_slice(&fdm);
    spare[8..].copy_from_slice(&stored_parity(&data, &fdm));
    (data, spare)
}

fn flip((data, spare): &mut ([u8; 512], [u8; 16]), bits: &[u64]) {
    for bit in bits {
        let byte = usize::try_from(bit / 8).unwrap();
        let mask = 1 << (bit % 8);
        if byte < 512 { data[byte] ^= mask } else { spare[byte - 512] ^= mask }
    }
}

#[test]
fn every_single_flipped_bit_is_named_and_repaired() {
    let good = text_sector();
    for bit in 0..4212 {
        let mut sector = good;
        flip(&mut sector, &[bit]);
        let (state, errors) = find_errors(&sector.0, &sector.1);
        assert_eq!(state, SectorState::Correctable { bits: 1 });
        let found: Vec<u64> = errors.iter().map(|w| u64::from(w.byte) * 8 + u64::from(w.bit)).collect();
        assert_eq!(found, [bit]);
        correct_sector(&mut sector.0, &mut sector.1);
        assert!(sector == good, "bit {bit}");
    }
}

#[test]
fn two_three_and_four_flipped_bits_are_always_repaired() {
    let (good, mut noise) = (text_sector(), Noise(2075));
    for count in [2, 3, 4] {
        for _ in 0..5000 {
            let bits = noise.bits(count);
            let mut sector = good;
            flip(&mut sector, &bits);
            let state = correct_sector(&mut sector.0, &mut sector.1);
            assert_eq!(state, SectorState::Correctable { bits: u8::try_from(count).unwrap() }, "{bits:?}");
            assert!(sector == good, "{bits:?}");
        }
    }
}

#[test]
fn four_flipped_bits_close_together_are_repaired_wherever_they_are() {
    let good = text_sector();
    for first in 0..4212 - 3 {
        let mut sector = good;
        flip(&mut sector, &[first, first + 1, first + 2, first + 3]);
        let state = correct_sector(&mut sector.0, &mut sector.1);
        assert_eq!(state, SectorState::Correctable { bits: 4 }, "from bit {first}");
        assert!(sector == good, "from bit {first}");
    }
}

#[test]
fn five_to_eight_flipped_bits_are_never_clean_and_hardly_ever_taken_for_fewer() {
    let (good, mut noise) = (text_sector(), Noise(6575));
    for count in 5..=8 {
        let samples = 20_000;
        let mut fooled = 0;
        for _ in 0..samples {
            let bits = noise.bits(count);
            let mut sector = good;
            flip(&mut sector, &bits);
            match correct_sector(&mut sector.0, &mut sector.1) {
                SectorState::Damaged => {}
                SectorState::Correctable { bits: repaired } => {
                    fooled += 1;
                    // What it takes for the sector must at least be a code word, and at distance nine or more.
                    assert_eq!(check_sector(&sector.0, &sector.1), SectorState::Clean, "{bits:?}");
                    assert!(count + usize::from(repaired) >= 9, "{bits:?}");
                }
                state => panic!("{state:?} with {bits:?}"),
            }
        }
        println!("{count} wrong bits: {fooled} of {samples} taken for a correctable sector");
        assert!(fooled * 100 < samples, "{count} wrong bits: {fooled} of {samples}");
    }
}

#[test]
fn erased_sectors_stay_blank_up_to_four_flipped_bits_anywhere() {
    let mut noise = Noise(42);
    for count in 0..=8 {
        for _ in 0..2000 {
            let mut sector = ([0xff; 512], [0xff; 16]);
            flip(&mut sector, &noise.bits(count));
            let state = check_sector(&sector.0, &sector.1);
            if count <= 4 {
                assert_eq!(state, SectorState::Blank { flipped: u8::try_from(count).unwrap() });
            } else {
                assert!(!matches!(state, SectorState::Blank { .. } | SectorState::Clean), "{state:?}");
            }
        }
    }
}
