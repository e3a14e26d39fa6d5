//! The session log: what a run leaves, what is made of it, and that it never stands in a dump's way.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::Signal;

use crate::bench::{Bench, Mounted, Oracle, Ran, Stream, assert_same};
use crate::tree::transcript;

const PIECE: &str = "read --at 0x980000 --len 2M --da g2.bin --via phone:mt6575 -o piece.bin";

/// The folders of all logs, sorted.
fn folders(bench: &Bench) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(bench.logs()) else { return Vec::new() };
    let mut folders: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    folders
}

/// The folder of the only log.
fn only(bench: &Bench) -> PathBuf {
    let folders = folders(bench);
    assert_eq!(folders.len(), 1, "{folders:?}");
    folders[0].clone()
}

fn account(bench: &Bench) -> String {
    fs::read_to_string(only(bench).join("hacklog.md")).unwrap()
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|it| it == part)
}

#[test]
fn every_run_that_meets_a_phone_leaves_a_log_and_says_where() {
    let bench = Bench::new();
    let ran = bench.run(PIECE).good();
    let folder = only(&bench);
    let name = folder.file_name().unwrap().to_str().unwrap();
    assert!(name.contains("Z-read-"), "{name}");
    ran.says(&["\nLog     ", name]);
    let shown = bench.run("log show").good().out;
    assert_eq!(shown, account(&bench));
    assert!(shown.contains(&format!("\n    bromide {PIECE}\n")), "{shown}");
    assert!(shown.contains("All that was asked for is done"), "{shown}");
    let list = bench.run("log list").good().out;
    for part in ["begun (UTC)", "read", "MT6575", "done", name] {
        assert!(list.contains(part), "{part} is missing in {list}");
    }
    let run = bench.run("log list --json").good().events().remove(0);
    assert_eq!((&run["name"], &run["exit"], &run["running"]), (&name.into(), &0.into(), &false.into()));
    let told = bench.run("log show 1 --json").good().events();
    let names: Vec<&str> = told.iter().map(|it| it["event"].as_str().unwrap()).collect();
    for event in ["begin", "seen", "phone", "agent", "storage", "read-start", "read", "saved", "end"] {
        assert!(names.contains(&event), "{event} is missing in {names:?}");
    }
    assert!(told.iter().all(|it| it["at"].as_str().unwrap().ends_with('Z')));
    assert!(bench.run("log show 1 --events").good().out.contains("  phone            boot=bootrom"));
}

#[test]
fn the_screens_of_info_and_quiet_runs_are_logged_too() {
    let bench = Bench::new();
    let ran = bench.run("info --da g2.bin --via phone:mt6575 --quiet").good();
    assert_eq!(ran.err, "");
    let told = account(&bench);
    assert!(told.contains("It is an MT6575") && told.contains("a NAND chip of 512 MiB"), "{told}");
}

#[test]
fn an_image_looked_at_on_the_phone_is_logged() {
    let bench = Bench::new();
    bench.write("map.txt", Oracle::builtin("mt6575").proc_mtd());
    bench.run("image ls --via phone:mt6575 --da g2.bin --map map.txt /").good().says(&["Log     "]);
    assert!(account(&bench).contains("look into the files on the phone itself"));
}

#[test]
fn where_no_log_is_wanted_or_no_phone_was_to_be_met_there_is_none() {
    let bench = Bench::new();
    let ran = bench.run(&format!("{PIECE} --log none")).good();
    assert!(!ran.err.contains("Log     "), "{}", ran.err);
    bench.run("read system --da missing.bin --via phone:mt6575").fails(1, &[]);
    bench.run("da list g2.bin").good();
    assert_eq!(folders(&bench), [""; 0].map(PathBuf::from));
    bench.run("log list").good().says(&["There is no log yet"]);
    bench.run("log show").fails(2, &["there is no log in"]);
}

#[test]
fn a_run_without_a_place_for_its_log_goes_on() {
    let bench = Bench::new();
    bench.write("file", "x");
    bench
        .run(&format!("{PIECE} --log-dir file/log"))
        .good()
        .says(&["there will be no session log: file/log"]);
    assert!(bench.has("piece.bin"));
}

