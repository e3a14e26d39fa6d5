//! Images of pages: checked, corrected, converted, and what is said of damage.

use std::convert::Infallible;
use std::fs;
use std::process::Command;

use bromide_image::yaffs2::demo_tree::{DemoTree, Node};
use bromide_image::yaffs2::tags;
use bromide_nand::{Geometry, encode_page};
use serde_json::{Value, json};

use crate::bench::{Bench, assert_same, is_root, main_only, spare_last};

/// Stored bytes of a page, and of a block.
const PAGE: usize = 2112;
const BLOCK: usize = 64 * PAGE;

/// A partition as `bromide read` writes it, with the tree it holds; without files with holes if `whole`.
fn image(whole: bool) -> (DemoTree, Vec<u8>) {
    let tree = DemoTree::new(6575, 1_500_000);
    let geometry = Geometry::new(2048, 64, 64, 1024).unwrap();
    let mut image = Vec::new();
    let written = tree.write(|main, software| {
        let object = u32::from_le_bytes(software[4..8].try_into().unwrap()) as usize;
        // The root is 1, the entries are 257 and up.
        let entry = object.checked_sub(257).map(|index| &tree.entries()[index].node);
        let holes =
            matches!(entry, Some(Node::File(file)) if file.stored_chunks() < file.size().div_ceil(2048));
        if !(whole && holes) {
            let mut page = [0; PAGE];
            encode_page(main, software, None, &geometry, &mut page).unwrap();
            image.extend(page);
        }
        Ok::<(), Infallible>(())
    });
    written.unwrap();
    image.resize(image.len().next_multiple_of(BLOCK) + BLOCK, 0xFF);
    (tree, image)
}

/// The page of a piece, from 0, of the first file of at least so many pieces; the file's path and bytes.
fn place(tree: &DemoTree, image: &[u8], pieces: u64, piece: u32) -> (usize, String, u64) {
    let mut entries = tree.entries().iter().enumerate();
    let (index, bytes) = entries
        .find_map(|(index, entry)| match &entry.node {
            Node::File(file)
                if file.stored_chunks() >= pieces && file.stored_chunks() * 2048 > file.size() =>
            {
                Some((index, file.size()))
            }
            _ => None,
        })
        .unwrap();
    let tags = tags::Tags { sequence: 0x1000, object: index as u32 + 257, chunk: piece + 1, bytes: 2048 };
    let begin = tags.software_bytes()[..7].to_vec();
    let chunk = (piece + 1).to_le_bytes();
    let page = image
        .chunks(PAGE)
        .position(|page| page[513..520] == begin[..] && page[1041..1045][1..] == chunk[..3]);
    let page = page.unwrap_or_else(|| panic!("no page of chunk {piece} of object {index}"));
    (page, String::from_utf8(tree.path(index)).unwrap(), bytes)
}

/// Ruins the data of a sector beyond repair.
fn ruin(image: &mut [u8], page: usize, sector: usize) {
    let data = &mut image[page * PAGE + sector * 528..][..512];
    data.iter_mut().enumerate().for_each(|(at, byte)| *byte ^= (at * 37 % 251) as u8);
}

fn last(events: &[Value], name: &str) -> Value {
    events.iter().rfind(|it| it["event"] == name).unwrap_or_else(|| panic!("no {name} in {events:?}")).clone()
}

#[test]
fn a_sound_image_is_drawn_and_ends_with_zero() {
    let (bench, (_, image)) = (Bench::new(), image(false));
    bench.write("system.img", &image);
    let ran = bench.run("image check system.img").good();
    let blocks = image.len() / BLOCK;
    let written = image.chunks(PAGE).filter(|page| page.iter().any(|byte| *byte != 0xFF)).count();
    let blank = image.len() / PAGE - written;
    assert!(ran.out.contains(&format!(
        "raw: {} pages of 2048 + 64 bytes, {blocks} blocks",
        grouped((image.len() / PAGE) as u64)
    )));
    assert!(ran.out.contains(&format!(" 0 |{}.|", "o".repeat(blocks - 1))), "{}", ran.out);
    assert!(ran.out.contains(&format!("o clean: {} blocks", blocks - 1)));
    assert!(
        ran.out.contains(&format!("{} clean, {} blank", grouped(written as u64), grouped(blank as u64))),
        "{}",
        ran.out
    );
    bench.write("last.img", spare_last(&image));
    let ran = bench.run("image check last.img --quiet").good();
    assert!(ran.out.contains("spare-last: ") && ran.err.is_empty());
}

