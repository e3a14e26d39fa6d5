//! Running other programs.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The workspace's folder.
pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_owned()
}

/// Runs a program in the workspace's folder and wants it to succeed.
pub(crate) fn run(line: &str) -> Result<(), String> {
    run_with(line, &[])
}

/// As [`run`], with environment variables.
pub(crate) fn run_with(line: &str, env: &[(&str, &str)]) -> Result<(), String> {
    println!("==> {line}");
    let mut words = line.split_whitespace();
    let program = words.next().unwrap_or_default();
    let status = Command::new(program)
        .args(words)
        .envs(env.iter().copied())
        .current_dir(root())
        .status()
        .map_err(|e| format!("{line}: {e}"))?;
    if status.success() { Ok(()) } else { Err(format!("{line}: {status}")) }
}

/// Whether a program runs and succeeds, output thrown away.
pub(crate) fn works(line: &str) -> bool {
    let mut words = line.split_whitespace();
    let program = words.next().unwrap_or_default();
    Command::new(program)
        .args(words)
        .current_dir(root())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|s| s.success())
}

/// Files git knows of with this ending, relative to the workspace.
pub(crate) fn tracked(ending: &str) -> Result<Vec<PathBuf>, String> {
    let out = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .current_dir(root())
        .output()
        .map_err(|e| format!("git ls-files: {e}"))?;
    let names = String::from_utf8_lossy(&out.stdout);
    Ok(names.lines().filter(|n| n.ends_with(ending)).map(PathBuf::from).collect())
}

/// Where cargo builds.
pub(crate) fn target_dir() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}
