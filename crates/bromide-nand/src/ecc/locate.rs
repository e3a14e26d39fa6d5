//! From the remainder of a sector to its wrong bits.
//!
//! Promises one to four places, all different and inside the sector, whose flipping makes the remainder 0, or
//! nothing at all. The way (nand-yaffs2.md section 2): syndromes of a, a^3, a^5, a^7; error locator by
//! Berlekamp-Massey; its roots ([`super::roots`]), refused unless they are as many as its degree and all in use.

use super::field::Gf;
use super::roots;

/// Bits of a sector under the code, of the 8191 an unshortened one has: 512 data, 8 FDM bytes, 52 parity bits.
const POSITIONS: u32 = 4212;

/// Bits of the remainder.
const PARITY_BITS: u32 = 52;

/// A wrong bit of a sector.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct WrongBit {
    /// Byte in the sector as stored: 0..=511 data, 512..=519 FDM, 520..=526 parity.
    pub byte: u16,
    /// Bit in the byte, 0 the least significant.
    pub bit: u8,
}

impl WrongBit {
    /// A byte with this bit alone set.
    #[must_use]
    pub fn mask(&self) -> u8 {
        1_u8.wrapping_shl(u32::from(self.bit))
    }

    /// The bit that is the coefficient of `x^power`; `None` beyond the bits of a sector.
    fn of_power(power: u32) -> Option<Self> {
        let stream = POSITIONS.checked_sub(1)?.checked_sub(power)?;
        Some(Self { byte: u16::try_from(stream / 8).ok()?, bit: u8::try_from(stream % 8).ok()? })
    }
}

/// The wrong bits of a correctable sector, in no particular order; none for any other sector.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Errors {
    places: [WrongBit; 4],
    count: u8,
}

impl Errors {
    /// How many there are, at most 4.
    #[must_use]
    pub const fn count(&self) -> u8 {
        self.count
    }

    /// The wrong bits one by one.
    pub fn iter(&self) -> impl Iterator<Item = &WrongBit> {
        self.places.iter().take(usize::from(self.count))
    }

    /// The wrong bits a nonzero remainder (52 bits, as [`super::parity`] gives them) stands for.
    ///
    /// `None` when more than four bits are wrong.
    pub(super) fn locate(remainder: u64) -> Option<Self> {
        let Locator { coefficients: [_, c1, c2, c3, c4], degree } =
            Locator::from_syndromes(&syndromes(remainder))?;
        match degree {
            1 => Self::of(&roots::of_degree_1(c1)),
            2 => Self::of(&roots::of_degree_2(c1, c2)?),
            3 => Self::of(&roots::of_degree_3(c1, c2, c3)?),
            4 => Self::of(&roots::of_degree_4(c1, c2, c3, c4)?),
            _ => None,
        }
    }

    /// The bits of these powers of x, given as powers of a; `None` when one is outside the sector, or 0, which is
    /// no power of a (the root of a locator that falls short of its degree).
    fn of(elements: &[Gf]) -> Option<Self> {
        let mut errors = Self::default();
        for (place, element) in errors.places.iter_mut().zip(elements) {
            *place = WrongBit::of_power(element.log()?)?;
        }
        errors.count = u8::try_from(elements.len()).ok()?;
        Some(errors)
    }
}

/// S1 to S7 of a remainder, bit j of which is the coefficient of x^(51-j).
fn syndromes(remainder: u64) -> [Gf; 7] {
    let (mut s1, mut s3, mut s5, mut s7) = (Gf::ZERO, Gf::ZERO, Gf::ZERO, Gf::ZERO);
    let mut rest = remainder;
    while rest != 0 {
        let power = PARITY_BITS.saturating_sub(1).saturating_sub(rest.trailing_zeros());
        rest &= rest.wrapping_sub(1);
        s1 = s1.plus(Gf::power(power));
        s3 = s3.plus(Gf::power(power.wrapping_mul(3)));
        s5 = s5.plus(Gf::power(power.wrapping_mul(5)));
        s7 = s7.plus(Gf::power(power.wrapping_mul(7)));
    }
    let (s2, s6) = (s1.square(), s3.square());
    [s1, s2, s3, s2.square(), s5, s6, s7]
}

/// Error locator `1 + c1 x + .. + c4 x^4`. Its roots are the inverses of a^p for every wrong power p of x, so the
/// a^p are the roots of it read backwards, `X^4 + c1 X^3 + ..`.
struct Locator {
    coefficients: [Gf; 5],
    /// Number of wrong bits it stands for.
    degree: u8,
}

