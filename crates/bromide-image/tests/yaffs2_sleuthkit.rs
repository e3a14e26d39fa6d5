//! The writer against another foreign reader: Sleuth Kit's `fls` and `tsk_recover` (a Debian package), where they are
//! installed. They must find in an image of ours what they find in an image maker's.
//!
//! Known limits of theirs (nand-yaffs2.md section 10): the tags must lie together in the spare, so the image is in the
//! form of image files; `tsk_recover` leaves out empty files and all links.
#![cfg(unix)]

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use bromide_image::yaffs2::demo_tree::{DemoTree, Node};
use bromide_image::yaffs2::tags;

/// Writes the tree in the form of image files, filled up to a whole number of blocks with erased pages.
fn write_image(tree: &DemoTree, to: &Path) {
    let mut image = std::io::BufWriter::new(fs::File::create(to).unwrap());
    let mut pages = 0_usize;
    tree.write(|page, software| {
        pages += 1;
        image.write_all(page)?;
        image.write_all(&tags::image_spare(software))
    })
    .unwrap();
    for _ in pages..pages.next_multiple_of(64) {
        image.write_all(&[0xFF; 2112]).unwrap();
    }
    image.flush().unwrap();
}

fn run(program: &str, arguments: &[&OsStr]) -> Vec<u8> {
    let ran = Command::new(program).args(["-f", "yaffs2"]).args(arguments).output().unwrap();
    assert!(ran.status.success(), "{program}: {}", String::from_utf8_lossy(&ran.stderr));
    ran.stdout
}

/// A name as they show it: what is not UTF-8 replaced, control characters as `^`, the last of 255 bytes lost.
fn shown(name: &[u8]) -> String {
    let text = String::from_utf8_lossy(name).replace(|it: char| it < ' ', "^");
    text.chars().take(254).collect()
}

fn shown_path(tree: &DemoTree, index: usize) -> String {
    let path = tree.path(index);
    path.split(|byte| *byte == b'/').map(shown).collect::<Vec<_>>().join("/")
}

/// What `fls` has before the name: kind by the directory and kind by the object, then the object's id.
fn line(tree: &DemoTree, index: usize) -> String {
    let kind = match &tree.entries()[index].node {
        Node::Directory => "d/d",
        Node::File(_) => "r/r",
        Node::Symlink(_) => "l/l",
        Node::HardLink(_) => "l/-",
        Node::Special(_) => "-/-",
    };
    format!("{kind} {}:\t{}", 257 + index, shown_path(tree, index))
}

/// All files below a folder by their paths as shown; `tsk_recover` keeps bytes that `fls` replaces.
fn files_below(folder: &Path, path: &str, found: &mut BTreeMap<String, PathBuf>) {
    for entry in fs::read_dir(folder).unwrap().map(|it| it.unwrap()) {
        let name = shown(entry.file_name().as_encoded_bytes());
        let path = if path.is_empty() { name } else { format!("{path}/{name}") };
        if entry.file_type().unwrap().is_dir() {
            files_below(&entry.path(), &path, found);
        } else {
            found.insert(path, entry.path());
        }
    }
}

#[test]
fn sleuth_kit_lists_and_recovers_what_was_described() {
    if ["fls", "tsk_recover"].iter().any(|it| Command::new(it).arg("-V").output().is_err()) {
        eprintln!("skipped: the programs of sleuthkit are not installed");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (image, out) = (folder.path().join("demo.img"), folder.path().join("out"));
    let tree = DemoTree::new(1, 6_000_000);
    write_image(&tree, &image);

    let listed = run("fls", &["-r".as_ref(), "-p".as_ref(), image.as_os_str()]);
    let listed = String::from_utf8_lossy(&listed);
    // The last three are directories of its own making.
    let own = |line: &&str| ["<unlinked>", "<deleted>", "$OrphanFiles"].iter().any(|it| line.ends_with(it));
    let listed: BTreeSet<&str> = listed.lines().filter(|line| !own(line)).collect();
    let described: BTreeSet<String> = (0..tree.entries().len()).map(|index| line(&tree, index)).collect();
    let described: BTreeSet<&str> = described.iter().map(String::as_str).collect();
    let differing: Vec<_> = described.symmetric_difference(&listed).collect();
    assert!(differing.is_empty(), "{differing:#?}");

    run("tsk_recover", &["-a".as_ref(), image.as_os_str(), out.as_os_str()]);
    let mut found = BTreeMap::new();
    files_below(&out, "", &mut found);
    for (index, entry) in tree.entries().iter().enumerate() {
        let Node::File(file) = &entry.node else { continue };
        if file.size() == 0 {
            continue;
        }
        let path = shown_path(&tree, index);
        let seen = fs::read(found.remove(&path).unwrap_or_else(|| panic!("{path} is missing"))).unwrap();
        let mut content = vec![0; file.size() as usize];
        file.read(0, &mut content);
        if entry.name == b"far-end" {
            // It gives up somewhere in 32 MiB of hole.
            assert!(content.starts_with(&seen), "{path}: content differs");
        } else {
            assert!(seen == content, "{path}: content differs");
        }
    }
    assert!(found.is_empty(), "more than the tree: {found:?}");
}
