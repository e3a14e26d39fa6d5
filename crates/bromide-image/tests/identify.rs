//! What a file is, from headers retyped here; where each comes from stands beside it.

use bromide_image::identify::{Confidence, Finding, Form, Identity, Kind, identify};
use bromide_image::read_at::{ReadAt, ReadError};
use bromide_nand::{Geometry, Layout, encode_page};
use proptest::prelude::*;

fn of(bytes: &[u8]) -> Identity {
    identify(&bytes).unwrap()
}

fn kinds(identity: &Identity) -> Vec<(u64, &'static str)> {
    identity.findings.iter().map(|it| (it.offset, it.kind.code())).collect()
}

fn detail(finding: &Finding, key: &str) -> String {
    finding.detail(key).unwrap_or_else(|| panic!("no {key} in {finding:?}")).to_string()
}

/// `parts` written over `len` bytes of `filler`.
fn file(len: usize, filler: u8, parts: &[(usize, &[u8])]) -> Vec<u8> {
    let mut all = vec![filler; len];
    for &(at, bytes) in parts {
        all[at..at + <[u8]>::len(bytes)].copy_from_slice(bytes);
    }
    all
}

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|it| it.to_le_bytes()).collect()
}

/// formats.md section 6.4.
fn mtk_header(name: &[u8], size: u32) -> Vec<u8> {
    let size = size.to_le_bytes();
    file(512, 0xFF, &[(0, &[0x88, 0x16, 0x88, 0x58]), (4, &size), (8, &[0; 32]), (8, name)])
}

/// An ext4 superblock of `blocks` blocks of 4096 bytes, from its start at 1024.
fn ext4(blocks: u32, label: &[u8]) -> Vec<u8> {
    let blocks = blocks.to_le_bytes();
    file(
        1024,
        0,
        &[(4, &blocks), (0x18, &[2]), (0x28, &[1]), (0x38, &[0x53, 0xEF]), (0x60, &[0x40]), (0x78, label)],
    )
}

#[test]
fn a_preloader_behind_its_device_header_shows_its_gfh_chain_and_dram_settings() {
    // formats.md sections 6.1 to 6.3: the numbers of the file a05bd, shortened to 0x400 bytes with a signature of 0x20.
    let mut gfh = b"MMM\x01\x38\0\0\0FILE_INFO\0\0\0\x01\0\0\0\x01\0\x05\x03".to_vec();
    gfh.extend(words(&[0x20_0D00, 0x400, 0x4_0000, 0x300, 0x20, 0x300, 0xC260_0001]));
    gfh.extend(b"MMM\x01\x0C\0\x01\0\x01\0\0\0MMM\x01\x14\0\x02\0");
    let settings = file(
        0x80,
        0,
        &[
            (0, b"MTK_BLOADER_INFO_v20"),
            (0x1B, b"preloader_1501_m02.bin"),
            (0x58, b"V116\x22\x88\x44\x33"),
            (0x64, b"MTK_BIN\0\x05"),
        ],
    );
    let bytes = file(
        0x1000,
        0xFF,
        &[
            (0, b"EMMC_BOOT\0\0\0\x01\0\0\0\0\x02\0\0"),
            (0x200, b"BRLYT\0\0\0\x01\0\0\0\0\x08\0\0\0\x88\x03\0BBBB\x05\0\x01\0"),
            (0x800, &gfh),
            (0x800 + 0x3E0 - 4 - 0x80, &settings),
            (0x800 + 0x3E0 - 4, &[0x80, 0, 0, 0]),
        ],
    );
    let found = of(&bytes);
    assert_eq!(kinds(&found), [(0, "preloader"), (0x800, "gfh"), (0xB5C, "bloader-info")]);
    let [preloader, gfh, settings] = &found.findings[..] else { panic!() };
    assert_eq!((preloader.length, detail(preloader, "boot_type")), (Some(0x3_8800), "0x10005".into()));
    assert_eq!((gfh.length, detail(gfh, "blocks")), (Some(0x400), "FILE_INFO BL_INFO ANTI_CLONE".into()));
    assert_eq!((detail(gfh, "load"), detail(gfh, "device")), ("0x200d00".into(), "emmc".into()));
    assert_eq!((settings.length, detail(settings, "version")), (Some(0x80), "20".into()));
    assert_eq!(
        (detail(settings, "preloader"), detail(settings, "dram_entries")),
        ("preloader_1501_m02.bin".into(), "5".into())
    );
}

