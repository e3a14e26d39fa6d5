//! Where on the flash things lie: the pages of a file, and whose a page is.

use alloc::vec;

use bromide_nand::{ecc, fdm};

use super::options::TagsAt;
use super::tagged::{self, Tagged, What};
use super::{Node, Tree};
use crate::read_at::{ReadAt, ReadError};

/// What the tags of a page say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageTags {
    /// Sequence number of its block.
    pub sequence: u32,
    /// Object it belongs to.
    pub object: u32,
    /// The piece of the file it holds, from 1; none in an object's header.
    pub chunk: Option<u32>,
}

impl<S: ReadAt> Tree<S> {
    /// The pieces of a file that count, by number from 1, each with its page. Holes have none.
    pub fn pages_of(&self, node: &Node) -> impl Iterator<Item = (u32, u32)> {
        let chunks = self.chunks.get(node.chunks.clone()).unwrap_or_default();
        chunks.iter().map(|chunk| (chunk.number, chunk.page))
    }

    /// What the tags of a page say, whatever state its other bytes are in: none where the check byte of the FDM does
    /// not vouch for them, where they are of no file system, and in images that keep them elsewhere.
    ///
    /// # Errors
    /// The source's own.
    pub fn tags_of(&self, page: u32) -> Result<Option<PageTags>, ReadError> {
        let options = &self.pages.options;
        if options.tags != TagsAt::Fdm || page >= self.pages.count {
            return Ok(None);
        }
        let mut stored = vec![];
        self.pages.fetch(page, 1, &mut stored)?;
        let Ok(sectors) = options.layout.sectors(&stored, &options.geometry) else { return Ok(None) };
        let mut all = vec![];
        for (data, spare) in sectors {
            let (mut data, mut spare) = (*data, *spare);
            if options.ecc {
                ecc::correct_sector(&mut data, &mut spare);
            }
            all.extend(spare.iter().take(fdm::PER_SECTOR));
        }
        if !fdm::check_holds(&all) {
            return Ok(None);
        }
        let mut tags = [0xFF; 28];
        let len = fdm::software(&all, &mut tags);
        let tags = tags.get(..len).unwrap_or_default();
        Ok(match tagged::read(tags, options.order, options.chunk_bytes()) {
            Tagged::Chunk { sequence, object, what } => {
                let chunk = if let What::Data { chunk, .. } = what { Some(chunk) } else { None };
                Some(PageTags { sequence, object, chunk })
            }
            Tagged::Checkpoint | Tagged::Foreign => None,
        })
    }
}
