//! Pages of an image, one at a time: taken apart, corrected by the sector ECC, and their tags read.

use alloc::vec;
use alloc::vec::Vec;

use bromide_nand::ecc::{self, SectorState};
use bromide_nand::{Layout, SECTOR_BYTES, bad_mark, fdm};

use super::options::{IN_BAND, Options, TagsAt, Verify};
use super::tagged::{self, Tagged, TagsParity};
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

    /// As [`Self::open`], but takes a page that was found without a wrong bit before as it is.
    pub(super) fn open_known(&self, stored: &[u8], clean: bool, page: &mut Page) -> Condition {
        if clean {
            self.spread(stored, page);
            return Condition::Unchecked;
        }
        self.open(stored, page)
    }

    /// Takes a stored page apart, corrects it as far as asked for and reads its tags.
    pub(super) fn read(&self, stored: &[u8], page: &mut Page) -> Read {
        self.spread(stored, page);
        let blank = Read { condition: Condition::Blank, tagged: Tagged::Foreign, parity: TagsParity::Absent };
        if !self.ecc {
            let (tagged, parity, ones) = self.tags(page, false);
            return if ones { blank } else { Read { condition: Condition::Unchecked, tagged, parity } };
        }
        let quick = self.options.verify == Verify::Tags && self.options.tags == TagsAt::Fdm;
        if quick {
            let (mut bytes, len) = self.fdm(page);
            let all = bytes.get_mut(..len).unwrap_or_default();
            let (tagged, parity, _) = self.tags(page, true);
            let data = matches!(tagged, Tagged::Chunk { what: tagged::What::Data { .. }, .. });
            if data && fdm::check_holds(all) {
                return Read { condition: Condition::Unchecked, tagged, parity };
            }
        }
        match correct(page) {
            Condition::Blank => blank,
            condition => {
                // A wrong "repair" of many flipped bits is told by the check byte, 255 times in 256.
                let (bytes, len) = self.fdm(page);
                let holds = fdm::check_holds(bytes.get(..len).unwrap_or_default());
                let doubtful = self.options.tags == TagsAt::Fdm && !condition.is_clean() && !holds;
                let condition = if doubtful { Condition::Damaged } else { condition };
                let (tagged, parity, _) = self.tags(page, true);
                Read { condition, tagged, parity }
            }
        }
    }

    /// Main bytes first, then the spare. A page of the wrong length leaves the buffer as it was; there are none.
    fn spread(&self, stored: &[u8], page: &mut Page) {
        let to =
            if self.options.layout == Layout::MainOnly { Layout::MainOnly } else { Layout::DataThenSpare };
        let _ = self.options.layout.convert(stored, to, &mut page.bytes, &self.options.geometry);
    }

    /// The tags, what their parity says, and whether they are erased. Under `ecc` the sectors vouch for them.
    fn tags(&self, page: &Page, ecc: bool) -> (Tagged, TagsParity, bool) {
        let mut bytes = [0xFF; 28];
        let len = self.tag_bytes(page, &mut bytes);
        let bytes = bytes.get_mut(..len).unwrap_or_default();
        let (chunk, order) = (self.options.chunk_bytes(), self.options.order);
        let zeros = bytes.iter().take(16).fold(0_u32, |sum, byte| sum.saturating_add(byte.count_zeros()));
        let parity = if ecc {
            // Sound sectors and tags that do not fit their parity: written so. The phone would not look.
            let mut copy = [0xFF; 28];
            copy.iter_mut().zip(bytes.iter()).for_each(|(to, from)| *to = *from);
            tagged::repair(copy.get_mut(..len).unwrap_or_default(), order)
        } else {
            tagged::repair(bytes, order)
        };
        (tagged::read(bytes, order, chunk), parity, zeros <= ecc::BLANK_LIMIT)
    }

    fn tag_bytes(&self, page: &Page, into: &mut [u8; 28]) -> usize {
        let (main, spare) = page.bytes.split_at(page.main.min(page.bytes.len()));
        let from = match self.options.tags {
            TagsAt::Fdm => {
                let (bytes, len) = self.fdm(page);
                return fdm::software(bytes.get(..len).unwrap_or_default(), into);
            }
            TagsAt::Spare(at) => spare.get(usize::from(at)..).unwrap_or_default(),
            TagsAt::InBand => main.get(main.len().saturating_sub(IN_BAND)..).unwrap_or_default(),
        };
        into.iter_mut().zip(from).map(|(to, from)| *to = *from).count()
    }

    /// The FDM bytes of all sectors, and how many there are.
    fn fdm(&self, page: &Page) -> ([u8; 256], usize) {
        let mut bytes = [0xFF; 256];
        let spare = page.bytes.get(page.main..).unwrap_or_default();
        let step = wide(self.options.geometry.spare_per_sector()).max(fdm::PER_SECTOR);
        let mut len = 0_usize;
        for (to, from) in
            bytes.as_chunks_mut::<{ fdm::PER_SECTOR }>().0.iter_mut().zip(spare.chunks_exact(step))
        {
            if let Some(from) = from.first_chunk() {
                *to = *from;
                len = len.saturating_add(fdm::PER_SECTOR);
            }
        }
        (bytes, len)
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
