//! `cargo xtask fuzz`: every target of `fuzz/`, as many at a time as there are processors.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

use crate::process::{root, run};

/// Longest input tried: room for tables in blocks of 4096 bytes; longer ones are only slower.
const LONGEST: u32 = 32 << 10;

/// Real files that a target may begin with as well, by folder of the sample data, where these are at hand.
const SAMPLES: [(&str, &[&str]); 4] = [
    ("map", &["scatter", "proc"]),
    ("inf", &["inf"]),
    ("identify", &["boot", "scatter", "proc"]),
    ("mbr", &["boot"]),
];

/// What one target did.
struct Ran {
    target: String,
    executions: u64,
    per_second: u64,
}

/// Runs each target for so many seconds, and prints how often each was executed.
pub(crate) fn fuzz(seconds: u64) -> Result<(), String> {
    let targets = targets()?;
    run("cargo +nightly run --quiet --manifest-path fuzz/Cargo.toml --bin seeds -- fuzz/corpus")?;
    run("cargo +nightly fuzz build")?;
    let at_a_time = std::thread::available_parallelism().map_or(1, usize::from);
    println!("==> {} fuzz targets, {seconds} s each, {at_a_time} at a time", targets.len());
    let waiting = Mutex::new(VecDeque::from(targets));
    let next = || waiting.lock().ok()?.pop_front();
    let worker = || {
        let mut all = Vec::new();
        while let Some(target) = next() {
            all.push(one(target, seconds)?);
        }
        Ok::<_, String>(all)
    };
    let ended: Vec<_> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..at_a_time).map(|_| scope.spawn(worker)).collect();
        workers.into_iter().map(|it| it.join().map_err(|_| "a worker panicked".to_owned())).collect()
    });
    let mut all = Vec::new();
    for worker in ended {
        all.extend(worker??);
    }
    all.sort_by(|a, b| a.target.cmp(&b.target));
    println!("{:<16} {:>14} {:>10}", "target", "executions", "a second");
    for Ran { target, executions, per_second } in all {
        println!("{target:<16} {executions:>14} {per_second:>10}");
    }
    Ok(())
}

/// Runs one target; what it said is shown where it found something.
fn one(target: String, seconds: u64) -> Result<Ran, String> {
    let corpus = root().join("fuzz/corpus").join(&target);
    std::fs::create_dir_all(&corpus).map_err(|e| format!("{}: {e}", corpus.display()))?;
    let out = Command::new("cargo")
        .args(["+nightly", "fuzz", "run", &target])
        .arg(&corpus)
        .args(samples(&target))
        .arg("--")
        .args([format!("-max_total_time={seconds}"), format!("-max_len={LONGEST}")])
        .args(["-timeout=10", "-rss_limit_mb=1024", "-verbosity=0", "-print_final_stats=1"])
        .current_dir(root())
        .output()
        .map_err(|e| format!("cargo fuzz: {e}"))?;
    let said = String::from_utf8_lossy(&out.stderr);
    let stat = |name: &str| {
        let line = said.lines().find_map(|line| line.strip_prefix("stat::")?.strip_prefix(name));
        line.and_then(|it| it.trim_start_matches(':').trim().parse().ok())
    };
    let (executions, per_second) = (stat("number_of_executed_units"), stat("average_exec_per_sec"));
    match (out.status.success(), executions, per_second) {
        (true, Some(executions), Some(per_second)) => Ok(Ran { target, executions, per_second }),
        _ => Err(format!("{said}\nfuzz target {target}: {}", out.status)),
    }
}

fn samples(target: &str) -> Vec<PathBuf> {
    let data = std::env::var_os("BROMIDE_DATA").map_or_else(|| root().join("../shared/data"), PathBuf::from);
    let folders = SAMPLES.iter().filter(|(name, _)| *name == target).flat_map(|(_, folders)| *folders);
    folders.map(|it| data.join(it)).filter(|it| Path::is_dir(it)).collect()
}

fn targets() -> Result<Vec<String>, String> {
    let folder = root().join("fuzz/fuzz_targets");
    let entries = std::fs::read_dir(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    let mut names: Vec<String> =
        entries.filter_map(|e| Some(e.ok()?.path().file_stem()?.to_string_lossy().into_owned())).collect();
    names.sort();
    Ok(names)
}
