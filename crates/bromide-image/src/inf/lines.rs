//! Logical lines, keys and fields of an INF text: comments, continuation lines, quotes (`formats.md` section 7.1).

use alloc::string::String;

/// Longest field that is kept, in bytes; the rest is cut. Far beyond any real one; it bounds what a text of a
/// few letters can be blown up to by `%strings%`.
pub(super) const LONGEST: usize = 1024;

/// A line with all its continuations, without the comment at its end.
#[derive(Clone, Copy)]
pub(super) struct Line<'a> {
    /// Number of its first line, from 1.
    pub(super) number: u32,
    /// From its first character that is not blank. Continuations and comments inside are still there.
    pub(super) raw: &'a str,
    /// Where the first `=` outside quotes is, in bytes from the start of `raw`.
    pub(super) equals: Option<usize>,
    /// Characters before `raw`.
    pub(super) indent: u32,
    /// A quote is still open at its end.
    pub(super) open_quote: bool,
}

/// The lines that are not blank or comment alone.
pub(super) fn lines(text: &str) -> impl Iterator<Item = Line<'_>> {
    let mut rest = text;
    let mut number = 1_u32;
    core::iter::from_fn(move || {
        while !rest.is_empty() {
            let (line, after, ended) = line(rest, number);
            rest = after;
            number = number.saturating_add(ended);
            if !line.raw.is_empty() {
                return Some(line);
            }
        }
        None
    })
}

/// The logical line at the front of a text, what is behind it, and how many lines it ended.
fn line(text: &str, number: u32) -> (Line<'_>, &str, u32) {
    let body = text.trim_start_matches(is_blank);
    let indent = count(text.len().saturating_sub(body.len()));
    let (mut equals, mut quoted, mut ended, mut at) = (None, false, 0_u32, 0_usize);
    let mut end = None;
    let rest = loop {
        let here = body.get(at..).unwrap_or_default();
        let Some(byte) = here.bytes().next() else { break here };
        match byte {
            b'\n' | b'\r' => {
                ended = ended.saturating_add(1);
                break behind_line_end(here);
            }
            b'"' => quoted = !quoted,
            b';' if !quoted => {
                end = Some(at);
                let comment = line_end(here);
                ended = ended.saturating_add(1);
                break behind_line_end(here.get(comment..).unwrap_or_default());
            }
            b'\\' if !quoted => {
                if let Some(skip) = continuation(here) {
                    at = at.saturating_add(skip);
                    ended = ended.saturating_add(1);
                    continue;
                }
            }
            b'=' if !quoted && equals.is_none() => equals = Some(at),
            _ => {}
        }
        at = at.saturating_add(here.chars().next().map_or(1, char::len_utf8));
    };
    let raw = body.get(..end.unwrap_or(at)).unwrap_or_default().trim_end_matches(is_blank);
    (Line { number, raw, equals, indent, open_quote: quoted }, rest, ended)
}

/// Bytes of `\`, blanks, a comment and the line end behind it, if the text begins with a continuation.
fn continuation(text: &str) -> Option<usize> {
    let after = text.strip_prefix('\\')?.trim_start_matches(is_blank);
    let after = if after.starts_with(';') { after.get(line_end(after)..)? } else { after };
    let next = behind_line_end(after);
    (next.len() < after.len()).then(|| text.len().saturating_sub(next.len()))
}

fn line_end(text: &str) -> usize {
    text.find(['\n', '\r']).unwrap_or(text.len())
}

fn behind_line_end(text: &str) -> &str {
    ["\r\n", "\n", "\r"].iter().find_map(|end| text.strip_prefix(end)).unwrap_or(text)
}

/// Blanks inside a line. Files with NUL bytes at their end exist where a tool padded them.
fn is_blank(c: char) -> bool {
    !matches!(c, '\n' | '\r') && (c.is_whitespace() || c == '\0')
}

