//! A probability as people write it: `1e-5`.

use core::fmt;
use core::str::FromStr;

/// A probability from 0 to [`Probability::MOST`].
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Default)]
pub struct Probability(f64);

// Never NaN.
impl Eq for Probability {}

impl Probability {
    /// The largest one taken: beyond that nothing passes, and nothing can be learned.
    pub const MOST: f64 = 0.5;

    /// As a number.
    #[must_use]
    pub const fn value(self) -> f64 {
        self.0
    }

    /// Whether it can happen at all.
    #[must_use]
    pub fn is_never(self) -> bool {
        self.0 == 0.0
    }
}

impl FromStr for Probability {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text.parse() {
            Ok(p) if (0.0..=Self::MOST).contains(&p) => Ok(Self(p + 0.0)), // -0 is 0
            _ => {
                Err(format!("\"{text}\" is no probability from 0 to {} (1e-5 is one in 100,000)", Self::MOST))
            }
        }
    }
}

/// In the shortest way that gives the same number when read.
impl fmt::Display for Probability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_never() { f.write_str("0") } else { write!(f, "{:e}", self.0) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probabilities_are_read_and_written() {
        for (text, written) in
            [("1e-5", "1e-5"), ("0.00001", "1e-5"), ("0.5", "5e-1"), ("0", "0"), ("-0", "0")]
        {
            assert_eq!(text.parse::<Probability>().unwrap().to_string(), written);
        }
    }

    #[test]
    fn what_is_none_is_refused() {
        for text in ["", "x", "0.6", "1", "-1e-9", "NaN", "inf", "10%"] {
            assert!(text.parse::<Probability>().unwrap_err().contains("0 to 0.5"), "{text}");
        }
    }
}
