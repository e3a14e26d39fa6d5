//! Every single fault of the cable, in both formats, on a virtual clock.
//!
//! A short session is run without faults and its bytes are counted. Then it is run again for every byte the phone
//! says: flipped, dropped, and with the cable cut before it. Whatever happens, the file of that name holds the right
//! bytes or does not exist, the answer says which, and the virtual clock shows that no wait was without end.

mod common;

use std::path::Path;
use std::time::Duration;

use bromide_job::error::JobError;
use bromide_link::{Change, Direction, Fault, Faulty};
use bromide_phone::{Boot, Options, Phone};
use bromide_proto::agent_format::Format;
use bromide_proto::link::Link;
use common::*;

/// Three written pages at the replaced block, two a packet: one full packet and one short one.
const START: u64 = REPLACED * BLOCK;
const LENGTH: u64 = 3 * PAGE;
/// No single fault may cost more than this much of the phone's time.
const PATIENCE: Duration = Duration::from_secs(180);

struct Storm {
    format: Format,
    phone: Option<Phone>,
    da: bromide_job::agent_file::AgentFile,
    wanted: Vec<u8>,
    folder: tempfile::TempDir,
    saved: u32,
    failed: u32,
}

impl Storm {
    fn new(format: Format) -> Self {
        let phone = phone("mt6575", Boot::BootRom, Options::default());
        let wanted = stored(&phone, START, LENGTH);
        Self { format, phone: Some(phone), da: da(format), wanted, folder: folder(), saved: 0, failed: 0 }
    }

    /// One session with this fault; returns the bytes of the direction that passed.
    fn session(&mut self, fault: Option<Fault>) -> u64 {
        self.counted(fault, Direction::FromPhone)
    }

    fn counted(&mut self, fault: Option<Fault>, direction: Direction) -> u64 {
        let mut link = plug(self.phone.take().unwrap());
        let began = link.clock().now();
        let file = self.folder.path().join("piece.img");
        let mut faulty = Faulty::new(&mut link, fault);
        let outcome =
            job(&mut faulty, &self.da, &session_options(), &[range(START, LENGTH, &file)], &read_options());
        let seen = faulty.seen(direction);
        let took = link.clock().now() - began;
        assert!(took < PATIENCE, "{fault:?} took {took:?}");
        match outcome.result {
            Ok(_) => {
                self.saved += 1;
                assert!(
                    std::fs::read(&file).unwrap() == self.wanted,
                    "wrong bytes under the right name: {fault:?}"
                );
            }
            Err(error) => {
                self.failed += 1;
                assert!(!file.exists(), "a failed job left a file: {fault:?}: {error}");
                assert!(matches!(error, JobError::Talk(_)), "{fault:?}: {error}");
            }
        }
        self.clean();
        self.phone = Some(link.unplug().0);
        seen
    }

    fn clean(&self) {
        for entry in std::fs::read_dir(self.folder.path()).unwrap() {
            std::fs::remove_file(entry.unwrap().path()).unwrap();
        }
    }

    fn run(mut self) {
        let bytes = self.session(None);
        assert_eq!((self.saved, self.failed), (1, 0), "without a fault the job succeeds");
        let fault = |at, change| Some(Fault { direction: Direction::FromPhone, at, change });
        for at in 0..bytes {
            self.session(fault(at, Change::Flip((at % 8) as u8)));
            self.session(fault(at, Change::Drop(1)));
            self.session(fault(at, Change::Cut));
        }
        println!(
            "{}: {bytes} reply bytes, {} sessions saved, {} failed",
            self.format, self.saved, self.failed
        );
        assert!(u64::from(self.saved) > bytes, "faults inside page data are mended");
        assert!(self.failed > 0);
    }
}

#[test]
fn no_single_fault_of_a_g1_session_leaves_a_wrong_file_or_a_hang() {
    Storm::new(Format::G1).run();
}

#[test]
fn no_single_fault_of_a_g2_session_leaves_a_wrong_file_or_a_hang() {
    Storm::new(Format::G2).run();
}

