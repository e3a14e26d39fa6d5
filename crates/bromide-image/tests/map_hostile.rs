//! Maps as people save and edit them, maps that contradict their phone, and text that is meant to hurt.

use std::time::Instant;

use bromide_image::map::{self, ChipShape, Fault, FindError, Map, PlaceError, Size, Source};
use proptest::prelude::*;

const CHIP: ChipShape = ChipShape { bytes: 0x100_0000, block_bytes: 0x20000, pool_blocks: 8 };

fn parse(text: &str) -> Map {
    map::parse(text.as_bytes()).unwrap_or_else(|error| panic!("{error}: {}", error.text))
}

/// Line, column and fault of a text that is refused.
fn fault(text: &str) -> (u32, u32, Fault) {
    let error = map::parse(text.as_bytes()).expect_err(text);
    (error.line, error.column, error.what)
}

fn unplaceable(text: &str) -> PlaceError {
    parse(text).place(&CHIP).expect_err(text)
}

#[test]
fn line_ends_blanks_and_byte_order_marks_change_nothing() {
    let plain = "PRELOADER 0x0\n{\n}\n__NODL_MISC 0x40000\n{\n}\nANDROID 0xA0000\n{\n}\n";
    let want = parse(plain).partitions;
    for text in [
        plain.replace('\n', "\r\n"),
        plain.replace('\n', "\r"),
        plain.replace(' ', " \t "),
        plain.replace("0x", "0X").replace("0xA0000", "0xa0000"),
        format!("\u{feff}{plain}\n\n"),
        plain.trim_end().to_owned(),
    ] {
        assert_eq!(parse(&text).partitions, want, "{text:?}");
    }
    let spread = parse(&format!("\n \n{}", plain.replace('\n', "\n\n\t\n")));
    assert!(spread.partitions.iter().zip(&want).all(|(a, b)| (&a.name, a.start) == (&b.name, b.start)));
    assert_eq!(spread.partitions[1].line, 12);
}

#[test]
fn comments_are_skipped_with_a_word_about_them() {
    let map = parse("// mine\nPRELOADER 0x0 # first\n{\n# nothing\n}\n");
    assert_eq!(map.partitions.len(), 1);
    assert_eq!(map.notes, ["line 1: comments are skipped; the vendor's tool refuses them"]);
}

#[test]
fn a_list_without_braces_is_an_ota_list() {
    let map = parse("PRELOADER 0x0\nUBOOT 0x40000\nANDROID 0x80000\n");
    assert_eq!((map.source, map.partitions.len()), (Source::OtaList, 3));
    assert_eq!(map.notes, ["no braces: an OTA list, which the vendor's tool refuses"]);
    assert_eq!(parse("PRELOADER 0x0\n").source, Source::OtaList);
    assert_eq!(parse("PRELOADER 0x0\n{ }\n").source, Source::ScatterV0);
}

#[test]
fn a_scatter_fault_is_told_with_its_place() {
    let expected = |wanted, found: &str| Fault::Expected { wanted, found: found.to_owned() };
    let close = "} (nothing stands between the braces)";
    for (text, place, what) in [
        ("A 0x0\n{\n}\nB 0x4000\n", (4, 9), expected("{", "the end of the file")),
        ("A 0x0\n{\n}\nB 0x4000\n{", (5, 2), expected("}", "the end of the file")),
        ("A 0x0\n{\n}\nB 0x4000\nC 0x8000\n{\n}\n", (5, 1), expected("{", "\"C\"")),
        ("A 0x0\nB 0x4000\n{\n}\n", (3, 1), expected("a partition name", "\"{\"")),
        ("A 0x0\n{\n}\n}\n", (4, 1), expected("a partition name", "\"}\"")),
        ("A 0x0\n{\n}\nB\n{\n}\n", (4, 2), expected("an address (0x...)", "the end of the line")),
        ("A 0x0\n{\n{\n}\n", (3, 1), expected(close, "\"{\"")),
        ("A 0x0 0x4000\n{\n}\n", (1, 7), expected("{", "\"0x4000\"")),
        ("A 0x0\nB 0x4000 0x9\n", (2, 10), expected("the end of the line", "\"0x9\"")),
        ("A-B 0x0\n{\n}\n", (1, 1), Fault::BadName("A-B".into())),
        ("A 0x\n{\n}\n", (1, 3), Fault::BadHex("0x".into(), "a scatter file has it (0x12700000)")),
        ("A  0xZZ\n{\n}\n", (1, 4), Fault::BadHex("0xZZ".into(), "a scatter file has it (0x12700000)")),
        ("A 0x100000000\n{\n}\n", (1, 3), Fault::TooLarge("0x100000000".into(), 32)),
        ("BMTPOOL 0xFFFF0050\n{\n}\n", (1, 1), Fault::Empty),
        ("\n \n\n", (1, 1), Fault::Empty),
    ] {
        assert_eq!(fault(text), (place.0, place.1, what), "{text:?}");
    }
    let error = map::parse(b"A 0x0\n{\n}\n\tB 0xZZ\n{\n}\n").unwrap_err();
    assert_eq!(error.text, " B 0xZZ");
    assert!(error.to_string().starts_with("line 4, column 4: \"0xZZ\" is not"), "{error}");
}

