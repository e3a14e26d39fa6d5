//! Captures of other programs: usbmon with the short header, USBPcap, and captures without descriptors.
//!
//! Written here by hand after the formats' documentation: Linux `Documentation/usb/usbmon.rst` (48-byte header,
//! link type 189), the USBPcap capture format (link type 249), and classic pcap.

use std::path::Path;

use bromide_phone::Boot;
use bromide_proto::agent_format::Format;
use bromide_proto::link::Direction;

use crate::jobs::{Job, run_job};
use crate::said::Said;
use crate::tshark::{Sheet, there};

/// How a capture is laid out, and what it knows of the device.
#[derive(Debug, Clone, Copy)]
struct Manner {
    link_type: u32,
    /// Vendor and product id of a device descriptor at the beginning.
    ids: Option<(u16, u16)>,
}

/// CDC data, as a modem has it too.
const CONFIGURATION: &[u8] = &[
    9, 2, 32, 0, 1, 1, 0, 0xc0, 0xfa, 9, 4, 0, 0, 2, 0x0a, 0, 0, 0, 7, 5, 1, 2, 0, 2, 0, 7, 5, 0x81, 2, 0, 2,
    0,
];
const INTERRUPT: u8 = 1;
const BULK: u8 = 3;
const CONTROL: u8 = 2;

/// One transfer of device 5 on bus 3.
struct Transfer<'a> {
    kind: u8,
    transfer: u8,
    endpoint: u8,
    setup: Option<[u8; 8]>,
    data: &'a [u8],
}

impl Transfer<'_> {
    fn usbmon(&self, at: u32) -> Vec<u8> {
        let mut out = u64::from(at / 2).to_le_bytes().to_vec();
        let no_data = if self.endpoint >= 0x80 { b'<' } else { b'>' };
        out.extend([self.kind, self.transfer, self.endpoint, 5, 3, 0]);
        out.push(if self.setup.is_some() { 0 } else { b'-' });
        out.push(if self.data.is_empty() { no_data } else { 0 });
        out.extend(i64::from(at).to_le_bytes());
        out.extend([0; 8]); // microseconds, status
        let length = self.data.len() as u32;
        out.extend([length.to_le_bytes(), length.to_le_bytes()].concat());
        out.extend(self.setup.unwrap_or_default());
        out.extend(self.data);
        out
    }

    fn usbpcap(&self, at: u32) -> Vec<u8> {
        let control = self.transfer == CONTROL;
        let setup = self.setup.filter(|_| self.kind == b'S').map_or(Vec::new(), Vec::from);
        let mut out = vec![if control { 28 } else { 27 }, 0];
        out.extend(u64::from(at / 2 + 1).to_le_bytes());
        out.extend([0; 4]); // status
        out.extend([if control { 8 } else { 9 }, 0]); // URB function: control transfer, or bulk
        out.push(u8::from(self.kind == b'C'));
        out.extend([3, 0, 5, 0, self.endpoint, self.transfer]);
        out.extend((self.data.len() as u32 + setup.len() as u32).to_le_bytes());
        if control {
            out.push(if self.kind == b'C' { 3 } else { 0 });
        }
        out.extend(setup);
        out.extend(self.data);
        out
    }
}

