//! DF and the pages behind it: da-legacy-device.md sections 5 and 12, da-legacy.md section 5.

use core::time::Duration;

use bromide_phone::{
    EccDelivery, Factory, Faults, Filling, Generation, Model, NandChip, Options, ReadFault, ReadFaultKind,
    stored_page,
};

use crate::host::{Plugged, blank, mt6575, plug, unplug};

const BOTH: [Generation; 2] = [Generation::G1, Generation::G2];
/// First page of `system` and of its replaced block, first page of `cache`'s bad block.
const SYSTEM: u32 = 157 * 64;
const REPLACED: u32 = 1000 * 64;
const LOST: u32 = 2600 * 64;

/// A chip with some pages around everything that matters.
fn factory_chip(model: &Model) -> NandChip {
    let mut factory = Factory::new(model, NandChip::blank(&model.nand)).unwrap();
    factory.fill("system", 3 * 64, Filling::default()).unwrap();
    factory.fill("cache", 90 * 64, Filling::default()).unwrap();
    for block in 999..1002u32 {
        for page in block * 64..block * 64 + 64 {
            factory.program_logical(page, &[page as u8; 2048], &page.to_le_bytes()).unwrap();
        }
    }
    factory.finish().unwrap()
}

fn ready(generation: Generation, options: Options) -> Plugged {
    let model = mt6575();
    let chip = factory_chip(&model);
    let mut host = plug(model, chip, options);
    host.reach_commands(generation);
    host
}

fn healthy(generation: Generation) -> Plugged {
    ready(generation, Options::default())
}

fn faulty(reads: Vec<ReadFault>, wrong_sums: u32) -> Plugged {
    ready(
        Generation::G2,
        Options { faults: Faults { reads, wrong_sums, ..Faults::default() }, ..Options::default() },
    )
}

fn stored(pages: core::ops::Range<u32>) -> Vec<u8> {
    let model = mt6575();
    let chip = factory_chip(&model);
    pages.flat_map(|page| stored_page(&model, &chip, page).unwrap()).collect()
}

/// The page of the worked examples: main bytes 00..FF eight times, spare FF, in the order of the chip.
fn counting_page() -> Vec<u8> {
    let data: Vec<u8> = (0..=0xff).cycle().take(512).collect();
    (0..4).flat_map(|_| [&data[..], &[0xff; 16]].concat()).collect()
}

fn counting(generation: Generation) -> Plugged {
    let model = mt6575();
    let mut chip = NandChip::blank(&model.nand);
    for page in 64..68 {
        chip.program(page, &counting_page()).unwrap();
    }
    let mut host = plug(model, chip, Options::default());
    host.reach_commands(generation);
    host
}

#[test]
fn the_worked_example_of_four_pages_passes_byte_for_byte() {
    let mut host = counting(Generation::G2);
    host.play(
        "H DF 00 00  00 00 00 00 00 02 00 00  00 00 00 00 00 00 20 00  00 00 00 00
         D 5A  00 00 08 00  00 00 00 40  00 00 08 40
         H 00 00 00 03
         D 00 00 00 00 00 00 21 00",
    );
    host.expect(&[counting_page(), counting_page(), counting_page()].concat());
    host.play("D B340 H 5A");
    host.expect(&counting_page());
    host.play("D 3BC0 H 5A H 72 D 5A 00");
}

#[test]
fn the_sums_of_the_worked_examples_come_out() {
    for generation in BOTH {
        let mut host = counting(generation);
        for (pages, sum) in [(1u32, "3BC0"), (2, "7780"), (4, "EF00")] {
            host.ask(generation, 0, false, 0x20000, pages * 0x800);
            let total = pages * 0x840;
            host.play("D 5A 00000800 00000040 00000840");
            host.play(&format!(
                "H {pages:08X} D {}",
                match generation {
                    Generation::G1 => format!("{total:08X}"),
                    Generation::G2 => format!("{total:016X}"),
                }
            ));
            host.hear(total as usize);
            host.play(&format!("D {sum} H 5A"));
        }
        host.play("H 72 D 5A 00");
    }
}

#[test]
fn the_observed_g1_request_is_answered_in_32_bits() {
    // da-legacy-observed.md section 7.3: 0x8000 bytes from 0x20000, one page a frame.
    let mut host = counting(Generation::G1);
    host.play("H F0 D 00000BFA");
    host.play("H DF 00 01  00 02 00 00  00 00 80 00  00 00 00 00");
    host.play("D 5A 00000800 00000040 00000840 H 00000001 D 00008400");
    for n in 0..16 {
        let page = if n < 4 { counting_page() } else { vec![0xff; 2112] };
        host.expect(&page);
        host.play(if n < 4 { "D 3BC0 H 5A" } else { "D 37C0 H 5A" });
    }
    host.play("H D9 D 5A H 00000000 D 5A");
}

