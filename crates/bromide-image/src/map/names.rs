//! Partition names: the prefixes of scatter files, the names one partition goes by, and the nearest to a misspelt one.
//!
//! The same partition is `ANDROID` in a scatter file, `system` in `/proc/mtd` and in its image (formats.md section
//! 2.1, table of names).

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::error::{FindError, UnknownPartition};

/// Names one partition goes by, the scatter file's own first (formats.md section 2.1).
const GROUPS: &[&[&str]] = &[
    &["SECCFG", "SECCNFG"],
    &["UBOOT", "LK"],
    &["BOOTIMG", "BOOT"],
    &["SEC_RO", "SECRO", "SECSTATIC"],
    &["ANDROID", "SYSTEM", "ANDSYSIMG"],
    &["USRDATA", "USERDATA", "DATA", "USER"],
];

/// What no scatter file offers for download: data of the very phone, tables, areas counted from the end.
const HIDDEN: &[&str] = &[
    "BMTPOOL",
    "BOOT_PARA",
    "EXPDB",
    "FAT",
    "FLASHINFO",
    "FRP",
    "MISC",
    "NVCFG",
    "NVDATA",
    "NVRAM",
    "OTP",
    "PARA",
    "PGPT",
    "PMT",
    "PROINFO",
    "PROTECT1",
    "PROTECT2",
    "PROTECT_F",
    "PROTECT_S",
    "PRO_INFO",
    "SEC1",
    "SECCFG",
    "SGPT",
];

/// Longest name that is compared letter by letter; a partition table entry has 64 bytes for one.
const LONGEST_COMPARED: usize = 64;

/// How many near names are offered.
const OFFERED: usize = 3;

/// Every name the partition of this name goes by, in upper case, the scatter file's own first; empty when there is
/// only the one. Upper and lower case are the same.
#[must_use]
pub fn aliases(name: &str) -> &'static [&'static str] {
    GROUPS
        .iter()
        .find(|group| group.iter().any(|it| it.eq_ignore_ascii_case(name)))
        .copied()
        .unwrap_or_default()
}

/// Strips the scatter prefixes; false in the second place when there was one (not offered for download).
pub(super) fn without_prefix(name: &str) -> (&str, bool) {
    ["__NODL_RSV_", "__NODL_"]
        .iter()
        .find_map(|prefix| {
            let (head, tail) = name.split_at_checked(prefix.len())?;
            (head.eq_ignore_ascii_case(prefix) && !tail.is_empty()).then_some((tail, false))
        })
        .unwrap_or((name, true))
}

/// Whether a name from a file is one a partition can have: no blanks around it, no control characters, nothing that would
/// be mischief in a file name.
pub(super) fn is_sane(name: &str) -> bool {
    !name.is_empty() && name.trim() == name && !name.starts_with('.') && !name.contains(is_mischief)
}

/// Control characters, what separates or quotes file names, and what is no character or a byte order mark.
pub(super) fn is_mischief(it: char) -> bool {
    it.is_control() || matches!(it, '/' | '\\' | '"' | '\u{FEFF}' | '\u{FFFE}' | '\u{FFFF}')
}

/// The name in upper case as scatter files have it: `system` is `ANDROID`.
pub(super) fn canonical(name: &str) -> String {
    aliases(name).first().map_or_else(|| name.to_ascii_uppercase(), |it| (*it).to_owned())
}

/// Whether scatter files offer a partition of this name for download. Known by name: those that the table of formats.md
/// section 2.1 calls hidden, and those that every real file of section 2.2 marks so.
pub(super) fn is_usually_downloaded(name: &str) -> bool {
    !HIDDEN.contains(&canonical(name).as_str())
}

/// The one item a name means.
pub(super) fn find<'a, T>(
    items: &'a [T],
    asked: &str,
    name: impl Fn(&T) -> &str,
    line: impl Fn(&T) -> u32,
) -> Result<&'a T, FindError> {
    let (wanted, _) = without_prefix(asked.trim());
    let group = aliases(wanted);
    let mut found: Vec<&T> = items.iter().filter(|it| name(it).eq_ignore_ascii_case(wanted)).collect();
    if found.is_empty() {
        let answers = |it: &&T| group.iter().any(|alias| alias.eq_ignore_ascii_case(name(it)));
        found = items.iter().filter(answers).collect();
    }
    match found.as_slice() {
        [one] => Ok(one),
        [] => Err(unknown(items.iter().map(name), asked, wanted).into()),
        many => Err(FindError::Ambiguous {
            asked: asked.to_owned(),
            found: many.iter().map(|it| (name(it).to_owned(), line(it))).collect(),
        }),
    }
}

