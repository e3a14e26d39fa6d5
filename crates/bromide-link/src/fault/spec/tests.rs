//! What is typed is understood, shown again as the same, or refused with a reason.

use super::*;
use proptest::prelude::*;

#[test]
fn every_key_is_understood() {
    let text = "seed=42,drop=1e-5:64,flip=1e-6,insert=2e-6,drop-sent=1e-7,flip-sent=0.25,stall=1e-5:300ms,\
                unplug=after:1500000,unplug=random:1e-6:away=500,slow=2,kill-host=after:700000,ecc=1e-7,\
                bad-page=77x2,bad-page=9,jitter=0.01";
    let p = |text: &str| text.parse::<Probability>().unwrap();
    let spec: FaultSpec = text.parse().unwrap();
    assert_eq!(spec.seed, 42);
    assert_eq!(spec.from_phone, Losses { drop: p("1e-5"), run: 64, flip: p("1e-6"), insert: p("2e-6") });
    assert_eq!(
        spec.to_phone,
        Losses { drop: p("1e-7"), run: 1, flip: p("0.25"), insert: Probability::default() }
    );
    assert_eq!(spec.stall, Some(Stalls { probability: p("1e-5"), time: Duration::from_millis(300) }));
    let half_a_second = Duration::from_millis(500);
    assert_eq!(
        spec.unplug,
        [
            Unplug { place: Place::After(1_500_000), away: Duration::ZERO },
            Unplug { place: Place::Random(p("1e-6")), away: half_a_second },
        ]
    );
    assert_eq!(spec.slow, Some(Slow::Factor(2.0)));
    assert_eq!(spec.kill_host, Some(Place::After(700_000)));
    let bad_pages = vec![BadPage { page: 77, times: Some(2) }, BadPage { page: 9, times: None }];
    assert_eq!(spec.chip, ChipFaults { ecc: p("1e-7"), bad_pages, jitter: p("0.01") });
    assert_eq!(spec.to_string().parse(), Ok(spec));
}

#[test]
fn what_is_shown_is_short_and_names_the_seed() {
    assert_eq!(FaultSpec::default().to_string(), "seed=0");
    let shown = |text: &str| text.parse::<FaultSpec>().unwrap().to_string();
    assert_eq!(shown("flip=0,drop=0.001,stall=0.1:2s"), "seed=0,drop=1e-3,stall=1e-1:2000ms");
    assert_eq!(shown("slow=20000/s,seed=7"), "seed=7,slow=20000/s");
    assert_eq!(shown("slow=1.5,unplug=after:0:away=2s"), "seed=0,unplug=after:0:away=2000ms,slow=1.5");
}

#[test]
fn a_refusal_names_the_key_and_what_it_takes() {
    for (text, says) in [
        ("", ["KEY=VALUE", "kill-host"]),
        ("drop", ["KEY=VALUE", "drop-sent"]),
        ("drip=1e-5", ["drip", "bad-page"]),
        ("drop=1", ["drop: ", "0 to 0.5"]),
        ("drop=1e-5:0", ["drop: ", "1 to 65536"]),
        ("flip=a", ["flip: ", "1e-5"]),
        ("seed=-1", ["seed: ", "from 0"]),
        ("seed=1,seed=2", ["seed: ", "twice"]),
        ("stall=1e-5", ["stall: ", "1e-5:300ms"]),
        ("stall=1e-5:soon", ["stall: ", "300ms or 2s"]),
        ("stall=1e-5:3601s", ["stall: ", "up to 3600 s"]),
        ("unplug=1000", ["unplug: ", "after:BYTES"]),
        ("unplug=after:1125899906842625", ["unplug: ", "1125899906842624"]),
        ("unplug=after:1:away=x", ["unplug: ", "300ms"]),
        ("kill-host=now", ["kill-host: ", "random:PROBABILITY"]),
        ("slow=0.5", ["slow: ", "1 to 1000"]),
        ("slow=NaN", ["slow: ", "BYTES/s"]),
        ("slow=999/s", ["slow: ", "from 1000"]),
        ("ecc=2", ["ecc: ", "0 to 0.5"]),
        ("bad-page=4294967296", ["bad-page: ", "4294967295"]),
        ("bad-page=1x0", ["bad-page: ", "1 to 1000000"]),
        ("jitter=,", ["jitter: ", "0 to 0.5"]),
    ] {
        let said = text.parse::<FaultSpec>().unwrap_err().to_string();
        assert!(says.iter().all(|part| said.contains(part)), "{text}: {said}");
    }
}

#[test]
fn faults_of_the_chip_alone_are_known_apart() {
    let spec = |text: &str| text.parse::<FaultSpec>().unwrap();
    assert!(!spec("seed=1,ecc=1e-6,bad-page=3,jitter=0.1").any_on_host());
    assert!(spec("seed=1,ecc=1e-6").chip.any());
    for host in
        ["drop=1e-9", "flip-sent=1e-9", "unplug=after:1", "slow=2", "stall=0.1:1ms", "kill-host=after:1"]
    {
        assert!(spec(host).any_on_host() && !spec(host).chip.any(), "{host}");
    }
}

fn probability() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("0".to_owned()),
        (0.0..0.5f64).prop_map(|p| p.to_string()),
        (1..99u32, 1..300u32).prop_map(|(n, e)| format!("{n}e-{}", e + 2))
    ]
}

proptest! {
    #[test]
    fn what_is_shown_is_read_as_the_same(
        seed: u64, p in proptest::collection::vec(probability(), 8), run in 1..=65_536u64, after in 0..1u64 << 50,
        time in 0..=3_600_000u64, factor in 1.0..1000.0f64, rate in 1000..=1_000_000_000u64, page: u32, kinds: u8,
    ) {
        let slow = if kinds & 1 == 0 { format!("{factor}") } else { format!("{rate}/s") };
        let place = if kinds & 2 == 0 { format!("after:{after}") } else { format!("random:{}", p[7]) };
        let text = format!(
            "seed={seed},drop={}:{run},flip={},insert={},flip-sent={},stall={}:{time}ms,unplug={place}:away={time},\
             unplug={place},slow={slow},kill-host={place},ecc={},bad-page={page},jitter={}",
            p[0], p[1], p[2], p[3], p[4], p[5], p[6]
        );
        let spec: FaultSpec = text.parse().unwrap();
        let again: FaultSpec = spec.to_string().parse().unwrap();
        // How long a loss that never happens would be is not shown.
        let mut spec = spec;
        if spec.from_phone.drop.is_never() {
            spec.from_phone.run = 1;
        }
        prop_assert_eq!(again, spec);
    }

    #[test]
    fn no_text_makes_the_reader_panic(text in ".{0,60}") {
        let _ = text.parse::<FaultSpec>();
    }
}
