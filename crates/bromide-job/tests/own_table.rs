//! A phone's own partition table (PMT) in the place of a map: told by its agent, or found in its pages.

mod common;

use std::path::Path;
use std::time::Duration;

use bromide_image::map;
use bromide_job::error::JobError;
use bromide_job::rows::{Want, Wish};
use bromide_link::{Change, Direction, Fault, Faulty};
use bromide_phone::{Factory, Filling, Model, NandChip, Options, Partition, Phone, TableAnswer};
use bromide_proto::agent_format::Format;
use bromide_proto::wire::nand_read::{AddressKind, Shape};
use common::*;

const FORMATS: [Format; 2] = [Format::G1, Format::G2];
/// Every way an agent may answer A2 where there is a table, and how the job says it came by it.
const ANSWERS: [(TableAnswer, &str); 4] = [
    (TableAnswer::Marked, "by PMT, by A2"),
    (TableAnswer::Wide, "by PMT, by A2"),
    (TableAnswer::Narrow, "by PMT, by A2"),
    (TableAnswer::Refused, "by PMT, found in its pages"),
];
/// Blocks of the table and its mirror (formats.md section 3.3), and pages of a block.
const PT: u32 = 4014;
const MPT: u32 = 4015;
const PAGES: u32 = 64;

/// The MT6575 with four small partitions; its first table block is bad and replaced.
fn model(pmt: bool) -> Model {
    let text = include_str!("../../../devices/mt6575.toml");
    let (head, rest) = text.split_at(text.find("[[partition]]").unwrap());
    let agents = &rest[rest.find("# Digests").unwrap()..];
    let head = head
        .replace("pmt = false", &format!("pmt = {pmt}"))
        .replace("bad_blocks = [1000,", "bad_blocks = [4014,")
        .replace("bad = 1000", "bad = 4014");
    let small = [("preloader", 2), ("logo", 1), ("system", 3), ("userdata", 2)];
    let partition = |(name, blocks): &(&str, u64)| {
        format!("[[partition]]\nname = \"{name}\"\nbytes = {}\n", blocks * BLOCK)
    };
    let partitions: String = small.iter().map(partition).collect();
    let model = Model::from_toml(&format!("{head}{partitions}{agents}")).unwrap();
    assert_eq!((model.pmt, model.nand.stand_in(PT)), (pmt, 4016));
    model
}

fn factory(model: &Model) -> Factory {
    let mut factory = Factory::new(model, NandChip::blank(&model.nand)).unwrap();
    for partition in model.partitions() {
        factory.fill(&partition.name, 80, Filling::default()).unwrap();
    }
    factory
}

fn finished(model: Model, factory: Factory, table: TableAnswer) -> Phone {
    Phone::new(model, factory.finish().unwrap(), Options { table, ..Options::default() })
}

fn healthy(table: TableAnswer) -> Phone {
    let model = model(true);
    let factory = factory(&model);
    finished(model, factory, table)
}

/// A phone without a table of the model's partitions but with one of these.
fn with_table(partitions: &[Partition], table: TableAnswer) -> Phone {
    let model = model(false);
    let mut factory = factory(&model);
    factory.write_pmt(0, partitions).unwrap();
    finished(model, factory, table)
}

fn partition(name: &str, start: u64, bytes: u64) -> Partition {
    Partition { name: name.into(), start, bytes }
}

fn wish(want: Want) -> Wish {
    Wish { want, shape: Shape::AsStored, kind: AddressKind::Logical }
}

fn all(folder: &Path) -> Vec<Wish> {
    vec![wish(Want::All { folder: folder.to_owned() })]
}

/// The files of a folder hold these partitions and no others.
fn assert_files(phone: &Phone, folder: &Path, partitions: &[Partition]) {
    let images = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let images = images.filter(|path| path.extension().is_some_and(|ext| ext == "img")).count();
    assert_eq!(images, partitions.len());
    for it in partitions {
        let read = std::fs::read(folder.join(format!("{}.img", it.name))).unwrap();
        assert_eq!(read.len() as u64, it.bytes / PAGE * 2112, "{}", it.name);
        assert!(read == stored(phone, it.start, it.bytes), "{}", it.name);
    }
}

