//! Reads that end early and go on: over another link, in another run, around pages that do not come.

mod common;

use std::fs;
use std::path::Path;
use std::time::Duration;

use bromide_job::error::JobError;
use bromide_job::event::Event;
use bromide_job::follow::{FollowOptions, Follower, SpeedWish};
use bromide_job::mapfile::{Mapfile, State};
use bromide_job::readback::{NoBook, ReadOptions, read_rows};
use bromide_job::rows::resolve;
use bromide_link::{Change, Direction, Fault, Faulty, FaultyBus, Hands, run};
use bromide_phone::{
    Boot, BusLink, BusManner, Clock, Faults, Noise, Options, Phone, PhoneBus, ReadFault, ReadFaultKind,
};
use bromide_proto::agent_format::Format;
use bromide_proto::error::ErrorKind;
use common::*;

const START: u64 = (REPLACED - 1) * BLOCK;
const BLOCKS: u64 = 3;

fn healthy() -> Phone {
    phone("mt6575", Boot::BootRom, Options::default())
}

fn wanted() -> Vec<u8> {
    stored(&healthy(), START, BLOCKS * BLOCK)
}

fn options() -> ReadOptions {
    ReadOptions { pages_per_packet: 16, checkpoint: 1, ..read_options() }
}

/// Reads three blocks, the cable being cut before this byte from the phone; tells how many bytes came.
fn cut(phone: Phone, file: &Path, at: Option<u64>) -> (Result<(), JobError>, Phone, u64) {
    let mut link = plug(phone);
    let fault = at.map(|at| Fault { direction: Direction::FromPhone, at, change: Change::Cut });
    let mut faulty = Faulty::new(&mut link, fault);
    let wishes = [range(START, BLOCKS * BLOCK, file)];
    let outcome = job(&mut faulty, &da(Format::G2), &session_options(), &wishes, &options());
    let seen = faulty.seen(Direction::FromPhone);
    let (phone, _) = link.unplug();
    (outcome.result.map(drop), phone, seen)
}

#[test]
fn a_read_cut_anywhere_goes_on_in_the_next_run_and_reads_nothing_twice() {
    let folder = folder();
    let (_, mut phone, all) = cut(healthy(), &folder.path().join("whole.img"), None);
    let page = 2112;
    for n in 0..60 {
        let file = folder.path().join(format!("{n}.img"));
        let (result, back, _) = cut(phone, &file, Some(all * n / 60 + n));
        assert!(result.is_err() && !file.exists());
        let begun = fs::metadata(folder.path().join(format!("{n}.img.part"))).map_or(0, |it| it.len());
        let (result, back, seen) = cut(back, &file, None);
        result.unwrap();
        assert!(fs::read(&file).unwrap() == wanted(), "cut {n}");
        // A page of the part is compared: it, its request and the silence after it are all there is besides.
        assert!(seen + begun < all + page + 200, "{seen} bytes came on top of {begun}, {all} in one run");
        phone = back;
    }
}

#[test]
fn a_part_of_another_phone_is_not_gone_on_with() {
    let folder = folder();
    let file = folder.path().join("a.img");
    let (_, phone, _) = cut(healthy(), &file, Some(300_000));
    let mut other = phone;
    other.model.chip.random_id = [9; 16];
    let (result, mut other, _) = cut(other, &file, None);
    assert!(result.unwrap_err().to_string().contains("different: phone"));
    // The same phone, whose pages are others than before.
    other.model.chip.random_id = healthy().model.chip.random_id;
    for block in 999..1002 {
        other.chip.erase(block).unwrap();
    }
    other.chip.erase(4016).unwrap();
    let (result, _, _) = cut(other, &file, None);
    assert!(matches!(result, Err(JobError::EdgeDiffers(_))), "{result:?}");
    assert!(!file.exists());
}

fn with_bad_pages(pages: &[u32], times: u32) -> Phone {
    let first = (START / PAGE) as u32;
    let reads = pages
        .iter()
        .map(|page| ReadFault { page: first + page, times, kind: ReadFaultKind::SilentStop })
        .collect();
    phone(
        "mt6575",
        Boot::BootRom,
        Options { faults: Faults { reads, ..Faults::default() }, ..Options::default() },
    )
}

