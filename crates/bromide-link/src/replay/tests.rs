//! What a replay gives and refuses, on recordings made up entry by entry.

use core::time::Duration;
use std::path::Path;

use bromide_capture::{Bytes, Entry, Piece, Pieces, What, remark_of_most_at_once};
use bromide_proto::bus::{Bus, BusSpeed, Face, Sighting};
use bromide_proto::link::Direction::{self, FromPhone, ToPhone};
use bromide_proto::link::{Link, LinkError};

use super::{ReplayBus, ReplayDiffers, ReplayEnded, ReplayUnreadable};
use crate::{Cancel, run};

const SECOND: Duration = Duration::from_secs(1);

fn opened(face: Face, pid: u16) -> What {
    let vid = if pid == 0 { 0 } else { 0x0e8d };
    What::Opened(Sighting { face, vid, pid, port: "1-1".into(), speed: BusSpeed::Full })
}

fn bytes(direction: Direction, bytes: &[u8]) -> What {
    What::Bytes(direction, Bytes::Here(bytes.to_vec()))
}

/// Entry `i` is at 100 + `i` seconds, in frame 1 + `i`.
fn bus(whats: Vec<What>) -> ReplayBus {
    let entries = whats.into_iter().enumerate().map(|(i, what)| {
        let i = i as u64;
        Ok(Entry { at: Duration::from_secs(100 + i), frame: 1 + i, what })
    });
    ReplayBus::new(entries, Pieces::in_folder(Path::new("/nowhere")), Cancel::new())
}

fn recv(link: &mut impl Link, most: usize) -> Result<Vec<u8>, LinkError> {
    let mut into = vec![0; most];
    let came = run(link.recv(&mut into, SECOND))?;
    into.truncate(came);
    Ok(into)
}

fn why<T: std::error::Error + Clone + 'static>(error: &LinkError) -> T {
    match error {
        LinkError::Over(e) => e.downcast_ref::<T>().unwrap_or_else(|| panic!("{e}")).clone(),
        other => panic!("{other}"),
    }
}

#[test]
fn bytes_may_be_cut_into_other_calls_than_then() {
    let mut bus = bus(vec![
        opened(Face::BootRom, 3),
        bytes(ToPhone, &[1, 2]),
        bytes(ToPhone, &[3]),
        bytes(FromPhone, &[4, 5, 6]),
        bytes(FromPhone, &[7]),
        What::Closed,
    ]);
    let (seen, mut link) = run(bus.meet(&[Face::BootRom], SECOND)).unwrap();
    assert_eq!(seen.port, "1-1");
    run(link.send(&[1])).unwrap();
    run(link.send(&[2, 3])).unwrap();
    assert_eq!(recv(&mut link, 2).unwrap(), [4, 5]);
    assert_eq!(recv(&mut link, 9).unwrap(), [6]);
    assert_eq!(recv(&mut link, 9).unwrap(), [7]);
    assert!(matches!(recv(&mut link, 9), Err(LinkError::Unplugged)));
    assert!(matches!(run(link.send(&[9])), Err(LinkError::Unplugged)));
}

#[test]
fn time_is_that_of_the_recording_and_never_goes_back() {
    let mut bus = bus(vec![
        What::Note("waiting".into()),
        opened(Face::BootRom, 3),
        bytes(ToPhone, &[1]),
        bytes(FromPhone, &[2]),
        bytes(ToPhone, &[3]),
    ]);
    assert_eq!(bus.now(), Duration::ZERO);
    let (_, mut link) = run(bus.meet(&[Face::BootRom], SECOND)).unwrap();
    assert_eq!(link.now(), Duration::ZERO);
    run(link.send(&[1])).unwrap();
    assert_eq!(link.now(), SECOND);
    recv(&mut link, 1).unwrap();
    assert_eq!(link.now(), 2 * SECOND);
    // Where the host spoke next, the phone was silent.
    for _ in 0..3 {
        assert!(matches!(recv(&mut link, 1), Err(LinkError::Timeout(SECOND))));
    }
    run(link.send(&[3])).unwrap();
    assert_eq!((link.now(), bus.now()), (5 * SECOND, 5 * SECOND));
}

#[test]
fn a_phone_with_another_face_is_waited_for_in_vain_and_stays() {
    let mut bus = bus(vec![opened(Face::Preloader, 0x2000), opened(Face::BootRom, 3)]);
    assert!(matches!(run(bus.meet(&[Face::BootRom], SECOND)), Err(LinkError::Timeout(SECOND))));
    assert_eq!(bus.now(), SECOND);
    assert_eq!(run(bus.meet(&[Face::BootRom, Face::Preloader], SECOND)).unwrap().0.pid, 0x2000);
    assert_eq!(run(bus.meet(&[Face::BootRom], SECOND)).unwrap().0.pid, 3);
    assert!(matches!(run(bus.meet(&[Face::BootRom], SECOND)), Err(LinkError::Timeout(SECOND))));
}

#[test]
fn a_phone_of_unknown_ids_has_the_face_that_is_asked_for() {
    let mut bus = bus(vec![opened(Face::BootRom, 0)]);
    let (seen, _) = run(bus.meet(&[Face::Agent, Face::BootRom], SECOND)).unwrap();
    assert_eq!((seen.face, seen.vid), (Face::Agent, 0));
}