#[test]
fn the_sections_of_an_mt65xx_boot_image_show_their_own_headers() {
    // formats.md sections 6.4 and 6.6: version 0, pages of 2048, kernel 0x1100 and ramdisk 0x700 bytes.
    let head = [0x1100, 0x1000_8000, 0x700, 0x1100_0000, 0, 0x10F0_0000, 0x1000_0100, 2048, 0, 0];
    let (kernel, ramdisk) = (mtk_header(b"KERNEL", 0xF00), mtk_header(b"ROOTFS", 0x500));
    let bytes = file(
        0x2800,
        0,
        &[
            (0, b"ANDROID!"),
            (8, &words(&head)),
            (0x800, &kernel),
            (0x2000, &ramdisk),
            (0x2200, &[0x1F, 0x8B, 8, 0]),
        ],
    );
    let found = of(&bytes);
    assert_eq!(kinds(&found), [(0, "android-boot"), (0x800, "mtk-image"), (0x2000, "mtk-image")]);
    let [boot, kernel, ramdisk] = &found.findings[..] else { panic!() };
    assert_eq!((boot.length, detail(boot, "ramdisk_bytes")), (Some(0x2800), "1792".into()));
    assert_eq!((detail(kernel, "name"), detail(kernel, "inside")), ("KERNEL".into(), "kernel".into()));
    assert_eq!((detail(ramdisk, "name"), detail(ramdisk, "payload")), ("ROOTFS".into(), "gzip".into()));
}

#[test]
fn an_image_of_extended_headers_is_walked_to_its_end() {
    let extended = |name: &[u8], size: u32| {
        let mut header = mtk_header(name, size);
        header[0x30..0x50].copy_from_slice(&words(&[0x5889_1689, 0x200, 1, 0, 0, 0x10, 0, 0]));
        header
    };
    let (lk, cert) = (extended(b"lk", 0x101), extended(b"cert1", 0x20));
    let found = of(&file(0x540, 0, &[(0, &lk), (0x310, &cert)]));
    assert_eq!(kinds(&found), [(0, "mtk-image"), (0x310, "mtk-image")]);
    assert_eq!(detail(&found.findings[1], "name"), "cert1");
    // A header that claims to be empty leads nowhere, and ends the walk.
    assert_eq!(kinds(&of(&extended(b"lk", 0))).len(), 1);
}

#[test]
fn a_logo_is_named_before_the_header_that_wraps_it() {
    // formats.md section 6.5: one picture, at 8 + 4.
    let payload = [words(&[1, 14, 12]), vec![0x78, 0xDA]].concat();
    let found = of(&[mtk_header(b"LOGO", 14), payload].concat());
    assert_eq!(kinds(&found), [(0, "logo"), (0, "mtk-image")]);
    assert_eq!((found.findings[0].length, found.findings[0].confidence), (Some(526), Confidence::Certain));
}

#[test]
fn a_sparse_image_is_as_long_as_its_chunks_and_shows_what_it_holds() {
    let chunks = [0xCAC1, 1, 12 + 4096, 0xCAC3, 9, 12];
    let (first, second) = (words(&chunks[..3]), words(&chunks[3..]));
    let head = words(&[0xED26_FF3A, 1, 0x000C_001C, 4096, 10, 2, 0]);
    let super_block = ext4(10, b"");
    let parts: &[(usize, &[u8])] =
        &[(0, &head), (28, &first), (40 + 0x400, &super_block), (28 + 12 + 4096, &second)];
    let bytes = file(28 + 12 + 4096 + 12, 7, parts);
    let found = of(&bytes);
    assert_eq!(kinds(&found), [(0, "android-sparse")]);
    let sparse = &found.findings[0];
    assert_eq!(sparse.length, Some(bytes.len() as u64));
    assert_eq!((detail(sparse, "expanded_bytes"), detail(sparse, "content")), ("40960".into(), "ext".into()));
    assert_eq!((detail(sparse, "raw_chunks"), detail(sparse, "dont_care_chunks")), ("1".into(), "1".into()));
    let cut = of(&bytes[..100]);
    assert_eq!(detail(&cut.findings[0], "damage"), "the file ends within chunk 0 at 0x1c");
}