#[test]
fn pages_that_never_come_cost_themselves_only_and_the_mapfile_names_them() {
    let all: Vec<u32> = (0..64).map(|n| 64 + n).collect();
    for bad in [&[0][..], &[191], &[5, 6, 7], &[0, 100, 191], &[63, 64], &[10, 12, 14, 16], &all] {
        let folder = folder();
        let file = folder.path().join("a.img");
        let (result, phone, _) = cut(with_bad_pages(bad, u32::MAX), &file, None);
        let Err(JobError::Unread(left)) = result else { panic!("{bad:?}: {result:?}") };
        assert_eq!(left[0].missing(), bad.len() as u64 * 2112, "{bad:?}");
        assert!(!file.exists());
        let text = fs::read_to_string(folder.path().join("a.img.map")).unwrap();
        let (map, _) = Mapfile::parse(&text).unwrap();
        let part = fs::read(folder.path().join("a.img.part")).unwrap();
        for (number, (page, wanted)) in part.chunks(2112).zip(wanted().chunks(2112)).enumerate() {
            let at = number as u64 * 2112;
            if bad.contains(&(number as u32)) {
                assert!(page.starts_with(format!("UNREAD PAGE {number:#010x}").as_bytes()), "{number}");
                assert!(map.next(State::Bad, at).is_some_and(|it| it.start == at), "{number}");
            } else {
                assert!(page == wanted, "{bad:?}: page {number}");
            }
        }
        // The same phone on a better day.
        let (mut better, better_day) = (phone, healthy());
        better.options = better_day.options;
        let (result, _, _) = cut(better, &file, None);
        result.unwrap();
        assert!(fs::read(&file).unwrap() == wanted());
    }
}

#[test]
fn a_page_that_comes_only_after_many_tries_is_had_in_the_end() {
    for times in [1, 4, 6, 8] {
        let folder = folder();
        let file = folder.path().join("a.img");
        let (result, _, _) = cut(with_bad_pages(&[70], times), &file, None);
        result.unwrap_or_else(|e| panic!("{times}: {e}"));
        assert!(fs::read(&file).unwrap() == wanted());
    }
}

/// The same over a bus whose phone comes back.
fn over_bus(
    phone: Phone,
    faults: &str,
    options: ReadOptions,
    file: &Path,
) -> (Result<(), JobError>, Vec<String>) {
    let clock = Clock::virtual_time();
    let bus = PhoneBus::new(phone, clock.clone(), BusManner::default());
    let hands = Hands {
        sleep: Box::new(move |time| {
            clock.sleep_until(clock.now() + time);
            Ok(())
        }),
        kill: Box::new(|| unreachable!("nobody asked for it")),
        pull: Box::new(BusLink::pull),
    };
    let bus = FaultyBus::new(bus, &faults.parse().unwrap(), hands);
    let follow =
        FollowOptions { session: session_options(), speed: SpeedWish::AsMet, wait: Duration::from_secs(60) };
    let da = da(Format::G2);
    let mut told = Vec::new();
    let tell = &mut |event: Event<'_>| {
        if let Event::Warning(text) | Event::Note(text) = event {
            told.push(text.to_owned());
        }
    };
    let result = run(async {
        let mut follower = Follower::catch(bus, &da, follow, tell).await?;
        let geometry = bromide_job::source::Source::session(&mut follower).unwrap().geometry()?;
        let wish = range(START, BLOCKS * BLOCK, file);
        let rows = resolve(&[wish], None, &geometry, 80, &mut |_| {})?;
        read_rows(&mut follower, &rows, &options, &mut NoBook, tell).await.map(drop)
    });
    (result, told)
}

#[test]
fn a_phone_that_is_pulled_and_plugged_in_again_is_read_on_in_the_same_run() {
    for after in [150_000, 200_001, 300_000, 400_003] {
        let folder = folder();
        let file = folder.path().join("a.img");
        let faults = format!("unplug=after:{after}:away=2000");
        let (result, told) = over_bus(healthy(), &faults, options(), &file);
        result.unwrap_or_else(|e| panic!("{after}: {e} {told:?}"));
        assert!(fs::read(&file).unwrap() == wanted(), "{after}");
        assert!(told.iter().any(|it| it.contains("connection to the phone failed")), "{told:?}");
    }
}

#[test]
fn a_phone_that_never_gets_far_ends_the_run_in_bounded_time_and_leaves_what_came() {
    let folder = folder();
    let file = folder.path().join("a.img");
    let (result, told) = over_bus(healthy(), "seed=1,unplug=random:1e-4", options(), &file);
    assert!(matches!(result, Err(JobError::Talk(_) | JobError::NoPhone(_))), "{result:?} {told:?}");
    assert!(!file.exists());
}

