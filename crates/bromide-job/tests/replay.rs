//! A conversation recorded with a virtual phone and replayed without it: the same file, or an end that says where.

mod common;

use std::cell::RefCell;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use bromide_capture::{About, Bytes, Entry, Pieces, Playback, Recording, What};
use bromide_job::error::JobError;
use bromide_job::follow::{FollowOptions, Follower, SpeedWish};
use bromide_job::readback::{NoBook, read_rows};
use bromide_job::rows::resolve;
use bromide_job::source::Source;
use bromide_link::replay::{Left, ReplayBus, ReplayDiffers, ReplayEnded, ReplayPhone};
use bromide_link::{Cancel, run};
use bromide_phone::usb::HighSpeed;
use bromide_phone::{Boot, BusManner, Clock, Options, PhoneBus};
use bromide_proto::agent_format::Format;
use bromide_proto::bus::{Bus, Face, Sighting};
use bromide_proto::error::ErrorKind;
use bromide_proto::link::{Direction, Link, LinkError};
use common::*;

type Tape = Rc<RefCell<Recording<Vec<u8>>>>;

/// The clock of the phone begins then.
const BEGUN: Duration = Duration::from_secs(1_700_000_000);

fn blank() -> Recording<Vec<u8>> {
    Recording::new(Vec::new(), &About::here("bromide 0.0.0")).unwrap()
}

/// A bus all of whose links are recorded.
struct RecordedBus<B>(B, Tape);

impl<B: Bus> Bus for RecordedBus<B> {
    type Link = Recorded<B::Link>;

    async fn meet(
        &mut self,
        faces: &[Face],
        within: Duration,
    ) -> Result<(Sighting, Recorded<B::Link>), LinkError> {
        let (seen, link) = self.0.meet(faces, within).await?;
        self.1.borrow_mut().opened(BEGUN + link.now(), &seen).unwrap();
        Ok((seen, Recorded(link, self.1.clone())))
    }

    fn now(&self) -> Duration {
        self.0.now()
    }
}

/// A link that is recorded, and closed when it is dropped.
struct Recorded<L: Link>(L, Tape);

impl<L: Link> Link for Recorded<L> {
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
}

impl<L: Link> Drop for Recorded<L> {
    fn drop(&mut self) {
        self.1.borrow_mut().closed(BEGUN + self.0.now()).unwrap();
    }
}

/// Reads `blocks` blocks into `file`, over any bus.
fn read<B: Bus>(bus: B, format: Format, speed: SpeedWish, blocks: u64, file: &Path) -> Result<(), JobError> {
    let da = da(format);
    let options = FollowOptions { session: session_options(), speed, wait: Duration::from_secs(300) };
    let wish = range((REPLACED - 1) * BLOCK, blocks * BLOCK, file);
    let tell = &mut |_: bromide_job::event::Event<'_>| {};
    run(async {
        let mut follower = Follower::catch(bus, &da, options, tell).await?;
        let geometry = follower.session().unwrap().geometry()?;
        let rows = resolve(&[wish], None, &geometry, 80, &mut |_| {})?;
        follower.raise(tell).await?;
        read_rows(&mut follower, &rows, &read_options(), &mut NoBook, tell).await?;
        follower.into_session().unwrap().finish(tell).await;
        Ok(())
    })
}

/// Records such a read, and gives the recording.
fn record(
    boot: Boot,
    format: Format,
    manner: BusManner,
    speed: SpeedWish,
    blocks: u64,
    file: &Path,
) -> Vec<u8> {
    let tape = Rc::new(RefCell::new(blank()));
    let phone = PhoneBus::new(phone("mt6575", boot, Options::default()), Clock::virtual_time(), manner);
    read(RecordedBus(phone, tape.clone()), format, speed, blocks, file).unwrap();
    Rc::into_inner(tape).unwrap().into_inner().into_inner()
}