#[test]
fn the_first_bytes_of_the_table_name_their_kinds() {
    // formats.md section 6.8, one row each.
    let ubi: &[u8] = b"UBI#\x01";
    let avb = file(256, 0, &[(0, b"AVB0\0\0\0\x01"), (28, &[0, 0, 0, 1])]);
    let rows: &[(usize, &[u8], Kind)] = &[
        (0, b"MTK_DOWNLOAD_AGENT", Kind::DaContainer),
        (0, b"BOOTLOADER!\0V006NFIINFO\0", Kind::Preloader),
        (0, b"VNDRBOOT\x03\0\0\0\0\x10\0\0", Kind::VendorBoot),
        (0x400, &[0x10, 0x20, 0xF5, 0xF2, 1, 0, 16, 0, 9, 0, 0, 0, 3, 0, 0, 0, 12], Kind::F2fs),
        (0x400, &[0xE2, 0xE1, 0xF5, 0xE0, 0, 0, 0, 0, 0, 0, 0, 0, 12], Kind::Erofs),
        (0, ubi, Kind::Ubi),
        (0, &[0x31, 0x18, 0x10, 0x06], Kind::Ubifs),
        (0, b"AND_AC_REGION", Kind::Secro),
        (0, &avb, Kind::Vbmeta),
        (0, &[0xD0, 0x0D, 0xFE, 0xED, 0, 0, 1, 0], Kind::DeviceTree),
        (0, &[0xD7, 0xB7, 0xAB, 0x1E], Kind::Dtbo),
        (0x1000, &[0x67, 0x44, 0x6C, 0x61], Kind::Super),
        (0, &[0x1F, 0x8B, 8, 0], Kind::Gzip),
        (0, &[0x7F, 0x45, 0x4C, 0x46, 1, 1], Kind::Elf),
        (0, &[0x78, 0xDA], Kind::Zlib),
        (0x24, &[0x18, 0x28, 0x6F, 0x01], Kind::Zimage),
        (0, b"MTK_BLOADER_INFO_v20", Kind::BloaderInfo),
        (0, &[3, 0, 0, 0, 1, 0, 0, 0, 0xFF, 0xFF], Kind::Yaffs2),
    ];
    for (at, bytes, kind) in rows {
        let found = of(&file(0x2000, 0, &[(*at, bytes)]));
        assert_eq!(found.findings.first().map(|it| it.kind), Some(*kind), "{kind:?}: {found:?}");
        assert_eq!(found.findings.len(), 1, "{kind:?}: {found:?}");
    }
}

#[test]
fn file_systems_say_how_long_they_are() {
    let ext = of(&file(0x4000, 0, &[(0x400, &ext4(4, b"system"))]));
    let ext = &ext.findings[0];
    assert_eq!((ext.kind, ext.length, detail(ext, "version")), (Kind::Ext, Some(0x4000), "ext4".into()));
    assert_eq!(detail(ext, "label"), "system");
    let squashfs =
        [words(&[0x7371_7368, 5, 0, 0x2_0000, 1]), vec![4, 0, 17, 0, 0, 0, 1, 0, 4, 0, 0, 0]].concat();
    let squashfs = of(&file(0x2000, 0, &[(0, &squashfs), (40, &words(&[0x1234]))]));
    let squashfs = &squashfs.findings[0];
    assert_eq!(
        (squashfs.kind, squashfs.length, detail(squashfs, "compression")),
        (Kind::Squashfs, Some(0x1234), "xz".into())
    );
    let fat = &[(0x0B, &[0, 2, 8][..]), (0x13, &[0, 8]), (0x2B, b"PHONE      FAT16"), (0x1FE, &[0x55, 0xAA])];
    let fat = of(&file(0x2000, 0, fat));
    let fat = &fat.findings[0];
    assert_eq!((fat.kind, fat.length, detail(fat, "label")), (Kind::Fat, Some(0x10_0000), "PHONE".into()));
}

#[test]
fn a_blank_file_is_named_by_its_filler_and_an_unknown_one_not_at_all() {
    assert_eq!(kinds(&of(&[0xFF; 5000])), [(0, "erased")]);
    assert_eq!(kinds(&of(&[0; 5000])), [(0, "zeroed")]);
    assert_eq!(kinds(&of(&[0xFF])), [(0, "erased")]);
    assert_eq!(kinds(&of(&[])), []);
    let mut bytes = vec![0xFF; 5000];
    bytes[4999] = 1;
    assert_eq!(kinds(&of(&bytes)), []);
}

