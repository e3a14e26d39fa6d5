//! Roots of the error locator in closed form.
//!
//! Promises all roots of a polynomial of degree one to four where these are different and all in the field, and
//! nothing otherwise. Trying every bit of a sector (Chien search) finds the same but takes many times longer, which
//! a whole chip read in the wrong layout, every sector of it damaged, would not forgive.
//!
//! Degrees three and four are turned into y^4 + p y^2 + q y = r. The left side is linear over GF(2), so that is
//! thirteen equations with thirteen unknown bits (Berlekamp, Rumsey and Solomon 1967).

use super::field::Gf;

/// The roots of X + c1.
pub(super) fn of_degree_1(c1: Gf) -> [Gf; 1] {
    [c1]
}

/// The roots of X^2 + c1 X + c2.
///
/// With X = c1 y that is y^2 + y = c2 / c1^2.
pub(super) fn of_degree_2(c1: Gf, c2: Gf) -> Option<[Gf; 2]> {
    let y = c2.over(c1.square())?.half_trace_root()?;
    Some([c1.times(y), c1.times(y.plus(Gf::ONE))])
}

/// The roots of X^3 + c1 X^2 + c2 X + c3.
///
/// X = y + c1 takes the square away; one more factor y makes the fourth power and the root 0, left out again.
pub(super) fn of_degree_3(c1: Gf, c2: Gf, c3: Gf) -> Option<[Gf; 3]> {
    let p = c1.square().plus(c2);
    let q = c1.times(c2).plus(c3);
    // All sums of the two that span the solutions, 0 being the one left out.
    let ([one, two], _zero) = solve(p, q, Gf::ZERO)?;
    Some([one, two, one.plus(two)].map(|y| y.plus(c1)))
}

/// The roots of X^4 + c1 X^3 + c2 X^2 + c3 X + c4.
///
/// X = Z + s with s^2 = c3 / c1 takes the linear term away, Z = 1 / y then the third power.
pub(super) fn of_degree_4(c1: Gf, c2: Gf, c3: Gf, c4: Gf) -> Option<[Gf; 4]> {
    if c1 == Gf::ZERO {
        return solve(c2, c3, c4).map(all_of);
    }
    let s = c3.over(c1)?.root();
    let square = c1.times(s).plus(c2);
    // The value at s: Horner. Where it is 0, s is a double root, and so the division by it refuses.
    let constant = [c1, c2, c3, c4].into_iter().fold(Gf::ONE, |sum, c| sum.times(s).plus(c));
    let solutions = solve(square.over(constant)?, c1.over(constant)?, Gf::ONE.over(constant)?)?;
    let [a, b, c, d] = all_of(solutions).map(|y| Gf::ONE.over(y).map(|z| z.plus(s)));
    Some([a?, b?, c?, d?])
}

/// The four solutions from two that span the homogeneous ones, and one of the equation itself.
fn all_of(([one, two], own): ([Gf; 2], Gf)) -> [Gf; 4] {
    [own, own.plus(one), own.plus(two), own.plus(one).plus(two)]
}

/// Solves y^4 + p y^2 + q y = r where it has four solutions: two that span those for r = 0, and one for r.
fn solve(p: Gf, q: Gf, r: Gf) -> Option<([Gf; 2], Gf)> {
    let mut echelon = Echelon::default();
    let (mut kernel, mut dimension) = ([Gf::ZERO; 2], 0_usize);
    for y in Gf::basis() {
        let square = y.square();
        let image = square.square().plus(p.times(square)).plus(q.times(y));
        if let Some(in_kernel) = echelon.add(image, y) {
            *kernel.get_mut(dimension)? = in_kernel;
            dimension = dimension.saturating_add(1);
        }
    }
    let (missing, solution) = echelon.reduce(r, Gf::ZERO);
    (dimension == kernel.len() && missing == Gf::ZERO).then_some((kernel, solution))
}

/// Elements of the image of a linear map with different highest bits, each with an element it is the image of.
#[derive(Default)]
struct Echelon {
    rows: [Option<(Gf, Gf)>; 13],
}

impl Echelon {
    /// Takes rows away from `image` as far as they go, and what they are the images of from `from`.
    fn reduce(&self, image: Gf, from: Gf) -> (Gf, Gf) {
        self.rows.iter().zip(Gf::basis()).rev().fold((image, from), |(image, from), (row, bit)| match row {
            Some((row_image, row_from)) if image.has(bit) => (image.plus(*row_image), from.plus(*row_from)),
            _ => (image, from),
        })
    }

