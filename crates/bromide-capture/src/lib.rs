//! Recordings of what was said on the cable.
//!
//! A recording is a sequence of [`Entry`] values: a phone comes, bytes go both ways, it leaves. Nothing here opens a
//! port or understands what is said.

mod entry;

pub use entry::{Bytes, Entry, Piece, What};
