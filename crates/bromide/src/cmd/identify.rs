//! `identify`: what a file is, and what lies where in a dump.

use std::path::PathBuf;

use bromide_image::identify::{self, Finding, Form, Identity, Value};
use bromide_image::read_at::ReadAt as _;
use bromide_job::open_file::OpenFile;
use clap::Args;
use serde_json::{Map, json};

use crate::front::Front;
use crate::numbers::grouped;
use crate::out::{self, harmless};
use crate::report::{Failure, exit};

/// Say what a file is: agent, preloader, boot image, file system, partition map, or a dump and what lies where in it
///
/// Only the bytes count, never the name. A dump with its spare bytes is recognised by its ECC; offsets then count
/// main bytes, as partition maps do. At most 64 MiB of a file are read.
#[derive(Debug, Args)]
pub(crate) struct Identify {
    /// Any file
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
}

/// `bromide identify FILE`.
pub(crate) fn identify(args: &Identify, front: &mut Front) -> Result<(), Failure> {
    let path = args.file.display();
    let failed = |what: String| Failure::new("file/io", exit::FAILED, what, "name a file that can be read");
    let file = OpenFile::open(&args.file).map_err(|e| failed(format!("{path}: {e}")))?;
    let found = identify::identify(&file).map_err(|e| failed(format!("{path}: {e}")))?;
    match front {
        Front::Json(json) => {
            let findings: Vec<_> = found.findings.iter().map(|it| value(it, found.form)).collect();
            json.line(&json!({
                "event": "identity", "file": args.file.to_string_lossy(), "bytes": file.len(),
                "form": found.form.code(), "data_bytes": found.data_bytes, "complete": found.complete,
                "findings": findings,
            }));
            Ok(())
        }
        Front::Screen(_) => out::result(&text(&path.to_string(), file.len(), &found)),
    }
}

fn value(finding: &Finding, form: Form) -> serde_json::Value {
    let detail = |(key, value): &(&'static str, Value)| {
        let value = match value {
            Value::Number(number) => json!(number),
            other => json!(other.to_string()),
        };
        ((*key).to_owned(), value)
    };
    let details: Map<_, _> = finding.details.iter().map(detail).collect();
    json!({
        "offset": finding.offset,
        "file_offset": form.file_offset(finding.offset),
        "length": finding.length,
        "kind": finding.kind.code(),
        "confidence": finding.confidence.code(),
        "details": details,
    })
}

fn text(name: &str, bytes: u64, found: &Identity) -> Vec<String> {
    let mut lines = vec![harmless(&format!("{name}: {} bytes", grouped(bytes)))];
    if found.form != Form::Plain {
        lines.push(format!("offsets count its {} main bytes", grouped(found.data_bytes)));
    }
    if found.findings.is_empty() {
        lines.push("nothing known".to_owned());
    }
    for finding in &found.findings {
        let length = finding.length.map_or(String::new(), |it| format!(", {} bytes", grouped(it)));
        let (title, sure) = (finding.kind.title(), finding.confidence.code());
        lines.push(format!("{:#012x}  {title}{length} ({sure})", finding.offset));
        let said = finding.details.iter().filter(|(_, value)| !value.to_string().is_empty());
        lines.extend(said.map(|(key, value)| harmless(&format!("              {key}: {value}"))));
    }
    if !found.complete {
        lines.push("there may be more: the bounds on reading or on findings were met".to_owned());
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_where_asked_and_its_findings_are_told_with_their_details() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lk.bin");
        // The head of a real LK (formats.md section 6.4).
        let mut bytes = vec![0xFF; 512];
        bytes[..8].copy_from_slice(&[0x88, 0x16, 0x88, 0x58, 0x20, 0x0F, 0x04, 0]);
        bytes[8..40].fill(0);
        bytes[8..10].copy_from_slice(b"LK");
        std::fs::write(&path, &bytes).unwrap();
        let file = OpenFile::open(&path).unwrap();
        let mut four = [0; 4];
        file.read_at(8, &mut four).unwrap();
        assert_eq!(&four, b"LK\0\0");
        assert!(file.read_at(510, &mut four).is_err());
        let found = identify::identify(&file).unwrap();
        let lines = text("lk.bin", 512, &found);
        assert_eq!(lines[0], "lk.bin: 512 bytes");
        assert_eq!(lines[1], "0x0000000000  image with MediaTek header, 266,528 bytes (certain)");
        assert!(lines.contains(&"              name: LK".to_owned()), "{lines:?}");
        let json = value(&found.findings[0], found.form);
        assert_eq!(
            (json["kind"].as_str(), json["details"]["payload_bytes"].as_u64()),
            (Some("mtk-image"), Some(0x4_0F20))
        );
        assert!(OpenFile::open(folder.path()).is_err());
    }
}
