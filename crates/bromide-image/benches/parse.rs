//! Hostile maps, a full GPT and a large file: `cargo bench -p bromide-image`.
//!
//! Every hostile text is parsed at a quarter, a half and the whole of 1 MiB, so that anything that grows faster than
//! its input shows: each doubling should take about twice the time. Times are the best of several runs. A file that
//! must be read less than 64 MiB of fails the bench where more is read.

use std::cell::Cell;
use std::hint::black_box;
use std::time::{Duration, Instant};

use bromide_image::identify::identify;
use bromide_image::map::{self, Format};
use bromide_image::read_at::{ReadAt, ReadError};
use bromide_image::table::gpt::{self, Guid};

const MIB: usize = 1 << 20;

/// The best time of a few runs: at least three, and as many as fit 200 ms.
fn best<T>(mut what: impl FnMut() -> T) -> Duration {
    let begun = Instant::now();
    let (mut best, mut runs) = (Duration::MAX, 0);
    while runs < 3 || begun.elapsed() < Duration::from_millis(200) {
        let start = Instant::now();
        black_box(what());
        best = best.min(start.elapsed());
        runs += 1;
    }
    best
}

/// `head`, then pieces until `bytes` are full.
fn text(head: &str, bytes: usize, piece: impl Fn(usize) -> String) -> Vec<u8> {
    let mut all = head.to_owned();
    let mut number = 0;
    while all.len() < bytes {
        all.push_str(&piece(number));
        number += 1;
    }
    all.into_bytes()
}

const GENERAL: &str =
    "- general: MTK_PLATFORM_CFG\n  info:\n    - config_version: V1.1.2\n      storage: EMMC\n";

