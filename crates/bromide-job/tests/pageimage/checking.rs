//! States of pages and blocks, and the form found from the bytes.

use bromide_job::pagecheck::PageCheck;
use bromide_job::pageimage::{DamagedPage, Form, Shape, check, detect};
use bromide_nand::report::BlockState;
use bromide_nand::{Geometry, Layout};

use crate::image::*;

#[test]
fn a_sound_image_is_clean_and_blank() {
    let found = checked(&partition());
    assert_eq!((found.counts.clean, found.counts.blank, found.counts.pages()), (33, 159, 192));
    assert_eq!(found.blocks, [BlockState::Clean, BlockState::Blank, BlockState::Blank]);
    assert!(found.damaged.is_empty());
}

#[test]
fn damage_planted_at_known_pages_is_found_at_exactly_these() {
    let mut image = partition();
    flip(&mut image, 5, 100, 0x01);
    flip(&mut image, 6, 700, 0x07);
    flip(&mut image, 6, 20, 0x80);
    for byte in [0, 200, 400, 515] {
        flip(&mut image, 7, byte, 0x10);
    }
    ruin(&mut image, 9, 2);
    ruin(&mut image, 31, 0);
    ruin(&mut image, 31, 3);
    flip(&mut image, 70, 1000, 0x03);
    flip(&mut image, 128, 512, 0xFF); // a bad-block mark
    let found = checked(&image);
    assert_eq!(found.damaged, [DamagedPage { page: 9, sectors: 4 }, DamagedPage { page: 31, sectors: 9 }]);
    assert_eq!(found.counts.correctable, [1, 0, 1, 1]);
    assert_eq!((found.counts.wrong_bits, found.counts.clean, found.counts.damaged), (9, 28, 2));
    assert_eq!((found.counts.blank, found.counts.flipped_blank, found.counts.flipped_bits), (95, 1, 2));
    assert_eq!(found.counts.in_bad_blocks, 64);
    assert_eq!(found.blocks, [BlockState::Damaged, BlockState::Blank, BlockState::BadMark]);
    assert_eq!(found.bad_blocks().collect::<Vec<_>>(), [2]);
    let other = spare_last(&image);
    let again = check(&&other[..], &shape(&other, Form::SpareLast), &mut |_| true).unwrap();
    assert_eq!((again.counts, again.damaged), (found.counts, found.damaged));
}

#[test]
fn a_repair_that_the_check_byte_contradicts_is_damage() {
    let mut image = partition();
    // A sector that is a code word again, with other tags: only the check byte can tell.
    let page = &mut image[5 * PAGE..6 * PAGE];
    page[514] ^= 0x08;
    let (data, spare) = page[..528].split_at(512);
    let parity = bromide_nand::ecc::stored_parity(data, &spare[..8]);
    page[520..528].copy_from_slice(&parity);
    page[100] ^= 1;
    page[1200] ^= 1;
    let found = checked(&image);
    assert_eq!(found.damaged, [DamagedPage { page: 5, sectors: 0b101 }]);
}

#[test]
fn the_figures_are_those_of_the_check_while_reading_back() {
    let mut random = Random(42);
    let mut image: Vec<u8> = Vec::new();
    for page in 0..700_u64 {
        match random.below(4) {
            0 => image.extend([0xFF; PAGE]),
            _ => push(&mut image, &noise(page + 1, 2048), &noise(page + 7, 25)),
        }
    }
    for _ in 0..900 {
        let (page, byte) = (random.below(700), random.below(PAGE));
        flip(&mut image, page, byte, 1 << random.below(8));
    }
    for _ in 0..20 {
        let page = random.below(700);
        image[page * PAGE..][..300].iter_mut().for_each(|byte| *byte ^= 0x55);
    }
    image.resize(11 * BLOCK * PAGE, 0xFF);
    flip(&mut image, 5 * BLOCK, 512, 0xFF);
    let mut oracle = PageCheck::new(chip(), Layout::Interleaved, 0);
    oracle.feed(&image);
    let (oracle, found) = (oracle.finish(), checked(&image));
    let (theirs, ours) = (oracle.counts, found.counts);
    assert_eq!((ours.clean, ours.blank, ours.in_bad_blocks), (theirs.clean, theirs.blank, 64));
    assert_eq!((ours.corrected(), ours.wrong_bits), (theirs.correctable, oracle.wrong_bits));
    assert!(theirs.damaged >= 10 && theirs.correctable > 300);
    let pages: Vec<_> = oracle.damaged.pages().map(|(page, what)| (page as u32, what)).collect();
    assert_eq!(found.damaged.iter().map(|it| (it.page, it.sectors)).collect::<Vec<_>>(), pages);
}

