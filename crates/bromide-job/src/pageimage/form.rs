//! How the pages of an image lie in its bytes, told by the user or found from the bytes alone.
//!
//! The parity decides (nand-yaffs2.md section 1): of written pages nearly all sectors pass in the right order of
//! bytes, and in a wrong one a sector passes once in 2^52.

use std::fmt;

use bromide_image::read_at::{ReadAt, ReadError};
use bromide_image::yaffs2::read::{Options, Tree};
use bromide_nand::{BadGeometry, Geometry, Layout, PageState, check_page};

use super::PageImageError;

/// Written pages that are looked at.
const ENOUGH: u32 = 48;

/// Places that are looked at for them before the whole file is searched.
const PROBES: u32 = 1024;

/// Zero bits up to which a page counts as erased here.
const FEW: u32 = 32;

/// Bytes searched at once.
const STEP: usize = 1 << 19;

/// What the bytes of a page are in an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Form {
    /// As the chip stores it: sectors of 512 data and their spare bytes, one after another.
    Interleaved,
    /// All main bytes of a page, then all its spare bytes, parity included.
    SpareLast,
    /// Main bytes alone.
    MainOnly,
    /// Main bytes of a page, then as many spare bytes, which begin with the 28 bytes of packed YAFFS2 tags: image files
    /// as vendors publish them. No parity.
    YaffsImage,
}

impl Form {
    /// Stable name, as the command line takes it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Interleaved => "raw",
            Self::SpareLast => "spare-last",
            Self::MainOnly => "main-only",
            Self::YaffsImage => "yaffs-image",
        }
    }

    /// Order of the bytes.
    #[must_use]
    pub const fn layout(self) -> Layout {
        match self {
            Self::Interleaved => Layout::Interleaved,
            Self::SpareLast | Self::YaffsImage => Layout::DataThenSpare,
            Self::MainOnly => Layout::MainOnly,
        }
    }

    /// Whether the spare bytes of the chip are there, and with them parity and marks.
    #[must_use]
    pub const fn has_parity(self) -> bool {
        matches!(self, Self::Interleaved | Self::SpareLast)
    }

    /// Bytes of a page.
    #[must_use]
    pub const fn page_bytes(self, geometry: &Geometry) -> u32 {
        self.layout().unit_bytes(geometry)
    }
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// An image as pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Form of its pages.
    pub form: Form,
    /// Shape of the chip; as many blocks as the image has, one begun counting whole.
    pub geometry: Geometry,
    /// Whole pages.
    pub pages: u32,
    /// Bytes behind the last whole page.
    pub left_over: u64,
}

impl Shape {
    /// The shape of an image of `bytes` bytes. The image begins with a block; how many blocks `geometry` has is not
    /// looked at.
    ///
    /// # Errors
    /// Less than one page, or more blocks than any chip has.
    pub fn new(bytes: u64, form: Form, geometry: Geometry) -> Result<Self, PageImageError> {
        let page = form.page_bytes(&geometry);
        let pages = bytes / u64::from(page.max(1));
        if pages == 0 {
            return Err(PageImageError::TooShort { bytes, page });
        }
        let blocks = pages.div_ceil(u64::from(geometry.pages_per_block.max(1)));
        let blocks = u32::try_from(blocks).unwrap_or(u32::MAX);
        let Geometry { page: main, spare, pages_per_block, .. } = geometry;
        let geometry = Geometry::new(main, spare, pages_per_block, blocks)?;
        // 65536 blocks of 4096 pages are the most there can be.
        let pages = u32::try_from(pages).map_err(|_| BadGeometry::Blocks(blocks))?;
        Ok(Self { form, geometry, pages, left_over: bytes % u64::from(page.max(1)) })
    }

    /// Bytes of a page in the image.
    #[must_use]
    pub const fn page_bytes(&self) -> u32 {
        self.form.page_bytes(&self.geometry)
    }

    /// Where a page begins in the image, in bytes.
    #[must_use]
    pub fn offset(&self, page: u32) -> u64 {
        u64::from(page) * u64::from(self.page_bytes())
    }

    /// Whether the pages can be checked and corrected.
    #[must_use]
    pub fn can_check(&self) -> bool {
        self.form.has_parity() && self.geometry.ecc().is_some()
    }

    /// Refuses an image that ends within a page.
    pub(super) fn whole(&self) -> Result<(), PageImageError> {
        match self.left_over {
            0 => Ok(()),
            over => {
                let whole = self.offset(self.pages);
                Err(PageImageError::LeftOver { over, page: self.page_bytes(), whole })
            }
        }
    }
}

