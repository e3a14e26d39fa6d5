//! Boot images and ramdisks: written here byte by byte (formats.md sections 6.4 and 6.6), with archives of GNU cpio and
//! streams of gzip, lz4, xz and lzma where those are installed.

mod files_tree;

use std::fs;
use std::path::Path;
use std::rc::Rc;

use bromide_image::files::{self, BootFiles, CpioFiles, Files, Kind, Known, Walk};
use bromide_image::identify::{self, Form};
use bromide_image::map;
use bromide_nand::{Geometry, encode_page};
use files_tree::{Tree, assert_same, fill, of_directory, of_image, run};

/// An object of an archive: path, mode, names, inode, bytes.
type Object<'a> = (&'a str, u32, u32, u32, &'a [u8]);

/// An archive of the form newc.
fn newc(objects: &[Object<'_>]) -> Vec<u8> {
    let mut out = Vec::new();
    for (path, mode, names, inode, bytes) in objects.iter().chain([&("TRAILER!!!", 0, 1, 0, &b""[..])]) {
        let size = bytes.len() as u32;
        let name_bytes = path.len() as u32 + 1;
        let fields = [*inode, *mode, 1000, 2000, *names, 1_325_376_000, size, 8, 1, 4, 64, name_bytes, 0];
        out.extend(b"070701");
        fields.iter().for_each(|field| out.extend(format!("{field:08X}").bytes()));
        out.extend(path.bytes());
        out.push(0);
        out.resize(out.len().next_multiple_of(4), 0);
        out.extend(*bytes);
        out.resize(out.len().next_multiple_of(4), 0);
    }
    out
}

const FILE: u32 = 0o100_640;
const DIRECTORY: u32 = 0o040_750;

fn open(bytes: Vec<u8>) -> CpioFiles {
    assert!(CpioFiles::is_one(&bytes[..bytes.len().min(4096)]));
    CpioFiles::open(Rc::new(bytes)).unwrap()
}

fn paths(files: &dyn Files) -> Vec<String> {
    let steps = Walk::new(files, files.root(), b"").map(Result::unwrap);
    steps.map(|it| String::from_utf8_lossy(&it.path).into_owned()).collect()
}

fn bytes(files: &dyn Files, path: &str) -> Vec<u8> {
    let entry = files::lookup(files, path.as_bytes()).unwrap().unwrap_or_else(|| panic!("no {path}"));
    files_tree::content(files, entry.id, entry.size)
}

#[test]
fn an_archive_is_a_tree() {
    let archive = newc(&[
        (".", DIRECTORY, 2, 1, b""),
        ("/init", FILE | 0o4111, 1, 2, b"#!"),
        ("./sbin/adbd", FILE, 1, 3, b"elf"),
        ("../up", FILE, 1, 4, b"u"),
        ("dev/null", 0o020_666, 1, 5, b""),
        ("etc", 0o120_777, 1, 6, b"/system/etc"),
        ("sbin", DIRECTORY, 2, 7, b""),
        ("lib//x", FILE, 1, 8, b"12345"),
    ]);
    let files = open(archive);
    assert_eq!(
        paths(&files),
        ["..", "../up", "dev", "dev/null", "etc", "init", "lib", "lib/x", "sbin", "sbin/adbd"]
    );
    assert_eq!(files.doubts(), [""; 0]);
    let of = |path: &str| files::lookup(&files, path.as_bytes()).unwrap().unwrap();
    let init = of("init");
    assert_eq!((init.mode, init.uid, init.gid, init.modified.seconds), (0o4751, 1000, 2000, 1_325_376_000));
    assert_eq!((of("dev/null").kind, of("dev/null").device), (Kind::CharacterDevice, (4, 64)));
    assert_eq!(files.target(of("etc").id), Ok(b"/system/etc".to_vec()));
    assert_eq!((of("sbin").mode, files.entry(files.root()).unwrap().mode), (0o750, 0o750));
    assert_eq!(bytes(&files, "lib/x"), b"12345");
    let mut two = [0; 9];
    assert_eq!((files.read(of("lib/x").id, 3, &mut two), &two[..2]), (Ok(2), &b"45"[..]));
    assert_eq!(files.read(of("lib/x").id, 9, &mut two), Ok(0));
    assert!(files.read(of("sbin").id, 0, &mut two).is_err() && files.target(of("init").id).is_err());
    assert!(files.entry(99).is_err() && files.entry(0).is_err() && files.children(of("init").id).is_err());
}

#[test]
fn names_of_one_file_share_it_and_the_last_of_equal_paths_is_told() {
    let archive = newc(&[
        ("a", FILE, 2, 9, b""),
        ("b", FILE, 2, 9, b"bytes"),
        ("same", FILE, 1, 10, b"old"),
        ("same", FILE, 1, 11, b"new"),
        ("same/inside", FILE, 1, 12, b""),
    ]);
    let files = open(archive);
    assert_eq!((bytes(&files, "a"), bytes(&files, "same")), (b"bytes".to_vec(), b"new".to_vec()));
    let of = |path: &str| files::lookup(&files, path.as_bytes()).unwrap().unwrap();
    assert_eq!((of("a").id, of("a").names), (of("b").id, 2));
    let doubts = files.doubts();
    assert!(
        doubts.len() == 2 && doubts[0].contains("same") && doubts[1].contains("no directory"),
        "{doubts:?}"
    );
}

#[test]
fn archives_in_a_row_are_one() {
    let first = newc(&[("a", FILE, 2, 9, b"1"), ("b", FILE, 2, 9, b"")]);
    let second = newc(&[("c", FILE, 2, 9, b"2"), ("b", FILE, 2, 9, b"")]);
    for padding in [0, 4, 300, 5000] {
        let mut all = first.clone();
        all.resize(all.len() + padding, 0);
        all.extend(&second);
        all.resize(all.len().next_multiple_of(512), 0);
        let files = open(all);
        assert_eq!(paths(&files), ["a", "b", "c"]);
        assert_eq!((bytes(&files, "b"), bytes(&files, "c")), (b"2".to_vec(), b"2".to_vec()));
        assert_eq!(files.doubts().len(), 1, "b is there twice");
    }
}

#[test]
fn a_damaged_archive_gives_what_is_before_the_damage() {
    let whole = newc(&[("a", FILE, 1, 1, b"1"), ("b", FILE, 1, 2, &[7; 1000]), ("c", FILE, 1, 3, b"3")]);
    let c_at = whole.windows(2).rposition(|it| it == b"c\0").unwrap() - 110;
    let mut broken = whole.clone();
    broken[c_at + 20] = b'x';
    let files = open(broken);
    assert_eq!(paths(&files), ["a", "b"]);
    assert!(files.doubts()[0].contains(&format!("{c_at:#x}")), "{:?}", files.doubts());
    let files = open(whole[..400].to_vec());
    let b = files::lookup(&files, b"b").unwrap().unwrap();
    assert_eq!(b.size, 1000);
    assert!(files.read(b.id, 0, &mut [0; 1000]).is_err());
    assert_eq!(files.read(b.id, 0, &mut [0; 10]), Ok(10));
    assert!(files.doubts()[0].contains("b is cut off"), "{:?}", files.doubts());
    assert!(CpioFiles::open(Rc::new(vec![0; 500])).is_err() && CpioFiles::open(Rc::new(Vec::new())).is_err());
    assert!(!CpioFiles::is_one(&[0; 500]) && !CpioFiles::is_one(b"\x1f\x8b\x08\0\0\0\0\0\0\0\x03\0"));
}

/// The archive GNU cpio makes of a directory.
fn foreign_archive(dir: &Path) -> Option<(Vec<u8>, Tree)> {
    let source = dir.join("src");
    fs::create_dir(&source).unwrap();
    fill(&source, 100_000);
    // A shell that finds no cpio fails, which is no failure of ours.
    run("cpio", &["--version"], dir)?;
    let archive = run("sh", &["-c", "cd src && find . -print0 | cpio -0 --quiet -o -H newc"], dir)?;
    Some((archive, of_directory(&source)))
}

#[test]
fn archives_of_gnu_cpio_give_the_directory_packed_in_every_way() {
    let dir = tempfile::tempdir().unwrap();
    let Some((archive, wanted)) = foreign_archive(dir.path()) else { return };
    let files = open(archive.clone());
    assert_same(&of_image(&files), &wanted);
    assert_eq!(files.doubts(), [""; 0]);
    fs::write(dir.path().join("a"), &archive).unwrap();
    let ways: [&[&str]; 5] = [
        &["gzip", "-9", "-k", "-c", "a"],
        &["lz4", "-l", "-c", "a"],
        &["xz", "--check=crc32", "-k", "-c", "a"],
        &["xz", "-9", "-k", "-c", "a"],
        &["lzma", "-k", "-c", "a"],
    ];
    for way in ways {
        let Some(packed) = run(way[0], &way[1..], dir.path()) else { continue };
        let files = open(packed.clone());
        assert_same(&of_image(&files), &wanted);
        assert_eq!(files.doubts(), [""; 0], "{way:?}");
        // With padding, and another behind it.
        let mut two = packed.clone();
        two.resize(two.len().next_multiple_of(4), 0);
        two.extend(&packed);
        assert_eq!(paths(&open(two)).len(), wanted.len(), "{way:?}");
        // Behind MediaTek's header.
        let files = open(mtk("ROOTFS", &packed));
        assert_eq!((paths(&files).len(), files.doubts().len()), (wanted.len(), 0), "{way:?}");
        // Cut off, and with damage inside.
        let source = Rc::new(packed[..packed.len() / 2].to_vec());
        assert!(CpioFiles::open(source).is_err_and(|it| it.to_string().contains("damaged")), "{way:?}");
        let mut damaged = packed;
        let at = damaged.len() * 2 / 3;
        damaged[at..at + 400].fill(0xA5);
        // The legacy form of LZ4 has no checksum: its damage may show as other bytes only.
        let opened = CpioFiles::open(Rc::new(damaged));
        assert!(opened.is_err() || way[0] == "lz4", "{way:?}");
    }
}

#[test]
fn a_stream_that_unpacks_to_more_than_there_is_memory_for_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    for (tool, level) in [("gzip", "-1"), ("lz4", "-l")] {
        if run(tool, &["--version"], dir.path()).is_none() {
            continue;
        }
        let way = &format!("head -c 300000000 /dev/zero | {tool} {level}");
        let Some(bomb) = run("sh", &["-c", way], dir.path()).filter(|it| !it.is_empty()) else { continue };
        let refused = CpioFiles::open(Rc::new(bomb)).err().unwrap().to_string();
        assert!(refused.contains("larger than 256 MiB"), "{way}: {refused}");
    }
}

