//! `read --all` and `read-list`: many files from one session.

use std::process::Command;

use crate::bench::{Bench, Oracle, assert_same, main_only, spare_last};

const THREE: &str = "dev:    size   erasesize  name\nmtd0: 00040000 00020000 \"preloader\"\n\
    mtd1: 000c0000 00020000 \"dsp_bl\"\nmtd2: 00300000 00020000 \"nvram\"\n";

#[test]
fn all_partitions_come_into_a_folder_with_reports_and_digests() {
    let (bench, oracle) = (Bench::new(), Oracle::builtin("mt6575"));
    bench.write("map.txt", THREE);
    let ran = bench.run("read --all --map map.txt --da g2.bin --via phone:mt6575 -o dump/").good();
    assert_eq!(ran.out, "");
    ran.says(&["preloader (1 of 3)", "nvram (3 of 3)"]);
    for name in ["preloader", "dsp_bl", "nvram"] {
        let (start, length) = oracle.partition(name);
        assert_same(&bench.read(&format!("dump/{name}.img")), &oracle.stored(start, length));
        let report = bench.json(&format!("dump/{name}.img.report.json"));
        assert_eq!(report["range"]["start"], format!("{start:#x}"));
        assert_eq!(report["pages"]["total"], length / 2048);
    }
    let sums = bench.text("dump/SHA256SUMS");
    assert_eq!(sums.lines().count(), 3);
    assert!(!bench.has("dump/nvram.img.sha256"));
    let Ok(check) =
        Command::new("sha256sum").args(["-c", "SHA256SUMS"]).current_dir(bench.path("dump")).output()
    else {
        println!("skipped: no sha256sum here");
        return;
    };
    assert!(check.status.success(), "{check:?}");
}

#[test]
fn a_list_reads_ranges_and_names_in_their_own_shapes() {
    let (bench, oracle) = (Bench::new(), Oracle::builtin("mt6575"));
    bench.write("map.txt", oracle.proc_mtd());
    let rows = "file,flags,start,length\n# a remark\nrecovery.img, 0, 0x980000, 0x20000\n\
                main.bin, 1, 0x980000, 0x20000\nsub/last.bin, 4 physical, 0x980000, 128K\nmisc.img,0,misc\n";
    bench.write("rows.csv", rows);
    std::fs::create_dir_all(bench.path("out/sub")).unwrap();
    let read = "read-list rows.csv --map map.txt --da g2.bin --via phone:mt6575 -o out";
    bench.run(read).good().says(&["(4 of 4)"]);
    let stored = oracle.stored(0x98_0000, 0x2_0000);
    assert_same(&bench.read("out/recovery.img"), &stored);
    assert_same(&bench.read("out/main.bin"), &main_only(&stored));
    assert_same(&bench.read("out/sub/last.bin"), &spare_last(&oracle.physical(0x98_0000, 0x2_0000)));
    let (start, length) = oracle.partition("misc");
    assert_same(&bench.read("out/misc.img"), &oracle.stored(start, length));
    assert_eq!(bench.text("out/SHA256SUMS").lines().count(), 3);
    assert_eq!(bench.text("out/sub/SHA256SUMS").lines().count(), 1);
}

#[test]
fn a_bad_row_names_its_line_before_any_phone_is_needed() {
    let bench = Bench::new();
    for (rows, says) in [
        ("a,0,0,0x800\nb,2,0,0x800\n", "line 2: flag 2"),
        ("a,0,0x800\n", "line 1: a row with an address needs a length"),
        ("# remark\n\na,0,0,many\n", "line 3: \"many\" is no number"),
        ("a,0,0,0x800,x\n", "5 fields"),
        ("../a,0,0,0x800\n", "no file name inside"),
        ("SHA256SUMS,0,0,0x800\n", "digests"),
        ("", "no row"),
        ("a,0,0,\"\n", "line 1"),
        ("\u{0}\u{1b}[2J,0,0,0x800,x\n", "5 fields"),
    ] {
        bench.write("rows.csv", rows);
        bench
            .run("read-list rows.csv --da g2.bin --via serial:nowhere -o out")
            .fails(2, &["rows.csv", says, "read-list --help"])
            .early();
        assert!(!bench.has("out"), "{rows}");
    }
}

#[test]
fn two_rows_into_one_file_are_refused_before_any_phone_is_needed() {
    let bench = Bench::new();
    for second in ["a.img", "./a.img", "a.img.report.json", "a.img.part"] {
        bench.write("rows.csv", format!("a.img,0,0,0x800\n{second},1,0x800,0x800\n"));
        bench
            .run("read-list rows.csv --da g2.bin --via serial:nowhere -o out")
            .fails(2, &["two rows would both write", "a.img", "next: give each row"])
            .early();
    }
}

#[test]
fn a_list_that_names_partitions_needs_a_map_or_a_phone_that_keeps_one() {
    let bench = Bench::new();
    bench.write("rows.csv", "misc.img,0,misc\n");
    bench.run("read-list rows.csv --da g2.bin --via phone:mt6575").fails(2, &["no map", "--map"]);
    assert!(!bench.has("misc.img"));
}