#[test]
fn text_is_a_map_or_text() {
    let map = of(b"PRELOADER 0x0\n{\n}\n");
    assert_eq!(
        (kinds(&map), detail(&map.findings[0], "partitions")),
        (vec![(0, "partition-map")], "1".into())
    );
    assert_eq!(detail(&map.findings[0], "source"), "scatter-v0");
    assert_eq!(kinds(&of(b"dear diary\n")), [(0, "text")]);
}

/// The main bytes as pages of the form.
fn pages(main: &[u8], form: Form) -> Vec<u8> {
    let chip = Geometry::new(2048, 64, 64, 4096).unwrap();
    let mut all = Vec::new();
    for page in main.chunks(2048) {
        let mut stored = [0; 2112];
        // Tags of an image maker: sequence 0x1000, object 257, its header.
        let tags = [0, 0x10, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 0, 0];
        encode_page(page, &tags, None, &chip, &mut stored).unwrap();
        match form {
            Form::Interleaved => all.extend(stored),
            Form::SpareLast => {
                let mut other = [0; 2112];
                Layout::Interleaved.convert(&stored, Layout::DataThenSpare, &mut other, &chip).unwrap();
                all.extend(other);
            }
            Form::DataAndTags => {
                all.extend(page);
                all.extend(tags);
                all.extend([0xFF; 48]);
            }
            _ => all.extend(page),
        }
    }
    all
}

/// An object header of a file (nand-yaffs2.md section 5).
fn yaffs_header() -> Vec<u8> {
    file(2048, 0xFF, &[(0, &[1, 0, 0, 0, 1, 0, 0, 0]), (10, &[0; 255]), (10, b"build.prop")])
}

#[test]
fn nand_pages_are_looked_at_without_their_spare_bytes_in_every_form() {
    let boot = file(2 * 2048, 0x55, &[(0, &mtk_header(b"LK", 0xE00))]);
    for form in [Form::Interleaved, Form::SpareLast, Form::DataAndTags] {
        let found = of(&pages(&boot, form));
        assert_eq!((found.form, found.data_bytes), (form, 4096));
        assert_eq!(kinds(&found), [(0, "mtk-image"), (0, "nand-pages")], "{form:?}");
    }
    assert_eq!(kinds(&of(&boot)), [(0, "mtk-image")]);
}

#[test]
fn yaffs2_is_found_in_all_four_forms() {
    let main = [yaffs_header(), yaffs_header()].concat();
    for form in [Form::Interleaved, Form::SpareLast, Form::DataAndTags] {
        let found = of(&pages(&main, form));
        assert_eq!(kinds(&found), [(0, "yaffs2"), (0, "nand-pages")], "{form:?}");
        let yaffs = &found.findings[0];
        assert_eq!((yaffs.confidence, detail(yaffs, "object")), (Confidence::Certain, "257".into()));
        assert_eq!(detail(yaffs, "name"), "build.prop");
    }
    let plain = of(&main);
    assert_eq!((kinds(&plain), plain.findings[0].confidence), (vec![(0, "yaffs2")], Confidence::Possible));
}

#[test]
fn a_page_with_errors_the_ecc_can_repair_is_still_a_page() {
    let mut bytes = pages(&yaffs_header(), Form::Interleaved);
    bytes.iter_mut().skip(100).step_by(528).for_each(|it| *it ^= 0x18);
    assert_eq!(of(&bytes).form, Form::Interleaved);
}

const MIB: usize = 1 << 20;

