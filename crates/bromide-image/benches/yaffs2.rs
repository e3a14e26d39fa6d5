//! YAFFS2 as large as a phone's `system`: `cargo bench -p bromide-image --bench yaffs2`.
//!
//! The demonstration tree on 151,040 pages, as a read back of the phone and as an image file: the tree found by a look
//! at every page and by skimming, and all bytes of all files read. Times are the best of several runs. Where
//! `unyaffs` is installed and `/dev/shm` is there, the same is unpacked by it and by this crate from one memory
//! into another.

use std::cell::RefCell;
use std::convert::Infallible;
use std::fs::{self, File};
use std::hint::black_box;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use bromide_image::read_at::{ReadAt, ReadError};
use bromide_image::yaffs2::demo_tree::{DEFAULT_CONTENT, DemoTree};
use bromide_image::yaffs2::read::{Kind, Options, Tree, Verify, detect};
use bromide_image::yaffs2::tags;
use bromide_nand::{Geometry, Layout, encode_page};

const PAGES: usize = 151_040;
const STORED: usize = 2112;

fn best<T>(mut what: impl FnMut() -> T) -> Duration {
    (0..5).fold(Duration::MAX, |best, _| {
        let start = Instant::now();
        black_box(what());
        best.min(start.elapsed())
    })
}

fn chip() -> Geometry {
    Geometry::new(2048, 64, 64, 4096).expect("a usual chip")
}

/// The same tree as a read back and as an image file, both with the same free blocks behind it.
fn images() -> (Vec<u8>, Vec<u8>) {
    let (mut raw, mut file) = (vec![0xFF; PAGES * STORED], vec![0xFF; PAGES * STORED]);
    let mut room = raw.chunks_exact_mut(STORED).zip(file.chunks_exact_mut(STORED));
    let plan = DemoTree::new(1, DEFAULT_CONTENT);
    plan.write::<_, Infallible>(|chunk, software| {
        let (raw, file) = room.next().expect("room for the tree");
        encode_page(chunk, software, None, &chip(), raw).expect("a usual page");
        file[..2048].copy_from_slice(chunk);
        file[2048..].copy_from_slice(&tags::image_spare(software));
        Ok(())
    })
    .expect("a tree that can be written");
    (raw, file)
}

/// Reads every file; gives the bytes read.
fn read_all<S: ReadAt>(tree: &Tree<S>) -> u64 {
    let mut piece = vec![0; 1 << 18];
    let mut all = 0;
    for node in tree.nodes().iter().filter(|it| it.kind == Kind::File) {
        let mut at = 0;
        while at < node.size {
            let read = tree.read_file(node.id, at, &mut piece).expect("a sound image");
            black_box(&piece);
            at += read as u64;
        }
        all += node.size;
    }
    all
}

fn row(name: &str, took: Duration) {
    let mib = (PAGES * STORED) as f64 / (1 << 20) as f64;
    println!("{name:<52} {:>7.1} ms {:>8.0} MiB/s", took.as_secs_f64() * 1e3, mib / took.as_secs_f64());
}

fn in_memory(raw: &[u8], file: &[u8]) {
    let read_back = Options::read_back(chip(), Layout::Interleaved);
    let quick = Options { verify: Verify::Tags, ..read_back };
    let unchecked = Options { ecc: false, ..read_back };
    for (name, bytes, options) in [
        ("read back, every sector checked", raw, read_back),
        ("read back, tags checked", raw, quick),
        ("read back, nothing checked", raw, unchecked),
        ("image file", file, Options::image_file(chip())),
    ] {
        let scan = || Tree::scan(bytes, options).expect("memory does not fail");
        row(&format!("{name}: scan"), best(scan));
        row(&format!("{name}: skim"), best(|| Tree::skim(bytes, options).expect("memory does not fail")));
        let tree = scan();
        row(&format!("{name}: all files"), best(|| read_all(&tree)));
        row(&format!("{name}: scan and all files"), best(|| read_all(&scan())));
    }
    row("read back: form found", best(|| detect(&raw).expect("memory does not fail")));
    row("image file: form found", best(|| detect(&file).expect("memory does not fail")));
}

/// An open file.
struct Opened(RefCell<File>);

impl ReadAt for Opened {
    fn len(&self) -> u64 {
        (PAGES * STORED) as u64
    }

