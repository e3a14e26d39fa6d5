//! A bus whose every link, byte and mark goes to the recorder.

use std::time::Duration;

use bromide_proto::bus::{Bus, Face, Sighting};
use bromide_proto::link::{Direction, Link, LinkError, Mark};

use crate::recorder::Recorder;

/// A bus that is recorded; without a recorder it only passes everything on.
#[derive(Debug)]
pub struct RecordedBus<B> {
    bus: B,
    recorder: Option<Recorder>,
}

impl<B> RecordedBus<B> {
    /// Records what passes on this bus.
    pub const fn new(bus: B, recorder: Option<Recorder>) -> Self {
        Self { bus, recorder }
    }
}

impl<B: Bus> Bus for RecordedBus<B> {
    type Link = RecordedLink<B::Link>;

    async fn meet(&mut self, faces: &[Face], within: Duration) -> Result<(Sighting, Self::Link), LinkError> {
        let (seen, link) = self.bus.meet(faces, within).await?;
        if let Some(recorder) = &self.recorder {
            recorder.opened(&seen);
            if let Some(most) = link.most_at_once() {
                recorder.bound(most);
            }
        }
        Ok((seen, RecordedLink { link, recorder: self.recorder.clone() }))
    }

    fn now(&self) -> Duration {
        self.bus.now()
    }
}

/// A link that is recorded. Sent bytes are recorded before they leave, so that the recording is in order even when
/// the phone answers within the same call.
#[derive(Debug)]
pub struct RecordedLink<L> {
    link: L,
    recorder: Option<Recorder>,
}

impl<L> RecordedLink<L> {
    fn failed(&self, error: &LinkError) {
        // Silence is a part of every conversation; the moments tell it.
        if let (Some(recorder), false) = (&self.recorder, matches!(error, LinkError::Timeout(_))) {
            recorder.remark(&format!("link: {error}"));
        }
    }
}

impl<L: Link> Link for RecordedLink<L> {
    async fn send(&mut self, bytes: &[u8]) -> Result<(), LinkError> {
        if let Some(recorder) = &self.recorder {
            recorder.bytes(Direction::ToPhone, bytes);
        }
        self.link.send(bytes).await.inspect_err(|e| self.failed(e))
    }

    async fn recv(&mut self, into: &mut [u8], within: Duration) -> Result<usize, LinkError> {
        let n = self.link.recv(into, within).await.inspect_err(|e| self.failed(e))?;
        if let Some(recorder) = &self.recorder {
            recorder.bytes(Direction::FromPhone, into.get(..n).unwrap_or_default());
        }
        Ok(n)
    }

    fn now(&self) -> Duration {
        self.link.now()
    }

    fn most_at_once(&self) -> Option<u32> {
        self.link.most_at_once()
    }

    fn mark(&mut self, mark: Mark<'_>) {
        if let Some(recorder) = &self.recorder {
            recorder.mark(mark);
        }
        self.link.mark(mark);
    }
}

impl<L> Drop for RecordedLink<L> {
    fn drop(&mut self) {
        if let Some(recorder) = &self.recorder {
            recorder.closed();
        }
    }
}