#[test]
fn areas_at_the_end_count_in_blocks_and_the_first_of_them_bounds_the_rest() {
    let map = parse("A 0x0\n{\n}\n__NODL_RSV_OTP 0xFFFF0010\n{\n}\n__NODL_RSV_BMTPOOL 0xFFFF0008\n{\n}\n");
    assert_eq!(map.pool_blocks, Some(8));
    let reserved: Vec<_> = map.reserved.iter().map(|it| (it.name.as_str(), it.blocks_from_end)).collect();
    assert_eq!(reserved, [("OTP", 16), ("BMTPOOL", 8)]);
    assert_eq!(map.place(&CHIP).unwrap().partitions[0].size, 0x100_0000 - 18 * 0x20000);
    let second = fault("A 0x0\n{\n}\nBMTPOOL 0xFFFF0008\n{\n}\nBMTPOOL 0xFFFF0008\n{\n}\n");
    assert_eq!(second, (7, 9, Fault::SecondPool(4)));
    let no_length = parse("A 0x0\n{\n}\nBMTPOOL 0xFFFF0000\n{\n}\n");
    assert_eq!((no_length.pool_blocks, no_length.notes.len()), (None, 1));
}

#[test]
fn a_name_given_twice_is_kept_but_cannot_be_asked_for() {
    let map = parse("MISC 0x0\n{\n}\nmisc 0x40000\n{\n}\nLOGO 0x80000\n{\n}\n");
    assert_eq!(map.partitions.len(), 3);
    assert_eq!(map.notes, ["misc is named twice, in lines 1 and 4"]);
    let error = map.find("MISC").unwrap_err();
    assert_eq!(error.to_string(), "\"MISC\" names more than one partition: MISC (line 1), misc (line 4)");
    let two_aliases = parse("ANDROID 0x0\nANDSYSIMG 0x40000\n");
    assert!(matches!(two_aliases.find("system"), Err(FindError::Ambiguous { .. })));
    assert_eq!(two_aliases.find("android").unwrap().start, 0);
}

#[test]
fn an_unknown_name_brings_the_nearest_or_the_whole_list() {
    let map = parse("PRELOADER 0x0\nBOOTIMG 0x40000\nANDROID 0x80000\n");
    let say = |name: &str| map.find(name).unwrap_err().to_string();
    assert_eq!(say("sytem"), "no partition is named \"sytem\"; the nearest: ANDROID (system)");
    assert_eq!(say("bot"), "no partition is named \"bot\"; the nearest: BOOTIMG (boot)");
    assert_eq!(
        say("frobnicate"),
        "no partition is named \"frobnicate\"; the map has PRELOADER, BOOTIMG, ANDROID"
    );
    assert_eq!(map.find(&"x".repeat(1 << 20)).unwrap_err().to_string().len(), (1 << 20) + 65);
}

