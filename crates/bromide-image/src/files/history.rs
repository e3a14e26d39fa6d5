//! What a file system still has of files as they were.

use alloc::vec::Vec;
use core::ops::Range;

use super::{FilesError, Yaffs2Files};
use crate::read_at::ReadAt;
use crate::yaffs2::read::{Content, Version};

/// Earlier versions and deleted objects, where a file system keeps them. Of those here only YAFFS2 does.
pub trait History {
    /// What happened to an object, from the newest on.
    ///
    /// # Errors
    /// The place of a version cannot be read.
    fn versions(&self, id: u64) -> Result<Vec<Version>, FilesError>;

    /// Objects that are not in the tree but had a name once, by id.
    fn deleted(&self) -> Vec<u64>;

    /// The newest version of an object that was in a directory.
    ///
    /// # Errors
    /// The place of a version cannot be read.
    fn last_named(&self, id: u64) -> Result<Option<Version>, FilesError>;

    /// The path of a directory, or the last it had; `?` for what is above it and not known.
    ///
    /// # Errors
    /// The place of a version cannot be read.
    fn last_path(&self, directory: u64) -> Result<Vec<u8>, FilesError>;

    /// The bytes a version of a file had, to be read by [`Self::read_content`].
    ///
    /// # Errors
    /// No file, or no version of this image.
    fn content(&self, version: &Version) -> Result<Content, FilesError>;

    /// As [`super::Files::read`], of a version. What was erased since reads as zeros, as holes do.
    ///
    /// # Errors
    /// A page beyond repair, or its place cannot be read.
    fn read_content(&self, content: &Content, offset: u64, into: &mut [u8]) -> Result<usize, FilesError>;

    /// As [`super::Files::stored`], of a version.
    fn content_stored(&self, content: &Content, offset: u64) -> Option<Range<u64>>;

    /// Bytes of a version that are still stored; the rest are holes or were erased since.
    fn stored_content(&self, content: &Content) -> u64;
}

fn id_of(id: u64) -> Result<u32, FilesError> {
    u32::try_from(id).map_err(|_| FilesError::NoObject(id))
}

impl<S: ReadAt> History for Yaffs2Files<S> {
    fn versions(&self, id: u64) -> Result<Vec<Version>, FilesError> {
        Ok(self.tree().history(id_of(id)?)?)
    }

    fn deleted(&self) -> Vec<u64> {
        self.tree().deleted().map(u64::from).collect()
    }

    fn last_named(&self, id: u64) -> Result<Option<Version>, FilesError> {
        Ok(self.tree().last_named(id_of(id)?)?)
    }

    fn last_path(&self, directory: u64) -> Result<Vec<u8>, FilesError> {
        Ok(self.tree().last_path(id_of(directory)?)?)
    }

    fn content(&self, version: &Version) -> Result<Content, FilesError> {
        Ok(self.tree().content(version)?)
    }

    fn read_content(&self, content: &Content, offset: u64, into: &mut [u8]) -> Result<usize, FilesError> {
        Ok(self.tree().read_content(content, offset, into)?)
    }

    fn content_stored(&self, content: &Content, offset: u64) -> Option<Range<u64>> {
        self.tree().content_stored_at(content, offset)
    }

    fn stored_content(&self, content: &Content) -> u64 {
        content.stored_bytes()
    }
}
