//! Partition tables inside files and dumps: each form is found, its damage told, and what it names looked at.

use bromide_image::identify::{Confidence, Finding, Form, Identity, Kind, identify};
use bromide_image::read_at::{ReadAt, ReadError};
use bromide_image::table::gpt::{self, Guid};
use bromide_image::table::pmt::{self, Info, Which, Width};
use bromide_image::table::{Length, mbr};
use bromide_nand::bmt::Bmt;
use bromide_nand::{Geometry, encode_page};

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

fn of(bytes: &[u8]) -> Identity {
    identify(&bytes).unwrap()
}

fn kinds(identity: &Identity) -> Vec<(u64, &'static str)> {
    let known = identity.findings.iter().filter(|it| !matches!(it.kind, Kind::Erased | Kind::Zeroed));
    known.map(|it| (it.offset, it.kind.code())).collect()
}

fn detail(finding: &Finding, key: &str) -> String {
    finding.detail(key).unwrap_or_else(|| panic!("no {key} in {finding:?}")).to_string()
}

fn nth(identity: &Identity, kind: Kind, number: usize) -> &Finding {
    identity.findings.iter().filter(|it| it.kind == kind).nth(number).unwrap()
}

fn put(into: &mut [u8], at: usize, what: &[u8]) {
    into[at..at + what.len()].copy_from_slice(what);
}

/// Partitions of an eMMC phone in blocks of `block`, on a device of 64 MiB.
fn table(block: u32) -> gpt::Written {
    let partition = |index: u32, name: &str, start: usize, size: usize| {
        let mut guid = Guid::BASIC_DATA;
        guid.0[15] = index as u8;
        let (start, size) = (start as u64, size as u64);
        gpt::Partition { index, name: name.into(), start, size, kind: Guid::BASIC_DATA, guid, attributes: 0 }
    };
    let partitions = vec![
        partition(1, "lk", 512 * KIB, 512 * KIB),
        partition(2, "boot", MIB + 16 * KIB, 8 * MIB),
        partition(3, "system", 10 * MIB, 32 * MIB),
    ];
    gpt::Table::new(block, DEVICE as u64, partitions).write(DEVICE as u64).unwrap()
}

const DEVICE: usize = 64 * MIB;

/// An ext4 superblock (formats.md section 6.8) in the two KiB it takes.
fn ext4(label: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; 2 * KIB];
    for (at, what) in
        [(4, &[0, 0x10][..]), (0x18, &[2]), (0x28, &[1]), (0x38, &[0x53, 0xEF]), (0x60, &[0x40])]
    {
        put(&mut bytes, KIB + at, what);
    }
    put(&mut bytes, KIB + 0x78, label);
    bytes
}

/// A header of MediaTek (formats.md section 6.4).
fn mtk_header(name: &[u8], size: u32) -> Vec<u8> {
    let mut bytes = vec![0xFF; 512];
    put(&mut bytes, 0, &[0x88, 0x16, 0x88, 0x58]);
    put(&mut bytes, 4, &size.to_le_bytes());
    put(&mut bytes, 8, &[0; 32]);
    put(&mut bytes, 8, name);
    bytes
}

/// A boot image of version 0 with pages of 2048 bytes, kernel and ramdisk of a page each (section 6.6).
fn boot_image() -> Vec<u8> {
    let mut bytes = vec![0; 3 * 2048];
    put(&mut bytes, 0, b"ANDROID!");
    for (place, word) in
        [2048_u32, 0x1000_8000, 2048, 0x1100_0000, 0, 0, 0x1000_0100, 2048].into_iter().enumerate()
    {
        put(&mut bytes, 8 + 4 * place, &word.to_le_bytes());
    }
    put(&mut bytes, 2048, &mtk_header(b"KERNEL", 1536));
    put(&mut bytes, 4096, &mtk_header(b"ROOTFS", 1536));
    bytes
}

