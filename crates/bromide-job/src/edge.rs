//! The edge of a read that goes on over a new link: the last confirmed page is read once more and compared.
//!
//! The agent confirms nothing about what it took for confirmed when a link died, so a packet lost or doubled just
//! then would shift all that follows. A page read twice may differ in a few bits, which NAND flips; two different
//! pages differ in about half of theirs. Two blank pages look alike, and then a shift costs nothing.

/// Of so many bits one may differ between two readings of a page.
const BITS_A_FLIP: usize = 256;

/// The last page confirmed.
#[derive(Debug, Default)]
pub(crate) struct Edge(Vec<u8>);

impl Edge {
    /// Remembers the last unit of a packet.
    pub(crate) fn keep(&mut self, packet: &[u8], unit: usize) {
        self.0.clear();
        self.0.extend_from_slice(&packet[packet.len().saturating_sub(unit)..]);
    }

    /// Whether `again` is the page remembered.
    pub(crate) fn is(&self, again: &[u8]) -> bool {
        let flips: u32 = self.0.iter().zip(again).map(|(a, b)| (a ^ b).count_ones()).sum();
        self.0.len() == again.len() && flips as usize <= self.0.len() * 8 / BITS_A_FLIP
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(seed: u32) -> Vec<u8> {
        (0..2112u32).map(|i| (i.wrapping_mul(2_654_435_761).wrapping_add(seed * 977) >> 13) as u8).collect()
    }

    fn edge() -> Edge {
        let mut edge = Edge::default();
        edge.keep(&[page(1), page(2)].concat(), 2112);
        edge
    }

    #[test]
    fn the_last_page_of_a_packet_is_known_again_with_some_flipped_bits() {
        let mut again = page(2);
        assert!(edge().is(&again));
        for at in 0..16 {
            again[at * 100] ^= 0x11;
        }
        assert!(edge().is(&again));
    }

    #[test]
    fn another_page_is_not_taken_for_it() {
        assert!(!edge().is(&page(1)));
        assert!(!edge().is(&page(3)));
        assert!(!edge().is(&page(2)[..2111]));
        let mut shifted = page(2);
        shifted.rotate_left(1);
        assert!(!edge().is(&shifted));
    }
}