#[test]
fn the_form_is_found_from_the_bytes() {
    let (image, chip) = (partition(), chip());
    let form = |bytes: &[u8]| detect(&bytes, &chip).unwrap();
    assert_eq!(form(&image), Some(Form::Interleaved));
    assert_eq!(form(&spare_last(&image)), Some(Form::SpareLast));
    assert_eq!(form(&main_only(&image)), Some(Form::MainOnly));
    assert_eq!(form(&vec![0xFF; 64 * PAGE]), Some(Form::Interleaved), "nothing is written");
    assert_eq!(form(&noise(5, 100_001)), None);
    assert_eq!(form(&noise(5, 100 * 2048)), Some(Form::MainOnly));
    assert_eq!(form(&image[..image.len() - 700]), Some(Form::Interleaved), "a cut file");
}

#[test]
fn one_written_page_in_a_large_erased_image_tells_its_form() {
    let mut image = vec![0xFF; 5000 * PAGE];
    let mut page = Vec::new();
    push(&mut page, &noise(9, 2048), &[]);
    image[4321 * PAGE..][..PAGE].copy_from_slice(&page);
    flip(&mut image, 17, 3, 1);
    assert_eq!(detect(&&image[..], &chip()).unwrap(), Some(Form::Interleaved));
    assert_eq!(detect(&&spare_last(&image)[..], &chip()).unwrap(), Some(Form::SpareLast));
}

#[test]
fn an_image_with_half_of_its_pages_ruined_still_tells_its_form() {
    let mut image = partition();
    (0..33).step_by(2).for_each(|page| wipe(&mut image, page));
    assert_eq!(detect(&&image[..], &chip()).unwrap(), Some(Form::Interleaved));
}

#[test]
fn other_pages_are_checked_as_well() {
    let chip = Geometry::new(4096, 128, 32, 1).unwrap();
    let mut image = Vec::new();
    for page in 0..40 {
        let mut stored = [0; 4224];
        bromide_nand::encode_page(&noise(page + 1, 4096), &[], None, &chip, &mut stored).unwrap();
        image.extend(stored);
    }
    image[33 * 4224 + 10] ^= 1;
    let shape = Shape::new(image.len() as u64, Form::Interleaved, chip).unwrap();
    assert_eq!(detect(&&image[..], &chip).unwrap(), Some(Form::Interleaved));
    let found = check(&&image[..], &shape, &mut |_| true).unwrap();
    assert_eq!((found.counts.clean, found.counts.correctable), (39, [1, 0, 0, 0]));
    assert_eq!(found.blocks, [BlockState::Clean, BlockState::Corrected(1)]);
}

#[test]
fn what_is_no_image_is_refused_by_name() {
    refused(Shape::new(2111, Form::Interleaved, chip()), "image/too-short");
    refused(Shape::new(0, Form::MainOnly, chip()), "image/too-short");
    refused(Shape::new(1 << 50, Form::Interleaved, chip()), "image/geometry");
    let cut = Shape::new(2 * 2112 + 5, Form::Interleaved, chip()).unwrap();
    assert_eq!((cut.pages, cut.left_over), (2, 5));
}

#[test]
fn a_check_stops_when_told_to() {
    let image = partition();
    let mut told = 0;
    let stopped = check(&&image[..], &shape(&image, Form::Interleaved), &mut |_| {
        told += 1;
        told < 2
    });
    refused(stopped, "link/cancelled");
}
