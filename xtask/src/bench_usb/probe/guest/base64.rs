//! Bytes as the test protocol wants them in lines (RFC 4648 section 4, with padding).

use std::iter::repeat_n;

const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Four letters for three bytes.
pub(crate) fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let whole =
            three.iter().chain(&[0, 0]).take(3).fold(0, |whole, byte| whole << 8 | usize::from(*byte));
        let letters = (0..=three.len()).map(|at| LETTERS[whole >> (18 - 6 * at) & 63]);
        text.extend(letters.chain(repeat_n(b'=', 3 - three.len())).map(char::from));
    }
    text
}

/// Three bytes for four letters; `None`: it is not that.
pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let (fours, rest) = text.as_bytes().as_chunks::<4>();
    for (at, four) in fours.iter().enumerate() {
        let last = at + 1 == fours.len();
        let (letters, count) = match four {
            [a, b, b'=', b'='] if last => ([*a, *b, b'A', b'A'], 1),
            [a, b, c, b'='] if last => ([*a, *b, *c, b'A'], 2),
            four => (*four, 3),
        };
        let mut whole = 0;
        for letter in letters {
            whole = whole << 6 | value(letter)?;
        }
        bytes.extend(whole.to_be_bytes().iter().skip(1).take(count));
    }
    rest.is_empty().then_some(bytes)
}

fn value(letter: u8) -> Option<u32> {
    let (first, offset) = match letter {
        b'A'..=b'Z' => (b'A', 0),
        b'a'..=b'z' => (b'a', 26),
        b'0'..=b'9' => (b'0', 52),
        b'+' => (b'+', 62),
        b'/' => (b'/', 63),
        _ => return None,
    };
    Some(u32::from(letter - first) + offset)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_vectors_of_the_rfc_hold_both_ways() {
        let vectors = ["", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"];
        for (length, text) in vectors.iter().enumerate() {
            let bytes = &b"foobar"[..length];
            assert_eq!(encode(bytes), *text);
            assert_eq!(decode(text).as_deref(), Some(bytes));
        }
        let all: Vec<u8> = (0..=255).collect();
        assert_eq!(decode(&encode(&all)), Some(all));
    }

    #[test]
    fn what_is_no_base64_is_refused() {
        for text in ["A", "AAA", "A===", "====", "Zg==Zg==", "Zm9_", "Zm 9"] {
            assert_eq!(decode(text), None, "{text}");
        }
    }
}
