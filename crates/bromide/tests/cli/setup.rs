//! `bromide setup linux`: the rules are printed, written whole, told to udevd, and taken away, never without a yes.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use crate::bench::Bench;
use crate::tree::{Tree, as_installed, transcript};

const FILE: &str = "pc/etc/udev/rules.d/61-bromide.rules";

/// A `udevadm` that notes what it is told.
fn with_udevadm(script: &str) -> Tree {
    let tree = Tree { bench: Bench::new() };
    tree.file("usr/bin/udevadm", script);
    tree.mode("usr/bin/udevadm", 0o755);
    tree
}

const NOTES: &str = "#!/bin/sh\necho \"$@\" >> told.txt\n";

#[test]
fn without_an_option_the_rules_are_printed_and_nothing_is_changed() {
    let tree = Tree { bench: Bench::new() };
    let ran = tree.setup("setup linux").good();
    assert!(ran.out.contains("ENV{ID_MM_DEVICE_IGNORE}=\"1\""), "{}", ran.out);
    assert!(tree.bench.files().is_empty());
}

#[test]
fn installing_writes_what_is_printed_and_has_udevd_read_it() {
    let tree = with_udevadm(NOTES);
    let ran = tree.setup("setup linux --install --yes").good();
    assert!(ran.err.contains("will hold the rules"), "{}", ran.err);
    let printed = tree.setup("setup linux").good().out;
    assert_eq!(tree.bench.text(FILE), printed);
    let mode = fs::metadata(tree.bench.path(FILE)).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o644, "udevd and doctor read it");
    let told = tree.bench.text("told.txt");
    assert_eq!(told, "control --reload\ntrigger --action=change --attr-match=idVendor=0e8d\n");
    let folder = fs::read_dir(tree.bench.path("pc/etc/udev/rules.d")).unwrap().count();
    assert_eq!(folder, 1, "no interim file stays");
}

#[test]
fn installing_again_changes_nothing() {
    let tree = with_udevadm(NOTES);
    tree.setup("setup linux --install --yes").good();
    let before = fs::metadata(tree.bench.path(FILE)).unwrap().modified().unwrap();
    let again = tree.setup("setup linux --install").good();
    assert!(again.out.contains("nothing changed"), "{}", again.out);
    assert_eq!(fs::metadata(tree.bench.path(FILE)).unwrap().modified().unwrap(), before);
    assert_eq!(tree.bench.text("told.txt").lines().count(), 2, "udevd was told once");
}

#[test]
fn nothing_is_written_when_nobody_says_yes() {
    let tree = with_udevadm(NOTES);
    tree.setup("setup linux --install")
        .fails(1, &["will hold the rules", "udevadm control --reload", "--yes"]);
    assert!(!tree.bench.has(FILE) && !tree.bench.has("told.txt"));
}

#[test]
fn a_file_that_differs_is_shown_as_a_difference_and_kept() {
    let tree = Tree { bench: Bench::new() };
    let edited = tree.setup("setup linux").good().out.replace("0e8d", "0e8e") + "# mine\x1b[2J\n";
    tree.file("etc/udev/rules.d/61-bromide.rules", &edited);
    for words in ["setup linux --install", "setup linux --remove"] {
        tree.setup(words).fails(1, &["--yes"]);
        assert_eq!(tree.bench.text(FILE), edited, "{words}");
    }
    let ran = tree.setup("setup linux --install");
    assert!(ran.err.contains("  - # mine\\u{1b}[2J"), "{}", ran.err);
    assert!(ran.err.contains("  + ATTR{idVendor}==\"0e8d\""), "{}", ran.err);
    tree.setup("setup linux --install --yes").good();
    assert_eq!(tree.bench.text(FILE), tree.setup("setup linux").good().out);
}

#[test]
fn a_file_switched_off_by_an_administrator_stays_off() {
    let tree = Tree { bench: Bench::new() };
    tree.link("etc/udev/rules.d/61-bromide.rules", "/dev/null");
    tree.setup("setup linux --install --yes").fails(1, &["no plain file"]);
    tree.setup("setup linux --remove --yes").fails(1, &["no plain file"]);
}

#[test]
fn removing_takes_the_file_away_and_twice_is_no_error() {
    let tree = with_udevadm(NOTES);
    tree.setup("setup linux --install --yes").good();
    tree.setup("setup linux --remove").fails(1, &["will be removed", "--yes"]);
    assert!(tree.bench.has(FILE));
    assert!(tree.setup("setup linux --remove --yes").good().out.contains("removed, udevd knows"));
    assert!(!tree.bench.has(FILE));
    assert!(tree.setup("setup linux --remove").good().out.contains("nothing to remove"));
}

