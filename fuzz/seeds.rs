//! Writes the small examples the fuzz targets begin with: `seeds FOLDER` makes `FOLDER/TARGET/seed-NAME`. Tables and
//! images are made by the writers of the crates, texts are typed here in the forms of formats.md sections 2 to 4.

use std::path::Path;
use std::time::Duration;

use bromide_capture::{About, Piece, Recording};
use bromide_image::inf::{self, Date, Driver, Query};
use bromide_image::map::{self, Format};
use bromide_image::read_at::ReadError;
use bromide_image::sparse::Plan;
use bromide_image::table::gpt::{self, Guid};
use bromide_image::table::pmt::{self, Info, Which, Width};
use bromide_image::table::{Length, mbr};
use bromide_image::yaffs2::{Attributes, Writer};
use bromide_job::mapfile::{Mapfile, State};
use bromide_nand::bmt::Bmt;
use bromide_nand::{Geometry, encode_page};
use bromide_proto::bus::{BusSpeed, Face, Sighting};
use bromide_proto::link::Direction;

/// Target, name, bytes.
type Seed = (&'static str, String, Vec<u8>);

const MAPS: [(&str, &str); 12] = [
    (
        "scatter-v0",
        "PRELOADER 0x0\n{\n}\nUBOOT 0x40000\n{\n}\nANDROID 0x100000\n{\n}\n__NODL_BMTPOOL 0xFFFF0050\n{\n}\n",
    ),
    (
        "scatter-v1",
        "- general: MTK_PLATFORM_CFG\n  info:\n    - config_version: V1.1.2\n      platform: MT6765\n      \
         storage: EMMC\n      block_size: 0x20000\n- partition_index: SYS0\n  partition_name: boot\n  file_name: \
         boot.img\n  is_download: true\n  linear_start_addr: 0x8000\n  physical_start_addr: 0x8000\n  \
         partition_size: 0x100000\n  region: EMMC_USER\n  storage: HW_STORAGE_EMMC\n- partition_index: SYS1\n  \
         partition_name: flashinfo\n  physical_start_addr: 0xFFFF0080\n  partition_size: 0x1000000\n  region: \
         EMMC_USER\n  is_reserved: true\n",
    ),
    (
        "scatter-v2",
        "- general: MTK_PLATFORM_CFG\n  info:\n    - config_version: V2.1.0\n- storage_type: UFS\n  description:\n  - \
         general: MTK_STORAGE_CFG\n    info:\n      - storage: UFS\n        block_size: 0x80000\n- partition_index: \
         SYS0\n  partition_name: boot\n  physical_start_addr: 0x9000\n  region: UFS_LU2\n",
    ),
    (
        "scatter-xml",
        "<?xml version=\"1.0\"?>\n<!-- a <comment> -->\n<root><general name='MTK_PLATFORM_CFG'><config_version \
         name=\"V1.1.2\"><project>a&amp;b&#x21;</project><storage>EMMC</storage></config_version></general>\n\
         <partition_index name=\"SYS0\"><partition_name>boot</partition_name><physical_start_addr>0x8000\
         </physical_start_addr><file_name/><partition_size>0x1000</partition_size><region>EMMC_USER</region>\
         </partition_index></root>\n",
    ),
    ("manifest", "<flash-mode>\n<scatter>../a.xml</scatter>\n<dagent>DA.bin</dagent></flash-mode>"),
    (
        "proc-mtd",
        "dev:    size   erasesize  name\nmtd0: 00040000 00020000 \"preloader\"\nmtd1: 000c0000 00020000 \"dsp_bl\"\n",
    ),
    (
        "proc-partitions",
        "major minor  #blocks  name\n\n  31        0        256 mtdblock0\n 179        1    1048576 mmcblk0p1\n",
    ),
    (
        "dumchar",
        "Part_Name Size StartAddr Type MapTo\npreloader 0x40000 0x0 2 /dev/misc-sd\nmbr 0x4000 0x0 2 /dev/block/mmcblk0\n",
    ),
    ("mtdparts", "console=ttyMT0 mtdparts=mt6575-nand:256k(preloader),768k@0x40000(dsp_bl)ro,-(userdata)\n"),
    ("by-name", "lrwxrwxrwx root root 2015-01-01 00:00 boot -> /dev/block/mmcblk0p7\n"),
    (
        "gdisk",
        "Disk gpt.bin: 67 sectors, 33.5 KiB\nLogical sector size: 512 bytes\n\nNumber  Start (sector)    End (sector)  \
         Size       Code  Name\n   1            1024            7167   3.0 MiB     0700  proinfo\n",
    ),
    ("mount", "/dev/block/mtdblock8 /system yaffs2 ro,relatime 0 0\n"),
];

fn text_seeds(seeds: &mut Vec<Seed>) {
    for (name, text) in MAPS {
        for target in ["map", "identify"] {
            seeds.push((target, name.into(), text.into()));
        }
        seeds.push(("map", format!("{name}-crlf"), format!("\u{feff}{}", text.replace('\n', "\r\n")).into()));
        let Ok(map) = map::parse(text.as_bytes()) else { continue };
        for format in Format::ALL {
            let written = map::write(&map, format).text;
            seeds.push(("map", format!("{name}-as-{}", format.name()), written.into()));
        }
    }
    let query = Query { vid: 0x0e8d, pid: 0x2000, rev: None, mi: None };
    for (name, driver) in [("usbser", Driver::Usbser), ("winusb", Driver::WinUsb)] {
        let Ok(text) = inf::make(&[query], driver, Date { year: 2012, month: 6, day: 21 }) else { continue };
        let wide: Vec<u8> =
            "\u{feff}".encode_utf16().chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect();
        seeds.push(("inf", name.into(), text.into()));
        seeds.push(("inf", format!("{name}-utf16"), wide));
    }
}

fn gpt_seeds(seeds: &mut Vec<Seed>) {
    let partition = |index: u32, start: u64| gpt::Partition {
        index,
        name: format!("part{index}"),
        start,
        size: 0x4000,
        kind: Guid::BASIC_DATA,
        guid: Guid([index as u8; 16]),
        attributes: 0,
    };
    for block in gpt::BLOCK_SIZES {
        let bytes = 0x20_0000;
        let table = gpt::Table::new(block, bytes, vec![partition(1, 0x1_0000), partition(2, 0x2_0000)]);
        let table = gpt::Table { slots: 8, ..table };
        let written = table.write(bytes).expect("a small table");
        for target in ["gpt", "identify"] {
            seeds.push((target, format!("primary-{block}"), written.primary.clone()));
            seeds.push((target, format!("backup-{block}"), written.backup.clone()));
        }
    }
}

fn mbr_seeds(seeds: &mut Vec<Seed>) {
    let entry = |slot, kind, start, bytes| mbr::Entry {
        slot,
        active: false,
        kind,
        start,
        length: Length::Bytes(bytes),
    };
    let chain = mbr::Chain {
        disk_signature: 0,
        records: vec![
            mbr::Record { at: 0, entries: vec![entry(1, 5, 0x400, 0x1000), entry(2, 0x83, 0x800, 0x200)] },
            mbr::Record { at: 0x400, entries: vec![entry(1, 0x83, 0x600, 0x200), entry(2, 5, 0xA00, 0x200)] },
            mbr::Record { at: 0xA00, entries: vec![entry(1, 0x83, 0xC00, 0x200)] },
        ],
        warnings: Vec::new(),
    };
    let mut device = vec![0; 0x1000];
    for (at, sector) in chain.write().expect("a small chain") {
        device[at as usize..][..512].copy_from_slice(&sector);
    }
    seeds.push(("mbr", "chain".into(), device.clone()));
    seeds.push(("identify", "mbr-chain".into(), device));
}

fn pmt_seeds(seeds: &mut Vec<Seed>) {
    let partition = |index: u32| pmt::Partition {
        index,
        name: format!("PART{index}"),
        start: u64::from(index) * 0x10_0000,
        length: if index == 2 { Length::ToEnd } else { Length::Bytes(0x10_0000) },
        flags: 1,
    };
    let partitions: Vec<_> = (0..3).map(partition).collect();
    let many: Vec<_> = (0..30).map(partition).collect();
    let info = Info([1, 0, 0, 0]);
    for which in [Which::Pt, Which::Mpt] {
        let (page, free) = pmt::nand::write(which, info, &partitions, 2048).expect("a page");
        seeds.push(("pmt", format!("nand-{which}"), [page.clone(), free.to_vec(), vec![0xFF; 19]].concat()));
        seeds.push(("identify", format!("nand-{which}"), page));
        let late = pmt::emmc::write_late(which, info, &partitions).expect("a record");
        seeds.push(("pmt", format!("late-{which}"), late));
        for width in [Width::Narrow, Width::Wide] {
            let bytes = width.bytes();
            let early = pmt::emmc::write(which, info, &many, width).expect("two records");
            seeds.push(("pmt", format!("early-{which}-{bytes}"), [vec![0; 1024], early.clone()].concat()));
            seeds.push(("identify", format!("early-{which}-{bytes}"), early));
        }
    }
    for width in [Width::Narrow, Width::Wide, Width::Marked] {
        let answer = pmt::answer::write(&partitions, width).expect("an answer");
        seeds.push(("pmt", format!("answer-{}", width.bytes()), answer));
    }
}

fn chip_seeds(seeds: &mut Vec<Seed>) {
    let mut page = vec![0; 2048];
    Bmt { entries: vec![(7, 510), (9, 509)] }.build(80, &mut page).expect("a small table");
    page.truncate(600);
    seeds.push(("bmt", "two".into(), [vec![80], page.clone()].concat()));
    seeds.push(("identify", "bmt".into(), page.clone()));
    let geometry = Geometry::new(2048, 64, 64, 8).expect("a small chip");
    let mut stored = vec![0; 2112];
    page.resize(2048, 0x5A);
    encode_page(&page, &[0, 0x10, 0, 0, 1, 1, 0, 0], None, &geometry, &mut stored).expect("a page");
    seeds.push(("page", "good".into(), stored.clone()));
    seeds.push(("identify", "page".into(), stored.clone()));
    stored[3] ^= 0x11;
    seeds.push(("page", "two-flips".into(), stored));
}

fn sparse_seeds(seeds: &mut Vec<Seed>) {
    let content: &[u8] = b"\0\0\0\0\0\0\0\0abcdabcdefghijklmnop\0\0\0\0xyzw";
    for block in [4, 8] {
        let Ok(plan) = Plan::of(content, block) else { continue };
        let mut bytes = Vec::new();
        let copied: Result<(), ReadError> = plan.write(content, &mut |piece| {
            bytes.extend_from_slice(piece);
            Ok(())
        });
        copied.expect("bytes in memory");
        // A checksum and a stretch nobody cares about, which the writer has no use for.
        bytes[20] += 2;
        bytes[16] += 1;
        for chunk in [[0xCAC3_u32, 1, 12].to_vec(), vec![0xCAC4, 0, 16, 0x1234_5678]] {
            bytes.extend(chunk.into_iter().flat_map(u32::to_le_bytes));
        }
        seeds.push(("sparse", format!("blocks-{block}"), bytes.clone()));
        seeds.push(("identify", format!("sparse-{block}"), bytes));
    }
}

/// A container with one entry of two regions (formats.md section 1).
fn da_seeds(seeds: &mut Vec<Seed>) {
    let mut file = vec![0; 0x400];
    let mut put = |at: usize, what: &[u8]| file[at..at + what.len()].copy_from_slice(what);
    put(0, b"MTK_DOWNLOAD_AGENT");
    put(0x20, b"MTK_AllInOne_DA_v3.1000.11.1111");
    put(0x60, &[4, 0, 0, 0, 0x99, 0x88, 0x66, 0x22, 1, 0, 0, 0]);
    put(0x6C, &[0xDA, 0xDA, 0x75, 0x65, 0, 0x8A, 0, 0xCB, 1, 0xE2]);
    put(0x6C + 0x12, &[2, 0]);
    for (slot, word) in
        [0x148_u32, 0x20, 0x200_0000, 0, 0, 0x168, 0x80, 0x8000_0000, 0x70, 0x10].into_iter().enumerate()
    {
        put(0x6C + 0x14 + slot * 4, &word.to_le_bytes());
    }
    for target in ["da_file", "identify"] {
        seeds.push((target, "one-entry".into(), file.clone()));
    }
}

/// Chunks by their fields, as the target `yaffs2` puts them together, and whole pages as an image maker writes them.
fn yaffs2_seeds(seeds: &mut Vec<Seed>) {
    // What, sequence, object, chunk, bytes, kind, parent, size; the rest names it.
    let fields = |head: [u8; 8]| {
        let tail = [0, 0xFF, 0xFF, 0, b'n', b'a', b'm', b'e', head[2], 0, b't', b'o', 0, b'x', b'y', 0];
        [head.as_slice(), &tail].concat()
    };
    let header = |object, kind, parent, size| fields([0, 0, object, 0, 0, kind, parent, size]);
    let kernel = |object, kind, parent, size| fields([2, 0x30, object, 0, 0, kind, parent, size]);
    let data = |object, chunk, bytes| fields([6, 0, object, chunk, bytes, 0, 0, 0]);
    let blank = vec![0xFF; 24];
    let histories = [
        vec![header(1, 3, 1, 0), header(10, 3, 1, 0), header(11, 1, 10, 199), data(11, 1, 22), blank.clone()],
        vec![header(11, 1, 1, 230), data(11, 1, 56), data(11, 2, 56), data(11, 3, 9), header(12, 2, 1, 0)],
        vec![kernel(11, 1, 1, 50), kernel(11, 1, 3, 0), kernel(12, 3, 12, 0), kernel(13, 4, 1, 0), blank],
        vec![header(11, 3, 12, 0), header(12, 3, 13, 0), header(13, 3, 11, 0), header(14, 5, 1, 0)],
    ];
    for (number, history) in histories.iter().enumerate() {
        for form in 0..6_u8 {
            seeds.push((
                "yaffs2",
                format!("history-{number}-{form}"),
                [vec![form], history.concat()].concat(),
            ));
        }
    }
    let chip = Geometry::new(2048, 64, 4, 64).expect("a usual chip");
    let mut pages = vec![0xFF];
    let plain = Attributes { mode: 0o755, uid: 0, gid: 0, accessed: 1, modified: 2, changed: 3 };
    let sink = |chunk: &[u8; 2048], software: &[u8; 25]| {
        let mut page = [0; 2112];
        encode_page(chunk, software, None, &chip, &mut page).expect("a usual page");
        pages.extend(page);
        Ok::<_, std::convert::Infallible>(())
    };
    let (mut writer, root) = Writer::new(sink, &plain).expect("room");
    let folder = writer.directory(root, b"folder", &plain).expect("a name");
    let file = writer.file(folder, b"file", &plain, [7; 5000].as_slice()).expect("a small file");
    writer.hard_link(root, b"other", file).expect("a name");
    writer.symlink(root, b"link", &plain, b"folder/file").expect("a name");
    seeds.push(("yaffs2", "pages".into(), pages));
}

/// An archive of the form newc with a few objects.
fn archive() -> Vec<u8> {
    let objects: [(&str, u32, u32, &[u8]); 6] = [
        ("d", 0o040_755, 1, b""),
        ("d/a", 0o100_644, 2, b""),
        ("./b", 0o100_644, 2, b"bytes"),
        ("l", 0o120_777, 3, b"../d"),
        ("c", 0o020_666, 4, b""),
        ("TRAILER!!!", 0, 0, b""),
    ];
    let mut out = Vec::new();
    for (path, mode, inode, bytes) in objects {
        let fields = [inode, mode, 0, 0, 2, 7, bytes.len() as u32, 8, 1, 4, 64, path.len() as u32 + 1, 0];
        out.extend(b"070701");
        fields.iter().for_each(|field| out.extend(format!("{field:08x}").bytes()));
        for bytes in [[path.as_bytes(), b"\0"].concat(), bytes.to_vec()] {
            out.extend(bytes);
            out.resize(out.len().next_multiple_of(4), 0);
        }
    }
    out
}

/// The same as a gzip member of one stored block.
fn gzipped(bytes: &[u8]) -> Vec<u8> {
    let len = bytes.len() as u16;
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        (0..8).for_each(|_| crc = (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg()));
    }
    let head = [0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 3, 1];
    let lens = [len.to_le_bytes(), (!len).to_le_bytes()].concat();
    let end = [(!crc).to_le_bytes(), u32::from(len).to_le_bytes()].concat();
    [&head, &lens[..], bytes, &end].concat()
}

