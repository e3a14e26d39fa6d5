//! Images in another form, and back.

use std::fs;
use std::path::Path;

use bromide_image::yaffs2::tags;
use bromide_job::pageimage::{Converted, Form, Output, PageImageError, convert};
use bromide_nand::fdm;

use crate::image::*;

struct Bench(tempfile::TempDir);

impl Bench {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn convert(&self, image: &[u8], from: Form, to: Form) -> Result<(Converted, Vec<u8>), PageImageError> {
        self.filled(image, from, to, false)
    }

    fn filled(
        &self,
        image: &[u8],
        from: Form,
        to: Form,
        fill: bool,
    ) -> Result<(Converted, Vec<u8>), PageImageError> {
        let (input, target) = (self.path().join("in.img"), self.path().join("out.img"));
        fs::write(&input, image).unwrap();
        let output = Output { target: &target, force: true, input: &input };
        let done = convert(&image, &shape(image, from), to, fill, &output, &mut |_| true)?;
        Ok((done, fs::read(&target).unwrap()))
    }

    #[track_caller]
    fn good(&self, image: &[u8], from: Form, to: Form) -> Vec<u8> {
        self.convert(image, from, to).unwrap().1
    }
}

/// Pages of any sort that phones write, no two images alike.
fn any(seed: u64) -> Vec<u8> {
    let (mut random, mut image) = (Random(seed), Vec::new());
    for _ in 0..1 + random.below(200) {
        let main = match random.below(3) {
            0 => vec![0xFF; 2048],
            1 => vec![0; 2048],
            _ => noise(random.next() | 1, 2048),
        };
        match random.below(5) {
            0 => image.extend([0xFF; PAGE]),
            // Written FF without tags are FF in an image file, like an erased page: there is no way back.
            1 => push(&mut image, &noise(random.next() | 1, 2048), &[]),
            2 => {
                let mut tags = noise(random.next() | 1, 25);
                tags[16..].fill(0xFF);
                push(&mut image, &main, &tags);
            }
            _ => push(&mut image, &main, &noise(random.next() | 1, 25)),
        }
    }
    image
}

#[test]
fn every_clean_image_comes_back_from_every_form_that_keeps_the_tags() {
    let bench = Bench::new();
    for seed in 1..25 {
        let raw = any(seed);
        for form in [Form::SpareLast, Form::YaffsImage] {
            let there = bench.good(&raw, Form::Interleaved, form);
            assert!(bench.good(&there, form, Form::Interleaved) == raw, "seed {seed}, {form}");
        }
        let last = bench.good(&raw, Form::Interleaved, Form::SpareLast);
        assert!(last == spare_last(&raw));
        let image = bench.good(&last, Form::SpareLast, Form::YaffsImage);
        assert!(image == bench.good(&raw, Form::Interleaved, Form::YaffsImage));
        assert!(bench.good(&image, Form::YaffsImage, Form::SpareLast) == last);
        for (bytes, form) in [(&raw, Form::Interleaved), (&last, Form::SpareLast), (&image, Form::YaffsImage)]
        {
            assert!(bench.good(bytes, form, Form::MainOnly) == main_only(&raw), "seed {seed}, {form}");
        }
    }
}

#[test]
fn reordering_keeps_every_bit_of_any_image_whatever_its_state() {
    let bench = Bench::new();
    let mut image = noise(3, 150 * PAGE);
    image[BLOCK * PAGE + 512] = 0;
    let last = bench.good(&image, Form::Interleaved, Form::SpareLast);
    assert!(last == spare_last(&image));
    assert!(bench.good(&last, Form::SpareLast, Form::Interleaved) == image);
}

#[test]
fn an_image_file_has_the_tags_of_every_page_and_wrong_bits_are_corrected_on_the_way() {
    let (bench, image) = (Bench::new(), partition());
    let good = bench.good(&image, Form::Interleaved, Form::YaffsImage);
    for (stored, page) in image.chunks(PAGE).zip(good.chunks(PAGE)).take(33) {
        let all: Vec<u8> = stored.chunks(528).flat_map(|sector| &sector[512..520]).copied().collect();
        let mut software = [0; 25];
        fdm::software(&all, &mut software);
        assert_eq!(page[2048..], tags::image_spare(&software));
    }
    assert!(good[33 * PAGE..].iter().all(|byte| *byte == 0xFF));
    let mut bad = image.clone();
    flip(&mut bad, 4, 100, 0x03);
    flip(&mut bad, 6, 514, 0x10);
    flip(&mut bad, 100, 514, 0x10);
    let (done, out) = bench.convert(&bad, Form::Interleaved, Form::YaffsImage).unwrap();
    assert!(out == good);
    assert_eq!(done.checked.unwrap().counts.wrong_bits, 3);
    let (_, main) = bench.convert(&bad, Form::Interleaved, Form::MainOnly).unwrap();
    assert!(main == main_only(&image));
}

