//! The FDM ("flash disk management") bytes of a page: eight in each sector, free for software, under the ECC.
//!
//! FDM bytes are numbered through the page: sector `s` holds `8s..8s+7`. All functions take or give the FDM
//! bytes of one page in that order, `8 x sectors` of them. Facts: nand-yaffs2.md section 3, known from real
//! pages of four sectors. Pages of other sizes are treated alike: mark in the first byte of every sector, index
//! and check byte in the last three of the last one.
//!
//! ```text
//! sector 0      mark  s s s s s s s        s: software byte
//! sector 1..    FF    s s s s s s s
//! last sector   FF    s s s s i i c        i: index of the block it stands for, c: check byte
//! ```

/// FDM bytes of one sector.
pub const PER_SECTOR: usize = 8;

/// FDM byte that holds the bad-block mark, meaningful in the first page of a block.
pub const MARK: usize = 0;

/// Index of a page that stands in its own place: its block is not a replacement.
pub const NOT_REMAPPED: u16 = 0xaaaa;

/// Software bytes of a page that survive writing: 25 for four sectors.
#[must_use]
pub const fn software_bytes(sectors: usize) -> usize {
    sectors.saturating_mul(7).saturating_sub(3)
}

/// Whether a bad-block mark says "bad".
///
/// FF is good, anything else bad; the byte is read without the help of the ECC, so the majority of its bits
/// decides and a few flipped bits do not condemn a block.
#[must_use]
pub const fn is_bad(mark: u8) -> bool {
    mark.count_ones() <= 4
}

/// FDM bytes of a written page into `fdm` (`8 x sectors` bytes, whole sectors).
///
/// `software` is what the file system hands over, missing bytes counting as FF; of what it hands over beyond
/// [`software_bytes`], the last bytes are lost under index and check byte, as on the phone. `stands_for` is the
/// block a replacement block stands for, `None` for a block in its own place.
pub fn build(software: &[u8], stands_for: Option<u16>, fdm: &mut [u8]) {
    fdm.fill(0xff);
    let mut software = software.iter();
    for sector in fdm.chunks_exact_mut(PER_SECTOR) {
        for (to, from) in sector.iter_mut().skip(1).zip(software.by_ref()) {
            *to = *from;
        }
    }
    let index = stands_for.unwrap_or(NOT_REMAPPED).to_le_bytes();
    if let Some([.., low, high, check]) = fdm.last_chunk_mut::<PER_SECTOR>() {
        [*low, *high] = index;
        *check = 0xff;
    }
    let sum = check_byte(fdm);
    if let Some(check) = fdm.last_mut() {
        *check = sum;
    }
}

/// The block this page stands for; [`NOT_REMAPPED`] in a block in its own place, FFFF in a page never written.
///
/// `None` without a whole sector of FDM bytes.
#[must_use]
pub fn index(fdm: &[u8]) -> Option<u16> {
    let [.., low, high, _check] = fdm.last_chunk::<PER_SECTOR>()?;
    Some(u16::from_le_bytes([*low, *high]))
}

/// The check byte these FDM bytes should end with: the XOR of software bytes and index, FF where those are all FF.
#[must_use]
pub fn check_byte(fdm: &[u8]) -> u8 {
    let covered = || {
        let body = fdm.split_last().map_or(fdm, |(_check, body)| body);
        body.chunks(PER_SECTOR).flat_map(|sector| sector.iter().skip(1))
    };
    if covered().all(|byte| *byte == 0xff) { 0xff } else { covered().fold(0, |sum, byte| sum ^ byte) }
}

/// Whether the last FDM byte is the check byte of the others.
#[must_use]
pub fn check_holds(fdm: &[u8]) -> bool {
    fdm.last() == Some(&check_byte(fdm))
}

