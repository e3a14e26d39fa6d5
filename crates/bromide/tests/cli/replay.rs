//! A recorded phone: replayed to the tool itself, and played to another program.

use std::cell::RefCell;
use std::fs;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use bromide_capture::{About, Bytes, Entry, Piece, Playback, Recording, What};
use bromide_job::agent_file::AgentFile;
use bromide_job::follow::{FollowOptions, Follower, SpeedWish};
use bromide_job::readback::{NoBook, ReadOptions, read_rows};
use bromide_job::rows::{Want, Wish};
use bromide_job::session::{DEFAULT_POOL, SessionOptions};
use bromide_job::source::Source;
use bromide_job::table::rows_on_phone;
use bromide_link::{SerialLink, run};
use bromide_phone::{BusManner, Clock, Options, Phone, PhoneBus};
use bromide_proto::bus::{Bus, Face, Sighting};
use bromide_proto::link::{Direction, Link, LinkError};
use bromide_proto::wire::nand_read::{AddressKind, Shape};

use crate::bench::{Bench, Oracle, Stream, assert_same};

const START: u64 = 0x98_0000;
const LENGTH: u64 = 0x4_0000;
const READ: &str = "read --at 0x980000 --len 0x40000 --da g2.bin";

type Tape = Rc<RefCell<Recording<Vec<u8>>>>;

/// The phone on its bus, watched; and what its link is said to take at once.
struct Watched<T>(T, Tape, Option<u32>);

const BEGUN: Duration = Duration::from_secs(1_700_000_000);

impl Bus for Watched<PhoneBus> {
    type Link = Watched<<PhoneBus as Bus>::Link>;

    async fn meet(&mut self, faces: &[Face], within: Duration) -> Result<(Sighting, Self::Link), LinkError> {
        let (seen, link) = self.0.meet(faces, within).await?;
        let mut tape = self.1.borrow_mut();
        tape.opened(BEGUN + link.now(), &seen).unwrap();
        self.2.iter().for_each(|most| tape.bound(BEGUN + link.now(), *most).unwrap());
        Ok((seen, Watched(link, self.1.clone(), self.2)))
    }

    fn now(&self) -> Duration {
        self.0.now()
    }
}

impl<L: Link> Link for Watched<L> {
    async fn send(&mut self, bytes: &[u8]) -> Result<(), LinkError> {
        self.1.borrow_mut().bytes(BEGUN + self.0.now(), Direction::ToPhone, bytes).unwrap();
        self.0.send(bytes).await
    }

    async fn recv(&mut self, into: &mut [u8], within: Duration) -> Result<usize, LinkError> {
        let came = self.0.recv(into, within).await?;
        self.1.borrow_mut().bytes(BEGUN + self.0.now(), Direction::FromPhone, &into[..came]).unwrap();
        Ok(came)
    }

    fn now(&self) -> Duration {
        self.0.now()
    }

    fn most_at_once(&self) -> Option<u32> {
        self.2
    }
}

/// The read of [`READ`] as the binary does it, recorded; its file is `piece.bin`.
fn record(bench: &Bench, most_at_once: Option<u32>) -> Vec<u8> {
    let tape = Rc::new(RefCell::new(Recording::new(Vec::new(), &About::here("bromide 0.0.0")).unwrap()));
    let oracle = Oracle::builtin("mt6575");
    let phone = Phone::new(oracle.model, oracle.chip, Options::default());
    let bus = PhoneBus::new(phone, Clock::virtual_time(), BusManner::default());
    let da = AgentFile::open(&bench.path("g2.bin")).unwrap();
    let session = SessionOptions { agent_format: None, pool_blocks: DEFAULT_POOL };
    let options = FollowOptions { session, speed: SpeedWish::AsMet, wait: Duration::from_secs(60) };
    let want = Want::Range { start: START, length: LENGTH, target: bench.path("piece.bin") };
    let wishes = [Wish { want, shape: Shape::AsStored, kind: AddressKind::Logical }];
    let read =
        ReadOptions { force: false, pages_per_packet: 64, one_sums_file: false, ..ReadOptions::default() };
    let tell = &mut |_: bromide_job::event::Event<'_>| {};
    run(async {
        let bus = Watched(bus, tape.clone(), most_at_once);
        let mut phone = Follower::catch(bus, &da, options, tell).await.unwrap();
        let rows = rows_on_phone(phone.session().unwrap(), &wishes, None, tell).await.unwrap();
        phone.raise(tell).await.unwrap();
        read_rows(&mut phone, &rows.rows, &read, &mut NoBook, tell).await.unwrap();
        phone.into_session().unwrap().finish(tell).await;
    });
    let mut recording = Rc::into_inner(tape).unwrap().into_inner();
    recording.closed(BEGUN + Duration::from_secs(60)).unwrap();
    recording.into_inner()
}

