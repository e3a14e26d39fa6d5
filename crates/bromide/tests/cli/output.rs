//! Text for people, events for programs, and streams nobody reads.

use std::fs::File;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::bench::{Bench, Oracle, Stream};

const PIECE: &str = "read --at 0x980000 --len 2M --da g2.bin --via phone:mt6575 -o piece.bin";

fn names(events: &[Value]) -> Vec<&str> {
    let mut names: Vec<&str> = events.iter().map(|event| event["event"].as_str().unwrap()).collect();
    names.dedup();
    names
}

#[test]
fn text_goes_to_standard_error_in_plain_lines_and_results_alone_to_standard_output() {
    let bench = Bench::new();
    let ran = bench.run(PIECE).good();
    assert_eq!(ran.out, "");
    assert!(!ran.err.contains('\r'), "{}", ran.err);
    let ran =
        ran.says(&["Phone   MT6575 in its BootROM", "Agent   ", "NAND    512 MiB", ": 50 %\n", "Saved   "]);
    let sum = bench.text("piece.bin.sha256");
    ran.says(&[sum.split(' ').next().unwrap(), "1,024 pages: "]);
}

#[test]
fn quiet_says_nothing_when_all_is_well_and_still_says_errors() {
    let bench = Bench::new();
    let ran = bench.run(&format!("{PIECE} --quiet")).good();
    assert_eq!((ran.out.as_str(), ran.err.as_str()), ("", ""));
    let ran = bench.run(&format!("{PIECE} -q")).fails(1, &["exists already", "next: "]);
    assert_eq!(ran.err.lines().count(), 2, "{}", ran.err);
}

#[test]
fn json_tells_the_whole_job_in_order_and_nothing_else() {
    let bench = Bench::new();
    let ran = bench.run(&format!("{PIECE} --json")).good();
    assert_eq!(ran.err, "");
    let events = ran.events();
    let told = names(&events);
    let wanted = ["seen", "phone", "agent", "agent-upload", "storage", "read-start", "read", "saved", "log"];
    // What the phone is, where it is a virtual one.
    let told: Vec<&str> = told.into_iter().filter(|name| *name != "note").collect();
    assert_eq!(told, wanted);
    let find = |name: &str| events.iter().rfind(|event| event["event"] == name).unwrap();
    assert_eq!(find("phone")["sub_code"], "8a00");
    assert_eq!(find("agent-upload")["done"], find("agent-upload")["total"]);
    assert_eq!(find("storage")["nand"]["bytes"], 512 << 20);
    assert_eq!(find("read")["done"], 1024 * 2112);
    let saved = find("saved");
    assert_eq!(saved["file"], "piece.bin");
    assert_eq!(saved["bytes"], 1024 * 2112);
    assert_eq!(saved["pages"]["total"], 1024);
    assert!(bench.text("piece.bin.sha256").starts_with(saved["sha256"].as_str().unwrap()));
}

#[test]
fn json_progress_never_goes_backwards() {
    let bench = Bench::new();
    let read = "read --at 0x980000 --len 1M --da g2.bin --via phone:mt6575?link=full-speed -o p.bin --json";
    let events = bench.run(read).good().events();
    let done: Vec<u64> =
        events.iter().filter(|e| e["event"] == "read").map(|e| e["done"].as_u64().unwrap()).collect();
    assert!(done.len() > 1 && done.is_sorted(), "{done:?}");
    assert_eq!(done.last(), Some(&(512 * 2112)));
}

#[test]
fn json_ends_a_failure_with_its_code_and_advice() {
    let bench = Bench::new();
    bench.write("map.txt", Oracle::builtin("mt6575").proc_mtd());
    for (words, exit, code, advice) in [
        ("info --da g2.bin --wait 0 --via serial:missing.tty", 3, "link/no-phone", "Volume-Down"),
        ("read sytem --map map.txt --da g2.bin --via serial:missing.tty", 2, "map/partition", "preloader"),
        ("read --at 0 --len 0x800 --da map.txt --via phone:mt6575 -o p.bin", 1, "da/damaged", "da list"),
        ("read --at 1 --len 0x800 --da g2.bin --via phone:mt6575 -o p.bin", 2, "read/range", "info"),
        ("info --da g2.bin --via phone:mt9999", 2, "phone/model", "phone models"),
        ("da list map.txt", 1, "da/damaged", "Download Agent"),
    ] {
        let ran = bench.run(&format!("{words} --json")).fails(exit, &[]);
        assert_eq!(ran.err, "", "{words}");
        let events = ran.events();
        let last = events.last().unwrap();
        assert_eq!(last["event"], "error", "{words}");
        assert_eq!((&last["code"], &last["exit"]), (&code.into(), &exit.into()), "{words}");
        assert!(last["advice"].as_str().unwrap().contains(advice), "{last}");
        assert_eq!(names(&events).iter().filter(|name| **name == "error").count(), 1);
    }
}