/// The same in the legacy form of LZ4, all literals; short enough for one length byte after 255s.
fn lz4(bytes: &[u8]) -> Vec<u8> {
    let mut block = vec![0xF0];
    let rest = bytes.len() - 15;
    block.extend(vec![0xFF; rest / 255]);
    block.push((rest % 255) as u8);
    block.extend(bytes);
    [&[0x02, 0x21, 0x4C, 0x18][..], &(block.len() as u32).to_le_bytes(), &block].concat()
}

/// Boot images of all versions (formats.md sections 6.4 and 6.6).
fn boot_seeds(seeds: &mut Vec<Seed>) {
    let archive = archive();
    let ramdisks = [("plain", archive.clone()), ("gzip", gzipped(&archive)), ("lz4", lz4(&archive))];
    for (name, ramdisk) in &ramdisks {
        seeds.push(("boot_files", format!("cpio-{name}"), ramdisk.clone()));
    }
    seeds.push(("boot_files", "cpio-twice".into(), [archive.clone(), archive.clone()].concat()));
    let mut mtk = vec![0xFF; 0x200];
    mtk[..14].copy_from_slice(&[
        0x88,
        0x16,
        0x88,
        0x58,
        archive.len() as u8,
        2,
        0,
        0,
        b'R',
        b'O',
        b'O',
        b'T',
        0,
        0,
    ]);
    mtk.extend(&archive);
    for (version, (name, ramdisk)) in (0_u32..5).zip(ramdisks.iter().cycle()) {
        let page = if version >= 3 { 4096 } else { 2048 };
        let ramdisk = if version == 0 { &mtk } else { ramdisk };
        let mut out = vec![0; page];
        out[..8].copy_from_slice(b"ANDROID!");
        let sizes: &[(usize, u32)] =
            if version >= 3 { &[(8, 9), (0x62C, 4)] } else { &[(8, 9), (0x18, 5), (0x660, 3), (0x670, 2)] };
        let at = if version >= 3 { 0x0C } else { 0x10 };
        for &(at, word) in
            sizes.iter().chain(&[(at, ramdisk.len() as u32), (0x24, page as u32), (0x28, version)])
        {
            out[at..at + 4].copy_from_slice(&word.to_le_bytes());
        }
        for part in [&[1; 9][..], ramdisk, &[2; 5], &[3; 3], &[4; 2]] {
            out.extend(part);
            out.resize(out.len().next_multiple_of(page), 0);
        }
        seeds.push(("boot_files", format!("v{version}-{name}"), out.clone()));
        seeds.push(("identify", format!("boot-v{version}"), out));
    }
}

