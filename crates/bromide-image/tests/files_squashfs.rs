//! SquashFS: images of `mksquashfs` give the directory they were made of, packed in every way.

mod files_tree;

use std::fs;
use std::path::Path;
use std::rc::Rc;

use bromide_image::files::{self, Files, FilesError, Known, SquashFiles};
use bromide_image::read_at::{ReadAt, ReadError};
use files_tree::{assert_same, fill, of_directory, of_image, run};

/// The image of the directory `src`.
fn image(dir: &Path, options: &[&str]) -> Option<Vec<u8>> {
    let mut all = vec!["src", "image", "-noappend", "-no-progress", "-quiet", "-processors", "1"];
    all.extend(options);
    run("mksquashfs", &all, dir)?;
    Some(fs::read(dir.join("image")).unwrap())
}

#[test]
fn every_packing_gives_the_directory_it_was_made_of() {
    let dir = tempfile::tempdir().unwrap();
    let source = dir.path().join("src");
    fs::create_dir(&source).unwrap();
    fill(&source, 3_000_000);
    let lines: String =
        (0..300_000_u32).map(|it| format!("{:x}\n", it.wrapping_mul(2_654_435_761))).collect();
    fs::write(source.join("lines"), lines).unwrap();
    // More names than one header of a list of names tells of, and more metadata than one block holds.
    fs::create_dir(source.join("many")).unwrap();
    for number in 0..1500 {
        fs::write(source.join(format!("many/file number {number}")), number.to_string()).unwrap();
    }
    let wanted = of_directory(&source);
    let ways: [&[&str]; 10] = [
        &["-comp", "gzip"],
        &["-comp", "gzip", "-b", "4096", "-no-fragments"],
        &["-comp", "gzip", "-b", "1M", "-always-use-fragments"],
        &["-comp", "lz4"],
        &["-comp", "lz4", "-Xhc", "-b", "65536"],
        &["-comp", "xz"],
        &["-comp", "xz", "-Xbcj", "arm"],
        &["-comp", "lzma"],
        &["-noI", "-noD", "-noF", "-noX", "-noId"],
        &["-no-exports", "-no-duplicates", "-no-xattrs"],
    ];
    for options in ways {
        let Some(bytes) = image(dir.path(), options) else { return };
        assert!(SquashFiles::is_one(&bytes[..96]));
        println!("{options:?}");
        let files = files::open(Rc::new(bytes), Known::default()).unwrap().unwrap();
        assert_eq!((files.title(), files.doubts()), ("SquashFS", vec![]));
        assert_same(&of_image(&*files), &wanted);
        assert!(files::lookup(&*files, b"many/file number 1499").unwrap().is_some());
        assert!(files::lookup(&*files, b"many/file number 1500").unwrap().is_none());
        let sparse = files::lookup(&*files, b"sparse").unwrap().unwrap();
        let first = files.stored(sparse.id, 0).unwrap().unwrap();
        let second = files.stored(sparse.id, first.end).unwrap().unwrap();
        assert!(first.start == 0 && first.end < second.start && second.contains(&3_000_000), "{second:?}");
    }
}

#[test]
fn what_is_packed_in_a_way_not_known_here_is_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("src")).unwrap();
    let Some(bytes) = image(dir.path(), &["-comp", "zstd"]) else { return };
    let refused = SquashFiles::open(Rc::new(bytes)).err().unwrap().to_string();
    assert!(refused.contains("Zstandard"), "{refused}");
    assert!(SquashFiles::open(Rc::new(Vec::new())).is_err());
    assert!(SquashFiles::open(Rc::new(vec![0; 1 << 20])).is_err());
    assert!(!SquashFiles::is_one(&[0; 96]) && !SquashFiles::is_one(b"hsqs"));
}