#[test]
fn the_start_of_a_device_is_a_gpt_in_either_block_size() {
    for block in [512, 4096] {
        let found = of(&table(block).primary);
        assert_eq!(kinds(&found), [(0, "gpt")], "{block}");
        let gpt = &found.findings[0];
        assert_eq!(gpt.confidence, Confidence::Certain);
        assert_eq!(gpt.length, Some(table(block).primary.len() as u64));
        assert_eq!((detail(gpt, "block"), detail(gpt, "copy")), (block.to_string(), "primary".into()));
        assert_eq!((detail(gpt, "header_crc"), detail(gpt, "table_crc")), ("right".into(), "right".into()));
        assert_eq!(detail(gpt, "names"), "lk boot system");
        assert_eq!(detail(gpt, "device_bytes"), DEVICE.to_string());
        let backup = DEVICE - block as usize;
        assert_eq!(detail(gpt, "copies"), format!("the backup at {backup:#x} is not in these bytes"));
    }
}

#[test]
fn the_end_of_a_device_is_a_gpt_too() {
    for block in [512, 4096] {
        let bytes = table(block).backup;
        let found = of(&bytes);
        assert_eq!(kinds(&found), [(0, "gpt")], "{block}");
        let gpt = &found.findings[0];
        assert_eq!((gpt.confidence, gpt.length), (Confidence::Certain, Some(bytes.len() as u64)));
        assert_eq!((detail(gpt, "copy"), detail(gpt, "names")), ("backup".into(), "lk boot system".into()));
        assert_eq!(detail(gpt, "copies"), "the primary copy is missing or cannot be read");
    }
}

#[test]
fn damage_of_a_gpt_is_told_and_its_names_still_read() {
    let mut bytes = table(512).primary;
    bytes[512 + 40] ^= 1;
    let found = of(&bytes);
    let gpt = &found.findings[0];
    assert_eq!((gpt.kind, gpt.confidence), (Kind::Gpt, Confidence::Likely));
    assert_eq!((detail(gpt, "header_crc"), detail(gpt, "table_crc")), ("wrong".into(), "right".into()));
    let mut bytes = table(512).primary;
    bytes[1024 + 128 * 2 + 56] = b'S';
    let found = of(&bytes);
    assert_eq!(
        (detail(&found.findings[0], "header_crc"), detail(&found.findings[0], "table_crc")),
        ("right".into(), "wrong".into())
    );
    assert_eq!(detail(&found.findings[0], "names"), "lk boot System");
    let cut = of(&table(512).primary[..2048]);
    assert_eq!(detail(&cut.findings[0], "table_crc"), "cut short");
    let headless = of(&table(512).primary[..1024]);
    assert_eq!(
        detail(&headless.findings[0], "damage"),
        "the entries the header at 0x200 tells of are not in these bytes"
    );
}

/// A dump of the user area of a phone with a GPT.
fn emmc_dump() -> Vec<u8> {
    let mut all = vec![0; DEVICE];
    let written = table(512);
    put(&mut all, 0, &written.primary);
    put(&mut all, written.backup_at as usize, &written.backup);
    put(&mut all, 512 * KIB, &mtk_header(b"LK", 0x4_0000));
    // Off every step of the search: only the table tells of it.
    put(&mut all, MIB + 16 * KIB, &boot_image());
    put(&mut all, 10 * MIB, &ext4(b"system"));
    all
}

