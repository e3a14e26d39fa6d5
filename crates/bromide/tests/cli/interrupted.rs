//! A read that breaks off: the bytes stay under `.part`, no file carries the final name, the user is told.

use std::fs;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::bench::{Bench, Mounted, Oracle, Running, Stream, assert_same};

/// Takes seconds over a full-speed link, so there is a middle to be interrupted in.
const LONG: &str = "read --at 0x980000 --len 8M --da g2.bin -o long.bin";

/// Starts a long read and comes back in the middle of it.
fn in_the_middle(bench: &Bench, via: &str) -> Running {
    let mut read = bench.start(&format!("{LONG} --via {via}"));
    read.line_of(Stream::Err, |line| line.contains("10 %"));
    read
}

/// What is left must be the beginning of what the chip holds.
fn half_is_kept(bench: &Bench) {
    assert!(!bench.has("long.bin") && !bench.has("long.bin.sha256") && !bench.has("long.bin.report.json"));
    let half = bench.read("long.bin.part");
    let whole = Oracle::builtin("mt6575").stored(0x98_0000, 8 << 20);
    assert!(!half.is_empty() && half.len() < whole.len(), "{} bytes", half.len());
    assert_same(&half, &whole[..half.len()]);
}

#[test]
fn a_phone_that_goes_half_way_over_tcp_leaves_a_part_and_a_next_step() {
    let bench = Bench::new();
    let mut served = bench.serve("--listen tcp:127.0.0.1:0 --with link=full-speed");
    let read = in_the_middle(&bench, &format!("tcp:{} --wait 2", served.at));
    served.phone.kill();
    read.end().fails(
        1,
        &[
            "the phone left the cable",
            "next: unplug the phone",
            "long.bin.part holds",
            "goes on from there",
            "[link/",
        ],
    );
    half_is_kept(&bench);
}

#[test]
fn a_phone_that_goes_half_way_over_a_terminal_leaves_a_part_and_a_next_step() {
    let bench = Bench::new();
    let mut served = bench.serve("--listen pty:phone.tty --with link=full-speed");
    let read = in_the_middle(&bench, "serial:phone.tty --wait 2");
    served.phone.kill();
    read.end().fails(
        1,
        &["next: unplug the phone", "long.bin.part holds", "goes on from there", "[link/unplugged]"],
    );
    half_is_kept(&bench);
}

#[test]
fn ctrl_c_in_the_middle_keeps_what_came_and_the_phone_can_be_read_again() {
    let bench = Bench::new();
    let served = bench.serve("--listen tcp:127.0.0.1:0 --with link=full-speed");
    let read = in_the_middle(&bench, &format!("tcp:{}", served.at));
    read.interrupt();
    let ran = read
        .end()
        .fails(130, &["stopped by the user", "long.bin.part holds", "battery", "goes on from there"]);
    assert!(!ran.err.contains("last exchanges"), "{}", ran.err);
    half_is_kept(&bench);
    let other = format!("read --at 0x980000 --len 0x20000 --da g2.bin --via tcp:{} -o long.bin", served.at);
    bench.run(&other).fails(1, &["long.bin.part was begun by another read (different: length", "--force"]);
    bench.run(&format!("{LONG} --via tcp:{}", served.at)).good().says(&["Going on behind the"]);
    assert_same(&bench.read("long.bin"), &Oracle::builtin("mt6575").stored(0x98_0000, 8 << 20));
    assert_eq!(bench.files(), ["long.bin", "long.bin.report.json", "long.bin.sha256"]);
}

#[test]
fn ctrl_c_is_heard_by_a_phone_in_this_process_with_a_modelled_link() {
    let bench = Bench::new();
    let read = in_the_middle(&bench, "phone:mt6575?link=full-speed");
    read.interrupt();
    read.end().fails(130, &["stopped by the user", "long.bin.part holds"]);
    half_is_kept(&bench);
}

#[test]
fn ctrl_c_is_heard_while_a_phone_in_this_process_is_silent() {
    let bench = Bench::new();
    // The wrong format makes this phone fall silent for more than ten seconds.
    let mut read = bench.start(&format!("{LONG} --agent-format g1 --via phone:mt6575?link=full-speed"));
    read.line_of(Stream::Err, |line| line.starts_with("Download Agent"));
    std::thread::sleep(Duration::from_millis(1500));
    let start = Instant::now();
    read.interrupt();
    read.end().fails(130, &["stopped by the user"]);
    assert!(start.elapsed() < Duration::from_secs(6), "it waited for the silence to end");
    assert!(!bench.has("long.bin.part"));
}

