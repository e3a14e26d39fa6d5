//! BootROM and preloader against the transcripts of brom-preloader.md; sections in the comments are that page's.

use core::time::Duration;

use crate::host::{Host, Plugged, blank, mt6575, plug, unplug};
use bromide_phone::{Boot, Ended, Generation, Model, NandChip, Options, Pace, PhoneLink, SecondStart};

const SECOND: Duration = Duration::from_secs(1);

fn started() -> Plugged {
    let mut host = blank(Options::default());
    host.start();
    host
}

fn with_config(config: u32) -> Plugged {
    let mut model = mt6575();
    model.chip.target_config = config;
    let chip = NandChip::blank(&model.nand);
    let mut host = plug(model, chip, Options::default());
    host.start();
    host
}

fn from_preloader() -> Plugged {
    blank(Options { boot: Boot::Preloader, ..Options::default() })
}

#[test]
fn the_minimal_run_of_the_notes_passes_byte_for_byte() {
    // Section 8, with the codes of this phone and a small upload.
    let mut host = blank(Options::default());
    host.play(
        "H A0 D 5F H 0A D F5 H 50 D AF H 05 D FA
         H FD D FD 6575 0000
         H FC D FC 8A00 CB00 E201 0000
         H D0 D D0 H C0000000 D C0000000 H 00000001 D 00000001 D 0000 D 0000 D 0000
         H D2 D D2 H C0000000 D C0000000 H 00000001 D 00000001 D 0000 H 2200 D 2200 D 0000
         H FE D FE
         H D8 D D8 00000000 0000
         H FF D 05
         H FE D FE
         H D1 D D1 H C0003070 D C0003070 H 00000001 D 00000001 D 0000 D 00000000 D 0000
         H D4 D D4 H C0003070 D C0003070 H 00000001 D 00000001 D 0000 H 00000002 D 00000002 D 0000
         H D7 D D7 H C2000000 D C2000000 H 00000003 D 00000003 H 00000000 D 00000000 D 0000
         H 01 02 03 D 0202 0000
         H D5 D D5 H C2000000 D C2000000 D 0000",
    );
    host.hush(SECOND);
    let (phone, ended) = unplug(host);
    assert_eq!(ended, Ended::Crashed);
    assert!(phone.remarks()[0].contains("no agent"));
}

#[test]
fn the_start_sequence_can_be_sent_in_one_piece_and_again_after_a_wrong_byte() {
    let mut host = blank(Options::default());
    host.play("H 33 D 34 H FF D 00 H A0 0A 33 D 5F F5 34 H 50 D 51 H A0 0A 50 05 D 5F F5 AF FA H FE D FE");
}

#[test]
fn the_mt6577_differs_by_its_sub_code() {
    let model = Model::builtin("mt6577").unwrap();
    let chip = NandChip::blank(&model.nand);
    let mut host = plug(model, chip, Options::default());
    host.start();
    host.play("H FD D FD 6575 0000 H FC D FC 8B00 CB00 E201 0000");
    host.play("H D1 D D1 H C0009024 D C0009024 H 00000001 D 00000001 D 0000 00000000 0000");
}

#[test]
fn the_chip_identity_comes_with_its_length_twice_in_a_row() {
    let mut host = started();
    let id = "B20DDE0065758A000000000000000001";
    host.play(&format!("H E1 D E1 00000010 {id} 0000 H E1 D E1 00000010 {id} 0000"));
}

#[test]
fn reads_and_writes_reach_the_same_registers() {
    let mut host = started();
    host.play("H D4 D D4 H C1000000 D C1000000 H 00000002 D 00000002 D 0000");
    host.play("H 11223344 D 11223344 H 55667788 D 55667788 D 0000");
    host.play("H D1 D D1 H C1000000 D C1000000 H 00000002 D 00000002 D 0000 11223344 55667788 0000");
    host.play("H D0 D D0 H C1000004 D C1000004 H 00000001 D 00000001 D 0000 7788 0000");
    host.play("H A2 D A2 H C1000004 D C1000004 H 00000001 D 00000001 D 7788");
}

#[test]
fn the_watermark_of_a_virtual_phone_cannot_be_overwritten() {
    let mut host = started();
    host.play("H D2 D D2 H C0000014 D C0000014 H 00000001 D 00000001 D 0000 H 2222 D 2222 D 0000");
    host.play("H D0 D D0 H C0000014 D C0000014 H 00000001 D 00000001 D 0000 B20D 0000");
    host.play("H D0 D D0 H C0000018 D C0000018 H 00000001 D 00000001 D 0000 171D 0000");
    host.play("H D0 D D0 H C0000010 D C0000010 H 00000003 D 00000003 D 0000 0000 0000 B20D 0000");
}

