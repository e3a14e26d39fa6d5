//! A small chip in a file: read as a whole, and with wrong bits in it.

use std::fs::File;
use std::os::unix::fs::FileExt;

use bromide_phone::{Generation, Model, NandChip, demo_agent};

use crate::bench::{Bench, MT6575, assert_same, fill};

/// A phone with 16 MiB instead of 512, and a Download Agent whose table says so.
const SMALL: &str = "phone:small.toml?flash=flash.bin";

fn small() -> Bench {
    let bench = Bench::new();
    let head = MT6575.split("# In flash order").next().unwrap();
    let text = head
        .replace("\nblocks = 4096", "\nblocks = 128")
        .replace("pool_blocks = 80", "pool_blocks = 8")
        .replace("[1000, 2600, 4095]", "[5, 127]")
        .replace("{ bad = 1000, by = 4016 }", "{ bad = 5, by = 121 }");
    let partitions = "[[partition]]\nname = \"preloader\"\nbytes = 0x40000\n\
                      [[partition]]\nname = \"system\"\nbytes = 0x400000\n";
    let text = text + partitions;
    bench.write("small.toml", &text);
    let model = Model::from_toml(&text).unwrap();
    drop(fill(&model, NandChip::open(&model.nand, &bench.path("flash.bin")).unwrap(), 3));
    let mut agent = demo_agent::container(Generation::G2);
    let record = [0xad, 0, 0xbc, 0, 0x90, 0x55, 0x54, 0xff, 0x00, 0x02, 0, 0];
    let at: Vec<_> = (0..agent.len()).filter(|&at| agent[at..].starts_with(&record)).collect();
    assert!(!at.is_empty(), "the table has no record of this part with 512 MiB");
    for at in at {
        agent[at + 8..at + 12].copy_from_slice(&16u32.to_le_bytes());
    }
    bench.write("small.bin", agent);
    bench
}

/// Flips bits in the flash file: page, stored byte, mask.
fn flip(bench: &Bench, page: u64, bytes: impl IntoIterator<Item = (u64, u8)>) {
    let file = File::options().read(true).write(true).open(bench.path("flash.bin")).unwrap();
    for (byte, mask) in bytes {
        let mut one = [0];
        let at = page * 2112 + byte;
        file.read_exact_at(&mut one, at).unwrap();
        file.write_all_at(&[one[0] ^ mask], at).unwrap();
    }
}

#[test]
fn the_whole_chip_is_the_flash_file_when_read_physically() {
    let bench = small();
    let read = format!("read --chip --pool 8 --da small.bin --via {SMALL}");
    bench.run(&format!("{read} --physical -o chip.bin")).good();
    let flash = bench.read("flash.bin");
    assert_same(&bench.read("chip.bin"), &flash);
    bench.run(&read).good();
    let block = 64 * 2112;
    let mut logical = flash[..120 * block].to_vec();
    logical[5 * block..6 * block].copy_from_slice(&flash[121 * block..122 * block]);
    assert_same(&bench.read("chip.img"), &logical);
}

#[test]
fn wrong_bits_are_reported_with_their_pages_and_the_bytes_saved_as_they_came() {
    let bench = small();
    let page = 0x4_0000 / 2048;
    flip(&bench, page + 2, [(100, 1), (101, 0x80), (511, 4)]);
    flip(&bench, page + 9, (600..640).map(|byte| (byte, 0x55)));
    flip(&bench, page + 63, [(7, 1)]); // a blank page
    let read = format!("read --at 0x40000 --len 0x20000 --pool 8 --da small.bin --via {SMALL} -o piece.bin");
    let ran = bench.run(&read).good();
    assert_eq!(ran.out, "");
    ran.says(&[
        "64 pages: 59 clean, 1 correctable, 1 damaged, 3 blank",
        "Warning damaged beyond repair: 1 page; piece.bin.report.json says which",
    ]);
    let first = page as usize * 2112;
    assert_same(&bench.read("piece.bin"), &bench.read("flash.bin")[first..first + 64 * 2112]);
    let report = bench.json("piece.bin.report.json");
    assert_eq!(report["correctable"][0]["page"], page + 2);
    assert_eq!(report["correctable"][0]["bits"], 3);
    assert_eq!(report["damaged"][0]["page"], page + 9);
    assert_eq!(report["damaged"][0]["sectors"], serde_json::json!([1]));
    assert_eq!(report["damaged"].as_array().unwrap().len(), 1);

    let quiet = bench.run(&format!("{read} --force --quiet")).good();
    assert!(quiet.err.starts_with("Warning damaged beyond repair: 1 page;"), "{}", quiet.err);
    assert_eq!(quiet.err.lines().count(), 1, "{}", quiet.err);
}

#[test]
fn a_controller_that_corrects_delivers_clean_pages() {
    let bench = small();
    let page = 0x4_0000 / 2048;
    flip(&bench, page + 2, [(100, 1), (101, 0x80), (511, 4)]);
    let read = "read --at 0x40000 --len 0x20000 --pool 8 --da small.bin -o piece.bin";
    bench.run(&format!("{read} --via {SMALL}&ecc=corrected")).good().says(&["61 clean, 3 blank"]);
}

#[test]
fn a_flash_file_of_another_size_is_refused() {
    let bench = small();
    bench.write("flash.bin", "too short");
    bench
        .run(&format!("info --da small.bin --via {SMALL}"))
        .fails(1, &["flash.bin", "9 bytes", "17301504", "next:"]);
}
