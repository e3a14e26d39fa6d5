//! The sector ECC against random errors: what it promises up to four wrong bits, and how rarely it is fooled beyond.

mod noise;

use bromide_nand::ecc::{SectorState, check_sector, correct_sector, find_errors, stored_parity};
use bromide_nand::{Geometry, encode_page, fdm};
use noise::{Noise, Sector, flip};

/// A written sector of plain text under the FDM bytes of a data chunk.
fn text_sector() -> Sector {
    let data = std::array::from_fn(|at| b"redistribute it and/or modify\nit under the terms of "[at % 52]);
    let fdm = [0xff, 0x00, 0x80, 0x00, 0x00, 0x00, 0x00, 0x08];
    let mut spare = [0; 16];
    spare[..8].copy_from_slice(&fdm);
    spare[8..].copy_from_slice(&stored_parity(&data, &fdm));
    (data, spare)
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

/// How often a random pattern lies within four bits of some code word (nand-yaffs2.md section 2: 0.29 %).
fn rate_by_theory() -> f64 {
    let mut patterns = 1.0;
    let mut sum = patterns;
    for count in 1..=4 {
        patterns *= f64::from(4213 - count) / f64::from(count);
        sum += patterns;
    }
    sum / f64::from(52).exp2()
}

/// Sectors out of `samples` with this many wrong bits that are taken for correctable ones.
fn fooled(count: usize, samples: u32, noise: &mut Noise) -> u32 {
    let good = text_sector();
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
    fooled
}

/// Never clean, and as seldom taken for fewer wrong bits as the distance of the code allows, give or take five
/// standard deviations.
fn five_to_eight_wrong_bits(samples: u32) {
    let (theory, mut noise) = (rate_by_theory(), Noise(6575));
    assert!((theory * 1e4).round() == 29.0, "{theory}");
    for count in 5..=8 {
        let fooled = f64::from(fooled(count, samples, &mut noise));
        let expected = theory * f64::from(samples);
        let percent = 100.0 * fooled / f64::from(samples);
        println!(
            "{count} wrong bits: {fooled} of {samples} ({percent:.4} %) taken for correctable, {expected:.0} by theory"
        );
        assert!(
            (fooled - expected).abs() < 5.0 * expected.sqrt(),
            "{count} wrong bits: {fooled}, {expected} by theory"
        );
    }
}

/// With `BROMIDE_LONG` set ten million sectors of each kind, a minute in a release build.
#[test]
fn five_to_eight_flipped_bits_are_never_clean_and_as_seldom_taken_for_fewer_as_the_code_allows() {
    let long = std::env::var_os("BROMIDE_LONG").is_some();
    five_to_eight_wrong_bits(if long { 10_000_000 } else { 100_000 });
}

/// Sectors by what would notice that they were wrongly taken for correctable.
#[derive(Debug, Default)]
struct Noticed {
    /// Taken for correctable by the parity alone.
    fooled: u32,
    /// Of those, with too many zeros in the filler.
    by_filler: u32,
    /// Of those, in a page whose check byte does not hold after the repair.
    by_check_byte: u32,
    /// Of those, noticed by neither.
    by_neither: u32,
}

/// Puts `spoil`t sectors into a written page and repairs them as if there were no filler.
fn noticed(samples: u32, noise: &mut Noise, spoil: impl Fn(&mut Sector, &mut Noise)) -> Noticed {
    let chip = Geometry::new(2048, 64, 64, 4096).unwrap();
    let main: [u8; 2048] = std::array::from_fn(|at| b"GNU General Public License "[at % 27]);
    let mut page = [0; 2112];
    encode_page(&main, &[0, 0x10, 0, 0, 2, 1, 0, 0, 1, 0, 0, 0, 0, 8], None, &chip, &mut page).unwrap();
    let spares = [512, 1040, 1568, 2096].map(|at| <[u8; 8]>::try_from(&page[at..at + 8]).unwrap());
    let mut found = Noticed::default();
    for at in (0..4).cycle().take(usize::try_from(samples).unwrap()) {
        let (data, spare) = page[at * 528..][..528].split_at(512);
        let mut sector = (data.try_into().unwrap(), spare.try_into().unwrap());
        spoil(&mut sector, noise);
        let filler_holds = (!sector.1[14] & 0xf0).count_ones() + sector.1[15].count_zeros() <= 4;
        (sector.1[14], sector.1[15]) = (sector.1[14] | 0xf0, 0xff);
        if let SectorState::Correctable { .. } = correct_sector(&mut sector.0, &mut sector.1) {
            let mut fdm_bytes = spares;
            fdm_bytes[at] = sector.1[..8].try_into().unwrap();
            let check_holds = fdm::check_holds(fdm_bytes.as_flattened());
            found.fooled += 1;
            found.by_filler += u32::from(!filler_holds);
            found.by_check_byte += u32::from(!check_holds);
            found.by_neither += u32::from(filler_holds && check_holds);
        }
    }
    println!("of {samples} sectors: {found:?}");
    found
}

/// Of noise the filler passes one in five (at most 4 zeros of 12: 794 of 4096), the check byte one in 256.
#[test]
fn filler_and_check_byte_notice_nearly_all_noise_that_the_parity_takes_for_a_sector() {
    let found = noticed(200_000, &mut Noise(2311), |(data, spare), noise| {
        data.as_chunks_mut().0.iter_mut().for_each(|word| *word = noise.next().to_le_bytes());
        spare.as_chunks_mut().0.iter_mut().for_each(|word| *word = noise.next().to_le_bytes());
    });
    assert!(found.fooled > 300, "{found:?}");
    assert!(found.by_filler * 10 > found.fooled * 7 && found.by_filler * 10 < found.fooled * 9, "{found:?}");
    assert!(found.by_check_byte * 100 > found.fooled * 97, "{found:?}");
    assert!(found.by_neither * 100 < found.fooled, "{found:?}");
}

/// Few wrong bits seldom meet the filler or the 56 bits of a sector under the check byte: about one in ten.
#[test]
fn of_few_wrong_bits_taken_for_others_the_check_byte_notices_about_one_in_ten() {
    let found = noticed(400_000, &mut Noise(4213), |sector, noise| {
        let count = 5 + usize::try_from(noise.next() % 4).unwrap();
        let bits = noise.bits(count);
        flip(sector, &bits);
    });
    assert!(found.fooled > 900, "{found:?}");
    assert_eq!(found.by_filler, 0);
    assert!(
        found.by_check_byte * 100 > found.fooled * 7 && found.by_check_byte * 100 < found.fooled * 20,
        "{found:?}"
    );
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
