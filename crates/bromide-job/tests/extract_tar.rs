//! Archives as other programs read them: Python's tarfile and GNU tar are the oracles.
#![cfg(unix)]

use std::collections::BTreeMap;
use std::process::Command;

use bromide_image::files::{Entry, Kind, Time, Xattr};
use sha2::{Digest as _, Sha256};

mod extract_tree;
use extract_tree::{Tree, archive};

/// Every member as Python sees it, a line each; bytes in hexadecimal.
const READER: &str = r#"
import hashlib, sys, tarfile
hexed = lambda text: text.encode('utf-8', 'surrogateescape').hex()
with tarfile.open(sys.argv[1], errors='surrogateescape') as archive:
    for it in archive:
        held = archive.extractfile(it).read() if it.isreg() else b''
        xattrs = [hexed(key[13:]) + '=' + hexed(value) for key, value in it.pax_headers.items()
                  if key.startswith('SCHILY.xattr.')]
        kind = {b'0': 'file', b'1': 'hard', b'2': 'symlink', b'3': 'char', b'4': 'block', b'5': 'dir', b'6': 'pipe'}
        print(hexed(it.name), kind[it.type] if not it.issparse() else 'file', oct(it.mode)[2:], it.uid, it.gid,
              it.size, it.pax_headers.get('mtime', str(int(it.mtime))), hexed(it.linkname) or '-',
              it.devmajor, it.devminor, hashlib.sha256(held).hexdigest() if it.isreg() else '-',
              ','.join(sorted(xattrs)) or '-')
"#;

