//! Tables on the flash, and the places they name (formats.md section 5). The codecs are those of [`crate::table`];
//! here their words become findings.

mod bmt;
mod gpt;
mod mbr;
mod pmt;

use alloc::string::String;
use alloc::vec::Vec;

use super::Finding;
use super::view::Spot;
use crate::read_at::ReadError;

/// Where a table says that something begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) at: u64,
    pub(super) name: String,
}

/// What there is to say about a table, first of all about the copy that begins here, and its partitions.
pub(super) type Table = (Vec<Finding>, Vec<Place>);

/// The table that begins here, in the order of how much each says.
pub(super) fn any(spot: &Spot<'_>) -> Result<Option<Table>, ReadError> {
    for table in [gpt::any, pmt::any, bmt::any, mbr::any] {
        if let Some(found) = table(spot)? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// Where MediaTek's own table lies that does not begin a partition, so far as the bytes tell.
pub(super) use pmt::hidden as hidden_pmt;

/// A fault of the medium comes back; the end of the file, or of what may be read of it, is no fault.
fn only_medium(error: ReadError) -> Result<(), ReadError> {
    match error {
        ReadError::Medium { .. } => Err(error),
        ReadError::Beyond { .. } => Ok(()),
    }
}

/// A name from a table, without control characters.
fn clean(name: &str) -> String {
    name.chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}

/// Words in one line.
fn listed(words: impl IntoIterator<Item = String>) -> String {
    words.into_iter().collect::<Vec<_>>().join(" ")
}
