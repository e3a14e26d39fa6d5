//! What a job tells while it runs. Front ends draw these; nothing here prints.

use std::path::Path;

use bromide_proto::agent::Found;
use bromide_proto::agent_format::{Because, Format};
use bromide_proto::brom::Identity;
use bromide_proto::bus::Sighting;
use bromide_proto::chips::Choice;

use crate::readback::{Done, Left};
use crate::rows::Row;
use crate::table::OwnTable;

/// One thing that happened.
#[derive(Debug)]
pub enum Event<'a> {
    /// The phone showed itself and was opened.
    Seen(&'a Sighting),
    /// The agent is gone: the user has to hold the phone's key so that its BootROM comes, and stays.
    HoldKey,
    /// The phone answered the start sequence and said who it is.
    Phone(&'a Identity),
    /// This agent was chosen from the container.
    AgentChosen(&'a Chosen),
    /// Upload of the agent: bytes sent, bytes in all.
    AgentUpload(u64, u64),
    /// NAND records offered, records in all.
    TableOffer(u64, u64),
    /// The agent's report.
    Found(&'a Found),
    /// The partitions are those of the phone's own table.
    OwnTable(&'a OwnTable),
    /// A read begins; bytes it will give, its place among all rows (from 1) and their number.
    ReadStart {
        /// What is read.
        row: &'a Row,
        /// Bytes of the file to come.
        bytes: u64,
        /// Place among the rows, from 1.
        number: usize,
        /// Rows in all.
        of: usize,
    },
    /// So many bytes of the present read were there from an earlier run.
    Resumed {
        /// What is read.
        row: &'a Row,
        /// Bytes.
        bytes: u64,
    },
    /// The present read is read a second time and compared; bytes to compare.
    VerifyStart {
        /// What is read.
        row: &'a Row,
        /// Bytes.
        bytes: u64,
    },
    /// A page of a file was read better than before and is replaced.
    Replaced {
        /// The file by its final name.
        file: &'a Path,
        /// First byte there.
        at: u64,
        /// What was there before.
        was: &'a [u8],
    },
    /// Pages of a file did not come in this run; it has not its final name.
    Unread(&'a Left),
    /// Bytes of the present read confirmed.
    Read(u64),
    /// The pages announced by the last [`Mark::Pages`](bromide_proto::link::Mark) came and were answered.
    Packet {
        /// As they came.
        bytes: &'a [u8],
        /// Where they are going to be kept, if anywhere.
        kept: Option<Kept<'a>>,
    },
    /// A file is whole, under its final name.
    Saved(&'a Done),
    /// Files of an image begin to be copied; bytes they have.
    CopyStart(u64),
    /// Bytes of them copied.
    Copied(u64),
    /// Worth knowing.
    Note(&'a str),
    /// Worth worrying about.
    Warning(&'a str),
}

/// Where in a file bytes are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kept<'a> {
    /// The file by its final name.
    pub file: &'a Path,
    /// Its first byte there.
    pub at: u64,
}

/// Why this agent, and how it is spoken to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chosen {
    /// Text the container carries.
    pub label: String,
    /// Position of the entry in the container.
    pub entry: usize,
    /// hw code, hw version, sw version of the entry.
    pub codes: (u16, u16, u16),
    /// How sure the choice is.
    pub choice: Choice,
    /// Wire format.
    pub format: Format,
    /// What the format rests on.
    pub because: Because,
    /// Bytes to upload, signature included.
    pub bytes: usize,
    /// Records of the NAND table, terminator included.
    pub records: usize,
    /// SHA-256 of the bytes to upload, lower-case hex.
    pub sha256: String,
}

/// Receives events.
pub type Tell<'t> = dyn FnMut(Event<'_>) + 't;
