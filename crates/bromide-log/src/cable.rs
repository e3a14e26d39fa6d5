//! The cable in order, with every page kept once.
//!
//! Pages that were announced ([`Mark::Pages`]) are counted while they come and not copied. What became of them is told
//! later, after their sum has come and was answered: they were lost, and are then recorded in full, or they are a
//! packet, which is kept in a file and recorded as a reference, or is kept nowhere and recorded in full too. What
//! passes meanwhile waits here, so that a recording is in the order of the cable.

use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use bromide_capture::{Bytes, Entry, Piece, What, remark_of_missing, remark_of_replaced};
use bromide_job::event::Kept;
use bromide_proto::bus::Sighting;
use bromide_proto::link::{Direction, Mark};

/// How a note begins that says how many of the next received bytes are pages.
const PAGES: &str = "pages: the next ";

/// Says that fewer came than were announced.
pub(crate) const PAGES_END: &str = "pages: no more of them came";

/// Says in a recording that pages follow in full, for whoever wants to leave them out.
pub(crate) fn pages_note(bytes: usize) -> String {
    format!("{PAGES}{bytes} bytes received")
}

/// How many of the next received bytes are pages, if this note says that.
#[must_use]
pub fn pages_noted(note: &str) -> Option<u64> {
    if note == PAGES_END {
        return Some(0);
    }
    note.strip_prefix(PAGES)?.split(' ').next()?.parse().ok()
}

/// Pages under way.
#[derive(Debug)]
struct Pages {
    left: usize,
    came: usize,
    /// When the last of them came.
    at: Duration,
}

/// Turns what is heard into entries in order.
#[derive(Debug)]
pub(crate) struct Cable {
    /// Keep every byte, in its place.
    full: bool,
    /// Folder of the recording, without symbolic links.
    folder: PathBuf,
    pages: Option<Pages>,
    held: Vec<Entry>,
    /// The last file pages went to, and its name as seen from the recording.
    file: Option<(PathBuf, PathBuf)>,
    /// Entries in order, for whoever takes them.
    pub(crate) out: Vec<Entry>,
}

impl Cable {
    pub(crate) fn new(full: bool, folder: &Path) -> Self {
        let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
        Self { full, folder, pages: None, held: Vec::new(), file: None, out: Vec::new() }
    }

    pub(crate) fn opened(&mut self, at: Duration, seen: &Sighting) {
        self.give_up();
        self.put(at, What::Opened(seen.clone()));
    }

    pub(crate) fn closed(&mut self, at: Duration) {
        self.give_up();
        self.put(at, What::Closed);
    }

    pub(crate) fn note(&mut self, at: Duration, text: String) {
        self.put(at, What::Note(text));
    }

    pub(crate) fn bytes(&mut self, now: impl FnOnce() -> Duration, direction: Direction, bytes: &[u8]) {
        let mut bytes = bytes;
        if let (Some(pages), Direction::FromPhone) = (&mut self.pages, direction) {
            let (mine, others) = bytes.split_at(pages.left.min(bytes.len()));
            pages.left -= mine.len();
            pages.came += mine.len();
            if pages.left > 0 {
                return;
            }
            let at = now();
            if !mine.is_empty() {
                pages.at = at;
            }
            bytes = others;
            if !bytes.is_empty() {
                self.put(at, What::Bytes(direction, Bytes::Here(bytes.to_vec())));
            }
            return;
        }
        if !bytes.is_empty() {
            self.put(now(), What::Bytes(direction, Bytes::Here(bytes.to_vec())));
        }
    }

    pub(crate) fn mark(&mut self, at: Duration, mark: Mark<'_>) {
        match mark {
            Mark::Pages(bytes) if self.full => self.note(at, pages_note(bytes)),
            Mark::Lost(_) if self.full => self.note(at, PAGES_END.to_owned()),
            Mark::Pages(bytes) => {
                self.give_up();
                self.pages = Some(Pages { left: bytes, came: 0, at });
            }
            Mark::Lost(bytes) => self.settle_in_full(bytes),
        }
    }

    /// The pages announced last are this packet.
    pub(crate) fn packet(&mut self, bytes: &[u8], kept: Option<Kept<'_>>) {
        let Some(kept) = kept else { return self.settle_in_full(bytes) };
        let Some(pages) = self.pages.take() else { return };
        let piece = Piece {
            file: self.as_seen_from_here(kept.file),
            at: kept.at,
            len: bytes.len() as u64,
            crc32: crc32fast::hash(bytes),
        };
        self.push(pages.at, What::Bytes(Direction::FromPhone, Bytes::Elsewhere(piece)));
        self.out.append(&mut self.held);
    }

    /// A page of a file that keeps pages was replaced by a better reading; this is what passed first.
    pub(crate) fn replaced(&mut self, at: Duration, file: &Path, place: u64, was: &[u8]) {
        let file = self.as_seen_from_here(file);
        self.note(at, remark_of_replaced(&file, place, was));
    }

    fn settle_in_full(&mut self, bytes: &[u8]) {
        let Some(pages) = self.pages.take() else { return };
        if !bytes.is_empty() {
            self.push(pages.at, What::Note(pages_note(bytes.len())));
            self.push(pages.at, What::Bytes(Direction::FromPhone, Bytes::Here(bytes.to_vec())));
        }
        self.out.append(&mut self.held);
    }

    /// Nobody tells any more what became of the pages under way.
    pub(crate) fn give_up(&mut self) {
        let Some(pages) = self.pages.take() else { return };
        if pages.came > 0 {
            self.push(pages.at, What::Note(remark_of_missing(pages.came as u64)));
        }
        self.out.append(&mut self.held);
    }

