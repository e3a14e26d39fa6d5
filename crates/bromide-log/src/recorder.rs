//! What the conversation and the job tell, in order and masked where wished, on its way to the writing thread.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use bromide_capture::{Entry, remark_of_most_at_once};
use bromide_job::event::Event;
use bromide_proto::bus::Sighting;
use bromide_proto::link::{Direction, Mark};
use serde_json::{Value, json};

use crate::cable::Cable;
use crate::clock::{Clock, rfc3339};
use crate::place::{self, Place};
use crate::queue::{Item, Queue};
use crate::redact::Redactor;
use crate::run::{Detail, Outcome, Run};
use crate::story::{self, End, Story};
use crate::value::value;
use crate::writer::{self, Files, Incomplete};

/// How long a conversation waits for the disk, once, before the log gets a hole.
const PATIENCE: Duration = Duration::from_millis(300);
/// The same where the user asked for every byte.
const PATIENCE_OF_FULL: Duration = Duration::from_secs(2);
/// Least time between two lines of progress.
const PACE: Duration = Duration::from_secs(1);
/// What a start sequence, an agent and its report are at most, in bytes and entries.
const GREETING: usize = 64 << 10;

/// Writes the log of one run. Clones write the same one.
#[derive(Debug, Clone)]
pub struct Recorder(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    run: Run,
    folder: PathBuf,
    /// Whether that is in a bundle.
    bundle: bool,
    clock: Clock,
    queue: Arc<Queue>,
    incomplete: Arc<Incomplete>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    cable: Cable,
    story: Story,
    pace: Pace,
    redactor: Option<Redactor>,
    /// Entries that wait until the phone has said which id it has.
    greeting: Option<Vec<Entry>>,
    ended: bool,
}

impl Recorder {
    /// Makes a folder for the run and begins to write.
    ///
    /// # Errors
    /// Nothing can be written there.
    pub fn start(place: Place<'_>, run: Run) -> std::io::Result<Self> {
        let clock = Clock::start();
        let folder = place::make(place, clock.begun(), &run.verb)?;
        let bundle = matches!(place, Place::Bundle(_));
        let files = Files::create(&folder, &run.version)?;
        let full = run.detail == Detail::Full;
        let queue = Arc::new(Queue::new(if full { PATIENCE_OF_FULL } else { PATIENCE }));
        let incomplete = Arc::new(Incomplete::default());
        let (to, told) = (Arc::clone(&queue), Arc::clone(&incomplete));
        thread::Builder::new().name("log".into()).spawn(move || writer::write(files, &to, &told))?;
        let state = State {
            cable: Cable::new(full, &folder),
            story: Story::new(&run),
            pace: Pace::default(),
            redactor: run.redact.then(|| Redactor::new(&run.names)),
            greeting: None,
            ended: false,
        };
        let recorder =
            Self(Arc::new(Shared { run, folder, bundle, clock, queue, incomplete, state: state.into() }));
        recorder.begin();
        Ok(recorder)
    }

