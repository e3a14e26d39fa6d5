//! From the agent's hello to its report: da-legacy-device.md sections 2 to 4 and 12, da-legacy.md section 2.

use core::time::Duration;

use bromide_phone::{
    Boot, Ended, Factory, Faults, Generation, Model, NandChip, NandFault, Options, Phone, demo_agent,
};

use crate::host::{Host, Plugged, blank, hex, mt6575, plug, plug_phone, record, unplug};

const ID: &str = "B20D1D0065758A000000000000000001";

/// NOR, then what follows the NAND part when nothing else is there and the BootROM started.
const NOR: &str = "00000BC3 0008 FFFF 00000000 0000000000000000 00000000 00000000";

fn g2_report(nand: &str, ram: &str) -> Vec<u8> {
    let emmc = format!("00000C48 {}", "00".repeat(88));
    let sd = format!("00000C4A {}", "00".repeat(24));
    hex(&format!("{NOR} {nand} {emmc} {sd} 00000000 00020000 {ram} {ID}"))
}

fn faulty(faults: Faults) -> Plugged {
    blank(Options { faults, ..Options::default() })
}

fn configured(mut host: Plugged) -> Plugged {
    host.load(Generation::G2);
    host.play("D C0 03 02 84 H 05 FE 00 08 00 70 07 FF FF 00 00 00 00 50 02 01 02 00");
    host
}

#[test]
fn the_g2_report_of_a_chip_without_a_table_is_218_bytes_as_observed() {
    let report = blank(Options::default()).reach_commands(Generation::G2);
    let nand = "00000000 00 0078 20000000 0005 00AD 00BC 0090 0055 0054 0800 0040 0040 10 05 00";
    assert_eq!(report, g2_report(nand, "00000BBF 00 00 0000000000000000"));
    assert_eq!(report.len(), 218);
}

#[test]
fn the_g1_report_is_184_bytes_as_observed() {
    // da-legacy-observed.md section 6, offset by offset.
    let mut host = blank(Options::default());
    host.load(Generation::G1);
    host.play("D C0 03 02 84 H 05 FE 00 08 00 70 07 FF FF 00 00 00 50 02 00");
    host.play("D 5A 00000038 H 0000006C D 5A");
    host.send(&record(0x67, [0xad, 0xbc, 0x90, 0x55, 0x54]));
    host.play("D 5A");
    host.play(&format!(
        "D 00000BC3 00 08 FFFF 00000000 0000000000000000 00000000 00000000
         D 00000000 00 0067 20000000 00AD 00BC 0090 0055 0054 0800 0040 0040 10 05 00
         D 00000C48 {} 0000000000000000 {} 0000000000000000
         D 00000C4A 0000000000000000 {}
         D 00000000 00020000 00000BBF 00 00 00000000 {ID}
         D 5A 00000C06 0000040B C1",
        "00".repeat(28),
        "00".repeat(16),
        "00".repeat(16),
    ));
}

#[test]
fn the_example_with_the_samsung_part_offers_nineteen_records_and_finds_a_table() {
    // da-legacy.md sections 2.3 and 2.4: EC BC 00 55 54, the 19th record, BMT exists.
    let mut model = mt6575();
    model.nand.id = [0xec, 0xbc, 0x00, 0x55, 0x54];
    let chip = Factory::new(&model, NandChip::blank(&model.nand)).unwrap().finish().unwrap();
    let mut host = configured(plug(model, chip, Options::default()));
    host.play("D 5A D 00 00 00 38 H 00 00 00 6D D 5A");
    for n in 0..18 {
        host.send(&record(n, [0xec, 0xbc, 0x10, 0x55, 0x54]));
        host.play("D 69");
    }
    host.send(&record(0x7a, [0xec, 0xbc, 0x00, 0x55, 0x54]));
    host.play("D 5A");
    let nand = "00000000 00 007A 20000000 0005 00EC 00BC 0000 0055 0054 0800 0040 0040 10 05 01";
    host.expect(&g2_report(nand, "00000BBF 00 00 0000000000000000"));
    host.play("D 5A 00000C06 0000040B C1");
}