fn replay(
    recording: &[u8],
    format: Format,
    speed: SpeedWish,
    blocks: u64,
    file: &Path,
) -> Result<(), JobError> {
    let playback = Playback::new(std::io::Cursor::new(recording.to_vec())).unwrap();
    let bus = ReplayBus::new(playback, Pieces::in_folder(Path::new("")), Cancel::new());
    read(bus, format, speed, blocks, file)
}

fn entries(recording: &[u8]) -> Vec<Entry> {
    Playback::new(recording).unwrap().map(Result::unwrap).collect()
}

fn file_of(entries: &[Entry]) -> Vec<u8> {
    let mut to = blank();
    for Entry { at, what, .. } in entries {
        match what {
            What::Opened(seen) => to.opened(*at, seen),
            What::Closed => to.closed(*at),
            What::Note(text) => to.note(*at, text),
            What::Bytes(direction, Bytes::Here(bytes)) => to.bytes(*at, *direction, bytes),
            What::Bytes(direction, Bytes::Elsewhere(piece)) => to.piece(*at, *direction, piece),
        }
        .unwrap();
    }
    to.into_inner()
}

/// Why the link failed at last.
fn of_link(error: &JobError) -> Option<&(dyn std::error::Error + Send + Sync + 'static)> {
    match error {
        JobError::Talk(bromide_proto::error::Error { kind: ErrorKind::Link(LinkError::Over(e)), .. })
        | JobError::NotOpened(LinkError::Over(e)) => Some(e.as_ref()),
        _ => None,
    }
}

fn differs(error: &JobError) -> &ReplayDiffers {
    of_link(error).and_then(|e| e.downcast_ref()).unwrap_or_else(|| panic!("it stopped otherwise: {error:?}"))
}

#[test]
fn a_recorded_read_is_replayed_into_the_same_file() {
    for (boot, format, speed) in [
        (Boot::BootRom, Format::G2, SpeedWish::AsMet),
        (Boot::BootRom, Format::G1, SpeedWish::High),
        (Boot::Preloader, Format::G2, SpeedWish::AsMet),
    ] {
        let folder = folder();
        let (first, second) = (folder.path().join("a.img"), folder.path().join("b.img"));
        let recording = record(boot, format, BusManner::default(), speed, 2, &first);
        replay(&recording, format, speed, 2, &second).unwrap();
        assert!(std::fs::read(&first).unwrap() == std::fs::read(&second).unwrap());
    }
}

#[test]
fn a_read_that_lost_its_link_and_found_it_again_is_replayed_too() {
    let folder = folder();
    let (first, second) = (folder.path().join("a.img"), folder.path().join("b.img"));
    for high_speed in [HighSpeed::Aborts(300_001), HighSpeed::Dies(300_001)] {
        let manner = BusManner { high_speed, ..BusManner::default() };
        let recording = record(Boot::BootRom, Format::G2, manner, SpeedWish::High, 9, &first);
        replay(&recording, Format::G2, SpeedWish::High, 9, &second).unwrap();
        assert!(std::fs::read(&first).unwrap() == std::fs::read(&second).unwrap());
        std::fs::remove_file(&first).unwrap();
        std::fs::remove_file(&second).unwrap();
    }
}

