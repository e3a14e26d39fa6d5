//! `map check`: contradictions in a map.

use std::path::PathBuf;

use bromide_image::map::{Source, Weight};
use clap::Args;
use serde_json::{Value, json};

use super::Select;
use super::load::load;
use crate::front::Front;
use crate::numbers::bytes;
use crate::out::{self, harmless};
use crate::report::{Failure, exit};

/// Look for contradictions in a partition map (exit code 1 when there are errors)
#[derive(Debug, Args)]
pub(crate) struct Check {
    /// The map
    pub(crate) file: PathBuf,
    /// Size of the chip (NAND) or user area (eMMC): 512M, 0x20000000
    #[arg(long, value_name = "BYTES", value_parser = bytes)]
    pub(crate) flash_size: Option<u64>,
    #[command(flatten)]
    pub(crate) select: Select,
}

/// `bromide map check`.
pub(crate) fn check(args: &Check, front: &mut Front) -> Result<(), Failure> {
    let map = args.select.of(load(&args.file)?)?;
    let findings = map.check(args.flash_size);
    let errors = findings.iter().filter(|it| it.weight == Weight::Error).count();
    let word = |weight| if weight == Weight::Error { "error" } else { "warning" };
    if let Front::Json(json) = front {
        let rows: Vec<Value> = findings
            .iter()
            .map(|it| json!({ "weight": word(it.weight), "line": it.line, "text": it.text }))
            .collect();
        json.line(&json!({ "event": "map_check", "findings": rows, "notes": map.notes }));
    } else {
        // A table on flash has entries, not lines.
        let unit =
            if matches!(map.source, Source::Gpt | Source::Mbr | Source::Pmt) { "entry" } else { "line" };
        let found = findings.iter().map(|it| format!("{}: {unit} {}: {}", word(it.weight), it.line, it.text));
        let notes = map.notes.iter().map(|it| format!("note: {it}"));
        let mut lines: Vec<String> = found.chain(notes).map(|it| harmless(&it)).collect();
        if findings.is_empty() {
            lines.push("no contradiction found".to_owned());
        }
        out::result(&lines)?;
    }
    if errors == 0 {
        return Ok(());
    }
    let what = format!("{}: {errors} errors in the map", args.file.display());
    Err(Failure::new("map/contradicts", exit::FAILED, what, ""))
}
