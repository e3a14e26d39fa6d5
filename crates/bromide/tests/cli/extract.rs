//! Files of an image, got out: into a folder, a tar archive, through the kernel; and found by name.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use bromide_image::yaffs2::demo_tree::Node;
use bromide_image::yaffs2::read::ROOT;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::bench::{Bench, Mounted, assert_same, is_root};
use crate::history::logged;
use crate::history::yaffs_log::Body;
use crate::images::{PAGE, file, image, page_of};

/// Everything below a folder: kind and mode, time, size, owner, names of files, content or target.
pub(crate) fn listing(folder: &Path) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    let mut left = vec![folder.to_owned()];
    while let Some(path) = left.pop() {
        let stat = path.symlink_metadata().unwrap();
        let content = if stat.is_dir() {
            left.extend(fs::read_dir(&path).unwrap().map(|it| it.unwrap().path()));
            String::new()
        } else if stat.is_symlink() {
            format!("{:?}", fs::read_link(&path).unwrap())
        } else if stat.is_file() {
            let bytes = fs::read(&path).unwrap();
            format!(
                "{} {:?} {}",
                stat.nlink(),
                bytes.get(..40),
                bytes.iter().map(|it| u64::from(*it)).sum::<u64>()
            )
        } else {
            stat.rdev().to_string()
        };
        let size = if stat.is_dir() { 0 } else { stat.size() };
        let (uid, gid) = (stat.uid(), stat.gid());
        let told = format!("{:o} {} {size} {uid} {gid} {content}", stat.mode(), stat.mtime());
        let name = path.strip_prefix(folder).unwrap();
        all.insert(format!("{name:?}"), told);
    }
    all
}

/// Lets its owner, who may not be root, into every directory of a folder, whatever modes the image gave them.
pub(crate) fn open_up(folder: &Path) {
    let mut left = if is_root() { Vec::new() } else { vec![folder.to_owned()] };
    while let Some(path) = left.pop() {
        fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
        let inside = fs::read_dir(&path).unwrap().map(|it| it.unwrap());
        left.extend(inside.filter(|it| it.file_type().unwrap().is_dir()).map(|it| it.path()));
    }
}

#[test]
fn a_partition_is_extracted_as_it_is() {
    let (bench, (tree, image)) = (Bench::new(), image());
    bench.write("system.img", &image);
    let ran = bench.run("image extract system.img -o system").good();
    assert!(ran.out.is_empty());
    assert!(ran.err.contains("Extracted ") && ran.err.contains(" hard links, "), "{}", ran.err);
    for (path, least) in
        [("lib/", 5000), ("links/original", 1), ("holes/many-holes", 1), ("sizes/0-bytes", 0)]
    {
        let (name, bytes) = file(&tree, path, least);
        assert_same(&bench.read(&format!("system/{name}")), &bytes);
    }
    let files = tree.entries().iter().filter(|it| matches!(it.node, Node::File(_))).count();
    assert!(ran.err.contains(&format!("Extracted {files} files, ")), "{}", ran.err);
    let original = bench.path("system/links/original").metadata().unwrap();
    assert_eq!(original.permissions().mode() & 0o7777, if is_root() { 0o6755 } else { 0o755 });
    assert_eq!(
        (original.nlink(), original.ino()),
        (4, bench.path("system/xbin/fourth-name").metadata().unwrap().ino())
    );
    let target = fs::read_link(bench.path("system/links/nowhere")).unwrap();
    assert_eq!(target, Path::new("no/such/file"));

    bench.run("image extract system.img -o system").fails(1, &["not empty", "file/exists", "next: "]);
    bench
        .run("image extract system.img lib -o no/such")
        .fails(1, &["there is no folder no", "make it first"]);
    bench.run("image extract system.img").fails(2, &["--output"]);
    bench.run("--json image extract system.img --tar").fails(2, &[]);

    bench.run("image extract system.img --tar -o all.tar").good();
    bench.run("image extract system.img --tar -o all.tar").fails(1, &["file/exists"]);
    fs::create_dir(bench.path("from-tar")).unwrap();
    let untar = Command::new("tar").args(["-xpf", "../all.tar"]).current_dir(bench.path("from-tar")).output();
    match untar {
        Err(_) => println!("skipped: no tar here"),
        Ok(_) if !is_root() => println!("skipped: only root gets all of an archive"),
        Ok(ran) => {
            assert!(ran.status.success(), "{ran:?}");
            // The socket is in neither.
            assert_eq!(listing(&bench.path("from-tar")), listing(&bench.path("system")));
        }
    }
    let one = bench.run("image extract system.img links/original -o one").good();
    assert!(one.err.contains("Extracted 1 file, 300 bytes to one"), "{}", one.err);
    assert_same(&bench.read("one/original"), &file(&tree, "links/original", 1).1);
}

