//! The remarks on packets by which a recording says what USB has no field for.
//!
//! ```text
//! bromide: opened BootROM 0e8d:0003 port=1-4.2 speed=full
//! bromide: kept file="system.img" at=135168 len=135168 crc32=89abcdef
//! bromide: closed
//! bromide: note TEXT
//! ```
//! Ids and sum are hexadecimal, the other numbers decimal. A port with blanks or quotes in it is quoted as file names
//! are: `\"` and `\\` stand for themselves, `\xHH` for a byte that is no text.

use std::ffi::OsString;
use std::fmt::Write;
use std::path::{Component, Path, PathBuf};

use bromide_proto::bus::{BusSpeed, Face, Sighting};

use crate::entry::Piece;

/// What a remark says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Remark {
    Opened(Sighting),
    Kept(Piece),
    Closed,
    /// Of the recorder, or of anybody else.
    Note(String),
}

const PREFIX: &str = "bromide: ";

const SPEEDS: [(BusSpeed, &str); 5] = [
    (BusSpeed::Low, "low"),
    (BusSpeed::Full, "full"),
    (BusSpeed::High, "high"),
    (BusSpeed::Super, "super"),
    (BusSpeed::Unknown, "unknown"),
];

impl Remark {
    /// As it is written.
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Opened(seen) => {
                let Sighting { face, vid, pid, port, speed } = seen;
                let speed = SPEEDS.iter().find(|(it, _)| it == speed).map_or("unknown", |(_, name)| name);
                let plain = !port.is_empty() && !port.contains([' ', '"', '\\']);
                let plain = plain && !port.contains(char::is_control);
                let port = if plain { port.clone() } else { quoted(port.as_bytes()) };
                format!("{PREFIX}opened {face} {vid:04x}:{pid:04x} port={port} speed={speed}")
            }
            Self::Kept(Piece { file, at, len, crc32 }) => {
                let file = quoted(&bytes_of(file));
                format!("{PREFIX}kept file={file} at={at} len={len} crc32={crc32:08x}")
            }
            Self::Closed => format!("{PREFIX}closed"),
            Self::Note(text) => format!("{PREFIX}note {text}"),
        }
    }

    /// What somebody wrote: a remark in this form, or a note in his own words.
    ///
    /// # Errors
    /// It begins as one that stands for something on the cable, and goes on otherwise.
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        let Some(ours) = text.strip_prefix(PREFIX) else { return Ok(Self::Note(text.to_owned())) };
        if ours == "closed" {
            return Ok(Self::Closed);
        }
        if let Some(rest) = ours.strip_prefix("note ") {
            return Ok(Self::Note(rest.to_owned()));
        }
        if let Some(rest) = ours.strip_prefix("opened ") {
            return opened(rest).map(Self::Opened).ok_or("a remark that a phone was opened, but not which");
        }
        if let Some(rest) = ours.strip_prefix("kept ") {
            return kept(rest).map(Self::Kept).ok_or("a remark that bytes are kept, but not where");
        }
        Ok(Self::Note(text.to_owned()))
    }
}

fn opened(text: &str) -> Option<Sighting> {
    let (face, rest) = Face::ALL.iter().find_map(|face| {
        let rest = text.strip_prefix(face.name())?.strip_prefix(' ')?;
        Some((*face, rest))
    })?;
    let (ids, rest) = rest.split_once(" port=")?;
    let (vid, pid) = ids.split_once(':')?;
    let (port, rest) = if rest.starts_with('"') {
        let (port, rest) = unquoted(rest)?;
        (String::from_utf8(port).ok()?, rest)
    } else {
        let end = rest.find(' ')?;
        let (port, rest) = rest.split_at_checked(end)?;
        (port.to_owned(), rest)
    };
    let speed = rest.strip_prefix(" speed=")?;
    let (speed, _) = SPEEDS.iter().find(|(_, name)| *name == speed)?;
    Some(Sighting { face, vid: hex16(vid)?, pid: hex16(pid)?, port, speed: *speed })
}

fn hex16(text: &str) -> Option<u16> {
    let digits = text.len() == 4 && text.bytes().all(|b| b.is_ascii_hexdigit());
    digits.then(|| u16::from_str_radix(text, 16).ok())?
}

fn kept(text: &str) -> Option<Piece> {
    let (file, rest) = unquoted(text.strip_prefix("file=")?)?;
    let mut words = rest.strip_prefix(' ')?.split(' ');
    let mut field = |name: &str| words.next()?.strip_prefix(name);
    let at = field("at=")?.parse().ok()?;
    let len = field("len=")?.parse().ok()?;
    let crc32 = u32::from_str_radix(field("crc32=")?, 16).ok()?;
    Some(Piece { file: path_of(file)?, at, len, crc32 })
}

/// In quotes, such that [`unquoted`] gives the same bytes.
pub(crate) fn quoted(bytes: &[u8]) -> String {
    let mut text = String::from("\"");
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '"' | '\\' => text.extend(['\\', c]),
                c if c.is_ascii_control() => write!(text, "\\x{:02x}", u32::from(c)).unwrap_or_default(),
                c => text.push(c),
            }
        }
        for byte in chunk.invalid() {
            write!(text, "\\x{byte:02x}").unwrap_or_default();
        }
    }
    text.push('"');
    text
}