/// Reads all partitions without a map; what was told, and the phone.
fn read_all(phone: Phone, format: Format, folder: &Path) -> (Result<(), JobError>, Vec<String>, Phone) {
    let mut link = plug(phone);
    let outcome = job(&mut link, &da(format), &session_options(), &all(folder), &read_options());
    (outcome.result.map(drop), outcome.told, link.unplug().0)
}

#[test]
fn all_partitions_are_read_without_a_map_whatever_the_agent_answers() {
    for format in FORMATS {
        for (answer, by) in ANSWERS {
            let folder = folder();
            let (result, told, phone) = read_all(healthy(answer), format, folder.path());
            result.unwrap_or_else(|e| panic!("{format} {answer:?}: {e}"));
            assert_eq!(told[0], by, "{format} {answer:?}: {told:?}");
            assert_files(&phone, folder.path(), &phone.model.partitions());
        }
    }
}

#[test]
fn a_partition_is_found_by_its_name_and_its_alias() {
    for name in ["system", "ANDROID"] {
        let folder = folder();
        let target = folder.path().join("x.img");
        let phone = healthy(TableAnswer::Marked);
        let wanted = stored(&phone, 3 * BLOCK, 3 * BLOCK);
        let want = wish(Want::Partition { name: name.into(), target: target.clone() });
        job(plug(phone), &da(Format::G2), &session_options(), &[want], &read_options()).result.unwrap();
        assert!(std::fs::read(target).unwrap() == wanted);
    }
}

#[test]
fn a_damaged_table_is_taken_from_its_mirror() {
    for (answer, by) in [
        (TableAnswer::Marked, "by PMT, by A2"),
        (TableAnswer::Refused, "by mirror of the PMT, found in its pages"),
    ] {
        let mut phone = healthy(answer);
        // Five wrong bits in a sector are one more than can be repaired, here in the second entry.
        let at = phone.model.nand.stand_in(PT) * PAGES;
        (0..5).for_each(|n| phone.chip.flip(at, 84 + n, 0).unwrap());
        let folder = folder();
        let (result, told, phone) = read_all(phone, Format::G2, folder.path());
        result.unwrap();
        assert!(told.contains(&by.to_owned()), "{told:?}");
        assert_files(&phone, folder.path(), &phone.model.partitions());
    }
}

#[test]
fn four_wrong_bits_in_a_table_are_repaired() {
    for (answer, by) in ANSWERS {
        let mut phone = healthy(answer);
        let at = phone.model.nand.stand_in(PT) * PAGES;
        (0..4).for_each(|n| phone.chip.flip(at, 84 + n, 0).unwrap());
        let folder = folder();
        let (result, told, phone) = read_all(phone, Format::G2, folder.path());
        result.unwrap();
        assert_eq!(told[0], by, "{told:?}");
        assert_files(&phone, folder.path(), &phone.model.partitions());
    }
}

#[test]
fn the_newest_of_several_tables_counts() {
    let newer = [partition("preloader", 0, 2 * BLOCK), partition("all", 2 * BLOCK, 6 * BLOCK)];
    for (answer, by) in ANSWERS {
        let model = model(true);
        let mut factory = factory(&model);
        factory.write_pmt(1, &newer).unwrap();
        let folder = folder();
        let (result, told, phone) = read_all(finished(model, factory, answer), Format::G2, folder.path());
        result.unwrap();
        assert_eq!(told[0], by, "{told:?}");
        assert_files(&phone, folder.path(), &newer);
    }
}

