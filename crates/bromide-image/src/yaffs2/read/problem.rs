//! What was accepted of an image but deserves a word.

use alloc::vec::Vec;

/// Most problems named one by one; [`Problems::more`] counts the rest.
pub const MOST_PROBLEMS: usize = 4096;

/// Something about an image that is not as a phone writes it, or not as it was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// The source ends within a page.
    #[error("{0} bytes behind the last whole page")]
    LeftOver(u64),
    /// A block with a bad-block mark.
    #[error("block {0} is marked bad")]
    BadBlock(u32),
    /// A page beyond repair: it counts as never written.
    #[error("page {0} is damaged beyond repair")]
    DamagedPage(u32),
    /// A written page without tags of a file system.
    #[error("page {0} has no tags of a file system")]
    ForeignPage(u32),
    /// A page whose sequence number is not that of its block.
    #[error("page {page} has sequence number {sequence:#x}, not its block's")]
    Sequence {
        /// Page of the image.
        page: u32,
        /// Its sequence number.
        sequence: u32,
    },
    /// The parity of the tags is wrong although the sectors are sound.
    #[error("page {0}: the parity of the tags does not fit them")]
    TagsParity(u32),
    /// A header of no known kind of object.
    #[error("page {0}: a header of no known kind")]
    HeaderKind(u32),
    /// Tags and header of a page disagree on the object's parent or kind; the header is believed.
    #[error("page {0}: tags and header disagree")]
    TagsAndHeader(u32),
    /// An object without a header: a file that hangs in lost+found.
    #[error("object {0} has no header")]
    NoHeader(u32),
    /// An object whose parent is not there or no directory; it hangs in lost+found.
    #[error("object {object}: its parent {parent} is no directory")]
    NoParent {
        /// The object.
        object: u32,
        /// Its parent.
        parent: u32,
    },
    /// An object that is its own ancestor; it hangs in lost+found.
    #[error("object {0} is its own ancestor")]
    Cycle(u32),
    /// A hard link to nothing, to a directory or to another hard link; it was dropped.
    #[error("hard link {object}: object {target} cannot have another name")]
    HardLink {
        /// The link.
        object: u32,
        /// What it is to be another name of.
        target: u32,
    },
    /// A name that is empty, `.` or `..`, or has a slash or control characters.
    #[error("object {0} has a name that is no file name")]
    Name(u32),
    /// An object whose name and target were not kept, since the image has more bytes of those than any phone: it is
    /// called by its number.
    #[error("object {0} goes by its number, there are too many bytes of names")]
    TooManyNames(u32),
    /// An object with the name of another in the same directory.
    #[error("object {0} has the name of another in its directory")]
    SameName(u32),
    /// A file larger than chunk numbers reach.
    #[error("object {0} is larger than its chunks can be numbered")]
    Size(u32),
    /// An object of a kind without content that has chunks of bytes.
    #[error("object {0} has file bytes but is no file")]
    BytesOfNoFile(u32),
    /// A special file whose mode names no kind of device.
    #[error("object {0} is a special file of no known kind")]
    SpecialKind(u32),
}

/// The problems of an image, the first [`MOST_PROBLEMS`] of them by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Problems {
    pub(super) named: Vec<Problem>,
    pub(super) more: u64,
}

impl Problems {
    /// The problems in the order in which they were met.
    #[must_use]
    pub fn named(&self) -> &[Problem] {
        &self.named
    }

    /// How many more there were.
    #[must_use]
    pub const fn more(&self) -> u64 {
        self.more
    }

    pub(super) fn add(&mut self, problem: Problem) {
        if self.named.len() < MOST_PROBLEMS {
            self.named.push(problem);
        } else {
            self.more = self.more.saturating_add(1);
        }
    }
}

/// How many pages of each sort an image has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// All whole pages.
    pub pages: u32,
    /// Erased pages.
    pub blank: u32,
    /// Chunks of the file system, superseded ones included.
    pub chunks: u32,
    /// Pages with wrong bits that were corrected.
    pub corrected: u32,
    /// Wrong bits that were corrected.
    pub bits: u64,
    /// Pages beyond repair.
    pub damaged: u32,
    /// Pages in blocks of checkpoints.
    pub checkpoint: u32,
    /// Pages of block summaries.
    pub summary: u32,
    /// Pages in blocks marked bad.
    pub bad: u32,
    /// Pages among these that were not looked at but follow from others: [`super::Tree::skim`].
    pub assumed: u32,
    /// Pages read to find all this; one read twice counts twice.
    pub looked: u32,
}
