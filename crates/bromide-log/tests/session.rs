//! Whole sessions with a virtual phone, logged and compared with what a tap on the same cable saw.

use std::cell::RefCell;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, Instant};

use bromide_capture::{About, Bytes, Pieces, Playback, Recording, What, export};
use bromide_job::agent_file::AgentFile;
use bromide_job::error::JobError;
use bromide_job::event::Event;
use bromide_job::follow::{FollowOptions, Follower, SpeedWish};
use bromide_job::readback::{NoBook, ReadOptions, read_rows};
use bromide_job::rows::{Want, Wish, resolve};
use bromide_job::session::SessionOptions;
use bromide_job::source::Source as _;
use bromide_link::{Tap, run};
use bromide_log::{
    Detail, Kind, Names, Outcome, Place, RECORDING, RecordedBus, Recorder, Run, Store, Trouble,
};
use bromide_phone::{
    BusManner, Clock, Factory, Faults, Filling, Generation, Model, NandChip, Options, Phone, PhoneBus,
    ReadFault, ReadFaultKind, demo_agent,
};
use bromide_proto::bus::{Bus, Face, Sighting};
use bromide_proto::link::{Direction, LinkError};
use bromide_proto::wire::nand_read::{AddressKind, Shape};

/// Where `recovery` lies in the model's chip, and how much of it is read.
const START: u64 = 0x98_0000;
const LENGTH: u64 = 0x8_0000;

/// What passed: a new entry for each change of direction and each opening.
type Transcript = Vec<(Option<Direction>, Vec<u8>)>;

fn add(transcript: &mut Transcript, direction: Option<Direction>, bytes: &[u8]) {
    match transcript.last_mut() {
        Some((last, all)) if direction.is_some() && *last == direction => all.extend_from_slice(bytes),
        _ => transcript.push((direction, bytes.to_vec())),
    }
}

/// A bus whose bytes are seen by this test too.
struct Watched {
    bus: PhoneBus,
    seen: Rc<RefCell<Transcript>>,
}

type See = Box<dyn FnMut(Direction, &[u8])>;

impl Bus for Watched {
    type Link = Tap<bromide_phone::BusLink, See>;

    async fn meet(&mut self, faces: &[Face], within: Duration) -> Result<(Sighting, Self::Link), LinkError> {
        let (seen, link) = self.bus.meet(faces, within).await?;
        add(&mut self.seen.borrow_mut(), None, &[]);
        let to = Rc::clone(&self.seen);
        let see: See = Box::new(move |direction, bytes| add(&mut to.borrow_mut(), Some(direction), bytes));
        Ok((seen, Tap::new(link, see)))
    }

    fn now(&self) -> Duration {
        self.bus.now()
    }
}

fn phone(faults: Faults) -> Phone {
    let model = Model::builtin("mt6575").unwrap();
    let mut factory = Factory::new(&model, NandChip::blank(&model.nand)).unwrap();
    factory.fill("recovery", 256, Filling { seed: 42, ..Filling::default() }).unwrap();
    let chip = factory.finish().unwrap();
    Phone::new(model, chip, Options { faults, ..Options::default() })
}

fn a_run(detail: Detail, redact: bool) -> Run {
    let text = |text: &str| text.to_owned();
    Run {
        version: text("1.2.3"),
        verb: text("read"),
        asked: text("read a piece of recovery."),
        args: [
            "bromide",
            "read",
            "--at",
            "0x980000",
            "-o",
            "/home/alice/a piece.img",
            "--via",
            "usb",
            "--da",
            "DA.bin",
        ]
        .map(text)
        .to_vec(),
        folder: text("/home/alice/phone"),
        os: text("linux x86_64"),
        phone: Kind::Real,
        container: text("DA.bin"),
        names: Names {
            user: Some(text("alice")),
            home: Some(text("/home/alice")),
            host: Some(text("wonderland")),
        },
        detail,
        redact,
    }
}

/// A session and what it left.
struct Session {
    folder: tempfile::TempDir,
    recorder: Recorder,
    passed: Transcript,
    result: Result<(), JobError>,
}

