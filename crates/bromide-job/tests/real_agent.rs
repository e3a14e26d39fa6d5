//! A real Download Agent container drives the virtual phone: its own NAND table is offered and matched.
//!
//! The container is not part of this repository; `BROMIDE_DATA` names the folder that has `da/da_pl_2015.bin`.

mod common;

use std::path::PathBuf;

use bromide_job::agent_file::AgentFile;
use bromide_job::event::Event;
use bromide_job::readback::{NoBook, read_rows};
use bromide_job::rows::resolve;
use bromide_link::run;
use bromide_phone::{Boot, Options};
use bromide_proto::agent_format::{Because, Format};
use common::*;

fn container() -> Option<AgentFile> {
    let folder = std::env::var("BROMIDE_DATA")
        .unwrap_or_else(|_| concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data").into());
    let path = PathBuf::from(folder).join("da/da_pl_2015.bin");
    if !path.exists() {
        println!("skipped: no da_pl_2015.bin (set BROMIDE_DATA to the folder that has da/da_pl_2015.bin)");
        return None;
    }
    Some(AgentFile::open(&path).unwrap())
}

#[test]
fn the_2015_container_reads_an_mt6575_with_its_own_agent_and_table() {
    let Some(da) = container() else { return };
    for boot in [Boot::BootRom, Boot::Preloader] {
        let phone = phone("mt6575", boot, Options::default());
        let start = REPLACED * BLOCK;
        let wanted = stored(&phone, start, BLOCK);
        let folder = folder();
        let file = folder.path().join("block.img");
        let (mut uploaded, mut offered, mut chosen) = (0, (0, 0), None);
        let tell = &mut |event: Event<'_>| match event {
            Event::AgentUpload(done, _) => uploaded = done,
            Event::TableOffer(done, total) => offered = (done, total),
            Event::AgentChosen(c) => chosen = Some(c.clone()),
            _ => {}
        };
        run(async {
            let mut session = begin(plug(phone), &da, &session_options(), tell).await.unwrap();
            let (position, record) = session.found.record.unwrap();
            assert_eq!((position, record.index), (69, 0x78));
            let wish = range(start, BLOCK, &file);
            let rows = resolve(&[wish], None, &session.geometry().unwrap(), 80, &mut |_| {}).unwrap();
            read_rows(&mut session, &rows, &read_options(), &mut NoBook, tell).await.unwrap();
        });
        let chosen = chosen.unwrap();
        assert_eq!((chosen.entry, chosen.format, chosen.because), (1, Format::G2, Because::KnownAgent));
        assert_eq!(uploaded, 121_640);
        assert_eq!(offered, (70, 109));
        assert!(std::fs::read(&file).unwrap() == wanted);
    }
}

#[test]
fn the_2015_container_reads_an_mt6577_with_the_6577_entry() {
    let Some(da) = container() else { return };
    // The 6577 agent's digest is known to hosts; the phone is told which format it plays.
    let options = Options { agent: Some(bromide_phone::Generation::G2), ..Options::default() };
    let phone = phone("mt6577", Boot::BootRom, options);
    let start = REPLACED * BLOCK;
    let wanted = stored(&phone, start, BLOCK);
    let folder = folder();
    let file = folder.path().join("block.img");
    let wish = range(start, BLOCK, &file);
    job(plug(phone), &da, &session_options(), &[wish], &read_options()).result.unwrap();
    assert!(std::fs::read(&file).unwrap() == wanted);
}
