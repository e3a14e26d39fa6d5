//! What a check says of files: which are hurt, and what is known of damaged pages that hurt none.

use bromide_job::pageimage::{Effect, Files, HurtChunk, HurtFile, HurtHeader, HurtPages};
use serde_json::{Map, Value, json};

use super::open::shown;
use super::pages::{MOST_LISTED, more};
use crate::numbers::{grouped, pages};
use crate::out::harmless;

/// Files that are listed on a screen.
const FILES: usize = 100;

/// Pieces of a file, and pages, that are listed on a screen.
const PIECES: usize = 8;

/// What damage means for files, for people.
pub(super) fn file_lines(files: &Files) -> Vec<String> {
    let hurt = match files {
        Files::None => return vec!["no YAFFS2 file system was found, so no files can be named".to_owned()],
        Files::Several => {
            let why = "this looks like more than one partition: with --map it is told which files are hurt";
            return vec![why.to_owned()];
        }
        Files::Hurt(hurt) => hurt,
    };
    let mut lines = Vec::new();
    if !hurt.files.is_empty() {
        lines.push("files that are hurt:".to_owned());
        lines.extend(hurt.files.iter().take(FILES).flat_map(one_file));
        lines.extend(more(hurt.files.len(), FILES));
    }
    if !hurt.headers.is_empty() {
        lines.push("names and attributes that are hurt:".to_owned());
        lines.extend(hurt.headers.iter().take(FILES).map(header));
        lines.extend(more(hurt.headers.len(), FILES));
    }
    lines.extend(listed(&hurt.stale, "older versions or deleted; no file is hurt by"));
    lines.extend(listed(
        &hurt.unknown,
        "tags damaged as well, and no file is known to miss anything there: whether one is hurt cannot be told of",
    ));
    for (name, pages) in &hurt.elsewhere {
        let what = match name.is_empty() {
            true => "in no partition of the map".to_owned(),
            false => format!("in {name}, which is no YAFFS2"),
        };
        lines.extend(listed(pages, &format!("{},", harmless(&what))));
    }
    let elsewhere = hurt.elsewhere.is_empty();
    if hurt.files.is_empty() && hurt.headers.is_empty() && hurt.unknown.is_empty() && elsewhere {
        lines.push("no file is hurt".to_owned());
    }
    lines
}

fn one_file(file: &HurtFile) -> Vec<String> {
    let mut lines = vec![format!("  /{}, {} bytes", shown(&file.path), grouped(file.bytes))];
    let piece = |it: &HurtChunk| {
        let (from, to) = (grouped(it.offset), grouped(it.offset + it.bytes.saturating_sub(1)));
        let page = it.page;
        if it.by_place {
            format!(
                "    bytes {from} to {to} are missing; damaged page {page} lies where they would have been"
            )
        } else {
            format!("    bytes {from} to {to} (page {page})")
        }
    };
    lines.extend(file.chunks.iter().take(PIECES).map(piece));
    lines.extend(more(file.chunks.len(), PIECES).map(|line| format!("  {line}")));
    lines
}

fn header(it: &HurtHeader) -> String {
    let (page, object) = (it.page, it.object);
    match &it.effect {
        Effect::Older(path) => format!(
            "  /{}: its newest header is damaged (page {page}); name, size and owner are those of an older one",
            shown(path)
        ),
        Effect::Nameless(path) => {
            format!("  object {object}: its name is lost (page {page}); it is /{}", shown(path))
        }
        Effect::Gone => {
            format!("  object {object}: nothing is left of it but its damaged header (page {page})")
        }
    }
}

fn listed(numbers: &[u32], what: &str) -> Option<String> {
    if numbers.is_empty() {
        return None;
    }
    let some: Vec<String> = numbers.iter().take(PIECES).map(ToString::to_string).collect();
    let left = more(numbers.len(), PIECES).unwrap_or_default();
    Some(format!("{what} {}: {}{left}", pages(numbers.len() as u64), some.join(", ")))
}

/// The same for programs. Paths are text; where that is not what is stored, the bytes follow as hex.
pub(super) fn files_value(files: Option<&Files>, value: &mut Value) {
    let none = HurtPages::default();
    let (name, hurt) = match files {
        None | Some(Files::None) => (None, &none),
        Some(Files::Several) => (Some("several"), &none),
        Some(Files::Hurt(hurt)) => (Some("yaffs2"), hurt),
    };
    value["file_system"] = json!(name);
    list(value, "files", &hurt.files, |file| {
        let mut all = Map::new();
        path(&mut all, &file.path);
        all.insert("object".into(), json!(file.object));
        all.insert("bytes".into(), json!(file.bytes));
        let chunk = |it: &HurtChunk| {
            json!({
                "chunk": it.chunk, "offset": it.offset, "bytes": it.bytes, "page": it.page, "by_place": it.by_place,
            })
        };
        all.insert("chunks".into(), file.chunks.iter().take(MOST_LISTED).map(chunk).collect());
        all.insert("chunks_unlisted".into(), json!(file.chunks.len().saturating_sub(MOST_LISTED)));
        Value::Object(all)
    });
    list(value, "headers", &hurt.headers, |it| {
        let mut all = Map::new();
        all.insert("page".into(), json!(it.page));
        all.insert("object".into(), json!(it.object));
        let (effect, named) = match &it.effect {
            Effect::Older(named) => ("older", Some(named)),
            Effect::Nameless(named) => ("nameless", Some(named)),
            Effect::Gone => ("gone", None),
        };
        all.insert("effect".into(), json!(effect));
        if let Some(named) = named {
            path(&mut all, named);
        }
        Value::Object(all)
    });
    list(value, "stale_pages", &hurt.stale, |page| json!(page));
    list(value, "unknown_pages", &hurt.unknown, |page| json!(page));
    list(value, "elsewhere", &hurt.elsewhere, |(name, pages)| {
        let some: Vec<u32> = pages.iter().copied().take(MOST_LISTED).collect();
        json!({"partition": name, "pages": some, "pages_unlisted": pages.len() - some.len()})
    });
}

fn list<T>(value: &mut Value, name: &str, all: &[T], one: impl Fn(&T) -> Value) {
    value[name] = all.iter().take(MOST_LISTED).map(one).collect();
    value[format!("{name}_unlisted")] = json!(all.len().saturating_sub(MOST_LISTED));
}

fn path(all: &mut Map<String, Value>, path: &[u8]) {
    all.insert("path".into(), json!(String::from_utf8_lossy(path)));
    if std::str::from_utf8(path).is_err() {
        let hex: String = path.iter().map(|byte| format!("{byte:02x}")).collect();
        all.insert("path_hex".into(), json!(hex));
    }
}
