//! Why something of a tree cannot be had.

use alloc::string::String;

use crate::read_at::ReadError;

/// Why something of a tree of files cannot be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FilesError {
    /// There is no such object.
    #[error("there is no object {0}")]
    NoObject(u64),
    /// It is of another kind.
    #[error("object {id} is no {wanted}")]
    Not {
        /// The object.
        id: u64,
        /// What was wanted of it: "file", "directory", "symbolic link".
        wanted: &'static str,
    },
    /// A page of it is beyond repair.
    #[error("page {0} is damaged beyond repair")]
    DamagedPage(u32),
    /// The file system contradicts itself there, or uses what is not known here.
    #[error("{0}")]
    Unreadable(String),
    /// What holds the image failed.
    #[error(transparent)]
    Read(#[from] ReadError),
}