#[test]
fn a_disk_that_becomes_full_under_the_log_costs_the_log_alone_and_is_told_once() {
    let bench = Bench::new();
    let Some(_small) = Mounted::tmpfs(&bench.path("small"), "size=256k") else { return };
    let ran = bench.run(&format!("{PIECE} --log full --log-dir small")).good();
    assert_eq!(ran.err.matches("the session log is incomplete").count(), 1, "{}", ran.err);
    let oracle = Oracle::builtin("mt6575");
    assert_same(&bench.read("piece.bin"), &oracle.stored(0x98_0000, 2 << 20));
    let folder = fs::read_dir(bench.path("small")).unwrap().next().unwrap().unwrap().path();
    let events = fs::read_to_string(folder.join("session.jsonl")).unwrap();
    assert!(events.is_empty() || events.ends_with("}\n"), "half a line: {events}");
}

#[test]
fn a_run_that_was_killed_leaves_its_account_and_a_recording_up_to_there() {
    let bench = Bench::new();
    let read = "read --at 0x980000 --len 2M --da g2.bin --via phone:mt6575?link=full-speed -o piece.bin";
    let mut running = bench.start(read);
    running.line_of(Stream::Err, |line| line.ends_with(": 40 %\n"));
    assert!(bench.run("log list").good().out.contains("running"));
    bench.run("log prune --keep 0 --yes").good().says(&["nothing to remove"]);
    running.kill();
    assert!(bench.run("log list").good().out.contains("killed"));
    let told = account(&bench);
    assert!(told.contains("## What was read") && !told.contains("How it ended"), "{told}");
    bench.run("log show --events").good();
    // The pages lie in what the interrupted run left.
    bench.run("log export 1 -o whole.pcapng").good().says(&["packets of pages put back"]);
    assert!(bench.read("whole.pcapng").len() > 400_000);
}

#[test]
fn a_failure_and_ctrl_c_are_told_in_the_account() {
    let bench = Bench::new();
    bench.run("info --da g2.bin --wait 0 --via serial:missing.tty").fails(3, &["Log     "]);
    let told = account(&bench);
    assert!(told.contains("It failed after ") && told.contains("(exit code 3, `link/no-phone`)"), "{told}");
    assert!(bench.run("log list").good().out.contains("no phone"));
    let bench = Bench::new();
    let read = "read --at 0x980000 --len 4M --da g2.bin --via phone:mt6575?link=full-speed -o piece.bin";
    let mut running = bench.start(read);
    running.line_of(Stream::Err, |line| line.ends_with(": 10 %\n"));
    running.signal(Signal::INT);
    running.end().fails(130, &[]);
    assert!(account(&bench).contains("It was stopped after "), "{}", account(&bench));
}

/// Packets of a capture, by a program that counts them.
fn count(program: &str, args: &[&str], file: &Path) -> Option<usize> {
    let Ok(ran) = Command::new(program).args(args).arg(file).output() else {
        println!("skipped: {program} is not here");
        return None;
    };
    assert!(ran.status.success(), "{program}: {ran:?}");
    let text = String::from_utf8(ran.stdout).unwrap();
    match program {
        "capinfos" => text.split('\t').nth(1)?.trim().parse().ok(),
        _ => Some(text.lines().count()),
    }
}

