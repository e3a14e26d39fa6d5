//! An observer on the cable: sees every byte that passes, changes none.

use core::time::Duration;

use bromide_proto::link::{Direction, Link, LinkError, Mark};

/// A link that shows all its traffic to `see`.
///
/// Sent bytes are shown *before* they leave, so that a transcript is in order even when the phone answers
/// within the same call; they are shown too when sending then fails. Received bytes are shown once received.
#[derive(Debug)]
pub struct Tap<L, F> {
    link: L,
    see: F,
}

impl<L: Link, F: FnMut(Direction, &[u8])> Tap<L, F> {
    /// Puts an observer on `link`.
    pub fn new(link: L, see: F) -> Self {
        Self { link, see }
    }

    /// The link underneath; the observer is dropped.
    pub fn into_inner(self) -> L {
        self.link
    }
}

impl<L: Link, F: FnMut(Direction, &[u8])> Link for Tap<L, F> {
    async fn send(&mut self, bytes: &[u8]) -> Result<(), LinkError> {
        (self.see)(Direction::ToPhone, bytes);
        self.link.send(bytes).await
    }

    async fn recv(&mut self, into: &mut [u8], within: Duration) -> Result<usize, LinkError> {
        let n = self.link.recv(into, within).await?;
        (self.see)(Direction::FromPhone, into.get(..n).unwrap_or_default());
        Ok(n)
    }

    fn now(&self) -> Duration {
        self.link.now()
    }

    fn most_at_once(&self) -> Option<u32> {
        self.link.most_at_once()
    }

    fn mark(&mut self, mark: Mark<'_>) {
        self.link.mark(mark);
    }
}
