//! Everything about phones on USB that a person may be told instead of what was hoped for, as it is told.

use std::fs::File;

use crate::bench::{Bench, Oracle, Ran, Stream};
use crate::tree::{Tree, transcript};

const PIECE: &str = "read --at 0x980000 --len 0x20000 --da g2.bin -o piece.bin";
/// A file that may be read but not written, by root either.
const FORBIDDEN: &str = "/proc/sys/kernel/ostype";
const KEPT: &str = "Kept true by a test (crates/bromide/tests/cli/usb_refusals.rs).\n";

/// A desktop whose root hub is fast.
fn desktop() -> Tree {
    let tree = Tree::desktop();
    speed(&tree, "usb1", "480", "09");
    tree
}

/// Makes a device of the tree complete.
fn speed(tree: &Tree, port: &str, speed: &str, class: &str) {
    tree.file(&format!("sys/bus/usb/devices/{port}/bDeviceClass"), &format!("{class}\n"));
    tree.file(&format!("sys/bus/usb/devices/{port}/speed"), &format!("{speed}\n"));
}

fn boot_rom(tree: &Tree, port: &str, address: u32) {
    tree.device(port, "0e8d", "0003", (1, address));
    speed(tree, port, "12", "02");
}

fn preloader(tree: &Tree, port: &str, address: u32) {
    tree.device(port, "0e8d", "2000", (1, address));
    speed(tree, port, "480", "02");
}

fn forbid(tree: &Tree, node: &str) {
    tree.remove(node);
    tree.link(node, FORBIDDEN);
}

/// What is under this name is not taken for a device.
const ASIDE: &str = "aside:";

/// Lets port 1-4 show another face, or none, between two looks.
fn now_shows(tree: &Tree, face: Option<fn(&Tree, &str, u32)>) {
    let at = |name| tree.bench.path("pc/sys/bus/usb/devices").join(name);
    match face {
        Some(face) => {
            face(tree, ASIDE, 7);
            std::fs::rename(at(ASIDE), at("1-4")).unwrap();
        }
        None => {
            std::fs::rename(at("1-4"), at(ASIDE)).unwrap();
            std::fs::remove_dir_all(at(ASIDE)).unwrap();
        }
    }
}

/// A page of documentation made of commands and what they say.
struct Page(String);

impl Page {
    fn step(&mut self, title: &str, words: &str, ran: &Ran) {
        let said = format!("{}{}", ran.out, ran.err).replace("pc/dev/", "/dev/").replace("pc/sys/", "/sys/");
        let words = words.replace(" --usb-root pc", "").replace("ttyACM0.link", "/dev/ttyACM0");
        let said = said.replace("ttyACM0.link", "/dev/ttyACM0");
        let said: String = said.split_inclusive('\n').map(logged).collect();
        let code = ran.code.unwrap();
        self.0 += &format!("\n## {title}\n\n```console\n$ bromide {words}\n{said}$ echo $?\n{code}\n```\n");
    }

    fn refused(&mut self, title: &str, bench: &Bench, words: &str, says: &[&str]) {
        let ran = bench.run(words);
        let said = format!("{}{}", ran.out, ran.err);
        assert!(says.iter().all(|text| said.contains(text)), "{title}: {said}");
        assert!(!bench.has("piece.bin"), "{title}");
        self.step(title, words, &ran);
    }
}

/// A line as it is, but for where the log lies and when that was.
fn logged(line: &str) -> &str {
    let log = "Log     ~/.local/state/bromide/log/2026-11-29T18-57-08Z-read-ab12\n";
    if line.starts_with("Log     /") { log } else { line }
}

#[test]
fn the_transcript_of_refusals_is_true() {
    let mut page = Page(format!("# When a phone cannot be read\n\n{KEPT}"));
    let wait = format!("{PIECE} --usb-root pc --wait 2");

    let tree = desktop();
    page.refused("No phone comes", &tree.bench, &wait, &["link/no-phone", "hold Volume-Down"]);

    preloader(&tree, "1-2", 8);
    let there = format!("{PIECE} --via usb:1-4 --usb-root pc --wait 2");
    page.refused("The phone is at another port", &tree.bench, &there, &["--via usb:1-2", "link/no-phone"]);

    boot_rom(&tree, "1-4", 7);
    let both = ["--via usb:1-2 or --via usb:1-4", "usb/several-phones"];
    page.refused("Two phones, and no choice made", &tree.bench, &wait, &both);

    let tree = desktop();
    boot_rom(&tree, "1-4", 7);
    forbid(&tree, "dev/bus/usb/001/007");
    page.refused("No permission", &tree.bench, &wait, &["uaccess", "link/denied", "setup linux --install"]);

    tree.remove("dev/bus/usb/001/007");
    page.refused("A container that was given the list, but no phone", &tree.bench, &wait, &["container"]);

    tree.file("dev/bus/usb/001/007", "");
    tree.file("sys/bus/usb/devices/1-4/bConfigurationValue", "\n");
    page.refused(
        "The system has not configured the phone",
        &tree.bench,
        &wait,
        &["usb/not-configured", "hub"],
    );

    tree.remove("sys/bus/usb");
    page.refused("No USB bus", &tree.bench, &wait, &["usb/no-bus", "container"]);

    let served = tree.bench.serve("--listen pty:ttyACM0.link");
    let held = File::open(tree.bench.path("ttyACM0.link")).unwrap();
    held.lock().unwrap();
    let busy = format!("{PIECE} --via serial:ttyACM0.link --wait 1");
    page.refused("Another program has the port", &tree.bench, &busy, &["link/busy", "ModemManager"]);
    drop((held, served));

    let bench = Bench::new();
    let fast = format!("{PIECE} --via phone:mt6575?boot=preloader --speed full");
    page.refused("Full speed asked of a preloader at high speed", &bench, &fast, &["speed/already-high"]);

    bench.write("proc_mtd.txt", Oracle::builtin("mt6575").proc_mtd());
    let dies = "read recovery --map proc_mtd.txt --da g2.bin --speed high --wait 3 \
                --via phone:mt6575?high-speed=dies:300000&key=released";
    let says = ["hold Volume-Down", "link/no-phone", "recovery.img.part holds"];
    page.refused("The agent died at high speed, and no key was held", &bench, dies, &says);
    transcript("usb-refusals.md", &page.0);
}