/// A recording of the read in `session.pcapng`.
fn recorded() -> Bench {
    let bench = Bench::new();
    bench.write("session.pcapng", record(&bench, None));
    assert_same(&bench.read("piece.bin"), &Oracle::builtin("mt6575").stored(START, LENGTH));
    bench
}

fn entries(file: &[u8]) -> Vec<Entry> {
    Playback::new(file).unwrap().map(Result::unwrap).collect()
}

/// The same recording with each entry changed as `change` says.
fn changed(file: &[u8], mut change: impl FnMut(&mut What)) -> Vec<u8> {
    let mut to = Recording::new(Vec::new(), &About::here("bromide 0.0.0")).unwrap();
    for mut entry in entries(file) {
        change(&mut entry.what);
        match entry.what {
            What::Opened(seen) => to.opened(entry.at, &seen),
            What::Closed => to.closed(entry.at),
            What::Note(text) => to.note(entry.at, &text),
            What::Bytes(direction, Bytes::Here(bytes)) => to.bytes(entry.at, direction, &bytes),
            What::Bytes(direction, Bytes::Elsewhere(piece)) => to.piece(entry.at, direction, &piece),
        }
        .unwrap();
    }
    to.into_inner()
}

/// The pages are kept in this file only.
fn with_pages_in(file: &[u8], name: &str) -> Vec<u8> {
    let mut kept = 0;
    changed(file, |what| {
        let What::Bytes(Direction::FromPhone, bytes) = what else { return };
        let Bytes::Here(here) = &*bytes else { return };
        if here.len() > 2000 {
            let (len, crc32) =
                (here.len() as u64, crc::Crc::<u32>::new(&crc::CRC_32_ISO_HDLC).checksum(here));
            *bytes = Bytes::Elsewhere(Piece { file: name.into(), at: kept, len, crc32 });
            kept += len;
        }
    })
}

#[test]
fn a_recorded_read_is_repeated_without_the_phone() {
    let bench = recorded();
    bench
        .run(&format!("{READ} --via replay:session.pcapng -o again.bin"))
        .good()
        .says(&["recording session.pcapng"]);
    assert_same(&bench.read("again.bin"), &bench.read("piece.bin"));
    assert_eq!(bench.text("again.bin.sha256")[..64], bench.text("piece.bin.sha256")[..64]);
}

#[test]
fn pages_that_a_recording_does_not_repeat_come_from_the_file_beside_it() {
    let bench = recorded();
    let full = bench.read("session.pcapng");
    fs::create_dir(bench.path("log")).unwrap();
    let short = with_pages_in(&full, "../piece.bin");
    assert!(short.len() * 2 < full.len(), "{} of {}", short.len(), full.len());
    bench.write("log/session.pcapng", short);
    let again = format!("{READ} --via replay:log/session.pcapng -o again.bin");
    bench.run(&again).good();
    assert_same(&bench.read("again.bin"), &bench.read("piece.bin"));

    let mut other = bench.read("piece.bin");
    other[100_000] ^= 1;
    bench.write("piece.bin", other);
    bench
        .run(&again.replace("again.bin", "third.bin"))
        .fails(1, &["log/../piece.bin has changed since it was recorded", "capture/piece-changed", "frame "]);
    fs::remove_file(bench.path("piece.bin")).unwrap();
    bench
        .run(&again.replace("again.bin", "fourth.bin"))
        .fails(1, &["log/../piece.bin is missing", "capture/piece-missing", "next: a recording refers to"]);
    assert!(!bench.has("third.bin") && !bench.has("fourth.bin"));
}

