//! `bromide doctor` on computers made of plain files: what it finds, what it advises, its exit code.

use serde_json::Value;

use crate::bench::Ran;
use crate::tree::{Tree, as_installed, transcript};

/// The finding of this name.
fn check(ran: &Ran, name: &str) -> (String, String) {
    let events = ran.out.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let found = events.filter(|e| e["event"] == "check").find(|e| e["name"] == name).expect(name);
    (found["state"].as_str().unwrap().to_owned(), format!("{} | {}", found["text"], found["cure"]))
}

/// The finding has this state, and its text or cure has these words.
fn finds(tree: &Tree, name: &str, state: &str, says: &[&str]) {
    let ran = tree.doctor("--json");
    let (found, text) = check(&ran, name);
    assert_eq!(found, state, "{name}: {text}");
    says.iter().for_each(|word| assert!(text.contains(word), "{name}: {word} is missing in {text}"));
    assert_eq!(ran.code, Some(i32::from(ran.out.contains("\"state\":\"problem\""))), "{}", ran.out);
}

#[test]
fn a_desktop_with_the_rules_has_nothing_in_the_way() {
    let ran = Tree::with_rules().doctor("").good();
    assert!(ran.out.ends_with("Nothing is in the way. Plug the phone in.\n"), "{}", ran.out);
    assert!(!ran.out.contains("warning") && !ran.out.contains("PROBLEM"), "{}", ran.out);
}

#[test]
fn warnings_leave_the_exit_code_at_0() {
    let ran = Tree::desktop().doctor("").good();
    assert!(ran.out.contains("warning") && ran.out.contains("setup linux --install"), "{}", ran.out);
}

#[test]
fn a_kernel_or_container_without_usb_is_a_problem() {
    let tree = Tree::with_rules();
    tree.remove("sys/bus/usb");
    finds(&tree, "kernel support", "problem", &["/sys/bus/usb is missing", "modprobe"]);
    tree.file("run/.containerenv", "");
    finds(&tree, "kernel support", "problem", &["container"]);
    tree.file("sys/bus/usb/devices/.keep", "");
    finds(&tree, "kernel support", "problem", &["no controller"]);
}

#[test]
fn missing_device_nodes_are_a_problem() {
    let tree = Tree::with_rules();
    tree.remove("dev/bus/usb/002/001");
    finds(&tree, "device nodes", "problem", &["1 of 2", "/dev/bus/usb/002/001"]);
}

#[test]
fn a_phone_that_may_not_be_opened_is_a_problem_whose_cure_depends_on_the_rules() {
    let tree = Tree::desktop();
    tree.preloader();
    finds(&tree, "access", "ok", &["may be opened"]);
    // Neither owner nor group of the file is the tree's user, whoever runs the test.
    let others = |mode| tree.mode("dev/bus/usb/001/007", mode);
    others(0o660);
    tree.file(
        "proc/self/status",
        "Uid:\t4242\t4242\t4242\t4242\nGid:\t4242\t4242\t4242\t4242\nGroups:\t4242\n",
    );
    finds(&tree, "access", "problem", &["/dev/bus/usb/001/007", "setup linux --install"]);
    tree.setup("setup linux --install --yes").good();
    finds(&tree, "access", "problem", &["although the rules are right", "plug the phone in again"]);
    tree.file("proc/self/status", "Uid:\t0\t0\t0\t0\nGid:\t0\t0\t0\t0\nGroups:\t0\n");
    finds(&tree, "access", "ok", &[]);
}

#[test]
fn a_running_android_is_seen_but_not_asked_for() {
    let tree = Tree::with_rules();
    tree.device("1-4", "0bb4", "0c03", (1, 9));
    tree.mode("dev/bus/usb/001/009", 0o000);
    finds(&tree, "phones now", "ok", &["Android (0bb4:0c03) at port 1-4"]);
    finds(&tree, "access", "ok", &[]);
}

