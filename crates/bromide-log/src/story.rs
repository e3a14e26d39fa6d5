//! `hacklog.md`: what was done, seen and decided, in order with times, as a person would note it.
//!
//! Each event becomes a line under the heading of its part, written when it happens, so that a run that is killed
//! leaves the account up to there.

mod found;
mod frame;

use std::path::{Path, PathBuf};
use std::time::Duration;

use bromide_job::event::{Chosen, Event};
use bromide_job::readback::{Done, Left, Verified};
use bromide_job::rows::Row;
use bromide_job::table::OwnTable;
use bromide_proto::agent_format::Because;
use bromide_proto::bus::{BusSpeed, Face, Sighting};
use bromide_proto::chips::Choice;
use bromide_proto::wire::nand_read::{AddressKind, Shape};

use crate::clock::time_within_second;
use crate::run::{Kind, Run};
use crate::words::{code, counted, file, grouped, sized, span, speed};

pub(crate) use frame::{End, begin, end};

/// Remarks told here; a cable that fails a thousand times is told of in `session.jsonl`.
const REMARKS: u32 = 200;
/// A read is worth a word in between after so long.
const LONG: Duration = Duration::from_secs(30);

/// Parts of the account, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Head,
    Phone,
    Agent,
    Storage,
    Work,
    End,
}

impl Part {
    const fn heading(self) -> &'static str {
        match self {
            Self::Head => "",
            Self::Phone => "The phone",
            Self::Agent => "The agent",
            Self::Storage => "The storage",
            Self::Work => "What was read",
            Self::End => "How it ended",
        }
    }
}

/// The file being read.
#[derive(Debug)]
struct Reading {
    name: String,
    bytes: u64,
    begun: Duration,
    told: Duration,
}

/// What came of the run, for its end.
#[derive(Debug, Default)]
struct Tally {
    /// Name, bytes, SHA-256.
    saved: Vec<(String, u64, String)>,
    /// Bytes of pages that came in this run, the second reading left out.
    came: u64,
    unread: u32,
    damaged: u64,
    recoveries: u32,
    warnings: u32,
    /// An agent ran.
    agent: bool,
}

/// Remembers what the next lines need.
#[derive(Debug)]
pub(crate) struct Story {
    part: Part,
    /// The file the agent comes from.
    container: PathBuf,
    phone: Kind,
    tally: Tally,
    /// Bytes of a page of the chip, and of its spare area.
    page: Option<(u64, u64)>,
    sightings: u32,
    phones: u32,
    upload_begun: Option<Duration>,
    /// Records offered, records in all.
    offered: (u64, u64),
    reading: Option<Reading>,
    remarks: u32,
}

impl Story {
    pub(crate) fn new(run: &Run) -> Self {
        Self {
            part: Part::Head,
            container: PathBuf::from(&run.container),
            phone: run.phone,
            tally: Tally::default(),
            page: None,
            sightings: 0,
            phones: 0,
            upload_begun: None,
            offered: (0, 0),
            reading: None,
            remarks: 0,
        }
    }

    /// A line with its time, under a heading where its part begins.
    fn line(&mut self, part: Part, at: Duration, text: &str) -> String {
        let mut line = self.heading(part);
        line += &format!("- {} {text}\n", time_within_second(at));
        line
    }

    fn heading(&mut self, part: Part) -> String {
        if part <= self.part {
            return String::new();
        }
        self.part = part;
        format!("\n## {}\n\n", part.heading())
    }

    /// The phone is waited for.
    pub(crate) fn waiting(&mut self, at: Duration, place: &str, seconds: u64) -> String {
        let text = format!("Waited for a phone at {}, for up to {seconds} s.", prose(place));
        self.line(Part::Phone, at, &text)
    }

