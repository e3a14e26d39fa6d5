//! Earlier versions and deleted files, listed and got back.

use bromide_image::yaffs2::read::{Options, ROOT};
use bromide_nand::{Geometry, Layout};

use crate::bench::{Bench, assert_same};
use crate::images::PAGE;

#[path = "../../../bromide-image/tests/support/yaffs_log.rs"]
#[allow(dead_code, reason = "shared with tests that need all of it")]
pub(crate) mod yaffs_log;
use yaffs_log::{Body, Expected, Phone};

/// A used partition: a file changed and cut, a file deleted, one deleted with a name that leads away.
fn image() -> Vec<u8> {
    let mut phone = Phone::new(options());
    let file = |name: &[u8]| Expected { parent: 300, name: name.to_vec(), body: Body::File(Vec::new()) };
    let folder = Expected { parent: ROOT, name: b"dir".to_vec(), body: Body::Directory };
    let done = phone.add(300, folder).is_ok()
        && phone.add(301, file(b"kept")).is_ok()
        && phone.write(301, 0, &[1; 5000]).is_ok()
        && phone.write(301, 1000, &[2; 3000]).is_ok()
        && phone.truncate(301, 10).is_ok()
        && phone.add(302, file(b"gone")).is_ok()
        && phone.write(302, 0, &[3; 4100]).is_ok()
        && phone.delete(302).is_ok()
        && phone.add(303, file(b"../../away")).is_ok()
        && phone.write(303, 0, &[4; 10]).is_ok()
        && phone.delete(303).is_ok()
        && phone.add(304, file(b"holes")).is_ok()
        && phone.write(304, 9000, &[5; 10]).is_ok()
        && phone.delete(304).is_ok();
    assert!(done);
    padded(&phone)
}

/// A log as it was written: an object after the other, each with its directory and name.
pub(crate) fn logged(objects: &[(u32, u32, &[u8], Body)]) -> Vec<u8> {
    let mut phone = Phone::new(options());
    for (id, parent, name, body) in objects {
        let expected = Expected { parent: *parent, name: name.to_vec(), body: body.clone() };
        assert!(phone.add(*id, expected).is_ok());
    }
    padded(&phone)
}

fn options() -> Options {
    Options::read_back(Geometry::new(2048, 64, 8, 48).unwrap(), Layout::Interleaved)
}

fn padded(phone: &Phone) -> Vec<u8> {
    // Blocks of a phone have 64 pages; those of the log have fewer, so the rest of each stays erased.
    let image = phone.image();
    image.chunks(8 * PAGE).flat_map(|block| [block, &vec![0xFF; 56 * PAGE]].concat()).collect()
}

/// A small chip `flash.bin` with a partition of each of these, a blank one, and its map `mtd.txt`.
pub(crate) fn write_chip(bench: &Bench, system: &[u8], userdata: &[u8]) {
    let block = 64 * PAGE;
    let (mut chip, mut map) = (Vec::new(), "dev:    size   erasesize  name\n".to_owned());
    for (at, (name, bytes)) in
        [("logo", &[][..]), ("system", system), ("userdata", userdata)].into_iter().enumerate()
    {
        let blocks = bytes.len().div_ceil(block) + 2;
        let start = chip.len();
        chip.extend(bytes);
        chip.resize(start + blocks * block, 0xFF);
        map += &format!("mtd{at}: {:08x} 00020000 \"{name}\"\n", blocks << 17);
    }
    bench.write("flash.bin", chip);
    bench.write("mtd.txt", map);
}

#[test]
fn the_history_of_a_partition_of_a_chip_is_that_of_its_image() {
    let (bench, data) = (Bench::new(), image());
    let system = logged(&[(300, ROOT, b"gone-not", Body::File(Vec::new()))]);
    write_chip(&bench, &system, &data);
    bench.write("data.img", &data);
    for path in ["", "dir/kept", "dir/gone", "/dir//kept/"] {
        let alone = bench.run(&format!("image history data.img {path}")).good().out;
        for place in [
            format!("flash.bin:userdata/{path} --map mtd.txt"),
            format!("flash.bin:userdata {path} --map mtd.txt"),
            format!("flash.bin userdata/{path} --map mtd.txt"),
        ] {
            assert_eq!(bench.run(&format!("image history {place}")).good().out, alone, "{place}");
        }
    }
    bench.run("image history flash.bin:userdata/dir/kept --map mtd.txt --extract 3 -o third").good();
    assert_same(&bench.read("third"), &[1; 5000]);
    bench
        .run("image history flash.bin:userdata --map mtd.txt --undelete -o deleted")
        .fails(5, &["holes.damaged"]);
    assert_same(&bench.read("deleted/dir/gone"), &[3; 4100]);
    let other = bench.run("image history flash.bin:system --map mtd.txt").good().out;
    assert!(other.starts_with("Deleted: 0\n"), "{other}");

    let needs = ["keeps no earlier versions", "name one of its partitions", "image/no-history"];
    bench.run("image history flash.bin --map mtd.txt").fails(1, &needs);
    bench.run("image history flash.bin:nowhere/x --map mtd.txt").fails(1, &needs);
    bench.run("image history flash.bin:logo --map mtd.txt").fails(1, &needs);
    bench
        .run("image history flash.bin:userdata/dir/never --map mtd.txt")
        .fails(1, &["dir/never", "neither is nor was"]);
    bench
        .run("image history flash.bin:userdata --map mtd.txt --extract 1 -o x")
        .fails(2, &["--extract needs the path"]);
    bench
        .run("image history flash.bin:userdata/dir --map mtd.txt --undelete -o x")
        .fails(2, &["leave the path out"]);
}

