//! Page size and layout found in images made page by page.

mod noise;

use bromide_nand::detect::{Detected, MOST_READS, STRETCH, detect};
use bromide_nand::{Geometry, Layout, encode_page};
use noise::{Noise, Sector, flip};
use proptest::prelude::*;

/// A page of text and tags that differ from page to page.
fn page(number: u64, geometry: &Geometry, layout: Layout) -> Vec<u8> {
    page_with(number, geometry, layout, |_, _| {})
}

/// The same with something done to every sector, which is numbered through the image.
fn page_with(number: u64, geometry: &Geometry, layout: Layout, spoil: impl Fn(u64, &mut Sector)) -> Vec<u8> {
    let text = format!("line {number} of a text that goes on and on\n");
    let main: Vec<u8> = text.bytes().cycle().take(usize::try_from(geometry.page).unwrap()).collect();
    let mut tags = [0, 0x10, 0, 0, 2, 1, 0, 0, 1, 0, 0, 0, 0, 8];
    tags[8..12].copy_from_slice(&u32::try_from(number).unwrap().to_le_bytes());
    let mut stored = vec![0; usize::try_from(geometry.stored_page()).unwrap()];
    encode_page(&main, &tags, None, geometry, &mut stored).unwrap();
    for (at, place) in (0..).zip(stored.as_chunks_mut::<528>().0) {
        let (data, spare) = place.split_at(512);
        let mut sector = (data.try_into().unwrap(), spare.try_into().unwrap());
        spoil(number * u64::from(geometry.sectors_per_page()) + at, &mut sector);
        place.copy_from_slice(&[&sector.0[..], &sector.1].concat());
    }
    let mut page = vec![0; stored.len()];
    Layout::Interleaved.convert(&stored, layout, &mut page, geometry).unwrap();
    page
}

fn chip(page: u32) -> Geometry {
    Geometry::new(page, page / 32, 64, 4096).unwrap()
}

fn usual() -> Geometry {
    chip(2048)
}

/// What is detected, and in how many reads; every read must be within what was promised.
fn look(len: u64, mut read: impl FnMut(u64, &mut [u8]) -> Option<()>) -> (Option<Detected>, usize) {
    let mut reads = 0;
    let found = detect(
        |offset, buffer: &mut [u8]| {
            reads += 1;
            assert!(!buffer.is_empty() && buffer.len() <= STRETCH);
            assert!(offset + u64::try_from(buffer.len()).unwrap() <= len);
            read(offset, buffer)
        },
        len,
    );
    assert!(reads <= MOST_READS);
    (found, reads)
}

fn look_at(image: &[u8]) -> (Option<Detected>, usize) {
    look(u64::try_from(image.len()).unwrap(), |offset, buffer| {
        let start = usize::try_from(offset).unwrap();
        buffer.copy_from_slice(&image[start..start + buffer.len()]);
        Some(())
    })
}

fn shape(found: Option<Detected>) -> Option<(u32, u32, Layout, bool)> {
    found.map(|found| (found.page, found.spare, found.layout, found.page_size_seen))
}

const USUAL: Option<(u32, u32, Layout, bool)> = Some((2048, 64, Layout::Interleaved, true));

#[test]
fn every_page_size_is_found_in_either_layout() {
    for size in [512, 1024, 2048, 4096, 8192] {
        for layout in [Layout::Interleaved, Layout::DataThenSpare] {
            let image: Vec<u8> = (0..300).flat_map(|number| page(number, &chip(size), layout)).collect();
            let (found, reads) = look_at(&image);
            // With one sector in a page the layouts are one and the same.
            let layout = if size == 512 { Layout::Interleaved } else { layout };
            assert_eq!(shape(found), Some((size, size / 32, layout, true)));
            let found = found.unwrap();
            assert_eq!(found.passing, found.written);
            assert!(reads <= 19, "{reads} reads for pages of {size}");
        }
    }
}

