//! What the program itself recorded of whole runs: the session log of each, and every export of it.
//!
//! The phones are built in and on a virtual clock.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use bromide_capture::{About, Recording, remark_of_missing};
use bromide_proto::bus::Face;
use bromide_proto::link::Direction;

use crate::said::sighting;
use crate::tshark::{Sheet, there};

const SMALL: &str = "--da agent.bin --via phone:small?clock=virtual";
/// A chip that has its partition table in pages only: two single pages are asked for first, then whole blocks.
const IN_PAGES: &str = "--da agent.bin --via phone:mt6575?pmt=pages&clock=virtual";
/// A chip without such a table: the two pages are blank.
const WITHOUT: &str = "--da agent.bin --via phone:mt6575?clock=virtual";

const MAP: &str = "dev:    size   erasesize  name\nmtd0: 00040000 00020000 \"preloader\"\n\
    mtd1: 000c0000 00020000 \"dsp_bl\"\nmtd2: 00300000 00020000 \"nvram\"\n";

/// The program in a folder of its own.
struct Runs(tempfile::TempDir);

impl Runs {
    fn new() -> Self {
        let runs = Self(tempfile::tempdir().unwrap());
        std::fs::write(runs.path("map.txt"), MAP).unwrap();
        runs.good("phone demo-agent -o agent.bin");
        runs
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn run(&self, words: &str) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bromide"));
        command.args(words.split_whitespace()).current_dir(self.0.path()).stdin(Stdio::null());
        command.env("XDG_STATE_HOME", self.path("state")).env_remove("BROMIDE_LOG_DIR").output().unwrap()
    }

    fn good(&self, words: &str) {
        let ran = self.run(words);
        assert!(ran.status.success(), "bromide {words}: {}", String::from_utf8_lossy(&ran.stderr));
    }

    /// Recordings of all runs that have one, wherever their logs are: with the user's state or in a bundle.
    fn recordings(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        let mut folders = vec![self.0.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
                if entry.file_type().unwrap().is_dir() {
                    folders.push(entry.path());
                } else if entry.file_name() == "session.pcapng" {
                    found.push(entry.path());
                }
            }
        }
        found.sort();
        found
    }

    /// The recordings, and of each an export with its pages and one without.
    fn recordings_and_exports(&self) -> Vec<PathBuf> {
        let mut all = self.recordings();
        for recording in all.clone() {
            let log = recording.parent().unwrap();
            for (name, flags) in [("whole.pcapng", ""), ("small.pcapng", "--without-pages")] {
                let copy = log.join(name);
                self.good(&format!("log export {} -o {} {flags}", log.display(), copy.display()));
                all.push(copy);
            }
        }
        all
    }
}

/// Packets of a file, as Wireshark's own counter has them.
fn counted(file: &Path) -> usize {
    let ran = Command::new("capinfos").args(["-c", "-M", "-T", "-r"]).arg(file).output().unwrap();
    let said = String::from_utf8(ran.stdout).unwrap();
    said.trim_end().rsplit('\t').next().and_then(|n| n.parse().ok()).unwrap_or_else(|| panic!("{said}"))
}

/// Every run these commands make is understood from its first frame to its last.
fn assert_understood(runs: &Runs, recorded: usize) {
    assert_eq!(runs.recordings().len(), recorded, "{:?}", runs.recordings());
    for file in runs.recordings_and_exports() {
        let sheet = Sheet::of(&file);
        assert_eq!(sheet.len(), counted(&file), "{}", file.display());
        println!("{}: {} frames", file.display(), sheet.len());
        sheet.assert_understood();
        assert!(sheet.values("mtk.da.cmd_name").contains(&"NAND_READ"), "{}", file.display());
    }
}

#[test]
fn a_bundle_a_piece_and_a_partition_are_understood() {
    if !there() {
        return;
    }
    let runs = Runs::new();
    runs.good(&format!("read --all {SMALL} -o dump --verify"));
    runs.good(&format!("read --at 0x20000 --len 0x20800 {SMALL} -o piece.bin"));
    runs.good(&format!("verify dump {SMALL}"));
    assert_understood(&runs, 3);
}

