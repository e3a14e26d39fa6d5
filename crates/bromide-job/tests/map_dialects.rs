//! One phone, its map in every dialect: each gives the same files.
//!
//! The chip is small, so that all of it can be read: the demo's container with the record of the chip changed to 8 MiB.

mod common;

use std::path::Path;

use bromide_image::map::{self, Format as Dialect, Map};
use bromide_job::agent_file::AgentFile;
use bromide_job::readback::ReadOptions;
use bromide_job::rows::{Want, Wish};
use bromide_job::session::SessionOptions;
use bromide_phone::{Factory, Filling, Generation, Model, NandChip, Options, Phone, demo_agent};
use bromide_proto::wire::nand_read::{AddressKind, Shape};
use common::*;

const POOL: u32 = 8;

/// Partitions that fill 64 blocks up to the two of the partition table before the pool; block 20 is replaced.
fn model() -> Model {
    let text = include_str!("../../../devices/mt6575.toml");
    let (head, rest) = text.split_at(text.find("[[partition]]").unwrap());
    let agents = &rest[rest.find("# Digests").unwrap()..];
    let head = head
        .replace("\nblocks = 4096", "\nblocks = 64")
        .replace("pool_blocks = 80", "pool_blocks = 8")
        .replace("bad_blocks = [1000, 2600, 4095]", "bad_blocks = [20, 63]")
        .replace("{ bad = 1000, by = 4016 }", "{ bad = 20, by = 56 }");
    let small = [("preloader", 2), ("boot", 5), ("logo", 3), ("system", 24), ("cache", 9), ("userdata", 11)];
    let partition = |(name, blocks): (&str, u64)| {
        format!("[[partition]]\nname = \"{name}\"\nbytes = {}\n", blocks * BLOCK)
    };
    Model::from_toml(&format!("{head}{}{agents}", small.map(partition).concat())).unwrap()
}

/// The demo's container, its record of AD BC 90 55 54 for a chip of 8 MiB (da-legacy-device.md section 3).
fn container() -> AgentFile {
    let mut bytes = demo_agent::container(Generation::G2);
    let record = [0xad, 0, 0xbc, 0, 0x90, 0x55, 0x54, 0xff, 0, 2, 0, 0];
    let places: Vec<usize> = (0..bytes.len() - 12).filter(|at| bytes[*at..*at + 12] == record).collect();
    assert_eq!(places.len(), 2, "once for each chip of the container");
    for at in places {
        bytes[at + 8..at + 12].copy_from_slice(&8u32.to_le_bytes());
    }
    AgentFile::from_bytes(Path::new("demo"), bytes).unwrap()
}

fn phone() -> Phone {
    let model = model();
    let mut factory = Factory::new(&model, NandChip::blank(&model.nand)).unwrap();
    for partition in model.partitions() {
        factory.fill(&partition.name, u32::MAX, Filling::default()).unwrap();
    }
    Phone::new(model, factory.finish().unwrap(), Options::default())
}

fn proc_mtd(model: &Model) -> String {
    let line = |(n, it): (usize, bromide_phone::Partition)| {
        format!("mtd{n}: {:08x} 00020000 \"{}\"\n", it.bytes, it.name)
    };
    let lines: String = model.partitions().into_iter().enumerate().map(line).collect();
    format!("dev:    size   erasesize  name\n{lines}")
}

/// As in formats.md section 4.3, the NAND form.
fn dumchar_info(model: &Model) -> String {
    let line = |(n, it): (usize, bromide_phone::Partition)| {
        format!("{:<12} {:#010x}   {n:#010x}   1   /dev/mtd/mtd{n}\n", it.name, it.bytes)
    };
    let lines: String = model.partitions().into_iter().enumerate().map(line).collect();
    format!(
        "Part_Name       Size    StartAddr       Type    MapTo\n{lines}bmtpool      0x00000000   0x00000000   1\n"
    )
}

/// Every kind of map a user may have of this phone, as text.
fn dialects(model: &Model) -> Vec<(&'static str, String)> {
    let mut source = map::parse(proc_mtd(model).as_bytes()).unwrap();
    source.pool_blocks = Some(POOL);
    let written = Dialect::ALL.map(|dialect| (dialect.name(), map::write(&source, dialect).text));
    let listed = [("proc/mtd", proc_mtd(model)), ("proc/dumchar_info", dumchar_info(model))];
    written.into_iter().chain(listed).collect()
}

fn read_all(phone: Phone, map: Option<&Map>, folder: &Path) -> Phone {
    let wish = Wish {
        want: Want::All { folder: folder.to_owned() },
        shape: Shape::AsStored,
        kind: AddressKind::Logical,
    };
    let options = ReadOptions { pages_per_packet: 64, ..read_options() };
    let session = SessionOptions { pool_blocks: POOL, ..session_options() };
    let mut link = plug(phone);
    job_by(&mut link, &container(), &session, &[wish], map, &options).result.unwrap();
    link.unplug().0
}

#[test]
fn every_dialect_of_the_same_map_reads_the_same_files() {
    let mut phone = phone();
    for (dialect, text) in dialects(&phone.model) {
        let parsed = map::parse(text.as_bytes()).unwrap_or_else(|e| panic!("{dialect}: {e}\n{text}"));
        assert_eq!(parsed.partitions.len(), phone.model.partitions().len(), "{dialect}");
        let folder = folder();
        phone = read_all(phone, Some(&parsed), folder.path());
        for (it, own) in parsed.partitions.iter().zip(phone.model.partitions()) {
            assert!(
                it.name.eq_ignore_ascii_case(&own.name)
                    || map::aliases(&own.name).contains(&it.name.to_ascii_uppercase().as_str()),
                "{dialect}: {} for {}",
                it.name,
                own.name
            );
            let read = std::fs::read(folder.path().join(format!("{}.img", it.name))).unwrap();
            assert_eq!(read.len() as u64, own.bytes / PAGE * 2112, "{dialect}: {}", own.name);
            assert!(read == stored(&phone, own.start, own.bytes), "{dialect}: {}", own.name);
        }
    }
}
