//! The host's side: a bus and links that are a recording.

use core::cell::RefCell;
use core::time::Duration;
use std::rc::Rc;

use bromide_capture::{CaptureError, Entry, Pieces};
use bromide_proto::bus::{Bus, Face, Sighting};
use bromide_proto::link::{Direction, Link, LinkError};

use super::tape::{Next, Tape};
use crate::cancel::Cancel;

/// A recorded phone that comes and goes as it did.
#[derive(Debug)]
pub struct ReplayBus {
    tape: Rc<RefCell<Tape>>,
    /// Phones opened so far: only the last one's link is alive.
    openings: Rc<core::cell::Cell<u64>>,
    cancel: Cancel,
}

impl ReplayBus {
    /// Of these entries, usually a [`Playback`](bromide_capture::Playback), and of the files they refer to.
    pub fn new(
        entries: impl Iterator<Item = Result<Entry, CaptureError>> + 'static,
        pieces: Pieces,
        cancel: Cancel,
    ) -> Self {
        let tape = Rc::new(RefCell::new(Tape::new(entries, pieces)));
        Self { tape, openings: Rc::default(), cancel }
    }
}

impl Bus for ReplayBus {
    type Link = ReplayLink;

    /// Goes to where the recording opens a phone next; what is left of the last one is passed over. A phone whose ids
    /// are not known is taken for the first face asked for.
    ///
    /// # Errors
    /// [`LinkError::Timeout`] where the recording shows another face or ends; why an earlier call failed.
    async fn meet(&mut self, faces: &[Face], within: Duration) -> Result<(Sighting, ReplayLink), LinkError> {
        if self.cancel.is_set() {
            return Err(LinkError::Cancelled);
        }
        let mut tape = self.tape.borrow_mut();
        let mut seen = tape.next_opening()?.cloned();
        if let Some(seen) = seen.as_mut().filter(|seen| (seen.vid, seen.pid) == (0, 0)) {
            seen.face = faces.first().copied().unwrap_or(seen.face);
        }
        let Some(seen) = seen.filter(|seen| faces.contains(&seen.face)) else {
            tape.wait(within);
            return Err(LinkError::Timeout(within));
        };
        tape.open();
        self.openings.set(self.openings.get().wrapping_add(1));
        let link = ReplayLink {
            tape: Rc::clone(&self.tape),
            openings: Rc::clone(&self.openings),
            opening: self.openings.get(),
            cancel: self.cancel.clone(),
        };
        Ok((seen, link))
    }

    fn now(&self) -> Duration {
        self.tape.borrow().now()
    }
}

/// One appearance of the recorded phone.
#[derive(Debug)]
pub struct ReplayLink {
    tape: Rc<RefCell<Tape>>,
    openings: Rc<core::cell::Cell<u64>>,
    opening: u64,
    cancel: Cancel,
}

impl ReplayLink {
    fn alive(&self) -> Result<(), LinkError> {
        if self.cancel.is_set() {
            return Err(LinkError::Cancelled);
        }
        if self.openings.get() == self.opening { Ok(()) } else { Err(LinkError::Unplugged) }
    }
}

impl Link for ReplayLink {
    async fn send(&mut self, bytes: &[u8]) -> Result<(), LinkError> {
        self.alive()?;
        let mut tape = self.tape.borrow_mut();
        let mut rest = bytes;
        while !rest.is_empty() {
            match *tape.look()? {
                Next::Bytes(Direction::ToPhone, ..) => {}
                Next::Bytes(Direction::FromPhone, ..) => return Err(tape.differs(Vec::new(), rest).into()),
                Next::Opened(_) | Next::Closed => return Err(LinkError::Unplugged),
                Next::End(cut) => return Err(tape.ended(cut).into()),
            }
            let equal = tape.compare(rest)?;
            rest = rest.get(equal..).unwrap_or_default();
        }
        Ok(())
    }

    async fn recv(&mut self, into: &mut [u8], within: Duration) -> Result<usize, LinkError> {
        self.alive()?;
        let mut tape = self.tape.borrow_mut();
        match *tape.look()? {
            Next::Bytes(Direction::FromPhone, ..) => Ok(tape.hear(into)?),
            // The host spoke next: the phone was silent until then.
            Next::Bytes(Direction::ToPhone, ..) => {
                tape.wait(within);
                Err(LinkError::Timeout(within))
            }
            Next::Opened(_) | Next::Closed => Err(LinkError::Unplugged),
            Next::End(cut) => Err(tape.ended(cut).into()),
        }
    }

    fn now(&self) -> Duration {
        self.tape.borrow().now()
    }

    fn most_at_once(&self) -> Option<u32> {
        self.tape.borrow().most_at_once()
    }
}