#[test]
fn a_dump_of_a_raw_chip_lists_what_lies_where() {
    // 64 MiB of main bytes: preloader, LK, YAFFS2 over two blocks, the rest erased, a partition table near the end.
    let mut table = file(2048, 0, &[(0, b"1vTP")]);
    for (number, (name, at)) in
        [("PRELOADER", 0_u32), ("UBOOT", 0x4_0000), ("ANDROID", 0x20_0000)].into_iter().enumerate()
    {
        let entry = 4 + number * 76;
        table[entry..entry + name.len()].copy_from_slice(name.as_bytes());
        table[entry + 68..entry + 72].copy_from_slice(&at.to_le_bytes());
    }
    let (lk, yaffs) = (mtk_header(b"LK", 0x1000), yaffs_header());
    let places: [(usize, &[u8]); 5] = [
        (0, b"BOOTLOADER!\0V006NFIINFO\0"),
        (0x4_0000, &lk),
        (0x20_0000, &yaffs),
        (0x22_0000, &yaffs),
        (60 * MIB, &table),
    ];
    let mut all = vec![0xFF; 64 * MIB / 2048 * 2112];
    for (at, part) in places {
        let stored = pages(&file(2048, 0xFF, &[(0, part)]), Form::Interleaved);
        let from = at / 2048 * 2112;
        all[from..from + 2112].copy_from_slice(&stored);
    }
    let found = of(&all);
    let expected = [
        (0, "preloader"),
        (0, "dump"),
        (0, "nand-pages"),
        (0x4_0000, "mtk-image"),
        (0x20_0000, "yaffs2"),
        (0x24_0000, "erased"),
        (60 << 20, "pmt"),
        ((60 << 20) + 0x2_0000, "erased"),
    ];
    // The blank stretch before block 0x20 begins inside the first steps.
    let kinds: Vec<_> = kinds(&found).into_iter().filter(|it| *it != (0x6_0000, "erased")).collect();
    assert_eq!(kinds, expected);
    let yaffs = found.findings.iter().find(|it| it.kind == Kind::Yaffs2).unwrap();
    assert_eq!((yaffs.length, detail(yaffs, "partition")), (Some(0x4_0000), "ANDROID".into()));
    let dump = found.findings.iter().find(|it| it.kind == Kind::Dump).unwrap();
    assert_eq!(detail(dump, "extent"), "whole chip by its size");
    assert_eq!(found.form.file_offset(0x4_0000), 0x4_2000);
    assert!(found.complete);
}

/// A file of zeros with parts in it, that counts what is read.
struct Virtual {
    len: u64,
    parts: Vec<(u64, Vec<u8>)>,
    read: std::cell::Cell<u64>,
}

impl ReadAt for Virtual {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_at(&self, at: u64, into: &mut [u8]) -> Result<(), ReadError> {
        let end = at + into.len() as u64;
        if end > self.len {
            return Err(ReadError::Beyond { at, wanted: into.len() as u64, len: self.len });
        }
        self.read.set(self.read.get() + into.len() as u64);
        into.fill(0);
        for (start, bytes) in &self.parts {
            for (place, byte) in (*start..).zip(bytes).filter(|(place, _)| (at..end).contains(place)) {
                into[(place - at) as usize] = *byte;
            }
        }
        Ok(())
    }
}

/// The user area of an eMMC phone: MBR, EBR chain, two file systems, one of them where only the EBR says.
fn emmc(len: u64) -> Virtual {
    // formats.md section 5.2, the table of a real phone: MBR with extended partition at 0x20 and data at 0x10740.
    let entry = |kind: u8, start: u32, sectors: u32| {
        [vec![0, 0, 0, 0, kind, 0, 0, 0], words(&[start, sectors])].concat()
    };
    let mbr = file(
        512,
        0,
        &[
            (0x1BE, &entry(5, 0x20, u32::MAX)),
            (0x1CE, &entry(0x83, 0x1_0740, 0x10_8800)),
            (0x1FE, &[0x55, 0xAA]),
        ],
    );
    let ebr = file(512, 0, &[(0x1BE, &entry(0x83, 0x16_9F20, 0x20_8000)), (0x1FE, &[0x55, 0xAA])]);
    let system = file(2048, 0, &[(0x400, &ext4(0x2_1100, b""))]);
    let user = file(2048, 0, &[(0x400, &ext4(0x1000, b"data"))]);
    let parts = vec![
        (0, mbr),
        (0x4000, ebr),
        (0x20E_8000, system),
        (0x2D3E_8000, user),
        (3 << 30, b"ANDROID!".to_vec()),
    ];
    Virtual { len, parts, read: std::cell::Cell::new(0) }
}

