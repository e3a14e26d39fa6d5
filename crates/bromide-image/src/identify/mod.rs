//! What is in this file? Containers, images, file systems, partition tables and whole dumps of a chip, found by
//! their bytes, never by a name (formats.md section 6, table 6.8).
//!
//! [`identify`] looks at the start of a file and then, in steps of an erase block or more, at every place where a
//! partition may begin, and at those places a partition table in it names. It reads a bounded part of the file
//! whatever its size. NAND pages with their spare bytes are recognised by their ECC and looked at without the spare.
//! No bytes make it panic; a field that claims the impossible is told as it stands.

mod android;
mod blank;
mod boot;
pub(crate) mod fields;
mod files;
mod form;
mod fs;
mod kind;
mod mtk;
mod scan;
mod tables;
mod view;
mod yaffs;

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

pub use form::Form;
pub use kind::{Confidence, Kind};

use crate::read_at::{ReadAt, ReadError};

/// What one thing says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Value {
    /// A count or size.
    Number(u64),
    /// An address, or a word best read in hexadecimal.
    Hex(u64),
    /// Text, without control characters.
    Text(String),
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Hex(number) => write!(f, "{number:#x}"),
            Self::Text(text) => f.write_str(text),
        }
    }
}

/// One thing found.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finding {
    /// Where it begins, in data bytes: spare bytes of NAND pages do not count ([`Form::file_offset`]).
    pub offset: u64,
    /// Its data bytes as far as it says, even where the file is shorter.
    pub length: Option<u64>,
    /// What it is.
    pub kind: Kind,
    /// How sure that is.
    pub confidence: Confidence,
    /// What it says about itself, in the order of its fields.
    pub details: Vec<(&'static str, Value)>,
}

impl Finding {
    const fn new(offset: u64, kind: Kind, confidence: Confidence) -> Self {
        Self { offset, length: None, kind, confidence, details: Vec::new() }
    }

    const fn long(mut self, length: u64) -> Self {
        self.length = Some(length);
        self
    }

    fn with(mut self, key: &'static str, value: Value) -> Self {
        self.details.push((key, value));
        self
    }

    fn number(self, key: &'static str, value: impl Into<u64>) -> Self {
        self.with(key, Value::Number(value.into()))
    }

    fn hex(self, key: &'static str, value: impl Into<u64>) -> Self {
        self.with(key, Value::Hex(value.into()))
    }

    fn text(self, key: &'static str, value: impl Into<String>) -> Self {
        self.with(key, Value::Text(value.into()))
    }

    /// The detail of that name.
    #[must_use]
    pub fn detail(&self, key: &str) -> Option<&Value> {
        self.details.iter().find(|(name, _)| *name == key).map(|(_, value)| value)
    }

    /// First data byte behind it, where its length is known.
    const fn end(&self) -> Option<u64> {
        match self.length {
            Some(length) => Some(self.offset.saturating_add(length)),
            None => None,
        }
    }
}

/// What a file is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Identity {
    /// How the data bytes lie in the file.
    pub form: Form,
    /// Data bytes of the file.
    pub data_bytes: u64,
    /// What was found, in the order of the file; at one place the most specific first. Empty: nothing known.
    pub findings: Vec<Finding>,
    /// Whether all that should be looked at was, within the bounds on bytes read and things told.
    pub complete: bool,
}

/// Finds out what `source` is.
///
/// Reads at most 64 MiB of it.
///
/// # Errors
/// The source's own, where it could not be read.
pub fn identify(source: &dyn ReadAt) -> Result<Identity, ReadError> {
    scan::identify(source)
}

/// How the data bytes of `source` lie in it, by a few dozen samples.
///
/// # Errors
/// The source's own.
pub fn form(source: &dyn ReadAt) -> Result<Form, ReadError> {
    form::detect(source).map(|(form, ..)| form)
}
