//! How an image carries its tags, found by trying: page and spare sizes, places in the spare, byte orders.
//!
//! A guess counts when the pages it gives follow from one another: headers of a known kind whose tags agree with them,
//! and chunks of a file in order. Tags read from a wrong place do neither.

use alloc::vec::Vec;

use bromide_nand::{Geometry, Layout};

use super::fields::{Brief, Kind};
use super::options::{ByteOrder, Options, TagsAt, Verify};
use super::pages::{Condition, Pages};
use super::tagged::{Tagged, What};
use crate::read_at::{ReadAt, ReadError};

/// Pages looked at from the start of an image, for each guess.
const SAMPLE: u32 = 96;

/// Pages looked at for the length of a block.
const LONGER_SAMPLE: u32 = 2048;

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

/// The most fitting way to read `source`, which begins with a block; none where no guess fits.
///
/// # Errors
/// The source's own.
pub fn detect<S: ReadAt>(source: &S) -> Result<Option<Detected>, ReadError> {
    let mut best: Option<Detected> = None;
    for options in guesses() {
        let (fitting, written) = fit(&Pages::new(source, options))?;
        let fits = fitting >= ENOUGH && fitting >= written / 2;
        if fits && best.is_none_or(|best| fitting > best.fitting) {
            best = Some(Detected { options, fitting, written });
        }
    }
    let Some(mut found) = best else { return Ok(None) };
    let pages_per_block = block_length(&Pages::new(source, found.options))?;
    let Geometry { page, spare, blocks, .. } = found.options.geometry;
    if let Ok(geometry) = Geometry::new(page, spare, pages_per_block, blocks) {
        found.options.geometry = geometry;
    }
    Ok(Some(found))
}

/// Everything that is tried, the likeliest first.
fn guesses() -> Vec<Options> {
    let mut all = Vec::new();
    for page in [2048, 4096, 8192, 1024, 512_u32] {
        let sectors = page / 512;
        for a_sector in [16, 32, 26, 27, 28_u32] {
            let Ok(geometry) = Geometry::new(page, sectors.saturating_mul(a_sector), USUAL_BLOCK, 65536)
            else {
                continue;
            };
            for layout in [Layout::Interleaved, Layout::DataThenSpare] {
                let read_back = Options::read_back(geometry, layout);
                all.push(Options { verify: Verify::Pages, ..read_back });
            }
            for at in 0..=geometry.spare.saturating_sub(16) {
                let Ok(at) = u16::try_from(at) else { continue };
                all.push(Options { tags: TagsAt::Spare(at), ..Options::image_file(geometry) });
            }
        }
        if let Ok(geometry) = Geometry::new(page, 16, USUAL_BLOCK, 65536) {
            let image = Options::image_file(geometry);
            all.push(Options { layout: Layout::MainOnly, tags: TagsAt::InBand, ..image });
        }
    }
    let big = all.clone().into_iter().map(|options| Options { order: ByteOrder::Big, ..options });
    all.extend(big.collect::<Vec<_>>());
    all
}

/// How many pages of the sample follow from what they hold or from the page before, and how many are written.
fn fit<S: ReadAt>(pages: &Pages<S>) -> Result<(u32, u32), ReadError> {
    let (mut fitting, mut written) = (0_u32, 0_u32);
    let mut before = None;
    each(pages, SAMPLE, |_, condition, tagged, chunk| {
        if condition == Condition::Blank {
            return;
        }
        written = written.saturating_add(1);
        let (Tagged::Chunk { sequence, object, what }, false) = (tagged, condition == Condition::Damaged)
        else {
            return;
        };
        let (fits, number) = match what {
            What::Data { chunk, .. } => (before == Some((sequence, object, chunk.saturating_sub(1))), chunk),
            What::Header(extra) => {
                let in_band = pages.options.tags == TagsAt::InBand;
                let brief = Brief::read(chunk, extra, pages.options.order, in_band);
                let agrees = brief.is_some_and(|brief| {
                    extra.is_none_or(|extra| {
                        extra.parent == brief.parent && Kind::from_number(extra.kind) == Some(brief.kind)
                    })
                });
                (agrees, 0)
            }
        };
        fitting = fitting.saturating_add(u32::from(fits));
        before = Some((sequence, object, number));
    })?;
    Ok((fitting, written))
}

/// Pages in a block: the sequence number changes at its ends and nowhere else.
fn block_length<S: ReadAt>(pages: &Pages<S>) -> Result<u32, ReadError> {
    let (mut common, mut before) = (0_u32, None);
    each(pages, LONGER_SAMPLE, |number, _, tagged, _| {
        let now = if let Tagged::Chunk { sequence, .. } = tagged { Some(sequence) } else { None };
        if now.is_some() && before.is_some() && now != before {
            common = greatest_common_divisor(common, number);
        }
        before = now;
    })?;
    Ok(if common.is_power_of_two() && (4..=512).contains(&common) { common } else { USUAL_BLOCK })
}

fn greatest_common_divisor(mut a: u32, mut b: u32) -> u32 {
    while let Some(rest) = a.checked_rem(b) {
        (a, b) = (b, rest);
    }
    a
}

/// Reads the first pages one after another.
fn each<S: ReadAt>(
    pages: &Pages<S>,
    most: u32,
    mut look: impl FnMut(u32, Condition, Tagged, &[u8]),
) -> Result<(), ReadError> {
    let (mut page, mut run) = (pages.buffer(), Vec::new());
    for number in 0..pages.count.min(most) {
        pages.fetch(number, 1, &mut run)?;
        let read = pages.read(&run, &mut page);
        look(number, read.condition, read.tagged, page.chunk());
    }
    Ok(())
}
