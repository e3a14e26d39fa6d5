//! Why a recording cannot be read on.

use std::io;

/// A recording that cannot be read, or no further.
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    /// The file could not be read.
    #[error("the recording cannot be read: {0}")]
    Io(#[from] io::Error),
    /// Neither pcapng nor pcap.
    #[error("this is no recording: neither a pcapng nor a pcap file")]
    NotACapture,
    /// The file ends in the middle of something, as that of a killed program does; all before it was given.
    #[error("the recording is cut off after frame {frame}")]
    Cut {
        /// The last whole packet, counted from 1; 0: there is none.
        frame: u64,
    },
    /// The file contradicts itself or its format.
    #[error("the recording is damaged after frame {frame}: {what}")]
    Damaged {
        /// The last packet before it, or the packet itself, counted from 1; 0: before any.
        frame: u64,
        /// What is wrong.
        what: &'static str,
    },
    /// A packet of which only the beginning was recorded, although its bytes are needed.
    #[error(
        "frame {frame} holds {held} of {full} bytes: record anew with packets of unlimited size (snaplen 0)"
    )]
    Truncated {
        /// The packet, counted from 1.
        frame: u64,
        /// Bytes it has.
        held: u64,
        /// Bytes it had on the cable.
        full: u64,
    },
    /// Packets there are, but of another kind: link type of the first.
    #[error(
        "the recording holds no USB packets that can be read (its link type is {0}; usbmon's and USBPcap's can)"
    )]
    NoUsb(u32),
}

impl CaptureError {
    /// Stable name for programs.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Io(_) => "capture/io",
            Self::NotACapture => "capture/not-a-capture",
            Self::Cut { .. } => "capture/cut",
            Self::Damaged { .. } => "capture/damaged",
            Self::Truncated { .. } => "capture/truncated",
            Self::NoUsb(_) => "capture/no-usb",
        }
    }
}
