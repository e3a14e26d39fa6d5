//! `map diff`: how two maps differ in members and places.

use std::path::PathBuf;

use bromide_image::map::{self, Map, Storage};
use clap::Args;
use serde_json::json;

use super::Select;
use super::load::load;
use super::show::{Span, spans};
use crate::front::Front;
use crate::out::{self, harmless};
use crate::report::{Failure, exit};

/// Tell how two partition maps differ (exit code 4 when they do)
#[derive(Debug, Args)]
pub(crate) struct Diff {
    /// One map
    pub(crate) one: PathBuf,
    /// The other
    pub(crate) other: PathBuf,
    #[command(flatten)]
    pub(crate) select: Select,
}

/// `bromide map diff`.
pub(crate) fn diff(args: &Diff, front: &mut Front) -> Result<(), Failure> {
    let (one, other) = (args.select.of(load(&args.one)?)?, args.select.of(load(&args.other)?)?);
    let lines = differences(&one, &other);
    if let Front::Json(json) = front {
        json.line(&json!({ "event": "map_diff", "differences": lines }));
    } else {
        let shown: Vec<String> = lines.iter().map(|it| harmless(it)).collect();
        out::result(&shown)?;
    }
    if lines.is_empty() {
        front.say("no difference");
        return Ok(());
    }
    let what = format!("the maps differ: {} lines above", lines.len());
    Err(Failure::new("map/differs", exit::DIFFERS, what, ""))
}

/// Partitions are the same by name or alias in the same storage, where both maps name one.
pub(crate) fn differences(one: &Map, other: &Map) -> Vec<String> {
    let (left, right) = (spans(one, None), spans(other, None));
    let named = |a: &str, b: &str| {
        a.eq_ignore_ascii_case(b) || map::aliases(a).iter().any(|alias| alias.eq_ignore_ascii_case(b))
    };
    let alike = |a: Storage, b: Storage| a == b || a == Storage::Unknown || b == Storage::Unknown;
    let same = |a: &Span<'_>, b: &Span<'_>| named(a.name, b.name) && alike(a.storage, b.storage);
    let mut lines = Vec::new();
    for it in &left {
        let Some(twin) = right.iter().find(|twin| same(it, twin)) else {
            lines.push(format!("- {}: only in the first", it.name));
            continue;
        };
        for (what, a, b) in [("start", it.start, twin.start), ("size", it.size(), twin.size())] {
            if let (Some(a), Some(b)) = (a, b)
                && a != b
            {
                lines.push(format!("~ {}: {what} {a:#x} in the first, {b:#x} in the second", it.name));
            }
        }
        if it.region != twin.region {
            let (a, b) = (it.region.scatter(), twin.region.scatter());
            lines.push(format!("~ {}: region {a} in the first, {b} in the second", it.name));
        }
    }
    for it in right.iter().filter(|it| !left.iter().any(|twin| same(it, twin))) {
        lines.push(format!("+ {}: only in the second", it.name));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &[u8] = b"PRELOADER 0x0\n{\n}\nANDROID 0x40000\n{\n}\nUSRDATA 0x80000\n{\n}\n";
    const MTD: &[u8] = b"mtd0: 00040000 00020000 \"preloader\"\nmtd1: 00060000 00020000 \"system\"\n";

    #[test]
    fn maps_differ_in_places_and_members_but_not_in_spelling() {
        let (one, other) = (map::parse(OLD).unwrap(), map::parse(MTD).unwrap());
        assert!(differences(&one, &one).is_empty());
        let lines = differences(&one, &other);
        let want =
            ["~ ANDROID: size 0x40000 in the first, 0x60000 in the second", "- USRDATA: only in the first"];
        assert_eq!(lines, want);
    }
}
