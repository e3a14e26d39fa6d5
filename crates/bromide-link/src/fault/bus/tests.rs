//! Faults over several appearances of a phone: the same whatever the chunking, met again after an unplug, in time.

use core::cell::Cell;

use bromide_proto::bus::BusSpeed;

use super::*;
use crate::run;

/// A phone that says the same endless text, on a clock of its own: each appearance goes on where the last one ended.
struct Talker {
    said: Rc<Cell<u64>>,
    clock: Rc<Cell<Duration>>,
    heard: Rc<RefCell<Vec<u8>>>,
    piece: usize,
    /// Of the whole text.
    bytes: u64,
    /// Silent once after each so many bytes.
    sentence: u64,
    silent: bool,
    pulled: bool,
}

fn said(at: u64) -> u8 {
    (at % 251) as u8
}

impl Link for Talker {
    async fn send(&mut self, bytes: &[u8]) -> Result<(), LinkError> {
        self.heard.borrow_mut().extend_from_slice(bytes);
        Ok(())
    }

    async fn recv(&mut self, into: &mut [u8], within: Duration) -> Result<usize, LinkError> {
        assert!(!self.pulled, "a link was used after its plug was pulled");
        let from = self.said.get();
        let left = (self.bytes - from).min(self.sentence - from % self.sentence);
        let n = self.piece.min(into.len()).min(left as usize);
        let between = from > 0 && from % self.sentence == 0;
        self.silent = between && !self.silent;
        if n == 0 || self.silent {
            self.clock.set(self.clock.get().saturating_add(within));
            return Err(LinkError::Timeout(within));
        }
        for (at, byte) in (from..).zip(&mut into[..n]) {
            *byte = said(at);
        }
        self.said.set(from + n as u64);
        // A millisecond each time.
        self.clock.set(self.clock.get() + Duration::from_millis(1));
        Ok(n)
    }

    fn now(&self) -> Duration {
        self.clock.get()
    }
}

struct Place {
    said: Rc<Cell<u64>>,
    clock: Rc<Cell<Duration>>,
    heard: Rc<RefCell<Vec<u8>>>,
    piece: usize,
    bytes: u64,
    sentence: u64,
}

impl Bus for Place {
    type Link = Talker;

    async fn meet(&mut self, _: &[Face], _: Duration) -> Result<(Sighting, Talker), LinkError> {
        let seen =
            Sighting { face: Face::BootRom, vid: 0, pid: 0, port: String::new(), speed: BusSpeed::Full };
        let link = Talker {
            said: Rc::clone(&self.said),
            clock: Rc::clone(&self.clock),
            heard: Rc::clone(&self.heard),
            piece: self.piece,
            bytes: self.bytes,
            sentence: self.sentence,
            silent: false,
            pulled: false,
        };
        Ok((seen, link))
    }

    fn now(&self) -> Duration {
        self.clock.get()
    }
}

/// A phone with these faults, and what they did outside.
struct Bench {
    bus: FaultyBus<Place>,
    clock: Rc<Cell<Duration>>,
    heard: Rc<RefCell<Vec<u8>>>,
    killed: Rc<Cell<u32>>,
    pulled: Rc<Cell<u32>>,
}

fn bench(spec: &str, piece: usize, bytes: u64) -> Bench {
    let clock = Rc::new(Cell::new(Duration::ZERO));
    let heard = Rc::default();
    let (killed, pulled) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
    let place = Place {
        said: Rc::default(),
        clock: Rc::clone(&clock),
        heard: Rc::clone(&heard),
        piece,
        bytes,
        sentence: 1 << 40,
    };
    let (kills, pulls, sleeps) = (Rc::clone(&killed), Rc::clone(&pulled), Rc::clone(&clock));
    let hands = Hands {
        sleep: Box::new(move |time| {
            sleeps.set(sleeps.get().saturating_add(time));
            Ok(())
        }),
        kill: Box::new(move || kills.set(kills.get() + 1)),
        pull: Box::new(move |link: &mut Talker| {
            link.pulled = true;
            pulls.set(pulls.get() + 1);
        }),
    };
    Bench { bus: FaultyBus::new(place, &spec.parse().unwrap(), hands), clock, heard, killed, pulled }
}

const PATIENCE: Duration = Duration::from_millis(100);

impl Bench {
    fn meet(&mut self) -> FaultyLink<Talker> {
        run(self.bus.meet(&[Face::BootRom], Duration::from_secs(3600))).unwrap().1
    }

