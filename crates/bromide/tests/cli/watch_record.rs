//! `watch --record` on a made-up machine: a file stands for usbmon, and tells what a virtual phone was told before.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use bromide_capture::{Bytes, Entry, Playback, UsbmonEvent, What};
use bromide_proto::link::Direction;

use crate::bench::{Bench, Oracle, Running, Stream, assert_same};
use crate::tree::Tree;

const READ: &str = "read --at 0x980000 --len 0x40000 --da g2.bin --speed high";
const USBMON: &str = "pc/dev/usbmon0";
const WATCH: &str = "watch --usb-root pc --record seen.pcapng";

/// A desktop with a keyboard at address 4, and usbmon.
fn desktop() -> Tree {
    let tree = Tree::desktop();
    for hub in ["usb1", "usb2"] {
        tree.file(&format!("sys/bus/usb/devices/{hub}/speed"), "480\n");
    }
    lists(&tree, "1-2", (0x046d, 0xc31c), 4);
    tree.file("dev/usbmon0", "");
    tree
}

fn lists(tree: &Tree, port: &str, (vid, pid): (u16, u16), address: u8) {
    tree.device(port, &format!("{vid:04x}"), &format!("{pid:04x}"), (1, address.into()));
    tree.file(&format!("sys/bus/usb/devices/{port}/speed"), "12\n");
}

/// An event of 48 bytes and its data; the number of the transfer is the address.
fn event(step: u8, transfer: u8, endpoint: u8, address: u8, status: i32, data: &[u8]) -> Vec<u8> {
    let mut bytes = u64::from(endpoint).to_ne_bytes().to_vec();
    bytes.extend([step, transfer, endpoint, address]);
    bytes.extend(1u16.to_ne_bytes());
    bytes.extend([b'-', if data.is_empty() { b'<' } else { 0 }]);
    bytes.extend(1_700_000_000u64.to_ne_bytes());
    bytes.extend(0u32.to_ne_bytes());
    bytes.extend(status.to_ne_bytes());
    let length = (data.len() as u32).to_ne_bytes();
    bytes.extend([length, length].concat());
    bytes.extend([0; 8]);
    bytes.extend(data);
    bytes
}

fn described(address: u8, (vid, pid): (u16, u16)) -> Vec<u8> {
    let mut descriptor = [18, 1, 0, 2, 2, 0, 0, 64, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1];
    descriptor[8..10].copy_from_slice(&vid.to_le_bytes());
    descriptor[10..12].copy_from_slice(&pid.to_le_bytes());
    let question = event(b'S', 2, 0x80, address, -115, &[]);
    let mut asked = question;
    asked[14] = 0;
    asked[40..48].copy_from_slice(&[0x80, 6, 0, 1, 0, 0, 18, 0]);
    [asked, event(b'C', 2, 0x80, address, 0, &descriptor)].concat()
}

fn passed(address: u8, direction: Direction, bytes: &[u8]) -> Vec<u8> {
    let [submitted, completed] = match direction {
        Direction::ToPhone => [(1, bytes), (1, &[][..])],
        Direction::FromPhone => [(0x81, &[][..]), (0x81, bytes)],
    };
    let submitted = event(b'S', 3, submitted.0, address, -115, submitted.1);
    [submitted, event(b'C', 3, completed.0, address, 0, completed.1)].concat()
}

/// What somebody types.
const KEYS: &[u8] = b"pass word";

fn typed() -> Vec<u8> {
    event(b'C', 1, 0x81, 4, 0, KEYS)
}

fn tells(bench: &Bench, bytes: &[u8]) {
    fs::File::options().append(true).open(bench.path(USBMON)).unwrap().write_all(bytes).unwrap();
}

