//! Pseudo-random numbers that are the same on every machine, and places in a stream drawn from them.

use super::Probability;

/// A small generator of pseudo-random numbers (SplitMix64, Steele, Lea and Flood 2014): good enough to
/// scatter faults.
#[derive(Debug)]
pub(super) struct Dice(pub(super) u64);

impl Dice {
    /// The generator of one kind of fault: kinds with the same seed do not follow each other.
    pub(super) fn of(seed: u64, kind: &str) -> Self {
        // FNV-1a, offset basis and prime of 64 bits.
        let name = kind.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        Self(Self(seed ^ name).roll())
    }

    pub(super) fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// One of 0..n.
    pub(super) fn below(&mut self, n: u64) -> u64 {
        ((u128::from(self.roll()) * u128::from(n)) >> 64) as u64
    }

    /// A number of the exponential distribution with mean 1.
    ///
    /// Von Neumann's method (1951) compares uniform numbers and nothing else: a logarithm is not the same to the
    /// last bit everywhere, and a seed should repeat its faults on another machine.
    fn exponential(&mut self) -> f64 {
        let mut whole = 0.0;
        loop {
            let first = self.roll();
            let (mut last, mut falling) = (first, 1u32);
            loop {
                let next = self.roll();
                if next >= last {
                    break;
                }
                (last, falling) = (next, falling + 1);
            }
            if falling % 2 == 1 {
                // 53 bits, exact in a double.
                return whole + (first >> 11) as f64 / (1u64 << 53) as f64;
            }
            whole += 1.0;
        }
    }
}

/// Bytes of a stream, counted from 0, at which something happens.
#[derive(Debug)]
pub(super) struct Places {
    next: Option<u64>,
    /// Mean distance between two of them; `None`: there is no second.
    mean: Option<f64>,
    dice: Dice,
}

impl Places {
    /// This byte alone.
    pub(super) fn once(at: u64) -> Self {
        Self { next: Some(at), mean: None, dice: Dice(0) }
    }

    /// Every byte with this probability, whatever happened at others.
    pub(super) fn rated(probability: Probability, dice: Dice) -> Self {
        let mut places = Self { next: None, mean: mean_distance(probability.value()), dice };
        places.draw(0);
        places
    }

    /// The next place that is not used yet.
    pub(super) fn next(&self) -> Option<u64> {
        self.next
    }

    /// Goes on to the place after the next one.
    pub(super) fn used(&mut self) {
        if let Some(at) = self.next.take() {
            self.draw(at.saturating_add(1));
        }
    }

    /// The generator, for what else is to be drawn at a place.
    pub(super) fn dice(&mut self) -> &mut Dice {
        &mut self.dice
    }

    fn draw(&mut self, from: u64) {
        // The whole part of an exponential number is geometric: so many bytes pass before the next one is hit.
        let passes = self.mean.map(|mean| (self.dice.exponential() * mean) as u64);
        self.next = passes.map(|passes| from.saturating_add(passes)).filter(|at| *at < u64::MAX);
    }
}

/// `-1 / ln(1 - p)`, by the series of the logarithm; for p up to a half its terms fall quickly.
fn mean_distance(p: f64) -> Option<f64> {
    let (mut power, mut sum) = (1.0, 0.0);
    for n in 1..64u32 {
        power *= p;
        sum += power / f64::from(n);
    }
    (sum > 0.0).then(|| 1.0 / sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(p: &str, seed: u64, up_to: u64) -> Vec<u64> {
        let mut places = Places::rated(p.parse().unwrap(), Dice::of(seed, "drop"));
        let mut all = Vec::new();
        while let Some(at) = places.next().filter(|at| *at < up_to) {
            all.push(at);
            places.used();
        }
        all
    }

    #[test]
    fn as_many_places_are_hit_as_the_probability_says() {
        // Of so many bytes; the deviation allowed is five times the standard one, and the seed is fixed.
        for (p, bytes) in [("0.5", 100_000), ("0.1", 100_000), ("0.001", 10_000_000), ("1e-6", 1_000_000_000)]
        {
            let due = p.parse::<f64>().unwrap() * bytes as f64;
            let hit = places(p, 42, bytes).len() as f64;
            assert!((hit - due).abs() < 5.0 * due.sqrt(), "{p}: {hit} of {due}");
        }
    }

    #[test]
    fn what_was_hit_has_no_say_in_what_is_hit_next() {
        // Of geometric distances with p = 0.01 a share of 0.99^100 = 36.6 % is longer than 100.
        let all = places("0.01", 7, 4_000_000);
        let long = all.windows(2).filter(|pair| pair[1] - pair[0] > 100).count() as f64;
        let share = long / all.len() as f64;
        assert!((0.355..0.377).contains(&share), "{share}");
    }

    #[test]
    fn places_are_in_order_without_repeats_and_follow_from_seed_and_kind() {
        let all = places("0.3", 1, 10_000);
        assert!(all.is_sorted_by(|a, b| a < b));
        assert_eq!(all, places("0.3", 1, 10_000));
        assert_ne!(all, places("0.3", 2, 10_000));
        assert_ne!(Dice::of(1, "drop").roll(), Dice::of(1, "flip").roll());
    }

    #[test]
    fn nothing_is_hit_with_probability_zero_and_one_place_alone_where_it_is_named() {
        assert_eq!(places("0", 1, u64::MAX), [0; 0]);
        let mut one = Places::once(700);
        assert_eq!(one.next(), Some(700));
        one.used();
        assert_eq!(one.next(), None);
    }

    #[test]
    fn a_seed_gives_the_same_places_on_every_machine() {
        // Written down once; a change would make the seeds of old reports worthless.
        assert_eq!(places("0.01", 42, 500), [51, 286]);
    }
}
