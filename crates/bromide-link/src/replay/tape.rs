//! The recording as it is used up, from both sides of the cable.

use core::time::Duration;

use bromide_capture::{Bytes, CaptureError, Entry, Pieces, What, most_at_once};
use bromide_proto::bus::Sighting;
use bromide_proto::link::Direction;

use super::differs::{Failure, ReplayDiffers, ReplayEnded, ReplayUnreadable};

/// Bytes to the phone that are remembered, to be shown before one that differs.
const REMEMBERED: usize = 8;

/// What comes next.
#[derive(Debug)]
pub(super) enum Next {
    Opened(Sighting),
    /// Bytes of which so many are used up.
    Bytes(Direction, Vec<u8>, usize),
    Closed,
    /// The recording has nothing more; it is cut off.
    End(bool),
}

/// A recording and a place in it.
pub(super) struct Tape {
    entries: Box<dyn Iterator<Item = Result<Entry, CaptureError>>>,
    pieces: Pieces,
    next: Option<Next>,
    /// Frame and time of what comes next.
    frame: u64,
    at: Duration,
    /// Time of the first opening.
    origin: Option<Duration>,
    /// Time since then by the replay's own clock.
    clock: Duration,
    /// Bytes to the phone since it was opened, and the last of them.
    sent: u64,
    last: Vec<u8>,
    /// What the link took at once, if a note says so.
    most_at_once: Option<u32>,
    failure: Option<Failure>,
}

impl Tape {
    pub(super) fn new(
        entries: impl Iterator<Item = Result<Entry, CaptureError>> + 'static,
        pieces: Pieces,
    ) -> Self {
        Self {
            entries: Box::new(entries),
            pieces,
            next: None,
            frame: 0,
            at: Duration::ZERO,
            origin: None,
            clock: Duration::ZERO,
            sent: 0,
            last: Vec::new(),
            most_at_once: None,
            failure: None,
        }
    }

    pub(super) const fn now(&self) -> Duration {
        self.clock
    }

    pub(super) const fn most_at_once(&self) -> Option<u32> {
        self.most_at_once
    }

    /// Lets time pass in vain.
    pub(super) fn wait(&mut self, within: Duration) {
        self.clock = self.clock.saturating_add(within);
    }

    /// The clock shows at least the time of what comes next.
    fn catch_up(&mut self) {
        self.clock = self.clock.max(self.since_origin());
    }

    fn since_origin(&self) -> Duration {
        self.at.saturating_sub(self.origin.unwrap_or(self.at))
    }

    /// What comes next; it stays until it is used up.
    pub(super) fn look(&mut self) -> Result<&mut Next, Failure> {
        if let Some(failure) = &self.failure {
            return Err(failure.clone());
        }
        let next = match self.next.take() {
            Some(next) => next,
            None => self.read().map_err(|unreadable| self.fail(Failure::Unreadable(unreadable)))?,
        };
        Ok(self.next.insert(next))
    }

    /// Passes over what comes next.
    pub(super) fn pass(&mut self) {
        self.next = None;
    }

    /// Whether the recording ends here because it was cut off.
    pub(super) fn is_cut(&mut self) -> Result<bool, Failure> {
        Ok(matches!(self.look()?, Next::End(true)))
    }

    /// Ends the replay.
    pub(super) fn fail(&mut self, failure: Failure) -> Failure {
        self.failure.insert(failure).clone()
    }

    fn read(&mut self) -> Result<Next, ReplayUnreadable> {
        loop {
            let Entry { at, frame, what } = match self.entries.next() {
                None => return Ok(Next::End(false)),
                Some(Err(CaptureError::Cut { .. })) => return Ok(Next::End(true)),
                Some(Err(e)) => return Err(ReplayUnreadable { code: e.code(), text: e.to_string() }),
                Some(Ok(entry)) => entry,
            };
            (self.frame, self.at) = (frame, at);
            match what {
                What::Opened(seen) => return Ok(Next::Opened(seen)),
                What::Closed => return Ok(Next::Closed),
                What::Note(text) => self.most_at_once = most_at_once(&text).or(self.most_at_once),
                What::Bytes(direction, Bytes::Here(bytes)) => return Ok(Next::Bytes(direction, bytes, 0)),
                What::Bytes(direction, Bytes::Elsewhere(piece)) => {
                    let mut bytes = Vec::new();
                    self.pieces.read(&piece, &mut bytes).map_err(|e| ReplayUnreadable {
                        code: e.code(),
                        text: format!("frame {frame}: {e}"),
                    })?;
                    return Ok(Next::Bytes(direction, bytes, 0));
                }
            }
        }
    }

