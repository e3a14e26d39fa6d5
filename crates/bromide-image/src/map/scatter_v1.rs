//! YAML-like scatter text (formats.md sections 2.2 to 2.4): V1.1.x with one storage, V2.x with a section for each.
//!
//! It comes from a fixed printer and is read by lines, as the vendor's tools do; a YAML parser fails on some real
//! files. `partition_index` opens an entry, `storage_type` a section; any other line with a dash closes the entry.

use alloc::borrow::ToOwned;

use super::entries::{Entries, Value};
use super::error::{Fault, MapError};
use super::lines::{Line, column, lines, printable};
use super::{Map, Source};

/// Parses text that has at least one key of this kind in it.
pub(super) fn parse(text: &[u8]) -> Result<Map, MapError> {
    let mut entries = Entries::new();
    let mut end = Line { number: 1, bytes: b"" };
    for line in lines(text) {
        end = line;
        let body = line.bytes.trim_ascii();
        if body.is_empty() || body.starts_with(b"#") {
            continue;
        }
        let row = row(line)?;
        match row.key {
            "partition_index" => entries.entry(line, row.column)?,
            "storage_type" => entries.section(&row.value)?,
            key => {
                if row.dash || matches!(key, "general" | "description" | "info") {
                    entries.close_entry();
                }
                entries.key(key, row.value)?;
            }
        }
    }
    entries.finish(end, Source::ScatterV1, Source::ScatterV2)
}

struct Row<'a> {
    dash: bool,
    key: &'a str,
    column: u32,
    value: Value<'a>,
}

/// `- key: value` or `key: value`.
fn row(line: Line<'_>) -> Result<Row<'_>, MapError> {
    let bytes = line.bytes;
    let offset = |part: &[u8]| bytes.len().saturating_sub(part.len());
    let body = bytes.trim_ascii_start();
    let (dash, body) = match body.strip_prefix(b"-") {
        Some(rest) => (true, rest.trim_ascii_start()),
        None => (false, body),
    };
    let key_column = column(offset(body));
    let is_key = |it: &u8| it.is_ascii_alphanumeric() || *it == b'_';
    let length = body.iter().take_while(|it| is_key(it)).count();
    let (key, rest) = body.split_at_checked(length).unwrap_or_default();
    let after = rest.trim_ascii_start();
    let value = after.strip_prefix(b":").filter(|_| !key.is_empty()).ok_or_else(|| {
        let found = match printable(after) {
            it if it.is_empty() => "the end of the line".to_owned(),
            it => alloc::format!("\"{it}\""),
        };
        line.fault(column(offset(after)), Fault::Expected { wanted: "a key, a colon and a value", found })
    })?;
    let value = value.trim_ascii_start();
    let value_column = column(offset(value));
    let text = core::str::from_utf8(value.trim_ascii_end())
        .map_err(|_| line.fault(value_column, Fault::BadValue))?
        .to_owned();
    let key = core::str::from_utf8(key).unwrap_or_default();
    Ok(Row { dash, key, column: key_column, value: Value { text, line, column: value_column } })
}
