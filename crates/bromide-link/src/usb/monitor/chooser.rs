//! The thread that chooses: events in, the phone's out to the recording, with what is missing of them.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bromide_capture::{Monitored, UsbmonEvent};
use bromide_proto::link::Direction;

use super::super::listing::{Device, Places, list, raw_descriptors};
use super::intake::Pieces;
use super::losses::Losses;
use super::sort::{Kept, Sort};
use super::wanted::WantedPort;
use super::{Recorded, Shared};

/// Longest wait without anything to be done.
const WAIT: Duration = Duration::from_millis(100);
/// Time between two looks at the list of devices, while somebody waits for one.
const LOOK: Duration = Duration::from_millis(5);
/// What came is handed on at least so often.
const FLUSH: Duration = Duration::from_millis(500);
/// How long a port is still looked for when nothing comes any more.
const LAST: Duration = Duration::from_millis(200);

/// Why the recording ended.
#[derive(Debug)]
pub(super) enum End {
    Asked,
    Unread(io::Error),
    Unwritten,
}

/// Everything the thread has.
#[derive(Debug)]
pub(super) struct Chooser {
    from: Pieces,
    places: Places,
    shared: Arc<Shared>,
    sort: Sort,
    losses: Losses,
    /// What was read and is no whole event yet.
    bytes: Vec<u8>,
    recorded: Recorded,
    /// The last look at the clock, and what was done then.
    now: Instant,
    looked: Instant,
    flushed: Instant,
}

impl Chooser {
    pub(super) fn new(from: Pieces, places: Places, port: WantedPort, shared: Arc<Shared>) -> Self {
        let now = Instant::now();
        Self {
            from,
            places,
            shared,
            sort: Sort::new(port),
            losses: Losses::default(),
            bytes: Vec::new(),
            recorded: Recorded::default(),
            now,
            looked: now,
            flushed: now,
        }
    }

    /// Takes in the devices that are there: they say nothing of themselves any more.
    pub(super) fn begin(&mut self) {
        let at = clock();
        // Without a list every device is new.
        for device in list(&self.places).unwrap_or_default() {
            self.sort.was_there(&device, &descriptor(&device, &self.places), at);
        }
    }

    pub(super) fn run<W: Write>(mut self, mut to: Monitored<W>) -> (Recorded, End) {
        let mut end = self.choose(&mut to);
        self.sort.end();
        self.tell();
        self.recorded.lost += self.losses.left();
        if to.flush().is_err() && matches!(end, End::Asked) {
            end = End::Unwritten;
        }
        if let End::Unread(e) = &end {
            self.shared.tell(format!("the recording has ended: usbmon cannot be read any more: {e}"));
        }
        (self.recorded, end)
    }

    fn choose<W: Write>(&mut self, to: &mut Monitored<W>) -> End {
        loop {
            let came = self.from.recv_timeout(if self.sort.waits() { LOOK } else { WAIT });
            self.now = Instant::now();
            let ended = match came {
                Ok(Ok(piece)) => self.take(&piece).err().map(End::Unread),
                Ok(Err(e)) => Some(End::Unread(e)),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => {
                    self.look_for_the_last();
                    Some(End::Asked)
                }
            };
            self.look();
            if self.write(to).is_err() {
                return End::Unwritten;
            }
            if let Some(end) = ended {
                return end;
            }
        }
    }

    /// Chooses among the events of a piece. The end of one may be in the next piece.
    fn take(&mut self, piece: &[u8]) -> io::Result<()> {
        self.bytes.extend(piece);
        let mut done = 0;
        let invalid = |e| io::Error::new(io::ErrorKind::InvalidData, e);
        while let Some((event, length)) =
            UsbmonEvent::first_of(self.bytes.get(done..).unwrap_or_default()).map_err(invalid)?
        {
            done += length;
            self.sort.take(event, self.now);
            if self.sort.waits() {
                self.now = Instant::now();
                self.look();
            }
        }
        self.bytes.drain(..done);
        Ok(())
    }

    fn look_for_the_last(&mut self) {
        let until = self.now + LAST;
        while self.sort.waits() && self.now < until {
            std::thread::sleep(LOOK);
            self.now = Instant::now();
            self.look();
        }
    }

    /// Looks for the ports of those who wait.
    fn look(&mut self) {
        if !self.sort.waits() || self.now.saturating_duration_since(self.looked) < LOOK {
            return;
        }
        self.looked = self.now;
        let there = list(&self.places).unwrap_or_default();
        self.sort.look(&there, |device| descriptor(device, &self.places), clock(), self.now);
    }

    /// Writes what was chosen, and hands it on when it is time.
    fn write<W: Write>(&mut self, to: &mut Monitored<W>) -> io::Result<()> {
        for kept in std::mem::take(&mut self.sort.kept) {
            let note = self.note(&kept);
            to.event(&kept.event, note.as_deref())?;
        }
        self.tell();
        if self.now.saturating_duration_since(self.flushed) >= FLUSH {
            self.flushed = self.now;
            to.flush()?;
        }
        Ok(())
    }

    fn tell(&mut self) {
        self.sort.told.drain(..).for_each(|told| self.shared.tell(told));
    }

    /// Counts an event; what is to be remarked on it.
    fn note(&mut self, kept: &Kept) -> Option<String> {
        let event = &kept.event;
        if kept.made_up {
            self.losses.was_there(event.device());
            return kept.note.clone();
        }
        let counts = &mut self.recorded;
        counts.events += 1;
        match event.bulk() {
            Some((Direction::ToPhone, bytes)) => counts.bytes_to_phone += bytes,
            Some((Direction::FromPhone, bytes)) => counts.bytes_from_phone += bytes,
            None => {}
        }
        let mut notes: Vec<String> = kept.note.iter().cloned().collect();
        let lost = self.losses.shown_by(event);
        if lost > 0 {
            counts.lost += lost;
            notes.push(format!(
                "at least {lost} events before this one are missing: usbmon's buffer was full"
            ));
        }
        if let Some((held, full)) = event.cut() {
            counts.truncated += 1;
            notes.push(format!(
                "usbmon kept {held} of {full} bytes: it cuts what is longer than a fifth of its buffer"
            ));
        }
        (!notes.is_empty()).then(|| notes.join("; "))
    }
}

/// The wall clock, as usbmon has it.
fn clock() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// What a device said of itself when it came; where the system has not kept that, its ids in the form of it (USB 2.0
/// section 9.6.1).
fn descriptor(device: &Device, places: &Places) -> [u8; 18] {
    let raw = raw_descriptors(device, places).and_then(|raw| raw.first_chunk().copied());
    let ([v0, v1], [p0, p1]) = (device.vid.to_le_bytes(), device.pid.to_le_bytes());
    raw.unwrap_or([18, 1, 0, 2, 0, 0, 0, 64, v0, v1, p0, p1, 0, 0, 0, 0, 0, 1])
}
