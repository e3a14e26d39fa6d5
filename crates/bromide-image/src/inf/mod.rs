//! Windows INF files: which drivers match a USB device, and what they would install (`formats.md` section 7).
//!
//! Any bytes are decoded ([`Text`]); a text with a `[Version]` section is an [`Inf`], odd as the rest may be: what is
//! wrong in it is told as [`Note`]s with line and column, because Windows skips such lines too. Time and memory are
//! linear in the length of the text: fields and expanded `%strings%` are cut at 1024 bytes, no section is read twice.
//!
//! ```
//! use bromide_image::inf::{Inf, System, Text};
//!
//! let text = Text::decode(b"[Version]\nClass=Ports\n[Manufacturer]\nX=List,NTamd64\n[List.NTamd64]\n\
//!     \"My port\"=Port,USB\\VID_0E8D&PID_2000\n[Port]\n[Port.Services]\nAddService=usbser,2,Service\n\
//!     [Service]\nServiceBinary=%12%\\USBSER.sys\n");
//! let inf = Inf::parse(&text).unwrap();
//! let matches = inf.matches(&"0e8d:2000".parse().unwrap());
//! let used = inf.used(&matches, System::WINDOWS_10_X64).unwrap();
//! assert_eq!(inf.description(used.model), "My port");
//! assert_eq!(inf.install(used.model, System::WINDOWS_10_X64).unwrap().driver.unwrap(), "usbser.sys");
//! assert!(inf.used(&matches, System::WINDOWS_10_X86).is_none());
//! ```

mod decoration;
mod device_id;
mod install;
mod lines;
mod make;
mod matching;
mod models;
mod sections;
mod text;
mod version;

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

pub use decoration::{Arch, Decoration, System};
pub use device_id::{BadQuery, Conditions, DeviceId, Query, UsbId};
pub use install::Install;
pub use make::{Driver, MakeError, make};
pub use matching::{Match, Reach};
pub use models::{Model, Models};
pub use text::{Encoding, Text};
pub use version::{Date, Version};

use sections::Section;

/// The language of [`Inf::parse`]: English (United States), as in `[Strings.0409]`.
pub const ENGLISH: u16 = 0x0409;

/// Most notes that are kept.
const MOST_NOTES: usize = 100;

/// An INF file, read.
#[derive(Debug, Clone)]
pub struct Inf<'a> {
    /// What `[Version]` says.
    pub version: Version,
    /// The models sections that `[Manufacturer]` names and that exist, each once, in its order.
    pub models: Vec<Models<'a>>,
    /// What is odd in the text, the first 100 oddities.
    pub notes: Vec<Note>,
    sections: BTreeMap<String, Section<'a>>,
    strings: BTreeMap<String, String>,
}

/// Why a text is no driver INF.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InfError {
    /// No line begins with `[`.
    #[error("no section begins anywhere: this is no INF file")]
    NoSection,
    /// Sections, but not the one every driver INF must have. `autorun.inf` is such a file.
    #[error("there is no [Version] section: this is no driver INF")]
    NoVersion,
}

/// Something odd, and where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// Line, from 1. CR, LF and CRLF each end one line.
    pub line: u32,
    /// Column, from 1, counted in characters.
    pub column: u32,
    /// What is odd.
    pub what: Oddity,
}

impl fmt::Display for Note {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "line {}, column {}: {}", self.line, self.column, self.what)
    }
}

/// What can be odd in an INF. Names are as written, cut at 1024 bytes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Oddity {
    /// Windows refuses such a file.
    #[error("the section's name is not closed with ]")]
    OpenHeader,
    /// The quote ends with the line.
    #[error("a quote is not closed")]
    OpenQuote,
    /// Text before the first section is skipped; real files have it.
    #[error("text before the first section is skipped")]
    BeforeFirst,
    /// Windows wants `$Windows NT$` or `$Chicago$`.
    #[error("the Signature \"{0}\" is not one Windows accepts")]
    Signature(String),
    /// Not `mm/dd/yyyy[,w.x.y.z]`.
    #[error("the DriverVer \"{0}\" has no date of the form month/day/year")]
    DriverVer(String),
    /// Neither a system nor an architecture that is known.
    #[error("the decoration \"{0}\" is not understood; its models section is used by no system")]
    Decoration(String),
    /// Named, but not there.
    #[error("[{0}] is named here but not in the file")]
    NoModels(String),
    /// There, but not named: a common slip in INF files edited by hand.
    #[error("[{0}] is in the file but not named here, so Windows does not use it")]
    UnnamedModels(String),
    /// Starts like a USB id and is none.
    #[error("\"{0}\" is not a USB id as Windows forms them")]
    BadId(String),
}

impl<'a> Inf<'a> {
    /// Reads an INF with its English strings.
    ///
    /// # Errors
    /// If the text is no driver INF at all.
    pub fn parse(text: &'a Text) -> Result<Self, InfError> {
        Self::parse_in(text, Some(ENGLISH))
    }

    /// Reads an INF with the strings of a language (a Windows language id) before those of `[Strings]`.
    ///
    /// # Errors
    /// If the text is no driver INF at all.
    pub fn parse_in(text: &'a Text, language: Option<u16>) -> Result<Self, InfError> {
        let mut notes = Notes(Vec::new());
        let sections = sections::read(text.as_str(), &mut notes);
        if sections.is_empty() {
            return Err(InfError::NoSection);
        }
        if !sections.contains_key("version") {
            return Err(InfError::NoVersion);
        }
        let strings = sections::strings(&sections, language);
        let mut inf =
            Self { version: Version::default(), models: Vec::new(), notes: Vec::new(), sections, strings };
        inf.version = version::read(&inf, &mut notes);
        inf.models = models::read(&inf, &mut notes);
        inf.notes = notes.0;
        Ok(inf)
    }

    fn section(&self, name: &str) -> Option<&Section<'a>> {
        self.sections.get(&name.to_lowercase())
    }
}

/// Collects notes up to the limit.
struct Notes(Vec<Note>);

impl Notes {
    fn add(&mut self, line: u32, column: u32, what: Oddity) {
        if self.0.len() < MOST_NOTES {
            self.0.push(Note { line, column, what });
        }
    }
}
