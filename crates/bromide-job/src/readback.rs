//! Reads rows into files: packets from the agent to the saving thread, report and digest beside each file.
//!
//! ```text
//! every row:         copy ─► whole? ─► verify ─► final name, report, digest
//!                              └ no ─► what did not come is left for the end
//! what is left:      trim, scrape, retry ─► whole? as above; else NAME.part and its mapfile stay
//! ```
//! A run that ends early loses nothing: the same rows again go on where it was (`dump.rs`).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use bromide_nand::{Geometry, Layout};
use bromide_proto::error::ErrorKind;
use bromide_proto::wire::nand_read::{AddressKind, Shape};
use serde_json::json;

use crate::dump::{self, Dump, DumpOptions, RANGE_BLOCKS, Standing, to_be_replaced};
use crate::error::JobError;
use crate::event::{Event, Tell};
use crate::mapfile::{Mapfile, State, Stretch};
use crate::pagecheck::PageCheck;
use crate::pagereport::{self, Origin};
use crate::phone_id::PhoneId;
use crate::rows::Row;
use crate::save::place::{remove_if_there, with_suffix};
use crate::save::{SaveError, SaveOptions, Saved};
use crate::source::Source;
use crate::sums;

mod against;
mod pages;
mod rescue;
mod verify;

pub use against::{Against, compare_with_phone};
pub use verify::{Settled, Verified};

use pages::{InMemory, Manner, Pages, Went};
use rescue::Rescue;
use verify::Again;

/// How to read.
#[derive(Debug, Clone, Copy)]
pub struct ReadOptions {
    /// Replace existing files and discard interrupted ones.
    pub force: bool,
    /// Pages per packet, at least 1.
    pub pages_per_packet: u32,
    /// Digests of all files in one `SHA256SUMS` per folder, instead of a `NAME.sha256` beside each file.
    pub one_sums_file: bool,
    /// Files that are whole already are left as they are, instead of being in the way; the mapfiles stay.
    pub keep_whole: bool,
    /// Read everything twice and compare.
    pub verify: bool,
    /// Bytes after which, at the latest, what came is made durable.
    pub checkpoint: u64,
}

/// Default of [`ReadOptions::checkpoint`]: little enough to read again, enough not to keep the disk busy.
pub const CHECKPOINT: u64 = 32 << 20;

/// Single files, a block of the usual chip a packet, nothing replaced, read once.
impl Default for ReadOptions {
    fn default() -> Self {
        Self {
            force: false,
            pages_per_packet: 64,
            one_sums_file: false,
            keep_whole: false,
            verify: false,
            checkpoint: CHECKPOINT,
        }
    }
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
    /// Bytes that an earlier run had read.
    pub resumed: u64,
    /// What a second reading showed, if there was one.
    pub verified: Option<Verified>,
}

/// A file that is not: pages of it did not come, or the phone refuses to give any.
#[derive(Debug)]
pub struct Left {
    /// What was read.
    pub row: Row,
    /// What is there of it.
    pub map: Mapfile,
    /// The phone's refusal, if it was one.
    pub refused: Option<String>,
    /// What the last page that was tried ended with.
    pub last: String,
}

impl Left {
    /// Bytes of the image that are missing.
    #[must_use]
    pub fn missing(&self) -> u64 {
        self.map.bytes() - self.map.total(State::Finished)
    }
}

/// Who keeps account of the files of a read.
pub trait Book {
    /// Whether the file of this row is known to be whole, digest and all.
    fn has(&self, row: &Row) -> bool;

    /// A file is whole, under its final name.
    ///
    /// # Errors
    /// The account cannot be kept.
    fn keep(&mut self, done: &Done) -> Result<(), SaveError>;

    /// A file is not, for this run.
    ///
    /// # Errors
    /// The account cannot be kept.
    fn leave(&mut self, left: &Left) -> Result<(), SaveError>;
}

/// Nobody does.
#[derive(Debug)]
pub struct NoBook;

impl Book for NoBook {
    fn has(&self, _: &Row) -> bool {
        false
    }

