//! Trouble on purpose: what heals is right, what does not is said, and the same seed does the same again.
//!
//! The phones here live on a virtual clock, so a silence of seconds costs nothing.

use std::os::unix::process::ExitStatusExt;

use rustix::process::Signal;

use crate::bench::{Bench, Oracle, assert_same};

const SMALL: &str = "--da g2.bin --via phone:small?clock=virtual";

/// The stored bytes of a partition of the small phone.
fn held(partition: &str) -> Vec<u8> {
    let oracle = Oracle::builtin("small");
    let (start, length) = oracle.partition(partition);
    oracle.stored(start, length)
}

#[test]
fn the_small_phone_is_read_whole_without_a_map() {
    let (bench, oracle) = (Bench::new(), Oracle::builtin("small"));
    bench.run(&format!("read --all {SMALL} -o dump")).good();
    let partitions = oracle.model.partitions();
    assert_eq!(partitions.len(), 9);
    for partition in partitions {
        let read = bench.read(&format!("dump/{}.img", partition.name));
        assert_same(&read, &oracle.stored(partition.start, partition.bytes));
    }
}

#[test]
fn lost_added_and_changed_bytes_and_silences_heal() {
    let (bench, system) = (Bench::new(), held("system"));
    for seed in 0..8 {
        // Few flips in small packets: two opposite ones of the same bit leave a packet's sum as it was, and what comes
        // through so is reported as correctable.
        let fault = format!("seed={seed},drop=5e-6:40,flip=1e-6,insert=5e-6,stall=2e-6:3s");
        let read = format!("read system {SMALL} --packet-pages 8 --force --fault {fault}");
        let ran = bench.run(&read).good();
        let warning = format!("faults are injected on purpose: {fault}").replace("3s", "3000ms");
        assert_eq!(ran.err.matches(&warning).count(), 1, "{}", ran.err);
        ran.says(&["the cable needed help"]);
        assert_same(&bench.read("system.img"), &system);
    }
}

#[test]
fn the_same_seed_does_the_same_again() {
    let bench = Bench::new();
    let healed = |seed| -> Vec<String> {
        let read = format!("read system {SMALL} --force --fault seed={seed},drop=2e-5");
        let said = bench.run(&read).good().err;
        said.lines().filter(|line| line.contains("asked again")).map(str::to_owned).collect()
    };
    let first = healed(5);
    assert!(first.len() > 3, "{first:?}");
    assert_eq!(first, healed(5));
    assert_ne!(first, healed(6));
}

#[test]
fn a_phone_that_leaves_before_it_has_answered_is_met_again() {
    let bench = Bench::new();
    let ran =
        bench.run(&format!("read system {SMALL} --fault unplug=after:2:away=700ms,unplug=after:3")).good();
    assert_eq!(ran.err.matches("USB     BootROM").count(), 3, "{}", ran.err);
    assert_same(&bench.read("system.img"), &held("system"));
}

#[test]
fn a_killed_host_dies_by_the_signal_and_leaves_only_a_part_and_its_mapfile() {
    let bench = Bench::new();
    for at in ["after:400000", "random:1e-5"] {
        let read = format!("read system {SMALL} --force --fault seed=1,kill-host={at}");
        let ended = bench.command(&read).output().unwrap();
        assert_eq!(ended.status.signal(), Some(Signal::KILL.as_raw()), "{ended:?}");
        assert_eq!(bench.files(), ["system.img.map", "system.img.part"]);
        let half = bench.read("system.img.part");
        assert_same(&half, &held("system")[..half.len()]);
    }
    bench.run(&format!("read system {SMALL} --force")).good();
    assert_same(&bench.read("system.img"), &held("system"));
}