    /// What is told of an event, if anything.
    pub(crate) fn event(&mut self, at: Duration, event: &Event<'_>) -> Option<String> {
        let (part, text) = match event {
            Event::Seen(seen) => (Part::Phone, self.seen(seen)),
            Event::HoldKey => (Part::Phone, HOLD_KEY.to_owned()),
            Event::Phone(identity) => {
                self.phones += 1;
                (Part::Phone, found::phone(identity, self.phones > 1))
            }
            Event::AgentChosen(chosen) => (Part::Agent, agent(chosen, &self.container)),
            Event::AgentUpload(done, total) => (Part::Agent, self.uploaded(at, *done, *total)?),
            Event::TableOffer(done, total) => {
                self.offered = (*done, *total);
                return None;
            }
            Event::Found(found) => {
                let nand = &found.report.nand;
                self.page = (nand.status == 0).then(|| (nand.page.into(), nand.spare.into()));
                self.tally.agent = true;
                (Part::Storage, found::storage(found, self.offered))
            }
            Event::OwnTable(table) => (Part::Storage, own_table(table)),
            Event::ReadStart { row, bytes, number, of } => {
                let reading = Reading { name: row.name.clone(), bytes: *bytes, begun: at, told: at };
                self.reading = Some(reading);
                (Part::Work, begun(row, *bytes, (*number, *of), self.page))
            }
            Event::Resumed { row, bytes } => (
                Part::Work,
                format!(
                    "{} of {} were there from an earlier run. One page of them was read again and compared; the read goes \
                     on behind them.",
                    counted(*bytes, "byte"),
                    code(&row.name)
                ),
            ),
            Event::VerifyStart { row, bytes } => {
                let reading = Reading { name: row.name.clone(), bytes: *bytes, begun: at, told: at };
                self.reading = Some(reading);
                (
                    Part::Work,
                    format!(
                        "Read {} a second time, backwards and in other packets, to compare.",
                        code(&row.name)
                    ),
                )
            }
            Event::Replaced { file, at, .. } => (
                Part::Work,
                format!(
                    "A page at byte {at} of {} came differently; the better reading is kept.",
                    crate::words::file(file)
                ),
            ),
            Event::Unread(left) => {
                self.tally.unread += 1;
                (Part::Work, unread(left))
            }
            Event::Read(done) => (Part::Work, self.progress(at, *done)?),
            Event::Saved(done) => (Part::Work, self.saved(at, done)),
            Event::CopyStart(bytes) => {
                (Part::Work, format!("Began to copy files, {} of content.", counted(*bytes, "byte")))
            }
            Event::Note(text) => (self.part.max(Part::Phone), self.remark("Note: ", text)?),
            Event::Warning(text) => {
                self.tally.warnings += 1;
                (self.part.max(Part::Phone), self.remark("**Warning:** ", text)?)
            }
            Event::Packet { .. } | Event::Copied(_) => return None,
        };
        Some(self.line(part, at, &text))
    }

    fn seen(&mut self, seen: &Sighting) -> String {
        self.sightings += 1;
        let again = if self.sightings > 1 { " again" } else { "" };
        if seen.vid == 0 {
            return format!("The port was opened{again}; what is behind it does not show before it answers.");
        }
        // What a virtual cable claims to be says nothing.
        let speed = match seen.speed {
            BusSpeed::Unknown => String::new(),
            _ if self.phone == Kind::Virtual => String::new(),
            speed => format!(" ({speed})"),
        };
        let what = if seen.face == Face::BootRom { ", the start-up code in the chip itself" } else { "" };
        format!(
            "A phone appeared{again} at port {}{speed} as USB device {:04x}:{:04x}: its {}{what}. The connection was \
             opened.",
            prose(&seen.port),
            seen.vid,
            seen.pid,
            seen.face,
        )
    }

    fn uploaded(&mut self, at: Duration, done: u64, total: u64) -> Option<String> {
        let begun = *self.upload_begun.get_or_insert(at);
        if done < total {
            return None;
        }
        self.upload_begun = None;
        Some(format!("Uploaded it, {} in {}, and started it.", counted(total, "byte"), span(at - begun)))
    }

    fn progress(&mut self, at: Duration, done: u64) -> Option<String> {
        let reading = self.reading.as_mut().filter(|reading| at.saturating_sub(reading.told) >= LONG)?;
        // Twice as long each time, so that a night's work is a dozen lines.
        if at.saturating_sub(reading.told) < reading.told.saturating_sub(reading.begun) {
            return None;
        }
        reading.told = at;
        let percent = done.saturating_mul(100).checked_div(reading.bytes).unwrap_or(0);
        let rate = speed(done, at.saturating_sub(reading.begun));
        Some(format!("{percent} % of {} is here, at {rate}.", code(&reading.name)))
    }

