//! Events for people: lines and two progress bars, red for the Download Agent as in the vendor's tool.
//!
//! Everything goes to standard error, so that a pipe gets results only. Not a terminal: plain lines, progress at
//! every tenth. `NO_COLOR` takes the colours away.

use std::io::IsTerminal;

use bromide_job::event::Event;
use bromide_job::pagecheck::Counts;
use bromide_job::readback::{Done, Left, Settled, Verified};
use bromide_proto::agent::Found;
use bromide_proto::agent_format::Because;
use bromide_proto::brom::{Boot, Identity};
use bromide_proto::chips::Choice;
use bromide_proto::wire::status;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::numbers::{grouped, pages};
use crate::out::{self, harmless};

/// What to do when the agent is gone in the middle of a read.
const HOLD_KEY: &str = "The agent is gone. Unplug the phone, take its battery out for a moment (or hold the power key \
     for 10 s), then hold Volume-Down and plug it in again. Waiting for it; the read goes on at full speed where it was.";

/// The terminal.
pub(crate) struct Screen {
    quiet: bool,
    terminal: bool,
    color: bool,
    bar: Option<ProgressBar>,
    /// Tenths told so far, where there is no terminal to draw on.
    tenths: u64,
    total: u64,
    name: String,
}

impl Screen {
    pub(crate) fn new(quiet: bool) -> Self {
        let terminal = std::io::stderr().is_terminal();
        let color = terminal && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
        Self { quiet, terminal, color, bar: None, tenths: 0, total: 0, name: String::new() }
    }

    pub(crate) const fn is_quiet(&self) -> bool {
        self.quiet
    }

    /// A plain line.
    pub(crate) fn say(&mut self, text: &str) {
        if self.quiet {
            return;
        }
        match &self.bar {
            Some(bar) => bar.suspend(|| out::tell(text)),
            None => out::tell(text),
        }
    }

    /// Ends a bar that was not filled.
    pub(crate) fn settle(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.abandon();
        }
    }

    pub(crate) fn tell(&mut self, event: &Event<'_>) {
        match event {
            // A named port or address says nothing about what is behind it.
            Event::Seen(seen) if seen.vid != 0 => self.say(&harmless(&format!("USB     {seen}"))),
            Event::Seen(_) => {}
            Event::HoldKey => self.loud(HOLD_KEY),
            Event::Phone(identity) => self.say(&phone_line(identity)),
            Event::AgentChosen(chosen) => self.agent(chosen),
            Event::AgentUpload(done, total) => self.upload(*done, *total),
            Event::TableOffer(..) | Event::Packet { .. } => {}
            Event::Found(found) => self.storages(found),
            Event::OwnTable(table) => self.say(&format!(
                "Table   {} partitions from the phone's own partition table ({})",
                table.placement.partitions.len(),
                table.source
            )),
            Event::ReadStart { row, bytes, number, of } => {
                let place = if *of > 1 { format!(" ({number} of {of})") } else { String::new() };
                self.begin(&format!("{}{place}", row.name), *bytes, "green");
            }
            Event::Resumed { bytes, .. } => {
                self.say(&format!("Going on behind the {} bytes an earlier run left", grouped(*bytes)));
            }
            Event::VerifyStart { row, bytes } => self.begin(&format!("{} again", row.name), *bytes, "cyan"),
            Event::Replaced { .. } => {}
            Event::Unread(left) => self.unread(left),
            Event::Read(done) => self.advance(*done),
            Event::Saved(done) => self.saved(done),
            Event::CopyStart(bytes) => self.begin("Extracting", *bytes, "green"),
            Event::Copied(done) => self.advance(*done),
            Event::Note(text) => self.say(&format!("Note    {text}")),
            Event::Warning(text) => {
                let text = self.paint("33", &format!("Warning {text}"));
                self.loud(&text);
            }
        }
    }

    /// A warning is shown even when quiet.
    fn loud(&mut self, text: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| out::tell(text)),
            None => out::tell(text),
        }
    }

    fn paint(&self, code: &str, text: &str) -> String {
        if self.color { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    fn agent(&mut self, chosen: &bromide_job::event::Chosen) {
        let because = match chosen.because {
            Because::KnownAgent => "a known agent",
            Because::Label => "by its label",
            Because::DemoAgent => "a stand-in for virtual phones",
            Because::Asked => "as asked",
        };
        let (hw, hw_version, sw_version) = chosen.codes;
        self.say(&format!(
            "Agent   {}, entry {} ({hw:04x} {hw_version:04x}/{sw_version:04x}), wire format {} ({because})",
            harmless(&chosen.label),
            chosen.entry,
            chosen.format
        ));
        match chosen.choice {
            Choice::Seen => {}
            Choice::Version => self.tell(&Event::Note("the agent was chosen by version; this pair was not seen before")),
            Choice::OnlyOne => self.tell(&Event::Warning(
                "the container has no agent for this version of the chip; its only one for the chip is taken (untested). \
                 A container with a matching entry would be better",
            )),
        }
    }

    fn upload(&mut self, done: u64, total: u64) {
        if self.name != "Download Agent" {
            self.begin("Download Agent", total, "red");
        }
        self.advance(done);
    }

    fn storages(&mut self, found: &Found) {
        for line in storage_lines(found) {
            self.say(&line);
        }
    }

    /// A bar for `total` bytes begins.
    pub(crate) fn begin(&mut self, name: &str, total: u64, color: &str) {
        self.settle();
        self.name = name.to_owned();
        self.total = total;
        self.tenths = 0;
        if self.quiet {
            return;
        }
        if !self.terminal {
            out::tell(&format!("{name}: {} bytes", grouped(total)));
            return;
        }
        let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr());
        let paint = if self.color { format!(".{color}") } else { String::new() };
        let template = format!(
            "{{msg:16}} {{bar:30{paint}}} {{bytes}}/{{total_bytes}} {{binary_bytes_per_sec}}, {{eta}} left"
        );
        if let Ok(style) = ProgressStyle::with_template(&template) {
            bar.set_style(style.progress_chars("█▉▊▋▌▍▎▏ "));
        }
        bar.set_message(name.to_owned());
        self.bar = Some(bar);
    }

    /// So many bytes of the bar are done.
    pub(crate) fn advance(&mut self, done: u64) {
        if let Some(bar) = &self.bar {
            bar.set_position(done);
            if done >= self.total {
                bar.finish();
                self.bar = None;
            }
            return;
        }
        let tenths = (done.saturating_mul(10)).checked_div(self.total).unwrap_or(0);
        if !self.quiet && !self.terminal && tenths > self.tenths && self.total > (1 << 20) {
            self.tenths = tenths;
            out::tell(&format!("{}: {} %", self.name, tenths * 10));
        }
    }

    fn unread(&mut self, left: &Left) {
        let text = format!(
            "{}: {} of {} bytes did not come; what came is in {}.part, which bytes those are in {}.map",
            left.row.name,
            grouped(left.missing()),
            grouped(left.map.bytes()),
            left.row.target.display(),
            left.row.target.display()
        );
        self.tell(&Event::Warning(&text));
    }

    fn verified(&mut self, verified: &Verified) {
        let majority = verified.differing.iter().filter(|(_, by)| *by == Settled::Majority).count();
        self.say(&format!(
            "        read twice: {} compared, {} came differently",
            pages(verified.pages),
            grouped(verified.differed)
        ));
        if majority > 0 {
            self.tell(&Event::Warning(&format!(
                "{majority} of them could be settled by the majority of several readings only"
            )));
        }
        if verified.not_again > 0 {
            let text = format!("{} did not come a second time", pages(verified.not_again));
            self.tell(&Event::Warning(&text));
        }
    }

    fn saved(&mut self, done: &Done) {
        let counts = done.saved.pages.as_ref().map(|p| p.counts).unwrap_or_default();
        self.say(&format!("Saved   {}, {} bytes", done.row.target.display(), grouped(done.saved.bytes)));
        self.say(&format!("        sha256 {}", done.saved.sha256));
        self.say(&format!("        {}", pages_line(&counts)));
        if let Some(verified) = &done.verified {
            self.verified(verified);
        }
        if done.recoveries > 0 {
            self.say(&format!("        the cable needed help: {} requests begun anew", done.recoveries));
        }
        if counts.damaged > 0 {
            self.tell(&Event::Warning(&format!(
                "damaged beyond repair: {}; {} says which",
                pages(counts.damaged),
                done.report.display()
            )));
        }
        for remark in done.saved.pages.iter().flat_map(|p| &p.remarks) {
            self.tell(&Event::Note(remark));
        }
    }
}

