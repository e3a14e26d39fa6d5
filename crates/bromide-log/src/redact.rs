//! What must not be shown: who the user is, where he works, which phone this is.
//!
//! In text the user's home folder becomes `~`, his name and the computer's `xxxx`, the phone's unique ids `xx` for
//! each byte. In recorded bytes the ids become zeros, of the same length. What the ids are is told by the phone: its
//! detection report ends with a random id of the chip (`da-legacy-device.md` section 4), `E1` answers with the ME id
//! (`brom-preloader.md` section 4.13); both are found by their place on the cable too, for recordings that break off
//! before the report was understood.

use bromide_capture::{Bytes, Entry, What};
use bromide_proto::codes::da;
use bromide_proto::link::Direction;
use serde_json::Value;

/// Stands for a name.
const NAME: &str = "xxxx";
/// Names that name nobody.
const NOBODY: [&str; 6] = ["root", "user", "localhost", "ubuntu", "debian", "admin"];
/// Bytes of the random id at the end of a detection report, and of the tail behind it: yes, two words, C1.
const RANDOM_ID: usize = 16;
const REPORT_TAIL: usize = 10;
/// The shortest report (g1).
const REPORT: usize = 0xb8;
/// `E1`: give the ME id.
const GET_ME_ID: u8 = 0xe1;
/// More bytes than any ME id has.
const ME_ID_MOST: usize = 64;

/// Whom and what the log of a run would give away.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names {
    /// The user's name.
    pub user: Option<String>,
    /// His home folder.
    pub home: Option<String>,
    /// The computer's name.
    pub host: Option<String>,
}

/// Masks them.
#[derive(Debug, Clone, Default)]
pub struct Redactor {
    homes: Vec<String>,
    words: Vec<String>,
    ids: Vec<Vec<u8>>,
}

impl Redactor {
    /// One that knows these names and no id yet.
    #[must_use]
    pub fn new(names: &Names) -> Self {
        let mut redactor = Self::default();
        redactor.know(names);
        redactor
    }

    /// Learns other names.
    pub fn know(&mut self, names: &Names) {
        let home = names.home.iter().map(|home| home.trim_end_matches(['/', '\\']).to_owned());
        self.homes.extend(home.filter(|home| home.len() > 1));
        let words = [&names.user, &names.host].into_iter().flatten();
        self.words.extend(words.filter(|it| it.len() > 1 && !NOBODY.contains(&it.as_str())).cloned());
    }

    /// Learns another id of the phone. One whose bytes are all the same tells nobody apart and would be found everywhere.
    pub fn learn(&mut self, id: &[u8]) {
        let telling = id.len() >= 4 && id.iter().any(|byte| Some(byte) != id.first());
        if telling && !self.ids.iter().any(|known| known == id) {
            self.ids.push(id.to_vec());
        }
    }

    /// The text without names and ids.
    #[must_use]
    pub fn text(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for home in &self.homes {
            text = replace_words(&text, home, "~");
        }
        for word in &self.words {
            text = replace_words(&text, word, NAME);
        }
        for id in &self.ids {
            text = without_hex(&text, id);
        }
        without_serials(&text)
    }

    /// Every text in the value without names and ids.
    pub fn value(&self, value: &mut Value) {
        match value {
            Value::String(text) => *text = self.text(text),
            Value::Array(values) => values.iter_mut().for_each(|value| self.value(value)),
            Value::Object(fields) => fields.values_mut().for_each(|value| self.value(value)),
            _ => {}
        }
    }

    /// Every entry without names and ids. What is learnt from the bytes holds for later ones too, so entries of one
    /// phone are given together, or at least those from its opening to its report.
    pub fn entries(&mut self, entries: &mut [Entry]) {
        for run in runs(entries) {
            self.run(entries, &run);
        }
        for direction in [Direction::FromPhone, Direction::ToPhone] {
            let places = places(entries, |it| it == direction);
            let stream: Vec<u8> = places.iter().map(|place| byte(entries, *place)).collect();
            for id in &self.ids {
                let hits = (0..stream.len()).filter(|at| stream[*at..].starts_with(id));
                for at in hits.collect::<Vec<_>>() {
                    places[at..at + id.len()].iter().for_each(|place| blank(entries, *place));
                }
            }
        }
        for entry in entries {
            match &mut entry.what {
                What::Note(text) => *text = self.text(text),
                What::Bytes(_, Bytes::Elsewhere(piece)) => {
                    piece.file = self.text(&piece.file.to_string_lossy()).into();
                }
                _ => {}
            }
        }
    }

