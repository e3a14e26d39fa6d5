//! Test aid: hex text to bytes.

use alloc::vec::Vec;

/// Bytes of a hex text; blanks and line ends are skipped.
pub(crate) fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text
        .bytes()
        .filter(|b| !b.is_ascii_whitespace())
        .map(|b| u8::try_from(char::from(b).to_digit(16).expect("hex digit")).unwrap())
        .collect();
    assert!(digits.len().is_multiple_of(2));
    digits.chunks(2).map(|p| p[0] << 4 | p[1]).collect()
}
