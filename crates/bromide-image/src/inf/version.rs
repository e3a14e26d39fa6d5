//! `[Version]`: class, provider, date and catalogue (`formats.md` section 7.2).

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use super::{Inf, Notes, Oddity};

/// What the `[Version]` section says, `%strings%` expanded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Version {
    /// Setup class, such as `Ports`.
    pub class: Option<String>,
    /// The class as a GUID in braces, as written.
    pub class_guid: Option<String>,
    /// Who provides the driver.
    pub provider: Option<String>,
    /// Date of the driver, from `DriverVer`.
    pub date: Option<Date>,
    /// Version of the driver, from `DriverVer`, as written.
    pub version: Option<String>,
    /// Catalogue files with the signatures, for one or for several systems. Without any the driver is unsigned.
    pub catalogues: Vec<String>,
}

/// A day of the calendar. Orders by time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Date {
    /// Year, such as 2011.
    pub year: u16,
    /// Month, from 1.
    pub month: u8,
    /// Day, from 1.
    pub day: u8,
}

impl fmt::Display for Date {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

impl Date {
    /// Month, day and year as `DriverVer` has them, separated by `/` or `-`. Days that do not exist give nothing.
    pub fn from_driver_ver(text: &str) -> Option<Self> {
        let mut parts = text.split(['/', '-']).map(str::trim);
        let (month, day, year) = (number(parts.next()?)?, number(parts.next()?)?, number(parts.next()?)?);
        let date = Self { year, month: u8::try_from(month).ok()?, day: u8::try_from(day).ok()? };
        let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
        let days = match date.month {
            2 if leap => 29,
            2 => 28,
            4 | 6 | 9 | 11 => 30,
            1..=12 => 31,
            _ => return None,
        };
        ((1..=days).contains(&date.day) && (1601..=9999).contains(&year) && parts.next().is_none())
            .then_some(date)
    }
}

fn number(text: &str) -> Option<u16> {
    text.parse().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Reads the section.
pub(super) fn read(inf: &Inf<'_>, notes: &mut Notes) -> Version {
    let Some(section) = inf.section("version") else { return Version::default() };
    let of = |key: &str| inf.value(section.first(key)?.value);
    let (mut date, mut version) = (None, None);
    if let Some(entry) = section.first("driverver") {
        let mut values = inf.values(entry.value);
        let text = values.next().unwrap_or_default();
        version = values.next().filter(|version| !version.is_empty());
        date = Date::from_driver_ver(&text);
        if date.is_none() {
            notes.add(entry.line, entry.column, Oddity::DriverVer(text));
        }
    }
    if let Some(entry) = section.first("signature") {
        let signature = inf.value(entry.value).unwrap_or_default();
        if !["$windows nt$", "$chicago$"].contains(&signature.to_lowercase().as_str()) {
            notes.add(entry.line, entry.column, Oddity::Signature(signature));
        }
    }
    Version {
        class: of("class"),
        class_guid: of("classguid"),
        provider: of("provider"),
        date,
        version,
        catalogues: section
            .beginning("catalogfile")
            .filter_map(|entry| inf.value(entry.value))
            .take(16)
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_month_day_year_and_exists() {
        let date = Date::from_driver_ver("04/29/2011").unwrap();
        assert_eq!((date.year, date.month, date.day), (2011, 4, 29));
        assert_eq!(Date::from_driver_ver("4-9-2011").map(|d| std::format!("{d}")), Some("2011-04-09".into()));
        assert!(Date::from_driver_ver("02/29/2012").is_some());
        for bad in
            ["", "29/04/2011", "02/29/2011", "04/29/11", "4/29", "+4/29/2011", "4/0/2011", "1/1/2011/1"]
        {
            assert_eq!(Date::from_driver_ver(bad), None, "{bad}");
        }
    }
}