/// A small file system with a file of two runs, links of both kinds, a directory that holds its parent and an
/// attribute; `journal` has a newer block of it.
fn ext_image(extents: bool, journal: bool) -> Vec<u8> {
    const BLOCK: usize = 1024;
    let mut out = vec![0; 24 * BLOCK];
    let mut put = |at: usize, what: &[u8]| out[at..at + what.len()].copy_from_slice(what);
    let words = |words: &[u32]| words.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<u8>>();
    let incompat = 2 | if extents { 0x40 } else { 0 } | if journal { 4 } else { 0 };
    put(BLOCK, &words(&[16, 24, 0, 0, 0, 1, 0, 0, 8192, 8192, 16]));
    put(BLOCK + 0x38, &[0x53, 0xEF]);
    put(BLOCK + 0x4C, &words(&[1, 0, 11, 256]));
    put(BLOCK + 0x5C, &words(&[if journal { 4 } else { 0 }, incompat]));
    put(BLOCK + 0xE0, &words(&[8]));
    put(2 * BLOCK + 8, &words(&[4]));
    let mut inode = |number: usize, mode: u16, size: u32, content: &[u8]| {
        let at = 4 * BLOCK + (number - 1) * 256;
        put(at, &mode.to_le_bytes());
        put(at + 4, &size.to_le_bytes());
        put(at + 0x1A, &[1, 0]);
        put(at + 0x28, content);
        put(at + 0x80, &[32, 0]);
        // An attribute, its value at the end of what is left of the inode.
        put(at + 0xA0, &[0, 0, 2, 0xEA, 1, 1, 40, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, b'n']);
        put(at + 0xA4 + 40, b"val");
    };
    inode(2, 0o040_755, 1024, &words(&[8]));
    if extents {
        inode(
            11,
            0o100_644,
            3000,
            &[&[0x0A, 0xF3, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0][..], &words(&[0, 1, 9, 2, 0x8001, 10])].concat(),
        );
        out[4 * BLOCK + 10 * 256 + 0x22] = 8;
    } else {
        inode(11, 0o100_644, 300_000, &words(&[9, 0, 10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 13, 14]));
    }
    let mut put = |at: usize, what: &[u8]| out[at..at + what.len()].copy_from_slice(what);
    let mut inode = |number: usize, mode: u16, size: u32, content: &[u8]| {
        let at = 4 * BLOCK + (number - 1) * 256;
        put(at, &mode.to_le_bytes());
        put(at + 4, &size.to_le_bytes());
        put(at + 0x28, content);
    };
    inode(12, 0o120_777, 6, b"target");
    inode(13, 0o120_777, 70, &words(&[11]));
    inode(14, 0o040_700, 1024, &words(&[12]));
    inode(8, 0o100_600, 6 * 1024, &words(&[16, 17, 18, 19, 20, 21]));
    let names = |names: &[(u32, &str)]| {
        let mut all = Vec::new();
        for (place, (inode, name)) in names.iter().enumerate() {
            let len = if place + 1 == names.len() { BLOCK - all.len() } else { 16 };
            all.extend(inode.to_le_bytes());
            all.extend([len as u8, (len >> 8) as u8, name.len() as u8, 0]);
            all.extend(name.bytes());
            all.resize(all.len().next_multiple_of(16), 0);
        }
        all
    };
    put(
        8 * BLOCK,
        &names(&[(2, "."), (2, ".."), (11, "file"), (12, "fast"), (13, "slow"), (14, "sub"), (11, "same")]),
    );
    put(12 * BLOCK, &names(&[(14, "."), (2, ".."), (2, "up"), (99, "none")]));
    put(11 * BLOCK, &[b'x'; 70]);
    put(13 * BLOCK, &words(&[10, 0, 9]));
    put(14 * BLOCK, &words(&[13, 0, 13]));
    let big = |words: &[u32]| words.iter().flat_map(|word| word.to_be_bytes()).collect::<Vec<u8>>();
    const LOG: u32 = 0xC03B_3998;
    put(16 * BLOCK, &big(&[LOG, 4, 0, 1024, 6, 1, 1, 1, 0, 0, 1, 0]));
    put(17 * BLOCK, &big(&[LOG, 1, 1, 9, 8]));
    put(18 * BLOCK, b"newer");
    put(19 * BLOCK, &big(&[LOG, 5, 1, 20, 10]));
    put(20 * BLOCK, &big(&[LOG, 2, 1]));
    out
}