#[test]
fn a_proc_mtd_fault_is_told_with_its_place() {
    let line =
        |text: &str| format!("dev:    size   erasesize  name\nmtd0: 00040000 00020000 \"a\"\n{text}\n");
    let expected = |wanted, found: &str| Fault::Expected { wanted, found: found.to_owned() };
    let how = "/proc/mtd has it (12700000)";
    for (text, column, what) in [
        ("mtd2: 00040000 00020000 \"b\"", 1, Fault::MtdMissing { found: 2, due: 1 }),
        ("mtd1 00040000 00020000 \"b\"", 1, expected("mtd, a number and a colon", "\"mtd1\"")),
        ("mtd1: 0004000g 00020000 \"b\"", 7, Fault::BadHex("0004000g".into(), how)),
        ("mtd1: 0x40000 00020000 \"b\"", 7, Fault::BadHex("0x40000".into(), how)),
        ("mtd1: 00040000 00020000", 24, expected("the name in quotes", "the end of the line")),
        ("mtd1: 00040000 00020000 b", 25, expected("the name in quotes", "\"b\"")),
        ("mtd1: 00040000 00020000 \"../b\"", 25, Fault::BadName("../b".into())),
        ("mtd1: 00040000 00020000 \"\"", 25, Fault::BadName(String::new())),
        (
            "mtd1: 00030000 00020000 \"b\"",
            7,
            Fault::NotInBlocks { name: "b".into(), size: 0x30000, erase_block: 0x20000 },
        ),
        ("mtd1: 00040000 00040000 \"b\"", 7, Fault::EraseBlockChanges { found: 0x40000, before: 0x20000 }),
        ("mtd1: 0 0 \"b\"", 7, Fault::NotInBlocks { name: "b".into(), size: 0, erase_block: 0 }),
        ("mtd1: fffffffffffe0000 00020000 \"b\"", 7, Fault::TooLarge("the sum of the sizes".into(), 64)),
        ("mtd1: 00040000 100020000 \"b\"", 16, Fault::TooLarge("100020000".into(), 32)),
    ] {
        assert_eq!(fault(&line(text)), (3, column, what), "{text:?}");
    }
}

#[test]
fn a_pasted_proc_mtd_is_read_with_its_prompts_and_without_its_heading() {
    let map = parse(
        "$ cat /proc/mtd\r\nmtd0: 00040000 00020000 \"user data\"\r\nmtd1: 00020000 00020000 \"b\"\r\n# \r\n",
    );
    assert_eq!(map.partitions[0].name, "user data");
    assert_eq!(map.partitions[1].start, 0x40000);
    assert_eq!(map.notes, ["line 1 is no line of /proc/mtd; it and any like it are skipped"]);
}

#[test]
fn a_file_that_is_no_map_is_named() {
    for (text, what) in [
        (&b"MTK_DOWNLOAD_AGENT\0\0"[..], "this is a Download Agent container, not a partition map"),
        (b"\xff\xfeP\0R\0", "this is UTF-16 text (save it as UTF-8), not a partition map"),
        (b"\x7fELF\0\0", "this is a binary file, not a partition map"),
        (b"<html></html>", "this is an XML file without partitions, not a partition map"),
        (
            b"just some words\n",
            "no kind of partition map is recognised: neither a scatter file nor a partition listing of a phone",
        ),
        (b"dev:    size   erasesize  name\n", "the file names no partition"),
    ] {
        assert_eq!(map::parse(text).unwrap_err().what.to_string(), what);
    }
}

