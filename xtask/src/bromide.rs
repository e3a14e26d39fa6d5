//! The program under test as a user runs it: its own processes, watched from outside.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::process::target_dir;
use crate::usage;

/// A map that knows where `system` of the virtual phone lies (`formats.md` section 3.3).
pub(crate) const MAP: &str = "dev:    size   erasesize  name\nmtd0: 013a0000 00020000 \"before\"\nmtd1: 12700000 00020000 \"system\"\n";

fn program() -> PathBuf {
    target_dir().join("release/bromide")
}

/// Logs are part of what is measured, and no part of the user's own.
fn logs() -> PathBuf {
    target_dir().join("measured-logs")
}

/// A command of the program under test.
pub(crate) fn command(args: &[&str]) -> Command {
    let mut command = Command::new(program());
    command.args(args).env("BROMIDE_LOG_DIR", logs());
    command
}

/// Runs a command that is not measured.
pub(crate) fn run(args: &[&str]) -> Result<(), String> {
    let status = command(args)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .map_err(|e| format!("bromide: {e}"))?;
    if status.success() { Ok(()) } else { Err(format!("bromide {args:?}: {status}")) }
}

/// A virtual phone in a process of its own; ended when dropped.
pub(crate) struct Phone {
    child: Child,
    /// Terminal or address.
    pub(crate) at: String,
}

impl Phone {
    pub(crate) fn serve(flash: &str, listen: &str, with: &str) -> Result<Self, String> {
        let mut child = Command::new(program())
            .args(["phone", "serve", "--flash", flash, "--listen", listen, "--with", with])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|e| format!("bromide: {e}"))?;
        let mut at = String::new();
        let out = child.stdout.take().ok_or("no output")?;
        BufReader::new(out).read_line(&mut at).map_err(|e| e.to_string())?;
        let at = at.trim().to_owned();
        let phone = Self { child, at };
        if phone.at.is_empty() { Err("the virtual phone did not start".into()) } else { Ok(phone) }
    }
}

impl Drop for Phone {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One measured read.
pub(crate) struct Read {
    pub(crate) bytes: u64,
    took: Duration,
    pub(crate) peak_kib: u64,
}

impl Read {
    /// Bytes a second, from the first request to the last confirmed packet.
    pub(crate) fn rate(&self) -> f64 {
        self.bytes as f64 / self.took.as_secs_f64()
    }
}

/// Runs `bromide --json read ..` and times it by its own events, as they arrive.
pub(crate) fn read(args: &[&str]) -> Result<Read, String> {
    let mut child = command(args).stdout(Stdio::piped()).spawn().map_err(|e| format!("bromide: {e}"))?;
    let process = child.id();
    let memory = std::thread::spawn(move || usage::peak_kib(process));
    let out = child.stdout.take().ok_or("no output")?;
    let (mut start, mut took, mut bytes) = (None, None, 0);
    for line in BufReader::new(out).lines() {
        let line = line.map_err(|e| e.to_string())?;
        if line.contains("\"event\":\"read-start\"") {
            start = Some(Instant::now());
            bytes = number(&line, "bytes").unwrap_or(0);
        } else if line.contains("\"event\":\"read\"") && number(&line, "done") == Some(bytes) {
            took = start.map(|s| s.elapsed());
        }
    }
    let status = child.wait().map_err(|e| e.to_string())?;
    let peak_kib = memory.join().unwrap_or(0);
    match took {
        Some(took) if status.success() => Ok(Read { bytes, took, peak_kib }),
        _ => Err(format!("bromide {args:?}: {status}")),
    }
}

/// The number behind a key of a flat JSON line.
fn number(line: &str, key: &str) -> Option<u64> {
    let after = line.split_once(&format!("\"{key}\":"))?.1;
    after.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}