#[test]
fn a_write32_may_end_in_one() {
    let mut host = blank(Options { write32_status: 1, ..Options::default() });
    host.start();
    host.play("H D4 D D4 H C1000000 D C1000000 H 00000001 D 00000001 D 0000 H 00000002 D 00000002 D 0001");
}

#[test]
fn uploads_are_refused_before_the_first_byte() {
    for (address, length, signature, status) in [
        ("C2000000", "00000000", "00000000", "1D13"),
        ("C2000001", "00000010", "00000000", "1D11"),
        ("C2000000", "00000010", "00000011", "1D14"),
        ("80000000", "00000010", "00000000", "1D12"),
        ("C203F000", "00000010", "00000000", "1D0E"),
    ] {
        let mut host = started();
        host.play(&format!("H D7 D D7 H {address} D {address} H {length} D {length}"));
        host.play(&format!("H {signature} D {signature} D {status} H FE D FE"));
    }
}

#[test]
fn a_ninth_upload_is_one_too_many() {
    let mut host = started();
    for n in 0..9u32 {
        let at = format!("{:08X}", 0xc200_0000 + n * 16);
        host.play(&format!("H D7 D D7 H {at} D {at} H 00000002 D 00000002 H 00000000 D 00000000"));
        host.play(if n < 8 { "D 0000 H 1234 D 3412 0000" } else { "D 1D10 H FE D FE" });
    }
}

#[test]
fn a_jump_to_nothing_is_refused_and_a_jump_into_the_middle_crashes() {
    let mut host = started();
    host.play("H D5 D D5 H C2000000 D C2000000 D 1D16");
    host.upload(b"some bytes");
    host.play("H D5 D D5 H C3000000 D C3000000 D 1D0F");
    host.disable_watchdog();
    host.play("H D5 D D5 H C2000002 D C2000002 D 0000");
    host.hush(SECOND * 60);
    host.play("H FE 72 D9");
    host.hush(SECOND);
    assert_eq!(unplug(host).1, Ended::Crashed);
}

#[test]
fn what_is_told_to_be_an_agent_runs_as_one() {
    let mut host = blank(Options { agent: Some(Generation::G1), ..Options::default() });
    host.start();
    host.disable_watchdog();
    host.upload(b"anything");
    host.jump();
    host.play("D C0 03 02 84 H 05 FE 00 08 00 70 07 FF FF 00 00 00 50 02 00 D 5A 00000038");
}

#[test]
fn nothing_has_to_be_authenticated_on_an_open_phone() {
    let mut host = started();
    host.play("H E3 D E3 7017 H E0 D E0 H 00000010 D 00000010 D 1D0C H E2 D E2 H 00000010 D 00000010 D 1D0C");
}

#[test]
fn a_phone_with_serial_link_authentication_refuses_memory_and_uploads() {
    let mut host = with_config(2);
    host.play("H D8 D D8 00000002 0000");
    host.play("H D0 D D0 H C0000000 D C0000000 H 00000001 D 00000001 D 1D0D");
    host.play("H D4 D D4 H C0000000 D C0000000 H 00000001 D 00000001 D 1D0D");
    host.play("H D7 D D7 H C2000000 D C2000000 H 00000002 D 00000002 H 00000000 D 00000000 D 1D0D");
    host.play("H E3 D E3 0000 00000010");
    host.hear(16);
    host.play("H 00000010 D");
    host.hush(SECOND);
}

#[test]
fn a_phone_that_wants_signed_agents_refuses_every_agent() {
    let mut host = with_config(4);
    host.play("H D7 D D7 H C2000000 D C2000000 H 00000002 D 00000002 H 00000000 D 00000000 D 1D15");
    host.play("H D7 D D7 H C2000000 D C2000000 H 00000002 D 00000002 H 00000002 D 00000002 D 0000");
    host.play("H 1234 D 3412 7015 H D5 D D5 H C2000000 D C2000000 D 1D16");
    host.play("H E2 D E2 H 00000002 D 00000002 D 0000 H 1234 D 3412 2000");
}

#[test]
fn unknown_commands_get_no_answer() {
    let mut host = started();
    host.play("H 00 01 99 C8 FB D");
    host.hush(SECOND);
    host.play("H FE D FE");
}

