//! Reads rows into files: packets from the agent to the saving thread, report and digest beside each file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use bromide_nand::{Geometry, Layout};
use bromide_proto::agent::reading::{Order, PageSize};
use bromide_proto::link::Link;
use bromide_proto::wire::nand_read::{AddressKind, Shape};

use crate::edge::Edge;
use crate::error::JobError;
use crate::event::{Event, Kept, Tell};
use crate::pagecheck::PageCheck;
use crate::pagereport::{self, Origin};
use crate::rows::Row;
use crate::save::place::{remove_if_there, with_suffix};
use crate::save::{Save, SaveOptions, Saved};
use crate::session::Session;
use crate::source::Source;
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
pub async fn read_rows<S: Source>(
    source: &mut S,
    rows: &[Row],
    options: &ReadOptions,
    tell: &mut Tell<'_>,
) -> Result<Vec<Done>, JobError> {
    let geometry = source.session().ok_or(JobError::NoSession)?.geometry()?;
    for row in rows {
        save_options(row, &geometry, options).check(&row.target)?;
    }
    room_for_all(rows, &geometry, options)?;
    let mut done: Vec<Done> = Vec::new();
    for (index, row) in rows.iter().enumerate() {
        tell(Event::ReadStart { row, bytes: file_bytes(row, &geometry), number: index + 1, of: rows.len() });
        let one = read_row(source, row, &geometry, options, tell).await?;
        tell(Event::Saved(&one));
        done.push(one);
        write_sums(&done, options)?;
    }
    Ok(done)
}

async fn read_row<S: Source>(
    source: &mut S,
    row: &Row,
    geometry: &Geometry,
    options: &ReadOptions,
    tell: &mut Tell<'_>,
) -> Result<Done, JobError> {
    let mut save = Save::create(&row.target, save_options(row, geometry, options))?;
    let mut taking = Taking::new(row, geometry, options.pages_per_packet);
    taking.all(source, &mut save, tell).await?;
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
    Ok(Done { row: row.clone(), saved, report, recoveries: taking.recoveries })
}

/// Reads the pages of a row into memory, whatever its target: a stretch that somebody wants to look at.
///
/// # Errors
/// The phone cannot be read and the link not be mended.
pub async fn read_stretch<S: Source>(
    source: &mut S,
    row: &Row,
    pages_per_packet: u32,
    tell: &mut Tell<'_>,
) -> Result<Vec<u8>, JobError> {
    let geometry = source.session().ok_or(JobError::NoSession)?.geometry()?;
    let mut bytes = Vec::new();
    let mut taking = Taking { one_of_many: true, ..Taking::new(row, &geometry, pages_per_packet) };
    taking.all(source, &mut bytes, tell).await?;
    Ok(bytes)
}

/// Where packets go.
trait Keep {
    /// A buffer for the next packet.
    fn buffer(&mut self) -> Vec<u8>;

    /// The file they go to, if they go to one.
    fn file(&self) -> Option<&Path>;

    /// Takes the next bytes.
    fn put(&mut self, packet: Vec<u8>) -> Result<(), JobError>;
}

impl Keep for Save {
    fn buffer(&mut self) -> Vec<u8> {
        Self::buffer(self)
    }

    fn file(&self) -> Option<&Path> {
        Some(self.target())
    }

    fn put(&mut self, packet: Vec<u8>) -> Result<(), JobError> {
        Ok(Self::put(self, packet)?)
    }
}

impl Keep for Vec<u8> {
    fn buffer(&mut self) -> Self {
        Self::new()
    }

    fn file(&self) -> Option<&Path> {
        None
    }

    fn put(&mut self, packet: Self) -> Result<(), JobError> {
        self.extend(packet);
        Ok(())
    }
}

/// One row being read, over one link or several after each other.
struct Taking<'a> {
    row: &'a Row,
    size: PageSize,
    pages_per_packet: u32,
    /// Bytes handed to the file.
    confirmed: u64,
    recoveries: u32,
    /// A link has failed before.
    careful: bool,
    /// The last page handed over.
    edge: Edge,
    /// More such reads follow at once.
    one_of_many: bool,
}

impl<'a> Taking<'a> {
    fn new(row: &'a Row, geometry: &Geometry, pages_per_packet: u32) -> Self {
        Self {
            row,
            size: PageSize { page: geometry.page, spare: geometry.spare },
            pages_per_packet,
            confirmed: 0,
            recoveries: 0,
            careful: false,
            edge: Edge::default(),
            one_of_many: false,
        }
    }

    fn unit(&self) -> u32 {
        self.row.shape.unit(self.size.page, self.size.spare)
    }

    /// What is missing, with the last page that is not.
    fn order(&self) -> Order {
        let pages = self.confirmed / u64::from(self.unit());
        let skip = pages.saturating_sub(1) * u64::from(self.size.page);
        Order {
            shape: self.row.shape,
            kind: self.row.kind,
            start: self.row.start + skip,
            length: self.row.length - skip,
            pages_per_packet: self.pages_per_packet,
            careful: self.careful,
            one_of_many: self.one_of_many,
        }
    }

    /// Reads what is missing, however often the link has to be mended.
    async fn all<S: Source>(
        &mut self,
        source: &mut S,
        keep: &mut impl Keep,
        tell: &mut Tell<'_>,
    ) -> Result<(), JobError> {
        loop {
            let before = self.confirmed;
            let session = source.session().ok_or(JobError::NoSession)?;
            match self.go_on(session, keep, tell).await {
                Err(JobError::Talk(e)) => {
                    source.mend(e, self.confirmed - before, tell).await?;
                    self.careful = true;
                }
                ended => return ended,
            }
        }
    }

    async fn go_on<L: Link>(
        &mut self,
        session: &mut Session<L>,
        keep: &mut impl Keep,
        tell: &mut Tell<'_>,
    ) -> Result<(), JobError> {
        let order = self.order();
        let mut at_edge = self.confirmed > 0;
        let unit = self.unit() as usize;
        let mut reading = session.agent().read(order, self.size).await?;
        let mut recoveries = 0;
        let mut buffer = keep.buffer();
        while reading.next(&mut buffer).await? {
            // At the edge a page is there already, perhaps with other flipped bits.
            let kept = keep.file().filter(|_| !at_edge).map(|file| Kept { file, at: self.confirmed });
            tell(Event::Packet { bytes: &buffer, kept });
            if std::mem::take(&mut at_edge) {
                if !self.edge.is(&buffer[..unit.min(buffer.len())]) {
                    return Err(JobError::EdgeDiffers(order.start));
                }
                buffer.drain(..unit);
            }
            if reading.recoveries() != recoveries {
                self.recoveries += reading.recoveries() - recoveries;
                recoveries = reading.recoveries();
                tell(Event::Note(&format!(
                    "asked again at byte {}: {}",
                    self.confirmed + buffer.len() as u64,
                    reading.last_trouble()
                )));
            }
            if !buffer.is_empty() {
                // The agent is already sending the next packet while this one goes to disk.
                self.confirmed += buffer.len() as u64;
                self.edge.keep(&buffer, unit);
                keep.put(buffer)?;
                tell(Event::Read(self.confirmed));
                buffer = keep.buffer();
            }
        }
        Ok(())
    }
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
