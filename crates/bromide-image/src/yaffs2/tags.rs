//! Packed tags: what a page says about itself (nand-yaffs2.md section 4), in the form of image makers.

/// Bytes of the packed tags that fit beside a page: the last three are lost to the block index and check byte.
pub const SOFTWARE_BYTES: usize = 25;

/// Bytes of the packed tags in full, as image files have them at the start of the spare.
pub const PACKED_BYTES: usize = 28;

/// Bytes of the spare of a page in an image file.
pub const SPARE_BYTES: usize = 64;

/// Sequence number of every block an image maker writes.
pub const FIRST_SEQUENCE: u32 = 0x1000;

/// Byte count in the tags of an object header.
pub const HEADER_BYTES: u32 = 0xFFFF;

/// The tags of one chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tags {
    /// Sequence number of the block.
    pub sequence: u32,
    /// Object the chunk belongs to.
    pub object: u32,
    /// 0 for the object's header, n for the n-th chunk of a file's bytes.
    pub chunk: u32,
    /// Bytes of the file in this chunk; [`HEADER_BYTES`] for a header.
    pub bytes: u32,
}

impl Tags {
    /// The 28 packed bytes: the four numbers, little-endian, and the parity over them.
    #[must_use]
    pub fn packed(&self) -> [u8; PACKED_BYTES] {
        let mut numbers = [0; 16];
        let words = [self.sequence, self.object, self.chunk, self.bytes];
        for (at, word) in numbers.chunks_exact_mut(4).zip(words) {
            at.copy_from_slice(&word.to_le_bytes());
        }
        let parity = Parity::of(&numbers);
        let mut packed = [0xFF; PACKED_BYTES];
        let column = [parity.column, 0xFF, 0xFF, 0xFF];
        let fields = numbers.iter().chain(&column);
        let (line, prime) = (parity.line.to_le_bytes(), parity.prime.to_le_bytes());
        for (at, byte) in packed.iter_mut().zip(fields.chain(&line).chain(&prime)) {
            *at = *byte;
        }
        packed
    }

    /// The 25 of the packed bytes that a page has room for.
    #[must_use]
    pub fn software_bytes(&self) -> [u8; SOFTWARE_BYTES] {
        let mut software = [0; SOFTWARE_BYTES];
        for (at, byte) in software.iter_mut().zip(self.packed()) {
            *at = byte;
        }
        software
    }
}

/// The error-correcting parity over the 16 tag bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Parity {
    pub(super) column: u8,
    pub(super) line: u32,
    pub(super) prime: u32,
}

impl Parity {
    pub(super) fn of(numbers: &[u8; 16]) -> Self {
        let (mut all, mut line, mut prime) = (0_u8, 0_u32, 0_u32);
        for (at, &byte) in (0_u32..).zip(numbers) {
            all ^= byte;
            if is_odd(byte) {
                line ^= at;
                prime ^= !at;
            }
        }
        let masks = [0x55, 0xAA, 0x33, 0xCC, 0x0F, 0xF0];
        // The first mask gives the lowest bit, so it is shifted in last.
        let column = masks.iter().rev().fold(0, |bits, mask| (bits << 1) | u8::from(is_odd(all & mask)));
        Self { column, line, prime }
    }
}

fn is_odd(byte: u8) -> bool {
    byte.count_ones() % 2 == 1
}

/// The packed tags in full, from the bytes a page has room for. The three lost bytes belong to the line parity prime,
/// whose upper bytes are all ones when an odd number of the 16 tag bytes has odd parity, else zero; where the page
/// carries no tags parity (all FF, as a running phone writes it) they are FF as well.
#[must_use]
pub fn packed(software: &[u8; SOFTWARE_BYTES]) -> [u8; PACKED_BYTES] {
    let (tags, parity) = software.split_at_checked(16).unwrap_or((software, &[]));
    let absent = parity.iter().all(|&byte| byte == 0xFF);
    let odd_bytes = tags.iter().filter(|&&byte| is_odd(byte)).count();
    let lost = if absent || odd_bytes % 2 == 1 { 0xFF } else { 0 };
    let mut packed = [lost; PACKED_BYTES];
    for (at, byte) in packed.iter_mut().zip(software) {
        *at = *byte;
    }
    packed
}

/// The spare of a page in an image file of data and tags (2048 + 64 bytes a page): the packed tags first, the rest FF
/// (nand-yaffs2.md section 8).
#[must_use]
pub fn image_spare(software: &[u8; SOFTWARE_BYTES]) -> [u8; SPARE_BYTES] {
    let mut spare = [0xFF; SPARE_BYTES];
    for (at, byte) in spare.iter_mut().zip(packed(software)) {
        *at = byte;
    }
    spare
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Page 3 of a real dump: object 258, chunk 1, 2048 bytes (nand-yaffs2.md section 4, worked example).
    #[test]
    fn the_worked_example_comes_out_byte_for_byte() {
        let tags = Tags { sequence: 0x1000, object: 258, chunk: 1, bytes: 2048 };
        let joined = [
            0x00, 0x10, 0x00, 0x00, 0x02, 0x01, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x00, 0x08, 0x00, 0x00,
            0x29, 0xff, 0xff, 0xff, 0x05, 0x00, 0x00, 0x00, 0xfa,
        ];
        assert_eq!(tags.software_bytes(), joined);
        assert_eq!(&tags.packed()[16..], [0x29, 0xff, 0xff, 0xff, 5, 0, 0, 0, 0xfa, 0xff, 0xff, 0xff]);
    }

    #[test]
    fn the_lost_bytes_come_back() {
        for object in 1..600 {
            for chunk in [0, 1, 2, 3, 0x1F_FFFF] {
                let tags = Tags { sequence: 0x1000, object, chunk, bytes: 2048 };
                assert_eq!(packed(&tags.software_bytes()), tags.packed());
            }
        }
    }

    #[test]
    fn tags_without_parity_stay_without() {
        let mut software = Tags { sequence: 0x1001, object: 5, chunk: 1, bytes: 7 }.software_bytes();
        software[16..].fill(0xFF);
        assert_eq!(packed(&software)[16..], [0xFF; 12]);
    }

    #[test]
    fn every_single_wrong_bit_shows_as_the_rule_says() {
        let right = Tags { sequence: 0x1000, object: 258, chunk: 1, bytes: 2048 }.packed();
        let numbers: [u8; 16] = right[..16].try_into().unwrap();
        let stored = Parity::of(&numbers);
        for byte in 0..16 {
            for bit in 0..8 {
                let mut wrong = numbers;
                wrong[byte] ^= 1 << bit;
                let now = Parity::of(&wrong);
                let (line, column) = (now.line ^ stored.line, now.column ^ stored.column);
                assert_eq!(line, !(now.prime ^ stored.prime));
                assert_eq!(line as usize, byte);
                let found = (column >> 5 & 1) << 2 | (column >> 3 & 1) << 1 | (column >> 1 & 1);
                assert_eq!(found, bit);
            }
        }
    }
}