#[test]
fn a_dump_of_an_emmc_phone_lists_both_tables_and_what_they_name() {
    let found = of(&emmc_dump());
    let boot = (MIB + 16 * KIB) as u64;
    let expected = [
        (0, "gpt"),
        (0, "dump"),
        (512 << 10, "mtk-image"),
        (boot, "android-boot"),
        (boot + 2048, "mtk-image"),
        (boot + 4096, "mtk-image"),
        (10 << 20, "ext"),
        (DEVICE as u64 - 33 * 512, "gpt"),
    ];
    assert_eq!(kinds(&found), expected);
    assert_eq!(detail(nth(&found, Kind::AndroidBoot, 0), "partition"), "boot");
    assert_eq!(detail(nth(&found, Kind::Ext, 0), "partition"), "system");
    assert_eq!(detail(nth(&found, Kind::MtkImage, 0), "partition"), "lk");
    assert_eq!(detail(nth(&found, Kind::Gpt, 1), "copy"), "backup");
    assert_eq!(nth(&found, Kind::Gpt, 0).detail("copies"), None, "both copies are whole and agree");
    assert_eq!(detail(nth(&found, Kind::Dump, 0), "extent"), "whole chip by its size");
}

#[test]
fn a_dump_whose_primary_table_is_gone_is_listed_by_its_backup() {
    let mut all = emmc_dump();
    all[..17 * KIB].fill(0);
    let found = of(&all);
    let at = DEVICE as u64 - 33 * 512;
    assert_eq!(kinds(&found).last(), Some(&(at, "gpt")));
    assert_eq!(detail(nth(&found, Kind::AndroidBoot, 0), "partition"), "boot");
    assert_eq!(detail(nth(&found, Kind::Gpt, 0), "copies"), "the primary copy is missing or cannot be read");
    // Damaged but there: both are told, the backup's partitions followed.
    let mut all = emmc_dump();
    all[1024 + 32] ^= 0x40;
    let found = of(&all);
    assert_eq!(
        (detail(nth(&found, Kind::Gpt, 0), "table_crc"), detail(nth(&found, Kind::Gpt, 1), "table_crc")),
        ("wrong".into(), "right".into())
    );
    assert_eq!(detail(nth(&found, Kind::MtkImage, 0), "partition"), "lk");
}

#[test]
fn a_dump_with_mbr_and_ebrs_lists_the_records_and_their_partitions() {
    let entry = |slot, kind, start: usize, length| mbr::Entry {
        slot,
        active: false,
        kind,
        start: start as u64,
        length,
    };
    let bytes = |it: usize| Length::Bytes(it as u64);
    let chain = mbr::Chain {
        disk_signature: 0,
        records: vec![
            mbr::Record {
                at: 0,
                entries: vec![entry(1, 5, 0x4000, Length::ToEnd), entry(2, 0x83, 2 * MIB, bytes(4 * MIB))],
            },
            mbr::Record {
                at: 0x4000,
                entries: vec![entry(1, 0x83, 8 * MIB + 512, bytes(MIB)), entry(2, 5, 0x4200, bytes(MIB))],
            },
            mbr::Record { at: 0x4200, entries: vec![entry(1, 0x83, 16 * MIB, Length::ToEnd)] },
        ],
        warnings: vec![],
    };
    let mut all = vec![0; 32 * MIB];
    for (at, sector) in chain.write().unwrap() {
        put(&mut all, at as usize, &sector);
    }
    put(&mut all, 2 * MIB, &boot_image());
    put(&mut all, 8 * MIB + 512, &ext4(b"system"));
    put(&mut all, 16 * MIB, &ext4(b"data"));
    let found = of(&all);
    let known: Vec<_> = kinds(&found).into_iter().filter(|(_, kind)| !["mtk-image"].contains(kind)).collect();
    let expected = [
        (0, "mbr"),
        (0, "dump"),
        (0x4000, "mbr"),
        (0x4200, "mbr"),
        (2 << 20, "android-boot"),
        ((8 << 20) + 512, "ext"),
        (16 << 20, "ext"),
    ];
    assert_eq!(known, expected);
    assert_eq!(detail(nth(&found, Kind::Mbr, 0), "partitions"), "05@0x20+end 83@0x1000+0x2000");
    assert_eq!(detail(nth(&found, Kind::Mbr, 0), "ebrs"), "2");
    assert_eq!(detail(nth(&found, Kind::Mbr, 2), "partition"), "ebr2");
    assert_eq!(detail(nth(&found, Kind::Ext, 0), "partition"), "ebr1-1");
    assert_eq!(detail(nth(&found, Kind::Ext, 1), "partition"), "ebr2-1");
    // The first record alone misses what the chain holds.
    let alone = of(&all[..512]);
    assert_eq!(
        detail(&alone.findings[0], "damage"),
        "the EBR at 0x4000 is not in these bytes; partitions it holds are missing"
    );
}

