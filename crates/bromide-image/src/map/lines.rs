//! Lines and tokens of a map's text, with the places errors point to.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;

use super::error::{Fault, MapError};

/// Longest text an error quotes, in characters.
const QUOTED: usize = 80;

/// The text without a UTF-8 byte order mark.
pub(super) fn without_bom(text: &[u8]) -> &[u8] {
    text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text)
}

/// One line without its end, or the text from the start of a line on.
#[derive(Clone, Copy)]
pub(super) struct Line<'a> {
    pub(super) number: u32,
    pub(super) bytes: &'a [u8],
}

/// The lines of a text. CR, LF and CRLF each end a line, also mixed in one file.
pub(super) fn lines(text: &[u8]) -> impl Iterator<Item = Line<'_>> {
    let mut rest = text;
    let mut number = 0_u32;
    core::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        number = number.saturating_add(1);
        let end = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r')).unwrap_or(rest.len());
        let (bytes, after) = rest.split_at_checked(end)?;
        rest = [&b"\r\n"[..], b"\n", b"\r"].iter().find_map(|&it| after.strip_prefix(it)).unwrap_or(after);
        Some(Line { number, bytes })
    })
}

/// A word of a line and the column of its first byte, from 1.
#[derive(Clone, Copy)]
pub(super) struct Token<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) column: u32,
}

impl<'a> Line<'a> {
    /// The words of the line: separated by blanks and tabs; a brace is a word of its own.
    pub(super) fn tokens(self) -> impl Iterator<Item = Token<'a>> {
        let mut rest = self.bytes;
        let mut column = 1_u32;
        core::iter::from_fn(move || {
            let blanks = rest.iter().take_while(|byte| is_blank(byte)).count();
            let (skipped, after) = rest.split_at_checked(blanks)?;
            column = column.saturating_add(length(skipped));
            let first = after.first()?;
            let len = if is_brace(first) {
                1
            } else {
                after.iter().take_while(|byte| !is_blank(byte) && !is_brace(byte)).count()
            };
            let (bytes, left) = after.split_at_checked(len)?;
            let token = Token { bytes, column };
            rest = left;
            column = column.saturating_add(length(bytes));
            Some(token)
        })
    }

    /// The column behind the last byte that is not blank.
    pub(super) fn end_column(self) -> u32 {
        length(self.bytes.trim_ascii_end()).saturating_add(1)
    }

    /// An error at a column of this line.
    pub(super) fn fault(self, column: u32, what: Fault) -> MapError {
        let end = self.bytes.iter().position(|it| matches!(it, b'\n' | b'\r')).unwrap_or(self.bytes.len());
        let line = self.bytes.get(..end).unwrap_or_default();
        let at = usize::try_from(column.saturating_sub(1)).unwrap_or(usize::MAX).min(end);
        let (before, after) = line.split_at_checked(at).unwrap_or((line, b""));
        let mut text = tail(before);
        let at = text.len();
        push_printable(&mut text, after);
        MapError { line: self.number, column, what, text, at }
    }
}

/// What stands before a column, fit for printing; its end when it is long.
fn tail(before: &[u8]) -> String {
    let mut text = String::new();
    let skipped = before.len().saturating_sub(QUOTED.div_euclid(2));
    let mut kept = before;
    if before.len() > QUOTED.div_euclid(2).saturating_mul(3).div_euclid(2) {
        text.push('…');
        // Not from the middle of a character.
        let is_rest = |it: &&u8| **it & 0xC0 == 0x80;
        let shown = before.get(skipped..).unwrap_or_default();
        let rest = shown.iter().take_while(is_rest).count();
        kept = shown.get(rest..).unwrap_or_default();
    }
    push_printable(&mut text, kept);
    text
}

fn is_blank(byte: &u8) -> bool {
    byte.is_ascii_whitespace() || *byte == 0x0b
}

fn is_brace(byte: &u8) -> bool {
    matches!(byte, b'{' | b'}')
}

fn length(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX)
}

/// Text of a file made fit for a message: shortened, control characters escaped, invalid UTF-8 replaced.
pub(super) fn printable(bytes: &[u8]) -> String {
    let mut out = String::new();
    push_printable(&mut out, bytes);
    out
}

/// Adds it to a text, which is shortened as a whole.
fn push_printable(out: &mut String, bytes: &[u8]) {
    // Four bytes a character at most, so this cut loses nothing that would be shown.
    let head = bytes.get(..bytes.len().min(QUOTED.saturating_mul(4))).unwrap_or_default();
    let mut count = out.chars().count();
    for char in String::from_utf8_lossy(head).chars() {
        if count >= QUOTED {
            out.push('…');
            return;
        }
        count = count.saturating_add(1);
        match char {
            '\t' => out.push(' '),
            it if it.is_control() || turns_text(it) => out.extend(it.escape_default()),
            it => out.push(it),
        }
    }
    if head.len() < bytes.len() {
        out.push('…');
    }
}

