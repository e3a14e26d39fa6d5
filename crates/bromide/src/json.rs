//! Events for programs: one JSON object per line on standard output, each with a field `event`.
//!
//! Numbers are JSON numbers, addresses and digests strings. Progress is told at most four times a second.

use std::time::{Duration, Instant};

use bromide_image::table::pmt::Which;
use bromide_job::event::Event;
use bromide_job::table::{OwnTable, TableSource};
use bromide_proto::brom::Boot;
use serde_json::{Value, json};

use crate::out;

/// Least time between two progress lines.
const PACE: Duration = Duration::from_millis(250);

/// Writes the lines.
pub(crate) struct Json {
    last: Option<Instant>,
    total: u64,
    /// What goes on, where it is no conversation with a phone.
    work: String,
}

impl Json {
    pub(crate) const fn new() -> Self {
        Self { last: None, total: 0, work: String::new() }
    }

    /// Prints one object. A reader that went away is no reason to stop a dump.
    pub(crate) fn line(&mut self, value: &Value) {
        out::line(value);
    }

    /// Work over `total` bytes begins.
    pub(crate) fn begin(&mut self, what: &str, total: u64) {
        (self.work, self.total, self.last) = (what.to_owned(), total, None);
    }

    /// So many bytes of it are done.
    pub(crate) fn advance(&mut self, done: u64) {
        if done == self.total || self.last.is_none_or(|last| last.elapsed() >= PACE) {
            self.last = Some(Instant::now());
            let (what, total) = (&self.work, self.total);
            self.line(&json!({"event": "progress", "what": what, "done": done, "total": total}));
        }
    }

    pub(crate) fn tell(&mut self, event: &Event<'_>) {
        if let Event::ReadStart { bytes, .. } | Event::VerifyStart { bytes, .. } | Event::CopyStart(bytes) =
            event
        {
            self.total = *bytes;
        }
        // Pages are for files and the session log, not for lines; and a named port or address says nothing about
        // what is behind it.
        if matches!(event, Event::Packet { .. }) {
            return;
        }
        if matches!(event, Event::Seen(seen) if seen.vid == 0) || self.too_soon(event) {
            return;
        }
        let value = self.value(event);
        self.line(&value);
    }

    fn too_soon(&mut self, event: &Event<'_>) -> bool {
        let last_of_its_kind = match event {
            Event::AgentUpload(done, total) | Event::TableOffer(done, total) => done == total,
            Event::Read(done) | Event::Copied(done) => *done == self.total,
            _ => return false,
        };
        let soon = self.last.is_some_and(|t| t.elapsed() < PACE);
        if !soon || last_of_its_kind {
            self.last = Some(Instant::now());
        }
        soon && !last_of_its_kind
    }

    fn value(&self, event: &Event<'_>) -> Value {
        match event {
            Event::Seen(seen) => json!({
                "event": "seen", "face": seen.face.name(), "vid": format!("{:04x}", seen.vid),
                "pid": format!("{:04x}", seen.pid), "port": seen.port, "speed": seen.speed.to_string(),
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
            Event::Unread(left) => unread_value(left),
            Event::Read(done) => json!({"event": "read", "done": done, "total": self.total}),
            Event::Saved(done) => saved_value(done),
            Event::CopyStart(bytes) => json!({"event": "extract-start", "bytes": bytes}),
            Event::Copied(done) => json!({"event": "extract", "done": done, "total": self.total}),
            Event::Note(text) => json!({"event": "note", "text": text}),
            Event::Warning(text) => json!({"event": "warning", "text": text}),
        }
    }
}

fn found_value(found: &bromide_proto::agent::Found) -> Value {
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

fn saved_value(done: &bromide_job::readback::Done) -> Value {
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
        "verified": done.verified.as_ref().map(|it| json!({
            "pages": it.pages, "differed": it.differed, "not_read_again": it.not_again,
        })),
    })
}

fn unread_value(left: &bromide_job::readback::Left) -> Value {
    json!({
        "event": "unread",
        "name": left.row.name,
        "part": left.row.target.with_added_extension("part").to_string_lossy(),
        "missing": left.missing(),
        "bytes": left.map.bytes(),
        "refused": left.refused,
    })
}

fn hex16(n: u16) -> String {
    format!("{n:04x}")
}
