//! Files of an earlier read against the phone as it is now; neither is changed.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::PathBuf;

use bromide_nand::ecc::correct_sector;
use bromide_nand::{Geometry, Layout};

use super::layout;
use super::pages::Pages;
use super::verify::{Again, First, Verified};
use crate::error::JobError;
use crate::event::Tell;
use crate::rows::Row;
use crate::save::SaveError;
use crate::source::Source;

/// Pages that are named; more are counted.
const NAMED: usize = 10_000;

/// How a file compares with the phone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Against {
    /// Pages read again; those that differ here include read noise and bit errors.
    pub verified: Verified,
    /// Pages whose content is another, by number in the file; at most 10,000 of them.
    pub other: Vec<u64>,
    /// All of them.
    pub others: u64,
    /// Pages that differ in bits their parity corrects: the content is the same.
    pub same_after_correction: u64,
}

impl Against {
    /// Whether the phone holds what the file holds, as far as its pages came.
    #[must_use]
    pub const fn is_same(&self) -> bool {
        self.others == 0
    }
}

/// Reads a row again, backwards and in other packets, and compares it with its file.
///
/// # Errors
/// The phone cannot be read, or the file not.
pub async fn compare_with_phone<S: Source>(
    source: &mut S,
    row: &Row,
    pages_per_packet: u32,
    tell: &mut Tell<'_>,
) -> Result<Against, JobError> {
    let geometry = source.session().ok_or(JobError::NoSession)?.geometry()?;
    let mut pages = Pages::new(row, &geometry);
    let path = row.target.clone();
    let file = File::open(&path).map_err(SaveError::io("open", &path))?;
    if file.metadata().map_err(SaveError::io("look at", &path))?.len() != pages.count() * pages.unit() {
        return Err(SaveError::Altered(path).into());
    }
    let layout = layout(row.shape);
    let unit = pages.unit();
    let mut saved = Saved { path, file, geometry, layout, unit, found: Against::default() };
    let mut again = Again { pages: &mut pages, geometry: &geometry, layout, pages_per_packet };
    let verified = again.compare(source, &mut saved, tell).await?;
    saved.found.other.sort_unstable();
    Ok(Against { verified, ..saved.found })
}

/// A file that is only looked at.
struct Saved {
    path: PathBuf,
    file: File,
    geometry: Geometry,
    layout: Layout,
    unit: u64,
    found: Against,
}

impl First for Saved {
    fn read_at(&mut self, at: u64, into: &mut [u8]) -> Result<(), JobError> {
        let read = self.file.seek(SeekFrom::Start(at)).and_then(|_| self.file.read_exact(into));
        Ok(read.map_err(SaveError::io("read", &self.path))?)
    }

    fn differs(&mut self, at: u64, was: &[u8], best: Vec<u8>, _: &mut Tell<'_>) -> Result<(), JobError> {
        let corrected = |page: &[u8]| corrected(page, self.layout, &self.geometry);
        if was == best {
            // The phone gave it so too, if not each time.
        } else if corrected(was).is_some_and(|page| Some(page) == corrected(&best)) {
            self.found.same_after_correction += 1;
        } else {
            self.found.others += 1;
            if self.found.other.len() < NAMED {
                self.found.other.push(at / self.unit);
            }
        }
        Ok(())
    }
}

/// The sectors of a page without their wrong bits, spare bytes too (file systems keep words of their own there);
/// `None` where parity says nothing.
fn corrected(page: &[u8], layout: Layout, geometry: &Geometry) -> Option<Vec<([u8; 512], [u8; 16])>> {
    geometry.ecc()?;
    let sectors = layout.sectors(page, geometry).ok()?;
    let corrected = |(data, spare): (&[u8; 512], &[u8; 16])| {
        let (mut data, mut spare) = (*data, *spare);
        correct_sector(&mut data, &mut spare);
        (data, spare)
    };
    Some(sectors.map(corrected).collect())
}
