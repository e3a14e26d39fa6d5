//! Sections, their entries, and the string table (`formats.md` section 7.1).

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::lines::{LONGEST, fields, lines, whole};
use super::{Inf, Notes, Oddity};

/// All sections of one name; names differ in more than case.
#[derive(Debug, Clone, Default)]
pub(super) struct Section<'a> {
    /// The name as first written.
    pub(super) name: &'a str,
    pub(super) entries: Vec<Entry<'a>>,
    /// Entries by their key in lower case.
    keys: BTreeMap<String, Vec<usize>>,
}

/// One line of a section, raw: quotes, continuations and `%strings%` are still in it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry<'a> {
    pub(super) line: u32,
    /// Column of its first character.
    pub(super) column: u32,
    /// What stands before `=`.
    pub(super) key: Option<&'a str>,
    /// What stands behind `=`, or the line.
    pub(super) value: &'a str,
}

impl<'a> Section<'a> {
    /// The entries with a key (in lower case), in the order of the file.
    pub(super) fn all(&self, key: &str) -> impl Iterator<Item = &Entry<'a>> {
        self.keys.get(key).into_iter().flatten().filter_map(|at| self.entries.get(*at))
    }

    /// The first entry with a key (in lower case).
    pub(super) fn first(&self, key: &str) -> Option<&Entry<'a>> {
        self.all(key).next()
    }

    /// The first entry of each key that begins so (in lower case).
    pub(super) fn beginning(&self, start: &'static str) -> impl Iterator<Item = &Entry<'a>> {
        let keys = self.keys.range(String::from(start)..).take_while(move |(key, _)| key.starts_with(start));
        keys.filter_map(|(_, at)| self.entries.get(*at.first()?))
    }
}

/// Reads all sections, by name in lower case.
pub(super) fn read<'a>(text: &'a str, notes: &mut Notes) -> BTreeMap<String, Section<'a>> {
    let mut sections = BTreeMap::<String, Section<'a>>::new();
    let mut current: Option<String> = None;
    let mut told = false;
    for line in lines(text) {
        let column = line.indent.saturating_add(1);
        if line.open_quote {
            notes.add(line.number, column, Oddity::OpenQuote);
        }
        if let Some(header) = line.raw.strip_prefix('[') {
            let name = header.split_once(']').map(|(name, _)| name);
            if name.is_none() {
                notes.add(line.number, column, Oddity::OpenHeader);
            }
            let name = name.unwrap_or(header).trim();
            let lower = name.to_lowercase();
            let section = sections.entry(lower.clone()).or_default();
            if section.name.is_empty() {
                section.name = name;
            }
            current = Some(lower);
            continue;
        }
        let Some(section) = current.as_ref().and_then(|name| sections.get_mut(name)) else {
            if !told {
                notes.add(line.number, column, Oddity::BeforeFirst);
            }
            told = true;
            continue;
        };
        let split = line.equals.and_then(|at| line.raw.split_at_checked(at));
        let (key, value) = match split {
            Some((key, value)) => (Some(key), value.strip_prefix('=').unwrap_or(value)),
            None => (None, line.raw),
        };
        if let Some(key) = key {
            let at = section.entries.len();
            section.keys.entry(whole(key).to_lowercase()).or_default().push(at);
        }
        section.entries.push(Entry { line: line.number, column, key, value });
    }
    sections
}

/// The string table: `[Strings]`, and over it the section of the language.
pub(super) fn strings(
    sections: &BTreeMap<String, Section<'_>>,
    language: Option<u16>,
) -> BTreeMap<String, String> {
    let localised = language.and_then(|id| sections.get(&format!("strings.{id:04x}")));
    let mut strings = BTreeMap::new();
    for section in [sections.get("strings"), localised].into_iter().flatten() {
        let entries = section.keys.iter().filter_map(|(name, at)| Some((name, at.first()?)));
        for (name, entry) in entries.filter_map(|(name, at)| Some((name, section.entries.get(*at)?))) {
            strings.insert(name.clone(), fields(entry.value).next().unwrap_or_default());
        }
    }
    strings
}

impl Inf<'_> {
    /// Replaces `%name%` from the string table and `%%` by one percent sign; unknown names stay as they are. The
    /// result is cut at 1024 bytes.
    pub(super) fn expand(&self, text: &str) -> String {
        let mut out = String::new();
        let mut rest = text;
        while let Some((before, behind)) = rest.split_once('%') {
            push(&mut out, before);
            let Some((name, after)) = behind.split_once('%') else {
                rest = rest.get(before.len()..).unwrap_or_default();
                break;
            };
            match self.strings.get(&name.to_lowercase()) {
                _ if name.is_empty() => push(&mut out, "%"),
                Some(value) => push(&mut out, value),
                None => {
                    push(&mut out, "%");
                    push(&mut out, name);
                    push(&mut out, "%");
                }
            }
            rest = after;
        }
        push(&mut out, rest);
        out
    }

    /// The first field of a value, expanded; nothing if it is empty.
    pub(super) fn value(&self, raw: &str) -> Option<String> {
        self.values(raw).next().filter(|value| !value.is_empty())
    }

    /// The fields of a value, expanded.
    pub(super) fn values(&self, raw: &str) -> impl Iterator<Item = String> {
        fields(raw).map(|field| self.expand(&field))
    }
}

fn push(out: &mut String, text: &str) {
    let room = LONGEST.saturating_sub(out.len());
    out.push_str(text.get(..text.floor_char_boundary(room)).unwrap_or_default());
}
