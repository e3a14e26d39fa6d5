//! What was recorded comes back, whole or cut anywhere.

use std::time::Duration;

use bromide_capture::{
    About, Bytes, CaptureError, Entry, Piece, Pieces, Playback, Recording, What, export, remark_of_missing,
};
use bromide_proto::bus::{BusSpeed, Face, Sighting};
use bromide_proto::link::Direction;
use proptest::prelude::*;

fn about() -> About {
    About::here("bromide 0.0.0")
}

fn record(entries: &[Entry]) -> Vec<u8> {
    let mut recording = Recording::new(Vec::new(), &about()).unwrap();
    for Entry { at, what, .. } in entries {
        match what {
            What::Opened(seen) => recording.opened(*at, seen),
            What::Bytes(direction, Bytes::Here(bytes)) => recording.bytes(*at, *direction, bytes),
            What::Bytes(direction, Bytes::Elsewhere(piece)) => recording.piece(*at, *direction, piece),
            What::Closed => recording.closed(*at),
            What::Note(text) => recording.note(*at, text),
        }
        .unwrap();
    }
    recording.into_inner()
}

/// Without frame numbers; and the error at the end, if any.
fn play(file: &[u8]) -> (Vec<Entry>, Option<CaptureError>) {
    let mut entries = Vec::new();
    for entry in Playback::new(file).unwrap() {
        match entry {
            Ok(entry) => entries.push(Entry { frame: 0, ..entry }),
            Err(e) => return (entries, Some(e)),
        }
    }
    (entries, None)
}

fn sighting() -> impl Strategy<Value = Sighting> {
    use BusSpeed::{Full, High, Low, Super, Unknown};
    let speed = prop::sample::select(vec![Low, Full, High, Super, Unknown]);
    (prop::sample::select(Face::ALL.to_vec()), any::<u16>(), any::<u16>(), "[ -~]{0,12}", speed)
        .prop_map(|(face, vid, pid, port, speed)| Sighting { face, vid, pid, port, speed })
}

fn what() -> impl Strategy<Value = What> {
    let direction = || prop::sample::select(vec![Direction::ToPhone, Direction::FromPhone]);
    let piece = ("[ -~&&[^/]]{1,20}", any::<u64>(), 1..u64::from(u32::MAX - 64), any::<u32>())
        .prop_filter("a name", |(name, ..)| name != "." && name != "..")
        .prop_map(|(name, at, len, crc32)| Piece { file: name.into(), at, len, crc32 });
    prop_oneof![
        sighting().prop_map(What::Opened),
        (direction(), prop::collection::vec(any::<u8>(), 1..300))
            .prop_map(|(direction, bytes)| What::Bytes(direction, Bytes::Here(bytes))),
        (direction(), piece).prop_map(|(direction, piece)| What::Bytes(direction, Bytes::Elsewhere(piece))),
        Just(What::Closed),
        ".{0,40}".prop_map(What::Note),
        any::<u32>().prop_map(|bytes| What::Note(remark_of_missing(bytes.into()))),
    ]
}

fn entries() -> impl Strategy<Value = Vec<Entry>> {
    let at = (0..2_000_000_000u64, 0..1_000_000_000u32).prop_map(|(s, ns)| Duration::new(s, ns));
    let entry = (at, what()).prop_map(|(at, what)| Entry { at, frame: 0, what });
    (sighting(), prop::collection::vec(entry, 0..20)).prop_map(|(seen, mut entries)| {
        // Bytes need somebody they pass to.
        entries.insert(0, Entry { at: Duration::ZERO, frame: 0, what: What::Opened(seen) });
        entries
    })
}

