//! Where files go: what stands in the way is refused before a phone is needed, and kept.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::bench::{Bench, Mounted, Oracle, assert_same, is_root};

/// A phone that is not there: whatever is refused in time never looks for it.
const NOWHERE: &str = "--da g2.bin --via serial:nowhere";

const PIECE: &str = "read --at 0x980000 --len 0x20000 --da g2.bin --via phone:mt6575 -o piece.bin";

fn piece() -> Vec<u8> {
    Oracle::builtin("mt6575").stored(0x98_0000, 0x2_0000)
}

#[test]
fn a_target_that_exists_is_kept_until_force() {
    let bench = Bench::new();
    bench.write("piece.bin", "mine");
    bench
        .run(&format!("read --at 0 --len 0x800 {NOWHERE} -o piece.bin"))
        .fails(1, &["piece.bin exists already", "save/exists", "--force"])
        .early();
    assert_eq!(bench.text("piece.bin"), "mine");
    assert_eq!(bench.files(), ["piece.bin"]);
    bench.run(&format!("{PIECE} --force")).good();
    assert_same(&bench.read("piece.bin"), &piece());
}

#[test]
fn what_an_interrupted_run_left_is_kept_until_force() {
    let bench = Bench::new();
    bench.write("piece.bin.part", "half of it");
    bench
        .run(&format!("read --at 0 --len 0x800 {NOWHERE} -o piece.bin"))
        .fails(1, &["piece.bin.part (10 bytes)", "save/part-exists", "--force to begin again"])
        .early();
    assert_eq!(bench.text("piece.bin.part"), "half of it");
    bench.run(&format!("{PIECE} --force")).good();
    assert_same(&bench.read("piece.bin"), &piece());
    assert!(!bench.has("piece.bin.part"));
}

#[test]
fn one_file_in_the_way_of_many_is_found_before_any_is_read() {
    let bench = Bench::new();
    bench.write("map.txt", Oracle::builtin("mt6575").proc_mtd());
    fs::create_dir(bench.path("dump")).unwrap();
    bench.write("dump/userdata.img", "mine");
    bench
        .run(&format!("read --all --map map.txt {NOWHERE} -o dump"))
        .fails(1, &["dump/userdata.img exists already"])
        .early();
    bench.write("rows.csv", "new.img,0,0,0x800\nuserdata.img,0,0x800,0x800\n");
    bench
        .run(&format!("read-list rows.csv {NOWHERE} -o dump"))
        .fails(1, &["dump/userdata.img exists already"])
        .early();
    assert_eq!(fs::read_dir(bench.path("dump")).unwrap().count(), 1);
}

#[test]
fn a_target_that_is_no_file_is_never_replaced() {
    let bench = Bench::new();
    fs::create_dir(bench.path("folder")).unwrap();
    std::os::unix::fs::symlink("elsewhere", bench.path("link")).unwrap();
    for (target, says) in
        [("folder", "not a regular file"), ("link", "not a regular file"), ("folder/", "names no file")]
    {
        bench
            .run(&format!("read --at 0 --len 0x800 {NOWHERE} --force -o {target}"))
            .fails(1, &[target, says, "next: name a new file"])
            .early();
    }
    assert_eq!(bench.files(), ["folder", "link"]);
}

#[test]
fn a_missing_folder_is_named() {
    let bench = Bench::new();
    bench
        .run(&format!("read --at 0 --len 0x800 {NOWHERE} -o missing/piece.bin"))
        .fails(1, &["there is no folder missing", "mkdir -p missing"])
        .early();
    bench.write("rows.csv", "sub/a.img,0,0,0x800\n");
    bench
        .run(&format!("read-list rows.csv {NOWHERE} -o out"))
        .fails(1, &["there is no folder out/sub"])
        .early();
    bench.write("map.txt", Oracle::builtin("mt6575").proc_mtd());
    bench
        .run(&format!("read --all --map map.txt {NOWHERE} -o g1.bin"))
        .fails(1, &["g1.bin", "choose another folder"])
        .early();
}

#[test]
fn a_folder_without_permission_is_refused_before_a_phone_is_needed() {
    if is_root() {
        println!("skipped: root may write everywhere");
        return;
    }
    let bench = Bench::new();
    let folder = bench.path("locked");
    fs::create_dir(&folder).unwrap();
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o555)).unwrap();
    bench
        .run(&format!("read --at 0 --len 0x800 {NOWHERE} -o locked/piece.bin"))
        .fails(1, &["cannot write into locked", "choose another folder"])
        .early();
}

#[test]
fn a_read_only_disk_is_refused_before_a_phone_is_needed() {
    let bench = Bench::new();
    let Some(_disk) = Mounted::tmpfs(&bench.path("disk"), "ro,size=1m") else { return };
    bench
        .run(&format!("read --at 0 --len 0x800 {NOWHERE} -o disk/piece.bin"))
        .fails(1, &["cannot write into disk", "choose another folder"])
        .early();
}

#[test]
fn a_disk_without_room_is_told_before_the_first_page() {
    let bench = Bench::new();
    let Some(_disk) = Mounted::tmpfs(&bench.path("disk"), "size=1m") else { return };
    let read = "read --at 0x980000 --len 2M --da g2.bin --via phone:mt6575 -o disk/piece.bin";
    bench.run(read).fails(1, &["disk has 1048576 bytes free, 2162688 are needed", "make room"]);
    assert_eq!(fs::read_dir(bench.path("disk")).unwrap().count(), 0);
    // Together the two rows do not fit, though each alone would.
    bench.write("rows.csv", "a.img,0,0x980000,600K\nb.img,0,0x980000,600K\n");
    bench
        .run("read-list rows.csv --da g2.bin --via phone:mt6575 -o disk")
        .fails(1, &["are needed", "make room"]);
    assert_eq!(fs::read_dir(bench.path("disk")).unwrap().count(), 0);
}

#[test]
fn a_name_that_makes_no_file_name_needs_an_output() {
    let bench = Bench::new();
    bench.write("map.txt", Oracle::builtin("mt6575").proc_mtd());
    bench.run(&format!("read ../etc --map map.txt {NOWHERE}")).fails(2, &["-o"]).early();
}