fn ext_seeds(seeds: &mut Vec<Seed>) {
    for (name, extents, journal) in [("ext2", false, false), ("ext3", false, true), ("ext4", true, true)] {
        seeds.push(("ext_files", name.into(), ext_image(extents, journal)));
    }
}

/// A SquashFS whose metadata is stored as it is: a file of a hole and a fragment under two names with an attribute, a
/// link, a device.
fn squash_image(packing: u16) -> Vec<u8> {
    let words = |words: &[u32]| words.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<u8>>();
    let inode = |number: u16, body: &[u8]| {
        [&number.to_le_bytes()[..], &[0xA4, 1, 0, 0, 0, 0, 7, 0, 0, 0, 1, 0, 0, 0], body].concat()
    };
    let mut out = vec![0; 96];
    out.extend(b"tails");
    let tail = 5 | 1 << 24;
    let mut block = |content: &[u8]| {
        let at = out.len() as u64;
        out.extend((content.len() as u16 | 0x8000).to_le_bytes());
        out.extend(content);
        at
    };
    let file = inode(9, &words(&[96, 0, 4101, 0, 4096, 0, 2, 0, 0, 0, 0]));
    let link = inode(3, &[&words(&[1, 4]), &b"file"[..]].concat());
    let device = inode(5, &words(&[1, 0x501]));
    let mut names = words(&[3, 0, 1]);
    let places = [file.len() + link.len(), 0, file.len(), 0];
    for (name, place) in ["c", "file", "link", "same"].iter().zip(places) {
        names.extend([place as u8, 0, 0, 0, 2, 0, name.len() as u8 - 1, 0]);
        names.extend(name.bytes());
    }
    let root = inode(1, &[&words(&[0, 2]), &[names.len() as u8 + 3, 0, 0, 0, 5, 0, 0, 0][..]].concat());
    let root_at = (file.len() + link.len() + device.len()) as u64;
    let inodes = block(&[file, link, device, root].concat());
    let directories = block(&names);
    let fragment = block(&words(&[96, 0, tail, 0]));
    let owner = block(&words(&[1000]));
    let pair = block(b"\0\0\x01\0n\x03\0\0\0val");
    let attributes = block(&words(&[0, 0, 1, 10]));
    let mut table = |words: &[u64]| {
        let at = out.len() as u64;
        out.extend(words.iter().flat_map(|word| word.to_le_bytes()));
        at
    };
    let places = [table(&[owner]), table(&[pair, 1, attributes]), inodes, directories, table(&[fragment])];
    out[..32].copy_from_slice(&words(&[
        0x7371_7368,
        5,
        7,
        4096,
        1,
        12 << 16 | u32::from(packing),
        1 << 16,
        4,
    ]));
    let whole = out.len() as u64;
    for (index, word) in [root_at, whole].into_iter().chain(places).chain([u64::MAX]).enumerate() {
        out[32 + 8 * index..][..8].copy_from_slice(&word.to_le_bytes());
    }
    out
}

