//! Pages of an image, one at a time: taken apart, corrected by the sector ECC, and their tags read.

use alloc::vec;
use alloc::vec::Vec;

use bromide_nand::ecc::{self, SectorState};
use bromide_nand::{Layout, SECTOR_BYTES, bad_mark, fdm};

use super::options::{IN_BAND, Options, TagsAt, Verify};
use super::tagged::{self, Tagged, TagsParity, What};
use crate::read_at::{ReadAt, ReadError};

/// Most bytes read at once.
const RUN: usize = 1 << 19;

/// A source seen as pages.
#[derive(Debug)]
pub(super) struct Pages<S> {
    source: S,
    pub(super) options: Options,
    /// Bytes of a page as stored.
    unit: usize,
    /// Whole pages in the source.
    pub(super) count: u32,
    /// Bytes behind the last whole page.
    pub(super) left_over: u64,
    main: usize,
    /// Whether the sectors can be checked.
    ecc: bool,
}

/// The state of a page and whether it needed repair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Condition {
    /// Erased.
    Blank,
    /// Beyond repair.
    Damaged,
    /// Every sector checked; so many bits were wrong and are right now.
    Sound { corrected: u32 },
    /// Without ECC, or not checked on purpose.
    Unchecked,
}

impl Condition {
    /// Whether the stored bytes can be taken again as they are.
    pub(super) const fn is_clean(self) -> bool {
        matches!(self, Self::Sound { corrected: 0 })
    }
}

/// Bytes of one page, main bytes first, then the spare.
#[derive(Debug)]
pub(super) struct Page {
    bytes: Vec<u8>,
    main: usize,
    chunk: usize,
}

impl Page {
    /// The bytes of the chunk.
    pub(super) fn chunk(&self) -> &[u8] {
        self.bytes.get(..self.chunk).unwrap_or_default()
    }
}

/// What a page is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Read {
    pub(super) condition: Condition,
    pub(super) tagged: Tagged,
    pub(super) parity: TagsParity,
}

impl<S: ReadAt> Pages<S> {
    pub(super) fn new(source: S, options: Options) -> Self {
        let unit = options.layout.unit_bytes(&options.geometry);
        let whole = source.len().checked_div(u64::from(unit)).unwrap_or(0);
        let left_over = source.len().checked_rem(u64::from(unit)).unwrap_or(0);
        let ecc = options.ecc && options.geometry.ecc().is_some() && options.layout != Layout::MainOnly;
        Self {
            source,
            options,
            unit: wide(unit),
            count: u32::try_from(whole).unwrap_or(u32::MAX),
            left_over,
            main: wide(options.geometry.page),
            ecc,
        }
    }

    /// A buffer for one page.
    pub(super) fn buffer(&self) -> Page {
        let spare = if self.options.layout == Layout::MainOnly { 0 } else { self.unit };
        let len = spare.max(self.main);
        Page { bytes: vec![0; len], main: self.main, chunk: self.options.chunk_bytes() }
    }

    /// Whether sectors are under an ECC that is known.
    pub(super) const fn checks_sectors(&self) -> bool {
        self.ecc
    }

    /// How many pages are worth reading together.
    pub(super) fn run(&self) -> u32 {
        let pages = RUN.checked_div(self.unit).unwrap_or(1).max(1);
        u32::try_from(pages).unwrap_or(1)
    }

    /// The bytes of `pages` pages from `first` on, as stored.
    pub(super) fn fetch(&self, first: u32, pages: u32, into: &mut Vec<u8>) -> Result<(), ReadError> {
        into.resize(self.unit.saturating_mul(wide(pages)), 0);
        let unit = u64::try_from(self.unit).unwrap_or(u64::MAX);
        self.source.read_at(u64::from(first).saturating_mul(unit), into)
    }

