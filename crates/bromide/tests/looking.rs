//! `devices` and `watch` on a made-up machine.
#![cfg(target_os = "linux")]

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

const BROMIDE: &str = env!("CARGO_BIN_EXE_bromide");

fn device(root: &Path, port: &str, id: (&str, &str), address: u8, speed: &str, class: &str) {
    let at = root.join("sys/bus/usb/devices").join(port);
    fs::create_dir_all(&at).unwrap();
    let address = address.to_string();
    for (name, text) in [
        ("idVendor", id.0),
        ("speed", speed),
        ("busnum", "1"),
        ("devnum", &address),
        ("bDeviceClass", class),
        ("idProduct", id.1),
    ] {
        fs::write(at.join(name), format!("{text}\n")).unwrap();
    }
}

fn machine() -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    device(root.path(), "usb1", ("1d6b", "0002"), 1, "480", "09");
    root
}

fn bromide(words: &[&str], root: &Path) -> Command {
    let mut command = Command::new(BROMIDE);
    command.args(words).arg("--usb-root").arg(root).stdin(Stdio::null());
    command
}

#[test]
fn devices_shows_the_phone_below_its_hubs_and_its_name_cannot_steer_the_terminal() {
    let root = machine();
    device(root.path(), "1-4", ("05e3", "0608"), 2, "480", "09");
    device(root.path(), "1-4.2", ("0e8d", "0003"), 5, "12", "02");
    fs::write(root.path().join("sys/bus/usb/devices/1-4.2/product"), "\x1b[2JMT65xx\n").unwrap();
    let out = bromide(&["devices"], root.path()).output().unwrap();
    assert!(out.status.success(), "{out:?}");
    let text = String::from_utf8(out.stdout).unwrap();
    assert_eq!(
        text,
        "usb1  root hub, high speed\n  1-4  hub, high speed\n    1-4.2  BootROM 0e8d:0003, full speed, no driver, \
         no device file, \"\\u{1b}[2JMT65xx\"\n      next: the device file is missing: a container has to be given \
         /dev/bus/usb\n"
    );
}

#[test]
fn devices_for_programs_is_one_object_for_each_phone() {
    let root = machine();
    device(root.path(), "1-4", ("0bb4", "0c03"), 2, "480", "00");
    device(root.path(), "1-5", ("046d", "c31c"), 3, "1.5", "00");
    let out = bromide(&["devices", "--json"], root.path()).output().unwrap();
    let text = String::from_utf8(out.stdout).unwrap();
    let [line] = text.lines().collect::<Vec<_>>()[..] else { panic!("{text}") };
    let phone: serde_json::Value = serde_json::from_str(line).unwrap();
    assert_eq!(phone["port"], "1-4");
    assert_eq!(phone["face"], "android");
    assert_eq!(phone["id"], "0bb4:0c03");
    assert_eq!(phone["access"], "missing");
}

#[test]
fn without_a_phone_the_answer_says_how_to_get_one_and_without_a_bus_why_there_is_none() {
    let root = machine();
    let out = bromide(&["devices"], root.path()).output().unwrap();
    assert!(out.status.success() && out.stdout.is_empty());
    assert!(String::from_utf8(out.stderr).unwrap().contains("hold Volume-Down"));
    let nothing = tempfile::tempdir().unwrap();
    for verb in ["devices", "watch"] {
        let out = bromide(&[verb], nothing.path()).output().unwrap();
        assert_eq!(out.status.code(), Some(1));
        assert!(String::from_utf8(out.stderr).unwrap().contains("no USB bus"), "{verb}");
    }
}

#[test]
fn watch_tells_each_change_on_a_line_of_its_own_and_ctrl_c_ends_it_well() {
    let root = machine();
    device(root.path(), "1-4", ("0bb4", "0c03"), 2, "480", "00");
    let mut child = bromide(&["watch", "--json"], root.path()).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut next = || serde_json::from_str::<serde_json::Value>(&lines.next().unwrap().unwrap()).unwrap();
    let first = next();
    assert_eq!(
        (&first["event"], &first["face"], &first["before"]),
        (&"came".into(), &"android".into(), &true.into())
    );
    fs::remove_dir_all(root.path().join("sys/bus/usb/devices/1-4")).unwrap();
    let second = next();
    assert_eq!((&second["event"], &second["port"]), (&"left".into(), &"1-4".into()));
    assert!(second["stayed_ms"].is_u64());
    device(root.path(), "1-4", ("0e8d", "2000"), 3, "480", "02");
    assert_eq!(next()["face"], "preloader");
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn watch_ends_when_nobody_reads_any_more() {
    let root = machine();
    device(root.path(), "1-4", ("0bb4", "0c03"), 2, "480", "00");
    let mut child =
        bromide(&["watch"], root.path()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let line = lines.next().unwrap().unwrap();
    assert!(line.contains("Android (0bb4:0c03, high speed) is there; next: "), "{line}");
    drop(lines);
    fs::remove_dir_all(root.path().join("sys/bus/usb/devices/1-4")).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
}
