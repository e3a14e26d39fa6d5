//! Events for programs: one JSON object per line on standard output, each with a field `event`.
//!
//! The values are those of the session log ([`bromide_log::value`]). Progress is told at most four times a second.

use std::time::{Duration, Instant};

use bromide_job::event::Event;
use bromide_log::value;
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
        let mut value = value(event);
        if matches!(event, Event::Read(_) | Event::Copied(_)) {
            value["total"] = self.total.into();
        }
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
}
