//! Paths of versions: that of a directory is looked up once for all that was in it, as it costs a page for each directory
//! above that is gone.

use std::collections::BTreeMap;

use bromide_image::files::{FilesError, History};
use bromide_image::yaffs2::read::{ROOT, Version};

/// Paths kept: of hostile images, 16 MiB.
const MOST_KEPT: usize = 4096;

/// Looks up paths of versions.
pub(super) struct Paths<'a> {
    history: &'a dyn History,
    known: BTreeMap<u32, Vec<u8>>,
}

impl<'a> Paths<'a> {
    pub(super) const fn new(history: &'a dyn History) -> Self {
        Self { history, known: BTreeMap::new() }
    }

    /// The path of the directory a version was in.
    pub(super) fn above(&mut self, version: &Version) -> Result<&[u8], FilesError> {
        if !self.known.contains_key(&version.parent) {
            if self.known.len() >= MOST_KEPT {
                self.known.clear();
            }
            let path = self.history.last_path(u64::from(version.parent))?;
            self.known.insert(version.parent, path);
        }
        Ok(self.known.get(&version.parent).map_or(&[], Vec::as_slice))
    }

    /// The path of a version.
    pub(super) fn of(&mut self, version: &Version) -> Result<Vec<u8>, FilesError> {
        let gap: &[u8] = if version.parent == ROOT { b"" } else { b"/" };
        Ok([self.above(version)?, gap, &version.name].concat())
    }
}