fn partition(index: u32, name: &str, start: usize, size: usize) -> pmt::Partition {
    let (start, length) = (start as u64, Length::Bytes(size as u64));
    pmt::Partition { index, name: name.into(), start, length, flags: 0 }
}

/// The partitions of the NAND phone below.
fn nand_partitions(system: usize) -> Vec<pmt::Partition> {
    vec![
        partition(0, "PRELOADER", 0, 256 * KIB),
        partition(1, "UBOOT", 256 * KIB, 256 * KIB),
        partition(2, "ANDROID", system, 8 * MIB),
        partition(3, "USRDATA", 16 * MIB, 8 * MIB),
    ]
}

#[test]
fn records_of_emmc_phones_are_certain_in_all_their_forms() {
    let few = nand_partitions(2 * MIB);
    let many: Vec<_> = (0..30).map(|it| partition(it, &format!("P{it}"), it as usize * MIB, MIB)).collect();
    let rows = [
        (pmt::emmc::write(Which::Pt, Info::default(), &few, Width::Narrow).unwrap(), "76", "4", 2048),
        (pmt::emmc::write(Which::Mpt, Info::default(), &few, Width::Wide).unwrap(), "88", "4", 2048),
        (pmt::emmc::write(Which::Pt, Info::default(), &many, Width::Wide).unwrap(), "88", "30", 4096),
        (pmt::emmc::write_late(Which::Pt, Info::default(), &few).unwrap(), "88", "4", 4096),
    ];
    for (bytes, width, count, length) in rows {
        let found = of(&bytes);
        let pmt = &found.findings[0];
        assert_eq!(
            (found.findings.len(), pmt.kind, pmt.confidence),
            (1, Kind::Pmt, Confidence::Certain),
            "{found:?}"
        );
        assert_eq!((detail(pmt, "entry_bytes"), detail(pmt, "partitions")), (width.into(), count.into()));
        assert_eq!(pmt.length, Some(length));
    }
    let mirror = pmt::emmc::write(Which::Mpt, Info::default(), &few, Width::Narrow).unwrap();
    assert_eq!(detail(&of(&mirror).findings[0], "copy"), "mirror");
}

#[test]
fn the_pmt_of_an_emmc_dump_is_found_off_the_steps_of_the_search_and_near_the_end() {
    let mut first = vec![0; 512];
    put(&mut first, 0x1BE, &[0, 0, 0, 0, 0x83, 0, 0, 0, 0, 0x10, 0, 0, 0, 0x10, 0, 0]);
    put(&mut first, 0x1FE, &[0x55, 0xAA]);
    let few = [partition(0, "SYSTEM", 3 * MIB + 512, MIB)];
    let early = pmt::emmc::write(Which::Pt, Info::default(), &few, Width::Narrow).unwrap();
    let late = pmt::emmc::write_late(Which::Pt, Info::default(), &few).unwrap();
    for (at, record) in [(0x2400, early), (32 * MIB - 0x70_0000, late)] {
        let mut all = vec![0; 32 * MIB];
        put(&mut all, 0, &first);
        put(&mut all, at, &record);
        put(&mut all, 3 * MIB + 512, &ext4(b""));
        let found = of(&all);
        let known = kinds(&found).into_iter().filter(|it| it.1 != "dump").collect::<Vec<_>>();
        let mut expected = vec![(0, "mbr"), (at as u64, "pmt"), ((3 << 20) + 512, "ext")];
        expected.sort();
        assert_eq!(known, expected);
        assert_eq!(detail(nth(&found, Kind::Ext, 0), "partition"), "SYSTEM");
    }
}

