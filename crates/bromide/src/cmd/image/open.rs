//! Images: a file or a phone opened, its file system found, its tree read, and what is odd about it told in a line.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::Path;
use std::rc::Rc;

use bromide_image::files::{self, Entry, Files, FilesError, Known, Left, Step, lookup};
use bromide_image::identify::Form;
use bromide_image::map::Map;
use bromide_job::event::Event;
use bromide_link::Cancel;

use super::phone::PhoneImage;
use super::place::{Medium, Place};
use super::stoppable::Stoppable;
use crate::cmd::map;
use crate::front::Front;
use crate::out::harmless;
use crate::report::{Failure, exit};

/// The files of an image, and what it is called.
pub(crate) struct Opened {
    pub(crate) files: Box<dyn Files>,
    pub(crate) title: String,
    /// The path a user named in it.
    pub(super) path: OsString,
    cancel: Cancel,
    /// Doubts that were told.
    told: RefCell<BTreeSet<String>>,
}

/// Opens what a user named.
///
/// File bytes are checked when they are read, everything else at once.
pub(super) fn open_place(place: &Place, front: &mut Front, cancel: &Cancel) -> Result<Opened, Failure> {
    let map = place.source.map.as_deref().map(map::load).transpose()?;
    for note in map.iter().flat_map(|m| &m.notes) {
        front.tell(&Event::Note(note));
    }
    match place.parts()? {
        (Medium::File(path), inside) => open_file(&path, inside, map.as_ref(), cancel),
        (Medium::Phone(cable), inside) => {
            let title = cable.via.to_string();
            let phone = PhoneImage::start(*cable, map, front.output(), cancel)?;
            let Some(map) = phone.map().cloned() else {
                let advice =
                    "name a map with --map: a scatter file or a listing of the phone such as /proc/mtd";
                let what = "this phone has no partition table of its own";
                return Err(Failure::new("map/none", exit::FAILED, what, advice));
            };
            let known = Known { map: Some(&map), form: Some(Form::Interleaved), slow: true };
            opened(title, inside, cancel, files::open(Rc::new(phone), known))
        }
    }
}

/// Opens the image of a file.
pub(crate) fn open(path: &Path, cancel: &Cancel) -> Result<Opened, Failure> {
    open_file(path, OsString::new(), None, cancel)
}

fn open_file(path: &Path, inside: OsString, map: Option<&Map>, cancel: &Cancel) -> Result<Opened, Failure> {
    let title = path.display().to_string();
    let image = Rc::new(Stoppable::open(path, cancel)?);
    opened(title, inside, cancel, files::open(image, Known { map, ..Known::default() }))
}

fn opened(
    title: String,
    path: OsString,
    cancel: &Cancel,
    found: Result<Option<Box<dyn Files>>, FilesError>,
) -> Result<Opened, Failure> {
    let failed = |what: &str, code, advice: &str| match cancel.is_set() {
        true => Failure::stopped(),
        false => Failure::new(code, exit::FAILED, format!("{title}: {what}"), advice),
    };
    let identify = format!("bromide identify {title} tells what it is");
    match found {
        Ok(Some(files)) => {
            Ok(Opened { files, title, path, cancel: cancel.clone(), told: RefCell::default() })
        }
        Ok(None) => Err(failed("there is no file system in it that can be read", "image/unknown", &identify)),
        Err(FilesError::Read(e)) => Err(failed(&e.to_string(), "file/io", "name a file that can be read")),
        Err(e) => Err(failed(&e.to_string(), "image/unreadable", &identify)),
    }
}

impl Opened {
    /// The object a user named, and its path as results begin with it. What is odd about the image is told.
    pub(super) fn named(&self, front: &mut Front) -> Result<(Entry, Vec<u8>), Failure> {
        let asked = self.path.as_encoded_bytes();
        let found = lookup(&*self.files, asked).map_err(|e| self.failed(&e.to_string()));
        self.tell_doubts(front);
        self.go_on()?;
        let Some(entry) = found? else {
            let what = format!("{}: there is no {} in it", self.title, shown(asked));
            let advice = "bromide image ls -R shows what there is; links are not followed";
            return Err(Failure::new("image/no-file", exit::FAILED, what, advice));
        };
        Ok((entry, self.plain_path()))
    }

    /// The path a user named, with one slash between two names.
    pub(super) fn plain_path(&self) -> Vec<u8> {
        let asked = self.path.as_encoded_bytes();
        let names = asked.split(|byte| *byte == b'/').filter(|it| !matches!(*it, b"" | b"."));
        names.collect::<Vec<_>>().join(&b'/')
    }

    /// What is odd about the image is told, each thing once: partitions are opened as they are looked into.
    pub(super) fn tell_doubts(&self, front: &mut Front) {
        let mut doubts = self.files.doubts();
        doubts.retain(|doubt| self.told.borrow_mut().insert(doubt.clone()));
        if !doubts.is_empty() {
            front.tell(&Event::Warning(&harmless(&format!("{}: {}", self.title, doubts.join("; ")))));
        }
    }

    /// A directory a walk passes by is told.
    pub(super) fn tell_left(&self, step: &Step, front: &mut Front) {
        let why = match step.left {
            None => return,
            Some(Left::TooDeep) => "lies too deep",
            Some(Left::SeenBefore) => "was met before under another name",
        };
        let told = format!("{}: /{} {why} and is not gone into", self.title, short(&step.path));
        front.tell(&Event::Warning(&told));
    }

    /// What became of a read that failed.
    pub(super) fn failed(&self, what: &str) -> Failure {
        if self.cancel.is_set() {
            return Failure::stopped();
        }
        Failure::new("image/file", exit::FAILED, format!("{}: {what}", self.title), "")
    }

    /// Ctrl-C between two results.
    pub(super) fn go_on(&self) -> Result<(), Failure> {
        if self.cancel.is_set() { Err(Failure::stopped()) } else { Ok(()) }
    }
}

/// A path that only a hostile image has is not told whole.
fn short(path: &[u8]) -> String {
    match path.get(..200) {
        Some(start) => format!("{}..", shown(start)),
        None => shown(path),
    }
}

/// A name or path on one line: what is not UTF-8, would steer a terminal or turn the writing round is escaped.
pub(crate) fn shown(name: &[u8]) -> String {
    let mut text = String::with_capacity(name.len());
    for part in name.utf8_chunks() {
        for c in harmless(part.valid()).chars() {
            match c {
                '\n' => text.push_str("\\n"),
                '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                    text.extend(c.escape_unicode());
                }
                c => text.push(c),
            }
        }
        for byte in part.invalid() {
            text.push_str(&format!("\\x{byte:02x}"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stays_on_its_line_and_in_its_direction() {
        assert_eq!(shown("grün 漢字".as_bytes()), "grün 漢字");
        assert_eq!(shown(b"a\nb\x1b[31m\xff\xc3"), "a\\nb\\u{1b}[31m\\xff\\xc3");
        assert_eq!(shown("\u{202e}txt.exe".as_bytes()), "\\u{202e}txt.exe");
    }
}