    /// Adds the image of `from`; gives an element whose image is 0 where that adds nothing new.
    fn add(&mut self, image: Gf, from: Gf) -> Option<Gf> {
        let (image, from) = self.reduce(image, from);
        // Reduced, its highest bit is one no row has yet.
        let place = self.rows.iter_mut().zip(Gf::basis()).rev().find(|(_, bit)| image.has(*bit));
        match place {
            Some((row, _)) => {
                *row = Some((image, from));
                None
            }
            None => Some(from),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::field::ORDER;
    use super::*;
    use std::vec::Vec;

    /// Coefficients below the leading 1, highest first, of the polynomial with these roots.
    fn polynomial(roots: &[Gf]) -> Vec<Gf> {
        let mut c = std::vec![Gf::ONE];
        for root in roots {
            c.push(Gf::ZERO);
            for at in (1..c.len()).rev() {
                c[at] = c[at].plus(c[at - 1].times(*root));
            }
        }
        c.split_off(1)
    }

    /// The slow way: every nonzero element that makes the polynomial 0.
    fn by_trial(c: &[Gf]) -> Vec<u32> {
        let value = |x: Gf| c.iter().fold(Gf::ONE, |sum, c| sum.times(x).plus(*c));
        (0..ORDER).filter(|power| value(Gf::power(*power)) == Gf::ZERO).collect()
    }

    fn closed(c: &[Gf]) -> Option<Vec<u32>> {
        let mut roots = match *c {
            [c1] => of_degree_1(c1).to_vec(),
            [c1, c2] => of_degree_2(c1, c2)?.to_vec(),
            [c1, c2, c3] => of_degree_3(c1, c2, c3)?.to_vec(),
            [c1, c2, c3, c4] => of_degree_4(c1, c2, c3, c4)?.to_vec(),
            _ => panic!("degree {}", c.len()),
        };
        roots.sort_unstable_by_key(|root| root.log());
        roots.into_iter().map(Gf::log).collect()
    }

    #[test]
    fn what_trial_finds_the_closed_forms_find_and_no_more() {
        let mut seen = [[0; 5]; 5];
        let mut noise = 1_u32;
        for degree in 1..=4 {
            for sample in 0..400 {
                let mut c: Vec<_> = core::iter::repeat_with(|| {
                    noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    Gf::power(noise >> 12)
                })
                .take(degree)
                .collect();
                // The last one of a locator is never 0, the others may be.
                if sample % 7 == 0 && degree > 1 {
                    c[sample % (degree - 1)] = Gf::ZERO;
                }
                let tried = by_trial(&c);
                seen[degree][tried.len()] += 1;
                assert_eq!(closed(&c), (tried.len() == degree).then_some(tried), "{c:?}");
            }
        }
        // The samples must have met both kinds of polynomial.
        assert!(seen[2][2] > 50 && seen[3][3] > 20 && seen[4][4] > 5, "{seen:?}");
        assert!(seen[2][0] > 50 && seen[3][1] > 50 && seen[4][2] > 20, "{seen:?}");
    }

    #[test]
    fn chosen_roots_come_back_and_double_ones_are_refused() {
        for start in 0..500_u32 {
            let roots = [1, 7, 900, 5000].map(|step| Gf::power(start * 16 + step * (start + 1)));
            for degree in 1..=4 {
                let chosen = &roots[..degree];
                let mut powers: Vec<_> = chosen.iter().map(|root| root.log().unwrap()).collect();
                powers.sort_unstable();
                let different = powers.windows(2).all(|pair| pair[0] != pair[1]);
                assert_eq!(closed(&polynomial(chosen)), different.then_some(powers), "{chosen:?}");
            }
            let [a, b, c, _] = roots;
            assert_eq!(closed(&polynomial(&[a, a])), None);
            assert_eq!(closed(&polynomial(&[a, b, b])), None);
            assert_eq!(closed(&polynomial(&[a, b, c, c])), None);
            assert_eq!(closed(&polynomial(&[b, b, c, c])), None);
        }
    }

    #[test]
    fn four_roots_that_add_up_to_nothing_come_back_too() {
        let (a, b, c) = (Gf::power(3), Gf::power(77), Gf::power(4000));
        let roots = [a, b, c, a.plus(b).plus(c)];
        let polynomial = polynomial(&roots);
        assert_eq!(polynomial[0], Gf::ZERO, "the case without a third power");
        let mut powers = roots.map(|root| root.log().unwrap());
        powers.sort_unstable();
        assert_eq!(closed(&polynomial), Some(powers.to_vec()));
    }
}
