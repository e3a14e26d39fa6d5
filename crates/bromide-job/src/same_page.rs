//! Whether two readings are of one page: NAND flips a few bits from one to the next, another page differs in about
//! half of them.

/// Of so many bits one may differ between two readings of a page.
const BITS_A_FLIP: usize = 256;

/// Whether `again` is another reading of `page`.
pub(crate) fn same_page(page: &[u8], again: &[u8]) -> bool {
    let flips: u32 = page.iter().zip(again).map(|(a, b)| (a ^ b).count_ones()).sum();
    page.len() == again.len() && flips as usize <= page.len() * 8 / BITS_A_FLIP
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(seed: u32) -> Vec<u8> {
        (0..2112u32).map(|i| (i.wrapping_mul(2_654_435_761).wrapping_add(seed * 977) >> 13) as u8).collect()
    }

    #[test]
    fn a_page_is_known_again_with_some_flipped_bits() {
        let mut again = page(2);
        assert!(same_page(&page(2), &again));
        for at in 0..16 {
            again[at * 100] ^= 0x11;
        }
        assert!(same_page(&page(2), &again));
    }

    #[test]
    fn another_page_is_not_taken_for_it() {
        assert!(!same_page(&page(2), &page(1)));
        assert!(!same_page(&page(2), &page(3)));
        assert!(!same_page(&page(2), &page(2)[..2111]));
        let mut shifted = page(2);
        shifted.rotate_left(1);
        assert!(!same_page(&page(2), &shifted));
    }
}
