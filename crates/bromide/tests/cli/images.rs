//! Files of an image: listed, drawn, read, and what is said where that cannot be.

use std::convert::Infallible;
use std::process::{Command, Stdio};

use bromide_image::yaffs2::demo_tree::{DemoTree, Node};
use bromide_image::yaffs2::tags;
use bromide_nand::{Geometry, encode_page};

use crate::bench::{Bench, Ran, assert_same, spare_last};

/// Stored bytes of a page.
pub(crate) const PAGE: usize = 2112;

/// A small partition as `bromide read` writes it, with the tree it holds.
pub(crate) fn image() -> (DemoTree, Vec<u8>) {
    let tree = DemoTree::new(6575, 4_000_000);
    let geometry = Geometry::new(2048, 64, 64, 1024).unwrap();
    let mut image = Vec::new();
    let written = tree.write(|main, software| {
        let mut page = [0; PAGE];
        encode_page(main, software, None, &geometry, &mut page).unwrap();
        image.extend(page);
        Ok::<(), Infallible>(())
    });
    written.unwrap();
    image.resize(image.len().next_multiple_of(64 * PAGE) + 64 * PAGE, 0xFF);
    (tree, image)
}

/// The first file whose path begins so and has at least that many bytes.
pub(crate) fn file(tree: &DemoTree, path: &str, least: u64) -> (String, Vec<u8>) {
    let mut entries = tree.entries().iter().enumerate();
    let found = entries.find_map(|(index, entry)| {
        let Node::File(file) = &entry.node else { return None };
        let name = String::from_utf8(tree.path(index)).ok()?;
        (name.starts_with(path) && file.size() >= least).then_some((name, file))
    });
    let (name, file) = found.unwrap();
    let mut bytes = vec![0; usize::try_from(file.size()).unwrap()];
    file.read(0, &mut bytes);
    (name, bytes)
}

/// `image cat` with a path as it is, and its raw output.
pub(crate) fn cat(bench: &Bench, file: &str, path: &str) -> (Vec<u8>, Ran) {
    let mut command = bench.command(&format!("image cat {file}"));
    let ran = command.arg(path).stdout(Stdio::piped()).stderr(Stdio::piped()).output().unwrap();
    let err = String::from_utf8(ran.stderr).unwrap();
    (ran.stdout, Ran { code: ran.status.code(), out: String::new(), err })
}

/// The page of the image that holds this chunk.
pub(crate) fn page_of(image: &[u8], chunk: &[u8]) -> usize {
    let starts = |page: &&[u8]| page[..512] == chunk[..512];
    let pages: Vec<&[u8]> = image.chunks(PAGE).collect();
    pages.iter().position(starts).unwrap()
}

#[test]
fn a_directory_is_listed_by_name() {
    let (bench, (_, image)) = (Bench::new(), image());
    bench.write("system.img", &image);
    let ran = bench.run("image ls system.img").good();
    let names: Vec<&str> = ran.out.lines().collect();
    let whole = [
        "app",
        "bin",
        "etc",
        "fonts",
        "framework",
        "holes",
        "lib",
        "links",
        "media",
        "odd names",
        "sizes",
        "special",
        "tts",
        "usr",
        "xbin",
    ];
    assert_eq!(names, whole);
    let one = bench.run("image ls system.img /links/original").good();
    assert_eq!(one.out, "original\n");
    bench
        .run("image ls system.img links/missing")
        .fails(1, &["system.img", "links/missing", "image/no-file"]);
}

#[test]
fn a_long_list_has_modes_links_owners_sizes_times_and_targets() {
    let (bench, (tree, image)) = (Bench::new(), image());
    bench.write("system.img", &image);
    let ran = bench.run("image ls -l system.img links").good();
    let line = |out: &str, end: &str| {
        out.lines().find(|it| it.ends_with(end)).unwrap_or_else(|| panic!("{end}: {out}")).to_owned()
    };
    let original = line(&ran.out, " original");
    assert!(original.starts_with("-rwsr-sr-x 4 0 1000 300 2011-03-"), "{original}");
    assert!(original.ends_with("Z original"), "{original}");
    assert_eq!(line(&ran.out, " second-name").replace("second-name", "original"), original);
    assert!(line(&ran.out, "nowhere -> no/such/file").starts_with("lrwxrwxrwx 1 0 2000  12 2011-"));
    assert!(ran.out.contains("odd -> spaces and \\xff bytes\n"), "{}", ran.out);
    assert!(ran.out.contains("soft-second-name -> original\n"), "{}", ran.out);

    let devices = bench.run("image ls -l system.img special").good().out;
    assert!(line(&devices, " null").starts_with("crw-rw---- 1 0 1000   1, 3 "), "{devices}");
    assert!(line(&devices, " block").starts_with("brw-rw---- 1 0 1000 31, 11 "), "{devices}");
    assert!(line(&devices, " pipe").starts_with("prw-rw---- "), "{devices}");

    let all = bench.run("image ls -lR system.img").good().out;
    assert!(all.starts_with("/:\n") && all.contains("\n\n/lib/hw:\n"), "{all}");
    assert!(all.contains("\n/odd names/deep/1/2/3:\n"), "{all}");
    let listed = all.lines().filter(|it| it.contains("Z ")).count();
    assert_eq!(listed, tree.entries().len(), "every object once");
}