#[test]
fn one_page_is_enough() {
    for size in [512, 1024, 2048, 4096, 8192] {
        let (found, _) = look_at(&page(7, &chip(size), Layout::Interleaved));
        assert_eq!(shape(found), Some((size, size / 32, Layout::Interleaved, true)));
        let (found, _) = look_at(&page(7, &chip(size), Layout::DataThenSpare));
        assert_eq!(found.map(|found| found.page), Some(size));
    }
}

/// A partition of 295 MiB of main bytes, of which 24 or fewer of its 2360 blocks are written.
#[test]
fn an_image_that_is_blank_but_for_one_block_in_a_hundred_is_recognised() {
    const BLOCK: u64 = 64 * 2112;
    let everywhere: [fn(u64) -> bool; 3] =
        [|block| block % 100 == 57, |block| block % 128 == 1, |block| (700..724).contains(&block)];
    for (layout, written) in [Layout::Interleaved, Layout::DataThenSpare]
        .into_iter()
        .flat_map(|layout| everywhere.map(|written| (layout, written)))
    {
        let (found, _) = look(2360 * BLOCK, |offset, buffer| {
            buffer.fill(0xff);
            let block = offset / BLOCK;
            if written(block) {
                let pages = (0..4).flat_map(|at| page(offset / 2112 + at, &usual(), layout));
                buffer.iter_mut().zip(pages).for_each(|(to, from)| *to = from);
            }
            Some(())
        });
        assert_eq!(shape(found), Some((2048, 64, layout, true)));
    }
}

#[test]
fn erased_bad_and_unreadable_blocks_at_the_front_are_passed_over() {
    let mut image: Vec<u8> =
        (0..640).flat_map(|number| page(number, &usual(), Layout::Interleaved)).collect();
    let block = 64 * 2112;
    image[..3 * block].fill(0xff);
    image[3 * block..4 * block].fill(0);
    let mut noise = Noise(99);
    image[4 * block..5 * block].fill_with(|| noise.next().to_le_bytes()[3]);
    assert_eq!(shape(look_at(&image).0), USUAL);

    let len = u64::try_from(image.len()).unwrap();
    let (found, _) = look(len, |offset, buffer| {
        let start = usize::try_from(offset).unwrap();
        (start >= 6 * block).then(|| buffer.copy_from_slice(&image[start..start + buffer.len()]))
    });
    assert_eq!(shape(found), USUAL);
    assert_eq!(look(len, |_, _| None).0, None);
}

#[test]
fn four_wrong_bits_in_every_sector_hide_nothing() {
    for layout in [Layout::Interleaved, Layout::DataThenSpare] {
        let spoil = |sector, bytes: &mut Sector| flip(bytes, &Noise(sector * 977 + 1).bits(4));
        let image: Vec<u8> = (0..200).flat_map(|number| page_with(number, &usual(), layout, spoil)).collect();
        let (found, _) = look_at(&image);
        assert_eq!(shape(found), Some((2048, 64, layout, true)));
        assert_eq!(found.map(|found| found.passing), found.map(|found| found.written));
    }
}

/// Five wrong bits in a sector on average: more than half of them are beyond repair.
#[test]
fn a_chip_more_than_half_beyond_repair_is_still_recognised() {
    for layout in [Layout::Interleaved, Layout::DataThenSpare] {
        let spoil = |sector, bytes: &mut Sector| {
            let mut noise = Noise(sector * 977 + 1);
            let wrong: Vec<u64> = (0..4212).filter(|_| noise.next().is_multiple_of(842)).collect();
            flip(bytes, &wrong);
        };
        let image: Vec<u8> = (0..600).flat_map(|number| page_with(number, &usual(), layout, spoil)).collect();
        let found = look_at(&image).0.unwrap();
        assert_eq!((found.page, found.layout), (2048, layout));
        assert!(found.passing * 2 < found.written, "{found:?}");
    }
}