    /// What the phone said between two words of the host: learns an id from it by its place, and blanks it there.
    fn run(&mut self, entries: &mut [Entry], run: &Run) {
        let bytes: Vec<u8> = run.places.iter().map(|place| byte(entries, *place)).collect();
        let id = match &*bytes {
            [GET_ME_ID, a, b, c, d, rest @ ..] if run.asked == [GET_ME_ID] => {
                let length = usize::try_from(u32::from_be_bytes([*a, *b, *c, *d])).unwrap_or(usize::MAX);
                let there = (1..=ME_ID_MOST).contains(&length) && rest.len() >= length;
                there.then(|| 5..5 + length)
            }
            [.., last] if *last == da::SOC_OK && bytes.len() >= REPORT + REPORT_TAIL => {
                let end = bytes.len() - REPORT_TAIL;
                (bytes[end] == da::ACK).then(|| end - RANDOM_ID..end)
            }
            _ => None,
        };
        if let Some(id) = id {
            self.learn(&bytes[id.clone()]);
            run.places[id].iter().for_each(|place| blank(entries, *place));
        }
    }
}

/// Entry and byte in it.
type Place = (usize, usize);

/// What the phone said between two words of the host.
struct Run {
    /// The word before.
    asked: Vec<u8>,
    places: Vec<Place>,
}

fn runs(entries: &[Entry]) -> Vec<Run> {
    let mut runs = Vec::new();
    let mut run = Run { asked: Vec::new(), places: Vec::new() };
    for (index, entry) in entries.iter().enumerate() {
        match &entry.what {
            What::Bytes(Direction::FromPhone, Bytes::Here(bytes)) => {
                run.places.extend((0..bytes.len()).map(|at| (index, at)));
            }
            What::Bytes(Direction::ToPhone, Bytes::Here(bytes)) => {
                runs.push(std::mem::replace(&mut run, Run { asked: bytes.clone(), places: Vec::new() }));
            }
            What::Note(_) => {}
            _ => runs.push(std::mem::replace(&mut run, Run { asked: Vec::new(), places: Vec::new() })),
        }
    }
    runs.push(run);
    runs.retain(|run| !run.places.is_empty());
    runs
}

fn places(entries: &[Entry], wanted: impl Fn(Direction) -> bool) -> Vec<Place> {
    let mut places = Vec::new();
    for (index, entry) in entries.iter().enumerate() {
        if let What::Bytes(direction, Bytes::Here(bytes)) = &entry.what
            && wanted(*direction)
        {
            places.extend((0..bytes.len()).map(|at| (index, at)));
        }
    }
    places
}

fn byte(entries: &[Entry], (index, at): Place) -> u8 {
    match entries.get(index).map(|entry| &entry.what) {
        Some(What::Bytes(_, Bytes::Here(bytes))) => bytes.get(at).copied().unwrap_or(0),
        _ => 0,
    }
}

fn blank(entries: &mut [Entry], (index, at): Place) {
    if let Some(What::Bytes(_, Bytes::Here(bytes))) = entries.get_mut(index).map(|entry| &mut entry.what)
        && let Some(byte) = bytes.get_mut(at)
    {
        *byte = 0;
    }
}

/// Replaces `word` where it is not a part of a longer one.
fn replace_words(text: &str, word: &str, by: &str) -> String {
    let in_word = |c: char| c.is_alphanumeric() || c == '_';
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(word) {
        let (before, from) = rest.split_at(at);
        let after = &from[word.len()..];
        out.push_str(before);
        let glued_before = word.starts_with(in_word) && out.ends_with(in_word);
        let glued = glued_before || (word.ends_with(in_word) && after.starts_with(in_word));
        out.push_str(if glued { word } else { by });
        rest = after;
    }
    out.push_str(rest);
    out
}

/// Replaces the hex digits of `id`, whatever single character stands between its bytes, by `x`.
fn without_hex(text: &str, id: &[u8]) -> String {
    let mut bytes = text.as_bytes().to_vec();
    for at in 0..bytes.len() {
        let Some(digits) = hex_at(&bytes, at, id) else { continue };
        digits.into_iter().for_each(|digit| bytes[digit] = b'x');
    }
    // Only ASCII digits were replaced, by ASCII.
    String::from_utf8(bytes).unwrap_or_default()
}

/// Positions of the digits of `id` if they begin at `at`.
fn hex_at(text: &[u8], at: usize, id: &[u8]) -> Option<Vec<usize>> {
    let mut digits = Vec::with_capacity(id.len() * 2);
    let mut at = at;
    for (number, byte) in id.iter().enumerate() {
        if number > 0 && matches!(text.get(at), Some(b' ' | b':' | b'-')) {
            at += 1;
        }
        for nibble in [byte >> 4, byte & 15] {
            let digit = char::from(*text.get(at)?).to_digit(16)?;
            if digit != u32::from(nibble) {
                return None;
            }
            digits.push(at);
            at += 1;
        }
    }
    Some(digits)
}