#[test]
fn a_table_that_is_looked_for_in_pages_is_understood() {
    if !there() {
        return;
    }
    for phone in [WITHOUT, IN_PAGES] {
        let runs = Runs::new();
        runs.good(&format!("read nvram --map map.txt {phone} -o nvram.img"));
        assert_understood(&runs, 1);
        let sheet = Sheet::of(&runs.recordings()[0]);
        // 16 pages to a packet, of a request for one: what came is one page, and it is in the recording.
        assert_eq!(sheet.numbers("mtk.da.packet")[..2], [16, 16]);
        assert_eq!(sheet.numbers("mtk.da.page_data")[..2], [2112, 2112]);
    }
}

#[test]
fn a_listing_of_a_phone_is_understood() {
    if !there() {
        return;
    }
    let runs = Runs::new();
    runs.good(&format!("image ls {IN_PAGES}"));
    runs.good(&format!("image ls {SMALL} system"));
    assert_understood(&runs, 2);
}

#[test]
fn a_bundle_whose_first_run_was_killed_is_understood_as_far_as_it_went_and_when_it_went_on() {
    if !there() {
        return;
    }
    let runs = Runs::new();
    // The signal leaves no time to write: at the pace of a cable the log is on the disk but for the last moment.
    let slow = "--da agent.bin --via phone:small?link=full-speed --fault kill-host=after:1500000";
    let killed = runs.run(&format!("read --all {slow} --checkpoint 64K -o dump"));
    assert!(!killed.status.success() && runs.path("dump").exists(), "{killed:?}");
    runs.good(&format!("read --all {SMALL} --checkpoint 64K -o dump"));
    assert_understood(&runs, 2);
}

#[test]
fn a_run_with_lost_bytes_goes_out_of_step_and_finds_back() {
    if !there() {
        return;
    }
    let runs = Runs::new();
    runs.good(&format!("read --all {SMALL} -o dump --fault seed=3,drop=2e-6"));
    for file in runs.recordings_and_exports() {
        let sheet = Sheet::of(&file);
        assert_eq!(sheet.len(), counted(&file), "{}", file.display());
        assert!(!sheet.having("mtk.out_of_step").is_empty(), "{}", file.display());
        let commands = sheet.values("mtk.da.cmd_name");
        assert!(commands.contains(&"STOP"), "{commands:?}");
        assert_eq!(commands.last(), Some(&"FINISH"), "{}", file.display());
    }
}

/// Of pages that nobody told of the recording has the number alone.
#[test]
fn pages_that_are_not_recorded_leave_the_conversation_in_step() {
    if !there() {
        return;
    }
    let runs = Runs::new();
    let file = runs.path("session.pcapng");
    let mut recording = Recording::new(Vec::new(), &About::here("test")).unwrap();
    let at = std::time::Duration::from_secs(1);
    recording.opened(at, &sighting(Face::BootRom, 0x2001)).unwrap();
    let read = [&[0xdf, 0, 1][..], &[0; 8], &[0, 0, 0, 0, 0, 0, 8, 0], &[0; 4]].concat();
    let header = [&[0, 0, 8, 0][..], &[0, 0, 0, 64], &[0, 0, 8, 64]].concat();
    let mut say = |direction, bytes: &[u8]| recording.bytes(at, direction, bytes).unwrap();
    say(Direction::ToPhone, &read);
    say(Direction::FromPhone, &[0x5a]);
    say(Direction::FromPhone, &header);
    say(Direction::ToPhone, &[0, 0, 0, 16]);
    say(Direction::FromPhone, &[0, 0, 0, 0, 0, 0, 8, 64]);
    recording.note(at, &remark_of_missing(2112)).unwrap();
    let mut say = |direction, bytes: &[u8]| recording.bytes(at, direction, bytes).unwrap();
    say(Direction::FromPhone, &[0x37, 0xc0]);
    say(Direction::ToPhone, &[0x5a]);
    say(Direction::ToPhone, &[0x72]);
    say(Direction::FromPhone, &[0x5a, 0]);
    std::fs::write(&file, recording.into_inner()).unwrap();
    for sheet in [Sheet::of(&file), Sheet::of_one_pass(&file)] {
        sheet.assert_understood();
        assert_eq!(sheet.values("mtk.da.cmd_name"), ["NAND_READ", "USB_STATUS"]);
        assert_eq!(sheet.numbers("mtk.da.page_data"), [2112]);
    }
}