#[test]
fn the_last_packet_is_short_in_both_generations() {
    for generation in BOTH {
        let mut host = counting(generation);
        host.ask(generation, 0, true, 0, 5 * 0x800);
        host.play("D 5A 00000800 00000040 00000840 H 00000002");
        host.hear(if generation == Generation::G1 { 4 } else { 8 });
        for pages in [2, 2, 1] {
            host.hear(pages * 2112 + 2);
            host.play("H 5A");
        }
        host.play("H 72 D 5A 00");
    }
}

#[test]
fn the_total_of_the_first_users_system_is_the_size_of_his_dump() {
    let mut host = healthy(Generation::G2);
    host.ask(Generation::G2, 0, false, 0x013a_0000, 0x1270_0000);
    host.play("D 5A 00000800 00000040 00000840 H 000001F0 D 0000000013038000");
}

#[test]
fn a_repeat_brings_the_same_packet_and_a_stop_ends_without_a_byte() {
    let mut host = counting(Generation::G2);
    host.ask(Generation::G2, 0, false, 0x20000, 0x1000);
    host.play("D 5A 00000800 00000040 00000840 H 00000001 D 0000000000001080");
    for answer in ["69", "69", "5A"] {
        host.expect(&counting_page());
        host.play(&format!("D 3BC0 H {answer}"));
    }
    host.expect(&counting_page());
    host.play("D 3BC0 H 96 D");
    host.hush(Duration::from_secs(60));
    host.play("H 96 D");
    host.hush(Duration::from_secs(60));
    host.play("H 72 D 5A 00");
}

#[test]
fn any_other_byte_counts_as_accept_so_a_ping_brings_the_next_packet() {
    let mut host = counting(Generation::G2);
    host.ask(Generation::G2, 1, false, 0x20000, 0x1800);
    host.play("D 5A 00000800 00000040 00000800 H 00000001 D 0000000000001800");
    host.hear(2050);
    host.play("H 72");
    host.hear(2050);
    host.play("H 11");
    host.hear(2050);
    host.play("H A5 D");
    host.hush(Duration::from_secs(60));
    host.play("H 72 D 5A 00");
}

#[test]
fn no_pages_in_a_packet_give_empty_packets_for_ever() {
    let mut host = counting(Generation::G2);
    host.ask(Generation::G2, 0, false, 0x20000, 0x1800);
    host.play("D 5A 00000800 00000040 00000840 H 00000000 D 00000000000018C0");
    for _ in 0..1000 {
        host.play("D 0000 H 5A");
    }
    host.play("D 0000 H 96 H 72 D 5A 00");
}

#[test]
fn addresses_behind_the_end_and_wrong_lengths_are_refused() {
    for generation in BOTH {
        let mut host = healthy(generation);
        // With a pool of 80 blocks the logical end is 1F600000, the physical one 20000000.
        for (physical, address, length, status) in [
            (false, 0x1f60_0000, 0x800, "0BD8"),
            (true, 0x2000_0000, 0x800, "0BD8"),
            (false, 0x1f5f_f800, 0x1000, "0BDC"),
            (true, 0x1fff_f800, 0x801, "0BDC"),
            (true, 0, 0xffff_ffff, "0BDC"),
            (false, 0, 0, "0BDC"),
        ] {
            host.ask(generation, 0, physical, address, length);
            host.play(&format!("D A5 0000{status}"));
        }
        host.ask(generation, 0, true, 0x1f60_0000, 0x800);
        host.play("D 5A");
    }
}

#[test]
fn a_pool_in_blocks_and_one_in_bytes_give_the_same_end_and_a_small_one_in_bytes_none() {
    for (pool, end) in
        [("00 00000050", 0x1f60_0000u32), ("01 00A00000", 0x1f60_0000), ("01 00000050", 0x2000_0000)]
    {
        let mut host = blank(Options::default());
        host.load(Generation::G2);
        host.play(&format!("D C0 03 02 84 H 05 FE 00 08 00 70 07 FF FF {pool} 02 01 02 00"));
        host.play("D 5A 00000038 H 00000001 D 5A");
        host.send(&crate::host::record(1, [0xad, 0xbc, 0x90, 0x55, 0x54]));
        host.hear(1 + 228);
        host.ask(Generation::G2, 0, false, end, 0x800);
        host.play("D A5 00000BD8");
        host.ask(Generation::G2, 0, false, end - 0x800, 0x800);
        host.play("D 5A");
    }
}

