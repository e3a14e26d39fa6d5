//! Each change at each place, with any chunking; the seeded faults repeat themselves.

use super::*;
use crate::run;

/// A phone that has said everything already: gives `reply` in pieces of at most `piece`, keeps what it is sent.
struct Script {
    reply: Vec<u8>,
    piece: usize,
    sent: Vec<u8>,
}

impl Link for Script {
    async fn send(&mut self, bytes: &[u8]) -> Result<(), LinkError> {
        self.sent.extend_from_slice(bytes);
        Ok(())
    }

    async fn recv(&mut self, into: &mut [u8], within: Duration) -> Result<usize, LinkError> {
        let n = self.piece.min(into.len()).min(self.reply.len());
        if n == 0 {
            return Err(LinkError::Timeout(within));
        }
        into[..n].copy_from_slice(&self.reply[..n]);
        self.reply.drain(..n);
        Ok(n)
    }

    fn now(&self) -> Duration {
        Duration::ZERO
    }
}

fn script(reply: &[u8], piece: usize) -> Script {
    Script { reply: reply.to_vec(), piece, sent: Vec::new() }
}

fn from_phone(at: u64, change: Change) -> Fault {
    Fault { direction: Direction::FromPhone, at, change }
}

fn to_phone(at: u64, change: Change) -> Fault {
    Fault { direction: Direction::ToPhone, at, change }
}

/// Receives with a buffer of `room` until the link gives an error; that error comes second.
fn drain<L: Link>(link: &mut Faulty<L>, room: usize) -> (Vec<u8>, LinkError) {
    let mut heard = Vec::new();
    let mut into = vec![0xEE; room];
    loop {
        match run(link.recv(&mut into, Duration::from_millis(7))) {
            Ok(0) => panic!("a receive gave no byte"),
            Ok(n) => heard.extend_from_slice(&into[..n]),
            Err(e) => return (heard, e),
        }
    }
}

/// What the host hears of 0..=9 with this fault, for every chunking of both sides.
fn heard_with(fault: Fault) -> Vec<u8> {
    let reply: Vec<u8> = (0..10).collect();
    let mut results = Vec::new();
    for piece in 1..=11 {
        for room in 1..=11 {
            let mut link = Faulty::new(script(&reply, piece), [fault]);
            let (heard, end) = drain(&mut link, room);
            assert_eq!(matches!(end, LinkError::Unplugged), fault.change == Change::Cut, "{end}");
            assert_eq!(link.applied(), [fault]);
            results.push((heard, link.seen(Direction::FromPhone)));
        }
    }
    let (heard, seen) = results[0].clone();
    assert!(results.iter().all(|r| r.0 == heard && r.1 == seen), "chunking made a difference: {results:?}");
    assert_eq!(seen, if fault.change == Change::Cut { fault.at } else { 10 });
    heard
}

#[test]
fn without_faults_everything_passes_and_is_counted() {
    let mut link = Faulty::new(script(b"hello", 2), []);
    assert_eq!(drain(&mut link, 3).0, b"hello");
    run(link.send(b"abc")).unwrap();
    run(link.send(b"")).unwrap();
    assert_eq!(link.seen(Direction::FromPhone), 5);
    assert_eq!(link.seen(Direction::ToPhone), 3);
    assert!(link.applied().is_empty());
    assert_eq!(link.into_inner().sent, b"abc");
}