#[test]
fn rules_that_are_edited_or_switched_off_are_told_apart() {
    let tree = Tree::with_rules();
    finds(&tree, "rules", "ok", &["up to date"]);
    tree.file("etc/udev/rules.d/61-bromide.rules", "# old\n");
    finds(&tree, "rules", "warning", &["another version"]);
    tree.remove("etc/udev/rules.d/61-bromide.rules");
    tree.link("etc/udev/rules.d/61-bromide.rules", "/dev/null");
    finds(&tree, "rules", "warning", &["switched off"]);
}

#[test]
fn modemmanager_is_a_problem_until_a_rule_keeps_it_away() {
    let tree = Tree::desktop();
    finds(&tree, "ModemManager", "ok", &["not running"]);
    tree.process(812, "ModemManager");
    finds(&tree, "ModemManager", "problem", &["setup linux --install", "systemctl stop"]);
    let vendor = "ATTRS{idVendor}==\"0e8d\", ENV{ID_MM_DEVICE_IGNORE}=\"1\"\n";
    tree.file("usr/lib/udev/rules.d/60-vendor.rules", vendor);
    finds(&tree, "ModemManager", "ok", &["60-vendor.rules"]);
    tree.file("usr/lib/udev/rules.d/60-vendor.rules", &format!("# {vendor}"));
    finds(&tree, "ModemManager", "problem", &[]);
    tree.setup("setup linux --install --yes").good();
    finds(&tree, "ModemManager", "ok", &["leave phones alone"]);
    tree.remove("proc/300");
    finds(&tree, "ModemManager", "problem", &["without udevd"]);
    finds(&tree, "udevd", "warning", &["not running"]);
}

#[test]
fn brltty_matters_only_where_its_rules_claim_mediatek() {
    let tree = Tree::with_rules();
    tree.process(500, "brltty");
    finds(&tree, "brltty", "ok", &["no MediaTek"]);
    tree.file(
        "usr/lib/udev/rules.d/90-brltty.rules",
        "ENV{PRODUCT}==\"e8d/3/*\"\nATTR{idVendor}==\"0E8D\"\n",
    );
    finds(&tree, "brltty", "warning", &["90-brltty.rules"]);
}

#[test]
fn a_program_that_has_the_phone_open_is_named() {
    let tree = Tree::with_rules();
    tree.preloader();
    tree.process(900, "minicom");
    tree.link("proc/900/fd/3", "/dev/ttyS0");
    finds(&tree, "phone in use", "ok", &["by no program"]);
    tree.link("proc/900/fd/4", "/dev/ttyACM0");
    finds(&tree, "phone in use", "problem", &["minicom (process 900) has /dev/ttyACM0 open", "kill 900"]);
    tree.remove("proc/900");
    tree.process(901, "virt\x1b[2J");
    tree.link("proc/901/fd/9", "/dev/bus/usb/001/007");
    finds(&tree, "phone in use", "problem", &["/dev/bus/usb/001/007"]);
    tree.doctor("").fails(1, &["1 problem in the way"]);
    tree.remove("proc/901/fd");
    finds(&tree, "phone in use", "ok", &["1 program could not be looked into"]);
}

#[test]
fn the_serial_driver_is_loaded_loadable_blacklisted_or_missing() {
    let tree = Tree::with_rules();
    finds(&tree, "cdc_acm driver", "ok", &["loaded when a phone comes"]);
    tree.file("etc/modprobe.d/no.conf", "# blacklist cdc_acm\nblacklist cdc-acm\n");
    finds(&tree, "cdc_acm driver", "warning", &["/etc/modprobe.d/no.conf"]);
    tree.file("etc/modprobe.d/no.conf", "# blacklist cdc_acm\n");
    tree.file("proc/sys/kernel/osrelease", "6.6.0\n");
    finds(&tree, "cdc_acm driver", "warning", &["6.6.0"]);
    tree.preloader();
    finds(&tree, "cdc_acm driver", "ok", &["loaded"]);
}