/// The other way: what the host says is lost or disturbed. The read request itself has no echo and no sum; a flipped
/// address is read as asked, so those bytes are only dropped here. (USB has its own checksum for them.) So is the pool
/// in the configuration, which decides whether blocks are replaced.
#[test]
fn no_single_fault_on_the_way_to_the_phone_leaves_a_wrong_file() {
    for format in [Format::G1, Format::G2] {
        let mut storm = Storm::new(format);
        let bytes = storm.counted(None, Direction::ToPhone);
        let (request, configuration) = match format {
            Format::G1 => (15, 15),
            Format::G2 => (23, 18),
        };
        // After the request: pages per packet, two answers, 72, D9 and its word. Before it: G1's F0, eleven records,
        // their number, the configuration.
        let read = bytes - 12 - request..bytes - 12;
        let table = 4 + 11 * 56 + u64::from(format == Format::G1);
        let configured = read.start - table - configuration..read.start - table;
        let upload = configured.start - 5 - 0x1e100..configured.start - 5;
        let fault = |at, change| Some(Fault { direction: Direction::ToPhone, at, change });
        for at in (0..bytes).filter(|at| !upload.contains(at) || at % 9973 == 0) {
            storm.counted(fault(at, Change::Drop(1)), Direction::ToPhone);
            if read.contains(&at) || configured.contains(&at) {
                continue;
            }
            for bit in 0..8 {
                storm.counted(fault(at, Change::Flip(bit)), Direction::ToPhone);
            }
        }
        println!("{format}: {} sessions saved, {} failed", storm.saved, storm.failed);
    }
}

/// All eight bits where there is no sum: everything up to the first page byte, and everything after the last.
#[test]
fn no_flipped_bit_outside_the_pages_leaves_a_wrong_file() {
    for format in [Format::G1, Format::G2] {
        let mut storm = Storm::new(format);
        let bytes = storm.session(None);
        let pages = storm.wanted.len() as u64;
        let before = bytes - pages - 2 * 2 - 2 - 2;
        for at in (0..before).chain(bytes - 4..bytes) {
            for bit in 0..8 {
                storm.session(Some(Fault { direction: Direction::FromPhone, at, change: Change::Flip(bit) }));
            }
        }
    }
}

#[test]
fn lost_bytes_inside_a_packet_are_asked_for_again() {
    for format in [Format::G1, Format::G2] {
        let mut storm = Storm::new(format);
        let bytes = storm.session(None);
        let inside = bytes - storm.wanted.len() as u64 / 2;
        for count in [1, 2, 63, 64, 512, 1000] {
            let fault = Fault { direction: Direction::FromPhone, at: inside, change: Change::Drop(count) };
            let before = storm.saved;
            storm.session(Some(fault));
            assert_eq!(storm.saved, before + 1, "{format}: {count} bytes lost");
        }
    }
}

#[test]
fn many_random_faults_never_leave_a_wrong_file() {
    let phone_of = |format| (phone("mt6575", Boot::BootRom, Options::default()), da(format));
    for format in [Format::G1, Format::G2] {
        let (mut phone, da) = phone_of(format);
        let folder = folder();
        let wanted = stored(&phone, START, LENGTH);
        let (mut saved, mut failed, mut cheated) = (0, 0, 0);
        for seed in 0..2000u64 {
            let mut link = plug(phone);
            let file = folder.path().join("piece.img");
            let one_in = [500, 3000, 20_000][(seed % 3) as usize];
            let mut faulty = Faulty::seeded(&mut link, seed, 0, one_in);
            let outcome = end(&mut faulty, &da, &file);
            match outcome {
                Ok(wrong) => {
                    saved += 1;
                    // Several faults in one packet can cancel out in a 16-bit sum; the pages' own parity cannot be
                    // cheated that way, so the report counts the pages where the sum saw nothing.
                    let right = std::fs::read(&file).unwrap() == wanted;
                    assert!(right || wrong > 0, "seed {seed}: silently wrong");
                    cheated += u32::from(!right);
                }
                Err(_) => {
                    failed += 1;
                    assert!(!file.exists(), "seed {seed}");
                }
            }
            for entry in std::fs::read_dir(folder.path()).unwrap() {
                std::fs::remove_file(entry.unwrap().path()).unwrap();
            }
            phone = link.unplug().0;
        }
        println!("{format}: {saved} saved ({cheated} with faults the sums did not see), {failed} failed");
        assert!(saved > 0 && failed > 0);
    }
}

/// Pages with wrong bits of a job that ended well.
fn end<L: Link>(link: L, da: &bromide_job::agent_file::AgentFile, file: &Path) -> Result<u64, JobError> {
    let done = job(link, da, &session_options(), &[range(START, LENGTH, file)], &read_options()).result?;
    Ok(done
        .iter()
        .filter_map(|d| d.saved.pages.as_ref())
        .map(|p| p.counts.damaged + p.counts.correctable)
        .sum())
}