#[test]
fn a_termination_signal_is_as_good_as_ctrl_c() {
    let bench = Bench::new();
    let read = in_the_middle(&bench, "phone:mt6575?link=full-speed");
    read.signal(Signal::TERM);
    read.end().fails(130, &["stopped by the user"]);
    half_is_kept(&bench);
}

#[test]
fn ctrl_c_while_waiting_for_a_phone_ends_the_waiting() {
    let bench = Bench::new();
    for via in ["serial:missing.tty", "tcp:127.0.0.1:1"] {
        let mut read = bench.start(&format!("{LONG} --via {via}"));
        read.line_of(Stream::Err, |line| line.starts_with("Waiting up to 60 s"));
        read.interrupt();
        read.end().fails(130, &["stopped by the user [link/cancelled]"]);
        assert_eq!(bench.files(), [""; 0]);
    }
}

#[test]
fn a_killed_tool_leaves_a_part_and_no_lock() {
    let bench = Bench::new();
    let mut read = in_the_middle(&bench, "phone:mt6575?link=full-speed");
    read.kill();
    assert!(!bench.has("long.bin") && bench.has("long.bin.part"));
    bench.run(&format!("{LONG} --via phone:mt6575")).good();
    assert_same(&bench.read("long.bin"), &Oracle::builtin("mt6575").stored(0x98_0000, 8 << 20));
    assert_eq!(bench.files(), ["long.bin", "long.bin.report.json", "long.bin.sha256"]);
}

#[test]
fn two_tools_never_write_the_same_file() {
    let bench = Bench::new();
    let first = in_the_middle(&bench, "phone:mt6575?link=full-speed");
    bench
        .run(&format!("{LONG} --force --via phone:mt6575"))
        .fails(1, &["another program is writing long.bin.part", "next: wait"]);
    first.interrupt();
    first.end().fails(130, &[]);
    half_is_kept(&bench);
}

#[test]
fn a_file_that_appears_meanwhile_is_left_alone() {
    let bench = Bench::new();
    let mut read =
        bench.start("read --at 0x980000 --len 1M --da g2.bin --via phone:mt6575?link=full-speed -o p.bin");
    read.line_of(Stream::Err, |line| line.contains("10 %"));
    bench.write("p.bin", "mine");
    read.end().fails(1, &["p.bin exists already"]);
    assert_eq!(bench.text("p.bin"), "mine");
    assert_eq!(bench.read("p.bin.part").len(), 512 * 2112);
}

#[test]
fn a_disk_that_fills_up_half_way_leaves_a_part_and_a_next_step() {
    let bench = Bench::new();
    let Some(_disk) = Mounted::tmpfs(&bench.path("disk"), "size=16m") else { return };
    let mut read = bench
        .start("read --at 0x980000 --len 8M --da g2.bin --via phone:mt6575?link=full-speed -o disk/long.bin");
    read.line_of(Stream::Err, |line| line.contains("10 %"));
    // Writing until nothing more fits is meant to fail.
    fs::write(bench.path("disk/other"), vec![1; 16 << 20]).unwrap_err();
    read.end().fails(1, &["disk/long.bin.part", "save/disk-full", "make room", "goes on from there"]);
    assert!(!bench.has("disk/long.bin"));
    let half = bench.read("disk/long.bin.part");
    assert_same(&half, &Oracle::builtin("mt6575").stored(0x98_0000, 8 << 20)[..half.len()]);
}

#[test]
fn a_second_ctrl_c_ends_what_the_first_could_not() {
    let bench = Bench::new();
    let made = std::process::Command::new("mkfifo").arg(bench.path("pipe")).status();
    if !made.is_ok_and(|status| status.success()) {
        println!("skipped: no mkfifo here");
        return;
    }
    // Nobody will ever write into this map.
    let mut read = bench.start("read system --map pipe --da g2.bin --via phone:mt6575");
    read.hears_ctrl_c();
    read.interrupt();
    // Two that come at once may count as one.
    while read.is_running() {
        std::thread::sleep(Duration::from_millis(100));
        read.interrupt();
    }
    assert_eq!(read.end().code, Some(130));
}