#[test]
fn an_export_is_whole_or_is_not_made() {
    let bench = Bench::new();
    bench.run(PIECE).good();
    let image = bench.read("piece.bin");
    bench.run("log export 1 -o whole.pcapng").good().says(&["16 packets of pages put back"]);
    bench.run("log export 1 -o whole.pcapng").fails(1, &["exists already"]);
    let whole = bench.read("whole.pcapng");
    assert!(contains(&whole, &image[..2112]) && whole.len() > image.len());
    assert!(fs::metadata(only(&bench).join("session.pcapng")).unwrap().len() < 200_000);
    for file in [bench.path("whole.pcapng"), only(&bench).join("session.pcapng")] {
        let by_capinfos = count("capinfos", &["-T", "-m", "-r", "-c", "-B"], &file);
        let by_tshark = count("tshark", &["-T", "fields", "-e", "frame.number", "-r"], &file);
        if let (Some(a), Some(b)) = (by_capinfos, by_tshark) {
            assert_eq!(a, b, "{}", file.display());
            assert!(a > 200);
        }
    }
    let mut changed = image.clone();
    changed[1_000_000] ^= 1;
    bench.write("piece.bin", changed);
    bench
        .run("log export 1 -o other.pcapng")
        .fails(1, &["has changed since it was recorded", "--without-pages"]);
    fs::remove_file(bench.path("piece.bin")).unwrap();
    bench.run("log export 1 -o other.pcapng").fails(1, &["piece.bin is missing"]);
    assert!(!bench.has("other.pcapng"));
    bench.run("log export 1 -o other.pcapng --without-pages").good().says(&["16 packets of pages left out"]);
}

#[test]
fn the_command_at_the_end_of_an_account_plays_the_run_again() {
    let bench = Bench::new();
    bench.run(PIECE).good();
    let told = account(&bench);
    let again = told.lines().find(|line| line.contains("--via replay:")).unwrap().trim();
    let words = again.strip_prefix("bromide ").unwrap().replace("piece.bin", "again.bin");
    let ran = bench.run(&words).good();
    ran.says(&["Phone   MT6575 in its BootROM", "Saved   again.bin"]);
    assert_same(&bench.read("again.bin"), &bench.read("piece.bin"));
}

#[test]
fn a_full_log_is_exported_without_any_other_file_and_without_pages_where_wished() {
    let bench = Bench::new();
    bench.run(&format!("{PIECE} --log full")).good();
    let image = bench.read("piece.bin");
    fs::remove_file(bench.path("piece.bin")).unwrap();
    bench.run("log export 1 -o whole.pcapng").good();
    assert!(contains(&bench.read("whole.pcapng"), &image[..2112]));
    bench.run("log export 1 -o small.pcapng --without-pages").good().says(&["pages left out"]);
    let small = bench.read("small.pcapng");
    assert!(small.len() < 200_000 && !contains(&small, &image[..528]), "{}", small.len());
}

/// `bromide` run by a user with a name and a home.
fn by_alice(bench: &Bench, words: &str) -> Ran {
    let home = bench.path("home/alice-7f3");
    fs::create_dir_all(&home).unwrap();
    let mut command = bench.command(words);
    command.env("HOME", &home).env("USER", "alice-7f3").current_dir(&home);
    bench.begin(&mut command).end().good()
}

#[test]
fn what_is_masked_has_neither_the_users_name_nor_the_phones_id() {
    let bench = Bench::new();
    let id = Oracle::builtin("mt6575").model.chip.random_id;
    let hex: String = id.iter().map(|byte| format!("{byte:02x}")).collect();
    let piece = PIECE.replace("g2.bin", "../../g2.bin");
    by_alice(&bench, &piece);
    let clean = |bytes: &[u8], what: &str| {
        for secret in [&id[..], hex.as_bytes(), b"alice-7f3"] {
            assert!(!contains(bytes, secret), "{what} has {:?}", String::from_utf8_lossy(secret));
        }
    };
    let recording = fs::read(only(&bench).join("session.pcapng")).unwrap();
    assert!(contains(&recording, &id), "the report has it");
    assert!(account(&bench).contains("alice-7f3"));
    // By somebody else, elsewhere: the log itself says whom it gives away.
    bench.run("log export 1 --redact -o masked.pcapng").good();
    let masked = bench.read("masked.pcapng");
    clean(&masked, "the export");
    assert!(contains(&masked, b"left-out") || contains(&masked, b"kept file="), "references stay");
    clean(bench.run("log show --redact").good().out.as_bytes(), "the account");
    clean(bench.run("log show --redact --json").good().out.as_bytes(), "the events");
    fs::remove_dir_all(only(&bench)).unwrap();
    by_alice(&bench, &format!("{piece} --redact --force"));
    for name in ["session.pcapng", "session.jsonl", "hacklog.md"] {
        clean(&fs::read(only(&bench).join(name)).unwrap(), name);
    }
    assert!(account(&bench).contains("typed in the folder `~`"), "{}", account(&bench));
}

