//! Dumps of whole chips and phones on the cable: every partition is a directory, and opened when it is looked into.

use std::fs::File;
use std::io::{Seek as _, SeekFrom, Write as _};

use bromide_nand::bmt::{Bmt, FDM_SIGNATURE};
use bromide_nand::{Geometry, Layout, encode_page, fdm};

use super::bench::{Bench, Oracle, assert_same, main_only};
use super::images::{cat, file, image};
use bromide_image::yaffs2::demo_tree::Node;

/// Stored bytes of a page, and its main bytes.
const STORED: u64 = 2112;
const MAIN: u64 = 2048;

/// The flash of a phone, all blank but for `system`.
fn write_flash(bench: &Bench, phone: &Oracle, system: &[u8]) {
    let mut flash = File::create(bench.path("flash.bin")).unwrap();
    let blank = vec![0xFF; 1 << 20];
    let mut left = phone.model.nand.pages() as u64 * STORED;
    while left > 0 {
        let some = left.min(1 << 20);
        flash.write_all(&blank[..usize::try_from(some).unwrap()]).unwrap();
        left -= some;
    }
    let (start, _) = phone.partition("system");
    flash.seek(SeekFrom::Start(start / MAIN * STORED)).unwrap();
    flash.write_all(system).unwrap();
}

#[test]
fn partitions_of_a_chip_are_directories_in_its_dump_and_on_the_phone_alike() {
    let (bench, phone, (tree, image)) = (Bench::new(), Oracle::builtin("mt6575"), image());
    write_flash(&bench, &phone, &image);
    bench.write("mtd.txt", phone.proc_mtd());
    let names = bench.run("image ls flash.bin --map mtd.txt").good().out;
    let mut wanted: Vec<String> = phone.model.partitions().iter().map(|it| it.name.clone()).collect();
    wanted.sort();
    assert_eq!(names.lines().collect::<Vec<_>>(), wanted);

    let on_phone = "--map mtd.txt --da g2.bin --via phone:mt6575?flash=flash.bin";
    let by_file = bench.run("image ls -lR flash.bin:system --map mtd.txt").good().out;
    let by_phone = bench.run(&format!("image ls -lR {on_phone} system")).good().out;
    assert!(by_file == by_phone, "the same on the phone");
    bench.write("system.img", &image);
    let alone = bench.run("image ls -lR system.img").good().out;
    let rows =
        |list: &str| list.lines().filter(|line| !line.ends_with(':')).map(str::to_owned).collect::<Vec<_>>();
    assert!(rows(&by_file) == rows(&alone), "the same as in the image of the partition");
    assert!(by_file.starts_with("/system:\n") && by_file.contains("\n/system/links:\n"));

    let (name, bytes) = file(&tree, "lib/", 5000);
    let (read, ran) = cat(&bench, "--map=mtd.txt", &format!("flash.bin:system/{name}"));
    ran.good();
    assert_same(&read, &bytes);
    let (read, ran) = cat(&bench, on_phone, &format!("system/{name}"));
    ran.good();
    assert_same(&read, &bytes);

    // A partition without a file system is a file, as it is stored.
    let (_, length) = phone.partition("logo");
    let (read, ran) = cat(&bench, "--map=mtd.txt", "flash.bin:logo");
    ran.good();
    assert_same(&read, &vec![0xFF; usize::try_from(length / MAIN * STORED).unwrap()]);
    bench
        .run("image ls flash.bin:nowhere --map mtd.txt")
        .fails(1, &["flash.bin", "there is no nowhere in it", "image/no-file"]);
    bench.run("image ls flash.bin:logo/x --map mtd.txt").fails(1, &["there is no logo/x"]);
}

#[test]
fn a_phone_without_a_table_or_a_partition_is_told_with_the_cure() {
    let bench = Bench::new();
    let phone = "--da g2.bin --via phone:mt6575";
    bench.run(&format!("image ls {phone}")).fails(1, &["no partition table of its own", "--map"]);
    bench.run("image ls").fails(2, &["FILE"]);
    bench.run("image ls --via phone:mt6575").fails(2, &["--da"]);
    bench.run(&format!("image ls {phone}?pmt=yes nowhere")).fails(1, &["there is no nowhere in it"]);
}

