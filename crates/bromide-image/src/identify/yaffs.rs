//! YAFFS2 by its object headers and tags (nand-yaffs2.md sections 4 and 5).

use super::fields::{byte, has, le32, part, text};
use super::view::Spot;
use super::{Confidence, Finding, Kind};
use crate::yaffs2::{CHUNK, LAST_CHUNK, LAST_OBJECT};

/// The first sequence number of a writer, and the last before the marks for checkpoints and bad blocks.
const SEQUENCES: core::ops::RangeInclusive<u32> = 0x1000..=0xEFFF_FF00;

/// Tags of a page that hold together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tags {
    pub(super) sequence: u32,
    pub(super) object: u32,
    /// Of an object header rather than of a file's bytes.
    pub(super) header: bool,
}

impl Tags {
    /// Reads tags in any of the forms writers use; `None` for what no writer writes.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        if bytes.len() < 16 {
            return None;
        }
        let (sequence, object, chunk, count) =
            (le32(bytes, 0), le32(bytes, 4), le32(bytes, 8), le32(bytes, 12));
        let extra = chunk & 0x8000_0000 != 0;
        let header = extra || chunk == 0;
        // With extra header information the object carries its type, and the chunk its parent and flags.
        let object = if extra { object & 0x0FFF_FFFF } else { object };
        let parent_fits = !extra || chunk & 0x0FFF_FFFF <= LAST_OBJECT;
        let chunk_fits = extra || chunk <= LAST_CHUNK;
        let limit = u32::try_from(CHUNK).unwrap_or(u32::MAX);
        let count_fits = if header { extra || count == 0xFFFF || count <= limit } else { count <= limit };
        let fits = SEQUENCES.contains(&sequence)
            && (1..=LAST_OBJECT).contains(&object)
            && parent_fits
            && chunk_fits
            && count_fits;
        fits.then_some(Self { sequence, object, header })
    }
}

/// Whether a page is an object header by its own bytes.
fn is_header(page: &[u8]) -> bool {
    let (kind, parent) = (le32(page, 0), le32(page, 4));
    let root = kind == 3 && parent <= 1 && byte(page, 10) == 0;
    let named = byte(page, 10).is_ascii_graphic() && parent >= 1;
    let name = part(page, 10, 255);
    let end = name.iter().position(|&it| it == 0).unwrap_or(name.len());
    // The rest of the field is padding, and no name has control characters.
    let clean = name.iter().take(end).all(|&it| it >= 0x20) && name.iter().skip(end).all(|&it| it == 0);
    page.len() >= 512
        && (1..=5).contains(&kind)
        && parent <= LAST_OBJECT
        && has(page, 8, &[0xFF, 0xFF])
        && clean
        && (root || named)
}

/// The root directory's own header, with which an image maker begins.
pub(super) fn is_root(page: &[u8]) -> bool {
    has(page, 0, &[3, 0, 0, 0, 1, 0, 0, 0, 0xFF, 0xFF, 0]) && is_header(page)
}

/// The page here as one of a YAFFS2 file system; `tags` are those beside it, where the file has spare bytes.
pub(super) fn page(spot: &Spot<'_>, tags: Option<&[u8]>) -> Option<Finding> {
    let header = is_header(&spot.head);
    let found = match tags {
        Some(bytes) => {
            let tags = Tags::read(bytes)?;
            if tags.header && !header {
                return None;
            }
            spot.finding(Kind::Yaffs2, Confidence::Certain)
                .hex("sequence", tags.sequence)
                .number("object", tags.object)
        }
        None if header => {
            let root = is_root(&spot.head);
            spot.finding(Kind::Yaffs2, if root { Confidence::Likely } else { Confidence::Possible })
        }
        None => return None,
    };
    if !header {
        return Some(found);
    }
    let kind = match le32(&spot.head, 0) {
        1 => "file",
        2 => "symlink",
        3 => "directory",
        4 => "hard link",
        _ => "special",
    };
    let name = if is_root(&spot.head) { "/".into() } else { text(&spot.head, 10, 255) };
    Some(found.text("first_header", kind).text("name", name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_of_image_makers_and_of_kernels_are_read() {
        // Page 3 of the real dump, nand-yaffs2.md section 4.
        let data = [0, 0x10, 0, 0, 2, 1, 0, 0, 1, 0, 0, 0, 0, 8, 0, 0];
        assert_eq!(Tags::read(&data), Some(Tags { sequence: 0x1000, object: 258, header: false }));
        // The kernel's header form: type 1, object 300, parent 257, 100 bytes.
        let header = [1, 0x10, 0, 0, 0x2C, 1, 0, 0x10, 1, 1, 0, 0x80, 100, 0, 0, 0];
        assert_eq!(Tags::read(&header), Some(Tags { sequence: 0x1001, object: 300, header: true }));
        assert_eq!(Tags::read(&[0xFF; 25]), None);
        assert_eq!(Tags::read(&[0; 25]), None);
    }
}
