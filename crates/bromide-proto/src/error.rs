//! What can go wrong in a conversation: where (step), what (kind), and the last exchanges as text.
//!
//! No advice here: the front end knows what the user can do next.

use crate::agent_format::Format;
use crate::chips::Unsupported;
use crate::link::LinkError;
use crate::wire::status;
use alloc::string::String;
use thiserror::Error as ThisError;

/// A conversation that did not end well.
#[derive(Debug, ThisError)]
#[error("{step}: {kind}")]
pub struct Error {
    /// Which step of the conversation.
    pub step: &'static str,
    /// What happened.
    #[source]
    pub kind: ErrorKind,
    /// The last exchanges, one per line, oldest first: `> sent`, `< received`.
    pub tail: String,
}

/// What happened.
#[derive(Debug, ThisError)]
pub enum ErrorKind {
    /// The cable gave up.
    #[error("{0}")]
    Link(LinkError),
    /// Nothing answered the start sequence.
    #[error("the phone does not answer the start sequence")]
    NoHandshake,
    /// The phone did not repeat what was sent: the two are out of step.
    #[error("the phone echoed {heard} instead of {sent}: the line is out of step")]
    Echo {
        /// Hex of the bytes sent.
        sent: String,
        /// Hex of the bytes heard.
        heard: String,
    },
    /// BootROM or preloader refused.
    #[error("the phone answers status {0:#06x}: {name}", name = status::brom(*.0))]
    BromStatus(u16),
    /// The agent refused.
    #[error("the Download Agent answers status {0:#x}: {name} (numbers moved by a few between agents)", name = status::agent(*.0))]
    AgentStatus(u32),
    /// Another answer was due.
    #[error("the phone answers {heard} where {wanted} was due")]
    Unexpected {
        /// What was due.
        wanted: &'static str,
        /// Hex of what came.
        heard: String,
    },
    /// The upload arrived damaged.
    #[error("the phone computed checksum {heard:#06x} over the upload, {sent:#06x} was sent")]
    UploadSum {
        /// Sum over what was sent.
        sent: u16,
        /// Sum the phone gave.
        heard: u16,
    },
    /// The chip cannot be read by this tool.
    #[error(transparent)]
    Unsupported(#[from] Unsupported),
    /// Secure boot bits that need the owner's authentication file or a signed agent.
    #[error("the phone requires authentication (target config {0:#010x})")]
    AuthRequired(u32),
    /// A demo agent, which is no program, was about to go to something that is not a virtual phone.
    #[error("this Download Agent is a stand-in for virtual phones, and the phone on the cable is not one")]
    DemoAgentForRealPhone,
    /// Silence or nonsense where an agent of this format would have spoken.
    #[error("the Download Agent does not answer as one of format {0} does")]
    WrongFormat(Format),
    /// The agent's own check of the chip failed (its report ends in CF) and it halted.
    #[error("the Download Agent's security start-up refused this phone")]
    AgentSecurity,
    /// More babble than any phone says.
    #[error("the line does not fall silent: something keeps sending")]
    Babble,
    /// The agent is not where it should be after a read: what was read may be shifted.
    #[error(
        "the phone is not at the end of the read: a packet was lost or doubled, what was read may be shifted"
    )]
    Shifted,
    /// More requests had to be made anew than a usable cable needs.
    #[error("the cable loses too much: {recoveries} requests had to be made anew, the last because {last}")]
    BadCable {
        /// Requests made anew.
        recoveries: u32,
        /// What the last try ended with.
        last: String,
    },
    /// The agent does not know the chip it runs on.
    #[error("the Download Agent says it does not support this chip")]
    AgentRefusesChip,
    /// Two things the phone or the files said contradict each other.
    #[error("{0}")]
    Contradiction(String),
    /// The agent found no NAND chip it can read.
    #[error("no readable NAND chip: status {0:#x}, {name}", name = status::agent(*.0))]
    NoNand(u32),
    /// A packet kept arriving with a wrong sum or not at all.
    #[error("page {page} (address {address:#x}) could not be read in {tries} tries: {last}")]
    Unreadable {
        /// First page not confirmed, counted in main-area pages from the start of the address space.
        page: u64,
        /// Its main-area byte address.
        address: u64,
        /// Tries without progress.
        tries: u32,
        /// What the last try ended with.
        last: String,
    },
    /// The agent could not be brought back into its command loop.
    #[error("the phone stopped answering ({last}) and did not come back when asked")]
    NoRecovery {
        /// What the last packet ended with.
        last: String,
    },
    /// A request that cannot be put on the wire.
    #[error("{0}")]
    BadRequest(String),
}

impl ErrorKind {
    /// Stable name for programs.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Link(e) => e.code(),
            Self::NoHandshake => "brom/no-handshake",
            Self::Echo { .. } => "brom/echo",
            Self::BromStatus(_) => "brom/status",
            Self::AgentStatus(_) => "agent/status",
            Self::Unexpected { .. } => "talk/unexpected",
            Self::UploadSum { .. } => "brom/upload-sum",
            Self::Unsupported(_) => "chip/unsupported",
            Self::AuthRequired(_) => "brom/auth-required",
            Self::DemoAgentForRealPhone => "agent/demo-only",
            Self::WrongFormat(_) => "agent/wrong-format",
            Self::AgentSecurity => "agent/security",
            Self::Babble => "link/babble",
            Self::Shifted => "read/shifted",
            Self::BadCable { .. } => "read/bad-cable",
            Self::AgentRefusesChip => "agent/chip-refused",
            Self::Contradiction(_) => "talk/contradiction",
            Self::NoNand(_) => "agent/no-nand",
            Self::Unreadable { .. } => "read/unreadable",
            Self::NoRecovery { .. } => "read/no-recovery",
            Self::BadRequest(_) => "read/bad-request",
        }
    }
}

impl From<LinkError> for ErrorKind {
    fn from(e: LinkError) -> Self {
        Self::Link(e)
    }
}
