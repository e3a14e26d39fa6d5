//! Images that are read over several runs, on a real disk.

use std::fs;
use std::io::Write as _;
use std::iter::once;

use bromide_nand::{Geometry, Layout};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::*;
use crate::agent_file::hex;

const UNIT: u32 = 2112;
const PAGES: u64 = 40;

fn page(number: u64) -> Vec<u8> {
    (0..UNIT).map(|at| (u64::from(at) * 31 + number * 7 + u64::from(at) / 256) as u8).collect()
}

fn pages(numbers: Range<u64>) -> Vec<u8> {
    numbers.flat_map(page).collect()
}

fn options() -> DumpOptions {
    let geometry = Geometry::new(2048, 64, 64, 64).unwrap();
    DumpOptions {
        anew: false,
        replace: false,
        bytes: PAGES * u64::from(UNIT),
        unit: UNIT,
        checkpoint: 1,
        check: PageCheck::new(geometry, Layout::Interleaved, 0),
        range: 16 * u64::from(UNIT),
        origin: json!({"phone": "a", "start": 0}),
    }
}

fn at(page: u64) -> u64 {
    page * u64::from(UNIT)
}

struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("x.img")
    }

    fn part(&self) -> PathBuf {
        self.folder.path().join("x.img.part")
    }

    fn map(&self) -> String {
        fs::read_to_string(self.folder.path().join("x.img.map")).unwrap()
    }

    fn begin(&self) -> Dump {
        Dump::begin(&self.path(), options()).unwrap()
    }

    /// A run that ended after these pages.
    fn left_after(&self, some: impl IntoIterator<Item = Range<u64>>) {
        let mut dump = self.begin();
        for numbers in some {
            dump.put(at(numbers.start), pages(numbers)).unwrap();
        }
    }

    fn refusal(&self, options: DumpOptions) -> SaveError {
        Dump::begin(&self.path(), options).unwrap_err()
    }
}

fn is_right(saved: &Saved) {
    let whole = pages(0..PAGES);
    assert!(fs::read(&saved.path).unwrap() == whole);
    assert_eq!(saved.sha256, hex(&Sha256::digest(&whole)));
    let ranges = saved.ranges.as_ref().unwrap();
    let sums: Vec<u32> = whole.chunks(16 * UNIT as usize).map(crc32fast::hash).collect();
    assert_eq!((ranges.bytes, &ranges.crc32), (at(16), &sums));
    assert_eq!(saved.pages.as_ref().unwrap().counts.total(), PAGES);
}

#[test]
fn an_image_that_comes_in_order_is_whole_under_its_name() {
    let place = Place::new();
    let mut dump = place.begin();
    for first in (0..PAGES).step_by(8) {
        dump.put(at(first), pages(first..first + 8)).unwrap();
        assert!(!place.path().exists());
    }
    is_right(&dump.finish().unwrap());
    assert!(!place.part().exists());
    assert!(Mapfile::parse(&place.map()).unwrap().0.is_whole());
}

#[test]
fn pages_may_come_in_any_order_and_again_and_differently() {
    let place = Place::new();
    let mut dump = place.begin();
    dump.put(at(30), pages(30..40)).unwrap();
    dump.put(at(0), vec![0x55; 10 * UNIT as usize]).unwrap();
    dump.put(at(20), pages(20..30)).unwrap();
    dump.put(at(10), pages(10..20)).unwrap();
    dump.put(at(0), pages(0..10)).unwrap();
    is_right(&dump.finish().unwrap());
}

#[test]
fn another_run_goes_on_where_the_first_one_ended() {
    for split in 1..PAGES {
        let place = Place::new();
        place.left_after(once(0..split));
        assert!(place.part().exists() && !place.path().exists());
        let mut dump = place.begin();
        assert_eq!((dump.resumed(), dump.map().prefix()), (at(split), at(split)));
        dump.put(at(split), pages(split..PAGES)).unwrap();
        is_right(&dump.finish().unwrap());
    }
}

