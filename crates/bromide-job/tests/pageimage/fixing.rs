//! Images corrected.

use std::fs;
use std::path::Path;

use bromide_job::pageimage::{Fixed, Form, Output, PageImageError, Step, fix};

use crate::image::*;

fn fixed(image: &[u8], form: Form, folder: &Path, force: bool) -> Result<(Fixed, Vec<u8>), PageImageError> {
    let (input, target) = (folder.join("in.img"), folder.join("out.img"));
    fs::write(&input, image).unwrap();
    let output = Output { target: &target, force, input: &input };
    let fixed = fix(&image, &shape(image, form), &output, &mut |_, _| true)?;
    assert!(!folder.join("out.img.part").exists());
    Ok((fixed, fs::read(&target).unwrap()))
}

/// Up to four flips in sectors of written pages, up to four in erased ones, and some in the filler.
fn spoil(image: &mut [u8]) {
    let mut random = Random(77);
    for page in (0..BLOCK).filter(|page| page % 2 == 0) {
        let sector = random.below(4) * 528;
        let mut bits: Vec<usize> = (0..1 + random.below(4)).map(|_| random.below(526 * 8)).collect();
        bits.sort_unstable();
        bits.dedup();
        bits.iter().for_each(|bit| flip(image, page, sector + bit / 8, 1 << (bit % 8)));
    }
    flip(image, 1, 527, 0x10);
    flip(image, 4, 526, 0x40);
}

#[test]
fn every_wrong_bit_is_put_right_in_either_order_of_bytes() {
    let (folder, image) = (tempfile::tempdir().unwrap(), partition());
    let mut bad = image.clone();
    spoil(&mut bad);
    let (done, out) = fixed(&bad, Form::Interleaved, folder.path(), false).unwrap();
    assert!(out == image, "not as it was before it was spoilt");
    assert_eq!(done.filler_bits, 2);
    assert_eq!(done.changed_pages, 33, "32 pages with flips and one with filler alone");
    assert_eq!(done.before.counts.corrected(), 17);
    assert_eq!(done.saved.bytes, image.len() as u64);
    let (_, out) = fixed(&spare_last(&bad), Form::SpareLast, folder.path(), true).unwrap();
    assert!(out == spare_last(&image));
}

#[test]
fn damaged_pages_and_bad_blocks_stay_as_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let mut bad = partition();
    ruin(&mut bad, 10, 1);
    flip(&mut bad, 10, 5, 1); // correctable, but the page is lost
    flip(&mut bad, BLOCK, 512, 0xFF);
    flip(&mut bad, BLOCK + 3, 5, 1);
    let expected = bad.clone();
    flip(&mut bad, 11, 5, 1);
    let (done, out) = fixed(&bad, Form::Interleaved, folder.path(), false).unwrap();
    assert!(out == expected);
    assert_eq!(done.before.damaged.iter().map(|it| it.page).collect::<Vec<_>>(), [10]);
    assert_eq!((done.changed_pages, done.before.counts.in_bad_blocks), (1, 64));
}

#[test]
fn what_is_there_is_not_replaced_unless_asked_and_the_input_never() {
    let (folder, image) = (tempfile::tempdir().unwrap(), partition());
    fs::write(folder.path().join("out.img"), "mine").unwrap();
    refused(fixed(&image, Form::Interleaved, folder.path(), false), "save/exists");
    assert_eq!(fs::read(folder.path().join("out.img")).unwrap(), b"mine");
    fixed(&image, Form::Interleaved, folder.path(), true).unwrap();
    let input = folder.path().join("in.img");
    for name in ["in.img", "hard.img", "./in.img", "soft.img"] {
        let _ = fs::hard_link(&input, folder.path().join("hard.img"));
        #[cfg(unix)]
        let _ = std::os::unix::fs::symlink("in.img", folder.path().join("soft.img"));
        let target = folder.path().join(name);
        let output = Output { target: &target, force: true, input: &input };
        let to_itself = fix(&&image[..], &shape(&image, Form::Interleaved), &output, &mut |_, _| true);
        refused(to_itself, "save/same-file");
    }
    let part = folder.path().join("x.img.part");
    fs::rename(&input, &part).unwrap();
    let output = Output { target: &folder.path().join("x.img"), force: true, input: &part };
    let over_part = fix(&&image[..], &shape(&image, Form::Interleaved), &output, &mut |_, _| true);
    refused(over_part, "save/same-file");
    assert!(fs::read(&part).unwrap() == image);
}

#[test]
fn a_run_that_is_stopped_leaves_nothing_in_either_step() {
    let (folder, image) = (tempfile::tempdir().unwrap(), partition());
    let input = folder.path().join("in.img");
    fs::write(&input, &image).unwrap();
    for at in [Step::Write, Step::ReadBack] {
        let target = folder.path().join("out.img");
        let output = Output { target: &target, force: false, input: &input };
        let stopped = fix(&&image[..], &shape(&image, Form::Interleaved), &output, &mut |step, _| step != at);
        refused(stopped, "link/cancelled");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "{at:?}");
    }
}

#[test]
fn without_parity_or_with_half_a_page_there_is_nothing_to_fix() {
    let (folder, image) = (tempfile::tempdir().unwrap(), partition());
    let cut = &image[..image.len() - 1];
    refused(fixed(cut, Form::Interleaved, folder.path(), false), "image/left-over");
    refused(fixed(&main_only(&image), Form::MainOnly, folder.path(), false), "image/no-parity");
    refused(fixed(&image, Form::YaffsImage, folder.path(), false), "image/no-parity");
    assert!(!folder.path().join("out.img").exists());
}
