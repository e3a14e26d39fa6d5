//! Codecs: bytes to values and back, without IO.
//!
//! Contract: every decoder takes a slice and answers `Result`; none panics on any input. Numbers that are not
//! known survive as raw numbers. Which page of the specification a layout comes from is named in each file.

pub mod checksum;
pub mod config;
pub mod da_file;
pub mod nand_read;
pub mod nand_record;
pub mod report;
pub mod status;
mod take;

pub use take::{Short, Take};