#[test]
fn used_partitions_extract_to_exactly_their_listed_trees() {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data");
    let root = std::env::var_os("BROMIDE_DATA").map_or_else(|| PathBuf::from(default), PathBuf::from);
    for name in ["used-a", "used-b"] {
        let Ok(listed) = fs::read(root.join(format!("yaffs2/{name}.json"))) else {
            println!("skipped: no sample data (BROMIDE_DATA/yaffs2/{name}.json)");
            return;
        };
        let packed = root.join(format!("yaffs2/{name}.bin.xz"));
        let Ok(unpacked) = Command::new("xz").arg("-dc").arg(packed).output() else {
            println!("skipped: the program xz is not installed");
            return;
        };
        let bench = Bench::new();
        bench.write("used.img", unpacked.stdout);
        bench.run("image extract used.img -o used").good();
        let listed: Value = serde_json::from_slice(&listed).unwrap();
        let entries = listed["entries"].as_array().unwrap();
        for entry in entries {
            let path = bench.path("used").join(entry["path"].as_str().unwrap());
            let stat = path.symlink_metadata().unwrap_or_else(|e| panic!("{}: {e}", path.display()));
            assert_eq!(stat.mtime(), entry["mtime"].as_i64().unwrap(), "{}", path.display());
            let kind = [(stat.is_dir(), "dir"), (stat.is_symlink(), "symlink"), (stat.is_file(), "file")];
            assert_eq!(
                kind.iter().find(|it| it.0).map(|it| it.1),
                entry["type"].as_str(),
                "{}",
                path.display()
            );
            if let Some(target) = entry["target"].as_str() {
                assert_eq!(fs::read_link(&path).unwrap(), Path::new(target));
            } else {
                let mode = u32::from_str_radix(entry["mode"].as_str().unwrap(), 8).unwrap() & 0o777;
                assert_eq!(stat.mode() & 0o777, mode, "{}", path.display());
            }
            if let Some(digest) = entry["sha256"].as_str() {
                let sum = Sha256::digest(fs::read(&path).unwrap());
                let sum: String = sum.iter().map(|byte| format!("{byte:02x}")).collect();
                assert_eq!(sum, digest, "{}", path.display());
            }
        }
        assert_eq!(listing(&bench.path("used")).len(), entries.len() + 1, "{name}: nothing more");
    }
}

