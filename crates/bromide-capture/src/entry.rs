//! What a recording holds, whatever file it comes from.

use std::path::PathBuf;
use std::time::Duration;

use bromide_proto::bus::Sighting;
use bromide_proto::link::Direction;

/// One thing that happened on the cable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Since 1970-01-01 00:00 UTC.
    pub at: Duration,
    /// Number of the packet in the file it was read from, counted from 1 as Wireshark does; 0 where there is no file.
    pub frame: u64,
    /// What happened.
    pub what: What,
}

/// What can happen on the cable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// A phone was opened. Ids of 0: it is not known what it showed (a serial port, a network address).
    Opened(Sighting),
    /// Bytes went over the cable.
    Bytes(Direction, Bytes),
    /// The phone left, or its port was closed.
    Closed,
    /// A remark of whoever recorded it.
    Note(String),
}

/// Bytes of a recording.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Bytes {
    /// In the recording itself.
    Here(Vec<u8>),
    /// In a file beside it, kept once.
    Elsewhere(Piece),
}

/// A piece of a file that the recording does not repeat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// The file, relative to the recording's folder, by its final name.
    pub file: PathBuf,
    /// First byte there.
    pub at: u64,
    /// Bytes.
    pub len: u64,
    /// CRC-32 (IEEE 802.3) of these bytes: whether the file still holds them.
    pub crc32: u32,
}
