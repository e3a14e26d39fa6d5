//! ext2, ext3 and ext4: images made by `mke2fs -d` give the directory they were made of; what a phone leaves behind
//! (journals, preallocated space) is read as a mount would. The oracle is e2fsprogs.

mod files_tree;

use std::fs;
use std::path::{Path, PathBuf};

use bromide_image::files::{self, ExtFiles, Files, FilesError, Kind};
use files_tree::{Tree, assert_same, fill, of_directory, of_image, run};

/// A directory with an image made of its `src`; `None` without mke2fs.
fn image(options: &[&str], size: &str, filled: impl Fn(&Path)) -> Option<(tempfile::TempDir, PathBuf)> {
    let dir = tempfile::tempdir().unwrap();
    let source = dir.path().join("src");
    fs::create_dir(&source).unwrap();
    filled(&source);
    let mut all = vec!["-q", "-F", "-d", "src"];
    all.extend(options);
    all.extend(["image", size]);
    run("mke2fs", &all, dir.path())?;
    let image = dir.path().join("image");
    Some((dir, image))
}

fn open(image: &Path) -> ExtFiles<Vec<u8>> {
    let bytes = fs::read(image).unwrap();
    assert!(ExtFiles::<Vec<u8>>::is_one(&bytes[..4096]));
    ExtFiles::open(bytes).unwrap()
}

/// Without the directory every new file system has.
fn tree(files: &dyn Files) -> Tree {
    let mut tree = of_image(files);
    tree.remove(&b"lost+found"[..]);
    tree
}

fn debugfs(dir: &Path, commands: &str) {
    fs::write(dir.join("commands"), commands).unwrap();
    run("debugfs", &["-w", "-f", "commands", "image"], dir);
}

#[test]
fn every_kind_of_ext_gives_the_directory_it_was_made_of() {
    let kinds: [(&str, &[&str]); 12] = [
        ("ext2", &["-t", "ext2", "-b", "1024"]),
        ("ext2", &["-t", "ext2", "-b", "4096"]),
        ("ext2", &["-t", "ext2", "-b", "1024", "-I", "128", "-O", "^filetype,^sparse_super,^resize_inode"]),
        ("ext3", &["-t", "ext3", "-b", "1024"]),
        ("ext3", &["-t", "ext3", "-b", "4096", "-I", "128"]),
        ("ext4", &["-t", "ext4", "-b", "1024"]),
        ("ext4", &["-t", "ext4", "-b", "2048", "-O", "^metadata_csum,^64bit"]),
        ("ext4", &["-t", "ext4", "-b", "4096"]),
        ("ext4", &["-t", "ext4", "-b", "4096", "-O", "inline_data"]),
        ("ext4", &["-t", "ext4", "-b", "1024", "-g", "1024", "-O", "meta_bg,^resize_inode"]),
        ("ext4", &["-t", "ext4", "-b", "4096", "-O", "^extents,^64bit"]),
        ("ext4", &["-t", "ext4", "-b", "1024", "-O", "bigalloc", "-C", "16384"]),
    ];
    for (title, options) in kinds {
        // Far enough for pointers through three blocks of 256.
        let hole = if title == "ext2" { 70_000_000_u64 } else { 3_000_000 };
        let Some((dir, image)) = image(options, "24M", |at| fill(at, hole)) else { return };
        if options.contains(&"inline_data") {
            // mke2fs forgets the hole at the end of the file there.
            debugfs(dir.path(), &format!("sif sparse size {}\n", hole * 2 + 12_345));
        }
        let files = open(&image);
        assert_eq!(files.title(), title, "{options:?}");
        assert_same(&tree(&files), &of_directory(&dir.path().join("src")));
        assert_eq!(files.doubts(), [""; 0], "{options:?}");
    }
}

#[test]
fn a_directory_with_an_index_of_two_thousand_names_is_whole() {
    let many = |at: &Path| {
        for number in 0..2000 {
            fs::write(at.join(format!("a file with a name of some length {number}")), [number as u8])
                .unwrap();
        }
    };
    for options in [["-t", "ext4", "-b", "1024"], ["-t", "ext3", "-b", "1024"]] {
        let Some((dir, image)) = image(&options, "16M", many) else { return };
        // e2fsck leaves with 1 when it made the index.
        let tool = std::process::Command::new("/usr/sbin/e2fsck").args(["-fyD"]).arg(&image).output();
        let Ok(tool) = tool else { return println!("skipped: no e2fsck here") };
        assert!(matches!(tool.status.code(), Some(0 | 1)), "{tool:?}");
        let shown = run("debugfs", &["-R", "htree /", "image"], dir.path()).unwrap();
        assert!(String::from_utf8_lossy(&shown).contains("Indirect levels"), "no index was made");
        let files = open(&image);
        assert_same(&tree(&files), &of_directory(&dir.path().join("src")));
        let found = files::lookup(&files, b"/a file with a name of some length 1234").unwrap().unwrap();
        let mut byte = [0; 4];
        assert_eq!((files.read(found.id, 0, &mut byte), byte[0]), (Ok(1), 1234_u16 as u8));
    }
}

