//! Names that can be written: every name of an image, whatever its bytes, becomes one that names a new entry of the
//! directory it belongs to and nothing else.
//!
//! A name that Unix allows stays as it is, byte by byte, UTF-8 or not. A `/` becomes `%2F`, a zero byte `%00`, `.` and
//! `..` become `%2E` and `%2E%2E`, an empty name `%`, a name of more than 255 bytes is cut and ends in `%..`. Of
//! several equal names all but one get `~2`, `~3` and so on; names that need no change have the first choice. Where a
//! file system takes fewer names than Unix does, what it refuses is spelled in letters all of them take
//! ([`portable`]).

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use bromide_image::files::{Entry, Files};

/// Bytes of the longest name Unix systems take.
pub const LONGEST: usize = 255;

/// Bytes of a name that every file system takes; eCryptfs, the strictest, takes 143.
const SHORT: usize = 120;

/// Bytes that names share before they count as candidates for the same numbers: what a number leaves of a long name.
const SHARED: usize = 200;

/// Names an honest directory may hold twice, as after a power cut. Of more, the first of each is the one to be found.
const MOST_TWICE: usize = 256;

/// End of a name that was cut.
const CUT: &[u8] = b"%..";

/// The names of one directory.
#[derive(Debug, Default)]
pub struct Names {
    taken: BTreeSet<Vec<u8>>,
    /// Number to try next for a name that was wanted before: its beginning, and its end.
    next: BTreeMap<(Vec<u8>, Vec<u8>), u32>,
}

impl Names {
    /// Gives everything in a directory its name, in the order of the entries.
    pub fn assign(
        &mut self,
        files: &dyn Files,
        directory: u64,
        entries: Vec<Entry>,
    ) -> Vec<(Entry, Vec<u8>)> {
        let mut count: BTreeMap<&[u8], u32> = BTreeMap::new();
        for entry in &entries {
            *count.entry(&entry.name).or_insert(0) += 1;
        }
        // What a phone finds under a name keeps it. To ask for every name takes a hostile directory too long.
        count.retain(|_, count| *count > 1);
        let twice: BTreeMap<&[u8], Option<u64>> = count
            .into_keys()
            .take(MOST_TWICE)
            .map(|name| (name, files.child(directory, name).ok().flatten().map(|it| it.id)))
            .collect();
        let found: Vec<bool> = entries
            .iter()
            .map(|entry| twice.get(&entry.name[..]).is_none_or(|found| *found == Some(entry.id)))
            .collect();
        let mut names: Vec<Vec<u8>> = vec![Vec::new(); entries.len()];
        let plain = |name: &[u8]| matches!(writable(name), Cow::Borrowed(_));
        for pass in 0..3 {
            for (at, entry) in entries.iter().enumerate() {
                let due = if !plain(&entry.name) { 2 } else { usize::from(!found[at]) };
                if due == pass {
                    names[at] = self.take(&entry.name, b"");
                }
            }
        }
        entries.into_iter().zip(names).collect()
    }

    /// A name like this one, with an end of its own, that is not taken yet. It is from now on.
    pub fn take(&mut self, name: &[u8], end: &[u8]) -> Vec<u8> {
        let base = writable(name);
        let mut made = fitting(&base, end);
        if self.taken.contains(&made) {
            // Long names are alike once they are cut: they share one count, or a crowd of them would try for hours.
            let key = (base.get(..SHARED).unwrap_or(&base).to_vec(), end.to_vec());
            let mut number = self.next.get(&key).copied().unwrap_or(2);
            while self.taken.contains(&made) {
                made = fitting(&base, &[format!("~{number}").as_bytes(), end].concat());
                number += 1;
            }
            self.next.insert(key, number);
        }
        self.taken.insert(made.clone());
        made
    }
}

/// The name itself where it can be written, or what stands for it.
#[must_use]
pub fn writable(name: &[u8]) -> Cow<'_, [u8]> {
    match name {
        b"" => return b"%".to_vec().into(),
        b"." => return b"%2E".to_vec().into(),
        b".." => return b"%2E%2E".to_vec().into(),
        _ if name.len() <= LONGEST && !name.iter().any(|byte| matches!(byte, b'/' | 0)) => {
            return Cow::Borrowed(name);
        }
        _ => {}
    }
    let mut made = Vec::with_capacity(name.len().min(LONGEST + 1));
    for byte in name {
        match byte {
            b'/' => made.extend(b"%2F"),
            0 => made.extend(b"%00"),
            byte => made.push(*byte),
        }
        if made.len() > LONGEST {
            return Cow::Owned(fitting(&made, CUT));
        }
    }
    Cow::Owned(made)
}

