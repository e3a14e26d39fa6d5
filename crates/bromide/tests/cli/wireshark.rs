//! `bromide wireshark`: the plugin is said, written whole, replaced when it is ours, and never over a foreign file.

use std::fs;

use crate::bench::{Bench, Ran};

const FILE: &str = "plugins/deep/bromide-mtk.lua";

fn run(bench: &Bench, words: &str) -> Ran {
    bench.run(&format!("{words} --folder plugins/deep"))
}

#[test]
fn show_prints_the_plugin_and_says_first_whose_it_is() {
    let bench = Bench::new();
    let shown = bench.run("wireshark show").good().out;
    assert!(shown.starts_with("-- bromide wireshark plugin"), "{shown:.80}");
    assert!(shown.contains("mtk.brom.cmd") && shown.trim_end().ends_with("register_postdissector(missing)"));
    assert!(bench.files().is_empty());
}

#[test]
fn installing_writes_what_is_shown_and_twice_changes_nothing() {
    let bench = Bench::new();
    let ran = run(&bench, "wireshark install").good();
    assert!(ran.err.contains("will be the plugin"), "{}", ran.err);
    assert!(ran.out.contains("installed"), "{}", ran.out);
    assert_eq!(bench.text(FILE), bench.run("wireshark show").good().out);
    assert_eq!(fs::read_dir(bench.path("plugins/deep")).unwrap().count(), 1, "no interim file stays");
    let before = fs::metadata(bench.path(FILE)).unwrap().modified().unwrap();
    assert!(run(&bench, "wireshark install").good().out.contains("nothing changed"));
    assert_eq!(fs::metadata(bench.path(FILE)).unwrap().modified().unwrap(), before);
}

#[test]
fn an_older_plugin_is_replaced_and_a_foreign_file_is_kept() {
    let bench = Bench::new();
    run(&bench, "wireshark install").good();
    let whole = bench.text(FILE);
    bench.write(FILE, format!("{}\n-- of last year\n", whole.lines().next().unwrap()));
    let ran = run(&bench, "wireshark install").good();
    assert!(ran.err.contains("another version") && ran.out.contains("replaced"), "{} {}", ran.err, ran.out);
    assert_eq!(bench.text(FILE), whole);
    bench.write(FILE, "-- my own plugin\n");
    for words in ["wireshark install", "wireshark uninstall"] {
        run(&bench, words).fails(1, &["was not written by Bromide", "--folder"]);
        assert_eq!(bench.text(FILE), "-- my own plugin\n", "{words}");
    }
}

#[test]
fn uninstalling_takes_it_away_and_twice_is_no_error() {
    let bench = Bench::new();
    run(&bench, "wireshark install").good();
    let ran = run(&bench, "wireshark uninstall").good();
    assert!(ran.err.contains("will be removed") && ran.out.contains("removed"), "{} {}", ran.err, ran.out);
    assert!(!bench.has(FILE));
    assert!(run(&bench, "wireshark uninstall").good().out.contains("nothing to remove"));
}

#[test]
fn without_tshark_the_folder_is_the_usual_one_under_the_home_folder() {
    let bench = Bench::new();
    let home = bench.path("home");
    let mut command = bench.command("wireshark install");
    let ran = command.env("HOME", &home).env("PATH", bench.path("nothing")).output().unwrap();
    assert!(ran.status.success(), "{ran:?}");
    assert!(home.join(".local/lib/wireshark/plugins/bromide-mtk.lua").is_file());
    let mut command = bench.command("wireshark install");
    let ran = command.env_remove("HOME").env("PATH", bench.path("nothing")).output().unwrap();
    assert_eq!(ran.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&ran.stderr).contains("--folder FOLDER"), "{ran:?}");
}

#[test]
fn the_folder_that_tshark_names_wins() {
    use std::os::unix::fs::PermissionsExt;
    let bench = Bench::new();
    fs::create_dir(bench.path("bin")).unwrap();
    let folder = bench.path("by tshark");
    let script =
        format!("#!/bin/sh\nprintf 'Temp:\\t/tmp\\nPersonal Lua Plugins:\\t%s\\n' '{}'\n", folder.display());
    bench.write("bin/tshark", script);
    fs::set_permissions(bench.path("bin/tshark"), fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = bench.command("wireshark install");
    let ran = command.env("HOME", bench.path("home")).env("PATH", bench.path("bin")).output().unwrap();
    assert!(ran.status.success(), "{ran:?}");
    assert!(folder.join("bromide-mtk.lua").is_file() && !bench.has("home"));
}

#[test]
fn a_folder_that_cannot_be_made_is_said_in_words() {
    let bench = Bench::new();
    bench.write("plugins", "a file where the folder should be");
    run(&bench, "wireshark install").fails(1, &["plugins/deep", "bromide wireshark show"]);
}

#[test]
fn programs_get_the_plugin_and_the_outcome_as_json() {
    let bench = Bench::new();
    let shown: serde_json::Value =
        serde_json::from_str(&bench.run("--json wireshark show").good().out).unwrap();
    assert_eq!(shown["event"], "script");
    let ran = run(&bench, "--json wireshark install").good();
    let lines: Vec<serde_json::Value> =
        ran.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines[0]["event"], "plan");
    let last = lines.last().unwrap();
    assert_eq!((&last["event"], &last["state"]), (&"wireshark".into(), &"installed".into()));
    assert!(last["file"].as_str().unwrap().ends_with("bromide-mtk.lua"));
}
