//! XML scatter files (formats.md section 2.5): the keys of the YAML-like text as elements; and the manifest of the
//! vendor's V6 tool, which only names a scatter file and a Download Agent.

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;

use super::entries::{Entries, Value};
use super::error::{Fault, MapError};
use super::lines::Line;
use super::xml::{At, Event, Reader};
use super::{Content, Source};

/// `flash.xml`, the manifest of the vendor's V6 tool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// Path of the scatter file, relative to the manifest's folder.
    pub scatter: String,
    /// Path of the Download Agent, relative to the manifest's folder.
    pub download_agent: Option<String>,
    /// Every other key, such as the project and the build time.
    pub other: Vec<(String, String)>,
}

/// Parses text that begins as XML does.
pub(super) fn parse(text: &[u8]) -> Result<Content, MapError> {
    let mut reader = Reader::new(text)?;
    match reader.next()? {
        Some(Event::Open { element: "root", .. }) => scatter(reader),
        Some(Event::Open { element: "flash-mode", at, .. }) => manifest(reader, at),
        Some(Event::Open { at, .. }) => Err(not_a_map(at)),
        Some(Event::Close { at, .. }) => Err(at.fault("a closing tag without its element")),
        None => Err(reader.at().fault("no element")),
    }
}

fn not_a_map(at: At<'_>) -> MapError {
    at.line.fault(at.column, Fault::NotAMap("an XML file without partitions"))
}

fn scatter(mut reader: Reader<'_>) -> Result<Content, MapError> {
    let mut entries = Entries::new();
    while let Some(event) = reader.next()? {
        match event {
            Event::Open { element: "partition_index", at, .. } => entries.entry(at.line, at.column)?,
            Event::Open { element, name: Some(name), at } => {
                let value = Value { text: name, line: at.line, column: at.column };
                if element == "storage_type" {
                    entries.section(&value)?;
                } else {
                    entries.key(element, value)?;
                }
            }
            Event::Close { element: "partition_index", .. } => entries.close_entry(),
            Event::Close { element: "root" | "storage_type" | "general", .. } => {}
            Event::Close { element, text: Some(text), at } => {
                entries.key(element, Value { text, line: at.line, column: at.column })?;
            }
            Event::Open { .. } | Event::Close { .. } => {}
        }
    }
    let end = Line { bytes: b"", ..reader.at().line };
    entries.finish(end, Source::ScatterXmlV1, Source::ScatterXmlV2).map(Content::Map)
}

fn manifest(mut reader: Reader<'_>, root: At<'_>) -> Result<Content, MapError> {
    let mut scatter = None;
    let mut download_agent = None;
    let mut other = Vec::new();
    while let Some(event) = reader.next()? {
        if let Event::Close { element, text: Some(text), .. } = event {
            match element {
                "scatter" => scatter = Some(text),
                "dagent" => download_agent = Some(text),
                _ => other.push((element.to_owned(), text)),
            }
        }
    }
    let scatter = scatter
        .filter(|it| !it.is_empty())
        .ok_or_else(|| root.line.fault(root.column, Fault::KeyMissing("scatter")))?;
    Ok(Content::Manifest(Manifest { scatter, download_agent, other }))
}
