//! The thread that reads: events in, the phone's out to the recording, with what is missing of them.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bromide_capture::{Monitored, UsbmonEvent};
use bromide_proto::link::Direction;

use super::super::listing::{Device, Places, list, raw_descriptors};
use super::losses::Losses;
use super::sort::{Kept, Sort};
use super::source::{Came, Usbmon};
use super::wanted::WantedPort;
use super::{Recorded, Shared};

/// Longest wait without a look at the wish to stop.
const WAIT: Duration = Duration::from_millis(50);
/// Time between two looks at the list of devices, while somebody waits for one.
const LOOK: Duration = Duration::from_millis(5);
/// What came is handed on at least so often.
const FLUSH: Duration = Duration::from_millis(500);
/// How long events that still come are taken once the end is wished: a busy bus has no last one.
const LAST: Duration = Duration::from_secs(1);
/// Reads between two looks at the clock while there is always more.
const BUSY: u32 = 64;

/// Why reading ended.
#[derive(Debug)]
pub(super) enum End {
    Asked,
    Unread(io::Error),
    Unwritten,
}

/// Everything the thread has.
#[derive(Debug)]
pub(super) struct Reader {
    from: Usbmon,
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

impl Reader {
    pub(super) fn new(from: Usbmon, places: Places, port: WantedPort, shared: Arc<Shared>) -> Self {
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
        let mut end = self.read(&mut to);
        self.sort.end();
        self.tell();
        if to.flush().is_err() && matches!(end, End::Asked) {
            end = End::Unwritten;
        }
        if let End::Unread(e) = &end {
            self.shared.tell(format!("the recording has ended: usbmon cannot be read any more: {e}"));
        }
        (self.recorded, end)
    }

    fn read<W: Write>(&mut self, to: &mut Monitored<W>) -> End {
        let mut stop_at = None;
        let mut busy = 0;
        loop {
            let came = match self.from.read(&mut self.bytes) {
                Ok(came) => came,
                Err(e) => return End::Unread(e),
            };
            busy = if came == Came::Bytes { busy + 1 } else { 0 };
            let at_leisure = busy % BUSY == 0;
            if at_leisure {
                self.now = Instant::now();
            }
            if let Err(e) = self.take_events() {
                return End::Unread(e);
            }
            if at_leisure {
                self.look();
            }
            if self.write(to).is_err() {
                return End::Unwritten;
            }
            if at_leisure && self.shared.stop.load(Ordering::Relaxed) {
                let stop_at = *stop_at.get_or_insert(self.now + LAST);
                if (came != Came::Bytes && !self.sort.waits()) || self.now >= stop_at {
                    return End::Asked;
                }
            }
            if came != Came::Bytes {
                self.from.wait(if self.sort.waits() { LOOK } else { WAIT });
            }
        }
    }

    /// Chooses among the whole events that were read.
    fn take_events(&mut self) -> io::Result<()> {
        let mut done = 0;
        let invalid = |e| io::Error::new(io::ErrorKind::InvalidData, e);
        while let Some((event, length)) =
            UsbmonEvent::first_of(self.bytes.get(done..).unwrap_or_default()).map_err(invalid)?
        {
            done += length;
            self.sort.take(event, self.now);
        }
        self.bytes.drain(..done);
        Ok(())
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
