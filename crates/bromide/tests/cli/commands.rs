//! The commands around reading: info, da, phone, and the help that teaches them.

use std::path::{Path, PathBuf};

use crate::bench::{Bench, Stream};

const COMMANDS: [&str; 27] = [
    "",
    "read",
    "read-list",
    "info",
    "da",
    "da list",
    "map",
    "map show",
    "map check",
    "map diff",
    "map convert",
    "identify",
    "image",
    "image ls",
    "image tree",
    "image cat",
    "image extract",
    "image find",
    "image history",
    "image mount",
    "drivers",
    "drivers scan",
    "drivers make",
    "demo",
    "phone",
    "phone serve",
    "phone demo-agent",
];

#[test]
fn info_shows_chip_agent_and_storage_on_standard_output() {
    let bench = Bench::new();
    for (model, agent, link) in [("mt6575", "g1", "full"), ("mt6577?boot=preloader", "g2", "high")] {
        let ran = bench.run(&format!("info --da {agent}.bin --via phone:{model}")).good();
        let name = model[..6].to_uppercase();
        let speed = format!("Link    {link} speed");
        for text in [name.as_str(), "security open", &speed, "NAND    512 MiB", "with bad-block table", "RAM"]
        {
            assert!(ran.out.contains(text), "{text} is missing in {}", ran.out);
        }
        assert!(!ran.err.contains("NAND"), "said twice: {}", ran.err);
    }
}

#[test]
fn info_shows_the_partition_table_of_a_phone_that_keeps_one() {
    let bench = Bench::new();
    for (keys, from) in [("pmt=yes", "(PMT, by A2)"), ("pmt=pages", "(PMT, found in its pages)")] {
        let out = bench.run(&format!("info --da g2.bin --via phone:mt6575?{keys}")).good().out;
        assert!(out.contains(&format!("Table   14 partitions of the phone's own {from}\n")), "{out}");
        assert!(out.contains("        0x013a0000 0x12700000 system\n"), "{out}");
        let events = bench.run(&format!("info --json --da g1.bin --via phone:mt6575?{keys}")).good().events();
        let table = events.iter().find(|event| event["event"] == "partition-table").unwrap();
        assert_eq!(table["partitions"][13]["name"], "userdata");
        assert_eq!(table["partitions"][13]["start"], "0x176a0000");
        assert_eq!(table["partitions"][13]["bytes"], 0x7f2_0000);
    }
    let out = bench.run("info --da g2.bin --via phone:mt6575").good().out;
    assert!(!out.contains("Table"), "{out}");
}

#[test]
fn info_names_a_phone_that_cannot_be_read() {
    let bench = Bench::new();
    let locked = crate::bench::MT6575.replace("target_config = 0x00000000", "target_config = 4");
    bench.write("locked.toml", locked);
    let ran = bench.run("info --da g2.bin --via phone:locked.toml").fails(1, &["authentication"]);
    assert!(ran.out.contains("MT6575") && ran.out.contains("asks for authentication"), "{}", ran.out);
}

#[test]
fn info_runs_again_and_again_on_a_served_phone() {
    let bench = Bench::new();
    let mut served = bench.serve("--model mt6577 --listen pty:phone.tty");
    for _ in 0..3 {
        bench.run("info --da g1.bin --via serial:phone.tty").good();
    }
    assert!(bench.has("phone.tty"));
    served.phone.interrupt();
    served.phone.line_of(Stream::Err, |line| line.contains("plug-in over"));
    served.phone.end().good();
    assert!(!bench.has("phone.tty"), "the link goes with the phone");
}

#[test]
fn a_demo_container_is_listed_with_its_chips_and_format() {
    let bench = Bench::new();
    for agent in ["g1", "g2"] {
        let ran = bench.run(&format!("da list {agent}.bin")).good();
        assert_eq!(ran.err, "");
        assert!(ran.out.starts_with("BROMIDE_DEMO_AGENT_"), "{}", ran.out);
        for chip in ["MT6575", "MT6577"] {
            let line = ran.out.lines().find(|line| line.contains(chip)).unwrap();
            assert!(line.contains(&format!("wire format {agent}, 17 NAND records")), "{line}");
        }
    }
    bench
        .run("da list missing.bin")
        .fails(1, &["missing.bin", "No such file", "next: name a Download Agent"]);
}

#[test]
fn damage_in_a_container_is_listed_where_it_is() {
    let bench = Bench::new();
    let whole = bench.read("g2.bin");
    bench.write("cut.bin", &whole[..200_000]);
    let out = bench.run("da list cut.bin").good().out;
    assert!(out.lines().any(|line| line.contains("MT6577") && line.contains("truncated")), "{out}");
    assert!(out.lines().any(|line| line.contains("MT6575") && line.contains("17 NAND records")), "{out}");
}

