//! The characters of an INF file: ASCII, the Windows code page, UTF-16 or UTF-8 (`formats.md` section 7.1).
//!
//! Any bytes give a text. What could not be decoded becomes U+FFFD and is counted.

use alloc::string::String;
use core::fmt;

/// How the bytes of an INF file stand for characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// Only bytes below 0x80.
    Ascii,
    /// Windows code page 1252, the meaning given to any other 8-bit file.
    Cp1252,
    /// UTF-8 with a byte order mark. Without the mark Windows takes a file for its code page, and so does this.
    Utf8,
    /// UTF-16, low byte first, with or without a byte order mark.
    Utf16Le,
    /// UTF-16, high byte first, with a byte order mark.
    Utf16Be,
}

impl fmt::Display for Encoding {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Ascii => "ASCII",
            Self::Cp1252 => "cp1252",
            Self::Utf8 => "UTF-8",
            Self::Utf16Le => "UTF-16LE",
            Self::Utf16Be => "UTF-16BE",
        })
    }
}

/// The decoded text of an INF file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    /// How it was stored.
    pub encoding: Encoding,
    /// Characters that could not be decoded; each is U+FFFD in the text.
    pub undecodable: usize,
    pub(super) text: String,
}

impl Text {
    /// Decodes the bytes of a file.
    pub fn decode(bytes: &[u8]) -> Self {
        if let Some(rest) = bytes.strip_prefix(b"\xff\xfe") {
            return Self::utf16(rest, Encoding::Utf16Le, u16::from_le_bytes);
        }
        if let Some(rest) = bytes.strip_prefix(b"\xfe\xff") {
            return Self::utf16(rest, Encoding::Utf16Be, u16::from_be_bytes);
        }
        if let Some(rest) = bytes.strip_prefix(b"\xef\xbb\xbf") {
            let text = String::from_utf8_lossy(rest).into_owned();
            return Self { encoding: Encoding::Utf8, undecodable: replaced(&text), text };
        }
        if looks_like_utf16le(bytes) {
            return Self::utf16(bytes, Encoding::Utf16Le, u16::from_le_bytes);
        }
        let encoding = if bytes.is_ascii() { Encoding::Ascii } else { Encoding::Cp1252 };
        Self { encoding, undecodable: 0, text: bytes.iter().map(|byte| cp1252(*byte)).collect() }
    }

    /// The text itself, line ends as stored.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    fn utf16(bytes: &[u8], encoding: Encoding, unit: fn([u8; 2]) -> u16) -> Self {
        let (pairs, left) = bytes.as_chunks::<2>();
        let units = pairs.iter().map(|pair| unit(*pair));
        let mut text: String =
            char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect();
        if !left.is_empty() {
            text.push(char::REPLACEMENT_CHARACTER);
        }
        Self { encoding, undecodable: replaced(&text), text }
    }
}

fn replaced(text: &str) -> usize {
    text.matches(char::REPLACEMENT_CHARACTER).count()
}

/// Without a mark: most of the first characters have a zero high byte, and hardly any a zero low byte.
fn looks_like_utf16le(bytes: &[u8]) -> bool {
    let (pairs, _) = bytes.get(..512).unwrap_or(bytes).as_chunks::<2>();
    let ascii = pairs.iter().filter(|[low, high]| *low != 0 && *high == 0).count();
    pairs.len() >= 2 && ascii.saturating_mul(4) >= pairs.len().saturating_mul(3)
}

/// One byte of Windows code page 1252; the five bytes it leaves open are control characters, as Windows has it.
fn cp1252(byte: u8) -> char {
    const FROM_0X80: [char; 32] = [
        '\u{20ac}', '\u{81}', '\u{201a}', '\u{192}', '\u{201e}', '\u{2026}', '\u{2020}', '\u{2021}',
        '\u{2c6}', '\u{2030}', '\u{160}', '\u{2039}', '\u{152}', '\u{8d}', '\u{17d}', '\u{8f}', '\u{90}',
        '\u{2018}', '\u{2019}', '\u{201c}', '\u{201d}', '\u{2022}', '\u{2013}', '\u{2014}', '\u{2dc}',
        '\u{2122}', '\u{161}', '\u{203a}', '\u{153}', '\u{9d}', '\u{17e}', '\u{178}',
    ];
    let special = byte.checked_sub(0x80).and_then(|at| FROM_0X80.get(usize::from(at)));
    special.copied().unwrap_or(char::from(byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    #[test]
    fn the_same_words_come_out_of_every_encoding() {
        let words = "[Strings]\r\nX=\"Gerät ™\"\r\n";
        let units: Vec<u16> = words.encode_utf16().collect();
        let le: Vec<u8> = units.iter().flat_map(|unit| unit.to_le_bytes()).collect();
        let be: Vec<u8> = units.iter().flat_map(|unit| unit.to_be_bytes()).collect();
        let files: [(&[&[u8]], Encoding); 5] = [
            (&[b"\xff\xfe", &le], Encoding::Utf16Le),
            (&[&le], Encoding::Utf16Le),
            (&[b"\xfe\xff", &be], Encoding::Utf16Be),
            (&[b"\xef\xbb\xbf", words.as_bytes()], Encoding::Utf8),
            (&[b"[Strings]\r\nX=\"Ger\xe4t \x99\"\r\n"], Encoding::Cp1252),
        ];
        for (parts, encoding) in files {
            let text = Text::decode(&parts.concat());
            assert_eq!((text.as_str(), text.encoding, text.undecodable), (words, encoding, 0));
        }
    }

    #[test]
    fn half_a_character_is_counted_not_dropped() {
        let text = Text::decode(b"\xff\xfe[\0\x00\xd8]\0x");
        assert_eq!((text.as_str(), text.undecodable), ("[\u{fffd}]\u{fffd}", 2));
        assert_eq!(Text::decode(b"\xef\xbb\xbf\xff[").undecodable, 1);
    }

    #[test]
    fn no_bytes_are_an_empty_ascii_text() {
        assert_eq!(Text::decode(b"").as_str(), "");
        assert_eq!(Text::decode(b"\x80").as_str(), "€");
        assert_eq!(Text::decode(b"[a]").encoding, Encoding::Ascii);
    }
}
