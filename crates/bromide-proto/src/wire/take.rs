//! Reads fields one after another from a slice; running out is an error, never a panic.

use thiserror::Error;

/// The slice ended inside a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the data ends after {have} bytes, inside a field that ends at byte {need}")]
pub struct Short {
    /// Bytes there are.
    pub have: usize,
    /// Bytes the field needs, counted from the start of the slice.
    pub need: usize,
}

/// A place in a slice that moves forward field by field.
#[derive(Debug, Clone)]
pub struct Take<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Take<'a> {
    /// Starts at the first byte.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// The next `n` bytes.
    pub fn bytes(&mut self, n: usize) -> Result<&'a [u8], Short> {
        let end = self.at.saturating_add(n);
        let part = self.bytes.get(self.at..end).ok_or(Short { have: self.bytes.len(), need: end })?;
        self.at = end;
        Ok(part)
    }

    /// The next `N` bytes as an array.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], Short> {
        let part = self.bytes(N)?;
        <[u8; N]>::try_from(part).map_err(|_| Short { have: self.bytes.len(), need: self.at })
    }

    /// One byte.
    pub fn u8(&mut self) -> Result<u8, Short> {
        self.array::<1>().map(|[b]| b)
    }

    /// 16 bits, most significant byte first (the wire).
    pub fn u16_be(&mut self) -> Result<u16, Short> {
        self.array().map(u16::from_be_bytes)
    }

    /// 32 bits, most significant byte first (the wire).
    pub fn u32_be(&mut self) -> Result<u32, Short> {
        self.array().map(u32::from_be_bytes)
    }

    /// 64 bits, most significant byte first (the wire).
    pub fn u64_be(&mut self) -> Result<u64, Short> {
        self.array().map(u64::from_be_bytes)
    }

    /// 16 bits, least significant byte first (files).
    pub fn u16_le(&mut self) -> Result<u16, Short> {
        self.array().map(u16::from_le_bytes)
    }

    /// 32 bits, least significant byte first (files).
    pub fn u32_le(&mut self) -> Result<u32, Short> {
        self.array().map(u32::from_le_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_come_in_order_and_running_out_says_where() {
        let mut t = Take::new(&[1, 2, 3, 4, 5]);
        assert_eq!(t.u8(), Ok(1));
        assert_eq!(t.u16_be(), Ok(0x0203));
        assert_eq!(t.u32_le(), Err(Short { have: 5, need: 7 }));
        assert_eq!(t.u16_le(), Ok(0x0504));
        assert!(t.u8().is_err());
    }
}
