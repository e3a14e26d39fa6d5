//! A file in the place of `/dev/usbmon0`, and what becomes of it.

use std::fs;
use std::io::{self, Write};
use std::time::{Duration, Instant};

use bromide_capture::{About, Bytes, CaptureError, Entry, Playback, What};
use bromide_proto::link::Direction::{FromPhone, ToPhone};

use super::seen::{Seen, asked, sent, told};
use super::*;

const BOOT_ROM: (u16, u16) = (0x0e8d, 3);
const AGENT: (u16, u16) = (0x0e8d, 0x2001);
const KEYBOARD: (u16, u16) = (0x046d, 0xc31c);

/// A machine: its devices, and what usbmon tells.
struct Machine(tempfile::TempDir);

impl Machine {
    fn new() -> Self {
        let machine = Self(tempfile::tempdir().unwrap());
        fs::create_dir_all(machine.places().devices()).unwrap();
        fs::create_dir(machine.places().dev).unwrap();
        fs::write(machine.usbmon(), []).unwrap();
        machine
    }

    fn places(&self) -> Places {
        Places { sys: self.0.path().join("sys"), dev: self.0.path().join("dev") }
    }

    fn usbmon(&self) -> PathBuf {
        self.places().dev.join("usbmon0")
    }

    /// A device is on the list from now on.
    fn lists(&self, port: &str, address: u8, (vid, pid): (u16, u16)) {
        let folder = self.places().devices().join(port);
        let hidden = self.0.path().join("new");
        fs::create_dir_all(&hidden).unwrap();
        for (name, text) in [
            ("idVendor", format!("{vid:04x}")),
            ("idProduct", format!("{pid:04x}")),
            ("speed", "12".into()),
            ("busnum", "1".into()),
            ("devnum", address.to_string()),
        ] {
            fs::write(hidden.join(name), text + "\n").unwrap();
        }
        let _ = fs::remove_dir_all(&folder);
        fs::rename(hidden, folder).unwrap();
    }

    /// usbmon tells this.
    fn tells(&self, events: &[Seen]) {
        let bytes: Vec<u8> = events.iter().flat_map(Seen::bytes).collect();
        let mut file = fs::File::options().append(true).open(self.usbmon()).unwrap();
        file.write_all(&bytes).unwrap();
    }

    fn record<W: Write + Send + 'static>(&self, to: W) -> (Monitor<W>, WantedPort) {
        let port = WantedPort::default();
        let about = About::here("bromide 0.0.0");
        let options = MonitorOptions { places: self.places(), port: port.clone(), about };
        let from = Usbmon::open(&self.places()).unwrap();
        (Monitor::start(from, to, options).unwrap(), port)
    }
}

