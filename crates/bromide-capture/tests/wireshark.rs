//! tshark and capinfos read what is recorded, and see the same.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use bromide_capture::{About, Piece, Playback, Recording};
use bromide_proto::bus::{BusSpeed, Face, Sighting};
use bromide_proto::link::Direction::{FromPhone, ToPhone};

/// `None`, with a word about it, where the program is not installed.
fn program(name: &str) -> Option<Command> {
    let there = Command::new(name).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    if there.is_err() {
        println!("skipped: no {name} here");
    }
    there.ok().map(|_| Command::new(name))
}

fn say(command: &mut Command) -> String {
    let out = command.output().unwrap();
    assert!(out.status.success(), "{out:?}");
    String::from_utf8(out.stdout).unwrap()
}

fn fields(file: &Path, filter: &str, names: &[&str]) -> Option<Vec<Vec<String>>> {
    let mut tshark = program("tshark")?;
    tshark.args(["-r".as_ref(), file.as_os_str()]).args(["-Y", filter, "-T", "fields"]);
    for name in names {
        tshark.args(["-e", name]);
    }
    let text = say(&mut tshark);
    Some(text.lines().map(|line| line.split('\t').map(str::to_owned).collect()).collect())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A phone in two faces: a start sequence, a packet of pages kept elsewhere, one kept here, notes.
fn recorded(file: &Path) -> (Vec<u8>, Vec<u8>) {
    let mut to = Recording::new(std::fs::File::create(file).unwrap(), &About::here("bromide 0.0.0")).unwrap();
    let at = |ms: u64| Duration::from_secs(1_700_000_000) + Duration::from_micros(ms * 1000 + 123);
    let seen = |face, pid, speed| Sighting { face, vid: 0x0e8d, pid, port: "1-4.2".into(), speed };
    let pages: Vec<u8> = (0..100_000u32).map(|i| (i * 13 + i / 256) as u8).collect();
    let kept = Piece { file: "a b/sys\"tem.img".into(), at: 7, len: 135_168, crc32: 0x89ab_cdef };
    to.note(at(0), "before any phone").unwrap();
    to.opened(at(1), &seen(Face::BootRom, 3, BusSpeed::Full)).unwrap();
    to.bytes(at(2), ToPhone, &[0xa0]).unwrap();
    to.bytes(at(3), FromPhone, &[0x5f]).unwrap();
    to.closed(at(4)).unwrap();
    to.opened(at(5), &seen(Face::Agent, 0x2001, BusSpeed::High)).unwrap();
    to.piece(at(6), FromPhone, &kept).unwrap();
    to.bytes(at(7), ToPhone, &[0x5a]).unwrap();
    to.bytes(at(8), FromPhone, &pages).unwrap();
    to.note(at(9), "a ☎ note").unwrap();
    to.closed(at(10)).unwrap();
    (vec![0xa0, 0x5a], [&[0x5f][..], &pages].concat())
}

#[test]
fn tshark_finds_no_malformed_frame_and_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("session.pcapng");
    let (sent, heard) = recorded(&file);
    let Some(bad) = fields(&file, "_ws.malformed", &["frame.number"]) else { return };
    assert_eq!(bad, Vec::<Vec<String>>::new());
    let data = |filter| {
        let rows = fields(&file, filter, &["usb.capdata"]).unwrap();
        rows.into_iter().flatten().collect::<String>().replace(':', "")
    };
    assert_eq!(data("usb.endpoint_address == 0x01 && usb.urb_type == 'S'"), hex(&sent));
    assert_eq!(data("usb.endpoint_address == 0x81 && usb.urb_type == 'C'"), hex(&heard));
}

#[test]
fn tshark_knows_the_phones_their_class_and_their_times() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("session.pcapng");
    recorded(&file);
    let Some(ids) = fields(&file, "usb.idProduct", &["usb.device_address", "usb.idVendor", "usb.idProduct"])
    else {
        return;
    };
    assert_eq!(ids, [["1", "0x0e8d", "0x0003"], ["2", "0x0e8d", "0x2001"]]);
    let class =
        fields(&file, "usb.bEndpointAddress", &["usb.bInterfaceClass", "usb.bEndpointAddress"]).unwrap();
    assert_eq!(class.len(), 2);
    assert_eq!(class[0][0], "0x0a");
    assert_eq!(class[0][1], "0x81,0x01");
    let of_data = fields(&file, "usb.capdata", &["usb.bInterfaceClass"]).unwrap();
    assert!(
        of_data.iter().all(|row| row[0] == "0x0a"),
        "the endpoints are known by their class: {of_data:?}"
    );
    let first = fields(&file, "frame.number == 2", &["frame.time_epoch", "usb.setup.bRequest"]).unwrap();
    assert_eq!(first, [["1700000000.001123000", "6"]]);
}

#[test]
fn tshark_shows_remarks_and_true_lengths() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("session.pcapng");
    recorded(&file);
    let kept = "frame.comment contains \"bromide: kept\"";
    let names = ["frame.len", "frame.cap_len", "usb.urb_len", "frame.comment"];
    let Some(rows) = fields(&file, kept, &names) else { return };
    // tshark escapes the backslash of its own accord.
    let comment = rows[0][3].replace("\\\\", "\\").replace("\\\"", "\"");
    assert_eq!(rows[0][..3], ["135232", "64", "135168"]);
    assert!(comment.contains("at=7 len=135168 crc32=89abcdef"), "{comment}");
    let all = fields(&file, "frame.comment", &["frame.comment"]).unwrap().concat();
    assert_eq!(all.first().map(String::as_str), Some("bromide: note before any phone"));
    assert!(all.contains(&"bromide: note a ☎ note".to_owned()), "{all:?}");
    assert_eq!(all.iter().filter(|text| *text == "bromide: closed").count(), 2);
}

#[test]
fn capinfos_counts_as_many_packets() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("session.pcapng");
    recorded(&file);
    let Some(mut capinfos) = program("capinfos") else { return };
    let text = say(capinfos.args(["-T", "-r", "-M", "-c", "-E", "-I"]).arg(&file));
    let columns: Vec<_> = text.trim_end().split('\t').collect();
    let last = Playback::new(std::fs::File::open(&file).unwrap()).unwrap().last().unwrap().unwrap();
    assert_eq!(columns[1], "usb-linux-mmap", "{text}");
    // The recording ends with a remark of its own packet.
    assert_eq!(columns[2], last.frame.to_string(), "{text}");
}

#[test]
fn a_copy_by_editcap_reads_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("session.pcapng");
    recorded(&file);
    let copy = folder.path().join("copy.pcapng");
    let Some(mut editcap) = program("editcap") else { return };
    say(editcap.args([&file, &copy]));
    let read = |path| {
        let playback = Playback::new(std::fs::File::open(path).unwrap()).unwrap();
        playback.map(|entry| entry.unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(read(&copy), read(&file));
}
