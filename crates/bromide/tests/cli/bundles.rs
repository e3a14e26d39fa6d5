//! `bundle verify` and `bundle diff`: dumps of all partitions, looked at without a phone.

use std::convert::Infallible;
use std::fs;
use std::path::Path;

use bromide_image::yaffs2::{Attributes, Writer};
use bromide_nand::{Geometry, encode_page};
use serde_json::{Value, json};

use crate::bench::{Bench, Ran, main_only};

const MAP: &str = "dev:    size   erasesize  name\nmtd0: 00040000 00020000 \"preloader\"\n\
    mtd1: 000c0000 00020000 \"dsp_bl\"\nmtd2: 00300000 00020000 \"nvram\"\n";

/// Stored bytes of a page, and of a block.
const PAGE: usize = 2112;
const BLOCK: usize = 64 * PAGE;

/// A bench with a dump of three partitions.
fn dumped() -> Bench {
    let bench = Bench::new();
    bench.write("map.txt", MAP);
    bench.run("read --all --map map.txt --da g2.bin --via phone:mt6575 -o dump/").good();
    bench
}

/// Changes a file; gives what it was.
fn edit(path: &Path, change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let before = fs::read(path).unwrap();
    let mut bytes = before.clone();
    change(&mut bytes);
    assert_ne!(bytes, before, "{}: nothing was changed", path.display());
    fs::write(path, bytes).unwrap();
    before
}

/// A second dump, the same as the first.
fn copied(bench: &Bench) {
    fs::create_dir(bench.path("again")).unwrap();
    for entry in fs::read_dir(bench.path("dump")).unwrap().flatten() {
        if entry.path().is_file() {
            fs::copy(entry.path(), bench.path("again").join(entry.file_name())).unwrap();
        }
    }
}

fn replaced(from: &str, to: &str) -> impl FnOnce(&mut Vec<u8>) + 'static {
    let (from, to) = (from.to_owned(), to.to_owned());
    move |bytes| *bytes = String::from_utf8(std::mem::take(bytes)).unwrap().replace(&from, &to).into_bytes()
}

/// Standard output says each of these.
fn shows(ran: Ran, says: &[&str]) -> Ran {
    for text in says {
        assert!(ran.out.contains(text), "\"{text}\" is missing in:\n{}", ran.out);
    }
    ran
}

#[test]
fn a_dump_as_it_was_read_is_whole() {
    let bench = dumped();
    let ran = bench.run("bundle verify dump").good().says(&["all 3 images are whole and as recorded"]);
    assert_eq!(ran.out.lines().count(), 3, "{}", ran.out);
    shows(ran, &["preloader  ok, 128 pages: ", "dsp_bl     ok, 384 pages: ", "nvram      ok, 1,536 pages: "]);
    let quick = bench.run("bundle verify --quick dump").good().says(&["(no image was read)"]);
    assert_eq!(quick.out, "preloader  ok\ndsp_bl     ok\nnvram      ok\n");
    let events = bench.run("--json bundle verify dump/").good().events();
    let last = events.last().unwrap();
    let expected = json!({
        "event": "bundle-verify", "state": "whole", "images": 3, "busy": false, "ok": true, "findings": [],
    });
    assert_eq!(*last, expected);
    let image = events.iter().find(|it| it["name"] == "nvram").unwrap();
    assert_eq!((&image["pages"]["total"], &image["findings"]), (&json!(1536), &json!([])));
    let progress = events.iter().rfind(|it| it["event"] == "progress").unwrap();
    assert_eq!(progress["done"], json!(32 * BLOCK));
}

#[test]
fn a_flipped_byte_is_told_by_range_block_and_address() {
    let bench = dumped();
    edit(&bench.path("dump/nvram.img"), |bytes| bytes[17 * BLOCK + 9] ^= 1);
    let ran = bench.run("bundle verify dump").fails(4, &["[bundle/differs]", "1 of 3 images", "--force"]);
    // nvram begins at 0x100000, block 8; ranges have 8 blocks.
    let at = format!("byte {:#x}, block 24 of the chip, main-area address 0x300000", 16 * BLOCK);
    shows(ran, &["preloader  ok", "1 of 3 ranges of", &at]);
    bench.run("bundle verify --quick dump").good();
    let events = bench.run("--json bundle verify dump").fails(4, &[]).events();
    let image = events.iter().find(|it| it["name"] == "nvram").unwrap();
    let finding = &image["findings"][0];
    assert_eq!((&finding["code"], &finding["differs"]), (&json!("digest"), &json!(true)));
    let first = json!({ "offset": 16 * BLOCK, "block": 24, "address": "0x300000" });
    assert_eq!(finding["differing"]["first"], first);
    assert_eq!(events.last().unwrap()["exit"], 4);
}

