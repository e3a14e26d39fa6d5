//! Events as JSON values, the same for `--json` and for `session.jsonl`.
//!
//! Numbers are JSON numbers, addresses and digests strings.

use bromide_image::table::pmt::Which;
use bromide_job::event::Event;
use bromide_job::readback::Done;
use bromide_job::table::{OwnTable, TableSource};
use bromide_proto::agent::Found;
use bromide_proto::brom::Boot;
use serde_json::{Value, json};

/// One event; how much there is in all of what is counted, the event does not know.
#[must_use]
pub fn value(event: &Event<'_>) -> Value {
    match event {
        Event::Seen(seen) => json!({
            "event": "seen", "face": seen.face.name(), "vid": hex16(seen.vid), "pid": hex16(seen.pid),
            "port": seen.port, "speed": seen.speed.to_string(),
        }),
        Event::HoldKey => json!({ "event": "hold-key" }),
        Event::Phone(id) => json!({
            "event": "phone",
            "chip": id.chip.name,
            "hw_code": hex16(id.codes.hw_code),
            "sub_code": hex16(id.codes.sub_code),
            "hw_version": hex16(id.codes.hw_version),
            "sw_version": hex16(id.codes.sw_version),
            "boot": match id.boot { Boot::BootRom => "bootrom", Boot::Preloader(_) => "preloader" },
            "bootrom_version": id.brom_version,
            "boot_loader_version": id.bl_version,
            "target_config": format!("{:#010x}", id.target_config.0),
        }),
        Event::AgentChosen(c) => json!({
            "event": "agent",
            "label": c.label,
            "entry": c.entry,
            "format": c.format.to_string(),
            "bytes": c.bytes,
            "records": c.records,
            "sha256": c.sha256,
        }),
        Event::AgentUpload(done, total) => json!({"event": "agent-upload", "done": done, "total": total}),
        Event::TableOffer(done, total) => json!({"event": "table", "done": done, "total": total}),
        Event::Found(found) => found_value(found),
        Event::OwnTable(table) => table_value(table),
        Event::ReadStart { row, bytes, number, of } => json!({
            "event": "read-start",
            "name": row.name,
            "file": row.target.to_string_lossy(),
            "start": format!("{:#x}", row.start),
            "length": row.length,
            "bytes": bytes,
            "number": number,
            "of": of,
        }),
        Event::Packet { bytes, .. } => json!({"event": "packet", "bytes": bytes.len()}),
        Event::Resumed { row, bytes } => json!({"event": "resumed", "name": row.name, "bytes": bytes}),
        Event::VerifyStart { row, bytes } => {
            json!({"event": "verify-start", "name": row.name, "bytes": bytes})
        }
        Event::Replaced { file, at, was } => json!({
            "event": "replaced", "file": file.to_string_lossy(), "at": at, "bytes": was.len(),
        }),
        Event::Unread(left) => json!({
            "event": "unread",
            "name": left.row.name,
            "part": left.row.target.with_added_extension("part").to_string_lossy(),
            "missing": left.missing(),
            "bytes": left.map.bytes(),
            "refused": left.refused,
            "last": left.last,
        }),
        Event::Read(done) => json!({"event": "read", "done": done}),
        Event::Saved(done) => saved_value(done),
        Event::CopyStart(bytes) => json!({"event": "extract-start", "bytes": bytes}),
        Event::Copied(done) => json!({"event": "extract", "done": done}),
        Event::Note(text) => json!({"event": "note", "text": text}),
        Event::Warning(text) => json!({"event": "warning", "text": text}),
    }
}

fn found_value(found: &Found) -> Value {
    let nand = &found.report.nand;
    let codes: Vec<String> = nand.codes.iter().map(|c| format!("{c:02x}")).collect();
    json!({
        "event": "storage",
        "nand": {
            "status": nand.status,
            "id": codes,
            "bytes": nand.size,
            "page": nand.page,
            "spare": nand.spare,
            "pages_per_block": nand.pages_per_block,
            "bad_block_table": nand.has_bad_block_table,
        },
        "nor": {"status": found.report.nor.status, "bytes": found.report.nor.size},
        "emmc": {"status": found.report.emmc.status, "user_bytes": found.report.emmc.user},
        "sd": {"status": found.report.sd.status, "bytes": found.report.sd.size},
    })
}

fn table_value(table: &OwnTable) -> Value {
    let partitions = &table.placement.partitions;
    json!({
        "event": "partition-table",
        "source": match table.source {
            TableSource::Agent => "agent",
            TableSource::Pages(Which::Pt) => "pages",
            TableSource::Pages(Which::Mpt) => "mirror-pages",
        },
        "partitions": partitions.iter().map(|it| json!({
            "name": it.name, "start": format!("{:#x}", it.start), "bytes": it.size,
        })).collect::<Vec<_>>(),
    })
}

fn saved_value(done: &Done) -> Value {
    let counts = done.saved.pages.as_ref().map(|p| p.counts).unwrap_or_default();
    json!({
        "event": "saved",
        "name": done.row.name,
        "file": done.row.target.to_string_lossy(),
        "bytes": done.saved.bytes,
        "sha256": done.saved.sha256,
        "report": done.report.to_string_lossy(),
        "pages": {
            "total": counts.total(),
            "clean": counts.clean,
            "correctable": counts.correctable,
            "damaged": counts.damaged,
            "blank": counts.blank,
            "in_bad_blocks": counts.in_bad_blocks,
            "not_checked": counts.not_checked,
        },
        "recoveries": done.recoveries,
        "resumed": done.resumed,
        "read_twice": done.verified.as_ref().map(|it| json!({
            "pages": it.pages, "differed": it.differed, "not_read_again": it.not_again,
        })),
    })
}

fn hex16(n: u16) -> String {
    format!("{n:04x}")
}
