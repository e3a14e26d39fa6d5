//! Lines that never fall silent: every wait still ends, by the clock of the cable.

mod common;

use std::time::Duration;

use bromide_job::error::JobError;
use bromide_phone::{Boot, Clock, Options, PhoneLink};
use bromide_proto::agent_format::Format;
use bromide_proto::brom::Brom;
use bromide_proto::error::ErrorKind;
use bromide_proto::link::{Link, LinkError};
use common::*;

/// A phone that restarts after so many bytes and from then on repeats itself, as a preloader on a UART does.
struct Restarting {
    phone: PhoneLink,
    clock: Clock,
    left: usize,
    says: &'static [u8],
    every: Duration,
}

impl Restarting {
    fn new(after: usize, says: &'static [u8], every: Duration) -> Self {
        let phone = plug(phone("mt6575", Boot::BootRom, Options::default()));
        Self { clock: phone.clock().clone(), phone, left: after, says, every }
    }
}

impl Link for Restarting {
    async fn send(&mut self, bytes: &[u8]) -> Result<(), LinkError> {
        if self.left > 0 { self.phone.send(bytes).await } else { Ok(()) }
    }

    async fn recv(&mut self, into: &mut [u8], within: Duration) -> Result<usize, LinkError> {
        if self.left > 0 {
            let n = self.phone.recv(into, within).await?;
            self.left = self.left.saturating_sub(n);
            return Ok(n);
        }
        let wait = within.min(self.every);
        self.clock.sleep_until(self.clock.now() + wait);
        if wait < self.every {
            return Err(LinkError::Timeout(within));
        }
        let n = into.len().min(self.says.len());
        into[..n].copy_from_slice(&self.says[..n]);
        Ok(n)
    }

    fn now(&self) -> Duration {
        self.clock.now()
    }
}

#[test]
fn a_phone_that_restarts_in_mid_read_and_babbles_is_given_up_within_minutes() {
    for (says, every) in [(&b"READY"[..], 100), (b"x", 15), (b"x", 900), (b"x", 9000)] {
        // Behind the session's start, inside the pages.
        let mut link = Restarting::new(3000, says, Duration::from_millis(every));
        let clock = link.clock.clone();
        let folder = folder();
        let file = folder.path().join("x.img");
        let outcome = job(
            &mut link,
            &da(Format::G2),
            &session_options(),
            &[range(REPLACED * BLOCK, 64 * PAGE, &file)],
            &read_options(),
        );
        let error = outcome.result.unwrap_err();
        assert!(clock.now() < Duration::from_secs(600), "{every} ms: {:?}: {error}", clock.now());
        assert!(!file.exists());
    }
}

#[test]
fn a_start_sequence_on_a_babbling_line_ends_when_the_patience_does() {
    for (says, every) in [(&b"READY"[..], 100), (b"x", 15), (b"x", 1)] {
        let link = Restarting::new(0, says, Duration::from_millis(every));
        let clock = link.clock.clone();
        let patience = Duration::from_secs(5);
        let error = bromide_link::run(Brom::hello(link, patience)).err().unwrap();
        assert!(matches!(error.kind, ErrorKind::NoHandshake | ErrorKind::Babble), "{error}");
        assert!(clock.now() < patience + Duration::from_secs(30), "{every} ms: {:?}", clock.now());
    }
}

#[test]
fn a_long_way_to_the_phone_is_no_obstacle() {
    /// Everything the phone says comes this much later.
    struct Far {
        phone: PhoneLink,
        clock: Clock,
        way: Duration,
        coming: Vec<(Duration, Vec<u8>)>,
    }
    impl Far {
        async fn fetch(&mut self) {
            let mut piece = [0; 8192];
            while let Ok(n) = self.phone.recv(&mut piece, Duration::ZERO).await {
                self.coming.push((self.clock.now() + self.way, piece[..n].to_vec()));
            }
        }
    }
    impl Link for Far {
        async fn send(&mut self, bytes: &[u8]) -> Result<(), LinkError> {
            self.phone.send(bytes).await?;
            self.fetch().await;
            Ok(())
        }
        async fn recv(&mut self, into: &mut [u8], within: Duration) -> Result<usize, LinkError> {
            self.fetch().await;
            let until = self.clock.now() + within;
            match self.coming.first_mut() {
                Some((at, bytes)) if *at <= until => {
                    self.clock.sleep_until(*at);
                    let n = bytes.len().min(into.len());
                    into[..n].copy_from_slice(&bytes[..n]);
                    bytes.drain(..n);
                    if bytes.is_empty() {
                        self.coming.remove(0);
                    }
                    Ok(n)
                }
                _ => {
                    self.clock.sleep_until(until);
                    Err(LinkError::Timeout(within))
                }
            }
        }
        fn now(&self) -> Duration {
            self.clock.now()
        }
    }
    for way in [5, 21, 35, 50, 80, 120, 200] {
        let phone =
            plug(phone("mt6575", Boot::BootRom, Options { bootrom_patience: None, ..Options::default() }));
        let far =
            Far { clock: phone.clock().clone(), phone, way: Duration::from_millis(way), coming: Vec::new() };
        let brom = bromide_link::run(Brom::hello(far, Duration::from_secs(20)));
        assert!(brom.is_ok(), "{way} ms: {}", brom.err().unwrap());
    }
}

#[test]
fn an_agent_is_ended_after_a_failure_so_that_the_next_run_can_begin() {
    let mut link = plug(phone("mt6575", Boot::BootRom, Options::default()));
    let da = da(Format::G2);
    let tell = &mut |_: bromide_job::event::Event<'_>| {};
    bromide_link::run(async {
        let session = begin(&mut link, &da, &session_options(), tell).await;
        session.unwrap().abandon().await;
    });
    assert_eq!(link.ended(), Some(bromide_phone::Ended::Finished(0)));
    // Also out of the middle of a read.
    let mut link = plug(phone("mt6575", Boot::BootRom, Options::default()));
    bromide_link::run(async {
        let mut session = begin(&mut link, &da, &session_options(), tell).await.unwrap();
        let order = bromide_proto::agent::reading::Order {
            shape: bromide_proto::wire::nand_read::Shape::AsStored,
            kind: bromide_proto::wire::nand_read::AddressKind::Logical,
            start: 0,
            length: 64 * PAGE,
            pages_per_packet: 4,
            careful: false,
            one_of_many: false,
            tries: bromide_proto::agent::reading::TRIES,
            silence: bromide_proto::agent::reading::SILENCE,
        };
        let size = bromide_proto::agent::reading::PageSize { page: 2048, spare: 64 };
        let mut reading = session.agent().read(order, size).await.unwrap();
        assert!(reading.next(&mut Vec::new()).await.unwrap());
        session.abandon().await;
    });
    assert_eq!(link.ended(), Some(bromide_phone::Ended::Finished(0)));
}

#[test]
fn a_dead_line_in_mid_read_is_told_as_such() {
    let mut link = Restarting::new(3000, b"x", Duration::from_secs(1 << 40));
    let folder = folder();
    let wish = range(REPLACED * BLOCK, 64 * PAGE, &folder.path().join("x.img"));
    let outcome = job(&mut link, &da(Format::G2), &session_options(), &[wish], &read_options());
    let Err(JobError::Talk(error)) = outcome.result else { panic!("a dead line cannot be read") };
    assert!(matches!(error.kind, ErrorKind::NoRecovery { .. }), "{error}");
}
