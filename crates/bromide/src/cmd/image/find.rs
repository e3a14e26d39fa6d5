//! `image find`: paths in an image by name, kind, size and time.

use std::ffi::OsString;
use std::io::{self, BufWriter, ErrorKind, Write};

use bromide_image::files::{Entry, Kind, Step, Walk};
use bromide_link::Cancel;
use clap::{Args, ValueEnum};

use super::glob::matches;
use super::ls::value;
use super::open::{Opened, open_place, shown};
use super::place::Place;
use crate::front::Front;
use crate::numbers::bytes;
use crate::report::{Failure, exit};

/// Find files of a partition's image
///
/// Lists the paths below PATH that meet all conditions, a line each; names that would steer a
/// terminal are escaped. Links are not followed.
///
/// Examples:
///
///   bromide image find system.img --name '*.apk' --larger 1M
///
///   bromide image find system.img lib --type l
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Find {
    #[command(flatten)]
    pub(crate) place: Place,
    /// Its name is like this: * any bytes, ? one byte, [a-z] one of these, [!a-z] none of these, \ before any of them
    #[arg(long, value_name = "GLOB")]
    pub(crate) name: Option<OsString>,
    /// It is a file, directory, symbolic link, character or block device, pipe or socket
    #[arg(long = "type", value_name = "TYPE")]
    pub(crate) kind: Option<Type>,
    /// It is a file of more bytes (0x.. or decimal, K, M, G)
    #[arg(long, value_name = "BYTES", value_parser = bytes)]
    pub(crate) larger: Option<u64>,
    /// It was changed on this day or later (UTC), as 2013-04-03; or seconds since 1970
    #[arg(long, value_name = "DATE", value_parser = moment, allow_hyphen_values = true)]
    pub(crate) newer: Option<i64>,
    /// Paths as they are stored, each with a zero byte behind it (for xargs -0)
    #[arg(long)]
    pub(crate) print0: bool,
}

/// Kinds as find names them.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Type {
    /// File
    F,
    /// Directory
    D,
    /// Symbolic link
    L,
    /// Character device
    C,
    /// Block device
    B,
    /// Pipe
    P,
    /// Socket
    S,
}

impl Type {
    const fn kind(self) -> Kind {
        match self {
            Self::F => Kind::File,
            Self::D => Kind::Directory,
            Self::L => Kind::Symlink,
            Self::C => Kind::CharacterDevice,
            Self::B => Kind::BlockDevice,
            Self::P => Kind::Pipe,
            Self::S => Kind::Socket,
        }
    }
}

/// `bromide image find`.
pub(crate) fn find(args: &Find, front: &mut Front, cancel: &Cancel) -> Result<(), Failure> {
    if args.print0 && matches!(front, Front::Json(_)) {
        let what = "--print0 and --json are two ways to write the same";
        return Err(Failure::new("image/usage", exit::USAGE, what, "leave one of them out"));
    }
    let opened = open_place(&args.place, front, cancel)?;
    let (start, path) = opened.named(front)?;
    let mut out = BufWriter::new(io::stdout().lock());
    let mut found = |step: &Step, front: &mut Front| -> io::Result<()> {
        if !meets(args, &step.entry) {
            return Ok(());
        }
        match front {
            Front::Json(json) => json.line(&value(&opened, &step.path, &step.entry)),
            Front::Screen(_) if args.print0 => out.write_all(&[&step.path[..], b"\0"].concat())?,
            Front::Screen(_) => writeln!(out, "{}", shown(&step.path))?,
        }
        Ok(())
    };
    let written = all(&opened, &start, path, front, &mut found)?.and_then(|()| out.flush());
    opened.tell_doubts(front);
    match written {
        Err(e) if e.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::new("file/io", exit::FAILED, format!("standard output: {e}"), ""))
        }
        _ => Ok(()),
    }
}

/// Everything below the start, or the start itself where it is no directory.
fn all(
    opened: &Opened,
    start: &Entry,
    path: Vec<u8>,
    front: &mut Front,
    found: &mut dyn FnMut(&Step, &mut Front) -> io::Result<()>,
) -> Result<io::Result<()>, Failure> {
    if start.kind != Kind::Directory {
        let step = Step { path, entry: start.clone(), depth: 0, last: true, left: None };
        return Ok(found(&step, front));
    }
    for step in Walk::new(&*opened.files, start.id, &path) {
        opened.go_on()?;
        let step = step.map_err(|e| opened.failed(&e.to_string()))?;
        if let Err(ended) = found(&step, front) {
            return Ok(Err(ended));
        }
        opened.tell_left(&step, front);
    }
    Ok(Ok(()))
}

fn meets(args: &Find, entry: &Entry) -> bool {
    args.name.as_ref().is_none_or(|glob| matches(glob.as_encoded_bytes(), &entry.name))
        && args.kind.is_none_or(|it| it.kind() == entry.kind)
        && args.larger.is_none_or(|least| entry.kind == Kind::File && entry.size > least)
        && args.newer.is_none_or(|since| entry.modified.seconds >= since)
}

