//! What was said on a cable, kept in memory so that a test can cut it anew before it is written down.

use std::cell::RefCell;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use bromide_capture::{About, Piece, Recording};
use bromide_proto::bus::{Bus, BusSpeed, Face, Sighting};
use bromide_proto::link::{Direction, Link, LinkError, Mark};

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Said {
    Opened(Sighting),
    Bytes(Direction, Vec<u8>),
    /// So many bytes of pages that the recording does not have.
    Absent(u64),
}

pub(crate) type Transcript = Rc<RefCell<Vec<Said>>>;

/// A phone as a bus shows it; ids of 0 are what a serial port has.
pub(crate) fn sighting(face: Face, pid: u16) -> Sighting {
    let vid = if pid == 0 { 0 } else { 0x0e8d };
    Sighting { face, vid, pid, port: "1-4".into(), speed: BusSpeed::Full }
}

/// A link that keeps all its traffic, or all but the pages that the host keeps elsewhere.
#[derive(Debug)]
pub(crate) struct Kept<L> {
    link: L,
    transcript: Transcript,
    without_pages: bool,
    /// Bytes of pages that are still to come, and those that came.
    pages: usize,
    came: u64,
}

impl<L> Kept<L> {
    pub(crate) fn new(link: L, transcript: &Transcript, without_pages: bool) -> Self {
        Self { link, transcript: Rc::clone(transcript), without_pages, pages: 0, came: 0 }
    }
}

impl<L: Link> Link for Kept<L> {
    async fn send(&mut self, bytes: &[u8]) -> Result<(), LinkError> {
        self.transcript.borrow_mut().push(Said::Bytes(Direction::ToPhone, bytes.to_vec()));
        self.link.send(bytes).await
    }

    async fn recv(&mut self, into: &mut [u8], within: Duration) -> Result<usize, LinkError> {
        let n = self.link.recv(into, within).await?;
        let (pages, rest) = into[..n].split_at(n.min(self.pages));
        self.pages -= pages.len();
        self.came += pages.len() as u64;
        let mut transcript = self.transcript.borrow_mut();
        if self.pages == 0 && self.came > 0 {
            transcript.push(Said::Absent(self.came));
            self.came = 0;
        }
        if !rest.is_empty() {
            transcript.push(Said::Bytes(Direction::FromPhone, rest.to_vec()));
        }
        Ok(n)
    }

    fn now(&self) -> Duration {
        self.link.now()
    }

    fn mark(&mut self, mark: Mark<'_>) {
        match mark {
            Mark::Pages(n) if self.without_pages => self.pages = n,
            Mark::Lost(bytes) if self.pages > 0 => {
                (self.pages, self.came) = (0, 0);
                self.transcript.borrow_mut().push(Said::Bytes(Direction::FromPhone, bytes.to_vec()));
            }
            _ => {}
        }
        self.link.mark(mark);
    }
}

/// A bus whose phones are all kept.
#[derive(Debug)]
pub(crate) struct KeptBus<B> {
    pub(crate) bus: B,
    pub(crate) transcript: Transcript,
}

impl<B: Bus> Bus for KeptBus<B> {
    type Link = Kept<B::Link>;

    async fn meet(&mut self, faces: &[Face], within: Duration) -> Result<(Sighting, Self::Link), LinkError> {
        let (seen, link) = self.bus.meet(faces, within).await?;
        self.transcript.borrow_mut().push(Said::Opened(seen.clone()));
        Ok((seen, Kept::new(link, &self.transcript, false)))
    }

    fn now(&self) -> Duration {
        self.bus.now()
    }
}

/// Writes a recording, a millisecond for everything.
pub(crate) fn write(file: &Path, said: &[Said]) {
    let to = std::io::BufWriter::new(std::fs::File::create(file).unwrap());
    let mut recording = Recording::new(to, &About::here("bromide test")).unwrap();
    let mut at = Duration::from_secs(1_700_000_000);
    let mut place = 0;
    for it in said {
        at += Duration::from_millis(1);
        match it {
            Said::Opened(seen) => recording.opened(at, seen).unwrap(),
            Said::Bytes(direction, bytes) => recording.bytes(at, *direction, bytes).unwrap(),
            Said::Absent(len) => {
                let piece = Piece { file: "range.img".into(), at: place, len: *len, crc32: 0 };
                recording.piece(at, Direction::FromPhone, &piece).unwrap();
                place += len;
            }
        }
    }
    recording.flush().unwrap();
}

/// The same bytes in transfers of at most `most` bytes.
pub(crate) fn split(said: &[Said], most: usize) -> Vec<Said> {
    let mut out = Vec::new();
    for it in said {
        match it {
            Said::Bytes(direction, bytes) => {
                out.extend(bytes.chunks(most).map(|piece| Said::Bytes(*direction, piece.to_vec())));
            }
            other => out.push(other.clone()),
        }
    }
    out
}

/// The same bytes with all that one side says in a row in one transfer.
pub(crate) fn joined(said: &[Said]) -> Vec<Said> {
    let mut out: Vec<Said> = Vec::new();
    for it in said {
        match (out.last_mut(), it) {
            (Some(Said::Bytes(last, so_far)), Said::Bytes(direction, bytes)) if last == direction => {
                so_far.extend(bytes);
            }
            _ => out.push(it.clone()),
        }
    }
    out
}
