//! The serial link over pseudo-terminals: the phone's end is the controlling side.

mod support;

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use bromide_link::{Cancel, OpenOptions, STALL, SerialLink, run};
use bromide_proto::link::{Link, LinkError, recv_exact};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, OutputModes, tcgetattr};
use support::ends_soon_after_a_wish_to_stop;

/// The phone's end of a new line, and the path of the host's end.
fn line() -> (File, PathBuf) {
    let phone = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
    grantpt(&phone).unwrap();
    unlockpt(&phone).unwrap();
    let path = ptsname(&phone, Vec::new()).unwrap().into_string().unwrap();
    (File::from(phone), PathBuf::from(path))
}

fn open(path: &Path) -> SerialLink {
    SerialLink::open(path, OpenOptions::default()).unwrap()
}

fn recv(link: &mut SerialLink, n: usize, within: Duration) -> Vec<u8> {
    let mut into = vec![0; n];
    run(recv_exact(link, &mut into, within)).unwrap();
    into
}

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn every_byte_value_passes_unaltered_both_ways() {
    let (mut phone, path) = line();
    let mut link = open(&path);
    let all: Vec<u8> = (0..=255).collect();
    run(link.send(&all)).unwrap();
    let mut heard = vec![0; 256];
    phone.read_exact(&mut heard).unwrap();
    assert_eq!(heard, all);
    phone.write_all(&all).unwrap();
    assert_eq!(recv(&mut link, 256, SECOND), all);
}

#[test]
fn the_port_is_raw_after_opening() {
    let (_phone, path) = line();
    let _link = open(&path);
    let watcher = File::open(&path).unwrap(); // the lock binds only those who lock
    let settings = tcgetattr(watcher.as_fd()).unwrap();
    assert!(!settings.local_modes.intersects(LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG));
    assert!(!settings.output_modes.contains(OutputModes::OPOST));
    assert_eq!(settings.output_speed(), 921_600);
}

#[test]
fn input_from_before_opening_is_gone() {
    let (mut phone, path) = line();
    let keeper = open(&path); // raw from here on, so that nothing is echoed
    phone.write_all(b"old").unwrap();
    thread::sleep(Duration::from_millis(50));
    drop(keeper);
    let mut link = open(&path);
    phone.write_all(b"new").unwrap();
    assert_eq!(recv(&mut link, 3, SECOND), b"new");
}

