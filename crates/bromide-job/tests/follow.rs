//! A phone followed through its faces on a virtual clock: caught in time, switched to high speed, found again.

mod common;

use std::path::Path;
use std::time::Duration;

use bromide_job::error::JobError;
use bromide_job::event::Event;
use bromide_job::follow::{FollowOptions, Follower, SpeedWish};
use bromide_job::readback::{NoBook, read_rows};
use bromide_job::rows::resolve;
use bromide_link::run;
use bromide_phone::usb::HighSpeed;
use bromide_phone::{Boot, BusManner, Clock, Options, Phone, PhoneBus};
use bromide_proto::agent_format::Format;
use common::*;

/// What a run came to: the faces met, what was told, and how often the user was asked to hold the key.
#[derive(Debug, Default)]
struct Story {
    faces: Vec<String>,
    told: Vec<String>,
    hold_key: u32,
}

fn wait(seconds: u64, speed: SpeedWish) -> FollowOptions {
    FollowOptions { session: session_options(), speed, wait: Duration::from_secs(seconds) }
}

/// Reads `blocks` blocks around the replaced one into `file`.
fn follow(
    phone: Phone,
    manner: BusManner,
    format: Format,
    options: FollowOptions,
    blocks: u64,
    file: &Path,
) -> (Result<(), JobError>, Story) {
    let bus = PhoneBus::new(phone, Clock::virtual_time(), manner);
    let mut story = Story::default();
    let da = da(format);
    let tell = &mut |event: Event<'_>| match event {
        Event::Seen(seen) => story.faces.push(format!("{:04x}", seen.pid)),
        Event::Warning(text) | Event::Note(text) => story.told.push(text.to_owned()),
        Event::HoldKey => story.hold_key += 1,
        _ => {}
    };
    let wish = range((REPLACED - 1) * BLOCK, blocks * BLOCK, file);
    let result = run(async {
        let mut follower = Follower::catch(bus, &da, options, tell).await?;
        let geometry = bromide_job::source::Source::session(&mut follower).unwrap().geometry()?;
        let rows = resolve(&[wish], None, &geometry, 80, &mut |_| {})?;
        follower.raise(tell).await?;
        read_rows(&mut follower, &rows, &read_options(), &mut NoBook, tell).await?;
        follower.into_session().unwrap().finish(tell).await;
        Ok(())
    });
    (result, story)
}

fn healthy(boot: Boot) -> Phone {
    phone("mt6575", boot, Options::default())
}

fn wanted(blocks: u64) -> Vec<u8> {
    stored(&healthy(Boot::BootRom), (REPLACED - 1) * BLOCK, blocks * BLOCK)
}

#[test]
fn high_speed_is_asked_for_and_the_phone_followed_to_2001() {
    for format in [Format::G1, Format::G2] {
        let folder = folder();
        let file = folder.path().join("a.img");
        let (result, story) =
            follow(healthy(Boot::BootRom), BusManner::default(), format, wait(10, SpeedWish::High), 3, &file);
        result.unwrap();
        assert_eq!(story.faces, ["0003", "2001"], "{format}");
        assert!(std::fs::read(&file).unwrap() == wanted(3));
        assert!(story.told.is_empty(), "{:?}", story.told);
    }
}

#[test]
fn full_speed_and_as_met_stay_where_the_phone_was_met() {
    for speed in [SpeedWish::Full, SpeedWish::AsMet] {
        let folder = folder();
        let file = folder.path().join("a.img");
        let (result, story) =
            follow(healthy(Boot::BootRom), BusManner::default(), Format::G2, wait(10, speed), 2, &file);
        result.unwrap();
        assert_eq!(story.faces, ["0003"]);
    }
}

#[test]
fn a_preloader_is_at_high_speed_already_so_nothing_follows_and_full_speed_is_refused() {
    let folder = folder();
    let file = folder.path().join("a.img");
    let run = |speed, file: &Path| {
        follow(healthy(Boot::Preloader), BusManner::default(), Format::G2, wait(10, speed), 2, file)
    };
    let (result, story) = run(SpeedWish::High, &file);
    result.unwrap();
    assert_eq!(story.faces, ["2000"]);
    let (result, _) = run(SpeedWish::Full, &folder.path().join("b.img"));
    assert!(matches!(result, Err(JobError::AlreadyHighSpeed)));
    assert!(!folder.path().join("b.img").exists());
}

#[test]
fn a_link_that_breaks_at_high_speed_is_opened_again_and_the_file_is_right() {
    for format in [Format::G1, Format::G2] {
        for after in [300_001, 600_000] {
            let folder = folder();
            let file = folder.path().join("a.img");
            let manner = BusManner { high_speed: HighSpeed::Aborts(after), ..BusManner::default() };
            let (result, story) =
                follow(healthy(Boot::BootRom), manner, format, wait(10, SpeedWish::High), 9, &file);
            result.unwrap_or_else(|e| panic!("{after}: {e} {story:?}"));
            assert!(std::fs::read(&file).unwrap() == wanted(9), "{after}");
            assert_eq!(story.faces[..2], ["0003", "2001"]);
            assert!(story.told.iter().any(|it| it.contains("high-speed link failed")), "{story:?}");
        }
    }
}

