//! The writer against a foreign reader: `unyaffs` (a Debian package), where it is installed.
#![cfg(unix)]

use std::ffi::OsStr;
use std::fs;
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::Path;
use std::process::Command;

use bromide_image::yaffs2::demo_tree::{DemoTree, Entry, Node};
use bromide_image::yaffs2::{Device, tags};

/// unyaffs counts on every chunk of a file being there ("Broken image file" otherwise), so files with holes stay out.
fn has_holes(entry: &Entry) -> bool {
    matches!(&entry.node, Node::File(file) if file.stored_chunks() < file.size().div_ceil(2048))
}

/// Writes the tree in the form of image files: 2048 bytes and a spare of 64 a page.
fn write_image(tree: &DemoTree, to: &Path) {
    let mut image = std::io::BufWriter::new(fs::File::create(to).unwrap());
    tree.write(|page, software| {
        let object = u32::from_le_bytes(software[4..8].try_into().unwrap()) as usize;
        // The root is 1, the entries are 257 and up.
        if object > 256 && has_holes(&tree.entries()[object - 257]) {
            return Ok(());
        }
        image.write_all(page)?;
        image.write_all(&tags::image_spare(software))
    })
    .unwrap();
    image.flush().unwrap();
}

fn compare(tree: &DemoTree, index: usize, entry: &Entry, root: &Path) {
    let path = root.join(OsStr::from_bytes(&tree.path(index)));
    let shown = path.display();
    let seen = fs::symlink_metadata(&path).unwrap_or_else(|error| panic!("{shown}: {error}"));
    match &entry.node {
        Node::Directory => assert!(seen.is_dir(), "{shown}"),
        Node::File(file) => {
            let mut content = vec![0; file.size() as usize];
            file.read(0, &mut content);
            assert!(seen.is_file() && fs::read(&path).unwrap() == content, "{shown}: content differs");
        }
        Node::Symlink(target) => {
            assert_eq!(fs::read_link(&path).unwrap().as_os_str().as_bytes(), target, "{shown}");
        }
        Node::HardLink(to) => {
            let other = fs::symlink_metadata(root.join(OsStr::from_bytes(&tree.path(*to)))).unwrap();
            assert_eq!((seen.dev(), seen.ino()), (other.dev(), other.ino()), "{shown}");
        }
        Node::Special(device) => {
            let kind = seen.file_type();
            assert!(
                match device {
                    Device::Character(..) => kind.is_char_device(),
                    Device::Block(..) => kind.is_block_device(),
                    Device::Fifo => kind.is_fifo(),
                    Device::Socket => kind.is_socket(),
                },
                "{shown}"
            );
            if let Device::Character(major, minor) | Device::Block(major, minor) = device {
                assert_eq!(seen.rdev(), u64::from(*major) * 256 + u64::from(*minor), "{shown}");
            }
        }
    }
    if matches!(entry.node, Node::Symlink(_) | Node::HardLink(_)) {
        return;
    }
    assert_eq!(seen.mode() & 0o7777, u32::from(entry.attributes.mode), "{shown}: mode");
    assert_eq!((seen.uid(), seen.gid()), (entry.attributes.uid, entry.attributes.gid), "{shown}: owner");
    assert_eq!(seen.mtime(), i64::from(entry.attributes.modified), "{shown}: time");
}

#[test]
fn a_foreign_reader_extracts_the_tree_that_was_described() {
    if Command::new("unyaffs").arg("-V").output().is_err() {
        eprintln!("skipped: the program unyaffs is not installed");
        return;
    }
    if fs::metadata("/proc/self").map_or(1, |it| it.uid()) != 0 {
        eprintln!("skipped: only root can extract owners and device files");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (image, tree_dir) = (folder.path().join("demo.img"), folder.path().join("tree"));
    let tree = DemoTree::new(1, 6_000_000);
    write_image(&tree, &image);
    let ran =
        Command::new("unyaffs").args(["-c", "2", "-s", "64"]).arg(&image).arg(&tree_dir).output().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    let mut compared = 0;
    for (index, entry) in tree.entries().iter().enumerate().filter(|(_, it)| !has_holes(it)) {
        compare(&tree, index, entry, &tree_dir);
        compared += 1;
    }
    assert_eq!(count(&tree_dir), compared, "nothing more than the tree");
}

fn count(folder: &Path) -> usize {
    let entries = fs::read_dir(folder).unwrap().map(|it| it.unwrap());
    entries.map(|it| 1 + if it.file_type().unwrap().is_dir() { count(&it.path()) } else { 0 }).sum()
}
