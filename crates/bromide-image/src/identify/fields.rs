//! Fields of binary headers. A field beyond the end of the bytes reads as 0: whoever needs the difference looks at
//! the length first.

use alloc::string::String;

fn array<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    bytes.get(at..).and_then(|rest| rest.first_chunk()).copied().unwrap_or([0; N])
}

pub(crate) fn byte(bytes: &[u8], at: usize) -> u8 {
    bytes.get(at).copied().unwrap_or(0)
}

pub(crate) fn le16(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(array(bytes, at))
}

pub(crate) fn le32(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(array(bytes, at))
}

pub(crate) fn le64(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(array(bytes, at))
}

pub(crate) fn be32(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(array(bytes, at))
}

pub(crate) fn be64(bytes: &[u8], at: usize) -> u64 {
    u64::from_be_bytes(array(bytes, at))
}

/// Whether `what` stands at `at`.
pub(crate) fn has(bytes: &[u8], at: usize, what: &[u8]) -> bool {
    bytes.get(at..).is_some_and(|rest| rest.starts_with(what))
}

/// `len` bytes from `at`, fewer at the end.
pub(crate) fn part(bytes: &[u8], at: usize, len: usize) -> &[u8] {
    let rest = bytes.get(at..).unwrap_or_default();
    rest.get(..len).unwrap_or(rest)
}

/// The text of at most `len` bytes at `at`, up to a NUL or FF; anything but printable ASCII becomes `?`.
pub(crate) fn text(bytes: &[u8], at: usize, len: usize) -> String {
    let field = part(bytes, at, len).iter().take_while(|&&it| it != 0 && it != 0xFF);
    field.map(|&it| if it.is_ascii_graphic() || it == b' ' { char::from(it) } else { '?' }).collect()
}

/// Whether `field` is a name: at least one character of an identifier, then nothing but NUL.
pub(crate) fn is_name(field: &[u8]) -> bool {
    let end = field.iter().position(|&it| it == 0).unwrap_or(field.len());
    let (name, rest) = field.split_at_checked(end).unwrap_or((field, &[]));
    !name.is_empty() && name.iter().all(u8::is_ascii_graphic) && rest.iter().all(|&it| it == 0)
}

/// The length of a magic number's owner as a type that adds without overflow.
pub(crate) fn wide(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

/// The same the other way; what does not fit is too large for any buffer anyhow.
pub(crate) fn narrow(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_beyond_the_end_read_as_zero() {
        assert_eq!((le32(&[1, 2, 3], 0), le16(&[1, 2], 0), be32(&[0, 0, 1, 2], 0)), (0, 0x201, 0x102));
        assert_eq!(text(b"ab\x01c\xffd", 0, 6), "ab?c");
        assert!(is_name(b"LK\0\0") && !is_name(b"\0\0") && !is_name(b"L\0K"));
    }
}
