//! The log: every chunk of the image, by object and from the newest to the oldest.
//!
//! One pass over the pages; 16 bytes are kept of each chunk and 32 more of each header (nand-yaffs2.md section 6,
//! rules 1 to 6, 16 and 17).

use alloc::vec;
use alloc::vec::Vec;
use core::cmp::Reverse;

use bromide_nand::Geometry;

use super::fields::{Brief, Kind};
use super::options::TagsAt;
use super::pages::{Condition, Page, Pages, Read};
use super::problem::{Counts, Problem, Problems};
use super::tagged::{self, Extra, Tagged, TagsParity, What};
use crate::read_at::{ReadAt, ReadError};

/// Object id of the pages that repeat the tags of a block.
pub(super) const SUMMARY: u32 = 0x10;

/// One chunk, or that an object was replaced by another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) object: u32,
    pub(super) page: u32,
    pub(super) event: Event,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Event {
    /// Bytes of the file.
    Data { chunk: u32, bytes: u16, known: Known },
    /// A header, by its place in [`Log::headers`].
    Header(u32),
    /// The header of the object `by` took this one's place.
    Shadowed { by: u32 },
}

/// What is known of a page of file bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Known {
    /// No bit of it is wrong: it can be read again as it is.
    Clean,
    /// Its tags.
    Tags,
    /// Nothing: what it is follows from its neighbours, and is checked when it is read.
    Assumed,
}

/// All that the pages say.
#[derive(Debug)]
pub(super) struct Log {
    /// By object id, then from the newest on.
    pub(super) records: Vec<Record>,
    pub(super) headers: Vec<Brief>,
    /// Sequence number of each block, and its place in the order of all.
    blocks: Vec<(u32, u32)>,
    pub(super) pages_per_block: u32,
    pub(super) counts: Counts,
}

impl Log {
    /// Of nothing yet.
    pub(super) fn new(geometry: &Geometry) -> Self {
        let pages_per_block = geometry.pages_per_block.max(1);
        let (records, headers, blocks) = (Vec::new(), Vec::new(), Vec::new());
        Self { records, headers, blocks, pages_per_block, counts: Counts::default() }
    }

    /// Reads all pages once.
    pub(super) fn scan<S: ReadAt>(pages: &Pages<S>, problems: &mut Problems) -> Result<Self, ReadError> {
        let mut log = Self::new(&pages.options.geometry);
        log.counts = Counts { pages: pages.count, looked: pages.count, ..Counts::default() };
        if pages.left_over != 0 {
            problems.add(Problem::LeftOver(pages.left_over));
        }
        let mut scan = Scan { pages, problems, log, page: pages.buffer(), block: Block::default() };
        let (mut run, mut at) = (Vec::new(), 0_u32);
        while at < pages.count {
            let many = pages.run().min(pages.count.saturating_sub(at));
            pages.fetch(at, many, &mut run)?;
            for (number, stored) in (at..).zip(pages.stored(&run)) {
                scan.take(number, stored);
            }
            at = at.saturating_add(many);
        }
        scan.close();
        let mut log = scan.log;
        log.order();
        Ok(log)
    }

    /// The order of a record in the log: higher is newer.
    pub(super) fn position(&self, record: &Record) -> (u32, u32) {
        let block = record.page.checked_div(self.pages_per_block).unwrap_or(0);
        (self.block(block).1, record.page)
    }

    /// Sequence number of the block of a page.
    pub(super) fn sequence(&self, page: u32) -> u32 {
        self.block(page.checked_div(self.pages_per_block).unwrap_or(0)).0
    }

    pub(super) fn header(&self, index: u32) -> Option<&Brief> {
        self.headers.get(usize::try_from(index).ok()?)
    }

    /// The records of one object, newest first.
    pub(super) fn of(&self, object: u32) -> &[Record] {
        let from = self.records.partition_point(|record| record.object < object);
        let rest = self.records.get(from..).unwrap_or_default();
        let to = rest.partition_point(|record| record.object == object);
        rest.get(..to).unwrap_or_default()
    }

    fn block(&self, block: u32) -> (u32, u32) {
        usize::try_from(block).ok().and_then(|block| self.blocks.get(block)).copied().unwrap_or_default()
    }

    /// Adds a chunk.
    pub(super) fn record(&mut self, object: u32, page: u32, event: Event) {
        self.records.push(Record { object, page, event });
        self.counts.chunks = self.counts.chunks.saturating_add(1);
    }

    /// Ends a block of this sequence number.
    pub(super) fn end_block(&mut self, sequence: Option<u32>) {
        self.blocks.push((sequence.unwrap_or(0), 0));
    }

    /// Ranks the blocks by (sequence number, block number) and sorts the records.
    pub(super) fn order(&mut self) {
        let mut order: Vec<(u32, usize)> =
            self.blocks.iter().enumerate().map(|(block, (sequence, _))| (*sequence, block)).collect();
        order.sort_unstable();
        let mut ranks = vec![0_u32; self.blocks.len()];
        for (rank, (_, block)) in (0_u32..).zip(&order) {
            if let Some(place) = ranks.get_mut(*block) {
                *place = rank;
            }
        }
        for ((_, place), rank) in self.blocks.iter_mut().zip(ranks) {
            *place = rank;
        }
        let mut records = core::mem::take(&mut self.records);
        // Image makers write one object after the other: there the records are nearly in order.
        if !records.is_sorted_by_key(|record| record.object) {
            records.sort_unstable_by_key(|record| record.object);
        }
        for of_one in records.chunk_by_mut(|a, b| a.object == b.object) {
            of_one.sort_unstable_by_key(|record| {
                (Reverse(self.position(record)), matches!(record.event, Event::Shadowed { .. }))
            });
        }
        self.records = records;
    }
}

