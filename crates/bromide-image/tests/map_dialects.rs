//! One small file of every kind (retyped, in the form of formats.md sections 2 and 4), and what is wrong in a map.

use bromide_image::map::{
    self, ChipShape, Content, Fault, Map, PlaceError, Region, Size, Source, Storage, Weight,
};

const GENERAL: &str = "\
############\n# General Setting\n############\n- general: MTK_PLATFORM_CFG\n  info: \n    - config_version: V1.1.2\n      \
platform: MT6765\n      project: k62v1\n      storage: EMMC\n      boot_channel: MSDC_0\n      \
block_size: 0x20000\n      modem_check: true\n";

fn entry(name: &str, address: &str, size: &str, region: &str, reserved: bool) -> String {
    format!(
        "- partition_index: SYS0\n  partition_name: {name}\n  file_name: {name}.img\n  is_download: true\n  \
         type: NORMAL_ROM\n  linear_start_addr: {address}\n  physical_start_addr: {address}\n  \
         partition_size: {size}\n  region: {region}\n  storage: HW_STORAGE_EMMC\n  boundary_check: {}\n  \
         is_reserved: {reserved}\n  operation_type: UPDATE\n  d_type: FALSE\n  reserve: 0x00\n\n",
        !reserved
    )
}

fn parse(text: &str) -> Map {
    map::parse(text.as_bytes()).unwrap_or_else(|error| panic!("{error}: {}", error.text))
}

fn fault(text: &str) -> (u32, u32, Fault) {
    let error = map::parse(text.as_bytes()).expect_err(text);
    (error.line, error.column, error.what)
}

fn flat() -> String {
    [
        GENERAL.to_owned(),
        entry("preloader", "0x0", "0x40000", "EMMC_BOOT1_BOOT2", false),
        entry("pgpt", "0x0", "0x8000", "EMMC_USER", false),
        entry("boot", "0x8000", "0x100000", "EMMC_USER", false),
        entry("userdata", "0x108000", "0x0", "EMMC_USER", false),
        entry("flashinfo", "0xFFFF0080", "0x1000000", "EMMC_USER", true),
    ]
    .concat()
}

#[test]
fn yaml_like_text_gives_regions_keys_and_areas_at_the_end() {
    for text in [flat(), flat().replace('\n', "\r\n"), format!("\u{feff}{}", flat())] {
        let map = parse(&text);
        assert_eq!((map.source, map.storages()), (Source::ScatterV1, vec![Storage::Emmc]));
        assert_eq!((map.platform.as_deref(), map.project.as_deref()), (Some("MT6765"), Some("k62v1")));
        assert_eq!(map.other, [("modem_check".to_owned(), "true".to_owned())]);
        assert_eq!(map.find("preloader").unwrap().region, Region::BothBoots);
        let boot = map.find("boot").unwrap();
        assert_eq!((boot.start, boot.size, boot.linear), (0x8000, Size::Stated(0x10_0000), None));
        assert_eq!(
            (boot.details.file.as_deref(), boot.details.kind.as_deref()),
            (Some("boot.img"), Some("NORMAL_ROM"))
        );
        assert_eq!(boot.details.other, [("d_type".to_owned(), "FALSE".to_owned())]);
        assert_eq!(map.find("userdata").unwrap().size, Size::ToEnd, "size 0 is up to the end");
        let area = &map.reserved[0];
        assert_eq!(
            (area.name.as_str(), area.blocks_from_end, area.size),
            ("flashinfo", 0x80, Some(0x100_0000))
        );
        assert!(matches!(
            map.place(&ChipShape { bytes: 1 << 29, block_bytes: 0x20000, pool_blocks: 0 }),
            Err(PlaceError::OtherStorage(Storage::Emmc))
        ));
    }
}