/// An image behind MediaTek's header.
fn mtk(name: &str, payload: &[u8]) -> Vec<u8> {
    let mut out = vec![0xFF; 0x200];
    out[..4].copy_from_slice(&[0x88, 0x16, 0x88, 0x58]);
    out[4..8].copy_from_slice(&(payload.len() as u32).to_le_bytes());
    out[8..40].fill(0);
    out[8..8 + name.len()].copy_from_slice(name.as_bytes());
    out.extend(payload);
    out
}

/// A boot image of version 0 to 4 with these parts, in the order of the format.
fn boot(version: u32, page: usize, parts: &[&[u8]]) -> Vec<u8> {
    let page = if version >= 3 { 4096 } else { page };
    let mut out = vec![0; page.max(4096).next_multiple_of(page)];
    let mut word = |at: usize, value: u32| out[at..at + 4].copy_from_slice(&value.to_le_bytes());
    let size = |index: usize| parts.get(index).map_or(0, |it| it.len() as u32);
    word(0x28, version);
    if version >= 3 {
        [(8, 0), (0x0C, 1), (0x62C, 2)].iter().for_each(|&(at, index)| word(at, size(index)));
        word(0x10, (11 << 25) | (20 << 4) | 9);
        out[0x2C..0x2C + 7].copy_from_slice(b"new cmd");
    } else {
        let sizes = [(8, 0), (0x10, 1), (0x18, 2), (0x660, 3), (0x670, 4)];
        sizes.iter().take(3 + version as usize).for_each(|&(at, index)| word(at, size(index)));
        [(0x0C, 0x1000_8000), (0x14, 0x1400_0000), (0x20, 0x1000_0100)]
            .iter()
            .for_each(|&(at, it)| word(at, it));
        word(0x24, page as u32);
        out[0x30..0x35].copy_from_slice(b"board");
        out[0x40..0x240].fill(b'c');
        out[0x260..0x264].copy_from_slice(b"more");
        out[0x240] = 0xAB;
    }
    out[..8].copy_from_slice(b"ANDROID!");
    out.truncate(page);
    for part in parts {
        out.extend(*part);
        out.resize(out.len().next_multiple_of(page), 0);
    }
    out
}