#[test]
fn the_table_of_a_phone_or_of_its_dump_needs_no_map() {
    let (bench, phone) = (Bench::new(), Oracle::builtin("mt6575"));
    let names = bench.run("image ls --da g2.bin --via phone:mt6575?pmt=yes").good().out;
    let mut wanted: Vec<String> = phone.model.partitions().iter().map(|it| it.name.clone()).collect();
    wanted.sort();
    assert_eq!(names.lines().map(str::to_lowercase).collect::<Vec<_>>(), wanted);
}

#[test]
fn a_sparse_image_and_main_bytes_are_looked_through() {
    let (bench, (_, image)) = (Bench::new(), image());
    bench.write("main.img", main_only(&image));
    // Main bytes alone hold no tags: what is missing is told.
    bench.run("image ls main.img").fails(1, &["no file system in it", "identify"]);
}

/// A chip of 256 blocks by physical addresses: `system` from block 8 on, its fourth block bad and replaced by block
/// 200, the bad-block table in the last one.
fn physical_dump(system: &[u8]) -> Vec<u8> {
    const BLOCK: usize = 64 * STORED as usize;
    let geometry = Geometry::new(2048, 64, 64, 256).unwrap();
    let mut flash = vec![0xFF; 256 * BLOCK];
    flash[8 * BLOCK..][..system.len()].copy_from_slice(system);
    for number in 0..64 {
        let from = 11 * BLOCK + number * STORED as usize;
        let page = flash[from..][..STORED as usize].to_vec();
        let spare: Vec<u8> = Layout::Interleaved
            .sectors(&page, &geometry)
            .unwrap()
            .flat_map(|(_, spare)| spare[..fdm::PER_SECTOR].to_vec())
            .collect();
        let mut software = [0; 25];
        fdm::software(&spare, &mut software);
        let to = &mut flash[200 * BLOCK + number * STORED as usize..][..STORED as usize];
        encode_page(&main_only(&page), &software, Some(11), &geometry, to).unwrap();
    }
    flash[11 * BLOCK..12 * BLOCK].fill(0x5A);
    flash[11 * BLOCK + 512] = 0; // the mark
    let mut table = [0; MAIN as usize];
    Bmt { entries: vec![(11, 200)] }.build(80, &mut table).unwrap();
    let last = &mut flash[255 * BLOCK..][..STORED as usize];
    encode_page(&table, &FDM_SIGNATURE, None, &geometry, last).unwrap();
    flash
}

#[test]
fn replaced_blocks_are_looked_up_in_a_dump_by_physical_addresses_and_left_in_one_by_logical_ones() {
    let (bench, (tree, image)) = (Bench::new(), image());
    let flash = physical_dump(&image);
    bench.write("physical.bin", &flash);
    let block = 64 * STORED as usize;
    let mut logical = flash.clone();
    logical.copy_within(200 * block..201 * block, 11 * block);
    bench.write("logical.bin", &logical);
    bench.write(
        "mtd.txt",
        "dev:    size   erasesize  name\nmtd0: 00100000 00020000 \"preloader\"\n\
         mtd1: 00f00000 00020000 \"system\"\nmtd2: 00800000 00020000 \"userdata\"\n",
    );
    let list = |name: &str| bench.run(&format!("image ls -lR {name}:system --map mtd.txt")).good();
    let (by_physical, by_logical) = (list("physical.bin"), list("logical.bin"));
    assert!(by_physical.out == by_logical.out && by_physical.out.lines().count() > 100);
    by_physical.says(&["1 block is bad and read from the one that replaces it"]);
    assert!(!by_logical.err.contains("replaces"), "{}", by_logical.err);
    // Files of which nothing lies in the replaced block would not show a wrong one.
    for index in 0..tree.entries().len() {
        let name = String::from_utf8_lossy(&tree.path(index)).into_owned();
        let Node::File(file) = &tree.entries()[index].node else { continue };
        if file.size() < 200_000 {
            continue;
        }
        let mut bytes = vec![0; usize::try_from(file.size()).unwrap()];
        file.read(0, &mut bytes);
        let (read, ran) = cat(&bench, "--map=mtd.txt", &format!("physical.bin:system/{name}"));
        ran.good();
        assert_same(&read, &bytes);
    }
}