#[test]
fn a_udevd_that_does_not_answer_is_said_and_is_no_failure() {
    let tree = with_udevadm("#!/bin/sh\necho 'no daemon\x1b' >&2; exit 2\n");
    let ran = tree.setup("setup linux --install --yes").good();
    assert!(ran.err.contains("(no daemon") && ran.err.contains("next start of udevd"), "{}", ran.err);
    assert!(tree.bench.has(FILE));
}

#[test]
fn programs_get_the_rules_and_the_outcome_as_json() {
    let tree = Tree { bench: Bench::new() };
    let printed = tree.setup("--json setup linux").good();
    let line: serde_json::Value = serde_json::from_str(printed.out.trim()).unwrap();
    assert_eq!(line["event"], "rules");
    assert!(line["text"].as_str().unwrap().contains("LABEL=\"bromide_end\""));
    let installed = tree.setup("--json setup linux --install --yes").good();
    let last: serde_json::Value = serde_json::from_str(installed.out.lines().last().unwrap()).unwrap();
    assert_eq!((&last["event"], &last["state"]), (&"setup".into(), &"installed".into()));
}

#[test]
fn udevadm_verify_finds_no_fault_where_it_exists() {
    let knows = Command::new("udevadm").args(["verify", "--help"]).output();
    let Ok(true) = knows.map(|ran| ran.status.success()) else {
        return older_udevadm_reads_them();
    };
    let tree = Tree { bench: Bench::new() };
    tree.setup("setup linux --install --yes").good();
    let ran = Command::new("udevadm").arg("verify").arg(tree.bench.path(FILE)).output().unwrap();
    assert!(ran.status.success(), "{ran:?}");
}

/// `udevadm test` of any age reads all rules and names bad ones. Ours are put in place of the machine's in a mount
/// namespace of their own, beside a bad one that has to be found.
fn older_udevadm_reads_them() {
    let tree = Tree { bench: Bench::new() };
    tree.setup("setup linux --install --yes").good();
    tree.file("etc/udev/rules.d/62-bad.rules", "NOKEY==\"x\", FOO\n");
    let script =
        "mount --bind pc/etc/udev/rules.d /etc/udev/rules.d && udevadm test /sys/class/mem/null 2>&1";
    let mut command = Command::new("unshare");
    let ran = command.args(["--mount", "sh", "-c", script]).current_dir(tree.bench.path("")).output();
    let said = ran.map(|ran| String::from_utf8_lossy(&ran.stdout).into_owned()).unwrap_or_default();
    let about = |file: &str| said.lines().filter(|line| line.contains(file)).collect::<Vec<_>>();
    if about("62-bad.rules").len() < 2 {
        return println!("skipped: no udevadm that can read rules here, or no right to mount");
    }
    assert_eq!(about("61-bromide.rules").len(), 1, "read, and nothing to complain about:\n{said}");
}

#[test]
fn the_transcript_of_setup_is_true() {
    let tree = with_udevadm("#!/bin/sh\n");
    let step = |title: &str, words: &str| {
        let ran = tree.setup(words);
        let said = as_installed(&format!("{}{}", ran.err, ran.out));
        let code = ran.code.unwrap();
        format!("\n## {title}\n\n```console\n$ bromide {words}\n{said}$ echo $?\n{code}\n```\n")
    };
    let mut text =
        String::from("# `bromide setup linux`\n\nKept true by a test (crates/bromide/tests/cli/setup.rs).\n");
    text += &step("The rules", "setup linux");
    text += &step("Asked for from a script, without a yes", "setup linux --install");
    text += &step("Installing", "setup linux --install --yes");
    text += &step("Again", "setup linux --install");
    let printed = tree.setup("setup linux").good().out;
    let edited = printed.replace("#MODE=\"0660\", GROUP=\"plugdev\"", "MODE=\"0660\", GROUP=\"ana\"");
    assert_ne!(edited, printed);
    tree.file("etc/udev/rules.d/61-bromide.rules", &edited);
    text += &step("Over a file that was edited", "setup linux --install");
    text += &step("Taking them away", "setup linux --remove --yes");
    transcript("setup-linux.md", &text);
}
