//! The data bytes of a file, whatever stands between them, within a budget of bytes to read.

use alloc::vec;
use alloc::vec::Vec;
use core::cell::Cell;

use super::fields::{narrow, wide};
use super::{Confidence, Finding, Form, Kind};
use crate::read_at::{ReadAt, ReadError};

/// Most bytes read of one file, so that a dump of any size is looked through in seconds.
pub(super) const BUDGET: u64 = 60 << 20;

/// Bytes looked at wherever something may begin: up to the superblock of an ext file system and its label.
pub(super) const HEAD: usize = 0x500;

/// A file as data bytes.
pub(super) struct View<'a> {
    source: &'a dyn ReadAt,
    form: Form,
    /// Data bytes of the file.
    pub(super) len: u64,
    left: Cell<u64>,
}

impl<'a> View<'a> {
    /// `spent` bytes of the budget are gone already.
    pub(super) fn new(source: &'a dyn ReadAt, form: Form, spent: u64) -> Self {
        let len = form.data_bytes(source.len());
        Self { source, form, len, left: Cell::new(BUDGET.saturating_sub(spent)) }
    }

    /// Whether something could not be read because the budget was used up.
    pub(super) fn is_exhausted(&self) -> bool {
        self.left.get() == 0
    }

    /// `bytes` data bytes from `at`; fewer at the end of the file, none when the budget is used up.
    pub(super) fn bytes(&self, at: u64, bytes: usize) -> Result<Vec<u8>, ReadError> {
        let wanted = wide(bytes).min(self.len.saturating_sub(at));
        let Some(left) = self.left.get().checked_sub(wanted) else {
            self.left.set(0);
            return Ok(Vec::new());
        };
        self.left.set(left);
        let mut all = vec![0; narrow(wanted)];
        // Each piece is contiguous in the file.
        let (mut at, mut rest) = (at, all.as_mut_slice());
        while !rest.is_empty() {
            let run = self.form.run();
            let in_run = run.saturating_sub(at.checked_rem(run).unwrap_or(0));
            let piece = narrow(in_run).min(rest.len());
            let Some((now, later)) = rest.split_at_mut_checked(piece) else { break };
            self.source.read_at(self.form.file_offset(at), now)?;
            at = at.saturating_add(wide(piece));
            rest = later;
        }
        Ok(all)
    }

    /// `bytes` bytes of the file itself, spare bytes and all, from `at`: none when they are not all there.
    pub(super) fn stored(&self, at: u64, bytes: usize) -> Result<Vec<u8>, ReadError> {
        let inside = at.checked_add(wide(bytes)).is_some_and(|end| end <= self.source.len());
        let Some(left) = self.left.get().checked_sub(wide(bytes)).filter(|_| inside) else {
            return Ok(Vec::new());
        };
        self.left.set(left);
        let mut all = vec![0; bytes];
        self.source.read_at(at, &mut all)?;
        Ok(all)
    }

    /// The place `at` with its first [`HEAD`] bytes.
    pub(super) fn spot(&self, at: u64) -> Result<Spot<'_>, ReadError> {
        Ok(Spot { view: self, at, head: self.bytes(at, HEAD)? })
    }
}

/// A place where something may begin.
pub(super) struct Spot<'a> {
    pub(super) view: &'a View<'a>,
    /// Its data offset.
    pub(super) at: u64,
    /// Its first bytes, [`HEAD`] or what there is.
    pub(super) head: Vec<u8>,
}

impl Spot<'_> {
    /// `len` bytes from `at` behind this place; fewer at the end.
    pub(super) fn bytes(&self, at: u64, len: usize) -> Result<Vec<u8>, ReadError> {
        self.view.bytes(self.at.saturating_add(at), len)
    }

    /// Bytes from this place to the end of the file.
    pub(super) const fn room(&self) -> u64 {
        self.view.len.saturating_sub(self.at)
    }

    /// Whether `what` stands at `at` of the head.
    pub(super) fn has(&self, at: usize, what: &[u8]) -> bool {
        super::fields::has(&self.head, at, what)
    }

    /// Its bytes beside the data where the file has spare areas with ECC: the free bytes of the page at `at` behind
    /// this place, as drivers present them; empty where there are none.
    pub(super) fn free(&self, at: u64) -> Result<Vec<u8>, ReadError> {
        let form = self.view.form;
        let at = self.at.saturating_add(at);
        let page = form.stored_page(at).filter(|_| form != Form::DataAndTags);
        let Some((at, len)) = page else { return Ok(Vec::new()) };
        Ok(form.tags(&self.view.stored(at, len)?).unwrap_or_default())
    }

    /// A finding at this place.
    pub(super) const fn finding(&self, kind: Kind, confidence: Confidence) -> Finding {
        Finding::new(self.at, kind, confidence)
    }
}

/// What begins at a place, as a device of its own: tables count from their own start.
impl ReadAt for Spot<'_> {
    fn len(&self) -> u64 {
        self.room()
    }

    fn read_at(&self, at: u64, into: &mut [u8]) -> Result<(), ReadError> {
        let found = self.bytes(at, into.len())?;
        if found.len() != into.len() {
            // The end of the file, or of what may be read of it.
            return Err(ReadError::Beyond { at, wanted: wide(into.len()), len: self.room() });
        }
        into.copy_from_slice(&found);
        Ok(())
    }
}
