//! A phone on a cable in this process, on a virtual clock, and a whole job over it.
#![allow(dead_code, unreachable_pub)] // each test file uses its own part

use std::path::Path;
use std::time::Duration;

use bromide_image::map::Map;
use bromide_job::agent_file::AgentFile;
use bromide_job::error::JobError;
use bromide_job::event::{Event, Tell};
use bromide_job::readback::{Done, NoBook, ReadOptions, read_rows};
use bromide_job::rows::{Want, Wish};
use bromide_job::session::{Session, SessionOptions};
use bromide_job::table::rows_on_phone;
use bromide_link::run;
use bromide_phone::{
    Boot, Clock, Factory, Filling, Generation, Model, NandChip, Options, Phone, PhoneLink, demo_agent,
};
use bromide_proto::agent_format::Format;
use bromide_proto::brom::Brom;
use bromide_proto::link::Link;
use bromide_proto::wire::nand_read::{AddressKind, Shape};

pub const PAGE: u64 = 2048;
pub const BLOCK: u64 = 64 * PAGE;
/// The block inside `system` that the models replace through the bad-block table.
pub const REPLACED: u64 = 1000;

/// A phone whose system partition has written pages around its replaced block, and at its start.
pub fn phone(model: &str, boot: Boot, options: Options) -> Phone {
    let model = Model::builtin(model).unwrap();
    let mut factory = Factory::new(&model, NandChip::blank(&model.nand)).unwrap();
    let filling = Filling { seed: 42, ..Filling::default() };
    factory.fill("recovery", 256, filling).unwrap();
    for page in (REPLACED - 1) * 64..(REPLACED + 2) * 64 {
        let main: Vec<u8> = (0..PAGE).map(|i| (i * 7 + page * 13 + i / 256) as u8).collect();
        let mut software = [0u8; 25];
        software[..8].copy_from_slice(&page.to_le_bytes());
        factory.program_logical(page as u32, &main, &software).unwrap();
    }
    let chip = factory.finish().unwrap();
    Phone::new(model, chip, Options { boot, ..options })
}

pub fn generation(format: Format) -> Generation {
    match format {
        Format::G1 => Generation::G1,
        Format::G2 => Generation::G2,
    }
}

/// The demo's container in a format.
pub fn da(format: Format) -> AgentFile {
    AgentFile::from_bytes(Path::new("demo"), demo_agent::container(generation(format))).unwrap()
}

pub fn plug(phone: Phone) -> PhoneLink {
    PhoneLink::plug(phone, Clock::virtual_time())
}

pub fn session_options() -> SessionOptions {
    SessionOptions { agent_format: None, pool_blocks: 80 }
}

pub fn read_options() -> ReadOptions {
    ReadOptions { force: false, pages_per_packet: 2, one_sums_file: false, ..ReadOptions::default() }
}

pub fn range(start: u64, length: u64, target: &Path) -> Wish {
    Wish {
        want: Want::Range { start, length, target: target.to_owned() },
        shape: Shape::AsStored,
        kind: AddressKind::Logical,
    }
}

/// What a job came to, with everything it told.
pub struct Outcome {
    pub result: Result<Vec<Done>, JobError>,
    pub told: Vec<String>,
}

/// A session from the start sequence on, the phone being given five seconds to answer it.
pub async fn begin<L: Link>(
    link: L,
    da: &AgentFile,
    options: &SessionOptions,
    tell: &mut Tell<'_>,
) -> Result<Session<L>, JobError> {
    let brom = Brom::hello(link, Duration::from_secs(5)).await?;
    Session::greeted(brom, da, options, tell).await
}

/// A whole job: session, rows, finish.
pub fn job<L: Link>(
    link: L,
    da: &AgentFile,
    session: &SessionOptions,
    wishes: &[Wish],
    options: &ReadOptions,
) -> Outcome {
    job_by(link, da, session, wishes, None, options)
}

/// The same with a map.
pub fn job_by<L: Link>(
    link: L,
    da: &AgentFile,
    session: &SessionOptions,
    wishes: &[Wish],
    map: Option<&Map>,
    options: &ReadOptions,
) -> Outcome {
    let mut told = Vec::new();
    let tell = &mut |event: Event<'_>| match event {
        Event::Warning(text) | Event::Note(text) => told.push(text.to_owned()),
        Event::OwnTable(table) => told.push(format!("by {}", table.source)),
        _ => {}
    };
    let result = run(async {
        let mut open = begin(link, da, session, tell).await?;
        let rows = rows_on_phone(&mut open, wishes, map, tell).await?.rows;
        let done = read_rows(&mut open, &rows, options, &mut NoBook, tell).await?;
        open.finish(tell).await;
        Ok(done)
    });
    Outcome { result, told }
}

/// A folder in memory where there is one, because thousands of sessions each wait for the disk.
pub fn folder() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap()
}

/// The stored bytes behind logical main-area addresses, by the phone's own list of replacements.
pub fn stored(phone: &Phone, start: u64, length: u64) -> Vec<u8> {
    (start / PAGE..(start + length) / PAGE)
        .flat_map(|page| bromide_phone::stored_page(&phone.model, &phone.chip, page as u32).unwrap())
        .collect()
}
