//! Recordings of what was said on the cable.
//!
//! A recording is a sequence of [`Entry`] values: a phone comes, bytes go both ways, it leaves. [`Recording`] writes
//! them as a pcapng file that Wireshark reads as USB traffic; [`Playback`] reads them back, from that file or from
//! what usbmon, Wireshark or USBPcap captured of another tool; [`Monitored`] writes what usbmon tells. Nothing here opens a port or understands what is said.

mod blocks;
mod entry;
mod error;
mod export;
mod follow;
mod monitored;
mod order;
mod packet;
mod pcap;
mod pcapng;
mod pieces;
mod playback;
mod recording;
mod remark;
mod replaced;
mod sink;
mod source;
mod urb;
mod usbmon;

pub use entry::{Bytes, Entry, Piece, What};
pub use error::CaptureError;
pub use export::{ExportError, Exported, export};
pub use monitored::Monitored;
pub use pieces::{PieceError, Pieces};
pub use playback::Playback;
pub use recording::{About, Recording};
pub use remark::{most_at_once, remark_of_missing, remark_of_most_at_once};
pub use replaced::{is_of_replaced, remark_of_replaced};
pub use usbmon::{NotUsbmon, UsbmonEvent, UsbmonStep};