impl Session {
    fn new(detail: Detail, redact: bool, faults: Faults, speed: SpeedWish) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let recorder = Recorder::start(Place::Bundle(folder.path()), a_run(detail, redact)).unwrap();
        recorder.waiting("any USB port", 60);
        let seen = Rc::default();
        let bus = PhoneBus::new(phone(faults), Clock::virtual_time(), BusManner::default());
        let bus = Watched { bus, seen: Rc::clone(&seen) };
        let result = read(bus, &recorder, &folder.path().join("piece.img"), speed);
        let passed = seen.take();
        Self { folder, recorder, passed, result }
    }

    fn log(&self, name: &str) -> PathBuf {
        self.recorder.folder().join(name)
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.log(name)).unwrap()
    }

    /// What the recording says passed, with every page put back.
    fn exported(&self) -> Transcript {
        let from = Playback::new(File::open(self.log(RECORDING)).unwrap()).unwrap();
        let mut to = Recording::new(Vec::new(), &About::here("test")).unwrap();
        let pieces = &mut Pieces::beside(&self.log(RECORDING));
        assert!(!export(from, Some(pieces), &mut to).unwrap().cut);
        transcript(&to.into_inner())
    }
}

fn transcript(recording: &[u8]) -> Transcript {
    let mut transcript = Vec::new();
    for entry in Playback::new(recording).unwrap() {
        match entry.unwrap().what {
            What::Opened(_) => add(&mut transcript, None, &[]),
            What::Bytes(direction, Bytes::Here(bytes)) => add(&mut transcript, Some(direction), &bytes),
            What::Bytes(direction, Bytes::Elsewhere(piece)) => {
                add(&mut transcript, Some(direction), &vec![0; piece.len as usize]);
            }
            What::Closed | What::Note(_) => {}
        }
    }
    transcript
}

fn read(bus: Watched, recorder: &Recorder, target: &Path, speed: SpeedWish) -> Result<(), JobError> {
    let da = AgentFile::from_bytes(Path::new("demo"), demo_agent::container(Generation::G2)).unwrap();
    let session = SessionOptions { agent_format: None, pool_blocks: 80 };
    let follow = FollowOptions { session, speed, wait: Duration::from_secs(60) };
    let options =
        ReadOptions { force: false, pages_per_packet: 16, one_sums_file: false, ..ReadOptions::default() };
    let want = Want::Range { start: START, length: LENGTH, target: target.to_owned() };
    let wish = Wish { want, shape: Shape::AsStored, kind: AddressKind::Logical };
    let tell = &mut |event: Event<'_>| recorder.event(&event);
    run(async {
        let bus = RecordedBus::new(bus, Some(recorder.clone()));
        let mut phone = Follower::catch(bus, &da, follow, tell).await?;
        let geometry = phone.session().unwrap().geometry()?;
        let rows = resolve(&[wish], None, &geometry, 80, &mut |_| {})?;
        phone.raise(tell).await?;
        let read = read_rows(&mut phone, &rows, &options, &mut NoBook, tell).await;
        if read.is_ok() {
            phone.into_session().unwrap().finish(tell).await;
        } else if let Some(session) = phone.into_session() {
            session.abandon().await;
        }
        read.map(drop)
    })
}

fn stop(page: u64, times: u32) -> Faults {
    let page = (START / 2048 + page) as u32;
    Faults { reads: vec![ReadFault { page, times, kind: ReadFaultKind::SilentStop }], ..Faults::default() }
}

fn assert_same(recorded: &Transcript, passed: &Transcript) {
    for (n, (a, b)) in recorded.iter().zip(passed).enumerate() {
        assert!(a == b, "entry {n}: {:?} {} and {:?} {} bytes", a.0, a.1.len(), b.0, b.1.len());
    }
    assert_eq!(recorded.len(), passed.len());
}

