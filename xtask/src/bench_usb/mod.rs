//! `cargo xtask bench-usb [--full] [--only JOB,..] [--install]`: the program on a real Linux USB stack.
//!
//! A small guest (a Debian kernel, busybox, the static program) is booted in QEMU; its virtual host controller,
//! serial driver, usbfs and usbmon are the kernel's own. `docs/bench.md` tells what each job shows. Promises: nothing
//! runs on after the end, whatever the end is; every job has a time it cannot exceed; a job that is not run is named.

mod after;
mod boots;
mod capture;
mod chip;
mod cpio;
mod guest;
mod initramfs;
mod jobs;
mod kernel;
mod outcome;
pub(crate) mod tools;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use std::{env, fs};

use crate::process::{root, target_dir};
use boots::Bench;
use guest::Guest;
use jobs::Job;
use outcome::{Outcome, Verdict};

/// Names a static program to use instead of building one.
const PROGRAM: &str = "BROMIDE_BENCH_PROGRAM";

/// So many times the plug-ins, so many times the limits of a full run.
const LONGER: u32 = 4;

/// What was asked for.
#[derive(Debug, Default, PartialEq, Eq)]
struct Wish {
    full: bool,
    only: Option<String>,
    install: bool,
}

/// What would have to be installed first, where that is not allowed.
pub(crate) fn lacks(install: bool) -> Option<String> {
    let missing = tools::missing();
    (!may_install(install) && !missing.is_empty()).then(|| missing.join(" "))
}

/// The administrator's machine is a CI machine or his to fill; others are asked for the word.
fn may_install(wished: bool) -> bool {
    wished || rustix::process::geteuid().is_root()
}

/// Installs and downloads what the bench needs from elsewhere; afterwards a failure is the bench's own.
pub(crate) fn prepare(install: bool) -> Result<(), String> {
    tools::ready(may_install(install))?;
    kernel::kernel(&target_dir().join("bench-usb/kernel")).map(drop)
}

/// Runs the bench.
pub(crate) fn bench_usb(options: &[&str]) -> Result<(), String> {
    let wish = wish(options)?;
    let mut all = jobs::all(&root().join("bench/jobs"))?;
    if wish.full {
        all.iter_mut().for_each(|job| job.limit *= LONGER);
    }
    let (chosen, mut outcomes) = choose(all, &wish)?;
    let begun = Instant::now();
    tools::ready(may_install(wish.install))?;
    if chosen.iter().any(|job| job.libvirt) {
        tools::libvirt(may_install(wish.install))?;
    }
    let work = target_dir().join("bench-usb");
    let bench = build(&work, wish.full)?;
    println!(
        "==> ready after {:.0} s; accelerator {}",
        begun.elapsed().as_secs_f64(),
        bench.guest.accelerator
    );
    let ran = bench.run(&chosen).and_then(|ran| again(&bench, &chosen, ran));
    // The chip is half a gigabyte; results and captures stay to be looked at.
    let _ = fs::remove_file(bench.guest.share.join("flash.bin"));
    outcomes.splice(0..0, ran?);
    println!("\n{:.0} s in all, {} processors", begun.elapsed().as_secs_f64(), processors());
    outcome::print(&outcomes, &bench.guest.share.join("results"))
}

/// Jobs that failed get a second try, which is told: an emulated machine on a busy one misses deadlines, a fault of the
/// program fails twice.
fn again(bench: &Bench, jobs: &[Job], first: Vec<Outcome>) -> Result<Vec<Outcome>, String> {
    let mut outcomes = Vec::new();
    for outcome in first {
        let job = jobs.iter().find(|job| job.name == outcome.name);
        let (Verdict::Failed(why), Some(job)) = (&outcome.verdict, job) else {
            outcomes.push(outcome);
            continue;
        };
        println!("    again    {}: {why}", outcome.name);
        set_aside(&bench.guest.share, &outcome.name)?;
        let mut second = bench.run(std::slice::from_ref(job))?;
        for outcome in &mut second {
            if outcome.verdict == Verdict::Passed {
                outcome.verdict = Verdict::PassedAgain(why.clone());
            }
        }
        outcomes.extend(second);
    }
    Ok(outcomes)
}

/// Keeps what a first try left under another name.
fn set_aside(share: &Path, name: &str) -> Result<(), String> {
    let failed = |e: std::io::Error| format!("{}: {e}", share.display());
    let results = share.join("results");
    fs::rename(results.join(format!("{name}.log")), results.join(format!("{name}.first.log")))
        .map_err(failed)?;
    for frame in ["started", "done"] {
        let _ = fs::remove_file(results.join(format!("{name}.{frame}")));
    }
    let out = share.join("out");
    let aside = out.join(format!("{name}.first"));
    let _ = fs::remove_dir_all(&aside);
    let _ = fs::rename(out.join(name), aside);
    Ok(())
}

fn wish(options: &[&str]) -> Result<Wish, String> {
    let mut wish = Wish::default();
    let mut words = options.iter();
    while let Some(word) = words.next() {
        match *word {
            "--full" => wish.full = true,
            "--install" => wish.install = true,
            "--only" => wish.only = Some(words.next().ok_or("--only wants a job's name")?.to_string()),
            other => return Err(format!("bench-usb does not know {other}")),
        }
    }
    Ok(wish)
}

