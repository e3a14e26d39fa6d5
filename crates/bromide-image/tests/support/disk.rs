//! Disk images in files, the programs of Linux that read and write partition tables, and the samples of real phones.
#![allow(dead_code, reason = "each test file that takes this in uses a part of it")]

use std::io::{Seek, SeekFrom, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// A sample of a real phone, or none with a word about it.
pub(crate) fn sample(name: &str) -> Option<Vec<u8>> {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data");
    let folder = std::env::var_os("BROMIDE_DATA").map_or_else(|| PathBuf::from(default), PathBuf::from);
    let bytes = std::fs::read(folder.join(name)).ok();
    if bytes.is_none() {
        println!("skipped: no sample {name} (set BROMIDE_DATA)");
    }
    bytes
}

/// A file of `bytes` zeros with some parts filled.
pub(crate) fn image(bytes: u64, parts: &[(u64, &[u8])]) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.as_file().set_len(bytes).unwrap();
    for (at, part) in parts {
        file.seek(SeekFrom::Start(*at)).unwrap();
        file.write_all(part).unwrap();
    }
    file.flush().unwrap();
    file
}

/// What a program prints, or none with a word about it where it is not installed. A failure of the program fails the
/// test.
pub(crate) fn run(program: &str, arguments: &[&str]) -> Option<String> {
    run_with(program, arguments, "")
}

/// The same with something to read.
pub(crate) fn run_with(program: &str, arguments: &[&str], input: &str) -> Option<String> {
    let path = format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default());
    let mut command = Command::new(program);
    command.args(arguments).env("PATH", &path).env("LC_ALL", "C");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let Ok(mut child) = command.spawn() else {
        println!("skipped: {program} is not installed");
        return None;
    };
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{program} {arguments:?}: {text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Some(text)
}
