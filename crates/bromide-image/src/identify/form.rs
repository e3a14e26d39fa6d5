//! How data bytes lie in a file: bare, or as pages of a NAND chip with their spare bytes.
//!
//! The ECC decides (nand-yaffs2.md sections 1 and 2): a sector of anything else is a code word by chance about once in
//! 300 when it may be off by four bits, a handful of them never. Image files of YAFFS2 have no ECC but the tags at the
//! start of the spare (section 8).

use alloc::vec::Vec;

use bromide_nand::Layout;

use super::fields::{narrow, wide};
use super::{Confidence, Finding, Kind, yaffs};
use crate::read_at::{ReadAt, ReadError};

const DATA: u64 = 2048;
const STORED: u64 = 2112;
const SECTOR: u64 = 512;
const STORED_SECTOR: u64 = 528;

/// Pages looked at from the start of a file, and as many again spread over it.
const SAMPLES: u64 = 32;

/// The order of the bytes of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Form {
    /// Data bytes alone.
    Plain,
    /// Sectors of 512 data and 16 spare bytes, as the chip stores them.
    Interleaved,
    /// Pages of 2048 data bytes, then 64 spare bytes with ECC.
    SpareLast,
    /// Pages of 2048 data bytes, then 64 spare bytes that begin with YAFFS2 tags, without ECC.
    DataAndTags,
}

impl Form {
    /// Stable name for programs.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Interleaved => "interleaved",
            Self::SpareLast => "spare-last",
            Self::DataAndTags => "data-and-tags",
        }
    }

    /// The offset in the file of a data byte.
    #[must_use]
    pub fn file_offset(self, at: u64) -> u64 {
        let (data, stored) = self.unit();
        let units = at.checked_div(data).unwrap_or(0);
        units.saturating_mul(stored).saturating_add(at.checked_rem(data).unwrap_or(0))
    }

    /// Data bytes of a file of `stored` bytes.
    #[must_use]
    pub fn data_bytes(self, stored: u64) -> u64 {
        let (data, unit) = self.unit();
        let units = stored.checked_div(unit).unwrap_or(0);
        let rest = stored.checked_rem(unit).unwrap_or(0).min(data);
        units.saturating_mul(data).saturating_add(rest)
    }

    /// Data bytes that lie together in the file.
    pub(super) const fn run(self) -> u64 {
        self.unit().0
    }

    /// Data bytes that lie together, and the bytes they take with their spare.
    const fn unit(self) -> (u64, u64) {
        match self {
            Self::Plain => (u64::MAX, u64::MAX),
            Self::Interleaved => (SECTOR, STORED_SECTOR),
            Self::SpareLast | Self::DataAndTags => (DATA, STORED),
        }
    }

    /// The YAFFS2 tags beside the data of a stored page, 25 bytes, where the form has any.
    pub(super) fn tags(self, page: &[u8]) -> Option<Vec<u8>> {
        let spare = |at: usize| page.get(at..at.checked_add(16)?);
        let spares: Vec<&[u8]> = match self {
            Self::Plain => return None,
            Self::DataAndTags => return page.get(2048..2073).map(<[u8]>::to_vec),
            Self::Interleaved => [512, 1040, 1568, 2096].into_iter().map(spare).collect::<Option<_>>()?,
            Self::SpareLast => [2048, 2064, 2080, 2096].into_iter().map(spare).collect::<Option<_>>()?,
        };
        // Bytes 1 to 7 of the FDM of each sector; the last three hold the block index and check byte (section 3).
        let all = spares.into_iter().flat_map(|it| it.get(1..8).unwrap_or_default());
        Some(all.copied().take(25).collect())
    }

    /// Bytes of a stored page, and where that of the data byte `at` begins.
    pub(super) fn stored_page(self, at: u64) -> Option<(u64, usize)> {
        let page = at.checked_div(DATA)?.checked_mul(STORED)?;
        (self != Self::Plain).then_some((page, narrow(STORED)))
    }
}