#[test]
fn a_little_usbfs_memory_is_a_warning_and_none_is_no_limit() {
    let tree = Tree::with_rules();
    let set = |text| tree.file("sys/module/usbcore/parameters/usbfs_memory_mb", text);
    set("4\n");
    finds(&tree, "usbfs memory", "warning", &["4 MiB", "usbfs_memory_mb"]);
    set("0\n");
    finds(&tree, "usbfs memory", "ok", &["without limit"]);
    set("many\n");
    finds(&tree, "usbfs memory", "ok", &["does not tell"]);
}

#[test]
fn a_user_outside_the_group_is_told_how_to_get_in() {
    let tree = Tree::desktop();
    finds(&tree, "group", "ok", &["you are in dialout"]);
    let status = "Uid:\t1000\t1000\t1000\t1000\nGid:\t1000\t1000\t1000\t1000\nGroups:\t1000\n";
    tree.file("proc/self/status", status);
    finds(&tree, "group", "warning", &["after this login", "log out"]);
    tree.file("etc/group", "dialout:x:20:\nana:x:1000:\n");
    finds(&tree, "group", "warning", &["usermod --append --groups dialout"]);
    tree.setup("setup linux --install --yes").good();
    finds(&tree, "group", "ok", &["the rules give access"]);
}

#[test]
fn a_full_disk_is_a_warning() {
    let tree = Tree::with_rules();
    let ran = tree.bench.run("doctor --root pc --free 100M").good();
    assert!(ran.out.contains("100 MiB in this folder; a whole chip of 512 MiB takes 528 MiB"), "{}", ran.out);
}

#[test]
fn it_looks_at_this_very_computer_without_failing() {
    let tree = Tree::desktop();
    let ran = tree.bench.run("doctor");
    assert!(matches!(ran.code, Some(0 | 1)), "{ran:?}");
    assert!(ran.out.contains("kernel support") && ran.out.contains("terminal"), "{}", ran.out);
}

#[test]
fn an_empty_tree_and_files_that_are_folders_are_survived() {
    let tree = Tree::desktop();
    tree.remove("");
    tree.file("proc/self/status/x", "");
    tree.file("proc/77/comm/x", "");
    tree.file("sys/bus/usb/devices/1-1/idVendor/x", "");
    tree.file("etc/udev/rules.d/61-bromide.rules/x", "");
    let ran = tree.doctor("");
    assert_eq!(ran.code, Some(1), "{ran:?}");
}

#[test]
fn the_transcript_of_doctor_is_true() {
    let mut text =
        String::from("# `bromide doctor`\n\nKept true by a test (crates/bromide/tests/cli/doctor.rs).\n");
    let mut step = |title: &str, tree: &Tree| {
        let ran = tree.doctor("");
        let said = as_installed(&format!("{}{}", ran.out, ran.err));
        let code = ran.code.unwrap();
        text += &format!("\n## {title}\n\n```console\n$ bromide doctor\n{said}$ echo $?\n{code}\n```\n");
    };
    step("A desktop that is ready", &Tree::with_rules());
    let tree = Tree::desktop();
    tree.preloader();
    tree.file(
        "proc/self/status",
        "Uid:\t4242\t4242\t4242\t4242\nGid:\t4242\t4242\t4242\t4242\nGroups:\t4242\n",
    );
    tree.mode("dev/bus/usb/001/007", 0o660);
    tree.mode("dev/ttyACM0", 0o660);
    tree.process(812, "ModemManager");
    tree.link("proc/812/fd/11", "/dev/ttyACM0");
    step("A desktop as it comes, the phone just plugged in", &tree);
    let tree = Tree::desktop();
    tree.remove("sys/bus/usb");
    tree.remove("dev");
    tree.remove("proc/300");
    tree.remove("lib");
    tree.file("proc/self/status", "Uid:\t0\t0\t0\t0\nGid:\t0\t0\t0\t0\nGroups:\t0\n");
    tree.file("run/.containerenv", "");
    step("A container that was given no devices", &tree);
    transcript("doctor.md", &text);
}
