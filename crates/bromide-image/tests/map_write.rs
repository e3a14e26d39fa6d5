//! Any map, written and read again, is the same map as far as the format can hold it.

use bromide_image::map::{
    self, Details, Fault, Format, Map, Mount, Partition, Region, Reserved, Section, Size, Source, StartIs,
    Storage,
};
use proptest::prelude::*;

fn text() -> impl Strategy<Value = Option<String>> {
    // What XML and the text must escape or keep, without blanks around it.
    proptest::option::of(
        "[A-Za-z0-9_.<>&\"':#é-]{1,12}".prop_filter("NONE is nothing", |it| !it.eq_ignore_ascii_case("none")),
    )
}

fn details(reserved: bool) -> impl Strategy<Value = Details> {
    (text(), "[A-Z]{4,8}", text(), proptest::option::of("[0-9A-Za-z<&]{1,6}")).prop_map(
        move |(kind, operation, file, extra)| Details {
            kind,
            operation: Some(operation).filter(|it| it != "NONE"),
            file,
            reserved,
            other: extra.map(|it| ("d_type".to_owned(), it)).into_iter().collect(),
            ..Details::default()
        },
    )
}

prop_compose! {
    /// Steps to the next start and sizes up to it; a name per partition is made of its place.
    fn partitions(storage: Storage, region: Region)(
        rows in proptest::collection::vec((1_u64..0x4_0000, 1_u64..=100, any::<bool>(), details(false), "[a-z]{0,6}"), 1..12),
        open_end in any::<bool>(),
    ) -> Vec<Partition> {
        let mut start = 0;
        let mut made = Vec::new();
        let count = rows.len();
        for (at, (step, part, downloadable, details, word)) in rows.into_iter().enumerate() {
            let length = step * 4096;
            let size = (length * part / 100).max(1);
            let mut it = Partition::new(format!("{word}{at}"), start, Size::Stated(size), 0);
            if open_end && at + 1 == count {
                it.size = Size::ToEnd;
            }
            (it.storage, it.region, it.downloadable, it.details) = (storage, region.clone(), downloadable, details);
            made.push(it);
            start += length;
        }
        made
    }
}

prop_compose! {
    fn area(storage: Storage, region: Region)(
        blocks in 1_u32..0x1_0000, size in proptest::option::of(1_u64..1 << 40), downloadable in any::<bool>(), details in details(true),
    ) -> Reserved {
        let mut it = Reserved::new("flashinfo".to_owned(), blocks, 0);
        (it.size, it.downloadable, it.storage, it.region, it.details) = (size, downloadable, storage, region.clone(), details);
        it
    }
}

prop_compose! {
    fn part(storage: Storage, region: Region)(
        mut partitions in partitions(storage, region.clone()),
        reserved in proptest::option::of(area(storage, region.clone())),
        base in prop_oneof![Just(0_u64), Just(0xc0_0000)],
        block in 12_u32..20,
    ) -> (Vec<Partition>, Option<Reserved>, Section) {
        for it in &mut partitions {
            if storage == Storage::Emmc && base > 0 {
                it.linear = Some(it.start + base);
            }
        }
        let channel = Some("MSDC_0".to_owned());
        (partitions, reserved, Section { storage, boot_channel: channel, block_size: Some(1 << block), other: Vec::new() })
    }
}

/// Lines are numbered in the order of the parts, as a file has them.
fn assemble(parts: Vec<(Vec<Partition>, Option<Reserved>, Section)>, version: &str) -> Map {
    let mut map = Map::new(Source::ScatterV1);
    map.platform = Some("MT6765".to_owned());
    map.config_version = Some(version.to_owned());
    let mut line = 0;
    for (partitions, reserved, section) in parts {
        for mut it in partitions {
            line += 1;
            it.line = line;
            map.partitions.push(it);
        }
        if let Some(mut it) = reserved {
            line += 1;
            it.line = line;
            map.reserved.push(it);
        }
        if section.storage == Storage::Nand {
            map.erase_block = section.block_size.and_then(|it| u32::try_from(it).ok());
        }
        map.sections.push(section);
    }
    map
}

fn any_map() -> impl Strategy<Value = Map> {
    let nand = || part(Storage::Nand, Region::Whole);
    let emmc = || part(Storage::Emmc, Region::User);
    let ufs = || part(Storage::Ufs, Region::UfsLu(2));
    prop_oneof![
        nand().prop_map(|it| assemble(vec![it], "V1.1.2")),
        emmc().prop_map(|it| assemble(vec![it], "V1.1.1")),
        emmc().prop_map(|it| assemble(vec![it], "V2.2.0")),
        (emmc(), ufs()).prop_map(|(one, two)| assemble(vec![one, two], "V2.1.0")),
    ]
}

