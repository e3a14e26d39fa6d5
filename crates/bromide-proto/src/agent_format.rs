//! Which of the two wire formats an agent speaks, decided from its container.
//!
//! "DA 3.2" is two protocols behind one version number; the bytes on the wire do not tell them apart before
//! it is too late. Rule and digests: `da-legacy-observed.md` sections 1 and 2.

use crate::codes::DEMO_AGENT_MARKER;
use sha2::{Digest, Sha256};

/// Wire format of a legacy single-stage agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// Containers of the phones' own time (v7.1320, 2013 and before).
    G1,
    /// Containers of 2015 and later (v7.1504, v3.3001).
    G2,
}

impl core::fmt::Display for Format {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::G1 => "g1",
            Self::G2 => "g2",
        })
    }
}

/// What the decision rests on, for the user to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Because {
    /// Digest of region 1 is in the table.
    KnownAgent,
    /// The container's label carries a version or a date.
    Label,
    /// A demo agent says so itself.
    DemoAgent,
    /// The user named it.
    Asked,
}

/// Region 1 digests whose format was observed or follows from a container with a known label.
const KNOWN: [(&str, Format); 5] = [
    ("49b14878f27fdfff29fbf8965fd2f7b60c0bb3b7ee1a1dee63983a589299a91b", Format::G1),
    ("2fa396eb69899a4e185c72536f6df0007687388a6ed22d5983054d0cfca812e6", Format::G1),
    ("c07a646725b4608d5abf21cd563a375b55830266e89e32c2d116784800b5c650", Format::G2),
    ("53ed85f0ae92f6e60f11463ffc9503c94d069087e68729727cc96ab57529bbfa", Format::G2),
    ("482c365e837089c02d890207a14a5828bdd5058fe135bb29230d2147c4e24d8c", Format::G2),
];

/// True when these bytes are no program but a stand-in made by the demo.
#[must_use]
pub fn is_demo_agent(region1: &[u8]) -> bool {
    demo_format(region1).is_some()
}

/// Decides the format; `None` means: ask the user.
#[must_use]
pub fn decide(label: &str, region1: &[u8]) -> Option<(Format, Because)> {
    if let Some(format) = demo_format(region1) {
        return Some((format, Because::DemoAgent));
    }
    known_digest(region1)
        .map(|f| (f, Because::KnownAgent))
        .or_else(|| by_label(label).map(|f| (f, Because::Label)))
}

fn demo_format(region1: &[u8]) -> Option<Format> {
    // The marker stands at the very start, where a real agent has its first instructions.
    match region1.strip_prefix(DEMO_AGENT_MARKER)?.get(..2)? {
        b"g1" => Some(Format::G1),
        b"g2" => Some(Format::G2),
        _ => None,
    }
}

fn known_digest(region1: &[u8]) -> Option<Format> {
    let digest = Sha256::digest(region1);
    KNOWN.iter().find(|(hex, _)| hex_is(hex, &digest)).map(|(_, format)| *format)
}

fn hex_is(hex: &str, digest: &[u8]) -> bool {
    hex.len() == digest.len().saturating_mul(2)
        && hex.as_bytes().chunks_exact(2).zip(digest).all(|(pair, byte)| {
            core::str::from_utf8(pair).is_ok_and(|p| u8::from_str_radix(p, 16) == Ok(*byte))
        })
}

fn by_label(label: &str) -> Option<Format> {
    let digits = label.split("_v7.").nth(1).and_then(|d| d.split(|c: char| !c.is_ascii_digit()).next());
    match digits.and_then(|d| d.parse::<u32>().ok()) {
        Some(..=1320) => Some(Format::G1),
        Some(1504..) => Some(Format::G2),
        // Where G1 became G2 between the two is unknown; a date may still tell.
        Some(_) | None => has_date_of_2015_or_later(label).then_some(Format::G2),
    }
}

/// Dates stand in labels as `2015-01-19` or `2017/12/14`, with anything around them.
fn has_date_of_2015_or_later(label: &str) -> bool {
    label.as_bytes().windows(10).any(|w| {
        let [y0, y1, y2, y3, s0, m0, m1, s1, d0, d1] = w else { return false };
        let digits = [y0, y1, y2, y3, m0, m1, d0, d1].iter().all(|b| b.is_ascii_digit());
        let separators = s0 == s1 && (*s0 == b'-' || *s0 == b'/');
        let year = core::str::from_utf8(&[*y0, *y1, *y2, *y3]).ok().and_then(|y| y.parse::<u32>().ok());
        digits && separators && year.is_some_and(|y| (2015..2100).contains(&y))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn label(text: &str) -> Option<Format> {
        decide(text, b"some program").map(|(f, _)| f)
    }

    #[test]
    fn labels_decide_as_the_rule_says() {
        assert_eq!(label("MTK_AllInOne_DA_v7.1320.0.0.983"), Some(Format::G1));
        assert_eq!(label("MTK_AllInOne_DA_v7.1320"), Some(Format::G1));
        assert_eq!(label("MTK_AllInOne_DA_v7.1504"), Some(Format::G2));
        assert_eq!(label("MTK_AllInOne_DA_v7.1400.2014"), None, "between the two nothing is known");
        assert_eq!(label("MTK_AllInOne_DA_v7.1400.2015-06-01"), Some(Format::G2), "but a date is");
        assert_eq!(label("MTK_AllInOne_DA_v3.3001.2015-01-19.10:05"), Some(Format::G2));
        assert_eq!(label("MTK_AllInOne_DA_v3.3001.2017/12/14.17:12_396299"), Some(Format::G2));
        assert_eq!(label("MTK_AllInOne_DA_v5.1234.2012-03-04"), None, "an early date decides nothing");
        assert_eq!(label("MTK_DOWNLOAD_AGENT"), None);
        assert_eq!(label(""), None);
    }

    #[test]
    fn a_demo_agent_names_its_own_format() {
        let mut agent = DEMO_AGENT_MARKER.to_vec();
        agent.extend(b"g1 and filler");
        assert_eq!(decide("", &agent), Some((Format::G1, Because::DemoAgent)));
        assert!(is_demo_agent(&agent));
        assert!(!is_demo_agent(b"g1"));
    }

    #[test]
    fn every_known_digest_is_sixty_four_hex_digits() {
        for (hex, _) in KNOWN {
            assert!(hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_hexdigit()));
        }
    }
}