type Hostile = (&'static str, fn(usize) -> Vec<u8>);

/// The worst of every dialect: as many entries as fit, keys that come again and again, one endless line, deep nesting.
const HOSTILE: [Hostile; 17] = [
    ("scatter-v0, many entries", |len| text("", len, |it| format!("P{it} {:#x}\n{{\n}}\n", it * 4))),
    ("scatter-v0, one name for all", |len| text("", len, |it| format!("A {:#x}\n{{\n}}\n", it * 4))),
    ("scatter-v0, comments", |len| text("A 0x0\n{\n}\n", len, |_| "# a comment\n".into())),
    ("scatter-v1, many entries", |len| {
        text(GENERAL, len, |it| {
            format!(
                "- partition_index: SYS{it}\n  partition_name: p{it}\n  physical_start_addr: {:#x}\n",
                it * 512
            )
        })
    }),
    ("scatter-v1, repeated keys", |len| {
        text(GENERAL, len, |_| "- partition_index: SYS0\n  partition_name: a\n".into())
    }),
    ("scatter-v1, keys nobody knows", |len| {
        text(&format!("{GENERAL}- partition_index: SYS0\n"), len, |it| format!("  key{it}: value\n"))
    }),
    ("scatter-v1, an endless line", |len| text(&format!("{GENERAL}  other: "), len, |_| "xxxxxxxx".into())),
    ("scatter-xml, many entries", |len| {
        text("<root>", len, |it| {
            format!(
                "<partition_index name=\"SYS{it}\"><partition_name>p{it}</partition_name></partition_index>"
            )
        })
    }),
    ("scatter-xml, deep nesting", |len| text("<root>", len, |_| "<a>".into())),
    ("scatter-xml, entities", |len| text("<root><a>", len, |_| "&amp;".into())),
    ("scatter-xml, attributes", |len| text("<root ", len, |it| format!("a{it}=\"\" "))),
    ("proc-mtd, many entries", |len| {
        text("dev:    size   erasesize  name\n", len, |it| format!("mtd{it}: 00020000 00020000 \"p{it}\"\n"))
    }),
    ("proc-partitions, many entries", |len| {
        text("major minor  #blocks  name\n\n", len, |it| format!(" 179 {it} 1024 mmcblk0p{it}\n"))
    }),
    ("dumchar_info, many entries", |len| {
        text("Part_Name Size StartAddr Type MapTo\n", len, |it| {
            format!("p{it} 0x1000 {:#x} 2 /dev/block/mmcblk0p{it}\n", it * 0x1000)
        })
    }),
    ("mtdparts, many entries", |len| text("mtdparts=a:1k(p)", len, |it| format!(",1k(p{it})"))),
    ("by-name, many entries", |len| {
        text("", len, |it| {
            format!("lrwxrwxrwx root root 2015-01-01 00:00 p{it} -> /dev/block/mmcblk0p{it}\n")
        })
    }),
    ("blank lines", |len| text("", len, |_| "\r\n".into())),
];

fn hostile() {
    println!("{:<34} {:>10} {:>10} {:>10}   1 MiB to 1/2", "hostile map", "1/4 MiB", "1/2 MiB", "1 MiB");
    for (name, make) in HOSTILE {
        let times = [MIB / 4, MIB / 2, MIB].map(|len| {
            let text = make(len);
            best(|| map::read(&text).map(drop).map_err(drop))
        });
        let [quarter, half, whole] = times;
        let factor = whole.as_secs_f64() / half.as_secs_f64();
        println!(
            "{name:<34} {:>7} us {:>7} us {:>7} us   {factor:.2}",
            quarter.as_micros(),
            half.as_micros(),
            whole.as_micros()
        );
    }
}

/// The largest maps that are taken: everything a command does with one.
fn largest() {
    println!("\n{:<34} {:>10} {:>10}", "map taken whole, and what follows", "half", "all");
    let make = |entries: usize| {
        let piece = |it: usize| {
            format!(
                "- partition_index: SYS{it}\n  partition_name: p{it}\n  physical_start_addr: {:#x}\n  \
                 partition_size: 0x200\n  region: EMMC_USER\n",
                it * 512
            )
        };
        let text = (0..entries).map(piece).fold(GENERAL.to_owned(), |all, it| all + &it);
        map::parse(text.as_bytes()).expect("a map of that many entries")
    };
    let (half, all) = (make(map::MOST_PARTITIONS / 2), make(map::MOST_PARTITIONS));
    let row = |name: &str, what: &dyn Fn(&map::Map)| {
        let (half, all) = (best(|| what(&half)), best(|| what(&all)));
        println!("{name:<34} {:>7} us {:>7} us", half.as_micros(), all.as_micros());
    };
    row("check", &|map| drop(black_box(map.check(Some(1 << 32)))));
    for format in Format::ALL {
        row(&format!("write {}", format.name()), &|map| drop(black_box(map::write(map, format))));
    }
}

fn full_gpt() {
    let partition = |index: u32| gpt::Partition {
        index,
        name: format!("partition number {index}"),
        start: u64::from(index) * MIB as u64,
        size: MIB as u64,
        kind: Guid::BASIC_DATA,
        guid: Guid([index as u8; 16]),
        attributes: 0,
    };
    let bytes = 256 * MIB as u64;
    let table = gpt::Table::new(512, bytes, (1..=128).map(partition).collect());
    let written = table.write(bytes).expect("a table of 128 entries");
    let read = best(|| gpt::read(&written.primary).expect("a table just written").table.partitions.len());
    let write = best(|| table.write(bytes).expect("a table of 128 entries"));
    println!("\nGPT of 128 entries: read in {} us, written in {} us", read.as_micros(), write.as_micros());
}

/// A file of zeros, with a few things in it, that counts what is read.
struct Counted {
    len: u64,
    parts: Vec<(u64, Vec<u8>)>,
    read: Cell<u64>,
}

impl ReadAt for Counted {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_at(&self, at: u64, into: &mut [u8]) -> Result<(), ReadError> {
        self.read.set(self.read.get() + into.len() as u64);
        into.fill(0);
        let end = at + into.len() as u64;
        for (start, bytes) in &self.parts {
            let (from, to) = (at.max(*start), end.min(start + bytes.len() as u64));
            if from < to {
                let part = &bytes[(from - start) as usize..(to - start) as usize];
                into[(from - at) as usize..(to - at) as usize].copy_from_slice(part);
            }
        }
        Ok(())
    }
}

fn large_file() {
    let len = 4_u64 << 30;
    let partition = |index: u32| gpt::Partition {
        index,
        name: format!("p{index}"),
        start: u64::from(index) * (24 << 20) + 512,
        size: 8 << 20,
        kind: Guid::BASIC_DATA,
        guid: Guid([index as u8; 16]),
        attributes: 0,
    };
    let table = gpt::Table::new(512, len, (1..=128).map(partition).collect()).write(len).expect("a table");
    let mut parts = vec![(0, table.primary), (table.backup_at, table.backup)];
    // Something that claims to be at every other partition.
    parts.extend((1..=64).map(|it| (it * (48 << 20) + 512, b"ANDROID!".to_vec())));
    let file = Counted { len, parts, read: Cell::new(0) };
    let start = Instant::now();
    let found = identify(&file).expect("memory does not fail");
    let (read, took) = (file.read.get(), start.elapsed());
    println!(
        "identify a dump of 4 GiB: {} findings, {:.1} MiB read, {} ms",
        found.findings.len(),
        read as f64 / MIB as f64,
        took.as_millis()
    );
    assert!(read < 64 << 20, "{read} bytes read of a file of 4 GiB");
}

fn main() {
    // `cargo test --benches` only wants to know that it builds and runs.
    if std::env::args().any(|it| it == "--test") {
        return;
    }
    hostile();
    largest();
    full_gpt();
    large_file();
}
