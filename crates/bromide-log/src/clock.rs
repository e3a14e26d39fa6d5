//! Moments as the log writes them: UTC, by the Gregorian calendar, without leap seconds.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A clock that shows the time of day and never goes back, whatever is done to the computer's clock meanwhile.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    begun: Duration,
    since: Instant,
}

impl Clock {
    /// Set by the computer's clock, once.
    pub(crate) fn start() -> Self {
        let begun = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { begun, since: Instant::now() }
    }

    /// Since 1970-01-01 00:00 UTC.
    pub(crate) fn now(&self) -> Duration {
        self.begun.saturating_add(self.since.elapsed())
    }

    /// When it was started.
    pub(crate) const fn begun(&self) -> Duration {
        self.begun
    }
}

/// A moment taken apart.
#[derive(Debug, Clone, Copy)]
struct Parts {
    year: u64,
    month: u64,
    day: u64,
    hour: u64,
    minute: u64,
    second: u64,
    milli: u32,
}

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

fn parts(at: Duration) -> Parts {
    let seconds = at.as_secs();
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    // Years of 365.2425 days that begin on 1 March, so that the odd day is their last: eras of 400 years.
    let days = days + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let day_of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    Parts {
        year: year_of_era + era * 400 + u64::from(month <= 2),
        month,
        day: day_of_year - (153 * shifted + 2) / 5 + 1,
        hour: rest / 3600,
        minute: rest / 60 % 60,
        second: rest % 60,
        milli: at.subsec_millis(),
    }
}

/// The time now, as `2026-11-29T18:57:08.123Z` (RFC 3339).
#[must_use]
pub fn utc_now() -> String {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    rfc3339(since.unwrap_or_default())
}

/// `2026-11-29T18:57:08.123Z` (RFC 3339).
pub(crate) fn rfc3339(at: Duration) -> String {
    let Parts { year, month, day, hour, minute, second, milli } = parts(at);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z")
}

/// `2026-11-29T18-57-08Z`: the same for names of folders, which on some systems bear no colons.
pub(crate) fn for_names(at: Duration) -> String {
    let Parts { year, month, day, hour, minute, second, .. } = parts(at);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}-{minute:02}-{second:02}Z")
}

/// `18:57:08.13`: many things happen within a second.
pub(crate) fn time_within_second(at: Duration) -> String {
    format!("{}.{:02}", time_of_day(at), at.subsec_millis() / 10)
}

/// `18:57:08`.
pub(crate) fn time_of_day(at: Duration) -> String {
    let Parts { hour, minute, second, .. } = parts(at);
    format!("{hour:02}:{minute:02}:{second:02}")
}

/// `29 November 2026`.
pub(crate) fn date(at: Duration) -> String {
    let Parts { year, month, day, .. } = parts(at);
    let month = usize::try_from(month).ok().and_then(|n| MONTHS.get(n.wrapping_sub(1))).unwrap_or(&"");
    format!("{day} {month} {year}")
}

/// Seconds since 1970 of the moment at the front of a folder's name (`2026-11-29T18-57-08Z-...`).
pub(crate) fn of_name(name: &str) -> Option<u64> {
    let stamp = name.get(..20)?;
    let mut numbers = stamp.trim_end_matches('Z').split(['-', 'T']).map(|part| part.parse::<u64>().ok());
    let mut next = || numbers.next().flatten();
    let (year, month, day, hour, minute, second) = (next()?, next()?, next()?, next()?, next()?, next()?);
    if !(1970..10_000).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let shifted = if month > 2 { month - 3 } else { month + 9 };
    let year = year - u64::from(month <= 2);
    let (era, of_era) = (year / 400, year % 400);
    let day_of_year = (153 * shifted + 2) / 5 + day - 1;
    let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + day_of_year;
    Some(days.checked_sub(719_468)? * 86_400 + hour * 3600 + minute * 60 + second)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(seconds: u64) -> Duration {
        Duration::from_millis(seconds * 1000 + 7)
    }

    #[test]
    fn moments_are_written_as_date_u_writes_them() {
        // date -u -d @N
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00.007Z"),
            (951_782_399, "2000-02-28T23:59:59.007Z"),
            (951_782_400, "2000-02-29T00:00:00.007Z"),
            (1_796_065_028, "2026-11-30T18:57:08.007Z"),
            (4_107_542_399, "2100-02-28T23:59:59.007Z"),
            (4_107_542_400, "2100-03-01T00:00:00.007Z"),
        ] {
            assert_eq!(rfc3339(at(seconds)), text);
            assert_eq!(of_name(&for_names(at(seconds))), Some(seconds), "{text}");
        }
        assert_eq!(date(at(951_782_400)), "29 February 2000");
        assert_eq!(time_of_day(at(951_782_399)), "23:59:59");
        assert_eq!(time_within_second(Duration::from_millis(59_987)), "00:00:59.98");
    }

    #[test]
    fn names_without_a_moment_have_none() {
        for name in ["", "x", "2026-13-01T00-00-00Z-read", "notes about everything", "1969-01-01T00-00-00Z-"]
        {
            assert_eq!(of_name(name), None, "{name}");
        }
    }

    #[test]
    fn the_clock_never_goes_back() {
        let clock = Clock::start();
        let first = clock.now();
        assert!(first >= clock.begun() && clock.now() >= first);
    }
}
