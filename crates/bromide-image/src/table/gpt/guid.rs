//! GUIDs: 16 bytes whose first three fields are stored little-endian and shown as numbers.

use core::fmt;

/// A GUID in the order of its bytes on flash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Guid(pub [u8; 16]);

/// Place on flash of each byte in the order it is shown.
const SHOWN: [usize; 16] = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15];

impl Guid {
    /// All zeros: an unused entry, or a disk MediaTek did not number.
    pub const ZERO: Self = Self([0; 16]);

    /// EBD0A0A2-B9E5-4433-87C0-68B6B72699C7, "basic data": the type MediaTek gives every partition
    /// (formats.md section 5.3).
    pub const BASIC_DATA: Self = Self([
        0xA2, 0xA0, 0xD0, 0xEB, 0xE5, 0xB9, 0x33, 0x44, 0x87, 0xC0, 0x68, 0xB6, 0xB7, 0x26, 0x99, 0xC7,
    ]);

    /// Whether it is all zeros.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        *self == Self::ZERO
    }

    /// Reads the usual text, 32 hexadecimal digits in groups of 8, 4, 4, 4 and 12, in either case.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let groups = [8, 4, 4, 4, 12];
        if !text.split('-').map(str::len).eq(groups) {
            return None;
        }
        let mut digits = text.chars().filter(|c| *c != '-').map(|c| c.to_digit(16));
        let mut guid = Self::ZERO;
        for place in SHOWN {
            let (high, low) = (digits.next()??, digits.next()??);
            *guid.0.get_mut(place)? = u8::try_from((high << 4) | low).ok()?;
        }
        digits.next().is_none().then_some(guid)
    }
}

impl fmt::Display for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, place) in SHOWN.into_iter().enumerate() {
            if matches!(at, 4 | 6 | 8 | 10) {
                f.write_str("-")?;
            }
            write!(f, "{:02X}", self.0.get(place).copied().unwrap_or_default())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    #[test]
    fn text_and_bytes_come_from_each_other() {
        let text = "EBD0A0A2-B9E5-4433-87C0-68B6B72699C7";
        assert_eq!(Guid::BASIC_DATA.to_string(), text);
        assert_eq!(Guid::parse(text), Some(Guid::BASIC_DATA));
        assert_eq!(Guid::parse(&text.to_lowercase()), Some(Guid::BASIC_DATA));
    }

    #[test]
    fn other_text_is_refused() {
        for text in [
            "",
            "EBD0A0A2",
            "EBD0A0A2-B9E5-4433-87C0-68B6B72699CG",
            "EBD0A0A2B-9E5-4433-87C0-68B6B72699C7",
            "€BD0A-B9E5-4433-87C0-68B6B72699C7",
        ] {
            assert_eq!(Guid::parse(text), None, "{text}");
        }
    }
}