/// Unix seconds of a day's first moment, UTC, or as they are.
fn moment(text: &str) -> Result<i64, String> {
    let wrong = || format!("\"{text}\" is no date; write 2013-04-03, or seconds since 1970");
    if let Ok(seconds) = text.parse() {
        return Ok(seconds);
    }
    let parts: Vec<i64> = text.split('-').map(str::parse).collect::<Result<_, _>>().map_err(|_| wrong())?;
    let [year @ 1..=9999, month @ 1..=12, day @ 1..=31] = parts[..] else { return Err(wrong()) };
    let leap = i64::from(year % 4 == 0 && (year % 100 != 0 || year % 400 == 0));
    let last = match month {
        2 => 28 + leap,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    if day > last {
        return Err(wrong());
    }
    // Years are counted from March on, so that the leap day is the last of its year.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let day_of_year = (153 * month + 2) / 5 + day - 1;
    let days = year * 365 + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + day_of_year;
    Ok((days - 719_468) * 86_400)
}

#[cfg(test)]
mod tests {
    use bromide_image::files::Time;
    use clap::FromArgMatches as _;

    use super::*;

    #[test]
    fn days_are_those_of_the_calendar() {
        for (text, seconds) in [
            ("1970-01-01", 0),
            ("2000-02-29", 951_782_400),
            ("2000-03-01", 951_868_800),
            ("2013-04-03", 1_364_947_200),
            ("0001-01-01", -62_135_596_800),
            ("12", 12),
            ("-5", -5),
        ] {
            assert_eq!(moment(text), Ok(seconds), "{text}");
        }
        for text in ["", "2013-04", "2013-13-01", "2013-00-01", "x-1-1", "2013-04-03T00:00", "2013-04-00"] {
            assert!(moment(text).is_err(), "{text}");
        }
        for text in ["2013-02-29", "1900-02-29", "2013-04-31", "2013-01-32", "10000-01-01", "-1-01-01"] {
            assert!(moment(text).is_err(), "{text}");
        }
    }

    fn entry(name: &[u8], kind: Kind, size: u64, seconds: i64) -> Entry {
        let time = Time { seconds, nanos: 0 };
        Entry {
            id: 7,
            name: name.to_vec(),
            kind,
            mode: 0o644,
            uid: 0,
            gid: 0,
            size,
            accessed: time,
            modified: time,
            changed: Time::default(),
            names: 1,
            device: (0, 0),
        }
    }

    /// The conditions of a command line.
    fn conditions(words: &[&str]) -> Find {
        let command = Find::augment_args(clap::Command::new("find"));
        let all = ["find", "system.img"].iter().chain(words);
        Find::from_arg_matches(&command.try_get_matches_from(all).unwrap()).unwrap()
    }

    #[test]
    fn an_object_has_to_meet_every_condition() {
        let file = entry(b"a.apk", Kind::File, 5000, 1_364_947_200);
        for (words, met) in [
            (&[][..], true),
            (&["--name", "*.apk"], true),
            (&["--name", "apk"], false),
            (&["--name", "A.APK"], false),
            (&["--type", "f"], true),
            (&["--type", "d"], false),
            (&["--larger", "4999"], true),
            (&["--larger", "5000"], false),
            (&["--larger", "0x1000"], true),
            (&["--larger", "1M"], false),
            (&["--newer", "2013-04-03"], true),
            (&["--newer", "2013-04-04"], false),
            (&["--newer", "1364947200"], true),
            (&["--newer", "1364947201"], false),
            (&["--newer", "-1"], true),
            (&["--name", "*.apk", "--type", "f", "--larger", "1K"], true),
            (&["--name", "*.apk", "--type", "l", "--larger", "1K"], false),
        ] {
            assert_eq!(meets(&conditions(words), &file), met, "{words:?}");
        }
        // Directories and links have no size of their own to speak of.
        for kind in [Kind::Directory, Kind::Symlink, Kind::BlockDevice] {
            assert!(!meets(&conditions(&["--larger", "0"]), &entry(b"x", kind, 9, 0)));
        }
        assert!(!meets(&conditions(&["--newer", "0"]), &entry(b"x", Kind::File, 9, -1)), "before 1970");
    }

    #[test]
    fn every_kind_has_its_letter_and_no_other() {
        let kinds = [
            ("f", Kind::File),
            ("d", Kind::Directory),
            ("l", Kind::Symlink),
            ("c", Kind::CharacterDevice),
            ("b", Kind::BlockDevice),
            ("p", Kind::Pipe),
            ("s", Kind::Socket),
        ];
        for (letter, wanted) in kinds {
            for (_, kind) in kinds {
                let met = meets(&conditions(&["--type", letter]), &entry(b"x", kind, 0, 0));
                assert_eq!(met, kind == wanted, "{letter} {kind:?}");
            }
        }
    }
}
