//! The agent's command loop: da-legacy-device.md section 9, da-legacy.md sections 3, 4, 6 to 11 and 14.

use core::time::Duration;

use bromide_phone::{Ended, Factory, Generation, Model, NandChip, Options, TableAnswer};

use crate::host::{Plugged, blank, mt6575, plug, plug_phone, unplug};

fn ready() -> Plugged {
    ready_for(Generation::G2)
}

fn ready_for(generation: Generation) -> Plugged {
    let mut host = blank(Options::default());
    host.reach_commands(generation);
    host
}

#[test]
fn unknown_bytes_are_swallowed() {
    for generation in [Generation::G1, Generation::G2] {
        let mut host = ready_for(generation);
        host.play("H 12 A0 A9 D1 7A 7B 00 64 96 69 5A D");
        host.hush(Duration::from_secs(60));
        host.play("H 72 D 5A 00");
    }
}

#[test]
fn what_is_not_modelled_is_swallowed_and_remarked_but_never_answered() {
    let mut host = ready();
    host.play("H 62 D");
    host.hush(Duration::from_secs(60));
    host.play("H DD DE 61 D");
    host.hush(Duration::from_secs(60));
    let remarks = unplug(host).0.remarks().concat();
    assert!(remarks.contains("62") && remarks.contains("dd") && remarks.contains("de"), "{remarks}");
}

#[test]
fn the_small_commands_answer_as_observed() {
    for generation in [Generation::G1, Generation::G2] {
        let mut host = ready_for(generation);
        host.play(
            "H D0 D 0000005A 00000F3C
             H 60 D 5A H 08 D 5A
             H 63 D A5 00000C4A
             H A2 D A5 0000040D
             H A3 D A5
             H A5 D A5 0000040D
             H A7 01 D A5
             H B4 D 00001799
             H BF D 5A 00000000
             H D3 D A5
             H D5 D A5 00000BC3
             H DA D 5A 0000
             H E0 00000000 D 5A
             H E0 00000003 112233 D 5A
             H E9 D 00000000
             H EA D 00000000 00003000
             H EF D 00000BFA
             H F0 D 00000BFA
             H 52 D A5
             H D7 C1000000 1234 D 5A H D8 C1000000 D 1234 5A H D8 C1000002 D 0000 5A",
        );
        host.play("H BC D");
        assert_eq!(host.hear(32), [0; 32]);
    }
}

#[test]
fn the_uart_dance_keeps_its_steps() {
    let mut host = ready();
    host.play("H D2 0E 01 D A5 H D2 00 00 D A5");
    host.play("H D2 04 00 D 5A H C0 D C0 H C0 D C0 H 5A D 5A H 72 D 5A 00");
    host.play("H D2 01 02 D 5A H C0 D C0 H 5A D 5A");
    for value in 0..=0xffu8 {
        host.play(&format!("H {value:02X} D {value:02X} H {value:02X} D {value:02X}"));
    }
    host.play("H 72 D 5A 00 H D2 01 01 D 5A H C0 D C0 H 5A D 5A H 01 D");
    host.hush(Duration::from_secs(60));
    assert_eq!(unplug(host).1, Ended::Halted);
}

#[test]
fn nothing_that_writes_succeeds() {
    for generation in [Generation::G1, Generation::G2] {
        let mut host = ready_for(generation);
        host.play("H D4 01 00 00 00 0000000000000000 0000000000020000 D A5 0000177C 5A");
        host.play("H B3 00 00 00000000 00000001 00000840 00000000 D A5 00000410");
        host.play("H 72 D 5A 00");
        assert_eq!(unplug(host).0.chip.program_count(), 0);
    }
}

#[test]
fn external_memory_can_be_switched_on_with_the_built_in_settings_only() {
    let mut host = ready();
    host.play("H E8 FFFFFFFF D 5A H 80000001 D 00000000 02 00 0000000020000000");
    host.play("H E8 00000008 D 5A 00000088 H 5A");
    host.send(&[1; 0x88]);
    host.play("D 0088 H 5A H 80000001 D 00000BBA");
    host.play("H E8 00000003 D A5 H 72 D 5A 00");
}

#[test]
fn plain_reads_find_no_card_and_no_nand_in_g2() {
    let mut host = ready();
    for (storage, status) in [("00", "03EB"), ("01", "03EB"), ("02", "0BDC"), ("03", "0BDC"), ("07", "03EB")]
    {
        host.play(&format!("H D6 0C {storage} 0000000000000000 0000000000001000 D A5 0000{status}"));
    }
}

#[test]
fn the_bad_block_rows_are_told() {
    let model = mt6575();
    let chip = Factory::new(&model, NandChip::blank(&model.nand)).unwrap().finish().unwrap();
    let mut host = plug(model, chip, Options::default());
    host.reach_commands(Generation::G2);
    host.play("H A3 D 5A 01 03E8 0FB0 H 5A H 72 D 5A 00");
}

/// The model with a partition table, its chip, and the records A2 must give, written from da-legacy.md section 10.
fn with_table() -> (Model, NandChip, Vec<u8>) {
    let model = mt6575().with_pmt(true).unwrap();
    let chip = Factory::new(&model, NandChip::blank(&model.nand)).unwrap().finish().unwrap();
    let records = model.partitions().into_iter().flat_map(|it| {
        let mut record = it.name.into_bytes();
        record.resize(64, 0);
        for number in [it.bytes, u64::MAX, it.start, 0] {
            record.extend(number.to_le_bytes());
        }
        record
    });
    let records = records.collect();
    (model, chip, records)
}