/// No public NAND file of this dialect exists; this one is constructed by formats.md section 2.3.
#[test]
fn yaml_like_text_of_a_nand_phone_places_as_the_oldest_dialect_does() {
    let nand = |text: String| {
        text.replace("EMMC_USER", "NONE")
            .replace("HW_STORAGE_EMMC", "HW_STORAGE_NAND")
            .replace("storage: EMMC", "storage: NAND")
            .replace("MSDC_0", "NONE")
    };
    let text = nand(
        [
            GENERAL.to_owned(),
            entry("PRELOADER", "0x0", "0x40000", "NONE", false),
            entry("UBOOT", "0x40000", "0x60000", "NONE", false),
            entry("USRDATA", "0xa0000", "0x0", "NONE", false),
            entry("BMTPOOL", "0xffff0050", "0x0", "NONE", true),
        ]
        .concat(),
    );
    let map = parse(&text);
    assert_eq!((map.erase_block, map.pool_blocks), (Some(0x20000), Some(80)));
    let chip = ChipShape { bytes: 512 << 20, block_bytes: 0x20000, pool_blocks: 80 };
    let old = parse(
        "PRELOADER 0x0\n{\n}\nUBOOT 0x40000\n{\n}\nUSRDATA 0xa0000\n{\n}\n__NODL_BMTPOOL 0xFFFF0050\n{\n}\n",
    );
    let places = |map: &Map| -> Vec<_> {
        map.place(&chip).unwrap().partitions.into_iter().map(|it| (it.name, it.start, it.size)).collect()
    };
    assert_eq!(places(&map), places(&old));
}

#[test]
fn sections_of_several_storages_stay_apart() {
    let text = "- general: MTK_PLATFORM_CFG\n  info:\n    - config_version: V2.1.0\n      platform: MT6785\n\
        - storage_type: EMMC\n  description:\n  - general: MTK_STORAGE_CFG\n    info:\n      - storage: EMMC\n        \
        boot_channel: MSDC_0\n        block_size: 0x20000\n\
        - partition_index: SYS0\n  partition_name: boot\n  physical_start_addr: 0x8000\n  region: EMMC_USER\n\
        - storage_type: UFS\n  description:\n  - general: MTK_STORAGE_CFG\n    info:\n      - storage: UFS\n        \
        boot_channel: UFSHCI_0\n        block_size: 0x80000\n\
        - partition_index: SYS0\n  partition_name: boot\n  physical_start_addr: 0x9000\n  region: UFS_LU2\n";
    let map = parse(text);
    assert_eq!((map.source, map.storages()), (Source::ScatterV2, vec![Storage::Emmc, Storage::Ufs]));
    assert!(map.check(None).is_empty(), "the same name in two storages is no contradiction");
    let ufs = map.only(Storage::Ufs);
    assert_eq!((ufs.find("boot").unwrap().start, ufs.block_size(Storage::Ufs)), (0x9000, 0x80000));
    assert_eq!(ufs.find("boot").unwrap().region, Region::UfsLu(2));
}

const XML: &str = "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<!-- a <comment> -->\n<root>\n  \
    <general name='MTK_PLATFORM_CFG'><config_version name=\"V1.1.2\"><platform>MT6739</platform>\n  \
    <project>a&amp;b&#x21;</project><storage>EMMC</storage><block_size> 0x20000 </block_size></config_version></general>\n  \
    <partition_index name=\"SYS0\">\n    <partition_name>boot</partition_name>\n    \
    <physical_start_addr>0x8000</physical_start_addr><file_name/>\n    \
    <partition_size>0x1000</partition_size><region>EMMC_USER</region>\n  </partition_index>\n</root>\n";

#[test]
fn xml_is_read_with_entities_comments_and_blanks() {
    let map = parse(XML);
    assert_eq!((map.source, map.project.as_deref()), (Source::ScatterXmlV1, Some("a&b!")));
    let boot = map.find("boot").unwrap();
    assert_eq!((boot.start, boot.size, boot.storage), (0x8000, Size::Stated(0x1000), Storage::Emmc));
    assert_eq!((boot.details.file.as_ref(), boot.line), (None, 6));
    let nested = XML
        .replace("<partition_index", "<storage_type name=\"UFS\"><partition_index")
        .replace("</partition_index>", "</partition_index></storage_type>");
    let map = parse(&nested);
    assert_eq!((map.source, map.partitions[0].storage), (Source::ScatterXmlV2, Storage::Ufs));
}