#[test]
fn pages_are_kept_once_and_the_export_has_every_byte_that_passed() {
    let session = Session::new(Detail::On, false, Faults::default(), SpeedWish::AsMet);
    session.result.as_ref().unwrap();
    session.recorder.finish(&Outcome::DONE);
    let image = fs::metadata(session.folder.path().join("piece.img")).unwrap().len();
    assert_eq!(image, LENGTH / 2048 * 2112);
    let passed: u64 = session.passed.iter().map(|(_, bytes)| bytes.len() as u64).sum();
    let recording = fs::metadata(session.log(RECORDING)).unwrap().len();
    assert!(recording < passed - image + (64 << 10), "{recording} bytes for {passed}, {image} of them pages");
    assert_same(&session.exported(), &session.passed);
}

#[test]
fn after_trouble_the_export_still_has_every_byte_that_passed() {
    for speed in [SpeedWish::AsMet, SpeedWish::High] {
        let session = Session::new(Detail::On, false, stop(37, 2), speed);
        session.result.as_ref().unwrap();
        session.recorder.finish(&Outcome::DONE);
        assert_same(&session.exported(), &session.passed);
        let told = session.text("hacklog.md");
        assert!(told.contains("Note: Asked again at page"), "{told}");
        assert!(told.contains("the cable needed help: 2 requests had to be repeated."), "{told}");
    }
}

#[test]
fn a_page_that_was_read_better_later_is_put_back_as_it_passed() {
    let session = Session::new(Detail::On, false, Faults::default(), SpeedWish::AsMet);
    let image = session.folder.path().join("piece.img");
    for (place, by) in [(2112 * 5, 0xaa), (2112 * 5, 0xbb), (2112 * 20, 0xcc)] {
        let mut bytes = fs::read(&image).unwrap();
        let page = place..place + 2112;
        let was = bytes[page.clone()].to_vec();
        session.recorder.event(&Event::Replaced { file: &image, at: place as u64, was: &was });
        bytes[page].fill(by);
        fs::write(&image, bytes).unwrap();
    }
    session.recorder.finish(&Outcome::DONE);
    assert_same(&session.exported(), &session.passed);
}

#[test]
fn a_full_log_needs_no_other_file() {
    let session = Session::new(Detail::Full, false, stop(37, 1), SpeedWish::AsMet);
    session.recorder.finish(&Outcome::DONE);
    fs::remove_file(session.folder.path().join("piece.img")).unwrap();
    assert_same(&transcript(&fs::read(session.log(RECORDING)).unwrap()), &session.passed);
}

#[test]
fn the_account_tells_what_was_asked_seen_decided_and_how_it_ended() {
    let session = Session::new(Detail::On, false, Faults::default(), SpeedWish::AsMet);
    session.recorder.finish(&Outcome::DONE);
    let told = session.text("hacklog.md");
    for sentence in [
        "The task: read a piece of recovery.\n\n    bromide read --at 0x980000 -o '/home/alice/a piece.img' --via usb --da DA.bin\n",
        "Waited for a phone at any USB port, for up to 60 s.",
        "as USB device 0e8d:0003: its BootROM, the start-up code in the chip itself. The connection was opened.",
        "It is an MT6575, which answered from its BootROM: codes 6575/8a00/cb00/e201",
        "nothing is locked.",
        "made for exactly this version of the chip. It speaks wire format g2",
        "Uploaded it, 123,136 bytes in ",
        "It found a NAND chip of 512 MiB, id ad bc 90 55 54: pages of 2,048 + 64 bytes, 64 to a block",
        "524,288 bytes from address 0x980000, plus 64 spare bytes a page, as stored: 540,672 bytes in the file `",
        "Good: of 256 pages ",
        "All that was asked for is done, ",
        "Nothing went wrong: no request had to be repeated",
        "the container `DA.bin`, ",
        "## To repeat it\n\n    cd /home/alice/phone\n    bromide read --at 0x980000",
        "--via replay:",
    ] {
        assert!(told.contains(sentence), "{sentence:?} is missing in\n{told}");
    }
    let headings: Vec<&str> = told.lines().filter_map(|line| line.strip_prefix("## ")).collect();
    let wanted = ["The phone", "The agent", "The storage", "What was read", "How it ended", "To repeat it"];
    assert_eq!(headings[..6], wanted);
}