/// The software bytes of a page into `into`, at most as many as fit it; gives how many there were.
///
/// Index and check byte are no software bytes, so a page of four sectors gives 25.
pub fn software(fdm: &[u8], into: &mut [u8]) -> usize {
    let body = fdm.get(..fdm.len().saturating_sub(3)).unwrap_or_default();
    let bytes = body.chunks(PER_SECTOR).flat_map(|sector| sector.iter().skip(1));
    into.iter_mut().zip(bytes).map(|(to, from)| *to = *from).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Page 3 of the real dump (nand-yaffs2.md section 4).
    const PAGE_3: [u8; 32] = [
        0xff, 0x00, 0x10, 0x00, 0x00, 0x02, 0x01, 0x00, //
        0xff, 0x00, 0x01, 0x00, 0x00, 0x00, 0x00, 0x08, //
        0xff, 0x00, 0x00, 0x29, 0xff, 0xff, 0xff, 0x05, //
        0xff, 0x00, 0x00, 0x00, 0xfa, 0xaa, 0xaa, 0x33,
    ];
    const TAGS_3: [u8; 25] = [
        0x00, 0x10, 0x00, 0x00, 0x02, 0x01, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x00, 0x08, 0x00, 0x00, 0x29,
        0xff, 0xff, 0xff, 0x05, 0x00, 0x00, 0x00, 0xfa,
    ];

    #[test]
    fn a_real_page_is_built_from_its_tags() {
        let mut fdm = [0; 32];
        build(&TAGS_3, None, &mut fdm);
        assert_eq!(fdm, PAGE_3);
        // The file system hands over 27 bytes; the last two are lost.
        let mut tags = std::vec::Vec::from(TAGS_3);
        tags.extend([0xff, 0x12, 0x34]);
        build(&tags, None, &mut fdm);
        assert_eq!(fdm, PAGE_3);
    }

    #[test]
    fn a_real_page_gives_back_its_tags_index_and_check() {
        let mut tags = [0; 27];
        assert_eq!(software(&PAGE_3, &mut tags), software_bytes(4));
        assert_eq!(tags[..25], TAGS_3);
        assert_eq!(index(&PAGE_3), Some(NOT_REMAPPED));
        assert_eq!(check_byte(&PAGE_3), 0x33);
        assert!(check_holds(&PAGE_3));
        assert!(!is_bad(PAGE_3[MARK]));
    }

    #[test]
    fn a_replacement_block_carries_the_index_it_stands_for() {
        let mut fdm = [0; 32];
        build(&TAGS_3, Some(0x0123), &mut fdm);
        assert_eq!(fdm[29..31], [0x23, 0x01]);
        assert_eq!(index(&fdm), Some(0x0123));
        assert!(check_holds(&fdm));
        assert_eq!(fdm[31], 0x33 ^ 0x23 ^ 0x01); // AA ^ AA was nothing
    }

    #[test]
    fn any_changed_bit_under_the_check_byte_is_noticed_and_none_beside_it() {
        for at in 0..32 {
            let mut fdm = PAGE_3;
            fdm[at] ^= 0x10;
            assert_eq!(check_holds(&fdm), at % 8 == 0, "byte {at}");
        }
    }

    #[test]
    fn a_page_never_written_has_no_check_byte() {
        assert!(check_holds(&[0xff; 32]));
        assert_eq!(index(&[0xff; 32]), Some(0xffff));
    }

    #[test]
    fn a_mark_survives_a_few_flipped_bits() {
        assert!(!is_bad(0xff) && !is_bad(0x7f) && !is_bad(0xe3));
        assert!(is_bad(0x00) && is_bad(0x01) && is_bad(0x0f));
    }

    #[test]
    fn no_bytes_at_all_are_no_panic() {
        build(&[1, 2, 3], None, &mut []);
        assert_eq!(index(&[]), None);
        assert_eq!(check_byte(&[]), 0xff);
        assert!(!check_holds(&[]));
        assert_eq!(software(&[1, 2], &mut [0; 4]), 0);
    }

    #[test]
    fn a_small_page_has_four_software_bytes() {
        let mut fdm = [0; 8];
        build(&[1, 2, 3, 4, 5, 6, 7], None, &mut fdm);
        assert_eq!(fdm, [0xff, 1, 2, 3, 4, 0xaa, 0xaa, 4]); // 1 ^ 2 ^ 3 ^ 4
    }
}
