//! Captures of other tools, by usbmon and USBPcap, in pcapng and pcap, of either byte order.

use std::time::Duration;

use bromide_capture::{Bytes, CaptureError, Playback, What};
use bromide_proto::bus::Face;
use bromide_proto::link::Direction::{self, FromPhone, ToPhone};

const USB_LINUX: u32 = 189;
const USB_LINUX_MMAPPED: u32 = 220;
const USBPCAP: u32 = 249;

/// One event, as a test writes it down.
#[derive(Clone)]
struct Event {
    step: u8,
    /// 1 interrupt, 2 control, 3 bulk.
    kind: u8,
    endpoint: u8,
    device: (u16, u8),
    status: i32,
    /// Bytes on the cable, where not as many as there are.
    length: Option<u32>,
    data: Vec<u8>,
}

fn event(step: u8, kind: u8, endpoint: u8, device: u8, data: &[u8]) -> Event {
    Event { step, kind, endpoint, device: (3, device), status: 0, length: None, data: data.to_vec() }
}

fn sent(device: u8, data: &[u8]) -> [Event; 2] {
    let done = Event { length: Some(data.len() as u32), ..event(b'C', 3, 2, device, &[]) };
    [event(b'S', 3, 2, device, data), done]
}

fn heard(device: u8, data: &[u8]) -> [Event; 2] {
    let asked = Event { length: Some(512), ..event(b'S', 3, 0x83, device, &[]) };
    [asked, event(b'C', 3, 0x83, device, data)]
}

fn described(device: u8, vid: u16, pid: u16) -> [Event; 2] {
    let ([v0, v1], [p0, p1]) = (vid.to_le_bytes(), pid.to_le_bytes());
    let descriptor = [18, 1, 0, 2, 2, 0, 0, 64, v0, v1, p0, p1, 0, 1, 0, 0, 0, 1];
    [
        Event { length: Some(18), ..event(b'S', 2, 0x80, device, &[]) },
        event(b'C', 2, 0x80, device, &descriptor),
    ]
}

/// Numbers of a file in its byte order.
#[derive(Clone, Copy)]
struct Numbers {
    big: bool,
}

impl Numbers {
    fn put<const N: usize>(self, little: [u8; N]) -> [u8; N] {
        let mut bytes = little;
        if self.big {
            bytes.reverse();
        }
        bytes
    }
    fn u16(self, value: u16) -> [u8; 2] {
        self.put(value.to_le_bytes())
    }
    fn u32(self, value: u32) -> [u8; 4] {
        self.put(value.to_le_bytes())
    }
    fn u64(self, value: u64) -> [u8; 8] {
        self.put(value.to_le_bytes())
    }
}

/// `struct usbmon_packet`: the fields of `Documentation/usb/usbmon.rst` in their order.
fn usbmon(event: &Event, header: usize, n: Numbers) -> Vec<u8> {
    let mut packet = n.u64(0xffff_8800_1234_5678).to_vec();
    packet.extend([event.step, event.kind, event.endpoint, event.device.1]);
    packet.extend(n.u16(event.device.0));
    packet.extend([b'-', if event.data.is_empty() { b'<' } else { 0 }]);
    packet.extend(n.u64(1_700_000_000));
    packet.extend(n.u32(5));
    packet.extend(n.u32(event.status.cast_unsigned()));
    packet.extend(n.u32(event.length.unwrap_or(event.data.len() as u32)));
    packet.extend(n.u32(event.data.len() as u32));
    packet.extend([0; 8]);
    packet.resize(header, 0);
    packet.extend(&event.data);
    packet
}

