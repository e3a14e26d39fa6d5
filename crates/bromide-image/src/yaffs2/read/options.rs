//! How the chunks and tags of an image lie in its bytes.

use bromide_nand::{Geometry, Layout};

/// Bytes of the tags at the end of a page that carries them in-band.
pub(super) const IN_BAND: usize = 16;

/// Where the tags of a page are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TagsAt {
    /// In the software bytes of the sectors' FDM, as MediaTek's driver puts them (nand-yaffs2.md section 3). Pages
    /// of fewer than 2048 bytes have no room for them.
    Fdm,
    /// One after another in the spare, from this byte of it on: 28 bytes, or as many as there are, at least 16. At 0
    /// they are in image files (nand-yaffs2.md section 8).
    Spare(u16),
    /// In the last 16 bytes of the page itself; a chunk is so much smaller than a page.
    InBand,
}

/// Order of the bytes of a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ByteOrder {
    /// Least significant first: every phone.
    Little,
    /// Most significant first.
    Big,
}

impl ByteOrder {
    /// The 32-bit number at `at`; all ones, the value of an unset field, where `bytes` ends before it.
    pub(super) fn word(self, bytes: &[u8], at: usize) -> u32 {
        let word = bytes.get(at..).and_then(|rest| rest.first_chunk());
        match (word, self) {
            (None, _) => u32::MAX,
            (Some(word), Self::Little) => u32::from_le_bytes(*word),
            (Some(word), Self::Big) => u32::from_be_bytes(*word),
        }
    }
}

/// How much of a page is checked before its tags are believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verify {
    /// Every sector. Pages beyond repair count as never written, as for the phone.
    Pages,
    /// The check byte of the FDM, and every sector of object headers and of pages whose check byte is wrong. Enough
    /// to list an image; a chunk of file bytes beyond repair is met only when it is read.
    Tags,
    /// As [`Self::Tags`], and of a partition as its image maker left it no more pages than [`super::Tree::skim`] looks
    /// at. Should a page turn out to be something else when its bytes are read, all pages are looked at.
    Headers,
}

/// What [`super::Tree::scan`] has to know of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Shape of the chip. The length of the source decides how many blocks there are. The spare does not count in
    /// [`Layout::MainOnly`].
    pub geometry: Geometry,
    /// Order of the bytes of a page.
    pub layout: Layout,
    /// Where the tags are.
    pub tags: TagsAt,
    /// Byte order of tags and headers.
    pub order: ByteOrder,
    /// Whether the sectors carry the ECC of [`bromide_nand::ecc`] and are checked and corrected by it. Without
    /// effect on a geometry whose ECC is not known.
    pub ecc: bool,
    /// What is checked in advance.
    pub verify: Verify,
}

impl Options {
    /// A read back of a MediaTek phone: tags in the FDM, sectors under ECC, every page checked.
    #[must_use]
    pub const fn read_back(geometry: Geometry, layout: Layout) -> Self {
        let (tags, order) = (TagsAt::Fdm, ByteOrder::Little);
        Self { geometry, layout, tags, order, ecc: true, verify: Verify::Pages }
    }

    /// An image file: every page followed by its spare, which begins with the tags; no sector ECC.
    #[must_use]
    pub const fn image_file(geometry: Geometry) -> Self {
        let (tags, order) = (TagsAt::Spare(0), ByteOrder::Little);
        Self { geometry, layout: Layout::DataThenSpare, tags, order, ecc: false, verify: Verify::Pages }
    }

    /// Bytes of a file in one chunk: a page, less the tags where they are in-band.
    #[must_use]
    pub fn chunk_bytes(&self) -> usize {
        let page = usize::try_from(self.geometry.page).unwrap_or(usize::MAX);
        if self.tags == TagsAt::InBand { page.saturating_sub(IN_BAND) } else { page }
    }
}