/// The pass over the pages.
struct Scan<'a, S> {
    pages: &'a Pages<S>,
    problems: &'a mut Problems,
    log: Log,
    page: Page,
    block: Block,
}

impl<S: ReadAt> Scan<'_, S> {
    /// The next page.
    fn take(&mut self, number: u32, stored: &[u8]) {
        if number.checked_rem(self.log.pages_per_block) == Some(0) {
            if number != 0 {
                self.close();
            }
            if self.pages.marks_bad(stored) {
                self.block.skip = Some(Skip::Bad);
                self.problems
                    .add(Problem::BadBlock(number.checked_div(self.log.pages_per_block).unwrap_or(0)));
            }
        }
        let counts = &mut self.log.counts;
        match self.block.skip {
            Some(Skip::Bad) => counts.bad = counts.bad.saturating_add(1),
            Some(Skip::Checkpoint) => counts.checkpoint = counts.checkpoint.saturating_add(1),
            None => {
                let read = self.pages.read(stored, &mut self.page);
                if self.believes(number, &read) {
                    self.tagged(number, &read);
                }
            }
        }
    }

    /// Whether the tags of a page count.
    fn believes(&mut self, number: u32, read: &Read) -> bool {
        let counts = &mut self.log.counts;
        let unvouched = read.parity == TagsParity::Bad && read.condition == Condition::Unchecked;
        match read.condition {
            Condition::Blank => {
                counts.blank = counts.blank.saturating_add(1);
                return false;
            }
            Condition::Sound { corrected: 0 } => {}
            Condition::Sound { corrected } => {
                counts.corrected = counts.corrected.saturating_add(1);
                counts.bits = counts.bits.saturating_add(u64::from(corrected));
            }
            Condition::Unchecked if !unvouched || self.pages.checks_sectors() => {}
            Condition::Damaged | Condition::Unchecked => {
                counts.damaged = counts.damaged.saturating_add(1);
                self.problems.add(Problem::DamagedPage(number));
                return false;
            }
        }
        if read.parity == TagsParity::Bad {
            self.problems.add(Problem::TagsParity(number));
        }
        true
    }

    fn tagged(&mut self, number: u32, read: &Read) {
        let (sequence, object, what) = match read.tagged {
            Tagged::Chunk { sequence, object, what } => (sequence, object, what),
            Tagged::Foreign => return self.problems.add(Problem::ForeignPage(number)),
            Tagged::Checkpoint if self.block.sequence.is_none() => {
                self.block.skip = Some(Skip::Checkpoint);
                self.log.counts.checkpoint = self.log.counts.checkpoint.saturating_add(1);
                return;
            }
            Tagged::Checkpoint => {
                return self.problems.add(Problem::Sequence { page: number, sequence: tagged::CHECKPOINT });
            }
        };
        if *self.block.sequence.get_or_insert(sequence) != sequence {
            return self.problems.add(Problem::Sequence { page: number, sequence });
        }
        match what {
            _ if object == SUMMARY => {
                self.log.counts.summary = self.log.counts.summary.saturating_add(1);
            }
            What::Data { chunk, bytes } => {
                let known = if read.condition.is_clean() { Known::Clean } else { Known::Tags };
                self.log.record(object, number, Event::Data { chunk, bytes, known });
            }
            What::Header(extra) => self.header(object, number, extra),
        }
    }

    fn header(&mut self, object: u32, page: u32, extra: Option<Extra>) {
        let in_band = self.pages.options.tags == TagsAt::InBand;
        let Some(brief) = Brief::read(self.page.chunk(), extra, self.pages.options.order, in_band) else {
            return self.problems.add(Problem::HeaderKind(page));
        };
        let agrees =
            |extra: Extra| extra.parent == brief.parent && Kind::from_number(extra.kind) == Some(brief.kind);
        if extra.is_some_and(|extra| !agrees(extra)) {
            self.problems.add(Problem::TagsAndHeader(page));
        }
        let index = u32::try_from(self.log.headers.len()).unwrap_or(u32::MAX);
        self.log.headers.push(brief);
        self.log.record(object, page, Event::Header(index));
        if brief.shadows != 0 && brief.shadows != object {
            self.log.records.push(Record {
                object: brief.shadows,
                page,
                event: Event::Shadowed { by: object },
            });
        }
    }

    /// The block is at its end.
    fn close(&mut self) {
        let block = core::mem::take(&mut self.block);
        self.log.end_block(block.sequence);
    }
}

/// The block being read.
#[derive(Debug, Default)]
struct Block {
    /// Of its first readable page.
    sequence: Option<u32>,
    skip: Option<Skip>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Skip {
    Bad,
    Checkpoint,
}