#[test]
fn a_preloader_leaves_external_memory_on_and_the_link_fast() {
    let nand = "00000000 00 0078 20000000 0005 00AD 00BC 0090 0055 0054 0800 0040 0040 10 05 00";
    for generation in [Generation::G1, Generation::G2] {
        let mut host = blank(Options { boot: Boot::Preloader, ..Options::default() });
        host.play("D 5245414459");
        let report = host.reach_commands(generation);
        match generation {
            Generation::G1 => assert_eq!(report[0x9e..0xa8], hex("00000000 02 00 20000000")),
            Generation::G2 => assert_eq!(report, g2_report(nand, "00000000 02 00 0000000020000000")),
        }
        host.play("H 72 D 5A 01 H 70 01 D 5A H 72 D 5A 01");
    }
}

#[test]
fn records_match_by_the_bytes_they_name() {
    let matches = |change: fn(&mut [u8; 56])| {
        let mut host = configured(blank(Options::default()));
        host.play("D 5A 00000038 H 00000001 D 5A");
        let mut bytes = record(1, [0xad, 0xbc, 0x90, 0x55, 0x54]);
        change(&mut bytes);
        host.send(&bytes);
        host.hear(1) == [0x5a]
    };
    assert!(matches(|_| {}));
    assert!(matches(|r| r[11] = 0));
    assert!(matches(|r| r[8..11].fill(0xff)));
    assert!(matches(|r| (r[8], r[9]) = (0xff, 0x12)), "bytes 3 and 4 are compared together");
    assert!(!matches(|r| (r[9], r[10]) = (0xff, 0xff)));
    assert!(!matches(|r| r[8] = 0x10));
    assert!(!matches(|r| r[10] = 0x55));
    assert!(!matches(|r| r[4] = 0xec));
    assert!(!matches(|r| r[6] = 0xba));
    assert!(!matches(|r| r[4..7].fill(0)), "the terminator is a record that matches nothing");
}

#[test]
fn the_geometry_is_the_records_not_the_chips() {
    let mut host = configured(blank(Options::default()));
    host.play("D 5A 00000038 H 00000001 D 5A");
    let mut bytes = record(1, [0xad, 0xbc, 0x90, 0x55, 0x54]);
    // 256 MiB, 128 pages a block, 4096 bytes a page, 8 bit, 4 cycles, 26 spare bytes per 512.
    for (n, field) in [256u32, 128, 4096, 0, 4, 26].into_iter().enumerate() {
        bytes[12 + 4 * n..16 + 4 * n].copy_from_slice(&field.to_le_bytes());
    }
    host.send(&bytes);
    host.play("D 5A");
    let nand = "00000000 00 0001 10000000 0005 00AD 00BC 0090 0055 0054 1000 00D0 0080 08 04 00";
    host.expect(&g2_report(nand, "00000BBF 00 00 0000000000000000"));
    host.play("D 5A 00000C06 0000040B C1");
    let read = |host: &mut Plugged| {
        host.play("H DF 00 01 0000000000000000 0000000000001000 00000000 D 5A 00001000 000000D0 000010D0");
        host.play("H 00000001 D 00000000000010D0");
        let page = host.hear(0x10d0);
        host.hear(2);
        host.play("H 5A");
        page
    };
    assert!(read(&mut host).iter().all(|b| *b == 0xff));
}

#[test]
fn a_record_of_an_impossible_chip_crashes_the_agent_not_the_phone() {
    let mut host = configured(blank(Options::default()));
    host.play("D 5A 00000038 H 00000001 D 5A");
    let mut bytes = record(1, [0xad, 0xbc, 0x90, 0x55, 0x54]);
    bytes[0x14..0x18].fill(0);
    host.send(&bytes);
    host.play("D 5A");
    host.hush(Duration::from_secs(60));
    assert_eq!(unplug(host).1, Ended::Halted);
}