#[test]
fn a_run_may_fill_what_others_left_out() {
    let place = Place::new();
    place.left_after([0..5, 10..20]);
    place.left_after(once(30..40));
    let mut dump = place.begin();
    assert_eq!(dump.map().next(State::Untried, 0), Some(at(5)..at(10)));
    dump.put(at(20), pages(20..30)).unwrap();
    dump.put(at(5), pages(5..10)).unwrap();
    is_right(&dump.finish().unwrap());
}

#[test]
fn an_image_with_a_gap_gets_no_name_and_its_gap_is_marked() {
    let place = Place::new();
    let mut dump = place.begin();
    dump.put(at(0), pages(0..7)).unwrap();
    dump.put(at(9), pages(9..40)).unwrap();
    dump.mark(at(7)..at(9), State::Bad).unwrap();
    let map = dump.leave().unwrap();
    assert_eq!(map.next(State::Bad, 0), Some(at(7)..at(9)));
    let bytes = fs::read(place.part()).unwrap();
    assert_eq!(&bytes[at(7) as usize..][..25], b"UNREAD PAGE 0x00000007 **");
    assert_eq!(&bytes[at(8) as usize..][..25], b"UNREAD PAGE 0x00000008 **");
    let again = place.begin();
    assert_eq!(again.map().next(State::Unscraped, 0), Some(at(7)..at(9)), "another run tries them again");
    assert!(matches!(again.finish(), Err(SaveError::Length { .. })));
    assert!(!place.path().exists());
    let mut last = place.begin();
    last.put(at(7), pages(7..9)).unwrap();
    is_right(&last.finish().unwrap());
}

#[test]
fn what_belongs_to_another_read_or_was_changed_is_not_gone_on_with() {
    let place = Place::new();
    place.left_after(once(0..20));
    let other = DumpOptions { origin: json!({"phone": "b", "start": 0}), ..options() };
    let said = place.refusal(other).to_string();
    assert!(said.contains("different: phone"), "{said}");
    let longer = DumpOptions { bytes: at(41), ..options() };
    assert!(place.refusal(longer).to_string().contains("length"));
    let whole = fs::read(place.part()).unwrap();
    fs::write(place.part(), &whole[..whole.len() - 1]).unwrap();
    assert!(matches!(place.refusal(options()), SaveError::Altered(_)));
    let mut flipped = whole.clone();
    flipped[5000] ^= 1;
    fs::write(place.part(), &flipped).unwrap();
    let mut dump = place.begin();
    let _ = dump.put(at(20), pages(20..40));
    assert!(matches!(dump.finish(), Err(SaveError::Altered(_))), "its digest is not what it was");
    assert!(!place.path().exists());
    fs::write(place.part(), &whole).unwrap();
    fs::write(place.folder.path().join("x.img.map"), "nonsense").unwrap();
    assert!(matches!(place.refusal(options()), SaveError::MapDamaged { .. }));
    fs::remove_file(place.folder.path().join("x.img.map")).unwrap();
    assert!(matches!(place.refusal(options()), SaveError::PartExists { .. }), "a part of nobody");
    let anew = DumpOptions { anew: true, ..options() };
    assert_eq!(Dump::begin(&place.path(), anew).unwrap().resumed(), 0);
}

/// What a power cut or `kill -9` leaves: the files as they are at this moment.
fn killed(from: &Place) -> Place {
    let to = Place::new();
    for entry in fs::read_dir(from.folder.path()).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.folder.path().join(entry.file_name())).unwrap();
    }
    to
}

/// No checkpoint but those that have to be.
fn rarely() -> DumpOptions {
    DumpOptions { checkpoint: u64::MAX, ..options() }
}

