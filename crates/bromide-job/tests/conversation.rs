//! Whole read backs over a cable in this process: both formats, both boot programs, both chips.

mod common;

use bromide_job::error::JobError;
use bromide_phone::{Boot, Faults, NandFault, Options};
use bromide_proto::agent_format::Format;
use bromide_proto::error::ErrorKind;
use bromide_proto::wire::nand_read::{AddressKind, Shape};
use common::*;

const FORMATS: [Format; 2] = [Format::G1, Format::G2];
const BOOTS: [Boot; 2] = [Boot::BootRom, Boot::Preloader];

/// The kind of a failed conversation.
fn kind(outcome: Outcome) -> ErrorKind {
    match outcome.result {
        Err(JobError::Talk(e)) => e.kind,
        Err(e) => panic!("not an error of the conversation: {e}"),
        Ok(_) => panic!("the job succeeded"),
    }
}

#[test]
fn every_format_boot_program_and_chip_reads_the_stored_pages_through_the_bad_block_table() {
    for format in FORMATS {
        for boot in BOOTS {
            for model in ["mt6575", "mt6577"] {
                let phone = phone(model, boot, Options::default());
                let (start, length) = ((REPLACED - 1) * BLOCK, 3 * BLOCK);
                let wanted = stored(&phone, start, length);
                let folder = folder();
                let file = folder.path().join("piece.img");
                let wish = range(start, length, &file);
                let outcome = job(plug(phone), &da(format), &session_options(), &[wish], &read_options());
                outcome.result.unwrap_or_else(|e| panic!("{model} {boot:?} {format}: {e}"));
                assert!(outcome.told.is_empty(), "{:?}", outcome.told);
                assert!(std::fs::read(&file).unwrap() == wanted, "{model} {boot:?} {format}");
            }
        }
    }
}

#[test]
fn flags_1_and_4_bring_the_same_main_bytes_and_flag_4_the_same_spare() {
    for format in FORMATS {
        let phone = phone("mt6575", Boot::BootRom, Options::default());
        let (start, length) = (REPLACED * BLOCK, BLOCK);
        let stored = stored(&phone, start, length);
        let folder = folder();
        let wish = |name: &str, shape| {
            let mut wish = range(start, length, &folder.path().join(name));
            wish.shape = shape;
            wish
        };
        let wishes = [wish("main", Shape::MainOnly), wish("last", Shape::SpareLast)];
        job(plug(phone), &da(format), &session_options(), &wishes, &read_options()).result.unwrap();
        let read = |name: &str| std::fs::read(folder.path().join(name)).unwrap();
        // Taken apart by hand: four times 512 + 16 in every stored page of 2112.
        let main: Vec<u8> = stored.chunks(528).flat_map(|s| s[..512].to_vec()).collect();
        let last: Vec<u8> = stored
            .chunks(2112)
            .flat_map(|page| {
                let main = page.chunks(528).flat_map(|s| s[..512].to_vec());
                let spare = page.chunks(528).flat_map(|s| s[512..].to_vec());
                main.chain(spare).collect::<Vec<u8>>()
            })
            .collect();
        assert!(read("main") == main);
        assert!(read("last") == last);
    }
}

#[test]
fn physical_reading_differs_in_exactly_the_replaced_block() {
    let phone = phone("mt6575", Boot::BootRom, Options::default());
    let folder = folder();
    let (start, length) = ((REPLACED - 1) * BLOCK, 3 * BLOCK);
    let logical = range(start, length, &folder.path().join("logical"));
    let mut physical = range(start, length, &folder.path().join("physical"));
    physical.kind = AddressKind::Physical;
    let outcome =
        job(plug(phone), &da(Format::G2), &session_options(), &[logical, physical], &read_options());
    let done = outcome.result.unwrap();
    let read = |name: &str| std::fs::read(folder.path().join(name)).unwrap();
    let (logical, physical) = (read("logical"), read("physical"));
    let block = 64 * 2112;
    let differs: Vec<usize> =
        (0..3).filter(|b| logical[b * block..][..block] != physical[b * block..][..block]).collect();
    assert_eq!(differs, [1]);
    let pages = |n: usize| done[n].saved.pages.as_ref().unwrap();
    assert_eq!(pages(0).counts.in_bad_blocks, 0);
    assert_eq!(pages(1).counts.in_bad_blocks, 64, "the bad block itself carries its mark");
}

#[test]
fn a_host_of_the_wrong_format_ends_with_a_message_within_fifteen_seconds() {
    for (agent, host) in [(Format::G1, Format::G2), (Format::G2, Format::G1)] {
        for boot in BOOTS {
            let folder = folder();
            let file = folder.path().join("piece.img");
            let mut link = plug(phone("mt6575", boot, Options::default()));
            let clock = link.clock().clone();
            let options =
                bromide_job::session::SessionOptions { agent_format: Some(host), ..session_options() };
            let wish = range(0x98_0000, BLOCK, &file);
            let kind = kind(job(&mut link, &da(agent), &options, &[wish], &read_options()));
            assert!(matches!(kind, ErrorKind::WrongFormat(f) if f == host), "{agent} {host}: {kind}");
            assert!(clock.now().as_secs_f64() < 15.0, "{agent} {host}: {:?}", clock.now());
            assert!(!file.exists());
        }
    }
}

