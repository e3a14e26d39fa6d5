//! Little-endian fields inside a slice.

/// `N` bytes from `at` on, where the slice has them.
pub(crate) fn bytes<const N: usize>(from: &[u8], at: usize) -> Option<[u8; N]> {
    from.get(at..)?.first_chunk().copied()
}

/// The 32-bit number at `at`.
pub(crate) fn le32(from: &[u8], at: usize) -> Option<u32> {
    bytes(from, at).map(u32::from_le_bytes)
}

/// The 64-bit number at `at`.
pub(crate) fn le64(from: &[u8], at: usize) -> Option<u64> {
    bytes(from, at).map(u64::from_le_bytes)
}

/// Puts `what` at `at`, as far as the slice reaches.
pub(crate) fn put(into: &mut [u8], at: usize, what: &[u8]) {
    for (to, from) in into.iter_mut().skip(at).zip(what) {
        *to = *from;
    }
}