fn until(what: impl Fn() -> bool) {
    let begun = Instant::now();
    while !what() {
        assert!(begun.elapsed() < Duration::from_secs(60), "it never happens");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn has(file: &Path, bytes: &[u8]) -> bool {
    fs::read(file).is_ok_and(|all| all.windows(bytes.len()).any(|it| it == bytes))
}

/// What the read of [`READ`] and a virtual phone say to each other.
fn conversation(bench: &Bench) -> Vec<Entry> {
    let words = format!("{READ} --via phone:mt6575?clock=virtual -o piece.bin --log full");
    bench.run(&words).good();
    let log = fs::read_dir(bench.logs()).unwrap().next().unwrap().unwrap().path();
    let playback = Playback::new(fs::File::open(log.join("session.pcapng")).unwrap()).unwrap();
    playback.map(Result::unwrap).collect()
}

/// Has usbmon tell a conversation at port 1-4, with somebody at the keyboard meanwhile.
fn told_of(tree: &Tree, said: &[Entry]) {
    let mut address = 4;
    for Entry { what, .. } in said {
        match what {
            What::Opened(seen) => {
                address += 1;
                let ids = (seen.vid, seen.pid);
                lists(tree, "1-4", ids, address);
                tells(&tree.bench, &described(address, ids));
                let ids = [ids.0.to_le_bytes(), ids.1.to_le_bytes()].concat();
                until(|| has(&tree.bench.path("seen.pcapng.part"), &ids));
            }
            What::Bytes(direction, Bytes::Here(bytes)) => {
                let events = bytes.chunks(4096).flat_map(|bytes| passed(address, *direction, bytes));
                tells(&tree.bench, &[typed(), events.collect()].concat());
            }
            What::Bytes(_, Bytes::Elsewhere(_)) => panic!("the log is full"),
            What::Closed => {
                let asked = event(b'S', 3, 0x81, address, -115, &[]);
                tells(&tree.bench, &[asked, event(b'C', 3, 0x81, address, -108, &[])].concat());
            }
            What::Note(_) => {}
        }
    }
}

fn ended(watch: Running) -> crate::bench::Ran {
    watch.interrupt();
    watch.end()
}

#[test]
fn what_a_program_says_to_a_phone_is_recorded_beside_a_keyboard_and_replayed() {
    let tree = desktop();
    let said = conversation(&tree.bench);
    let mut watch = tree.bench.start(WATCH);
    watch.line_of(Stream::Err, |line| line.contains("Watching USB"));
    told_of(&tree, &said);
    let ran = ended(watch).good();
    assert!(ran.err.contains("Recording the phone at port 1-4"), "{}", ran.err);
    assert!(ran.err.contains("Recorded ") && !ran.err.contains("Warning"), "{}", ran.err);
    assert!(!tree.bench.has("seen.pcapng.part"));
    assert!(!has(&tree.bench.path("seen.pcapng"), KEYS), "the keyboard is in it");
    let replayed = tree.bench.run(&format!("{READ} --via replay:seen.pcapng -o again.bin")).good();
    assert!(replayed.err.contains("0e8d:2001"), "{}", replayed.err);
    assert_same(&tree.bench.read("again.bin"), &Oracle::builtin("mt6575").stored(0x98_0000, 0x4_0000));
}

#[test]
fn programs_are_told_the_port_and_the_numbers_and_another_port_is_left_out() {
    let tree = desktop();
    lists(&tree, "1-5", (0x0e8d, 3), 9);
    let mut watch = tree.bench.start(&format!("{WATCH} --json --port 1-4"));
    watch.line_of(Stream::Out, |line| line.contains("\"recording\""));
    lists(&tree, "1-4", (0x0e8d, 3), 10);
    let other = passed(9, Direction::ToPhone, b"other");
    tells(&tree.bench, &[other, described(10, (0x0e8d, 3))].concat());
    watch.line_of(Stream::Out, |line| line.contains("\"came\""));
    until(|| has(&tree.bench.path("seen.pcapng.part"), &[0x8d, 0x0e, 3, 0]));
    tells(&tree.bench, &passed(10, Direction::ToPhone, &[0xa0]));
    // Asked for before, without an end: usbmon was too slow.
    let asked = event(b'S', 3, 0x81, 10, -115, &[]);
    tells(&tree.bench, &[&asked[..], &asked].concat());
    let ran = ended(watch).good();
    let events = ran.events();
    let ports: Vec<_> = events.iter().filter_map(|it| it["port"].as_str()).collect();
    assert!(ports.iter().all(|port| *port == "1-4"), "{ports:?}");
    let last = events.last().unwrap();
    assert_eq!((&last["event"], &last["events"], &last["lost"]), (&"recorded".into(), &6.into(), &1.into()));
    assert_eq!((&last["bytes_to_phone"], &last["bytes_from_phone"]), (&1.into(), &0.into()));
    let warning = events.iter().find(|it| it["event"] == "warning").unwrap();
    assert!(warning["text"].as_str().unwrap().contains("at least 1 events are missing"), "{warning}");
    assert!(!has(&tree.bench.path("seen.pcapng"), b"other"));
}

#[test]
fn a_run_that_is_killed_leaves_a_part_that_is_whole_to_its_last_event() {
    let tree = desktop();
    lists(&tree, "1-4", (0x0e8d, 3), 5);
    let mut watch = tree.bench.start(WATCH);
    watch.line_of(Stream::Err, |line| line.contains("Watching USB"));
    tells(&tree.bench, &passed(5, Direction::ToPhone, b"the last"));
    let part = tree.bench.path("seen.pcapng.part");
    until(|| has(&part, b"the last"));
    watch.kill();
    let playback = Playback::new(fs::File::open(&part).unwrap()).unwrap();
    let all: Vec<_> = playback.map(|entry| entry.unwrap().what).collect();
    let last = What::Bytes(Direction::ToPhone, Bytes::Here(b"the last".to_vec()));
    assert!(all.contains(&last), "{all:?}");
    // It is in the way of the next one, which says so.
    tree.bench.run(WATCH).fails(1, &["interrupted recording", "--force", "save/part-exists"]);
    let again = tree.bench.start(&format!("{WATCH} --force"));
    again.hears_ctrl_c();
    until(|| tree.bench.has("seen.pcapng.part") && !has(&part, b"the last"));
    ended(again).good();
    assert!(tree.bench.has("seen.pcapng"));
}

#[test]
fn what_is_in_the_way_of_a_recording_is_said_with_its_cure() {
    let tree = desktop();
    tree.bench.write("seen.pcapng", "mine");
    tree.bench.run(WATCH).fails(1, &["seen.pcapng exists already", "--force", "[save/exists]"]);
    assert_eq!(tree.bench.text("seen.pcapng"), "mine");
    fs::remove_file(tree.bench.path("seen.pcapng")).unwrap();
    tree.bench.run("watch --usb-root pc --record none/seen.pcapng").fails(1, &["mkdir -p none"]);
    tree.bench.run("watch --usb-root pc --force").fails(2, &["--record"]);
    tree.bench.run("watch --usb-root pc --port 4").fails(2, &["1-4.2"]);
    tree.remove("dev/usbmon0");
    tree.bench
        .run(WATCH)
        .fails(1, &["there is no pc/dev/usbmon0", "sudo modprobe usbmon", "[usbmon/missing]"]);
    tree.link("dev/usbmon0", "/dev/null/nothing");
    tree.bench.run(WATCH).fails(1, &["[usbmon/io]"]);
    assert!(tree.bench.files().iter().all(|name| name == "pc"), "{:?}", tree.bench.files());
}

#[test]
fn a_user_without_rights_is_told_how_to_get_them_and_what_that_gives_away() {
    if crate::bench::is_root() {
        println!("skipped: nothing is forbidden to root");
        return;
    }
    let tree = desktop();
    tree.mode("dev/usbmon0", 0);
    tree.bench.run(WATCH).fails(
        1,
        &["[usbmon/denied]", "sudo setfacl -m u:$USER:r", "typed on a keyboard", "sudo setfacl -b"],
    );
    assert!(!tree.bench.has("seen.pcapng.part"));
}

#[test]
fn a_full_disk_ends_the_recording_but_not_the_watching() {
    let tree = desktop();
    lists(&tree, "1-4", (0x0e8d, 3), 5);
    let Some(_small) = crate::bench::Mounted::tmpfs(&tree.bench.path("small"), "size=64k") else { return };
    let mut watch = tree.bench.start("watch --usb-root pc --record small/seen.pcapng");
    watch.line_of(Stream::Err, |line| line.contains("Watching USB"));
    for _ in 0..20 {
        tells(&tree.bench, &passed(5, Direction::ToPhone, &[7; 8192]));
    }
    watch.line_of(Stream::Err, |line| line.contains("the recording has ended"));
    assert!(watch.is_running());
    lists(&tree, "1-5", (0x0e8d, 0x2000), 6);
    watch.line_of(Stream::Out, |line| line.contains("1-5"));
    ended(watch).fails(1, &["[save/disk-full]", "small/seen.pcapng.part holds what was recorded"]);
    let part = fs::File::open(tree.bench.path("small/seen.pcapng.part")).unwrap();
    let bytes = Playback::new(part).unwrap().filter_map(Result::ok);
    assert!(bytes.filter(|entry| matches!(entry.what, What::Bytes(..))).count() > 3);
}

#[test]
fn the_events_of_these_tests_are_those_of_usbmon() {
    let (told, length) = UsbmonEvent::first_of(&described(5, (0x0e8d, 3))).unwrap().unwrap();
    assert!(told.asks_which() && length == 48);
}