    fn keep(&mut self, _: &Done) -> Result<(), SaveError> {
        Ok(())
    }

    fn leave(&mut self, _: &Left) -> Result<(), SaveError> {
        Ok(())
    }
}

/// Reads all rows. Every target is checked before the first page is asked for. Rows with pages that do not come are
/// gone over again at the end.
///
/// # Errors
/// [`JobError::Unread`] where pages are missing after all; anything that ends the whole read. What came is durable
/// either way, and the same call goes on from there.
pub async fn read_rows<S: Source>(
    source: &mut S,
    rows: &[Row],
    options: &ReadOptions,
    book: &mut impl Book,
    tell: &mut Tell<'_>,
) -> Result<Vec<Done>, JobError> {
    let mut reading = Rows::new(source, options, book)?;
    let standings = reading.standings(rows)?;
    if options.force && options.keep_whole {
        // A run that is cut short must not pass older files off as its own.
        rows.iter().try_for_each(|row| to_be_replaced(&row.target))?;
    }
    let mut left = Vec::new();
    for (index, (row, standing)) in rows.iter().zip(standings).enumerate() {
        match standing {
            Standing::Whole => reading.whole_already(row, tell)?,
            Standing::New | Standing::Begun(_) => {
                let bytes = reading.bytes(row);
                tell(Event::ReadStart { row, bytes, number: index + 1, of: rows.len() });
                // Of several files one that is refused is no reason to go without the others.
                let missing = reading.first_time(source, row, rows.len() > 1, tell).await?;
                left.extend(missing.map(|later| (row, later)));
            }
        }
    }
    let mut unread = Vec::new();
    for (row, later) in left {
        tell(Event::ReadStart { row, bytes: reading.bytes(row), number: 1, of: 1 });
        unread.extend(reading.last_time(source, row, later, tell).await?);
    }
    if unread.is_empty() { Ok(reading.done) } else { Err(JobError::Unread(unread)) }
}

/// A file that was not whole after the first reading.
struct Later {
    /// The phone's refusal, if it was one.
    refused: Option<String>,
    recoveries: u32,
}

/// Rows being read.
struct Rows<'o, B> {
    options: &'o ReadOptions,
    book: &'o mut B,
    geometry: Geometry,
    phone: PhoneId,
    done: Vec<Done>,
}

impl<'o, B: Book> Rows<'o, B> {
    fn new<S: Source>(source: &mut S, options: &'o ReadOptions, book: &'o mut B) -> Result<Self, JobError> {
        let session = source.session().ok_or(JobError::NoSession)?;
        let geometry = session.geometry()?;
        let phone = PhoneId::of(&session.identity, &session.found, &geometry, session.pool_blocks);
        Ok(Self { options, book, geometry, phone, done: Vec::new() })
    }

    fn bytes(&self, row: &Row) -> u64 {
        let pages = row.length / u64::from(self.geometry.page);
        pages * u64::from(row.shape.unit(self.geometry.page, self.geometry.spare))
    }

    fn dump_options(&self, row: &Row) -> DumpOptions {
        let unit = row.shape.unit(self.geometry.page, self.geometry.spare);
        let block = u64::from(unit) * u64::from(self.geometry.pages_per_block);
        DumpOptions {
            anew: self.options.force,
            replace: self.options.force,
            bytes: self.bytes(row),
            unit,
            checkpoint: self.options.checkpoint,
            check: PageCheck::new(self.geometry, layout(row.shape), row.start),
            range: block * RANGE_BLOCKS,
            origin: json!({
                "phone": self.phone, "name": row.name, "start": row.start, "length": row.length,
                "flag": row.shape.flag(), "addresses": address_kind(row.kind),
            }),
        }
    }