/// Names of serial ports by id end with the serial number of the device.
fn without_serials(text: &str) -> String {
    const BY_ID: &str = "/by-id/";
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(BY_ID) {
        let (before, after) = rest.split_at(at + BY_ID.len());
        out.push_str(before);
        out.push_str(NAME);
        let end = after.find(|c: char| c == '/' || c == '\'' || c == '"' || c.is_whitespace());
        rest = &after[end.unwrap_or(after.len())..];
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const ID: [u8; 16] =
        [0xde, 0xad, 0xbe, 0xef, 0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18, 0x19, 0x1a, 0x1b];

    fn redactor() -> Redactor {
        let some = |text: &str| Some(text.to_owned());
        Redactor::new(&Names { user: some("alice"), home: some("/home/alice"), host: some("wonderland") })
    }

    fn from_phone(bytes: &[u8]) -> Entry {
        entry(Direction::FromPhone, bytes)
    }

    fn entry(direction: Direction, bytes: &[u8]) -> Entry {
        let what = What::Bytes(direction, Bytes::Here(bytes.to_vec()));
        Entry { at: Duration::ZERO, frame: 0, what }
    }

    fn stream(entries: &[Entry]) -> Vec<u8> {
        places(entries, |_| true).into_iter().map(|place| byte(entries, place)).collect()
    }

    #[test]
    fn home_user_and_host_are_masked_and_longer_words_left_alone() {
        let redactor = redactor();
        for (text, masked) in [
            ("/home/alice/dump/system.img", "~/dump/system.img"),
            ("saved in /home/alice", "saved in ~"),
            ("/home/alicette/x", "/home/alicette/x"),
            ("/mnt/alice/x of alice, malice", "/mnt/xxxx/x of xxxx, malice"),
            ("wonderland:4000", "xxxx:4000"),
            ("nothing", "nothing"),
        ] {
            assert_eq!(redactor.text(text), masked);
        }
        let root = Names { user: Some("root".into()), home: Some("/superuser".into()), host: None };
        assert_eq!(Redactor::new(&root).text("the root of /superuser/x"), "the root of ~/x");
    }

    #[test]
    fn ids_in_text_are_masked_however_they_are_written() {
        let mut redactor = redactor();
        redactor.learn(&ID);
        let spaced = "de ad be ef 10 11 12 13 14 15 16 17 18 19 1a 1b";
        for text in [spaced.to_owned(), spaced.replace(' ', ""), spaced.replace(' ', ":").to_uppercase()] {
            let masked = redactor.text(&format!("id {text}, grün"));
            assert_eq!(masked.matches('x').count(), 32, "{masked}");
            assert!(masked.ends_with(", grün"));
        }
        assert_eq!(redactor.text("/dev/serial/by-id/usb-MediaTek_0123-if00 x"), "/dev/serial/by-id/xxxx x");
    }

    #[test]
    fn ids_in_recorded_bytes_become_zeros_of_the_same_length_also_across_pieces() {
        let mut redactor = redactor();
        redactor.learn(&ID);
        let mut entries = [from_phone(&[&[1], &ID[..5]].concat()), from_phone(&[&ID[5..], &[2]].concat())];
        redactor.entries(&mut entries);
        assert_eq!(stream(&entries), [&[1][..], &[0; 16], &[2]].concat());
    }

    #[test]
    fn the_id_of_a_report_is_found_by_its_place_and_then_everywhere() {
        let mut report = vec![7; REPORT - RANDOM_ID];
        report.extend(ID);
        report.extend([0x5a, 0, 0, 0x0c, 0x06, 0, 0, 4, 0x0b, 0xc1]);
        let (asked, again) = (entry(Direction::ToPhone, &[1; 56]), entry(Direction::ToPhone, &[0x72]));
        let (first, second) = report.split_at(100);
        let mut entries = [asked, from_phone(first), from_phone(second), again, from_phone(&ID)];
        let mut redactor = redactor();
        redactor.entries(&mut entries);
        let bytes = stream(&entries);
        assert!(!bytes.windows(16).any(|it| it == ID), "{bytes:02x?}");
        assert_eq!(bytes.len(), 56 + report.len() + 16 + 1);
    }

    #[test]
    fn the_me_id_is_found_by_its_command() {
        let answer = [&[0xe1, 0, 0, 0, 16][..], &ID, &[0, 0]].concat();
        let mut entries = [entry(Direction::ToPhone, &[0xe1]), from_phone(&answer)];
        redactor().entries(&mut entries);
        assert_eq!(stream(&entries), [&[0xe1, 0xe1, 0, 0, 0, 16][..], &[0; 18]].concat());
    }

    #[test]
    fn an_id_of_equal_bytes_is_none() {
        let mut redactor = redactor();
        redactor.learn(&[0; 16]);
        let mut entries = [from_phone(&[0; 40])];
        redactor.entries(&mut entries);
        assert_eq!(redactor.text(&"0".repeat(64)), "0".repeat(64));
    }
}
