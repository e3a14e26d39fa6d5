//! A partition as its image maker left it, read by its headers alone.
//!
//! An image maker writes every object's header and right behind it the file's bytes, in order, all blocks under one
//! sequence number (nand-yaffs2.md section 6, rule 3). So the size in a header tells where the next one is. Looked at
//! are the first page of every block, every header, and the last page of every file. The pages between follow: what
//! they are assumed to be is checked when their bytes are read. A block whose first page is erased counts as free,
//! since the pages of a block are written in order. Where a file has holes, its pages are looked at one by one.
//!
//! Anything an image maker does not write - another sequence number, tags of the kernel's form, a page beyond repair,
//! an object met twice - and the partition is not one for this: every page has to be read.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use super::fields::{Brief, Kind};
use super::log::{Event, Known, Log, SUMMARY};
use super::options::TagsAt;
use super::pages::{Condition, Page, Pages, Read};
use super::problem::{Counts, Problem, Problems};
use super::tagged::{Tagged, TagsParity, What};
use crate::read_at::{ReadAt, ReadError};
use crate::yaffs2::LAST_CHUNK;
use crate::yaffs2::tags::FIRST_SEQUENCE;

/// What came of it.
pub(super) enum Skimmed {
    /// The log, in order.
    Log(Log, Problems),
    /// The partition is not as an image maker leaves it; so many pages were read to see that.
    Unlike(u32),
}

/// Why it ended early.
enum Stop {
    Unlike,
    Read(ReadError),
}

impl From<ReadError> for Stop {
    fn from(error: ReadError) -> Self {
        Self::Read(error)
    }
}

/// A page an image maker wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Made {
    object: u32,
    /// Number and bytes of a chunk of the file; none for a header.
    chunk: Option<(u32, u16)>,
}

/// Reads no more of the pages than needed.
pub(super) fn skim<S: ReadAt>(pages: &Pages<S>) -> Result<Skimmed, ReadError> {
    let mut log = Log::new(&pages.options.geometry);
    log.counts = Counts { pages: pages.count, ..Counts::default() };
    let mut problems = Problems::default();
    if pages.left_over != 0 {
        problems.add(Problem::LeftOver(pages.left_over));
    }
    let (page, run) = (pages.buffer(), Vec::new());
    let (written, firsts, seen, corrected) = (Vec::new(), Vec::new(), BTreeSet::new(), BTreeMap::new());
    let mut skim = Skim { pages, log, problems, page, run, written, firsts, seen, corrected };
    match skim.blocks().and_then(|()| skim.objects()) {
        Ok(()) => Ok(skim.done()),
        Err(Stop::Unlike) => Ok(Skimmed::Unlike(skim.log.counts.looked)),
        Err(Stop::Read(error)) => Err(error),
    }
}

struct Skim<'a, S> {
    pages: &'a Pages<S>,
    log: Log,
    problems: Problems,
    page: Page,
    run: Vec<u8>,
    /// Written blocks in order, and what their first pages are.
    written: Vec<u32>,
    firsts: Vec<Made>,
    /// Objects met.
    seen: BTreeSet<u32>,
    /// Wrong bits by page: a page may be met twice.
    corrected: BTreeMap<u32, u32>,
}