    /// Folder of the log.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.0.folder
    }

    /// What is missing in the log, told once.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        self.0.incomplete.untold()
    }

    /// A poisoned lock only means that somebody panicked in here; the log goes on.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(&self) {
        let Shared { run, clock, .. } = &*self.0;
        let mut line = json!({
            "event": "begin", "version": run.version, "command": run.verb, "asked": run.asked, "args": run.args,
            "folder": run.folder, "os": run.os, "log": if run.detail == Detail::Full { "full" } else { "on" },
            "redacted": run.redact,
        });
        if !run.redact {
            // So that an export can be masked later, and elsewhere.
            let names = &run.names;
            line["names"] = json!({"user": names.user, "home": names.home, "host": names.host});
        }
        let mut state = self.lock();
        state.line(&self.0.queue, clock.begun(), line);
        state.story(&self.0.queue, story::begin(run, clock.begun()));
    }

    /// The phone is waited for.
    pub fn waiting(&self, place: &str, seconds: u64) {
        let at = self.0.clock.now();
        let mut state = self.lock();
        let text = state.story.waiting(at, place, seconds);
        state.story(&self.0.queue, text);
        state.line(&self.0.queue, at, json!({"event": "waiting", "place": place, "seconds": seconds}));
    }

    /// A phone was opened.
    pub fn opened(&self, seen: &Sighting) {
        let at = self.0.clock.now();
        let mut state = self.lock();
        state.cable.opened(at, seen);
        state.deliver(&self.0.queue, true);
        if state.redactor.is_some() {
            state.greeting = Some(Vec::new());
        }
    }

    /// Its link takes only so many bytes at once.
    pub fn bound(&self, most_at_once: u32) {
        self.cable(|cable, at| cable.note(at, remark_of_most_at_once(most_at_once)));
    }

    /// The link was given up, or the phone left.
    pub fn closed(&self) {
        let at = self.0.clock.now();
        let mut state = self.lock();
        state.cable.closed(at);
        state.deliver(&self.0.queue, true);
    }

    /// These bytes passed.
    pub fn bytes(&self, direction: Direction, bytes: &[u8]) {
        let mut state = self.lock();
        state.cable.bytes(|| self.0.clock.now(), direction, bytes);
        state.deliver(&self.0.queue, false);
    }

    /// What the bytes are.
    pub fn mark(&self, mark: Mark<'_>) {
        let at = self.0.clock.now();
        let mut state = self.lock();
        state.cable.mark(at, mark);
        // Pages come long after the report.
        state.deliver(&self.0.queue, matches!(mark, Mark::Pages(_)));
    }

    /// A remark among the bytes.
    pub fn remark(&self, text: &str) {
        self.cable(|cable, at| cable.note(at, text.to_owned()));
    }

    fn cable(&self, tell: impl FnOnce(&mut Cable, Duration)) {
        let at = self.0.clock.now();
        let mut state = self.lock();
        tell(&mut state.cable, at);
        state.deliver(&self.0.queue, false);
    }

    /// Something happened.
    pub fn event(&self, event: &Event<'_>) {
        let Shared { clock, queue, .. } = &*self.0;
        let mut state = self.lock();
        if let Event::Packet { bytes, kept } = event {
            state.cable.packet(bytes, *kept);
            return state.deliver(queue, false);
        }
        let at = clock.now();
        match event {
            Event::Found(found) => {
                let ids = [found.report.ram.random_id, found.report.emmc.cid];
                state.ids(queue, at, &ids);
                state.deliver(queue, true);
            }
            // Bytes of pages are no part of a masked log.
            Event::Replaced { file, at: place, was } if state.redactor.is_none() => {
                state.cable.replaced(at, file, *place, was);
                state.deliver(queue, false);
            }
            Event::Note(text) | Event::Warning(text) => {
                state.cable.note(at, (*text).to_owned());
                state.deliver(queue, false);
            }
            _ => {}
        }
        if let Some(text) = state.story.event(at, event) {
            state.story(queue, text);
        }
        if let Some(line) = state.pace.line(at, event) {
            state.line(queue, at, line);
        }
    }

    /// Anything else that is worth a line in `session.jsonl`: an object with a field `event`.
    pub fn line(&self, line: Value) {
        self.lock().line(&self.0.queue, self.0.clock.now(), line);
    }

    /// The run has ended. Waits until all is written, unless the disk does not answer.
    pub fn finish(&self, outcome: &Outcome) {
        let Shared { run, clock, queue, incomplete, folder, bundle, .. } = &*self.0;
        let at = clock.now();
        let took = at.saturating_sub(clock.begun());
        let missing = incomplete.why();
        let mut state = self.lock();
        if std::mem::replace(&mut state.ended, true) {
            return;
        }
        state.cable.give_up();
        state.deliver(queue, true);
        let mut line = json!({
            "event": "end", "exit": outcome.exit, "seconds": took.as_secs_f64(), "complete": missing.is_none(),
        });
        if let Some(trouble) = &outcome.trouble {
            line["code"] = trouble.code.as_str().into();
            line["text"] = trouble.what.as_str().into();
            line["advice"] = trouble.advice.as_deref().into();
            line["last_exchanges"] = trouble.tail.lines().collect();
        }
        state.line(queue, at, line);
        let incomplete = missing.as_deref();
        let end = End { run, outcome, at, took, folder, bundle: *bundle, incomplete };
        let text = story::end(&mut state.story, &end);
        state.story(queue, text);
        drop(state);
        queue.shut();
        queue.ended();
    }
}

