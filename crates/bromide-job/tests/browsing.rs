//! Many small reads after each other, as somebody looks around in a phone: every single fault, in both formats.
//!
//! Between such reads no silence is awaited, so a fault may show a request later than it happened. Whatever it does,
//! each page that is given out is the page that was asked for.

mod common;

use std::path::PathBuf;
use std::time::Duration;

use bromide_job::error::JobError;
use bromide_job::readback::read_stretch;
use bromide_job::rows::{Row, resolve};
use bromide_link::{Change, Direction, Fault, Faulty};
use bromide_phone::{Boot, Options, Phone};
use bromide_proto::agent_format::Format;
use bromide_proto::link::Link;
use common::*;

/// Pages asked for one by one, and two at once; not in order, and one of them twice.
const STRETCHES: [(u64, u64); 5] = [(2, 1), (0, 1), (3, 2), (64, 1), (2, 1)];
const FIRST: u64 = REPLACED * BLOCK;
/// No single fault may cost more than this much of the phone's time.
const PATIENCE: Duration = Duration::from_secs(180);

/// Bytes around the end of a request that are all tried: its sum, the answer to 72, and the next one's answers.
const AROUND: u64 = 40;

/// Every byte of the pages as well.
fn thorough() -> bool {
    std::env::var_os("BROMIDE_LONG").is_some()
}

/// Reads the first stretches over a link; tells which came, up to the first that failed.
fn look<L: Link>(link: L, format: Format, first: usize) -> (Vec<Vec<u8>>, Option<JobError>) {
    let mut came = Vec::new();
    let tell = &mut |_: bromide_job::event::Event<'_>| {};
    let ended = bromide_link::run(async {
        let mut session = begin(link, &da(format), &session_options(), tell).await?;
        let whole = range(FIRST, 128 * PAGE, &PathBuf::new());
        let chip = resolve(&[whole], None, &session.geometry()?, 80, &mut |_| {})?.remove(0);
        for &(page, count) in &STRETCHES[..first] {
            let row = Row { start: chip.start + page * PAGE, length: count * PAGE, ..chip.clone() };
            came.push(read_stretch(&mut session, &row, 64, tell).await?);
        }
        session.finish(tell).await;
        Ok(())
    });
    (came, ended.err())
}

struct Storm {
    format: Format,
    phone: Option<Phone>,
    wanted: Vec<Vec<u8>>,
    first: usize,
    whole: u32,
    failed: u32,
}

impl Storm {
    fn new(format: Format) -> Self {
        let phone = phone("mt6575", Boot::BootRom, Options::default());
        let wanted =
            STRETCHES.iter().map(|(page, count)| stored(&phone, FIRST + page * PAGE, count * PAGE)).collect();
        Self { format, phone: Some(phone), wanted, first: STRETCHES.len(), whole: 0, failed: 0 }
    }

    fn session(&mut self, fault: Option<Fault>, counted: Direction) -> u64 {
        let mut link = plug(self.phone.take().unwrap());
        let began = link.clock().now();
        let mut faulty = Faulty::new(&mut link, fault);
        let (came, error) = look(&mut faulty, self.format, self.first);
        let seen = faulty.seen(counted);
        let took = link.clock().now() - began;
        assert!(took < PATIENCE, "{fault:?} took {took:?}");
        assert!(came[..] == self.wanted[..came.len()], "a page was given for another: {fault:?}");
        match error {
            None => self.whole += 1,
            Some(_) => self.failed += 1,
        }
        self.phone = Some(link.unplug().0);
        seen
    }
}

#[test]
fn no_single_fault_gives_one_page_for_another() {
    for format in [Format::G1, Format::G2] {
        let mut storm = Storm::new(format);
        // How much the phone has said after each read, and at last in all.
        let ends: Vec<u64> = (0..=STRETCHES.len())
            .map(|first| {
                storm.first = first;
                storm.session(None, Direction::FromPhone)
            })
            .collect();
        assert_eq!((storm.whole, storm.failed), (6, 0), "without a fault all pages come");
        let bytes = ends[STRETCHES.len()];
        // What comes before is the start of every session, and tried elsewhere.
        let tried = (ends[0] - 4..bytes).filter(|at| {
            let around = ends.iter().any(|end| at.abs_diff(*end) < AROUND);
            around || at % if thorough() { 1 } else { 101 } == 0
        });
        for at in tried {
            for change in [Change::Flip((at % 8) as u8), Change::Drop(1), Change::Drop(64), Change::Cut] {
                storm.session(
                    Some(Fault { direction: Direction::FromPhone, at, change }),
                    Direction::FromPhone,
                );
            }
        }
        assert!(storm.whole > 1000 && storm.failed > 0);
        println!("{format}: {bytes} reply bytes; {} sessions whole, {} failed", storm.whole, storm.failed);
    }
}

/// Answers and `72`s that are lost or disturbed. The requests themselves have no sum, and a flipped address is read
/// as asked: there, bytes are only dropped.
#[test]
fn no_single_fault_on_the_way_to_the_phone_gives_one_page_for_another() {
    for format in [Format::G1, Format::G2] {
        let mut storm = Storm::new(format);
        let bytes = storm.session(None, Direction::ToPhone);
        // F0 of G1, the request with its four bytes of pages a packet, the answer, 72. At the end D9 and its word.
        let (before, request) = if format == Format::G1 { (1, 15) } else { (0, 23) };
        let one = before + request + 4 + 1 + 1;
        let begin = bytes - 5 - one * STRETCHES.len() as u64;
        for at in begin..bytes {
            storm.session(
                Some(Fault { direction: Direction::ToPhone, at, change: Change::Drop(1) }),
                Direction::ToPhone,
            );
            let place = at.saturating_sub(begin) % one;
            if at < bytes - 5 && (before..before + request).contains(&place) {
                continue;
            }
            for bit in 0..8 {
                let change = Change::Flip(bit);
                storm.session(Some(Fault { direction: Direction::ToPhone, at, change }), Direction::ToPhone);
            }
        }
        assert!(storm.whole > 1 && storm.failed > 0);
        println!("{format}: {bytes} bytes said; {} sessions whole, {} failed", storm.whole, storm.failed);
    }
}
