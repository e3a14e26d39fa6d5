//! The two sums of the protocols.
//!
//! BootROM phase: XOR of little-endian 16-bit words (`brom-preloader.md` section 4.8).
//! Download Agent phase: 16-bit sum of bytes (`da-legacy.md` section 0).

/// Running XOR of little-endian 16-bit words; an odd last byte counts as a low byte.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Xor16 {
    sum: u16,
    odd: bool,
}

impl Xor16 {
    /// Takes in more bytes; pieces may be cut anywhere.
    pub fn update(&mut self, bytes: &[u8]) {
        let mut bytes = bytes;
        if self.odd
            && let Some((first, rest)) = bytes.split_first()
        {
            self.sum ^= u16::from(*first) << 8;
            self.odd = false;
            bytes = rest;
        }
        let (pairs, last) = bytes.as_chunks::<2>();
        self.sum = pairs.iter().fold(self.sum, |s, pair| s ^ u16::from_le_bytes(*pair));
        if let [low] = last {
            self.sum ^= u16::from(*low);
            self.odd = true;
        }
    }

    /// The sum so far.
    #[must_use]
    pub const fn value(self) -> u16 {
        self.sum
    }
}

/// XOR sum of a whole upload.
#[must_use]
pub fn xor16(bytes: &[u8]) -> u16 {
    let mut sum = Xor16::default();
    sum.update(bytes);
    sum.value()
}

/// Sum of bytes modulo 65536.
#[must_use]
pub fn sum16(bytes: &[u8]) -> u16 {
    // A block of 256 bytes sums to at most 65280, so the inner loop may run on u16 lanes.
    bytes.chunks(256).fold(0u16, |total, block| {
        total.wrapping_add(block.iter().fold(0u16, |s, b| s.wrapping_add(u16::from(*b))))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec;
    use std::vec::Vec;

    #[test]
    fn xor16_of_the_worked_examples() {
        // brom-preloader.md section 4.8; the checksum goes over the wire most significant byte first
        assert_eq!(xor16(&[1, 2, 3]).to_be_bytes(), [0x02, 0x02]);
        assert_eq!(xor16(&[0xff, 0xff, 0xff, 0xff, 0x12, 0x34]).to_be_bytes(), [0x34, 0x12]);
    }

    #[test]
    fn xor16_does_not_care_where_pieces_are_cut() {
        let bytes: Vec<u8> = (0..=255).collect();
        for cut in 0..bytes.len() {
            let (a, b) = bytes.split_at(cut);
            let mut sum = Xor16::default();
            sum.update(a);
            sum.update(b);
            assert_eq!(sum.value(), xor16(&bytes));
        }
    }

    #[test]
    fn sum16_of_the_worked_pages() {
        // da-legacy.md section 5.4: main bytes 00..FF eight times, spare 64 x FF
        let mut page: Vec<u8> = (0..8).flat_map(|_| 0..=255u8).collect();
        page.extend(vec![0xff; 64]);
        assert_eq!(sum16(&page), 0x3bc0);
        assert_eq!(sum16(&page.repeat(2)), 0x7780);
        assert_eq!(sum16(&page.repeat(4)), 0xef00);
    }
}
