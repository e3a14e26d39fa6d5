//! Finds the PMT among the pages of a NAND dump (formats.md section 5.1).
//!
//! It lies in the two blocks before the pool of spare blocks, hence near the end of a chip. How many blocks the pool
//! has is not known here, so the end of the dump is searched. Pages may come bare, or with their spare bytes in
//! either of the orders a dump has them.

use alloc::vec::Vec;

use super::dump::bytes;
use crate::read_at::ReadAt;
use crate::table::pmt::{Found, Located, PmtError, Table, Which, nand};

/// Bytes at the end of a dump that are searched: more than six times the pool of the chip measured.
const SEARCHED: u64 = 64 << 20;

/// Bytes read at a time; a multiple of both strides.
const WINDOW: u64 = 2112 * 128;

/// A stored page of 2048 and 64 bytes (formats.md section 3.3).
const STORED: u64 = 2112;

/// Pages begin at multiples of this at least.
const SECTOR: u64 = 512;

/// How the bytes of a page lie.
#[derive(Clone, Copy, PartialEq)]
enum Order {
    /// Main bytes alone.
    Bare,
    /// Sectors of 512 main and 16 spare bytes.
    Interleaved,
    /// 2048 main bytes, then 64 spare bytes.
    SpareLast,
}

/// The newest copies in a dump.
///
/// # Errors
/// No page can be read; the error is that of the last page with a signature.
pub(super) fn find(source: &(impl ReadAt + ?Sized)) -> Result<Found, PmtError> {
    let mut searches = [Order::Interleaved, Order::SpareLast, Order::Bare].map(Search::new);
    let from = source.len().saturating_sub(SEARCHED).next_multiple_of(STORED.saturating_mul(SECTOR));
    let mut at = if source.len() <= SEARCHED { 0 } else { from };
    while at < source.len() {
        let window = bytes(source, at, WINDOW)?;
        for search in &mut searches {
            search.window(source, at, &window)?;
        }
        at = at.saturating_add(WINDOW);
    }
    let mut best = Err(PmtError::NoSignature);
    for found in searches.map(Search::done) {
        let better = match (&best, &found) {
            (Err(PmtError::NoSignature), _) | (Err(_), Ok(_)) => true,
            (Ok(old), Ok(new)) => worth(new) > worth(old),
            (_, Err(_)) => false,
        };
        if better {
            best = found;
        }
    }
    best
}

/// A copy that its spare area confirms is worth more than any other, then the one with the most partitions.
fn worth(found: &Found) -> (bool, usize) {
    found.best().map_or((false, 0), |it| (it.table.info.is_some(), it.table.partitions.len()))
}

/// What was found so far of pages in one order.
struct Search {
    order: Order,
    found: Found,
    /// Of the last page with a signature that is none.
    error: PmtError,
}

impl Search {
    fn new(order: Order) -> Self {
        Self { order, found: Found { pt: None, mpt: None }, error: PmtError::NoSignature }
    }

    /// Looks at the next bytes of the dump, from `at` on, where a page begins.
    fn window(&mut self, source: &(impl ReadAt + ?Sized), at: u64, window: &[u8]) -> Result<(), PmtError> {
        let stride = if self.order == Order::Bare { SECTOR } else { STORED };
        let step = usize::try_from(stride).unwrap_or(1);
        for (place, start) in (at..).step_by(step).zip(window.chunks(step)) {
            if Which::of(start).is_none() {
                continue;
            }
            match page(&bytes(source, place, STORED)?, self.order) {
                Ok(table) => take(&mut self.found, place, table),
                Err(PmtError::NoSignature) => {}
                Err(other) => self.error = other,
            }
        }
        Ok(())
    }

    fn done(self) -> Result<Found, PmtError> {
        if self.found.best().is_none() { Err(self.error) } else { Ok(self.found) }
    }
}

/// A page that is confirmed goes before one that is not; among equals the last is the newest.
fn take(found: &mut Found, at: u64, table: Table) {
    let place = match table.which {
        Which::Pt => &mut found.pt,
        Which::Mpt => &mut found.mpt,
    };
    if place.as_ref().is_none_or(|old| table.info.is_some() || old.table.info.is_none()) {
        *place = Some(Located { at, table });
    }
}

fn page(stored: &[u8], order: Order) -> Result<Table, PmtError> {
    let (main, spare): (Vec<u8>, Vec<u8>) = match order {
        Order::Bare => (stored.iter().take(2048).copied().collect(), Vec::new()),
        Order::SpareLast => {
            let (main, spare) = stored.split_at_checked(2048).unwrap_or((stored, &[]));
            (main.to_vec(), spare.to_vec())
        }
        Order::Interleaved => {
            let sectors = stored.chunks(528).map(|it| it.split_at_checked(512).unwrap_or((it, &[])));
            let (main, spare): (Vec<&[u8]>, Vec<&[u8]>) = sectors.unzip();
            (main.concat(), spare.concat())
        }
    };
    // The first 8 of the 16 spare bytes of a sector are free for software, the others hold the ECC.
    let fdm: Vec<u8> = spare.chunks(16).flat_map(|it| it.iter().take(8)).copied().collect();
    let free = fdm.first_chunk().map_or_else(Vec::new, nand::free_bytes);
    nand::read(&main, &free)
}
