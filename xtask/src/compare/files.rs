//! The files of a factory YAFFS2 image got out, beside the other programs that can.
//!
//! The image is the demonstration phone's `system` as it is read back: 318,996,480 bytes, 151,040 pages with tags and
//! ECC, all in memory (`/dev/shm`), from memory to memory. `unyaffs` and Sleuth Kit's `tsk_recover` read no such
//! image; they get it converted. What is compared runs turn by turn, so that a busy machine slows both. Programs that
//! are not installed are named and left out. `unyaffs` ends with an error where the first hole is, which here is behind
//! nearly all bytes; so the bytes count and not how a program ends.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::Instant;

use super::median_pair;
use crate::bromide;
use crate::process::run;
use crate::usage;

/// Runs of which the median is given: they are short.
const RUNS: usize = 5;

/// Pages of the image.
const PAGES: u64 = 151_040;

/// A program that unpacks less than this part of the bytes did not do the job.
const SAME: f64 = 0.99;

/// Measures and prints.
pub(crate) fn files() -> Result<(), String> {
    run("cargo build --release --locked")?;
    println!("\n| figure | measured | compared with | ratio |");
    println!("|---|---|---|---|");
    rows()
}

/// The rows of the table.
pub(super) fn rows() -> Result<(), String> {
    let bench = Bench::new()?;
    let ended = bench.rows();
    let _ = fs::remove_dir_all(&bench.folder);
    ended
}

/// Two forms of one image, in a folder of their own.
struct Bench {
    folder: PathBuf,
}