#[test]
fn broken_xml_is_told_with_its_place() {
    let xml = |what: &str| Fault::Xml(what.to_owned());
    for (text, line, column, what) in [
        ("<root>\n  <a></b>\n</root>", 2, 6, xml("</a> is due here")),
        ("<root>\n<a>&nope;</a></root>", 2, 4, xml("a broken or unknown entity")),
        ("<root>\r\n<a", 2, 3, xml("an element that is not closed by >, or a broken attribute")),
        ("<root>\n", 2, 1, xml("the text ends inside <root>")),
        ("<root><a>x<b/></a></root>", 1, 11, xml("text and elements mixed in <a>")),
        ("<!DOCTYPE root>\n<root/>", 1, 1, xml("document types and CDATA are not read")),
        ("<root/><root/>", 1, 8, xml("a second root element")),
        ("<root/>x", 1, 8, xml("text outside the elements")),
        ("<root/>", 1, 1, Fault::Empty),
        ("<html></html>", 1, 1, Fault::NotAMap("an XML file without partitions")),
        ("<flash-mode><project>x</project></flash-mode>", 1, 1, Fault::KeyMissing("scatter")),
    ] {
        assert_eq!(fault(text), (line, column, what), "{text:?}");
    }
    let (line, column, what) = fault(&XML.replace("0x8000", "8000"));
    assert_eq!((line, column), (8, 26), "{what}");
}

#[test]
fn a_manifest_is_told_apart_from_a_map() {
    let text = b"<flash-mode>\n<scatter>../a.xml</scatter>\n<dagent>DA.bin</dagent><version>1.0</version></flash-mode>";
    let Content::Manifest(it) = map::read(text).unwrap() else { panic!("no manifest") };
    assert_eq!((it.scatter.as_str(), it.download_agent.as_deref()), ("../a.xml", Some("DA.bin")));
    assert_eq!(it.other, [("version".to_owned(), "1.0".to_owned())]);
}

#[test]
fn a_fault_in_yaml_like_text_is_told_with_its_place() {
    let head = "- partition_index: SYS0\n";
    let expected = |wanted, found: &str| Fault::Expected { wanted, found: found.to_owned() };
    for (text, line, column, what) in [
        ("  partition_name\n", 2, 17, expected("a key, a colon and a value", "the end of the line")),
        ("  what is this\n", 2, 8, expected("a key, a colon and a value", "\"is this\"")),
        ("  physical_start_addr: 0x0\n", 1, 3, Fault::KeyMissing("partition_name")),
        ("  partition_name: a\n", 1, 3, Fault::KeyMissing("physical_start_addr")),
        ("  partition_name: a/b\n", 2, 19, Fault::BadName("a/b".into())),
        ("  is_reserved: yes\n", 2, 16, expected("true or false", "\"yes\"")),
        ("  region: A\n  region: B\n", 3, 11, Fault::KeyTwice { key: "region".into(), line: 2 }),
        (
            "  partition_name: a\n  linear_start_addr: 12\n",
            3,
            22,
            Fault::BadHex("12".into(), "a scatter file has it (0x12700000)"),
        ),
    ] {
        assert_eq!(fault(&format!("{head}{text}")), (line, column, what), "{text:?}");
    }
}

#[test]
fn a_nameless_reserved_entry_is_left_out_and_told() {
    let text = flat()
        + "- partition_index: SYS9\n  partition_name: \n  is_reserved: true\n  physical_start_addr: 0x0\n";
    let map = parse(&text);
    assert_eq!((map.partitions.len(), map.notes.len()), (4, 1));
}

#[test]
fn addresses_of_the_first_version_count_from_the_mbr_when_the_physical_ones_are_all_0() {
    let text = [
        GENERAL.replace("V1.1.2", "V1.1.1"),
        entry("PRELOADER", "0x0", "0xc00000", "EMMC_BOOT_1", false),
        entry("MBR", "0xc00000", "0x80000", "EMMC_USER", false),
        entry("EBR1", "0xc80000", "0x0", "EMMC_USER", false),
    ]
    .concat()
    .replace("physical_start_addr: 0xc", "physical_start_addr: 0x0 #")
    .replace(" #00000", "")
    .replace(" #80000", "");
    let map = parse(&text);
    let ebr = map.find("EBR1").unwrap();
    assert_eq!((ebr.start, ebr.linear, ebr.size), (0x80000, Some(0xc8_0000), Size::ToEnd));
}

