//! Undisturbed sessions of this host: every command is named, every number is right.

use std::path::PathBuf;

use bromide_phone::Boot;
use bromide_proto::agent_format::Format;
use bromide_proto::link::Direction;

use crate::jobs::{BLOCK, Job, LENGTH, PACKET, PAGE, START, run_at_high_speed, run_job};
use crate::said::{Said, joined, split, write};
use crate::tshark::{assert_understood, fields, lines, there, values};

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
    let mut names = vec!["GET_HW_CODE", "GET_HW_SW_VER", "READ16", "WRITE16", "GET_BL_VER", "GET_TARGET_CONFIG"];
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
        assert_understood(&file);
        assert_eq!(values(&file, "mtk.brom.cmd_name"), brom_commands(boot));
        let fat = if format == Format::G1 { &["FAT_INFO"][..] } else { &[] };
        let wanted = [fat, &["NAND_READ", "USB_STATUS", "FINISH"]].concat();
        assert_eq!(values(&file, "mtk.da.cmd_name"), wanted, "{boot:?} {format}");
        assert_eq!(values(&file, "mtk.da.format"), [format.to_string()]);
    }
}

#[test]
fn the_upload_is_found_by_its_command_and_told_in_one_line() {
    if !there() {
        return;
    }
    for (boot, format) in EVERY {
        let (_folder, file, _) = recorded(&Job::new(boot, format));
        let found = fields(&file, "mtk.brom.cmd == 0xd7", &["mtk.brom.cmd_name", "_ws.col.Info"]);
        assert_eq!(found, [["SEND_DA", "BROM SEND_DA 0xc2000000 123,136 bytes, signature 256"]]);
        let pieces = values(&file, "mtk.brom.upload");
        assert_eq!(pieces.iter().map(|n| n.parse::<u64>().unwrap()).sum::<u64>(), 0x1e100);
        assert_eq!(values(&file, "mtk.brom.hw_code"), ["0x6575"]);
    }
}

#[test]
fn the_start_sequence_and_who_speaks_are_told() {
    if !there() {
        return;
    }
    for (boot, format) in EVERY {
        let (_folder, file, _) = recorded(&Job::new(boot, format));
        let mut steps = values(&file, "mtk.start");
        steps.dedup();
        assert!(steps.ends_with(&["1", "2", "3", "4"].map(String::from)), "{steps:?}");
        let mut faces = values(&file, "mtk.face");
        faces.dedup();
        let first = if boot == Boot::BootRom { "brom" } else { "preloader" };
        assert_eq!(faces, [first, "agent"]);
    }
}

#[test]
fn a_read_back_is_told_with_its_range_its_packets_and_their_sums() {
    if !there() {
        return;
    }
    for format in [Format::G1, Format::G2] {
        let (_folder, file, said) = recorded(&Job::new(Boot::BootRom, format));
        let names = ["mtk.da.address", "mtk.da.length", "mtk.da.flag", "mtk.da.address_kind", "_ws.col.Info"];
        let request = fields(&file, "mtk.da.cmd == 0xdf", &names);
        let text = "DA NAND_READ logical 0x7d00000+0x2800 flag 0";
        assert_eq!(u64::from_str_radix(request[0][0].trim_start_matches("0x"), 16), Ok(START));
        assert_eq!(request[0][1..], [LENGTH.to_string(), "0".into(), "0".into(), text.into()]);
        assert_eq!(values(&file, "mtk.da.packet"), [PACKET.to_string()]);
        let pieces = values(&file, "mtk.da.page_data");
        assert_eq!(pieces.iter().map(|n| n.parse::<u64>().unwrap()).sum::<u64>(), packets().iter().sum::<u64>());
        let sums: Vec<_> =
            values(&file, "mtk.da.checksum").iter().map(|sum| sum.trim_start_matches("0x").to_owned()).collect();
        assert_eq!(sums, sums_said(&said));
    }
}

/// The sums as the recording has them: two bytes alone behind each packet.
fn sums_said(said: &[Said]) -> Vec<String> {
    let Some(from) = said.iter().position(|it| matches!(it, Said::Bytes(_, b) if b.first() == Some(&0xdf)))
    else {
        panic!("no request")
    };
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
        assert_understood(&file);
        let wanted: Vec<_> = packets().iter().map(u64::to_string).collect();
        assert_eq!(values(&file, "mtk.da.page_data"), wanted);
        let told = lines(&file, &["-2", "-Y", "mtk.da.page_data", "-T", "fields", "-e", "_ws.col.Info"]);
        assert!(told.iter().all(|line| line.starts_with("pages ")), "{told:?}");
    }
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
        assert_understood(&file);
        let commands = values(&file, "mtk.da.cmd_name");
        assert!(commands.contains(&"USB_SETUP".into()), "{commands:?}");
        let read = fields(&file, "mtk.da.cmd == 0xdf", &["usb.device_address", "mtk.da.length"]);
        assert_eq!(read, [["2".to_owned(), LENGTH.to_string()]], "the read is on the second device");
        assert_eq!(values(&file, "mtk.da.checksum").len(), packets().len());
    }
}

#[test]
fn a_serial_port_is_understood_too() {
    if !there() {
        return;
    }
    let (_folder, file, _) = recorded(&Job { pid: 0, ..Job::new(Boot::BootRom, Format::G2) });
    assert_understood(&file);
    assert_eq!(values(&file, "mtk.brom.cmd_name"), brom_commands(Boot::BootRom));
}

#[test]
fn how_bytes_are_cut_into_transfers_does_not_matter() {
    if !there() {
        return;
    }
    let asked = ["mtk.brom.cmd", "mtk.brom.address", "mtk.brom.checksum", "mtk.brom.status", "mtk.da.cmd",
        "mtk.da.address", "mtk.da.length", "mtk.da.checksum", "mtk.da.answer", "mtk.da.nand.id"];
    for format in [Format::G1, Format::G2] {
        let (folder, file, said) = recorded(&Job::new(Boot::BootRom, format));
        let read = |file: &PathBuf| asked.map(|name| values(file, name));
        let wanted = read(&file);
        assert!(wanted.iter().all(|list| !list.is_empty()), "{wanted:?}");
        for (n, cut) in [split(&said, 7), split(&said, 63), joined(&said), joined(&split(&said, 1))].iter().enumerate() {
            let file = folder.path().join(format!("cut-{n}.pcapng"));
            write(&file, cut);
            assert_understood(&file);
            assert_eq!(read(&file), wanted, "{format}, cut {n}");
        }
    }
}

#[test]
fn answers_name_the_frame_of_their_command() {
    if !there() {
        return;
    }
    let (_folder, file, _) = recorded(&Job::new(Boot::BootRom, Format::G2));
    let command = fields(&file, "mtk.brom.cmd == 0xd7", &["frame.number"])[0][0].clone();
    let answer = fields(&file, "mtk.brom.checksum", &["mtk.command_in"]);
    assert_eq!(answer, [[command]]);
    assert_eq!(START % BLOCK, 0);
}
