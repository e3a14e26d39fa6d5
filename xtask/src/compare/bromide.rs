//! The program under test as a user runs it: its own processes, watched from outside.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::usage;
use crate::process::root;

fn program() -> PathBuf {
    root().join("target/release/bromide")
}

/// Runs a command that is not measured.
pub(super) fn run(args: &[&str]) -> Result<(), String> {
    let status = Command::new(program())
        .args(args)
        .stderr(Stdio::null())
        .status()
        .map_err(|e| format!("bromide: {e}"))?;
    if status.success() { Ok(()) } else { Err(format!("bromide {args:?}: {status}")) }
}

/// A virtual phone in a process of its own; ended when dropped.
pub(super) struct Phone {
    child: Child,
    /// Terminal or address.
    pub(super) at: String,
}

impl Phone {
    pub(super) fn serve(flash: &str, listen: &str, with: &str) -> Result<Self, String> {
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
pub(super) struct Read {
    pub(super) bytes: u64,
    took: Duration,
    pub(super) peak_kib: u64,
}

impl Read {
    /// Bytes a second, from the first request to the last confirmed packet.
    pub(super) fn rate(&self) -> f64 {
        self.bytes as f64 / self.took.as_secs_f64()
    }
}

/// Runs `bromide --json read ..` and times it by its own events, as they arrive.
pub(super) fn read(args: &[&str]) -> Result<Read, String> {
    let mut child = Command::new(program())
        .args(args)
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|e| format!("bromide: {e}"))?;
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
