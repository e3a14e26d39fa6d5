//! Trees no file system should hold, extracted: nothing outside of the folder changes, no link is followed, and
//! everything that is not as in the image is told.
#![cfg(unix)]

use std::cell::Cell;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use bromide_image::files::{Files as _, Kind, Xattr};
use bromide_job::extract::{ExtractError, Start, Told, What, to_folder, to_tar_file};

mod extract_tree;
use extract_tree::{PAGE, Tree, archive, extract, is_root, listing};

/// All that a hostile image may try at once.
fn hostile(elsewhere: &Path) -> Tree {
    let mut tree = Tree::new();
    tree.file(1, "../x", 10, "up");
    tree.file(1, "/etc/x", 11, "absolute");
    tree.file(1, "..", 12, "dots");
    tree.file(1, ".", 13, "dot");
    tree.file(1, "", 14, "no name");
    // A link, and a directory of the same name with a file in it.
    tree.link(1, "d", 20, elsewhere.as_os_str().as_bytes());
    tree.directory(1, "d", 21);
    tree.file(21, "victim", 22, "through the link");
    // A file where a link is, in both orders.
    tree.link(1, "f", 23, elsewhere.join("victim").as_os_str().as_bytes());
    tree.file(1, "f", 24, "through the link");
    tree.file(1, "g", 25, "first");
    tree.link(1, "g", 26, elsewhere.join("victim").as_os_str().as_bytes());
    // The interim name as a link.
    tree.link(1, ".bromide-part", 27, elsewhere.join("victim").as_os_str().as_bytes());
    tree.directory(1, "..", 30);
    tree.file(30, "victim", 31, "up again");
    // Circles.
    tree.directory(1, "circle", 40);
    tree.name(40, "self", 40);
    tree.name(40, "root", 1);
    tree.directory(40, "again", 41);
    tree.name(41, "back", 40);
    tree.file(1, [b'n'; 300], 50, "long");
    tree.file(1, "line\nbreak\x1b[31m", 51, "control");
    tree.file(1, b"bad \xff\xfe", 52, "no UTF-8");
    tree.file(1, "zero\0byte", 53, "zero");
    tree.object(60, Kind::CharacterDevice);
    tree.name(1, "device", 60);
    tree.object(61, Kind::Socket);
    tree.name(1, "socket", 61);
    tree.file(1, "setuid", 62, "suid");
    tree.entries.get_mut(&62).unwrap().mode = 0o6755;
    tree.file(1, "hole", 63, "");
    tree.entries.get_mut(&63).unwrap().size = 1 << 40;
    tree.stored.insert(63, vec![PAGE..PAGE + 512, PAGE + 512..2 * PAGE]);
    tree.file(1, "endless", 64, "");
    tree.entries.get_mut(&64).unwrap().size = u64::MAX;
    tree.link(1, "empty link", 65, "");
    tree.link(1, "zero link", 66, "a\0b");
    tree
}

