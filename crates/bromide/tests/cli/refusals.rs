//! Input that cannot be used: a sentence that names what is wrong, a next step, an exit code, no file.

use crate::bench::{Bench, MT6575, Oracle};

const PIECE: &str = "read --at 0x980000 --len 0x20000 -o piece.bin";

#[test]
fn a_map_of_a_phone_with_another_chip_is_refused() {
    let bench = Bench::new();
    let line = |size: &str, block: &str| format!("mtd0: {size} {block} \"system\"\n");
    for (map, says) in [
        (line("40000000", "00020000"), "the chip ends at 0x20000000"),
        (line("20000000", "00020000"), "blocks reserved"),
        (line("00400000", "00040000"), "erase block"),
        ("A 0x0\n{\n}\nB 0x40000000\n{\n}\n".into(), "a map of another phone?"),
    ] {
        bench.write("map.txt", map);
        bench
            .run("read --all --map map.txt --da g2.bin --via phone:mt6575 -o dump")
            .fails(1, &["the map does not fit this chip", says, "next: check that the map belongs"]);
        only_the_log(&bench);
    }
}

/// What was said to the phone is logged; nothing else was begun.
fn only_the_log(bench: &Bench) {
    let names = std::fs::read_dir(bench.path("dump")).unwrap().map(|entry| entry.unwrap().file_name());
    assert_eq!(names.collect::<Vec<_>>(), ["log"]);
}

#[test]
fn a_phone_without_a_partition_table_needs_a_map_and_the_error_names_the_cures() {
    let bench = Bench::new();
    let says = ["keeps no partition table", "map/missing", "next: give a map with --map", "--at and --len"];
    bench.run("read --all --da g2.bin --via phone:mt6575 -o dump").fails(2, &says);
    only_the_log(&bench);
    bench.run("read system --da g1.bin --via phone:mt6577").fails(2, &says);
    assert!(!bench.has("system.img"));
}

#[test]
fn a_map_that_cannot_be_read_is_refused_with_the_place() {
    let bench = Bench::new();
    for (map, says) in [
        ("", "names no partition"),
        ("hello\n", "line 1"),
        ("\u{1b}[2J\n", "line 1"),
        ("mtd0: 00040000 00020000 \"a\"\nmtd2: 00040000 00020000 \"b\"\n", "line 2"),
    ] {
        bench.write("map.txt", map);
        bench
            .run("read --all --map map.txt --da g2.bin --via serial:nowhere -o dump")
            .fails(1, &["map.txt: ", says, "--at and --len need none"])
            .early();
        assert!(!bench.has("dump"), "no folder is left behind");
    }
    bench
        .run("read system --map missing.txt --da g2.bin --via serial:nowhere")
        .fails(1, &["missing.txt", "No such file"])
        .early();
}

#[test]
fn an_unknown_partition_brings_the_nearest_names_before_any_phone_is_needed() {
    let bench = Bench::new();
    bench.write("map.txt", Oracle::builtin("mt6575").proc_mtd());
    let read = |name: &str| bench.run(&format!("read {name} --map map.txt --da g2.bin --via serial:nowhere"));
    read("sytem").fails(2, &["\"sytem\"", "the nearest: system", "next: the map has preloader"]).early();
    read("zebra").fails(2, &["\"zebra\"", "the map has preloader", "--at and --len"]).early();
    bench.write("rows.csv", "a.img,0,recovry\n");
    bench
        .run("read-list rows.csv --map map.txt --da g2.bin --via serial:nowhere -o out")
        .fails(2, &["recovry", "the nearest: recovery"])
        .early();
    assert!(!bench.has("out"));
}