#[test]
fn holes_are_told_and_preallocated_space_is_one() {
    for options in [["-t", "ext2", "-b", "1024"], ["-t", "ext4", "-b", "1024"]] {
        let Some((dir, image)) = image(&options, "8M", |at| fill(at, 3 << 20)) else { return };
        let sparse = files::lookup(&open(&image), b"sparse").unwrap().unwrap();
        let files = open(&image);
        let first = files.stored(sparse.id, 0).unwrap().unwrap();
        assert_eq!(first, 0..1024);
        let second = files.stored(sparse.id, first.end).unwrap().unwrap();
        assert_eq!(second.start, 3 << 20);
        let mut end = second.end;
        while let Some(next) = files.stored(sparse.id, end).unwrap() {
            end = next.end;
        }
        assert!((end - second.start) < 20_000 && end < sparse.size);
        if options[1] == "ext4" {
            // Where a file was deleted, space without content: none of the old bytes may show.
            debugfs(dir.path(), "rm large\nwrite /dev/null pre\nfallocate pre 0 299\nsif pre size 300000\n");
            let files = open(&image);
            let pre = files::lookup(&files, b"pre").unwrap().unwrap();
            assert_eq!((pre.size, files.stored(pre.id, 0)), (300_000, Ok(None)));
            assert!(files_tree::content(&files, pre.id, pre.size).iter().all(|&byte| byte == 0));
        }
    }
}

#[test]
fn devices_times_and_attributes_are_told() {
    let Some((dir, image)) = image(&["-t", "ext4", "-b", "1024"], "4M", |at| fill(at, 1 << 20)) else {
        return;
    };
    let long = "v".repeat(400);
    debugfs(
        dir.path(),
        &format!(
            "mknod char c 10 200\nmknod block b 300 7000\nea_set small user.note hello\nea_set small security.selinux \
             u:object_r:system_file:s0\nea_set small user.long {long}\nsif small atime 19030504101112\n\
             sif small ctime 22000102030405\nsif large flags 0x80800\n"
        ),
    );
    let files = open(&image);
    let of = |name: &str| files::lookup(&files, name.as_bytes()).unwrap().unwrap();
    assert_eq!((of("char").kind, of("char").device), (Kind::CharacterDevice, (10, 200)));
    assert_eq!((of("block").kind, of("block").device), (Kind::BlockDevice, (300, 7000)));
    let small = of("small");
    assert_eq!((small.accessed.seconds, small.changed.seconds), (-2_103_630_528, 7_258_215_845));
    let mut found: Vec<_> = files
        .xattrs(small.id)
        .unwrap()
        .into_iter()
        .map(|it| (String::from_utf8(it.name).unwrap(), it.value))
        .collect();
    found.sort();
    let wanted = [
        ("security.selinux", "u:object_r:system_file:s0"),
        ("user.long", long.as_str()),
        ("user.note", "hello"),
    ];
    assert_eq!(found, wanted.map(|(name, value)| (name.to_string(), value.as_bytes().to_vec())));
    // The flag of an encrypted file.
    let refused = files.read(of("large").id, 0, &mut [0; 4]).unwrap_err();
    assert!(matches!(&refused, FilesError::Unreadable(why) if why.contains("encrypted")), "{refused}");
}

/// Blocks of a file, by debugfs.
fn blocks(dir: &Path, name: &str) -> Vec<u64> {
    let shown = run("debugfs", &["-R", &format!("blocks {name}"), "image"], dir).unwrap();
    String::from_utf8_lossy(&shown).split_whitespace().map(|it| it.parse().unwrap()).collect()
}