#[test]
fn another_command_stops_at_its_first_byte_that_differs() {
    let bench = recorded();
    let via = "--via replay:session.pcapng";
    let says = ["[replay/differs]", "where the recording has", "(frame ", "next: a recording answers"];
    bench.run(&format!("{READ} {via} --packet-pages 8 -o again.bin")).fails(4, &says);
    assert!(!bench.has("again.bin"));
    bench.run(&format!("info --da g2.bin {via}")).fails(4, &says);
    let ran = bench.run(&format!("--json info --da g2.bin {via}"));
    let error = ran.events().pop().unwrap();
    assert_eq!((&error["code"], &error["exit"]), (&"replay/differs".into(), &4.into()), "{error}");
}

#[test]
fn a_changed_byte_of_a_page_is_no_file_under_its_name() {
    let bench = recorded();
    let mut at = 0;
    let wrong = changed(&bench.read("session.pcapng"), |what| {
        if let What::Bytes(Direction::FromPhone, Bytes::Here(bytes)) = what
            && bytes.len() > 2000
        {
            at += 1;
            bytes[1000] ^= u8::from(at == 2) << 3;
        }
    });
    assert!(at > 1);
    bench.write("wrong.pcapng", wrong);
    bench
        .run(&format!("{READ} --via replay:wrong.pcapng -o again.bin"))
        .fails(4, &["is 96, where the recording has 5a", "[replay/differs]", "again.bin.part holds"]);
    assert!(!bench.has("again.bin") && !bench.has("again.bin.sha256"));
}

#[test]
fn a_recording_of_a_killed_run_is_replayed_to_its_end() {
    let bench = recorded();
    let whole = bench.read("session.pcapng");
    bench.write("cut.pcapng", &whole[..whole.len() - 150_000]);
    bench
        .run(&format!("{READ} --via replay:cut.pcapng -o again.bin"))
        .fails(1, &["the recording ends here", "it was cut off", "[replay/ended]", "again.bin.part holds"]);
    let half = bench.read("again.bin.part");
    assert_same(&half, &bench.read("piece.bin")[..half.len()]);
}

#[test]
fn what_is_no_recording_is_refused() {
    let bench = Bench::new();
    bench.write("text.pcapng", "not at all");
    let read = |file: &str| format!("{READ} --via replay:{file} -o x.bin");
    bench.run(&read("text.pcapng")).fails(1, &["text.pcapng: this is no recording", "capture/not-a-capture"]);
    bench.run(&read("missing.pcapng")).fails(1, &["missing.pcapng: ", "[file/io]"]);
    let empty = Recording::new(Vec::new(), &About::here("bromide 0.0.0")).unwrap().into_inner();
    bench.write("empty.pcapng", empty);
    bench
        .run(&read("empty.pcapng"))
        .fails(3, &["no phone at recording empty.pcapng", "the recording has it so"]);
    bench
        .run("log replay empty.pcapng --as-phone")
        .fails(3, &["empty.pcapng holds no conversation", "[replay/no-phone]"]);
    bench.run("log replay empty.pcapng").fails(2, &["--as-phone"]);
    bench.run("log replay empty.pcapng --as-phone --listen vhci").fails(2, &["tcp:ADDRESS:PORT"]);
}

/// The recording in `session.pcapng` as a phone; and where it is.
fn play(bench: &Bench, listen: &str) -> (crate::bench::Running, String) {
    let mut phone = bench.start(&format!("log replay session.pcapng --as-phone --listen {listen}"));
    let at = phone.line_of(Stream::Out, |_| true);
    (phone, at)
}