#[test]
fn what_is_left_of_an_appearance_is_passed_over_and_its_link_is_dead() {
    let mut bus = bus(vec![
        opened(Face::BootRom, 3),
        bytes(FromPhone, &[1, 2, 3]),
        bytes(ToPhone, &[4]),
        What::Closed,
        opened(Face::Agent, 0x2001),
        bytes(FromPhone, &[5]),
    ]);
    let (_, mut first) = run(bus.meet(&[Face::BootRom], SECOND)).unwrap();
    recv(&mut first, 1).unwrap();
    let (_, mut second) = run(bus.meet(&[Face::Agent], SECOND)).unwrap();
    assert!(matches!(recv(&mut first, 1), Err(LinkError::Unplugged)));
    assert_eq!(recv(&mut second, 1).unwrap(), [5]);
}

#[test]
fn the_first_byte_that_differs_is_named_and_ends_it_all() {
    let mut bus = bus(vec![
        opened(Face::BootRom, 3),
        bytes(ToPhone, &[0, 1, 2, 3, 4, 5, 6, 7]),
        bytes(ToPhone, &[8, 9, 10, 11]),
        opened(Face::BootRom, 3),
    ]);
    let (_, mut link) = run(bus.meet(&[Face::BootRom], SECOND)).unwrap();
    run(link.send(&[0, 1, 2, 3, 4, 5, 6, 7, 8])).unwrap();
    let error = run(link.send(&[9, 0xee, 11])).unwrap_err();
    let differs: ReplayDiffers = why(&error);
    let wanted = ReplayDiffers {
        frame: 3,
        at: 2 * SECOND,
        offset: 10,
        expected: Some(10),
        got: Some(0xee),
        before: vec![2, 3, 4, 5, 6, 7, 8, 9],
        recorded: vec![10, 11],
        said: vec![0xee, 11],
    };
    assert_eq!(differs, wanted);
    assert_eq!(
        differs.to_string(),
        "byte 10 to the phone is ee, where the recording has 0a (frame 3 at 2.000 s); before it 02 03 04 05 06 \
         07 08 09; recorded 0a 0b; now ee 0b"
    );
    assert_eq!(why::<ReplayDiffers>(&run(link.send(&[10])).unwrap_err()), wanted);
    assert_eq!(why::<ReplayDiffers>(&recv(&mut link, 1).unwrap_err()), wanted);
    assert_eq!(why::<ReplayDiffers>(&run(bus.meet(&[Face::BootRom], SECOND)).map(drop).unwrap_err()), wanted);
}

#[test]
fn speaking_where_the_phone_was_heard_differs_too() {
    let mut bus = bus(vec![opened(Face::BootRom, 3), bytes(FromPhone, &[1])]);
    let (_, mut link) = run(bus.meet(&[Face::BootRom], SECOND)).unwrap();
    let differs: ReplayDiffers = why(&run(link.send(&[7])).unwrap_err());
    assert_eq!((differs.frame, differs.expected, differs.got), (2, None, Some(7)));
    assert!(differs.to_string().contains("the recording has the phone speak (frame 2"), "{differs}");
}

#[test]
fn a_recording_that_ends_says_so() {
    let mut bus = bus(vec![opened(Face::BootRom, 3), bytes(FromPhone, &[1])]);
    let (_, mut link) = run(bus.meet(&[Face::BootRom], SECOND)).unwrap();
    recv(&mut link, 1).unwrap();
    let ended: ReplayEnded = why(&recv(&mut link, 1).unwrap_err());
    assert_eq!(ended, ReplayEnded { frame: 2, cut: false });
    assert_eq!(why::<ReplayEnded>(&run(link.send(&[1])).unwrap_err()), ended);
}

#[test]
fn bytes_that_are_kept_nowhere_are_missed_when_they_are_due() {
    let piece = Piece { file: "gone.img".into(), at: 0, len: 9, crc32: 0 };
    let kept = What::Bytes(FromPhone, Bytes::Elsewhere(piece));
    let mut bus = bus(vec![opened(Face::BootRom, 3), bytes(ToPhone, &[1]), kept]);
    let (_, mut link) = run(bus.meet(&[Face::BootRom], SECOND)).unwrap();
    run(link.send(&[1])).unwrap();
    let missing: ReplayUnreadable = why(&recv(&mut link, 9).unwrap_err());
    assert_eq!(missing.code, "capture/piece-missing");
    assert!(missing.text.starts_with("frame 3: "), "{missing}");
}

#[test]
fn a_note_tells_what_the_link_took_at_once() {
    let bound = What::Note(remark_of_most_at_once(32768));
    let mut bus = bus(vec![opened(Face::BootRom, 3), bound, bytes(ToPhone, &[1]), opened(Face::BootRom, 3)]);
    let (_, link) = run(bus.meet(&[Face::BootRom], SECOND)).unwrap();
    assert_eq!(link.most_at_once(), Some(32768));
    let (_, link) = run(bus.meet(&[Face::BootRom], SECOND)).unwrap();
    assert_eq!(link.most_at_once(), None, "the next link is another one");
}

#[test]
fn the_user_is_heard() {
    let cancel = Cancel::new();
    let entries = vec![Ok(Entry { at: SECOND, frame: 1, what: opened(Face::BootRom, 3) })];
    let mut bus = ReplayBus::new(entries.into_iter(), Pieces::in_folder(Path::new("")), cancel.clone());
    let (_, mut link) = run(bus.meet(&[Face::BootRom], SECOND)).unwrap();
    cancel.set();
    assert!(matches!(recv(&mut link, 1), Err(LinkError::Cancelled)));
    assert!(matches!(run(bus.meet(&[Face::BootRom], SECOND)), Err(LinkError::Cancelled)));
}
