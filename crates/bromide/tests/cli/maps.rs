//! What needs no phone: maps, files of unknown kind, driver files.

use std::io::{Seek, SeekFrom, Write};

use bromide_image::table::Length;
use bromide_image::table::pmt::{Info, Partition, Which, nand};

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
    for format in ["scatter-v0", "scatter-v1", "scatter-xml", "mtdparts", "json", "csv"] {
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
    let pointed = "4 | ANDROID 0x4zz00\n  |         ^ [map/unreadable]\n";
    bench.run("map show bad.txt").fails(1, &["bad.txt", "line 4", pointed, "next: "]);
    bench.run("read misc --map bad.txt --da g2.bin --via phone:mt6575").fails(1, &[pointed]);
    bench.run("map check bad.txt").fails(1, &["line 4"]);
    bench.run("map show missing.txt").fails(1, &["missing.txt"]);
}

/// One partition in eMMC and in UFS, and a preloader, as newer scatter files have them.
const TWO: &str = r#"{"partitions": [
  {"name": "preloader", "storage": "EMMC", "region": "EMMC_BOOT1", "start": 0, "size": 262144},
  {"name": "boot", "storage": "EMMC", "region": "EMMC_USER", "start": 33554432, "size": 16777216},
  {"name": "userdata", "storage": "EMMC", "region": "EMMC_USER", "start": 67108864, "size_is": "to the end"},
  {"name": "boot", "storage": "UFS", "region": "UFS_LU2", "start": 33554432, "size": 8388608}
]}"#;

#[test]
fn a_storage_or_region_is_chosen_and_a_wrong_one_answered_with_the_choices() {
    let bench = Bench::new();
    bench.write("two.json", TWO);
    let ufs = bench.run("map show two.json --storage ufs").good();
    assert!(ufs.out.contains("8,388,608") && !ufs.out.contains("16,777,216"), "{}", ufs.out);
    let boot1 = bench.run("map convert two.json --region boot1 -t csv").good();
    assert_eq!(boot1.out.lines().count(), 2, "{}", boot1.out);
    bench.run("map check two.json --storage emmc --region EMMC_USER").good();
    bench.write("changed.json", TWO.replace("8388608", "4194304"));
    bench.run("map diff two.json changed.json").fails(4, &["differ"]);
    bench.run("map diff two.json changed.json --storage ufs --region lu2").fails(4, &["differ"]);
    bench.run("map diff two.json changed.json --storage emmc").good();
    let choices = "eMMC (EMMC_BOOT1, EMMC_USER), UFS (UFS_LU2)";
    bench.run("map show two.json --storage nand").fails(1, &["lies in NAND", choices]);
    bench.run("map diff two.json changed.json --storage nand").fails(1, &["lies in NAND", choices]);
    bench.run("map check two.json --storage ufs --region user").fails(1, &["UFS user", choices]);
}

#[test]
fn a_gpt_is_written_and_read_back_from_a_dump_of_gigabytes() {
    let bench = Bench::new();
    bench.write("two.json", TWO);
    let convert = "map convert two.json -t gpt --storage emmc";
    bench.run(convert).fails(2, &["--flash-size"]);
    bench.run(&format!("{convert} --flash-size 5G")).fails(2, &["-o"]);
    bench
        .run("map convert two.json -t gpt --flash-size 5G -o x")
        .fails(1, &["of eMMC and of UFS", "--storage"]);
    bench
        .run(&format!("{convert} --flash-size 5G -o gpt.bin"))
        .good()
        .says(&["preloader: left out", "goes to byte 0x13fffbe00"]);
    bench.run(&format!("{convert} --flash-size 5G -o gpt.bin")).fails(1, &["gpt.bin"]);
    bench.run("map convert two.json -t gpt-sgdisk --storage emmc --flash-size 5G -o sgdisk.bin").good();
    let (primary, backup) = (bench.read("gpt.bin"), bench.read("gpt.bin.backup"));
    assert_eq!((primary.len(), backup.len(), bench.read("sgdisk.bin").len()), (34 * 512, 33 * 512, 35 * 512));

    let size = 5_u64 << 30;
    let mut dump = std::fs::File::create(bench.path("dump.bin")).unwrap();
    dump.set_len(size).unwrap();
    dump.write_all(&primary).unwrap();
    dump.seek(SeekFrom::Start(size - 33 * 512)).unwrap();
    dump.write_all(&backup).unwrap();
    for file in ["gpt.bin", "gpt.bin.backup", "sgdisk.bin", "dump.bin"] {
        let shown = bench.run(&format!("map show {file}")).good();
        assert!(shown.out.contains("0x4000000") && shown.out.contains("userdata"), "{file}: {}", shown.out);
    }
    bench.run("map diff gpt.bin dump.bin").good();
    dump.seek(SeekFrom::Start(1030)).unwrap();
    dump.write_all(b"damage").unwrap();
    bench.run("map show dump.bin").good().says(&["backup"]);
    bench.write("zeros.bin", [0; 4096]);
    bench.run("map show zeros.bin").fails(1, &["no GPT, no PMT and no MBR", "identify"]);
}

#[test]
fn the_table_of_a_phone_cut_out_of_its_dump_is_a_map() {
    let bench = Bench::new();
    let oracle = Oracle::builtin("mt6575");
    let map = bromide_image::map::parse(oracle.proc_mtd().as_bytes()).unwrap();
    let entries: Vec<Partition> = (0..)
        .zip(&map.partitions)
        .map(|(index, it)| {
            let length = it.end().map_or(Length::ToEnd, |end| Length::Bytes(end - it.start));
            Partition { index, name: it.name.clone(), start: it.start, length, flags: 0 }
        })
        .collect();
    bench.write("pmt.bin", nand::write(Which::Pt, Info::default(), &entries, 2048).unwrap().0);
    let (start, length) = oracle.partition("misc");
    bench.run("read misc --map pmt.bin --da g2.bin --via phone:mt6575 -o misc.img").good();
    crate::bench::assert_same(&bench.read("misc.img"), &oracle.stored(start, length));
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