/// The form of an image with pages of this shape; none where nothing fits.
///
/// An image without a written page counts as [`Form::Interleaved`] where its length allows. One whose pages carry
/// neither parity nor tags counts as main bytes where it is a whole number of those.
///
/// # Errors
/// The source's own.
pub fn detect<S: ReadAt>(source: &S, geometry: &Geometry) -> Result<Option<Form>, ReadError> {
    let stored = u64::from(geometry.stored_page());
    let mut votes = Votes::default();
    let mut from = 0;
    if geometry.ecc().is_some() {
        votes.probe(source, geometry)?;
    }
    if votes.written == 0 {
        match first_written(source, stored)? {
            Some(page) => {
                from = page;
                votes.run(source, geometry, page)?;
            }
            None if source.len().is_multiple_of(stored) => return Ok(Some(Form::Interleaved)),
            None => {}
        }
    }
    let carried = |passing: u32| passing > 0 && passing.saturating_mul(8) >= votes.written;
    if carried(votes.interleaved) && votes.interleaved >= votes.spare_last {
        return Ok(Some(Form::Interleaved));
    }
    if carried(votes.spare_last) {
        return Ok(Some(Form::SpareLast));
    }
    if is_yaffs_image(source, geometry, from)? {
        return Ok(Some(Form::YaffsImage));
    }
    let main = source.len().is_multiple_of(u64::from(geometry.page.max(1)));
    Ok(Some(Form::MainOnly).filter(|_| main))
}

/// Written pages, and how many of them pass in each order.
#[derive(Debug, Default)]
struct Votes {
    written: u32,
    interleaved: u32,
    spare_last: u32,
}

impl Votes {
    /// Looks at pages spread over the file.
    fn probe<S: ReadAt>(&mut self, source: &S, geometry: &Geometry) -> Result<(), ReadError> {
        let pages = source.len() / u64::from(geometry.stored_page());
        let mut step = (pages / 8 * 5).max(1);
        while greatest_common_divisor(step, pages.max(1)) != 1 {
            step += 1;
        }
        let mut at = 0;
        for _ in 0..pages.min(PROBES.into()) {
            if self.written >= ENOUGH {
                break;
            }
            self.look(source, geometry, at)?;
            at = (at + step) % pages;
        }
        Ok(())
    }

    /// Looks at pages one after another.
    fn run<S: ReadAt>(&mut self, source: &S, geometry: &Geometry, from: u64) -> Result<(), ReadError> {
        let pages = source.len() / u64::from(geometry.stored_page());
        (from..pages).take(ENOUGH as usize).try_for_each(|page| self.look(source, geometry, page))
    }

    fn look<S: ReadAt>(&mut self, source: &S, geometry: &Geometry, page: u64) -> Result<(), ReadError> {
        let unit = geometry.stored_page();
        let mut stored = vec![0; unit as usize];
        source.read_at(page * u64::from(unit), &mut stored)?;
        if zeros(&stored) <= FEW {
            return Ok(());
        }
        self.written += 1;
        let passes = |layout| {
            let state = check_page(&stored, layout, geometry);
            u32::from(matches!(state, PageState::Clean | PageState::Correctable { .. }))
        };
        self.interleaved += passes(Layout::Interleaved);
        self.spare_last += passes(Layout::DataThenSpare);
        Ok(())
    }
}

/// Zero bits of a page.
pub(super) fn zeros(bytes: &[u8]) -> u32 {
    bytes.iter().map(|byte| byte.count_zeros()).sum()
}

const fn greatest_common_divisor(mut a: u64, mut b: u64) -> u64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

/// The first page that is not erased; the whole file is read where there is none.
fn first_written<S: ReadAt>(source: &S, stored: u64) -> Result<Option<u64>, ReadError> {
    let (len, mut at) = (source.len(), 0_u64);
    let mut piece = vec![0; STEP];
    while at < len {
        let step = usize::try_from(len - at).unwrap_or(STEP).min(STEP);
        let piece = piece.get_mut(..step).unwrap_or_default();
        source.read_at(at, piece)?;
        // A byte of a written page; flipped bits of an erased one are single.
        if let Some(found) = piece.windows(4).position(|few| few.iter().all(|byte| byte.count_zeros() > 1)) {
            return Ok(Some((at + found as u64) / stored));
        }
        at += step as u64;
    }
    Ok(None)
}

/// Whether pages from there on carry the tags of an image file.
fn is_yaffs_image<S: ReadAt>(source: &S, geometry: &Geometry, from: u64) -> Result<bool, ReadError> {
    let stored = u64::from(geometry.stored_page());
    let blocks_from = from / u64::from(geometry.pages_per_block) * u64::from(geometry.pages_per_block);
    let from = blocks_from * stored;
    let sample = u64::from(geometry.pages_per_block.max(ENOUGH)) * stored;
    let window = Window { of: source, from, len: source.len().saturating_sub(from).min(sample) };
    let tree = Tree::scan(window, Options::image_file(*geometry))?;
    let counts = tree.counts();
    let written = counts.pages.saturating_sub(counts.blank);
    Ok(counts.chunks > 0 && counts.chunks >= written / 2 && !tree.nodes().is_empty())
}

/// Some bytes of a source.
struct Window<'a, S> {
    of: &'a S,
    from: u64,
    len: u64,
}

impl<S: ReadAt> ReadAt for Window<'_, S> {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_at(&self, at: u64, into: &mut [u8]) -> Result<(), ReadError> {
        self.of.read_at(self.from.saturating_add(at), into)
    }
}
