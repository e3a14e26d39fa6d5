//! Running jobs: as many as possible in one boot, each watched from outside too.
//!
//! The guest ends a job at its limit by itself. Where it cannot, because the kernel hangs, this side ends the boot,
//! fails that job and boots again for the rest: every run ends.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use std::{fs, thread};

use super::after;
use super::guest::{Beside, Guest};
use super::jobs::{Boot, Job};
use super::outcome::{self, Outcome, Verdict};

/// From power-on to the first job, and from the last job to power-off: many times what was measured.
const BOOT: Duration = Duration::from_secs(90);
/// What the guest's own limit may be late by.
const GRACE: Duration = Duration::from_secs(15);
/// The machine's own file system, for jobs that use programs of it.
const ROOT: [&str; 2] =
    ["-virtfs", "local,path=/,mount_tag=root,security_model=none,readonly=on,multidevs=remap"];
const POLL: Duration = Duration::from_millis(50);

/// The bench with everything built.
pub(crate) struct Bench {
    pub(crate) guest: Guest,
    /// The static program under test, which also runs on this machine.
    pub(crate) program: PathBuf,
    /// Sockets and the like.
    pub(crate) work: PathBuf,
}

impl Bench {
    /// Runs all jobs; the outcomes are in their order.
    pub(crate) fn run(&self, jobs: &[Job]) -> Result<Vec<Outcome>, String> {
        let mut outcomes = Vec::new();
        let (plain, redirected): (Vec<_>, Vec<_>) = jobs.iter().partition(|job| job.boot == Boot::Plain);
        let mut left = plain.as_slice();
        while !left.is_empty() {
            let done = self.boot(left, None)?;
            left = left.get(done.len()..).unwrap_or_default();
            outcomes.extend(done);
        }
        for job in redirected {
            outcomes.extend(self.boot(&[job], Some(&job.phone))?);
        }
        Ok(outcomes)
    }

    /// One boot: as many of the jobs as it lasted, at least one.
    fn boot(&self, jobs: &[&Job], phone: Option<&str>) -> Result<Vec<Outcome>, String> {
        let share = &self.guest.share;
        let queue: String = jobs.iter().map(|j| format!("{} {}\n", j.name, j.limit.as_secs())).collect();
        fs::write(share.join("queue"), queue).map_err(|e| e.to_string())?;
        let console = self.work.join("console.log");
        let socket = self.work.join("phone.socket");
        let outside = match phone {
            Some(keys) => Some(self.phone(keys, &socket)?),
            None => None,
        };
        let mut more = if outside.is_some() { redirection(&socket) } else { Vec::new() };
        if jobs.iter().any(|job| job.root) {
            more.extend(ROOT.map(str::to_owned));
        }
        let mut running = self.guest.boot("/mnt/runner.sh", &console, &more)?;
        let mut outcomes = Vec::new();
        for job in jobs {
            let name = &job.name;
            let results = share.join("results");
            let begun = Instant::now();
            let allowed = if outcomes.is_empty() { BOOT } else { GRACE } + job.limit + GRACE;
            let done = loop {
                if let Some(done) = read(&results.join(format!("{name}.done"))) {
                    break Ok(done);
                }
                if running.ended()? {
                    break read(&results.join(format!("{name}.done"))).ok_or("the guest went down");
                }
                if begun.elapsed() > allowed {
                    break Err("the guest hangs");
                }
                thread::sleep(POLL);
            };
            let mut log = read(&results.join(format!("{name}.log"))).unwrap_or_default();
            if let (Some(after), true) = (job.after, done.is_ok()) {
                let more = after::check(after, &share.join("out").join(name), &self.program);
                let _ = fs::write(results.join(format!("{name}.after.log")), &more);
                log.push_str(&more);
            }
            let (verdict, took) = match &done {
                Ok(done) => {
                    let (code, seconds) = done.trim().split_once(' ').unwrap_or(("?", "0"));
                    (outcome::judge(code, &log), Duration::from_secs_f64(seconds.parse().unwrap_or(0.0)))
                }
                Err(what) => {
                    let what = format!("{what}; its console says:\n{}", Guest::last_words(&console));
                    (Verdict::Failed(what), begun.elapsed())
                }
            };
            let outcome = Outcome {
                name: name.clone(),
                shows: job.shows.clone(),
                verdict,
                took,
                figures: outcome::figures(&log),
            };
            println!("    {:8} {name} ({:.1} s)", outcome.verdict.word(), took.as_secs_f64());
            outcomes.push(outcome);
            if done.is_err() {
                return Ok(outcomes);
            }
        }
        let begun = Instant::now();
        while !running.ended()? && begun.elapsed() < GRACE {
            thread::sleep(POLL);
        }
        Ok(outcomes)
    }

    /// A phone on this machine, for QEMU to fetch from its socket.
    fn phone(&self, keys: &str, socket: &Path) -> Result<Beside, String> {
        let _ = fs::remove_file(socket);
        let flash = self.guest.share.join("flash.bin");
        let listen = format!("usbredir:{}", socket.display());
        let log = self.guest.share.join("out/phone-outside.log");
        let words =
            ["phone", "serve", "--flash", &flash.to_string_lossy(), "--listen", &listen, "--with", keys];
        let phone = Beside::start(&self.program, &words, &log)?;
        let until = Instant::now() + GRACE;
        while !socket.exists() {
            if Instant::now() > until {
                let said = read(&log).unwrap_or_default();
                return Err(format!("the phone outside does not listen: {said}"));
            }
            thread::sleep(POLL);
        }
        Ok(phone)
    }
}

/// QEMU's words for a phone on an emulated xHCI whose other end is a socket.
fn redirection(socket: &Path) -> Vec<String> {
    let chardev = format!("socket,id=phone,path={}", socket.display());
    let words = [
        "-device",
        "qemu-xhci,id=xhci",
        "-chardev",
        &chardev,
        "-device",
        "usb-redir,chardev=phone,bus=xhci.0,port=3",
    ];
    words.map(str::to_owned).to_vec()
}

/// A file the guest has finished writing: one that ends a line.
fn read(path: &Path) -> Option<String> {
    let bytes = fs::read(path).ok()?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    (path.extension().is_none_or(|e| e != "done") || text.ends_with('\n')).then_some(text)
}
