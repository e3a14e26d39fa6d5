//! `da list`: what a Download Agent container holds.

use std::path::Path;

use bromide_job::agent_file::AgentFile;
use bromide_proto::chips;

use crate::choose::Via;
use crate::front::Front;
use crate::out::{self, harmless};
use crate::report::Failure;

/// `bromide da list FILE`.
pub(crate) fn list(path: &Path, front: &mut Front) -> Result<(), Failure> {
    let failed = |e| {
        let advice = "name a Download Agent container: the file the vendor's flash tool calls DA";
        Failure { advice: Some(advice.into()), ..Failure::of_job(&e, &Via::Usb(None)) }
    };
    let da = AgentFile::open(path).map_err(failed)?;
    let file = da.table().map_err(failed)?;
    let mut rows = Vec::new();
    for entry in &file.entries {
        let (format, records) = da.outlook(&file, entry);
        rows.push(serde_json::json!({
            "entry": entry.index,
            "hw_code": format!("{:04x}", entry.hw_code),
            "chip": chips::name(entry.hw_code),
            "sub_code": format!("{:04x}", entry.sub_code),
            "hw_version": format!("{:04x}", entry.hw_version),
            "sw_version": format!("{:04x}", entry.sw_version),
            "regions": entry.regions.iter().map(|r| serde_json::json!({
                "offset": r.offset, "length": r.length, "load": format!("{:#x}", r.load), "signature": r.sig_len,
            })).collect::<Vec<_>>(),
            "single_stage": single_stage(entry.hw_code),
            "format": if single_stage(entry.hw_code) { format.map(|f| f.to_string()) } else { None },
            "nand_records": records,
            "damage": entry.damage,
        }));
    }
    if let Front::Json(json) = front {
        json.line(&serde_json::json!({
            "event": "da", "label": file.label, "version": file.version,
            "entries": rows, "warnings": file.warnings,
        }));
        return Ok(());
    }
    let mut lines = vec![
        format!("{}: {} entries", harmless(&file.label), file.entries.len()),
        "  #  chip     hw   sub  version    agent bytes  at          remarks".to_owned(),
    ];
    for entry in &file.entries {
        let (format, records) = da.outlook(&file, entry);
        let agent = entry.regions.get(1);
        let remarks = match (&entry.damage, single_stage(entry.hw_code)) {
            (Some(damage), _) => format!("damaged: {damage}"),
            (None, false) => "two-stage or later agent".to_owned(),
            (None, true) => {
                let format = format.map_or("unknown, use --agent-format".to_owned(), |f| f.to_string());
                let untested = if entry.hw_code == 0x6573 { ", chip untested" } else { "" };
                let records = records.map_or("no NAND table".to_owned(), |n| format!("{n} NAND records"));
                format!("single stage, wire format {format}, {records}{untested}")
            }
        };
        lines.push(format!(
            "{:3}  {:8} {:04x} {:04x} {:04x}/{:04x}  {:>11}  {:#010x}  {remarks}",
            entry.index,
            container_name(entry.hw_code),
            entry.hw_code,
            entry.sub_code,
            entry.hw_version,
            entry.sw_version,
            agent.map_or(0, |r| r.length),
            agent.map_or(0, |r| r.load),
        ));
    }
    lines.extend(file.warnings.iter().map(|warning| format!("note: {warning}")));
    out::result(&lines)
}

/// MT6573, MT6575 and MT6577 have agents of one stage (`da-legacy.md` section 1); chosen by hw code only.
const fn single_stage(hw_code: u16) -> bool {
    matches!(hw_code, 0x6573 | 0x6575 | 0x6577)
}

/// In containers 6575 and 6577 are separate entries, unlike on the wire.
fn container_name(hw_code: u16) -> &'static str {
    match hw_code {
        0x6575 => "MT6575",
        code => chips::name(code).unwrap_or("?"),
    }
}