fn opened(image: &[u8]) -> BootFiles {
    assert!(BootFiles::is_one(&image[..image.len().min(4096)]));
    BootFiles::open(Rc::new(image.to_vec())).unwrap()
}

#[test]
fn every_version_of_a_boot_image_is_split() {
    let archive = newc(&[("init", FILE, 1, 1, b"#!"), ("d/e", FILE, 1, 2, b"e")]);
    let kernel = vec![1; 5000];
    let all: [&[u8]; 5] = [&kernel, &archive, &[2; 10], &[3; 20], &[4; 30]];
    let inside = ["ramdisk", "ramdisk.img", "ramdisk/d", "ramdisk/d/e", "ramdisk/init"];
    let names = ["second", "recovery_dtbo", "dtb"];
    // A header of 1648 bytes or more does not fit a page of 512 bytes, but pages of 2048.
    for (version, page, parts) in
        [(0, 2048, 3), (0, 2048, 2), (1, 2048, 4), (2, 4096, 5), (3, 0, 2), (4, 0, 3)]
    {
        let image = boot(version, page, &all[..parts]);
        let files = opened(&image);
        let mut wanted: Vec<&str> = ["bootimg.cfg", "cmdline", "kernel"].into_iter().chain(inside).collect();
        if version == 4 {
            wanted.push("signature");
        } else {
            wanted.extend(names.iter().take(parts - 2));
        }
        wanted.sort_unstable();
        let mut found = paths(&files);
        found.sort_unstable();
        assert_eq!(found, wanted, "version {version}");
        assert_eq!(bytes(&files, "kernel"), kernel);
        assert_eq!(bytes(&files, "ramdisk.img"), archive);
        assert_eq!(bytes(&files, "ramdisk/d/e"), b"e");
        if parts == 5 {
            assert_eq!((bytes(&files, "recovery_dtbo"), bytes(&files, "dtb")), (vec![3; 20], vec![4; 30]));
        }
        let config = String::from_utf8(bytes(&files, "bootimg.cfg")).unwrap();
        let cmdline = bytes(&files, "cmdline");
        if version >= 3 {
            assert_eq!(cmdline, b"new cmd\n");
            assert!(config.contains("os_version = 11.0.0\nos_patch_level = 2020-09\n"), "{config}");
        } else {
            assert_eq!((cmdline.len(), &cmdline[510..]), (517, &b"ccmore\n"[..]));
            assert!(
                config.contains("kernel_addr = 0x10008000\n") && config.contains("id = ab00"),
                "{config}"
            );
        }
        assert_eq!(files.doubts(), [""; 0]);
        // The length that identification tells is where the image ends.
        let told = identify::identify(&image).unwrap();
        assert_eq!(told.findings[0].length, Some(image.len() as u64), "version {version}");
    }
}

