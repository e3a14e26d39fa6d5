//! Stretches of pages of one row, over one link or several after each other.

use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

use bromide_nand::Geometry;
use bromide_proto::agent::reading::{Order, PageSize, SILENCE, TRIES};
use bromide_proto::error::ErrorKind;
use bromide_proto::link::Link;

use crate::dump::Dump;
use crate::error::JobError;
use crate::event::{Event, Kept, Tell};
use crate::mapfile::State;
use crate::rows::Row;
use crate::same_page::same_page;
use crate::session::Session;
use crate::source::Source;

/// Times that what came of a stretch may turn out to be shifted before the phone or the cable is held to be hopeless.
const SHIFTS: u32 = 4;
/// Links that may fail at the same page before the page is held to be the reason.
const DEADLY: u32 = 2;

/// How patiently pages are asked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Manner {
    /// Pages per packet, at least 1.
    pub(super) pages_per_packet: u32,
    /// New requests from the same page before it is left for later.
    pub(super) tries: u32,
    /// Silence before a packet that means the agent stopped.
    pub(super) silence: Duration,
    /// More such reads follow at once.
    pub(super) one_of_many: bool,
}

impl Manner {
    /// For all pages at first sight: what does not come soon is left for later.
    pub(super) const fn swift(pages_per_packet: u32) -> Self {
        Self { pages_per_packet, tries: 3, silence: SILENCE, one_of_many: false }
    }

    /// For pages somebody waits for.
    pub(super) const fn patient(pages_per_packet: u32) -> Self {
        Self { pages_per_packet, tries: TRIES, silence: SILENCE, one_of_many: true }
    }

    /// For single pages that did not come with others.
    pub(super) const fn single() -> Self {
        Self { pages_per_packet: 1, tries: 1, silence: Duration::from_secs(3), one_of_many: true }
    }
}

/// How far a stretch came.
#[derive(Debug)]
pub(super) enum Went {
    /// All pages came.
    All,
    /// This page, counted from the row's first, did not; those before it did.
    Stopped { page: u64, why: String },
}

/// Where packets go.
pub(super) trait Keep {
    /// A buffer for the next packet.
    fn buffer(&mut self) -> Vec<u8>;

    /// Where in a file these bytes are kept, or are already.
    fn kept(&self, at: u64, bytes: &[u8]) -> Option<Kept<'_>>;

    /// Takes bytes at their place in the row.
    fn put(&mut self, at: u64, packet: Vec<u8>) -> Result<(), JobError>;

    /// A page before this byte that is there already, by which to see after a failure of the link that both ends are in
    /// step.
    fn witness(&mut self, end: u64) -> Result<Option<(u64, Vec<u8>)>, JobError>;

    /// Bytes that were put and are not to be believed.
    fn forget(&mut self, bytes: Range<u64>) -> Result<(), JobError>;

    /// Bytes of the whole row that are there.
    fn progress(&self) -> Option<u64>;
}

impl Keep for Dump {
    fn buffer(&mut self) -> Vec<u8> {
        Self::buffer(self)
    }

    fn kept(&self, at: u64, _: &[u8]) -> Option<Kept<'_>> {
        Some(Kept { file: self.target(), at })
    }

    fn put(&mut self, at: u64, packet: Vec<u8>) -> Result<(), JobError> {
        Ok(Self::put(self, at, packet)?)
    }

    fn witness(&mut self, end: u64) -> Result<Option<(u64, Vec<u8>)>, JobError> {
        Ok(Self::witness(self, end)?)
    }

    fn forget(&mut self, bytes: Range<u64>) -> Result<(), JobError> {
        Ok(self.mark(bytes, State::Untried)?)
    }

    fn progress(&self) -> Option<u64> {
        Some(self.map().total(State::Finished))
    }
}

/// Pages in memory, from this byte of the row on.
#[derive(Debug, Default)]
pub(super) struct InMemory {
    pub(super) first: u64,
    pub(super) bytes: Vec<u8>,
    /// What a file has in this place, and which.
    pub(super) known: Option<(PathBuf, Vec<u8>)>,
}

impl InMemory {
    /// From this byte of the row on.
    pub(super) fn from(first: u64) -> Self {
        Self { first, ..Self::default() }
    }
}

impl Keep for InMemory {
    fn buffer(&mut self) -> Vec<u8> {
        Vec::new()
    }