#[test]
fn a_second_reading_settles_what_the_first_one_got_wrong() {
    let folder = folder();
    let noise = folder.path().join("a.img");
    let mut phone = healthy();
    phone.chip.set_noise(Noise { seed: 1, weak_cells: 0.0, jitter: 0.2 });
    let options = ReadOptions { verify: true, ..options() };
    let wishes = [range(START, BLOCKS * BLOCK, &noise)];
    let outcome = job(plug(phone), &da(Format::G2), &session_options(), &wishes, &options);
    let done = outcome.result.unwrap();
    let verified = done[0].verified.as_ref().unwrap();
    assert_eq!(verified.pages, BLOCKS * 64);
    assert!(verified.differed > 10, "{verified:?}");
    assert_eq!(verified.differed, verified.differing.len() as u64);
    let wrong = |bytes: &[u8]| bytes.chunks(2112).zip(wanted().chunks(2112)).filter(|(a, b)| a != b).count();
    let left = wrong(&fs::read(&noise).unwrap());
    assert!(left < 4, "{left} pages still have a wrong bit, all of them within the code's strength");
    let sums = fs::read_to_string(folder.path().join("a.img.sha256")).unwrap();
    assert!(sums.starts_with(&done[0].saved.sha256));
}

/// The same with a second reading, the cable being cut before this byte from the phone.
fn cut_while_verified(phone: Phone, file: &Path, at: Option<u64>) -> (Result<(), JobError>, Phone, u64) {
    let mut link = plug(phone);
    let fault = at.map(|at| Fault { direction: Direction::FromPhone, at, change: Change::Cut });
    let mut faulty = Faulty::new(&mut link, fault);
    let wishes = [range(START, BLOCKS * BLOCK, file)];
    let options = ReadOptions { verify: true, ..options() };
    let outcome = job(&mut faulty, &da(Format::G2), &session_options(), &wishes, &options);
    let seen = faulty.seen(Direction::FromPhone);
    let (phone, _) = link.unplug();
    (outcome.result.map(drop), phone, seen)
}

#[test]
fn a_second_reading_cut_anywhere_goes_on_in_the_next_run() {
    let folder = folder();
    let mut noisy = healthy();
    noisy.chip.set_noise(Noise { seed: 1, weak_cells: 0.0, jitter: 0.2 });
    let (result, mut phone, all) = cut_while_verified(noisy, &folder.path().join("whole.img"), None);
    result.unwrap();
    for n in 0..20 {
        let file = folder.path().join(format!("{n}.img"));
        // Half of the bytes are the second reading, further readings of pages that differed among them.
        let (result, back, _) = cut_while_verified(phone, &file, Some(all / 2 + all * n / 60));
        assert!(result.is_err() && !file.exists(), "{n}");
        let (result, back, _) = cut_while_verified(back, &file, None);
        result.unwrap_or_else(|e| panic!("{n}: {e}"));
        let bytes = fs::read(&file).unwrap();
        let wrong = bytes.chunks(2112).zip(wanted().chunks(2112)).filter(|(a, b)| a != b).count();
        assert!(bytes.len() == wanted().len() && wrong < 8, "{n}: {wrong} pages still have a wrong bit");
        phone = back;
    }
}

#[test]
fn pages_that_came_out_of_step_are_not_believed_by_the_next_run() {
    let folder = folder();
    let (_, phone, all) = cut(healthy(), &folder.path().join("whole.img"), None);
    let file = folder.path().join("a.img");
    // All pages come, and the agent is not found at the end of the read: nobody knows whether they are in place.
    let lost = Fault { direction: Direction::FromPhone, at: all - 4, change: Change::Drop(1000) };
    let mut link = plug(phone);
    let faulty = Faulty::new(&mut link, Some(lost));
    let wishes = [range(START, BLOCKS * BLOCK, &file)];
    let outcome = job(faulty, &da(Format::G2), &session_options(), &wishes, &options());
    let Err(JobError::Talk(e)) = outcome.result else { panic!("{:?}", outcome.result) };
    assert!(matches!(e.kind, ErrorKind::Shifted), "{e}");
    let (phone, _) = link.unplug();
    let text = fs::read_to_string(folder.path().join("a.img.map")).unwrap();
    assert_eq!(Mapfile::parse(&text).unwrap().0.total(State::Finished), 0);
    let (result, _, _) = cut(phone, &file, None);
    result.unwrap();
    assert!(fs::read(&file).unwrap() == wanted());
}

#[test]
fn a_part_that_is_complete_but_was_never_confirmed_is_compared_before_it_gets_its_name() {
    let folder = folder();
    let (_, phone, all) = cut(healthy(), &folder.path().join("whole.img"), None);
    let file = folder.path().join("a.img");
    let (result, mut other, _) = cut(phone, &file, Some(all - 4));
    assert!(result.is_err() && !file.exists());
    for block in 999..1002 {
        other.chip.erase(block).unwrap();
    }
    other.chip.erase(4016).unwrap();
    let (result, _, _) = cut(other, &file, None);
    assert!(matches!(result, Err(JobError::EdgeDiffers(_))), "{result:?}");
    assert!(!file.exists());
}