    /// The pages of what [`Self::fetch`] gave.
    pub(super) fn stored<'a>(&self, run: &'a [u8]) -> core::slice::ChunksExact<'a, u8> {
        run.chunks_exact(self.unit.max(1))
    }

    /// Whether this page, the first of its block, marks the block as bad. Only where the spare is laid out as on the
    /// chip: elsewhere the tags are in the mark's place.
    pub(super) fn marks_bad(&self, stored: &[u8]) -> bool {
        !matches!(self.options.tags, TagsAt::Spare(_))
            && bad_mark(stored, self.options.layout, &self.options.geometry) == Some(true)
    }

    /// Takes a stored page apart and corrects it, without a look at its tags.
    pub(super) fn open(&self, stored: &[u8], page: &mut Page) -> Condition {
        self.spread(stored, page);
        if self.ecc { correct(page) } else { Condition::Unchecked }
    }

    /// Whether every sector is without a wrong bit, found where it lies: nearly every page is, and needs no copy.
    pub(super) fn is_clean(&self, stored: &[u8]) -> bool {
        let sectors = self.options.layout.sectors(stored, &self.options.geometry);
        self.ecc
            && sectors.is_ok_and(|mut sectors| {
                sectors.all(|(data, spare)| ecc::check_sector(data, spare) == SectorState::Clean)
            })
    }

    /// What the tags of a page say that is without a wrong bit, read where it lies; none where that is not sure.
    /// `page` is room to take it apart in where that is needed.
    pub(super) fn tagged_if_clean(&self, stored: &[u8], page: &mut Page) -> Option<Tagged> {
        self.is_clean(stored).then(|| self.tags(stored, page, true).tagged)
    }

    /// Copies what there is of the chunk of a stored page from its byte `skip` on into `into`, uncorrected.
    pub(super) fn copy(&self, stored: &[u8], skip: usize, into: &mut [u8]) {
        if self.options.layout != Layout::Interleaved {
            let chunk = stored.get(..self.options.chunk_bytes()).unwrap_or(stored);
            return fill(into, chunk.get(skip..).unwrap_or_default());
        }
        let step = self.sector_step();
        let (mut skip, mut left) = (skip, into);
        for sector in stored.chunks(step) {
            let data = sector.get(..SECTOR_BYTES).unwrap_or(sector);
            if let Some(data) = data.get(skip..) {
                let (now, later) = left.split_at_mut(data.len().min(left.len()));
                fill(now, data);
                left = later;
            }
            skip = skip.saturating_sub(data.len());
        }
    }

    /// Takes a stored page apart, corrects it as far as asked for and reads its tags. Only of a header are the bytes
    /// sure to be in `page` afterwards.
    pub(super) fn read(&self, stored: &[u8], page: &mut Page) -> Read {
        let blank = Read { condition: Condition::Blank, tagged: Tagged::Foreign, parity: TagsParity::Absent };
        if is_erased(stored) {
            return blank;
        }
        if !self.ecc {
            let Tags { tagged, parity, ones } = self.tags(stored, page, false);
            if matches!(tagged, Tagged::Chunk { what: What::Header(_), .. }) {
                self.spread(stored, page);
            }
            return if ones { blank } else { Read { condition: Condition::Unchecked, tagged, parity } };
        }
        let in_fdm = self.options.tags == TagsAt::Fdm;
        if in_fdm && self.options.verify != Verify::Pages {
            let Tags { tagged, parity, .. } = self.tags(stored, page, true);
            let data = matches!(tagged, Tagged::Chunk { what: What::Data { .. }, .. });
            // Two wrong bits can leave the check byte right, but not the parity of the tags; a running phone writes
            // none, and there the sectors have to be asked.
            if data && parity == TagsParity::Good && self.check_holds(stored) {
                return Read { condition: Condition::Unchecked, tagged, parity };
            }
        }
        if self.is_clean(stored) {
            let Tags { tagged, parity, .. } = self.tags(stored, page, true);
            if !matches!(tagged, Tagged::Chunk { what: What::Data { .. }, .. }) {
                self.spread(stored, page);
            }
            return Read { condition: Condition::Sound { corrected: 0 }, tagged, parity };
        }
        self.spread(stored, page);
        match correct(page) {
            Condition::Blank => blank,
            condition => {
                // A wrong "repair" of many flipped bits is told by the check byte, 255 times in 256.
                let (bytes, len) = self.fdm_of(page.bytes.get(page.main..), self.spare_step());
                let holds = fdm::check_holds(bytes.get(..len).unwrap_or_default());
                let doubtful = in_fdm && !condition.is_clean() && !holds;
                let condition = if doubtful { Condition::Damaged } else { condition };
                let Tags { tagged, parity, .. } = self.tags_of(&page.bytes, true);
                Read { condition, tagged, parity }
            }
        }
    }

    /// As [`Self::read`], with every sector checked whatever the options say, and the bytes in `page`.
    pub(super) fn read_whole(&self, stored: &[u8], page: &mut Page) -> Read {
        let condition = self.open(stored, page);
        let Tags { tagged, parity, .. } = self.tags_of(&page.bytes, self.ecc);
        Read { condition, tagged, parity }
    }

    /// Main bytes first, then the spare. A page of the wrong length leaves the buffer as it was; there are none.
    fn spread(&self, stored: &[u8], page: &mut Page) {
        let to =
            if self.options.layout == Layout::MainOnly { Layout::MainOnly } else { Layout::DataThenSpare };
        let _ = self.options.layout.convert(stored, to, &mut page.bytes, &self.options.geometry);
    }

    /// The tags of a stored page as it is. `page` is room to take it apart in where that is needed.
    fn tags(&self, stored: &[u8], page: &mut Page, ecc: bool) -> Tags {
        match (self.options.layout, self.options.tags) {
            (Layout::Interleaved, TagsAt::Fdm) => {
                let (bytes, len) = self.stored_fdm(stored);
                self.tags_in_fdm(bytes.get(..len).unwrap_or_default(), ecc)
            }
            (Layout::Interleaved, _) => {
                self.spread(stored, page);
                self.tags_of(&page.bytes, ecc)
            }
            (Layout::DataThenSpare | Layout::MainOnly, _) => self.tags_of(stored, ecc),
        }
    }

    /// The tags of a page with its main bytes first.
    fn tags_of(&self, bytes: &[u8], ecc: bool) -> Tags {
        let (main, spare) = bytes.split_at(self.main.min(bytes.len()));
        let from = match self.options.tags {
            TagsAt::Fdm => {
                let (bytes, len) = self.fdm_of(Some(spare), self.spare_step());
                return self.tags_in_fdm(bytes.get(..len).unwrap_or_default(), ecc);
            }
            TagsAt::Spare(at) => spare.get(usize::from(at)..).unwrap_or_default(),
            TagsAt::InBand => main.get(main.len().saturating_sub(IN_BAND)..).unwrap_or_default(),
        };
        let mut bytes = [0xFF; 28];
        let len = bytes.iter_mut().zip(from).map(|(to, from)| *to = *from).count();
        self.tags_in(bytes, len, ecc)
    }

    fn tags_in_fdm(&self, fdm_bytes: &[u8], ecc: bool) -> Tags {
        let mut bytes = [0xFF; 28];
        let len = fdm::software(fdm_bytes, &mut bytes);
        self.tags_in(bytes, len, ecc)
    }

    /// The tags, what their parity says, and whether they are erased. Under `ecc` the sectors vouch for them.
    fn tags_in(&self, mut bytes: [u8; 28], len: usize, ecc: bool) -> Tags {
        let (chunk, order) = (self.options.chunk_bytes(), self.options.order);
        let mut repaired = bytes;
        let zeros =
            bytes.iter().take(len.min(16)).fold(0_u32, |sum, byte| sum.saturating_add(byte.count_zeros()));
        let parity = tagged::repair(repaired.get_mut(..len).unwrap_or_default(), order);
        // Sound sectors and tags that do not fit their parity: written so. The phone would not look.
        if !ecc {
            bytes = repaired;
        }
        let tagged = tagged::read(bytes.get(..len).unwrap_or_default(), order, chunk);
        Tags { tagged, parity, ones: zeros <= ecc::BLANK_LIMIT }
    }

    fn check_holds(&self, stored: &[u8]) -> bool {
        let (bytes, len) = match self.options.layout {
            Layout::Interleaved => self.stored_fdm(stored),
            Layout::DataThenSpare | Layout::MainOnly => {
                self.fdm_of(stored.get(self.main..), self.spare_step())
            }
        };
        fdm::check_holds(bytes.get(..len).unwrap_or_default())
    }

    /// The FDM bytes of all sectors of an interleaved page, and how many there are.
    fn stored_fdm(&self, stored: &[u8]) -> ([u8; 256], usize) {
        self.fdm_of(stored.get(SECTOR_BYTES..), self.sector_step())
    }

    /// The FDM bytes that begin each `step` bytes, and how many there are.
    fn fdm_of(&self, bytes: Option<&[u8]>, step: usize) -> ([u8; 256], usize) {
        let mut found = [0xFF; 256];
        let mut len = 0_usize;
        let sectors = bytes.unwrap_or_default().chunks(step.max(1));
        let sectors = sectors.take(wide(self.options.geometry.sectors_per_page()));
        for (to, from) in found.as_chunks_mut::<{ fdm::PER_SECTOR }>().0.iter_mut().zip(sectors) {
            if let Some(from) = from.first_chunk() {
                *to = *from;
                len = len.saturating_add(fdm::PER_SECTOR);
            }
        }
        (found, len)
    }

    fn spare_step(&self) -> usize {
        wide(self.options.geometry.spare_per_sector()).max(fdm::PER_SECTOR)
    }

    fn sector_step(&self) -> usize {
        SECTOR_BYTES.saturating_add(wide(self.options.geometry.spare_per_sector()))
    }
}