#[test]
fn nothing_outside_of_the_folder_changes_and_all_is_told() {
    let around = tempfile::tempdir().unwrap();
    let elsewhere = around.path().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    fs::write(elsewhere.join("victim"), "untouched").unwrap();
    let before = listing(around.path());
    let tree = hostile(&elsewhere);
    let folder = around.path().join("folder");
    let (summary, remarks) = extract(&tree, &folder);
    let summary = summary.unwrap();

    let mut after = listing(around.path());
    let written: BTreeMap<PathBuf, String> = after
        .iter()
        .filter_map(|(path, it)| Some((path.strip_prefix("folder").ok()?.to_owned(), it.clone())))
        .collect();
    after.retain(|path, _| !path.starts_with("folder"));
    let same =
        |all: &BTreeMap<PathBuf, String>| all.iter().skip(1).map(|it| format!("{it:?}")).collect::<Vec<_>>();
    assert_eq!(same(&after), same(&before), "only the folder is new");

    let text = |name: &[u8]| fs::read_to_string(folder.join(OsStr::from_bytes(name))).unwrap();
    for (name, bytes) in [
        (&b"..%2Fx"[..], "up"),
        (b"%2Fetc%2Fx", "absolute"),
        (b"%2E%2E", "dots"),
        (b"%2E", "dot"),
        (b"%", "no name"),
        (b"f~2", "through the link"),
        (b"g", "first"),
        (b"%2E%2E~2/victim", "up again"),
        (b"d~2/victim", "through the link"),
        (&[&[b'n'; 252][..], b"%.."].concat(), "long"),
        (b"line\nbreak\x1b[31m", "control"),
        (b"bad \xff\xfe", "no UTF-8"),
        (b"zero%00byte", "zero"),
    ] {
        assert_eq!(text(name), bytes, "{}", String::from_utf8_lossy(name));
    }
    for link in ["d", "f", "g~2", ".bromide-part"] {
        assert!(folder.join(link).symlink_metadata().unwrap().is_symlink(), "{link}");
    }
    let mode = folder.join("setuid").metadata().unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode, if is_root() { 0o6755 } else { 0o755 });
    let hole = folder.join("hole").metadata().unwrap();
    assert_eq!(hole.len(), 1 << 40);
    assert!(hole.blocks() < 1000, "{} blocks", hole.blocks());
    assert!(!written.contains_key(Path::new("endless")));
    let inside = fs::read_dir(folder.join("circle")).unwrap().map(|it| it.unwrap().file_name());
    assert_eq!(inside.collect::<Vec<_>>(), ["again"]);
    assert_eq!(fs::read_dir(folder.join("circle/again")).unwrap().count(), 0);

    let told = |path: &[u8]| -> Vec<&What> {
        remarks.iter().filter(|it| it.path == path).map(|it| &it.what).collect()
    };
    assert_eq!(told(b"../x"), [&What::Renamed(b"..%2Fx".to_vec())]);
    assert_eq!(told(b"d"), [&What::Renamed(b"d~2".to_vec())]);
    assert!(matches!(told(b"endless")[..], [What::Refused(_)]));
    assert!(matches!(told(b"empty link")[..], [What::Refused(_)]));
    assert!(matches!(told(b"zero link")[..], [What::Refused(_)]));
    assert_eq!(told(b"socket"), [&What::Skipped(Kind::Socket)]);
    for path in [&b"circle/self"[..], b"circle/root", b"circle/again/back"] {
        assert!(matches!(told(path)[..], [What::Left(_)]), "{}", String::from_utf8_lossy(path));
    }
    assert_eq!(summary.renamed, 11, "{remarks:?}");
    assert_eq!((summary.refused, summary.damaged), (3, 0));
}

#[test]
fn a_hostile_archive_extracts_to_the_same_tree() {
    let around = tempfile::tempdir().unwrap();
    let mut tree = hostile(Path::new("/nowhere/at/all"));
    // GNU tar reads no file of 1 TiB in a moment.
    tree.entries.get_mut(&63).unwrap().size = 1 << 30;
    tree.entries.get_mut(&1).unwrap().mode = 0o755;
    let folder = around.path().join("folder");
    extract(&tree, &folder).0.unwrap();
    fs::write(around.path().join("a.tar"), archive(&tree).0).unwrap();
    let from_tar = around.path().join("from-tar");
    fs::create_dir(&from_tar).unwrap();
    let Ok(ran) = Command::new("tar").args(["-xpf", "../a.tar"]).current_dir(&from_tar).output() else {
        println!("skipped: no tar here");
        return;
    };
    if !is_root() {
        println!("skipped: only root gets devices and owners out of archives");
        return;
    }
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    assert_eq!(listing(&from_tar), listing(&folder));
    let blocks = from_tar.join("hole").metadata().unwrap().blocks();
    assert!(blocks < 1000, "the hole is one: {blocks} blocks");
}

