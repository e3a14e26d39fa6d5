//! `image ls`: what is in a directory of an image.

use std::collections::BTreeSet;

use bromide_image::files::{Entry, Kind, Left, Walk};
use bromide_link::Cancel;
use clap::Args;
use serde_json::{Map, Value, json};

use super::open::{Opened, open_place, shown};
use super::place::Place;
use crate::front::Front;
use crate::out;
use crate::report::Failure;

/// List the files of a partition's image
///
/// The image is of a partition or of a whole chip: as bromide read writes it (2048 + 64 bytes a page,
/// as stored), in any other layout that can be recognised, main bytes alone, or an Android sparse
/// image. Bit errors are corrected on the way. In a dump of a whole chip every partition is a
/// directory; where they lie says its own table, or --map. With --via nothing has to be dumped first:
/// what is needed is read from the phone. That is little of a partition as the factory left it, and
/// all of one that was used, such as userdata. Links are not followed.
///
/// Examples:
///
///   bromide image ls system.img
///
///   bromide image ls -lR flash.bin:system/bin --map scatter.txt
///
///   bromide image ls --via usb --da MTK_AllInOne_DA.bin system/app
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Ls {
    #[command(flatten)]
    pub(crate) place: Place,
    /// Also mode, links, owner, group, size, time of change (UTC), and the targets of links
    #[arg(short, long)]
    pub(crate) long: bool,
    /// Also what is in the directories below
    #[arg(short = 'R', long)]
    pub(crate) recursive: bool,
}

/// `bromide image ls`.
pub(crate) fn ls(args: &Ls, front: &mut Front, cancel: &Cancel) -> Result<(), Failure> {
    let opened = open_place(&args.place, front, cancel)?;
    let (start, path) = opened.named(front)?;
    let listed = list_all(&opened, start, path, args, front);
    opened.tell_doubts(front);
    listed
}

fn list_all(
    opened: &Opened,
    start: Entry,
    path: Vec<u8>,
    args: &Ls,
    front: &mut Front,
) -> Result<(), Failure> {
    if start.kind != Kind::Directory {
        return list(opened, &[(path, start)], args.long, front);
    }
    if !args.recursive {
        let inside = opened.files.children(start.id).map_err(|e| opened.failed(&e.to_string()))?;
        opened.go_on()?;
        let inside: Vec<_> = inside.into_iter().map(|entry| (join(&path, &entry.name), entry)).collect();
        return list(opened, &inside, args.long, front);
    }
    recursive(opened, start.id, path, args.long, front)
}

/// Directory after directory, each with a heading, in the order of a walk.
fn recursive(
    opened: &Opened,
    start: u64,
    path: Vec<u8>,
    long: bool,
    front: &mut Front,
) -> Result<(), Failure> {
    let mut first = true;
    let mut left = vec![(start, path)];
    let mut seen = BTreeSet::from([start]);
    while let Some((directory, path)) = left.pop() {
        opened.go_on()?;
        if matches!(front, Front::Screen(_)) {
            let gap = if first { "" } else { "\n" };
            out::result(&[format!("{gap}/{}:", shown(&path))])?;
        }
        first = false;
        let mut walk = Walk::new(&*opened.files, directory, &path);
        let mut inside = Vec::new();
        while let Some(step) = walk.next() {
            let mut step = step.map_err(|e| opened.failed(&e.to_string()))?;
            walk.pass_by();
            if step.entry.kind == Kind::Directory && step.left.is_none() && !seen.insert(step.entry.id) {
                step.left = Some(Left::SeenBefore);
            }
            opened.tell_left(&step, front);
            inside.push(step);
        }
        let below = inside.iter().rev().filter(|it| it.entry.kind == Kind::Directory && it.left.is_none());
        left.extend(below.map(|it| (it.entry.id, it.path.clone())));
        let inside: Vec<_> = inside.into_iter().map(|it| (it.path, it.entry)).collect();
        list(opened, &inside, long, front)?;
    }
    Ok(())
}

fn join(path: &[u8], name: &[u8]) -> Vec<u8> {
    let gap: &[u8] = if path.is_empty() { b"" } else { b"/" };
    [path, gap, name].concat()
}

fn list(opened: &Opened, entries: &[(Vec<u8>, Entry)], long: bool, front: &mut Front) -> Result<(), Failure> {
    if let Front::Json(json) = front {
        for (path, entry) in entries {
            json.line(&value(opened, path, entry));
        }
        return Ok(());
    }
    if !long {
        return out::result(&entries.iter().map(|(_, entry)| shown(&entry.name)).collect::<Vec<_>>());
    }
    let rows: Vec<[String; 4]> = entries
        .iter()
        .map(|(_, it)| [it.names.to_string(), it.uid.to_string(), it.gid.to_string(), size(it)])
        .collect();
    let width = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap_or(0);
    let [a, b, c, d] = [0, 1, 2, 3].map(width);
    let line = |((_, entry), [links, uid, gid, size]): (&(Vec<u8>, Entry), &[String; 4])| {
        let mode = mode(entry.kind.type_bits() | entry.mode);
        let (time, name) = (time(entry.modified.seconds), named(opened, entry));
        format!("{mode} {links:>a$} {uid:>b$} {gid:>c$} {size:>d$} {time} {name}")
    };
    out::result(&entries.iter().zip(&rows).map(line).collect::<Vec<_>>())
}