#[test]
fn a_version_is_saved_to_a_new_file_or_not_at_all() {
    let bench = Bench::new();
    bench.write("data.img", image());
    let save = |to: &str| bench.run(&format!("image history data.img dir/kept --extract 3 -o {to}"));
    bench.write("mine", "mine");
    save("mine").fails(1, &["file/exists", "name another file"]);
    std::os::unix::fs::symlink("mine", bench.path("link")).unwrap();
    save("link").fails(1, &["file/exists"]);
    bench.write("half.part", "another's");
    save("half").fails(1, &["half.part", "file/exists"]);
    save("no/such").fails(1, &["file/no-folder", "first"]);
    assert_eq!((bench.text("mine"), bench.text("half.part")), ("mine".to_owned(), "another's".to_owned()));
    assert_eq!(bench.files(), ["data.img", "half.part", "link", "mine"]);
}

#[test]
fn what_was_deleted_or_changed_is_listed_and_comes_back() {
    let bench = Bench::new();
    bench.write("data.img", image());
    let ran = bench.run("image history data.img").good();
    let lines: Vec<&str> = ran.out.lines().collect();
    assert_eq!(lines[0], "Deleted: 3");
    assert!(lines.iter().any(|it| it.contains("4,100") && it.ends_with("  dir/gone")), "{}", ran.out);
    assert!(
        lines.iter().any(|it| it.trim_start().starts_with("10 ") && it.ends_with("  dir/kept")),
        "{}",
        ran.out
    );

    let kept = bench.run("image history data.img dir/kept").good().out;
    let events: Vec<&str> =
        kept.lines().skip(1).map(|it| if it.contains(" cut ") { "cut" } else { "written" }).collect();
    assert_eq!(events, ["cut", "written", "written", "written"], "{kept}");
    bench.run("image history data.img dir/kept --extract 2 -o second").good();
    assert_same(&bench.read("second"), &[vec![1; 1000], vec![2; 3000], vec![1; 1000]].concat());
    bench.run("image history data.img dir/kept --extract 3 -o third").good();
    assert_same(&bench.read("third"), &[1; 5000]);
    bench.run("image history data.img dir/kept --extract 3 -o third").fails(1, &["third", "another file"]);
    bench.run("image history data.img dir/kept --extract 9 -o ninth").fails(1, &["has no version 9"]);
    bench.run("image history data.img dir/kept --extract 0 -o ninth").fails(1, &["has no version 0"]);
    bench.run("image history data.img dir/never").fails(1, &["neither is nor was", "dir/never"]);
    assert!(!bench.has("ninth") && !bench.has("third.part"));

    let gone = bench.run("--json image history data.img dir/gone").good().events();
    let versions: Vec<_> = gone.iter().filter(|it| it["event"] == "version").collect();
    assert_eq!(versions[0]["happened"], "deleted");
    let last = versions.iter().find(|it| it["happened"] == "written").unwrap();
    assert_eq!((&last["bytes"], &last["stored_bytes"]), (&4100.into(), &4100.into()));
}

#[test]
fn deleted_files_are_extracted_under_their_last_names_and_never_elsewhere() {
    let bench = Bench::new();
    bench.write("data.img", image());
    let before = bench.files();
    // A file with holes may lack what was erased.
    bench
        .run("image history data.img --undelete -o deleted")
        .fails(5, &["holes.damaged", "not stored", "..%2F..%2Faway"]);
    assert_same(&bench.read("deleted/dir/gone"), &[3; 4100]);
    assert_same(&bench.read("deleted/dir/..%2F..%2Faway"), &[4; 10]);
    let holes = bench.read("deleted/dir/holes.damaged");
    assert_same(&holes, &[vec![0; 9000], vec![5; 10]].concat());
    let mut after = bench.files();
    after.retain(|it| it != "deleted");
    assert_eq!(after, before);
}
