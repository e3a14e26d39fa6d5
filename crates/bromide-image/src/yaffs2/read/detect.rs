//! How an image carries its tags, found by trying: page and spare sizes, places in the spare, byte orders.
//!
//! A guess counts when the pages it gives follow from one another: headers of a known kind whose tags agree with them,
//! and chunks of a file in order. Tags read from a wrong place do neither.

use alloc::vec;
use alloc::vec::Vec;

use bromide_nand::{Geometry, Layout};

use super::fields::{Brief, Kind};
use super::options::{ByteOrder, Options, TagsAt, Verify};
use super::pages::{Condition, Page, Pages};
use super::tagged::{self, Extra, Tagged, What};
use crate::read_at::{ReadAt, ReadError};
use crate::yaffs2::LAST_OBJECT;

/// Parts of an image, each of which gives a sample from where it is first written.
const PARTS: u64 = 16;

/// Bytes of an image looked at together for the first written place.
const PIECE: usize = 1 << 16;

/// Written pages of a sample, for each guess; and pages looked at to find them.
const SAMPLE: usize = 8;
const SAMPLE_REACH: u32 = 24;

/// Written pages in which a guess must have been right at least once to be followed on.
const PATIENCE: u32 = 24;

/// Zero bits from which on a page counts as written: any page with tags has more.
const WRITTEN: u32 = 24;

/// Written pages looked at for the length of a block.
const LONGER_SAMPLE: u32 = 16384;

/// Changes of the sequence number that make the length of a block certain enough: each halves the doubt.
const CERTAIN: u32 = 6;

/// Length taken for a block where that is in doubt. One too short does no harm, since its parts have one sequence
/// number; one too long takes two blocks for one.
const SHORT_BLOCK: u32 = 16;

/// Fewest pages that must follow from one another.
const ENOUGH: u32 = 3;

/// Pages in a block where no sequence number tells: every image maker's.
const USUAL_BLOCK: u32 = 64;

/// What an image seems to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Detected {
    /// How to read it.
    pub options: Options,
    /// Pages of the sample that fit together.
    pub fitting: u32,
    /// Written pages of the sample.
    pub written: u32,
}

/// The most fitting way to read `source`, which begins with a block; none where no guess fits. Looks at what is
/// written all over the image, so that the part of it that is blank has no say.
///
/// # Errors
/// The source's own.
pub fn detect<S: ReadAt>(source: &S) -> Result<Option<Detected>, ReadError> {
    let samples = samples(source)?;
    let mut best: Option<(u32, Detected)> = None;
    for alike in guesses() {
        let Some(first) = alike.first() else { continue };
        let written = written(&Pages::new(source, *first), &samples)?;
        for options in alike {
            let Fit { fitting, alike, written } = Fit::of(&Pages::new(source, options), &written);
            let fits =
                fitting >= ENOUGH && fitting >= written / 8 && fitting.saturating_add(alike) >= written / 2;
            let score = fitting.saturating_mul(4).saturating_add(alike);
            if fits && best.is_none_or(|(best, _)| score > best) {
                best = Some((score, Detected { options, fitting, written }));
            }
        }
    }
    let Some((_, mut found)) = best else { return Ok(None) };
    let pages_per_block = block_length(&Pages::new(source, found.options))?;
    let Geometry { page, spare, blocks, .. } = found.options.geometry;
    if let Ok(geometry) = Geometry::new(page, spare, pages_per_block, blocks) {
        found.options.geometry = geometry;
    }
    Ok(Some(found))
}