#[test]
fn damage_is_named_and_never_mended_by_a_new_parity() {
    let (bench, mut image) = (Bench::new(), partition());
    ruin(&mut image, 8, 1);
    wipe(&mut image, 9);
    flip(&mut image, 2 * BLOCK, 512, 0xFF);
    let (done, main) = bench.convert(&image, Form::Interleaved, Form::MainOnly).unwrap();
    let checked = done.checked.unwrap();
    assert_eq!(checked.damaged.iter().map(|it| it.page).collect::<Vec<_>>(), [8, 9]);
    assert!(main == main_only(&image), "damaged pages are written as they are");
    let (done, tagged) = bench.convert(&image, Form::Interleaved, Form::YaffsImage).unwrap();
    assert_eq!((done.left_out, done.checked.unwrap().counts.damaged), (1, 2));
    assert_eq!(tagged[8 * PAGE..][..2048], main[8 * 2048..][..2048]);
    assert_eq!(tagged[8 * PAGE + 2048..][..4], [0, 0x10, 0, 0], "its tags are good");
    assert!(tagged[9 * PAGE..10 * PAGE].iter().all(|byte| *byte == 0xFF));
    assert!(tagged[2 * BLOCK * PAGE..].iter().all(|byte| *byte == 0xFF), "an image file knows no bad blocks");
    let (done, last) = bench.convert(&image, Form::Interleaved, Form::SpareLast).unwrap();
    assert!(done.checked.is_none() && last == spare_last(&image));
}

#[test]
fn ways_that_cannot_be_gone_are_refused() {
    let (bench, image) = (Bench::new(), partition());
    let main = main_only(&image);
    for form in [Form::Interleaved, Form::SpareLast, Form::MainOnly, Form::YaffsImage] {
        refused(bench.convert(&image, form, form), "image/same-form");
    }
    refused(bench.convert(&main, Form::MainOnly, Form::YaffsImage), "image/spare-gone");
    refused(bench.convert(&main, Form::MainOnly, Form::Interleaved), "image/spare-gone");
    refused(bench.filled(&main, Form::MainOnly, Form::Interleaved, true), "image/spare-gone");
    refused(bench.convert(&image[..5000], Form::Interleaved, Form::SpareLast), "image/left-over");
    assert!(!bench.path().join("out.img").exists() && !bench.path().join("out.img.part").exists());
}

#[test]
fn main_bytes_of_no_file_system_get_parity_and_empty_tags_when_asked() {
    let bench = Bench::new();
    let mut raw = Vec::new();
    (0..70).for_each(|page| push(&mut raw, &noise(page + 1, 2048), &[]));
    raw.resize(100 * PAGE, 0xFF);
    let main = main_only(&raw);
    let (_, back) = bench.filled(&main, Form::MainOnly, Form::Interleaved, true).unwrap();
    assert!(back == raw);
    let (_, back) = bench.filled(&main, Form::MainOnly, Form::SpareLast, true).unwrap();
    assert!(back == spare_last(&raw));
}

#[test]
fn pages_of_a_real_phone_come_back_from_every_form() {
    let data = std::env::var_os("BROMIDE_DATA").map_or_else(
        || concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data").into(),
        std::path::PathBuf::from,
    );
    let mut raw = Vec::new();
    for (name, pages) in [("head-pages0-6.hex", 6), ("page50061-header.hex", 1)] {
        let Ok(text) = fs::read_to_string(data.join("nand").join(name)) else {
            println!("skipped: no sample data (BROMIDE_DATA)");
            return;
        };
        raw.extend(&listing(&text)[..pages * PAGE]);
    }
    let found = checked(&raw);
    assert_eq!(found.counts.clean, 7);
    let bench = Bench::new();
    for form in [Form::SpareLast, Form::YaffsImage] {
        let there = bench.good(&raw, Form::Interleaved, form);
        assert!(bench.good(&there, form, Form::Interleaved) == raw, "{form}");
    }
    // Page 3: object 258, chunk 1 (nand-yaffs2.md section 4, worked example).
    let image = bench.good(&raw, Form::Interleaved, Form::YaffsImage);
    let expected = tags::Tags { sequence: 0x1000, object: 258, chunk: 1, bytes: 2048 }.packed();
    assert_eq!(image[3 * PAGE + 2048..][..28], expected);
}

/// The bytes of a listing.
fn listing(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (_, rest) = line.split_once(": ").unwrap();
        let digits = rest.split("  ").next().unwrap().replace(' ', "");
        bytes.extend(
            (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()),
        );
    }
    bytes
}
