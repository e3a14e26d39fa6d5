//! The thread that reads, and does nothing else: the kernel keeps no more than some milliseconds of high speed.

use std::io;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use super::Shared;
use super::source::{Came, Usbmon};

/// Bytes that are handed on at once, or one event more.
const PIECE: usize = 256 << 10;
/// Pieces that wait to be looked at: seconds of high speed.
const WAITING: usize = 256;
/// Longest time that what came is kept back.
const KEPT: Duration = Duration::from_millis(5);
/// While something comes, it is fetched so often: a switch of threads for every event costs more than the event.
const PAUSE: Duration = Duration::from_micros(500);
/// Longest wait without a look at the wish to stop.
const WAIT: Duration = Duration::from_millis(50);
/// How long events that still come are taken once the end is wished: a busy bus has no last one.
const LAST: Duration = Duration::from_secs(1);
/// Reads between two looks at the clock while there is always more.
const BUSY: u32 = 64;

/// What usbmon said, in pieces; an error is the last one.
pub(super) type Pieces = Receiver<io::Result<Vec<u8>>>;

/// The thread's end.
#[derive(Debug)]
pub(super) struct Intake {
    from: Usbmon,
    piece: Vec<u8>,
    /// When the first byte of the piece came.
    since: Instant,
    to: SyncSender<io::Result<Vec<u8>>>,
}

/// Nobody wants more.
struct Unwanted;

impl Intake {
    pub(super) fn new(from: Usbmon) -> (Self, Pieces) {
        let (to, pieces) = sync_channel(WAITING);
        (Self { from, piece: Vec::new(), since: Instant::now(), to }, pieces)
    }

    /// Until the end is wished, reading fails, or nobody wants more.
    pub(super) fn run(mut self, shared: &Shared) {
        self.from.hurry();
        if let Ok(Err(e)) = self.read(shared) {
            let _ = self.hand_on();
            let _ = self.to.send(Err(e));
        }
    }

    fn read(&mut self, shared: &Shared) -> Result<io::Result<()>, Unwanted> {
        let mut stop_at = None;
        let mut busy = 0u32;
        loop {
            let was_empty = self.piece.is_empty();
            let came = match self.from.read(&mut self.piece, PIECE) {
                Ok(came) => came,
                Err(e) => return Ok(Err(e)),
            };
            busy = if came == Came::Bytes { busy.wrapping_add(1) } else { 0 };
            if was_empty && came == Came::Bytes {
                self.since = Instant::now();
            }
            if self.piece.len() >= PIECE {
                self.hand_on()?;
            }
            if !busy.is_multiple_of(BUSY) {
                continue;
            }
            if shared.stop.load(Ordering::Relaxed) {
                let now = Instant::now();
                if came != Came::Bytes || now >= *stop_at.get_or_insert(now + LAST) {
                    return self.hand_on().map(Ok);
                }
            }
            if came != Came::Bytes {
                self.rest(came)?;
            }
        }
    }

    /// There is nothing at the moment.
    fn rest(&mut self, came: Came) -> Result<(), Unwanted> {
        if !self.piece.is_empty() && self.since.elapsed() < KEPT {
            std::thread::sleep(PAUSE);
            return Ok(());
        }
        self.hand_on()?;
        self.from.wait(came, WAIT);
        Ok(())
    }

    fn hand_on(&mut self) -> Result<(), Unwanted> {
        if self.piece.is_empty() {
            return Ok(());
        }
        self.to.send(Ok(std::mem::take(&mut self.piece))).map_err(|_| Unwanted)
    }
}
