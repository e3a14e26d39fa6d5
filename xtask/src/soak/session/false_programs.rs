//! Sessions with programs that are not what they should be: every fault a session looks for is found.
//!
//! The programs are scripts that copy the right images, or do not. `$1` is `read`, `resume` or `bundle`; `$DIR` is the
//! dump's folder, `$RIGHT` the folder of the images.

use std::os::unix::fs::PermissionsExt as _;

use tempfile::TempDir;

use super::super::forgetful_disk::Rule;
use super::*;

/// Finds the folder; copies an image under its interim name; syncs as a careful program does.
const WORDS: &str = r#"
case $1 in read) DIR=$4 ;; resume) DIR=$2 ;; bundle) exit 0 ;; esac
put() { cp "$RIGHT/$1" "$DIR/$1.part" && sync "$DIR/$1.part" && mv "$DIR/$1.part" "$DIR/$1"; }
all() {
    mkdir -p "$DIR"; sync "$DIR/.."
    for f in "$RIGHT"/*; do put "${f##*/}" || exit 1; done
    sync "$DIR"
}
"#;

struct Program {
    folder: TempDir,
    bench: Bench,
}

fn program(script: &str) -> Program {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let truth = Truth::of(CHIPS[0]).unwrap();
    fs::create_dir(at("right")).unwrap();
    for name in truth.names() {
        fs::write(at("right").join(format!("{name}.img")), truth.image(name)).unwrap();
    }
    let text = format!("#!/bin/sh\nRIGHT={}\n{WORDS}\n{script}\n", at("right").display());
    fs::write(at("program"), text).unwrap();
    fs::set_permissions(at("program"), fs::Permissions::from_mode(0o755)).unwrap();
    let bench = Bench {
        program: at("program"),
        agents: at("agents"),
        scratch: at("scratch"),
        truths: vec![truth],
        measured: Measured { changes: 30, bytes: 3_000_000, ..Measured::default() },
        bound: Duration::from_secs(5),
    };
    Program { folder, bench }
}

/// Runs a session of this kind; what was found wrong.
fn found(script: &str, place: Place, end: End) -> Result<Counts, String> {
    seeded(1, script, place, end)
}

fn seeded(seed: u64, script: &str, place: Place, end: End) -> Result<Counts, String> {
    let program = program(script);
    let plan = Plan::of_one(seed, place, end, None);
    let ended = session(&program.bench, &plan, false).map_err(|broken| broken.to_string());
    drop(program.folder);
    ended
}

fn in_folder(script: &str) -> String {
    found(script, Place::Folder, End::Itself).map_or_else(|what| what, |_| "nothing".into())
}

#[test]
fn a_good_program_passes_at_once() {
    let counts = found("all", Place::Folder, End::Itself).unwrap();
    assert_eq!((counts.processes, counts.at_once, counts.images), (1, 1, 18));
}

#[test]
fn a_good_program_that_needs_a_second_try_passes_too() {
    let script = r#"if [ -e "$DIR" ]; then all; else mkdir "$DIR"; put boot.img; exit 1; fi"#;
    let counts = found(script, Place::Folder, End::Itself).unwrap();
    assert_eq!((counts.processes, counts.at_once, counts.again + counts.resumed), (2, 0, 1));
}

#[test]
fn a_wrong_byte_is_found_at_exit_code_0_and_at_any_other_moment() {
    let spoil = r#"printf x | dd of="$DIR/system.img" bs=1 seek=70000 conv=notrunc 2>/dev/null"#;
    assert!(in_folder(&format!("all; {spoil}")).contains("system.img has its own name and 1 wrong pages"));
    assert!(in_folder(&format!("all; {spoil}; exit 1")).contains("1 wrong pages"));
    assert!(in_folder(&format!("all; {spoil}; kill -9 $$")).contains("Signal(9)"));
}

#[test]
fn what_is_missing_too_short_or_left_over_is_found() {
    assert!(in_folder(r#"all; rm "$DIR/logo.img""#).contains("exit code 0, and"));
    assert!(in_folder(r#"all; truncate -s -1 "$DIR/logo.img""#).contains("instead of"));
    assert!(in_folder(r#"all; touch "$DIR/x.part""#).contains("x.part is left"));
}

#[test]
fn a_panic_a_hang_a_wrong_code_and_a_dump_that_never_ends_are_found() {
    assert!(in_folder("exit 101").contains("panicked"));
    assert!(in_folder("echo thread main panicked at x >&2; exit 1").contains("panicked"));
    assert!(in_folder("exec sleep 20").contains("did not end"));
    assert!(in_folder("exit 2").contains("Code(2)"));
    assert!(in_folder("kill -SEGV $$").contains("Signal(11)"));
    assert!(in_folder("exit 1").contains("still not whole"));
}

#[test]
fn a_bundle_its_own_check_refuses_is_found() {
    let program = program("all");
    let script = fs::read_to_string(program.folder.path().join("program")).unwrap();
    fs::write(program.folder.path().join("program"), script.replace("bundle) exit 0", "bundle) exit 4"))
        .unwrap();
    let plan = Plan::of_one(1, Place::Folder, End::Itself, None);
    let broken = session(&program.bench, &plan, false).err().map(|broken| broken.to_string()).unwrap();
    assert!(broken.contains("bundle verify"), "{broken}");
    assert!(broken.contains("what was run:\n  ") && broken.contains("read --all"), "{broken}");
}

#[test]
fn on_the_forgetful_disk_a_careful_program_passes_and_careless_ones_do_not() {
    let disk = Place::Disk(Rule::Strict);
    match found("all", disk, End::Itself) {
        Err(what) if what.contains("the forgetful disk:") => return eprintln!("skipped: {what}"),
        ended => assert_eq!(ended.map(|counts| counts.power_cuts), Ok(1)),
    }
    for when in [100, 500, 900] {
        // The first process may be through before its power fails; then there is one cut less.
        assert!(found("all", disk, End::PowerCut(when)).is_ok_and(|counts| counts.power_cuts >= 1));
    }
    // Chance may be kind once, not always.
    let careless = |script: &str| (0..5).any(|seed| seeded(seed, script, disk, End::Itself).is_err());
    assert!(careless(r#"all() { mkdir -p "$DIR"; cp "$RIGHT"/* "$DIR"; }; all"#));
    assert!(
        careless(r#"sync() { case $1 in *.part) ;; *) command sync "$1" ;; esac; }; all"#),
        "no sync of files"
    );
    assert!(
        careless(r#"sync() { case $1 in *.part) command sync "$1" ;; esac; }; all"#),
        "no sync of folders"
    );
}