#[test]
fn names_that_would_steer_the_terminal_are_escaped() {
    let (bench, (_, image)) = (Bench::new(), image());
    bench.write("system.img", &image);
    let mut command = bench.command("image ls system.img");
    let ran = command.arg("odd names").output().unwrap();
    let out = String::from_utf8(ran.stdout).unwrap();
    for name in [
        "escape\\u{1b}[31m",
        "line\\nbreak",
        "invalid-\\xff\\xfe-utf8",
        "\\u{202e}txt.exe",
        "Ünïcödé ☂ 漢字.txt",
    ] {
        assert!(out.lines().any(|line| line == name), "{name}: {out}");
    }
    assert!(!out.contains('\x1b'));
    let err = String::from_utf8(ran.stderr).unwrap();
    assert!(
        err.starts_with("Warning system.img: the name ") && err.contains("(and 3 more like it)"),
        "{err}"
    );
    assert_eq!(err.lines().count(), 1, "{err}");
}

#[test]
fn a_tree_is_drawn_with_every_object() {
    let (bench, (tree, image)) = (Bench::new(), image());
    bench.write("system.img", &image);
    let ran = bench.run("image tree system.img").good();
    let lines: Vec<&str> = ran.out.lines().collect();
    assert_eq!(lines[0], "/");
    assert!(lines.contains(&"├── lib") && lines.contains(&"└── xbin"), "{}", ran.out);
    assert!(ran.out.contains("│   ├── ls -> toolbox\n"), "{}", ran.out);
    assert_eq!(lines.iter().filter(|it| it.contains("── ")).count(), tree.entries().len());
    let directories = tree.entries().iter().filter(|it| matches!(it.node, Node::Directory)).count();
    let others = tree.entries().len() - directories;
    assert_eq!(*lines.last().unwrap(), format!("{directories} directories, {others} files"));
    let part = bench.run("image tree system.img special").good();
    assert_eq!(part.out, "/special\n├── block\n├── null\n├── pipe\n└── socket\n\n0 directories, 4 files\n");
}

#[test]
fn a_file_comes_out_as_it_went_in() {
    let (bench, (tree, image)) = (Bench::new(), image());
    bench.write("system.img", &image);
    for (path, least) in
        [("lib/", 5000), ("links/original", 1), ("holes/many-holes", 1), ("sizes/0-bytes", 0)]
    {
        let (name, bytes) = file(&tree, path, least);
        let (read, ran) = cat(&bench, "system.img", &name);
        ran.good();
        assert_same(&read, &bytes);
    }
    let (_, original) = file(&tree, "links/original", 1);
    assert_same(&cat(&bench, "system.img", "/xbin/fourth-name").0, &original);
    for (path, says) in [
        ("bin", "/bin is a directory"),
        ("bin/ls", "a symbolic link to toolbox"),
        ("special/null", "character device"),
        ("missing", "there is no missing"),
    ] {
        let (read, ran) = cat(&bench, "system.img", path);
        ran.fails(1, &[says, "next: "]);
        assert!(read.is_empty());
    }
    bench.run("image cat --json system.img bin").fails(2, &[]);
}

#[test]
fn other_layouts_hold_the_same_files() {
    let (bench, (tree, image)) = (Bench::new(), image());
    let (name, bytes) = file(&tree, "lib/", 5000);
    bench.write("last.img", spare_last(&image));
    let mut plain = Vec::new();
    tree.write(|main, software| {
        plain.extend(main);
        plain.extend(tags::image_spare(software));
        Ok::<(), Infallible>(())
    })
    .unwrap();
    bench.write("plain.img", plain);
    for image in ["last.img", "plain.img"] {
        let (read, ran) = cat(&bench, image, &name);
        ran.good();
        assert_same(&read, &bytes);
    }
    // Used partitions may begin with whatever: erased blocks here.
    for (file, layout) in [("later.img", image.clone()), ("later-last.img", spare_last(&image))] {
        bench.write(file, [vec![0xFF; 2 * 64 * PAGE], layout].concat());
        let (read, ran) = cat(&bench, file, &name);
        ran.good();
        assert_same(&read, &bytes);
    }
}

#[test]
fn an_image_with_something_else_behind_the_files_is_doubted() {
    let (bench, (tree, mut image)) = (Bench::new(), image());
    bench.write("one.img", &image);
    let geometry = Geometry::new(2048, 64, 64, 1024).unwrap();
    let mut page = [0; PAGE];
    encode_page(&[0x5A; 2048], &[0xFF; 25], None, &geometry, &mut page).unwrap();
    image.extend(page.repeat(64));
    bench.write("two.img", &image);
    let (name, bytes) = file(&tree, "lib/", 5000);
    let (one, two) = (cat(&bench, "one.img", &name), cat(&bench, "two.img", &name));
    assert!(!one.1.good().err.contains("more than one partition"));
    two.1.good().says(&["more than one partition", "page ", "no tags of a file system"]);
    assert_same(&two.0, &bytes);
}