    /// All that is heard, with a mark where the phone left; a stall is waited for.
    fn listen(&mut self, room: usize) -> Vec<Result<u8, &'static str>> {
        let mut heard = Vec::new();
        let mut link = self.meet();
        let mut into = vec![0; room];
        let mut silent = 0;
        while silent < 10 {
            match run(link.recv(&mut into, PATIENCE)) {
                Ok(n) => {
                    silent = 0;
                    heard.extend(into[..n].iter().map(|byte| Ok(*byte)));
                }
                Err(LinkError::Timeout(within)) => {
                    assert_eq!(within, PATIENCE);
                    silent += 1;
                }
                Err(LinkError::Unplugged) => {
                    assert!(matches!(run(link.recv(&mut into, PATIENCE)), Err(LinkError::Unplugged)));
                    assert!(matches!(run(link.send(b"x")), Err(LinkError::Unplugged)));
                    heard.push(Err("unplugged"));
                    drop(link);
                    link = self.meet();
                }
                Err(other) => panic!("{other}"),
            }
        }
        heard
    }
}

fn undisturbed(bytes: u64) -> Vec<Result<u8, &'static str>> {
    (0..bytes).map(|at| Ok(said(at))).collect()
}

#[test]
fn without_faults_nothing_changes() {
    let mut bench = bench("seed=3", 1000, 5000);
    assert_eq!(bench.listen(777), undisturbed(5000));
    run(bench.meet().send(b"hello")).unwrap();
    assert_eq!(*bench.heard.borrow(), b"hello");
    assert_eq!((bench.killed.get(), bench.pulled.get()), (0, 0));
}

#[test]
fn a_seed_gives_the_same_faults_whatever_the_chunking_and_however_often_the_phone_leaves() {
    let spec = "seed=9,drop=0.001:8,flip=0.002,insert=0.001,stall=0.001:250ms,unplug=random:0.0005,\
                unplug=after:20000,unplug=after:7";
    let listen = |piece, room| bench(spec, piece, 40_000).listen(room);
    let heard = listen(4096, 4096);
    for (piece, room) in [(1, 1), (4096, 33), (700, 4096), (64, 512)] {
        assert!(listen(piece, room) == heard, "pieces of {piece} into {room} made a difference");
    }
    let left = heard.iter().filter(|it| it.is_err()).count();
    assert!((10..40).contains(&left), "{left}");
    assert!(
        bench("seed=10,drop=0.001", 4096, 40_000).listen(4096)
            != bench("seed=9,drop=0.001", 4096, 40_000).listen(4096)
    );
}

#[test]
fn leaving_one_kind_out_leaves_the_others_where_they_were() {
    let flips = |spec: &str| -> Vec<usize> {
        let heard = bench(spec, 4096, 50_000).listen(4096);
        let changed = heard.iter().enumerate().filter(|(at, byte)| **byte != Ok(said(*at as u64)));
        changed.map(|(at, _)| at).collect()
    };
    let alone = flips("seed=5,flip=0.001");
    assert!((20..90).contains(&alone.len()), "{}", alone.len());
    assert_eq!(alone, flips("seed=5,flip=0.001,stall=0.001:1ms"));
    assert_ne!(alone, flips("seed=6,flip=0.001"));
}

#[test]
fn as_many_bytes_are_lost_added_and_changed_as_was_asked_for() {
    let length = |spec: &str| bench(spec, 4096, 1_000_000).listen(4096).len() as i64;
    let near = |n: i64, due: i64| (n - due).abs() < due / 5;
    assert!(near(1_000_000 - length("drop=0.001"), 1000));
    assert!(near(1_000_000 - length("drop=0.001:9"), 5000));
    assert!(near(length("insert=0.001") - 1_000_000, 1000));
    let heard = bench("flip=0.001", 4096, 1_000_000).listen(4096);
    let changed = (0..).zip(&heard).filter(|(at, byte)| **byte != Ok(said(*at)));
    assert!(near(changed.count() as i64, 1000));
}

#[test]
fn a_loss_in_a_row_ends_where_the_line_falls_silent() {
    let heard = |sentence| {
        let mut bench = bench("drop=0.01:60000", 4096, 100_000);
        bench.bus.bus.sentence = sentence;
        bench.listen(4096).len()
    };
    // Of sentences of 10 bytes 90 % are whole; a text without a pause is gone almost as a whole.
    assert!((90_000..96_000).contains(&heard(10)), "{}", heard(10));
    assert!(heard(1 << 40) < 5000);
}

#[test]
fn bytes_to_the_phone_suffer_only_where_that_is_asked_for() {
    let send = |spec: &str| {
        let mut bench = bench(spec, 1, 0);
        for _ in 0..2 {
            let mut link = bench.meet();
            (0..100).for_each(|_| run(link.send(&[0x55; 100])).unwrap());
        }
        bench.heard.take()
    };
    assert_eq!(send("drop=0.1,flip=0.1,insert=0.1"), [0x55; 20_000]);
    let lost = 20_000 - send("drop-sent=0.01").len();
    assert!((120..280).contains(&lost), "{lost}");
    let flipped = send("flip-sent=0.01").iter().filter(|byte| **byte != 0x55).count();
    assert!((120..280).contains(&flipped), "{flipped}");
}