    fn saved(&mut self, at: Duration, done: &Done) -> String {
        let took = self.reading.take().map_or(Duration::ZERO, |reading| at.saturating_sub(reading.begun));
        let pages = done.saved.pages.as_ref();
        let came = done.saved.bytes.saturating_sub(done.resumed);
        self.tally.saved.push((done.row.name.clone(), done.saved.bytes, done.saved.sha256.clone()));
        self.tally.came += came;
        self.tally.recoveries += done.recoveries;
        self.tally.damaged += pages.map_or(0, |pages| pages.counts.damaged);
        let rate = match self.phone {
            Kind::Real if came > 0 && done.verified.is_none() => format!(" ({})", speed(came, took)),
            _ => String::new(),
        };
        let mut text = format!(
            "{} is whole after {}{rate}: {} in {}. {}",
            code(&done.row.name),
            span(took),
            counted(done.saved.bytes, "byte"),
            file(&done.saved.path),
            found::verdict(pages, done.recoveries),
        );
        if done.resumed > 0 {
            text += &format!(" {} of it had been read by an earlier run.", counted(done.resumed, "byte"));
        }
        if let Some(verified) = &done.verified {
            text += &twice(verified);
        }
        let report = file(&done.report);
        text += &format!(" SHA-256 {}; page by page in {report}.", code(&done.saved.sha256));
        text
    }

    fn remark(&mut self, kind: &str, text: &str) -> Option<String> {
        self.remarks += 1;
        match self.remarks {
            0..=REMARKS => Some(format!("{kind}{}", sentence(text))),
            n if n == REMARKS + 1 => Some("More remarks came; session.jsonl has all of them.".to_owned()),
            _ => None,
        }
    }
}

fn twice(verified: &Verified) -> String {
    let pages = counted(verified.pages, "page");
    let mut text = match verified.differed {
        0 => format!(" It was read twice: all {pages} compared are the same."),
        n => format!(" It was read twice: of {pages} compared {} came differently.", grouped(n)),
    };
    if verified.not_again > 0 {
        text += &format!(" {} did not come a second time.", counted(verified.not_again, "page"));
    }
    text
}

fn unread(left: &Left) -> String {
    if let Some(why) = &left.refused {
        return format!("The phone refuses to give {}: {}.", code(&left.row.name), prose(why));
    }
    let file = left.row.target.to_string_lossy();
    format!(
        "{} of {} did not come, also not page by page and a second time ({}). What came is in {}, and {} says which bytes \
         are missing.",
        counted(left.missing(), "byte"),
        code(&left.row.name),
        prose(&left.last),
        code(&format!("{file}.part")),
        code(&format!("{file}.map"))
    )
}

const HOLD_KEY: &str = "The agent was gone. The user was asked to take the battery out for a moment (or hold the power \
     key for 10 s), hold Volume-Down and plug the phone in again, so that its BootROM comes, and stays.";

fn agent(chosen: &Chosen, container: &Path) -> String {
    let (hw, hw_version, sw_version) = chosen.codes;
    let fits = match chosen.choice {
        Choice::Seen => "made for exactly this version of the chip",
        Choice::Version => "chosen by version; this pair of chip and agent was not seen before",
        Choice::OnlyOne => {
            "the only one for this chip, though not for this version of it: whether it works was to be seen"
        }
    };
    let because = match chosen.because {
        Because::KnownAgent => "the agent is a known one",
        Because::Label => "its label says so",
        Because::DemoAgent => "this is a stand-in for virtual phones, which says so itself",
        Because::Asked => "the user said so",
    };
    format!(
        "The Download Agent is the program the phone runs from memory to give its storage. Chose entry {} of the \
         container {}, {}, for {hw:04x} {hw_version:04x}/{sw_version:04x}: {fits}. It speaks wire \
         format {} ({because}). SHA-256 of its {}: {}.",
        chosen.entry,
        container.file_name().map_or_else(String::new, |name| code(&name.to_string_lossy())),
        code(&chosen.label),
        chosen.format,
        counted(chosen.bytes as u64, "byte"),
        code(&chosen.sha256),
    )
}