/// Name, and target of a link.
pub(super) fn named(opened: &Opened, entry: &Entry) -> String {
    match target(opened, entry) {
        Some(target) => format!("{} -> {}", shown(&entry.name), shown(&target)),
        None => shown(&entry.name),
    }
}

/// The target of a symbolic link; `?` where it cannot be read.
fn target(opened: &Opened, entry: &Entry) -> Option<Vec<u8>> {
    let read = || opened.files.target(entry.id).unwrap_or_else(|_| b"?".to_vec());
    (entry.kind == Kind::Symlink).then(read)
}

/// Bytes, or the numbers of a device.
fn size(entry: &Entry) -> String {
    if entry.kind.is_device() {
        let (major, minor) = entry.device;
        return format!("{major}, {minor}");
    }
    entry.size.to_string()
}

/// One object for programs. Names are text; where that is not what is stored, the bytes follow as hex.
pub(super) fn value(opened: &Opened, path: &[u8], entry: &Entry) -> Value {
    let mut all = Map::new();
    all.insert("event".into(), json!("entry"));
    put(&mut all, "path", path);
    put(&mut all, "name", &entry.name);
    all.insert("kind".into(), json!(entry.kind.code()));
    all.insert("object".into(), json!(entry.id));
    all.insert("mode".into(), json!(format!("{:06o}", entry.kind.type_bits() | entry.mode)));
    all.insert("links".into(), json!(entry.names));
    all.insert("uid".into(), json!(entry.uid));
    all.insert("gid".into(), json!(entry.gid));
    all.insert("bytes".into(), json!(entry.size));
    all.insert("modified".into(), json!(entry.modified.seconds));
    if let Some(target) = target(opened, entry) {
        put(&mut all, "target", &target);
    }
    if entry.kind.is_device() {
        let (major, minor) = entry.device;
        all.insert("device".into(), json!([major, minor]));
    }
    Value::Object(all)
}

pub(crate) fn put(all: &mut Map<String, Value>, key: &str, bytes: &[u8]) {
    all.insert(key.to_owned(), json!(String::from_utf8_lossy(bytes)));
    if std::str::from_utf8(bytes).is_err() {
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        all.insert(format!("{key}_hex"), json!(hex));
    }
}

/// A mode as `ls -l` writes it.
fn mode(mode: u32) -> String {
    let kind = match mode & 0o170_000 {
        0o010_000 => 'p',
        0o020_000 => 'c',
        0o040_000 => 'd',
        0o060_000 => 'b',
        0o100_000 => '-',
        0o120_000 => 'l',
        0o140_000 => 's',
        _ => '?',
    };
    let mut text = String::from(kind);
    for (shift, special, letter) in [(6, 0o4000, 's'), (3, 0o2000, 's'), (0, 0o1000, 't')] {
        let bits = mode >> shift;
        text.push(if bits & 4 != 0 { 'r' } else { '-' });
        text.push(if bits & 2 != 0 { 'w' } else { '-' });
        text.push(match (mode & special != 0, bits & 1 != 0) {
            (true, true) => letter,
            (true, false) => letter.to_ascii_uppercase(),
            (false, true) => 'x',
            (false, false) => '-',
        });
    }
    text
}

/// Unix seconds as a date and time, UTC. The calendar repeats every 400 years, which have 146,097 days; years are
/// counted from March on, so that the leap day is the last of its year.
pub(crate) fn time(seconds: i64) -> String {
    let (days, rest) = (seconds.div_euclid(86_400).saturating_add(719_468), seconds.rem_euclid(86_400));
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_written_as_ls_does() {
        for (bits, text) in [
            (0o100_644, "-rw-r--r--"),
            (0o040_755, "drwxr-xr-x"),
            (0o106_755, "-rwsr-sr-x"),
            (0o106_644, "-rwSr-Sr--"),
            (0o041_777, "drwxrwxrwt"),
            (0o041_776, "drwxrwxrwT"),
            (0o120_777, "lrwxrwxrwx"),
            (0o020_660, "crw-rw----"),
            (0o000_000, "?---------"),
        ] {
            assert_eq!(mode(bits), text);
        }
    }

    #[test]
    fn times_are_those_of_the_calendar() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (951_868_799, "2000-02-29T23:59:59Z"),
            (951_868_800, "2000-03-01T00:00:00Z"),
            (1_365_003_353, "2013-04-03T15:35:53Z"),
            (i64::from(u32::MAX), "2106-02-07T06:28:15Z"),
            (-1, "1969-12-31T23:59:59Z"),
            (-62_135_596_800, "0001-01-01T00:00:00Z"),
        ] {
            assert_eq!(time(seconds), text);
        }
    }
}
