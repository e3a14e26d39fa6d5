//! What an extraction tells: how far it is, what it had to do otherwise, and what came of it.

use std::io;
use std::path::PathBuf;

use bromide_image::files::{Kind, Left};
use thiserror::Error;

/// One thing that happened.
#[derive(Debug)]
pub enum Told<'a> {
    /// It begins; stored bytes of all files to come.
    Start(u64),
    /// Stored bytes read so far.
    Done(u64),
    /// Something is not as in the image.
    Remark(&'a Remark),
}

/// Receives what is told.
pub type Tell<'t> = dyn FnMut(Told<'_>) + 't;

/// Something that is not as in the image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remark {
    /// Path in the image, names joined by slashes, without one before it.
    pub path: Vec<u8>,
    /// What is not.
    pub what: What,
}

/// What is not as in the image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// Its name could not be written, or was taken; it has this path now.
    Renamed(Vec<u8>),
    /// Its bytes are not all there or may not be the right ones. It has this path, which says so.
    Damaged {
        /// Path it was written to.
        to: Vec<u8>,
        /// Bytes that are missing; zeros stand for them, or the file ends before them. 0 where all could be read.
        missing: u64,
        /// Why.
        why: String,
    },
    /// It was not written, nor what is in it.
    Refused(String),
    /// A kind of object that was left out: devices and pipes where they may not be made, sockets always.
    Skipped(Kind),
    /// A directory that was not gone into.
    Left(Left),
    /// What is in this directory could not be read, or not all of it.
    Unread(String),
    /// Attributes of this sort could not be given to this object, and perhaps not to others; told for the first.
    Attribute {
        /// The sort: "owner", "mode", "times", or what an extended attribute's name begins with.
        sort: String,
        /// Why.
        why: String,
    },
}

impl What {
    /// Whether something of the image is missing or wrong because of it.
    #[must_use]
    pub const fn is_failure(&self) -> bool {
        matches!(self, Self::Damaged { .. } | Self::Refused(_) | Self::Unread(_) | Self::Left(Left::TooDeep))
    }
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Summary {
    /// Files, damaged ones included, further names of the same not.
    pub files: u64,
    /// Directories, the start not included.
    pub directories: u64,
    /// Symbolic links.
    pub symlinks: u64,
    /// Further names of files.
    pub hard_links: u64,
    /// Devices and pipes.
    pub specials: u64,
    /// Bytes of files that were written, holes not included.
    pub bytes: u64,
    /// Objects that got another name.
    pub renamed: u64,
    /// Files whose bytes are not all there or may not be the right ones.
    pub damaged: u64,
    /// Objects and directories that could not be written or read.
    pub refused: u64,
    /// Objects left out for their kind.
    pub skipped: u64,
    /// Sorts of attributes that could not be given.
    pub attributes: u64,
}

impl Summary {
    pub(super) fn count(&mut self, what: &What) {
        let count = match what {
            What::Renamed(_) => &mut self.renamed,
            What::Damaged { .. } => &mut self.damaged,
            What::Refused(_) | What::Unread(_) | What::Left(Left::TooDeep) => &mut self.refused,
            What::Skipped(_) | What::Left(Left::SeenBefore) => &mut self.skipped,
            What::Attribute { .. } => &mut self.attributes,
        };
        *count += 1;
    }
}

/// Why an extraction ended early. What was written under its right name before is right.
#[derive(Debug, Error)]
pub enum ExtractError {
    /// The user wanted it.
    #[error("stopped by the user")]
    Stopped,
    /// The folder to extract into has something in it.
    #[error("{} is not empty", .0.display())]
    NotEmpty(PathBuf),
    /// What is there is no folder: a file, or a link.
    #[error("{} is no folder", .0.display())]
    NotAFolder(PathBuf),
    /// The folder it shall be made in is not there.
    #[error("there is no folder {}", .0.display())]
    NoFolder(PathBuf),
    /// There is not enough room, known before the first byte.
    #[error("{} has {free} bytes free, {needed} are needed", folder.display())]
    DiskFull {
        /// The folder.
        folder: PathBuf,
        /// Bytes to come.
        needed: u64,
        /// Bytes that are free.
        free: u64,
    },
    /// Somebody moved a directory while it was written to.
    #[error("a directory was moved away while it was written to")]
    Moved,
    /// The system refused.
    #[error("cannot {doing} {path}: {error}")]
    Io {
        /// What was tried.
        doing: &'static str,
        /// With what.
        path: String,
        /// What the system said.
        error: io::Error,
    },
    /// A file could be read when it was checked, but not when it was written.
    #[error("/{path} could be read a first time, but not a second: {why}")]
    Changed {
        /// The file.
        path: String,
        /// What was in the way.
        why: String,
    },
}