#[test]
fn every_other_damage_is_told_too() {
    let bench = dumped();
    type Change = Box<dyn FnOnce(&mut Vec<u8>)>;
    let sums = bench.text("dump/SHA256SUMS");
    let map_of_another = bench.read("dump/dsp_bl.img.map");
    let cases: [(&str, Change, i32, &str); 9] = [
        (
            "preloader.img",
            Box::new(|it| it.truncate(5000)),
            4,
            "preloader.img has 5000 bytes, the record says",
        ),
        ("SHA256SUMS", Box::new(replaced(&sums[..64], &"0123".repeat(16))), 4, "another digest"),
        ("SHA256SUMS", Box::new(replaced("preloader.img", "old.img")), 4, "a line about old.img"),
        ("preloader.img.map", Box::new(|it| *it = map_of_another), 4, "preloader.img.map: it covers"),
        ("preloader.img.map", Box::new(replaced("  +", "  -")), 4, "bytes are missing in it"),
        ("preloader.img.map", Box::new(|it| it.clear()), 4, "no status line"),
        (
            "preloader.img.report.json",
            Box::new(replaced("\"clean\": ", "\"clean\": 9")),
            4,
            "in another state",
        ),
        ("map.json", Box::new(replaced("\"preloader\"", "\"other\"")), 4, "map.json: it names no preloader"),
        (
            "bundle.json",
            Box::new(replaced("\"0x100000\"", "\"0x120000\"")),
            4,
            "of another read (different: start)",
        ),
    ];
    for (file, change, code, says) in cases {
        let path = bench.path("dump").join(file);
        let before = edit(&path, change);
        let ran = bench.run("bundle verify dump");
        assert_eq!(ran.code, Some(code), "{file} {says}\n{}{}", ran.out, ran.err);
        shows(ran, &[says]);
        fs::write(path, before).unwrap();
    }
    fs::write(bench.path("dump/strange.img"), "x").unwrap();
    shows(bench.run("bundle verify dump").fails(4, &["its 3 images are"]), &["strange.img is there"]);
    fs::remove_file(bench.path("dump/strange.img")).unwrap();
    fs::remove_file(bench.path("dump/dsp_bl.img")).unwrap();
    shows(bench.run("bundle verify dump").fails(4, &[]), &["dsp_bl     dsp_bl.img is missing"]);
}

#[test]
fn a_hostile_or_unknown_record_is_refused() {
    let bench = dumped();
    let path = bench.path("dump/bundle.json");
    for (from, to, says) in [
        ("\"preloader.img\"", "\"../preloader.img\"", "no name of a file in the folder"),
        ("\"nvram.img\"", "\"/etc/passwd\"", "no name of a file in the folder"),
        ("bromide-bundle/1", "bromide-bundle/9", "this program knows bromide-bundle/1"),
        ("\"length\": 3145728", "\"length\": 3145728e99", "invalid"),
        ("{", "", "line 2"),
    ] {
        let before = edit(&path, replaced(from, to));
        bench.run("bundle verify dump").fails(1, &["[bundle/damaged]", says]);
        bench.run("bundle diff dump dump").fails(1, &["[bundle/damaged]", says]);
        fs::write(&path, before).unwrap();
    }
    for (from, to) in [
        ("\"length\": 3145728", "\"length\": 18446744073709551615"),
        ("\"start\": \"0x100000\"", "\"start\": \"0xffffffffffffffff\""),
        ("\"clean\": ", "\"clean\": 999999999"),
        ("2048,", "0,"),
    ] {
        let before = edit(&path, replaced(from, to));
        bench.run("bundle verify dump").fails(4, &["[bundle/differs]"]);
        fs::write(&path, before).unwrap();
    }
    bench.run("bundle verify nowhere").fails(1, &["[bundle/none]", "read --all"]);
}