#[test]
fn the_partition_table_is_told_in_records_of_96_bytes() {
    for generation in [Generation::G1, Generation::G2] {
        let (model, chip, records) = with_table();
        let mut host = plug(model, chip, Options::default());
        host.reach_commands(generation);
        for _ in 0..2 {
            // 14 partitions of 0x60 bytes
            host.play("H A2 D 5A 00000540 H 5A D");
            host.expect(&records);
            host.play("H 5A H 72 D 5A 00");
        }
        host.play("H A2 D 5A 00000540 H 96 H 72 D 5A 00");
        host.play("H A5 D A5 0000040D");
    }
}

#[test]
fn other_agents_have_shorter_records_or_find_no_table() {
    for (table, length) in [
        (TableAnswer::Wide, Some(14 * 0x58)),
        (TableAnswer::Narrow, Some(14 * 0x4c)),
        (TableAnswer::Refused, None),
    ] {
        let (model, chip, records) = with_table();
        let mut host = plug(model, chip, Options { table, ..Options::default() });
        host.reach_commands(Generation::G2);
        let Some(length) = length else {
            host.play("H A2 D A5 0000040D");
            continue;
        };
        host.play(&format!("H A2 D 5A {length:08X} H 5A D"));
        let heard = host.hear(length);
        assert_eq!(heard[..64], records[..64]);
        host.play("H 5A H 72 D 5A 00");
    }
}

#[test]
fn a_table_beyond_repair_is_told_from_its_mirror_and_both_beyond_repair_are_none() {
    let (model, mut chip, records) = with_table();
    // formats.md section 3.3: blocks 4014 and 4015
    (0..5).for_each(|n| chip.flip(4014 * 64, 100 + n, 1).unwrap());
    let ask = |chip: NandChip| {
        let mut host = plug(model.clone(), chip, Options::default());
        host.reach_commands(Generation::G2);
        host.play("H A2 D");
        let first = host.hear(5);
        if first == [0x5a, 0, 0, 5, 0x40] {
            host.play("H 5A D");
            host.expect(&records);
            host.play("H 5A");
        }
        host.play("H 72 D 5A 00");
        (first[0], unplug(host).0.chip)
    };
    let (answer, mut chip) = ask(chip);
    assert_eq!(answer, 0x5a);
    (0..5).for_each(|n| chip.flip(4015 * 64, 600 + n, 1).unwrap());
    assert_eq!(ask(chip).0, 0xa5);
}

#[test]
fn finishing_ends_the_plug_in_or_leaves_a_silent_phone() {
    for code in 0..2 {
        let mut host = ready();
        host.play(&format!("H D9 D 5A H {code:08X} D 5A"));
        host.gone();
        assert_eq!(unplug(host).1, Ended::Finished(code));
    }
    for code in [2, 3, 77] {
        let mut host = ready();
        host.play(&format!("H D9 D 5A H {code:08X} D 5A H 72 D"));
        host.hush(Duration::from_secs(60));
        assert_eq!(unplug(host).1, Ended::Finished(code));
    }
}

#[test]
fn the_watchdog_command_restarts_the_phone() {
    let mut host = ready();
    host.play("H DB FF FF 00 00 00 02 D 5A");
    host.gone();
    assert_eq!(unplug(host).1, Ended::Restarted { timeout: 0xffff, flags: 2 });
}

#[test]
fn the_switch_to_high_speed_keeps_the_agent_over_one_unplugging() {
    for generation in [Generation::G1, Generation::G2] {
        let mut host = ready_for(generation);
        host.play("H 72 D 5A 00 H 70 00 D 5A H 72 D 5A 00 H 70 01 D 5A");
        host.gone();
        let (phone, ended) = unplug(host);
        assert_eq!(ended, Ended::ReturnsAs2001);
        assert!(phone.returns_as_2001());
        // No start sequence, no C0, no report.
        let mut host = plug_phone(phone);
        host.play("H 72 D 5A 01 H 70 01 D 5A H 72 D 5A 01");
        host.ask(generation, 1, true, 0, 0x800);
        host.play("D 5A 00000800 00000040 00000800");
        let (phone, ended) = unplug(host);
        assert_eq!(ended, Ended::Unplugged);
        assert!(!phone.returns_as_2001());
        plug_phone(phone).start();
    }
}

#[test]
fn the_other_port_command_switches_too_and_a_power_cut_forgets_the_agent() {
    let mut host = ready();
    host.play("H 73 00 2001 0E8D D 5A H 72 D 5A 00 H 73 01 2001 0E8D D 5A");
    host.gone();
    let (mut phone, ended) = unplug(host);
    assert_eq!(ended, Ended::ReturnsAs2001);
    phone.power_off();
    plug_phone(phone).start();
}

#[test]
fn a_table_with_flipped_bits_still_counts_and_one_in_a_marked_block_does_not() {
    let mut model = mt6575();
    model.nand.bad_blocks = vec![1000];
    let built = || Factory::new(&model, NandChip::blank(&model.nand)).unwrap().finish().unwrap();
    let rows = |chip| {
        let mut host = plug(model.clone(), chip, Options::default());
        host.reach_commands(Generation::G2);
        host.play("H A3 D");
        host.hear(1)
    };
    let table = 4095 * 64;
    let mut worn = built();
    (0..4).for_each(|n| worn.flip(table, 20 + n, 1).unwrap());
    assert_eq!(rows(worn), [0x5a]);
    let mut marked = built();
    let mut mark = [0xff; 2112];
    mark[512] = 0;
    marked.program(table, &mark).unwrap();
    assert_eq!(rows(marked), [0xa5]);
}
