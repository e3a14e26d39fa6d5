//! The speed of the link in virtual time: what a host that answers at once gets, and what turns cost.

use core::time::Duration;

use bromide_phone::{Boot, Clock, Ended, Generation, NandChip, Options, Pace, Phone, PhoneLink};
use bromide_proto::link::Link;

use crate::host::{Host, Plugged, mt6575, run};

fn paced(pace: Pace, options: Options) -> Plugged {
    let model = mt6575();
    let chip = NandChip::blank(&model.nand);
    Host(PhoneLink::plug_paced(Phone::new(model, chip, options), Clock::virtual_time(), pace))
}

/// Data bytes per second of a read back of 4 MiB with 64 pages a packet, and the link's limit.
fn rate(pace: Pace) -> (u64, u64) {
    let mut host = paced(pace, Options::default());
    host.reach_commands(Generation::G2);
    let begun = host.0.clock().now();
    let data = host.read(Generation::G2, 0, true, 0, 4 << 20, 64);
    let took = host.0.clock().now() - begun;
    let rate = data.len() as u128 * 1_000_000_000 / took.as_nanos();
    (rate as u64, pace.bytes_per_second().expect("a pace with a limit"))
}

#[test]
fn the_limits_are_those_of_the_bus() {
    assert_eq!(Pace::FullSpeed.bytes_per_second(), Some(1_216_000));
    assert_eq!(Pace::HighSpeed.bytes_per_second(), Some(53_248_000));
    assert_eq!(Pace::None.bytes_per_second(), None);
}

#[test]
fn a_host_that_answers_at_once_gets_most_of_the_limit_and_never_more() {
    for (pace, least) in [(Pace::FullSpeed, 95), (Pace::HighSpeed, 90)] {
        let (rate, limit) = rate(pace);
        assert!(rate * 100 >= limit * least && rate < limit, "{pace:?}: {rate} of {limit}");
    }
}

#[test]
fn one_byte_and_its_echo_cost_two_turns() {
    let mut host = paced(Pace::FullSpeed, Options::default());
    host.start();
    for _ in 0..10 {
        let begun = host.0.clock().now();
        host.play("H FE D FE");
        assert_eq!(host.0.clock().now() - begun, Duration::from_millis(2));
    }
}

#[test]
fn a_late_answer_is_taken_when_it_comes_and_an_early_one_after_the_turn() {
    let reaction = |wait: Duration| {
        let mut host = paced(Pace::HighSpeed, Options::default());
        host.start();
        host.play("H FE D FE");
        let begun = host.0.clock().now();
        host.0.clock().sleep_until(begun + wait);
        host.play("H FE D FE");
        host.0.clock().now() - begun
    };
    let (frame, packet) = (Duration::from_micros(125), Duration::from_nanos(125_000 / 13));
    assert_eq!(reaction(Duration::ZERO), frame * 2);
    assert_eq!(reaction(Duration::from_micros(115)), frame * 2, "hidden in the turn");
    let late = Duration::from_millis(1);
    assert_eq!(reaction(late), late + packet + frame);
}

#[test]
fn an_upload_takes_its_time_too() {
    let mut host = paced(Pace::FullSpeed, Options::default());
    host.start();
    let begun = host.0.clock().now();
    host.upload(&vec![0; 121_600]);
    let took = host.0.clock().now() - begun;
    assert!((Duration::from_millis(100)..Duration::from_millis(130)).contains(&took), "{took:?}");
}

#[test]
fn a_preloader_keeps_its_rhythm_on_a_paced_link() {
    let options = Options { boot: Boot::Preloader, ..Options::default() };
    let mut host = paced(Pace::HighSpeed, options);
    host.hear(5 * 30);
    host.gone();
    let end = host.0.clock().now();
    assert!((Duration::from_millis(3000)..Duration::from_millis(3010)).contains(&end), "{end:?}");
}

#[test]
fn two_sides_that_both_wait_for_ever_are_told_so() {
    let options = Options { bootrom_patience: None, watchdog: None, ..Options::default() };
    for pace in [Pace::None, Pace::HighSpeed] {
        let mut host = paced(pace, options.clone());
        let said = run(host.0.recv(&mut [0], Duration::MAX)).unwrap_err().to_string();
        assert!(said.contains("wait"), "{said}");
        assert_eq!(host.0.unplug().1, Ended::Unplugged);
    }
}
