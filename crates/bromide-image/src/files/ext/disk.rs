//! The blocks of an image as they are after the journal, the last used of them in memory.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::format;
use alloc::rc::Rc;
use alloc::vec;
use core::cell::RefCell;

use crate::files::FilesError;
use crate::identify::fields::{narrow, wide};
use crate::read_at::ReadAt;

/// Blocks kept in memory: of the largest, 4 MiB.
const KEPT: usize = 64;

/// What the journal has for a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Newer {
    /// The block of the journal that holds it.
    pub(super) at: u64,
    /// Whether its first four bytes are the journal's magic number, for which it has zeros.
    pub(super) escaped: bool,
}

/// Magic number of the journal's own blocks.
pub(super) const JOURNAL_MAGIC: [u8; 4] = [0xC0, 0x3B, 0x39, 0x98];

/// Blocks to read.
pub(super) struct Disk<S> {
    source: S,
    /// Bytes of a block.
    pub(super) block: u64,
    /// Blocks there are.
    pub(super) blocks: u64,
    /// By block of the file system.
    newer: BTreeMap<u64, Newer>,
    /// The last used first.
    kept: RefCell<VecDeque<(u64, Rc<[u8]>)>>,
}

impl<S: ReadAt> Disk<S> {
    pub(super) const fn new(source: S, block: u64, blocks: u64) -> Self {
        Self { source, block, blocks, newer: BTreeMap::new(), kept: RefCell::new(VecDeque::new()) }
    }

    /// From now on, blocks are as the journal has them.
    pub(super) fn replay(&mut self, newer: BTreeMap<u64, Newer>) {
        self.newer = newer;
        self.kept.borrow_mut().clear();
    }

    /// A whole block.
    pub(super) fn block(&self, number: u64) -> Result<Rc<[u8]>, FilesError> {
        let mut kept = self.kept.borrow_mut();
        if let Some(at) = kept.iter().position(|(kept, _)| *kept == number)
            && let Some((_, block)) = kept.remove(at)
        {
            kept.push_front((number, Rc::clone(&block)));
            return Ok(block);
        }
        let mut bytes = vec![0; narrow(self.block)];
        self.read(number, 0, &mut bytes)?;
        let block: Rc<[u8]> = bytes.into();
        kept.truncate(KEPT.saturating_sub(1));
        kept.push_front((number, Rc::clone(&block)));
        Ok(block)
    }

    /// Bytes of blocks that follow each other, from `within` the first.
    pub(super) fn read(&self, first: u64, within: u64, into: &mut [u8]) -> Result<(), FilesError> {
        let end = within.saturating_add(wide(into.len())).div_ceil(self.block).saturating_add(first);
        if end > self.blocks {
            return Err(FilesError::Unreadable(format!(
                "block {first} lies beyond the last, {}",
                self.blocks
            )));
        }
        let (mut block, mut within, mut rest) = (first, within, into);
        while !rest.is_empty() {
            let newer = self.newer.range(block..end).next().map(|(&block, &newer)| (block, newer));
            let plain = newer.map_or(end, |(at, _)| at).saturating_sub(block);
            let (from, run, escaped) = match newer {
                Some((at, newer)) if at == block => (newer.at, 1, newer.escaped),
                _ => (block, plain, false),
            };
            let len = run.saturating_mul(self.block).saturating_sub(within).min(wide(rest.len()));
            let Some((now, later)) = rest.split_at_mut_checked(narrow(len)) else { break };
            self.source.read_at(from.saturating_mul(self.block).saturating_add(within), now)?;
            if escaped {
                let missing = JOURNAL_MAGIC.iter().skip(narrow(within));
                now.iter_mut().zip(missing).for_each(|(byte, magic)| *byte = *magic);
            }
            (block, within, rest) = (block.saturating_add(run), 0, later);
        }
        Ok(())
    }
}
