//! What it costs to lose nothing: the session log, the checkpoints with their mapfile, and going on with a dump.
//!
//! Reads of the demonstration phone's `system`, in process and without a modelled link, turn by turn with and without
//! what is measured. The log's cost is measured in memory (`/dev/shm`), so that no disk's mood is measured with it;
//! that of the checkpoints on the disk of `target/`, which is where it arises.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Instant;

use super::{median, median_pair};
use crate::bromide;
use crate::process::{root, run};

/// Pairs of runs of which the median is given.
const RUNS: usize = 11;
/// Where `system` lies (`formats.md` section 3.3), and nine tenths of its bytes as they come.
const SYSTEM: [&str; 4] = ["--at", "0x13a0000", "--len", "0x12700000"];
const NINE_TENTHS: u64 = 318_996_480 / 10 * 9;
/// No checkpoint before the end: one every second stays, but no run takes that long.
const NEVER: &str = "1000G";

/// Measures and prints.
pub(crate) fn log() -> Result<(), String> {
    run("cargo build --release --locked")?;
    println!("\n| figure | measured | compared with | ratio |");
    println!("|---|---|---|---|");
    rows()
}

/// The rows of the table.
pub(super) fn rows() -> Result<(), String> {
    let memory = Path::new("/dev/shm");
    let base = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
    let in_memory = Bench::new(base.join(format!("bromide-log-{}", std::process::id())))?;
    in_memory.log("no modelled link", "none", &SYSTEM)?;
    in_memory.log("high-speed link", "high-speed", &["--at", "0x13a0000", "--len", "0x2000000"])?;
    in_memory.resume()?;
    let on_disk = Bench::new(root().join("target/compare-log"))?;
    on_disk.checkpoints()
}

/// A chip, an agent, and room for an image, in a folder of their own.
struct Bench {
    folder: PathBuf,
}

impl Drop for Bench {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

impl Bench {
    fn new(folder: PathBuf) -> Result<Self, String> {
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
        let bench = Self { folder };
        bromide::run(&["phone", "demo-agent", "-o", &bench.path("agent.bin")])?;
        // The first read makes the chip.
        bench.read("none", &["--at", "0", "--len", "0x20000", "--log", "none"])?;
        Ok(bench)
    }

    fn path(&self, name: &str) -> String {
        self.folder.join(name).to_string_lossy().into_owned()
    }

    fn read(&self, link: &str, what: &[&str]) -> Result<bromide::Read, String> {
        let via = format!("phone:mt6575?flash={}&link={link}", self.path("flash.bin"));
        let (agent, image, logs) = (self.path("agent.bin"), self.path("image.bin"), self.path("logs"));
        let mut args = vec!["--json", "read", "--via", &via, "--da", &agent, "-o", &image, "--force"];
        args.extend(["--log-dir", &logs]);
        args.extend(what);
        bromide::read(&args)
    }

    /// Throughput with the log, against throughput without.
    fn log(&self, name: &str, link: &str, what: &[&str]) -> Result<(), String> {
        let with = |log: &'static str| -> Result<f64, String> {
            let args: Vec<&str> = what.iter().copied().chain(["--log", log]).collect();
            Ok(self.read(link, &args)?.rate())
        };
        let mut pairs = Vec::new();
        for _ in 0..RUNS {
            pairs.push((with("on")?, with("none")?));
        }
        let (on, none) = median_pair(pairs);
        let (on, none, ratio) = (on / 1e6, none / 1e6, on / none);
        println!(
            "| read with the session log, {name} | {on:.2} MB/s | without it, {none:.2} MB/s | {ratio:.3} |"
        );
        Ok(())
    }

    /// Time of a whole read with checkpoints, against one without, the disk waited for in both.
    fn checkpoints(&self) -> Result<(), String> {
        let whole = |checkpoint: &str| -> Result<f64, String> {
            let args: Vec<&str> = SYSTEM.iter().copied().chain(["--checkpoint", checkpoint]).collect();
            let start = Instant::now();
            self.read("none", &args)?;
            Ok(start.elapsed().as_secs_f64())
        };
        let mut pairs = Vec::new();
        for _ in 0..RUNS {
            pairs.push((whole("32M")?, whole(NEVER)?));
        }
        let (with, without) = median_pair(pairs);
        println!(
            "| a read with a checkpoint every 32 MiB, disk waited for | {with:.3} s | without, {without:.3} s | {:.3} |",
            with / without
        );
        Ok(())
    }

    /// From the agent's report, after which the phone is ready, to the first new bytes of a dump that had 90 %.
    fn resume(&self) -> Result<(), String> {
        let mut times = Vec::new();
        for _ in 0..RUNS {
            let kill = format!("kill-host=after:{NINE_TENTHS}");
            let begun = self.read("none", &[&SYSTEM[..], &["--fault", &kill, "--checkpoint", "1M"]].concat());
            if begun.is_ok() {
                return Err("the read that was to be killed came to its end".into());
            }
            times.push(self.first_bytes()?);
        }
        let longest = times.iter().copied().fold(0.0, f64::max);
        let middle = median(times);
        println!(
            "| resume of a dump of 90 %: phone ready to the first new bytes | {middle:.3} s, longest {longest:.3} s | 2 s | {:.3} |",
            middle / 2.0
        );
        Ok(())
    }

    fn first_bytes(&self) -> Result<f64, String> {
        let via = format!("phone:mt6575?flash={}", self.path("flash.bin"));
        let (agent, image) = (self.path("agent.bin"), self.path("image.bin"));
        let mut args = vec!["--json", "read", "--via", &via, "--da", &agent, "-o", &image, "--log", "none"];
        args.extend(SYSTEM);
        let mut child =
            bromide::command(&args).stdout(Stdio::piped()).spawn().map_err(|e| format!("bromide: {e}"))?;
        let out = child.stdout.take().ok_or("no output")?;
        let (mut ready, mut resumed, mut took) = (None, false, None);
        for line in BufReader::new(out).lines() {
            let line = line.map_err(|e| e.to_string())?;
            if line.contains("\"event\":\"storage\"") {
                ready = Some(Instant::now());
            } else if line.contains("\"event\":\"resumed\"") {
                resumed = true;
            } else if line.contains("\"event\":\"read\"") && took.is_none() {
                took = ready.map(|it| it.elapsed().as_secs_f64());
            }
        }
        let ended = child.wait().map_err(|e| e.to_string())?;
        match took {
            Some(took) if resumed && ended.success() => Ok(took),
            _ => Err(format!("the dump was not gone on with ({ended})")),
        }
    }
}