#[test]
fn a_run_killed_right_after_it_replaced_a_page_can_be_gone_on_with() {
    let place = Place::new();
    place.left_after(once(0..30));
    assert!(place.map().contains("sha256 of the first"));
    let mut dump = Dump::begin(&place.path(), rarely()).unwrap();
    dump.put(at(7), page(70)).unwrap();
    dump.read_at(0, &mut [0]).unwrap();
    let after = killed(&place);
    let mut dump = after.begin();
    assert_eq!(dump.resumed(), at(30));
    dump.put(at(7), page(7)).unwrap();
    dump.put(at(30), pages(30..PAGES)).unwrap();
    is_right(&dump.finish().unwrap());
}

#[test]
fn bytes_that_are_taken_back_are_taken_back_on_the_disk_at_once() {
    let place = Place::new();
    place.left_after(once(0..30));
    let mut dump = Dump::begin(&place.path(), rarely()).unwrap();
    dump.mark(at(20)..at(30), State::Untried).unwrap();
    dump.read_at(0, &mut [0]).unwrap();
    let (map, _) = Mapfile::parse(&place.map()).unwrap();
    assert_eq!(map.prefix(), at(20));
    let after = killed(&place);
    let mut dump = after.begin();
    assert_eq!(dump.resumed(), at(20));
    dump.put(at(20), pages(20..PAGES)).unwrap();
    is_right(&dump.finish().unwrap());
}

#[test]
fn nothing_of_a_longer_part_stays_behind_the_image() {
    let place = Place::new();
    place.left_after(once(0..20));
    // Begun anew, and killed between the new mapfile and the end of the old part.
    fs::write(place.part(), pages(0..PAGES + 5)).unwrap();
    let mut dump = place.begin();
    dump.put(at(20), pages(20..PAGES)).unwrap();
    is_right(&dump.finish().unwrap());
}

#[test]
fn a_part_that_grows_under_our_hands_gets_no_name() {
    let place = Place::new();
    let mut dump = place.begin();
    dump.put(0, pages(0..PAGES)).unwrap();
    dump.read_at(0, &mut [0]).unwrap();
    fs::OpenOptions::new().append(true).open(place.part()).unwrap().write_all(b"x").unwrap();
    assert!(matches!(dump.finish(), Err(SaveError::Altered(_))));
    assert!(!place.path().exists());
}

#[test]
fn an_older_file_is_never_taken_for_the_read_that_was_to_replace_it() {
    let place = Place::new();
    let mut dump = place.begin();
    dump.put(0, vec![0x33; at(PAGES) as usize]).unwrap();
    dump.finish().unwrap();
    to_be_replaced(&place.path()).unwrap();
    assert_eq!(Dump::standing(&place.path(), &options()).unwrap(), Standing::New);
    let other = DumpOptions { origin: json!({"phone": "b"}), ..options() };
    assert!(matches!(Dump::standing(&place.path(), &other), Err(SaveError::Exists(_))));
    place.left_after(once(0..9));
    assert_eq!(fs::read(place.path()).unwrap()[0], 0x33, "it is there until the other is whole");
    let mut dump = place.begin();
    assert_eq!(dump.resumed(), at(9));
    dump.put(at(9), pages(9..PAGES)).unwrap();
    is_right(&dump.finish().unwrap());
    assert_eq!(Dump::standing(&place.path(), &options()).unwrap(), Standing::Whole);
}

#[test]
fn a_read_that_replaces_goes_on_without_being_told_so_again() {
    let place = Place::new();
    fs::write(place.path(), "old").unwrap();
    let force = DumpOptions { anew: true, replace: true, ..options() };
    assert!(matches!(early(&place.path(), false, false), Err(SaveError::Exists(_))));
    let mut dump = Dump::begin(&place.path(), force).unwrap();
    dump.put(0, pages(0..5)).unwrap();
    drop(dump);
    early(&place.path(), false, false).unwrap();
    let mut dump = place.begin();
    dump.put(at(5), pages(5..PAGES)).unwrap();
    is_right(&dump.finish().unwrap());
}