#[test]
fn damage_is_named_by_page_sector_and_file_and_ends_with_five() {
    let (bench, (tree, mut image)) = (Bench::new(), image(false));
    let (page, path, bytes) = place(&tree, &image, 6, 3);
    ruin(&mut image, page, 2);
    image[7 * PAGE + 100] ^= 0x03;
    image[9 * PAGE + 900] ^= 0x01;
    let end = image.len() - 100;
    image[end] ^= 0x10;
    bench.write("system.img", &image);
    let ran = bench.run("image check system.img").fails(5, &["image/damaged", "1 page"]);
    let at = page * PAGE;
    for told in [
        format!("  page {page} at byte {at:#x}, sector 2"),
        format!("  /{path}, {} bytes", grouped(bytes)),
        format!("    bytes 6,144 to 8,191 (page {page})"),
        "correctable: 3 wrong bits in 2 pages; by the wrong bits of a page's worst sector: 1 in 1, 2 in 1"
            .to_owned(),
        "erased with flipped bits: 1 page, 1 bit".to_owned(),
        "X damaged: 1 block".to_owned(),
    ] {
        assert!(ran.out.contains(&told), "{told}\n{}", ran.out);
    }
    let events = bench.run("--json image check system.img").fails(5, &[]).events();
    let found = last(&events, "image-check");
    assert_eq!(found["damaged"], json!([{ "page": page, "offset": format!("{at:#x}"), "sectors": [2] }]));
    let chunk = json!({ "chunk": 4, "offset": 6144, "bytes": 2048, "page": page, "by_place": false });
    assert_eq!(found["files"][0]["chunks"], json!([chunk]));
    assert_eq!((&found["files"][0]["path"], &found["file_system"]), (&json!(path), &json!("yaffs2")));
    assert_eq!(found["pages_by_worst_sector"], json!([1, 1, 0, 0]));
    assert_eq!((&found["pages"]["damaged"], &found["pages"]["correctable"]), (&json!(1), &json!(2)));
    let map = found["map"].as_str().unwrap();
    assert_eq!(map.len(), image.len() / BLOCK);
    assert_eq!(map.chars().position(|sign| sign == 'X'), Some(page / 64));
    assert_eq!(last(&events, "error")["exit"], 5);
    assert_eq!(last(&events, "progress")["done"], image.len());
}

#[test]
fn the_chip_is_drawn_into_files_that_must_not_exist() {
    let (bench, (_, image)) = (Bench::new(), image(false));
    bench.write("system.img", &image);
    bench.run("image check system.img --svg a.svg --png a.png").good();
    let svg = bench.text("a.svg");
    assert_eq!(svg.matches("<title>block ").count(), image.len() / BLOCK);
    assert!(svg.contains("<desc ") && svg.contains("clean"));
    assert!(bench.read("a.png").starts_with(b"\x89PNG\r\n\x1a\n"));
    bench.write("mine.svg", "mine");
    let ran = bench.run("image check system.img --svg mine.svg").fails(1, &["mine.svg exists already"]);
    assert!(ran.out.is_empty() && bench.text("mine.svg") == "mine");
    bench.write("main.img", main_only(&image));
    bench.run("image check main.img --png b.png").fails(1, &["no spare bytes", "nothing to draw"]);
    assert!(!bench.has("b.png"));
}

#[test]
fn an_image_without_parity_is_said_to_have_nothing_to_check() {
    let (bench, (_, image)) = (Bench::new(), image(false));
    bench.write("main.img", main_only(&image));
    let ran = bench.run("image check main.img").good();
    assert!(ran.out.contains("no spare bytes, so no parity: nothing to check"), "{}", ran.out);
    let found = last(&bench.run("--json image check main.img").good().events(), "image-check");
    assert_eq!(
        (&found["form"], &found["pages"]["not_checked"]),
        (&json!("main-only"), &json!(image.len() / PAGE))
    );
    bench.write("system.img", &image);
    bench.run("image convert system.img --to yaffs-image -o vendor.img").good();
    let ran = bench.run("image check vendor.img").good();
    assert!(ran.out.contains("tags and no parity: nothing to check"), "{}", ran.out);
}