#[test]
fn weak_cells_are_reported_as_correctable_pages_and_are_the_same_each_time() {
    let bench = Bench::new();
    let read = |via: &str, name: &str| {
        bench.run(&format!("read system --da g2.bin --via {via} --force -o {name}")).good();
        let report = bench.json(&format!("{name}.report.json"));
        assert!(report["pages"]["correctable"].as_u64().unwrap() > 10, "{report}");
        assert_eq!(report["pages"]["total"], 320);
        bench.read(name)
    };
    let first = read("phone:small?clock=virtual --fault seed=3,ecc=1e-5", "a.img");
    assert_same(&read("phone:small?clock=virtual --fault seed=3,ecc=1e-5", "a.img"), &first);
    assert_same(&read("phone:small?ecc-errors=1e-5&read-seed=3", "b.img"), &first);
    let phone = bench.serve("--model small --listen tcp:127.0.0.1:0 --fault seed=3,ecc=1e-5");
    assert_same(&read(&format!("tcp:{}", phone.at), "c.img"), &first);
    assert!(read("phone:small?clock=virtual --fault seed=4,ecc=1e-5", "d.img") != first);
    assert!(first != held("system"));
}

#[test]
fn read_noise_is_repaired_where_it_can_be_seen() {
    let bench = Bench::new();
    bench.run(&format!("read system {SMALL} --fault seed=3,jitter=0.1")).good();
    // Of 320 pages 244 are written; what came with a flipped bit came without it the second time, or the third.
    let report = bench.json("system.img.report.json");
    assert!(report["pages"]["correctable"].as_u64().unwrap() < 3, "{report}");
    bench.run(&format!("read system {SMALL} --force --verify --fault seed=3,jitter=0.1")).good();
    let report = bench.json("system.img.report.json");
    assert!(report["verified"]["differed"].as_u64().unwrap() > 20, "{report}");
    assert!(report["pages"]["correctable"].as_u64().unwrap() < 3, "{report}");
}

#[test]
fn a_page_where_the_agent_falls_silent_once_is_read_and_one_that_never_comes_is_named() {
    let (bench, oracle) = (Bench::new(), Oracle::builtin("small"));
    let page = oracle.partition("system").0 / 2048 + 70;
    bench
        .run(&format!("read system {SMALL} --fault bad-page={page}x2"))
        .good()
        .says(&["2 requests begun anew"]);
    assert_same(&bench.read("system.img"), &held("system"));
    bench
        .run(&format!("read system {SMALL} -o bad.img --fault bad-page={page}"))
        .fails(5, &["2112 bytes of 675840 are missing", "[read/unread]", "bad.img.map"]);
    assert!(bench.text("bad.img.map").contains("0x00024180  0x00000840  -"), "page 70 of the partition");
    bench.run(&format!("read system {SMALL} -o bad.img")).good();
    assert_same(&bench.read("bad.img"), &held("system"));
}

#[test]
fn a_slowed_link_gives_the_right_bytes() {
    let bench = Bench::new();
    for slow in ["3", "20000/s"] {
        bench.run(&format!("read system {SMALL} --force --fault slow={slow}")).good();
        assert_same(&bench.read("system.img"), &held("system"));
    }
}

#[test]
fn faults_where_they_cannot_happen_are_refused_early() {
    let bench = Bench::new();
    for faults in ["ecc=1e-5", "bad-page=3", "drop=1e-6,jitter=0.1"] {
        let via = "--via tcp:127.0.0.1:1 --wait 0";
        bench
            .run(&format!("read --at 0 --len 128K --da g2.bin {via} -o x.bin --fault {faults}"))
            .fails(2, &["virtual phone", "phone serve --fault"])
            .early();
    }
    for faults in ["drop=1e-5", "seed=1,ecc=1e-6,kill-host=after:3", "unplug=after:9"] {
        bench
            .run(&format!("phone serve --model small --listen tcp:127.0.0.1:0 --fault {faults}"))
            .fails(2, &["host's side", "read --fault"]);
    }
    bench
        .run(&format!("info {SMALL} --fault drop=2"))
        .fails(2, &["drop: \"2\" is no probability from 0 to 0.5"])
        .early();
    assert_eq!(bench.files(), [""; 0]);
}

#[test]
fn programs_are_told_of_the_faults_too() {
    let bench = Bench::new();
    let ran = bench.run(&format!("info {SMALL} --json --fault seed=2,flip=1e-9")).good();
    let told = ran
        .events()
        .iter()
        .any(|event| event["text"].as_str().is_some_and(|text| text.contains("seed=2,flip=1e-9")));
    assert!(told, "{}", ran.out);
}