#[test]
fn headers_of_mediatek_are_cut_off_kernel_and_ramdisk() {
    let archive = newc(&[("init", FILE, 1, 1, b"#!")]);
    let image = boot(0, 2048, &[&mtk("KERNEL", &[7; 3000]), &mtk("ROOTFS", &archive), &[9; 5]]);
    let files = opened(&image);
    assert_eq!((bytes(&files, "kernel"), bytes(&files, "ramdisk.img")), (vec![7; 3000], archive.clone()));
    assert_eq!(bytes(&files, "ramdisk/init"), b"#!");
    let config = String::from_utf8(bytes(&files, "bootimg.cfg")).unwrap();
    assert!(
        config.contains("kernel_mtk_name = KERNEL\n") && config.contains("ramdisk_mtk_name = ROOTFS\n"),
        "{config}"
    );
    assert_eq!(files.doubts(), [""; 0]);
    // A header that claims more than its part holds.
    let mut lying = mtk("ROOTFS", &archive);
    lying[5] = 0x10;
    let files = opened(&boot(0, 2048, &[&[7; 10], &lying]));
    assert!(files.doubts()[0].contains("MediaTek"), "{:?}", files.doubts());
    assert_eq!(bytes(&files, "ramdisk/init"), b"#!");
}

#[test]
fn a_vendor_boot_image_is_split() {
    let archive = newc(&[("first_stage", FILE, 1, 1, b"1")]);
    for version in [3_u32, 4] {
        let mut out = vec![0; 4096];
        out[..8].copy_from_slice(b"VNDRBOOT");
        let mut table = vec![0; 108];
        table[..4].copy_from_slice(&(archive.len() as u32).to_le_bytes());
        table[8] = 1;
        table[12..16].copy_from_slice(b"plat");
        let mut word =
            |at: usize, value: usize| out[at..at + 4].copy_from_slice(&(value as u32).to_le_bytes());
        let words = [(8, version as usize), (12, 4096), (24, archive.len()), (2100, 77)];
        words.iter().for_each(|&(at, value)| word(at, value));
        if version == 4 {
            [(2112, 108), (2116, 1), (2120, 108), (2124, 6)].iter().for_each(|&(at, value)| word(at, value));
        }
        out[28..32].copy_from_slice(b"bc=1");
        let parts: [&[u8]; 4] = [&archive, &[5; 77], &table, b"a=b\nc\n"];
        for part in &parts[..if version == 4 { 4 } else { 2 }] {
            out.extend(*part);
            out.resize(out.len().next_multiple_of(4096), 0);
        }
        let files = opened(&out);
        assert_eq!(
            (bytes(&files, "ramdisk/first_stage"), bytes(&files, "dtb")),
            (b"1".to_vec(), vec![5; 77])
        );
        assert_eq!(bytes(&files, "cmdline"), b"bc=1\n");
        if version == 4 {
            assert_eq!(bytes(&files, "bootconfig"), b"a=b\nc\n");
            let config = String::from_utf8(bytes(&files, "bootimg.cfg")).unwrap();
            assert!(
                config.contains(&format!("ramdisk_fragment = 0x0 {} type 1 plat\n", archive.len())),
                "{config}"
            );
        }
    }
}