    fn kept(&self, at: u64, bytes: &[u8]) -> Option<Kept<'_>> {
        let (file, known) = self.known.as_ref()?;
        let from = usize::try_from(at.checked_sub(self.first)?).ok()?;
        (known.get(from..)?.get(..bytes.len())? == bytes).then_some(Kept { file, at })
    }

    fn put(&mut self, at: u64, packet: Vec<u8>) -> Result<(), JobError> {
        // What is begun again over a new link is taken again.
        self.bytes.truncate(usize::try_from(at.saturating_sub(self.first)).unwrap_or(usize::MAX));
        self.bytes.extend(packet);
        Ok(())
    }

    fn witness(&mut self, _: u64) -> Result<Option<(u64, Vec<u8>)>, JobError> {
        Ok(None)
    }

    fn forget(&mut self, _: Range<u64>) -> Result<(), JobError> {
        Ok(())
    }

    fn progress(&self) -> Option<u64> {
        None
    }
}

/// How far a stretch is.
struct Way {
    start: u64,
    next: u64,
    end: u64,
    /// The link died in the middle of a request: what came may not be what it seems.
    doubt: bool,
    /// Times it was begun anew.
    shifts: u32,
}

/// The pages of one row.
#[derive(Debug)]
pub(super) struct Pages<'a> {
    pub(super) row: &'a Row,
    size: PageSize,
    /// Requests that had to be made anew.
    pub(super) recoveries: u32,
    /// A link has failed before.
    careful: bool,
}

impl<'a> Pages<'a> {
    pub(super) fn new(row: &'a Row, geometry: &Geometry) -> Self {
        let size = PageSize { page: geometry.page, spare: geometry.spare };
        Self { row, size, recoveries: 0, careful: false }
    }

    /// Bytes of a page in the file.
    pub(super) fn unit(&self) -> u64 {
        u64::from(self.row.shape.unit(self.size.page, self.size.spare))
    }

    /// All pages of the row.
    pub(super) fn count(&self) -> u64 {
        self.row.length / u64::from(self.size.page)
    }

    fn order(&self, pages: &Range<u64>, manner: Manner) -> Order {
        let page = u64::from(self.size.page);
        Order {
            shape: self.row.shape,
            kind: self.row.kind,
            start: self.row.start + pages.start * page,
            length: (pages.end - pages.start) * page,
            pages_per_packet: manner.pages_per_packet,
            careful: self.careful,
            one_of_many: manner.one_of_many,
            tries: manner.tries,
            silence: manner.silence,
        }
    }

    /// Reads pages, counted from the row's first, however often the link has to be mended.
    ///
    /// # Errors
    /// A link that cannot be mended, a phone out of step, a disk that takes no more.
    pub(super) async fn read<S: Source>(
        &mut self,
        source: &mut S,
        pages: Range<u64>,
        manner: Manner,
        keep: &mut impl Keep,
        tell: &mut Tell<'_>,
    ) -> Result<Went, JobError> {
        let mut way = Way { start: pages.start, next: pages.start, end: pages.end, doubt: false, shifts: 0 };
        let mut deadly = 0;
        while way.next < way.end {
            let before = way.next;
            let error = match self.further(source, &mut way, manner, keep, tell).await {
                Err(JobError::Talk(error)) => error,
                ended => return ended.map(|()| Went::All),
            };
            if let ErrorKind::Unreadable { last, .. } = &error.kind
                && !source.is_fast()
            {
                return Ok(Went::Stopped { page: way.next, why: last.clone() });
            }
            let came = way.next.saturating_sub(before);
            deadly = if came > 0 { 0 } else { deadly + 1 };
            let shifted = matches!(error.kind, ErrorKind::Shifted);
            if shifted {
                // At once: whatever becomes of the link, nobody may find these pages and believe them.
                self.forget(&mut way, keep, tell)?;
            }
            if way.shifts >= SHIFTS {
                return Err(error.into());
            }
            let why = error.to_string();
            source.mend(error, came * self.unit(), tell).await?;
            (self.careful, way.doubt) = (true, true);
            if deadly >= DEADLY && !shifted && way.next == before {
                return Ok(Went::Stopped { page: way.next, why });
            }
        }
        Ok(Went::All)
    }

