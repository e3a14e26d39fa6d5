//! The phone in another thread, reached as another process would reach it: over TCP and over a terminal.

use core::sync::atomic::{AtomicBool, Ordering};
use core::time::Duration;
use std::net::TcpStream;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::Instant;

use bromide_phone::serve::{ServeError, Serving, Terms, pty, tcp};
use bromide_phone::{Boot, Ended, Factory, Filling, Generation, NandChip, Options, Pace, Phone};
use bromide_proto::link::{Link, LinkError};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags, open};

use crate::host::{Host, mt6575};

/// The host's end of a socket or terminal.
struct Cable(OwnedFd);

impl Link for Cable {
    async fn send(&mut self, bytes: &[u8]) -> Result<(), LinkError> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let n = rustix::io::write(&self.0, rest).map_err(|_| LinkError::Unplugged)?;
            rest = &rest[n..];
        }
        Ok(())
    }

    async fn recv(&mut self, into: &mut [u8], within: Duration) -> Result<usize, LinkError> {
        let mut fds = [PollFd::from_borrowed_fd(self.0.as_fd(), PollFlags::IN)];
        let limit = Timespec::try_from(within).expect("a time-out that fits");
        match poll(&mut fds, Some(&limit)).expect("poll works") {
            0 => Err(LinkError::Timeout(within)),
            _ => match rustix::io::read(&self.0, into) {
                Ok(0) | Err(_) => Err(LinkError::Unplugged),
                Ok(n) => Ok(n),
            },
        }
    }

    fn now(&self) -> Duration {
        Duration::ZERO
    }
}

/// A phone being served, stopped when dropped.
struct Served {
    stop: Arc<AtomicBool>,
    events: mpsc::Receiver<Serving>,
    thread: Option<JoinHandle<Result<(), ServeError>>>,
}

enum Where {
    Tcp,
    Pty(Option<PathBuf>),
}

impl Served {
    fn new(place: Where, options: Options, pace: Pace) -> Self {
        let model = mt6575();
        let mut factory = Factory::new(&model, NandChip::blank(&model.nand)).unwrap();
        factory.fill("preloader", 128, Filling::default()).unwrap();
        let mut phone = Phone::new(model, factory.finish().unwrap(), options);
        let stop = Arc::new(AtomicBool::new(false));
        let (tell, events) = mpsc::channel();
        let flag = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let terms = Terms { pace, stop: &flag };
            // A test that has ended listens no more.
            let mut tell = |event| tell.send(event).unwrap_or(());
            match place {
                Where::Tcp => tcp(&mut phone, "127.0.0.1:0", terms, &mut tell),
                Where::Pty(link) => pty(&mut phone, link.as_deref(), terms, &mut tell),
            }
        });
        Self { stop, events, thread: Some(thread) }
    }

    fn next(&self) -> Serving {
        self.events.recv_timeout(Duration::from_secs(10)).expect("something happens")
    }

    fn address(&self) -> String {
        match self.next() {
            Serving::At(address) => address,
            other => panic!("{other:?} before the address"),
        }
    }

    fn over(&self) -> Ended {
        loop {
            if let Serving::Over(ended) = self.next() {
                return ended;
            }
        }
    }

    fn finish(mut self) -> Result<(), ServeError> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().expect("only taken here").join().expect("the server did not panic")
    }
}

fn call(address: &str) -> Host<Cable> {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_nodelay(true).unwrap();
    Host(Cable(stream.into()))
}

fn open_terminal(path: impl AsRef<Path>) -> Host<Cable> {
    Host(Cable(open(path.as_ref(), OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty()).unwrap()))
}

/// One read back of the preloader partition, the pages that were filled.
fn read_preloader(host: &mut Host<Cable>) -> Vec<u8> {
    host.reach_commands(Generation::G2);
    host.read(Generation::G2, 0, false, 0, 0x40000, 64)
}

