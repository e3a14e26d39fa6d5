//! Bundles for tests, written as a run writes them.

use std::fs;
use std::path::Path;

use bromide_image::map;
use bromide_nand::{Geometry, Layout, encode_page};
use bromide_proto::wire::nand_read::{AddressKind, Shape};
use serde_json::{Value, json};

use super::{Agent, Beginning, Bundle, FILE};
use crate::dump::{Dump, DumpOptions, RANGE_BLOCKS, map_path};
use crate::mapfile::State;
use crate::pagecheck::PageCheck;
use crate::pagereport::{self, Origin};
use crate::phone_id::PhoneId;
use crate::readback::{Book, Done, Left};
use crate::rows::Row;
use crate::sums;

/// Stored bytes of a page, and of a block.
pub(super) const PAGE: usize = 2112;
pub(super) const BLOCK: usize = 64 * PAGE;

pub(super) const MAP: &[u8] = b"dev:    size   erasesize  name\nmtd0: 00020000 00020000 \"preloader\"\n\
    mtd1: 00040000 00020000 \"boot\"\nmtd2: 00140000 00020000 \"system\"\n";

pub(super) fn chip() -> Geometry {
    Geometry::new(2048, 64, 64, 64).unwrap()
}

pub(super) fn phone() -> PhoneId {
    PhoneId {
        chip: "MT6575".into(),
        codes: "6575/8a00/cb01/e201".into(),
        nand: "ad bc 90 55 54".into(),
        geometry: [2048, 64, 64, 64],
        pool_blocks: 16,
        unit: "0123456789abcdef".into(),
    }
}

/// Pages of something.
pub(super) fn pages(count: usize, seed: u8) -> Vec<u8> {
    let mut all = vec![0; count * PAGE];
    for (number, page) in all.chunks_exact_mut(PAGE).enumerate() {
        let main: Vec<u8> = (0..2048).map(|at| (at * 13 + number * 7) as u8 ^ seed).collect();
        encode_page(&main, &[], None, &chip(), page).unwrap();
    }
    all
}

pub(super) fn row(folder: &Path, name: &str, start: u64, length: u64) -> Row {
    let target = folder.join(format!("{name}.img"));
    Row { name: name.into(), target, shape: Shape::AsStored, kind: AddressKind::Logical, start, length }
}

/// The rows of [`MAP`].
pub(super) fn rows(folder: &Path) -> Vec<Row> {
    let all = [("preloader", 0, 0x2_0000), ("boot", 0x2_0000, 0x4_0000), ("system", 0x6_0000, 0x14_0000)];
    all.into_iter().map(|(name, start, length)| row(folder, name, start, length)).collect()
}

pub(super) fn options(row: &Row) -> DumpOptions {
    let unit = row.shape.unit(2048, 64);
    DumpOptions {
        anew: false,
        replace: false,
        bytes: row.length / 2048 * u64::from(unit),
        unit,
        checkpoint: 1 << 20,
        check: PageCheck::new(chip(), Layout::Interleaved, row.start),
        range: RANGE_BLOCKS * BLOCK as u64,
        origin: json!({
            "phone": phone(), "name": row.name, "start": row.start, "length": row.length,
            "flag": row.shape.flag(), "addresses": "logical",
        }),
    }
}

/// A run in progress.
pub(super) fn begun(folder: &Path, rows: &[Row]) -> Bundle {
    let mut bundle = Bundle::open(folder, false, &[], || "2026-01-02T03:04:05Z".into()).unwrap();
    let map = Some(map::parse(MAP).unwrap());
    bundle.begin(&phone(), rows, &Beginning { agent: Agent::default(), map }).unwrap();
    bundle
}

/// An image becomes whole.
pub(super) fn keep(bundle: &mut Bundle, row: &Row, bytes: &[u8]) {
    let mut dump = Dump::begin(&row.target, options(row)).unwrap();
    dump.put(0, bytes.to_vec()).unwrap();
    let saved = dump.finish().unwrap();
    let origin = Origin {
        name: row.name.clone(),
        start: row.start,
        length: row.length,
        address_kind: "logical",
        flag: row.shape.flag(),
        layout: Layout::Interleaved,
        geometry: chip(),
    };
    let report = pagereport::write(&row.target, &origin, &saved, None).unwrap();
    let done = Done { row: row.clone(), saved, report, recoveries: 0, resumed: 0, verified: None };
    sums::in_folder(row.target.parent().unwrap(), &[(&row.target, &done.saved.sha256)]).unwrap();
    bundle.keep(&done).unwrap();
}

/// Pages `missing` of an image do not come.
pub(super) fn leave(bundle: &mut Bundle, row: &Row, bytes: &[u8], missing: std::ops::Range<usize>) {
    let mut dump = Dump::begin(&row.target, options(row)).unwrap();
    let (from, to) = (missing.start * PAGE, missing.end * PAGE);
    dump.put(0, bytes[..from].to_vec()).unwrap();
    dump.put(to as u64, bytes[to..].to_vec()).unwrap();
    dump.mark(from as u64..to as u64, State::Bad).unwrap();
    let left = Left { row: row.clone(), map: dump.leave().unwrap(), refused: None, last: String::new() };
    bundle.leave(&left).unwrap();
}

/// The bytes of the images of [`MAP`].
pub(super) fn contents() -> [Vec<u8>; 3] {
    let mut system = pages(500, 3);
    system.resize(10 * BLOCK, 0xFF);
    [pages(64, 1), pages(128, 2), system]
}

/// A whole bundle of [`MAP`] with these images.
pub(super) fn write(folder: &Path, contents: &[Vec<u8>]) {
    let rows = rows(folder);
    let mut bundle = begun(folder, &rows);
    rows.iter().zip(contents).for_each(|(row, bytes)| keep(&mut bundle, row, bytes));
    bundle.end("done").unwrap();
}

/// Changes a file.
pub(super) fn edit(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(path).unwrap();
    change(&mut bytes);
    fs::write(path, bytes).unwrap();
}

/// Changes the record.
pub(super) fn edit_record(folder: &Path, change: impl FnOnce(&mut Value)) {
    edit(&folder.join(FILE), |bytes| {
        let mut record = serde_json::from_slice(bytes).unwrap();
        change(&mut record);
        *bytes = serde_json::to_vec(&record).unwrap();
    });
}

/// The mapfile of an image, as text.
pub(super) fn edit_map(folder: &Path, name: &str, change: impl FnOnce(String) -> String) {
    let path = map_path(&folder.join(name));
    let text = fs::read_to_string(&path).unwrap();
    fs::write(path, change(text)).unwrap();
}