#[test]
fn json_shows_the_last_exchanges_of_a_conversation_that_failed() {
    let bench = Bench::new();
    bench.write(
        "locked.toml",
        crate::bench::MT6575.replace("target_config = 0x00000000", "target_config = 6"),
    );
    let events = bench.run("info --da g2.bin --via phone:locked.toml --json").fails(1, &[]).events();
    assert_eq!(names(&events), ["seen", "log", "error"]);
    assert!(!events[2]["last_exchanges"].as_array().unwrap().is_empty());
}

#[test]
fn every_command_speaks_json_when_asked() {
    let bench = Bench::new();
    let events = |words: &str| bench.run(&format!("{words} --json")).good().events();
    assert_eq!(names(&events("phone models")), ["model"]);
    assert_eq!(events("da list g1.bin")[0]["entries"][1]["format"], "g1");
    assert_eq!(
        names(&events("info --da g2.bin --via phone:mt6575")),
        ["seen", "phone", "agent", "agent-upload", "storage", "link", "log"]
    );
    assert_eq!(names(&events("phone demo-agent -o new.bin")), ["note"]);
    let mut served = bench.start("phone serve --listen tcp:127.0.0.1:0 --json");
    let line: Value = serde_json::from_str(&served.line_of(Stream::Out, |_| true)).unwrap();
    assert_eq!(line["event"], "serving");
    let at = line["at"].as_str().unwrap();
    let events = events(&format!("info --da g2.bin --via tcp:{at}"));
    assert_eq!(events[0]["event"], "waiting");
    served.line_of(Stream::Out, |line| line.contains("plugged in"));
    served.interrupt();
    served.end().good().events();
}

#[test]
fn a_stream_that_nobody_can_read_stops_no_dump_and_never_panics() {
    let bench = Bench::new();
    let Ok(full) = File::options().write(true).open("/dev/full") else {
        println!("skipped: no /dev/full here");
        return;
    };
    let full = || Stdio::from(full.try_clone().unwrap());
    let code = |command: &mut Command| command.status().unwrap().code();
    for flags in ["", "--json", "--quiet"] {
        let read = format!("{PIECE} --force {flags}");
        assert_eq!(code(bench.command(&read).stdout(full()).stderr(full())), Some(0), "{flags}");
        let info = format!("info --da nothing.bin {flags}");
        assert_eq!(code(bench.command(&info).stdout(full()).stderr(full())), Some(1), "{flags}");
    }
    // Where the text is the result, losing it is a failure.
    for words in ["phone models", "da list g1.bin", "info --da g2.bin --via phone:mt6575"] {
        assert_eq!(code(bench.command(words).stdout(full()).stderr(Stdio::null())), Some(1), "{words}");
    }
}

#[test]
fn a_reader_that_has_seen_enough_is_no_failure() {
    let bench = Bench::new();
    for words in ["phone models", "da list g1.bin", PIECE, "info --da g2.bin --via phone:mt6575"] {
        let mut child = bench.command(words).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // Both pipes are broken from here on.
        drop((child.stdout.take(), child.stderr.take()));
        assert_eq!(child.wait().unwrap().code(), Some(0), "{words}");
    }
}

#[test]
fn foreign_text_cannot_steer_the_terminal() {
    let bench = Bench::new();
    let mut label = bench.read("g2.bin");
    label[0x20..0x28].copy_from_slice(b"\x1b]0;x\x07\x9b\x1b");
    bench.write("label.bin", label);
    // That neither stream has an escape byte is checked of every run.
    bench.run("da list label.bin").good();
    bench.run("info --da label.bin --via phone:mt6575").good();
    bench.write("map.txt", "mtd0: 00040000 00020000 \"\x1b[2J\"\n");
    bench.run("read --all --map map.txt --da g2.bin --via serial:nowhere").fails(1, &["map.txt"]);
}