#[test]
fn real_containers_are_listed_whole() {
    let data = std::env::var_os("BROMIDE_DATA").map_or_else(
        || Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data")).to_owned(),
        PathBuf::from,
    );
    let bench = Bench::new();
    for (name, entries) in [("da_pl_2015.bin", 17), ("da_mt6739_2017.bin", 2)] {
        let file = data.join("da").join(name);
        let Ok(bytes) = std::fs::read(&file) else {
            println!("skipped: no {name} here");
            continue;
        };
        bench.write(name, bytes);
        let ran = bench.run(&format!("da list {name}")).good();
        assert!(ran.out.contains(&format!(": {entries} entries\n")), "{}", ran.out);
        assert_eq!(ran.out.lines().count(), entries + 2, "{}", ran.out);
        let events = bench.run(&format!("da list {name} --json")).good().events();
        assert_eq!(events[0]["entries"].as_array().unwrap().len(), entries);
    }
}

#[test]
fn the_models_are_listed_and_can_be_read() {
    let bench = Bench::new();
    let out = bench.run("phone models").good().out;
    let names: Vec<_> = out.lines().map(|line| line.split(' ').next().unwrap()).collect();
    assert_eq!(names, ["mt6575", "mt6577", "small"]);
    bench.run("info --da g2.bin --via phone:mt9999").fails(2, &["mt9999", "mt6575, mt6577", "phone models"]);
    bench
        .run("phone serve --model mt9999 --listen pty")
        .fails(2, &["mt9999", "mt6575, mt6577", "phone models"]);
    bench.write("bad.toml", "name = 1");
    bench.run("info --da g2.bin --via phone:bad.toml").fails(2, &["bad.toml"]);
    bench.run("info --da g2.bin --via phone:missing.toml").fails(2, &["missing.toml"]);
}

#[test]
fn a_demo_agent_never_overwrites_a_file() {
    let bench = Bench::new();
    bench.run("phone demo-agent --format g1 -o new.bin").good().says(&["virtual phones only"]);
    assert_eq!(bench.read("new.bin"), bench.read("g1.bin"));
    bench.run("phone demo-agent -o new.bin").fails(1, &["new.bin", "exists", "-o"]);
    assert_eq!(bench.read("new.bin"), bench.read("g1.bin"));
    bench.run("phone demo-agent -o missing/new.bin").fails(1, &["missing/new.bin"]);
}

#[test]
fn a_place_that_cannot_be_listened_on_is_named() {
    let bench = Bench::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let at = taken.local_addr().unwrap();
    bench.run(&format!("phone serve --listen tcp:{at}")).fails(1, &[&at.to_string(), "choose another"]);
    bench.run("phone serve --listen pty:missing/phone.tty").fails(1, &["missing/phone.tty"]);
    bench.write("taken", "mine");
    bench.run("phone serve --listen pty:taken").fails(1, &["taken"]);
    assert_eq!(bench.text("taken"), "mine");
}

#[test]
fn every_command_explains_itself() {
    let bench = Bench::new();
    for command in COMMANDS.into_iter().chain(["phone models"]) {
        let ran = bench.run(&format!("{command} --help")).good();
        assert!(ran.out.contains("Usage: bromide"), "{command}: {}", ran.out);
        assert_eq!(ran.err, "");
    }
    for (command, example) in [
        ("", "bromide demo"),
        ("", "Exit codes:"),
        ("read", "bromide read system --map proc_mtd.txt --da DA.bin -o system.img"),
        ("read-list", "recovery.img, 0,"),
        ("phone serve", "--listen pty:phone.tty"),
        ("read", "bromide read --all --da DA.bin -o dump/"),
        ("info", "phone:MODEL[?KEY=VALUE&..]"),
        ("info", "pmt=no|yes|pages"),
    ] {
        let ran = bench.run(&format!("{command} --help")).good();
        assert!(ran.out.contains(example), "{command} lacks {example}: {}", ran.out);
    }
    assert!(bench.run("--version").good().out.starts_with("bromide "));
}

#[test]
fn wrong_usage_is_exit_code_two_and_names_the_word() {
    let bench = Bench::new();
    let read = "read --da g2.bin --via phone:mt6575";
    for (words, says) in [
        ("", "Usage"),
        ("reed", "reed"),
        ("read", "--da"),
        ("read --da g2.bin", "PARTITION"),
        ("info --da g2.bin --via auto", "serial:/dev/ttyACM0"),
        ("info --da g2.bin --via usb:4", "1-4.2"),
        ("info --da g2.bin --speed fast", "high"),
        ("info --da g2.bin --via phone:mt6575?speed=9", "unknown key"),
        ("info --da g2.bin --agent-format g3", "g1"),
        (&format!("{read} --at 0x100"), "--len"),
        (&format!("{read} --at x --len 1K"), "no number of bytes"),
        (&format!("{read} --at 0 --len 99999999999G"), "no number of bytes"),
        (&format!("{read} --at 0 --len 1K --chip"), "cannot be used with"),
        (&format!("{read} --at 0 --len 2K --main-only --spare-last"), "cannot be used with"),
        (&format!("{read} --at 0 --len 2K --packet-pages 0"), "1 to 1024"),
        (&format!("{read} --at 0 --len 2K --packet-pages 1025"), "1 to 1024"),
        ("info --da g2.bin --wait 18446744073709551615", "--wait"),
        ("phone serve --listen usb", "pty:LINK_PATH"),
        ("phone serve --listen pty --with speed=9", "unknown key"),
        ("phone demo-agent", "--output"),
    ] {
        bench.run(words).fails(2, &[says]).early();
    }
}