#[test]
fn a_map_that_contradicts_the_chip_is_refused() {
    let mtd = |size: &str, erase: &str| format!("mtd0: {size} {erase} \"a\"\n");
    let said = |text: &str| unplaceable(text).to_string();
    assert_eq!(
        said(&mtd("00040000", "00040000")),
        "the map is for erase blocks of 0x40000 bytes, the chip has 0x20000"
    );
    assert_eq!(
        said(&mtd("01020000", "00020000")),
        "a (line 1) reaches 0x1020000, the chip ends at 0x1000000: a map of another phone?"
    );
    assert_eq!(
        said(&mtd("00f20000", "00020000")),
        "a (line 1) reaches 0xf20000, into the blocks reserved from 0xf00000 on"
    );
    assert_eq!(
        said("A 0x0\n{\n}\nBMTPOOL 0xFFFF0050\n{\n}\n"),
        "the map has a bad-block pool of 80 blocks, the chip one of 8"
    );
    assert_eq!(
        said("A 0x0\nB 0x4000\n"),
        "the size of A (line 1), 0x4000, is no multiple of the erase block 0x20000"
    );
    assert_eq!(
        said("A 0x0\nB 0x1000000\n"),
        "B (line 2) reaches 0x1000000, the chip ends at 0x1000000: a map of another phone?"
    );
    // Inside the partition table's own two blocks there is no room for a last partition.
    assert!(matches!(unplaceable("A 0x0\nB 0xee0000\n"), PlaceError::BeyondLogicalEnd { .. }));
    assert!(parse("A 0x0\nB 0xea0000\n").place(&CHIP).is_ok());
}

#[test]
fn partitions_that_share_bytes_are_refused() {
    let mut map = parse("A 0x0\nB 0x40000\nC 0x80000\n");
    map.partitions[0].size = Size::Stated(0x60000);
    let error = map.place(&CHIP).unwrap_err().to_string();
    assert_eq!(error, "B (line 2) begins at 0x40000, inside A (line 1) which ends at 0x60000");
    map.partitions[0].size = Size::ToNext;
    map.partitions.swap(0, 2);
    let placed = map.place(&CHIP).unwrap();
    assert_eq!(placed.partitions[2].name, "A");
    assert_eq!(placed.partitions[2].size, 0x40000, "the next in the chip counts, not in the file");
}

#[test]
fn an_impossible_chip_is_refused() {
    let map = parse("A 0x0\n");
    for chip in [
        ChipShape { bytes: 0, ..CHIP },
        ChipShape { block_bytes: 0, ..CHIP },
        ChipShape { bytes: 0x10001, ..CHIP },
        ChipShape { pool_blocks: 128, ..CHIP },
        ChipShape { pool_blocks: u32::MAX, ..CHIP },
    ] {
        assert!(matches!(map.place(&chip), Err(PlaceError::ImpossibleChip { .. })), "{chip:?}");
    }
}

#[test]
fn a_map_of_a_smaller_chip_leaves_a_word() {
    let placed = parse("mtd0: 00400000 00020000 \"a\"\n").place(&CHIP).unwrap();
    assert!(
        placed.notes[1].starts_with("88 blocks behind the last partition belong to none"),
        "{:?}",
        placed.notes
    );
}