fn hexed(bytes: impl AsRef<[u8]>) -> String {
    bytes.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What a line of [`READER`] says of an object.
fn line(
    path: &[u8],
    kind: &str,
    entry: &Entry,
    time: &str,
    link: &[u8],
    content: &str,
    xattrs: &str,
) -> String {
    let (major, minor) = if entry.kind.is_device() { entry.device } else { (0, 0) };
    let link = if link.is_empty() { "-".to_owned() } else { hexed(link) };
    let size = if entry.kind == Kind::File && kind == "file" { entry.size } else { 0 };
    format!(
        "{} {kind} {:o} {} {} {size} {time} {link} {major} {minor} {content} {xattrs}",
        hexed(path),
        entry.mode & 0o7777,
        entry.uid,
        entry.gid
    )
}

/// Names at every length where a field ends, and of every sort of bytes.
fn names() -> Vec<Vec<u8>> {
    let mut names: Vec<Vec<u8>> =
        [1, 98, 99, 100, 101, 154, 155, 156, 254, 255].map(|len| vec![b'n'; len]).into();
    for name in
        [&b"gr\xc3\xbcn"[..], b"\xff\xfe", b"line\nbreak", b"a=b", b"12 path=x", b" ", b"-rf", b"trailing "]
    {
        names.push(name.to_vec());
    }
    names.push("\u{f6}".repeat(60).into_bytes());
    names
}

fn tree() -> Tree {
    let mut tree = Tree::new();
    tree.directory(1, "dir", 2);
    tree.directory(2, vec![b'd'; 200], 3);
    let mut id = 100;
    for name in names() {
        for directory in [1, 2, 3] {
            tree.file(directory, &name, id, vec![id as u8; (id % 7 * 300) as usize]);
            id += 1;
        }
    }
    let times = [
        (0, 0),
        (1, 0),
        (0o777_7777_7777, 0),
        (1 << 33, 0),
        (1_000, 500_000_000),
        (-1, 0),
        (-2, 750_000_000),
    ];
    for (at, (seconds, nanos)) in times.into_iter().enumerate() {
        tree.file(1, format!("time{at}"), id, "x");
        let entry = tree.entries.get_mut(&id).unwrap();
        entry.modified = Time { seconds, nanos };
        (entry.uid, entry.gid) = [(0, 0), (0o777_7777, 1), (0o1000_0000, 2), (u32::MAX, u32::MAX)][at % 4];
        entry.mode = [0, 0o7777, 0o4755, 0o640][at % 4];
        id += 1;
    }
    tree.name(2, "hard", 100);
    tree.name(3, "hard", 101);
    for (name, target) in [
        ("short", b"../up".to_vec()),
        ("exact", vec![b't'; 100]),
        ("long", vec![b't'; 101]),
        ("odd", b"\xff\n".to_vec()),
    ] {
        tree.link(1, name, id, target);
        id += 1;
    }
    for (name, kind, device) in [
        ("null", Kind::CharacterDevice, (1, 3)),
        ("disk", Kind::BlockDevice, (0o777_7777, 0o777_7777)),
        ("pipe", Kind::Pipe, (0, 0)),
    ] {
        tree.object(id, kind).device = device;
        tree.name(1, name, id);
        id += 1;
    }
    let xattr = |name: &str, value: &[u8]| Xattr { name: name.as_bytes().to_vec(), value: value.to_vec() };
    tree.xattrs
        .insert(100, vec![xattr("user.a", b"1"), xattr("security.selinux", b"u:object_r:system_file:s0\0")]);
    tree
}

/// A file with holes at its start, between and at its end.
fn add_holes(tree: &mut Tree) {
    for (id, name, size, stored) in [
        (9000, "holes".to_owned(), 100_000, vec![2048..4096, 8192..8300, 20_480..22_528]),
        (9001, "only-a-hole".to_owned(), 5000, vec![]),
        (9002, "h".repeat(120), 30_000, vec![0..1, 29_999..30_000]),
    ] {
        let mut bytes = vec![0; size];
        for stretch in &stored {
            bytes[stretch.start as usize..stretch.end as usize].fill(id as u8);
        }
        tree.file(1, name, id, bytes);
        tree.stored.insert(id, stored);
    }
}

fn time(entry: &Entry) -> String {
    match entry.modified {
        Time { seconds, nanos: 0 } => seconds.to_string(),
        Time { seconds: -2, nanos: 750_000_000 } => "-1.250000000".to_owned(),
        Time { seconds, nanos } => format!("{seconds}.{nanos:09}"),
    }
}

/// What an archive of the tree has to hold, by path.
fn wanted(tree: &Tree) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    let mut firsts: BTreeMap<u64, Vec<u8>> = BTreeMap::new();
    let mut left = vec![(1, Vec::new())];
    while let Some((directory, above)) = left.pop() {
        for (name, id) in &tree.inside[&directory] {
            let path = [&above[..], name].concat();
            let entry = &tree.entries[id];
            let none = String::from("-");
            let (kind, link, sum) = match entry.kind {
                Kind::Directory => {
                    left.push((*id, [&path[..], b"/"].concat()));
                    ("dir", Vec::new(), none)
                }
                Kind::Symlink => ("symlink", tree.targets[id].clone(), none),
                Kind::CharacterDevice => ("char", Vec::new(), none),
                Kind::BlockDevice => ("block", Vec::new(), none),
                Kind::Pipe => ("pipe", Vec::new(), none),
                _ if firsts.contains_key(id) => ("hard", firsts[id].clone(), none),
                _ => {
                    firsts.insert(*id, path.clone());
                    ("file", Vec::new(), hexed(Sha256::digest(&tree.bytes[id])))
                }
            };
            let of_it = tree.xattrs.get(id).filter(|_| kind != "hard").map_or(&[][..], Vec::as_slice);
            let mut xattrs: Vec<String> =
                of_it.iter().map(|it| format!("{}={}", hexed(&it.name), hexed(&it.value))).collect();
            xattrs.sort();
            let xattrs = if xattrs.is_empty() { "-".to_owned() } else { xattrs.join(",") };
            let told = line(&path, kind, entry, &time(entry), &link, &sum, &xattrs);
            all.insert(hexed(&path), told);
        }
    }
    all
}

