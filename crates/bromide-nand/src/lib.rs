//! What the bytes of a raw NAND read back mean: geometry, page layout, sector ECC, bad-block marks and table.
//!
//! Pure code: no IO, no clock, no operating system. The facts come from the project's NAND notes
//! (`nand-yaffs2.md`, quoted by section where they are used) and are true for the MT6573/75/77 family;
//! for any other shape of chip the functions say "not checked" instead of guessing.

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
#[cfg(any(test, feature = "simd"))]
extern crate std;

pub mod bmt;
pub mod detect;
pub mod ecc;
pub mod fdm;
mod geometry;
mod layout;
mod page;
pub mod report;

pub use geometry::{BadGeometry, Ecc, Geometry};
pub use layout::{Layout, LayoutError, Sectors};
pub use page::{EncodeError, PageState, bad_mark, check_page, encode_page};

/// Data bytes of one ECC sector (nand-yaffs2.md section 1).
pub const SECTOR_BYTES: usize = 512;