#[test]
fn addresses_and_lengths_are_rounded_down_to_pages() {
    let mut host = healthy(Generation::G2);
    let at = SYSTEM * 2048;
    let whole = host.read(Generation::G2, 0, false, at, 0x800, 1);
    assert_eq!(host.read(Generation::G2, 0, false, at + 0x7ff, 0xfff, 1), whole);
    assert!(host.read(Generation::G2, 0, false, at, 0x7ff, 1).is_empty());
    host.play("H 72 D 5A 00");
}

#[test]
fn only_the_low_32_bits_of_address_and_length_are_used() {
    let mut host = counting(Generation::G2);
    host.play("H DF 00 00 11111111 00020000 22222222 00000800 00000000 D 5A 00000800 00000040 00000840");
    host.play("H 00000001 D 0000000000000840");
    host.expect(&counting_page());
}

#[test]
fn logical_reads_follow_the_table_and_physical_ones_do_not() {
    for generation in BOTH {
        let mut host = healthy(generation);
        let (at, length) = ((REPLACED - 64) * 2048, 3 * 64 * 2048);
        let logical = host.read(generation, 0, false, at, length, 64);
        let physical = host.read(generation, 0, true, at, length, 100);
        assert!(logical == stored(REPLACED - 64..REPLACED + 128));
        let differs: Vec<u32> = (0..192)
            .filter(|n| page(&logical, *n) != page(&physical, *n))
            .map(|n| n + REPLACED - 64)
            .collect();
        assert_eq!(differs, (REPLACED..REPLACED + 64).collect::<Vec<_>>());
        assert_eq!(page(&logical, 64)[2101..2103], 1000u16.to_le_bytes());
        assert_eq!(page(&physical, 64)[512], 0, "the mark");
        let pool = host.read(generation, 0, true, 4016 * 0x20000, 0x20000, 7);
        assert!(pool == logical[64 * 2112..128 * 2112]);
    }
}

fn page(pages: &[u8], n: u32) -> &[u8] {
    &pages[n as usize * 2112..][..2112]
}

#[test]
fn without_a_pool_there_is_no_table_and_logical_is_physical() {
    let model = mt6575();
    let chip = factory_chip(&model);
    let mut host = plug(model, chip, Options::default());
    host.load(Generation::G2);
    host.play("D C0 03 02 84");
    host.configure(Generation::G2, 0);
    host.play("D 5A 00000038 H 00000001 D 5A");
    host.send(&crate::host::record(1, [0xad, 0xbc, 0x90, 0x55, 0x54]));
    assert_eq!(host.hear(1 + 228)[60], 0, "no table");
    let at = REPLACED * 2048;
    assert_eq!(host.read(Generation::G2, 0, false, at, 0x800, 1)[512], 0);
}

#[test]
fn the_flags_order_the_same_page_differently() {
    for generation in BOTH {
        let mut host = healthy(generation);
        let (at, length) = (SYSTEM * 2048, 70 * 2048);
        let raw = host.read(generation, 0, false, at, length, 64);
        let main = host.read(generation, 1, false, at, length, 3);
        let both = host.read(generation, 4, false, at, length, 512);
        assert!(raw == stored(SYSTEM..SYSTEM + 70));
        for n in 0..70usize {
            let sectors: Vec<_> = raw[n * 2112..][..2112].chunks(528).collect();
            let data: Vec<u8> = sectors.iter().flat_map(|s| &s[..512]).copied().collect();
            let spare: Vec<u8> = sectors.iter().flat_map(|s| &s[512..]).copied().collect();
            assert!(main[n * 2048..][..2048] == data);
            assert!(both[n * 2112..][..2112] == [data, spare].concat());
        }
        for flag in [3, 5, 0xff] {
            assert!(host.read(generation, flag, false, at, length, 64) == main, "flag {flag}");
        }
    }
}

#[test]
fn flag_2_has_the_right_size_and_the_wrong_bytes() {
    let mut host = healthy(Generation::G2);
    let at = SYSTEM * 2048;
    let raw = host.read(Generation::G2, 0, false, at, 0x1000, 2);
    let stale = host.read(Generation::G2, 2, false, at, 0x1000, 2);
    assert_eq!(stale.len(), 128);
    assert_eq!(stale[..64], raw[2112..2112 + 64]);
    assert_eq!(stale[..64], stale[64..]);
}

