//! The session log: what went over the cable, what happened, and an account of it that a person can read.
//!
//! A [`Recorder`] writes three files into a folder of its own: `session.pcapng` (every byte that passed, pages as
//! references to the files that keep them), `session.jsonl` (every event with its time) and `hacklog.md`. It hears of
//! the cable through a [`RecordedBus`] and of the job through its events.
//!
//! Promises:
//! - The conversation never waits for a disk for long, and no trouble with the log ends a job: it is told once, and
//!   the log says that it is incomplete.
//! - A run that is killed leaves files that can be read up to the last fraction of a second.
//! - Pages are kept once.

mod cable;
mod clock;
mod place;
mod queue;
mod recorder;
mod redact;
mod run;
mod store;
mod story;
mod value;
mod whole;
mod words;
mod wrap;
mod writer;

pub use cable::{pages_noted, relative};
pub use clock::utc_now;
pub use place::{ACCOUNT, EVENTS, Place, RECORDING};
pub use recorder::{Recorder, words};
pub use redact::{Names, Redactor};
pub use run::{Detail, Kind, Outcome, Run, Trouble};
pub use store::{Prune, Store, StoredRun};
pub use value::value;
pub use wrap::{RecordedBus, RecordedLink};