#[test]
fn one_byte_changed_in_what_the_host_says_stops_the_replay_there() {
    let folder = folder();
    let recording = record(
        Boot::BootRom,
        Format::G2,
        BusManner::default(),
        SpeedWish::AsMet,
        1,
        &folder.path().join("a.img"),
    );
    let whole = entries(&recording);
    let (mut offset, mut tried) = (0, 0);
    for (index, entry) in whole.iter().enumerate() {
        let What::Bytes(Direction::ToPhone, Bytes::Here(bytes)) = &entry.what else { continue };
        let at = bytes.len() / 2;
        let mut changed = whole.clone();
        if let What::Bytes(_, Bytes::Here(bytes)) = &mut changed[index].what {
            bytes[at] ^= 0x40;
        }
        let target = folder.path().join("b.img");
        let stopped = replay(&file_of(&changed), Format::G2, SpeedWish::AsMet, 1, &target);
        // What is said to end a session is said for politeness: the file is whole by then.
        if let Err(error) = stopped {
            let differs = differs(&error);
            assert_eq!((differs.frame, differs.offset), (entry.frame, offset + at as u64), "{differs}");
            assert_eq!(differs.at, entry.at - whole[0].at);
            assert_eq!(
                (differs.expected, differs.got),
                (Some(bytes[at] ^ 0x40), Some(bytes[at])),
                "{differs}"
            );
            assert!(!target.exists());
            tried += 1;
        } else {
            assert!(std::fs::read(&target).unwrap() == std::fs::read(folder.path().join("a.img")).unwrap());
        }
        let _ = std::fs::remove_file(&target);
        let _ = std::fs::remove_file(folder.path().join("b.img.part"));
        offset += bytes.len() as u64;
    }
    assert!(tried > 100, "{tried}");
}

#[test]
fn one_byte_changed_in_the_pages_is_noticed_and_never_saved() {
    let folder = folder();
    let first = folder.path().join("a.img");
    let recording = record(Boot::BootRom, Format::G2, BusManner::default(), SpeedWish::AsMet, 1, &first);
    let whole = entries(&recording);
    let packets: Vec<_> = (0..whole.len())
        .filter(|index| {
            let what = &whole[*index].what;
            matches!(what, What::Bytes(Direction::FromPhone, Bytes::Here(bytes)) if bytes.len() > 1000)
        })
        .collect();
    assert!(packets.len() >= 32, "{}", packets.len());
    for index in packets {
        let mut changed = whole.clone();
        let What::Bytes(_, Bytes::Here(bytes)) = &mut changed[index].what else { continue };
        let at = (index * 101) % bytes.len();
        bytes[at] ^= 1;
        let target = folder.path().join("b.img");
        let error = replay(&file_of(&changed), Format::G2, SpeedWish::AsMet, 1, &target).unwrap_err();
        let differs = differs(&error);
        // The host takes no wrong packet: where the recording says so with 5A, it stops the agent with 96.
        assert_eq!((differs.expected, differs.got), (Some(0x5a), Some(0x96)), "{differs}");
        assert!(differs.frame > whole[index].frame);
        assert!(!target.exists());
        std::fs::remove_file(folder.path().join("b.img.part")).unwrap();
    }
}

#[test]
fn a_recording_cut_anywhere_gives_no_file_under_its_name() {
    let folder = folder();
    let first = folder.path().join("a.img");
    let recording = record(Boot::BootRom, Format::G2, BusManner::default(), SpeedWish::AsMet, 1, &first);
    let wanted = std::fs::read(&first).unwrap();
    let (mut ended, mut whole) = (0, 0);
    let header = blank().into_inner().len();
    for cut in (header..recording.len()).step_by(4001).chain(recording.len() - 700..recording.len()) {
        let target = folder.path().join("b.img");
        match replay(&recording[..cut], Format::G2, SpeedWish::AsMet, 1, &target) {
            Err(JobError::NoPhone(_)) => {}
            Err(error) => {
                let over = of_link(&error).and_then(|e| e.downcast_ref::<ReplayEnded>());
                assert!(over.is_some(), "{error:?}");
                assert!(!target.exists());
                ended += 1;
            }
            // Only the farewell was missing.
            Ok(()) => {
                assert!(std::fs::read(&target).unwrap() == wanted);
                std::fs::remove_file(&target).unwrap();
                whole += 1;
            }
        }
        let _ = std::fs::remove_file(folder.path().join("b.img.part"));
    }
    assert!(ended > 20 && whole > 20, "{ended} {whole}");
}

