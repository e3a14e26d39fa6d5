//! What a run is: what was asked for, by whom, and how it ended.

use crate::redact::Names;

/// How much is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    /// Everything; pages that are kept in a file are kept there only.
    On,
    /// Every byte.
    Full,
}

/// What kind of phone is met, as far as the place of it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Made of plastic, or not known to be otherwise.
    Real,
    /// One that this program makes.
    Virtual,
    /// Played from a recording.
    Recorded,
}

/// A run of the program, when it begins.
#[derive(Debug, Clone)]
pub struct Run {
    /// Version of the program.
    pub version: String,
    /// The command, one word, fit for the name of a folder: read, image-ls.
    pub verb: String,
    /// What was asked for, as an end of the sentence "The task: ...".
    pub asked: String,
    /// The command line, with `bromide` in front.
    pub args: Vec<String>,
    /// The working folder.
    pub folder: String,
    /// Operating system and processor.
    pub os: String,
    /// What kind of phone is met.
    pub phone: Kind,
    /// The file the agent comes from.
    pub container: String,
    /// Whom and what the log would give away.
    pub names: Names,
    /// How much is logged.
    pub detail: Detail,
    /// Whether names and ids are masked from the beginning.
    pub redact: bool,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Exit code of the program.
    pub exit: u8,
    /// What failed.
    pub trouble: Option<Trouble>,
}

impl Outcome {
    /// All is well.
    pub const DONE: Self = Self { exit: 0, trouble: None };
}

/// What a run failed with, as it was told to the user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// Stable name for programs.
    pub code: String,
    /// What happened, one sentence.
    pub what: String,
    /// What to do next.
    pub advice: Option<String>,
    /// The last exchanges with the phone.
    pub tail: String,
}