impl<S: ReadAt> Skim<'_, S> {
    /// Looks at the first page of every block: the free ones come last, bad ones anywhere.
    fn blocks(&mut self) -> Result<(), Stop> {
        let many = self.log.pages_per_block;
        let mut free = false;
        for block in 0..self.pages.count.div_ceil(many) {
            let first = block.saturating_mul(many);
            let size = self.pages.count.saturating_sub(first).min(many);
            self.fetch(first)?;
            let counts = &mut self.log.counts;
            if self.pages.marks_bad(&self.run) {
                counts.bad = counts.bad.saturating_add(size);
                self.problems.add(Problem::BadBlock(block));
                self.log.end_block(None);
                continue;
            }
            let Some(made) = self.made(first)? else {
                let counts = &mut self.log.counts;
                counts.blank = counts.blank.saturating_add(size);
                counts.assumed = counts.assumed.saturating_add(size.saturating_sub(1));
                self.log.end_block(None);
                free = true;
                continue;
            };
            if free {
                return Err(Stop::Unlike);
            }
            self.written.push(block);
            self.firsts.push(made);
            self.log.end_block(Some(FIRST_SEQUENCE));
        }
        Ok(())
    }

    /// Goes from header to header.
    fn objects(&mut self) -> Result<(), Stop> {
        let mut at = 0;
        while let Some(number) = self.number(at) {
            self.fetch(number)?;
            let Some(made) = self.made(number)? else { return self.tail(at) };
            if made.chunk.is_some() {
                return Err(Stop::Unlike);
            }
            at = at.saturating_add(1);
            if let Some(size) = self.header(made.object, number)? {
                at = self.bytes(made.object, size, at)?;
            }
        }
        Ok(())
    }

    /// The rest of the last written block, from its first erased page on.
    fn tail(&mut self, at: u32) -> Result<(), Stop> {
        for (at, erased) in (at..).zip(1_u32..) {
            let Some(number) = self.number(at) else { break };
            if erased > 1 {
                self.fetch(number)?;
                if self.made(number)?.is_some() {
                    return Err(Stop::Unlike);
                }
            }
            self.log.counts.blank = self.log.counts.blank.saturating_add(1);
        }
        Ok(())
    }

    /// Notes the header in the page at hand; gives the size of a file with bytes.
    fn header(&mut self, object: u32, number: u32) -> Result<Option<u64>, Stop> {
        let in_band = self.pages.options.tags == TagsAt::InBand;
        let brief = Brief::read(self.page.chunk(), None, self.pages.options.order, in_band);
        let brief = brief.filter(|brief| !brief.shrink && brief.shadows == 0).ok_or(Stop::Unlike)?;
        if !self.seen.insert(object) {
            return Err(Stop::Unlike);
        }
        let index = u32::try_from(self.log.headers.len()).unwrap_or(u32::MAX);
        self.log.headers.push(brief);
        self.log.record(object, number, Event::Header(index));
        Ok((brief.kind == Kind::File && brief.size != 0).then_some(brief.size))
    }

    /// The bytes of a file from the page `from` on; gives the page behind them.
    fn bytes(&mut self, object: u32, size: u64, from: u32) -> Result<u32, Stop> {
        let step = u64::try_from(self.pages.options.chunk_bytes()).unwrap_or(u64::MAX).max(1);
        let chunks = u32::try_from(size.div_ceil(step)).unwrap_or(u32::MAX).min(LAST_CHUNK);
        let last = from.saturating_add(chunks.saturating_sub(1));
        let left = size.saturating_sub(u64::from(chunks.saturating_sub(1)).saturating_mul(step)).min(step);
        let [whole, left] = [step, left].map(|bytes| u16::try_from(bytes).unwrap_or(u16::MAX));
        if !self.is_whole(object, from, chunks, [whole, left])? {
            return self.one_by_one(object, chunks, from);
        }
        for (at, chunk) in (from..=last).zip(1..) {
            let Some(number) = self.number(at) else { break };
            let looked = at == last || at.checked_rem(self.log.pages_per_block) == Some(0);
            let known = if looked { Known::Tags } else { Known::Assumed };
            let assumed = &mut self.log.counts.assumed;
            *assumed = assumed.saturating_add(u32::from(!looked));
            let bytes = if at == last { left } else { whole };
            self.log.record(object, number, Event::Data { chunk, bytes, known });
        }
        Ok(last.saturating_add(1))
    }

    /// Whether nothing speaks against all chunks of the file being there in order: the first pages of blocks among
    /// them, and the last one of all.
    fn is_whole(
        &mut self,
        object: u32,
        from: u32,
        chunks: u32,
        [whole, left]: [u16; 2],
    ) -> Result<bool, Stop> {
        let Some(last) = from.checked_add(chunks.saturating_sub(1)) else { return Ok(false) };
        let Some(number) = self.number(last) else { return Ok(false) };
        let many = self.log.pages_per_block;
        let blocks = from.div_ceil(many)..last.div_ceil(many);
        for block in blocks {
            let chunk = block.saturating_mul(many).saturating_sub(from).saturating_add(1);
            let place = usize::try_from(block).unwrap_or(usize::MAX);
            if self.firsts.get(place) != Some(&Made { object, chunk: Some((chunk, whole)) }) {
                return Ok(false);
            }
        }
        self.fetch(number)?;
        // A page that is something else is seen again, and judged, one by one.
        let read = self.pages.read(&self.run, &mut self.page);
        Ok(self
            .judged(number, &read)
            .is_ok_and(|it| it == Some(Made { object, chunk: Some((chunks, left)) })))
    }

    /// The bytes of a file with holes; gives the page behind them.
    fn one_by_one(&mut self, object: u32, chunks: u32, from: u32) -> Result<u32, Stop> {
        let mut before = 0;
        for at in from.. {
            let Some(number) = self.number(at) else { return Ok(at) };
            self.fetch(number)?;
            match self.made(number)? {
                Some(Made { object: its, chunk: Some((chunk, bytes)) })
                    if its == object && chunk > before && chunk <= chunks =>
                {
                    self.log.record(object, number, Event::Data { chunk, bytes, known: Known::Tags });
                    before = chunk;
                }
                // The next header, or the end; anything else is met there again.
                _ => return Ok(at),
            }
        }
        Ok(from)
    }

    /// The page of this place in the order of writing.
    fn number(&self, at: u32) -> Option<u32> {
        let many = self.log.pages_per_block;
        let block = self.written.get(usize::try_from(at.checked_div(many)?).ok()?)?;
        let number = block.checked_mul(many)?.checked_add(at.checked_rem(many)?)?;
        (number < self.pages.count).then_some(number)
    }

    fn fetch(&mut self, number: u32) -> Result<(), ReadError> {
        self.log.counts.looked = self.log.counts.looked.saturating_add(1);
        self.pages.fetch(number, 1, &mut self.run)
    }

    /// What the fetched page is; none for an erased one.
    fn made(&mut self, number: u32) -> Result<Option<Made>, Stop> {
        let read = self.pages.read(&self.run, &mut self.page);
        self.judged(number, &read)
    }

    fn judged(&mut self, number: u32, read: &Read) -> Result<Option<Made>, Stop> {
        match read.condition {
            Condition::Blank => return Ok(None),
            Condition::Damaged => return Err(Stop::Unlike),
            Condition::Sound { corrected: 0 } | Condition::Unchecked => {}
            Condition::Sound { corrected } => {
                self.corrected.insert(number, corrected);
            }
        }
        match (read.tagged, read.parity) {
            (_, TagsParity::Bad) => Err(Stop::Unlike),
            (Tagged::Chunk { sequence: FIRST_SEQUENCE, object, what }, _) if object != SUMMARY => {
                match what {
                    What::Header(None) => Ok(Some(Made { object, chunk: None })),
                    What::Header(Some(_)) => Err(Stop::Unlike),
                    What::Data { chunk, bytes } => Ok(Some(Made { object, chunk: Some((chunk, bytes)) })),
                }
            }
            _ => Err(Stop::Unlike),
        }
    }

    fn done(mut self) -> Skimmed {
        let counts = &mut self.log.counts;
        counts.corrected = u32::try_from(self.corrected.len()).unwrap_or(u32::MAX);
        counts.bits = self.corrected.values().map(|bits| u64::from(*bits)).fold(0, u64::saturating_add);
        self.log.order();
        Skimmed::Log(self.log, self.problems)
    }
}