/// `USBPCAP_BUFFER_PACKET_HEADER`, and the stage of a control transfer.
fn usbpcap(event: &Event) -> Vec<u8> {
    let control = event.kind == 2;
    let completed = event.step == b'C';
    // GET_DESCRIPTOR(device) is in the place of data.
    let data = if control && !completed { &[0x80, 6, 0, 1, 0, 0, 18, 0] } else { &event.data[..] };
    let mut packet = vec![27 + u8::from(control), 0];
    packet.extend(7u64.to_le_bytes());
    packet.extend(event.status.cast_unsigned().to_le_bytes());
    packet.extend(9u16.to_le_bytes());
    packet.push(completed.into());
    packet.extend(event.device.0.to_le_bytes());
    packet.extend(u16::from(event.device.1).to_le_bytes());
    packet.extend([event.endpoint, event.kind]);
    packet.extend((data.len() as u32).to_le_bytes());
    if control {
        packet.push(if completed { 3 } else { 0 });
    }
    packet.extend(data);
    packet
}

fn packet(event: &Event, link: u32, n: Numbers) -> Vec<u8> {
    match link {
        USB_LINUX => usbmon(event, 48, n),
        USB_LINUX_MMAPPED => usbmon(event, 64, n),
        _ => usbpcap(event),
    }
}

/// Packet `i` is at 1700000000 s + `i` ms.
fn pcap(events: &[Event], link: u32, n: Numbers, nano: bool) -> Vec<u8> {
    let mut file = n.u32(if nano { 0xa1b2_3c4d } else { 0xa1b2_c3d4 }).to_vec();
    file.extend([n.u16(2), n.u16(4)].concat());
    file.extend([n.u32(0), n.u32(0), n.u32(262_144), n.u32(link)].concat());
    for (i, event) in events.iter().enumerate() {
        let data = packet(event, link, n);
        let length = n.u32(data.len() as u32);
        let parts = i as u32 * if nano { 1_000_000 } else { 1000 };
        file.extend([n.u32(1_700_000_000), n.u32(parts), length, length].concat());
        file.extend(data);
    }
    file
}

fn block(kind: u32, body: &[u8], n: Numbers) -> Vec<u8> {
    let body = [body, &vec![0; body.len().next_multiple_of(4) - body.len()]].concat();
    let length = n.u32(body.len() as u32 + 12);
    [&n.u32(kind), &length, &body[..], &length].concat()
}

fn section(link: u32, n: Numbers) -> Vec<u8> {
    let head = [&n.u32(0x1a2b_3c4d)[..], &n.u16(1), &n.u16(0), &[0xff; 8]].concat();
    // Microseconds, which needs no option.
    let interface = [&n.u16(link as u16)[..], &[0; 2], &n.u32(0)].concat();
    [block(0x0a0d_0d0a, &head, n), block(1, &interface, n)].concat()
}

fn pcapng(events: &[Event], link: u32, n: Numbers) -> Vec<u8> {
    let mut file = section(link, n);
    for (i, event) in events.iter().enumerate() {
        let data = packet(event, link, n);
        let stamp = 1_700_000_000_000_000u64 + i as u64 * 1000;
        let length = n.u32(data.len() as u32);
        let fields = [n.u32(0), n.u32((stamp >> 32) as u32), n.u32(stamp as u32), length, length].concat();
        file.extend(block(6, &[fields, data].concat(), n));
        // Interface statistics, name resolution, a block of a vendor: nothing to this reader.
        file.extend(block([5, 4, 0x0bad][i % 3], &[0; 20], n));
    }
    file
}

fn play(file: &[u8]) -> Vec<What> {
    Playback::new(file).unwrap().map(|entry| entry.unwrap().what).collect()
}

/// Faces by ids, `>` and `<` with the bytes in hexadecimal, `gone`.
fn story(file: &[u8]) -> String {
    let words = play(file).into_iter().map(|what| match what {
        What::Opened(seen) => format!("{:04x}:{:04x} at {}", seen.vid, seen.pid, seen.port),
        What::Closed => "gone".into(),
        What::Note(text) => format!("\"{text}\""),
        What::Bytes(direction, Bytes::Here(bytes)) => {
            let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            format!("{}{hex}", if direction == Direction::ToPhone { ">" } else { "<" })
        }
        What::Bytes(_, Bytes::Elsewhere(piece)) => format!("{piece:?}"),
    });
    words.collect::<Vec<_>>().join(" ")
}