#[test]
fn a_last_partition_without_end_reaches_to_the_table() {
    let table = [partition("first", 0, 4000 * BLOCK), partition("rest", 4000 * BLOCK, 0xffff_ffff)];
    for (answer, by) in ANSWERS {
        let folder = folder();
        let target = folder.path().join("rest.img");
        let want = wish(Want::Partition { name: "rest".into(), target: target.clone() });
        let phone = with_table(&table, answer);
        let wanted = stored(&phone, 4000 * BLOCK, 14 * BLOCK);
        let outcome = job(plug(phone), &da(Format::G2), &session_options(), &[want], &read_options());
        outcome.result.unwrap();
        assert_eq!(outcome.told[0], by, "{:?}", outcome.told);
        assert!(std::fs::read(target).unwrap() == wanted);
    }
}

#[test]
fn a_table_that_lies_is_refused_with_the_contradiction() {
    let lies = [
        (vec![partition("a", 0, BLOCK), partition("b", 4096 * BLOCK, BLOCK)], "0x20000000"),
        (vec![partition("a", 0, 2 * BLOCK), partition("b", BLOCK, BLOCK)], "inside a"),
        (vec![partition("a", 0, BLOCK + 1)], "0x20001"),
        (vec![partition("a", 4090 * BLOCK, BLOCK)], "reserved"),
    ];
    for (table, says) in lies {
        for (answer, by) in ANSWERS {
            let folder = folder();
            let (result, told, _) = read_all(with_table(&table, answer), Format::G2, folder.path());
            let error = result.unwrap_err();
            let text = error.to_string();
            assert!(matches!(error, JobError::OwnTable { .. }) && text.contains(says), "{text} {told:?}");
            assert!(text.contains("own partition table (PMT") && !told.contains(&by.to_owned()), "{text}");
            assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        }
    }
}

#[test]
fn a_phone_without_a_table_needs_a_map() {
    for format in FORMATS {
        let model = model(false);
        let factory = factory(&model);
        let folder = folder();
        let (result, told, _) =
            read_all(finished(model, factory, TableAnswer::Marked), format, folder.path());
        assert!(matches!(result, Err(JobError::NoMap)), "{result:?}");
        assert!(told.is_empty(), "{told:?}");
    }
}

#[test]
fn other_contents_in_the_two_blocks_are_no_table() {
    let model = model(false);
    let mut factory = factory(&model);
    for block in [PT, MPT] {
        factory.program_logical(block * PAGES, &[0x5a; 2048], b"something").unwrap();
    }
    let folder = folder();
    let (result, told, _) =
        read_all(finished(model, factory, TableAnswer::Marked), Format::G2, folder.path());
    assert!(matches!(result, Err(JobError::NoMap)), "{result:?}");
    assert!(told.is_empty(), "{told:?}");
}

#[test]
fn a_map_is_followed_and_a_table_that_differs_is_told() {
    let given = |text: &str, phone: Phone, folder: &Path| {
        let map = map::parse(text.as_bytes()).unwrap();
        let outcome = job_by(
            plug(phone),
            &da(Format::G2),
            &session_options(),
            &all(folder),
            Some(&map),
            &read_options(),
        );
        outcome.result.unwrap();
        outcome.told
    };
    let lines = |rows: &[(&str, u64)]| {
        let line = |(n, (name, blocks)): (usize, &(&str, u64))| {
            format!("mtd{n}: {:08x} 00020000 \"{name}\"\n", blocks * BLOCK)
        };
        rows.iter().enumerate().map(line).collect::<String>()
    };
    for (answer, _) in ANSWERS {
        // Other names for the same places are no difference.
        let same = lines(&[("PRELOADER", 2), ("picture", 1), ("ANDROID", 3), ("userdata", 2)]);
        let told = given(&same, healthy(answer), folder().path());
        assert!(!told.iter().any(|text| text.contains("differs")), "{told:?}");
        let other = lines(&[("preloader", 2), ("logo", 2), ("ANDROID", 2), ("userdata", 2)]);
        let folder = folder();
        let told = given(&other, healthy(answer), folder.path());
        let wanted = ["differs from the map", "logo lies at 0x40000 with 0x40000", "0x20000 bytes", "1 more"];
        assert!(told.iter().any(|text| wanted.iter().all(|part| text.contains(part))), "{told:?}");
        let read = std::fs::read(folder.path().join("ANDROID.img")).unwrap();
        assert!(read == stored(&healthy(answer), 4 * BLOCK, 2 * BLOCK), "the map is followed");
    }
}