#[test]
fn logs_are_removed_only_when_asked_for_and_agreed_to() {
    let bench = Bench::new();
    for _ in 0..3 {
        bench.run("info --da g2.bin --wait 0 --via serial:missing.tty").fails(3, &[]);
    }
    let ran = bench.run("log prune --keep 1").fails(2, &["nothing was removed", "--yes"]);
    assert_eq!(ran.out.lines().count(), 3, "{}", ran.out);
    assert_eq!(folders(&bench).len(), 3);
    bench.run("log prune --older-than 1 --yes").good().says(&["nothing to remove"]);
    bench.run("log prune --larger-than 1G --yes").good().says(&["nothing to remove"]);
    bench.run("log prune").fails(2, &["--keep"]);
    let newest = folders(&bench).into_iter().map(|it| it.file_name().unwrap().to_owned()).max();
    bench.run("log prune --keep 1 --yes").good();
    assert_eq!(folders(&bench).len(), 1);
    assert!(newest.is_some());
    bench.run("log prune --larger-than 1 --yes").good().says(&["Removed "]);
    assert_eq!(folders(&bench).len(), 0);
}

#[test]
fn the_transcript_of_an_account_is_what_a_run_leaves() {
    let bench = Bench::new();
    bench.write("proc_mtd.txt", Oracle::builtin("mt6575").proc_mtd());
    bench.run("read recovery --map proc_mtd.txt --da g2.bin --via phone:mt6575 -o recovery.img").good();
    let folder = only(&bench);
    let text = account(&bench)
        .replace(
            folder.to_str().unwrap(),
            "/home/alice/.local/state/bromide/log/2026-11-29T18-57-08Z-read-ab12",
        )
        .replace(&*bench.path("").canonicalize().unwrap().to_string_lossy(), "/home/alice/phone")
        .replace(&format!("{} {}", std::env::consts::OS, std::env::consts::ARCH), "linux x86_64")
        .replace(&format!("Bromide {}", env!("CARGO_PKG_VERSION")), "Bromide 0.1.0");
    let text: Vec<String> = text.lines().map(made_up).collect();
    let head = "# `hacklog.md`\n\nKept true by a test (crates/bromide/tests/cli/logs.rs).\nThe moments, the speed and the \
                folders are made up.\n\nWhat `bromide read recovery` of a virtual phone leaves in its session log:\n";
    transcript("hacklog.md", &format!("{head}\n````markdown\n{}\n````\n", text.join("\n")));
}

/// The line with times and speeds that are always the same.
fn made_up(line: &str) -> String {
    if line.starts_with("# Hack log, ") {
        return "# Hack log, 29 November 2026 18:57:08".to_owned();
    }
    let line = line.replace("less than 1 ms", "1.7 s");
    let mut words: Vec<String> = line.split(' ').map(str::to_owned).collect();
    if words.len() > 2 && words[0] == "-" && words[1].len() == 11 && words[1].matches(':').count() == 2 {
        words[1] = "18:57:08.13".to_owned();
    }
    for n in 1..words.len() {
        let unit = words[n].trim_matches([',', '.', '(', ')', ':']).to_owned();
        if matches!(unit.as_str(), "s" | "ms") && words[n - 1].parse::<f64>().is_ok() && words[n - 1] != "60"
        {
            words[n - 1] = "1.7".to_owned();
            words[n] = words[n].replace("ms", "s");
        }
        if matches!(unit.as_str(), "MB/s" | "KB/s") {
            words[n - 1] = "(1.2".to_owned();
            words[n] = words[n].replace("KB/s", "MB/s");
        }
    }
    words.join(" ")
}
