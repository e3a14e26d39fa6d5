//! A small YAFFS2 partition as a phone stores it, and ways to spoil it.

use std::convert::Infallible;

use bromide_image::yaffs2::{Attributes, Writer};
use bromide_job::pageimage::{Checked, Form, PageImageError, Shape, check};
use bromide_nand::{Geometry, Layout, PageState, check_page, encode_page};

/// Stored bytes of a page.
pub(crate) const PAGE: usize = 2112;

/// Pages of a block.
pub(crate) const BLOCK: usize = 64;

/// Blocks of the image.
pub(crate) const BLOCKS: usize = 3;

/// First page of the bytes of `lib/one`, which has 20 pages of them; its header is the page before.
pub(crate) const ONE: usize = 3;

/// The same of `two`, which has 3 pages.
pub(crate) const TWO: usize = 24;

/// The same of `three`, which has 5 pages, the last of them short.
pub(crate) const THREE: usize = 28;

pub(crate) const THREE_BYTES: u64 = 4 * 2048 + 100;

pub(crate) fn chip() -> Geometry {
    Geometry::new(2048, 64, BLOCK as u32, 65536).unwrap()
}

/// Bytes that look like nothing.
pub(crate) fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut random = Random(seed);
    (0..len).map(|_| random.next() as u8).collect()
}

/// A generator of the xorshift kind.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub(crate) fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }
}

/// A partition of three blocks: a directory, three files of noise, the rest erased.
pub(crate) fn partition() -> Vec<u8> {
    let mut image = Vec::new();
    let attributes = Attributes { mode: 0o644, uid: 0, gid: 0, accessed: 1, modified: 2, changed: 3 };
    let sink = |main: &[u8; 2048], software: &[u8; 25]| {
        push(&mut image, main, software);
        Ok::<(), Infallible>(())
    };
    let (mut writer, root) = Writer::new(sink, &attributes).unwrap();
    let lib = writer.directory(root, b"lib", &attributes).unwrap();
    writer.file(lib, b"one", &attributes, noise(1, 20 * 2048).as_slice()).unwrap();
    writer.file(root, b"two", &attributes, noise(2, 3 * 2048).as_slice()).unwrap();
    writer.file(root, b"three", &attributes, noise(3, THREE_BYTES as usize).as_slice()).unwrap();
    assert_eq!(writer.written().chunks as usize, THREE + 5);
    image.resize(BLOCKS * BLOCK * PAGE, 0xFF);
    image
}

/// Adds a page as a phone stores it.
pub(crate) fn push(image: &mut Vec<u8>, main: &[u8], software: &[u8]) {
    let mut page = [0; PAGE];
    encode_page(main, software, None, &chip(), &mut page).unwrap();
    image.extend(page);
}

/// Flips bits of a stored byte of a page.
pub(crate) fn flip(image: &mut [u8], page: usize, byte: usize, mask: u8) {
    image[page * PAGE + byte] ^= mask;
}

/// Ruins the data of a sector beyond repair; its spare bytes stay good.
pub(crate) fn ruin(image: &mut [u8], page: usize, sector: usize) {
    for (at, byte) in image[page * PAGE + sector * 528..][..512].iter_mut().enumerate() {
        *byte ^= (at * 37 % 251) as u8;
    }
    let PageState::Damaged { sectors } =
        check_page(&image[page * PAGE..(page + 1) * PAGE], Layout::Interleaved, &chip())
    else {
        panic!("the page can be repaired");
    };
    assert_ne!(sectors >> sector & 1, 0);
}

/// Ruins a page so that nothing of it is left, tags included.
pub(crate) fn wipe(image: &mut [u8], page: usize) {
    for sector in 0..4 {
        ruin(image, page, sector);
        image[page * PAGE + sector * 528 + 513..][..6].copy_from_slice(&noise(page as u64 + 99, 6));
    }
}

/// The same pages with the main bytes in front.
pub(crate) fn spare_last(image: &[u8]) -> Vec<u8> {
    let mut out = vec![0; image.len()];
    for (page, into) in image.chunks(PAGE).zip(out.chunks_mut(PAGE)) {
        Layout::Interleaved.convert(page, Layout::DataThenSpare, into, &chip()).unwrap();
    }
    out
}

/// The main bytes of every page.
pub(crate) fn main_only(image: &[u8]) -> Vec<u8> {
    image.chunks(528).flat_map(|sector| &sector[..512]).copied().collect()
}

/// What it is, in this form.
pub(crate) fn shape(image: &[u8], form: Form) -> Shape {
    Shape::new(image.len() as u64, form, chip()).unwrap()
}

/// Checks a raw image.
pub(crate) fn checked(image: &[u8]) -> Checked {
    check(&image, &shape(image, Form::Interleaved), &mut |_| true).unwrap()
}

/// Whether it was refused for this reason.
#[track_caller]
pub(crate) fn refused<T>(result: Result<T, PageImageError>, code: &str) {
    match result {
        Ok(_) => panic!("not refused"),
        Err(e) => assert_eq!(e.code(), code, "{e}"),
    }
}