#[test]
fn one_connection_after_the_other_is_one_plug_in_after_the_other() {
    let served = Served::new(Where::Tcp, Options::default(), Pace::None);
    let address = served.address();
    let first = read_preloader(&mut call(&address));
    assert_eq!(served.next(), Serving::PluggedIn);
    assert_eq!(served.over(), Ended::Unplugged);
    for _ in 0..10 {
        let mut host = call(&address);
        host.play("H 00 D 01");
        host.start();
        drop(host);
        assert_eq!(served.over(), Ended::Unplugged);
    }
    assert!(read_preloader(&mut call(&address)) == first);
    served.finish().unwrap();
}

#[test]
fn a_phone_that_returns_as_2001_does_so_on_the_next_connection() {
    let served = Served::new(Where::Tcp, Options::default(), Pace::None);
    let address = served.address();
    let mut host = call(&address);
    host.reach_commands(Generation::G2);
    host.play("H 72 D 5A 00 H 70 01 D 5A");
    host.gone();
    assert_eq!(served.over(), Ended::ReturnsAs2001);
    call(&address).play("H 72 D 5A 01 H D9 D 5A H 00000000 D 5A");
    assert_eq!(served.over(), Ended::Finished(0));
}

#[test]
fn a_host_that_leaves_in_the_middle_of_a_packet_leaves_a_phone_that_starts_anew() {
    for place in [Where::Tcp, Where::Pty(None)] {
        let over_tcp = matches!(place, Where::Tcp);
        let served = Served::new(place, Options::default(), Pace::None);
        let address = served.address();
        let connect = || if over_tcp { call(&address) } else { open_terminal(&address) };
        for _ in 0..5 {
            let mut host = connect();
            host.reach_commands(Generation::G2);
            host.ask(Generation::G2, 0, false, 0, 0x1000_0000);
            host.play("D 5A 00000800 00000040 00000840 H 00020000 D 0000000010800000");
            host.hear(5_000_000);
            drop(host);
            assert_eq!(served.over(), Ended::Unplugged);
        }
        connect().start();
    }
}

#[test]
fn an_idle_server_stops_when_told() {
    for place in [Where::Tcp, Where::Pty(None)] {
        let served = Served::new(place, Options::default(), Pace::None);
        served.address();
        let begun = Instant::now();
        served.finish().unwrap();
        assert!(begun.elapsed() < Duration::from_secs(5));
    }
}

#[test]
fn a_server_in_the_middle_of_a_plug_in_stops_when_told() {
    for place in [Where::Tcp, Where::Pty(None)] {
        let over_tcp = matches!(place, Where::Tcp);
        let served = Served::new(place, Options::default(), Pace::None);
        let address = served.address();
        let mut host = if over_tcp { call(&address) } else { open_terminal(&address) };
        host.reach_commands(Generation::G2);
        // It waits for room to send in one case and for a command in the other.
        if over_tcp {
            host.ask(Generation::G2, 0, false, 0, 0x1000_0000);
            host.play("D 5A 00000800 00000040 00000840 H 00020000 D 0000000010800000");
        }
        let begun = Instant::now();
        served.finish().unwrap();
        assert!(begun.elapsed() < Duration::from_secs(5));
    }
}

#[test]
fn an_address_in_use_is_named() {
    let served = Served::new(Where::Tcp, Options::default(), Pace::None);
    let address = served.address();
    let model = mt6575();
    let mut phone = Phone::new(model.clone(), NandChip::blank(&model.nand), Options::default());
    let stop = AtomicBool::new(false);
    let said = tcp(&mut phone, &address, Terms { pace: Pace::None, stop: &stop }, &mut |_| {}).unwrap_err();
    assert!(said.to_string().contains(&address), "{said}");
}

#[test]
fn opening_and_closing_a_terminal_is_plugging_and_pulling() {
    let served = Served::new(Where::Pty(None), Options::default(), Pace::None);
    let path = served.address();
    let first = read_preloader(&mut open_terminal(&path));
    assert_eq!(served.over(), Ended::Unplugged);
    for _ in 0..20 {
        let mut host = open_terminal(&path);
        host.play("H 00 D 01");
        host.start();
        drop(host);
        assert_eq!(served.over(), Ended::Unplugged);
    }
    assert!(read_preloader(&mut open_terminal(&path)) == first);
}

