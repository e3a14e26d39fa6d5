//! Writing a recording: pcapng with the headers of usbmon, as Wireshark reads it.
//!
//! Promises: every call writes whole blocks in one piece, so that a program that is killed leaves a file that can be
//! read to its last entry; nothing is written behind a failure. For every phone opened there is a device of its own with a made-up descriptor, so that
//! Wireshark knows its ids and takes its endpoints for those of a CDC data interface; what is not made up are the
//! bytes of the bulk transfers.

use std::io::{self, Write};
use std::time::Duration;

use bromide_proto::bus::{BusSpeed, Sighting};
use bromide_proto::link::Direction;

use crate::blocks::{self, LONGEST_OPTION};
use crate::entry::Piece;
use crate::remark::{Remark, missing, remark_of_most_at_once};
use crate::sink::Sink;
use crate::urb::USB_LINUX_MMAPPED;
use crate::usbmon::{BULK, CONTROL, EINPROGRESS, ESHUTDOWN, Head, IN};

/// Longest stretch of bytes in one packet; Wireshark takes 256 KiB.
const LONGEST: usize = 1 << 16;

const MADE_UP: &str = "USB framing is made up by bromide; the bytes of the bulk transfers are what passed";

const BULK_IN: u8 = 0x81;
const BULK_OUT: u8 = 0x01;

/// Who records, for whoever opens the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct About {
    /// Program and version.
    pub program: String,
    /// Operating system.
    pub system: String,
}

impl About {
    /// `program`, on this system.
    #[must_use]
    pub fn here(program: &str) -> Self {
        Self {
            program: program.to_owned(),
            system: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
        }
    }
}

/// One event of usbmon.
struct Event {
    id: u64,
    step: u8,
    transfer: u8,
    endpoint: u8,
    status: i32,
    /// Bytes on the cable.
    length: u32,
    setup: Option<[u8; 8]>,
}

/// A recording that is being written.
#[derive(Debug)]
pub struct Recording<W> {
    sink: Sink<W>,
    /// Phones opened so far.
    phones: u32,
    /// Transfers so far.
    transfers: u64,
}

impl<W: Write> Recording<W> {
    /// Begins a file.
    ///
    /// # Errors
    /// Of writing.
    pub fn new(to: W, about: &About) -> io::Result<Self> {
        let mut recording = Self { sink: Sink::new(to), phones: 0, transfers: 0 };
        blocks::section(&mut recording.sink.blocks, MADE_UP, &about.system, &about.program);
        blocks::interface(&mut recording.sink.blocks, USB_LINUX_MMAPPED as u16, "cable");
        recording.sink.write()?;
        Ok(recording)
    }

    /// A phone was opened.
    ///
    /// # Errors
    /// Of writing.
    pub fn opened(&mut self, at: Duration, seen: &Sighting) -> io::Result<()> {
        self.phones = self.phones.saturating_add(1);
        let remark = Remark::Opened(seen.clone()).text();
        self.descriptor(at, 1, &device_descriptor(seen), Some(&remark));
        self.descriptor(at, 2, &configuration(seen.speed), None);
        self.sink.write()
    }

    /// Note that the link takes only so many bytes at once, right behind [`Recording::opened`].
    ///
    /// # Errors
    /// Of writing.
    pub fn bound(&mut self, at: Duration, most_at_once: u32) -> io::Result<()> {
        self.note(at, &remark_of_most_at_once(most_at_once))
    }

    /// These bytes passed; none: nothing is written.
    ///
    /// # Errors
    /// Of writing; or no phone was opened yet.
    pub fn bytes(&mut self, at: Duration, direction: Direction, bytes: &[u8]) -> io::Result<()> {
        for chunk in bytes.chunks(LONGEST) {
            self.passed(at, direction, chunk, 0, None)?;
        }
        self.sink.write()
    }

    /// Bytes passed that a file beside the recording keeps.
    ///
    /// # Errors
    /// Of writing; or no phone was opened yet; or the piece is empty, or longer than a packet's length can say.
    pub fn piece(&mut self, at: Duration, direction: Direction, piece: &Piece) -> io::Result<()> {
        let length = packet_length(piece.len).ok_or_else(|| invalid("a piece of an impossible length"))?;
        let remark = Remark::Kept(piece.clone()).text();
        if remark.len() > LONGEST_OPTION {
            return Err(invalid("the name of a file is too long to be referred to"));
        }
        self.passed(at, direction, &[], length, Some(&remark))?;
        self.sink.write()
    }

    /// A remark; a long one is split. One of bytes that are missing has their number for its length.
    ///
    /// # Errors
    /// Of writing.
    pub fn note(&mut self, at: Duration, text: &str) -> io::Result<()> {
        let mut rest = text;
        loop {
            let end = rest.floor_char_boundary(LONGEST_OPTION - 100);
            let (now, later) = rest.split_at(end);
            let absent = missing(now).and_then(packet_length).unwrap_or(0);
            self.sign(at, 0, absent, &Remark::Note(now.to_owned()));
            rest = later;
            if rest.is_empty() {
                return self.sink.write();
            }
        }
    }

    /// The phone left, or was closed.
    ///
    /// # Errors
    /// Of writing.
    pub fn closed(&mut self, at: Duration) -> io::Result<()> {
        self.sign(at, ESHUTDOWN, 0, &Remark::Closed);
        self.sink.write()
    }

    /// Hands everything on to the operating system.
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