    /// Where every file stands; everything that stands in the way, and whether all fit on their disks together.
    fn standings(&self, rows: &[Row]) -> Result<Vec<Standing>, JobError> {
        let mut folders: BTreeMap<&Path, (u64, &Row)> = BTreeMap::new();
        let mut standings = Vec::new();
        for row in rows {
            let options = self.dump_options(row);
            let standing = Dump::standing(&row.target, &options)?;
            let needed = match standing {
                Standing::New => options.bytes,
                Standing::Begun(done) => options.bytes - done,
                Standing::Whole if self.options.keep_whole => 0,
                Standing::Whole => {
                    return Err(SaveError::Exists(row.target.clone()).into());
                }
            };
            let folder = row.target.parent().unwrap_or(Path::new("."));
            folders.entry(folder).or_insert((0, row)).0 += needed;
            standings.push(standing);
        }
        for (bytes, row) in folders.into_values() {
            SaveOptions::room(&row.target, bytes)?;
        }
        Ok(standings)
    }

    /// A file of an earlier run.
    fn whole_already(&mut self, row: &Row, tell: &mut Tell<'_>) -> Result<(), JobError> {
        if self.book.has(row) {
            tell(Event::Note(&format!("{} is whole already", row.target.display())));
            return Ok(());
        }
        tell(Event::Note(&format!(
            "{}: whole already, its bytes are looked at once more",
            row.target.display()
        )));
        let saved = dump::look_again(&row.target, &self.dump_options(row))?;
        let done = Done { resumed: saved.bytes, ..self.done(row, saved, 0, None)? };
        self.keep(done, tell)
    }

    /// Reads what comes easily; the file may be whole then, or not yet.
    async fn first_time<S: Source>(
        &mut self,
        source: &mut S,
        row: &Row,
        several: bool,
        tell: &mut Tell<'_>,
    ) -> Result<Option<Later>, JobError> {
        let geometry = self.geometry;
        let mut dump = Dump::begin(&row.target, self.dump_options(row))?;
        let mut pages = Pages::new(row, &geometry);
        if dump.resumed() > 0 {
            tell(Event::Resumed { row, bytes: dump.resumed() });
            for end in edges(dump.map()) {
                pages.fits(source, end / pages.unit(), &mut dump, tell).await?;
            }
        }
        let mut rescue = Rescue::new(&mut pages, &mut dump);
        match rescue.copy(source, self.options.pages_per_packet, tell).await {
            Err(JobError::Talk(e)) if several && matches!(e.kind, ErrorKind::AgentStatus(_)) => {
                tell(Event::Warning(&format!("{}: the phone refuses to give it: {e}", row.name)));
                dump.leave()?;
                return Ok(Some(Later { refused: Some(e.to_string()), recoveries: pages.recoveries }));
            }
            other => other?,
        }
        if dump.map().is_whole() {
            self.finish(source, pages, dump, tell).await?;
            return Ok(None);
        }
        dump.leave()?;
        Ok(Some(Later { refused: None, recoveries: pages.recoveries }))
    }

    /// Reads what can be had of the rest.
    async fn last_time<S: Source>(
        &mut self,
        source: &mut S,
        row: &Row,
        later: Later,
        tell: &mut Tell<'_>,
    ) -> Result<Option<Left>, JobError> {
        let geometry = self.geometry;
        let options = DumpOptions { anew: false, ..self.dump_options(row) };
        let mut dump = Dump::begin(&row.target, options)?;
        let mut pages = Pages::new(row, &geometry);
        pages.recoveries = later.recoveries;
        let mut last = String::new();
        if later.refused.is_none() {
            let mut rescue = Rescue::new(&mut pages, &mut dump);
            rescue.insist(source, tell).await?;
            last = rescue.last;
        }
        if dump.map().is_whole() {
            self.finish(source, pages, dump, tell).await?;
            return Ok(None);
        }
        let left = Left { row: row.clone(), map: dump.leave()?, refused: later.refused, last };
        self.book.leave(&left)?;
        tell(Event::Unread(&left));
        Ok(Some(left))
    }