#[test]
fn a_phone_that_wants_authentication_is_left_alone() {
    for bits in [2, 4, 7] {
        let mut phone = phone("mt6575", Boot::BootRom, Options::default());
        phone.model.chip.target_config = bits;
        let wish = range(0, BLOCK, std::path::Path::new("never.img"));
        let kind = kind(job(plug(phone), &da(Format::G2), &session_options(), &[wish], &read_options()));
        assert!(matches!(kind, ErrorKind::AuthRequired(b) if b == bits));
    }
}

#[test]
fn a_demo_agent_is_not_sent_to_a_phone_without_the_watermark() {
    use bromide_link::{Change, Direction, Fault, Faulty};
    // The first answer of the watermark read is disturbed: then this is not known to be a virtual phone.
    let phone = phone("mt6575", Boot::BootRom, Options::default());
    let at = bytes_before_watermark();
    let fault = Fault { direction: Direction::FromPhone, at, change: Change::Flip(0) };
    let wish = range(0, BLOCK, std::path::Path::new("never.img"));
    let mut link = plug(phone);
    let faulty = Faulty::new(&mut link, [fault]);
    let kind = kind(job(faulty, &da(Format::G2), &session_options(), &[wish], &read_options()));
    assert!(matches!(kind, ErrorKind::DemoAgentForRealPhone), "{kind}");
}

/// Reply bytes of the BootROM run up to the value of the first watermark word: start 4, FD 5, FC 9, D0 15,
/// D2 15, FE 1, D8 7, FF 1, FE 1, then D0's echoes 9 and status 2.
fn bytes_before_watermark() -> u64 {
    4 + 5 + 9 + (9 + 2 + 2 + 2) + (9 + 2 + 2 + 2) + 1 + 7 + 1 + 1 + 9 + 2
}

#[test]
fn phones_that_cannot_be_read_say_why() {
    let faults = |faults| Options { faults, ..Options::default() };
    let no_chip = faults(Faults { nand: NandFault::NoChip, ..Faults::default() });
    let no_controller = faults(Faults { nand: NandFault::NoController, ..Faults::default() });
    let refused = faults(Faults { soc_refused: true, ..Faults::default() });
    let unknown = faults(Faults { unknown_chip: true, ..Faults::default() });
    let protected = faults(Faults { read_protected: true, ..Faults::default() });
    for format in FORMATS {
        let end = |options: &Options| {
            let folder = folder();
            let file = folder.path().join("x.img");
            let wish = range(0, BLOCK, &file);
            let phone = phone("mt6575", Boot::BootRom, options.clone());
            let kind = kind(job(plug(phone), &da(format), &session_options(), &[wish], &read_options()));
            assert!(!file.exists());
            kind
        };
        assert!(matches!(end(&no_chip), ErrorKind::NoNand(0xbc4)));
        assert!(matches!(end(&no_controller), ErrorKind::NoNand(0xbe7)));
        assert!(matches!(end(&refused), ErrorKind::AgentSecurity));
        assert!(matches!(end(&unknown), ErrorKind::AgentRefusesChip));
        assert!(matches!(end(&protected), ErrorKind::AgentStatus(0x177b)));
    }
}

#[test]
fn an_mt6573_and_a_stranger_are_recognised_and_left_alone() {
    for (code, said) in [(0x6573, "MT6573"), (0x6582, "MT6582"), (0x1234, "not known")] {
        let mut phone = phone("mt6575", Boot::BootRom, Options::default());
        phone.model.chip.hw_code = code;
        let wish = range(0, BLOCK, std::path::Path::new("never.img"));
        let outcome = job(plug(phone), &da(Format::G2), &session_options(), &[wish], &read_options());
        let text = outcome.result.unwrap_err().to_string();
        assert!(text.contains(said), "{text}");
    }
}

#[test]
fn an_empty_cable_is_reported_when_the_patience_ends() {
    let mut phone = phone("mt6575", Boot::BootRom, Options::default());
    phone.options.bootrom_patience = None;
    struct Deaf<L>(L);
    impl<L: bromide_proto::link::Link> bromide_proto::link::Link for Deaf<L> {
        async fn send(&mut self, _: &[u8]) -> Result<(), bromide_proto::link::LinkError> {
            Ok(())
        }
        async fn recv(
            &mut self,
            into: &mut [u8],
            within: std::time::Duration,
        ) -> Result<usize, bromide_proto::link::LinkError> {
            self.0.recv(into, within).await
        }

        fn now(&self) -> std::time::Duration {
            self.0.now()
        }
    }
    let wish = range(0, BLOCK, std::path::Path::new("never.img"));
    let kind = kind(job(Deaf(plug(phone)), &da(Format::G2), &session_options(), &[wish], &read_options()));
    assert!(matches!(kind, ErrorKind::NoHandshake), "{kind}");
}
