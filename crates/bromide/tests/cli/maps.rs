//! What needs no phone: maps, files of unknown kind, driver files.

use crate::bench::{Bench, Oracle};

const SCATTER: &str =
    "PRELOADER 0x0\n{\n}\nANDROID 0x40000\n{\n}\nUSRDATA 0x8000000\n{\n}\n__NODL_BMTPOOL 0xFFFF0050\n{\n}\n";

#[test]
fn a_map_is_shown_converted_and_found_equal_again() {
    let bench = Bench::new();
    bench.write("MT6575_scatter.txt", SCATTER);
    let shown = bench.run("map show MT6575_scatter.txt --flash-size 512M --svg map.svg").good();
    assert!(shown.out.contains("ANDROID") && shown.out.contains("0x40000"), "{}", shown.out);
    assert!(bench.text("map.svg").starts_with("<svg") || bench.text("map.svg").starts_with("<?xml"));
    for format in ["scatter-v1", "scatter-xml"] {
        let file = format!("map.{format}");
        bench.run(&format!("map convert MT6575_scatter.txt -t {format} -o {file}")).good();
        let again = bench.run(&format!("map show {file}")).good();
        assert!(again.out.contains("USRDATA"), "{}", again.out);
    }
    bench.run("map convert MT6575_scatter.txt -t scatter-v0 -o again.txt").good();
    bench.run("map diff MT6575_scatter.txt again.txt").good();
    bench.write("other.txt", SCATTER.replace("ANDROID", "CUSTOM"));
    let ran = bench.run("map diff MT6575_scatter.txt other.txt").fails(4, &["differ"]);
    assert!(ran.out.contains("ANDROID") && ran.out.contains("CUSTOM"), "{}", ran.out);
}

#[test]
fn a_map_in_the_newer_dialects_reads_the_same_partition() {
    let bench = Bench::new();
    let oracle = Oracle::builtin("mt6575");
    bench.write("proc_mtd.txt", oracle.proc_mtd());
    let (start, length) = oracle.partition("misc");
    for format in ["scatter-v0", "scatter-v1", "scatter-xml", "mtdparts"] {
        let map = format!("map.{format}");
        bench.run(&format!("map convert proc_mtd.txt -t {format} -o {map}")).good();
        bench.run(&format!("read misc --map {map} --da g2.bin --via phone:mt6575 -o {format}.img")).good();
        crate::bench::assert_same(&bench.read(&format!("{format}.img")), &oracle.stored(start, length));
    }
}

#[test]
fn a_map_that_contradicts_itself_is_found_out() {
    let bench = Bench::new();
    bench.write("bad.txt", SCATTER.replace("0x40000", "0x4zz00"));
    bench.run("map show bad.txt").fails(1, &["bad.txt", "line 4", "next: "]);
    bench.run("map check bad.txt").fails(1, &["line 4"]);
    bench.run("map show missing.txt").fails(1, &["missing.txt"]);
}

#[test]
fn files_are_identified_by_their_bytes_alone() {
    let bench = Bench::new();
    bench.write("holiday.jpg", SCATTER);
    bench.write("nothing.bin", [0xff; 4096]);
    let ran = bench.run("identify g2.bin").good();
    assert!(ran.out.contains("Download Agent container"), "{}", ran.out);
    let ran = bench.run("identify holiday.jpg").good();
    assert!(ran.out.to_lowercase().contains("partition map"), "{}", ran.out);
    let ran = bench.run("--json identify nothing.bin").good();
    assert!(!ran.events().is_empty());
    bench.run("identify missing.bin").fails(1, &["missing.bin"]);
    bench.run("identify .").fails(1, &["directory"]);
}

#[test]
fn a_driver_file_that_is_made_is_found_again_by_a_scan() {
    let bench = Bench::new();
    bench.run("drivers make --id 0e8d:2001 --service usbser -o mtk.inf").good();
    let ran = bench.run("drivers scan . --id 0e8d:2001").good();
    assert!(ran.out.contains("mtk.inf") && ran.out.contains("usbser.sys"), "{}", ran.out);
    bench.run("drivers make --id 0e8d:2001 -o mtk.inf").fails(1, &["mtk.inf"]);
    let none = bench.run("drivers scan . --id 0bb4:0c03");
    assert!(!none.out.contains("usbser.sys"), "{}", none.out);
}