#[test]
fn extended_attributes_are_told() {
    let dir = tempfile::tempdir().unwrap();
    let source = dir.path().join("src");
    fs::create_dir(&source).unwrap();
    for name in ["a", "b"] {
        fs::write(source.join(name), name).unwrap();
        let value = format!("0x{}", "61".repeat(300));
        for (key, value) in [("user.long", value.as_str()), ("user.short", "s")] {
            let path = source.join(name);
            let set = ["-n", key, "-v", value, path.to_str().unwrap()];
            if run("setfattr", &set, dir.path()).is_none() {
                return;
            }
        }
    }
    let Some(bytes) = image(dir.path(), &["-comp", "gzip", "-xattrs"]) else { return };
    let files = SquashFiles::open(Rc::new(bytes)).unwrap();
    for name in [b"a", b"b"] {
        let entry = files::lookup(&files, name).unwrap().unwrap();
        let mut found: Vec<_> =
            files.xattrs(entry.id).unwrap().into_iter().map(|it| (it.name, it.value)).collect();
        found.sort();
        let wanted = [(b"user.long".to_vec(), vec![b'a'; 300]), (b"user.short".to_vec(), b"s".to_vec())];
        assert_eq!(found, wanted);
    }
}

#[test]
fn flipped_bytes_never_make_it_panic_or_hang() {
    let dir = tempfile::tempdir().unwrap();
    let source = dir.path().join("src");
    fs::create_dir_all(source.join("d/e")).unwrap();
    fs::write(source.join("d/f"), "text ".repeat(4000)).unwrap();
    fs::write(source.join("g"), b"x").unwrap();
    std::os::unix::fs::symlink("y".repeat(80), source.join("d/e/l")).unwrap();
    let plain = ["-noI", "-noD", "-noF", "-noX", "-noId", "-b", "4096"];
    for options in [&["-comp", "lz4"][..], &["-comp", "gzip"], &["-comp", "xz"], &plain] {
        let Some(whole) = image(dir.path(), options) else { return };
        let used: Vec<usize> = (0..whole.len()).filter(|&at| whole[at] != 0).collect();
        let mut seed = 1_u32;
        let mut next = |below: usize| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (seed >> 8) as usize % below
        };
        let mut opened = 0;
        for round in 0..3000 {
            let mut bytes = whole.clone();
            for _ in 0..=next(4) {
                let at = (used[next(used.len())] + next(5)).min(bytes.len() - 1);
                bytes[at] = if round % 2 == 0 { bytes[at] ^ (1 << next(8)) } else { next(256) as u8 };
            }
            let files: Result<_, FilesError> = SquashFiles::open(Rc::new(bytes));
            opened += usize::from(files_tree::touch(files));
        }
        println!("{options:?}: {opened} of 3000 opened");
        assert!(opened > 100);
    }
}

/// An image whose bytes behind a place cannot be had, and which counts what is asked for.
struct Watched {
    bytes: Vec<u8>,
    broken: std::ops::Range<u64>,
    read: Rc<std::cell::Cell<usize>>,
}

impl ReadAt for Watched {
    fn len(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn read_at(&self, at: u64, into: &mut [u8]) -> Result<(), ReadError> {
        self.read.set(self.read.get() + into.len());
        if self.broken.contains(&at) {
            return Err(ReadError::Medium { at, why: "unplugged".into() });
        }
        self.bytes.read_at(at, into)
    }
}

#[test]
fn only_the_blocks_asked_for_are_read_and_a_fault_of_the_medium_comes_back_as_one() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("src")).unwrap();
    let mut seed = 1_u32;
    let noise: Vec<u8> = std::iter::repeat_with(|| {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (seed >> 24) as u8
    })
    .take(8 << 20)
    .collect();
    fs::write(dir.path().join("src/f"), &noise).unwrap();
    let Some(bytes) = image(dir.path(), &[]) else { return };
    let read = Rc::new(std::cell::Cell::new(0));
    let watched = Watched { bytes, broken: 4 << 20..5 << 20, read: Rc::clone(&read) };
    let files = SquashFiles::open(Rc::new(watched)).unwrap();
    let entry = files.children(files.root()).unwrap().remove(0);
    let mut piece = [0; 1000];
    assert_eq!(files.read(entry.id, 7 << 20, &mut piece), Ok(1000));
    assert!(piece[..] == noise[7 << 20..][..1000] && read.get() < 200_000, "{} bytes read", read.get());
    let failed = files.read(entry.id, 9 << 19, &mut piece).unwrap_err();
    assert!(matches!(failed, FilesError::Read(ReadError::Medium { .. })), "{failed}");
}
