//! The members of `bundle.json`.

use serde::{Deserialize, Serialize};

use super::FORMAT;
use crate::pagecheck::Counts;
use crate::phone_id::PhoneId;

/// The whole record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// [`FORMAT`]; grows with incompatible changes.
    pub format: String,
    /// "bromide" and its version, of the run that began it.
    pub tool: String,
    /// How far it is.
    pub state: Whole,
    /// The phone it was read from.
    pub phone: PhoneId,
    /// The agent that read it last.
    pub agent: Agent,
    /// Files that hold the partition map.
    pub maps: Vec<String>,
    /// Its images, in the order of the map.
    pub images: Vec<Image>,
    /// The runs that read it, oldest first.
    pub runs: Vec<Run>,
}

/// How far a bundle is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Whole {
    /// A run is going on, or was cut short.
    Reading,
    /// A run came to its end, and some bytes could not be read.
    Incomplete,
    /// All images are whole.
    Whole,
}

/// The Download Agent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Agent {
    /// Name of the container's file, without its folder.
    pub container: String,
    /// The file as it was named on the command line, for going on; absent where paths are masked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Text the container carries.
    pub label: String,
    /// Position of the entry in the container.
    pub entry: usize,
    /// Wire format, "g1" or "g2".
    pub format: String,
    /// SHA-256 of what was uploaded.
    pub sha256: String,
}

/// One image.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Image {
    /// Partition.
    pub name: String,
    /// File, in the bundle's folder.
    pub file: String,
    /// First main-area byte.
    pub start: String,
    /// Main-area bytes.
    pub length: u64,
    /// "logical" or "physical".
    pub addresses: String,
    /// The agent's read flag: 0 as stored, 1 main bytes only, 4 spare last.
    pub flag: u8,
    /// Bytes of the file; 0 as long as it is not whole.
    pub bytes: u64,
    /// Digest of the file, once it is whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// When it became whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finished: Option<String>,
    /// Checksums of its ranges.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ranges: Option<RangeSums>,
    /// What the page check found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pages: Option<Pages>,
    /// What a second reading showed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read_twice: Option<Second>,
    /// First byte and number of bytes of each stretch that could not be read, in a file that stays `FILE.part`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unread: Vec<[u64; 2]>,
    /// The phone's refusal to give it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
}

/// Checksums of the ranges of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RangeSums {
    /// Bytes of a range; the last one may be shorter.
    pub bytes: u64,
    /// CRC-32 (IEEE 802.3) of each, 8 hex digits.
    pub crc32: Vec<String>,
}

/// Pages of a file by state, as in its report.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pages {
    /// All sectors are code words.
    pub clean: u64,
    /// Wrong bits, all within the strength of the code.
    pub correctable: u64,
    /// At least one sector is beyond repair.
    pub damaged: u64,
    /// Erased.
    pub blank: u64,
    /// In a block that is marked bad.
    pub in_bad_blocks: u64,
    /// Without spare bytes, or of an unknown code.
    pub not_checked: u64,
}

/// A second reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Second {
    /// Pages compared.
    pub pages: u64,
    /// Pages that came differently.
    pub differed: u64,
    /// Pages that did not come again.
    pub not_read_again: u64,
}

/// One run of the program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// The command line.
    pub command: Vec<String>,
    /// When it began (RFC 3339, UTC).
    pub begun: String,
    /// When it ended; absent if it was cut short.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended: Option<String>,
    /// How it ended, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<String>,
    /// Folder of its log, relative to the bundle.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log: Option<String>,
}

impl Pages {
    pub(super) const fn of(counts: &Counts) -> Self {
        Self {
            clean: counts.clean,
            correctable: counts.correctable,
            damaged: counts.damaged,
            blank: counts.blank,
            in_bad_blocks: counts.in_bad_blocks,
            not_checked: counts.not_checked,
        }
    }
}

impl Record {
    pub(super) fn new(phone: PhoneId, agent: Agent, maps: Vec<String>, images: Vec<Image>, run: Run) -> Self {
        Self {
            format: FORMAT.to_owned(),
            tool: format!("bromide {}", env!("CARGO_PKG_VERSION")),
            state: Whole::Reading,
            phone,
            agent,
            maps,
            images,
            runs: vec![run],
        }
    }

    /// Reads the text of a `bundle.json`.
    ///
    /// # Errors
    /// What is wrong with it: no such record, another format, a file outside the folder.
    pub fn parse(text: &str) -> Result<Self, String> {
        let record: Self = serde_json::from_str(text).map_err(|e| e.to_string())?;
        record.check().map(|()| record)
    }

    /// What a reader has to be able to rely on: a known format, and files in the folder itself.
    pub(super) fn check(&self) -> Result<(), String> {
        if self.format != FORMAT {
            return Err(format!("its format is {:?}, this program knows {FORMAT}", self.format));
        }
        let plain =
            |name: &String| !name.is_empty() && !name.contains(['/', '\\', '\0']) && !name.starts_with('.');
        let files = self.images.iter().map(|image| &image.file).chain(&self.maps);
        match files.into_iter().find(|name| !plain(name)) {
            Some(name) => Err(format!("{name:?} is no name of a file in the folder")),
            None => Ok(()),
        }
    }

    /// What another read has to share with this one, if it does not.
    pub(super) fn differs(&self, phone: &PhoneId, images: &[Image]) -> Option<String> {
        if self.phone != *phone {
            return Some(self.phone.differs(phone));
        }
        let same = self.images.len() == images.len()
            && self.images.iter().zip(images).all(|(ours, theirs)| ours.same_read(theirs));
        (!same).then(|| "partition map, or another way of reading".to_owned())
    }

    pub(super) fn judged(&self) -> Whole {
        if self.images.iter().all(|image| image.sha256.is_some()) {
            Whole::Whole
        } else if self.images.iter().all(|image| image.sha256.is_some() || !image.unread.is_empty()) {
            Whole::Incomplete
        } else {
            Whole::Reading
        }
    }
}
