//! Partition maps and file system images of MediaTek phones, as bytes: no operating system, no file, no phone.
//!
//! * [`map`]: what says where a phone's partitions lie (`/proc/mtd` text, scatter files), and how that fits a chip.
//! * [`yaffs2`]: the YAFFS2 file system as an image maker writes it.
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

pub mod map;
pub mod yaffs2;