fn squash_seeds(seeds: &mut Vec<Seed>) {
    for (name, packing) in [("zlib", 1), ("lzma", 2), ("xz", 4), ("lz4", 5)] {
        seeds.push(("squash_files", name.into(), squash_image(packing)));
    }
}

/// A record with an image of each sort, and mapfiles of this program and of ddrescue.
fn bundle_seeds(seeds: &mut Vec<Seed>) {
    let whole = r#"{"name":"boot","file":"boot.img","start":"0x20000","length":131072,"addresses":"logical","flag":0,
        "bytes":135168,"sha256":"00","finished":"2026-01-02T03:04:05Z","ranges":{"bytes":1081344,"crc32":["89abcdef"]},
        "pages":{"clean":1,"correctable":2,"damaged":3,"blank":58,"in_bad_blocks":0,"not_checked":0},
        "read_twice":{"pages":64,"differed":1,"not_read_again":0}}"#;
    let begun = r#"{"name":"system","file":"system.img","start":"0x40000","length":2048,"addresses":"physical","flag":4,
        "bytes":0,"unread":[[0,2112]],"refused":"no"}"#;
    let record = format!(
        r#"{{"format":"bromide-bundle/1","tool":"bromide 0","state":"incomplete","phone":{{"chip":"MT6575","codes":"6575",
        "nand":"ad bc","geometry":[2048,64,64,64],"pool_blocks":16,"unit":""}},"agent":{{"container":"DA.bin","label":"",
        "entry":0,"format":"g2","sha256":""}},"maps":["map.json"],"images":[{whole},{begun}],"runs":[{{"command":["read"],
        "begun":"2026-01-02T03:04:05Z","ended":"2026-01-02T03:04:06Z","outcome":"done","log":"log/1"}}]}}"#
    );
    seeds.push(("bundle", "record".into(), record.into()));
    let mut map = Mapfile::new(270_336);
    map.set(0..135_168, State::Finished);
    map.set(137_280..139_392, State::Bad);
    let remarks = ["bromide read: {\"name\":\"boot\"}".to_owned()];
    seeds.push(("bundle", "mapfile".into(), map.text(&remarks).into()));
    let ddrescue = "# Mapfile. Created by GNU ddrescue version 1.27\n# current_pos  current_status  current_pass\n\
        0x00010000     /               1\n#      pos        size  status\n0x00000000  0x00010000  +\n\
        0x00010000  0200  /\n65664  0x80  *\n";
    seeds.push(("bundle", "ddrescue".into(), ddrescue.into()));
}

