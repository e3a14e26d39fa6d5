//! What can end a look at an image of pages.

use std::path::PathBuf;

use bromide_image::read_at::ReadError;
use bromide_nand::BadGeometry;

use super::Form;
use crate::save::SaveError;

/// Why an image of pages cannot be checked or written.
#[derive(Debug, thiserror::Error)]
pub enum PageImageError {
    /// The source failed.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The caller wanted an end.
    #[error("stopped")]
    Stopped,
    /// What is written cannot be saved.
    #[error(transparent)]
    Save(#[from] SaveError),
    /// Not even one page.
    #[error("{bytes} bytes are less than one page of {page}")]
    TooShort {
        /// Bytes of the file.
        bytes: u64,
        /// Bytes of a page in its form.
        page: u32,
    },
    /// The file ends within a page.
    #[error("{over} bytes behind the last whole page (of {page} bytes) are the beginning of another")]
    LeftOver {
        /// Bytes behind the last whole page.
        over: u64,
        /// Bytes of a page in its form.
        page: u32,
        /// Bytes of the whole pages.
        whole: u64,
    },
    /// A shape no chip has; more blocks than any for one.
    #[error(transparent)]
    Geometry(#[from] BadGeometry),
    /// The image itself, under this or another name.
    #[error("writing {} would write over the image itself", .0.display())]
    OverInput(PathBuf),
    /// Correcting needs the parity.
    #[error("a {0} image carries no parity: there is nothing to correct by")]
    NoParity(Form),
    /// The code of such pages is not known.
    #[error("the ECC of pages of {page} + {spare} bytes is not known")]
    UnknownEcc {
        /// Main bytes a page.
        page: u32,
        /// Spare bytes a page.
        spare: u32,
    },
    /// The image is in this form already.
    #[error("the image is in the form {0} already")]
    SameForm(Form),
    /// Main bytes alone do not tell what the spare bytes were.
    #[error("main bytes alone do not say what was in the spare bytes")]
    SpareIsGone,
    /// Main bytes of a YAFFS2 file system: its tags were in the spare bytes.
    #[error("these are main bytes of YAFFS2; its tags were in the spare bytes and are gone")]
    TagsAreGone,
    /// The tags need more room than such pages have.
    #[error("YAFFS2 tags of image files need pages of 2048 bytes or more with at least 28 spare bytes")]
    NoRoomForTags,
    /// What was written is not what was meant to be written; it was removed.
    #[error("the file that was written does not read back as it should: {0}")]
    WrittenWrong(String),
    /// No thread could be started.
    #[error("cannot start a thread: {0}")]
    Thread(std::io::Error),
}

impl PageImageError {
    /// Stable name for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Read(_) | Self::Thread(_) => "file/io",
            Self::Stopped => "link/cancelled",
            Self::Save(e) => e.code(),
            Self::TooShort { .. } => "image/too-short",
            Self::LeftOver { .. } => "image/left-over",
            Self::Geometry(_) => "image/geometry",
            Self::OverInput(_) => "save/same-file",
            Self::NoParity(_) => "image/no-parity",
            Self::UnknownEcc { .. } => "image/unknown-ecc",
            Self::SameForm(_) => "image/same-form",
            Self::SpareIsGone | Self::TagsAreGone => "image/spare-gone",
            Self::NoRoomForTags => "image/no-room",
            Self::WrittenWrong(_) => "image/written-wrong",
        }
    }
}