#[test]
fn a_hostile_partition_writes_nothing_elsewhere() {
    let bench = Bench::new();
    bench.write("victim", "untouched");
    let elsewhere = bench.path("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    let target = |path: &Path| Body::Symlink(path.as_os_str().as_encoded_bytes().to_vec());
    let file = || Body::File(Vec::new());
    let absolute = elsewhere.as_os_str().as_encoded_bytes().to_vec();
    let image = logged(&[
        (300, ROOT, b"d", target(&elsewhere)),
        (301, ROOT, b"d", Body::Directory),
        (302, 301, b"inside", file()),
        (303, ROOT, b"../up", file()),
        (304, ROOT, &[&absolute[..], b"/x"].concat(), file()),
        (305, ROOT, b"victim", target(&bench.path("victim"))),
        (306, ROOT, b"victim", file()),
        (307, ROOT, b"..", Body::Directory),
        (308, 307, b"victim", file()),
        (309, ROOT, b"line\nbreak\x1b[31m\xff", file()),
        // A circle of directories, away from the root.
        (310, 311, b"one", Body::Directory),
        (311, 310, b"two", Body::Directory),
    ]);
    bench.write("hostile.img", image);
    let before = bench.files();
    let ran = bench.run("image extract hostile.img -o out");
    let told = ran.err.clone();
    assert!(matches!(ran.code, Some(0 | 1)), "{told}");
    for text in ["..%2Fup", "%2E%2E", "~2"] {
        assert!(told.contains(text), "{text}: {told}");
    }
    let mut after = bench.files();
    after.retain(|it| it != "out");
    assert_eq!(after, before);
    assert_eq!(bench.text("victim"), "untouched");
    assert_eq!(fs::read_dir(&elsewhere).unwrap().count(), 0, "no link was followed");
    open_up(&bench.path("out"));
    let written = listing(&bench.path("out"));
    let names: Vec<&String> = written.keys().collect();
    for name in ["\"d\"", "\"d~2\"", "\"..%2Fup\"", "\"victim\"", "\"victim~2\"", "\"%2E%2E/victim\""] {
        assert!(written.contains_key(name), "{name}: {names:?}");
    }
    assert!(
        written.keys().any(|it| it.contains("\\x1b[31m\\xFF") || it.contains("\\u{1b}[31m\\xFF")),
        "{names:?}"
    );
}

#[test]
fn a_damaged_file_gets_another_name_and_the_exit_code_says_so() {
    let (bench, (tree, mut image)) = (Bench::new(), image());
    let (name, mut bytes) = file(&tree, "lib/", 9000);
    let page = page_of(&image, &bytes[2048..]);
    image[page * PAGE + 600..page * PAGE + 640].iter_mut().for_each(|byte| *byte ^= 0x55);
    bench.write("system.img", &image);
    let says = [&*name, ".damaged", "beyond repair", "2,048 bytes are missing", "1 file is damaged"];
    bench.run("image extract system.img lib -o lib").fails(5, &says);
    assert!(!bench.has(&name));
    bytes[2048..4096].fill(0);
    assert_same(&bench.read(&format!("{name}.damaged")), &bytes);

    let ran = bench.run("--json image extract system.img lib -o again").fails(5, &[]);
    let events = ran.events();
    let of = |event: &str| events.iter().find(|it| it["event"] == event).unwrap_or_else(|| panic!("{event}"));
    assert_eq!(of("damaged")["path"], name.as_str());
    assert_eq!(of("damaged")["missing_bytes"], 2048);
    assert_eq!(of("extracted")["damaged"], 1);
    assert_eq!(of("error")["code"], "image/damaged");
    bench.run("image extract system.img lib --tar -o lib.tar").fails(5, &["1 file is damaged"]);
    assert!(bench.has("lib.tar"));
}

#[test]
fn files_are_found_by_name_kind_size_and_time() {
    let (bench, (tree, image)) = (Bench::new(), image());
    bench.write("system.img", &image);
    let all = bench.run("image find system.img").good();
    assert_eq!(all.out.lines().count(), tree.entries().len());
    let links = bench.run("image find system.img links --type l").good();
    assert!(links.out.lines().all(|it| it.starts_with("links/")), "{}", links.out);
    assert!(links.out.contains("links/nowhere\n"));
    let named = bench.run("image find system.img --name *-[n]ame").good();
    let mut lines: Vec<&str> = named.out.lines().collect();
    lines.sort_unstable();
    assert!(lines.contains(&"links/second-name") && lines.contains(&"xbin/fourth-name"), "{lines:?}");
    let large = bench.run("image find system.img --larger 5000 --type f").good().out;
    let wanted = |it: &Node| matches!(it, Node::File(file) if file.size() > 5000);
    let files = tree.entries().iter().filter(|it| wanted(&it.node)).count();
    assert!(large.lines().count() >= files && files > 0);
    assert_eq!(bench.run("image find system.img --newer 2100-01-01").good().out, "");
    assert_eq!(bench.run("image find system.img --newer 1970-01-01").good().out, all.out);
    let zero = bench.run("image find system.img special --print0").good().out;
    assert_eq!(zero, "special/block\0special/null\0special/pipe\0special/socket\0");
    bench.run("image find system.img --newer yesterday").fails(2, &["is no date"]);
}

#[test]
fn a_full_disk_is_told_before_the_first_byte_or_leaves_whole_files_alone() {
    let (bench, (_, image)) = (Bench::new(), image());
    bench.write("system.img", &image);
    // Too small for the bytes, which are counted first; then for the objects, which are not.
    for (name, options) in [("small", "size=1m"), ("few", "size=64m,nr_inodes=40")] {
        let Some(_disk) = Mounted::tmpfs(&bench.path(name), options) else { return };
        let says = ["file/disk-full", "make room"];
        let ran = bench.run(&format!("image extract system.img -o {name}/out")).fails(1, &says);
        if name == "small" {
            assert_eq!(fs::read_dir(bench.path("small/out")).unwrap().count(), 0, "{}", ran.err);
            continue;
        }
        bench.run("image extract system.img -o whole").good();
        let (part, whole) = (listing(&bench.path("few/out")), listing(&bench.path("whole")));
        assert!(part.len() > 10);
        // Neither directories that are not filled yet nor links that have not all their names are as they will be.
        for (path, told) in
            part.iter().filter(|(path, _)| bench.path("few/out").join(path.trim_matches('"')).is_file())
        {
            let bytes = |told: &str| told.split(' ').skip(6).map(str::to_owned).collect::<Vec<_>>();
            assert_eq!(bytes(told), bytes(&whole[path]), "{path}");
        }
    }
    bench.run("image extract system.img -o nowhere/out").fails(1, &["file/no-folder"]);
    bench.write("a-file", "x");
    bench.run("image extract system.img -o a-file").fails(1, &["no folder", "name a new folder"]);
}