#[test]
fn a_recording_played_on_a_terminal_serves_a_host_to_its_end() {
    let bench = Bench::new();
    // A host on a terminal asks for no more at once than a terminal holds.
    bench.write("session.pcapng", record(&bench, u32::try_from(SerialLink::MOST_AT_ONCE).ok()));
    let (phone, at) = play(&bench, "pty:phone.tty");
    assert_eq!(at, "phone.tty");
    bench.run(&format!("{READ} --via serial:phone.tty -o again.bin")).good();
    phone.end().good().says(&["plays BootROM (0e8d:0003)", "that was the whole recording"]);
    assert_same(&bench.read("again.bin"), &bench.read("piece.bin"));
    assert!(!bench.has("phone.tty"));
    // That it was a terminal is in the recording.
    bench.run(&format!("{READ} --via replay:session.pcapng -o third.bin")).good();
    assert_same(&bench.read("third.bin"), &bench.read("piece.bin"));
}

#[test]
fn a_recording_played_over_tcp_serves_a_host_and_stops_where_another_says_something_else() {
    let bench = recorded();
    let (phone, at) = play(&bench, "tcp:127.0.0.1:0");
    bench.run(&format!("{READ} --via tcp:{at} -o again.bin")).good();
    phone.end().good();
    assert_same(&bench.read("again.bin"), &bench.read("piece.bin"));

    let (phone, at) = play(&bench, "tcp:127.0.0.1:0");
    bench.run(&format!("{READ} --via tcp:{at} --packet-pages 8 -o third.bin")).fails(1, &["error: "]);
    phone.end().fails(4, &["[replay/differs]", "is 08, where the recording has 40", "(frame "]);
    assert!(!bench.has("third.bin"));
}

#[test]
fn ctrl_c_ends_a_recording_that_waits_for_a_host() {
    let bench = recorded();
    let (phone, _) = play(&bench, "pty");
    phone.interrupt();
    phone.end().fails(130, &["stopped by the user"]);
}

#[test]
fn a_host_that_lets_go_early_is_told_of() {
    let bench = recorded();
    let (phone, at) = play(&bench, "tcp:127.0.0.1:0");
    drop(std::net::TcpStream::connect(at).unwrap());
    phone.end().fails(4, &["the host left where the recording has more of it", "[replay/differs]"]);
}

#[test]
fn escape_codes_in_a_recording_do_not_reach_the_terminal() {
    let bench = recorded();
    let dressed = changed(&bench.read("session.pcapng"), |what| {
        if let What::Opened(seen) = what {
            seen.port = "\x1b[2Jport".into();
        }
    });
    bench.write("session.pcapng", dressed);
    // Both runs are looked through for them.
    bench.run(&format!("{READ} --via replay:session.pcapng -o again.bin")).good().says(&["[2Jport"]);
    let (phone, at) = play(&bench, "tcp:127.0.0.1:0");
    drop(std::net::TcpStream::connect(at).unwrap());
    phone.end().fails(4, &["[2Jport"]);
}

/// Somebody else's capture of the same conversation: no remark in it, the phone among other devices.
#[test]
fn a_capture_without_our_remarks_is_replayed_as_well() {
    let bench = recorded();
    let Some(plain) = without_remarks(&bench.path("session.pcapng"), &bench.path("usbmon.pcap")) else {
        return;
    };
    assert!(!plain.windows(8).any(|it| it == b"bromide:"));
    bench.run(&format!("{READ} --via replay:usbmon.pcap -o again.bin")).good();
    assert_same(&bench.read("again.bin"), &bench.read("piece.bin"));
}

/// A classic capture file has no room for remarks.
fn without_remarks(from: &Path, to: &Path) -> Option<Vec<u8>> {
    let mut editcap = std::process::Command::new("editcap");
    let Ok(ran) = editcap.args(["-F", "pcap"]).args([from, to]).output() else {
        println!("skipped: no editcap here");
        return None;
    };
    assert!(ran.status.success(), "{ran:?}");
    Some(fs::read(to).unwrap())
}
