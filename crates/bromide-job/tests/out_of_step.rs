//! A phone whose agent is never found at the end of a read, however often it is asked: the run ends.

mod common;

use std::fs;
use std::time::Duration;

use bromide_job::error::JobError;
use bromide_job::event::Event;
use bromide_job::follow::{FollowOptions, Follower, SpeedWish};
use bromide_job::mapfile::{Mapfile, State};
use bromide_job::readback::{NoBook, ReadOptions, read_rows};
use bromide_job::rows::resolve;
use bromide_job::source::Source as _;
use bromide_link::run;
use bromide_phone::{Boot, BusManner, Clock, Options, PhoneBus};
use bromide_proto::agent_format::Format;
use bromide_proto::bus::{Bus, Face, Sighting};
use bromide_proto::error::ErrorKind;
use bromide_proto::link::{Link, LinkError, Mark};
use common::*;

struct DeafBus<B>(B);

impl<B: Bus> Bus for DeafBus<B> {
    type Link = Deaf<B::Link>;

    async fn meet(&mut self, faces: &[Face], within: Duration) -> Result<(Sighting, Self::Link), LinkError> {
        let (seen, link) = self.0.meet(faces, within).await?;
        Ok((seen, Deaf { link, has_read: false, deaf: false }))
    }

    fn now(&self) -> Duration {
        self.0.now()
    }
}

/// Loses every answer to `72` once pages were read.
struct Deaf<L> {
    link: L,
    has_read: bool,
    deaf: bool,
}

impl<L: Link> Link for Deaf<L> {
    async fn send(&mut self, bytes: &[u8]) -> Result<(), LinkError> {
        self.deaf = self.has_read && bytes == [0x72];
        self.link.send(bytes).await
    }

    async fn recv(&mut self, into: &mut [u8], within: Duration) -> Result<usize, LinkError> {
        while self.deaf {
            self.link.recv(&mut [0; 64], within).await?;
        }
        self.link.recv(into, within).await
    }

    fn now(&self) -> Duration {
        self.link.now()
    }

    fn mark(&mut self, mark: Mark<'_>) {
        self.has_read |= matches!(mark, Mark::Pages(_));
        self.link.mark(mark);
    }
}

#[test]
fn pages_that_are_out_of_step_each_time_end_the_run_and_are_not_believed() {
    let folder = folder();
    let file = folder.path().join("a.img");
    let phone = phone("mt6575", Boot::BootRom, Options::default());
    let bus = DeafBus(PhoneBus::new(phone, Clock::virtual_time(), BusManner::default()));
    let follow =
        FollowOptions { session: session_options(), speed: SpeedWish::AsMet, wait: Duration::from_secs(60) };
    let da = da(Format::G2);
    let mut again = 0;
    let tell = &mut |event: Event<'_>| {
        again += u32::from(matches!(event, Event::Warning(text) if text.ends_with("is read again")));
    };
    let result = run(async {
        let mut follower = Follower::catch(bus, &da, follow, tell).await?;
        let geometry = follower.session().unwrap().geometry()?;
        // Enough of it for each link to be worth its while.
        let rows =
            resolve(&[range((REPLACED - 1) * BLOCK, 3 * BLOCK, &file)], None, &geometry, 80, &mut |_| {})?;
        let options = ReadOptions { pages_per_packet: 16, ..read_options() };
        read_rows(&mut follower, &rows, &options, &mut NoBook, tell).await.map(drop)
    });
    let Err(JobError::Talk(e)) = result else { panic!("{result:?}") };
    assert!(matches!(e.kind, ErrorKind::Shifted), "{e}");
    assert_eq!(again, 4);
    assert!(!file.exists());
    let text = fs::read_to_string(folder.path().join("a.img.map")).unwrap();
    assert_eq!(Mapfile::parse(&text).unwrap().0.total(State::Finished), 0);
}