#[test]
fn python_reads_every_attribute_of_every_member() {
    let around = tempfile::tempdir().unwrap();
    let mut tree = tree();
    add_holes(&mut tree);
    let path = around.path().join("a.tar");
    std::fs::write(&path, archive(&tree).0).unwrap();
    let ran = match Command::new("python3").args(["-c", READER]).arg(&path).output() {
        Ok(ran) if ran.status.success() || !ran.stderr.is_empty() && ran.status.code() == Some(1) => ran,
        _ => {
            println!("skipped: no python3 here");
            return;
        }
    };
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    let text = String::from_utf8(ran.stdout).unwrap();
    let mut read: BTreeMap<String, String> =
        text.lines().map(|line| (line.split(' ').next().unwrap().to_owned(), line.to_owned())).collect();
    assert_eq!(text.lines().count(), read.len(), "no name twice");
    assert!(read.remove(&hexed(".")).is_some(), "the start");
    let wanted = wanted(&tree);
    for (path, line) in &wanted {
        // The first name of a file is the first in the archive, whatever the order here.
        let Some(found) = read.remove(path) else { panic!("missing: {line}") };
        let is_link = |line: &str| line.split(' ').nth(1) == Some("hard");
        if !is_link(line) && !is_link(&found) {
            assert_eq!(found, *line);
        }
    }
    assert_eq!(read, BTreeMap::new(), "nothing besides");
    let links = |lines: &mut dyn Iterator<Item = &String>| lines.filter(|it| it.contains(" hard ")).count();
    assert_eq!(
        links(&mut text.lines().map(str::to_owned).collect::<Vec<_>>().iter()),
        links(&mut wanted.values())
    );
}

#[test]
fn gnu_tar_lists_the_same_sizes_owners_and_modes() {
    let around = tempfile::tempdir().unwrap();
    let mut tree = tree();
    add_holes(&mut tree);
    std::fs::write(around.path().join("a.tar"), archive(&tree).0).unwrap();
    let mut list = Command::new("tar");
    list.args(["--numeric-owner", "--full-time", "--quoting-style=c", "-tvf", "a.tar"]);
    let Ok(ran) = list.env("TZ", "UTC").env("LC_ALL", "C").current_dir(around.path()).output() else {
        println!("skipped: no tar here");
        return;
    };
    let told = String::from_utf8(ran.stderr).unwrap();
    let text = String::from_utf8(ran.stdout).unwrap();
    if !text.contains('"') {
        println!("skipped: this tar is not GNU's: {told}");
        return;
    }
    assert!(ran.status.success(), "{told}");
    assert_eq!(text.lines().count(), wanted(&tree).len() + 1);
    for (start, end) in [
        ("---------- 0/0 ", "1 1970-01-01 00:00:00 \"time0\""),
        ("-rwsrwsrwt 2097151/1 ", "1 1970-01-01 00:00:01 \"time1\""),
        ("-rwsr-xr-x 2097152/2 ", "1 2242-03-16 12:56:31 \"time2\""),
        ("-rw-r----- 4294967295/4294967295 ", "1 2242-03-16 12:56:32 \"time3\""),
        ("---------- 0/0 ", "1 1970-01-01 00:16:40.5 \"time4\""),
        ("-rwsrwsrwt 2097151/1 ", "1 1969-12-31 23:59:59 \"time5\""),
        // GNU tar sets the time -1.25 right but writes it wrong, as 59.25.
        ("-rwsr-xr-x 2097152/2 ", " \"time6\""),
        ("crw-r----- 0/0 ", " \"null\""),
        ("brw-r----- 0/0 ", " \"disk\""),
        ("prw-r----- 0/0 ", " \"pipe\""),
        ("-rw-r----- 0/0 ", " \"line\\nbreak\""),
        ("-rw-r----- 0/0 ", " \"\\377\\376\""),
        ("lrw-r----- 0/0 ", " \"short\" -> \"../up\""),
    ] {
        // Columns are as wide as the widest.
        let mut lines = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
        let found = lines.any(|line| line.starts_with(start) && line.ends_with(end));
        assert!(found, "{start}..{end}\n{text}");
    }
    for (name, size) in [("holes", 100_000), ("only-a-hole", 5000)] {
        let line = text.lines().find(|it| it.ends_with(&format!("\"{name}\""))).unwrap();
        assert_eq!(line.split_whitespace().nth(2), Some(&*size.to_string()), "{line}");
    }
}
