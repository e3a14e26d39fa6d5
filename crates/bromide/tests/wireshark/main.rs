//! The Wireshark plugin, as tshark runs it, on recordings of virtual phones and on the specification's own examples.
//!
//! The plugin was written from the specification, not from this repository's code: where the two disagree about a
//! conversation, a test here fails. Without tshark the tests say so and pass.

mod disturbed;
mod foreign;
mod jobs;
mod runs;
mod said;
mod sessions;
mod spec;
mod tshark;