/// The form of a file, what there is to say about it, and the bytes read to find it out.
pub(super) fn detect(source: &dyn ReadAt) -> Result<(Form, Option<Finding>, u64), ReadError> {
    let len = source.len();
    let (mut spent, mut failed) = (0_u64, None);
    let read = |at: u64, into: &mut [u8]| {
        if failed.is_some() {
            return None;
        }
        spent = spent.saturating_add(wide(into.len()));
        source.read_at(at, into).map_err(|e| failed = Some(e)).ok()
    };
    let detected = bromide_nand::detect::detect(read, len);
    if let Some(failed) = failed {
        return Err(failed);
    }
    let by_ecc = detected.and_then(|it| match it.layout {
        // Interleaved sectors stand alike in pages of every size.
        Layout::Interleaved => Some((Form::Interleaved, it.passing, it.written)),
        Layout::DataThenSpare if u64::from(it.page) == DATA => {
            Some((Form::SpareLast, it.passing, it.written))
        }
        Layout::DataThenSpare | Layout::MainOnly => None,
    });
    let (form, checked, good, written) = match by_ecc {
        Some((form, good, written)) => (form, "sampled_sectors_good", good, written),
        None => {
            let (good, written) = tagged(source, &mut spent)?;
            if good <= written / 2 {
                return Ok((Form::Plain, None, spent));
            }
            (Form::DataAndTags, "sampled_tags_valid", good, written)
        }
    };
    let finding = Finding::new(0, Kind::NandPages, Confidence::Certain)
        .long(form.data_bytes(len))
        .text("layout", form.code())
        .number("page", DATA)
        .number("spare", STORED.saturating_sub(DATA))
        .number("pages", len.checked_div(STORED).unwrap_or(0))
        .number("bytes_after_last_page", len.checked_rem(STORED).unwrap_or(0))
        .number(checked, u64::from(good))
        .number("sampled_bad", u64::from(written.saturating_sub(good)));
    Ok((form, Some(finding), spent))
}

/// Sampled pages whose spare begins with tags and holds nothing else, and all that are not erased.
fn tagged(source: &dyn ReadAt, spent: &mut u64) -> Result<(u32, u32), ReadError> {
    let (mut good, mut written) = (0_u32, 0_u32);
    let mut page = [0; 2112];
    for at in places(source.len()).filter(|at| at.saturating_add(STORED) <= source.len()) {
        source.read_at(at, &mut page)?;
        *spent = spent.saturating_add(STORED);
        if page.iter().all(|&it| it == 0xFF) {
            continue;
        }
        let (_, spare) = page.split_at(2048);
        let rest_is_blank = spare.get(28..).is_some_and(|rest| rest.iter().all(|&it| it == 0xFF));
        let is_one = rest_is_blank && yaffs::Tags::read(spare).is_some();
        written = written.saturating_add(1);
        good = good.saturating_add(u32::from(is_one));
    }
    Ok((good, written))
}

/// Where the sampled pages begin, ascending.
fn places(len: u64) -> impl Iterator<Item = u64> {
    let pages = len.checked_div(STORED).unwrap_or(0).saturating_add(1);
    let first = 0..SAMPLES.min(pages);
    let step = pages.checked_div(SAMPLES).unwrap_or(0).max(1);
    let spread =
        (1..SAMPLES).map(move |it| it.saturating_mul(step)).filter(move |&it| it >= SAMPLES && it < pages);
    first.chain(spread).map(|page| page.saturating_mul(STORED))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_offsets_skip_the_spare_bytes() {
        assert_eq!(Form::Plain.file_offset(5000), 5000);
        assert_eq!(Form::Interleaved.file_offset(512), 528);
        assert_eq!(Form::Interleaved.file_offset(2049), 2113);
        assert_eq!(Form::SpareLast.file_offset(4095), 2112 + 2047);
        assert_eq!(Form::Interleaved.data_bytes(2112 * 3 + 528), 2048 * 3 + 512);
        assert_eq!(Form::DataAndTags.data_bytes(2112 + 2100), 4096);
    }

    #[test]
    fn the_samples_lie_in_the_file_and_stay_few() {
        for len in [0, 1, 2111, 2112, 2112 * 40, 1 << 32, u64::MAX] {
            let all: Vec<u64> = places(len).collect();
            assert!(wide(all.len()) <= 2 * SAMPLES && all.iter().all(|&at| at <= len), "{len}");
            assert!(all.is_sorted(), "{len}");
        }
    }
}