    async fn finish<S: Source>(
        &mut self,
        source: &mut S,
        mut pages: Pages<'_>,
        mut dump: Dump,
        tell: &mut Tell<'_>,
    ) -> Result<(), JobError> {
        let row = pages.row;
        let mut verified = None;
        let mut again = Again {
            pages: &mut pages,
            geometry: &self.geometry,
            layout: layout(row.shape),
            pages_per_packet: self.options.pages_per_packet,
        };
        if self.options.verify {
            verified = Some(again.compare(source, &mut dump, tell).await?);
        } else {
            let doubtful = dump.doubtful()?;
            let found = again.look_twice(source, doubtful, &mut dump, tell).await?;
            tell_of_doubts(&row.name, &found, tell);
        }
        if self.options.force {
            // Between the new image and its new digest nothing may claim the old one for it.
            for suffix in [".sha256", ".report.json"] {
                remove_if_there(&with_suffix(&row.target, suffix))?;
            }
        }
        let resumed = dump.resumed();
        let saved = dump.finish()?;
        if !self.options.keep_whole {
            // A single file needs no word about what is missing in it.
            remove_if_there(&dump::map_path(&row.target))?;
        }
        let done = Done { resumed, ..self.done(row, saved, pages.recoveries, verified)? };
        self.keep(done, tell)
    }

    /// Writes the report.
    fn done(
        &self,
        row: &Row,
        saved: Saved,
        recoveries: u32,
        verified: Option<Verified>,
    ) -> Result<Done, JobError> {
        let origin = Origin {
            name: row.name.clone(),
            start: row.start,
            length: row.length,
            address_kind: address_kind(row.kind),
            flag: row.shape.flag(),
            layout: layout(row.shape),
            geometry: self.geometry,
        };
        let report = pagereport::write(&row.target, &origin, &saved, verified.as_ref())?;
        Ok(Done { row: row.clone(), saved, report, recoveries, resumed: 0, verified })
    }

    fn keep(&mut self, done: Done, tell: &mut Tell<'_>) -> Result<(), JobError> {
        tell(Event::Saved(&done));
        self.done.push(done);
        write_sums(&self.done, self.options)?;
        match self.done.last() {
            Some(done) => Ok(self.book.keep(done)?),
            None => Ok(()),
        }
    }
}

/// Where readings of an earlier run may have been cut off: behind what is there and before what was not tried, or at
/// the end of the image.
fn edges(map: &Mapfile) -> Vec<u64> {
    let untried = |next: Option<&Stretch>| next.is_none_or(|it| it.state == State::Untried);
    let all = map.stretches().iter().enumerate();
    all.filter(|(n, it)| it.state == State::Finished && untried(map.stretches().get(n + 1)))
        .map(|(_, it)| it.range.end)
        .collect()
}

fn tell_of_doubts(name: &str, found: &Verified, tell: &mut Tell<'_>) {
    let Verified { pages, differed, not_again, .. } = found;
    if *differed > 0 {
        tell(Event::Note(&format!(
            "{name}: of {pages} pages with wrong bits, read once more, {differed} came differently; the better reading \
             is kept"
        )));
    }
    if *not_again > 0 {
        tell(Event::Note(&format!("{name}: {not_again} more pages with wrong bits were not read once more")));
    }
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
    let mut pages = Pages::new(row, &geometry);
    let mut keep = InMemory::default();
    let all = 0..pages.count();
    match pages.read(source, all, Manner::patient(pages_per_packet), &mut keep, tell).await? {
        Went::All => Ok(keep.bytes),
        Went::Stopped { page, why } => {
            let address = row.start + page * u64::from(geometry.page);
            Err(JobError::PageUnreadable { address, why })
        }
    }
}

pub(crate) const fn address_kind(kind: AddressKind) -> &'static str {
    match kind {
        AddressKind::Logical => "logical",
        AddressKind::Physical => "physical",
    }
}

/// How a shape on the wire lies in the file.
const fn layout(shape: Shape) -> Layout {
    match shape {
        Shape::AsStored => Layout::Interleaved,
        Shape::MainOnly => Layout::MainOnly,
        Shape::SpareLast => Layout::DataThenSpare,
    }
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