/// What the tag bytes of a page say.
struct Tags {
    tagged: Tagged,
    parity: TagsParity,
    /// Whether they are erased.
    ones: bool,
}

/// Whether every bit is a one.
fn is_erased(stored: &[u8]) -> bool {
    stored.chunks(64).all(|some| some.iter().fold(0xFF, |all, byte| all & byte) == 0xFF)
}

/// As many of the bytes as there are on both sides.
pub(super) fn fill(into: &mut [u8], from: &[u8]) {
    let len = into.len().min(from.len());
    if let (Some(into), Some(from)) = (into.get_mut(..len), from.get(..len)) {
        into.copy_from_slice(from);
    }
}

/// Corrects every sector. An erased sector beside a written one is damage, as in [`bromide_nand::check_page`].
fn correct(page: &mut Page) -> Condition {
    let Some((main, spare)) = page.bytes.split_at_mut_checked(page.main) else { return Condition::Damaged };
    let (mut written, mut blank, mut damaged, mut corrected) = (false, false, false, 0_u32);
    let sectors = main.as_chunks_mut::<SECTOR_BYTES>().0.iter_mut().zip(spare.as_chunks_mut::<16>().0);
    for (data, spare) in sectors {
        match ecc::correct_sector(data, spare) {
            SectorState::Clean => written = true,
            SectorState::Correctable { bits } => {
                written = true;
                corrected = corrected.saturating_add(u32::from(bits));
            }
            SectorState::Damaged => damaged = true,
            SectorState::Blank { .. } => blank = true,
        }
    }
    match (damaged, written, blank) {
        (true, _, _) | (false, true, true) => Condition::Damaged,
        (false, true, false) => Condition::Sound { corrected },
        (false, false, _) => Condition::Blank,
    }
}

/// A size that fits any address space this code meets.
fn wide(size: u32) -> usize {
    usize::try_from(size).unwrap_or(usize::MAX)
}