#[test]
fn a_flipped_reply_bit_changes_that_byte_alone() {
    assert_eq!(heard_with(from_phone(0, Change::Flip(0))), [1, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    assert_eq!(heard_with(from_phone(9, Change::Flip(7))), [0, 1, 2, 3, 4, 5, 6, 7, 8, 0x89]);
}

#[test]
fn a_replaced_reply_byte_changes_that_byte_alone() {
    assert_eq!(heard_with(from_phone(4, Change::Replace(0xA5))), [0, 1, 2, 3, 0xA5, 5, 6, 7, 8, 9]);
}

#[test]
fn dropped_reply_bytes_are_missing_and_the_rest_follows() {
    assert_eq!(heard_with(from_phone(0, Change::Drop(1))), [1, 2, 3, 4, 5, 6, 7, 8, 9]);
    assert_eq!(heard_with(from_phone(3, Change::Drop(4))), [0, 1, 2, 7, 8, 9]);
    assert_eq!(heard_with(from_phone(8, Change::Drop(99))), [0, 1, 2, 3, 4, 5, 6, 7]);
}

#[test]
fn an_inserted_byte_comes_before_the_chosen_one() {
    assert_eq!(heard_with(from_phone(0, Change::Insert(0x5A))), [0x5A, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    assert_eq!(heard_with(from_phone(9, Change::Insert(0x5A))), [0, 1, 2, 3, 4, 5, 6, 7, 8, 0x5A, 9]);
}

#[test]
fn a_cut_ends_the_link_before_the_chosen_byte_both_ways() {
    assert_eq!(heard_with(from_phone(0, Change::Cut)), []);
    assert_eq!(heard_with(from_phone(6, Change::Cut)), [0, 1, 2, 3, 4, 5]);
    let mut link = Faulty::new(script(b"hello", 9), [from_phone(2, Change::Cut)]);
    assert_eq!(drain(&mut link, 9).0, b"he");
    assert!(matches!(run(link.send(b"x")), Err(LinkError::Unplugged)));
    assert!(matches!(run(link.recv(&mut [0], Duration::ZERO)), Err(LinkError::Unplugged)));
}

#[test]
fn a_fault_waits_for_its_byte() {
    let mut link =
        Faulty::new(script(b"", 9), [from_phone(0, Change::Insert(1)), from_phone(1, Change::Drop(2))]);
    assert!(matches!(drain(&mut link, 9).1, LinkError::Timeout(_)));
    assert!(link.applied().is_empty());
    link.link.reply = b"abcd".to_vec();
    assert_eq!(drain(&mut link, 9).0, [1, b'a', b'd']);
    assert_eq!(link.applied().len(), 2);
}

#[test]
fn faults_on_sent_bytes_reach_the_phone_whatever_the_chunking() {
    let message: Vec<u8> = (0..10).collect();
    let cases: [(Fault, &[u8]); 6] = [
        (to_phone(0, Change::Flip(1)), &[2, 1, 2, 3, 4, 5, 6, 7, 8, 9]),
        (to_phone(9, Change::Replace(0xFF)), &[0, 1, 2, 3, 4, 5, 6, 7, 8, 0xFF]),
        (to_phone(2, Change::Drop(3)), &[0, 1, 5, 6, 7, 8, 9]),
        (to_phone(7, Change::Drop(30)), &[0, 1, 2, 3, 4, 5, 6]),
        (to_phone(5, Change::Insert(0xAA)), &[0, 1, 2, 3, 4, 0xAA, 5, 6, 7, 8, 9]),
        (to_phone(4, Change::Cut), &[0, 1, 2, 3]),
    ];
    for (fault, expected) in cases {
        for piece in 1..=10 {
            let mut link = Faulty::new(script(b"", 1), [fault]);
            let failed = message.chunks(piece).any(|c| run(link.send(c)).is_err());
            assert_eq!(failed, fault.change == Change::Cut);
            assert_eq!(link.applied(), [fault]);
            assert_eq!(link.into_inner().sent, expected, "{fault:?} in pieces of {piece}");
        }
    }
}

#[test]
fn a_fault_inside_a_dropped_stretch_does_not_happen() {
    let faults = [from_phone(1, Change::Drop(3)), from_phone(2, Change::Cut), from_phone(4, Change::Flip(0))];
    let mut link = Faulty::new(script(&[0, 1, 2, 3, 4, 5], 9), faults);
    assert_eq!(drain(&mut link, 9).0, [0, 5, 5]);
    assert_eq!(link.applied(), [faults[0], faults[2]]);
}

#[test]
fn a_seed_gives_the_same_faults_for_every_chunking_and_about_as_many_as_asked_for() {
    let reply: Vec<u8> = (0..100_000u32).map(|i| (i % 251) as u8).collect();
    let listen = |seed, piece, room| {
        let mut link = Faulty::seeded(script(&reply, piece), seed, 0, 500);
        let (heard, end) = drain(&mut link, room);
        assert!(matches!(end, LinkError::Timeout(_)));
        (heard, link.applied().to_vec())
    };
    let (heard, applied) = listen(1, 4096, 4096);
    assert_eq!((heard.clone(), applied.clone()), listen(1, 1000, 33));
    assert_ne!(applied, listen(2, 4096, 4096).1);
    assert_ne!(heard, reply);
    assert!((150..=250).contains(&applied.len()), "{} faults in 100,000 bytes", applied.len());
    assert!(applied.iter().all(|f| f.change != Change::Cut));
}

#[test]
fn a_seed_with_rates_of_zero_disturbs_nothing() {
    let mut link = Faulty::seeded(script(b"hello", 2), 7, 0, 0);
    assert_eq!(drain(&mut link, 3).0, b"hello");
    run(link.send(b"abc")).unwrap();
    assert_eq!(link.into_inner().sent, b"abc");
}

#[test]
fn a_seed_disturbs_sent_bytes_too() {
    let mut link = Faulty::seeded(script(b"", 2), 3, 10, 0);
    run(link.send(&[0x55; 1000])).unwrap();
    assert!(link.applied().len() > 50, "{}", link.applied().len());
    assert_ne!(link.into_inner().sent, [0x55; 1000]);
}