#[test]
fn a_boot_image_with_impossible_parts_is_told_as_it_is() {
    let archive = newc(&[("init", FILE, 1, 1, b"#!")]);
    let whole = boot(1, 2048, &[&[1; 5000], &archive, &[2; 10], &[3; 10]]);
    // Cut off within the kernel.
    let files = opened(&whole[..4000]);
    assert_eq!(bytes(&files, "kernel").len(), 4000 - 2048);
    assert!(
        files.doubts().len() >= 2 && files.doubts()[0].contains("kernel is cut off"),
        "{:?}",
        files.doubts()
    );
    // A ramdisk that is none: its bytes can be had all the same.
    let files = opened(&boot(0, 2048, &[&[1; 10], b"BZh91AY&SY nothing"]));
    let ramdisk = files::lookup(&files, b"ramdisk").unwrap().unwrap();
    assert!(files.children(ramdisk.id).unwrap_err().to_string().contains("bzip2"));
    assert_eq!(bytes(&files, "ramdisk.img"), b"BZh91AY&SY nothing");
    for (at, value) in [(0x24, 3), (0x27, 1), (0, b'a')] {
        let mut broken = whole.clone();
        broken[at] = value;
        assert!(BootFiles::open(Rc::new(broken)).is_err(), "{at}");
    }
    // Sizes that add up to more than a file can have.
    let mut huge = whole.clone();
    for at in [8, 0x10, 0x18, 0x660] {
        huge[at..at + 4].fill(0xFF);
    }
    assert!(files_tree::touch(BootFiles::open(Rc::new(huge))));
}