#[test]
fn wrong_bits_are_corrected_and_a_damaged_page_ends_the_file_with_its_number() {
    let (bench, (tree, mut image)) = (Bench::new(), image());
    let (name, bytes) = file(&tree, "lib/", 5000);
    let page = page_of(&image, &bytes[2048..]);
    image[page * PAGE + 100] ^= 0x11;
    bench.write("system.img", &image);
    let (read, ran) = cat(&bench, "system.img", &name);
    assert_same(&read, &bytes);
    assert_eq!(ran.good().err.lines().count(), 1, "only the odd names are told");

    image[page * PAGE + 600..page * PAGE + 640].iter_mut().for_each(|byte| *byte ^= 0x55);
    bench.write("system.img", &image);
    let (read, ran) = cat(&bench, "system.img", &name);
    let page = format!("page {page} is damaged beyond repair");
    ran.fails(1, &["system.img", &name, &page]);
    assert_same(&read, &bytes[..2048]);
}

#[test]
fn a_damaged_page_whose_owner_is_not_known_makes_a_file_with_a_hole_doubtful() {
    let (bench, (tree, mut image)) = (Bench::new(), image());
    let (name, mut bytes) = file(&tree, "lib/", 5000);
    // The last page of a file is looked at, and then all are: whose it was is not known.
    let last = (bytes.len() - 1) / 2048 * 2048;
    let page = page_of(&image, &bytes[last..]);
    image[page * PAGE..(page + 1) * PAGE].iter_mut().enumerate().for_each(|(at, byte)| {
        *byte ^= (at * 37 % 251) as u8;
    });
    bench.write("system.img", &image);
    bytes[last..].fill(0);
    let (read, ran) = cat(&bench, "system.img", &name);
    ran.fails(1, &[&format!("page {page} is damaged beyond repair"), "has holes", "1 page damaged"]);
    assert_same(&read, &bytes);
}

#[test]
fn programs_get_one_object_per_entry_with_the_bytes_of_its_name() {
    let (bench, (tree, image)) = (Bench::new(), image());
    bench.write("system.img", &image);
    let events = bench.run("--json image ls -R system.img").good().events();
    let entries: Vec<_> = events.iter().filter(|it| it["event"] == "entry").collect();
    assert_eq!(entries.len(), tree.entries().len());
    let of = |name: &str| *entries.iter().find(|it| it["name"] == name).unwrap();
    let odd = of("invalid-\u{fffd}\u{fffd}-utf8");
    assert_eq!(odd["name_hex"], "696e76616c69642dfffe2d75746638");
    assert_eq!(odd["path"], "odd names/invalid-\u{fffd}\u{fffd}-utf8");
    let link = of("fourth-name");
    assert_eq!((&link["kind"], &link["links"], &link["bytes"]), (&"file".into(), &4.into(), &300.into()));
    assert_eq!((&link["mode"], &link["object"]), (&"106755".into(), &of("original")["object"]));
    assert!(link.get("name_hex").is_none());
    assert_eq!(of("nowhere")["target"], "no/such/file");
    assert_eq!(of("null")["device"], serde_json::json!([1, 3]));
    assert!(events.iter().any(|it| it["event"] == "warning"));
    let tree_events = bench.run("--json image tree system.img links").good().events();
    assert_eq!(tree_events.iter().filter(|it| it["event"] == "entry").count(), 11);
}

#[test]
fn what_is_no_image_is_refused_with_the_way_to_find_out() {
    let bench = Bench::new();
    bench.write("zeros.bin", vec![0; 4 * PAGE]);
    bench.write("blank.bin", vec![0xFF; 64 * PAGE]);
    bench.write("text.txt", "no image\n".repeat(9000));
    bench.write("empty.bin", "");
    for file in ["zeros.bin", "blank.bin", "text.txt", "empty.bin", "g2.bin"] {
        for verb in ["ls", "tree"] {
            bench
                .run(&format!("image {verb} {file}"))
                .fails(1, &[file, "no file system in it", &format!("bromide identify {file}")]);
        }
    }
    bench.run("image ls missing.img").fails(1, &["missing.img", "file/io"]);
    bench.run("image ls .").fails(1, &["directory"]);
}

#[test]
fn a_reader_that_has_seen_enough_is_no_failure() {
    let (bench, (tree, image)) = (Bench::new(), image());
    bench.write("system.img", &image);
    let (name, _) = file(&tree, "app/", 1);
    let program = env!("CARGO_BIN_EXE_bromide");
    for words in ["ls -lR system.img".to_owned(), format!("cat system.img {name}")] {
        let line = format!("set -o pipefail; {program} image {words} 2>/dev/null | true");
        let Ok(ran) = Command::new("bash").args(["-c", &line]).current_dir(bench.path("")).output() else {
            println!("skipped: no bash here");
            return;
        };
        assert!(ran.status.success(), "{words}: {ran:?}");
    }
}
