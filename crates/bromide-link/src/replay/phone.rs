//! The phone's side: the recording shown to another program as a phone.

use core::time::Duration;

use bromide_capture::{CaptureError, Entry, Pieces};
use bromide_proto::bus::Sighting;
use bromide_proto::link::{Direction, Link, LinkError};

use super::differs::Failure;
use super::tape::{Next, Tape};

/// How one appearance of the recorded phone ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Left {
    /// The recorded phone was closed or left, as it did then; another appearance follows.
    AsRecorded,
    /// The program let go before; another appearance follows.
    Early,
    /// That was the last one, or the recording ends in it. In a recording that is cut off, true.
    Over(bool),
}

/// A recorded phone that answers.
#[derive(Debug)]
pub struct ReplayPhone {
    tape: Tape,
}

impl ReplayPhone {
    /// Of these entries and of the files they refer to.
    pub fn new(entries: impl Iterator<Item = Result<Entry, CaptureError>> + 'static, pieces: Pieces) -> Self {
        Self { tape: Tape::new(entries, pieces) }
    }

    /// What the phone shows at the next plug-in; `None`: there is none.
    ///
    /// # Errors
    /// Why the recording cannot be replayed further, as [`LinkError::Over`].
    pub fn shows(&mut self) -> Result<Option<Sighting>, LinkError> {
        Ok(self.tape.next_opening()?.cloned())
    }

    /// One plug-in: waits for the bytes the host said then, and answers with those the phone said. How long the host
    /// takes is its own affair.
    ///
    /// # Errors
    /// [`ReplayDiffers`](super::ReplayDiffers) at the first byte that is another one, or where the host let go
    /// and the recording has neither more appearances nor all that it said then; what the recording or the link
    /// failed with.
    pub async fn plugged_in<L: Link>(&mut self, mut link: L) -> Result<Left, LinkError> {
        if self.tape.next_opening()?.is_none() {
            return Ok(Left::Over(false));
        }
        self.tape.open();
        let mut buffer = vec![0; 1 << 14];
        loop {
            let ended = match self.tape.look()? {
                Next::Bytes(Direction::ToPhone, bytes, done) => {
                    let due = bytes.len().saturating_sub(*done).min(buffer.len());
                    let into = buffer.get_mut(..due).unwrap_or_default();
                    link.recv(into, Duration::MAX).await
                }
                Next::Bytes(Direction::FromPhone, ..) => {
                    let came = self.tape.hear(&mut buffer)?;
                    link.send(buffer.get(..came).unwrap_or_default()).await.map(|()| 0)
                }
                Next::Opened(_) => return Ok(Left::AsRecorded),
                Next::Closed => return self.closed(),
                Next::End(cut) => return Ok(Left::Over(*cut)),
            };
            match ended {
                Ok(said) => drop(self.tape.compare(buffer.get(..said).unwrap_or_default())?),
                Err(LinkError::Unplugged) => return self.left(),
                Err(e) => return Err(e),
            }
        }
    }

    /// The recorded phone leaves.
    fn closed(&mut self) -> Result<Left, LinkError> {
        match self.tape.next_opening()? {
            Some(_) => Ok(Left::AsRecorded),
            None => Ok(Left::Over(self.tape.is_cut()?)),
        }
    }

    /// The host let go: whether it had said all it said then.
    fn left(&mut self) -> Result<Left, LinkError> {
        let mut unsaid = None;
        loop {
            match self.tape.look()? {
                Next::Bytes(Direction::ToPhone, bytes, done) if unsaid.is_none() => {
                    let due = bytes.get(*done..).unwrap_or_default().to_vec();
                    unsaid = Some(self.tape.difference(due, &[]));
                }
                Next::Bytes(..) => {}
                Next::Opened(_) | Next::Closed | Next::End(_) => break,
            }
            self.tape.pass();
        }
        match (self.tape.next_opening()?, unsaid) {
            (Some(_), None) => Ok(Left::AsRecorded),
            (Some(_), Some(_)) => Ok(Left::Early),
            (None, None) => Ok(Left::Over(self.tape.is_cut()?)),
            (None, Some(unsaid)) => Err(self.tape.fail(Failure::Differs(unsaid)).into()),
        }
    }
}