/// A mouse, a disk and a phone on one bus; the phone talks, leaves, and returns with another face.
fn evening() -> Vec<Event> {
    let mut events = Vec::new();
    events.extend(described(1, 0x1d6b, 2));
    events.extend(described(4, 0x0781, 0x5567));
    events.extend(heard(4, &[9; 31]));
    // At address 0 it is not itself yet.
    events.extend(described(0, 0x0e8d, 3));
    events.extend(described(5, 0x0e8d, 3));
    events.push(event(b'C', 1, 0x81, 5, &[1; 10]));
    events.extend(sent(5, &[0xa0]));
    events.extend(heard(5, &[0x5f]));
    events.extend(sent(4, &[8; 31]));
    events.extend(heard(5, &[]));
    events.extend(sent(5, &[0x0a, 0x50]));
    events.push(Event { status: -108, ..event(b'C', 3, 0x83, 5, &[]) });
    events.extend(described(6, 0x0e8d, 0x2001));
    events.extend(heard(6, &[0xc0]));
    events
}

const EVENING: &str = "0e8d:0003 at bus 3, device 5 >a0 <5f >0a50 gone 0e8d:2001 at bus 3, device 6 <c0";

#[test]
fn the_phone_among_other_devices_is_found_in_every_format() {
    for big in [false, true] {
        let n = Numbers { big };
        for link in [USB_LINUX, USB_LINUX_MMAPPED] {
            assert_eq!(story(&pcap(&evening(), link, n, false)), EVENING, "{link} {big}");
            assert_eq!(story(&pcap(&evening(), link, n, true)), EVENING, "{link} {big}");
            assert_eq!(story(&pcapng(&evening(), link, n)), EVENING, "{link} {big}");
        }
    }
    let mut events = evening();
    // What Windows says of a device that left.
    events.iter_mut().filter(|it| it.status != 0).for_each(|it| it.status = 0xc000_7000_u32.cast_signed());
    assert_eq!(story(&pcap(&events, USBPCAP, Numbers { big: false }, false)), EVENING);
    assert_eq!(story(&pcapng(&events, USBPCAP, Numbers { big: false })), EVENING);
}

#[test]
fn times_and_frames_are_those_of_the_file() {
    let n = Numbers { big: true };
    for file in [
        pcap(&evening(), USB_LINUX, n, false),
        pcap(&evening(), USB_LINUX, n, true),
        pcapng(&evening(), USB_LINUX, n),
    ] {
        let all: Vec<_> = Playback::new(&file[..]).unwrap().map(|entry| entry.unwrap()).collect();
        for entry in &all {
            let since = Duration::from_millis(entry.frame - 1);
            assert_eq!(entry.at, Duration::from_secs(1_700_000_000) + since);
        }
        assert_eq!(all[0].frame, 12);
    }
}

#[test]
fn a_phone_that_is_replaced_without_a_word_has_left() {
    let mut events = Vec::new();
    events.extend(described(5, 0x0e8d, 0x2000));
    events.extend(sent(5, &[0xa0]));
    // Somebody lists all devices: nothing has happened.
    events.extend(described(5, 0x0e8d, 0x2000));
    events.extend(heard(5, &[0x5f]));
    events.extend(described(6, 0x0e8d, 0x2001));
    events.extend(sent(6, &[0x5a]));
    let file = pcap(&events, USB_LINUX_MMAPPED, Numbers { big: false }, false);
    let story = story(&file);
    assert_eq!(story, "0e8d:2000 at bus 3, device 5 >a0 <5f gone 0e8d:2001 at bus 3, device 6 >5a");
}