fn own_table(table: &OwnTable) -> String {
    let partitions = &table.placement.partitions;
    let names: Vec<String> = partitions.iter().map(|it| code(&it.name)).collect();
    format!(
        "The phone keeps a partition table of its own ({}) with {}: {}.",
        table.source,
        counted(partitions.len() as u64, "partition"),
        names.join(", ")
    )
}

fn begun(row: &Row, bytes: u64, (number, of): (usize, usize), page: Option<(u64, u64)>) -> String {
    let place = if of > 1 { format!(" ({number} of {of})") } else { String::new() };
    let spare =
        page.map_or_else(|| "the spare bytes".to_owned(), |(_, spare)| format!("{spare} spare bytes"));
    let (shape, spare_too) = match row.shape {
        Shape::AsStored => (format!("plus {spare} a page, as stored"), true),
        Shape::MainOnly => ("without spare bytes".to_owned(), false),
        Shape::SpareLast => (format!("plus {spare} behind each page"), true),
    };
    let each = page.map_or_else(String::new, |(main, spare)| {
        format!(" ({} a page)", grouped(if spare_too { main + spare } else { main }))
    });
    let kind = match row.kind {
        AddressKind::Logical => "",
        AddressKind::Physical => ", by physical addresses",
    };
    format!(
        "Began to read {}{place}: {} from address {:#x}{kind}, {shape}: {} in the file {}{each}.",
        code(&row.name),
        sized(row.length),
        row.start,
        counted(bytes, "byte"),
        file(&row.target),
    )
}

/// Text of others in a line of Markdown.
fn prose(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '*' | '`' | '<' => out.extend(['\\', c]),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

/// The same with a capital and a full stop.
fn sentence(text: &str) -> String {
    let text = prose(text.trim());
    let mut chars = text.chars();
    let first: String = chars.next().map(|c| c.to_uppercase().collect()).unwrap_or_default();
    let stop = if text.ends_with(['.', '!', '?', ':']) { "" } else { "." };
    format!("{first}{}{stop}", chars.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_part_gets_its_heading_once_and_later_lines_of_an_earlier_part_stay_where_they_happen() {
        let mut story = Story::new(&frame::tests::a_run());
        let mut text = story.waiting(at(0), "any USB port", 60);
        let row = Row {
            name: "system".into(),
            target: "system.img".into(),
            shape: Shape::AsStored,
            kind: AddressKind::Logical,
            start: 0x13a_0000,
            length: 2048,
        };
        let start = Event::ReadStart { row: &row, bytes: 2112, number: 1, of: 1 };
        text += &story.event(at(1), &start).unwrap();
        text += &story.event(at(2), &Event::HoldKey).unwrap();
        text += &story.event(at(3), &Event::Note("asked again at byte 7: * <x>")).unwrap();
        assert_eq!(
            text,
            format!(
                "\n## The phone\n\n- 00:00:00.00 Waited for a phone at any USB port, for up to 60 s.\n\n## What was \
                 read\n\n- 00:00:01.00 Began to read `system`: 2,048 bytes from address 0x13a0000, plus the spare \
                 bytes a page, as stored: 2,112 bytes in the file `system.img`.\n- 00:00:02.00 {HOLD_KEY}\n- \
                 00:00:03.00 Note: Asked again \
                 at byte 7: \\* \\<x>.\n"
            )
        );
    }

    #[test]
    fn a_long_read_is_worth_a_word_now_and_then_and_seldom_later() {
        let mut story = Story::new(&frame::tests::a_run());
        story.reading = Some(Reading { name: "s".into(), bytes: 3600, begun: at(0), told: at(0) });
        let told: Vec<u64> = (0..3600).filter(|s| story.progress(at(*s), *s).is_some()).collect();
        assert_eq!(told, [30, 60, 120, 240, 480, 960, 1920]);
    }

    #[test]
    fn a_flood_of_remarks_does_not_fill_the_account() {
        let mut story = Story::new(&frame::tests::a_run());
        let told = (0..1000).filter_map(|n| story.event(at(n), &Event::Note("x"))).count();
        assert_eq!(told, REMARKS as usize + 1);
    }
}