proptest! {
    #[test]
    fn every_entry_comes_back_as_it_was_recorded(entries in entries()) {
        let (came, failure) = play(&record(&entries));
        prop_assert!(failure.is_none(), "{failure:?}");
        prop_assert_eq!(came, entries);
    }

    #[test]
    fn a_file_cut_anywhere_gives_what_is_whole_and_says_that_it_is_cut(entries in entries(), at in 0.0..1.0) {
        let file = record(&entries);
        let cut = (file.len() as f64 * at) as usize;
        let Ok(_) = Playback::new(&file[..cut]) else {
            let header = record(&[]).len();
            prop_assert!(cut < header);
            return Ok(());
        };
        let (came, failure) = play(&file[..cut]);
        prop_assert_eq!(&entries[..came.len()], &came[..]);
        prop_assert!(matches!(failure, None | Some(CaptureError::Cut { .. })), "{failure:?}");
        // Only a cut between two blocks is no cut.
        let whole_blocks = blocks(&file).any(|end| end == cut);
        prop_assert_eq!(failure.is_none(), whole_blocks);
    }

    #[test]
    fn a_changed_byte_makes_no_reader_panic(entries in entries(), at: prop::sample::Index, to: u8) {
        let mut file = record(&entries);
        let at = at.index(file.len());
        file[at] = to;
        if let Ok(playback) = Playback::new(&file[..]) {
            playback.for_each(drop);
        }
    }

    #[test]
    fn a_copy_with_references_is_the_same_recording(entries in entries()) {
        let file = record(&entries);
        let mut copy = Recording::new(Vec::new(), &about()).unwrap();
        let done = export(Playback::new(&file[..]).unwrap(), None, &mut copy).unwrap();
        prop_assert_eq!(done.entries, entries.len() as u64);
        prop_assert_eq!(copy.into_inner(), file);
    }
}

/// Where each block ends.
fn blocks(file: &[u8]) -> impl Iterator<Item = usize> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let length = file.get(at + 4..at + 8)?;
        at += u32::from_le_bytes(length.try_into().unwrap()) as usize;
        Some(at)
    })
}

fn opened() -> Entry {
    let seen =
        Sighting { face: Face::BootRom, vid: 0x0e8d, pid: 3, port: "1-4.2".into(), speed: BusSpeed::Full };
    Entry { at: Duration::from_secs(1), frame: 0, what: What::Opened(seen) }
}

#[test]
fn many_bytes_at_once_are_split_and_none_is_lost() {
    let bytes: Vec<u8> = (0..200_000u32).map(|i| (i * 7 + i / 256) as u8).collect();
    let what = What::Bytes(Direction::FromPhone, Bytes::Here(bytes.clone()));
    let (came, _) = play(&record(&[opened(), Entry { at: Duration::ZERO, frame: 0, what }]));
    let parts = came.iter().filter_map(|entry| match &entry.what {
        What::Bytes(Direction::FromPhone, Bytes::Here(part)) => Some(&part[..]),
        _ => None,
    });
    assert_eq!(parts.collect::<Vec<_>>().concat(), bytes);
}

#[test]
fn a_long_note_is_split_between_letters() {
    let text = "é".repeat(70_000);
    let note = Entry { at: Duration::ZERO, frame: 0, what: What::Note(text.clone()) };
    let (came, _) = play(&record(&[note]));
    let parts: String = came
        .iter()
        .map(|entry| if let What::Note(part) = &entry.what { part.as_str() } else { "" })
        .collect();
    assert_eq!(came.len(), 3);
    assert_eq!(parts, text);
}

#[test]
fn frames_are_counted_as_wireshark_does() {
    let what = What::Bytes(Direction::ToPhone, Bytes::Here(vec![0xa0]));
    let file = record(&[opened(), Entry { at: Duration::ZERO, frame: 0, what }, opened()]);
    let frames: Vec<_> = Playback::new(&file[..]).unwrap().map(|entry| entry.unwrap().frame).collect();
    // Question and answer for two descriptors; the bytes go out and their end is confirmed.
    assert_eq!(frames, [2, 5, 8]);
}

