//! Reads rows into files: packets from the agent to the saving thread, report and digest beside each file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use bromide_nand::{Geometry, Layout};
use bromide_proto::agent::reading::{Order, PageSize};
use bromide_proto::link::Link;
use bromide_proto::wire::nand_read::{AddressKind, Shape};

use crate::error::JobError;
use crate::event::{Event, Tell};
use crate::pagecheck::PageCheck;
use crate::pagereport::{self, Origin};
use crate::rows::Row;
use crate::save::place::{remove_if_there, with_suffix};
use crate::save::{Save, SaveOptions, Saved};
use crate::session::Session;
use crate::sums;

/// How to read.
#[derive(Debug, Clone, Copy)]
pub struct ReadOptions {
    /// Replace existing files and discard interrupted ones.
    pub force: bool,
    /// Pages per packet, at least 1.
    pub pages_per_packet: u32,
    /// Digests of all files in one `SHA256SUMS` per folder, instead of a `NAME.sha256` beside each file.
    pub one_sums_file: bool,
}

/// A file that is whole.
#[derive(Debug)]
pub struct Done {
    /// What was read.
    pub row: Row,
    /// What was saved.
    pub saved: Saved,
    /// The page report beside it.
    pub report: PathBuf,
    /// Requests that had to be made anew.
    pub recoveries: u32,
}

/// Reads all rows. Every target is checked before the first page is asked for; each file is whole before the next
/// is begun, so an interruption costs the present file only.
pub async fn read_rows<L: Link>(
    session: &mut Session<L>,
    rows: &[Row],
    options: &ReadOptions,
    tell: &mut Tell<'_>,
) -> Result<Vec<Done>, JobError> {
    let geometry = session.geometry()?;
    for row in rows {
        save_options(row, &geometry, options).check(&row.target)?;
    }
    room_for_all(rows, &geometry, options)?;
    let mut done: Vec<Done> = Vec::new();
    for (index, row) in rows.iter().enumerate() {
        tell(Event::ReadStart { row, bytes: file_bytes(row, &geometry), number: index + 1, of: rows.len() });
        let one = read_row(session, row, &geometry, options, tell).await?;
        tell(Event::Saved(&one));
        done.push(one);
        write_sums(&done, options)?;
    }
    Ok(done)
}

async fn read_row<L: Link>(
    session: &mut Session<L>,
    row: &Row,
    geometry: &Geometry,
    options: &ReadOptions,
    tell: &mut Tell<'_>,
) -> Result<Done, JobError> {
    let mut save = Save::create(&row.target, save_options(row, geometry, options))?;
    let order = Order {
        shape: row.shape,
        kind: row.kind,
        start: row.start,
        length: row.length,
        pages_per_packet: options.pages_per_packet,
    };
    let size = PageSize { page: geometry.page, spare: geometry.spare };
    let mut reading = session.agent().read(order, size).await?;
    let mut confirmed = 0u64;
    let mut buffer = save.buffer();
    let mut recoveries = 0;
    while reading.next(&mut buffer).await? {
        // The agent is already sending the next packet while this one goes to disk.
        confirmed += buffer.len() as u64;
        save.put(buffer)?;
        if reading.recoveries() != recoveries {
            recoveries = reading.recoveries();
            tell(Event::Note(&format!("asked again at byte {confirmed}: {}", reading.last_trouble())));
        }
        tell(Event::Read(confirmed));
        buffer = save.buffer();
    }
    if options.force {
        // Between the new image and its new digest nothing may claim the old one for it.
        for suffix in [".sha256", ".report.json"] {
            remove_if_there(&with_suffix(&row.target, suffix))?;
        }
    }
    let saved = save.finish()?;
    let origin = Origin {
        name: row.name.clone(),
        start: row.start,
        length: row.length,
        address_kind: match row.kind {
            AddressKind::Logical => "logical",
            AddressKind::Physical => "physical",
        },
        flag: row.shape.flag(),
        layout: layout(row.shape),
        geometry: *geometry,
    };
    let report = pagereport::write(&row.target, &origin, &saved)?;
    Ok(Done { row: row.clone(), saved, report, recoveries })
}

fn save_options(row: &Row, geometry: &Geometry, options: &ReadOptions) -> SaveOptions {
    SaveOptions {
        force: options.force,
        expected_bytes: file_bytes(row, geometry),
        check: Some(PageCheck::new(*geometry, layout(row.shape), row.start)),
    }
}

/// All rows of a folder must fit together, not only each alone.
fn room_for_all(rows: &[Row], geometry: &Geometry, options: &ReadOptions) -> Result<(), JobError> {
    let mut folders: BTreeMap<&Path, (u64, &Row)> = BTreeMap::new();
    for row in rows {
        let folder = row.target.parent().unwrap_or(Path::new("."));
        folders.entry(folder).or_insert((0, row)).0 += file_bytes(row, geometry);
    }
    for (bytes, row) in folders.into_values() {
        let together = SaveOptions { force: options.force, expected_bytes: bytes, check: None };
        together.check(&row.target)?;
    }
    Ok(())
}

/// How a shape on the wire lies in the file.
const fn layout(shape: Shape) -> Layout {
    match shape {
        Shape::AsStored => Layout::Interleaved,
        Shape::MainOnly => Layout::MainOnly,
        Shape::SpareLast => Layout::DataThenSpare,
    }
}

fn file_bytes(row: &Row, geometry: &Geometry) -> u64 {
    let pages = row.length / u64::from(geometry.page);
    pages * u64::from(row.shape.unit(geometry.page, geometry.spare))
}

/// Digests of what is whole so far; written after every file, so that an interruption leaves them true.
fn write_sums(done: &[Done], options: &ReadOptions) -> Result<(), JobError> {
    let Some(last) = done.last() else { return Ok(()) };
    if !options.one_sums_file {
        return Ok(sums::beside(&last.row.target, &last.saved.sha256)?);
    }
    let folder = last.row.target.parent().unwrap_or(Path::new("."));
    let here: Vec<(&Path, &str)> = done
        .iter()
        .filter(|d| d.row.target.parent().unwrap_or(Path::new(".")) == folder)
        .map(|d| (d.row.target.as_path(), d.saved.sha256.as_str()))
        .collect();
    Ok(sums::in_folder(folder, &here)?)
}
