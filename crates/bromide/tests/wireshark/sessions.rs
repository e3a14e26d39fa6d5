//! Undisturbed sessions of this host: every command is named, every number is right.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use bromide_phone::Boot;
use bromide_proto::agent_format::Format;
use bromide_proto::link::Direction;

use crate::jobs::{Job, LENGTH, PACKET, PAGE, START, run_at_high_speed, run_job};
use crate::said::{Said, joined, split, write};
use crate::tshark::{Sheet, lines, there};

const EVERY: [(Boot, Format); 4] = [
    (Boot::BootRom, Format::G1),
    (Boot::BootRom, Format::G2),
    (Boot::Preloader, Format::G1),
    (Boot::Preloader, Format::G2),
];

/// A recording of an undisturbed job in a folder of its own.
fn recorded(job: &Job<'_>) -> (tempfile::TempDir, PathBuf, Vec<Said>) {
    let folder = tempfile::tempdir().unwrap();
    let (result, said) = run_job(job, folder.path());
    result.unwrap();
    let file = folder.path().join("session.pcapng");
    write(&file, &said);
    (folder, file, said)
}

/// Bytes per page in the stream, as these jobs ask for them.
const UNIT: u64 = PAGE + 64;

fn packets() -> Vec<u64> {
    let packet = u64::from(PACKET) * UNIT;
    vec![packet, packet, UNIT]
}

fn brom_commands(boot: Boot) -> Vec<&'static str> {
    let mut names =
        vec!["GET_HW_CODE", "GET_HW_SW_VER", "READ16", "WRITE16", "GET_BL_VER", "GET_TARGET_CONFIG"];
    names.extend(["GET_VERSION", "GET_BL_VER", "READ16", "READ16"]);
    if boot == Boot::BootRom {
        names.extend(["READ32", "WRITE32"]);
    }
    names.extend(["SEND_DA", "JUMP_DA"]);
    names
}

#[test]
fn every_command_of_a_session_is_named_and_nothing_is_out_of_step() {
    if !there() {
        return;
    }
    for (boot, format) in EVERY {
        let (_folder, file, _) = recorded(&Job::new(boot, format));
        let sheet = Sheet::of(&file);
        sheet.assert_understood();
        assert_eq!(sheet.values("mtk.brom.cmd_name"), brom_commands(boot));
        let fat = if format == Format::G1 { &["FAT_INFO"][..] } else { &[] };
        let wanted = [fat, &["NAND_READ", "USB_STATUS", "FINISH"]].concat();
        assert_eq!(sheet.values("mtk.da.cmd_name"), wanted, "{boot:?} {format}");
        assert_eq!(sheet.values("mtk.da.format"), [format.to_string()]);
        assert_eq!(sheet.values("mtk.brom.hw_code"), ["0x6575"]);
        assert_steps_and_faces(&sheet, boot);
    }
}

fn assert_steps_and_faces(sheet: &Sheet, boot: Boot) {
    let mut steps = sheet.values("mtk.start");
    steps.dedup();
    assert!(steps.ends_with(&["1", "2", "3", "4"]), "{steps:?}");
    let mut faces = sheet.values("mtk.face");
    faces.dedup();
    let first = if boot == Boot::BootRom { "brom" } else { "preloader" };
    assert_eq!(faces, [first, "agent"]);
}

#[test]
fn the_upload_is_found_by_a_filter_on_its_command_and_told_in_one_line() {
    if !there() {
        return;
    }
    let (_folder, file, _) = recorded(&Job::new(Boot::BootRom, Format::G2));
    let found = lines(&file, &["-2", "-Y", "mtk.brom.cmd == 0xd7", "-T", "fields", "-e", "_ws.col.Info"]);
    assert_eq!(found, ["BROM SEND_DA 0xc2000000 123,136 bytes, signature 256"]);
    let sheet = Sheet::of(&file);
    assert_eq!(sheet.numbers("mtk.brom.upload").iter().sum::<u64>(), 0x1e100);
    let command = sheet.at("mtk.brom.cmd", "0xd7")[0].get("frame.number");
    let answer = sheet.having("mtk.brom.checksum")[0];
    assert_eq!(answer.get("mtk.command_in"), command, "answers name the frame of their command");
}

/// What needs the bytes that come later is missing from the line of a command, and nothing else.
#[test]
fn one_pass_tells_the_same_fields_as_two() {
    if !there() {
        return;
    }
    let (_folder, file, _) = recorded(&Job::new(Boot::BootRom, Format::G1));
    let (once, twice) = (Sheet::of_one_pass(&file), Sheet::of(&file));
    once.assert_understood();
    for name in
        ["mtk.start", "mtk.brom.cmd", "mtk.brom.status", "mtk.da.cmd", "mtk.da.length", "mtk.da.page_data"]
    {
        assert_eq!(once.values(name), twice.values(name));
    }
}

#[test]
fn a_read_back_is_told_with_its_range_its_packets_and_their_sums() {
    if !there() {
        return;
    }
    for format in [Format::G1, Format::G2] {
        let (_folder, file, said) = recorded(&Job::new(Boot::BootRom, format));
        let sheet = Sheet::of(&file);
        let request = sheet.at("mtk.da.cmd", "0xdf");
        assert_eq!(request.len(), 1);
        let names = ["mtk.da.length", "mtk.da.flag", "mtk.da.address_kind", "_ws.col.Info"];
        let text = "DA NAND_READ logical 0x7d00000+0x2800 flag 0";
        assert_eq!(request[0].take(&names), [&LENGTH.to_string(), "0", "0", text]);
        assert_eq!(request[0].get("mtk.da.address"), format!("{START:#018x}"));
        assert_eq!(sheet.numbers("mtk.da.packet"), [u64::from(PACKET)]);
        assert_eq!(sheet.numbers("mtk.da.page_data").iter().sum::<u64>(), packets().iter().sum::<u64>());
        let sums: Vec<_> = sheet.values("mtk.da.checksum").iter().map(|sum| sum.replace("0x", "")).collect();
        assert_eq!(sums, sums_said(&said));
    }
}

