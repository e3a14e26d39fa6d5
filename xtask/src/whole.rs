//! `cargo xtask whole`: the first user's partition, whole, from a phone in another process.
//!
//! `bromide phone serve` on a pseudo-terminal, `bromide read system` in each shape; every file is compared with the
//! flash file's stored pages, taken apart here by the layout of `nand-yaffs2.md` section 1 and the model's one
//! replaced block, not by the code under test.

use std::fs::{self, File};
use std::io::{BufReader, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::bromide::{self, MAP, Phone};
use crate::process::{root, run};

const PAGE: u64 = 2112;
const PAGES_PER_BLOCK: u64 = 64;
/// `system`: first page and pages (`formats.md` section 3.3).
const FIRST: u64 = 0x13a_0000 / 2048;
const PAGES: u64 = 0x1270_0000 / 2048;
/// The model's replaced block of `system`, and the block that stands for it (`devices/mt6575.toml`).
const BAD: u64 = 1000;
const STAND_IN: u64 = 4016;

/// Reads and compares; an agent of the user's (`BROMIDE_DATA`) is tried too where it is at hand.
pub(crate) fn whole() -> Result<(), String> {
    run("cargo build --release --locked")?;
    let folder = root().join("target/whole");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).map_err(|e| e.to_string())?;
    let path = |name: &str| folder.join(name).to_string_lossy().into_owned();
    bromide::run(&["phone", "demo-agent", "--format", "g1", "-o", &path("g1.bin")])?;
    bromide::run(&["phone", "demo-agent", "--format", "g2", "-o", &path("g2.bin")])?;
    fs::write(folder.join("proc_mtd.txt"), MAP).map_err(|e| e.to_string())?;
    let phone = Phone::serve(&path("flash.bin"), "pty", "")?;
    let via = format!("serial:{}", phone.at);
    let mut agents = vec![path("g1.bin"), path("g2.bin")];
    agents.extend(real_agent());
    for agent in &agents {
        for (shape, option) in
            [(Shape::Stored, None), (Shape::Main, Some("--main-only")), (Shape::Last, Some("--spare-last"))]
        {
            read(&folder, &via, agent, option.as_slice())?;
            let differs = compare(&folder, shape, true)?;
            told(agent, option.unwrap_or("as stored"), &differs, &[])?;
        }
    }
    read(&folder, &via, &path("g2.bin"), &["--physical"])?;
    told("g2.bin", "--physical against physical", &compare(&folder, Shape::Stored, false)?, &[])?;
    told("g2.bin", "--physical against logical", &compare(&folder, Shape::Stored, true)?, &[BAD])?;
    fs::remove_dir_all(&folder).map_err(|e| e.to_string())
}

/// An agent that is not part of this repository.
fn real_agent() -> Option<String> {
    let folder = std::env::var("BROMIDE_DATA").unwrap_or_else(|_| "../shared/data".into());
    let path = root().join(folder).join("da/da_pl_2015.bin");
    if path.exists() {
        return Some(path.to_string_lossy().into_owned());
    }
    println!("    skipped: no da/da_pl_2015.bin (set BROMIDE_DATA)");
    None
}

fn read(folder: &Path, via: &str, agent: &str, options: &[&str]) -> Result<(), String> {
    let path = |name: &str| folder.join(name).to_string_lossy().into_owned();
    let (map, image) = (path("proc_mtd.txt"), path("system.img"));
    let mut args =
        vec!["--json", "read", "system", "--map", &map, "--da", agent, "--via", via, "-o", &image, "--force"];
    args.extend(options);
    bromide::read(&args).map(drop)
}

/// How the bytes of a page lie in the file.
#[derive(Clone, Copy)]
enum Shape {
    Stored,
    Main,
    Last,
}

impl Shape {
    fn of(self, stored: &[u8]) -> Vec<u8> {
        let main = || stored.chunks(528).flat_map(|s| s[..512].iter().copied());
        let spare = || stored.chunks(528).flat_map(|s| s[512..].iter().copied());
        match self {
            Self::Stored => stored.to_vec(),
            Self::Main => main().collect(),
            Self::Last => main().chain(spare()).collect(),
        }
    }
}

/// Blocks of the file that differ from the chip, through its bad-block table or not. Too long or short: an error.
fn compare(folder: &Path, shape: Shape, logical: bool) -> Result<Vec<u64>, String> {
    let flash = File::open(folder.join("flash.bin")).map_err(|e| e.to_string())?;
    let image = File::open(folder.join("system.img")).map_err(|e| e.to_string())?;
    let mut image = BufReader::with_capacity(1 << 20, image);
    let mut differs = Vec::new();
    let mut stored = vec![0; (PAGE * PAGES_PER_BLOCK) as usize];
    for block in FIRST / PAGES_PER_BLOCK..(FIRST + PAGES) / PAGES_PER_BLOCK {
        let at = if logical && block == BAD { STAND_IN } else { block };
        flash.read_exact_at(&mut stored, at * PAGES_PER_BLOCK * PAGE).map_err(|e| e.to_string())?;
        let wanted: Vec<u8> = stored.chunks(PAGE as usize).flat_map(|page| shape.of(page)).collect();
        let mut got = vec![0; wanted.len()];
        image.read_exact(&mut got).map_err(|e| format!("system.img: {e}"))?;
        if got != wanted {
            differs.push(block);
        }
    }
    match image.read(&mut [0]) {
        Ok(0) => Ok(differs),
        _ => Err("system.img is longer than the partition".into()),
    }
}

fn told(agent: &str, what: &str, differs: &[u64], expected: &[u64]) -> Result<(), String> {
    let agent = Path::new(agent).file_name().unwrap_or_default().to_string_lossy().into_owned();
    println!("    system, {agent}, {what}: blocks that differ {differs:?}");
    if differs == expected { Ok(()) } else { Err(format!("{agent}, {what}: expected {expected:?}")) }
}