/// Without what says where in a file something stood.
fn content(mut map: Map) -> Map {
    map.partitions.iter_mut().for_each(|it| it.line = 0);
    map.reserved.iter_mut().for_each(|it| it.line = 0);
    map.notes.clear();
    map.source = Source::ScatterV1;
    map
}

fn again(map: &Map, format: Format) -> Map {
    let written = map::write(map, format);
    assert!(!written.text.contains('\r'));
    map::parse(written.text.as_bytes()).unwrap_or_else(|error| panic!("{error}\n{}", written.text))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn scatter_text_and_xml_hold_everything_a_scatter_file_says(map in any_map()) {
        // Operations are derived where the map has none, so such entries get more than they had.
        prop_assume!(map.partitions.iter().all(|it| it.details.operation.is_some()));
        prop_assume!(map.reserved.iter().all(|it| it.details.operation.is_some()));
        for format in [Format::ScatterV1, Format::ScatterXml] {
            prop_assert_eq!(content(again(&map, format)), content(map.clone()));
            let mut remarks = map::write(&map, format).remarks;
            remarks.retain(|it| format == Format::ScatterXml || !it.contains("YAML"));
            prop_assert_eq!(remarks, Vec::<String>::new());
        }
    }

    #[test]
    fn the_oldest_dialect_holds_names_starts_downloads_and_areas(map in any_map()) {
        prop_assume!(map.sections.len() == 1);
        let read = again(&map, Format::ScatterV0);
        let row = |it: &Partition| (it.name.clone(), it.linear.unwrap_or(it.start), it.downloadable);
        // 32 bits of address; what lies behind is left out and told.
        let held: Vec<_> = map.partitions.iter().map(row).filter(|it| it.1 < 0xFFFF_0000).collect();
        prop_assert_eq!(read.partitions.iter().map(row).collect::<Vec<_>>(), held);
        let areas = |map: &Map| map.reserved.iter().map(|it| (it.name.clone(), it.blocks_from_end)).collect::<Vec<_>>();
        prop_assert_eq!(areas(&read), areas(&map));
    }

    #[test]
    fn mtdparts_holds_names_starts_and_sizes(
        (mut partitions, _, section) in part(Storage::Nand, Region::Whole),
        flags in any::<bool>(),
    ) {
        if flags {
            partitions[0].details.flags = vec!["ro".to_owned(), "lk".to_owned()];
        }
        let map = assemble(vec![(partitions, None, section)], "V1.1.2");
        let row = |it: &Partition| (it.name.clone(), it.start, it.size, it.details.flags.clone());
        let rows = |map: &Map| map.partitions.iter().map(row).collect::<Vec<_>>();
        prop_assert_eq!(rows(&again(&map, Format::Mtdparts)), rows(&map));
    }

    #[test]
    fn json_holds_everything(map in any_map(), erase in any::<u32>(), words in text(), odd in any::<bool>()) {
        let mut map = map;
        map.source = if odd { Source::OtaList } else { Source::Gpt };
        (map.erase_block, map.pool_blocks, map.mtd_id) = (Some(erase), Some(80), words.clone());
        map.other = vec![("a\"\\\u{1}".to_owned(), "é世".to_owned()); 2];
        map.notes = words.into_iter().collect();
        let first = &mut map.partitions[0];
        first.details.mount = Some(Mount { point: "/system".to_owned(), file_system: "yaffs2".to_owned() });
        first.details.device = Some("mtd3".to_owned());
        first.details.flags = vec!["ro".to_owned()];
        first.start_is = if odd { StartIs::FromSizes } else { StartIs::Unknown };
        first.size = if odd { Size::ToNext } else { Size::Unknown };
        prop_assert_eq!(again(&map, Format::Json), map);
    }

    #[test]
    fn a_table_holds_its_columns(map in any_map()) {
        let mut held = map.clone();
        for it in &mut held.partitions {
            it.linear = None;
            it.details.other.clear();
        }
        held.reserved.iter_mut().for_each(|it| it.details.other.clear());
        let read = again(&map, Format::Csv);
        prop_assert_eq!(read.source, Source::Csv);
        // The heading is line 1.
        let line = |it: &u32| it + 1;
        prop_assert_eq!(read.partitions.iter().map(|it| it.line).collect::<Vec<_>>(),
            held.partitions.iter().map(|it| line(&it.line)).collect::<Vec<_>>());
        let (read, held) = (content(read), content(held));
        prop_assert_eq!(read.partitions, held.partitions);
        prop_assert_eq!(read.reserved, held.reserved);
    }

    #[test]
    fn a_scatter_file_becomes_mtdparts_and_a_scatter_file_again(
        (mut partitions, _, section) in part(Storage::Nand, Region::Whole),
    ) {
        partitions.iter_mut().for_each(|it| it.downloadable = true);
        let map = assemble(vec![(partitions, None, section)], "V1.1.2");
        let old = again(&map, Format::ScatterV0);
        let through = again(&again(&old, Format::Mtdparts), Format::ScatterV0);
        prop_assert_eq!(through.partitions.iter().map(|it| (&it.name, it.start)).collect::<Vec<_>>(),
            old.partitions.iter().map(|it| (&it.name, it.start)).collect::<Vec<_>>());
    }
}

