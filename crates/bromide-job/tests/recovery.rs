//! What the agent itself gets wrong: silent stops, wrong sums, in-band errors, pages that never come.

mod common;

use bromide_job::error::JobError;
use bromide_job::mapfile::State;
use bromide_job::readback::ReadOptions;
use bromide_phone::{Boot, Faults, Options, ReadFault, ReadFaultKind};
use bromide_proto::agent_format::Format;
use bromide_proto::error::ErrorKind;
use common::*;

const START: u64 = REPLACED * BLOCK;
const FORMATS: [Format; 2] = [Format::G1, Format::G2];

fn read(format: Format, faults: Faults, pages_per_packet: u32) -> Result<u32, JobError> {
    let phone = phone("mt6575", Boot::BootRom, Options { faults, ..Options::default() });
    let wanted = stored(&phone, START, BLOCK);
    let folder = folder();
    let file = folder.path().join("block.img");
    let options = ReadOptions { pages_per_packet, ..read_options() };
    let wish = range(START, BLOCK, &file);
    let outcome = job(plug(phone), &da(format), &session_options(), &[wish], &options);
    assert_eq!(file.exists(), outcome.result.is_ok());
    let done = outcome.result?;
    assert!(std::fs::read(&file).unwrap() == wanted);
    Ok(done[0].recoveries)
}

fn stop(page: u32, times: u32, kind: ReadFaultKind) -> Faults {
    let page = (START / PAGE) as u32 + page;
    Faults { reads: vec![ReadFault { page, times, kind }], ..Faults::default() }
}

#[test]
fn a_silent_stop_is_recovered_by_asking_again_from_the_first_unconfirmed_page() {
    for format in FORMATS {
        for page in [0, 1, 31, 63] {
            for packet in [1, 7, 64] {
                let recoveries = read(format, stop(page, 1, ReadFaultKind::SilentStop), packet).unwrap();
                assert_eq!(recoveries, 1, "{format}, page {page}, {packet} a packet");
            }
        }
    }
}

#[test]
fn an_error_inside_the_stream_is_recovered_too() {
    for format in FORMATS {
        let recoveries = read(format, stop(5, 2, ReadFaultKind::InBand { status: 0xc26 }), 16).unwrap();
        assert_eq!(recoveries, 2);
    }
}

#[test]
fn a_page_that_never_comes_is_named_and_nothing_is_called_whole() {
    for format in FORMATS {
        let Err(JobError::Unread(left)) = read(format, stop(5, u32::MAX, ReadFaultKind::SilentStop), 64)
        else {
            panic!("a page that never comes cannot be saved")
        };
        let bad: Vec<_> = left[0].map.stretches().iter().filter(|it| it.state == State::Bad).collect();
        assert_eq!(bad.len(), 1, "{format}");
        assert_eq!(bad[0].range, 5 * 2112..6 * 2112, "{format}: the very page is named");
        assert_eq!(left[0].missing(), 2112, "{format}: and nothing else is missing");
    }
}

#[test]
fn an_in_band_status_is_told_when_it_is_the_last_word() {
    let always = stop(0, u32::MAX, ReadFaultKind::InBand { status: 0xc26 });
    let text = read(Format::G2, always, 4).unwrap_err().to_string();
    assert!(text.contains("0xc26"), "{text}");
}

#[test]
fn packets_with_wrong_sums_are_asked_for_anew_and_given_up_in_the_end() {
    for format in FORMATS {
        let sums = |n| Faults { wrong_sums: n, ..Faults::default() };
        for n in [0, 1, 3] {
            assert_eq!(read(format, sums(n), 64).unwrap(), n);
        }
        // More in one place is left for the end, and comes then.
        assert!(read(format, sums(6), 64).unwrap() >= 3);
        assert!(matches!(read(format, sums(10_000), 64), Err(JobError::Unread(_) | JobError::Talk(_))));
    }
}

#[test]
fn a_cable_that_needs_help_too_often_is_given_up() {
    // Every page stops the agent once: more trouble than a block is worth.
    let reads = (0..64)
        .map(|n| ReadFault { page: (START / PAGE) as u32 + n, times: 1, kind: ReadFaultKind::SilentStop })
        .collect();
    let error = read(Format::G2, Faults { reads, ..Faults::default() }, 64).unwrap_err();
    assert!(matches!(&error, JobError::Talk(e) if matches!(e.kind, ErrorKind::BadCable { .. })), "{error}");
}

#[test]
fn a_slow_report_and_first_time_processing_are_waited_for() {
    use std::time::Duration;
    for format in FORMATS {
        let slow = Faults {
            report_delay: Duration::from_secs(8),
            first_time_processing: Some(Duration::from_secs(90)),
            ..Faults::default()
        };
        read(format, slow, 64).unwrap();
    }
}
