//! Partition maps of real phones: the first user's MT6575 (retyped: they are small facts), and every sample file of
//! the data folder when it is there.

use std::fs;
use std::path::PathBuf;

use bromide_image::map::{self, ChipShape, Derived, Fault, Map, Size, Source};

/// `/proc/mtd` of an MT6575 phone with 512 MiB of NAND.
const SEED_PROC_MTD: &str = include_str!("fixtures/seed_proc_mtd.txt");
/// Names, starts and `__NODL_` marks of the scatter file with the same layout.
const SEED_SCATTER: &[(&str, u64)] = &[
    ("PRELOADER", 0x0),
    ("DSP_BL", 0x40000),
    ("__NODL_NVRAM", 0x100000),
    ("__NODL_SECCFG", 0x400000),
    ("UBOOT", 0x420000),
    ("BOOTIMG", 0x480000),
    ("RECOVERY", 0x980000),
    ("SEC_RO", 0xe80000),
    ("__NODL_MISC", 0xfa0000),
    ("LOGO", 0x1000000),
    ("__NODL_EXPDB", 0x1300000),
    ("ANDROID", 0x13a0000),
    ("__NODL_CACHE", 0x13aa0000),
    ("USRDATA", 0x176a0000),
    ("__NODL_BMTPOOL", 0xFFFF0050),
];
/// formats.md section 3.3: kernel name, start, size.
const SEED_TABLE: &[(&str, u64, u64)] = &[
    ("preloader", 0x0000_0000, 0x0004_0000),
    ("dsp_bl", 0x0004_0000, 0x000C_0000),
    ("nvram", 0x0010_0000, 0x0030_0000),
    ("seccnfg", 0x0040_0000, 0x0002_0000),
    ("uboot", 0x0042_0000, 0x0006_0000),
    ("boot", 0x0048_0000, 0x0050_0000),
    ("recovery", 0x0098_0000, 0x0050_0000),
    ("secstatic", 0x00E8_0000, 0x0012_0000),
    ("misc", 0x00FA_0000, 0x0006_0000),
    ("logo", 0x0100_0000, 0x0030_0000),
    ("expdb", 0x0130_0000, 0x000A_0000),
    ("system", 0x013A_0000, 0x1270_0000),
    ("cache", 0x13AA_0000, 0x03C0_0000),
    ("userdata", 0x176A_0000, 0x07F2_0000),
];
const SEED_CHIP: ChipShape = ChipShape { bytes: 512 << 20, block_bytes: 0x20000, pool_blocks: 80 };

fn scatter_text(entries: &[(&str, u64)]) -> String {
    entries.iter().map(|(name, start)| format!("{name} {start:#x}\n{{\n}}\n")).collect()
}

fn parse(text: &str) -> Map {
    map::parse(text.as_bytes()).unwrap_or_else(|error| panic!("{error}: {}", error.text))
}

fn places(map: &Map) -> Vec<(u64, u64)> {
    map.place(&SEED_CHIP).unwrap().partitions.iter().map(|it| (it.start, it.size)).collect()
}

#[test]
fn proc_mtd_of_the_seed_phone_adds_up_to_the_table() {
    let map = parse(SEED_PROC_MTD);
    assert_eq!(map.source, Source::ProcMtd);
    assert_eq!((map.erase_block, map.pool_blocks), (Some(0x20000), None));
    assert!(map.notes.is_empty());
    let seen: Vec<_> = map.partitions.iter().map(|it| (it.name.as_str(), it.start, it.size)).collect();
    let table: Vec<_> =
        SEED_TABLE.iter().map(|&(name, start, size)| (name, start, Size::Stated(size))).collect();
    assert_eq!(seen, table);
    assert_eq!(map.partitions[11].line, 13);
}

#[test]
fn proc_mtd_and_scatter_of_the_seed_phone_place_alike() {
    let (mtd, scatter) = (parse(SEED_PROC_MTD), parse(&scatter_text(SEED_SCATTER)));
    assert_eq!(scatter.source, Source::ScatterV0);
    assert_eq!((scatter.erase_block, scatter.pool_blocks), (None, Some(80)));
    let table: Vec<_> = SEED_TABLE.iter().map(|&(_, start, size)| (start, size)).collect();
    assert_eq!(places(&mtd), table);
    assert_eq!(places(&scatter), table);
    for (one, other) in mtd.partitions.iter().zip(&scatter.partitions) {
        assert_eq!(
            scatter.find(&one.name),
            Ok(other),
            "{} and {} are the same partition",
            one.name,
            other.name
        );
        assert_eq!(mtd.find(&other.name), Ok(one));
    }
}