#[test]
fn a_fixed_image_is_the_one_before_its_bits_flipped() {
    let (bench, (tree, image)) = (Bench::new(), image(false));
    let mut bad = image.clone();
    for (number, page) in bad.chunks_mut(PAGE).enumerate().filter(|(number, _)| number % 3 == 0) {
        page[number * 7 % 500] ^= 0x44;
        page[528 + number % 512] ^= 0x01;
    }
    bench.write("bad.img", &bad);
    let ran = bench.run("image fix bad.img -o good.img").good();
    assert_same(&bench.read("good.img"), &image);
    assert!(ran.out.contains("wrong bits corrected in") && ran.out.contains("erased again"));
    bench.run("image check good.img").good();
    bench.run("image fix bad.img -o good.img").fails(1, &["good.img exists already", "--force"]);
    let (page, ..) = place(&tree, &image, 6, 3);
    ruin(&mut bad, page, 1);
    bench.write("bad.img", &bad);
    let ran = bench.run("image fix bad.img -o good.img --force").fails(5, &["image/damaged"]);
    assert!(ran.out.contains(&format!("  page {page} at byte")), "{}", ran.out);
    let (fixed, from) = (bench.read("good.img"), page * PAGE);
    assert_same(&fixed[from..from + PAGE], &bad[from..from + PAGE]);
    assert_same(&fixed[..from], &image[..from]);
    assert_same(&fixed[from + PAGE..], &image[from + PAGE..]);
    assert_eq!(bench.files(), ["bad.img", "good.img"]);
}

#[test]
fn an_image_is_never_written_over_itself() {
    let (bench, (_, image)) = (Bench::new(), image(false));
    bench.write("system.img", &image);
    fs::hard_link(bench.path("system.img"), bench.path("other.img")).unwrap();
    for output in ["system.img", "other.img", "./system.img"] {
        let says = ["write over the image itself"];
        bench.run(&format!("image fix system.img -o {output} --force")).fails(2, &says);
        bench.run(&format!("image convert system.img --to spare-last -o {output} --force")).fails(2, &says);
    }
    assert_same(&bench.read("system.img"), &image);
    assert_eq!(bench.files(), ["other.img", "system.img"]);
}

#[test]
fn an_image_comes_back_from_every_form() {
    let (bench, (_, image)) = (Bench::new(), image(false));
    bench.write("raw.img", &image);
    for form in ["spare-last", "yaffs-image"] {
        bench.run(&format!("image convert raw.img --to {form} -o {form}.img")).good();
        bench.run(&format!("image convert {form}.img --to raw -o back.img --force")).good();
        assert_same(&bench.read("back.img"), &image);
    }
    assert_same(&bench.read("spare-last.img"), &spare_last(&image));
    bench.run("image convert yaffs-image.img --to main-only -o main.img").good();
    assert_same(&bench.read("main.img"), &main_only(&image));
    let ls = |name: &str| bench.run(&format!("image ls -lR {name}")).good().out;
    assert_eq!(ls("raw.img"), ls("yaffs-image.img"));
    bench.run("image convert raw.img --to raw -o x.img").fails(2, &["in the form raw already", "--to"]);
    bench.run("image convert main.img --to raw -o x.img").fails(1, &["--fill-spare"]);
    bench.run("image convert main.img --to raw -o x.img --fill-spare").fails(1, &["tags", "gone"]);
    bench.run("image convert main.img --to yaffs-image -o x.img").fails(1, &["main bytes alone"]);
    assert!(!bench.has("x.img") && !bench.has("x.img.part"));
}

#[test]
fn main_bytes_of_no_file_system_get_spare_bytes_with_a_warning() {
    let bench = Bench::new();
    let main: Vec<u8> = (0..100 * 2048_usize).map(|at| (at * at / 7) as u8 | 1).collect();
    bench.write("boot.img", &main);
    let filled = bench.run("image convert boot.img --to raw --fill-spare -o raw.img").good();
    filled.says(&["built, not read"]);
    let ran = bench.run("image check raw.img").good();
    assert!(ran.out.contains("100 pages: 100 clean"), "{}", ran.out);
    bench.run("image convert raw.img --to main-only -o back.img").good();
    assert_same(&bench.read("back.img"), &main);
}

#[test]
fn a_damaged_page_is_written_as_it_is_and_named() {
    let (bench, (tree, mut image)) = (Bench::new(), image(false));
    let (page, ..) = place(&tree, &image, 6, 3);
    ruin(&mut image, page, 0);
    bench.write("raw.img", &image);
    for form in ["main-only", "yaffs-image"] {
        let ran =
            bench.run(&format!("image convert raw.img --to {form} -o {form}.img")).fails(5, &["1 page"]);
        assert!(ran.out.contains(&format!("  page {page} at byte")), "{}", ran.out);
        let unit = if form == "main-only" { 2048 } else { PAGE };
        assert_same(
            &bench.read(&format!("{form}.img"))[page * unit..][..2048],
            &main_only(&image)[page * 2048..][..2048],
        );
    }
    bench.run("image convert raw.img --to spare-last -o last.img").good();
    assert_same(&bench.read("last.img"), &spare_last(&image));
}