/// Where each part of the image is first written.
fn samples<S: ReadAt>(source: &S) -> Result<Vec<u64>, ReadError> {
    let len = source.len();
    let piece = u64::try_from(PIECE).unwrap_or(u64::MAX);
    let part = len.div_ceil(PARTS).max(piece);
    let (mut found, mut bytes) = (Vec::new(), vec![0; PIECE]);
    for number in 0..PARTS {
        let (mut at, end) =
            (part.saturating_mul(number), part.saturating_mul(number.saturating_add(1)).min(len));
        while at < end {
            let many = usize::try_from(end.saturating_sub(at)).unwrap_or(PIECE).min(PIECE);
            let bytes = bytes.get_mut(..many).unwrap_or_default();
            source.read_at(at, bytes)?;
            if let Some(first) = bytes.chunks(64).position(|some| zero_bits(some) > WRITTEN) {
                found.push(at.saturating_add(u64::try_from(first.saturating_mul(64)).unwrap_or(0)));
                break;
            }
            at = at.saturating_add(piece);
        }
    }
    Ok(found)
}

/// Zero bits, counted no further than [`WRITTEN`] asks for.
fn zero_bits(bytes: &[u8]) -> u32 {
    let mut zeros = 0_u32;
    for some in bytes.chunks(64) {
        if some.iter().fold(0xFF, |all, byte| all & byte) != 0xFF {
            zeros = some.iter().fold(zeros, |sum, byte| sum.saturating_add(byte.count_zeros()));
            if zeros > WRITTEN {
                break;
            }
        }
    }
    zeros
}

/// Everything that is tried, the likeliest first, by the stored bytes of a page.
fn guesses() -> Vec<Vec<Options>> {
    let mut all = Vec::new();
    for page in [2048, 4096, 8192, 1024, 512_u32] {
        let sectors = page / 512;
        // 218 for 4096 is no multiple of anything (nand-yaffs2.md section 1).
        let odd = if page == 4096 { 218 } else { 0 };
        for spare in [16, 32, 26, 27, 28_u32].map(|it| it.saturating_mul(sectors)).into_iter().chain([odd]) {
            let Ok(geometry) = Geometry::new(page, spare, USUAL_BLOCK, 65536) else { continue };
            let read_back =
                |layout| Options { verify: Verify::Pages, ..Options::read_back(geometry, layout) };
            let mut alike = vec![read_back(Layout::Interleaved), read_back(Layout::DataThenSpare)];
            let places = (0..=geometry.spare.saturating_sub(16)).filter_map(|at| u16::try_from(at).ok());
            alike.extend(
                places.map(|at| Options { tags: TagsAt::Spare(at), ..Options::image_file(geometry) }),
            );
            all.push(both_orders(alike));
        }
        if let Ok(geometry) = Geometry::new(page, 16, USUAL_BLOCK, 65536) {
            let image = Options::image_file(geometry);
            all.push(both_orders(vec![Options { layout: Layout::MainOnly, tags: TagsAt::InBand, ..image }]));
        }
    }
    all
}

fn both_orders(mut little: Vec<Options>) -> Vec<Options> {
    let big: Vec<_> = little.iter().map(|it| Options { order: ByteOrder::Big, ..*it }).collect();
    little.extend(big);
    little
}

/// The first written pages of every sample, in pages of this size.
fn written<S: ReadAt>(pages: &Pages<S>, samples: &[u64]) -> Result<Vec<Vec<u8>>, ReadError> {
    let unit = u64::from(pages.options.layout.unit_bytes(&pages.options.geometry));
    let (mut all, mut run) = (Vec::new(), Vec::new());
    for start in samples {
        let first = start.checked_div(unit).and_then(|it| u32::try_from(it).ok()).unwrap_or(u32::MAX);
        let reach = first.saturating_add(SAMPLE_REACH).min(pages.count);
        pages.fetch(first.min(pages.count), reach.saturating_sub(first), &mut run)?;
        let written = pages.stored(&run).filter(|stored| zero_bits(stored) > WRITTEN);
        all.push(written.take(SAMPLE).flatten().copied().collect());
    }
    Ok(all)
}

/// How well a guess explains the written pages of the samples.
#[derive(Debug, Default)]
struct Fit {
    /// Pages that follow from what they hold or from the page before.
    fitting: u32,
    /// Other pages with tags of the sequence number of the page before.
    alike: u32,
    /// Pages written in any way, but for those of checkpoints.
    written: u32,
}

