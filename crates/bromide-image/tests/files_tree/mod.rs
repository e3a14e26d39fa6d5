//! Trees of files to compare: of an image, and of a directory on the disk.
#![allow(dead_code, reason = "every test uses its part")]

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Command, Stdio};

use bromide_image::files::{Files, Kind, Walk};

/// What must be the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Object {
    pub(crate) kind: Kind,
    pub(crate) mode: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    /// Seconds.
    pub(crate) modified: i64,
    /// Names of a file.
    pub(crate) names: u32,
    /// The first path of the object.
    pub(crate) first: Vec<u8>,
    /// Bytes of a file, target of a link.
    pub(crate) content: Vec<u8>,
}

pub(crate) type Tree = BTreeMap<Vec<u8>, Object>;

/// Everything in an image, read in pieces of an odd size.
pub(crate) fn of_image(files: &dyn Files) -> Tree {
    let mut first: BTreeMap<u64, Vec<u8>> = BTreeMap::new();
    let mut tree = Tree::new();
    let mut steps: Vec<_> =
        Walk::new(files, files.root(), b"").map(|step| step.expect("a whole image")).collect();
    steps.sort_by(|a, b| a.path.cmp(&b.path));
    for step in steps {
        let entry = step.entry;
        let first = first.entry(entry.id).or_insert(step.path.clone()).clone();
        let content = match entry.kind {
            Kind::File => content(files, entry.id, entry.size),
            Kind::Symlink => files.target(entry.id).expect("a target"),
            _ => Vec::new(),
        };
        let object = Object {
            kind: entry.kind,
            mode: entry.mode,
            uid: entry.uid,
            gid: entry.gid,
            modified: entry.modified.seconds,
            names: if entry.kind == Kind::Directory { 0 } else { entry.names },
            first,
            content,
        };
        let before = tree.insert(step.path.clone(), object);
        assert!(before.is_none(), "{:?} twice", String::from_utf8_lossy(&step.path));
    }
    tree
}

/// The bytes of a file.
pub(crate) fn content(files: &dyn Files, id: u64, size: u64) -> Vec<u8> {
    let mut all = Vec::new();
    let mut piece = vec![0xEE; 100_003];
    loop {
        let len = files.read(id, all.len() as u64, &mut piece).expect("bytes of a file");
        if len == 0 {
            break;
        }
        all.extend_from_slice(&piece[..len]);
    }
    assert_eq!(all.len() as u64, size);
    all
}

/// Everything below a directory.
pub(crate) fn of_directory(root: &Path) -> Tree {
    let mut all = Vec::new();
    gather(root, b"", &mut all);
    all.sort();
    let (mut tree, mut first) = (Tree::new(), BTreeMap::new());
    for path in all {
        let at = root.join(OsStr::from_bytes(&path));
        let found = fs::symlink_metadata(&at).unwrap();
        let kind = Kind::of_mode(found.mode());
        let first = first.entry(found.ino()).or_insert(path.clone()).clone();
        let content = match kind {
            Kind::File => fs::read(&at).unwrap(),
            Kind::Symlink => fs::read_link(&at).unwrap().as_os_str().as_bytes().to_vec(),
            _ => Vec::new(),
        };
        let object = Object {
            kind,
            mode: found.mode() & 0o7777,
            uid: found.uid(),
            gid: found.gid(),
            modified: found.mtime(),
            names: if kind == Kind::Directory { 0 } else { found.nlink() as u32 },
            first,
            content,
        };
        tree.insert(path, object);
    }
    tree
}

fn gather(root: &Path, below: &[u8], into: &mut Vec<Vec<u8>>) {
    for entry in fs::read_dir(root.join(OsStr::from_bytes(below))).unwrap() {
        let entry = entry.unwrap();
        let mut path = below.to_vec();
        if !path.is_empty() {
            path.push(b'/');
        }
        path.extend(entry.file_name().as_bytes());
        if entry.file_type().unwrap().is_dir() {
            gather(root, &path, into);
        }
        into.push(path);
    }
}