#[test]
fn a_phone_that_runs_its_own_system_is_passed_over() {
    let mut events = Vec::new();
    events.extend(described(5, 0x0bb4, 0x0c03));
    events.extend(sent(5, b"CNXN"));
    events.extend(described(6, 0x0e8d, 0x0003));
    events.extend(sent(6, &[0xa0]));
    let opened = play(&pcap(&events, USB_LINUX, Numbers { big: false }, false));
    assert!(matches!(&opened[0], What::Opened(seen) if seen.face == Face::BootRom), "{opened:?}");
    assert_eq!(opened.len(), 2);
}

#[test]
fn the_first_pair_of_endpoints_with_bytes_is_the_conversation() {
    let mut events = Vec::new();
    events.extend(described(5, 0x0e8d, 0x2000));
    // Asked, but never answered.
    events.push(Event { length: Some(512), ..event(b'S', 3, 0x85, 5, &[]) });
    events.extend(sent(5, &[1]));
    events.push(event(b'S', 3, 4, 5, &[2]));
    events.extend(heard(5, &[3]));
    events.push(event(b'C', 3, 0x85, 5, &[4]));
    let file = pcap(&events, USB_LINUX, Numbers { big: false }, false);
    assert_eq!(story(&file), "0e8d:2000 at bus 3, device 5 >01 <03");
}

#[test]
fn a_shortened_packet_is_an_error_that_names_its_frame_where_its_bytes_are_needed() {
    let mut events = evening();
    // The disk's bytes are of no interest.
    events[5].length = Some(4096);
    let file = pcap(&events, USB_LINUX_MMAPPED, Numbers { big: false }, false);
    assert_eq!(story(&file), EVENING);
    let phones = events.iter().position(|it| it.data == [0x5f]).unwrap();
    events[phones].length = Some(64);
    let file = pcap(&events, USB_LINUX_MMAPPED, Numbers { big: false }, false);
    let mut all: Vec<_> = Playback::new(&file[..]).unwrap().collect();
    let error = all.pop().unwrap().unwrap_err();
    let frame = phones as u64 + 1;
    assert!(
        matches!(error, CaptureError::Truncated { frame: f, held: 1, full: 64 } if f == frame),
        "{error:?}"
    );
    assert!(all.iter().all(Result::is_ok));
}

#[test]
fn old_and_simple_packet_blocks_are_read() {
    for big in [false, true] {
        let n = Numbers { big };
        let mut file = section(USB_LINUX, n);
        for event in described(5, 0x0e8d, 3).iter().chain(&sent(5, &[0xa0, 0xa1, 0xa2])) {
            let data = usbmon(event, 48, n);
            let length = n.u32(data.len() as u32);
            file.extend(if event.kind == 2 {
                let stamp = 1_700_000_000_000_000u64;
                let fields = [&n.u16(0)[..], &n.u16(7), &n.u32((stamp >> 32) as u32), &n.u32(stamp as u32)];
                block(2, &[&fields.concat()[..], &length, &length, &data].concat(), n)
            } else {
                block(3, &[&length[..], &data].concat(), n)
            });
        }
        assert_eq!(story(&file), "0e8d:0003 at bus 3, device 5 >a0a1a2", "{big}");
    }
}

#[test]
fn a_file_of_two_sections_in_two_byte_orders_is_read_through() {
    let (little, big) = (Numbers { big: false }, Numbers { big: true });
    let (first, second) = evening().split_at_checked(12).map(|(a, b)| (a.to_vec(), b.to_vec())).unwrap();
    let file = [pcapng(&first, USB_LINUX, little), pcapng(&second, USB_LINUX_MMAPPED, big)].concat();
    assert_eq!(story(&file), EVENING);
}

#[test]
fn what_holds_no_usb_says_so() {
    let mut ethernet = pcap(&evening(), USB_LINUX, Numbers { big: false }, false);
    ethernet[20] = 1;
    let error = Playback::new(&ethernet[..]).unwrap().next().unwrap().unwrap_err();
    assert!(matches!(error, CaptureError::NoUsb(1)), "{error:?}");
    for other in [&b"PK\x03\x04 and so on"[..], b"", b"abc"] {
        assert!(matches!(Playback::new(other), Err(CaptureError::NotACapture)), "{other:?}");
    }
}

