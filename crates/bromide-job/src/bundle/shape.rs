//! What a record says of the pages in its images, as numbers that can be computed with.
//!
//! Nothing in a record is trusted: a shape no chip has, a place that is no number and a size that overflows are `None`.

use std::ops::Range;

use bromide_nand::{Geometry, Layout};

use super::{Image, Record};

/// Where the bytes of an image come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImageShape {
    /// Shape of the chip.
    pub geometry: Geometry,
    /// Order of the bytes of a page in the file.
    pub layout: Layout,
    /// First main-area byte.
    pub start: u64,
    /// Main-area bytes.
    pub length: u64,
    /// Bytes of the file when it is whole.
    pub bytes: u64,
}

impl Record {
    /// The shape of the phone's chip.
    #[must_use]
    pub fn geometry(&self) -> Option<Geometry> {
        let [page, spare, pages_per_block, blocks] = self.phone.geometry;
        Geometry::new(page, spare, pages_per_block, blocks).ok()
    }
}

impl Image {
    /// The first main-area byte.
    #[must_use]
    pub fn first_byte(&self) -> Option<u64> {
        let digits =
            self.start.strip_prefix("0x").filter(|it| it.bytes().all(|it| it.is_ascii_hexdigit()))?;
        u64::from_str_radix(digits, 16).ok()
    }

    /// The shape of its pages; `None` where the record contradicts itself or the chip.
    #[must_use]
    pub fn shape(&self, geometry: Geometry) -> Option<ImageShape> {
        let layout = match self.flag {
            0 => Layout::Interleaved,
            1 => Layout::MainOnly,
            4 => Layout::DataThenSpare,
            _ => return None,
        };
        let (page, start, length) = (u64::from(geometry.page), self.first_byte()?, self.length);
        let inside = start.checked_add(length).is_some_and(|end| end <= geometry.chip_bytes());
        let whole = length > 0 && start.is_multiple_of(page) && length.is_multiple_of(page);
        let bytes = (length / page).checked_mul(layout.unit_bytes(&geometry).into())?;
        (inside && whole).then_some(ImageShape { geometry, layout, start, length, bytes })
    }
}

impl ImageShape {
    /// Bytes of a page in the file.
    #[must_use]
    pub fn unit(&self) -> u64 {
        u64::from(self.layout.unit_bytes(&self.geometry)).max(1)
    }

    /// Where a byte of the file comes from.
    #[must_use]
    pub fn place(&self, offset: u64) -> Place {
        let page = u64::from(self.geometry.page);
        let address = self.start.saturating_add((offset / self.unit()).saturating_mul(page));
        Place { offset, block: address / u64::from(self.geometry.block_bytes()).max(1), address }
    }

    /// Main-area addresses of the pages that hold these bytes of the file.
    #[must_use]
    pub fn addresses(&self, bytes: &Range<u64>) -> Range<u64> {
        let page = u64::from(self.geometry.page);
        let pages = bytes.start / self.unit()..bytes.end.div_ceil(self.unit());
        let at = |number: u64| self.start.saturating_add(number.saturating_mul(page));
        at(pages.start)..at(pages.end)
    }
}

/// A place in an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Byte of the file.
    pub offset: u64,
    /// Block of the chip.
    pub block: u64,
    /// Main-area address of its page.
    pub address: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(start: &str, length: u64, flag: u8) -> Image {
        Image { start: start.into(), length, flag, ..Image::default() }
    }

    #[test]
    fn a_byte_of_the_file_is_found_on_the_chip() {
        let chip = Geometry::new(2048, 64, 64, 64).unwrap();
        let shape = image("0x20000", 0x40000, 0).shape(chip).unwrap();
        assert_eq!((shape.bytes, shape.unit()), (128 * 2112, 2112));
        let place = Place { offset: 64 * 2112 + 5, block: 2, address: 0x40000 };
        assert_eq!(shape.place(64 * 2112 + 5), place);
        assert_eq!(shape.addresses(&(1..2112)), 0x20000..0x20800);
        assert_eq!(shape.addresses(&(2111..2113)), 0x20000..0x21000);
        assert_eq!(image("0x20000", 0x40000, 1).shape(chip).unwrap().bytes, 0x40000);
    }

    #[test]
    fn a_record_that_contradicts_the_chip_has_no_shape() {
        let chip = Geometry::new(2048, 64, 64, 64).unwrap();
        for (start, length, flag) in [
            ("0x0", 0x800, 2),
            ("0", 0x800, 0),
            ("0x+0", 0x800, 0),
            ("0xffffffffffffffffff", 0x800, 0),
            ("0xfffffffffffff800", 0x1000, 0),
            ("0x0", u64::MAX, 0),
            ("0x0", 0, 0),
            ("0x1", 0x800, 0),
            ("0x0", 0x801, 0),
            ("0x0", 65 * 0x20000, 0),
        ] {
            assert_eq!(image(start, length, flag).shape(chip), None, "{start} {length:#x} {flag}");
        }
    }
}
