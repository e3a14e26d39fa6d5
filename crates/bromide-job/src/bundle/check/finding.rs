//! What may be wrong with a bundle, as values.

use std::ops::Range;

use thiserror::Error;

use crate::bundle::shape::Place;
use crate::pagecheck::Counts;

/// How much a finding weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// Bytes that were not read yet, or could not be.
    Unread,
    /// Something is not as the record says.
    Differs,
}

/// Something that is not as it is in a whole bundle.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Finding {
    /// The record contradicts itself.
    #[error("the record contradicts itself: {0}")]
    Record(String),
    /// There is no such file.
    #[error("{0} is missing")]
    Missing(String),
    /// A folder, a link, a device.
    #[error("{0} is no regular file")]
    NotAFile(String),
    /// The system refuses it, or it is too large for what it should be.
    #[error("{file} cannot be read: {why}")]
    Unreadable {
        /// The file.
        file: String,
        /// What the system said.
        why: String,
    },
    /// Another size.
    #[error("{file} has {found} bytes, the record says {expected}")]
    Size {
        /// The file.
        file: String,
        /// Bytes by the record.
        expected: u64,
        /// Bytes it has.
        found: u64,
    },
    /// Another content.
    #[error("the bytes are not those that were read: {}", differing(.ranges))]
    Digest {
        /// SHA-256 of the file.
        found: String,
        /// Where, as far as the checksums of ranges tell.
        ranges: Option<DifferingRanges>,
    },
    /// The digest is right and the checksums of ranges are not.
    #[error("the bytes have their SHA-256, and {} not their checksum: the record was changed", ranges(.0))]
    Checksums(DifferingRanges),
    /// Another state of the pages than recorded.
    #[error("the pages are in another state than {of} says: {}", counts(.expected, .found))]
    Pages {
        /// Who says so.
        of: String,
        /// What it says.
        expected: Box<Counts>,
        /// What is there.
        found: Box<Counts>,
    },
    /// A mapfile that does not belong to its image.
    #[error("{file}: {what}")]
    Mapfile {
        /// The file.
        file: String,
        /// What is wrong with it.
        what: String,
    },
    /// A page report that does not belong to its image.
    #[error("{file}: {what}")]
    Report {
        /// The file.
        file: String,
        /// What is wrong with it.
        what: String,
    },
    /// The list of digests.
    #[error("SHA256SUMS: {0}")]
    Sums(String),
    /// A partition map that does not fit the images.
    #[error("{file}: {what}")]
    Map {
        /// The file.
        file: String,
        /// What is wrong with it.
        what: String,
    },
    /// A file that looks like one of the bundle's images, and is not in the record.
    #[error("{0} is there, and the record knows nothing of it")]
    Extra(String),
    /// Bytes that were asked for and did not come.
    #[error("{bytes} bytes could not be read from the phone")]
    Unread {
        /// Bytes of the file that are missing.
        bytes: u64,
        /// Which.
        ranges: Vec<Range<u64>>,
    },
    /// Bytes nobody asked for yet, or that a run was cut short over.
    #[error("{bytes} bytes were not read yet")]
    Untried {
        /// Bytes of the file that are missing.
        bytes: u64,
        /// Which.
        ranges: Vec<Range<u64>>,
    },
    /// The phone's own word.
    #[error("the phone refuses to give it: {0}")]
    Refused(String),
    /// The image is there, and a run was cut short before it could say so.
    #[error("it is whole, but the record does not say so yet")]
    NotRecorded,
}

/// Ranges of an image that have another checksum than recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DifferingRanges {
    /// How many.
    pub count: usize,
    /// How many there are.
    pub of: usize,
    /// Bytes of a range.
    pub bytes: u64,
    /// Where the first one begins.
    pub first: Place,
}

impl Finding {
    /// How much it weighs.
    #[must_use]
    pub const fn weight(&self) -> Weight {
        match self {
            Self::Unread { .. } | Self::Untried { .. } | Self::Refused(_) | Self::NotRecorded => {
                Weight::Unread
            }
            _ => Weight::Differs,
        }
    }

    /// Stable name for programs.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Record(_) => "record",
            Self::Missing(_) => "missing",
            Self::NotAFile(_) => "not-a-file",
            Self::Unreadable { .. } => "unreadable",
            Self::Size { .. } => "size",
            Self::Digest { .. } => "digest",
            Self::Checksums(_) => "checksums",
            Self::Pages { .. } => "pages",
            Self::Mapfile { .. } => "mapfile",
            Self::Report { .. } => "report",
            Self::Sums(_) => "sums",
            Self::Map { .. } => "map",
            Self::Extra(_) => "extra",
            Self::Unread { .. } => "unread",
            Self::Untried { .. } => "not-read-yet",
            Self::Refused(_) => "refused",
            Self::NotRecorded => "not-recorded",
        }
    }
}

fn differing(found: &Option<DifferingRanges>) -> String {
    match found {
        Some(found) => format!("{} not their checksum", ranges(found)),
        None => "their SHA-256 is another one, no checksum of a range tells where".to_owned(),
    }
}

fn ranges(found: &DifferingRanges) -> String {
    let DifferingRanges { count, of, bytes, first } = found;
    let Place { offset, block, address } = first;
    let (verb, which) = if *count == 1 { ("has", "it begins") } else { ("have", "the first begins") };
    format!(
        "{count} of {of} ranges of {bytes} bytes ({which} at byte {offset:#x}, block {block} of the chip, main-area \
         address {address:#x}) {verb}"
    )
}

fn counts(expected: &Counts, found: &Counts) -> String {
    let pairs = [
        ("clean", expected.clean, found.clean),
        ("correctable", expected.correctable, found.correctable),
        ("damaged", expected.damaged, found.damaged),
        ("blank", expected.blank, found.blank),
        ("in bad blocks", expected.in_bad_blocks, found.in_bad_blocks),
        ("not checked", expected.not_checked, found.not_checked),
    ];
    let told = pairs.iter().filter(|(_, a, b)| a != b);
    told.map(|(what, a, b)| format!("{b} {what} instead of {a}")).collect::<Vec<_>>().join(", ")
}
