//! What usbmon told, written as it came, is read back and understood by tshark.

use std::io::{self, Write};
use std::process::Command;
use std::time::Duration;

use bromide_capture::{About, Bytes, CaptureError, Monitored, Playback, UsbmonEvent, What};
use bromide_proto::link::Direction::{FromPhone, ToPhone};

const BOOT_ROM: [u8; 18] = [18, 1, 0, 2, 2, 0, 0, 64, 0x8d, 0x0e, 3, 0, 0, 1, 0, 0, 0, 1];

/// An event of device 5 on bus 3 as `/dev/usbmon0` gives it, of so many bytes, with these.
fn event(id: u64, step: u8, endpoint: u8, length: u32, data: &[u8]) -> UsbmonEvent {
    let mut bytes = id.to_ne_bytes().to_vec();
    bytes.extend([step, 3, endpoint, 5]);
    bytes.extend(3u16.to_ne_bytes());
    let carries = (step == b'S') == (endpoint < 0x80);
    bytes.extend([b'-', if carries && length > 0 { 0 } else { b'<' }]);
    bytes.extend(1_700_000_000u64.to_ne_bytes());
    bytes.extend(u32::try_from(id).unwrap().to_ne_bytes());
    bytes.extend(0i32.to_ne_bytes());
    bytes.extend(length.to_ne_bytes());
    bytes.extend(u32::try_from(data.len()).unwrap().to_ne_bytes());
    bytes.extend([0; 8]);
    bytes.extend(data);
    UsbmonEvent::first_of(&bytes).unwrap().unwrap().0
}

/// A start sequence's first byte, and 70 KB of which usbmon kept 60.
fn events() -> Vec<(UsbmonEvent, Option<&'static str>)> {
    let at = Duration::new(1_700_000_000, 0);
    let [asked, told] = UsbmonEvent::described(3, 5, at, 0, &BOOT_ROM);
    vec![
        (asked, None),
        (told, Some("made up")),
        (event(1, b'S', 0x01, 1, &[0xa0]), None),
        (event(2, b'S', 0x81, 512, &[]), None),
        (event(1, b'C', 0x01, 1, &[]), None),
        (event(2, b'C', 0x81, 1, &[0x5f]), None),
        (event(3, b'C', 0x81, 70_000, &vec![7; 61_440]), Some("cut")),
    ]
}

fn file() -> Vec<u8> {
    let mut to = Monitored::new(Vec::new(), &About::here("bromide 0.0.0")).unwrap();
    for (event, note) in events() {
        to.event(&event, note).unwrap();
    }
    to.into_inner()
}

#[test]
fn what_was_seen_is_played_back_up_to_the_transfer_that_was_cut() {
    let file = file();
    let mut all: Vec<_> = Playback::new(&file[..]).unwrap().collect();
    let cut = all.pop().unwrap().unwrap_err();
    assert!(matches!(cut, CaptureError::Truncated { frame: 7, held: 61_440, full: 70_000 }), "{cut}");
    let all: Vec<_> = all.into_iter().map(|entry| entry.unwrap().what).collect();
    assert_eq!(all[0], What::Note("made up".into()));
    assert!(matches!(&all[1], What::Opened(seen) if (seen.vid, seen.pid) == (0x0e8d, 3)), "{all:?}");
    let bytes = |direction, byte| What::Bytes(direction, Bytes::Here(vec![byte]));
    assert_eq!(all[2..], [bytes(ToPhone, 0xa0), bytes(FromPhone, 0x5f), What::Note("cut".into())]);
}

#[test]
fn a_file_that_is_cut_anywhere_gives_what_is_whole() {
    let file = file();
    let whole: Vec<_> = Playback::new(&file[..]).unwrap().filter_map(Result::ok).collect();
    for cut in (0..file.len() - 62_000).chain([file.len() - 1]) {
        let Ok(playback) = Playback::new(&file[..cut]) else { continue };
        let came: Vec<_> = playback.filter_map(Result::ok).collect();
        assert_eq!(came, whole[..came.len()], "{cut}");
    }
}

/// A disk with room for so many bytes, which takes a few at a time.
struct Disk(usize);

impl Write for Disk {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(self.0).min(100);
        self.0 -= taken;
        if taken == 0 { Err(io::ErrorKind::StorageFull.into()) } else { Ok(taken) }
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn nothing_is_written_behind_a_failure() {
    let mut to = Monitored::new(Disk(600), &About::here("bromide 0.0.0")).unwrap();
    let (first, _) = &events()[0];
    let failed = (0..100).find_map(|_| to.event(first, None).err()).unwrap();
    assert_eq!(failed.kind(), io::ErrorKind::StorageFull);
    assert!(to.event(first, None).is_err());
}

#[test]
fn tshark_finds_no_malformed_frame_the_ids_the_notes_and_the_true_lengths() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("seen.pcapng");
    std::fs::write(&path, file()).unwrap();
    let mut tshark = Command::new("tshark");
    tshark.arg("-r").arg(path).args(["-T", "fields", "-E", "separator=,"]);
    for field in ["_ws.malformed", "usb.idProduct", "frame.len", "frame.cap_len", "frame.comment"] {
        tshark.args(["-e", field]);
    }
    let Ok(out) = tshark.output() else {
        println!("skipped: no tshark here");
        return;
    };
    assert!(out.status.success(), "{out:?}");
    let text = String::from_utf8(out.stdout).unwrap();
    let rows = [
        ",,48,48,",
        ",0x0003,66,66,bromide: note made up",
        ",,49,49,",
        ",,48,48,",
        ",,48,48,",
        ",,49,49,",
        ",,70048,61488,bromide: note cut",
    ];
    assert_eq!(text.lines().collect::<Vec<_>>(), rows);
}