#[test]
fn flipped_bytes_never_make_it_panic_or_hang() {
    let archive = newc(&[
        ("a", FILE, 2, 1, &[5; 100]),
        ("d", DIRECTORY, 2, 2, b""),
        ("d/l", 0o120_777, 1, 3, b"../a"),
        ("b", FILE, 2, 1, b""),
    ]);
    let images =
        [boot(2, 2048, &[&mtk("KERNEL", &[1; 100]), &mtk("ROOTFS", &archive), &[2], &[3], &[4]]), archive];
    let mut seed = 1_u32;
    let mut next = |below: usize| {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (seed >> 8) as usize % below
    };
    let mut opened = 0;
    for round in 0..20_000 {
        let mut bytes = images[round % 2].clone();
        for _ in 0..=next(4) {
            let at = next(bytes.len());
            bytes[at] = [next(256) as u8, b'0' + next(10) as u8, b'f', b'/', b'.', 0][next(6)];
        }
        let source = Rc::new(bytes);
        opened += usize::from(files_tree::touch(BootFiles::open(source.clone())));
        opened += usize::from(files_tree::touch(CpioFiles::open(source)));
    }
    println!("{opened} of 20000 opened");
    assert!(opened > 10_000);
}

/// What [`files::open`] finds in an image of which nothing is known.
fn found(image: Vec<u8>) -> Option<Box<dyn Files>> {
    files::open(Rc::new(image), Known::default()).unwrap()
}

#[test]
fn boot_images_and_ramdisks_are_opened_as_what_they_are() {
    let archive = newc(&[("init", FILE, 1, 1, b"#!"), ("d/e", FILE, 1, 2, &[b'e'; 9000])]);
    let boot = found(boot(1, 2048, &[&[1; 5000], &mtk("ROOTFS", &archive), &[2; 10], &[3; 10]])).unwrap();
    assert_eq!((boot.title(), bytes(&*boot, "ramdisk/d/e")), ("boot image", vec![b'e'; 9000]));
    for image in [archive.clone(), mtk("ROOTFS", &archive)] {
        let ramdisk = found(image).unwrap();
        assert_eq!(
            (ramdisk.title(), paths(&*ramdisk)),
            ("cpio", ["d", "d/e", "init"].map(str::to_owned).into())
        );
    }
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("ramdisk"), &archive).unwrap();
    fs::write(dir.path().join("text"), "no archive\n").unwrap();
    for way in [&["gzip", "-c"][..], &["lz4", "-l", "-c"], &["xz", "-c"], &["lzma", "-c"]] {
        let pack = |name| run(way[0], &[&way[1..], &[name]].concat(), dir.path());
        let (Some(packed), Some(other)) = (pack("ramdisk"), pack("text")) else { continue };
        assert_eq!(bytes(&*found(packed.clone()).unwrap(), "init"), b"#!", "{way:?}");
        assert_eq!(bytes(&*found(mtk("ROOTFS", &packed)).unwrap(), "init"), b"#!", "{way:?}");
        assert!(found(other).is_none(), "{way:?}");
    }
}

/// The pages of a chip as it is read back, spare bytes and all.
fn stored(main: &[u8]) -> Vec<u8> {
    let geometry = Geometry::new(2048, 64, 64, 65536).unwrap();
    let mut all = Vec::new();
    for page in main.chunks(2048) {
        let (mut whole, mut out) = (page.to_vec(), [0; 2112]);
        whole.resize(2048, 0xFF);
        encode_page(&whole, &[0xFF; 28], None, &geometry, &mut out).unwrap();
        all.extend(out);
    }
    all
}