/// A name of letters, digits and a few signs that any file system takes: every other byte is written as `%` and its
/// two digits, and what is longer than most is cut and ends in `%..`.
#[must_use]
pub fn portable(name: &[u8]) -> Vec<u8> {
    let mut made = Vec::new();
    for (at, byte) in name.iter().enumerate() {
        let taken = matches!(byte, b'.' if at > 0 && at + 1 < name.len())
            || byte.is_ascii_alphanumeric()
            || b"-_~+,=@%".contains(byte);
        let mut piece = vec![*byte];
        if !taken {
            piece = format!("%{byte:02X}").into_bytes();
        }
        if made.len() + piece.len() > SHORT - CUT.len() && at + 1 < name.len() {
            return [&made[..], CUT].concat();
        }
        made.extend(piece);
    }
    if made.is_empty() { b"%".to_vec() } else { made }
}

/// A name with this end, cut before it where both are too long; no character is cut in two.
fn fitting(name: &[u8], end: &[u8]) -> Vec<u8> {
    let room = LONGEST.saturating_sub(end.len());
    let mut kept = name.len().min(room);
    if kept < name.len() {
        let continued = |at: usize| name.get(at).is_some_and(|byte| byte & 0xC0 == 0x80);
        let start = (kept.saturating_sub(3)..=kept).rev().find(|at| !continued(*at));
        kept = start.unwrap_or(kept);
    }
    [name.get(..kept).unwrap_or_default(), end].concat()
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn only_what_cannot_be_written_is_changed() {
        let long = [b'a'; 300];
        let cut = [&[b'a'; 252][..], b"%.."].concat();
        for (name, made) in [
            (&b"plain"[..], &b"plain"[..]),
            (b"invalid \xff\xfe", b"invalid \xff\xfe"),
            (b"\x1b[31m\n", b"\x1b[31m\n"),
            (b"...", b"..."),
            (b"a%2Fb", b"a%2Fb"),
            (b"a/b", b"a%2Fb"),
            (b"../x", b"..%2Fx"),
            (b"/", b"%2F"),
            (b"a\0b", b"a%00b"),
            (b".", b"%2E"),
            (b"..", b"%2E%2E"),
            (b"", b"%"),
            (&long, &cut),
            (&long[..255], &long[..255]),
        ] {
            assert_eq!(writable(name), made);
        }
    }

    #[test]
    fn a_name_is_given_once() {
        let mut names = Names::default();
        assert_eq!(names.take(b"a", b""), b"a");
        assert_eq!(names.take(b"a", b""), b"a~2");
        assert_eq!(names.take(b"a", b".damaged"), b"a.damaged");
        assert_eq!(names.take(b"a", b".damaged"), b"a~2.damaged");
        assert_eq!(names.take(b"a~3", b""), b"a~3");
        assert_eq!(names.take(b"a", b""), b"a~4");
    }

    #[test]
    fn a_portable_name_is_ascii_and_short() {
        for (name, made) in [
            (&b"lib.so"[..], &b"lib.so"[..]),
            (b"a:b?c", b"a%3Ab%3Fc"),
            (b".hidden.", b"%2Ehidden%2E"),
            (b"\xff\xfe \\", b"%FF%FE%20%5C"),
            (b"..", b"%2E%2E"),
            (b"a/b\0", b"a%2Fb%00"),
            (b"", b"%"),
        ] {
            assert_eq!(portable(name), made, "{}", name.escape_ascii());
        }
        for length in 100..400 {
            for byte in [b'n', 0xFF] {
                let made = portable(&vec![byte; length]);
                assert!(made.len() <= SHORT && made.is_ascii(), "{length}");
                assert_eq!(
                    made.ends_with(CUT),
                    length > if byte == b'n' { SHORT - CUT.len() + 1 } else { 40 }
                );
            }
        }
    }

    #[test]
    fn long_names_that_differ_at_their_ends_are_numbered_in_a_moment() {
        let mut names = Names::default();
        let begun = Instant::now();
        for _ in 0..2 {
            for last in 0..20_000_u32 {
                let name = [&[b'n'; 251][..], format!("{last:04x}").as_bytes()].concat();
                let made = names.take(&name, b"");
                assert!(made.len() <= LONGEST);
            }
        }
        assert_eq!(names.taken.len(), 40_000, "each is another");
        assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    }

    #[test]
    fn names_stay_short_and_their_characters_whole() {
        let mut names = Names::default();
        let long = "é".repeat(200).into_bytes();
        for _ in 0..20 {
            let made = names.take(&long, b".damaged");
            assert!(made.len() <= LONGEST && std::str::from_utf8(&made).is_ok());
        }
    }
}
