//! What is to go wrong, as it is typed: `seed=42,drop=1e-5,stall=1e-5:300ms,unplug=after:1500000:away=500`.
//!
//! Promises: what [`FaultSpec`] shows is read back as the same; every number has a bound; a refusal names the key
//! and what it takes.

use core::fmt::{self, Display};
use core::str::FromStr;
use core::time::Duration;

use thiserror::Error;

use super::Probability;

/// The longest stall or absence.
const LONGEST: Duration = Duration::from_secs(3600);
/// The largest count of bytes: more than any phone stores.
const MOST_BYTES: u64 = 1 << 50;
/// Bytes lost in a row.
const MOST_LOST: u64 = 65_536;
const MOST_FACTOR: f64 = 1000.0;
const RATES: core::ops::RangeInclusive<u64> = 1000..=1_000_000_000;
const MOST_TIMES: u32 = 1_000_000;
const KEYS: &str = "seed, drop, flip, insert, drop-sent, flip-sent, stall, unplug, slow, kill-host and, for virtual \
     phones, ecc, bad-page, jitter";

/// Why a specification of faults was refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct FaultSpecError(String);

/// Faults of a cable, of the host and of a virtual phone's chip; the default is none.
///
/// Probabilities are per byte of the undisturbed stream.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct FaultSpec {
    /// Decides everything that is not said here.
    pub seed: u64,
    /// On bytes from the phone.
    pub from_phone: Losses,
    /// On bytes to the phone. Requests have neither echo nor sum: on a bare UART no host can notice a read address
    /// that was altered on its way.
    pub to_phone: Losses,
    /// The phone seems silent for a time.
    pub stall: Option<Stalls>,
    /// The phone leaves the cable.
    pub unplug: Vec<Unplug>,
    /// Bytes from the phone come slower.
    pub slow: Option<Slow>,
    /// The host's process is killed.
    pub kill_host: Option<Place>,
    /// What only a virtual phone can have.
    pub chip: ChipFaults,
}

/// What happens to single bytes of one direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Losses {
    /// A byte is lost, or the first of several.
    pub drop: Probability,
    /// How many bytes in a row are lost at most, 1 or more; each number is as likely as any other, but a loss ends
    /// where the line falls silent or turns.
    pub run: u64,
    /// A bit is inverted.
    pub flip: Probability,
    /// A foreign byte comes before it.
    pub insert: Probability,
}

impl Default for Losses {
    fn default() -> Self {
        let never = Probability::default();
        Self { drop: never, run: 1, flip: never, insert: never }
    }
}

/// Silences.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stalls {
    /// Before a byte from the phone.
    pub probability: Probability,
    /// How long each of them is.
    pub time: Duration,
}

/// Where something happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Once, when so many bytes have come from the phone in all appearances together.
    After(u64),
    /// Before any byte from the phone.
    Random(Probability),
}

/// The phone leaves the cable and comes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unplug {
    /// Where.
    pub place: Place,
    /// How long it stays away.
    pub away: Duration,
}

/// How much slower bytes from the phone come.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Slow {
    /// They take so many times as long, 1 or more.
    Factor(f64),
    /// At most so many bytes a second.
    Rate(u64),
}

/// Faults of a virtual phone's chip; the default is none.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ChipFaults {
    /// Each stored bit is wrong with this probability, the same ones for the same seed.
    pub ecc: Probability,
    /// Pages at which the agent falls silent.
    pub bad_pages: Vec<BadPage>,
    /// A page comes with a bit flipped that the next reading has right.
    pub jitter: Probability,
}

impl ChipFaults {
    /// Whether there are any.
    #[must_use]
    pub fn any(&self) -> bool {
        *self != Self::default()
    }
}

/// A page at which the agent stops without a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadPage {
    /// Page number in the space of the request.
    pub page: u32,
    /// How many times; `None`: always.
    pub times: Option<u32>,
}

impl FaultSpec {
    /// Whether anything is to happen outside a virtual phone's chip.
    #[must_use]
    pub fn any_on_host(&self) -> bool {
        let nothing = Self { seed: self.seed, chip: self.chip.clone(), ..Self::default() };
        *self != nothing
    }

    fn key(&mut self, key: &str, value: &str) -> Result<(), String> {
        match key {
            "seed" => self.seed = number(value, 0..=u64::MAX)?,
            "drop" => set_drop(&mut self.from_phone, value)?,
            "drop-sent" => set_drop(&mut self.to_phone, value)?,
            "flip" => self.from_phone.flip = value.parse()?,
            "flip-sent" => self.to_phone.flip = value.parse()?,
            "insert" => self.from_phone.insert = value.parse()?,
            "stall" => self.stall = Some(stalls(value)?),
            "unplug" => self.unplug.push(value.parse()?),
            "slow" => self.slow = Some(value.parse()?),
            "kill-host" => self.kill_host = Some(value.parse()?),
            "ecc" => self.chip.ecc = value.parse()?,
            "jitter" => self.chip.jitter = value.parse()?,
            "bad-page" => self.chip.bad_pages.push(value.parse()?),
            _ => return Err(format!("no such key; there are {KEYS}")),
        }
        Ok(())
    }
}

