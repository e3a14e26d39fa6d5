//! The Download Agent its owner supplies: container on disk, the entry for the phone on the cable, its format.
//!
//! Rules of choice: `bromide_proto::chips` (entry) and `bromide_proto::agent_format` (wire format).

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use bromide_proto::agent_format::{self, Because, Format};
use bromide_proto::brom::{Identity, Upload};
use bromide_proto::chips;
use bromide_proto::wire::da_file::{DaEntry, DaFile};
use bromide_proto::wire::nand_record;
use sha2::{Digest, Sha256};

use crate::error::JobError;
use crate::event::Chosen;

/// Larger files are refused unread; the largest container seen has about 13 MB.
const LARGEST: u64 = 256 << 20;
/// Region that holds the agent, and region that holds the NAND table (`formats.md` section 1.5).
const PROGRAM: usize = 1;
const TABLE: usize = 2;

/// A container in memory.
#[derive(Debug)]
pub struct AgentFile {
    path: PathBuf,
    bytes: Vec<u8>,
}

/// One agent of a container, ready to be sent.
#[derive(Debug)]
pub struct Agent<'a> {
    /// What D7 and D5 need.
    pub upload: Upload<'a>,
    /// NAND records of the same entry.
    pub records: Vec<&'a [u8]>,
    /// Why this one.
    pub chosen: Chosen,
}

impl AgentFile {
    /// Reads a container from disk and checks that it is one.
    pub fn open(path: &Path) -> Result<Self, JobError> {
        let io = |error| JobError::AgentIo { path: path.to_owned(), error };
        let file = File::open(path).map_err(io)?;
        let mut bytes = Vec::new();
        file.take(LARGEST + 1).read_to_end(&mut bytes).map_err(io)?;
        if bytes.len() as u64 > LARGEST {
            return Err(JobError::AgentTooLarge { path: path.to_owned(), bytes: bytes.len() as u64 });
        }
        Self::from_bytes(path, bytes)
    }

    /// A container already in memory; `path` is only shown.
    pub fn from_bytes(path: &Path, bytes: Vec<u8>) -> Result<Self, JobError> {
        let this = Self { path: path.to_owned(), bytes };
        this.table()?;
        Ok(this)
    }

    /// The container's table.
    pub fn table(&self) -> Result<DaFile<'_>, JobError> {
        DaFile::parse(&self.bytes).map_err(|error| JobError::AgentFile { path: self.path.clone(), error })
    }

    /// The agent for a phone; `asked` overrules the rule for the wire format.
    pub fn agent_for(&self, phone: &Identity, asked: Option<Format>) -> Result<Agent<'_>, JobError> {
        let file = self.table()?;
        let (entry, choice) = chips::choose(&file, phone.codes).map_err(|error| JobError::NoEntry {
            path: self.path.clone(),
            chip: describe(phone),
            serves: serves(&file),
            error,
        })?;
        let damaged = |error| JobError::AgentFile { path: self.path.clone(), error };
        let (region, program) = file.region(entry, PROGRAM).map_err(damaged)?;
        let (_, table) = file.region(entry, TABLE).map_err(damaged)?;
        let records = nand_record::table(table)
            .ok_or_else(|| JobError::NoTable { path: self.path.clone(), entry: entry.index })?;
        let sha256 = hex(&Sha256::digest(program));
        let decided = agent_format::decide(&file.label, program);
        let (format, because) = match (asked, decided) {
            (Some(format), _) => (format, Because::Asked),
            (None, Some(decided)) => decided,
            (None, None) => return Err(JobError::UnknownFormat { label: file.label.clone(), sha256 }),
        };
        let demo = agent_format::is_demo_agent(program);
        Ok(Agent {
            upload: Upload { bytes: program, load: region.load, sig_len: region.sig_len, demo },
            chosen: Chosen {
                label: file.label.clone(),
                entry: entry.index,
                codes: (entry.hw_code, entry.hw_version, entry.sw_version),
                choice,
                format,
                because,
                bytes: program.len(),
                records: records.len(),
                sha256,
            },
            records,
        })
    }

    /// What can be said of an entry without a phone: its format and the size of its NAND table.
    pub fn outlook(&self, file: &DaFile<'_>, entry: &DaEntry) -> (Option<Format>, Option<usize>) {
        let bytes = |number| file.region(entry, number).ok().map(|(_, bytes)| bytes);
        let format = bytes(PROGRAM).and_then(|p| agent_format::decide(&file.label, p)).map(|(f, _)| f);
        (format, bytes(TABLE).and_then(nand_record::table).map(|t| t.len()))
    }
}

fn describe(phone: &Identity) -> String {
    let c = phone.codes;
    format!(
        "{}, hw code {:04x}, sub code {:04x}, hw version {:04x}, sw version {:04x}",
        phone.chip.name, c.hw_code, c.sub_code, c.hw_version, c.sw_version
    )
}

fn serves(file: &DaFile<'_>) -> String {
    let mut codes: Vec<String> = file
        .entries
        .iter()
        .map(|e| format!("{:04x} (hw {:04x}, sw {:04x})", e.hw_code, e.hw_version, e.sw_version))
        .collect();
    codes.dedup();
    codes.join(", ")
}

/// Lower-case hex without blanks.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}
