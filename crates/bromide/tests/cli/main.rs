//! The binary as a user runs it: what it writes, what it says, what its exit code is.
//!
//! Every phone here is virtual and holds its chip in memory or in a small file; nothing is asserted about speed.

mod agents;
mod bench;
mod commands;
mod damage;
mod folders;
mod interrupted;
mod maps;
mod output;
mod places;
mod reading;
mod refusals;
