//! `image ls`: what is in a directory of an image.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use bromide_image::yaffs2::read::{Kind, Node};
use bromide_link::Cancel;
use clap::Args;
use serde_json::{Map, Value, json};

use super::open::{Opened, open, shown};
use crate::front::Front;
use crate::out;
use crate::report::Failure;

/// List the files of a partition's image
///
/// The image is what bromide read writes (2048 + 64 bytes a page, as stored), or any other layout of YAFFS2 that
/// can be recognised. Bit errors are corrected on the way. Links are not followed.
///
/// Examples:
///
///   bromide image ls system.img
///
///   bromide image ls -lR system.img bin
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Ls {
    /// The image
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// A directory or file in it [default: its root]
    #[arg(value_name = "PATH")]
    pub(crate) path: Option<OsString>,
    /// Also mode, links, owner, group, size, time of change (UTC), and the targets of links
    #[arg(short, long)]
    pub(crate) long: bool,
    /// Also what is in the directories below
    #[arg(short = 'R', long)]
    pub(crate) recursive: bool,
}

/// `bromide image ls`.
pub(crate) fn ls(args: &Ls, front: &mut Front, cancel: &Cancel) -> Result<(), Failure> {
    let opened = open(&args.file, front, cancel)?;
    let start = opened.named(args.path.as_deref())?;
    let links = links(&opened);
    if start.kind != Kind::Directory {
        return list(&opened, &[start], &links, args.long, front);
    }
    let mut first = true;
    let mut left = vec![start];
    while let Some(directory) = left.pop() {
        opened.go_on()?;
        let path = opened.tree.path(directory.id);
        if args.recursive && matches!(front, Front::Screen(_)) {
            let gap = if first { "" } else { "\n" };
            out::result(&[format!("{gap}/{}:", shown(&path))])?;
        }
        first = false;
        let children: Vec<&Node> = opened.tree.children(directory.id).collect();
        list(&opened, &children, &links, args.long, front)?;
        if args.recursive {
            let below = children.into_iter().rev();
            left.extend(below.filter(|it| opened.enters(it, &path, front)));
        }
    }
    Ok(())
}

/// Names of objects, by id.
pub(super) type Links = BTreeMap<u32, u32>;

/// How many names each object has; of a directory, the names its subdirectories give it count too.
pub(super) fn links(opened: &Opened) -> Links {
    let mut links = Links::new();
    for node in opened.tree.nodes() {
        *links.entry(node.equivalent).or_insert(0) += 1;
        if node.kind == Kind::Directory {
            *links.entry(node.id).or_insert(0) += 1;
            if node.parent != node.id {
                *links.entry(node.parent).or_insert(0) += 1;
            }
        }
    }
    links
}

fn list(
    opened: &Opened,
    nodes: &[&Node],
    links: &Links,
    long: bool,
    front: &mut Front,
) -> Result<(), Failure> {
    if let Front::Json(json) = front {
        for node in nodes {
            json.line(&value(opened, node, links));
        }
        return Ok(());
    }
    if !long {
        return out::result(&nodes.iter().map(|node| shown(&node.name)).collect::<Vec<_>>());
    }
    let rows: Vec<[String; 4]> = nodes
        .iter()
        .map(|node| {
            let owner = [node.uid, node.gid].map(|it| it.to_string());
            let [uid, gid] = owner;
            [names(node, links).to_string(), uid, gid, size(opened, node)]
        })
        .collect();
    let width = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap_or(0);
    let [a, b, c, d] = [0, 1, 2, 3].map(width);
    let line = |(node, [links, uid, gid, size]): (&&Node, &[String; 4])| {
        let (mode, time) = (mode(node.mode), time(node.modified));
        let name = named(opened, node);
        format!("{mode} {links:>a$} {uid:>b$} {gid:>c$} {size:>d$} {time} {name}")
    };
    out::result(&nodes.iter().zip(&rows).map(line).collect::<Vec<_>>())
}

fn names(node: &Node, links: &Links) -> u32 {
    links.get(&node.equivalent).copied().unwrap_or(1)
}

/// Name, and target of a link.
pub(super) fn named(opened: &Opened, node: &Node) -> String {
    let real = opened.real(node);
    match real.kind {
        Kind::Symlink => format!("{} -> {}", shown(&node.name), shown(&real.target)),
        _ => shown(&node.name),
    }
}

/// Bytes, or the numbers of a device.
fn size(opened: &Opened, node: &Node) -> String {
    let real = opened.real(node);
    match real.kind {
        Kind::Symlink => real.target.len().to_string(),
        Kind::Special if is_device(real) => {
            let (major, minor) = real.device_numbers();
            format!("{major}, {minor}")
        }
        _ => node.size.to_string(),
    }
}

fn is_device(node: &Node) -> bool {
    matches!(node.mode & 0o170_000, 0o020_000 | 0o060_000)
}

/// One object for programs. Names are text; where that is not what is stored, the bytes follow as hex.
pub(super) fn value(opened: &Opened, node: &Node, links: &Links) -> Value {
    let real = opened.real(node);
    let mut all = Map::new();
    all.insert("event".into(), json!("entry"));
    put(&mut all, "path", &opened.tree.path(node.id));
    put(&mut all, "name", &node.name);
    all.insert("kind".into(), json!(kind(real)));
    all.insert("object".into(), json!(node.equivalent));
    all.insert("mode".into(), json!(format!("{:06o}", node.mode)));
    all.insert("links".into(), json!(names(node, links)));
    all.insert("uid".into(), json!(node.uid));
    all.insert("gid".into(), json!(node.gid));
    all.insert("bytes".into(), json!(node.size));
    all.insert("modified".into(), json!(node.modified));
    if real.kind == Kind::Symlink {
        put(&mut all, "target", &real.target);
    }
    if is_device(real) {
        let (major, minor) = real.device_numbers();
        all.insert("device".into(), json!([major, minor]));
    }
    Value::Object(all)
}

fn put(all: &mut Map<String, Value>, key: &str, bytes: &[u8]) {
    all.insert(key.to_owned(), json!(String::from_utf8_lossy(bytes)));
    if std::str::from_utf8(bytes).is_err() {
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        all.insert(format!("{key}_hex"), json!(hex));
    }
}

/// What an object is, in a word.
pub(super) fn kind(node: &Node) -> &'static str {
    match (node.kind, node.mode & 0o170_000) {
        (Kind::Directory, _) => "directory",
        (Kind::Symlink, _) => "symlink",
        (Kind::Special, 0o010_000) => "pipe",
        (Kind::Special, 0o020_000) => "character-device",
        (Kind::Special, 0o060_000) => "block-device",
        (Kind::Special, 0o140_000) => "socket",
        (Kind::Special, _) => "special",
        (Kind::File | Kind::HardLink, _) => "file",
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
fn time(seconds: u32) -> String {
    let (days, rest) = (seconds / 86_400 + 719_468, seconds % 86_400);
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = era * 400 + year_of_era + u32::from(month <= 2);
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
            (u32::MAX, "2106-02-07T06:28:15Z"),
        ] {
            assert_eq!(time(seconds), text);
        }
    }
}
