//! Packets of a capture file, whichever of the two formats it has.

use std::io::Read;
use std::time::Duration;

use crate::error::CaptureError;
use crate::order::Order;
use crate::pcap::Pcap;
use crate::pcapng::Pcapng;
use crate::source::{Came, Source};

/// Largest packet that is read, as large as Wireshark takes them from USBPcap (its wiretap: 128 MiB).
pub(crate) const LARGEST: u64 = 128 << 20;

/// A captured packet, not understood yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Packet {
    /// Counted from 1.
    pub(crate) frame: u64,
    /// Since 1970-01-01 00:00 UTC.
    pub(crate) at: Duration,
    /// Link type of its interface.
    pub(crate) link: u32,
    /// Byte order of the machine that captured.
    pub(crate) order: Order,
    /// What was kept of it.
    pub(crate) data: Vec<u8>,
    /// Remarks on it.
    pub(crate) comments: Vec<String>,
}

#[derive(Debug)]
enum Form {
    Pcapng(Pcapng),
    Pcap(Pcap),
}

/// The packets of a file.
#[derive(Debug)]
pub(crate) struct Packets<R> {
    from: Source<R>,
    form: Form,
    frame: u64,
}

impl<R: Read> Packets<R> {
    /// Looks at the first bytes.
    pub(crate) fn open(from: R) -> Result<Self, CaptureError> {
        let mut from = Source::new(from);
        let mut first = Vec::new();
        match from.take(4, &mut first)? {
            Came::All => {}
            Came::Nothing | Came::Part => return Err(CaptureError::NotACapture),
        }
        let first = first.first_chunk().copied().unwrap_or_default();
        let form = if first == crate::pcapng::MAGIC {
            Form::Pcapng(Pcapng::begin(&mut from)?)
        } else {
            Form::Pcap(Pcap::begin(first, &mut from)?)
        };
        Ok(Self { from, form, frame: 0 })
    }

    /// The next one; `None` at the end of the file.
    pub(crate) fn next(&mut self) -> Result<Option<Packet>, CaptureError> {
        let packet = match &mut self.form {
            Form::Pcapng(form) => form.next(&mut self.from, self.frame)?,
            Form::Pcap(form) => form.next(&mut self.from, self.frame)?,
        };
        self.frame += u64::from(packet.is_some());
        Ok(packet)
    }
}

/// Nanoseconds as a time; later than any clock goes: the last second there is.
pub(crate) fn nanoseconds(ns: u128) -> Duration {
    const SECOND: u128 = 1_000_000_000;
    match u64::try_from(ns / SECOND) {
        Ok(seconds) => Duration::new(seconds, u32::try_from(ns % SECOND).unwrap_or_default()),
        Err(_) => Duration::from_secs(u64::MAX),
    }
}