#[test]
fn flag_3_cuts_the_packet_at_a_bad_block_and_goes_on_behind_it() {
    let mut host = healthy(Generation::G2);
    // Two pages before the bad block, eight in all, packets of five.
    host.ask(Generation::G2, 3, false, (LOST - 2) * 2048, 8 * 2048);
    host.play("D 5A 00000800 00000040 00000800 H 00000005 D 0000000000004000");
    let mut heard = Vec::new();
    for (pages, answer) in [(2, "69"), (2, "5A"), (5, "5A"), (1, "5A")] {
        let packet = host.hear(pages * 2048 + 2);
        if answer == "5A" {
            heard.extend_from_slice(&packet[..pages * 2048]);
        }
        host.play(&format!("H {answer}"));
    }
    host.play("H 72 D 5A 00");
    let main = |pages| host.read(Generation::G2, 1, false, pages, 0x800, 1);
    let wanted: Vec<u8> = [LOST - 2, LOST - 1]
        .into_iter()
        .chain(LOST + 64..LOST + 70)
        .map(|p| p * 2048)
        .flat_map(main)
        .collect();
    assert!(heard == wanted);
}

#[test]
fn flag_3_begun_in_a_bad_block_sends_an_empty_packet_first() {
    let mut host = healthy(Generation::G2);
    host.ask(Generation::G2, 3, true, REPLACED * 2048, 0x800);
    host.play("D 5A 00000800 00000040 00000800 H 00000001 D 0000000000000800 D 0000 H 5A");
    assert_eq!(host.hear(2050)[..2048], [(REPLACED + 64) as u8; 2048]);
    host.play("H 5A H 72 D 5A 00");
}

#[test]
fn flag_3_that_skips_over_the_end_says_so_inside_the_stream() {
    let mut host = healthy(Generation::G2);
    // The last block of the chip is bad.
    host.ask(Generation::G2, 3, true, 0x1fff_f000 - 0x1f000, 0x20000);
    host.play(
        "D 5A 00000800 00000040 00000800 H 00000040 D 0000000000020000 D 0000 H 5A D A5 00000C26 20000000",
    );
    host.play("H 72 D 5A 00");
}

#[test]
fn a_container_announces_every_packet_and_is_not_left() {
    let mut host = healthy(Generation::G2);
    let at = format!("{:08X}", SYSTEM * 2048 + 62 * 2048);
    host.play(&format!("H DF 01 00 00000000{at} 0000000000002000 00000001"));
    host.play("D 5A 00000800 00000040 00000800 H 00000001 D 0000000000002000");
    for answer in ["69", "5A", "5A"] {
        host.play("D 5A");
        host.hear(2050);
        host.play(&format!("H {answer}"));
    }
    host.play("D A5 00000C25 H 72 D 5A 00");
}

#[test]
fn a_protected_phone_refuses_every_read_back() {
    let mut host = ready(
        Generation::G2,
        Options { faults: Faults { read_protected: true, ..Faults::default() }, ..Options::default() },
    );
    host.ask(Generation::G2, 0, false, 0, 0x800);
    host.play("D A5 0000177B H 72 D 5A 00");
}

#[test]
fn a_silent_stop_leaves_the_packet_in_the_middle_as_often_as_it_was_told() {
    let fault = ReadFault { page: SYSTEM + 66, times: 2, kind: ReadFaultKind::SilentStop };
    let mut host = faulty(vec![fault], 0);
    let at = SYSTEM * 2048;
    for _ in 0..2 {
        host.ask(Generation::G2, 0, false, at, 70 * 2048);
        host.play("D 5A 00000800 00000040 00000840 H 00000046");
        host.hear(8);
        host.expect(&stored(SYSTEM..SYSTEM + 66));
        host.play("D");
        host.hush(Duration::from_secs(60));
        // The recovery of da-legacy.md section 5.5.
        host.play("H 96 D");
        host.hush(Duration::from_secs(1));
        host.play("H 72 D 5A 00");
    }
    assert!(host.read(Generation::G2, 0, false, at, 70 * 2048, 70) == stored(SYSTEM..SYSTEM + 70));
}

#[test]
fn a_fault_in_the_first_page_of_a_packet_sends_nothing_and_may_last_for_ever() {
    let fault = ReadFault { page: SYSTEM, times: u32::MAX, kind: ReadFaultKind::SilentStop };
    let mut host = faulty(vec![fault], 0);
    for _ in 0..5 {
        host.ask(Generation::G2, 1, false, SYSTEM * 2048, 0x800);
        host.play("D 5A 00000800 00000040 00000800 H 00000001 D 0000000000000800 D");
        host.hush(Duration::from_secs(60));
        host.play("H 96 72 D 5A 00");
    }
}

