//! Whole jobs on a virtual phone, on a virtual clock, and what was said meanwhile.

use std::path::Path;
use std::time::Duration;

use bromide_job::agent_file::AgentFile;
use bromide_job::error::JobError;
use bromide_job::follow::{FollowOptions, Follower, SpeedWish};
use bromide_job::readback::{NoBook, ReadOptions, read_rows};
use bromide_job::rows::{Want, Wish, resolve};
use bromide_job::session::{Session, SessionOptions};
use bromide_job::source::Source;
use bromide_job::table::rows_on_phone;
use bromide_link::{Fault, Faulty, run};
use bromide_phone::{
    Boot, BusManner, Clock, Factory, Filling, Generation, Model, NandChip, Options, Phone, PhoneBus,
    PhoneLink, demo_agent,
};
use bromide_proto::agent_format::Format;
use bromide_proto::brom::Brom;
use bromide_proto::bus::Face;
use bromide_proto::wire::nand_read::{AddressKind, Shape};

use crate::said::{Kept, KeptBus, Said, Transcript, sighting};

pub(crate) const PAGE: u64 = 2048;
pub(crate) const BLOCK: u64 = 64 * PAGE;
/// Where the jobs read, and how much.
pub(crate) const START: u64 = 1000 * BLOCK;
pub(crate) const LENGTH: u64 = 5 * PAGE;
/// Pages per packet, so that the last packet is short.
pub(crate) const PACKET: u32 = 2;

/// What a job is to be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Job<'a> {
    pub(crate) boot: Boot,
    pub(crate) format: Format,
    /// Product id that the recording has.
    pub(crate) pid: u16,
    /// The recording has no pages.
    pub(crate) without_pages: bool,
    pub(crate) faults: &'a [Fault],
}

impl Job<'_> {
    pub(crate) const fn new(boot: Boot, format: Format) -> Self {
        let pid = match boot {
            Boot::BootRom => 0x0003,
            Boot::Preloader => 0x2000,
        };
        Self { boot, format, pid, without_pages: false, faults: &[] }
    }
}

fn phone(boot: Boot) -> Phone {
    let model = Model::builtin("mt6575").unwrap();
    let mut factory = Factory::new(&model, NandChip::blank(&model.nand)).unwrap();
    factory.fill("recovery", 8, Filling { seed: 42, ..Filling::default() }).unwrap();
    for page in START / PAGE..(START + LENGTH) / PAGE {
        let main: Vec<u8> = (0..PAGE).map(|i| (i * 7 + page * 13 + i / 256) as u8).collect();
        factory.program_logical(page as u32, &main, &[page as u8; 25]).unwrap();
    }
    Phone::new(model, factory.finish().unwrap(), Options { boot, ..Options::default() })
}

fn agent(format: Format) -> AgentFile {
    let generation = match format {
        Format::G1 => Generation::G1,
        Format::G2 => Generation::G2,
    };
    AgentFile::from_bytes(Path::new("demo"), demo_agent::container(generation)).unwrap()
}

fn session() -> SessionOptions {
    SessionOptions { agent_format: None, pool_blocks: 80 }
}

fn options() -> ReadOptions {
    ReadOptions { force: true, pages_per_packet: PACKET, ..ReadOptions::default() }
}

fn wish(folder: &Path) -> Wish {
    let want = Want::Range { start: START, length: LENGTH, target: folder.join("range.img") };
    Wish { want, shape: Shape::AsStored, kind: AddressKind::Logical }
}

/// Start sequence to finish on one link.
pub(crate) fn run_job(job: &Job<'_>, folder: &Path) -> (Result<(), JobError>, Vec<Said>) {
    let transcript = Transcript::default();
    let face = if job.boot == Boot::BootRom { Face::BootRom } else { Face::Preloader };
    transcript.borrow_mut().push(Said::Opened(sighting(face, job.pid)));
    let cable = PhoneLink::plug(phone(job.boot), Clock::virtual_time());
    let link = Kept::new(Faulty::new(cable, job.faults.iter().copied()), &transcript, job.without_pages);
    let da = agent(job.format);
    let tell = &mut |_: bromide_job::event::Event<'_>| {};
    let result = run(async {
        let brom = Brom::hello(link, Duration::from_secs(5)).await?;
        let mut open = Session::greeted(brom, &da, &session(), tell).await?;
        let rows = rows_on_phone(&mut open, &[wish(folder)], None, tell).await?;
        read_rows(&mut open, &rows.rows, &options(), &mut NoBook, tell).await?;
        open.finish(tell).await;
        Ok(())
    });
    (result, transcript.take())
}

/// The same through a change to high speed.
pub(crate) fn run_at_high_speed(format: Format, folder: &Path) -> Vec<Said> {
    let transcript = Transcript::default();
    let bus = PhoneBus::new(phone(Boot::BootRom), Clock::virtual_time(), BusManner::default());
    let bus = KeptBus { bus, transcript: transcript.clone() };
    let da = agent(format);
    let follow = FollowOptions { session: session(), speed: SpeedWish::High, wait: Duration::from_secs(10) };
    let tell = &mut |_: bromide_job::event::Event<'_>| {};
    run(async {
        let mut follower = Follower::catch(bus, &da, follow, tell).await?;
        let geometry = Source::session(&mut follower).unwrap().geometry()?;
        let rows = resolve(&[wish(folder)], None, &geometry, 80, &mut |_| {})?;
        follower.raise(tell).await?;
        read_rows(&mut follower, &rows, &options(), &mut NoBook, tell).await?;
        follower.into_session().unwrap().finish(tell).await;
        Ok::<(), JobError>(())
    })
    .unwrap();
    transcript.take()
}