#[test]
fn large_hostile_files_take_time_in_line_with_their_size() {
    let megabyte = 1 << 20;
    let ascending = (0..).map(|at| format!("A{at} {:#x}\n{{\n}}\n", at * 4));
    let many: String = ascending.take(megabyte / 16).collect();
    assert_eq!(fault(&many).2, Fault::TooMany(map::MOST_PARTITIONS));
    let mtd: String = (0..40_000).map(|at| format!("mtd{at}: 00020000 00020000 \"n\"\n")).collect();
    assert_eq!(fault(&mtd).2, Fault::TooMany(map::MOST_PARTITIONS));
    let started = Instant::now();
    for text in [
        "\n".repeat(megabyte),
        "\r".repeat(megabyte),
        " ".repeat(megabyte),
        "{".repeat(megabyte),
        "x ".repeat(megabyte / 2),
        ":".repeat(megabyte),
        "<".repeat(megabyte),
        "<storage_typ".repeat(megabyte / 12),
        format!("A 0x{}0\n{{\n}}\n", "0".repeat(megabyte)),
        format!("{} 0x0\n", "N".repeat(megabyte)),
        "A 0x0\n".repeat(megabyte / 6),
        "# 0x0 {\n".repeat(megabyte / 8),
        "mtd0: 0 1 \"\n".repeat(megabyte / 12),
        "- partition_index: x\n  partition_name: a\n".repeat(megabyte / 44),
        format!("- partition_index: x\n{}", "a: b\n".repeat(megabyte / 5)),
        format!("- partition_index: x\n{}", "- storage_type: UFS\n".repeat(megabyte / 20)),
        format!("<root>{}", "<a>".repeat(megabyte / 3)),
        format!("<root>{}", "<a></a>".repeat(megabyte / 7)),
        format!("<root><a>{}</a></root>", "&amp;".repeat(megabyte / 5)),
        format!("<root><a>{}</a></root>", "&".repeat(megabyte)),
        format!("<root>{}", "<!---->".repeat(megabyte / 7)),
        format!("<root {}", "a='' ".repeat(megabyte / 5)),
        format!("<root>{}", "<partition_index>".repeat(megabyte / 17)),
        format!("mtdparts=a:{}", "1k,".repeat(megabyte / 3)),
        format!("mtdparts={}", "a:1(x);".repeat(megabyte / 7)),
        "mtdparts=".repeat(megabyte / 9),
        "a -> /dev/block/b\n".repeat(megabyte / 18),
        " -> /dev/block/".repeat(megabyte / 15),
        "a 0x0 0x0 2 /dev/misc-sd\n".repeat(megabyte / 25),
        format!("major minor  #blocks  name\n{}", "31 0 256 mtdblock0\n".repeat(megabyte / 19)),
        format!("Number  Start\n{}", "1 1 1 3.0 MiB 0700 a\n".repeat(megabyte / 21)),
        format!("Number  Start\n1 1 1 {}", "x ".repeat(megabyte / 2)),
    ] {
        let _ = map::parse(text.as_bytes());
    }
    // Far above what linear work needs, far below what quadratic work on 2^20 bytes would.
    assert!(started.elapsed().as_secs() < 20, "{:?}", started.elapsed());
}

fn word() -> impl Strategy<Value = Vec<u8>> {
    let fixed = [
        "PRELOADER",
        "ANDROID",
        "__NODL_MISC",
        "BMTPOOL",
        "0x0",
        "0X40000",
        "0xFFFF0050",
        "0x",
        "{",
        "}",
        "#",
        "//",
        " ",
        "\t",
        "\n",
        "\r\n",
        "\r",
        "mtd0:",
        "mtd1:",
        "00020000",
        "\"a\"",
        "\"",
        "dev:",
        "-",
        ":",
        "<",
        "\u{feff}",
        "- partition_index:",
        "partition_name: a\n",
        "physical_start_addr: 0x0\n",
        "partition_size:",
        "region: EMMC_USER\n",
        "is_reserved: true\n",
        "storage_type:",
        "config_version:",
        "<root>",
        "</root>",
        "<partition_index name=\"SYS0\">",
        "</partition_index>",
        "<partition_name>a</partition_name>",
        "<linear_start_addr>0x0</linear_start_addr>",
        "&#65;",
        "mtdparts=",
        "1k(a)",
        "-",
        ";",
        ",",
        "@",
        "b -> /dev/block/mmcblk0p1\n",
        "a 0x4000 0x0 1\n",
        "a 0x4000 0x0 2 /dev/block/mmcblk0\n",
        "major minor  #blocks  name\n",
        "31 0 256 mtdblock0\n",
        "Number Start",
        "\n1 1024 7167 3.0 MiB 0700 x\n",
        "0x99999999999999999999",
        "é",
    ];
    prop_oneof![
        8 => proptest::sample::select(fixed.map(|it| it.as_bytes().to_vec()).to_vec()),
        1 => proptest::collection::vec(any::<u8>(), 0..6),
    ]
}

/// Only areas counted from the end were left: that is no map to read.
fn reserved_only(map: &Map, written: &map::Written) -> bool {
    written.entries <= map.reserved.len()
}

/// A name as the oldest dialect prints it. An MBR would make the map one of a phone with eMMC, which has no pool.
fn scatter_name() -> impl Strategy<Value = String> {
    "(__NODL_)?[A-Za-z0-9][A-Za-z0-9_]{0,12}".prop_filter("an MBR has a meaning", |it| {
        !it.trim_start_matches("__NODL_").eq_ignore_ascii_case("MBR")
    })
}

