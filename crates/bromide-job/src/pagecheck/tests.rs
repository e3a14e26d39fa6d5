//! The checker against pages made and damaged on purpose.

use bromide_nand::encode_page;

use super::*;

/// Eight blocks of the first user's kind of page (nand-yaffs2.md section 1).
fn chip() -> Geometry {
    Geometry::new(2048, 64, 64, 8).unwrap()
}

fn written(page: u64, stands_for: Option<u16>) -> Vec<u8> {
    let main: Vec<u8> = (0..2048u64).map(|i| (i * 7 + page * 13) as u8).collect();
    let mut stored = vec![0; 2112];
    encode_page(&main, &page.to_le_bytes(), stands_for, &chip(), &mut stored).unwrap();
    stored
}

/// These blocks of written pages, one after another.
fn blocks(numbers: std::ops::Range<u64>) -> Vec<u8> {
    (numbers.start * 64..numbers.end * 64).flat_map(|p| written(p, None)).collect()
}

fn page_mut(stream: &mut [u8], page: usize) -> &mut [u8] {
    &mut stream[page * 2112..][..2112]
}

fn check(stream: &[u8], layout: Layout, start: u64) -> PageSummary {
    let mut check = PageCheck::new(chip(), layout, start);
    check.feed(stream);
    check.finish()
}

#[test]
fn pages_are_counted_by_their_state_and_found_at_their_places() {
    let mut stream = blocks(2..4);
    page_mut(&mut stream, 0)[7] ^= 1; // 1 bit
    page_mut(&mut stream, 1)[7] ^= 1;
    page_mut(&mut stream, 5)[1000] ^= 0x0f; // 4 bits of sector 1
    page_mut(&mut stream, 9)[1000] ^= 0x1f; // 5 bits
    page_mut(&mut stream, 9)[2000] ^= 0xff; // and 8 of sector 3
    page_mut(&mut stream, 63).fill(0xff);
    page_mut(&mut stream, 64).fill(0xff);
    page_mut(&mut stream, 64)[100] = 0xfe;
    let found = check(&stream, Layout::Interleaved, 0x40000);
    let counts = Counts { clean: 122, correctable: 3, damaged: 1, blank: 2, ..Counts::default() };
    assert_eq!(found.counts, counts);
    assert_eq!(found.counts.total(), 128);
    assert_eq!(found.wrong_bits, 6);
    let bits = |bits| WrongBits { bits, worst: bits as u8 };
    let correctable =
        [Run { first: 128, pages: 2, what: bits(1) }, Run { first: 133, pages: 1, what: bits(4) }];
    assert_eq!(found.correctable.list(), correctable);
    assert_eq!(found.damaged.list(), [Run { first: 137, pages: 1, what: 0b1010 }]);
    assert_eq!(found.address(137), 137 * 2048);
    assert_eq!(found.offset(137), 9 * 2112);
    assert_eq!((found.bad_blocks, found.replaced, found.remarks), (vec![], vec![], vec![]));
}

#[test]
fn the_chunking_makes_no_difference() {
    let mut stream = blocks(0..2);
    page_mut(&mut stream, 3)[7] ^= 1;
    page_mut(&mut stream, 70).fill(0);
    let whole = check(&stream, Layout::Interleaved, 0);
    for size in [1, 2111, 2112, 2113, 5000, 135_168] {
        let mut check = PageCheck::new(chip(), Layout::Interleaved, 0);
        stream.chunks(size).for_each(|c| check.feed(c));
        assert_eq!(check.finish(), whole, "chunks of {size}");
    }
}

#[test]
fn the_other_layout_is_checked_as_well() {
    let mut stream = blocks(0..1);
    page_mut(&mut stream, 3)[7] ^= 1;
    let mut turned = vec![0; stream.len()];
    for (from, to) in stream.chunks_exact(2112).zip(turned.chunks_exact_mut(2112)) {
        Layout::Interleaved.convert(from, Layout::DataThenSpare, to, &chip()).unwrap();
    }
    let found = check(&turned, Layout::DataThenSpare, 0);
    assert_eq!((found.counts.clean, found.counts.correctable), (63, 1));
}

#[test]
fn a_marked_block_counts_all_its_pages_as_in_a_bad_block() {
    let mut stream = blocks(0..3);
    page_mut(&mut stream, 64)[512] = 0; // the mark (nand-yaffs2.md section 3)
    page_mut(&mut stream, 70).fill(0x12); // not looked at further
    page_mut(&mut stream, 129)[512] = 0; // not in the first page of a block: no mark but damage
    let found = check(&stream, Layout::Interleaved, 0);
    let counts = Counts { clean: 127, damaged: 1, in_bad_blocks: 64, ..Counts::default() };
    assert_eq!(found.counts, counts);
    assert_eq!(found.bad_blocks, [1]);
    assert_eq!(found.damaged.list(), [Run { first: 129, pages: 1, what: 1 }]);
}

