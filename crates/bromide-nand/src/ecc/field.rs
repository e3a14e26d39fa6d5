//! Arithmetic in GF(2^13), primitive polynomial x^13+x^4+x^3+x+1 (nand-yaffs2.md section 2).

/// Nonzero elements of the field, and the order of its generator.
pub(super) const ORDER: u32 = 8191;

/// x^13+x^4+x^3+x+1.
const POLYNOMIAL: u16 = 0x201b;

/// `POWERS[e]` = a^e for e in 0..8191; one more turn of the wheel fills the last place.
static POWERS: [u16; 8192] = TABLES.0;
/// `LOGS[a^e]` = e; the place of 0 is never asked for.
static LOGS: [u16; 8192] = TABLES.1;

#[cfg_attr(
    not(test),
    expect(
        clippy::as_conversions,
        clippy::indexing_slicing,
        reason = "runs in the compiler, where a place outside the tables is an error of the build; `From` and `get_mut` are not const"
    )
)]
const TABLES: ([u16; 8192], [u16; 8192]) = {
    let (mut powers, mut logs) = ([0; 8192], [0; 8192]);
    let mut element: u16 = 1;
    let mut exponent: u16 = 0;
    while exponent < 8191 {
        powers[exponent as usize] = element;
        logs[element as usize] = exponent;
        element <<= 1;
        if element & 0x2000 != 0 {
            element ^= POLYNOMIAL;
        }
        exponent += 1;
    }
    powers[8191] = 1;
    (powers, logs)
};

/// An element of the field. Adding is XOR.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Gf(u16);

impl Gf {
    pub(super) const ZERO: Self = Self(0);
    pub(super) const ONE: Self = Self(1);

    /// a^exponent.
    pub(super) fn power(exponent: u32) -> Self {
        let exponent = usize::try_from(exponent % ORDER).unwrap_or_default();
        Self(POWERS.get(exponent).copied().unwrap_or_default())
    }

    /// The exponent (below [`ORDER`]) of the power of a this is; 0 is none.
    pub(super) fn log(self) -> Option<u32> {
        if self == Self::ZERO { None } else { LOGS.get(usize::from(self.0)).map(|log| u32::from(*log)) }
    }

    pub(super) const fn plus(self, other: Self) -> Self {
        Self(self.0 ^ other.0)
    }

    pub(super) fn times(self, other: Self) -> Self {
        match (self.log(), other.log()) {
            (Some(one), Some(two)) => Self::power(one.wrapping_add(two)),
            _ => Self::ZERO,
        }
    }

    /// Whether this has a bit of `other` set.
    pub(super) const fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// The thirteen elements of a single bit, lowest first.
    pub(super) fn basis() -> impl ExactSizeIterator<Item = Self> + DoubleEndedIterator {
        [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12].map(|bit: u32| Self(1_u16.wrapping_shl(bit))).into_iter()
    }

    pub(super) fn square(self) -> Self {
        self.times(self)
    }

    /// This divided by `other`; `None` for a division by 0.
    pub(super) fn over(self, other: Self) -> Option<Self> {
        let inverse = Self::power(ORDER.saturating_sub(other.log()?));
        Some(self.times(inverse))
    }

    /// The one square root: the 2^12-th power, as the 2^13-th is the element itself.
    pub(super) fn root(self) -> Self {
        self.log().map_or(Self::ZERO, |log| Self::power(log.wrapping_mul(1 << 12)))
    }

    /// A `y` with `y^2 + y = self`, the other one being `y + 1`; `None` when there is none.
    ///
    /// Where a solution exists it is the half-trace, the sum of the 4^i-th powers for i in 0..=6 (13 is odd).
    pub(super) fn half_trace_root(self) -> Option<Self> {
        let (mut sum, mut power) = (self, self);
        for _ in 0..6 {
            power = power.square().square();
            sum = sum.plus(power);
        }
        (sum.square().plus(sum) == self).then_some(sum)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn powers_and_logs_are_each_others_inverse_over_the_whole_field() {
        for exponent in 0..ORDER {
            assert_eq!(Gf::power(exponent).log(), Some(exponent));
        }
        assert_eq!(Gf::power(ORDER), Gf::ONE);
        assert_eq!(Gf::ZERO.log(), None);
    }

    #[test]
    fn multiplying_agrees_with_polynomials() {
        let slow = |a: u16, b: u16| {
            let mut product =
                (0..13).fold(0_u32, |sum, bit| sum ^ ((u32::from(a) << bit) * u32::from(b >> bit & 1)));
            for bit in (13..26).rev() {
                if product >> bit & 1 == 1 {
                    product ^= u32::from(POLYNOMIAL) << (bit - 13);
                }
            }
            product
        };
        for a in (0..8192).step_by(37) {
            for b in (0..8192).step_by(41) {
                assert_eq!(u32::from(Gf(a).times(Gf(b)).0), slow(a, b), "{a} x {b}");
            }
        }
    }

    #[test]
    fn dividing_undoes_multiplying_and_refuses_zero() {
        let (a, b) = (Gf(0x1234), Gf(0x0567));
        assert_eq!(a.times(b).over(b), Some(a));
        assert_eq!(a.over(Gf::ONE), Some(a));
        assert_eq!(a.over(Gf::ZERO), None);
    }

    #[test]
    fn every_element_is_the_square_of_its_root() {
        assert!((0..8192).all(|element| Gf(element).root().square() == Gf(element)));
    }

    #[test]
    fn half_of_the_field_has_a_half_trace_root() {
        let solvable = (0..8192).filter(|c| Gf(*c).half_trace_root().is_some()).count();
        assert_eq!(solvable, 4096);
        for y in 0..8192 {
            let c = Gf(y).square().plus(Gf(y));
            let root = c.half_trace_root().unwrap();
            assert!(root == Gf(y) || root == Gf(y ^ 1));
        }
    }
}
