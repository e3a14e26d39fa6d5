//! Writing what another program says to a phone: pcapng with usbmon's own events, as they came.
//!
//! Promises: every call writes whole blocks in one piece, so that a program that is killed leaves a file that can be
//! read to its last event; nothing is written behind a failure. Link type 189 (tcpdump.org: usbmon's 48 bytes, then
//! the data), always little-endian. [`Playback`](crate::Playback) reads it as any foreign capture.

use std::io::{self, Write};

use crate::blocks::{self, LONGEST_OPTION};
use crate::recording::About;
use crate::remark::Remark;
use crate::sink::Sink;
use crate::urb::USB_LINUX;
use crate::usbmon::UsbmonEvent;

const AS_SEEN: &str =
    "what usbmon saw of one phone; remarks that begin with \"bromide: note\" are the recorder's";

/// A recording of usbmon's events that is being written.
#[derive(Debug)]
pub struct Monitored<W> {
    sink: Sink<W>,
}

impl<W: Write> Monitored<W> {
    /// Begins a file.
    ///
    /// # Errors
    /// Of writing.
    pub fn new(to: W, about: &About) -> io::Result<Self> {
        let mut monitored = Self { sink: Sink::new(to) };
        blocks::section(&mut monitored.sink.blocks, AS_SEEN, &about.system, &about.program);
        blocks::interface(&mut monitored.sink.blocks, USB_LINUX as u16, "usbmon0");
        monitored.sink.write()?;
        Ok(monitored)
    }

    /// This was seen; `note` is the recorder's remark on it.
    ///
    /// # Errors
    /// Of writing.
    pub fn event(&mut self, event: &UsbmonEvent, note: Option<&str>) -> io::Result<()> {
        let UsbmonEvent { head, data } = event;
        // As libpcap has it: an event that should have data and lacks some was longer than what there is of it.
        let absent = if head.no_data == 0 { head.length.saturating_sub(head.captured) } else { 0 };
        let note = note.map(|text| {
            let end = text.floor_char_boundary(LONGEST_OPTION - 100);
            Remark::Note(text.get(..end).unwrap_or_default().to_owned()).text()
        });
        blocks::packet(&mut self.sink.blocks, event.at(), &[&head.bytes(), data], absent, note.as_deref());
        self.sink.write()
    }

    /// Hands everything on.
    ///
    /// # Errors
    /// Of writing.
    pub fn flush(&mut self) -> io::Result<()> {
        self.sink.flush()
    }

    /// What it was written to.
    pub fn into_inner(self) -> W {
        self.sink.into_inner()
    }
}