    /// Passes over what is left up to the next opening and gives it, without using it up; `None`: there is none.
    pub(super) fn next_opening(&mut self) -> Result<Option<&Sighting>, Failure> {
        loop {
            match self.look()? {
                Next::Opened(_) => break,
                Next::End(_) => return Ok(None),
                Next::Bytes(..) | Next::Closed => self.next = None,
            }
        }
        match &self.next {
            Some(Next::Opened(seen)) => Ok(Some(seen)),
            _ => Ok(None),
        }
    }

    /// The phone that comes next is opened.
    pub(super) fn open(&mut self) {
        self.origin.get_or_insert(self.at);
        self.catch_up();
        self.next = None;
        (self.sent, self.most_at_once) = (0, None);
        self.last.clear();
        // Notes on the link stand right behind its opening; what cannot be read is told when it is needed.
        let _ = self.look();
    }

    /// The host says this: as much of it as the recorded bytes that come next are compared. Gives how many.
    ///
    /// # Errors
    /// The first byte that differs.
    pub(super) fn compare(&mut self, said: &[u8]) -> Result<usize, Failure> {
        let Next::Bytes(Direction::ToPhone, bytes, done) = self.look()? else { return Ok(0) };
        let due = bytes.get(*done..).unwrap_or_default();
        let equal = due.iter().zip(said).take_while(|(a, b)| a == b).count();
        let whole = equal == due.len();
        let differs = !whole && equal < said.len();
        let recorded = if differs { due.get(equal..).unwrap_or_default().to_vec() } else { Vec::new() };
        *done += equal;
        if whole {
            self.next = None;
        }
        self.catch_up();
        self.remember(said.get(..equal).unwrap_or_default());
        if differs {
            return Err(self.differs(recorded, said.get(equal..).unwrap_or_default()));
        }
        Ok(equal)
    }

    fn remember(&mut self, said: &[u8]) {
        self.sent = self.sent.saturating_add(said.len() as u64);
        self.last.extend(said.get(said.len().saturating_sub(REMEMBERED)..).unwrap_or_default());
        self.last.drain(..self.last.len().saturating_sub(REMEMBERED));
    }

    /// `recorded` was due where `said` is said.
    pub(super) fn difference(&self, recorded: Vec<u8>, said: &[u8]) -> ReplayDiffers {
        let differs = ReplayDiffers {
            frame: self.frame,
            at: self.since_origin(),
            offset: self.sent,
            expected: recorded.first().copied(),
            got: said.first().copied(),
            before: self.last.clone(),
            recorded,
            said: said.iter().copied().take(REMEMBERED).collect(),
        };
        differs.shortened()
    }

    /// Ends the replay by such a difference.
    pub(super) fn differs(&mut self, recorded: Vec<u8>, said: &[u8]) -> Failure {
        let differs = self.difference(recorded, said);
        self.fail(Failure::Differs(differs))
    }

    /// Ends the replay for want of anything more.
    pub(super) fn ended(&mut self, cut: bool) -> Failure {
        let frame = self.frame;
        self.fail(Failure::Ended(ReplayEnded { frame, cut }))
    }

    /// Bytes of the phone that come next, at most as many as `into` holds; 0: something else comes next.
    pub(super) fn hear(&mut self, into: &mut [u8]) -> Result<usize, Failure> {
        let Next::Bytes(Direction::FromPhone, bytes, done) = self.look()? else { return Ok(0) };
        let due = bytes.get(*done..).unwrap_or_default();
        let came = due.len().min(into.len());
        into.iter_mut().zip(due).for_each(|(to, from)| *to = *from);
        *done += came;
        if *done == bytes.len() {
            self.next = None;
        }
        self.catch_up();
        Ok(came)
    }
}

impl core::fmt::Debug for Tape {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Tape").field("frame", &self.frame).field("next", &self.next).finish_non_exhaustive()
    }
}
