//! The PMT of raw NAND phones (MT6573, MT6575, MT6577): one page, in the two blocks before the pool of spare blocks
//! (formats.md section 5.1).
//!
//! The table is in the first of the two blocks, its mirror in the second. Each write takes the next page, so the
//! newest copy is the last in a block that is valid.

use alloc::vec::Vec;

use super::{Found, Info, Located, Partition, PmtError, Table, Warning, Which, Width, WriteError, entry};
use crate::table::field;

/// Entries in a page.
pub const ENTRIES: usize = 20;

/// Bytes of a page that the table takes: signature and entries.
pub const TABLE_BYTES: usize = 4 + ENTRIES * Width::Narrow.bytes();

/// Bytes of the spare area that carry something: signature and update state.
pub const SPARE_BYTES: usize = 8;

/// Where the driver of these phones has free bytes in the 32 FDM bytes of a 2048-byte page: offset and count
/// (formats.md section 5.4).
const FREE: [(usize, usize); 4] = [(1, 7), (9, 7), (17, 7), (25, 6)];

/// The free bytes of a page's spare area as the driver presents them, from its FDM bytes (four times eight).
#[must_use]
pub fn free_bytes(fdm: &[u8; 32]) -> Vec<u8> {
    FREE.iter().flat_map(|&(at, count)| fdm.iter().skip(at).take(count)).copied().collect()
}

/// How pages follow each other in a buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageShape {
    /// Bytes of main area.
    pub main: usize,
    /// Free spare bytes after them, 0 where the buffer has none.
    pub free: usize,
}

/// Reads one page. `free` are the free bytes of its spare area, empty where they are not at hand.
///
/// # Errors
/// No signature, or entries that cannot be.
pub fn read(page: &[u8], free: &[u8]) -> Result<Table, PmtError> {
    let which = Which::of(page).ok_or(PmtError::NoSignature)?;
    let short = PmtError::Short { wanted: TABLE_BYTES, have: page.len() };
    let entries = page.get(4..TABLE_BYTES).ok_or(short)?;
    let entry::List { partitions, mut warnings } = entry::list(entries, Width::Narrow)?;
    let mut info = None;
    if free.is_empty() {
        warnings.push(Warning::NoSpare(which));
    } else if free.starts_with(&which.signature()) {
        info = field::bytes(free, 4).map(Info);
    } else {
        warnings.push(Warning::SpareSignature(which));
    }
    Ok(Table { which, width: Width::Narrow, info, partitions, warnings })
}

/// Finds the newest copies in a run of pages, best the two blocks before the pool. A page whose spare area confirms
/// it goes before one that has only the signature; among equals the last wins.
///
/// # Errors
/// No page can be read; the error is that of the last page with a signature.
pub fn find(pages: &[u8], shape: PageShape) -> Result<Found, PmtError> {
    let mut found = Found { pt: None, mpt: None };
    let mut error = PmtError::NoSignature;
    let stride = shape.main.saturating_add(shape.free);
    if stride == 0 {
        return Err(error);
    }
    for (number, page) in (0_u64..).zip(pages.chunks_exact(stride)) {
        let Some((main, free)) = page.split_at_checked(shape.main) else { continue };
        match read(main, free) {
            Ok(table) => {
                let at = u64::try_from(stride).unwrap_or(u64::MAX).saturating_mul(number);
                let place = match table.which {
                    Which::Pt => &mut found.pt,
                    Which::Mpt => &mut found.mpt,
                };
                if place.as_ref().is_none_or(|old| table.info.is_some() || old.table.info.is_none()) {
                    *place = Some(Located { at, table });
                }
            }
            Err(PmtError::NoSignature) => {}
            Err(other) => error = other,
        }
    }
    if found.best().is_none() { Err(error) } else { Ok(found) }
}

/// The bytes of a page of `page_bytes`, and the free bytes of its spare area.
///
/// # Errors
/// More than [`ENTRIES`] partitions, names or numbers an entry does not hold, or too small a page.
pub fn write(
    which: Which,
    info: Info,
    partitions: &[Partition],
    page_bytes: usize,
) -> Result<(Vec<u8>, [u8; SPARE_BYTES]), WriteError> {
    if page_bytes < TABLE_BYTES {
        return Err(WriteError::Page(page_bytes));
    }
    if partitions.len() > ENTRIES {
        return Err(WriteError::TooMany { count: partitions.len(), room: ENTRIES });
    }
    let mut page = which.signature().to_vec();
    page.extend(entry::written(partitions, Width::Narrow)?);
    page.resize(page_bytes, 0);
    let mut free = [0; SPARE_BYTES];
    field::put(&mut free, 0, &which.signature());
    field::put(&mut free, 4, &info.0);
    Ok((page, free))
}
