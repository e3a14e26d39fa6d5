//! Where everything lies in the machine's memory: above its first MiB, which has holes, and below 4 MiB.

/// Base addresses of the device contexts (xHCI 1.2 section 6.1).
pub(crate) const CONTEXTS: u64 = 0x10_0000;
/// The command ring.
pub(crate) const COMMANDS: u64 = 0x10_1000;
/// The event ring.
pub(crate) const EVENTS: u64 = 0x10_2000;
/// The table of the event ring's segments (section 6.5).
pub(crate) const SEGMENTS: u64 = 0x10_3000;
/// What is wished of a device (section 6.2.5).
pub(crate) const INPUT: u64 = 0x10_4000;
/// What the controller says of it (section 6.2.1).
pub(crate) const OUTPUT: u64 = 0x10_5000;
/// Ring of endpoint 0.
pub(crate) const CONTROL: u64 = 0x10_6000;
/// Data of endpoint 0.
pub(crate) const CONTROL_DATA: u64 = 0x10_7000;
/// Ring of bytes from the device.
pub(crate) const INWARD: u64 = 0x10_8000;
/// Ring of bytes to it.
pub(crate) const OUTWARD: u64 = 0x10_9000;
/// One buffer for bytes to it.
pub(crate) const OUTWARD_DATA: u64 = 0x11_0000;
/// Buffers for bytes from it, one after the other; none crosses 64 KiB (section 6.4.1).
pub(crate) const INWARD_DATA: u64 = 0x20_0000;
/// Bytes of every buffer.
pub(crate) const BUFFER: usize = 16 << 10;
/// Bytes of everything else: a page.
pub(crate) const PAGE: usize = 4096;
