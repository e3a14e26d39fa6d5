//! The shapes in which one and the same page travels, and the way from one to another.
//!
//! Promises that a conversion either fills the whole target or changes nothing and reports the wrong length.
//! Facts: nand-yaffs2.md section 1, shapes (a), (b), (d).

use crate::{Geometry, SECTOR_BYTES, fdm};

/// Order of the bytes of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Layout {
    /// Sector by sector: 512 data bytes, then the spare bytes of that sector; as the chip stores it (shape a).
    Interleaved,
    /// All main bytes, then the spares of all sectors one after another (shape b).
    DataThenSpare,
    /// Main bytes alone (shape d): nothing to check.
    MainOnly,
}

/// Why a page cannot be taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LayoutError {
    /// A buffer is not as long as the layout says.
    #[error("{found} bytes where {expected} were expected")]
    Length {
        /// Bytes the layout wants.
        expected: usize,
        /// Bytes given.
        found: usize,
    },
    /// Main bytes alone hold no spare.
    #[error("main bytes alone hold no spare")]
    NoSpare,
    /// The spare is not 16 bytes a sector.
    #[error("{0} spare bytes a page are not 16 bytes a sector")]
    SectorSpare(u32),
}

impl Layout {
    /// Bytes one page takes in this layout.
    #[must_use]
    pub const fn unit_bytes(self, geometry: &Geometry) -> u32 {
        match self {
            Self::Interleaved | Self::DataThenSpare => geometry.stored_page(),
            Self::MainOnly => geometry.page,
        }
    }

    /// Writes `page`, which is in this layout, into `into` in the layout `to`.
    ///
    /// # Errors
    /// A buffer of the wrong length; [`LayoutError::NoSpare`] when `to` wants spare bytes this layout lacks.
    pub fn convert(
        self,
        page: &[u8],
        to: Self,
        into: &mut [u8],
        geometry: &Geometry,
    ) -> Result<(), LayoutError> {
        self.expect_length(page, geometry)?;
        to.expect_length(into, geometry)?;
        match (self, to) {
            (from, to) if from == to => into.copy_from_slice(page),
            (Self::MainOnly, _) => return Err(LayoutError::NoSpare),
            (Self::DataThenSpare, Self::Interleaved) => interleave(page, into, geometry),
            (Self::Interleaved, _) => separate(page, into, geometry),
            (Self::DataThenSpare, _) => {
                for (to, from) in into.iter_mut().zip(page) {
                    *to = *from;
                }
            }
        }
        Ok(())
    }

    /// Writes the main bytes of `page`, which is in this layout, into `into` (`geometry.page` bytes).
    ///
    /// # Errors
    /// A buffer of the wrong length.
    pub fn main_bytes(self, page: &[u8], into: &mut [u8], geometry: &Geometry) -> Result<(), LayoutError> {
        self.convert(page, Self::MainOnly, into, geometry)
    }

