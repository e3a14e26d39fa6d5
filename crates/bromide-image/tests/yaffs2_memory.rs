//! The memory a tree takes, of images as large as a phone's `system` whose pages are made when they are asked for.
#![cfg(target_os = "linux")]

use std::fs;

use bromide_image::read_at::{ReadAt, ReadError};
use bromide_image::yaffs2::read::{Options, ROOT, Tree};
use bromide_nand::Geometry;

#[path = "support/yaffs_page.rs"]
mod yaffs_page;
use yaffs_page::{DIRECTORY, Header, SYMLINK, encode};

const PAGES: u32 = 151_040;
const STORED: u64 = 2112;

/// Most bytes a tree may take: 64 MiB, and 64 for each chunk.
const MOST: u64 = (64 << 20) + 64 * PAGES as u64;

type Page = fn(u32, &Options) -> Vec<u8>;

/// Pages made from their numbers.
struct Made(Page, Options);

impl ReadAt for Made {
    fn len(&self) -> u64 {
        u64::from(PAGES) * STORED
    }

    fn read_at(&self, at: u64, into: &mut [u8]) -> Result<(), ReadError> {
        for (number, page) in ((at / STORED) as u32..).zip(into.chunks_exact_mut(STORED as usize)) {
            page.copy_from_slice(&(self.0)(number, &self.1));
        }
        Ok(())
    }
}

/// Files of a hundred chunks each, in order.
fn files(number: u32, options: &Options) -> Vec<u8> {
    let (file, at) = (300 + number / 101, number % 101);
    if at != 0 {
        return encode(options, [0x1000, file, at, 2048], &[7; 2048], false);
    }
    let name = format!("a file of the usual sort, {file}");
    let header = Header::file(ROOT, name.as_bytes(), 100 * 2048);
    encode(options, [0x1000, file, 0, 0xFFFF], &header.chunk(options), false)
}

/// One chunk of one file, written again and again.
fn versions(number: u32, options: &Options) -> Vec<u8> {
    encode(options, [0x1000 + number / 64, 300, 1 + number % 2, 2048], &[7; 2048], false)
}

/// Nothing but headers of objects with the longest names.
fn names(number: u32, options: &Options) -> Vec<u8> {
    let header = Header::new(DIRECTORY, ROOT, &[b'n'; 255]);
    encode(options, [0x1000, 300 + number, 0, 0xFFFF], &header.chunk(options), false)
}

/// Nothing but links with the longest targets of the enlarged headers.
fn targets(number: u32, options: &Options) -> Vec<u8> {
    let header = Header { target: &[b't'; 1200], ..Header::new(SYMLINK, ROOT, &[b'n'; 255]) };
    encode(options, [0x1000, 300 + number, 0, 0xFFFF], &header.chunk(options), false)
}

/// A line of what the system tells of this process, in bytes.
fn status(line: &str) -> u64 {
    let all = fs::read_to_string("/proc/self/status").unwrap();
    let found = all.lines().find_map(|it| it.strip_prefix(line)).unwrap();
    found.trim_start_matches(':').trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

#[test]
fn a_tree_stays_within_64_mib_and_64_bytes_a_chunk() {
    let options = Options::image_file(Geometry::new(2048, 64, 64, 65536).unwrap());
    for (name, page) in [
        ("files", files as Page),
        ("versions", versions),
        ("longest names", names),
        ("longest targets", targets),
    ] {
        if fs::write("/proc/self/clear_refs", "5").is_err() {
            println!("skipped: the system does not tell how much memory was used");
            return;
        }
        let before = status("VmRSS");
        let tree = Tree::scan(Made(page, options), options).unwrap();
        let (most, kept) = (status("VmHWM").saturating_sub(before), status("VmRSS").saturating_sub(before));
        let each = |bytes: u64| bytes / u64::from(PAGES);
        println!(
            "{name}: {} nodes, at most {} MiB, {} bytes a chunk; kept {} MiB, {} bytes a chunk",
            tree.nodes().len(),
            most >> 20,
            each(most),
            kept >> 20,
            each(kept)
        );
        assert!(most < MOST, "{name}: {most} bytes");
    }
}
