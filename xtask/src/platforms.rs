//! Other systems: the program compiles for them, and a Linux binary that needs nothing but a kernel.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::process::{root, run, target_dir, works};

/// Systems the program is compiled for and not run on; `docs/platforms.md` says what that means.
const CHECKED: [&str; 2] = ["x86_64-pc-windows-gnu", "aarch64-apple-darwin"];

/// What the binary for all Linux systems is built for.
pub(crate) const STATIC: &str = "x86_64-unknown-linux-musl";

/// Whether a target's standard library is there, installed if it has to be.
pub(crate) fn has_target(target: &str) -> bool {
    // Asked of the compiler: the list of rustup may lag behind when two of them were at work.
    let folder = Command::new("rustc").args(["--print", "target-libdir", "--target", target]).output();
    let there = folder.is_ok_and(|out| {
        let folder = String::from_utf8_lossy(&out.stdout).trim().to_owned();
        fs::read_dir(folder).is_ok_and(|mut files| {
            files.any(|file| file.is_ok_and(|file| file.file_name().to_string_lossy().starts_with("libstd-")))
        })
    });
    there || works(&format!("rustup target add {target}"))
}

/// The program and its libraries compile for systems it is not run on here.
pub(crate) fn check(not_checked: &mut Vec<String>) -> Result<(), String> {
    for target in CHECKED {
        if has_target(target) {
            // The default members: everything but these chores, which are for Linux.
            run(&format!("cargo check --locked --target {target}"))?;
        } else {
            not_checked.push(format!("compiling for {target}: the target cannot be installed"));
        }
    }
    Ok(())
}

/// Builds the static binary, looks at it and runs it. Where its target cannot be had, that is an error.
pub(crate) fn dist() -> Result<(), String> {
    if !has_target(STATIC) {
        return Err(format!("{STATIC} cannot be installed"));
    }
    run(&format!("cargo build --release --locked --package bromide --target {STATIC}"))?;
    let path = target_dir().join(STATIC).join("release/bromide");
    let bytes = fs::read(&path).map_err(|e| format!("{}: {e}", path.display()))?;
    match needs(&bytes)? {
        Needs::Nothing => {}
        other => return Err(format!("{} is not static: it needs {other:?}", path.display())),
    }
    let version = output(&path, &["--version"])?;
    output(&path, &["demo", "--quiet"])?;
    let sum = output(Path::new("sha256sum"), &[&path.to_string_lossy()])?;
    let sum = sum.split_whitespace().next().unwrap_or_default();
    println!("{}: static, {} bytes, {}", path.display(), bytes.len(), version.trim());
    println!("sha256 {sum}");
    Ok(())
}

/// Runs a program and gives its output.
fn output(program: &Path, args: &[&str]) -> Result<String, String> {
    let line = format!("{} {}", program.display(), args.join(" "));
    println!("==> {line}");
    let out = Command::new(program)
        .args(args)
        .current_dir(root())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|e| format!("{line}: {e}"))?;
    if !out.status.success() {
        return Err(format!("{line}: {}", out.status));
    }
    Ok(String::from_utf8_lossy(&out.stdout).into_owned())
}

/// What a program needs beside the kernel.
#[derive(Debug, PartialEq, Eq)]
enum Needs {
    Nothing,
    /// A dynamic loader: segment PT_INTERP.
    Loader,
    /// Shared libraries: so many DT_NEEDED entries.
    Libraries(usize),
}

/// Looks into a little-endian 64-bit ELF file (elf(5): header fields at 0x20, 0x36, 0x38; PT_INTERP 3, PT_DYNAMIC 2,
/// DT_NEEDED 1).
fn needs(elf: &[u8]) -> Result<Needs, String> {
    let short = || "this ELF file ends too early".to_owned();
    if elf.get(..6) != Some(b"\x7fELF\x02\x01") {
        return Err("no 64-bit little-endian ELF file".into());
    }
    let number = |at: usize, bytes: usize| -> Option<u64> {
        let field = elf.get(at..at.checked_add(bytes)?)?;
        Some(field.iter().rev().fold(0, |n, b| n << 8 | u64::from(*b)))
    };
    let at = |n: u64| usize::try_from(n).ok();
    let header = |i: u64| {
        let size = number(0x36, 2)?;
        at(number(0x20, 8)?.checked_add(i.checked_mul(size)?)?)
    };
    let mut libraries = 0;
    for i in 0..number(0x38, 2).ok_or_else(short)? {
        let start = header(i).ok_or_else(short)?;
        match number(start, 4).ok_or_else(short)? {
            3 => return Ok(Needs::Loader),
            2 => {
                let from = number(start + 8, 8).and_then(at).ok_or_else(short)?;
                let size = number(start + 0x20, 8).and_then(at).ok_or_else(short)?;
                let table = from.checked_add(size).and_then(|end| elf.get(from..end)).ok_or_else(short)?;
                let tags = table.chunks_exact(16).map(|entry| &entry[..8]);
                libraries += tags.filter(|tag| **tag == 1_u64.to_le_bytes()).count();
            }
            _ => {}
        }
    }
    Ok(if libraries == 0 { Needs::Nothing } else { Needs::Libraries(libraries) })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A header with one program header of this type behind it, and a dynamic table with these tags.
    fn elf(kind: u32, tags: &[u64]) -> Vec<u8> {
        let mut file = vec![0; 64 + 56];
        file[..6].copy_from_slice(b"\x7fELF\x02\x01");
        file[0x20] = 64;
        file[0x36] = 56;
        file[0x38] = 1;
        file[64..68].copy_from_slice(&kind.to_le_bytes());
        file[64 + 8] = 120;
        file[64 + 0x20] = u8::try_from(tags.len() * 16).unwrap();
        file.extend(tags.iter().flat_map(|tag| [tag.to_le_bytes(), [0; 8]].concat()));
        file
    }

    #[test]
    fn a_static_program_needs_nothing_also_when_it_is_position_independent() {
        assert_eq!(needs(&elf(1, &[])), Ok(Needs::Nothing));
        assert_eq!(needs(&elf(2, &[5, 0])), Ok(Needs::Nothing));
    }

    #[test]
    fn a_loader_or_a_library_is_found() {
        assert_eq!(needs(&elf(3, &[])), Ok(Needs::Loader));
        assert_eq!(needs(&elf(2, &[1, 5, 1])), Ok(Needs::Libraries(2)));
    }

    #[cfg(all(
        target_os = "linux",
        target_env = "gnu",
        target_pointer_width = "64",
        target_endian = "little"
    ))]
    #[test]
    fn this_test_itself_is_dynamic() {
        let own = fs::read(std::env::current_exe().unwrap()).unwrap();
        assert_eq!(needs(&own), Ok(Needs::Loader));
    }

    #[test]
    fn files_that_are_cut_off_or_no_elf_are_refused() {
        assert!(needs(b"MZ").is_err());
        let whole = elf(2, &[5, 0]);
        for length in [6, 40, 63, 100, whole.len() - 1] {
            assert!(needs(&whole[..length]).is_err(), "{length}");
        }
    }
}
