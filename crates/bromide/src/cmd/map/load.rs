//! Maps from files: text of any kind, tables of the flash, and dumps of any size that have one.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;

use bromide_image::map::{self, Content, MOST_TEXT_BYTES, Map, MapError, OpenError};
use bromide_job::open_file::OpenFile;
use unicode_width::UnicodeWidthStr as _;

use crate::report::{Failure, exit};

/// Reads a map; a manifest is followed to the scatter file it names.
pub(crate) fn load(path: &Path) -> Result<Map, Failure> {
    match content(path, &path.display().to_string())? {
        Content::Map(map) => Ok(map),
        Content::Manifest(it) => {
            let named = path.parent().unwrap_or(Path::new("")).join(it.scatter.replace('\\', "/"));
            let title = format!("{}, named by {}", named.display(), path.display());
            match content(&named, &title)? {
                Content::Map(map) => Ok(map),
                Content::Manifest(_) => {
                    let what = format!("{title}: this is a manifest again");
                    Err(Failure::new("map/unreadable", exit::FAILED, what, "name the scatter file itself"))
                }
            }
        }
    }
}

fn content(path: &Path, title: &str) -> Result<Content, Failure> {
    let opened = File::open(path).map_err(|e| unread(title, &e.to_string()))?;
    let about = opened.metadata().map_err(|e| unread(title, &e.to_string()))?;
    let read = match length(&opened) {
        // What cannot be read at any place, a pipe for one, is text of a bounded length.
        None if !about.is_dir() => map::read_at(&bounded(opened).map_err(|e| unread(title, &e))?),
        None => return Err(unread(title, "this is a directory")),
        Some(len) => map::read_at(&OpenFile::of(opened, len)),
    };
    read.map_err(|e| match e {
        OpenError::Text(fault) => {
            let advice = "a map is a scatter file or a listing of the phone, such as the text of /proc/mtd (adb shell cat /proc/mtd); read --at and --len need none";
            Failure::new("map/unreadable", exit::FAILED, pointed(title, &fault), advice)
        }
        OpenError::Read(_) | OpenError::TooLong(_) => unread(title, &e.to_string()),
        _ => {
            let advice = "bromide identify FILE tells what lies in it; read --at and --len need no map";
            Failure::new("map/unreadable", exit::FAILED, format!("{title}: {e}"), advice)
        }
    })
}

/// Bytes of a file or device; none of what has no places, or does not tell how long it is as `/proc/mtd` does not.
fn length(file: &File) -> Option<u64> {
    let about = file.metadata().ok()?;
    if about.is_file() {
        return Some(about.len()).filter(|len| *len > 0);
    }
    let end = (&*file).seek(SeekFrom::End(0)).ok()?;
    (end > 0 && !about.is_dir()).then_some(end)
}

fn unread(title: &str, why: &str) -> Failure {
    Failure::new("file/io", exit::FAILED, format!("{title}: {why}"), "check the file's name")
}

fn bounded(file: File) -> Result<Vec<u8>, String> {
    let mut text = Vec::new();
    file.take(MOST_TEXT_BYTES + 1).read_to_end(&mut text).map_err(|e| e.to_string())?;
    if text.len() as u64 > MOST_TEXT_BYTES {
        Err("too large for a map or a list".to_owned())
    } else {
        Ok(text)
    }
}

/// A text file of a size that a map or a list can have.
pub(crate) fn text(path: &Path) -> Result<Vec<u8>, Failure> {
    let file = File::open(path).map_err(|e| e.to_string());
    file.and_then(bounded).map_err(|e| unread(&path.display().to_string(), &e))
}

/// Writes a file that must not exist yet.
pub(crate) fn create(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let file = OpenOptions::new().write(true).create_new(true).open(path);
    file.and_then(|mut it| it.write_all(bytes)).map_err(|e| {
        let what = format!("{}: {e}", path.display());
        Failure::new("file/io", exit::FAILED, what, "choose a file that does not exist yet")
    })
}

/// A fault with the line it is in, and a caret under its column.
fn pointed(title: &str, fault: &MapError) -> String {
    let told = format!("{title}: {fault}");
    if fault.text.is_empty() {
        return told;
    }
    let number = fault.line.to_string();
    let margin = " ".repeat(number.len());
    let before = fault.text.get(..fault.at).unwrap_or(&fault.text);
    let indent = " ".repeat(before.width());
    format!("{told}\n{margin} |\n{number} | {}\n{margin} | {indent}^", fault.text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Vec<String> {
        let fault = map::parse(text.as_bytes()).unwrap_err();
        pointed("map.txt", &fault).lines().skip(2).map(str::to_owned).collect()
    }

    #[test]
    fn the_caret_stands_under_the_fault() {
        assert_eq!(shown("a 0x0\n{\n}\n\tb 0x1zz\n{\n}\n"), ["4 |  b 0x1zz", "  |    ^"]);
        let wide = shown("mtd0: 00040000 00020000 \"世界\"\nmtd1: 0000zzzz 00020000 \"b\"\n");
        assert_eq!(wide, ["2 | mtd1: 0000zzzz 00020000 \"b\"", "  |       ^"]);
    }

    #[test]
    fn wide_and_hidden_characters_do_not_move_the_caret() {
        let fault = |text: &str, at| MapError {
            line: 10,
            column: 1,
            what: map::Fault::BadValue,
            text: text.to_owned(),
            at,
        };
        let caret = |text, at| pointed("f", &fault(text, at)).lines().last().unwrap().to_owned();
        assert_eq!(caret("世界x", 6), "   |     ^");
        assert_eq!(caret("e\u{301}x", 3), "   |  ^");
        assert_eq!(caret("abc", 99), "   |    ^");
    }
}