fn unknown<'a>(names: impl Iterator<Item = &'a str>, asked: &str, wanted: &str) -> UnknownPartition {
    let all: Vec<String> = names.map(ToOwned::to_owned).collect();
    let mut near: Vec<(usize, String)> = Vec::new();
    for name in &all {
        let other_names = aliases(name).iter().filter(|it| !it.eq_ignore_ascii_case(name));
        let own = distance(wanted, name).map(|apart| (apart, name.clone()));
        let through_alias = other_names
            .filter_map(|alias| {
                Some((distance(wanted, alias)?, format!("{name} ({})", alias.to_ascii_lowercase())))
            })
            .min();
        near.extend(own.into_iter().chain(through_alias).min_by_key(|it| it.0));
    }
    // Two letters wrong in a short name is a typing mistake, more is another word.
    let bearable = wanted.len().checked_div(3).unwrap_or(0).max(2);
    near.retain(|(apart, _)| *apart <= bearable);
    near.sort_by_key(|it| it.0);
    let nearest = near.into_iter().take(OFFERED).map(|it| it.1).collect();
    UnknownPartition { asked: asked.to_owned(), nearest, all }
}

/// Single-letter insertions, deletions and changes that make one name into the other (Levenshtein), any case.
/// None when one is too long to be a misspelt name.
fn distance(one: &str, other: &str) -> Option<usize> {
    if one.len() > LONGEST_COMPARED || other.len() > LONGEST_COMPARED {
        return None;
    }
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (above, a) in one.bytes().enumerate() {
        let mut diagonal = above;
        let mut left = above.saturating_add(1);
        let mut next = Vec::with_capacity(row.len());
        next.push(left);
        for (b, &up) in other.bytes().zip(row.iter().skip(1)) {
            let change = usize::from(!a.eq_ignore_ascii_case(&b));
            left = diagonal.saturating_add(change).min(left.saturating_add(1)).min(up.saturating_add(1));
            diagonal = up;
            next.push(left);
        }
        row = next;
    }
    row.last().copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn system_is_android_is_andsysimg_in_any_case() {
        for name in ["system", "ANDROID", "AndSysImg"] {
            assert_eq!(aliases(name).first(), Some(&"ANDROID"));
        }
        assert!(aliases("LOGO").is_empty());
    }

    #[test]
    fn prefixes_come_off_and_tell_that_it_is_no_download() {
        assert_eq!(without_prefix("__NODL_CACHE"), ("CACHE", false));
        assert_eq!(without_prefix("__nodl_rsv_bmtpool"), ("bmtpool", false));
        assert_eq!(without_prefix("CACHE"), ("CACHE", true));
        assert_eq!(without_prefix("__NODL_"), ("__NODL_", true), "a prefix alone is a name");
        assert_eq!(without_prefix("__NODLé"), ("__NODLé", true));
    }

    #[test]
    fn what_is_downloaded_is_known_by_any_of_its_names() {
        for name in ["nvram", "seccnfg", "SECCFG", "pmt", "protect_f", "expdb"] {
            assert!(!is_usually_downloaded(name), "{name}");
        }
        for name in ["mbr", "EBR1", "system", "userdata", "cache", "preloader", "custom"] {
            assert!(is_usually_downloaded(name), "{name}");
        }
    }

    #[test]
    fn no_name_holds_what_is_no_character() {
        for name in ["a\u{FEFF}b", "a\u{FFFE}", "\u{FFFF}a", "a/b", "a\u{7}"] {
            assert!(!is_sane(name), "{name:?}");
        }
        assert!(is_sane("分区 1"));
    }

    #[test]
    fn distance_counts_single_letters() {
        assert_eq!(distance("", ""), Some(0));
        assert_eq!(distance("sytem", "SYSTEM"), Some(1));
        assert_eq!(distance("kitten", "sitting"), Some(3));
        assert_eq!(distance("", "abc"), Some(3));
        assert_eq!(distance(&"x".repeat(65), "x"), None);
    }

    #[test]
    fn the_very_name_wins_over_its_aliases() {
        let items = ["BOOT", "BOOTIMG"];
        assert_eq!(find(&items, "bootimg", |it| it, |_| 1), Ok(&"BOOTIMG"));
        assert_eq!(find(&items, "__NODL_BOOT", |it| it, |_| 1), Ok(&"BOOT"));
    }

    #[test]
    fn a_misspelt_name_brings_the_nearest() {
        let items = ["PRELOADER", "ANDROID", "CACHE", "MISC"];
        let FindError::Unknown(unknown) = find(&items, "sytem", |it| it, |_| 1).unwrap_err() else {
            panic!()
        };
        assert_eq!(unknown.nearest, ["ANDROID (system)"]);
        assert_eq!(unknown.all, items);
        let FindError::Unknown(unknown) = find(&items, "cahce", |it| it, |_| 1).unwrap_err() else {
            panic!()
        };
        assert_eq!(unknown.nearest, ["CACHE"]);
        let FindError::Unknown(unknown) = find(&items, "nothing-alike", |it| it, |_| 1).unwrap_err() else {
            panic!()
        };
        assert!(unknown.nearest.is_empty());
    }
}