#[test]
fn a_dump_with_pages_that_never_came_says_which_and_how_to_go_on() {
    let bench = Bench::new();
    bench.write("map.txt", MAP);
    // A page of dsp_bl, which begins with page 128.
    let read = "read --all --map map.txt --da g2.bin --via phone:mt6575?bad-page=130&clock=virtual -o dump/";
    bench.run(read).fails(5, &[]);
    let ran = bench.run("bundle verify dump");
    let ran = ran.fails(5, &["[bundle/incomplete]", "1 of 3 images are not whole", "bromide resume dump"]);
    let at = format!(
        "2,112 bytes at byte {:#x}: main-area addresses 0x41000 to 0x41800, from block 2 on",
        2 * PAGE
    );
    shows(ran, &["dsp_bl     2112 bytes could not be read from the phone", &at, "preloader  ok"]);
    let events = bench.run("--json bundle verify dump").fails(5, &[]).events();
    let image = events.iter().find(|it| it["name"] == "dsp_bl").unwrap();
    assert_eq!(image["findings"][0]["ranges"], json!([[2 * PAGE, PAGE]]));
    assert_eq!(image["findings"][0]["code"], "unread");
    bench.run("bundle diff dump dump").fails(5, &["could not be compared whole"]);
    bench.run("resume dump --via phone:mt6575").good();
    bench.run("bundle verify dump").good();
}

#[test]
fn two_dumps_of_one_phone_are_the_same_but_for_wrong_bits() {
    let bench = dumped();
    copied(&bench);
    let ran = bench.run("bundle diff dump again").good().says(&["the content is the same"]);
    assert_eq!(ran.out, "preloader  equal\ndsp_bl     equal\nnvram      equal\n");
    edit(&bench.path("again/dsp_bl.img"), |bytes| {
        bytes[100] ^= 0x11;
        bytes[2 * BLOCK + 1000] ^= 1;
    });
    let ran = bench.run("bundle diff dump again").good();
    let expected = "preloader  equal\n\
        dsp_bl     the same after correction: 2 of 384 pages in 3 bits\n  \
        block 2 (0x40000 to 0x60000): 1 page, 2 bits, the same after correction\n  \
        block 4 (0x80000 to 0xa0000): 1 page, 1 bit, the same after correction\n\
        nvram      equal\n";
    assert_eq!(ran.out, expected);
    let events = bench.run("--json bundle diff dump again").good().events();
    let dsp = events.iter().find(|it| it["name"] == "dsp_bl").unwrap();
    assert_eq!(dsp["state"], "same-after-correction");
    assert_eq!(dsp["blocks"], json!([[2, 1, 1, 2, true], [4, 1, 1, 1, true]]));
    assert_eq!(events.last().unwrap()["same"], true);
    fs::remove_file(bench.path("again/nvram.img")).unwrap();
    let ran =
        bench.run("bundle diff dump again").fails(5, &["1 of 3 partitions could not be compared whole"]);
    shows(ran, &["preloader  equal\n", "nvram      not compared: again/nvram.img: "]);
}

/// A YAFFS2 partition of `blocks` blocks with some files.
fn yaffs(blocks: usize, hosts: &[u8], mode: u16, others: &[&str]) -> Vec<u8> {
    let chip = Geometry::new(2048, 64, 64, 64).unwrap();
    let plain = |mode| Attributes { mode, uid: 0, gid: 0, accessed: 1, modified: 2, changed: 3 };
    let mut pages = Vec::new();
    let sink = |chunk: &[u8; 2048], software: &[u8; 25]| {
        let mut page = [0; PAGE];
        encode_page(chunk, software, None, &chip, &mut page).unwrap();
        pages.extend(page);
        Ok::<_, Infallible>(())
    };
    let (mut writer, root) = Writer::new(sink, &plain(0o755)).unwrap();
    let etc = writer.directory(root, b"etc", &plain(0o755)).unwrap();
    writer.file(etc, b"hosts", &plain(0o644), hosts).unwrap();
    writer.file(root, b"sh", &plain(mode), [7_u8; 30_000].as_slice()).unwrap();
    for name in others {
        writer.file(root, name.as_bytes(), &plain(0o644), b"other".as_slice()).unwrap();
    }
    pages.resize(blocks * BLOCK, 0xFF);
    pages
}