#[test]
fn the_boot_partition_of_a_dump_is_a_directory_with_bit_errors_corrected() {
    let archive = newc(&[("init", FILE, 1, 1, b"#!"), ("sbin/adbd", FILE, 1, 2, &[7; 9000])]);
    let boot = boot(0, 2048, &[&mtk("KERNEL", &[1; 5000]), &mtk("ROOTFS", &archive)]);
    let map = map::parse(
        b"dev:    size   erasesize  name\nmtd0: 00020000 00020000 \"lk\"\nmtd1: 00040000 00020000 \"boot\"\n",
    )
    .unwrap();
    let mut main = vec![0xA5; 0x60000];
    main[0x20000..0x20000 + boot.len()].copy_from_slice(&boot);
    let mut interleaved = stored(&main);
    // In the header, and in a byte of the ramdisk.
    interleaved[64 * 2112 + 9] ^= 4;
    interleaved[(64 + 6) * 2112 + 700] ^= 0x10;
    for (image, form) in [(main, Form::Plain), (interleaved, Form::Interleaved)] {
        let known = Known { map: Some(&map), form: Some(form), slow: false };
        let files = files::open(Rc::new(image), known).unwrap().unwrap();
        assert_eq!(bytes(&*files, "boot/kernel"), [1; 5000]);
        assert_eq!(bytes(&*files, "boot/ramdisk/sbin/adbd"), [7; 9000]);
        let volume = files.volume(b"boot").unwrap().unwrap();
        assert_eq!((volume.title(), files.volume(b"lk").unwrap().is_none()), ("boot image", true));
    }
}

#[test]
fn a_damaged_page_before_the_ramdisk_leaves_the_kernel() {
    let archive = newc(&[("init", FILE, 1, 1, b"#!")]);
    let image = boot(0, 2048, &[&[1; 2048], &mtk("ROOTFS", &archive)]);
    let mut pages = stored(&image);
    pages[2 * 2112..2 * 2112 + 500].fill(0x5A);
    let known = Known { form: Some(Form::Interleaved), ..Known::default() };
    let files = files::open(Rc::new(pages), known).unwrap().unwrap();
    assert_eq!(bytes(&*files, "kernel"), [1; 2048]);
    assert!(files.doubts()[0].contains("the start of ramdisk"), "{:?}", files.doubts());
    let ramdisk = files::lookup(&*files, b"ramdisk").unwrap().unwrap();
    assert!(files.children(ramdisk.id).is_err());
}

#[test]
fn partitions_that_share_their_bytes_do_not_take_the_memory_many_times() {
    let dir = tempfile::tempdir().unwrap();
    let large = newc(&[("init", FILE, 1, 1, b"#!"), ("zeros", FILE, 1, 2, &vec![0; 100 << 20])]);
    fs::write(dir.path().join("ramdisk"), large).unwrap();
    let Some(packed) = run("gzip", &["-1", "-c", "ramdisk"], dir.path()) else { return };
    let mut image = boot(0, 2048, &[b"kernel", &packed]);
    image.resize(image.len().next_multiple_of(0x20000), 0);
    let mut map = map::parse(
        format!("dev: size erasesize name\nmtd0: {:08x} 00020000 \"p0\"\n", image.len()).as_bytes(),
    )
    .unwrap();
    for number in 1..8 {
        let mut again = map.partitions[0].clone();
        again.name = format!("p{number}");
        map.partitions.push(again);
    }
    let known = Known { map: Some(&map), form: Some(Form::Plain), slow: false };
    let files = files::open(Rc::new(image), known).unwrap().unwrap();
    let looked_into = |number| files::lookup(&*files, format!("p{number}/ramdisk/init").as_bytes());
    let fits: Vec<bool> = (0..8).map(|it| looked_into(it).is_ok_and(|it| it.is_some())).collect();
    assert_eq!(fits, [true, true, false, false, false, false, false, false]);
    assert!(looked_into(5).unwrap_err().to_string().contains("larger than 256 MiB"));
}