#[test]
fn what_the_journal_holds_is_in_its_place() {
    let variants: [(&[&str], &str); 5] = [
        (&["-t", "ext3", "-b", "1024"], "jo"),
        (&["-t", "ext4", "-b", "1024"], "jo -c"),
        (&["-t", "ext4", "-b", "1024"], "jo -c -v 2"),
        (&["-t", "ext4", "-b", "1024", "-O", "^64bit"], "jo -c -v 2"),
        (&["-t", "ext4", "-b", "1024", "-O", "^metadata_csum"], "jo"),
    ];
    for (options, begin) in variants {
        let Some((dir, image)) = image(options, "8M", |at| fs::write(at.join("f"), [b'o'; 5000]).unwrap())
        else {
            return;
        };
        let at = blocks(dir.path(), "f");
        let [first, second, third, ..] = at[..] else { panic!("{at:?}") };
        // The first as it is; the second begins like a block of the journal; the third is revoked later.
        fs::write(dir.path().join("new"), [b'n'; 1024]).unwrap();
        let mut like = vec![b'm'; 1024];
        like[..4].copy_from_slice(&[0xC0, 0x3B, 0x39, 0x98]);
        fs::write(dir.path().join("like"), &like).unwrap();
        debugfs(
            dir.path(),
            &format!(
                "{begin}\njw -b {first} new\njw -b {second} like\njw -b {third} new\njc\n{begin}\njw -r {third}\njc\n"
            ),
        );
        let files = open(&image);
        let f = files::lookup(&files, b"f").unwrap().unwrap();
        let found = files_tree::content(&files, f.id, 5000);
        assert_eq!(files.doubts(), [""; 0], "{options:?} {begin}");
        // What e2fsprogs makes of it.
        let tool = std::process::Command::new("/usr/sbin/e2fsck").args(["-fy"]).arg(&image).output().unwrap();
        assert!(matches!(tool.status.code(), Some(0 | 1)), "{tool:?}");
        let wanted = run("debugfs", &["-R", "cat f", "image"], dir.path()).unwrap();
        assert!(found == wanted, "{options:?} {begin}");
        let expected = [&[b'n'; 1024][..], &like, &[b'o'; 5000 - 2048]].concat();
        assert!(found == expected, "{options:?} {begin}");
    }
}

#[test]
fn a_journal_on_another_device_is_a_doubt() {
    let Some((dir, image)) = image(&["-t", "ext3", "-b", "1024"], "4M", |at| fill(at, 100_000)) else {
        return;
    };
    let mut bytes = fs::read(&image).unwrap();
    bytes[1024 + 0x60] |= 4;
    bytes[1024 + 0xE0] = 0;
    let files = ExtFiles::open(bytes).unwrap();
    assert!(files.doubts()[0].contains("another device"), "{:?}", files.doubts());
    assert_same(&tree(&files), &of_directory(&dir.path().join("src")));
}

#[test]
fn what_is_no_file_system_is_refused() {
    assert!(ExtFiles::open(vec![0; 100]).is_err());
    assert!(ExtFiles::open(vec![0; 1 << 20]).is_err());
    assert!(!ExtFiles::<Vec<u8>>::is_one(&[0; 4096]) && !ExtFiles::<Vec<u8>>::is_one(&[]));
    let Some((_dir, image)) = image(&["-t", "ext4"], "4M", |_| ()) else { return };
    let whole = fs::read(&image).unwrap();
    for (at, value, why) in
        [(0x60, 0x42 | 1, "features"), (0x18, 9, "block"), (0x58, 3, "inode"), (0x38, 0, "magic")]
    {
        let mut bytes = whole.clone();
        bytes[1024 + at] = value;
        let refused = ExtFiles::open(bytes).err().unwrap().to_string();
        assert!(refused.contains(why), "{refused}");
    }
    assert!(ExtFiles::open(whole[..3000].to_vec()).is_err());
}

#[test]
fn flipped_bytes_never_make_it_panic_or_hang() {
    for options in [
        &["-t", "ext2", "-b", "1024"][..],
        &["-t", "ext4", "-b", "1024"],
        &["-t", "ext4", "-b", "1024", "-O", "inline_data"],
    ] {
        let Some((dir, image)) = image(options, "512K", |at| {
            fs::create_dir_all(at.join("d/e")).unwrap();
            fs::write(at.join("d/f"), [1; 3000]).unwrap();
            fs::write(at.join("g"), b"x").unwrap();
            std::os::unix::fs::symlink("y".repeat(80), at.join("d/e/l")).unwrap();
        }) else {
            return;
        };
        debugfs(dir.path(), "ea_set g user.note hello\n");
        let whole = fs::read(&image).unwrap();
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
                // Near what means something.
                let at = (used[next(used.len())] + next(5)).min(bytes.len() - 1);
                bytes[at] = if round % 2 == 0 { bytes[at] ^ (1 << next(8)) } else { next(256) as u8 };
            }
            opened += usize::from(files_tree::touch(ExtFiles::open(bytes)));
        }
        println!("{options:?}: {opened} of 3000 opened");
        assert!(opened > 1000);
    }
}