    fn read_at(&self, at: u64, into: &mut [u8]) -> Result<(), ReadError> {
        let mut file = self.0.borrow_mut();
        let read = file.seek(SeekFrom::Start(at)).and_then(|_| file.read_exact(into));
        read.map_err(|error| ReadError::Medium { at, why: error.to_string() })
    }
}

fn open(path: &Path) -> Opened {
    Opened(RefCell::new(File::open(path).expect("a file just written")))
}

/// Writes all directories and files below `to`, and gives nothing else of them: no owner, no time, no link.
fn unpack(image: &Path, options: Options, to: &Path) {
    let tree = Tree::scan(open(image), options).expect("memory does not fail");
    let mut piece = vec![0; 1 << 18];
    for node in tree.nodes() {
        let path = to.join(format!("{}", node.id));
        match node.kind {
            Kind::Directory => fs::create_dir_all(path).expect("room"),
            Kind::File => {
                let mut file = File::create(path).expect("room");
                let mut at = 0;
                while at < node.size {
                    let read = tree.read_file(node.id, at, &mut piece).expect("a sound image");
                    file.write_all(&piece[..read]).expect("room");
                    at += read as u64;
                }
            }
            _ => {}
        }
    }
}

/// As the goals are put: from a file in memory to files in memory, beside `unyaffs` on the same tree.
fn to_files(raw: &[u8], file: &[u8]) {
    let Ok(folder) = tempfile::tempdir_in("/dev/shm") else {
        return println!("skipped: no /dev/shm");
    };
    let (raw_at, file_at) = (folder.path().join("raw"), folder.path().join("file"));
    fs::write(&raw_at, raw).expect("room");
    // unyaffs reads no holes and stops at erased pages: the files with holes are left out for it.
    fs::write(&file_at, without_holes(file)).expect("room");
    let out = folder.path().join("out");
    let run = |what: &dyn Fn()| {
        best_after(
            || drop(fs::remove_dir_all(&out)),
            || {
                fs::create_dir_all(&out).expect("room");
                what();
            },
        )
    };
    let read_back = Options::read_back(chip(), Layout::Interleaved);
    let quick = Options { verify: Verify::Tags, ..read_back };
    println!();
    row("list the read back", best(|| Tree::scan(open(&raw_at), quick).expect("memory does not fail")));
    row("skim the read back", best(|| Tree::skim(open(&raw_at), quick).expect("memory does not fail")));
    row("unpack the read back, every sector checked", run(&|| unpack(&raw_at, read_back, &out)));
    row("unpack the read back, checked while read", run(&|| unpack(&raw_at, quick, &out)));
    row(
        "unpack the read back, nothing checked",
        run(&|| {
            unpack(&raw_at, Options { ecc: false, ..read_back }, &out);
        }),
    );
    if Command::new("unyaffs").arg("-V").output().is_err() {
        return println!("skipped: the program unyaffs is not installed");
    }
    row(
        "unyaffs, from the image file",
        run(&|| {
            let ran = Command::new("unyaffs").args(["-c", "2", "-s", "64"]).arg(&file_at).arg(&out).output();
            assert!(ran.expect("unyaffs").status.success());
        }),
    );
}

fn best_after(mut before: impl FnMut(), mut what: impl FnMut()) -> Duration {
    (0..5).fold(Duration::MAX, |best, _| {
        before();
        let start = Instant::now();
        what();
        best.min(start.elapsed())
    })
}

/// The written pages of an image file, less those of files with holes.
fn without_holes(file: &[u8]) -> Vec<u8> {
    let tree = Tree::scan(file, Options::image_file(chip())).expect("memory does not fail");
    let holed = |id: u32| {
        tree.node(id).is_some_and(|node| node.kind == Kind::File && tree.stored_bytes(node) < node.size)
    };
    let word =
        |page: &[u8], at: usize| u32::from_le_bytes([page[at], page[at + 1], page[at + 2], page[at + 3]]);
    let pages = file.chunks_exact(STORED).filter(|page| word(page, 2048) != u32::MAX);
    pages.filter(|page| !holed(word(page, 2052))).flatten().copied().collect()
}

fn main() {
    // `cargo test --benches` only wants to know that it builds and runs.
    if std::env::args().any(|it| it == "--test") {
        return;
    }
    let (raw, file) = images();
    in_memory(&raw, &file);
    to_files(&raw, &file);
}