    fn put(&mut self, at: Duration, what: What) {
        let entry = Entry { at, frame: 0, what };
        if self.pages.is_some() { self.held.push(entry) } else { self.out.push(entry) }
    }

    fn push(&mut self, at: Duration, what: What) {
        self.out.push(Entry { at, frame: 0, what });
    }

    fn as_seen_from_here(&mut self, file: &Path) -> PathBuf {
        match &self.file {
            Some((known, seen)) if known == file => seen.clone(),
            _ => {
                let seen = relative(&self.folder, &whole(file));
                self.file = Some((file.to_owned(), seen.clone()));
                seen
            }
        }
    }
}

/// The path without symbolic links on the way to the file, which need not exist yet.
fn whole(file: &Path) -> PathBuf {
    let absolute = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
    match (absolute.parent().and_then(|folder| folder.canonicalize().ok()), absolute.file_name()) {
        (Some(folder), Some(name)) => folder.join(name),
        _ => absolute,
    }
}

/// How one gets from `folder` to `file`, both absolute; `file` itself where there is no way (another drive).
#[must_use]
pub fn relative(folder: &Path, file: &Path) -> PathBuf {
    let shared = folder.components().zip(file.components()).take_while(|(a, b)| a == b).count();
    if shared == 0 {
        return file.to_owned();
    }
    let up = folder.components().skip(shared).map(|_| Component::ParentDir);
    up.chain(file.components().skip(shared)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn cable(full: bool) -> (tempfile::TempDir, Cable) {
        let folder = tempfile::tempdir().unwrap();
        let cable = Cable::new(full, folder.path());
        (folder, cable)
    }

    fn from_phone(bytes: &[u8]) -> What {
        What::Bytes(Direction::FromPhone, Bytes::Here(bytes.to_vec()))
    }

    fn to_phone(bytes: &[u8]) -> What {
        What::Bytes(Direction::ToPhone, Bytes::Here(bytes.to_vec()))
    }

    fn whats(cable: Cable) -> Vec<What> {
        cable.out.into_iter().map(|entry| entry.what).collect()
    }

    /// Eight bytes of pages with two bytes of sum in the same piece, and the answer to them.
    fn one_packet(cable: &mut Cable) {
        cable.mark(at(1), Mark::Pages(8));
        cable.bytes(|| at(2), Direction::FromPhone, b"page");
        cable.bytes(|| at(3), Direction::FromPhone, b"byteSS");
        cable.bytes(|| at(4), Direction::ToPhone, b"Z");
    }

    #[test]
    fn a_kept_packet_becomes_a_reference_in_its_place() {
        let (folder, mut cable) = cable(false);
        one_packet(&mut cable);
        assert!(cable.out.is_empty(), "nothing is known yet");
        let file = folder.path().join("s.img");
        cable.packet(b"pagebyte", Some(Kept { file: &file, at: 16 }));
        let piece = Piece { file: "s.img".into(), at: 16, len: 8, crc32: crc32fast::hash(b"pagebyte") };
        assert_eq!(cable.out[0].at, at(3), "when the last of them came");
        let told = What::Bytes(Direction::FromPhone, Bytes::Elsewhere(piece));
        assert_eq!(whats(cable), [told, from_phone(b"SS"), to_phone(b"Z")]);
    }

    #[test]
    fn a_packet_kept_nowhere_and_one_that_was_lost_are_recorded_in_full() {
        let (_folder, mut cable) = cable(false);
        one_packet(&mut cable);
        cable.packet(b"pagebyte", None);
        cable.mark(at(5), Mark::Pages(8));
        cable.bytes(|| at(6), Direction::FromPhone, b"pag");
        cable.mark(at(7), Mark::Lost(b"pag"));
        let note = |n| What::Note(pages_note(n));
        let told = [note(8), from_phone(b"pagebyte"), from_phone(b"SS"), to_phone(b"Z")];
        assert_eq!(whats(cable), [&told[..], &[note(3), from_phone(b"pag")]].concat());
        assert_eq!(pages_noted(&pages_note(3)), Some(3));
        assert_eq!(pages_noted("a note"), None);
    }

    #[test]
    fn pages_nobody_speaks_of_again_are_admitted_to_be_missing() {
        let (_folder, mut cable) = cable(false);
        one_packet(&mut cable);
        cable.closed(at(5));
        let told = whats(cable);
        assert!(matches!(&told[0], What::Note(text) if text.starts_with("8 bytes of pages")), "{told:?}");
        assert_eq!(told[1..], [from_phone(b"SS"), to_phone(b"Z"), What::Closed]);
    }

    #[test]
    fn a_full_log_has_every_byte_in_its_place() {
        let (_folder, mut cable) = cable(true);
        one_packet(&mut cable);
        cable.packet(b"pagebyte", Some(Kept { file: Path::new("s.img"), at: 16 }));
        let note = What::Note(pages_note(8));
        assert_eq!(whats(cable), [note, from_phone(b"page"), from_phone(b"byteSS"), to_phone(b"Z")]);
    }

    #[test]
    fn files_are_named_as_seen_from_the_recording() {
        let way = |folder, file| relative(Path::new(folder), Path::new(file));
        assert_eq!(way("/home/a/log/run", "/home/a/dump/s.img"), Path::new("../../dump/s.img"));
        assert_eq!(way("/dump/log/run", "/dump/s.img"), Path::new("../../s.img"));
        assert_eq!(way("/dump", "/dump/s.img"), Path::new("s.img"));
    }
}