/// Fails with the first object that differs, without its bytes.
pub(crate) fn assert_same(found: &Tree, wanted: &Tree) {
    let names =
        |tree: &Tree| tree.keys().map(|it| String::from_utf8_lossy(it).into_owned()).collect::<Vec<_>>();
    assert_eq!(names(found), names(wanted));
    for (path, wanted) in wanted {
        let found = &found[path];
        let name = String::from_utf8_lossy(path);
        let same = found.content.iter().zip(&wanted.content).take_while(|(a, b)| a == b).count();
        assert!(found.content == wanted.content, "{name} differs at {same}");
        let bare = |it: &Object| Object { content: Vec::new(), ..it.clone() };
        assert_eq!(bare(found), bare(wanted), "{name}");
    }
}

/// A directory with what file systems get wrong: links, holes, long and odd names, old times.
pub(crate) fn fill(root: &Path, hole: u64) {
    use std::os::unix::fs::{FileExt, PermissionsExt, symlink};
    use std::time::{Duration, SystemTime};
    let noise = |len: usize, mut seed: u32| -> Vec<u8> {
        let mut step = || {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (seed >> 24) as u8
        };
        (0..len).map(|_| step()).collect()
    };
    fs::write(root.join("empty"), b"").unwrap();
    fs::write(root.join("small"), b"forty-two\n").unwrap();
    fs::write(root.join("inline"), noise(140, 3)).unwrap();
    fs::write(root.join("large"), noise(700_001, 1)).unwrap();
    let sparse = fs::File::create(root.join("sparse")).unwrap();
    sparse.write_all_at(b"begin", 0).unwrap();
    sparse.write_all_at(&noise(9000, 2), hole).unwrap();
    sparse.set_len(hole * 2 + 12_345).unwrap();
    fs::create_dir_all(root.join("a/b/c/d/e/f/g/h/i/j/k")).unwrap();
    fs::write(root.join("a/b/c/d/e/f/g/h/i/j/k/deep"), b"deep").unwrap();
    fs::hard_link(root.join("small"), root.join("a/also small")).unwrap();
    fs::hard_link(root.join("small"), root.join("a/b/small again")).unwrap();
    for len in [1, 59, 60, 61, 900] {
        symlink("x".repeat(len), root.join(format!("link {len}"))).unwrap();
    }
    fs::write(root.join(OsStr::from_bytes(b"\xff\xfe name \x01 \xc3")), b"no UTF-8").unwrap();
    fs::write(root.join("n".repeat(255)), b"longest").unwrap();
    fs::set_permissions(root.join("a/b"), fs::Permissions::from_mode(0o1711)).unwrap();
    fs::set_permissions(root.join("inline"), fs::Permissions::from_mode(0o4750)).unwrap();
    let _ = run("mkfifo", &["pipe"], root);
    let old = fs::File::options().write(true).open(root.join("empty")).unwrap();
    old.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(7)).unwrap();
}

/// Runs a foreign tool; `None` when it is not installed. Fails when it fails.
pub(crate) fn run(tool: &str, arguments: &[&str], at: &Path) -> Option<Vec<u8>> {
    let found =
        Command::new(tool).args(arguments).current_dir(at).env("PATH", path()).stdin(Stdio::null()).output();
    let Ok(output) = found else {
        println!("skipped: no {tool} here");
        return None;
    };
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{tool} {arguments:?}: {said}");
    Some(output.stdout)
}

/// File system makers are often outside of a user's PATH.
fn path() -> String {
    format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default())
}

/// Looks at everything of a tree that may be damaged, in bounds; gives whether it could be opened.
pub(crate) fn touch<F: Files, E>(files: Result<F, E>) -> bool {
    let Ok(files) = files else { return false };
    let mut buffer = vec![0; 4096];
    for step in Walk::new(&files, files.root(), b"").take(2000).flatten() {
        let entry = step.entry;
        assert!(!entry.name.contains(&0) && !entry.name.is_empty());
        let _ = files.entry(entry.id);
        let _ = files.xattrs(entry.id);
        let _ = files.target(entry.id);
        let _ = files.caution(entry.id);
        for at in [0, 5000, entry.size / 2, entry.size.saturating_sub(5), u64::MAX] {
            let len = files.read(entry.id, at, &mut buffer).unwrap_or(0);
            assert!(len <= buffer.len());
        }
        let mut at = 0;
        for _ in 0..100 {
            let Ok(Some(run)) = files.stored(entry.id, at) else { break };
            assert!(run.start >= at && run.end > run.start && run.end <= entry.size);
            at = run.end;
        }
    }
    let _ = (files.doubts(), files.title());
    true
}