#[test]
fn a_high_speed_link_without_any_use_ends_at_full_speed_once_the_battery_was_out() {
    for after in [1, 100, 3_000, 70_000] {
        let folder = folder();
        let file = folder.path().join("a.img");
        let manner = BusManner {
            high_speed: HighSpeed::Aborts(after),
            power_cycle_at: Some(Duration::from_secs(100)),
            ..BusManner::default()
        };
        let (result, story) =
            follow(healthy(Boot::BootRom), manner, Format::G2, wait(300, SpeedWish::High), 3, &file);
        result.unwrap_or_else(|e| panic!("{after}: {e} {story:?}"));
        assert!(std::fs::read(&file).unwrap() == wanted(3), "{after}");
        assert_eq!((story.faces, story.hold_key), (vec!["0003".into(), "2001".into(), "0003".into()], 1));
    }
}

#[test]
fn a_phone_that_dies_at_high_speed_every_time_is_read_whole_by_one_run_while_its_key_is_held() {
    for after in [1, 5_000, 200_000] {
        let folder = folder();
        let file = folder.path().join("a.img");
        let manner = BusManner { high_speed: HighSpeed::Dies(after), ..BusManner::default() };
        let (result, story) =
            follow(healthy(Boot::BootRom), manner, Format::G2, wait(10, SpeedWish::High), 3, &file);
        result.unwrap_or_else(|e| panic!("{after}: {e} {story:?}"));
        assert!(std::fs::read(&file).unwrap() == wanted(3));
        assert_eq!(story.faces, ["0003", "2001", "0003"]);
        assert_eq!(story.hold_key, 1);
    }
}

#[test]
fn a_phone_whose_key_is_pressed_a_minute_later_is_waited_for_and_one_whose_key_never_is_ends_the_wait() {
    let folder = folder();
    let file = folder.path().join("a.img");
    let dies = |key_from| BusManner { high_speed: HighSpeed::Dies(9_000), key_from, ..BusManner::default() };
    let late = dies(Some(Duration::from_secs(60)));
    let (result, story) =
        follow(healthy(Boot::BootRom), late, Format::G2, wait(300, SpeedWish::High), 3, &file);
    result.unwrap();
    assert_eq!((story.hold_key, story.faces.len()), (1, 3));
    assert!(std::fs::read(&file).unwrap() == wanted(3));

    let file = folder.path().join("b.img");
    let (result, story) =
        follow(healthy(Boot::BootRom), dies(None), Format::G2, wait(300, SpeedWish::High), 3, &file);
    assert!(matches!(result, Err(JobError::NoPhone(_))), "{result:?}");
    assert_eq!(story.hold_key, 1);
    assert!(!file.exists());
}

/// How many of 100 preloaders that stay 300 ms are read, each plugged in at another moment of the host's looks.
fn caught(looks: Duration) -> usize {
    let folder = folder();
    let one = |phase: u32| {
        let options = Options { preloader_patience: Some(Duration::from_millis(300)), ..Options::default() };
        // Not in step with the host's looks.
        let plugged_at = Duration::from_micros(1_000_000 + 10_137 * u64::from(phase));
        let manner = BusManner { plugged_at, key_from: None, looks, ..BusManner::default() };
        let phone = phone("mt6575", Boot::Preloader, options);
        let file = folder.path().join(format!("{phase}.img"));
        let (result, story) = follow(phone, manner, Format::G2, wait(20, SpeedWish::AsMet), 1, &file);
        assert!(result.is_err() || story.faces == ["2000"]);
        result.is_ok()
    };
    (0..100).filter(|phase| one(*phase)).count()
}

#[test]
fn preloaders_that_stay_300_ms_are_all_caught_whenever_they_come() {
    assert_eq!(caught(BusManner::default().looks), 100);
}

#[test]
fn a_host_that_looks_once_a_second_misses_most_of_them() {
    // 300 ms of every second.
    assert!((25..=35).contains(&caught(Duration::from_secs(1))));
}

#[test]
fn no_phone_ends_the_wait_with_a_word() {
    let folder = folder();
    let manner = BusManner { plugged_at: Duration::from_secs(90), ..BusManner::default() };
    let (result, _) = follow(
        healthy(Boot::BootRom),
        manner,
        Format::G2,
        wait(60, SpeedWish::AsMet),
        1,
        &folder.path().join("a.img"),
    );
    assert!(matches!(result, Err(JobError::NoPhone(_))));
}
