//! Why a replay goes no further.

use core::fmt;
use core::time::Duration;

use bromide_proto::link::LinkError;

/// Bytes shown around the first one that differs.
const AROUND: usize = 8;

/// The host says something else than the host of the recording did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplayDiffers {
    /// The recording's packet with the byte that was due, or with what was due instead of a byte; counted from 1.
    pub frame: u64,
    /// Its time since the first phone of the recording was opened.
    pub at: Duration,
    /// Bytes to the phone before it since the phone was opened.
    pub offset: u64,
    /// The recorded byte; `None`: the host was silent there, and the phone spoke.
    pub expected: Option<u8>,
    /// The byte said now; `None`: the host left.
    pub got: Option<u8>,
    /// Up to eight bytes to the phone before it, the same in both.
    pub before: Vec<u8>,
    /// Up to eight recorded bytes from it on.
    pub recorded: Vec<u8>,
    /// Up to eight bytes said now from it on.
    pub said: Vec<u8>,
}

impl ReplayDiffers {
    /// Cuts what is shown to a few bytes.
    pub(super) fn shortened(mut self) -> Self {
        self.before.drain(..self.before.len().saturating_sub(AROUND));
        self.recorded.truncate(AROUND);
        self.said.truncate(AROUND);
        self
    }
}

impl fmt::Display for ReplayDiffers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { frame, at, offset, expected, got, before, recorded, said } = self;
        let place = format!("frame {frame} at {:.3} s", at.as_secs_f64());
        match (expected, got) {
            (Some(expected), Some(got)) => write!(
                f,
                "byte {offset} to the phone is {got:02x}, where the recording has {expected:02x} ({place})"
            )?,
            (None, Some(got)) => write!(
                f,
                "byte {offset} to the phone is {got:02x}, where the recording has the phone speak ({place})"
            )?,
            (_, None) => write!(f, "the host left where the recording has more of it ({place})")?,
        }
        if !before.is_empty() {
            write!(f, "; before it {}", hex(before))?;
        }
        if !recorded.is_empty() {
            write!(f, "; recorded {}", hex(recorded))?;
        }
        if !said.is_empty() {
            write!(f, "; now {}", hex(said))?;
        }
        Ok(())
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ")
}

impl std::error::Error for ReplayDiffers {}

/// The recording has nothing more.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the recording ends here, after frame {frame}{}", if *.cut { ": it was cut off" } else { "" })]
pub struct ReplayEnded {
    /// The last packet that was replayed.
    pub frame: u64,
    /// The file ends in the middle of something.
    pub cut: bool,
}

/// The recording, or a file it refers to, cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct ReplayUnreadable {
    /// Stable name for programs.
    pub code: &'static str,
    /// What happened.
    pub text: String,
}

/// Any of them, told again and again.
#[derive(Debug, Clone)]
pub(super) enum Failure {
    Differs(ReplayDiffers),
    Ended(ReplayEnded),
    Unreadable(ReplayUnreadable),
}

impl From<Failure> for LinkError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Differs(it) => Self::Over(Box::new(it)),
            Failure::Ended(it) => Self::Over(Box::new(it)),
            Failure::Unreadable(it) => Self::Over(Box::new(it)),
        }
    }
}