#[test]
fn files_that_changed_are_told_by_name() {
    let bench = dumped();
    copied(&bench);
    bench.write("dump/nvram.img", yaffs(24, b"127.0.0.1 localhost", 0o755, &["gone", "stays"]));
    bench.write("again/nvram.img", yaffs(24, b"127.0.0.1 elsewhere", 0o700, &["new", "stays"]));
    let ran = bench.run("bundle diff dump again").fails(4, &["[bundle/differ]", "1 of 3 partitions differ"]);
    let files = "  YAFFS2: 1 added, 1 removed, 1 changed, 1 with other attributes\n  \
        ~ /etc/hosts: content, from byte 0xa on\n  - /gone, 5 bytes\n  + /new, 5 bytes\n  * /sh: mode 0755 -> 0700\n";
    shows(ran, &["preloader  equal\n", "nvram      differs: ", "  block 8 (0x100000 to 0x120000): ", files]);
    let plain =
        bench.run("bundle diff --no-files --partition nvram dump again").fails(4, &["1 of 1 partition"]);
    assert!(!plain.out.contains("YAFFS2") && !plain.out.contains("preloader"), "{}", plain.out);
    let events = bench.run("--json bundle diff dump again").fails(4, &[]).events();
    let files: Vec<&Value> = events.iter().filter(|it| it["event"] == "bundle-file").collect();
    let told: Vec<_> = files.iter().map(|it| (it["path"].clone(), it["change"].clone())).collect();
    let expected = [("etc/hosts", "changed"), ("gone", "removed"), ("new", "added"), ("sh", "attributes")];
    assert_eq!(told, expected.map(|(path, change)| (json!(path), json!(change))));
    assert_eq!((&files[3]["first"]["mode"], &files[3]["what"]), (&json!("100755"), &json!(["mode"])));
}

#[test]
fn long_lists_end_unless_all_is_wanted() {
    let bench = Bench::new();
    let names: Vec<String> = (0..40).map(|n| format!("file{n:02}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    bench.write("a.img", yaffs(4, b"x", 0o755, &[]));
    bench.write("b.img", yaffs(4, b"x", 0o755, &names));
    let ran = bench.run("bundle diff a.img b.img").fails(4, &["--all"]);
    assert_eq!(ran.out.matches("+ /file").count(), 24);
    let ran = shows(ran, &["and 16 more files; --all lists them"]);
    assert!(ran.out.starts_with("a.img  differs: "), "{}", ran.out);
    let ran = bench.run("bundle diff a.img b.img --all").fails(4, &[]);
    assert_eq!(ran.out.matches("+ /file").count(), 40);
}

#[test]
fn image_files_of_other_layouts_or_lengths_are_compared_too() {
    let bench = Bench::new();
    let stored = yaffs(4, b"x", 0o755, &["a", "b"]);
    bench.write("stored.img", &stored);
    bench.write("main.img", main_only(&stored));
    let ran = bench.run("bundle diff stored.img main.img").good();
    assert_eq!(
        ran.out,
        "stored.img  equal\n  read differently: pages: raw in the first, main-only in the second\n"
    );
    bench.write("short.img", &stored[..3 * BLOCK]);
    let ran = bench.run("bundle diff stored.img short.img").fails(4, &["what both have is the same"]);
    shows(ran, &["length: 0x80000 in the first, 0x60000 in the second"]);
    bench.write("text", "no image");
    bench.run("bundle diff stored.img text").fails(1, &["text", "bromide identify"]);
    bench.run("bundle diff stored.img .").fails(2, &["[bundle/kinds]"]);
    bench.run("bundle diff stored.img gone.img").fails(1, &["gone.img"]);
}

#[test]
fn other_phones_maps_and_partitions_are_told_first() {
    let bench = dumped();
    copied(&bench);
    edit(&bench.path("again/bundle.json"), |bytes| {
        let mut record: Value = serde_json::from_slice(bytes).unwrap();
        record["phone"]["chip"] = "MT6577".into();
        record["images"][0]["name"] = "loader".into();
        record["images"][2]["start"] = "0x120000".into();
        *bytes = serde_json::to_vec(&record).unwrap();
    });
    edit(&bench.path("again/map.json"), replaced("\"preloader\"", "\"loader\""));
    let ran = bench.run("bundle diff dump again").fails(4, &["3 of 4 partitions differ"]);
    let expected = "phone: chip: MT6575 in the first, MT6577 in the second\n\
        map: - preloader: only in the first\nmap: + loader: only in the second\n\
        preloader  only in the first\ndsp_bl     equal\n\
        nvram      differs: not the same stretch of the chip\n  \
        read differently: start: 0x100000 in the first, 0x120000 in the second\n";
    assert!(ran.out.starts_with(expected), "{}", ran.out);
    shows(ran, &["loader     only in the second\n"]);
    bench.run("bundle diff dump again --partition boot").fails(2, &["neither dump has a partition boot"]);
    bench.run("bundle diff dump again --partition dsp_bl").fails(4, &["the maps or lengths differ"]);
}