/// A link to a phone that is played from a recording on a thread of its own.
fn to_a_played_phone(
    recording: Vec<u8>,
    phone_side: std::net::TcpStream,
) -> std::thread::JoinHandle<Result<Left, String>> {
    std::thread::spawn(move || {
        let playback = Playback::new(std::io::Cursor::new(recording)).unwrap();
        let mut phone = ReplayPhone::new(playback, Pieces::in_folder(Path::new("")));
        run(phone.plugged_in(Socket(phone_side))).map_err(|e| e.to_string())
    })
}

fn pair() -> (std::net::TcpStream, std::net::TcpStream) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let host = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (phone, _) = listener.accept().unwrap();
    for end in [&host, &phone] {
        end.set_nodelay(true).unwrap();
    }
    (host, phone)
}

/// A socket as a cable.
struct Socket(std::net::TcpStream);

impl Link for Socket {
    async fn send(&mut self, bytes: &[u8]) -> Result<(), LinkError> {
        use std::io::Write;
        self.0.write_all(bytes).map_err(|_| LinkError::Unplugged)
    }

    async fn recv(&mut self, into: &mut [u8], within: Duration) -> Result<usize, LinkError> {
        use std::io::Read;
        let patience = (within < Duration::from_secs(1000)).then_some(within);
        self.0.set_read_timeout(patience).unwrap();
        match self.0.read(into) {
            Ok(0) => Err(LinkError::Unplugged),
            Ok(came) => Ok(came),
            // As some systems say it, and as others do.
            Err(e) if [std::io::ErrorKind::WouldBlock, std::io::ErrorKind::TimedOut].contains(&e.kind()) => {
                Err(LinkError::Timeout(within))
            }
            Err(_) => Err(LinkError::Unplugged),
        }
    }

    fn now(&self) -> Duration {
        static BEGUN: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
        BEGUN.get_or_init(std::time::Instant::now).elapsed()
    }
}

#[test]
fn a_recording_played_as_a_phone_serves_another_host() {
    let folder = folder();
    let (first, second) = (folder.path().join("a.img"), folder.path().join("b.img"));
    let recording = record(Boot::BootRom, Format::G2, BusManner::default(), SpeedWish::AsMet, 1, &first);
    let wish = |file: &Path, blocks| range((REPLACED - 1) * BLOCK, blocks * BLOCK, file);

    let (host, phone) = pair();
    let played = to_a_played_phone(recording.clone(), phone);
    // A follower asks for the speed first; so the recording is not that of a plain job.
    let mut once = Once(Some(Socket(host)));
    read(&mut once, Format::G2, SpeedWish::AsMet, 1, &second).unwrap();
    assert_eq!(played.join().unwrap(), Ok(Left::Over(false)));
    assert!(std::fs::read(&first).unwrap() == std::fs::read(&second).unwrap());

    let (host, phone) = pair();
    let played = to_a_played_phone(recording, phone);
    let other = job(
        Socket(host),
        &da(Format::G2),
        &session_options(),
        &[wish(&folder.path().join("c.img"), 2)],
        &read_options(),
    );
    assert!(other.result.is_err());
    let said = played.join().unwrap().unwrap_err();
    assert!(said.contains("where the recording has") && said.contains("(frame "), "{said}");
    assert!(!folder.path().join("c.img").exists());
}

/// A bus with one link, once.
struct Once<L>(Option<L>);

impl<L: Link> Bus for &mut Once<L> {
    type Link = L;

    async fn meet(&mut self, faces: &[Face], within: Duration) -> Result<(Sighting, L), LinkError> {
        let link = self.0.take().ok_or(LinkError::Timeout(within))?;
        let (face, speed) = (faces[0], bromide_proto::bus::BusSpeed::Unknown);
        Ok((Sighting { face, vid: 0, pid: 0, port: "socket".into(), speed }, link))
    }

    fn now(&self) -> Duration {
        Duration::ZERO
    }
}