#[test]
fn damage_in_a_dump_of_a_whole_chip_is_told_by_partition_and_file() {
    let (bench, (tree, image)) = (Bench::new(), image());
    let page = STORED as usize;
    let mut flash = physical_dump(&image);
    // A second file system, so that none of them is all there is, and a partition that is none.
    let second = 136 * 64 * page;
    flash.copy_within(8 * 64 * page..9 * 64 * page, second);
    for block in [2, 3] {
        let boot = [7; MAIN as usize];
        let geometry = Geometry::new(2048, 64, 64, 256).unwrap();
        for at in 0..64 {
            let to = &mut flash[(block * 64 + at) * page..][..page];
            encode_page(&boot, &[0; 25], None, &geometry, to).unwrap();
        }
    }
    let (name, bytes) = file(&tree, "lib/", 5000);
    let hurt = flash.chunks(page).position(|it| it[..512] == bytes[..512]).unwrap();
    for at in [hurt, 130] {
        flash[at * page + 10..][..40].iter_mut().for_each(|byte| *byte ^= 0xFF);
    }
    bench.write("flash.bin", &flash);
    bench.write(
        "mtd.txt",
        "dev:    size   erasesize  name\nmtd0: 00100000 00020000 \"boot\"\n\
         mtd1: 01000000 00020000 \"system\"\nmtd2: 00800000 00020000 \"userdata\"\n",
    );
    let blind = bench.run("image check flash.bin").fails(5, &["image/damaged"]);
    assert!(blind.out.contains("more than one partition: with --map"), "{}", blind.out);
    let told = bench.run("image check flash.bin --map mtd.txt").fails(5, &["image/damaged"]).out;
    assert!(
        told.contains(&format!("  /system/{name}, ")) && told.contains(&format!("(page {hurt})")),
        "{told}"
    );
    assert!(told.contains("in boot, which is no YAFFS2, 1 page: 130"), "{told}");
    let json = bench.run("--json image check flash.bin --map mtd.txt").fails(5, &[]).out;
    assert!(
        json.contains(r#""elsewhere":[{"pages":[130],"pages_unlisted":0,"partition":"boot"}]"#),
        "{json}"
    );
}

#[test]
fn a_partition_that_cannot_be_read_does_not_hide_the_others() {
    let (bench, (_, image)) = (Bench::new(), image());
    let mut flash = physical_dump(&image);
    let geometry = Geometry::new(2048, 64, 64, 256).unwrap();
    let mut head = [0; MAIN as usize];
    // An ext superblock with blocks and inodes, and nothing right about them.
    head[1024 + 0x38..][..2].copy_from_slice(&[0x53, 0xEF]);
    (head[1024 + 4], head[1024 + 0x28]) = (1, 1);
    let page = STORED as usize;
    encode_page(&head, &[0; 25], None, &geometry, &mut flash[136 * 64 * page..][..page]).unwrap();
    bench.write("flash.bin", &flash);
    bench.write(
        "mtd.txt",
        "dev:    size   erasesize  name\nmtd0: 00100000 00020000 \"boot\"\n\
         mtd1: 01000000 00020000 \"system\"\nmtd2: 00800000 00020000 \"userdata\"\n",
    );
    let list = bench.run("image ls -l flash.bin --map mtd.txt").good();
    assert_eq!(list.out.lines().count(), 3, "{}", list.out);
    list.says(&["userdata: its files cannot be read"]);
    bench.run("image ls flash.bin:userdata/x --map mtd.txt").fails(1, &["userdata", "image/"]);
}