    /// The sectors of `page`, which is in this layout, each as its 512 data and 16 spare bytes.
    ///
    /// # Errors
    /// A page of the wrong length, without spare bytes, or with a spare other than 16 bytes a sector.
    pub fn sectors<'a>(self, page: &'a [u8], geometry: &Geometry) -> Result<Sectors<'a>, LayoutError> {
        self.expect_length(page, geometry)?;
        if geometry.spare_per_sector() != 16 || !geometry.spare.is_multiple_of(16) {
            return Err(LayoutError::SectorSpare(geometry.spare));
        }
        let (data_step, spare_step, first_spare) = match self {
            Self::Interleaved => {
                (SECTOR_BYTES.saturating_add(16), SECTOR_BYTES.saturating_add(16), SECTOR_BYTES)
            }
            Self::DataThenSpare => (SECTOR_BYTES, 16, bytes(geometry.page)),
            Self::MainOnly => return Err(LayoutError::NoSpare),
        };
        let spare = page.get(first_spare..).unwrap_or_default();
        Ok(Sectors { data: page, spare, data_step, spare_step })
    }

    /// Writes the FDM bytes of `page`, which is in this layout, into `into`: 8 of each sector, [`crate::fdm`].
    ///
    /// # Errors
    /// As for [`Self::sectors`]; an `into` other than 8 bytes a sector.
    pub fn fdm_bytes(self, page: &[u8], into: &mut [u8], geometry: &Geometry) -> Result<(), LayoutError> {
        let sectors = self.sectors(page, geometry)?;
        let expected = bytes(geometry.sectors_per_page()).saturating_mul(fdm::PER_SECTOR);
        if into.len() != expected {
            return Err(LayoutError::Length { expected, found: into.len() });
        }
        for (to, (_data, spare)) in into.chunks_exact_mut(fdm::PER_SECTOR).zip(sectors) {
            fill(to, spare);
        }
        Ok(())
    }

    /// Refuses a buffer that is not one page in this layout.
    pub(crate) fn expect_length(self, buffer: &[u8], geometry: &Geometry) -> Result<(), LayoutError> {
        let expected = bytes(self.unit_bytes(geometry));
        match buffer.len() {
            found if found == expected => Ok(()),
            found => Err(LayoutError::Length { expected, found }),
        }
    }
}

/// The sectors of one page in the order of their data: `(512 data bytes, 16 spare bytes)`.
#[derive(Debug, Clone)]
pub struct Sectors<'a> {
    /// From the next sector's data on.
    data: &'a [u8],
    /// From the next sector's spare on.
    spare: &'a [u8],
    data_step: usize,
    spare_step: usize,
}

impl<'a> Iterator for Sectors<'a> {
    type Item = (&'a [u8; 512], &'a [u8; 16]);

    fn next(&mut self) -> Option<Self::Item> {
        // The spares end with the page in both layouts, so they end the iteration.
        let item = (self.data.first_chunk()?, self.spare.first_chunk()?);
        self.data = self.data.get(self.data_step..).unwrap_or_default();
        self.spare = self.spare.get(self.spare_step..).unwrap_or_default();
        Some(item)
    }
}

/// Interleaved page into one with the main bytes in front; stops where `into` ends, so `into` may be main only.
fn separate(page: &[u8], into: &mut [u8], geometry: &Geometry) {
    let spare_len = bytes(geometry.spare_per_sector());
    let main_len = bytes(geometry.page);
    let mut rest = page;
    let Some((main, mut spare)) = into.split_at_mut_checked(main_len) else { return };
    for sector in main.chunks_exact_mut(SECTOR_BYTES) {
        rest = fill(sector, rest);
        let (here, after) = spare.split_at_mut(spare_len.min(spare.len()));
        fill(here, rest);
        rest = rest.get(spare_len..).unwrap_or_default();
        spare = after;
    }
    fill(spare, rest);
}

/// Page with the main bytes in front into an interleaved one.
fn interleave(page: &[u8], into: &mut [u8], geometry: &Geometry) {
    let Some((main, mut spare)) = page.split_at_checked(bytes(geometry.page)) else { return };
    let spare_len = bytes(geometry.spare_per_sector());
    let mut rest = into;
    for sector in main.chunks_exact(SECTOR_BYTES) {
        let (data, after) = rest.split_at_mut(SECTOR_BYTES.min(rest.len()));
        let (here, after) = after.split_at_mut(spare_len.min(after.len()));
        fill(data, sector);
        spare = fill(here, spare);
        rest = after;
    }
    fill(rest, spare);
}

/// Fills `to` from the front of `from` and gives what is left of `from`.
fn fill<'a>(to: &mut [u8], from: &'a [u8]) -> &'a [u8] {
    let (front, rest) = from.split_at(to.len().min(from.len()));
    for (to, from) in to.iter_mut().zip(front) {
        *to = *from;
    }
    rest
}

/// A size that fits any address space this code meets; a page is at most 20 KiB.
fn bytes(size: u32) -> usize {
    usize::try_from(size).unwrap_or(usize::MAX)
}
