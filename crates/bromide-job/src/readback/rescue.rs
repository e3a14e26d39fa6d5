//! The order in which pages are tried, as GNU ddrescue has it: what comes easily first, the edges of what does not
//! from both sides, then page by page, and what is bad once more at the end.
//!
//! ```text
//! copy    ????  forward in large packets; where it stops, a stretch is left out (*), longer each time
//! trim    ****  single pages from the front, then from the back, each to the first that does not come (-)
//! scrape  ////  what is between the two, page by page
//! retry   ----  bad pages once more, the other way round
//! ```
//! Bounded: after [`HOPELESS`] places in a row without a page between them the rest is left for another run.

use std::ops::Range;

use crate::dump::Dump;
use crate::error::JobError;
use crate::event::{Event, Tell};
use crate::mapfile::State;
use crate::readback::pages::{Manner, Pages, Went};
use crate::source::Source;

/// Pages left out behind one that did not come; twice as many each time, up to the second figure.
const SKIP: u64 = 64;
const LONGEST_SKIP: u64 = 4096;
/// Places in a row that may fail without a single page between them.
const HOPELESS: u32 = 12;
/// Single pages in a row that may fail.
const HOPELESS_PAGES: u32 = 256;

/// One image being rescued.
pub(super) struct Rescue<'a, 'r> {
    pub(super) pages: &'a mut Pages<'r>,
    pub(super) dump: &'a mut Dump,
    /// What the last page that did not come ended with.
    pub(super) last: String,
}

impl<'a, 'r> Rescue<'a, 'r> {
    /// Pages into a file.
    pub(super) const fn new(pages: &'a mut Pages<'r>, dump: &'a mut Dump) -> Self {
        Self { pages, dump, last: String::new() }
    }

    /// Everything that comes in large packets.
    pub(super) async fn copy<S: Source>(
        &mut self,
        source: &mut S,
        pages_per_packet: u32,
        tell: &mut Tell<'_>,
    ) -> Result<(), JobError> {
        let (mut skip, mut failures, mut from) = (SKIP, 0, 0);
        while let Some(gap) = self.next(State::Untried, from) {
            let manner = Manner::swift(pages_per_packet);
            match self.pages.read(source, gap.clone(), manner, self.dump, tell).await? {
                Went::All => from = gap.end,
                Went::Stopped { page, why } => {
                    if page >= gap.start + SKIP {
                        (skip, failures) = (SKIP, 0);
                    }
                    failures += 1;
                    from = (page + skip).min(gap.end);
                    self.mark(page..from, State::Untrimmed)?;
                    let name = &self.pages.row.name;
                    tell(Event::Warning(&format!(
                        "{name}: page {page} does not come ({why}); going on at page {from}, what is left out is tried \
                         at the end"
                    )));
                    if failures >= HOPELESS {
                        tell(Event::Warning(&format!("{name}: too many places fail; the rest is left")));
                        return Ok(());
                    }
                    skip = (skip * 2).min(LONGEST_SKIP);
                }
            }
        }
        Ok(())
    }

    /// Everything else that can be had.
    pub(super) async fn insist<S: Source>(
        &mut self,
        source: &mut S,
        tell: &mut Tell<'_>,
    ) -> Result<(), JobError> {
        self.trim(source, tell).await?;
        let mut failures = 0;
        let mut from = 0;
        while let Some(gap) = self.next(State::Unscraped, from) {
            from = gap.end;
            for page in gap {
                if !self.one(source, page, &mut failures, tell).await? {
                    return Ok(());
                }
            }
        }
        let mut bad = Vec::new();
        let mut from = 0;
        while let Some(gap) = self.next(State::Bad, from) {
            from = gap.end;
            bad.extend(gap);
        }
        for page in bad.into_iter().rev() {
            if !self.one(source, page, &mut failures, tell).await? {
                return Ok(());
            }
        }
        Ok(())
    }

    async fn trim<S: Source>(&mut self, source: &mut S, tell: &mut Tell<'_>) -> Result<(), JobError> {
        let mut from = 0;
        let mut failures = 0;
        while let Some(gap) = self.next(State::Untrimmed, from) {
            from = gap.end;
            let mut left = gap.clone();
            // To the first page from either side that does not come.
            for page in left.by_ref() {
                if !self.comes(source, page, tell).await? {
                    failures += 1;
                    break;
                }
                failures = 0;
            }
            while let Some(page) = left.next_back() {
                if !self.comes(source, page, tell).await? {
                    failures += 1;
                    break;
                }
                failures = 0;
            }
            self.mark(left, State::Unscraped)?;
            if failures >= HOPELESS_PAGES {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Tries one page; false when it is not worth going on.
    async fn one<S: Source>(
        &mut self,
        source: &mut S,
        page: u64,
        failures: &mut u32,
        tell: &mut Tell<'_>,
    ) -> Result<bool, JobError> {
        *failures = if self.comes(source, page, tell).await? { 0 } else { *failures + 1 };
        Ok(*failures < HOPELESS_PAGES)
    }

    async fn comes<S: Source>(
        &mut self,
        source: &mut S,
        page: u64,
        tell: &mut Tell<'_>,
    ) -> Result<bool, JobError> {
        let went = self.pages.read(source, page..page + 1, Manner::single(), self.dump, tell).await?;
        let Went::Stopped { why, .. } = went else { return Ok(true) };
        self.last = why;
        self.mark(page..page + 1, State::Bad)?;
        Ok(false)
    }

    /// The next stretch of this state, in pages.
    fn next(&self, state: State, from: u64) -> Option<Range<u64>> {
        let unit = self.pages.unit();
        let found = self.dump.map().next(state, from * unit)?;
        Some(found.start / unit..found.end.div_ceil(unit))
    }

    fn mark(&mut self, pages: Range<u64>, state: State) -> Result<(), JobError> {
        let unit = self.pages.unit();
        Ok(self.dump.mark(pages.start * unit..pages.end * unit, state)?)
    }
}