#[test]
fn a_block_entered_in_its_middle_counts_as_good_and_the_next_one_is_seen_whole() {
    let mut stream = blocks(1..3);
    page_mut(&mut stream, 0)[512] = 0;
    page_mut(&mut stream, 64)[512] = 0;
    let found = check(&stream[10 * 2112..], Layout::Interleaved, 0x20000 + 10 * 2048);
    assert_eq!((found.counts.clean, found.counts.in_bad_blocks), (54, 64));
    assert_eq!((found.first_page, found.bad_blocks.as_slice()), (74, [2].as_slice()));
}

#[test]
fn a_replacement_block_is_noted_once_with_the_block_it_stands_for() {
    let mut stream = blocks(0..3);
    for page in 65..128 {
        page_mut(&mut stream, page).copy_from_slice(&written(page as u64, Some(6)));
    }
    page_mut(&mut stream, 64).fill(0xff); // blank: its index says nothing
    assert_eq!(check(&stream, Layout::Interleaved, 0).replaced, [(1, 6)]);
}

#[test]
fn a_flipped_bit_in_the_index_makes_no_replacement_and_hides_none() {
    let index = 3 * 528 + 512 + 5; // FDM byte 29 (nand-yaffs2.md section 3)
    let mut stream = blocks(0..1);
    page_mut(&mut stream, 0)[index] ^= 0x01;
    page_mut(&mut stream, 0)[index + 1] ^= 0xa8; // AAAA would read as 02AB
    let found = check(&stream, Layout::Interleaved, 0);
    assert_eq!((found.counts.correctable, found.replaced.len()), (1, 0));

    let mut stream = written(0, Some(6));
    stream[index] ^= 0x01;
    let found = check(&stream, Layout::Interleaved, 0);
    assert_eq!((found.counts.correctable, found.replaced.as_slice()), (1, [(0, 6)].as_slice()));
}

#[test]
fn an_index_beyond_the_chip_or_never_written_is_no_replacement() {
    for index in [8, 0xffff] {
        assert_eq!(check(&written(0, Some(index)), Layout::Interleaved, 0).replaced, []);
    }
    assert_eq!(check(&written(0, Some(7)), Layout::Interleaved, 0).replaced, [(0, 7)]);
}

#[test]
fn pages_that_cannot_be_checked_are_counted_as_such_with_the_reason() {
    let found = check(&vec![0; 2048 * 5], Layout::MainOnly, 0);
    assert_eq!(found.counts, Counts { not_checked: 5, ..Counts::default() });
    assert!(found.remarks[0].contains("without their spare bytes"));

    let unknown = Geometry::new(4096, 224, 64, 8).unwrap();
    let mut check = PageCheck::new(unknown, Layout::Interleaved, 0);
    check.feed(&vec![0; 4320 * 64]);
    let found = check.finish();
    assert_eq!(found.counts, Counts { not_checked: 64, ..Counts::default() });
    assert!(found.bad_blocks.is_empty());
    assert!(found.remarks[0].contains("4096 + 224"), "{:?}", found.remarks);
}

#[test]
fn pages_in_another_layout_than_assumed_earn_a_remark() {
    let found = check(&blocks(0..4), Layout::DataThenSpare, 0);
    assert_eq!((found.counts.clean, found.counts.correctable), (0, 0));
    assert!(found.remarks.iter().any(|r| r.contains("another layout")), "{found:?}");
}

#[test]
fn a_few_damaged_pages_among_good_ones_earn_no_remark() {
    let mut stream = blocks(0..2);
    for page in 40..60 {
        page_mut(&mut stream, page).fill(0x3c);
    }
    let found = check(&stream, Layout::Interleaved, 0);
    assert_eq!(found.counts.damaged, 20);
    assert!(found.remarks.is_empty());
}

#[test]
fn bytes_behind_the_last_whole_page_are_mentioned() {
    let stream = blocks(0..1);
    let found = check(&stream[..2112 + 7], Layout::Interleaved, 0);
    assert_eq!(found.counts.total(), 1);
    assert!(found.remarks[0].contains("last 7 bytes"), "{:?}", found.remarks);
}

#[test]
fn a_whole_chip_of_nothing_but_different_damage_stays_listed_and_small() {
    let chip = Geometry::new(512, 16, 64, 4096).unwrap(); // 262,144 pages like the first user's, but small ones
    let mut check = PageCheck::new(chip, Layout::Interleaved, 0);
    let clean = {
        let mut page = vec![0; 528];
        encode_page(&[0x11; 512], &[], None, &chip, &mut page).unwrap();
        page
    };
    let mut damaged = clean.clone();
    damaged[..100].fill(0);
    for _ in 0..131_072 {
        check.feed(&clean);
        check.feed(&damaged);
    }
    let found = check.finish();
    assert_eq!((found.counts.clean, found.counts.damaged), (131_072, 131_072));
    assert_eq!((found.damaged.list().len(), found.damaged.unlisted()), (131_072, 0));
}