#[test]
fn an_error_inside_the_stream_is_nine_bytes_behind_a_whole_page() {
    let fault = ReadFault { page: SYSTEM + 3, times: 1, kind: ReadFaultKind::InBand { status: 0xc26 } };
    let mut host = faulty(vec![fault], 0);
    host.ask(Generation::G2, 0, false, SYSTEM * 2048, 0x4000);
    host.play("D 5A 00000800 00000040 00000840 H 00000008 D 0000000000004200");
    host.expect(&stored(SYSTEM..SYSTEM + 3));
    host.play(&format!("D A5 00000C26 {:08X} H 72 D 5A 00", (SYSTEM + 3) * 2048));
}

#[test]
fn wrong_sums_stop_after_so_many_packets() {
    let mut host = faulty(vec![], 2);
    host.ask(Generation::G2, 1, true, LOST * 2048, 0x800);
    host.play("D 5A 00000800 00000040 00000800 H 00000001 D 0000000000000800");
    let sums: Vec<_> = (0..3)
        .map(|n| {
            let packet = host.hear(2050);
            host.play(if n < 2 { "H 69" } else { "H 5A" });
            packet[2048..].to_vec()
        })
        .collect();
    // 2048 times FF.
    assert_eq!(sums, [[0x07, 0xff], [0x07, 0xff], [0xf8, 0x00]]);
}

#[test]
fn bit_errors_arrive_raw_or_corrected_as_long_as_they_can_be() {
    let model = mt6575();
    let read = |ecc| {
        let mut chip = factory_chip(&model);
        // Four wrong bits in a sector of the first page, five in the second, three in a blank page.
        (0..4).for_each(|n| chip.flip(SYSTEM, 600 + 7 * n, n as u8).unwrap());
        (0..5).for_each(|n| chip.flip(SYSTEM + 1, 600 + 7 * n, n as u8).unwrap());
        (0..3).for_each(|n| chip.flip(SYSTEM + 61, n, 0).unwrap());
        let mut host = plug(model.clone(), chip, Options { ecc, ..Options::default() });
        host.reach_commands(Generation::G2);
        host.read(Generation::G2, 0, false, SYSTEM * 2048, 64 * 2048, 64)
    };
    let clean = stored(SYSTEM..SYSTEM + 64);
    let wrong = |got: &[u8], n: u32| {
        page(got, n).iter().zip(page(&clean, n)).map(|(a, b)| (a ^ b).count_ones()).sum::<u32>()
    };
    let (raw, corrected) = (read(EccDelivery::Raw), read(EccDelivery::Corrected));
    assert_eq!([wrong(&raw, 0), wrong(&raw, 1), wrong(&raw, 61), wrong(&raw, 2)], [4, 5, 3, 0]);
    assert_eq!([wrong(&corrected, 0), wrong(&corrected, 1), wrong(&corrected, 61)], [0, 5, 3]);
}

#[test]
fn g1_reads_nand_with_the_plain_command_too() {
    let mut host = healthy(Generation::G1);
    let (at, length) = (REPLACED * 2048 - 100, 0x20000u32 + 333);
    let main = host.read(Generation::G1, 1, false, (REPLACED - 64) * 2048, 3 * 0x20000, 64);
    let wanted = &main[0x20000 - 100..][..length as usize];
    host.play(&format!("H D6 01 00000000{at:08X} 00000000{length:08X} D 5A H 00010000"));
    let mut heard = Vec::new();
    for (bytes, answer) in [(0x10000, "5A"), (0x10000, "A5"), (0x10000, "5A"), (333, "5A")] {
        let packet = host.hear(bytes);
        let sum = packet.iter().map(|b| u32::from(*b)).sum::<u32>() as u16;
        host.expect(&sum.to_be_bytes());
        host.play(&format!("H {answer}"));
        if answer == "5A" {
            heard.extend(packet);
        }
    }
    assert!(heard == wanted);
    host.play("H D6 01 000000001F600000 0000000000000800 D A5 00000BD8");
    host.play("H D6 01 0000000000000000 000000001F600001 D A5 00000BDC");
    host.play("H D6 01 0000000000000000 0000000000000000 D A5 00000BDC");
    host.play("H D6 00 0000000000000000 0000000000000800 D A5 000003EB");
    host.play("H D6 02 0000000000000000 0000000000000800 D A5 00000BDC H 72 D 5A 00");
}

#[test]
fn reading_changes_nothing() {
    let mut host = healthy(Generation::G2);
    let programs = factory_chip(&mt6575()).program_count();
    host.read(Generation::G2, 0, false, 0, 0x20000, 64);
    assert_eq!(unplug(host).0.chip.program_count(), programs);
}