#[test]
fn what_was_derived_is_said() {
    let scatter = parse(&scatter_text(SEED_SCATTER)).place(&SEED_CHIP).unwrap();
    assert_eq!(scatter.find("system").unwrap().derived, Some(Derived::SizeToNext));
    assert_eq!(scatter.find("data").unwrap().derived, Some(Derived::SizeToPoolLessPmt));
    assert!(scatter.notes.is_empty(), "{:?}", scatter.notes);
    let mtd = parse(SEED_PROC_MTD).place(&SEED_CHIP).unwrap();
    assert_eq!(mtd.find("userdata").unwrap().derived, Some(Derived::StartFromSizes));
    assert_eq!(mtd.notes, ["the map states no bad-block pool; 80 blocks are assumed"]);
}

#[test]
fn nodl_prefixes_come_off_and_stay_as_a_mark() {
    let map = parse(&scatter_text(SEED_SCATTER));
    let hidden: Vec<_> =
        map.partitions.iter().filter(|it| !it.downloadable).map(|it| it.name.as_str()).collect();
    assert_eq!(hidden, ["NVRAM", "SECCFG", "MISC", "EXPDB", "CACHE"]);
    assert_eq!(map.find("__NODL_CACHE").unwrap().start, 0x13aa_0000);
    assert_eq!(map.reserved[0].name, "BMTPOOL");
}

#[test]
fn the_smallest_file_is_one_partition_that_takes_the_chip() {
    let map = parse("PRELOADER 0x0\n{\n}\n");
    assert_eq!(map.pool_blocks, None);
    let to_pool = map.place(&SEED_CHIP).unwrap();
    assert_eq!(to_pool.partitions[0].size, 0x1F5C_0000);
    let bare = map.place(&ChipShape { pool_blocks: 0, ..SEED_CHIP }).unwrap();
    assert_eq!((bare.partitions[0].size, bare.partitions[0].derived), (512 << 20, Some(Derived::SizeToEnd)));
}

/// The data folder, or nothing with a word about it.
fn data(folder: &str) -> Option<Vec<(String, Vec<u8>)>> {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data");
    let root = std::env::var_os("BROMIDE_DATA").map_or_else(|| PathBuf::from(default), PathBuf::from);
    let Ok(entries) = fs::read_dir(root.join(folder)) else {
        eprintln!("skipped: no sample data (BROMIDE_DATA/{folder})");
        return None;
    };
    let read = |it: fs::DirEntry| (it.file_name().into_string().unwrap(), fs::read(it.path()).unwrap());
    let mut files: Vec<_> = entries.map(|it| read(it.unwrap())).collect();
    files.sort();
    Some(files)
}

/// Partitions without the pool, pool blocks, last start.
const OLD_SCATTERS: &[(&str, usize, Option<u32>, u64)] = &[
    ("MT6516_nand_oldest.txt", 8, None, 0xC8C_0000),
    ("MT6573_nand_alcatel903d.txt", 16, Some(80), 0x1562_0000),
    ("MT6573_nand_tool_sample_nobmt.txt", 13, None, 0xC90_0000),
    ("MT6575_emmc_fly_iq256.txt", 19, Some(80), 0x4a3e_4000),
    ("MT6575_nand_android295m.txt", 14, Some(80), 0x176a_0000),
    ("MT6575_nand_fly_iq256.txt", 14, Some(80), 0x149a_0000),
    ("MT6577_emmc_fly_iq441.txt", 18, Some(168), 0x6eae_8000),
    ("MT6577_ota_scatter_fly_iq441.txt", 18, None, 0x6eae_8000),
    ("MT6589_emmc_lenovo_s960.txt", 21, Some(168), 0x8cf8_0000),
    ("minimal_seed.txt", 1, None, 0),
];