fn count(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

/// The comma-separated fields of a raw value, unquoted and trimmed, each cut at [`LONGEST`] bytes.
pub(super) fn fields(raw: &str) -> impl Iterator<Item = String> {
    let mut rest = Some(raw).filter(|raw| !raw.is_empty());
    core::iter::from_fn(move || {
        let (field, after) = field(rest?, true);
        rest = after;
        Some(field)
    })
}

/// A raw key: as a field, but commas belong to it.
pub(super) fn whole(raw: &str) -> String {
    field(raw, false).0
}

/// The field at the front and what is behind its comma.
fn field(raw: &str, at_comma: bool) -> (String, Option<&str>) {
    let mut out = String::new();
    // Blanks at the end are dropped, but not those inside quotes.
    let mut keep = 0_usize;
    let mut quoted = false;
    let mut rest = raw;
    while let Some(c) = rest.chars().next() {
        let after = rest.get(c.len_utf8()..).unwrap_or_default();
        if c == '"' {
            if quoted && after.starts_with('"') {
                push(&mut out, '"');
                rest = after.get(1..).unwrap_or_default();
            } else {
                quoted = !quoted;
                rest = after;
            }
            keep = out.len();
            continue;
        }
        if !quoted {
            if c == ',' && at_comma {
                out.truncate(keep);
                return (out, Some(after));
            }
            if let Some(skip) = Some(rest).filter(|_| c == '\\').and_then(continuation) {
                rest = rest.get(skip..).unwrap_or_default();
                continue;
            }
            if is_blank(c) {
                if !out.is_empty() {
                    push(&mut out, c);
                }
                rest = after;
                continue;
            }
        }
        push(&mut out, c);
        keep = out.len();
        rest = after;
    }
    out.truncate(keep);
    (out, None)
}

fn push(out: &mut String, c: char) {
    if out.len() < LONGEST {
        out.push(c);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    fn all(raw: &str) -> Vec<String> {
        fields(raw).collect()
    }

    #[test]
    fn fields_are_trimmed_and_unquoted() {
        assert_eq!(all("a , \"b, c\",  d e ,"), ["a", "b, c", "d e", ""]);
        assert_eq!(all("\"say \"\"hi\"\" \"  , x"), ["say \"hi\" ", "x"]);
        assert_eq!(all("\"\""), [""]);
        assert_eq!(all(""), [""; 0]);
        assert_eq!(all("HKR,,DevLoader,,*ntkern"), ["HKR", "", "DevLoader", "", "*ntkern"]);
    }

    #[test]
    fn a_line_goes_on_behind_a_backslash_at_its_end() {
        let text = "a = b, \\  ; why\r\n  c\\d, \\\n\te\nf=\"x\\\"\ng";
        let found: Vec<_> = lines(text).collect();
        assert_eq!(found.iter().map(|line| line.number).collect::<Vec<_>>(), [1, 4, 5]);
        let value = found[0].raw.split_at(found[0].equals.unwrap() + 1).1;
        assert_eq!(all(value), ["b", "c\\d", "e"]);
        assert_eq!(found[1].raw, "f=\"x\\\"");
    }

    #[test]
    fn a_semicolon_in_quotes_is_no_comment() {
        let found: Vec<_> = lines("; nothing\n\n  a=\"D:P(A;;GA)\" ; rest \"\nb;=c\n\"open ; x\nd").collect();
        let raw: Vec<_> = found.iter().map(|line| (line.raw, line.indent, line.open_quote)).collect();
        let want =
            [("a=\"D:P(A;;GA)\"", 2, false), ("b", 0, false), ("\"open ; x", 0, true), ("d", 0, false)];
        assert_eq!(raw, want);
        assert_eq!(found[1].equals, None);
    }

    #[test]
    fn all_line_ends_count_one_line() {
        let numbers: Vec<_> = lines("a\r\nb\rc\n\n\nd").map(|line| line.number).collect();
        assert_eq!(numbers, [1, 2, 3, 6]);
    }
}