#[test]
fn a_whole_file_that_was_changed_since_is_not_believed() {
    let place = Place::new();
    let mut dump = place.begin();
    dump.put(0, pages(0..PAGES)).unwrap();
    dump.finish().unwrap();
    let mut bytes = fs::read(place.path()).unwrap();
    bytes[1000] ^= 1;
    fs::write(place.path(), bytes).unwrap();
    assert!(matches!(look_again(&place.path(), &options()), Err(SaveError::Altered(_))));
}

#[test]
fn two_programs_do_not_write_one_image() {
    let place = Place::new();
    place.left_after(once(0..5));
    let mut first = Dump::begin(&place.path(), rarely()).unwrap();
    first.put(at(5), page(5)).unwrap();
    first.read_at(0, &mut [0; 10]).unwrap();
    assert!(matches!(place.refusal(options()), SaveError::PartBusy(_)));
    let before = place.map();
    let anew = DumpOptions { anew: true, replace: true, ..options() };
    assert!(matches!(place.refusal(anew), SaveError::PartBusy(_)));
    assert_eq!(place.map(), before, "its mapfile is left alone too");
}

#[test]
fn a_whole_file_is_recognised_and_looked_at_again() {
    let place = Place::new();
    place.left_after(once(0..PAGES));
    assert_eq!(Dump::standing(&place.path(), &options()).unwrap(), Standing::Begun(at(PAGES)));
    is_right(&place.begin().finish().unwrap());
    assert_eq!(Dump::standing(&place.path(), &options()).unwrap(), Standing::Whole);
    is_right(&look_again(&place.path(), &options()).unwrap());
    assert!(matches!(place.refusal(options()), SaveError::Exists(_)));
    let other = DumpOptions { origin: json!({"phone": "b"}), ..options() };
    assert!(matches!(Dump::standing(&place.path(), &other), Err(SaveError::Exists(_))));
}

#[test]
fn the_witness_is_a_page_that_tells_something() {
    let place = Place::new();
    let mut dump = place.begin();
    assert_eq!(dump.witness(0).unwrap(), None);
    let same = page(3);
    dump.put(at(0), [page(0), page(1), same.clone(), same, vec![0xff; 3 * UNIT as usize]].concat()).unwrap();
    dump.put(at(20), page(20)).unwrap();
    let (place, bytes) = dump.witness(at(7)).unwrap().unwrap();
    assert_eq!(place, at(2), "neither blank, nor like the one before it, nor behind a gap");
    assert_eq!(bytes, page(3));
    assert_eq!(dump.witness(at(21)).unwrap().unwrap(), (at(20), page(20)), "where it was read last");
    assert_eq!(dump.witness(at(15)).unwrap().unwrap().0, at(2), "nothing was read there");
}

#[test]
fn the_mapfile_in_between_names_only_what_is_in_the_file() {
    let place = Place::new();
    let mut dump = place.begin();
    let mut most = 0;
    for first in 0..PAGES {
        dump.put(at(first), page(first)).unwrap();
        dump.read_at(0, &mut [0; 1]).unwrap();
        // A checkpoint is made only if the disk is not busy with the one before.
        std::thread::sleep(std::time::Duration::from_millis(5));
        let (map, remarks) = Mapfile::parse(&place.map()).unwrap();
        let bytes = fs::read(place.part()).unwrap();
        let named = map.prefix() as usize;
        assert!(bytes[..named] == pages(0..PAGES)[..named]);
        if let Some(digest) = remarks.iter().find_map(|it| it.strip_prefix("bromide sha256 of the first ")) {
            let (length, sha256) = digest.split_once(" bytes: ").unwrap();
            assert_eq!(hex(&Sha256::digest(&bytes[..length.parse().unwrap()])), sha256);
        }
        most = most.max(named);
    }
    assert!(most > 0, "some of it was confirmed on the way");
}
