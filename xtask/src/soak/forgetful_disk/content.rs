//! What is in a file, page by page. Pages that were never written are holes and read as zeros.

use std::collections::BTreeMap;
use std::sync::Arc;

/// Bytes that reach the platter together.
pub(super) const PAGE: u64 = 4096;

/// The bytes of one page.
pub(super) type Page = Arc<[u8]>;

/// The content of a file.
#[derive(Debug, Clone, Default)]
pub(super) struct Content {
    pub(super) size: u64,
    pub(super) pages: BTreeMap<u64, Page>,
}

impl Content {
    /// At most `len` bytes from `at`; fewer at the end.
    pub(super) fn read(&self, at: u64, len: u64) -> Vec<u8> {
        let len = len.min(self.size.saturating_sub(at));
        let mut bytes = Vec::with_capacity(usize::try_from(len).unwrap_or(0));
        for (page, within) in pieces(at, len) {
            match self.pages.get(&page).and_then(|p| p.get(within.clone())) {
                Some(stored) => bytes.extend_from_slice(stored),
                None => bytes.resize(bytes.len() + within.len(), 0),
            }
        }
        bytes
    }

    /// Puts these bytes at `at`; the numbers of the pages touched.
    pub(super) fn write(&mut self, at: u64, bytes: &[u8]) -> Vec<u64> {
        let mut rest = bytes;
        let mut touched = Vec::new();
        for (number, within) in pieces(at, bytes.len() as u64) {
            let (now, later) = rest.split_at(within.len().min(rest.len()));
            let mut page = self.pages.get(&number).map_or_else(|| vec![0; PAGE as usize], |p| p.to_vec());
            if let Some(place) = page.get_mut(within) {
                place.copy_from_slice(now);
            }
            self.pages.insert(number, page.into());
            touched.push(number);
            rest = later;
        }
        self.size = self.size.max(at + bytes.len() as u64);
        touched
    }

    /// Cuts off or lengthens. What is cut off reads as zeros when the file grows again.
    pub(super) fn resize(&mut self, size: u64) {
        if size < self.size {
            let _ = self.pages.split_off(&size.div_ceil(PAGE));
            let edge = usize::try_from(size % PAGE).unwrap_or(0);
            if let Some(last) = self.pages.get_mut(&(size / PAGE)).filter(|_| edge > 0) {
                let mut cut = last.to_vec();
                cut.iter_mut().skip(edge).for_each(|byte| *byte = 0);
                *last = cut.into();
            }
        }
        self.size = size;
    }
}

/// The pages a stretch of a file lies in, and which bytes of each.
fn pieces(at: u64, len: u64) -> impl Iterator<Item = (u64, std::ops::Range<usize>)> {
    let end = at + len;
    (at / PAGE..end.div_ceil(PAGE)).filter_map(move |page| {
        let from = usize::try_from(at.saturating_sub(page * PAGE)).ok()?;
        let to = usize::try_from((end - page * PAGE).min(PAGE)).ok()?;
        (from < to).then_some((page, from..to))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_across_pages_is_read_back_and_holes_are_zeros() {
        let mut content = Content::default();
        let bytes: Vec<u8> = (0..9000).map(|i| (i % 251) as u8).collect();
        assert_eq!(content.write(5000, &bytes), [1, 2, 3]);
        assert_eq!(content.size, 14_000);
        assert_eq!(content.read(5000, 9000), bytes);
        assert_eq!(content.read(4990, 12), [&[0; 10][..], &bytes[..2]].concat());
        assert_eq!(content.read(13_999, 100), bytes[8999..]);
        assert!(content.read(14_000, 1).is_empty());
    }

    #[test]
    fn what_was_cut_off_does_not_come_back() {
        let mut content = Content::default();
        content.write(0, &[7; 10_000]);
        content.resize(5000);
        content.resize(9000);
        assert_eq!(content.read(4999, 4001), [&[7][..], &[0; 4000]].concat());
    }
}