#[test]
fn what_cannot_be_held_is_told() {
    let listing = map::parse(b"a -> /dev/block/mmcblk0p1\nb -> /dev/block/mmcblk0p2\n").unwrap();
    for format in [Format::ScatterV0, Format::ScatterV1, Format::ScatterXml, Format::Mtdparts] {
        let written = map::write(&listing, format);
        assert_eq!(written.entries, 0, "{}", format.name());
        assert!(written.remarks.iter().any(|it| it.starts_with("a, b: left out")), "{:?}", written.remarks);
    }
    let old = map::parse(b"PRELOADER 0x0\n{\n}\nUSRDATA 0x40000\n{\n}\n").unwrap();
    let said = map::write(&old, Format::ScatterV1).remarks.join("\n");
    for what in [
        "which flash",
        "does not name the SoC",
        "PRELOADER: the size is derived",
        "type and operation are not stated",
    ] {
        assert!(said.contains(what), "{said}");
    }
}

#[test]
fn the_oldest_dialect_is_written_as_its_generator_does() {
    let text = "PRELOADER 0x0\n{\n}\n__NODL_MISC 0x40000\n{\n}\n__NODL_BMTPOOL 0xffff0050\n{\n}\n\n\n";
    assert_eq!(map::write(&map::parse(text.as_bytes()).unwrap(), Format::ScatterV0).text, text);
}

