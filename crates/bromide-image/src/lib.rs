//! Partition maps and file system images of MediaTek phones, as bytes: no operating system, no file, no phone.
//!
//! * [`files`]: the files of an image, whatever its file system.
//! * [`identify`]: what a file is, and what lies where in a dump.
//! * [`inf`]: which Windows driver files match a USB device.
//! * [`map`]: what says where a phone's partitions lie (listings, scatter files), and how that fits a chip.
//! * [`read_at`]: how bytes get in; [`table`]: partition tables on the flash itself; [`sparse`]: images without
//!   their empty stretches.
//! * [`yaffs2`]: the YAFFS2 file system, read as a phone leaves it and written as an image maker does.
#![no_std]
#![cfg_attr(
    not(test),
    warn(
        clippy::arithmetic_side_effects,
        clippy::as_conversions,
        clippy::indexing_slicing,
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic
    )
)]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod files;
pub mod identify;
pub mod inf;
pub mod map;
pub mod read_at;
pub mod sparse;
pub mod table;
pub mod yaffs2;