impl FromStr for FaultSpec {
    type Err = FaultSpecError;
    fn from_str(text: &str) -> Result<Self, FaultSpecError> {
        let mut spec = Self::default();
        let mut had = Vec::new();
        for pair in text.split(',') {
            let (key, value) = pair
                .split_once('=')
                .ok_or_else(|| FaultSpecError(format!("\"{pair}\" is no KEY=VALUE; keys are {KEYS}")))?;
            if had.contains(&key) && !matches!(key, "unplug" | "bad-page") {
                return Err(FaultSpecError(format!("{key}: given twice")));
            }
            had.push(key);
            spec.key(key, value).map_err(|what| FaultSpecError(format!("{key}: {what}")))?;
        }
        Ok(spec)
    }
}

fn number(text: &str, range: core::ops::RangeInclusive<u64>) -> Result<u64, String> {
    match text.parse() {
        Ok(n) if range.contains(&n) => Ok(n),
        _ => Err(format!("\"{text}\" is no number from {} to {}", range.start(), range.end())),
    }
}

/// `P` or `P:MOST`.
fn set_drop(losses: &mut Losses, value: &str) -> Result<(), String> {
    let (p, run) = value.split_once(':').unwrap_or((value, "1"));
    (losses.drop, losses.run) = (p.parse()?, number(run, 1..=MOST_LOST)?);
    Ok(())
}

/// `P:TIME`.
fn stalls(value: &str) -> Result<Stalls, String> {
    let (p, time) = value
        .split_once(':')
        .ok_or_else(|| format!("\"{value}\" is no PROBABILITY:TIME, for example 1e-5:300ms"))?;
    Ok(Stalls { probability: p.parse()?, time: time_of(time)? })
}

/// `300ms` or `2s`.
fn time_of(text: &str) -> Result<Duration, String> {
    let time = match (text.strip_suffix("ms"), text.strip_suffix('s')) {
        (Some(n), _) => n.parse().map(Duration::from_millis),
        (None, Some(n)) => n.parse().map(Duration::from_secs),
        (None, None) => text.parse().map(Duration::from_millis),
    };
    time.ok()
        .filter(|time| *time <= LONGEST)
        .ok_or_else(|| format!("\"{text}\" is no time up to {} s, like 300ms or 2s", LONGEST.as_secs()))
}

impl FromStr for Place {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            Some(("after", bytes)) => number(bytes, 0..=MOST_BYTES).map(Self::After),
            Some(("random", p)) => p.parse().map(Self::Random),
            _ => Err(format!("\"{text}\" is neither after:BYTES nor random:PROBABILITY")),
        }
    }
}

impl FromStr for Unplug {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(":away=") {
            Some((place, away)) => Ok(Self { place: place.parse()?, away: time_of(away)? }),
            None => Ok(Self { place: text.parse()?, away: Duration::ZERO }),
        }
    }
}

impl FromStr for Slow {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            let (least, most) = (RATES.start(), RATES.end());
            format!(
                "\"{text}\" is neither a factor from 1 to {MOST_FACTOR} nor BYTES/s from {least} to {most}"
            )
        };
        match text.strip_suffix("/s") {
            Some(rate) => number(rate, RATES).map(Self::Rate).map_err(|_| wrong()),
            None => match text.parse() {
                Ok(factor) if (1.0..=MOST_FACTOR).contains(&factor) => Ok(Self::Factor(factor)),
                _ => Err(wrong()),
            },
        }
    }
}

impl FromStr for BadPage {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let (page, times) = match text.split_once('x') {
            Some((page, times)) => (page, Some(number(times, 1..=u64::from(MOST_TIMES))?)),
            None => (text, None),
        };
        // Both fit by their bounds.
        Ok(Self { page: number(page, 0..=u64::from(u32::MAX))? as u32, times: times.map(|n| n as u32) })
    }
}

impl Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::After(bytes) => write!(f, "after:{bytes}"),
            Self::Random(p) => write!(f, "random:{p}"),
        }
    }
}

impl Display for Unplug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.place.fmt(f)?;
        if self.away.is_zero() { Ok(()) } else { write!(f, ":away={}ms", self.away.as_millis()) }
    }
}

impl Display for Slow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Factor(factor) => write!(f, "{factor}"),
            Self::Rate(rate) => write!(f, "{rate}/s"),
        }
    }
}

impl Display for BadPage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.page)?;
        self.times.map_or(Ok(()), |times| write!(f, "x{times}"))
    }
}

/// Only what may happen, and the seed.
impl Display for FaultSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "seed={}", self.seed)?;
        for (losses, sent) in [(&self.from_phone, ""), (&self.to_phone, "-sent")] {
            if !losses.drop.is_never() {
                write!(f, ",drop{sent}={}", losses.drop)?;
                if losses.run > 1 {
                    write!(f, ":{}", losses.run)?;
                }
            }
            if !losses.flip.is_never() {
                write!(f, ",flip{sent}={}", losses.flip)?;
            }
            if !losses.insert.is_never() {
                write!(f, ",insert{sent}={}", losses.insert)?;
            }
        }
        if let Some(Stalls { probability, time }) = self.stall {
            write!(f, ",stall={probability}:{}ms", time.as_millis())?;
        }
        self.unplug.iter().try_for_each(|unplug| write!(f, ",unplug={unplug}"))?;
        self.slow.iter().try_for_each(|slow| write!(f, ",slow={slow}"))?;
        self.kill_host.iter().try_for_each(|place| write!(f, ",kill-host={place}"))?;
        self.chip.fmt(f)
    }
}

/// As in a specification, each with a comma before it.
impl Display for ChipFaults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.ecc.is_never() {
            write!(f, ",ecc={}", self.ecc)?;
        }
        self.bad_pages.iter().try_for_each(|page| write!(f, ",bad-page={page}"))?;
        if !self.jitter.is_never() {
            write!(f, ",jitter={}", self.jitter)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