#[test]
fn dumchar_info_is_read_in_all_its_forms() {
    let nand = parse(
        "Part_Name Size StartAddr Type MapTo\nb 0x40000 0x00000001 1 /dev/mtd/mtd1\n\
                      a 0x20000 0x00000000 1 /dev/mtd/mtd0\nbmtpool 0x0 0x0 1\nType:Type of partition(MTD=1)\n",
    );
    let seen: Vec<_> = nand.partitions.iter().map(|it| (it.name.as_str(), it.start)).collect();
    assert_eq!(seen, [("a", 0), ("b", 0x20000)]);
    let emmc = parse(
        "preloader 0x40000 0x0 2 /dev/misc-sd BOOT_1\nmbr 0x4000 0x0 2 /dev/block/mmcblk0 USER\n\
                      bmtpool 0x1500000 0xff9f00a8 2 /dev/block/mmcblk0\n",
    );
    assert_eq!(emmc.find("preloader").unwrap().region, Region::Boot1);
    assert_eq!(emmc.find("mbr").unwrap().region, Region::User);
    assert_eq!((emmc.reserved[0].blocks_from_end, emmc.reserved[0].size), (0xA8, Some(0x150_0000)));
    assert_eq!(fault("b 0x1 0x1 1 /dev/mtd/mtd1\n").2, Fault::MtdMissing { found: 1, due: 0 });
    assert!(matches!(fault("b 0x1 0x1 3 /dev/x\n"), (1, 11, Fault::Expected { .. })));
}

#[test]
fn mtdparts_is_read_with_offsets_flags_and_several_flashes() {
    let map = parse("console=ttyS0 mtdparts=nand0:256k(a)ro,0x40000@1m(b)lk,-(c);spi:64k(d) quiet\n");
    let seen: Vec<_> = map.partitions.iter().map(|it| (it.name.as_str(), it.start, it.size)).collect();
    let stated = Size::Stated;
    let want = [
        ("a", 0, stated(0x40000)),
        ("b", 0x10_0000, stated(0x40000)),
        ("c", 0x14_0000, Size::ToEnd),
        ("d", 0, stated(0x10000)),
    ];
    assert_eq!(seen, want);
    assert_eq!(map.partitions[0].details.flags, ["ro"]);
    assert_eq!(
        (map.mtd_id.as_deref(), &map.partitions[3].region),
        (Some("nand0"), &Region::Other("spi".into()))
    );
    for (text, column) in [
        ("mtdparts=a", 10),
        ("mtdparts=a:", 12),
        ("mtdparts=a:1k(b", 15),
        ("mtdparts=a:-(b),1k(c)", 17),
        ("mtdparts=a:1k(b)x", 17),
    ] {
        assert_eq!(fault(text).1, column, "{text}: {}", fault(text).2);
    }
}

#[test]
fn what_mount_prints_is_no_map_but_tells_names() {
    let mount = "/dev/block/mtdblock1 /system yaffs2 ro 0 0\n/dev/block/mmcblk0p2 on /data type ext4 (rw)\n";
    assert!(matches!(fault(mount).2, Fault::NotAMap(_)));
    let mut map = parse(
        "major minor  #blocks  name\n\n 31 0 256 mtdblock0\n 31 1 512 mtdblock1\n 179 2 1024 mmcblk0p2\n 179 0 9 mmcblk0\n",
    );
    assert_eq!(map::annotate(&mut map, mount.as_bytes()), 2);
    let names: Vec<_> = map.partitions.iter().map(|it| it.name.as_str()).collect();
    assert_eq!(names, ["mtdblock0", "system", "userdata"]);
    assert_eq!(map.partitions[1].start, 0x40000);
}

#[test]
fn contradictions_are_found_and_told() {
    let text = [
        GENERAL.to_owned(),
        entry("a", "0x0", "0x10000", "EMMC_USER", false),
        entry("b", "0x8000", "0x10000", "EMMC_USER", false),
        entry("A", "0x20000", "0x1000", "EMMC_USER", false),
        entry("c", "0x21000", "0x10000000", "EMMC_USER", false),
        entry("flashinfo", "0xFFFF0080", "0x1000000", "EMMC_USER", true),
    ]
    .concat();
    let found = parse(&text).check(Some(0x1000_0000));
    let said: Vec<_> = found.iter().map(|it| (it.weight, it.text.as_str())).collect();
    assert_eq!(
        said,
        [
            (Weight::Error, "b begins at 0x8000, inside a (line 13) which ends at 0x10000"),
            (Weight::Error, "A is named twice, first in line 13"),
            (Weight::Error, "c reaches 0x10021000, the flash ends at 0x10000000"),
            (Weight::Error, "c ends at 0x10021000, behind the start 0xf000000 of flashinfo"),
            (Weight::Warning, "a hole of 0x8000 bytes between b and A, from 0x18000 on"),
        ]
    );
}