#[test]
fn four_gibibytes_are_identified_reading_less_than_64_mib() {
    let phone = emmc(4 << 30);
    let found = identify(&phone).unwrap();
    let named: Vec<_> = kinds(&found).into_iter().filter(|(_, kind)| *kind != "zeroed").collect();
    let expected = [
        (0, "mbr"),
        (0, "dump"),
        (0x4000, "mbr"),
        (0x20E_8000, "ext"),
        (0x2D3E_8000, "ext"),
        (3 << 30, "android-boot"),
    ];
    assert_eq!(named, expected);
    let user = found.findings.iter().find(|it| it.offset == 0x2D3E_8000).unwrap();
    assert_eq!((detail(user, "label"), detail(user, "partition")), ("data".into(), "ebr1-1".into()));
    let zeros =
        found.findings.iter().filter(|it| it.kind == Kind::Zeroed).map(|it| it.length.unwrap()).sum::<u64>();
    assert!(zeros > 3 << 29, "{zeros}");
    assert!(found.complete);
    println!("{} bytes read of {}", phone.read.get(), phone.len);
    assert!(phone.read.get() < 64 << 20, "{}", phone.read.get());
}

#[test]
fn files_of_any_size_stay_within_the_same_bound() {
    for len in [600 << 20, (1 << 30) + 1, 64 << 30, 1 << 44] {
        let phone = emmc(len);
        identify(&phone).unwrap();
        assert!(phone.read.get() < 64 << 20, "{len}: {}", phone.read.get());
    }
    let blank = Virtual { len: 4 << 30, parts: Vec::new(), read: std::cell::Cell::new(0) };
    assert_eq!(kinds(&identify(&blank).unwrap()), [(0, "zeroed")]);
}

#[test]
fn a_chain_of_ebrs_that_bites_its_tail_ends() {
    let entry = [vec![0, 0, 0, 0, 5, 0, 0, 0], words(&[0, 1])].concat();
    let found = of(&file(512, 0, &[(0x1BE, &entry), (0x1FE, &[0x55, 0xAA])]));
    assert_eq!(kinds(&found), [(0, "mbr")]);
    assert_eq!(detail(&found.findings[0], "damage"), "the chain of EBRs is a loop: a link leads back to 0x0");
}

#[test]
fn a_fault_of_the_medium_comes_back() {
    struct Broken;
    impl ReadAt for Broken {
        fn len(&self) -> u64 {
            1 << 20
        }
        fn read_at(&self, at: u64, _: &mut [u8]) -> Result<(), ReadError> {
            Err(ReadError::Medium { at, why: "worn".into() })
        }
    }
    assert!(identify(&Broken).is_err());
}

/// Beginnings that lead into every parser.
const MAGICS: &[&[u8]] = &[
    b"",
    b"MTK_DOWNLOAD_AGENT",
    b"EMMC_BOOT\0",
    b"BOOTLOADER!",
    b"MMM\x01\x38\0\0\0FILE_INFO\0\0\0",
    b"\x88\x16\x88\x58",
    b"ANDROID!",
    b"VNDRBOOT",
    b"\x3a\xff\x26\xed\x01\0\0\0\x1c\0\x0c\0\0\x10\0\0",
    b"UBI#\x01",
    b"hsqs",
    b"1vTP",
    b"1TPM",
    b"BMT\x01",
    b"AVB0",
    b"\xd0\x0d\xfe\xed",
    b"\xd7\xb7\xab\x1e",
    b"MTK_BLOADER_INFO_v",
    b"\x03\0\0\0\x01\0\0\0\xff\xff",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn no_bytes_make_it_panic(
        magic in prop::sample::select(MAGICS),
        mut bytes in prop::collection::vec(prop_oneof![2 => Just(0_u8), 1 => Just(0xFF), 3 => any::<u8>()], 0..6000),
        signatures in any::<u8>(),
    ) {
        bytes.splice(..magic.len().min(bytes.len()), magic.iter().copied());
        let marks: [(usize, &[u8]); 5] = [
            (0x1FE, &[0x55, 0xAA]), (0x200, b"EFI PART"), (0x1000, b"EFI PART"), (0x438, &[0x53, 0xEF]), (0x52, b"FAT32"),
        ];
        for (bit, (at, mark)) in marks.into_iter().enumerate() {
            if signatures >> bit & 1 == 1 && let Some(place) = bytes.get_mut(at..at + mark.len()) {
                place.copy_from_slice(mark);
            }
        }
        let found = of(&bytes);
        prop_assert!(found.findings.is_sorted_by_key(|it| it.offset));
        for finding in &found.findings {
            prop_assert!(finding.offset < found.data_bytes.max(1));
        }
    }
}