/// Beyond the strength of the code in every sector nothing can be told, but such pages may be many.
#[test]
fn pages_with_a_fiftieth_of_their_bits_wrong_say_nothing_and_spoil_nothing() {
    let ruin = |sector, bytes: &mut Sector| flip(bytes, &Noise(sector * 977 + 1).bits(84));
    let ruined: Vec<u8> =
        (0..200).flat_map(|number| page_with(number, &usual(), Layout::Interleaved, ruin)).collect();
    assert_eq!(look_at(&ruined).0, None);

    let mut image = ruined;
    for (number, place) in (0..).zip(image.chunks_exact_mut(2112)) {
        if number % 3 == 0 {
            place.copy_from_slice(&page(number, &usual(), Layout::Interleaved));
        }
    }
    assert_eq!(shape(look_at(&image).0), USUAL);
}

#[test]
fn erased_pages_with_a_fiftieth_of_their_bits_flipped_are_not_held_against_a_layout() {
    let mut noise = Noise(31);
    let mut image = vec![0xff_u8; 6400 * 2112];
    for byte in &mut image {
        for bit in 0..8 {
            *byte ^= u8::from(noise.next().is_multiple_of(50)) << bit;
        }
    }
    for (number, place) in (0..).zip(image.chunks_exact_mut(2112)) {
        if number % 640 == 0 {
            place.copy_from_slice(&page(number, &usual(), Layout::Interleaved));
        }
    }
    assert_eq!(shape(look_at(&image).0), USUAL);
}

#[test]
fn pages_without_index_and_check_byte_do_not_tell_their_size() {
    let spoil = |_, (data, spare): &mut Sector| {
        spare[..8].fill(0xff);
        let parity = bromide_nand::ecc::stored_parity(data, &[0xff; 8]);
        spare[8..].copy_from_slice(&parity);
    };
    let image: Vec<u8> =
        (0..64).flat_map(|number| page_with(number, &chip(4096), Layout::Interleaved, spoil)).collect();
    assert_eq!(shape(look_at(&image).0), Some((2048, 64, Layout::Interleaved, false)));
    let image: Vec<u8> =
        (0..64).flat_map(|number| page_with(number, &chip(4096), Layout::DataThenSpare, spoil)).collect();
    assert_eq!(shape(look_at(&image).0), Some((4096, 128, Layout::DataThenSpare, true)));
}

#[test]
fn main_bytes_alone_and_anything_else_are_not_guessed_at() {
    let main: Vec<u8> = (0..3000)
        .flat_map(|number| {
            let stored = page(number, &usual(), Layout::Interleaved);
            let mut main = vec![0; 2048];
            Layout::Interleaved.main_bytes(&stored, &mut main, &usual()).unwrap();
            main
        })
        .collect();
    assert_eq!(look_at(&main).0, None);
    let mut noise = Noise(5);
    let random: Vec<u8> = std::iter::repeat_with(|| noise.next().to_le_bytes()[0]).take(8 << 20).collect();
    assert_eq!(look_at(&random).0, None);
    assert_eq!(look_at(&[]).0, None);
    assert_eq!(look_at(&[0xff; 100_000]).0, None);
    assert_eq!(look_at(&[0; 100_000]).0, None);
    // Zeros with the filler of a written sector: a code word, and found in many a file.
    let mut zeros = vec![0; 100 * 528];
    zeros.chunks_exact_mut(528).for_each(|sector| sector[526..].copy_from_slice(&[0xf0, 0xff]));
    assert_eq!(look_at(&zeros).0, None);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(32) })]

    #[test]
    fn no_length_and_no_bytes_upset_it(len in any::<u64>(), short in any::<bool>(), seed in 1..u64::MAX) {
        let len = if short { len % 50_000 } else { len / 2 };
        let mut noise = Noise(seed);
        let (found, _) = look(len, |_, buffer| {
            let word = noise.next();
            match word % 4 {
                0 => return None,
                1 => buffer.fill(word.to_le_bytes()[1]),
                _ => buffer.fill_with(|| noise.next().to_le_bytes()[0]),
            }
            Some(())
        });
        prop_assert_eq!(found, None);
    }
}
