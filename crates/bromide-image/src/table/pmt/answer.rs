//! The PMT as a Download Agent gives it for the command A2 on NAND phones (da-legacy.md section 10): records of 96
//! bytes from the agent of the MT6575, of 88 or 76 bytes from others.

use alloc::vec::Vec;

use super::{Partition, PmtError, Warning, Width, WriteError, entry};

/// Most records an agent has (da-legacy.md section 10).
pub const MOST_RECORDS: usize = 40;

const WIDTHS: [Width; 3] = [Width::Marked, Width::Wide, Width::Narrow];

/// What an agent told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The record size found.
    pub width: Width,
    /// The partitions in the order of the records.
    pub partitions: Vec<Partition>,
    /// What was accepted but deserves a word.
    pub warnings: Vec<Warning>,
}

/// Reads an answer. Of the record sizes its length is a multiple of, the one by which it makes sense is taken.
///
/// # Errors
/// A length that fits no record size, too many records, or records without names.
pub fn read(records: &[u8]) -> Result<Answer, PmtError> {
    let have = records.len();
    let fits = |width: &Width| have.is_multiple_of(width.bytes());
    let widths: Vec<Width> = WIDTHS.into_iter().filter(fits).collect();
    if widths.is_empty() {
        return Err(PmtError::AnswerBytes(have));
    }
    let widths: Vec<Width> =
        widths.into_iter().filter(|width| have <= MOST_RECORDS.saturating_mul(width.bytes())).collect();
    if widths.is_empty() {
        return Err(PmtError::TooMany(have.div_euclid(Width::Marked.bytes())));
    }
    let (entry::List { partitions, warnings }, width) = entry::list_of_any(records, &widths)?;
    Ok(Answer { width, partitions, warnings })
}

/// The records of an answer.
///
/// # Errors
/// More than [`MOST_RECORDS`] partitions, names or numbers a record does not hold.
pub fn write(partitions: &[Partition], width: Width) -> Result<Vec<u8>, WriteError> {
    if partitions.len() > MOST_RECORDS {
        return Err(WriteError::TooMany { count: partitions.len(), room: MOST_RECORDS });
    }
    entry::written(partitions, width)
}