impl Locator {
    /// Berlekamp-Massey for a binary code: the shortest locator that explains the syndromes, two of them a step.
    ///
    /// Above degree four only the degree is right. Never `None`: what is divided by was seen not to be 0.
    fn from_syndromes(&[s1, s2, s3, s4, s5, s6, s7]: &[Gf; 7]) -> Option<Self> {
        const O: Gf = Gf::ZERO;
        // The syndromes under the coefficients 0, 1, .. of the locator, for S1, S3, S5, S7 in turn.
        let windows = [[s1, O, O, O, O], [s3, s2, s1, O, O], [s5, s4, s3, s2, s1], [s7, s6, s5, s4, s3]];
        let mut now = Self { coefficients: [Gf::ONE, O, O, O, O], degree: 0 };
        // An earlier locator that missed by `miss`, shifted to cancel a miss of now; it would give that degree.
        let mut earlier = Self { coefficients: [O, Gf::ONE, O, O, O], degree: 1 };
        let mut miss = Gf::ONE;
        for window in windows {
            let products = now.coefficients.iter().zip(window).map(|(c, s)| c.times(s));
            let missed = products.fold(O, Gf::plus);
            if missed != O {
                let scale = missed.over(miss)?;
                let mut next = Self { degree: now.degree.max(earlier.degree), ..now };
                for (c, e) in next.coefficients.iter_mut().zip(earlier.coefficients) {
                    *c = c.plus(e.times(scale));
                }
                if now.degree < earlier.degree {
                    (earlier, miss) = (now, missed);
                }
                now = next;
            }
            // Coefficients pushed out here belong to a degree above four, which never comes down again.
            let [c0, c1, c2, ..] = earlier.coefficients;
            earlier.coefficients = [O, O, c0, c1, c2];
            earlier.degree = earlier.degree.saturating_add(2);
        }
        Some(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ecc::parity;
    use std::vec::Vec;

    /// Remainder of a sector in which the bits of these powers of x are wrong, and no others.
    fn remainder(powers: &[u32]) -> u64 {
        let mut sector = [0_u8; 528];
        for power in powers {
            let wrong = WrongBit::of_power(*power).unwrap();
            sector[usize::from(wrong.byte)] ^= wrong.mask();
        }
        let stored: [u8; 8] = sector[520..].try_into().unwrap();
        parity(&sector[..512], &sector[512..520]) ^ u64::from_le_bytes(stored)
    }

    fn located(remainder: u64) -> Option<Vec<WrongBit>> {
        let mut found: Vec<_> = Errors::locate(remainder)?.iter().copied().collect();
        found.sort_unstable_by_key(|wrong| (wrong.byte, wrong.bit));
        Some(found)
    }

    fn places(powers: &[u32]) -> Option<Vec<WrongBit>> {
        let mut places: Vec<_> =
            powers.iter().map(|power| WrongBit::of_power(*power)).collect::<Option<_>>()?;
        places.sort_unstable_by_key(|wrong| (wrong.byte, wrong.bit));
        Some(places)
    }

    #[test]
    fn powers_of_x_are_bits_as_the_notes_say() {
        assert_eq!(WrongBit::of_power(4211), Some(WrongBit { byte: 0, bit: 0 }));
        assert_eq!(WrongBit::of_power(51), Some(WrongBit { byte: 520, bit: 0 }));
        assert_eq!(WrongBit::of_power(0), Some(WrongBit { byte: 526, bit: 3 }));
        assert_eq!(WrongBit::of_power(4212), None);
    }

    #[test]
    fn every_single_wrong_bit_is_found() {
        for power in 0..POSITIONS {
            assert_eq!(located(remainder(&[power])), places(&[power]), "x^{power}");
        }
    }

    /// The remainder of several errors is the XOR of the remainders of each, so all pairs take seconds.
    #[test]
    fn every_two_wrong_bits_are_found() {
        let alone: Vec<u64> = (0..POSITIONS).map(|power| remainder(&[power])).collect();
        for (second, right) in (0..).zip(&alone) {
            for (first, left) in (0..second).zip(&alone) {
                let errors = Errors::locate(left ^ right).unwrap();
                let mut powers = errors.iter().map(|w| 4211 - (u32::from(w.byte) * 8 + u32::from(w.bit)));
                let both = (powers.next().unwrap(), powers.next().unwrap());
                assert!(
                    both == (first, second) || both == (second, first),
                    "x^{first} + x^{second}: {both:?}"
                );
                assert_eq!(powers.next(), None);
            }
        }
    }

    #[test]
    fn a_locator_with_a_root_outside_the_sector_is_refused() {
        // One error at x^5000 of the unshortened code: its syndromes are a^5000, a^15000, ...
        let s = |k: u32| Gf::power(5000 * k);
        let locator = Locator::from_syndromes(&[s(1), s(2), s(3), s(4), s(5), s(6), s(7)]).unwrap();
        assert_eq!((locator.degree, locator.coefficients[1]), (1, s(1)));
        assert_eq!(Errors::of(&roots::of_degree_1(s(1))), None);
    }
}