impl Fit {
    /// Of a guess, for the written pages of each sample.
    fn of<S: ReadAt>(pages: &Pages<S>, samples: &[Vec<u8>]) -> Self {
        let (mut fit, mut page) = (Self::default(), pages.buffer());
        for sample in samples {
            let mut before = None;
            for stored in pages.stored(sample) {
                before = fit.take(pages, stored, &mut page, before);
            }
            if fit.fitting == 0 && fit.written >= PATIENCE {
                break;
            }
        }
        fit
    }

    /// One written page more; gives its place in the log for the next one.
    fn take<S: ReadAt>(
        &mut self,
        pages: &Pages<S>,
        stored: &[u8],
        page: &mut Page,
        before: Option<(u32, u32, u32)>,
    ) -> Option<(u32, u32, u32)> {
        let read = pages.read(stored, page);
        if read.tagged == Tagged::Checkpoint {
            return None;
        }
        self.written = self.written.saturating_add(1);
        let Tagged::Chunk { sequence, object, what } = read.tagged else { return None };
        if matches!(read.condition, Condition::Damaged | Condition::Blank) {
            return None;
        }
        let (fits, number) = match what {
            What::Data { chunk, .. } => (before == Some((sequence, object, chunk.saturating_sub(1))), chunk),
            What::Header(extra) => {
                let in_band = pages.options.tags == TagsAt::InBand;
                let brief = Brief::read(page.chunk(), extra, pages.options.order, in_band);
                (brief.is_some_and(|brief| agrees(&brief, extra)), 0)
            }
        };
        let alike = before.is_some_and(|before| before.0 == sequence);
        self.fitting = self.fitting.saturating_add(u32::from(fits));
        self.alike = self.alike.saturating_add(u32::from(!fits && alike));
        Some((sequence, object, number))
    }
}

/// Whether a header is one, and says the same as its tags.
fn agrees(brief: &Brief, extra: Option<Extra>) -> bool {
    brief.parent <= LAST_OBJECT
        && extra.is_none_or(|extra| {
            extra.parent == brief.parent && Kind::from_number(extra.kind) == Some(brief.kind)
        })
}

/// Pages in a block: the sequence number changes at its ends and nowhere else.
fn block_length<S: ReadAt>(pages: &Pages<S>) -> Result<u32, ReadError> {
    let (mut page, mut run) = (pages.buffer(), Vec::new());
    let (mut common, mut changes, mut written, mut before) = (0_u32, 0_u32, 0_u32, None);
    let mut at = 0_u32;
    while at < pages.count && written < LONGER_SAMPLE {
        let many = pages.run().min(pages.count.saturating_sub(at));
        pages.fetch(at, many, &mut run)?;
        for (number, stored) in (at..).zip(pages.stored(&run)) {
            let read = pages.read(stored, &mut page);
            let now = match read.tagged {
                _ if matches!(read.condition, Condition::Damaged | Condition::Blank) => continue,
                Tagged::Chunk { sequence, .. } => sequence,
                Tagged::Checkpoint => tagged::CHECKPOINT,
                Tagged::Foreign => continue,
            };
            written = written.saturating_add(1);
            if before.is_some_and(|before| before != now) {
                common = greatest_common_divisor(common, number);
                changes = changes.saturating_add(1);
            }
            before = Some(now);
        }
        at = at.saturating_add(many);
    }
    Ok(match (common, changes) {
        (_, 0) => USUAL_BLOCK,
        (4..=512, CERTAIN..) if common.is_power_of_two() => common,
        (4.., _) => SHORT_BLOCK.min(1_u32.wrapping_shl(common.trailing_zeros())).max(4),
        _ => USUAL_BLOCK,
    })
}

fn greatest_common_divisor(mut a: u32, mut b: u32) -> u32 {
    while let Some(rest) = a.checked_rem(b) {
        (a, b) = (b, rest);
    }
    a
}