#[test]
fn a_phone_that_may_not_be_opened_directly_is_read_through_its_serial_port_and_the_rule_is_told() {
    let tree = desktop();
    let _served = tree.bench.serve("--listen pty:phone.tty");
    boot_rom(&tree, "1-4", 7);
    forbid(&tree, "dev/bus/usb/001/007");
    let tty = tree.bench.path("phone.tty");
    tree.link("dev/ttyACM0", tty.to_str().unwrap());
    tree.file("sys/bus/usb/devices/1-4/1-4:1.1/tty/ttyACM0/dev", "166:0\n");
    let ran = tree.bench.run(&format!("{PIECE} --usb-root pc")).good();
    assert!(
        ran.err.contains("going on through pc/dev/ttyACM0") && ran.err.contains("TAG+=\"uaccess\""),
        "{ran:?}"
    );
    assert!(tree.bench.read("piece.bin") == Oracle::builtin("mt6575").stored(0x98_0000, 0x2_0000));
}

#[test]
fn the_transcript_of_devices_is_true() {
    let mut page = Page(format!("# `bromide devices`\n\n{KEPT}"));
    let words = "devices --usb-root pc";
    let tree = desktop();
    let mut step = |title: &str, tree: &Tree| page.step(title, words, &tree.bench.run(words).good());
    step("No phone", &tree);
    tree.device("1-3", "0bb4", "0c03", (1, 5));
    tree.file("sys/bus/usb/devices/1-3/product", "Android Phone\n");
    speed(&tree, "1-3", "480", "00");
    step("A phone that is switched on", &tree);
    tree.remove("sys/bus/usb/devices/1-3");
    tree.device("1-4", "05e3", "0608", (1, 6));
    speed(&tree, "1-4", "480", "09");
    boot_rom(&tree, "1-4.2", 7);
    tree.link("sys/bus/usb/devices/1-4.2/1-4.2:1.1/driver", "../../../../drivers/cdc_acm");
    tree.file("sys/bus/usb/devices/1-4.2/1-4.2:1.1/tty/ttyACM0/dev", "166:0\n");
    step("A phone in its BootROM, behind a hub", &tree);
    preloader(&tree, "1-5", 8);
    forbid(&tree, "dev/bus/usb/001/008");
    step("Another one beside it, without permission", &tree);
    transcript("devices.md", &page.0);
}

#[test]
fn the_transcript_of_watch_is_true() {
    let tree = desktop();
    tree.device("1-4", "0bb4", "0c03", (1, 5));
    speed(&tree, "1-4", "480", "00");
    let mut watch = tree.bench.start("watch --usb-root pc");
    let mut said = Vec::new();
    let mut times = [0.001, 7.412, 21.306, 24.251, 38.77].into_iter();
    let mut stays = ["7.4", "2.9"].into_iter();
    let mut heard = |watch: &mut crate::bench::Running| {
        let line = watch.line_of(Stream::Out, |_| true);
        let (_, rest) = line.split_at(9);
        // Moments and stays are those of a person, not of a test.
        let rest = match rest.split_once("left after ") {
            Some((before, after)) => {
                let (_, after) = after.split_once(' ').unwrap();
                format!("{before}left after {} {after}", stays.next().unwrap())
            }
            None => rest.to_owned(),
        };
        said.push(format!("{:9.3}{rest}\n", times.next().unwrap()));
    };
    heard(&mut watch);
    now_shows(&tree, None);
    heard(&mut watch);
    now_shows(&tree, Some(preloader));
    heard(&mut watch);
    now_shows(&tree, None);
    heard(&mut watch);
    now_shows(&tree, Some(boot_rom));
    heard(&mut watch);
    watch.interrupt();
    let ran = watch.end();
    assert_eq!(ran.code, Some(0));
    said.insert(1, ran.err);
    let said = said.concat();
    let text = format!(
        "# `bromide watch`\n\n{KEPT}The moments are made up.\n\n## From the running phone to its BootROM\n\n\
         ```console\n$ bromide watch\n{said}^C\n```\n"
    );
    transcript("watch.md", &text);
}