/// One line about who the phone is.
pub(crate) fn phone_line(id: &Identity) -> String {
    let boot = match id.boot {
        Boot::BootRom => "in its BootROM".to_owned(),
        Boot::Preloader(version) => format!("in its preloader (version {version:02x})"),
    };
    let c = id.codes;
    format!(
        "Phone   {} {boot}, codes {:04x}/{:04x}/{:04x}/{:04x}, security {}",
        id.chip.name,
        c.hw_code,
        c.sub_code,
        c.hw_version,
        c.sw_version,
        security(id)
    )
}

fn security(id: &Identity) -> &'static str {
    let config = id.target_config;
    match (config.serial_link_auth() || config.agent_auth(), config.secure_boot()) {
        (true, _) => "asks for authentication",
        (false, true) => "secure boot (does not hinder reading)",
        (false, false) => "open",
    }
}

/// A line for each kind of storage.
pub(crate) fn storage_lines(found: &Found) -> Vec<String> {
    let nand = &found.report.nand;
    let ids: Vec<String> = nand.codes.iter().map(|c| format!("{c:02x}")).collect();
    let mut lines = Vec::new();
    if nand.status == 0 {
        lines.push(format!(
            "NAND    {} MiB, pages of {} + {} bytes, {} pages per block, id {}, {} bad-block table",
            nand.size >> 20,
            nand.page,
            nand.spare,
            nand.pages_per_block,
            ids.join(" "),
            if nand.has_bad_block_table { "with" } else { "no" }
        ));
    } else {
        lines.push(format!("NAND    none usable: {}, id {}", status::agent(nand.status), ids.join(" ")));
    }
    let report = &found.report;
    for (name, state, size) in [
        ("NOR", report.nor.status, u64::from(report.nor.size)),
        ("eMMC", report.emmc.status, report.emmc.user),
        ("SD", report.sd.status, report.sd.size),
    ] {
        if state == 0 {
            lines.push(format!("{name:<7} {} MiB", size >> 20));
        }
    }
    lines
}

/// The page counts in one line; states that did not occur are left out.
pub(crate) fn pages_line(counts: &Counts) -> String {
    let parts = [
        (counts.clean, "clean"),
        (counts.correctable, "correctable"),
        (counts.damaged, "damaged"),
        (counts.blank, "blank"),
        (counts.in_bad_blocks, "in bad blocks"),
        (counts.not_checked, "not checked"),
    ];
    let told: Vec<String> =
        parts.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{} {what}", grouped(*n))).collect();
    format!("{}: {}", pages(counts.total()), told.join(", "))
}
