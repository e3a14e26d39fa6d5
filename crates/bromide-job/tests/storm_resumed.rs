//! Every single fault of the cable in a read that goes on where another one ended.
//!
//! A read of five written pages is cut when some of them are durable. From what it left the same read is run again for
//! every third byte the phone says, by turns flipped, dropped and with the cable cut before it. The file of that name then
//! holds the right bytes or does not exist, and whatever was left can be gone on with.

mod common;

use std::fs;
use std::path::Path;
use std::time::Duration;

use bromide_job::error::JobError;
use bromide_job::readback::ReadOptions;
use bromide_job::save::SaveError;
use bromide_link::{Change, Direction, Fault, Faulty};
use bromide_phone::{Boot, Options, Phone};
use bromide_proto::agent_format::Format;
use common::*;

const START: u64 = REPLACED * BLOCK;
const LENGTH: u64 = 5 * PAGE;
/// No single fault may cost more than this much of the phone's time.
const PATIENCE: Duration = Duration::from_secs(180);

struct Storm {
    phone: Option<Phone>,
    da: bromide_job::agent_file::AgentFile,
    wanted: Vec<u8>,
    folder: tempfile::TempDir,
}

impl Storm {
    fn new(format: Format) -> Self {
        let phone = phone("mt6575", Boot::BootRom, Options::default());
        let wanted = stored(&phone, START, LENGTH);
        Self { phone: Some(phone), da: da(format), wanted, folder: folder() }
    }

    /// One session; how it ended, and how many bytes the phone said.
    fn session(&mut self, folder: &Path, fault: Option<Fault>, verify: bool) -> (Result<(), JobError>, u64) {
        let mut link = plug(self.phone.take().unwrap());
        let began = link.clock().now();
        let file = folder.join("piece.img");
        let mut faulty = Faulty::new(&mut link, fault);
        let options = ReadOptions { checkpoint: 1, verify, ..read_options() };
        let wishes = [range(START, LENGTH, &file)];
        let outcome = job(&mut faulty, &self.da, &session_options(), &wishes, &options);
        let seen = faulty.seen(Direction::FromPhone);
        let took = link.clock().now() - began;
        assert!(took < PATIENCE, "{fault:?} took {took:?}");
        self.phone = Some(link.unplug().0);
        match &outcome.result {
            Ok(_) => assert!(fs::read(&file).unwrap() == self.wanted, "wrong bytes: {fault:?}"),
            Err(error) => {
                assert!(!file.exists(), "a failed job left a file: {fault:?}: {error}");
                // An answer about the chip that came altered makes it another phone than before.
                let known = matches!(error, JobError::Talk(_) | JobError::Save(SaveError::OtherRead { .. }));
                assert!(known, "{fault:?}: {error}");
            }
        }
        (outcome.result.map(drop), seen)
    }

    /// A folder as the first read left it.
    fn begun(&self) -> tempfile::TempDir {
        let copy = folder();
        for entry in fs::read_dir(self.folder.path()).unwrap() {
            let entry = entry.unwrap();
            fs::copy(entry.path(), copy.path().join(entry.file_name())).unwrap();
        }
        copy
    }

    fn run(mut self, verify: bool, step: usize) {
        let folder = self.folder.path().to_owned();
        let whole = common::folder();
        let (result, all) = self.session(whole.path(), None, verify);
        result.unwrap();
        let second = if verify { LENGTH / PAGE * 2112 } else { 0 };
        let inside = Fault { direction: Direction::FromPhone, at: all - second - 3000, change: Change::Cut };
        assert!(self.session(&folder, Some(inside), verify).0.is_err());
        assert!(fs::metadata(folder.join("piece.img.part")).unwrap().len() >= 2 * 2112);
        let (result, bytes) = self.session(self.begun().path(), None, verify);
        result.unwrap();
        let (mut saved, mut failed) = (0, 0);
        for (turn, at) in (0..bytes).step_by(step).enumerate() {
            let change = [Change::Flip((at % 8) as u8), Change::Drop(1), Change::Cut][turn % 3];
            let begun = self.begun();
            let fault = Fault { direction: Direction::FromPhone, at, change };
            let (result, _) = self.session(begun.path(), Some(fault), verify);
            if result.is_ok() {
                saved += 1;
                continue;
            }
            failed += 1;
            let (result, _) = self.session(begun.path(), None, verify);
            result.unwrap_or_else(|e| panic!("{fault:?} left something that cannot be gone on with: {e}"));
        }
        println!("{bytes} reply bytes, {saved} sessions saved, {failed} failed and were gone on with");
        assert!(saved > 0 && failed > 0);
    }
}

#[test]
fn no_single_fault_of_a_resumed_g1_read_leaves_a_wrong_file_or_a_dead_end() {
    Storm::new(Format::G1).run(false, 3);
}

#[test]
fn no_single_fault_of_a_resumed_g2_read_leaves_a_wrong_file_or_a_dead_end() {
    Storm::new(Format::G2).run(false, 3);
}

#[test]
fn no_single_fault_of_a_resumed_and_verified_read_leaves_a_wrong_file_or_a_dead_end() {
    Storm::new(Format::G2).run(true, 5);
}
