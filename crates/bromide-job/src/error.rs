//! Why a job ended without its result. No advice: the front end knows what the user can do.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use bromide_image::map::{FindError, PlaceError};
use bromide_proto::chips::NoEntry;
use bromide_proto::link::LinkError;
use bromide_proto::wire::da_file::DaFileError;
use thiserror::Error;

use crate::bundle::BundleError;
use crate::readback::Left;
use crate::save::SaveError;
use crate::table::TableSource;

/// Why a job ended.
#[derive(Debug, Error)]
pub enum JobError {
    /// The conversation failed.
    #[error(transparent)]
    Talk(#[from] bromide_proto::error::Error),
    /// No phone that could be begun with came in this time.
    #[error("no phone in BootROM or preloader came for {} s", .0.as_secs())]
    NoPhone(Duration),
    /// A phone came and could not be opened.
    #[error("{0}")]
    NotOpened(LinkError),
    /// Full speed was asked for and the phone is at high speed.
    #[error("the phone was met in its preloader, at high speed already, and full speed was asked for")]
    AlreadyHighSpeed,
    /// The phone that came after a failure is not the one the read was begun with.
    #[error("another phone came than the one this read was begun with")]
    AnotherPhone,
    /// The link failed before and could not be mended.
    #[error("there is no connection to the phone any more")]
    NoSession,
    /// The page at the edge is not the one read before.
    #[error(
        "what is there does not fit on what the phone gives now: the page at {0:#x} was read again and differs"
    )]
    EdgeDiffers(u64),
    /// Pages of these files did not come; their parts and mapfiles stay.
    #[error("{}", unread(.0))]
    Unread(Vec<Left>),
    /// A page that somebody wants to look at does not come.
    #[error("the page at {address:#x} cannot be read ({why})")]
    PageUnreadable {
        /// Main-area address.
        address: u64,
        /// What happened instead.
        why: String,
    },
    /// The container cannot be read from disk.
    #[error("{}: {error}", path.display())]
    AgentIo {
        /// The container.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// The container is larger than any container is.
    #[error("{} has {bytes} bytes; no Download Agent container is that large", path.display())]
    AgentTooLarge {
        /// The container.
        path: PathBuf,
        /// Its size.
        bytes: u64,
    },
    /// The container is damaged.
    #[error("{}: {error}", path.display())]
    AgentFile {
        /// The container.
        path: PathBuf,
        /// What is wrong.
        error: DaFileError,
    },
    /// The container holds nothing for this chip.
    #[error("{} holds no agent for this chip ({chip})", path.display())]
    NoEntry {
        /// The container.
        path: PathBuf,
        /// Name and codes of the chip.
        chip: String,
        /// Chips the container serves, for the user to compare.
        serves: String,
        /// Entries of the same hw code.
        error: NoEntry,
    },
    /// Region 2 of the entry is no NAND table.
    #[error("{}: region 2 of entry {entry} is no NAND device table: the file and this chip do not fit", path.display())]
    NoTable {
        /// The container.
        path: PathBuf,
        /// The entry.
        entry: usize,
    },
    /// The wire format of the agent does not follow from the container.
    #[error("the wire format of this agent is not known (label \"{label}\", sha256 {sha256})")]
    UnknownFormat {
        /// The container's label.
        label: String,
        /// Digest of region 1.
        sha256: String,
    },
    /// The partition is not in the map, or twice.
    #[error(transparent)]
    Partition(#[from] FindError),
    /// The map does not fit the chip.
    #[error("the map does not fit this chip: {0}")]
    Map(#[from] PlaceError),
    /// The phone's own partition table does not fit its chip.
    #[error("the phone's own partition table ({origin}) does not fit its chip: {error}")]
    OwnTable {
        /// Where it was found.
        origin: TableSource,
        /// The first contradiction.
        error: PlaceError,
    },
    /// Partitions are asked for, but neither a map nor the phone says where they are.
    #[error(
        "partitions are asked for, but there is no map, and the phone keeps no partition table (PMT) of its own"
    )]
    NoMap,
    /// A range that cannot be read.
    #[error("{0}")]
    Range(String),
    /// Two rows would write the same file.
    #[error("two rows would both write {}", .0.display())]
    SameFile(PathBuf),
    /// The folder cannot be used as a bundle.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// Saving failed.
    #[error(transparent)]
    Save(#[from] SaveError),
}

impl JobError {
    /// Stable name for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Talk(e) => e.kind.code(),
            Self::NoPhone(_) => "link/no-phone",
            Self::NotOpened(e) => e.code(),
            Self::AlreadyHighSpeed => "speed/already-high",
            Self::NoSession => "link/unplugged",
            Self::AnotherPhone => "phone/another",
            Self::EdgeDiffers(_) => "read/shifted",
            Self::Unread(_) => "read/unread",
            Self::PageUnreadable { .. } => "read/unreadable",
            Self::AgentIo { .. } => "da/io",
            Self::AgentTooLarge { .. } | Self::AgentFile { .. } => "da/damaged",
            Self::NoEntry { .. } => "da/no-entry",
            Self::NoTable { .. } => "da/no-table",
            Self::UnknownFormat { .. } => "da/unknown-format",
            Self::Partition(_) => "map/partition",
            Self::Map(_) => "map/does-not-fit",
            Self::OwnTable { .. } => "table/does-not-fit",
            Self::NoMap => "map/missing",
            Self::Range(_) => "read/range",
            Self::SameFile(_) => "read/same-file",
            Self::Bundle(e) => e.code(),
            Self::Save(e) => e.code(),
        }
    }
}

fn unread(left: &[Left]) -> String {
    let of_one = |it: &Left| match &it.refused {
        Some(why) => format!("{}: refused by the phone ({why})", it.row.name),
        None => {
            let (missing, all) = (it.missing(), it.map.bytes());
            format!("{}: {missing} bytes of {all} are missing ({})", it.row.name, it.last)
        }
    };
    let all: Vec<String> = left.iter().map(of_one).collect();
    format!("not everything could be read; {}", all.join("; "))
}