/// One fault anywhere while the table is asked for: the file of that name holds the right pages or does not exist.
#[test]
fn no_single_fault_while_the_table_is_told_leaves_a_wrong_file() {
    for format in FORMATS {
        for direction in [Direction::FromPhone, Direction::ToPhone] {
            let mut storm = Storm::new(format);
            let (with, without) = (storm.calm(true, direction), storm.calm(false, direction));
            // What comes after the question: the read of 64 pages in one packet, 72, D9.
            let after = match (direction, format) {
                (Direction::FromPhone, Format::G1) => 4 + 13 + 4 + 64 * 2112 + 2 + 2 + 2,
                (Direction::FromPhone, Format::G2) => 13 + 8 + 64 * 2112 + 2 + 2 + 2,
                (Direction::ToPhone, Format::G1) => 1 + 15 + 4 + 1 + 1 + 5,
                (Direction::ToPhone, Format::G2) => 23 + 4 + 1 + 1 + 5,
            };
            assert!(with > without, "the table is asked for");
            for at in without - after..with - after {
                let bits =
                    if direction == Direction::ToPhone { 0..8 } else { at as u8 % 8..at as u8 % 8 + 1 };
                let cut = (at % 16 == 0).then_some(Change::Cut);
                for change in bits.map(Change::Flip).chain([Change::Drop(1)]).chain(cut) {
                    storm.session(true, Some(Fault { direction, at, change }), direction);
                }
            }
            println!("{format} {direction:?}: {} saved, {} failed", storm.saved, storm.failed);
            // Only a cut cable ends such a session.
            assert!(storm.saved > 8 * storm.failed);
        }
    }
}

struct Storm {
    format: Format,
    phone: Option<Phone>,
    wanted: Vec<u8>,
    folder: tempfile::TempDir,
    da: bromide_job::agent_file::AgentFile,
    saved: u32,
    failed: u32,
}

impl Storm {
    fn new(format: Format) -> Self {
        let phone = healthy(TableAnswer::Marked);
        let wanted = stored(&phone, 2 * BLOCK, BLOCK);
        Self { format, phone: Some(phone), wanted, folder: folder(), da: da(format), saved: 0, failed: 0 }
    }

    /// Bytes of a session without faults, by the table or by address.
    fn calm(&mut self, by_table: bool, direction: Direction) -> u64 {
        self.session(by_table, None, direction)
    }

    fn session(&mut self, by_table: bool, fault: Option<Fault>, direction: Direction) -> u64 {
        let mut link = plug(self.phone.take().unwrap());
        let began = link.clock().now();
        let file = self.folder.path().join("logo.img");
        let want = match by_table {
            true => wish(Want::Partition { name: "logo".into(), target: file.clone() }),
            false => range(2 * BLOCK, BLOCK, &file),
        };
        let options = bromide_job::readback::ReadOptions { pages_per_packet: 64, ..read_options() };
        let mut faulty = Faulty::new(&mut link, fault);
        let outcome = job(&mut faulty, &self.da, &session_options(), &[want], &options);
        let seen = faulty.seen(direction);
        let took = link.clock().now() - began;
        assert!(took < Duration::from_secs(180), "{} {fault:?} took {took:?}", self.format);
        match outcome.result {
            Ok(_) => {
                self.saved += 1;
                assert!(
                    std::fs::read(&file).unwrap() == self.wanted,
                    "{} {fault:?}: wrong bytes",
                    self.format
                );
            }
            Err(error) => {
                self.failed += 1;
                assert!(!file.exists(), "{} {fault:?}: {error}", self.format);
                assert!(matches!(error, JobError::Talk(_)), "{} {fault:?}: {error}", self.format);
            }
        }
        for entry in std::fs::read_dir(self.folder.path()).unwrap() {
            std::fs::remove_file(entry.unwrap().path()).unwrap();
        }
        self.phone = Some(link.unplug().0);
        seen
    }
}
