//! Download Agent files that cannot be used with the phone on the cable.

use std::time::{Duration, Instant};

use crate::bench::Bench;

const PIECE: &str = "read --at 0x980000 --len 0x20000 -o piece.bin";

#[test]
fn a_file_that_is_no_container_is_refused_before_any_phone_is_needed() {
    let bench = Bench::new();
    bench.write("not.bin", "this is a text");
    bench.write("empty.bin", "");
    let whole = bench.read("g2.bin");
    bench.write("table.bin", &whole[..200]);
    for (file, says) in [
        ("not.bin", "not a Download Agent container"),
        ("empty.bin", "not a Download Agent container"),
        ("table.bin", "truncated"),
        ("missing.bin", "No such file"),
        (".", "directory"),
    ] {
        bench
            .run(&format!("{PIECE} --da {file} --via serial:nowhere"))
            .fails(1, &[file, says, "next: "])
            .early();
    }
    assert!(!bench.has("piece.bin") && !bench.has("piece.bin.part"));
}

#[test]
fn a_truncated_container_is_refused_when_its_lost_end_is_needed() {
    let bench = Bench::new();
    let whole = bench.read("g2.bin");
    bench.write("cut.bin", &whole[..200_000]);
    bench
        .run(&format!("{PIECE} --da cut.bin --via phone:mt6577"))
        .fails(1, &["error: cut.bin", "entry 1", "truncated", "next: get the file again"]);
    assert!(!bench.has("piece.bin") && !bench.has("piece.bin.part"));
    let ran = bench.run(&format!("{PIECE} --da cut.bin --wait 0 --via serial:nowhere"));
    let ran = ran.fails(3, &["Warning cut.bin is damaged: 1 of its 2 entries cannot be used (entry 1: "]);
    assert!(ran.err.find("damaged") < ran.err.find("Waiting"), "told too late: {}", ran.err);
    bench.run(&format!("{PIECE} --da cut.bin --via phone:mt6575")).good();
}

#[test]
fn a_container_without_the_chip_is_refused_with_both_their_names() {
    let bench = Bench::new();
    // One entry after the other becomes that of another chip.
    let mut other = bench.read("g2.bin");
    let mut rename = |entry: usize| {
        other[entry + 2..entry + 4].copy_from_slice(&0x6739u16.to_le_bytes());
        bench.write("other.bin", &other);
    };
    rename(0x6c);
    bench.run(&format!("{PIECE} --da other.bin --via phone:mt6575")).fails(
        1,
        &["other.bin holds no agent for this chip (MT6575", "this one serves 6739", "6577 (hw ca00"],
    );
    rename(0x6c + 0xdc);
    bench
        .run(&format!("{PIECE} --da other.bin --via serial:nowhere"))
        .fails(1, &["other.bin holds no agent for MT6575 or MT6577", "da/no-entry", "da list"])
        .early();
    assert!(!bench.has("piece.bin.part"));
    let ran = bench.run("info --da other.bin --via phone:mt6575").fails(1, &["this one serves 6739"]);
    assert!(ran.out.contains("MT6575"), "info says who the phone is: {}", ran.out);
}

#[test]
fn an_agent_of_unknown_format_is_asked_about() {
    let bench = Bench::new();
    let mut unknown = bench.read("g2.bin");
    for at in 0..unknown.len() {
        if unknown[at..].starts_with(b"BROMIDE DEMO AGENT") {
            unknown[at] = b'X';
        }
    }
    bench.write("unknown.bin", unknown);
    bench
        .run(&format!("{PIECE} --da unknown.bin --via phone:mt6575?agent=g1"))
        .fails(1, &["wire format of this agent is not known", "--agent-format g1"]);
    bench.run(&format!("{PIECE} --da unknown.bin --via phone:mt6575?agent=g1 --agent-format g1")).good();
}

#[test]
fn the_wrong_wire_format_ends_in_a_message() {
    let bench = Bench::new();
    let start = Instant::now();
    bench
        .run(&format!("{PIECE} --da g1.bin --agent-format g2 --via phone:mt6575"))
        .fails(1, &["does not answer as one of format g2", "--agent-format g1", "last exchanges"]);
    // The waits add up to less than 15 s; the rest is for a busy machine.
    assert!(start.elapsed() < Duration::from_secs(25));
    assert!(!bench.has("piece.bin") && !bench.has("piece.bin.part"));
}
