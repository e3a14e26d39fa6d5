//! The partition tables a phone keeps on its own flash (formats.md sections 5.1 to 5.3).
//!
//! * [`pmt`]: MediaTek's own table, on NAND and early eMMC phones, and as a Download Agent answers it.
//! * [`mbr`]: the DOS chain of MBR and EBRs, on eMMC phones before GPT.
//! * [`gpt`]: the GUID partition table, on everything later.
//!
//! Each is a pure codec: it reads through [`ReadAt`](crate::read_at::ReadAt) or from a slice, and writes bytes. Starts
//! and sizes are in bytes. No input makes anything here panic, and the time taken grows in line with the input.

pub(crate) mod field;
pub mod gpt;
pub mod mbr;
pub mod pmt;

/// How long a table says a partition is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Length {
    /// That many bytes.
    Bytes(u64),
    /// Up to the end of the device.
    ToEnd,
}