/// The jobs to run, and the outcomes of those that wait.
fn choose(all: Vec<Job>, wish: &Wish) -> Result<(Vec<Job>, Vec<Outcome>), String> {
    if let Some(only) = &wish.only {
        // A job called by its name is run, also one that waits.
        let names: Vec<_> = all.iter().map(|job| job.name.clone()).collect();
        if let Some(unknown) = only.split(',').find(|word| !names.iter().any(|name| name == word)) {
            return Err(format!("no job {unknown}; there are {}", names.join(", ")));
        }
        let run = all.into_iter().filter(|job| only.split(',').any(|word| word == job.name));
        return Ok((run.collect(), Vec::new()));
    }
    let wanted = all.into_iter().filter(|job| wish.full || !job.only_full);
    let (waiting, run): (Vec<_>, Vec<_>) = wanted.partition(|job| job.waiting.is_some());
    let outcomes = waiting.into_iter().map(|job| Outcome {
        name: job.name,
        shows: job.shows,
        verdict: Verdict::Waiting(job.waiting.unwrap_or_default()),
        took: Duration::ZERO,
        figures: Vec::new(),
    });
    Ok((run, outcomes.collect()))
}

/// Builds program, guest and shared folder.
fn build(work: &Path, full: bool) -> Result<Bench, String> {
    let failed = |e: std::io::Error| format!("{}: {e}", work.display());
    fs::create_dir_all(work).map_err(failed)?;
    let [program, probe] = programs()?;
    let kernel = kernel::kernel(&work.join("kernel"))?;
    let initrd = work.join("initrd");
    fs::write(&initrd, initramfs::build(&kernel, &[("bromide", &program), ("bench-probe", &probe)])?)
        .map_err(failed)?;
    let share = work.join("share");
    let _ = fs::remove_dir_all(&share);
    for folder in ["jobs", "results", "out"] {
        fs::create_dir_all(share.join(folder)).map_err(failed)?;
    }
    copy(&root().join("bench/jobs"), &share.join("jobs"))?;
    copy(&root().join("bench/guest"), &share)?;
    fs::write(share.join("full"), if full { "1\n" } else { "0\n" }).map_err(failed)?;
    fs::write(share.join("proc_mtd.txt"), chip::map()?).map_err(failed)?;
    let da = share.join("da.bin");
    tools::output(Command::new(&program).args(["phone", "demo-agent", "--format", "g2", "-o"]).arg(&da))?;
    let flash = share.join("flash.bin");
    chip::build(&flash, full)?;
    if full {
        fs::write(share.join("system.sha256"), chip::digest(&flash, "system")?).map_err(failed)?;
    }
    let image = kernel.image;
    let mut guest = Guest { image, initrd, share, accelerator: String::new() };
    guest.choose_accelerator(&work.join("accelerator"))?;
    Ok(Bench { guest, program, work: work.into() })
}

/// The program under test and the bench's own, static. Built as `dist` builds it, so that CI builds it once.
fn programs() -> Result<[PathBuf; 2], String> {
    let ready = env::var_os(PROGRAM).map(PathBuf::from);
    let built = target_dir().join(tools::TARGET).join("release");
    let mut cargo = Command::new("cargo");
    cargo.args(["build", "--quiet", "--release", "--locked", "--target", tools::TARGET]);
    cargo.args(["--package", "xtask", "--bin", "bench-probe"]);
    if ready.is_none() {
        cargo.args(["--package", "bromide", "--bin", "bromide"]);
    }
    println!("==> cargo build --release --target {}", tools::TARGET);
    match cargo.current_dir(root()).status() {
        Ok(status) if status.success() => {
            Ok([ready.unwrap_or_else(|| built.join("bromide")), built.join("bench-probe")])
        }
        Ok(status) => Err(format!("cargo build: {status}")),
        Err(e) => Err(format!("cargo: {e}")),
    }
}

fn copy(from: &Path, to: &Path) -> Result<(), String> {
    for file in fs::read_dir(from).map_err(|e| format!("{}: {e}", from.display()))?.flatten() {
        fs::copy(file.path(), to.join(file.file_name())).map_err(|e| e.to_string())?;
    }
    Ok(())
}

fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_understood_in_any_order_and_others_refused() {
        let only = Some("x".to_owned());
        assert_eq!(wish(&["--only", "x", "--full"]), Ok(Wish { full: true, only, install: false }));
        assert!(wish(&["--only"]).is_err());
        assert!(wish(&["--quick"]).is_err());
    }

    #[test]
    fn a_job_that_waits_is_named_and_a_long_one_left_to_full_runs() {
        let all = || jobs::all(&root().join("bench/jobs")).unwrap();
        let (run, waiting) = choose(all(), &Wish { full: true, ..Wish::default() }).unwrap();
        assert_eq!(run.len() + waiting.len(), all().len());
        let two = Wish { only: Some("udev,two".into()), ..Wish::default() };
        assert_eq!(choose(all(), &two).unwrap().0.len(), 2);
        let unknown = Wish { only: Some("two,no such job".into()), ..Wish::default() };
        assert!(choose(all(), &unknown).is_err());
    }
}