fn until(what: impl Fn() -> bool) {
    let begun = Instant::now();
    while !what() {
        assert!(begun.elapsed() < Duration::from_secs(20), "it never happens");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn heard(device: u8, id: u64, data: &[u8]) -> [Seen; 2] {
    let asked = Seen { length: 512, ..Seen::bulk(id, b'S', 0x81, device, &[]) };
    [asked, Seen::bulk(id, b'C', 0x81, device, data)]
}

/// Bytes each way, and openings by their product.
fn story(file: &[u8]) -> String {
    let word = |what| match what {
        What::Opened(seen) => format!("{:04x}", seen.pid),
        What::Closed => "gone".into(),
        What::Note(_) => "note".into(),
        What::Bytes(ToPhone, Bytes::Here(bytes)) => format!(">{bytes:02x?}"),
        What::Bytes(FromPhone, Bytes::Here(bytes)) => format!("<{bytes:02x?}"),
        What::Bytes(_, Bytes::Elsewhere(_)) => panic!(),
    };
    let words = Playback::new(file).unwrap().map(|entry| word(entry.unwrap().what));
    words.collect::<Vec<_>>().join(" ")
}

#[test]
fn a_phone_that_comes_and_changes_its_face_beside_a_keyboard_is_recorded_alone() {
    let machine = Machine::new();
    machine.lists("1-2", 4, KEYBOARD);
    let (mut monitor, port) = machine.record(Vec::new());
    machine.tells(&[asked(5), told(5, BOOT_ROM)]);
    machine.tells(&sent(4, 0x42));
    machine.tells(&sent(5, 0xa0));
    machine.lists("1-4", 5, BOOT_ROM);
    until(|| port.get().is_some());
    machine.tells(&heard(5, 7, &[0x5f]));
    let [asked_in_vain, ended] = heard(5, 8, &[]);
    machine.tells(&[asked_in_vain, Seen { status: -108, ..ended }]);
    machine.tells(&[asked(6), told(6, AGENT)]);
    machine.tells(&sent(6, 0x5a));
    machine.lists("1-4", 6, AGENT);
    machine.tells(&sent(4, 0x43));
    let (recorded, file) = monitor.finish();
    let file = file.unwrap();
    assert_eq!(story(&file), "note 0003 >[a0] <[5f] gone note 2001 >[5a]");
    assert!(!file.windows(2).any(|it| it == [0x42, 0x42] || it == KEYBOARD.0.to_le_bytes()));
    assert_eq!(port.get().as_deref(), Some("1-4"));
    let expected = Recorded { events: 12, bytes_to_phone: 2, bytes_from_phone: 1, truncated: 0, lost: 0 };
    assert_eq!(recorded, expected);
}

#[test]
fn a_phone_that_was_there_is_recorded_from_the_first_byte_on() {
    let machine = Machine::new();
    machine.lists("1-4", 5, BOOT_ROM);
    let (mut monitor, _) = machine.record(Vec::new());
    // Asked for before the recording.
    machine.tells(&heard(5, 1, b"R")[1..]);
    machine.tells(&sent(5, 0xa0));
    assert_eq!(monitor.trouble(), None);
    let (recorded, file) = monitor.finish();
    assert_eq!(story(&file.unwrap()), "note 0003 <[52] >[a0]");
    assert_eq!((recorded.events, recorded.lost), (3, 0));
}

#[test]
fn what_usbmon_has_cut_or_lost_is_counted_and_noted_where_it_happened() {
    let machine = Machine::new();
    machine.lists("1-4", 5, BOOT_ROM);
    let (mut monitor, _) = machine.record(Vec::new());
    machine.tells(&sent(5, 0xa0));
    let [asked, came] = heard(5, 7, &[1; 61_440]);
    let cut = Seen { length: 70_000, ..came };
    machine.tells(&[asked.clone(), asked, cut]);
    let (recorded, file) = monitor.finish();
    assert_eq!((recorded.truncated, recorded.lost, recorded.bytes_from_phone), (1, 1, 70_000));
    let file = file.unwrap();
    let mut all: Vec<_> = Playback::new(&file[..]).unwrap().collect();
    let end = all.pop().unwrap().unwrap_err();
    assert!(matches!(end, CaptureError::Truncated { held: 61_440, full: 70_000, .. }), "{end}");
    let note = |entry: Result<Entry, CaptureError>| match entry.unwrap().what {
        What::Note(text) => Some(text),
        _ => None,
    };
    let notes: Vec<_> = all.into_iter().filter_map(note).collect();
    assert!(notes[1].starts_with("at least 1 events before this one are missing"), "{notes:?}");
    assert!(notes[2].starts_with("usbmon kept 61440 of 70000 bytes"), "{notes:?}");
}

/// A disk with room for so many bytes.
struct Disk(usize);

impl Write for Disk {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(self.0);
        self.0 -= taken;
        if taken == 0 { Err(io::ErrorKind::StorageFull.into()) } else { Ok(taken) }
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_full_disk_ends_the_recording_and_is_told_once() {
    let machine = Machine::new();
    machine.lists("1-4", 5, BOOT_ROM);
    let (mut monitor, _) = machine.record(Disk(1000));
    let troubles = std::cell::RefCell::new(Vec::new());
    until(|| {
        machine.tells(&heard(5, 7, &[1; 512]));
        troubles.borrow_mut().extend(monitor.trouble());
        !troubles.borrow().is_empty()
    });
    assert!(troubles.borrow()[0].starts_with("the recording has ended"), "{troubles:?}");
    assert_eq!(monitor.trouble(), None);
    let (_, end) = monitor.finish();
    let Err(MonitorError::Write(e)) = end else { panic!() };
    assert_eq!(e.kind(), io::ErrorKind::StorageFull);
}

#[test]
fn what_is_no_usbmon_ends_the_recording() {
    let machine = Machine::new();
    fs::write(machine.usbmon(), [b'x'; 100]).unwrap();
    let (mut monitor, _) = machine.record(Vec::new());
    let (_, end) = monitor.finish();
    assert!(matches!(end, Err(MonitorError::Read(e)) if e.kind() == io::ErrorKind::InvalidData));
}

/// A file that its owner lets go of and still sees.
struct Watched(std::sync::mpsc::Sender<Vec<u8>>);

impl Write for Watched {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let _ = self.0.send(bytes.to_vec());
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn what_came_is_on_its_way_to_the_disk_within_a_second_in_whole_events() {
    let machine = Machine::new();
    machine.lists("1-4", 5, BOOT_ROM);
    let (to, pieces) = std::sync::mpsc::channel();
    let (monitor, _) = machine.record(Watched(to));
    machine.tells(&sent(5, 0xa0));
    let mut file = Vec::new();
    // The bound is many times the promise: other things run on this machine.
    while !file.ends_with(&[&sent(5, 0xa0)[1].bytes()[36..], &[80, 0, 0, 0]].concat()) {
        file.extend(pieces.recv_timeout(Duration::from_secs(20)).unwrap());
        assert!(Playback::new(&file[..]).unwrap().all(|entry| entry.is_ok()), "a torn event");
    }
    drop(monitor);
    // Dropped, it ends by itself.
    assert!(pieces.recv_timeout(Duration::from_secs(20)).is_err());
}

#[test]
fn a_machine_without_usbmon_and_a_user_without_rights_are_told_apart() {
    let machine = Machine::new();
    fs::remove_file(machine.usbmon()).unwrap();
    let missing = Usbmon::open(&machine.places()).unwrap_err();
    assert!(matches!(&missing, UsbmonError::Missing(path) if *path == machine.usbmon()), "{missing}");
    if rustix::process::geteuid().is_root() {
        println!("skipped: nothing is forbidden to root");
        return;
    }
    fs::write(machine.usbmon(), []).unwrap();
    fs::set_permissions(machine.usbmon(), std::os::unix::fs::PermissionsExt::from_mode(0o000)).unwrap();
    assert!(matches!(Usbmon::open(&machine.places()), Err(UsbmonError::Denied(_))));
}
