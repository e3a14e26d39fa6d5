//! What sessions need: the program, agents, a place, what the phones hold, and how long an undisturbed dump takes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::forgetful_disk::{Disk, Rule};
use super::plan::{Disks, End, Place, Plan};
use super::session::{Bench, Measured, session, undisturbed};
use super::truth::{CHIPS, Truth};
use crate::process::{run, target_dir, works};

/// Names a program to use instead of building one.
const PROGRAM: &str = "BROMIDE_SOAK_PROGRAM";
/// Longest life of a process. An undisturbed dump takes a thousandth of it.
const BOUND: Duration = Duration::from_secs(60);
/// Undisturbed dumps that are timed.
const TIMED: usize = 5;

/// Everything, in place.
pub(super) struct Ready {
    pub(super) bench: Bench,
    /// Whether foreign tools are there.
    pub(super) foreign: bool,
}

impl Ready {
    /// Removes what was made, when nothing was found.
    pub(super) fn end(self) -> Result<(), String> {
        let scratch = &self.bench.scratch;
        fs::remove_dir_all(scratch).map_err(|e| format!("{}: {e}", scratch.display()))
    }
}

/// Builds and measures.
pub(super) fn ready() -> Result<Ready, String> {
    let program = program()?;
    let scratch = scratch()?;
    let agents = scratch.join("agents");
    fs::create_dir_all(&agents).map_err(|e| format!("{}: {e}", agents.display()))?;
    for format in ["g1", "g2"] {
        let path = agents.join(format!("{format}.bin"));
        demo_agent(&program, format, &path)?;
    }
    let truths = CHIPS.iter().map(|seed| Truth::of(*seed)).collect::<Result<_, _>>()?;
    let mut bench = Bench { program, agents, scratch, truths, measured: Measured::default(), bound: BOUND };
    let foreign = ["sha256sum --version", "ddrescuelog --version"].into_iter().all(works);
    if !foreign {
        println!("skipped: sha256sum or ddrescuelog (package gddrescue) is not there");
    }
    bench.measured = measured(&bench, foreign)?;
    println!(
        "    an undisturbed dump: {:.1} ms ({:.1} in real time), {} changes of the disk, {} bytes on it",
        bench.measured.took.as_secs_f64() * 1000.0,
        bench.measured.took_real.as_secs_f64() * 1000.0,
        bench.measured.changes,
        bench.measured.bytes
    );
    Ok(Ready { bench, foreign })
}

/// The program under test, built unless another one is named.
fn program() -> Result<PathBuf, String> {
    let program = match std::env::var_os(PROGRAM) {
        Some(named) => PathBuf::from(named),
        None => {
            run("cargo build --release --locked --package bromide")?;
            target_dir().join("release/bromide")
        }
    };
    program.canonicalize().map_err(|e| format!("{}: {e}", program.display()))
}

fn demo_agent(program: &Path, format: &str, path: &Path) -> Result<(), String> {
    let mut command = Command::new(program);
    command.args(["phone", "demo-agent", "--quiet", "--format", format, "-o"]).arg(path);
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{command:?}: {status}")),
        Err(e) => Err(format!("{command:?}: {e}")),
    }
}

/// Memory where there is some that is mounted as a disk: a sync costs nothing there, and nothing worn is left behind.
fn scratch() -> Result<PathBuf, String> {
    let memory = Path::new("/dev/shm");
    let base = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
    let scratch = base.join(format!("bromide-soak-{}", std::process::id()));
    fs::create_dir_all(&scratch).map_err(|e| format!("{}: {e}", scratch.display()))?;
    Ok(scratch)
}

/// The disks that can be had of those wished for.
pub(super) fn disks(wished: Disks) -> Result<Disks, String> {
    let place = std::env::temp_dir().join(format!("bromide-soak-fuse-{}", std::process::id()));
    fs::create_dir_all(&place).map_err(|e| format!("{}: {e}", place.display()))?;
    let tried = Disk::mount(&place, Rule::Strict).map(drop);
    let _ = fs::remove_dir(&place);
    match (tried, wished) {
        (Ok(()), _) | (_, Disks::None) => Ok(wished),
        (Err(e), Disks::All) => Err(format!("the forgetful disk cannot be mounted: {e}")),
        (Err(e), Disks::Some) => {
            println!("skipped: sessions on the forgetful disk, it cannot be mounted: {e}");
            Ok(Disks::None)
        }
    }
}

/// Dumps without faults: the chips are what they are taken for, and this is what it takes.
fn measured(bench: &Bench, foreign: bool) -> Result<Measured, String> {
    for chip in 0..bench.truths.len() {
        let mut plan = Plan::of_one(0, Place::Folder, End::Itself, None);
        plan.phone.chip = chip;
        let counts = session(bench, &plan, foreign).map_err(|e| format!("an undisturbed dump: {e}"))?;
        if counts.at_once != 1 {
            return Err("an undisturbed dump does not end well at the first try".into());
        }
    }
    let (took, took_real) = (time(bench, false)?, time(bench, true)?);
    let place = bench.scratch.join("measured");
    fs::create_dir_all(&place).map_err(|e| format!("{}: {e}", place.display()))?;
    let Ok(disk) = Disk::mount(&place, Rule::Strict) else {
        return Ok(Measured { took, took_real, ..Measured::default() });
    };
    let plan = Plan::of_one(0, Place::Disk(Rule::Strict), End::Itself, None);
    undisturbed(bench, &plan, Some(&place))?;
    Ok(Measured { took, took_real, changes: disk.changes(), bytes: disk.used() })
}

/// The median of some.
fn time(bench: &Bench, real_time: bool) -> Result<Duration, String> {
    let mut plan = Plan::of_one(0, Place::Folder, End::Itself, None);
    plan.phone.real_time = real_time;
    let times: Result<Vec<_>, String> =
        (0..TIMED).map(|_| undisturbed(bench, &plan, None).map(|ran| ran.took)).collect();
    let mut times = times?;
    times.sort();
    Ok(times.get(times.len() / 2).copied().unwrap_or_default())
}