/// The bytes between the quotes that `text` begins with, and what comes behind them.
pub(crate) fn unquoted(text: &str) -> Option<(Vec<u8>, &str)> {
    let mut rest = text.strip_prefix('"')?;
    let mut bytes = Vec::new();
    loop {
        let stop = rest.find(['"', '\\'])?;
        let (plain, special) = rest.split_at_checked(stop)?;
        bytes.extend(plain.bytes());
        if let Some(behind) = special.strip_prefix('"') {
            return Some((bytes, behind));
        }
        let escaped = special.strip_prefix('\\')?;
        rest = match escaped.strip_prefix('x') {
            Some(hex) => {
                let (digits, behind) = hex.split_at_checked(2)?;
                bytes.push(u8::from_str_radix(digits, 16).ok()?);
                behind
            }
            None => {
                let (itself, behind) = escaped.split_at_checked(1)?;
                bytes.extend(itself.bytes());
                behind
            }
        };
    }
}

/// The parts of a path with `/` between them on every system.
pub(crate) fn bytes_of(path: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    for part in path.components() {
        if !bytes.is_empty() && !bytes.ends_with(b"/") {
            bytes.push(b'/');
        }
        match part {
            Component::RootDir => bytes.push(b'/'),
            other => bytes.extend(other.as_os_str().as_encoded_bytes()),
        }
    }
    bytes
}

/// `None`: bytes that cannot be a name here.
pub(crate) fn path_of(bytes: Vec<u8>) -> Option<PathBuf> {
    #[cfg(unix)]
    let name: Option<OsString> = Some(std::os::unix::ffi::OsStringExt::from_vec(bytes));
    #[cfg(not(unix))]
    let name: Option<OsString> = String::from_utf8(bytes).ok().map(Into::into);
    name.map(PathBuf::from)
}

/// A note that the link takes only so many bytes at once (`Link::most_at_once`): what the host asks for depends on
/// it, so that a replay has to know.
#[must_use]
pub fn remark_of_most_at_once(bytes: u32) -> String {
    format!("at most {bytes} bytes at once")
}

/// What a note by [`remark_of_most_at_once`] says; `None`: another note.
#[must_use]
pub fn most_at_once(note: &str) -> Option<u32> {
    note.strip_prefix("at most ")?.strip_suffix(" bytes at once")?.parse().ok()
}

const MISSING: &str = " bytes of pages came here and are not recorded";

/// A note that pages came of which nobody told the bytes. In a recording its packet has their number for its length,
/// so that whoever follows the conversation stays in step.
#[must_use]
pub fn remark_of_missing(bytes: u64) -> String {
    format!("{bytes}{MISSING}")
}

/// What a note by [`remark_of_missing`] says; `None`: another note.
pub(crate) fn missing(note: &str) -> Option<u64> {
    note.strip_suffix(MISSING)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sighting(port: &str) -> Sighting {
        Sighting { face: Face::BootRom, vid: 0x0e8d, pid: 3, port: port.to_owned(), speed: BusSpeed::Full }
    }

    #[test]
    fn remarks_have_the_form_that_others_read() {
        let piece = Piece { file: "a/sys\"tem\\.img".into(), at: 1, len: 22, crc32: 0xab };
        for (remark, text) in [
            (Remark::Opened(sighting("1-4.2")), "bromide: opened BootROM 0e8d:0003 port=1-4.2 speed=full"),
            (Remark::Kept(piece), r#"bromide: kept file="a/sys\"tem\\.img" at=1 len=22 crc32=000000ab"#),
            (Remark::Closed, "bromide: closed"),
            (Remark::Note("it is\nlate".into()), "bromide: note it is\nlate"),
        ] {
            assert_eq!(remark.text(), text);
            assert_eq!(Remark::parse(text), Ok(remark));
        }
    }

    #[test]
    fn a_remark_of_anybody_else_is_a_note_in_his_words() {
        for text in ["", "looks odd", "bromide", "bromide: something of a later version"] {
            assert_eq!(Remark::parse(text), Ok(Remark::Note(text.into())));
        }
    }

    #[test]
    fn a_remark_that_stands_for_bytes_but_cannot_be_read_is_an_error() {
        for text in [
            "bromide: kept file=\"x\" at=1 len=2",
            "bromide: kept file=\"x at=1 len=2 crc32=0",
            "bromide: kept file=x at=1 len=2 crc32=0",
            "bromide: opened Nokia 0e8d:0003 port=1 speed=full",
            "bromide: opened BootROM 0e8d:+003 port=1 speed=full",
            "bromide: opened BootROM 0e8d:0003 port=1 speed=warp",
        ] {
            assert!(Remark::parse(text).is_err(), "{text}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_file_name_that_is_no_text_comes_back() {
        use std::os::unix::ffi::OsStringExt;
        let file = PathBuf::from(OsString::from_vec(b"\xff\x01 x".to_vec()));
        let kept = Remark::Kept(Piece { file, at: 0, len: 1, crc32: 0 });
        assert_eq!(Remark::parse(&kept.text()), Ok(kept));
    }

    proptest! {
        #[test]
        fn any_port_comes_back(port in ".*") {
            let opened = Remark::Opened(sighting(&port));
            prop_assert_eq!(Remark::parse(&opened.text()), Ok(opened));
        }

        #[test]
        fn no_text_makes_the_reader_panic(text in "bromide: (kept file=\"|opened BootROM |note )?.*") {
            let _ = Remark::parse(&text);
        }

        #[test]
        fn the_bound_of_a_link_comes_back(bytes: u32) {
            prop_assert_eq!(most_at_once(&remark_of_most_at_once(bytes)), Some(bytes));
        }

        #[test]
        fn the_number_of_bytes_that_are_not_recorded_comes_back(bytes: u64) {
            prop_assert_eq!(missing(&remark_of_missing(bytes)), Some(bytes));
        }
    }
}
