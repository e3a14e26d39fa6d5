//! `cargo xtask ci`: every check but the tests and the demo. What could not be checked is named at the end.

use crate::process::{run, run_with, works};
use crate::{bench_usb, foreign, fuzz, platforms, rooms, soak, whole};

/// Pure crates: the build for a target without an operating system is the proof that they do no IO.
const PURE: [&str; 3] = ["bromide-proto", "bromide-nand", "bromide-image"];
const TARGETS: [&str; 2] = ["wasm32-unknown-unknown", "thumbv7em-none-eabi"];
/// Seconds of fuzzing of each target.
const FUZZ_SECONDS: u64 = 30;

/// Minutes of dumps under faults, and points at which one is ended in each of four ways.
const SOAK_MINUTES: &str = "5";
const KILL_POINTS: &str = "40";

/// Runs all checks.
pub(crate) fn ci(install: bool) -> Result<(), String> {
    let mut not_checked = Vec::new();
    run("cargo fmt --all --check")?;
    run("cargo clippy --workspace --all-targets --locked -- -D warnings")?;
    run_with("cargo doc --workspace --no-deps --locked", &[("RUSTDOCFLAGS", "-D warnings")])?;
    rooms::check()?;
    for target in TARGETS {
        match pure(target) {
            Ok(()) => {}
            Err(None) => {
                not_checked.push(format!("pure crates for {target}: the target cannot be installed"))
            }
            Err(Some(e)) => return Err(e),
        }
    }
    platforms::check(&mut not_checked)?;
    if platforms::has_target(platforms::STATIC) {
        platforms::dist()?;
    } else {
        not_checked.push(format!("the static binary: {} cannot be installed", platforms::STATIC));
    }
    run("cargo test --locked --package xtask")?;
    if let Err(why) = foreign::judge(install)? {
        not_checked.push(format!("what programs of others say to recordings and mapfiles: {why}"));
    }
    whole::whole()?;
    soak::soak(&["--minutes", SOAK_MINUTES])?;
    soak::kill_points(Some(KILL_POINTS))?;
    on_usb(install, &mut not_checked)?;
    deny(install, &mut not_checked)?;
    fuzzing(install, &mut not_checked)?;
    println!("\nall checks passed");
    for what in not_checked {
        println!("not checked: {what}");
    }
    Ok(())
}

/// The short form of the USB bench.
fn on_usb(install: bool, not_checked: &mut Vec<String>) -> Result<(), String> {
    let lacks = bench_usb::lacks(install).map(|what| format!("not installed: {what}"));
    match lacks.or_else(|| bench_usb::prepare(install).err()) {
        None => bench_usb::bench_usb(if install { &["--install"] } else { &[] }),
        Some(why) => {
            not_checked.push(format!("the USB bench: {why}"));
            Ok(())
        }
    }
}

fn pure(target: &str) -> Result<(), Option<String>> {
    if !platforms::has_target(target) {
        return Err(None);
    }
    for package in PURE {
        run(&format!("cargo build --locked --package {package} --target {target}")).map_err(Some)?;
    }
    Ok(())
}

fn deny(install: bool, not_checked: &mut Vec<String>) -> Result<(), String> {
    if !works("cargo deny --version") {
        if !install {
            not_checked.push("licences, bans, sources: cargo-deny is not installed".into());
            return Ok(());
        }
        run("cargo install cargo-deny --locked")?;
    }
    run("cargo deny --locked check licenses bans sources")?;
    if works("cargo deny fetch db") {
        run("cargo deny --locked check advisories")
    } else {
        not_checked.push("advisories: the database cannot be reached".into());
        Ok(())
    }
}

fn fuzzing(install: bool, not_checked: &mut Vec<String>) -> Result<(), String> {
    if !works("cargo +nightly --version") {
        not_checked.push("fuzzing: no nightly toolchain".into());
        return Ok(());
    }
    if !works("cargo +nightly fuzz --version") {
        if !install {
            not_checked.push("fuzzing: cargo-fuzz is not installed".into());
            return Ok(());
        }
        run("cargo install cargo-fuzz --locked")?;
    }
    fuzz::fuzz(FUZZ_SECONDS)
}