#[test]
fn a_terminal_translates_and_echoes_nothing() {
    let served = Served::new(Where::Pty(None), Options::default(), Pace::None);
    let mut host = open_terminal(served.address());
    host.start();
    let all: Vec<u8> = (0..=0xff).cycle().take(100_000).collect();
    host.upload(&all);
    host.disable_watchdog();
    host.play("H 00 D");
    host.hush(Duration::from_millis(300));
}

#[test]
fn a_preloader_on_a_terminal_speaks_only_when_a_host_is_there() {
    let options = Options { boot: Boot::Preloader, ..Options::default() };
    let served = Served::new(Where::Pty(None), options, Pace::None);
    let path = served.address();
    for _ in 0..3 {
        std::thread::sleep(Duration::from_millis(250));
        let mut host = open_terminal(&path);
        host.play("D 5245414459 H A0 D");
        // A second READY may have been on its way.
        let mut heard = host.hear(1);
        while heard == b"R" {
            host.play("D 45414459");
            heard = host.hear(1);
        }
        assert_eq!(heard, [0x5f]);
        host.play("H 0A D F5 H 50 D AF H 05 D FA H FE D 01");
        drop(host);
        assert_eq!(served.over(), Ended::Unplugged);
    }
}

#[test]
fn a_terminal_stays_for_a_host_that_closes_it_when_the_phone_returns_as_2001() {
    let served = Served::new(Where::Pty(None), Options::default(), Pace::None);
    let path = served.address();
    let mut host = open_terminal(&path);
    host.reach_commands(Generation::G2);
    host.play("H 70 01 D 5A");
    drop(host);
    assert_eq!(served.over(), Ended::ReturnsAs2001);
    std::thread::sleep(Duration::from_millis(50));
    let mut host = open_terminal(&path);
    host.play("H 72 D 5A 01 H D9 D 5A H 00000000 D 5A");
    drop(host);
    assert_eq!(served.over(), Ended::Finished(0));
}

#[test]
fn a_terminal_vanishes_under_a_host_that_holds_it_and_the_link_moves_on() {
    let folder = tempfile::tempdir().unwrap();
    let link = folder.path().join("phone");
    let options = Options { bootrom_patience: Some(Duration::from_millis(100)), ..Options::default() };
    let served = Served::new(Where::Pty(Some(link.clone())), options, Pace::None);
    assert_eq!(served.address(), link.display().to_string());
    let before = std::fs::read_link(&link).unwrap();
    let mut host = open_terminal(&link);
    assert_eq!(served.over(), Ended::LeftBus);
    host.gone();
    assert_eq!(served.next(), Serving::At(link.display().to_string()));
    assert_ne!(std::fs::read_link(&link).unwrap(), before, "the old terminal is still held");
    open_terminal(&link).start();
    served.finish().unwrap();
    assert!(link.symlink_metadata().is_err(), "the link goes with the server");
}

#[test]
fn a_link_path_that_is_something_else_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("precious");
    std::fs::write(&path, "data").unwrap();
    let served = Served::new(Where::Pty(Some(path.clone())), Options::default(), Pace::None);
    let said = served.finish().unwrap_err().to_string();
    assert!(said.contains("precious"), "{said}");
    assert_eq!(std::fs::read_to_string(path).unwrap(), "data");
}

#[test]
fn what_the_phone_cannot_say_on_the_cable_is_told_beside_it() {
    let served = Served::new(Where::Tcp, Options::default(), Pace::None);
    let mut host = call(&served.address());
    host.start();
    host.disable_watchdog();
    host.upload(b"no agent");
    host.jump();
    drop(host);
    assert_eq!(served.next(), Serving::PluggedIn);
    assert!(matches!(served.next(), Serving::Remark(said) if said.contains("no agent")));
    assert_eq!(served.next(), Serving::Over(Ended::Crashed));
}