/// A recording of two appearances, and the same packets without remarks in the classic format, for usbmon and USBPcap.
fn capture_seeds(seeds: &mut Vec<Seed>) -> std::io::Result<()> {
    let mut to = Recording::new(Vec::new(), &About::here("seeds"))?;
    let at = Duration::from_secs(1_700_000_000);
    let seen = |face, pid| Sighting { face, vid: 0x0e8d, pid, port: "1-4.2".into(), speed: BusSpeed::Full };
    to.opened(at, &seen(Face::BootRom, 3))?;
    to.bound(at, 32768)?;
    to.bytes(at, Direction::ToPhone, &[0xa0])?;
    to.bytes(at, Direction::FromPhone, &[0x5f])?;
    to.closed(at)?;
    to.opened(at, &seen(Face::Agent, 0x2001))?;
    let piece = Piece { file: "a b/c.img".into(), at: 64, len: 2112, crc32: 7 };
    to.piece(at, Direction::FromPhone, &piece)?;
    to.note(at, "a note")?;
    seeds.push(("capture", "own".into(), to.into_inner()));
    let descriptor = vec![18, 1, 0, 2, 2, 0, 0, 64, 0x8d, 0x0e, 3, 0, 0, 1, 0, 0, 0, 1];
    for (name, link) in [("usbmon-48", 189_u32), ("usbmon-64", 220), ("usbpcap", 249)] {
        let mut file = [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 0x4_0000, link].map(u32::to_le_bytes).concat();
        for (step, kind, endpoint, data) in
            [(b'C', 2, 0x80, &descriptor), (b'S', 3, 1, &vec![0xa0]), (b'C', 3, 0x81, &vec![0x5f])]
        {
            let length = (data.len() as u32).to_le_bytes();
            let mut packet = vec![0; if link == 189 { 48 } else { 64 }];
            packet[8..14].copy_from_slice(&[step, kind, endpoint, 5, 1, 0]);
            packet[32..36].copy_from_slice(&length);
            packet[36..40].copy_from_slice(&length);
            if link == 249 {
                packet = vec![0; 27];
                packet[0] = 27;
                packet[16..23].copy_from_slice(&[u8::from(step == b'C'), 1, 0, 5, 0, endpoint, kind]);
                packet[23..].copy_from_slice(&length);
            }
            packet.extend(data);
            file.extend(
                [1_700_000_000, 0, packet.len() as u32, packet.len() as u32].map(u32::to_le_bytes).concat(),
            );
            file.extend(packet);
        }
        seeds.push(("capture", name.into(), file));
    }
    Ok(())
}

fn main() -> std::io::Result<()> {
    let Some(folder) = std::env::args_os().nth(1) else {
        return Err(std::io::Error::other("usage: seeds FOLDER"));
    };
    let mut seeds = Vec::new();
    text_seeds(&mut seeds);
    gpt_seeds(&mut seeds);
    mbr_seeds(&mut seeds);
    pmt_seeds(&mut seeds);
    chip_seeds(&mut seeds);
    sparse_seeds(&mut seeds);
    da_seeds(&mut seeds);
    yaffs2_seeds(&mut seeds);
    boot_seeds(&mut seeds);
    ext_seeds(&mut seeds);
    squash_seeds(&mut seeds);
    bundle_seeds(&mut seeds);
    capture_seeds(&mut seeds)?;
    for (target, name, bytes) in &seeds {
        let folder = Path::new(&folder).join(target);
        std::fs::create_dir_all(&folder)?;
        std::fs::write(folder.join(format!("seed-{name}")), bytes)?;
    }
    println!("{} seeds", seeds.len());
    Ok(())
}