fn geometry() -> Geometry {
    Geometry::new(2048, 64, 64, 4096).unwrap()
}

/// A chip of interleaved pages of 2048 + 64 bytes, erased but for what is put there.
struct Chip {
    bytes: Vec<u8>,
}

impl Chip {
    fn new(main: usize) -> Self {
        Self { bytes: vec![0xFF; main / 2048 * 2112] }
    }

    /// Writes pages from `at` on with these free bytes beside each.
    fn write(&mut self, at: usize, main: &[u8], free: &[u8]) {
        for (page, part) in (at / 2048..).zip(main.chunks(2048)) {
            let mut whole = [0xFF; 2048];
            whole[..part.len()].copy_from_slice(part);
            let stored = &mut self.bytes[page * 2112..][..2112];
            encode_page(&whole, free, None, &geometry(), stored).unwrap();
        }
    }
}

/// A page of YAFFS2 with the header of an object and its tags (nand-yaffs2.md sections 4 and 5).
fn yaffs_header(object: u8, kind: u8, name: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let mut page = vec![0xFF; 2048];
    put(&mut page, 0, &[kind, 0, 0, 0, 1, 0, 0, 0]);
    put(&mut page, 10, &[0; 255]);
    put(&mut page, 10, name);
    let tags = vec![0, 0x10, 0, 0, object, 1, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 0, 0];
    (page, tags)
}

/// 64 MiB of NAND: preloader, LK, two YAFFS2 file systems, PMT and mirror before a pool of 80 blocks with the BMT.
fn nand_dump(system: usize) -> Chip {
    let mut chip = Chip::new(64 * MIB);
    chip.write(0, b"BOOTLOADER!\0V006NFIINFO\0", &[]);
    chip.write(256 * KIB, &mtk_header(b"LK", 0x1000), &[]);
    let (page, tags) = yaffs_header(1, 1, b"build.prop");
    for at in [system, system + 128 * KIB, 16 * MIB, 16 * MIB + 128 * KIB] {
        chip.write(at, &page, &tags);
    }
    let pool = 64 * MIB - 80 * 128 * KIB;
    let old = [partition(0, "OLD", 0, MIB)];
    for (which, at) in [(Which::Pt, pool - 256 * KIB), (Which::Mpt, pool - 128 * KIB)] {
        for (number, partitions) in [&old[..], &nand_partitions(system)].into_iter().enumerate() {
            let info = Info([number as u8, 0, 0, 0]);
            let (page, free) = pmt::nand::write(which, info, partitions, 2048).unwrap();
            chip.write(at + number * 2048, &page, &free);
        }
    }
    let mut page = vec![0; 2048];
    Bmt { entries: vec![(7, 510), (9, 509)] }.build(80, &mut page).unwrap();
    chip.write(64 * MIB - 128 * KIB, &page, b"bmt");
    chip
}