#[test]
fn a_classic_file_cut_anywhere_gives_what_is_whole() {
    let file = pcap(&evening(), USB_LINUX, Numbers { big: false }, false);
    let whole = play(&file);
    let mut ends = vec![24];
    while let Some(length) = file.get(ends[ends.len() - 1] + 8..).and_then(|rest| rest.first_chunk()) {
        ends.push(ends[ends.len() - 1] + 16 + u32::from_le_bytes(*length) as usize);
    }
    assert_eq!(ends.len(), evening().len() + 1);
    for cut in 24..file.len() {
        let mut came: Vec<_> = Playback::new(&file[..cut]).unwrap().collect();
        let cut_off = came.pop_if(|last| matches!(last, Err(CaptureError::Cut { .. })));
        let came: Vec<_> = came.into_iter().map(|entry| entry.unwrap().what).collect();
        assert_eq!(came, whole[..came.len()]);
        assert_eq!(cut_off.is_none(), ends.contains(&cut), "{cut}");
    }
}

/// Address, endpoint and bytes of all bulk transfers, as tshark sees them.
fn tshark(file: &[u8]) -> Option<String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("capture");
    std::fs::write(&path, file).unwrap();
    let mut tshark = std::process::Command::new("tshark");
    tshark.arg("-r").arg(path).args([
        "-T",
        "fields",
        "-Y",
        "(usb.transfer_type == 3 && usb.capdata) || _ws.malformed",
    ]);
    for field in ["usb.device_address", "usb.endpoint_address", "usb.capdata"] {
        tshark.args(["-e", field]);
    }
    let Ok(out) = tshark.output() else {
        println!("skipped: no tshark here");
        return None;
    };
    assert!(out.status.success(), "{out:?}");
    Some(String::from_utf8(out.stdout).unwrap().replace('\t', " ").replace('\n', "; "))
}

#[test]
fn tshark_finds_the_same_bytes_in_these_captures() {
    let mut events = evening();
    // It would take the disk's for commands.
    events.retain(|event| event.device.1 != 4 && event.kind != 1);
    let wanted = "5 0x02 a0; 5 0x83 5f; 5 0x02 0a50; 6 0x83 c0; ";
    for (link, big) in [
        (USB_LINUX, false),
        (USB_LINUX, true),
        (USB_LINUX_MMAPPED, false),
        (USB_LINUX_MMAPPED, true),
        (USBPCAP, false),
    ] {
        for file in [pcap(&events, link, Numbers { big }, true), pcapng(&events, link, Numbers { big })] {
            let Some(seen) = tshark(&file) else { return };
            assert_eq!(seen, wanted, "{link} {big}");
        }
    }
}

#[test]
fn impossible_lengths_end_in_an_error_before_memory_does() {
    let n = Numbers { big: false };
    for length in [0, 4, 11, 13, 0xffff_fffc_u32] {
        let mut file = section(USB_LINUX, n);
        file.extend([n.u32(6), n.u32(length)].concat());
        file.resize(file.len() + 100, 0xee);
        let error = Playback::new(&file[..]).unwrap().next().unwrap().unwrap_err();
        assert!(matches!(error, CaptureError::Damaged { .. }), "{length}: {error:?}");
    }
    let mut file = pcap(&[], USB_LINUX, n, false);
    file.extend([n.u32(0), n.u32(0), n.u32(u32::MAX), n.u32(u32::MAX)].concat());
    let error = Playback::new(&file[..]).unwrap().next().unwrap().unwrap_err();
    assert!(matches!(error, CaptureError::Damaged { .. }), "{error:?}");
}

#[test]
fn directions_are_those_of_the_host() {
    let played = play(&pcap(&evening(), USB_LINUX, Numbers { big: false }, false));
    assert_eq!(played[1], What::Bytes(ToPhone, Bytes::Here(vec![0xa0])));
    assert_eq!(played[2], What::Bytes(FromPhone, Bytes::Here(vec![0x5f])));
}
