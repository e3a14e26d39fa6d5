//! The faults a session is given, as words of `--fault`.
//!
//! Left out are faults of bytes on their way to the phone: a request has neither echo nor sum (docs/architecture.md),
//! so no host can notice an address that was altered on its way.

use super::dice::Dice;

/// A kind of fault, for counting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Kind {
    Drop,
    Flip,
    Insert,
    Stall,
    Unplug,
    Slow,
    BadPage,
    Ecc,
    Jitter,
    KillHost,
    SigKill,
    SigInt,
    FullDisk,
    Quota,
    PowerCut,
}

impl Kind {
    pub(super) const ALL: [Self; 15] = [
        Self::Drop,
        Self::Flip,
        Self::Insert,
        Self::Stall,
        Self::Unplug,
        Self::Slow,
        Self::BadPage,
        Self::Ecc,
        Self::Jitter,
        Self::KillHost,
        Self::SigKill,
        Self::SigInt,
        Self::FullDisk,
        Self::Quota,
        Self::PowerCut,
    ];

    /// For people.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Drop => "bytes lost",
            Self::Flip => "bits inverted on the cable",
            Self::Insert => "foreign bytes",
            Self::Stall => "phone silent for a time",
            Self::Unplug => "unplugged",
            Self::Slow => "slow cable",
            Self::BadPage => "page that does not come",
            Self::Ecc => "wrong bits on the chip",
            Self::Jitter => "page that differs once",
            Self::KillHost => "process kills itself",
            Self::SigKill => "SIGKILL",
            Self::SigInt => "SIGINT",
            Self::FullDisk => "full disk",
            Self::Quota => "full disk that promised room",
            Self::PowerCut => "power cut",
        }
    }

    /// Whether something does not come that is waited for.
    pub(super) fn is_waited_for(self) -> bool {
        matches!(self, Self::Drop | Self::Flip | Self::Insert | Self::BadPage | Self::Unplug)
    }

    /// Whether pages may come with other bytes than the chip has, and right sums. The page check tells of them. Bits
    /// inverted on the cable are among these: a packet's sum is a plain one, in which two of them can cancel.
    pub(super) fn changes_pages(self) -> bool {
        matches!(self, Self::Ecc | Self::Jitter | Self::Flip | Self::Insert | Self::Drop)
    }
}

/// One fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) kind: Kind,
    /// `KEY=VALUE`.
    pub(super) word: String,
}

/// Bytes of a page on the cable.
const PAGE: u64 = 2112;

/// Faults of the cable and of the host, and of the chip for one try. None, once in a while.
pub(super) fn of_cable(dice: &mut Dice, pages: u64) -> Vec<Fault> {
    let bytes = pages * PAGE;
    let mut faults = Vec::new();
    let mut add = |kind, word| faults.push(Fault { kind, word });
    if dice.one_in(5) {
        add(Kind::Drop, format!("drop={}:{}", rate(dice, bytes), dice.between(1, 600)));
    }
    if dice.one_in(5) {
        add(Kind::Flip, format!("flip={}", rate(dice, bytes)));
    }
    if dice.one_in(8) {
        add(Kind::Insert, format!("insert={}", rate(dice, bytes)));
    }
    if dice.one_in(10) {
        add(Kind::Stall, format!("stall={}:{}ms", rate(dice, bytes), dice.between(1, 40)));
    }
    if dice.one_in(6) {
        let at = bytes_in(dice, bytes);
        add(Kind::Unplug, format!("unplug=after:{at}:away={}ms", dice.below(30)));
    }
    if dice.one_in(20) {
        add(Kind::Slow, format!("slow={}/s", dice.between(20, 80) * 1_000_000));
    }
    if dice.one_in(12) {
        // A few times, or as long as the process lives.
        let times = *dice.pick(&["x1", "x2", "x3", "x8", ""]).unwrap_or(&"");
        add(Kind::BadPage, format!("bad-page={}{times}", dice.below(pages)));
    }
    if dice.one_in(12) {
        add(Kind::Jitter, format!("jitter={}", decimal(dice.between(1, 20) * 100_000_000 / pages.max(1))));
    }
    if dice.one_in(5) {
        add(Kind::KillHost, format!("kill-host=after:{}", bytes_in(dice, bytes)));
    }
    faults
}

/// What a session's chip has, if anything: some wrong bits.
pub(super) fn of_chip(dice: &mut Dice) -> Option<Fault> {
    // At a bit in ten thousand nearly every page has a wrong bit and a few sectors have more than their code corrects.
    let hundred_millionths = *dice.pick(&[10, 100, 1000, 10_000])?;
    dice.one_in(8)
        .then(|| Fault { kind: Kind::Ecc, word: format!("ecc={}", decimal(hundred_millionths * 10)) })
}

/// A probability a byte, from one in the whole dump to a handful.
fn rate(dice: &mut Dice, bytes: u64) -> String {
    decimal(dice.between(3, 50) * 100_000_000 / bytes.max(1))
}

/// Billionths in decimals.
fn decimal(billionths: u64) -> String {
    format!("{}.{:09}", billionths / 1_000_000_000, billionths % 1_000_000_000)
}

/// A place in the stream; a third of the time in what comes before the pages and in the first of them.
fn bytes_in(dice: &mut Dice, bytes: u64) -> u64 {
    if dice.one_in(3) { dice.below(3000) } else { dice.below(bytes + bytes / 20) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probabilities_are_written_as_decimals() {
        assert_eq!(decimal(1), "0.000000001");
        assert_eq!(decimal(1_500_000_000), "1.500000000");
    }

    #[test]
    fn a_rate_is_about_one_to_a_few_in_the_whole_dump() {
        let mut dice = Dice::new(3);
        for _ in 0..100 {
            let expected = rate(&mut dice, 2_500_000).parse::<f64>().unwrap() * 2.5e6;
            assert!((0.2..6.0).contains(&expected), "{expected}");
        }
    }

    #[test]
    fn most_tries_have_some_fault_and_some_have_none() {
        let mut dice = Dice::new(3);
        let none = (0..1000).filter(|_| of_cable(&mut dice, 1000).is_empty()).count();
        assert!((100..500).contains(&none), "{none}");
    }
}