#[test]
fn every_sample_of_the_oldest_dialect_is_read_and_the_others_are_named() {
    let Some(files) = data("scatter") else { return };
    let mut old = 0;
    for (name, bytes) in &files {
        if name.ends_with(".md") || name.ends_with(".tsv") {
            continue;
        }
        let parsed = map::parse(bytes);
        let Some(&(_, count, pool, last)) = OLD_SCATTERS.iter().find(|it| it.0 == name) else {
            let error = parsed.expect_err(name);
            match error.what {
                Fault::NotReadableYet(what) if name.ends_with(".txt") => {
                    assert!(what.starts_with("a YAML-like scatter file (V"), "{name}: {what}");
                }
                Fault::NotReadableYet(what) => {
                    assert!(what.starts_with("an XML scatter file"), "{name}: {what}")
                }
                Fault::NotAMap(what) => {
                    assert!(name.ends_with("flash.xml") && what.contains("manifest"), "{name}")
                }
                other => panic!("{name}: {other}"),
            }
            continue;
        };
        old += 1;
        let map = parsed.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!((map.partitions.len(), map.pool_blocks), (count, pool), "{name}");
        assert_eq!(map.partitions.last().map(|it| it.start), Some(last), "{name}");
        assert_eq!(map.source == Source::OtaList, name.contains("ota"), "{name}");
        if name.contains("nand") {
            let chip = ChipShape { pool_blocks: pool.unwrap_or(80), ..SEED_CHIP };
            map.place(&chip).unwrap_or_else(|error| panic!("{name}: {error}"));
        }
        if name.contains("android295m") {
            assert_eq!(places(&map), places(&parse(SEED_PROC_MTD)));
        }
    }
    assert_eq!(old, OLD_SCATTERS.len(), "a sample is missing");
}

#[test]
fn of_the_listings_a_phone_prints_proc_mtd_is_read_and_the_others_are_named() {
    let Some(files) = data("proc") else { return };
    let expected = [
        ("proc_mtd.txt", ""),
        ("dumchar_info.txt", "the text of /proc/dumchar_info"),
        ("partition_info.txt", "the text of /proc/dumchar_info"),
        ("by_name.txt", "a by-name listing"),
        ("gdisk.txt", "a GPT listing"),
        ("constructed_seed.txt", "an mtdparts= line"),
        ("proc_partitions.txt", "the text of /proc/partitions"),
    ];
    for (name, bytes) in &files {
        let Some((_, what)) = expected.iter().find(|it| name.ends_with(it.0)) else {
            assert!(map::parse(bytes).is_err(), "{name}");
            continue;
        };
        match map::parse(bytes) {
            Ok(map) => {
                assert_eq!(*what, "", "{name}");
                assert_eq!(map, parse(SEED_PROC_MTD), "{name}");
            }
            Err(error) => assert_eq!(error.what, Fault::NotReadableYet((*what).to_owned()), "{name}"),
        }
    }
}

#[test]
fn the_vendors_verdicts_of_the_data_folder_are_the_ones_tested() {
    let Some(files) = data("scatter") else { return };
    let (_, table) = files.iter().find(|(name, _)| name == "vendor_verdicts.tsv").unwrap();
    let table = std::str::from_utf8(table).unwrap();
    let rows = table.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    let mut count = 0;
    for row in rows {
        let columns: Vec<_> = row.split('\t').collect();
        let text: Vec<u8> = columns[1]
            .as_bytes()
            .chunks(2)
            .map(|it| u8::from_str_radix(std::str::from_utf8(it).unwrap(), 16).unwrap())
            .collect();
        let name = columns[0].trim_start_matches("MT6575_").trim_end_matches(".txt");
        let known = vendor::VERDICTS.iter().find(|it| it.name == name).unwrap_or_else(|| panic!("{name}"));
        assert_eq!((known.text.as_bytes(), known.vendor), (text.as_slice(), columns[2]), "{name}");
        count += 1;
    }
    assert_eq!(count, vendor::VERDICTS.len());
}

#[path = "support/vendor.rs"]
mod vendor;

#[test]
fn where_the_parser_is_more_liberal_than_the_vendors_tool_it_says_so() {
    for it in vendor::VERDICTS {
        match (map::parse(it.text.as_bytes()), it.ours) {
            (Ok(map), vendor::Ours::Takes(count)) => {
                assert_eq!(map.partitions.len(), count, "{}", it.name);
                let said = map.notes.iter().any(|note| note.contains("vendor's tool refuses"));
                // The one crash is about the file's name, which is not looked at here.
                assert_eq!(said, !matches!(it.vendor, "0" | "crash"), "{}: {:?}", it.name, map.notes);
            }
            (Err(error), vendor::Ours::Refuses(what)) => {
                assert_eq!(error.to_string(), what, "{}", it.name);
                assert_ne!(it.vendor, "0", "{}: the vendor's tool takes it", it.name);
            }
            (other, _) => panic!("{}: {other:?}", it.name),
        }
    }
}
