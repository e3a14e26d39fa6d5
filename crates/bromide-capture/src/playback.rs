//! Reading a recording back, entry by entry.

use std::collections::VecDeque;
use std::io::Read;

use crate::entry::Entry;
use crate::error::CaptureError;
use crate::follow::Follow;
use crate::packet::Packets;
use crate::urb::Urb;

/// The entries of a recording in order: of one written by [`Recording`](crate::Recording), or of a capture of USB by
/// usbmon or USBPcap, in pcapng or pcap.
///
/// Streams: memory holds one packet. What comes before a place that cannot be read is given, then one error, then
/// nothing more; a file that a killed program left ends with [`CaptureError::Cut`] or just so.
#[derive(Debug)]
pub struct Playback<R> {
    packets: Packets<R>,
    follow: Follow,
    waiting: VecDeque<Entry>,
    /// Told when the waiting ones are gone.
    failure: Option<CaptureError>,
    over: bool,
    /// Whether any packet was of USB, and the link type of the first that was not.
    usb: bool,
    foreign: Option<u32>,
}

impl<R: Read> Playback<R> {
    /// Looks at the beginning of the file; reads in large pieces, so that `from` needs no buffer.
    ///
    /// # Errors
    /// It is no capture, or cannot be read.
    pub fn new(from: R) -> Result<Self, CaptureError> {
        Ok(Self {
            packets: Packets::open(from)?,
            follow: Follow::default(),
            waiting: VecDeque::new(),
            failure: None,
            over: false,
            usb: false,
            foreign: None,
        })
    }

    /// Understands the next packet.
    fn read(&mut self) -> Result<(), CaptureError> {
        let Some(packet) = self.packets.next()? else {
            self.over = true;
            return match self.foreign.filter(|_| !self.usb) {
                Some(link) => Err(CaptureError::NoUsb(link)),
                None => Ok(()),
            };
        };
        match Urb::of(&packet) {
            Some(Ok(urb)) => {
                self.usb = true;
                self.follow.packet(&packet, &urb, &mut self.waiting)
            }
            Some(Err(what)) => Err(CaptureError::Damaged { frame: packet.frame, what }),
            None => {
                self.foreign.get_or_insert(packet.link);
                Ok(())
            }
        }
    }
}

impl<R: Read> Iterator for Playback<R> {
    type Item = Result<Entry, CaptureError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(entry) = self.waiting.pop_front() {
                return Some(Ok(entry));
            }
            if let Some(failure) = self.failure.take() {
                return Some(Err(failure));
            }
            if self.over {
                return None;
            }
            if let Err(failure) = self.read() {
                self.over = true;
                self.failure = Some(failure);
            }
        }
    }
}