#[test]
fn an_unplugged_phone_is_met_again_after_its_absence_and_goes_on_counting() {
    let mut bench = bench("unplug=after:100:away=5s,unplug=after:300", 64, 1000);
    let mut link = bench.meet();
    let mut into = [0; 1000];
    let mut heard = 0;
    let mut hear = |link: &mut FaultyLink<Talker>| loop {
        match run(link.recv(&mut into, PATIENCE)) {
            Ok(n) => heard += n,
            Err(e) => return (heard, e),
        }
    };
    assert!(matches!(hear(&mut link), (100, LinkError::Unplugged)));
    let left = bench.clock.get();
    drop(link);
    assert!(matches!(
        run(bench.bus.meet(&[Face::BootRom], Duration::from_secs(2))),
        Err(LinkError::Timeout(within)) if within == Duration::from_secs(2)
    ));
    assert_eq!(bench.clock.get(), left + Duration::from_secs(2));
    let mut link = bench.meet();
    assert_eq!(bench.clock.get(), left + Duration::from_secs(5));
    assert!(matches!(hear(&mut link), (300, LinkError::Unplugged)));
    drop(link);
    assert!(matches!(hear(&mut bench.meet()), (1000, LinkError::Timeout(_))));
    assert_eq!(bench.pulled.get(), 2);
}

#[test]
fn a_stall_longer_than_the_patience_is_a_timeout_and_goes_on() {
    let mut bench = bench("stall=0.5:300ms", 1, 100);
    let mut link = bench.meet();
    let mut into = [0; 1];
    let (mut silences, mut heard) = (0, Vec::new());
    while heard.len() < 100 {
        let before = bench.clock.get();
        match run(link.recv(&mut into, Duration::from_millis(140))) {
            Ok(_) => heard.push(into[0]),
            Err(LinkError::Timeout(within)) => {
                assert_eq!(within, Duration::from_millis(140));
                silences += 1;
            }
            Err(e) => panic!("{e}"),
        }
        assert!(bench.clock.get() - before <= Duration::from_millis(141));
    }
    // 300 ms are two silences of 140 ms and a byte that comes 20 ms late.
    assert!(silences % 2 == 0 && (60..140).contains(&silences), "{silences}");
    let stalls = silences / 2;
    assert_eq!(bench.clock.get(), Duration::from_millis(100 + 300 * stalls));
    assert!(heard.iter().copied().eq((0..100).map(said)));
}

#[test]
fn a_slow_link_takes_the_time_it_was_given() {
    // 100 bytes come each millisecond.
    let time = |spec: &str| {
        let mut bench = bench(spec, 100, 100_000);
        let mut link = bench.meet();
        let mut into = [0; 4096];
        let mut left = 100_000;
        while left > 0 {
            left -= run(link.recv(&mut into, PATIENCE)).unwrap();
        }
        bench.clock.get().as_millis()
    };
    assert_eq!(time("slow=1"), 1000);
    assert!((2990..=3000).contains(&time("slow=3")), "{}", time("slow=3"));
    assert!((9900..=10_010).contains(&time("slow=10000/s")), "{}", time("slow=10000/s"));
    assert_eq!(time("slow=1000000000/s"), 1000);
}

#[test]
fn the_host_is_killed_at_its_byte_and_not_before() {
    for piece in [1, 7, 512] {
        let mut bench = bench("kill-host=after:500", piece, 1000);
        let mut link = bench.meet();
        let mut into = [0; 512];
        let mut heard = 0;
        let end = loop {
            match run(link.recv(&mut into, PATIENCE)) {
                Ok(n) => heard += n,
                Err(e) => break e,
            }
            assert_eq!(bench.killed.get(), 0);
        };
        // A real one does not return from it.
        assert!(matches!(end, LinkError::Unplugged));
        assert_eq!((heard, bench.killed.get()), (500, 1));
        drop(link);
        assert_eq!(bench.listen(512).len(), 500);
        assert_eq!(bench.killed.get(), 1, "it happens once");
    }
}

#[test]
fn a_wish_to_stop_ends_a_stall() {
    let mut bench = bench("stall=0.5:1s", 1, 100);
    let hands = Hands {
        sleep: Box::new(|_| Err(LinkError::Cancelled)),
        kill: Box::new(|| ()),
        pull: Box::new(|_: &mut Talker| ()),
    };
    bench.bus.hands = Rc::new(hands);
    let mut link = bench.meet();
    let ended = (0..100).find_map(|_| run(link.recv(&mut [0], PATIENCE)).err());
    assert!(matches!(ended, Some(LinkError::Cancelled)));
}