    /// A bulk transfer with these bytes, or with as many absent ones.
    fn passed(
        &mut self,
        at: Duration,
        direction: Direction,
        bytes: &[u8],
        absent: u32,
        remark: Option<&str>,
    ) -> io::Result<()> {
        if self.phones == 0 {
            return Err(invalid("bytes before any phone was opened"));
        }
        let id = self.transfer();
        let length = (bytes.len() as u32).saturating_add(absent);
        let event = |step, endpoint, status| Event {
            id,
            step,
            transfer: BULK,
            endpoint,
            status,
            length,
            setup: None,
        };
        match direction {
            Direction::ToPhone => {
                self.event(at, &event(b'S', BULK_OUT, EINPROGRESS), bytes, absent, remark);
                self.event(at, &event(b'C', BULK_OUT, 0), &[], 0, None);
            }
            Direction::FromPhone => self.event(at, &event(b'C', BULK_IN, 0), bytes, absent, remark),
        }
        Ok(())
    }

    /// An event that only bears a remark, of `absent` bytes at most.
    fn sign(&mut self, at: Duration, status: i32, absent: u32, remark: &Remark) {
        let id = self.transfer();
        let (transfer, endpoint) = (BULK, BULK_IN);
        let event = Event { id, step: b'C', transfer, endpoint, status, length: absent, setup: None };
        self.event(at, &event, &[], absent, Some(&remark.text()));
    }

    /// The host asks for a descriptor and gets it.
    fn descriptor(&mut self, at: Duration, kind: u8, descriptor: &[u8], remark: Option<&str>) {
        let id = self.transfer();
        let length = descriptor.len() as u32;
        // GET_DESCRIPTOR, USB 2.0 section 9.4.3.
        let setup = Some([IN, 6, 0, kind, 0, 0, descriptor.len() as u8, 0]);
        let event =
            |step, status, setup| Event { id, step, transfer: CONTROL, endpoint: IN, status, length, setup };
        self.event(at, &event(b'S', EINPROGRESS, setup), &[], 0, None);
        self.event(at, &event(b'C', 0, None), descriptor, 0, remark);
    }

    fn transfer(&mut self) -> u64 {
        self.transfers = self.transfers.wrapping_add(1);
        self.transfers
    }

    fn event(&mut self, at: Duration, event: &Event, data: &[u8], absent: u32, remark: Option<&str>) {
        // USB has 127 addresses; the next bus has as many.
        let before = self.phones.saturating_sub(1);
        let (bus, device) =
            ((before / 127) as u16 + 1, if self.phones == 0 { 0 } else { (before % 127) as u8 + 1 });
        let captured = (data.len() as u32).saturating_add(absent);
        let header = event.header(at, bus, device, captured);
        blocks::packet(&mut self.sink.blocks, at, &[&header, data], absent, remark);
    }
}

impl Event {
    /// The 64 bytes of usbmon (`Documentation/usb/usbmon.rst`, `struct mon_bin_hdr`).
    fn header(&self, at: Duration, bus: u16, device: u8, captured: u32) -> [u8; 64] {
        let to_host = self.endpoint & IN != 0;
        let no_data = if to_host { b'<' } else { b'>' };
        let head = Head {
            id: self.id,
            step: self.step,
            transfer: self.transfer,
            endpoint: self.endpoint,
            device,
            bus,
            no_setup: if self.setup.is_some() { 0 } else { b'-' },
            no_data: if captured > 0 { 0 } else { no_data },
            seconds: at.as_secs(),
            micros: at.subsec_micros(),
            status: self.status,
            length: self.length,
            captured,
            setup: self.setup.unwrap_or_default(),
        };
        let mut header = [0; 64];
        header.iter_mut().zip(head.bytes()).for_each(|(to, from)| *to = from);
        // URB_DIR_IN
        let flags = (u32::from(to_host) << 9).to_le_bytes();
        header.iter_mut().skip(56).zip(flags).for_each(|(to, from)| *to = from);
        header
    }
}

/// USB 2.0 section 9.6.1.
fn device_descriptor(seen: &Sighting) -> [u8; 18] {
    let [vid0, vid1] = seen.vid.to_le_bytes();
    let [pid0, pid1] = seen.pid.to_le_bytes();
    [18, 1, 0, 2, 2, 0, 0, 64, vid0, vid1, pid0, pid1, 0, 1, 0, 0, 0, 1]
}

/// One interface for data of class CDC with a pair of bulk endpoints, USB 2.0 sections 9.6.3, 9.6.5 and 9.6.6.
fn configuration(speed: BusSpeed) -> [u8; 32] {
    let packet: u16 = match speed {
        BusSpeed::Low | BusSpeed::Full | BusSpeed::Unknown => 64,
        BusSpeed::High => 512,
        BusSpeed::Super => 1024,
    };
    let [p0, p1] = packet.to_le_bytes();
    [
        9, 2, 32, 0, 1, 1, 0, 0xc0, 50, //
        9, 4, 0, 0, 2, 0x0a, 0, 0, 0, //
        7, 5, BULK_IN, 2, p0, p1, 0, //
        7, 5, BULK_OUT, 2, p0, p1, 0,
    ]
}

/// As the length of a packet that has bytes; `None`: no packet can say that.
fn packet_length(bytes: u64) -> Option<u32> {
    u32::try_from(bytes).ok().filter(|len| (1..u32::MAX - 64).contains(len))
}

fn invalid(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, what)
}
