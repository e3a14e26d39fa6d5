//! The switch to high speed, `70 01`, and the way back to an agent after its link was closed.
//!
//! ```text
//! 70 01 -> 5A        the phone leaves the bus
//! close the port; wait for 0e8d:2001; open it
//! next command       no start sequence, no hello: the agent is where it was
//! ```
//! Sources: `da-legacy-observed.md` section 7.1 (the host sends no second `72`), `da-legacy.md` section 3.2. An agent
//! that a high-speed preloader started answers `72` with 01 and never returns as another device. Untested on hardware.

use super::{ANSWER, Agent, Loop, QUIET};
use crate::agent_format::Format;
use crate::codes::da;
use crate::error::{Error, ErrorKind};
use crate::link::Link;
use crate::talk::Talk;
use alloc::string::String;
use core::time::Duration;

/// Tries to find an agent in its command loop behind a link that was opened again, and patience for each.
const TRIES: u32 = 3;
const WITHIN: Duration = Duration::from_secs(2);

/// What is known of an agent whose link was closed and which goes on running.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parked {
    format: Format,
}

impl<L: Link> Agent<L> {
    /// `70 01`: go on at high speed. After `Ok` the phone leaves the bus: [`Agent::park`] is all that may follow.
    /// After an error the agent is still where it was.
    pub async fn ask_high_speed(&mut self) -> Result<(), Error> {
        self.talk.step = "switch to high speed (70)";
        self.talk.send(&[da::USB_SETUP, 1]).await?;
        self.talk.ack(ANSWER).await
    }

    /// Lets go of the link; the agent is expected to go on running.
    pub fn park(self) -> (L, Parked) {
        (self.talk.into_link(), Parked { format: self.format })
    }

    /// The same agent behind the link it returned on after [`Agent::ask_high_speed`]. Nothing is sent.
    pub const fn resume(link: L, parked: Parked) -> Self {
        Self { talk: Talk::new(link), format: parked.format }
    }

    /// The same agent behind a link that was opened again after it failed, wherever the agent stood: what it still
    /// says is drained, a waiting read is stopped, and the command loop has to answer.
    pub async fn rejoin(link: L, parked: Parked) -> Result<Self, Error> {
        let mut agent = Self::resume(link, parked);
        agent.talk.step = "find the Download Agent again";
        for _ in 0..TRIES {
            agent.talk.drain(QUIET).await?;
            agent.talk.send(&[da::STOP]).await?;
            agent.talk.drain(QUIET).await?;
            if let Loop::There(_) = agent.in_loop(WITHIN).await? {
                return Ok(agent);
            }
        }
        Err(agent.talk.fail(ErrorKind::NoRecovery { last: String::from("its link was opened again") }))
    }
}