impl Drop for Shared {
    /// Nobody is there to tell how it ended.
    fn drop(&mut self) {
        self.queue.shut();
    }
}

impl State {
    fn line(&mut self, queue: &Queue, at: Duration, mut line: Value) {
        if let Some(redactor) = &self.redactor {
            redactor.value(&mut line);
        }
        if let Some(fields) = line.as_object_mut() {
            fields.insert("at".into(), rfc3339(at).into());
        }
        queue.push(Item::Line(line));
    }

    fn story(&mut self, queue: &Queue, text: String) {
        queue.push(Item::Story(match &self.redactor {
            Some(redactor) => redactor.text(&text),
            None => text,
        }));
    }

    /// Hands over what the cable gave. While a phone has not said its id and the log is to be masked it waits here,
    /// but not beyond `over` or what a greeting can be.
    fn deliver(&mut self, queue: &Queue, over: bool) {
        let mut entries = std::mem::take(&mut self.cable.out);
        if let Some(greeting) = &mut self.greeting {
            greeting.append(&mut entries);
            if !over && greeting.len() < GREETING {
                return;
            }
            entries = self.greeting.take().unwrap_or_default();
        }
        if let Some(redactor) = &mut self.redactor {
            redactor.entries(&mut entries);
        }
        for entry in entries.drain(..) {
            queue.push(Item::Entry(entry));
        }
        // The buffer is used again, unless a greeting made it large.
        if self.cable.out.capacity() == 0 && entries.capacity() < 1024 {
            self.cable.out = entries;
        }
    }

    /// Ids of the phone: to be masked, or told so that they can be masked later.
    fn ids(&mut self, queue: &Queue, at: Duration, ids: &[[u8; 16]]) {
        if let Some(redactor) = &mut self.redactor {
            ids.iter().for_each(|id| redactor.learn(id));
            return;
        }
        let said = ids.iter().filter(|id| id.iter().any(|byte| *byte != 0));
        let ids: Vec<String> = said.map(|id| bromide_job::agent_file::hex(id)).collect();
        self.line(queue, at, json!({"event": "ids", "ids": ids}));
    }
}

/// Thins out what is told often.
#[derive(Debug, Default)]
struct Pace {
    last: Duration,
    total: u64,
}

impl Pace {
    /// The line for an event, if it is due.
    fn line(&mut self, at: Duration, event: &Event<'_>) -> Option<Value> {
        let (done, total) = match event {
            Event::ReadStart { bytes, .. } | Event::CopyStart(bytes) => {
                self.total = *bytes;
                return Some(value(event));
            }
            Event::Read(done) | Event::Copied(done) => (*done, self.total),
            Event::AgentUpload(done, total) | Event::TableOffer(done, total) => (*done, *total),
            _ => return Some(value(event)),
        };
        if done < total && at.saturating_sub(self.last) < PACE {
            return None;
        }
        self.last = at;
        let mut line = value(event);
        line["total"] = total.into();
        Some(line)
    }
}

/// What stands in a log for an argument of the command line.
#[must_use]
pub fn words(args: impl Iterator<Item = OsString>) -> Vec<String> {
    let words = args.skip(1).map(|word| word.to_string_lossy().into_owned());
    std::iter::once("bromide".to_owned()).chain(words).collect()
}