#[test]
fn a_dump_of_a_nand_phone_lists_what_lies_where_and_names_it_by_its_newest_table() {
    let found = of(&nand_dump(2 * MIB).bytes);
    assert_eq!(found.form, Form::Interleaved);
    let pool = (64 * MIB - 80 * 128 * KIB) as u64;
    let expected = [
        (0, "preloader"),
        (0, "dump"),
        (0, "nand-pages"),
        (256 << 10, "mtk-image"),
        (2 << 20, "yaffs2"),
        (16 << 20, "yaffs2"),
        (pool - (256 << 10), "pmt"),
        (pool - (128 << 10), "pmt"),
        ((64 << 20) - (128 << 10), "bmt"),
    ];
    assert_eq!(kinds(&found), expected);
    let pmt = nth(&found, Kind::Pmt, 0);
    assert_eq!((pmt.confidence, detail(pmt, "copy")), (Confidence::Certain, "primary".into()));
    assert_eq!(detail(pmt, "names"), "PRELOADER UBOOT ANDROID USRDATA");
    assert_eq!(detail(pmt, "newest_copy"), format!("{:#x}", pool - (256 << 10) + 2048));
    assert_eq!(detail(nth(&found, Kind::Pmt, 1), "copy"), "mirror");
    for (number, name) in ["ANDROID", "USRDATA"].into_iter().enumerate() {
        let yaffs = nth(&found, Kind::Yaffs2, number);
        assert_eq!((detail(yaffs, "partition"), yaffs.length), (name.into(), Some(256 << 10)));
    }
    let bmt = nth(&found, Kind::Bmt, 0);
    assert_eq!((bmt.confidence, detail(bmt, "checksum")), (Confidence::Certain, "right".into()));
    assert_eq!((detail(bmt, "pool"), detail(bmt, "replaced")), ("80".into(), "0x7>0x1fe 0x9>0x1fd".into()));
}

#[test]
fn two_file_systems_that_touch_are_told_apart_by_the_table_before_the_pool() {
    // The first ends where the second begins, and neither has a root directory there.
    let found = of(&nand_dump(16 * MIB - 256 * KIB).bytes);
    let starts: Vec<u64> =
        found.findings.iter().filter(|it| it.kind == Kind::Yaffs2).map(|it| it.offset).collect();
    assert_eq!(starts, [(16 << 20) - (256 << 10), 16 << 20]);
}

#[test]
fn a_pmt_page_without_its_spare_is_likely_and_one_of_nonsense_only_possible() {
    let (page, _) = pmt::nand::write(Which::Pt, Info::default(), &nand_partitions(2 * MIB), 2048).unwrap();
    let found = of(&page);
    assert_eq!((found.findings[0].kind, found.findings[0].confidence), (Kind::Pmt, Confidence::Likely));
    assert_eq!(detail(&found.findings[0], "odd"), "the PT page has no spare area to confirm it");
    let mut page = vec![7; 2048];
    put(&mut page, 0, b"1vTP");
    let found = of(&page);
    assert_eq!(found.findings[0].confidence, Confidence::Possible);
    assert_eq!(detail(&found.findings[0], "damage"), "entry 0 of the PMT has no readable name");
}

#[test]
fn a_bad_block_table_of_any_pool_is_checked_and_its_damage_told() {
    for pool in [40, 80, 127] {
        let mut page = vec![0; 2048];
        Bmt { entries: vec![(3, 500)] }.build(pool, &mut page).unwrap();
        let found = of(&page);
        let bmt = &found.findings[0];
        assert_eq!((bmt.kind, bmt.confidence), (Kind::Bmt, Confidence::Certain), "{pool}");
        assert_eq!(detail(bmt, "pool"), pool.to_string());
        page[20] ^= 1;
        let found = of(&page);
        assert_eq!(found.findings[0].confidence, Confidence::Likely);
        assert!(detail(&found.findings[0], "damage").contains("checksum"), "{found:?}");
    }
}

#[test]
fn a_medium_that_fails_under_a_table_says_so() {
    /// Bytes that fail from a place on.
    struct Worn(Vec<u8>, u64);
    impl ReadAt for Worn {
        fn len(&self) -> u64 {
            self.0.len() as u64
        }
        fn read_at(&self, at: u64, into: &mut [u8]) -> Result<(), ReadError> {
            if at + into.len() as u64 > self.1 {
                return Err(ReadError::Medium { at, why: "worn".into() });
            }
            self.0.read_at(at, into)
        }
    }
    assert!(matches!(identify(&Worn(emmc_dump(), 0x2000)), Err(ReadError::Medium { .. })));
}