#[test]
fn more_phones_than_a_bus_has_addresses_stay_apart() {
    let entries: Vec<_> = (0..300).map(|_| opened()).collect();
    assert_eq!(play(&record(&entries)).0, entries);
}

#[test]
fn zeros_at_the_end_are_what_a_power_cut_left() {
    let mut file = record(&[opened()]);
    file.resize(file.len() + 4096, 0);
    let (came, failure) = play(&file);
    assert_eq!(came, [opened()]);
    assert!(matches!(failure, Some(CaptureError::Cut { frame: 4 })), "{failure:?}");
}

#[test]
fn bytes_of_no_phone_are_refused_by_the_recorder() {
    let mut recording = Recording::new(Vec::new(), &about()).unwrap();
    assert!(recording.bytes(Duration::ZERO, Direction::ToPhone, b"x").is_err());
}

#[test]
fn an_export_puts_every_piece_back() {
    let folder = tempfile::tempdir().unwrap();
    let pages: Vec<u8> = (0..270_000u32).map(|i| (i * 31 + i / 251) as u8).collect();
    std::fs::write(folder.path().join("system.img"), &pages).unwrap();
    let piece = |at: usize, len: usize| {
        let crc32 = crc32fast::hash(&pages[at..at + len]);
        let piece = Piece { file: "system.img".into(), at: at as u64, len: len as u64, crc32 };
        let what = What::Bytes(Direction::FromPhone, Bytes::Elsewhere(piece));
        Entry { at: Duration::from_secs(2), frame: 0, what }
    };
    let file = record(&[opened(), piece(0, 135_168), piece(135_168, 134_832)]);
    let mut full = Recording::new(Vec::new(), &about()).unwrap();
    let mut pieces = Pieces::in_folder(folder.path());
    let done = export(Playback::new(&file[..]).unwrap(), Some(&mut pieces), &mut full).unwrap();
    assert_eq!((done.put_back, done.bytes), (2, 270_000));
    let (came, _) = play(&full.into_inner());
    let here = came.iter().filter_map(|entry| match &entry.what {
        What::Bytes(_, Bytes::Here(bytes)) => Some(&bytes[..]),
        _ => None,
    });
    assert_eq!(here.collect::<Vec<_>>().concat(), pages);

    std::fs::write(folder.path().join("system.img"), &pages[..200_000]).unwrap();
    let mut again = Recording::new(Vec::new(), &about()).unwrap();
    let mut pieces = Pieces::in_folder(folder.path());
    let refused = export(Playback::new(&file[..]).unwrap(), Some(&mut pieces), &mut again).unwrap_err();
    let says = refused.to_string();
    assert!(says.starts_with("frame 6: ") && says.contains("has not the 134832 bytes at 135168"), "{says}");
}

/// A disk that is full for a moment.
struct Full(Vec<u8>, usize);

impl std::io::Write for Full {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let room = bytes.len().min(self.1);
        self.1 -= room;
        self.0.extend(&bytes[..room]);
        if room == 0 {
            // Somebody makes room only now.
            self.1 = 1 << 20;
            return Err(std::io::ErrorKind::StorageFull.into());
        }
        Ok(room)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn nothing_is_written_behind_a_failure_so_that_what_came_before_can_be_read() {
    let mut recording = Recording::new(Full(Vec::new(), 1500), &about()).unwrap();
    let What::Opened(seen) = opened().what else { return };
    recording.opened(Duration::from_secs(1), &seen).unwrap();
    let full = (0..100).find(|_| recording.bytes(Duration::ZERO, Direction::ToPhone, &[0xa0; 40]).is_err());
    assert!(full.is_some_and(|whole| whole > 0), "{full:?}");
    assert!(recording.note(Duration::ZERO, "there is room again").is_err());
    let (came, failure) = play(&recording.into_inner().0);
    assert_eq!(Some(came.len()), full.map(|whole| whole + 1));
    assert!(matches!(failure, Some(CaptureError::Cut { .. })), "{failure:?}");
}
