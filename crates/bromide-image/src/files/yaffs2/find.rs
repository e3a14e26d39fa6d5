//! Whether an image is a YAFFS2 partition, and in what form.
//!
//! Nearly all are as `bromide read` writes them, 2048 + 64 bytes a page as stored: a few samples decide that. What is
//! not is tried in every form there is.

use alloc::vec;

use bromide_nand::{Geometry, Layout};

use crate::read_at::{Part, ReadAt, ReadError};
use crate::yaffs2::read::{Options, Tree, Verify, detect};

/// Stored bytes of a page as `bromide read` writes it.
const STORED_PAGE: u64 = 2112;

/// The same of a block.
const BLOCK: u64 = 64 * STORED_PAGE;

/// Pages looked at in one place to decide whether an image is one of those, and where they are slow to come.
const SAMPLE: u64 = 96;
const SLOW_SAMPLE: u64 = 16;

/// Blocks looked at in search of the first that is written, where they are slow to come.
const SLOW_BLOCKS: u64 = 64;

/// How the image of a YAFFS2 partition is to be read; none where nothing looks like one. File bytes are checked when
/// they are read. Where bytes are `slow` to come, only the usual form is looked for.
///
/// # Errors
/// The source's own.
pub fn yaffs2_form(source: &dyn ReadAt, slow: bool) -> Result<Option<Options>, ReadError> {
    let len = source.len();
    let usual = read_back().filter(|_| len >= BLOCK && len.is_multiple_of(STORED_PAGE));
    let pages = if slow { SLOW_SAMPLE } else { SAMPLE };
    let written = match usual {
        Some(_) if slow => first_written(source, STORED_PAGE, SLOW_BLOCKS)?,
        Some(_) => first_written(source, BLOCK, u64::MAX)?,
        None => 0,
    };
    if let Some(usual) = usual {
        // Used partitions may begin with blocks of any other sort.
        let quarter = |n: u64| {
            let blocks = len.checked_div(4 * BLOCK).unwrap_or(0).saturating_mul(n);
            blocks.saturating_mul(BLOCK)
        };
        for from in [written, quarter(1), quarter(2), quarter(3)] {
            let sample = Part::new(source, from, pages.saturating_mul(STORED_PAGE));
            if is_one(&Tree::scan(sample, usual)?) {
                return Ok(Some(if slow { usual } else { quick(usual) }));
            }
        }
    }
    if slow {
        return Ok(None);
    }
    if let Some(found) = detect(&Part::new(source, written, u64::MAX))? {
        return Ok(Some(quick(found.options)));
    }
    let Some(usual) = usual else { return Ok(None) };
    Ok(is_one(&Tree::scan(source, usual)?).then_some(usual))
}

/// Start of the first of `most` blocks with a byte that is not FF among its first `looked_at`; 0 where there is none.
fn first_written(source: &dyn ReadAt, looked_at: u64, most: u64) -> Result<u64, ReadError> {
    let mut block = vec![0; usize::try_from(looked_at).unwrap_or(0)];
    for number in 0..source.len().checked_div(BLOCK).unwrap_or(0).min(most) {
        let at = number.saturating_mul(BLOCK);
        source.read_at(at, &mut block)?;
        if block.iter().any(|byte| *byte != 0xFF) {
            return Ok(at);
        }
    }
    Ok(0)
}

/// As `bromide read` writes partitions of the phones it knows.
fn read_back() -> Option<Options> {
    let geometry = Geometry::new(2048, 64, 64, 65536).ok()?;
    Some(Options { verify: Verify::Tags, ..Options::read_back(geometry, Layout::Interleaved) })
}

/// With no more pages looked at than needed. Where they are slow to come, all of them shall not be looked at because
/// of one file.
const fn quick(options: Options) -> Options {
    Options { verify: Verify::Headers, ..options }
}

/// Whether most of what is written are chunks of objects.
fn is_one<S: ReadAt>(tree: &Tree<S>) -> bool {
    let counts = tree.counts();
    let other = [counts.blank, counts.checkpoint, counts.bad, counts.summary];
    let written = other.iter().fold(counts.pages, |left, it| left.saturating_sub(*it));
    counts.chunks > 0 && counts.chunks >= written / 2 && tree.nodes().len() > 1
}
