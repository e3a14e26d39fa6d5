//! Disturbed sessions: the dissector says where step was lost and finds back; random bytes make no error in Lua.

use bromide_link::{Change, Fault};
use bromide_phone::Boot;
use bromide_proto::agent_format::Format;
use bromide_proto::bus::Face;
use bromide_proto::link::Direction;

use crate::jobs::{Job, LENGTH, run_job};
use crate::said::{Said, sighting, write};
use crate::tshark::{Sheet, there};

/// Bytes of the phone before the first page of the undisturbed job.
fn before_pages(format: Format) -> u64 {
    let folder = tempfile::tempdir().unwrap();
    let job = Job { without_pages: true, ..Job::new(Boot::BootRom, format) };
    let (result, said) = run_job(&job, folder.path());
    result.unwrap();
    let until = said.iter().position(|it| matches!(it, Said::Absent(_))).unwrap();
    let of_phone = |it: &Said| match it {
        Said::Bytes(Direction::FromPhone, bytes) => bytes.len() as u64,
        _ => 0,
    };
    said[..until].iter().map(of_phone).sum()
}

#[test]
fn a_lost_byte_of_a_page_is_out_of_step_once_and_the_new_request_is_read() {
    if !there() {
        return;
    }
    for format in [Format::G1, Format::G2] {
        let at = before_pages(format) + 100;
        let faults = [Fault { direction: Direction::FromPhone, at, change: Change::Drop(1) }];
        let folder = tempfile::tempdir().unwrap();
        let (result, said) =
            run_job(&Job { faults: &faults, ..Job::new(Boot::BootRom, format) }, folder.path());
        result.unwrap();
        let file = folder.path().join("session.pcapng");
        write(&file, &said);
        let sheet = Sheet::of(&file);
        let lost = sheet.having("mtk.out_of_step");
        assert_eq!(lost.len(), 1, "{lost:?}");
        assert!(lost[0].get("_ws.expert.message").contains("out of step: the host went on"), "{lost:?}");
        let commands = sheet.values("mtk.da.cmd_name");
        let reads = commands.iter().filter(|name| **name == "NAND_READ").count();
        assert!(reads >= 2 && commands.contains(&"STOP"), "{commands:?}");
        assert_eq!(sheet.numbers("mtk.da.length")[..2], [LENGTH, LENGTH], "asked again from the first page");
        assert_eq!(commands.last().unwrap(), &"FINISH");
    }
}

#[test]
fn a_changed_byte_of_a_page_is_a_wrong_sum() {
    if !there() {
        return;
    }
    let at = before_pages(Format::G2) + 100;
    let faults = [Fault { direction: Direction::FromPhone, at, change: Change::Flip(3) }];
    let folder = tempfile::tempdir().unwrap();
    let (result, said) =
        run_job(&Job { faults: &faults, ..Job::new(Boot::BootRom, Format::G2) }, folder.path());
    result.unwrap();
    let file = folder.path().join("session.pcapng");
    write(&file, &said);
    assert_eq!(Sheet::of(&file).having("mtk.bad_sum").len(), 1);
}

/// A session that ends early, and the next attempt on a phone that was opened anew.
#[test]
fn the_next_phone_that_is_opened_is_in_step_again() {
    if !there() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    // In the answer to the chip code: the host gives up.
    let faults = [Fault { direction: Direction::FromPhone, at: 5, change: Change::Cut }];
    let (result, mut said) =
        run_job(&Job { faults: &faults, ..Job::new(Boot::BootRom, Format::G2) }, folder.path());
    assert!(result.is_err());
    let (result, again) = run_job(&Job::new(Boot::BootRom, Format::G2), folder.path());
    result.unwrap();
    said.extend(again);
    let file = folder.path().join("session.pcapng");
    write(&file, &said);
    let sheet = Sheet::of(&file);
    let found = sheet.at("mtk.brom.cmd", "0xd7");
    assert_eq!(found.iter().map(|row| row.get("usb.device_address")).collect::<Vec<_>>(), ["2"]);
    assert!(sheet.having("mtk.out_of_step").is_empty());
}

/// The same device starts again in the middle of an upload: a power cut that no bus saw, as on a serial port.
#[test]
fn a_start_sequence_brings_back_step_on_the_same_device() {
    if !there() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (result, said) = run_job(&Job { pid: 0, ..Job::new(Boot::BootRom, Format::G2) }, folder.path());
    result.unwrap();
    for cut in [10, 30, 60, 100, 200, said.len() - 30] {
        let mut twice = said[..cut].to_vec();
        twice.extend_from_slice(&said[1..]);
        let file = folder.path().join("session.pcapng");
        write(&file, &twice);
        let sheet = Sheet::of(&file);
        let (uploads, reads) = (sheet.at("mtk.brom.cmd", "0xd7"), sheet.at("mtk.da.cmd", "0xdf"));
        assert!(!uploads.is_empty() && !reads.is_empty(), "cut at {cut}: {uploads:?} {reads:?}");
        assert_eq!(sheet.values("mtk.da.cmd_name").last().unwrap(), &"FINISH", "cut at {cut}");
    }
}

#[test]
fn random_bytes_make_no_error_in_lua() {
    if !there() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut dice = 0x9e37_79b9_7f4a_7c15_u64;
    let mut roll = |below: usize| {
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (dice >> 33) as usize % below
    };
    let mut all = Vec::new();
    for (boot, format) in [(Boot::BootRom, Format::G1), (Boot::Preloader, Format::G2)] {
        let (result, said) = run_job(&Job::new(boot, format), folder.path());
        result.unwrap();
        // Whole pieces of the upload are dull: nothing can go wrong in the middle of it.
        let short: Vec<_> =
            said.into_iter().filter(|it| !matches!(it, Said::Bytes(_, b) if b.len() == 0x400)).collect();
        for _ in 0..40 {
            let mut changed = short.clone();
            changed[0] = Said::Opened(sighting(Face::BootRom, [0x0003, 0x2000, 0x2001, 0][roll(4)]));
            for _ in 0..=roll(12) {
                let at = 1 + roll(changed.len() - 1);
                match &mut changed[at] {
                    Said::Bytes(_, bytes) if !bytes.is_empty() => {
                        let at = roll(bytes.len());
                        bytes[at] = roll(256) as u8;
                    }
                    _ => {}
                }
                if roll(3) == 0 {
                    changed.remove(at);
                }
            }
            all.extend(changed);
        }
    }
    let file = folder.path().join("random.pcapng");
    write(&file, &all);
    for sheet in [Sheet::of(&file), Sheet::of_one_pass(&file)] {
        assert!(!sheet.having("mtk.out_of_step").is_empty(), "some of it is noticed");
    }
}