#[test]
fn a_second_start_sequence_gets_what_the_phone_was_told() {
    for (what, heard) in [
        (SecondStart::Silent, "D"),
        (SecondStart::Echo, "D A0 0A 50 05"),
        (SecondStart::Complement, "D 5F F5 AF FA"),
    ] {
        let mut host = blank(Options { second_start: what, ..Options::default() });
        host.start();
        host.play(&format!("H A0 0A 50 05 {heard} H FE D FE"));
    }
}

#[test]
fn the_watchdog_resets_a_phone_whose_host_forgets_it() {
    let mut host = started();
    host.hush(SECOND * 9);
    host.gone();
    assert_eq!(host.0.ended(), Some(Ended::WatchdogReset));
}

#[test]
fn a_watchdog_write_without_the_key_or_with_the_enable_bit_or_of_the_wrong_width_does_not_help() {
    for (command, value) in [("D2", "0000"), ("D2", "1100"), ("D2", "2201"), ("D4", "22000064")] {
        let mut host = started();
        host.play(&format!("H {command} D {command} H C0000000 D C0000000 H 00000001 D 00000001 D 0000"));
        host.play(&format!("H {value} D {value} D 0000"));
        host.gone();
        assert_eq!(unplug(host).1, Ended::WatchdogReset, "{command} {value}");
    }
}

#[test]
fn a_disabled_watchdog_stays_quiet_for_both_known_values() {
    for value in ["2200", "2264"] {
        let mut host = started();
        host.play(&format!(
            "H D2 D D2 H C0000000 D C0000000 H 00000001 D 00000001 D 0000 H {value} D {value} D 0000"
        ));
        host.hush(SECOND * 3600);
        host.play("H FE D FE");
        assert_eq!(unplug(host).1, Ended::Unplugged);
    }
}

#[test]
fn a_boot_rom_nobody_talks_to_leaves_after_five_seconds() {
    let mut host = blank(Options::default());
    host.play("H A0 D 5F");
    host.hush(SECOND * 4);
    host.gone();
    assert_eq!(unplug(host).1, Ended::LeftBus);
    let mut patient = blank(Options { bootrom_patience: None, watchdog: None, ..Options::default() });
    patient.hush(SECOND * 3600);
    patient.start();
}

#[test]
fn a_preloader_says_ready_ten_times_a_second_and_leaves_after_three_seconds() {
    let mut host = from_preloader();
    host.play("D 5245414459");
    host.hush(Duration::from_millis(99));
    host.play("D 5245414459");
    assert_eq!(host.0.clock().now(), Duration::from_millis(100));
    host.hear(5 * 28);
    host.gone();
    assert_eq!(host.0.clock().now(), Duration::from_secs(3));
    assert_eq!(unplug(host).1, Ended::LeftBus);
}

#[test]
fn a_preloader_shakes_hands_in_spite_of_noise_and_knows_no_identity() {
    let mut host = from_preloader();
    host.play("D 5245414459 H A0 A0 D 5F 5F H 0A D F5 H 50 D AF H 05 D FA");
    host.hush(SECOND);
    host.play("H FE D 01 H FF D FF H E1 E3 D");
    host.hush(SECOND);
    host.play("H FD D FD 6575 0000 H FC D FC 8A00 CB00 E201 0000 H D8 D D8 00000000 0000");
}

#[test]
fn a_new_plug_in_is_a_new_start() {
    let mut host = started();
    host.play("H D2 D D2 H C1000000 D C1000000 H 00000001 D 00000001 D 0000 H 1234 D 1234 D 0000");
    let (phone, ended) = unplug(host);
    assert_eq!(ended, Ended::Unplugged);
    let mut host = crate::host::plug_phone(phone);
    host.play("H FE D FF");
    host.start();
    host.play("H D0 D D0 H C1000000 D C1000000 H 00000001 D 00000001 D 0000 0000 0000");
}

#[test]
fn a_phone_on_a_paced_link_says_the_same() {
    let model = mt6575();
    let chip = NandChip::blank(&model.nand);
    let phone = bromide_phone::Phone::new(model, chip, Options::default());
    let clock = bromide_phone::Clock::virtual_time();
    let mut host = Host(PhoneLink::plug_paced(phone, clock, Pace::FullSpeed));
    host.start();
    host.play("H FE D FE H FD D FD 6575 0000");
}