#[test]
fn an_unknown_part_is_reported_with_its_id() {
    let mut host = configured(blank(Options::default()));
    host.play("D 5A 00000038 H 00000002 D 5A");
    for _ in 0..2 {
        host.send(&record(1, [0xec, 0xbc, 0, 0x55, 0x54]));
        host.play("D 69");
    }
    let nand = format!("00000BC2 00 FFFF 00000000 0005 00AD 00BC 0090 0055 0054 {}", "00".repeat(9));
    host.expect(&g2_report(&nand, "00000BBF 00 00 0000000000000000"));
    host.play("D 5A 00000C06 00000409 C1");
    host.play("H DF 00 00 0000000000000000 0000000000000800 00000000 D A5 00000BC2");
}

#[test]
fn an_absent_part_is_reported_without_id_and_cannot_be_read() {
    let mut host = configured(faulty(Faults { nand: NandFault::NoChip, ..Faults::default() }));
    host.play("D 5A 00000038 H 00000001 D 5A");
    host.send(&record(1, [0xad, 0xbc, 0x90, 0x55, 0x54]));
    host.play("D 69");
    let nand = format!("00000BC4 00 FFFF 00000000 0005 {}", "00".repeat(19));
    host.expect(&g2_report(&nand, "00000BBF 00 00 0000000000000000"));
    host.play("D 5A 00000C06 00000409 C1");
    host.play("H DF 00 00 0000000000000000 0000000000000800 00000000 D A5 00000BC4");
}

#[test]
fn an_unusable_controller_skips_the_table() {
    let mut host = configured(faulty(Faults { nand: NandFault::NoController, ..Faults::default() }));
    let nand = format!("00000BE7 00 FFFF 00000000 0005 {}", "00".repeat(19));
    host.play("D A5");
    host.expect(&g2_report(&nand, "00000BBF 00 00 0000000000000000"));
    host.play("D 5A 00000C06 00000409 C1");
}

#[test]
fn an_empty_offer_finds_nothing() {
    let mut host = configured(blank(Options::default()));
    host.play("D 5A 00000038 H 00000000 D 5A D 00000BC3");
}

#[test]
fn an_agent_that_does_not_know_the_chip_stops() {
    let mut host = faulty(Faults { unknown_chip: true, ..Faults::default() });
    host.load(Generation::G2);
    host.play("D C0 03 02 FF H 05 FE 00 08 00 70 07 FF FF 00 00 00 00 50 02 01 02 00");
    host.hush(Duration::from_secs(60));
    assert_eq!(unplug(host).1, Ended::Halted);
}

#[test]
fn a_refused_soc_check_ends_the_report_and_the_agent() {
    let mut host = configured(faulty(Faults { soc_refused: true, ..Faults::default() }));
    host.play("D 5A 00000038 H 00000000 D 5A");
    host.hear(218);
    host.play("D 5A 00000C06 00000409 CF H 72 D");
    host.hush(Duration::from_secs(60));
    assert_eq!(unplug(host).1, Ended::Halted);
}

#[test]
fn a_slow_report_comes_when_it_said_and_keeps_what_was_sent_meanwhile() {
    let mut host = configured(faulty(Faults { report_delay: Duration::from_secs(9), ..Faults::default() }));
    host.play("D 5A 00000038 H 00000000 D 5A H 72");
    let before = host.0.clock().now();
    host.hush(Duration::from_secs(8));
    host.hear(228);
    assert_eq!(host.0.clock().now() - before, Duration::from_secs(9));
    host.play("D 5A 00");
}

#[test]
fn first_time_processing_is_announced_and_ends() {
    let time = Duration::from_secs(100);
    let mut host = configured(faulty(Faults { first_time_processing: Some(time), ..Faults::default() }));
    host.play("D 5A 00000038 H 00000000 D 5A");
    host.hear(218);
    host.play("D A5 D");
    host.hush(Duration::from_secs(99));
    host.play("D 5A 00000C06 00000409 C1 H 72 D 5A 00");
}