fn transfers(said: &[Said], manner: Manner) -> Vec<Vec<u8>> {
    let mut out = Vec::new();
    let mut add = |kind, transfer, endpoint, setup, data: &[u8]| {
        let it = Transfer { kind, transfer, endpoint, setup, data };
        let at = out.len() as u32;
        out.push(if manner.link_type == 249 { it.usbpcap(at) } else { it.usbmon(at) });
    };
    if let Some((vid, pid)) = manner.ids {
        let mut device = vec![18, 1, 0, 2, 2, 0, 0, 64];
        device.extend([vid.to_le_bytes(), pid.to_le_bytes(), [0, 1]].concat());
        device.extend([0, 0, 0, 1]);
        add(b'S', CONTROL, 0x80, Some([0x80, 6, 0, 1, 0, 0, 18, 0]), &[]);
        add(b'C', CONTROL, 0x80, None, &device);
        add(b'S', CONTROL, 0x80, Some([0x80, 6, 0, 2, 0, 0, 32, 0]), &[]);
        add(b'C', CONTROL, 0x80, None, CONFIGURATION);
        // What a serial driver asks of the device is no part of the conversation: SET_LINE_CODING, and a notification
        // SERIAL_STATE on another endpoint (USB CDC PSTN 1.2, sections 6.3.10 and 6.5.4).
        add(b'S', CONTROL, 0x00, Some([0x21, 0x20, 0, 0, 0, 0, 7, 0]), &[0x80, 0x25, 0, 0, 0, 0, 8]);
        add(b'C', CONTROL, 0x00, None, &[]);
        add(b'S', INTERRUPT, 0x82, None, &[]);
        add(b'C', INTERRUPT, 0x82, None, &[0xa1, 0x20, 0, 0, 1, 0, 2, 0, 3, 0]);
    }
    for it in said {
        match it {
            Said::Bytes(Direction::ToPhone, bytes) => {
                add(b'S', BULK, 0x01, None, bytes);
                add(b'C', BULK, 0x01, None, &[]);
            }
            Said::Bytes(Direction::FromPhone, bytes) => {
                add(b'S', BULK, 0x81, None, &[]);
                add(b'C', BULK, 0x81, None, bytes);
            }
            _ => {}
        }
    }
    out
}

fn write(file: &Path, said: &[Said], manner: Manner) {
    let mut out = Vec::new();
    for word in [0xa1b2_c3d4, 0x0004_0002, 0, 0, 0x4_0000, manner.link_type] {
        out.extend(u32::to_le_bytes(word));
    }
    for (n, packet) in transfers(said, manner).iter().enumerate() {
        let length = packet.len() as u32;
        for word in [1_700_000_000, n as u32, length, length] {
            out.extend(word.to_le_bytes());
        }
        out.extend(packet);
    }
    std::fs::write(file, out).unwrap();
}

const KNOWN: Option<(u16, u16)> = Some((0x0e8d, 0x0003));

fn session() -> (tempfile::TempDir, Vec<Said>) {
    let folder = tempfile::tempdir().unwrap();
    let (result, said) = run_job(&Job::new(Boot::BootRom, Format::G2), folder.path());
    result.unwrap();
    (folder, said)
}

#[test]
fn captures_of_usbmon_and_usbpcap_are_understood_with_the_ids_and_without() {
    if !there() {
        return;
    }
    let (folder, said) = session();
    for link_type in [189, 249] {
        for ids in [KNOWN, None] {
            let file = folder.path().join("foreign.pcap");
            write(&file, &said, Manner { link_type, ids });
            let sheet = Sheet::of(&file);
            sheet.assert_understood();
            assert_eq!(sheet.at("mtk.brom.cmd", "0xd7").len(), 1, "{link_type} {ids:?}");
            assert_eq!(
                sheet.values("mtk.da.cmd_name"),
                ["NAND_READ", "USB_STATUS", "FINISH"],
                "{link_type} {ids:?}"
            );
        }
    }
}

#[test]
fn a_device_of_another_vendor_is_left_alone_whatever_it_says() {
    if !there() {
        return;
    }
    let (folder, said) = session();
    for link_type in [189, 249] {
        let file = folder.path().join("other.pcap");
        write(&file, &said, Manner { link_type, ids: Some((0x1234, 0x0003)) });
        assert!(Sheet::of(&file).having("mtk").is_empty(), "{link_type}");
    }
}

#[test]
fn an_unknown_device_that_begins_with_a_byte_of_the_start_sequence_is_let_go() {
    if !there() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("other.pcap");
    let said = [
        Said::Bytes(Direction::ToPhone, vec![0xa0]),
        Said::Bytes(Direction::FromPhone, vec![0x00, 0x01]),
        Said::Bytes(Direction::ToPhone, vec![0xfd]),
        Said::Bytes(Direction::FromPhone, vec![0xfd, 0x65, 0x75, 0, 0]),
    ];
    write(&file, &said, Manner { link_type: 189, ids: None });
    assert!(Sheet::of(&file).having("mtk.brom.cmd").is_empty());
}