/// The sums as the recording has them: two bytes alone behind each packet.
fn sums_said(said: &[Said]) -> Vec<String> {
    let request =
        |it: &Said| matches!(it, Said::Bytes(Direction::ToPhone, b) if b[0] == 0xdf && b.len() < 24);
    let from = said.iter().position(request).unwrap();
    let phone = said[from..].iter().filter_map(|it| match it {
        Said::Bytes(Direction::FromPhone, bytes) => Some(&bytes[..]),
        _ => None,
    });
    let stream: Vec<u8> = phone.flatten().copied().collect();
    // 5A and three words, then the total in one or two words.
    let total = if stream[13..21] == [0, 0, 0, 0, 0, 0, 0x29, 0x40] { 21 } else { 17 };
    let mut at = total;
    let mut sums = Vec::new();
    for packet in packets() {
        at += packet as usize;
        sums.push(format!("{:02x}{:02x}", stream[at], stream[at + 1]));
        at += 2;
    }
    sums
}

#[test]
fn pages_that_the_recording_does_not_have_are_counted_all_the_same() {
    if !there() {
        return;
    }
    for format in [Format::G1, Format::G2] {
        let job = Job { without_pages: true, ..Job::new(Boot::BootRom, format) };
        let (_folder, file, _) = recorded(&job);
        let sheet = Sheet::of(&file);
        sheet.assert_understood();
        assert_eq!(sheet.numbers("mtk.da.page_data"), packets());
        let told = sheet.having("mtk.da.page_data");
        assert!(told.iter().all(|row| row.get("_ws.col.Info").starts_with("pages ")), "{told:?}");
        let one_pass = Sheet::of_one_pass(&file);
        assert_eq!(one_pass.numbers("mtk.da.page_data"), packets());
    }
}

/// What a capture with a limit on bytes per packet has of a session: counted by the lengths it tells.
#[test]
fn a_capture_that_has_only_the_beginning_of_each_packet_is_understood() {
    let editcap = Command::new("editcap").arg("-V").stdout(Stdio::null()).stderr(Stdio::null()).status();
    if !there() || editcap.is_err() {
        return println!("skipped: no editcap here");
    }
    let (folder, file, _) = recorded(&Job::new(Boot::BootRom, Format::G2));
    let short = folder.path().join("short.pcapng");
    let cut = Command::new("editcap").args(["-s", "100"]).args([&file, &short]).status().unwrap();
    assert!(cut.success());
    let sheet = Sheet::of(&short);
    sheet.assert_understood();
    assert_eq!(sheet.numbers("mtk.da.page_data").iter().sum::<u64>(), packets().iter().sum::<u64>());
    assert_eq!(sheet.values("mtk.da.cmd_name"), ["NAND_READ", "USB_STATUS", "FINISH"]);
}

#[test]
fn a_change_to_high_speed_is_followed_to_the_next_device() {
    if !there() {
        return;
    }
    for format in [Format::G1, Format::G2] {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("session.pcapng");
        write(&file, &run_at_high_speed(format, folder.path()));
        let sheet = Sheet::of(&file);
        sheet.assert_understood();
        let commands = sheet.values("mtk.da.cmd_name");
        assert!(commands.contains(&"USB_SETUP"), "{commands:?}");
        let read = sheet.at("mtk.da.cmd", "0xdf");
        assert_eq!(read.len(), 1);
        let length = LENGTH.to_string();
        assert_eq!(
            read[0].take(&["usb.device_address", "mtk.da.length"]),
            ["2", &length],
            "on the second device"
        );
        assert_eq!(sheet.values("mtk.da.checksum").len(), packets().len());
    }
}

#[test]
fn a_serial_port_is_understood_too() {
    if !there() {
        return;
    }
    let (_folder, file, _) = recorded(&Job { pid: 0, ..Job::new(Boot::BootRom, Format::G2) });
    let sheet = Sheet::of(&file);
    sheet.assert_understood();
    assert_eq!(sheet.values("mtk.brom.cmd_name"), brom_commands(Boot::BootRom));
}

#[test]
fn how_bytes_are_cut_into_transfers_does_not_matter() {
    if !there() {
        return;
    }
    let asked = [
        "mtk.brom.cmd",
        "mtk.brom.address",
        "mtk.brom.checksum",
        "mtk.brom.status",
        "mtk.da.cmd",
        "mtk.da.address",
        "mtk.da.length",
        "mtk.da.checksum",
        "mtk.da.answer",
        "mtk.da.nand.id",
    ];
    for format in [Format::G1, Format::G2] {
        let (folder, file, said) = recorded(&Job::new(Boot::BootRom, format));
        let whole = Sheet::of(&file);
        let cuts = [split(&said, 7), split(&said, 63), joined(&said), joined(&split(&said, 1))];
        for (n, cut) in cuts.iter().enumerate() {
            let file = folder.path().join(format!("cut-{n}.pcapng"));
            write(&file, cut);
            let sheet = Sheet::of(&file);
            sheet.assert_understood();
            for name in asked {
                assert!(!whole.values(name).is_empty(), "{name}");
                assert_eq!(sheet.values(name), whole.values(name), "{name}, {format}, cut {n}");
            }
        }
    }
}