#[test]
fn a_range_that_the_chip_does_not_have_is_refused_with_numbers() {
    let bench = Bench::new();
    for (range, says) in [
        ("--at 0x980001 --len 0x800", "the next ones are 0x980000 and 0x980800"),
        ("--at 0x980000 --len 100", "0x0 and 0x800"),
        ("--at 0 --len 0", "nothing to read"),
        ("--at 0x1f600000 --len 0x800", "bad-block pool"),
        ("--at 0x20000000 --len 0x800 --physical", "the chip ends at 0x20000000"),
        ("--at 0xfffffffffffff800 --len 0x800", "logical addresses end"),
    ] {
        bench
            .run(&format!("read {range} --da g2.bin --via phone:mt6575 -o piece.bin"))
            .fails(2, &[says, "next: bromide info shows"]);
        assert!(!bench.has("piece.bin") && !bench.has("piece.bin.part"));
    }
}

#[test]
fn a_phone_that_wants_authentication_is_not_argued_with() {
    let bench = Bench::new();
    for config in ["0x00000002", "0x00000004", "0x00000006", "0x00000067"] {
        let text = MT6575.replace("target_config = 0x00000000", &format!("target_config = {config}"));
        assert_ne!(text, MT6575);
        bench.write("locked.toml", text);
        for command in [PIECE, "info"] {
            bench
                .run(&format!("{command} --da g2.bin --via phone:locked.toml"))
                .fails(1, &["requires authentication", config, "signed", "brom/auth-required"]);
        }
    }
    assert!(!bench.has("piece.bin") && !bench.has("piece.bin.part"));
    let secure = MT6575.replace("target_config = 0x00000000", "target_config = 0x00000001");
    bench.write("secure.toml", secure);
    bench.run(&format!("{PIECE} --da g2.bin --via phone:secure.toml")).good().says(&["does not hinder"]);
}

#[test]
fn a_chip_of_another_family_is_named() {
    let bench = Bench::new();
    for (code, says) in [("0x6573", "MT6573"), ("0x6572", "MT6572"), ("0x1234", "not known")] {
        bench.write("other.toml", MT6575.replace("hw_code = 0x6575", &format!("hw_code = {code}")));
        bench
            .run(&format!("{PIECE} --da g2.bin --via phone:other.toml"))
            .fails(1, &[says, "chip/unsupported", "next: see the README"]);
    }
}

#[test]
fn no_phone_in_time_has_an_exit_code_of_its_own() {
    let bench = Bench::new();
    // A port that was free a moment ago.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    bench
        .run(&format!("{PIECE} --da g2.bin --wait 1 --via tcp:127.0.0.1:{port}"))
        .fails(3, &["Waiting up to 1 s", "within 1 s", "link/no-phone", "phone serve"]);
    bench
        .run(&format!("{PIECE} --da g2.bin --wait 1 --via serial:missing.tty"))
        .fails(3, &["no phone at missing.tty within 1 s", "Volume-Down"]);
    bench
        .run("info --da g2.bin --wait 0 --via serial:missing.tty")
        .fails(3, &["no phone at missing.tty within 0 s"]);
    assert!(!bench.has("piece.bin.part"));
}

#[test]
fn something_that_is_no_phone_is_not_waited_for_for_ever() {
    let bench = Bench::new();
    bench.run(&format!("{PIECE} --da g2.bin --via serial:g1.bin")).fails(1, &["g1.bin: not a serial port"]);
    // It takes the connection and says nothing.
    let mute = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let at = mute.local_addr().unwrap();
    bench
        .run(&format!("{PIECE} --da g2.bin --wait 1 --via tcp:{at}"))
        .fails(3, &["does not answer the start sequence", "brom/no-handshake"]);
    bench.run(&format!("{PIECE} --da g2.bin --via tcp:no.such.host.invalid:1")).fails(1, &["no.such.host"]);
}

#[test]
fn a_phone_that_is_there_needs_no_waiting() {
    let bench = Bench::new();
    bench.run(&format!("{PIECE} --da g2.bin --via phone:mt6575 --wait 0")).good();
}

#[test]
fn something_that_hangs_up_at_once_is_tried_again_until_the_time_is_over() {
    let bench = Bench::new();
    let rude = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let at = rude.local_addr().unwrap();
    std::thread::spawn(move || rude.incoming().for_each(drop));
    bench
        .run(&format!("{PIECE} --da g2.bin --wait 1 --via tcp:{at}"))
        .fails(3, &["start sequence", "link/unplugged", "next: "]);
}
