//! `cargo xtask compare`: the speed figures of the README, as ratios within one run.
//!
//! Nothing here is asserted: a busy machine gives smaller figures, and whoever reads them sees what they were
//! compared with. Needs Linux, `sha256sum`, 2 GiB of disk in `target/`, and
//! 1.5 GiB of memory for the part about files ([`mod@files`]), which can be run alone.

mod bare;
mod files;
mod log;

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::bromide::{self, MAP, Phone, Read};
use crate::process::{root, run};
use crate::usage;

pub(crate) use files::files;
pub(crate) use log::log;

/// Runs of which the median is given.
const RUNS: usize = 3;
/// Ceilings of the modelled links, bytes a second.
const FULL_SPEED: f64 = 1_216_000.0;
const HIGH_SPEED: f64 = 53_248_000.0;
/// Main-area bytes for the modelled links.
const PIECE: &str = "0x2000000";

/// Measures and prints.
pub(crate) fn compare() -> Result<(), String> {
    run("cargo build --release --locked")?;
    let folder = root().join("target/compare");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).map_err(|e| e.to_string())?;
    let bench = Bench::new(&folder)?;
    println!("\n| figure | measured | compared with | ratio |");
    println!("|---|---|---|---|");
    bench.terminal()?;
    bench.modelled("full-speed", FULL_SPEED)?;
    bench.modelled("high-speed", HIGH_SPEED)?;
    bench.processor()?;
    bench.memory()?;
    files::rows()?;
    log::rows()?;
    fs::remove_dir_all(&folder).map_err(|e| e.to_string())
}

struct Bench<'f> {
    folder: &'f Path,
}

impl<'f> Bench<'f> {
    /// A chip with the demo's contents, a stand-in agent and a map, all made by the program under test.
    fn new(folder: &'f Path) -> Result<Self, String> {
        let bench = Self { folder };
        let agent = bench.path("agent.bin");
        bromide::run(&["phone", "demo-agent", "-o", &agent])?;
        fs::write(folder.join("proc_mtd.txt"), MAP).map_err(|e| e.to_string())?;
        // The first phone makes the flash file.
        drop(Phone::serve(&bench.path("flash.bin"), "pty", "")?);
        Ok(bench)
    }

    fn path(&self, name: &str) -> String {
        self.folder.join(name).to_string_lossy().into_owned()
    }

    fn read<'a>(&self, via: &'a str, what: &[&'a str]) -> Result<Read, String> {
        let (agent, image) = (self.path("agent.bin"), self.path("image.bin"));
        let mut args = vec!["--json", "read", "--via", via, "--da", &agent, "-o", &image, "--force"];
        args.extend(what);
        bromide::read(&args)
    }

    /// The whole system partition over a pseudo-terminal, against a bare copy of as many bytes over another.
    fn terminal(&self) -> Result<(), String> {
        let phone = Phone::serve(&self.path("flash.bin"), "pty", "")?;
        let via = format!("serial:{}", phone.at);
        let map = self.path("proc_mtd.txt");
        let mut pairs = Vec::new();
        for _ in 0..RUNS {
            let read = self.read(&via, &["system", "--map", &map])?;
            pairs.push((read.rate(), bare::terminal(read.bytes)?));
        }
        let (ours, copy) = median_pair(pairs);
        row("read back over a pseudo-terminal", ours, "bare copy over a pseudo-terminal", copy);
        Ok(())
    }

    /// 32 MiB over a modelled link, in process and over TCP, with the default packet.
    fn modelled(&self, link: &str, ceiling: f64) -> Result<(), String> {
        let piece = ["--at", "0x13a0000", "--len", PIECE];
        let inside = format!("phone:mt6575?flash={}&link={link}", self.path("flash.bin"));
        let phone = Phone::serve(&self.path("flash.bin"), "tcp:127.0.0.1:0", &format!("link={link}"))?;
        let tcp = format!("tcp:{}", phone.at);
        for (place, via) in [("in process", &inside), ("over TCP", &tcp)] {
            let mut rates = Vec::new();
            for _ in 0..RUNS {
                rates.push(self.read(via, &piece)?.rate());
            }
            row(&format!("{link} link, {place}"), median(rates), "its ceiling", ceiling);
        }
        Ok(())
    }

    /// User time of the host with digest and ECC check on, against `sha256sum` over the same file.
    fn processor(&self) -> Result<(), String> {
        let phone = Phone::serve(&self.path("flash.bin"), "tcp:127.0.0.1:0", "")?;
        let via = format!("tcp:{}", phone.at);
        let map = self.path("proc_mtd.txt");
        let mut pairs = Vec::new();
        for _ in 0..RUNS {
            let before = usage::children()?;
            self.read(&via, &["system", "--map", &map])?;
            let between = usage::children()?;
            let mut sum = Command::new("sha256sum");
            let output = sum.arg(self.path("image.bin")).output().map_err(|e| format!("sha256sum: {e}"))?;
            if !output.status.success() {
                return Err("sha256sum failed".into());
            }
            pairs.push((between - before, usage::children()? - between));
        }
        let (ours, theirs) = median_pair(pairs);
        println!(
            "| user time of a read of 318,996,480 bytes | {ours:.2} s | sha256sum of the file, {theirs:.2} s | {:.2} |",
            ours / theirs
        );
        Ok(())
    }

    /// Peak memory of a whole-chip read over TCP.
    fn memory(&self) -> Result<(), String> {
        let phone = Phone::serve(&self.path("flash.bin"), "tcp:127.0.0.1:0", "")?;
        let via = format!("tcp:{}", phone.at);
        let read = self.read(&via, &["--chip", "--physical"])?;
        let peak = read.peak_kib as f64 / 1024.0;
        println!(
            "| peak memory of a whole-chip read ({} bytes) | {peak:.1} MiB | 64 MiB | {:.2} |",
            read.bytes,
            peak / 64.0
        );
        Ok(())
    }
}

fn row(what: &str, ours: f64, against: &str, theirs: f64) {
    println!(
        "| {what} | {:.2} MB/s | {against}, {:.2} MB/s | {:.3} |",
        ours / 1e6,
        theirs / 1e6,
        ours / theirs
    );
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// The pair whose ratio is the median.
fn median_pair(mut pairs: Vec<(f64, f64)>) -> (f64, f64) {
    pairs.sort_by(|a, b| (a.0 / a.1).total_cmp(&(b.0 / b.1)));
    pairs.get(pairs.len() / 2).copied().unwrap_or((f64::NAN, f64::NAN))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_pairs_is_the_one_with_the_middle_ratio() {
        assert_eq!(median_pair(vec![(3.0, 1.0), (1.0, 1.0), (4.0, 2.0)]), (4.0, 2.0));
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
    }
}