/// Characters that are not seen, and change the order or the place of those that are.
fn turns_text(it: char) -> bool {
    matches!(it, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// "found" text for [`Fault::Expected`].
pub(super) fn quoted(token: Option<Token<'_>>) -> String {
    token.map_or_else(|| "the end of the line".to_owned(), |it| format!("\"{}\"", printable(it.bytes)))
}

/// The column of an offset from the start of a line.
pub(super) fn column(offset: usize) -> u32 {
    u32::try_from(offset).unwrap_or(u32::MAX).saturating_add(1)
}

/// Reads `0x` and hexadecimal digits.
pub(super) fn prefixed_hex(word: &[u8], bits: u32, expected: &'static str) -> Result<u64, Fault> {
    let digits = word.strip_prefix(b"0x").or_else(|| word.strip_prefix(b"0X")).unwrap_or_default();
    hex(digits, word, bits, expected)
}

/// Reads decimal digits.
pub(super) fn decimal(word: &[u8]) -> Result<u64, Fault> {
    let text = core::str::from_utf8(word).ok().filter(|it| it.bytes().all(|byte| byte.is_ascii_digit()));
    text.and_then(|it| it.parse().ok()).ok_or_else(|| Fault::BadNumber(printable(word)))
}

/// Reads hexadecimal digits. `expected` says how they are written in this kind of file.
pub(super) fn hex(digits: &[u8], shown: &[u8], bits: u32, expected: &'static str) -> Result<u64, Fault> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_hexdigit) {
        return Err(Fault::BadHex(printable(shown), expected));
    }
    let too_large = || Fault::TooLarge(printable(shown), bits);
    let text = core::str::from_utf8(digits).map_err(|_| too_large())?;
    let value = u64::from_str_radix(text, 16).map_err(|_| too_large())?;
    if value.checked_shr(bits).unwrap_or(0) != 0 {
        return Err(too_large());
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    #[test]
    fn every_line_end_counts_once() {
        let seen: Vec<_> = lines(b"a\r\nb\rc\n\nd").map(|it| (it.number, it.bytes)).collect();
        assert_eq!(seen, [(1, &b"a"[..]), (2, b"b"), (3, b"c"), (4, b""), (5, b"d")]);
    }

    #[test]
    fn words_know_their_columns() {
        let line = Line { number: 1, bytes: b"\t NAME  0x0{ " };
        let seen: Vec<_> = line.tokens().map(|it| (it.column, it.bytes)).collect();
        assert_eq!(seen, [(3, &b"NAME"[..]), (9, b"0x0"), (12, b"{")]);
        assert_eq!(line.end_column(), 13);
    }

    #[test]
    fn quoted_text_is_short_and_harmless() {
        assert_eq!(printable(b"a\tb\x1b[31m\xff"), "a b\\u{1b}[31m\u{fffd}");
        assert_eq!(printable(&[b'x'; 5000]).chars().count(), QUOTED + 1);
    }

    #[test]
    fn the_quoted_part_of_a_line_has_the_column_in_it() {
        let at = |bytes: &[u8], column| {
            let error = Line { number: 1, bytes }.fault(column, Fault::Empty);
            assert!(error.text.chars().count() <= QUOTED + 1, "{}", error.text);
            let (before, after) = error.text.split_at(error.at);
            (String::from(before), String::from(after))
        };
        assert_eq!(at(b"a\tb\x01c X", 7), ("a b\\u{1}c ".into(), "X".into()));
        assert_eq!(at("é世X".as_bytes(), 6), ("é世".into(), "X".into()));
        assert_eq!(at(b"short", 6), ("short".into(), "".into()));
        assert_eq!(at(b"short", 600), ("short".into(), "".into()));
        assert_eq!(at(b"", 0), ("".into(), "".into()));
        assert_eq!(at("a\u{202e}b".as_bytes(), 5), ("a\\u{202e}".into(), "b".into()));
        let long = ["世".repeat(50_000).as_bytes(), b"X", &[b'y'; 50_000]].concat();
        let (before, after) = at(&long, 150_001);
        assert_eq!((before.as_str(), after.starts_with('X')), ("…世世世世世世世世世世世世世", true));
        assert!(after.ends_with('…'), "{after}");
    }

    #[test]
    fn numbers_are_exact_up_to_their_width() {
        assert_eq!(hex(b"000000000000000000ffffffff", b"", 32, ""), Ok(0xFFFF_FFFF));
        assert!(matches!(hex(b"100000000", b"", 32, ""), Err(Fault::TooLarge(..))));
        assert_eq!(hex(b"FFFFFFFFFFFFFFFF", b"", 64, ""), Ok(u64::MAX));
        assert!(matches!(hex(b"10000000000000000", b"", 64, ""), Err(Fault::TooLarge(..))));
        assert!(matches!(hex(b"+1", b"", 64, ""), Err(Fault::BadHex(..))));
        assert!(matches!(hex(b"", b"", 64, ""), Err(Fault::BadHex(..))));
    }
}