#[test]
fn a_megabyte_arrives_whole() {
    let (mut phone, path) = line();
    let mut link = open(&path);
    let sent: Vec<u8> = (0..1 << 20).map(|i: u32| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let copy = sent.clone();
    let writer = thread::spawn(move || {
        phone.write_all(&copy).unwrap();
        phone
    });
    assert!(recv(&mut link, sent.len(), SECOND) == sent);
    writer.join().unwrap();
}

#[test]
fn silence_ends_after_the_patience_and_not_before() {
    let (_phone, path) = line();
    let mut link = open(&path);
    for patience in [Duration::ZERO, Duration::from_millis(30), Duration::from_millis(250)] {
        let start = Instant::now();
        let e = run(link.recv(&mut [0; 8], patience)).unwrap_err();
        assert!(matches!(e, LinkError::Timeout(d) if d == patience), "{e}");
        assert!(start.elapsed() >= patience);
        assert!(start.elapsed() < patience + SECOND);
    }
}

#[test]
fn waiting_for_ever_is_possible_and_ends_with_the_first_byte() {
    let (mut phone, path) = line();
    let mut link = open(&path);
    let writer = thread::spawn(move || {
        thread::sleep(Duration::from_millis(250));
        phone.write_all(b"!").unwrap();
        phone
    });
    assert_eq!(recv(&mut link, 1, Duration::MAX), b"!");
    writer.join().unwrap();
}

#[test]
fn a_phone_that_leaves_is_noticed_while_waiting_and_when_sending() {
    let (phone, path) = line();
    let mut link = open(&path);
    let leaver = thread::spawn(move || {
        thread::sleep(Duration::from_millis(50));
        drop(phone);
    });
    let e = run(link.recv(&mut [0; 8], Duration::from_secs(60))).unwrap_err();
    assert!(matches!(e, LinkError::Unplugged), "{e}");
    leaver.join().unwrap();
    let e = run(link.send(b"anybody there?")).unwrap_err();
    assert!(matches!(e, LinkError::Unplugged), "{e}");
}

#[test]
fn a_wish_to_stop_ends_a_receive_within_200_ms() {
    let (_phone, path) = line();
    ends_soon_after_a_wish_to_stop(|cancel| {
        let mut link = SerialLink::open(&path, OpenOptions { cancel, wait: SECOND }).unwrap();
        run(link.recv(&mut [0; 8], Duration::MAX)).unwrap_err()
    });
}

#[test]
fn a_wish_to_stop_ends_a_receive_even_while_bytes_keep_coming() {
    let (mut phone, path) = line();
    let cancel = Cancel::new();
    let mut link = SerialLink::open(&path, OpenOptions { cancel: cancel.clone(), wait: SECOND }).unwrap();
    phone.write_all(b"more and more").unwrap();
    cancel.set();
    assert!(matches!(run(link.recv(&mut [0; 8], SECOND)), Err(LinkError::Cancelled)));
}

#[test]
fn a_wish_to_stop_ends_a_send_that_the_phone_does_not_take() {
    ends_soon_after_a_wish_to_stop(|cancel| {
        let (_phone, path) = line();
        let mut link = SerialLink::open(&path, OpenOptions { cancel, wait: SECOND }).unwrap();
        run(link.send(&vec![0; 1 << 20])).unwrap_err()
    });
}

#[test]
fn closing_does_not_wait_for_a_stalled_phone() {
    let (_phone, path) = line();
    let cancel = Cancel::new();
    let mut link = SerialLink::open(&path, OpenOptions { cancel: cancel.clone(), wait: SECOND }).unwrap();
    thread::spawn(move || {
        thread::sleep(Duration::from_millis(50));
        cancel.set();
    });
    run(link.send(&vec![0; 1 << 20])).unwrap_err();
    let start = Instant::now();
    drop(link);
    assert!(start.elapsed() < SECOND);
}

#[test]
fn a_send_that_the_phone_does_not_take_fails_after_the_stall_limit() {
    let (_phone, path) = line();
    let mut link = open(&path);
    let start = Instant::now();
    let e = run(link.send(&vec![0; 1 << 20])).unwrap_err();
    assert!(matches!(e, LinkError::Stalled(d) if d == STALL), "{e}");
    assert!(start.elapsed() >= STALL);
    assert!(start.elapsed() < STALL + Duration::from_secs(3));
}

#[test]
fn a_port_is_held_by_one_program_at_a_time() {
    let (mut phone, path) = line();
    let mut first = open(&path);
    let e = SerialLink::open(&path, OpenOptions::default()).unwrap_err();
    assert!(matches!(&e, LinkError::Busy(port) if Path::new(port) == path), "{e}");
    phone.write_all(b"still yours").unwrap();
    assert_eq!(recv(&mut first, 11, SECOND), b"still yours");
    drop(first);
    open(&path);
}

#[test]
fn a_port_that_becomes_free_meanwhile_is_taken() {
    let (_phone, path) = line();
    let first = open(&path);
    let holder = thread::spawn(move || {
        thread::sleep(Duration::from_millis(100));
        drop(first);
    });
    SerialLink::open(&path, OpenOptions { cancel: Cancel::new(), wait: Duration::from_secs(5) }).unwrap();
    holder.join().unwrap();
}

#[test]
fn a_port_that_never_appears_is_a_time_out() {
    let folder = tempfile::tempdir().unwrap();
    let wait = Duration::from_millis(150);
    let start = Instant::now();
    let e = SerialLink::open(folder.path().join("ttyACM9"), OpenOptions { cancel: Cancel::new(), wait })
        .unwrap_err();
    assert!(matches!(e, LinkError::Timeout(d) if d == wait), "{e}");
    assert!(start.elapsed() >= wait && start.elapsed() < wait + SECOND);
}

#[test]
fn a_port_that_appears_late_is_opened() {
    let folder = tempfile::tempdir().unwrap();
    let name = folder.path().join("ttyACM9");
    let (mut phone, path) = line();
    let link_name = name.clone();
    let plugger = thread::spawn(move || {
        thread::sleep(Duration::from_millis(120));
        std::os::unix::fs::symlink(path, link_name).unwrap();
    });
    let options = OpenOptions { cancel: Cancel::new(), wait: Duration::from_secs(10) };
    let mut link = SerialLink::open(&name, options).unwrap();
    plugger.join().unwrap();
    phone.write_all(b"READY").unwrap();
    assert_eq!(recv(&mut link, 5, SECOND), b"READY");
}

#[test]
fn a_wish_to_stop_ends_the_wait_for_a_port() {
    let folder = tempfile::tempdir().unwrap();
    ends_soon_after_a_wish_to_stop(|cancel| {
        let options = OpenOptions { cancel, wait: Duration::from_secs(60) };
        SerialLink::open(folder.path().join("ttyACM9"), options).unwrap_err()
    });
}

#[test]
fn something_that_is_no_serial_port_is_named_as_such() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("notes.txt");
    std::fs::write(&file, b"precious").unwrap();
    let start = Instant::now();
    let options = || OpenOptions { cancel: Cancel::new(), wait: Duration::from_secs(60) };
    let e = SerialLink::open(&file, options()).unwrap_err();
    assert!(e.to_string().contains("notes.txt: not a serial port"), "{e}");
    SerialLink::open(folder.path(), options()).unwrap_err();
    assert!(start.elapsed() < SECOND);
    assert_eq!(std::fs::read(&file).unwrap(), b"precious");
}

#[test]
fn a_port_without_permission_is_denied_by_name() {
    if rustix::process::geteuid().is_root() {
        println!("skipped: root may open everything");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ttyACM9");
    std::fs::write(&file, b"").unwrap();
    let none = std::os::unix::fs::PermissionsExt::from_mode(0o000);
    std::fs::set_permissions(&file, none).unwrap();
    let e = SerialLink::open(&file, OpenOptions::default()).unwrap_err();
    assert!(matches!(&e, LinkError::Denied(port) if Path::new(port) == file), "{e}");
}