#[test]
fn tables_quote_what_would_break_them() {
    let mut map = Map::new(Source::ProcMtd);
    map.partitions.push(Partition::new("a,\"b\u{1}".to_owned(), 0x1000, Size::Stated(u64::MAX), 1));
    let csv = map::write(&map, Format::Csv).text;
    assert!(
        csv.lines().nth(1).unwrap().starts_with("\"a,\"\"b\u{1}\",NONE,NONE,0x1000,0xffffffffffffffff,"),
        "{csv}"
    );
    let json = map::write(&map, Format::Json).text;
    assert!(
        json.contains(r#""name": "a,\"b\u0001""#) && json.contains("\"size\": 18446744073709551615"),
        "{json}"
    );
}

#[test]
fn a_table_made_by_hand_is_read_in_any_order_of_columns() {
    let text = "\u{feff}Start, Name,size\r\n0x0,boot,0x40000\r\n262144,\"a, \"\"b\"\"\",\r\n";
    let error = map::parse(text.as_bytes()).unwrap_err();
    assert_eq!((error.line, error.column), (3, 8), "{error}");
    let map = map::parse(text.replace("\"\"b\"\"", "b").as_bytes()).unwrap();
    let rows: Vec<_> = map.partitions.iter().map(|it| (it.name.as_str(), it.start, it.size)).collect();
    assert_eq!(rows, [("boot", 0, Size::Stated(0x4_0000)), ("a, b", 0x4_0000, Size::ToEnd)]);
    let fault = |text: &str| {
        let error = map::parse(text.as_bytes()).unwrap_err();
        (error.line, error.column, error.what)
    };
    assert_eq!(fault("name,start\n\"a,0\n"), (2, 1, Fault::Quote));
    assert_eq!(fault("name,start\na,\"0\"x\n"), (2, 3, Fault::Quote));
    assert_eq!(fault("name,start\na,zz\n"), (2, 3, Fault::BadNumber("zz".to_owned())));
    assert_eq!(fault("name,start\n,0\n"), (2, 1, Fault::KeyMissing("name")));
    assert!(matches!(fault("name,start\na,0,1\n"), (2, 5, Fault::Expected { .. })));
    assert_eq!(fault("name,start\n"), (1, 1, Fault::Empty));
}

#[test]
fn json_that_is_no_map_is_refused_with_its_place() {
    let fault = |text: &str| {
        let error = map::parse(text.as_bytes()).unwrap_err();
        let Fault::Json(what) = error.what else { panic!("{error}") };
        (error.line, what)
    };
    assert_eq!(fault("{\n \"partitions\": [\n  {\"name\": \"../x\"}]}").0, 3);
    assert!(fault("{\"partitions\": [{\"name\": \"a\", \"start\": -1}]}").1.contains("invalid value"));
    assert!(fault("{\"partitions\": [{\"nome\": \"a\"}]}").1.contains("unknown field"));
    assert!(fault("{\"partitions\": [").1.contains("EOF"));
    let many = format!("{{\"partitions\": [{}]}}", vec!["{\"name\": \"a\"}"; 5000].join(","));
    assert!(fault(&many).1.contains("more than 4096"));
    let deep = format!("{{\"partitions\": {}", "[".repeat(1 << 20));
    fault(&deep);
    let least =
        map::parse(b"{\"partitions\": [{\"name\": \"a\", \"start\": 0, \"size\": 18446744073709551615}]}")
            .unwrap();
    assert_eq!(least.partitions[0].size, Size::Stated(u64::MAX));
}

#[test]
fn what_a_listing_does_not_say_is_assumed_by_the_names_and_told() {
    let names = ["preloader", "nvram", "seccnfg", "secstatic", "system", "userdata", "cache", "fat"];
    let line = |(at, name): (usize, &&str)| format!("mtd{at}: 00040000 00020000 \"{name}\"\n");
    let text: String = names.iter().enumerate().map(line).collect();
    let map = map::parse(text.as_bytes()).unwrap();
    let downloads: Vec<_> = map.partitions.iter().map(|it| it.downloadable).collect();
    assert_eq!(downloads, [true, false, false, true, true, true, true, false]);
    for format in [Format::ScatterV0, Format::ScatterV1, Format::ScatterXml, Format::Csv] {
        let remarks = map::write(&map, format).remarks.join("\n");
        assert!(remarks.contains("offered for download is not stated"), "{}: {remarks}", format.name());
    }
    let again = again(&map, Format::ScatterV1);
    let kinds: Vec<_> = again.partitions.iter().map(|it| it.details.kind.as_deref().unwrap()).collect();
    let (rom, yaffs) = ("NORMAL_ROM", "YAFFS_IMG");
    assert_eq!(kinds, ["SV5_BL_BIN", rom, rom, yaffs, yaffs, yaffs, rom, yaffs]);
    assert_eq!(again.partitions[1].details.operation.as_deref(), Some("BINREGION"));
    let stated = map::write(&again, Format::Csv).remarks.join("\n");
    assert!(!stated.contains("not stated"), "a scatter file states it: {stated}");
    // JSON that somebody made says what it says.
    let json =
        map::write(&map, Format::Json).text.replacen("\"downloadable\": false", "\"downloadable\": true", 1);
    assert!(map::parse(json.as_bytes()).unwrap().partitions[1].downloadable);
}

#[test]
fn a_header_that_is_made_up_is_told() {
    let emmc = map::parse(b"PRELOADER 0x0\n{\n}\nMBR 0x600000\n{\n}\nANDROID 0x700000\n{\n}\n").unwrap();
    let nand = map::parse(b"mtd0: 00040000 00020000 \"preloader\"\n").unwrap();
    let remarks = |map: &Map, format| map::write(map, format).remarks.join("\n");
    for format in [Format::ScatterV1, Format::ScatterXml] {
        let said = remarks(&emmc, format);
        assert!(said.contains("boot channel of eMMC is not stated; MSDC_0 is written"), "{said}");
        assert!(said.contains("block size of eMMC is not stated; 0x20000 is written"), "{said}");
        // The listing states the block, and NAND has no boot channel.
        assert!(!remarks(&nand, format).contains("is not stated; 0x"), "{}", remarks(&nand, format));
        assert!(!remarks(&nand, format).contains("boot channel"));
    }
}

#[test]
fn an_mtdparts_argument_says_what_is_read_otherwise() {
    let mut map = Map::new(Source::Json);
    for (at, name) in (0..).zip(["a", "b c", "d;e", "f)", "g", "h"]) {
        let mut it = Partition::new(name.to_owned(), at * 0x2_0000, Size::Stated(0x2_0000), 0);
        it.storage = Storage::Nand;
        map.partitions.push(it);
    }
    map.partitions[4].size = Size::ToNext;
    map.partitions[5].size = Size::Unknown;
    map.mtd_id = Some("x;y".to_owned());
    let written = map::write(&map, Format::Mtdparts);
    assert_eq!(written.text, "mtdparts=mtk-nand:128k(a),128k@512k(g),-(h)\n");
    let said = written.remarks.join("\n");
    for what in
        ["b c, d;e, f): left out", "g: the size is derived", "h: written as the rest", "name of the flash"]
    {
        assert!(said.contains(what), "{said}");
    }
    let whole = map::parse(b"mtdparts=nand0:128k(a),-(b)\n").unwrap();
    assert_eq!(map::write(&whole, Format::Mtdparts).remarks, Vec::<String>::new());
}
