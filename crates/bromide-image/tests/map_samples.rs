//! Partition maps of real phones: the first user's MT6575 (retyped: they are small facts), and every sample file of
//! the data folder when it is there.

#[path = "support/samples.rs"]
mod samples;

use bromide_image::map::{
    self, ChipShape, Content, Derived, Fault, Format, Map, Region, Size, Source, StartIs, Storage,
};
use samples::data;

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

/// Partitions without the pool, pool blocks, last linear start.
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
fn every_sample_of_the_oldest_dialect_is_read() {
    let Some(files) = data("scatter") else { return };
    let mut old = 0;
    for (name, bytes) in &files {
        let Some(&(_, count, pool, last)) = OLD_SCATTERS.iter().find(|it| it.0 == name) else { continue };
        let parsed = map::parse(bytes);
        old += 1;
        let map = parsed.unwrap_or_else(|error| panic!("{name}: {error}"));
        let area = map.reserved.iter().find(|it| it.name == "BMTPOOL").map(|it| it.blocks_from_end);
        assert_eq!((map.partitions.len(), area.filter(|it| *it > 0)), (count, pool), "{name}");
        assert_eq!(map.pool_blocks, pool.filter(|_| !name.contains("emmc")), "{name}: a NAND has a pool");
        let last_linear = map.partitions.last().map(|it| it.linear.unwrap_or(it.start));
        assert_eq!(last_linear, Some(last), "{name}");
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

/// Partitions with reserved areas, partitions alone, source, storages. The first are the counts of the data
/// folder's own list.
const SCATTERS: &[(&str, usize, usize, Source, &[Storage])] = {
    use Source::{ScatterV1, ScatterV2, ScatterXmlV1, ScatterXmlV2};
    use Storage::{Emmc, Ufs};
    &[
        ("MT6572_emmc_fly_iq4407.txt", 20, 19, ScatterV1, &[Emmc]),
        ("MT6582_emmc_acer_e39.txt", 19, 18, ScatterV1, &[Emmc]),
        ("MT6592_emmc_bq_e10.txt", 19, 18, ScatterV1, &[Emmc]),
        ("MT6735_emmc_blu_vivoxl2_crlf.txt", 26, 24, ScatterV1, &[Emmc]),
        ("MT6739_emmc_flat_v1.xml", 52, 50, ScatterXmlV1, &[Emmc]),
        ("MT6739_emmc_philips_e289.txt", 37, 37, ScatterV1, &[Emmc]),
        ("MT6750_emmc_vernee_m5.txt", 52, 50, ScatterV1, &[Emmc]),
        ("MT6765_emmc_k62v1.txt", 48, 47, ScatterV1, &[Emmc]),
        ("MT6768_emmc_biloba_crlf.txt", 57, 54, ScatterV1, &[Emmc]),
        ("MT6785_emmc_ufs_v2_crlf.txt", 110, 106, ScatterV2, &[Emmc, Ufs]),
        ("MT6789_emmc_ufs_v2.xml", 128, 124, ScatterXmlV2, &[Emmc, Ufs]),
    ]
};

#[test]
fn every_newer_scatter_sample_is_read_with_all_its_partitions() {
    let Some(files) = data("scatter") else { return };
    let mut seen = Vec::new();
    for (name, bytes) in &files {
        let Some(expected) = SCATTERS.iter().find(|it| it.0 == name) else { continue };
        let map = map::parse(bytes).unwrap_or_else(|error| panic!("{name}: {error}: {}", error.text));
        let count = map.partitions.len();
        seen.push((expected.0, count + map.reserved.len(), count, map.source, map.storages()));
        assert_eq!(map.platform.as_deref(), Some(&name[..6]), "{name}");
        assert!(map.project.is_some() && map.config_version.is_some(), "{name}");
        let errors: Vec<_> =
            map.check(None).into_iter().filter(|it| it.weight == map::Weight::Error).collect();
        assert!(errors.is_empty(), "{name}: {errors:?}");
    }
    let want: Vec<_> = SCATTERS.iter().map(|it| (it.0, it.1, it.2, it.3, it.4.to_vec())).collect();
    assert_eq!(seen, want);
}

fn sample(name: &str) -> Option<Map> {
    let files = data("scatter")?;
    let (_, bytes) = files.iter().find(|it| it.0 == name)?;
    Some(map::parse(bytes).unwrap_or_else(|error| panic!("{name}: {error}")))
}

#[test]
fn the_facts_of_the_data_folder_hold() {
    let Some(fly) = sample("MT6572_emmc_fly_iq4407.txt") else { return };
    // Physical addresses are all 0: the linear ones count, less that of the MBR.
    let mbr = fly.find("MBR").unwrap();
    assert_eq!((mbr.start, mbr.linear, &mbr.region), (0, Some(0xc0_0000), &Region::User));
    assert_eq!(fly.find("FAT").unwrap().size, Size::ToEnd);
    assert_eq!(fly.find("PRELOADER").unwrap().region, Region::Boot1);

    let acer = sample("MT6582_emmc_acer_e39.txt").unwrap();
    for it in acer.partitions.iter().filter(|it| it.region == Region::User) {
        assert_eq!(it.linear, Some(it.start + 0xc0_0000), "{}", it.name);
    }
    let bq = sample("MT6592_emmc_bq_e10.txt").unwrap();
    assert!(bq.partitions.iter().all(|it| it.linear.is_none()));

    let philips = sample("MT6739_emmc_philips_e289.txt").unwrap();
    assert_eq!(philips.other, [("check_bootloaders_consistency".to_owned(), "true".to_owned())]);
    assert_eq!(philips.find("flashinfo").unwrap().start, 0xE87F_BE00);
    assert!(philips.find("flashinfo").unwrap().details.reserved);

    let biloba = sample("MT6768_emmc_biloba_crlf.txt").unwrap();
    let keys: Vec<_> = biloba.other.iter().map(|it| it.0.as_str()).collect();
    assert!(keys.contains(&"modem_check") && keys.contains(&"modem"), "{keys:?}");

    let ufs = sample("MT6785_emmc_ufs_v2_crlf.txt").unwrap();
    assert_eq!(ufs.block_size(Storage::Ufs), 0x8_0000);
    assert_eq!(ufs.only(Storage::Ufs).find("preloader").unwrap().region, Region::UfsBothBoots);
    assert!(matches!(ufs.find("preloader"), Err(map::FindError::Ambiguous { .. })));

    let split = sample("MT6789_emmc_ufs_v2.xml").unwrap().only(Storage::Emmc);
    assert_eq!(split.find("preloader_backup").unwrap().region, Region::Boot2);
    assert_eq!(split.config_version.as_deref(), Some("V2.2.0"));

    // formats.md section 3.1: ANDROID lies at LBA 0x10740, as the MBR of that phone says.
    let iq441 = sample("MT6577_emmc_fly_iq441.txt").unwrap();
    assert_eq!(iq441.find("ANDROID").unwrap().start, 0x10740 * 512);
}

#[test]
fn the_manifest_names_its_scatter_file() {
    let Some(files) = data("scatter") else { return };
    let (_, bytes) = files.iter().find(|it| it.0 == "MT6789_flash.xml").unwrap();
    let Content::Manifest(manifest) = map::read(bytes).unwrap() else { panic!("no manifest") };
    assert_eq!(manifest.scatter, "../MT6789_Android_scatter.xml");
    assert_eq!(manifest.download_agent.as_deref(), Some("DA_BR.bin"));
    assert!(matches!(map::parse(bytes).unwrap_err().what, Fault::Manifest(_)));
}

#[test]
fn no_scatter_sample_is_left_out_of_the_tests() {
    let Some(files) = data("scatter") else { return };
    let maps: Vec<_> = files.iter().filter(|it| !it.0.ends_with(".md") && !it.0.ends_with(".tsv")).collect();
    // The manifest is no map.
    assert_eq!(maps.len(), OLD_SCATTERS.len() + SCATTERS.len() + 1);
}

/// A map without what another writing of the same content changes: lines, words of the reader, the dialect.
fn content(mut map: Map) -> Map {
    for it in &mut map.partitions {
        it.line = 0;
    }
    for it in &mut map.reserved {
        it.line = 0;
    }
    map.notes.clear();
    map.source = Source::ScatterV1;
    map
}

#[test]
fn every_newer_scatter_sample_survives_being_written_as_text_and_as_xml() {
    let Some(files) = data("scatter") else { return };
    for (name, bytes) in &files {
        let Some(expected) = SCATTERS.iter().find(|it| it.0 == name) else { continue };
        let map = map::parse(bytes).unwrap();
        for format in [Format::ScatterV1, Format::ScatterXml] {
            let written = map::write(&map, format);
            assert_eq!(written.entries, expected.1, "{name}");
            assert!(written.remarks.is_empty(), "{name}: {:?}", written.remarks);
            let again = map::parse(written.text.as_bytes()).unwrap();
            assert_eq!(content(again), content(map.clone()), "{name} as {}", format.name());
        }
    }
}

#[test]
fn the_text_writer_prints_the_keys_of_real_files_in_their_order() {
    let Some(files) = data("scatter") else { return };
    for name in [
        "MT6765_emmc_k62v1.txt",
        "MT6582_emmc_acer_e39.txt",
        "MT6785_emmc_ufs_v2_crlf.txt",
        "MT6768_emmc_biloba_crlf.txt",
        "MT6739_emmc_philips_e289.txt",
    ] {
        let (_, bytes) = files.iter().find(|it| it.0 == name).unwrap();
        let text = String::from_utf8(bytes.clone()).unwrap();
        let written = map::write(&map::parse(bytes).unwrap(), Format::ScatterV1).text;
        // Banners, blanks at line ends and the case of digits are not the printer's alone.
        let significant = |text: &str| -> Vec<String> {
            let lines = text.lines().map(|it| it.trim_end().to_ascii_lowercase());
            lines.filter(|it| !it.is_empty() && !it.starts_with('#')).collect()
        };
        assert_eq!(significant(&written), significant(&text), "{name}");
    }
}

/// File, source, partitions, reserved areas, name and place of one of them.
type Listing = (&'static str, Source, usize, usize, (&'static str, u64, Size));

const LISTINGS: &[Listing] = &[
    (
        "mt6575_nand_dumchar_info.txt",
        Source::DumcharInfo,
        14,
        0,
        ("android", 0x13a_0000, Size::Stated(0x10e0_0000)),
    ),
    (
        "mt657x_emmc_dumchar_info.txt",
        Source::DumcharInfo,
        18,
        1,
        ("android", 0x20e_8000, Size::Stated(0x2010_0000)),
    ),
    (
        "mt6582_bq_e45_partition_info.txt",
        Source::DumcharInfo,
        18,
        1,
        ("usrdata", 0xb210_0000, Size::Stated(0x1_1e20_0000)),
    ),
    (
        "mt6592_lenovo_x5001_dumchar_info.txt",
        Source::DumcharInfo,
        18,
        1,
        ("cache", 0x4d00_0000, Size::Stated(0x800_0000)),
    ),
    (
        "mt8590_sony_nwa55_dumchar_info.txt",
        Source::DumcharInfo,
        39,
        0,
        ("nvram", 0x80_0000, Size::Stated(0x50_0000)),
    ),
    ("mt6735_temu_t7_by_name.txt", Source::ByName, 23, 0, ("lk", 0, Size::Unknown)),
    ("mt6735_temu_t7_gdisk.txt", Source::Gdisk, 23, 0, ("lk", 58368 * 512, Size::Stated(2 << 20))),
    (
        "mtdparts_constructed_seed.txt",
        Source::Mtdparts,
        14,
        0,
        ("system", 0x13a_0000, Size::Stated(0x1270_0000)),
    ),
    ("seed_mt6575_proc_mtd.txt", Source::ProcMtd, 14, 0, ("system", 0x13a_0000, Size::Stated(0x1270_0000))),
    (
        "seed_mt6575_proc_partitions.txt",
        Source::ProcPartitions,
        14,
        0,
        ("mtdblock11", 0x13a_0000, Size::Stated(0x1270_0000)),
    ),
];

#[test]
fn every_listing_a_phone_prints_is_read() {
    let Some(files) = data("proc") else { return };
    let mut seen = 0;
    for (name, bytes) in &files {
        let Some(expected) = LISTINGS.iter().find(|it| it.0 == name) else {
            let what = map::parse(bytes).expect_err(name).what;
            assert!(name == "README.md" || matches!(what, Fault::NotAMap(_)), "{name}: {what}");
            continue;
        };
        seen += 1;
        let map = map::parse(bytes).unwrap_or_else(|error| panic!("{name}: {error}: {}", error.text));
        assert_eq!(
            (map.source, map.partitions.len(), map.reserved.len()),
            (expected.1, expected.2, expected.3),
            "{name}"
        );
        let (partition, start, size) = expected.4;
        let found = map.find(partition).unwrap();
        assert_eq!((found.start, found.size), (start, size), "{name}");
        assert_eq!(found.start_is == StartIs::Unknown, expected.1 == Source::ByName, "{name}");
    }
    assert_eq!(seen, LISTINGS.len());
}

#[test]
fn the_listings_of_the_seed_phone_place_alike() {
    let Some(files) = data("proc") else { return };
    let want = places(&parse(SEED_PROC_MTD));
    for name in ["mtdparts_constructed_seed.txt", "seed_mt6575_proc_partitions.txt"] {
        let (_, bytes) = files.iter().find(|it| it.0 == name).unwrap();
        assert_eq!(places(&map::parse(bytes).unwrap()), want, "{name}");
    }
}

#[test]
fn mount_lines_name_the_partitions_of_proc_partitions() {
    let Some(files) = data("proc") else { return };
    let file = |name: &str| &files.iter().find(|it| it.0 == name).unwrap().1;
    let mut map = map::parse(file("seed_mt6575_proc_partitions.txt")).unwrap();
    assert_eq!(map::annotate(&mut map, file("seed_mt6575_mount.txt")), 4);
    let names: Vec<_> = [7, 11, 12, 13].iter().map(|&at: &usize| map.partitions[at].name.as_str()).collect();
    assert_eq!(names, ["secstatic", "system", "cache", "userdata"]);
    let mount = map.find("system").unwrap().details.mount.as_ref().unwrap();
    assert_eq!((mount.point.as_str(), mount.file_system.as_str()), ("/system", "yaffs2"));
    let mut mtd = parse(SEED_PROC_MTD);
    assert_eq!(map::annotate(&mut mtd, file("seed_mt6575_mount.txt")), 4);
    assert_eq!(mtd.partitions[3].name, "seccnfg", "names that are known stay");
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