#[test]
fn a_failure_is_told_with_its_advice_and_the_last_exchanges() {
    let session = Session::new(Detail::On, false, stop(37, u32::MAX), SpeedWish::AsMet);
    let error = session.result.as_ref().unwrap_err();
    let trouble = Trouble {
        code: "talk/unreadable".into(),
        what: error.to_string(),
        advice: Some("read around it".into()),
        tail: "> 72\n< 5a 00".into(),
    };
    session.recorder.finish(&Outcome { exit: 1, trouble: Some(trouble) });
    assert_same(&session.exported(), &session.passed);
    let told = session.text("hacklog.md");
    for part in [
        "It failed after ",
        "(exit code 1, `talk/unreadable`)",
        "What to do next: Read around it.",
        "\n    > 72\n    < 5a 00\n",
    ] {
        assert!(told.contains(part), "{part} is missing in\n{told}");
    }
    let run = Store::at(&session.folder.path().join("log")).find(None).unwrap();
    assert_eq!((run.exit, run.phone.as_deref(), run.running), (Some(1), Some("MT6575"), false));
}

#[test]
fn a_run_that_is_killed_leaves_what_was_until_then() {
    let session = Session::new(Detail::On, false, Faults::default(), SpeedWish::AsMet);
    let until = Instant::now() + Duration::from_secs(30);
    while !session.text("hacklog.md").contains("is whole after") {
        assert!(Instant::now() < until, "the writer never wrote");
        std::thread::sleep(Duration::from_millis(20));
    }
    // Nobody has finished anything.
    let run = Store::at(&session.folder.path().join("log")).find(None).unwrap();
    assert_eq!((run.exit, run.running, run.phone.as_deref()), (None, true, Some("MT6575")));
    assert!(session.text("session.jsonl").ends_with("}\n"));
    assert_same(&session.exported(), &session.passed);
}

#[test]
fn a_log_that_is_masked_from_the_beginning_has_neither_names_nor_ids() {
    let model = Model::builtin("mt6575").unwrap();
    let session = Session::new(Detail::On, true, Faults::default(), SpeedWish::High);
    session.result.as_ref().unwrap();
    session.recorder.finish(&Outcome::DONE);
    let id = model.chip.random_id;
    let hex: String = id.iter().map(|byte| format!("{byte:02x}")).collect();
    let has = |bytes: &[u8]| session.passed.iter().any(|(_, all)| all.windows(16).any(|it| it == bytes));
    assert!(has(&id), "the phone did say it");
    for name in [RECORDING, "session.jsonl", "hacklog.md"] {
        let bytes = fs::read(session.log(name)).unwrap();
        for secret in [&id[..], hex.as_bytes(), b"alice", b"wonderland"] {
            assert!(!bytes.windows(secret.len()).any(|it| it == secret), "{name} has {secret:02x?}");
        }
    }
    let lengths = |transcript: &Transcript| transcript.iter().map(|(_, all)| all.len()).collect::<Vec<_>>();
    assert_eq!(lengths(&transcript(&fs::read(session.log(RECORDING)).unwrap())), lengths(&session.passed));
    assert!(session.text("hacklog.md").contains("'~/a piece.img'"));
}

#[test]
fn a_recorder_nobody_finishes_ends_by_itself() {
    let folder = tempfile::tempdir().unwrap();
    let recorder = Recorder::start(Place::Store(folder.path()), a_run(Detail::On, false)).unwrap();
    let store = Store::at(folder.path());
    assert!(store.find(None).is_ok_and(|run| run.running));
    drop(recorder);
    let until = Instant::now() + Duration::from_secs(30);
    while store.find(None).is_ok_and(|run| run.running) {
        assert!(Instant::now() < until, "the writer never ended");
        std::thread::sleep(Duration::from_millis(20));
    }
    let account = fs::read_to_string(store.find(None).unwrap().folder.join("hacklog.md")).unwrap();
    assert!(account.starts_with("# Hack log, "), "{account}");
}
