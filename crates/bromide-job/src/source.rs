//! Where pages come from: a session with a running agent, and what to do when its link fails.

use bromide_proto::error::Error;
use bromide_proto::link::Link;

use crate::error::JobError;
use crate::event::Tell;
use crate::session::Session;

/// A phone that pages can be asked of.
#[allow(async_fn_in_trait)] // as for `Link`: one thread, nothing spawns
pub trait Source {
    /// The cable.
    type Link: Link;

    /// The session with the running agent; `None` after a failure that could not be mended.
    fn session(&mut self) -> Option<&mut Session<Self::Link>>;

    /// Whether pages that do not come may be the fault of a fast link, and come over a slower one.
    fn is_fast(&self) -> bool {
        false
    }

    /// After a failed conversation: the session is there again and the read may go on from its first unconfirmed
    /// page. `came` tells how many bytes were confirmed since the last time.
    ///
    /// # Errors
    /// The failure itself where it cannot be mended, or what ended the attempt.
    async fn mend(&mut self, error: Error, came: u64, tell: &mut Tell<'_>) -> Result<(), JobError>;
}

/// One cable, nothing to fall back on.
impl<L: Link> Source for Session<L> {
    type Link = L;

    fn session(&mut self) -> Option<&mut Self> {
        Some(self)
    }

    async fn mend(&mut self, error: Error, _: u64, _: &mut Tell<'_>) -> Result<(), JobError> {
        Err(error.into())
    }
}