impl Bench {
    fn new() -> Result<Self, String> {
        let shared = Path::new("/dev/shm");
        let base = if shared.is_dir() { shared.to_owned() } else { std::env::temp_dir() };
        let folder = base.join(format!("bromide-compare-{}", std::process::id()));
        fs::create_dir(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
        let bench = Self { folder };
        match bench.make() {
            Ok(()) => Ok(bench),
            Err(what) => {
                let _ = fs::remove_dir_all(&bench.folder);
                Err(what)
            }
        }
    }

    fn make(&self) -> Result<(), String> {
        let demo = self.path("demo");
        bromide::run(&["--quiet", "demo", "-o", &demo])?;
        let (raw, file) = (self.path("raw.img"), self.path("file.img"));
        fs::rename(format!("{demo}/system.img"), &raw).map_err(|e| e.to_string())?;
        fs::remove_dir_all(&demo).map_err(|e| e.to_string())?;
        bromide::run(&["--quiet", "image", "convert", &raw, "--to", "yaffs-image", "-o", &file])?;
        // Outside of memory a file just written is in the page cache, too.
        let bytes = fs::metadata(&raw).map_err(|e| e.to_string())?.len();
        if bytes == PAGES * 2112 { Ok(()) } else { Err(format!("the demonstration image has {bytes} bytes")) }
    }

    fn path(&self, name: &str) -> String {
        self.folder.join(name).to_string_lossy().into_owned()
    }

    fn rows(&self) -> Result<(), String> {
        self.beside("unyaffs", &["-c", "2", "-s", "64"], |ours, theirs| {
            row("whole extraction, every sector checked", ours, "unyaffs, from the converted image", theirs);
        })?;
        println!("| extraction without ECC check | there is none | | |");
        self.beside("tsk_recover", &["-a", "-f", "yaffs2"], |ours, theirs| {
            row("tsk_recover, from the converted image", theirs, "the same extraction", ours);
        })?;
        for (what, options) in [("ls -lR of the image", &["-lR"][..]), ("ls of its root", &[])] {
            let mut pairs = Vec::new();
            for _ in 0..RUNS {
                pairs.push((self.list(options)?, self.extract()?));
            }
            let (list, extract) = median_pair(pairs);
            row(what, list, "the whole extraction", extract);
        }
        self.memory()
    }

    /// Our extraction and another program's, turn by turn; the pair whose ratio is the median.
    fn beside(&self, program: &str, args: &[&str], tell: impl Fn(f64, f64)) -> Result<(), String> {
        if Command::new(program).arg("-V").stdout(Stdio::null()).stderr(Stdio::null()).status().is_err() {
            println!("| {program} | skipped: it is not installed | | |");
            return Ok(());
        }
        let mut pairs = Vec::new();
        for _ in 0..RUNS {
            let ours = self.extract()?;
            let bytes = unpacked(Path::new(&self.path("out")))?;
            let out = self.emptied(true)?;
            let theirs = seconds(Command::new(program).args(args).arg(self.path("file.img")).arg(&out))?.0;
            let theirs_bytes = unpacked(Path::new(&out))?;
            if (theirs_bytes as f64) < bytes as f64 * SAME {
                println!("| {program} | unpacked {theirs_bytes} bytes only, {bytes} there are | | |");
                return Ok(());
            }
            pairs.push((ours, theirs));
        }
        let (ours, theirs) = median_pair(pairs);
        tell(ours, theirs);
        Ok(())
    }

    /// The folder to unpack to, gone or new.
    fn emptied(&self, made: bool) -> Result<String, String> {
        let out = self.path("out");
        let _ = fs::remove_dir_all(&out);
        if made {
            fs::create_dir(&out).map_err(|e| e.to_string())?;
        }
        Ok(out)
    }

    /// Seconds of an extraction of the image as it was read.
    fn extract(&self) -> Result<f64, String> {
        let out = self.emptied(false)?;
        timed(&mut bromide::command(&["--quiet", "image", "extract", &self.path("raw.img"), "-o", &out]))
    }

    /// Seconds of a listing.
    fn list(&self, options: &[&str]) -> Result<f64, String> {
        timed(bromide::command(&["image", "ls", &self.path("raw.img")]).args(options))
    }

    /// Peak memory of an extraction, in a run of its own.
    fn memory(&self) -> Result<(), String> {
        let out = self.emptied(false)?;
        let mut command =
            bromide::command(&["--quiet", "image", "extract", &self.path("raw.img"), "-o", &out]);
        let mut child = command.spawn().map_err(|e| format!("bromide: {e}"))?;
        let peak = usage::peak_kib(child.id()) as f64 / 1024.0;
        let status = child.wait().map_err(|e| e.to_string())?;
        if !status.success() {
            return Err(format!("bromide image extract: {status}"));
        }
        let most = 64.0 + (64 * PAGES) as f64 / f64::from(1 << 20);
        println!(
            "| peak memory of an extraction | {peak:.1} MiB | 64 MiB and 64 bytes a chunk, {most:.1} MiB | {:.2} |",
            peak / most
        );
        Ok(())
    }
}

/// Seconds a program takes, and how it ended.
fn seconds(command: &mut Command) -> Result<(f64, ExitStatus), String> {
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let start = Instant::now();
    let status = command.status().map_err(|e| format!("{command:?}: {e}"))?;
    Ok((start.elapsed().as_secs_f64(), status))
}

/// Seconds a program takes that succeeds.
fn timed(command: &mut Command) -> Result<f64, String> {
    let (took, status) = seconds(command)?;
    if status.success() { Ok(took) } else { Err(format!("{command:?}: {status}")) }
}

/// Bytes of all files below a folder that are no holes, links not followed.
fn unpacked(folder: &Path) -> Result<u64, String> {
    let failed = |e: std::io::Error| format!("{}: {e}", folder.display());
    let mut bytes = 0;
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let about = entry.metadata().map_err(failed)?;
        bytes += if about.is_dir() { unpacked(&entry.path())? } else { about.blocks() * 512 };
    }
    Ok(bytes)
}

fn row(what: &str, this: f64, against: &str, that: f64) {
    println!("| {what} | {this:.3} s | {against}, {that:.3} s | {:.2} |", this / that);
}