#[test]
fn modes_times_links_holes_and_attributes_are_those_of_the_image() {
    let around = tempfile::tempdir().unwrap();
    let mut tree = Tree::new();
    tree.directory(1, "dir", 2);
    tree.file(2, "file", 3, vec![7; 5000]);
    tree.entries.get_mut(&3).unwrap().mode = 0o1604;
    tree.name(1, "second", 3);
    tree.directory(2, "below", 4);
    tree.name(4, "third", 3);
    tree.link(2, "link", 5, "no/such/thing");
    tree.file(1, "holes", 6, [vec![1; 2048], vec![0; 8192], vec![2; 100]].concat());
    tree.stored.insert(6, vec![0..2048, 10_240..10_340]);
    tree.file(1, "tail", 7, [vec![1; 1000], vec![0; 99_000]].concat());
    tree.stored.insert(7, vec![0..512, 512..1000]);
    let xattr = |name: &str| Xattr { name: name.as_bytes().to_vec(), value: b"value\0\xff".to_vec() };
    tree.xattrs.insert(3, vec![xattr("user.a=b%"), xattr("system.odd"), xattr("system.more")]);
    tree.xattrs.insert(2, vec![xattr("user.dir")]);
    let folder = around.path().join("folder");
    let (summary, remarks) = extract(&tree, &folder);
    let summary = summary.unwrap();
    assert_eq!((summary.files, summary.directories, summary.symlinks, summary.hard_links), (3, 2, 1, 2));
    assert_eq!(summary.bytes, 5000 + 2048 + 100 + 1000);
    assert_eq!(summary.attributes, 1, "once for its sort: {remarks:?}");

    for (path, id) in [("", 1), ("dir", 2), ("dir/file", 3), ("dir/below", 4), ("dir/link", 5), ("holes", 6)]
    {
        let (stat, entry) = (folder.join(path).symlink_metadata().unwrap(), tree.entry(id).unwrap());
        assert_eq!((stat.mtime(), stat.mtime_nsec()), (entry.modified.seconds, 5), "{path}");
        assert!(stat.is_symlink() || stat.mode() & 0o7777 == entry.mode, "{path}: {:o}", stat.mode());
    }
    let inode = |path: &str| folder.join(path).metadata().unwrap().ino();
    assert!(inode("dir/file") == inode("second") && inode("second") == inode("dir/below/third"));
    assert_eq!(fs::read(folder.join("holes")).unwrap(), tree.bytes[&6]);
    assert_eq!(fs::read(folder.join("tail")).unwrap(), tree.bytes[&7]);
    let mut value = [0; 64];
    let len = rustix::fs::getxattr(folder.join("second"), "user.a=b%", &mut value).unwrap_or(0);
    if remarks.iter().any(|it| matches!(&it.what, What::Attribute { sort, .. } if sort == "user.")) {
        println!("skipped: no extended attributes here");
    } else {
        assert_eq!(&value[..len], b"value\0\xff");
    }

    let from_tar = around.path().join("from-tar");
    fs::create_dir(&from_tar).unwrap();
    let root = tree.entry(1).unwrap();
    let start = Start { files: &tree, entry: &root, path: b"" };
    let tar = around.path().join("a.tar");
    to_tar_file(&start, &tar, &mut |_| {}, &|| false).unwrap();
    assert!(to_tar_file(&start, &tar, &mut |_| {}, &|| false).is_err(), "it exists");
    let ran = Command::new("tar").args(["-xpf", "../a.tar", "--xattrs"]).current_dir(&from_tar).output();
    let Ok(ran) = ran else {
        println!("skipped: no tar here");
        return;
    };
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    assert_eq!(listing(&from_tar), listing(&folder));
    let len = rustix::fs::getxattr(from_tar.join("second"), "user.a=b%", &mut value).unwrap_or(0);
    assert!(len == 0 || &value[..len] == b"value\0\xff");
}

#[test]
fn a_file_that_is_not_whole_never_has_its_right_name() {
    let around = tempfile::tempdir().unwrap();
    let mut tree = Tree::new();
    let bytes: Vec<u8> = (0..3 * PAGE + 100).map(|at| (at % 251) as u8 + 1).collect();
    tree.file(1, "torn", 2, &bytes);
    tree.damaged.insert(2, PAGE);
    tree.name(1, "torn too", 2);
    tree.file(1, "torn.damaged", 3, "a file of that name");
    tree.file(1, "doubtful", 4, "perhaps");
    tree.doubtful = Some(4);
    tree.file(1, "good", 5, "good");
    let folder = around.path().join("folder");
    let (summary, remarks) = extract(&tree, &folder);
    let summary = summary.unwrap();
    assert_eq!((summary.files, summary.damaged, summary.hard_links), (4, 2, 1));
    let mut rest = bytes.clone();
    rest[2048..4096].fill(0);
    let read = |name: &str| fs::read(folder.join(name)).unwrap();
    assert_eq!(read("torn~2.damaged"), rest);
    assert_eq!(read("torn too.damaged"), rest);
    assert_eq!(read("torn.damaged"), b"a file of that name");
    assert_eq!(read("doubtful.damaged"), b"perhaps");
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 5);
    let told = remarks.iter().find(|it| it.path == b"torn").unwrap();
    let What::Damaged { to, missing, why } = &told.what else { panic!("{told:?}") };
    assert_eq!((&to[..], *missing), (&b"torn~2.damaged"[..], PAGE));
    assert!(why.contains("page 7"), "{why}");

    let (tar, summary) = archive(&tree);
    assert_eq!(summary.damaged, 2);
    fs::write(around.path().join("a.tar"), tar).unwrap();
    let from_tar = around.path().join("from-tar");
    fs::create_dir(&from_tar).unwrap();
    match Command::new("tar").args(["-xpf", "../a.tar"]).current_dir(&from_tar).output() {
        Ok(ran) => {
            assert!(ran.status.success());
            assert_eq!(listing(&from_tar), listing(&folder));
        }
        Err(_) => println!("skipped: no tar here"),
    }
}

