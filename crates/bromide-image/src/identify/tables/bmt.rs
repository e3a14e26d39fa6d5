//! The bad-block table of NAND phones (formats.md section 5.4).

use alloc::format;
use alloc::vec::Vec;

use bromide_nand::bmt::{Bmt, MAX_POOL};

use super::super::fields::{byte, has};
use super::super::{Confidence, Finding, Kind};
use super::{Table, listed};
use crate::identify::view::Spot;
use crate::read_at::ReadError;

/// Blocks of the pool unless a project says otherwise.
const POOL: u8 = 80;

/// Where the rows begin, and their bytes.
const ROWS_AT: usize = 20;
const ROW: usize = 4;

/// The table whose page begins here. Its checksum needs the size of the pool, which is not stored: rows of the pool
/// that are not used are zeros and those behind it erased, which tells it.
pub(super) fn any(spot: &Spot<'_>) -> Result<Option<Table>, ReadError> {
    if !spot.has(0, b"BMT\x01") {
        return Ok(None);
    }
    let page = spot.bytes(0, 2048)?;
    let rows = page.get(ROWS_AT..).unwrap_or_default().chunks_exact(ROW);
    let pool = rows.take(MAX_POOL.into()).take_while(|row| !has(row, 0, &[0xFF; ROW])).count();
    let pool = u8::try_from(pool).unwrap_or(POOL);
    let found = spot.finding(Kind::Bmt, Confidence::Likely).number("mapped", byte(&page, 5));
    let parsed = Bmt::parse(&page, pool).map(|it| (it, pool));
    let found = match parsed.or_else(|_| Bmt::parse(&page, POOL).map(|it| (it, POOL))) {
        Ok((table, pool)) => {
            let replaced = table.entries.iter().map(|(bad, by)| format!("{bad:#x}>{by:#x}"));
            Finding { confidence: Confidence::Certain, ..found }
                .text("checksum", "right")
                .number("pool", pool)
                .text("replaced", listed(replaced))
        }
        Err(fault) => found.text("damage", format!("{fault}")),
    };
    Ok(Some((alloc::vec![found], Vec::new())))
}