proptest! {
    #[test]
    fn a_printed_scatter_keeps_names_and_addresses(
        names in proptest::collection::vec(scatter_name(), 1..40),
        steps in proptest::collection::vec(1_u64..0x100_0000, 40),
        pool in proptest::option::of(1_u32..0x1_0000),
        style in 0_usize..4,
    ) {
        let mut start = 0;
        let mut entries = Vec::new();
        for (name, step) in names.iter().zip(&steps) {
            entries.push((name.clone(), start));
            start += step * 4;
        }
        let end = ["\n", "\r\n", "\r", "\n\n"][style];
        let mut text = String::new();
        for (name, start) in &entries {
            text += &format!("{name} {start:#x}{end}{{{end}}}{end}");
        }
        if let Some(pool) = pool {
            text += &format!("__NODL_BMTPOOL {:#X}{end}{{{end}}}{end}", 0xFFFF_0000_u32 + pool);
        }
        let map = map::parse(text.as_bytes()).unwrap();
        let want: Vec<_> = entries.iter().map(|(name, start)| (name.trim_start_matches("__NODL_"), *start)).collect();
        let got: Vec<_> = map.partitions.iter().map(|it| (it.name.as_str(), it.start)).collect();
        prop_assert_eq!(got, want);
        prop_assert_eq!(map.pool_blocks, pool);
        for (it, (name, _)) in map.partitions.iter().zip(&entries) {
            prop_assert_eq!(it.downloadable, !name.starts_with("__NODL_"));
        }
    }

    #[test]
    fn a_printed_proc_mtd_keeps_names_and_sizes(
        rows in proptest::collection::vec(("[a-z][a-z0-9_ ]{0,10}[a-z]", 1_u64..0x1000), 1..40),
    ) {
        let mut text = String::from("dev:    size   erasesize  name\n");
        let mut want = Vec::new();
        let mut start = 0;
        for (at, (name, blocks)) in rows.iter().enumerate() {
            let size = blocks * 0x20000;
            text += &format!("mtd{at}: {size:08x} 00020000 \"{name}\"\n");
            want.push((name.as_str(), start, Size::Stated(size)));
            start += size;
        }
        let map = map::parse(text.as_bytes()).unwrap();
        let got: Vec<_> = map.partitions.iter().map(|it| (it.name.as_str(), it.start, it.size)).collect();
        prop_assert_eq!(got, want);
        let chip = ChipShape { bytes: start, block_bytes: 0x20000, pool_blocks: 0 };
        prop_assert_eq!(map.place(&chip).unwrap().partitions.len(), rows.len());
    }

    #[test]
    fn no_bytes_make_the_parser_panic(text in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = map::parse(&text);
    }

    #[test]
    fn no_words_make_the_parser_panic_and_what_is_read_can_be_placed_or_refused(
        words in proptest::collection::vec(word(), 0..60),
        bytes in any::<u64>(),
        block_bytes in any::<u32>(),
        pool_blocks in any::<u32>(),
        asked in ".{0,12}",
    ) {
        let text = words.concat();
        match map::parse(&text) {
            Ok(map) => {
                prop_assert!(!map.partitions.is_empty());
                let _ = map.place(&ChipShape { bytes, block_bytes, pool_blocks });
                let _ = map.place(&CHIP).map(|it| it.find(&asked).cloned());
                let _ = map.find(&asked);
                let _ = map.check(Some(bytes));
                let mut map = map;
                map::annotate(&mut map, &text);
                for format in map::Format::ALL {
                    let written = map::write(&map, format);
                    prop_assert!(!written.text.contains('\r'));
                    if written.entries > 0 && !matches!(format, map::Format::Json | map::Format::Csv) {
                        let again = map::parse(written.text.as_bytes());
                        prop_assert!(again.is_ok() || map.partitions.len() > written.entries || reserved_only(&map, &written), "{format:?}: {again:?}\n{}", written.text);
                    }
                }
            }
            Err(error) => {
                prop_assert!(error.line >= 1 && error.column >= 1);
                prop_assert!(error.to_string().len() < 600);
            }
        }
    }
}