#[test]
fn a_folder_with_something_in_it_and_links_to_one_are_refused() {
    let around = tempfile::tempdir().unwrap();
    let tree = hostile(Path::new("/nowhere"));
    let full = around.path().join("full");
    fs::create_dir(&full).unwrap();
    fs::write(full.join("mine"), "mine").unwrap();
    assert!(matches!(extract(&tree, &full).0, Err(ExtractError::NotEmpty(_))));
    assert_eq!(fs::read_dir(&full).unwrap().count(), 1);
    let empty = around.path().join("empty");
    fs::create_dir(&empty).unwrap();
    let link = around.path().join("link");
    std::os::unix::fs::symlink(&empty, &link).unwrap();
    assert!(matches!(extract(&tree, &link).0, Err(ExtractError::NotAFolder(_))));
    assert_eq!(fs::read_dir(&empty).unwrap().count(), 0);
    assert!(matches!(extract(&tree, &full.join("mine")).0, Err(ExtractError::NotAFolder(_))));
    assert!(matches!(extract(&tree, &around.path().join("a/b")).0, Err(ExtractError::NoFolder(_))));
    let before = fs::metadata(&empty).unwrap().permissions().mode();
    assert!(extract(&tree, &empty).0.is_ok());
    assert_eq!(
        fs::metadata(&empty).unwrap().permissions().mode(),
        before,
        "the user's own folder stays as it is"
    );
}

#[test]
fn stopping_leaves_no_half_file_under_a_right_name() {
    let around = tempfile::tempdir().unwrap();
    let mut tree = Tree::new();
    for id in 2..10 {
        tree.file(1, format!("file{id}"), id, vec![id as u8; 3 << 20]);
    }
    let root = tree.entry(1).unwrap();
    let start = Start { files: &tree, entry: &root, path: b"" };
    let folder = around.path().join("folder");
    let done = Cell::new(0);
    let mut tell = |told: Told<'_>| {
        if let Told::Done(bytes) = told {
            done.set(bytes);
        }
    };
    let stopped = to_folder(&start, &folder, false, &mut tell, &|| done.get() > 10 << 20);
    assert!(matches!(stopped, Err(ExtractError::Stopped)));
    let mut names = Vec::new();
    for entry in fs::read_dir(&folder).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(entry.metadata().unwrap().len(), 3 << 20, "{:?}", entry.file_name());
        names.push(entry.file_name().into_string().unwrap());
    }
    names.sort();
    assert_eq!(names, ["file2", "file3", "file4"]);
    let tar = around.path().join("a.tar");
    done.set(0);
    let stopped = to_tar_file(&start, &tar, &mut tell, &|| done.get() > 10 << 20);
    assert!(matches!(stopped, Err(ExtractError::Stopped)));
    assert_eq!(fs::read_dir(around.path()).unwrap().count(), 1, "the archive is gone");
}

#[test]
fn more_than_the_disk_holds_is_refused_before_the_first_byte() {
    let around = tempfile::tempdir().unwrap();
    let mut tree = Tree::new();
    for id in 2..200_u64 {
        tree.file(1, format!("file{id}"), id, "");
        tree.entries.get_mut(&id).unwrap().size = 1 << 44;
    }
    let folder = around.path().join("folder");
    assert!(matches!(extract(&tree, &folder).0, Err(ExtractError::DiskFull { .. })));
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
}