    /// Over one link: first away with doubts, then on.
    async fn further<S: Source>(
        &mut self,
        source: &mut S,
        way: &mut Way,
        manner: Manner,
        keep: &mut impl Keep,
        tell: &mut Tell<'_>,
    ) -> Result<(), JobError> {
        if way.doubt && self.out_of_step(source, way.next, keep, tell).await? {
            // The agent confirms nothing about what it took for confirmed when the link died.
            self.forget(way, keep, tell)?;
            self.compare(source, way.start, keep, tell).await?;
        }
        way.doubt = false;
        let session = source.session().ok_or(JobError::NoSession)?;
        self.go_on(session, &mut way.next, way.end, manner, keep, tell).await
    }

    /// What came of a stretch is read again.
    fn forget(&self, way: &mut Way, keep: &mut impl Keep, tell: &mut Tell<'_>) -> Result<(), JobError> {
        tell(Event::Warning(&format!("{}: what came over this link is read again", self.row.name)));
        keep.forget(way.start * self.unit()..way.next * self.unit())?;
        way.next = way.start;
        way.shifts += 1;
        Ok(())
    }

    /// Compares what an earlier run left before this page, the last it had: nobody knows how its link ended.
    ///
    /// # Errors
    /// [`JobError::EdgeDiffers`]; a link that cannot be mended.
    pub(super) async fn fits<S: Source>(
        &mut self,
        source: &mut S,
        end: u64,
        keep: &mut impl Keep,
        tell: &mut Tell<'_>,
    ) -> Result<(), JobError> {
        loop {
            let error = match self.compare(source, end, keep, tell).await {
                Err(JobError::Talk(error)) => error,
                ended => return ended,
            };
            if matches!(error.kind, ErrorKind::Unreadable { .. }) && !source.is_fast() {
                // A page that comes no more tells nothing.
                return Ok(());
            }
            source.mend(error, 0, tell).await?;
            self.careful = true;
        }
    }

    async fn out_of_step<S: Source>(
        &mut self,
        source: &mut S,
        end: u64,
        keep: &mut impl Keep,
        tell: &mut Tell<'_>,
    ) -> Result<bool, JobError> {
        match self.compare(source, end, keep, tell).await {
            Err(JobError::EdgeDiffers(_)) => Ok(true),
            other => other.map(|()| false),
        }
    }

    async fn go_on<L: Link>(
        &mut self,
        session: &mut Session<L>,
        next: &mut u64,
        end: u64,
        manner: Manner,
        keep: &mut impl Keep,
        tell: &mut Tell<'_>,
    ) -> Result<(), JobError> {
        let unit = self.unit();
        let order = self.order(&(*next..end), manner);
        let mut reading = session.agent().read(order, self.size).await?;
        let mut recoveries = 0;
        let mut buffer = keep.buffer();
        loop {
            let more = reading.next(&mut buffer).await;
            if reading.recoveries() != recoveries {
                self.recoveries += reading.recoveries() - recoveries;
                recoveries = reading.recoveries();
                tell(Event::Note(&format!(
                    "asked again at page {next} of {}: {}",
                    self.row.name,
                    reading.last_trouble()
                )));
            }
            if !more? {
                return Ok(());
            }
            let at = *next * unit;
            tell(Event::Packet { bytes: &buffer, kept: keep.kept(at, &buffer) });
            // The agent is already sending the next packet while this one goes to disk.
            *next += buffer.len() as u64 / unit;
            keep.put(at, buffer)?;
            if let Some(done) = keep.progress() {
                tell(Event::Read(done));
            }
            buffer = keep.buffer();
        }
    }

    /// Reads a page once more that is there already: what comes over a new link, or in another run, must fit on.
    async fn compare<S: Source>(
        &mut self,
        source: &mut S,
        end: u64,
        keep: &mut impl Keep,
        tell: &mut Tell<'_>,
    ) -> Result<(), JobError> {
        let Some((at, page)) = keep.witness(end * self.unit())? else { return Ok(()) };
        let number = at / self.unit();
        let session = source.session().ok_or(JobError::NoSession)?;
        let mut again = InMemory::from(at);
        again.known = keep.kept(at, &page).map(|kept| (kept.file.to_owned(), page.clone()));
        let mut next = number;
        self.go_on(session, &mut next, number + 1, Manner::patient(1), &mut again, tell).await?;
        if same_page(&page, &again.bytes) {
            Ok(())
        } else {
            Err(JobError::EdgeDiffers(self.row.start + number * u64::from(self.size.page)))
        }
    }
}