#[test]
fn an_area_smaller_than_a_block_lies_at_the_very_end() {
    let map = parse(&(flat() + &entry("sgpt", "0xFFFF0000", "0x4200", "EMMC_USER", true)));
    assert_eq!(map.reserved[1].place(0x1000_0000, 0x20000), Some((0x1000_0000 - 0x4200, 0x4200)));
    assert_eq!(map.reserved[0].place(0x1000_0000, 0x20000), Some((0xF00_0000, 0x100_0000)));
    assert_eq!(map.reserved[0].place(0x1000, 0x20000), None);
}

#[test]
fn the_pool_of_an_emmc_listing_is_a_number_of_blocks_an_address_or_nothing() {
    let read = |pool: &str| {
        let text = format!("mbr 0x80000 0x0 2 /dev/block/mmcblk0\nbmtpool {pool} 2 /dev/block/mmcblk0\n");
        map::parse(text.as_bytes()).unwrap()
    };
    for pool in ["0x0 0xffff00a8", "0x0 0xff9f00a8", "0x1500000 0xfebf00a8"] {
        let map = read(pool);
        assert_eq!((map.reserved[0].blocks_from_end, map.partitions.len()), (0xa8, 1), "{pool}");
    }
    for pool in ["0x0 0x0", "0x0 0xe8a00000", "0x0 0xe8a00042", "0x0 0xffff0000", "0x1500000 0x0"] {
        let map = read(pool);
        assert!(map.reserved.is_empty() && map.partitions.len() == 1, "{pool}");
        assert!(map.notes[0].contains("line 2: nothing is said of the place of bmtpool"), "{:?}", map.notes);
        assert!(map.check(Some(64 << 30)).is_empty());
    }
    let stated = read("0x1500000 0xe8a00000");
    assert_eq!(
        (stated.partitions[1].start, stated.partitions[1].size),
        (0xe8a0_0000, Size::Stated(0x150_0000))
    );
    assert!(!stated.partitions[1].downloadable);
}

#[test]
fn keys_that_stand_twice_are_noted_once() {
    let text = "- general: MTK_PLATFORM_CFG\n  info:\n    - config_version: V1.1.2\n      platform: MT6572\n      platform: MT6582\n      \
        storage: EMMC\n- partition_index: SYS0\n  partition_name: a\n  physical_start_addr: 0x0\n  d_type: x\n  d_type: y\n  d_type: z\n";
    let map = map::parse(text.as_bytes()).unwrap();
    assert_eq!(map.platform.as_deref(), Some("MT6582"));
    let want = [
        "line 5: platform stands twice in the header; of a key that is looked at the last one counts",
        "line 11: d_type stands twice in one entry; both are kept",
    ];
    assert_eq!(map.notes, want);
}

#[test]
fn an_emmc_map_states_no_pool_of_a_nand() {
    let pool = "BMTPOOL 0xFFFF00A8\n{\n}\n";
    let nand = map::parse(format!("PRELOADER 0x0\n{{\n}}\n{pool}").as_bytes()).unwrap();
    assert_eq!(nand.pool_blocks, Some(0xa8));
    let emmc = map::parse(format!("PRELOADER 0x0\n{{\n}}\nMBR 0x600000\n{{\n}}\n{pool}").as_bytes()).unwrap();
    assert_eq!((emmc.pool_blocks, emmc.reserved[0].blocks_from_end), (None, 0xa8));
}

#[test]
fn the_note_about_block_devices_goes_when_the_last_has_its_name() {
    let text = b"major minor  #blocks  name\n 31 0 256 mtdblock0\n 31 1 256 mtdblock1\n";
    let mut map = map::parse(text).unwrap();
    assert!(map.notes[0].contains("of 2 partitions"), "{:?}", map.notes);
    map::annotate(&mut map, b"/dev/block/mtdblock0 /system yaffs2 ro 0 0\n");
    assert!(map.notes.len() == 1 && map.notes[0].contains("of 1 partitions"), "{:?}", map.notes);
    map::annotate(&mut map, b"/dev/block/mtdblock1 /data yaffs2 rw 0 0\n");
    assert_eq!(map.notes, Vec::<String>::new());
}

#[test]
fn the_name_of_a_flash_has_an_end() {
    // Its partitions keep it, each of them.
    let text = |length: usize| format!("mtdparts=a:1k(x);{}:1k(y)\n", "b".repeat(length));
    assert_eq!(map::parse(text(255).as_bytes()).unwrap().partitions.len(), 2);
    let error = map::parse(text(256).as_bytes()).unwrap_err();
    assert!(matches!(error.what, Fault::BadName(_)) && error.column == 18, "{error}");
}