#[test]
fn a_g1_configuration_leaves_a_g2_agent_waiting_and_the_reverse_shifts_everything() {
    let mut host = blank(Options::default());
    host.load(Generation::G2);
    host.play("D C0 03 02 84 H 05 FE 00 08 00 70 07 FF FF 00 00 00 50 02 00 D");
    host.hush(Duration::from_secs(60));
    let mut host = blank(Options::default());
    host.load(Generation::G1);
    // The last three bytes are taken for the beginning of the number of records.
    host.play("D C0 03 02 84 H 05 FE 00 08 00 70 07 FF FF 00 00 00 00 50 02 01 02 00 D 5A 00000038");
    host.play("H 01 D 5A");
}

#[test]
fn the_demo_container_runs_on_the_phone_of_its_entry() {
    for (name, entry, chip) in [("mt6575", 0, "84"), ("mt6577", 1, "85")] {
        let file = demo_agent::container(Generation::G2);
        let region = |slot: usize| {
            let at = 0x6c + entry * 0xdc + 0x14 + slot * 0x14;
            let word = |at: usize| u32::from_le_bytes(file[at..at + 4].try_into().unwrap()) as usize;
            &file[word(at)..word(at) + word(at + 4)]
        };
        let model = Model::builtin(name).unwrap();
        let id = model.nand.id;
        let chip_memory = NandChip::blank(&model.nand);
        let mut host = plug_phone(Phone::new(model, chip_memory, Options::default()));
        host.start();
        host.disable_watchdog();
        host.upload(region(1));
        host.jump();
        host.play(&format!("D C0 03 02 {chip} H 05 FE 00 08 00 70 07 FF FF 00 00 00 00 50 02 01 02 00"));
        let records: Vec<_> = region(2).chunks_exact(56).collect();
        host.play(&format!("D 5A 00000038 H {:08X} D 5A", records.len()));
        let hit = offer(&mut host, &records);
        assert_eq!([records[hit][4], records[hit][6]], id[..2]);
        assert_eq!(host.hear(228)[28..32], [0; 4]);
    }
}

#[test]
fn the_real_container_is_known_and_its_own_table_matches() {
    let folder = std::env::var("BROMIDE_DATA")
        .unwrap_or_else(|_| concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data").to_owned());
    let Ok(file) = std::fs::read(format!("{folder}/da/da_pl_2015.bin")) else {
        println!("skipped: no real container in {folder}");
        return;
    };
    // formats.md section 1.4
    let (region1, region2) = (&file[0x1882c..0x1882c + 0x1db28], &file[0x36354..0x36354 + 0x17d8]);
    let mut host = blank(Options::default());
    host.start();
    host.disable_watchdog();
    host.play("H D7 D D7 H C2000000 D C2000000 H 0001DB28 D 0001DB28 H 00000100 D 00000100 D 0000");
    host.send(region1);
    host.play("D 3E5A 0000");
    host.jump();
    host.play("D C0 03 02 84 H 05 FE 00 08 00 70 07 FF FF 00 00 00 00 50 02 01 02 00");
    host.play("D 5A 00000038 H 0000006D D 5A");
    assert_eq!(offer(&mut host, &region2.chunks_exact(56).collect::<Vec<_>>()), 69);
    let nand = "00000000 00 0078 20000000 0005 00AD 00BC 0090 0055 0054 0800 0040 0040 10 05 00";
    host.expect(&g2_report(nand, "00000BBF 00 00 0000000000000000"));
}

/// Offers records until one matches; its number.
fn offer<L: bromide_proto::link::Link>(host: &mut Host<L>, records: &[&[u8]]) -> usize {
    let hit = records.iter().position(|record| {
        host.send(record);
        host.hear(1) == [0x5a]
    });
    hit.expect("one of the records matches")
}
