//! Which files damage hurts, and what is not claimed.

use bromide_image::yaffs2::tags::Tags;
use bromide_job::pageimage::{Effect, Files, Form, HurtChunk, HurtFile, HurtHeader, HurtPages, hurt_files};

use crate::image::*;

fn hurt(image: &[u8]) -> HurtPages {
    let found = checked(image);
    match hurt_files(image, &shape(image, Form::Interleaved), &found.damaged).unwrap() {
        Files::Hurt(hurt) => {
            let chunks: usize = hurt.files.iter().map(|it| it.chunks.len()).sum();
            let all = chunks + hurt.headers.len() + hurt.stale.len() + hurt.unknown.len();
            assert_eq!(all, found.damaged.len(), "every damaged page has one place: {hurt:?}");
            hurt
        }
        other => panic!("{other:?}"),
    }
}

fn piece(chunk: u32, bytes: u64, page: usize, by_place: bool) -> HurtChunk {
    HurtChunk { chunk, offset: u64::from(chunk - 1) * 2048, bytes, page: page as u32, by_place }
}

fn file(path: &str, object: u32, bytes: u64, chunks: Vec<HurtChunk>) -> HurtFile {
    HurtFile { path: path.into(), object, bytes, chunks }
}

#[test]
fn damaged_bytes_with_good_tags_name_the_file_and_the_place_in_it() {
    let mut image = partition();
    ruin(&mut image, ONE + 4, 0);
    ruin(&mut image, ONE + 19, 3);
    ruin(&mut image, THREE + 4, 1);
    let one = vec![piece(5, 2048, ONE + 4, false), piece(20, 2048, ONE + 19, false)];
    let three = vec![piece(5, 100, THREE + 4, false)];
    let expected = HurtPages {
        files: vec![file("lib/one", 258, 20 * 2048, one), file("three", 260, THREE_BYTES, three)],
        ..HurtPages::default()
    };
    assert_eq!(hurt(&image), expected);
}

#[test]
fn a_page_without_tags_is_only_likely_to_be_the_piece_its_neighbours_lack() {
    let mut image = partition();
    wipe(&mut image, ONE + 6);
    wipe(&mut image, ONE + 7);
    wipe(&mut image, TWO);
    let one = vec![piece(7, 2048, ONE + 6, true), piece(8, 2048, ONE + 7, true)];
    let expected = HurtPages {
        files: vec![
            file("lib/one", 258, 20 * 2048, one),
            file("two", 259, 3 * 2048, vec![piece(1, 2048, TWO, true)]),
        ],
        ..HurtPages::default()
    };
    assert_eq!(hurt(&image), expected);
}

#[test]
fn a_damaged_header_leaves_a_file_without_its_name() {
    let mut image = partition();
    ruin(&mut image, TWO - 1, 0);
    let expected = HurtHeader {
        page: TWO as u32 - 1,
        object: 259,
        effect: Effect::Nameless(b"lost+found/obj259".to_vec()),
    };
    assert_eq!(hurt(&image), HurtPages { headers: vec![expected], ..HurtPages::default() });
}

#[test]
fn a_directory_whose_header_is_damaged_is_gone() {
    let mut image = partition();
    ruin(&mut image, 1, 2);
    let expected = HurtHeader { page: 1, object: 257, effect: Effect::Gone };
    assert_eq!(hurt(&image), HurtPages { headers: vec![expected], ..HurtPages::default() });
}

/// A page of a later block: another version of something.
fn newer(image: &mut [u8], at: usize, main: &[u8], object: u32, chunk: u32, bytes: u32) {
    let mut page = Vec::new();
    push(&mut page, main, &Tags { sequence: 0x1001, object, chunk, bytes }.software_bytes());
    image[at * PAGE..][..PAGE].copy_from_slice(&page);
}

#[test]
fn a_piece_that_was_written_again_hurts_nobody_where_it_was_first() {
    let mut image = partition();
    newer(&mut image, BLOCK, &noise(50, 2048), 258, 5, 2048);
    ruin(&mut image, ONE + 4, 0);
    assert_eq!(hurt(&image), HurtPages { stale: vec![ONE as u32 + 4], ..HurtPages::default() });
}

#[test]
fn a_newer_header_that_is_damaged_shows_an_older_one() {
    let mut image = partition();
    let header = main_only(&image)[(TWO - 1) * 2048..][..2048].to_vec();
    newer(&mut image, BLOCK, &header, 259, 0, 0xFFFF);
    let stale = image.clone();
    ruin(&mut image, BLOCK, 3);
    let expected = HurtHeader { page: BLOCK as u32, object: 259, effect: Effect::Older(b"two".to_vec()) };
    assert_eq!(hurt(&image), HurtPages { headers: vec![expected], ..HurtPages::default() });
    let mut image = stale;
    ruin(&mut image, TWO - 1, 3);
    assert_eq!(hurt(&image), HurtPages { stale: vec![TWO as u32 - 1], ..HurtPages::default() });
}

#[test]
fn of_a_page_without_tags_among_erased_ones_nothing_is_claimed() {
    let mut image = partition();
    newer(&mut image, BLOCK, &noise(50, 2048), 300, 1, 2048);
    wipe(&mut image, BLOCK);
    assert_eq!(hurt(&image), HurtPages { unknown: vec![BLOCK as u32], ..HurtPages::default() });
}

#[test]
fn an_ordinary_hole_is_no_missing_piece() {
    let mut image = partition();
    // Chunk 10 of lib/one was never written, and an unreadable page lies elsewhere.
    image[(ONE + 9) * PAGE..][..PAGE].fill(0xFF);
    wipe(&mut image, THREE + 2);
    let three = vec![piece(3, 2048, THREE + 2, true)];
    let expected = HurtPages { files: vec![file("three", 260, THREE_BYTES, three)], ..HurtPages::default() };
    assert_eq!(hurt(&image), expected);
}

#[test]
fn every_file_ruined_is_named_page_by_page() {
    let mut image = partition();
    for page in ONE..ONE + 20 {
        if page % 2 == 0 { wipe(&mut image, page) } else { ruin(&mut image, page, page % 4) }
    }
    let pieces =
        (0..20).map(|at| piece(at + 1, 2048, ONE + at as usize, (ONE + at as usize).is_multiple_of(2)));
    let expected =
        HurtPages { files: vec![file("lib/one", 258, 20 * 2048, pieces.collect())], ..HurtPages::default() };
    assert_eq!(hurt(&image), expected);
}

#[test]
fn an_image_of_something_else_or_of_several_things_names_no_files() {
    let mut other = Vec::new();
    (0..100).for_each(|page| push(&mut other, &noise(page + 1, 2048), &[]));
    ruin(&mut other, 50, 0);
    let files =
        |image: &[u8]| hurt_files(image, &shape(image, Form::Interleaved), &checked(image).damaged).unwrap();
    assert_eq!(files(&other), Files::None);
    let mut many: Vec<u8> = (0..4).flat_map(|_| partition()[..BLOCK * PAGE].to_vec()).collect();
    (0..70).for_each(|page| push(&mut many, &noise(page + 1, 2048), &[]));
    ruin(&mut many, 5, 0);
    assert_eq!(files(&many), Files::Several);
}
