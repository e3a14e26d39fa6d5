//! Trees and folders at their limits: file systems that hold less than an image claims, links that cannot be made,
//! directories full of one name, attributes nobody can have.
#![cfg(unix)]

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::time::{Duration, Instant};

use bromide_image::files::{Kind, Time, Xattr};
use bromide_job::extract::What;

mod extract_tree;
use extract_tree::{Tree, archive, extract, is_root, listing};

#[test]
fn a_file_larger_than_the_file_system_can_hold_is_left_out_and_all_others_are_there() {
    let around = tempfile::tempdir().unwrap();
    let mut tree = Tree::new();
    tree.largest = Some(u64::MAX);
    for (id, name, size) in
        [(2, "a", u64::MAX), (3, "b", 1 << 63), (4, "c", (1 << 63) - 1), (5, "d", 1 << 44)]
    {
        tree.file(1, name, id, "seven b");
        tree.entries.get_mut(&id).unwrap().size = size;
        tree.stored.insert(id, std::iter::once(0..7).collect());
    }
    tree.file(1, "last", 6, "here");
    let folder = around.path().join("folder");
    let (summary, remarks) = extract(&tree, &folder);
    let summary = summary.unwrap();
    assert_eq!(fs::read(folder.join("last")).unwrap(), b"here");
    for name in ["a", "b"] {
        assert!(!folder.join(name).exists());
        let told = remarks.iter().find(|it| it.path == name.as_bytes()).unwrap();
        assert!(
            matches!(&told.what, What::Refused(why) if why.contains("more than a file can have")),
            "{told:?}"
        );
    }
    // Some file systems hold the others, as holes.
    for (name, size) in [("c", (1 << 63) - 1), ("d", 1 << 44)] {
        match folder.join(name).metadata() {
            Ok(stat) => assert!(stat.len() == size && stat.blocks() < 100),
            Err(_) => assert!(remarks.iter().any(|it| it.path == name.as_bytes())),
        }
    }
    let written = fs::read_dir(&folder).unwrap().count() as u64;
    assert_eq!((summary.files, summary.files + summary.refused), (written, 5), "and nothing besides");
}

#[test]
fn names_behind_one_that_takes_no_more_links_are_links_to_the_next() {
    if is_root() {
        println!("skipped: root may enter every directory");
        return;
    }
    let around = tempfile::tempdir().unwrap();
    let mut tree = Tree::new();
    tree.directory(1, "closed", 2);
    tree.entries.get_mut(&2).unwrap().mode = 0;
    tree.file(2, "first", 3, vec![7; 5000]);
    for name in ["second", "third", "fourth"] {
        tree.name(1, name, 3);
    }
    let folder = around.path().join("folder");
    let summary = extract(&tree, &folder).0.unwrap();
    assert_eq!((summary.files, summary.hard_links), (2, 2), "one copy more, not three");
    let stat = |name: &str| folder.join(name).metadata().unwrap();
    assert_eq!((stat("second").ino(), stat("second").nlink()), (stat("fourth").ino(), 3));
    fs::set_permissions(folder.join("closed"), fs::Permissions::from_mode(0o700)).unwrap();
    assert_eq!(fs::read(folder.join("closed/first")).unwrap(), fs::read(folder.join("third")).unwrap());
}

#[test]
fn a_directory_full_of_equal_names_takes_a_moment() {
    let around = tempfile::tempdir().unwrap();
    let mut tree = Tree::new();
    for id in 2..2002_u64 {
        // 1000 names twice, and one name 2000 times.
        tree.object(id, Kind::Directory);
        tree.name(1, format!("name{}", id / 2), id);
        tree.object(10_000 + id, Kind::Directory);
        tree.name(1, "same", 10_000 + id);
    }
    let begun = Instant::now();
    let folder = around.path().join("folder");
    let summary = extract(&tree, &folder).0.unwrap();
    assert_eq!((summary.directories, summary.renamed), (4000, 1000 + 1999));
    let asked = tree.asked.get() - 2 * 4001; // each directory once for its size, once for its content
    assert!(asked <= 256, "asked {asked} times which of several is found");
    assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", begun.elapsed());
    assert!(folder.join("name999").exists() && folder.join("name999~2").exists());
}

#[test]
fn a_deep_tree_is_extracted_as_far_as_its_paths_can_be_named() {
    let around = tempfile::tempdir().unwrap();
    let mut tree = Tree::new();
    for depth in 0..2600_u64 {
        tree.directory(depth + 1, "d", depth + 2);
        tree.file(depth + 2, "f", 10_000 + depth, [depth as u8]);
    }
    let folder = around.path().join("folder");
    let (summary, remarks) = extract(&tree, &folder);
    let summary = summary.unwrap();
    assert_eq!((summary.directories, summary.files), (2048, 2048), "paths of 4096 bytes end there");
    assert!(matches!(remarks[..], [ref it] if matches!(it.what, What::Left(_))), "{remarks:?}");
    assert_eq!(summary.refused, 1);
    let long = fs::read(folder.join("d/".repeat(1000)).join("f")).unwrap();
    assert_eq!(long, [(999 % 256) as u8]);
}

#[test]
fn attributes_nobody_can_have_are_told_and_harm_nothing() {
    let around = tempfile::tempdir().unwrap();
    let mut tree = Tree::new();
    let names: [&[u8]; 6] = [b"", b"user.", b"user.a\0b", b"nonsense", &[b'u'; 300], b"user.fine"];
    let all = names.map(|name| Xattr { name: name.to_vec(), value: vec![1; 70_000] });
    for (id, name) in [(2, "a"), (3, "b")] {
        tree.file(1, name, id, "bytes");
        tree.xattrs.insert(id, all.to_vec());
        let entry = tree.entries.get_mut(&id).unwrap();
        (entry.uid, entry.gid) = (u32::MAX, u32::MAX - 1);
        entry.mode = u32::MAX;
        entry.accessed = Time { seconds: i64::MIN, nanos: u32::MAX };
        entry.modified = Time { seconds: i64::MAX, nanos: u32::MAX };
    }
    let folder = around.path().join("folder");
    let (summary, remarks) = extract(&tree, &folder);
    let summary = summary.unwrap();
    assert_eq!((summary.files, summary.refused, summary.damaged), (2, 0, 0));
    assert_eq!(listing(&folder).len(), 3);
    let mode = folder.join("a").metadata().unwrap().mode() & 0o7777;
    assert_eq!(mode, if is_root() { 0o7777 } else { 0o1777 });
    assert!(remarks.iter().all(|it| matches!(it.what, What::Attribute { .. })), "{remarks:?}");
    let (tar, summary) = archive(&tree);
    assert_eq!(summary.files, 2);
    // What has no name, or one with a zero byte, no reader of archives takes.
    let has = |text: &[u8]| tar.windows(text.len()).any(|it| it == text);
    assert!(has(b"SCHILY.xattr.user.fine=") && !has(b"user.a\0b") && !has(b"SCHILY.xattr.="));
}