#[test]
fn a_foreign_reader_extracts_a_converted_image() {
    if Command::new("unyaffs").arg("-V").output().is_err() || !is_root() {
        println!("skipped: the program unyaffs is not installed, or this is not root");
        return;
    }
    let (bench, (tree, mut image)) = (Bench::new(), image(true));
    // Erased pages between written ones, as phones have them; and wrong bits to be corrected.
    image.splice(BLOCK..BLOCK, vec![0xFF; BLOCK]);
    image.chunks_mut(PAGE).step_by(5).for_each(|page| page[700] ^= 0x18);
    bench.write("raw.img", &image);
    bench.run("image convert raw.img --to yaffs-image -o vendor.img").good();
    let (from, to) = (bench.path("vendor.img"), bench.path("tree"));
    let ran = Command::new("unyaffs").args(["-c", "2", "-s", "64"]).arg(from).arg(&to).output().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    let mut compared = 0;
    for (index, entry) in tree.entries().iter().enumerate() {
        let Node::File(file) = &entry.node else { continue };
        let path = tree.path(index);
        let (Ok(name), true) =
            (std::str::from_utf8(&path), file.stored_chunks() == file.size().div_ceil(2048))
        else {
            continue;
        };
        let mut content = vec![0; file.size() as usize];
        file.read(0, &mut content);
        assert!(fs::read(to.join(name)).unwrap() == content, "{name}");
        compared += 1;
    }
    assert!(compared > 100, "{compared}");
}

#[test]
fn what_is_no_image_of_pages_is_refused_with_a_cure() {
    let (bench, (_, image)) = (Bench::new(), image(false));
    bench.write("short.img", &image[..2111]);
    bench
        .run("image check short.img")
        .fails(1, &["less than one page of 2112", "bromide identify short.img"]);
    bench.write("empty.img", "");
    bench.run("image check empty.img").fails(1, &["empty.img"]);
    bench.write("cut.img", &image[..10 * PAGE + 77]);
    bench.run("image check cut.img").good().says(&["the last 77 bytes are the beginning of a page"]);
    let cure = format!("truncate -s {}", 10 * PAGE);
    bench.run("image fix cut.img -o x.img").fails(1, &["77 bytes behind the last whole page", &cure]);
    bench.run("image convert cut.img --to main-only -o x.img").fails(1, &[&cure]);
    let mut noise: Vec<u8> = (0..99_999_u64).map(|at| (at * at / 11) as u8).collect();
    bench.write("noise.bin", &noise);
    bench.run("image check noise.bin --layout raw").good().says(&["another layout"]);
    noise[512] = 0xFF; // no bad-block mark by chance
    bench.write("noise.bin", &noise);
    bench.run("image check noise.bin").fails(1, &["no layout fits", "--layout"]);
    let forced = bench.run("image check noise.bin --layout raw").fails(5, &["another layout"]);
    assert!(forced.out.contains("and 23 more"), "{}", forced.out);
    bench.run("image check cut.img --page-size 3000").fails(2, &["3000"]);
    bench.run("image check missing.img").fails(1, &["missing.img", "file/io"]);
    bench.run("image fix cut.img -o no/such/folder.img").fails(1, &[]);
    bench.run("image check .").fails(1, &["directory"]);
    assert!(!bench.has("x.img"));
}

#[test]
fn ctrl_c_ends_the_work_and_leaves_nothing_half_done() {
    let bench = Bench::new();
    // Sparse: read as zeros, which takes seconds and no disk.
    let file = fs::File::create(bench.path("zeros.img")).unwrap();
    file.set_len(60_000 * BLOCK as u64).unwrap();
    let running = bench.start("image check zeros.img --layout raw");
    running.hears_ctrl_c();
    running.interrupt();
    running.end().fails(130, &["stopped"]);
    file.set_len(20_000 * BLOCK as u64).unwrap();
    for words in ["fix zeros.img -o out.img", "convert zeros.img --to spare-last -o out.img"] {
        let running = bench.start(&format!("image {words} --layout raw"));
        running.hears_ctrl_c();
        running.interrupt();
        running.end().fails(130, &["stopped"]);
        assert_eq!(bench.files(), ["zeros.img"], "{words}");
    }
}

fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let groups: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().map(|it| std::str::from_utf8(it).unwrap()).collect();
    groups.join(",")
}
