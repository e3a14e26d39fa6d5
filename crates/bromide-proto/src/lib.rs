//! What is said on the cable between a host and a MediaTek phone.
//!
//! Pure code: no operating system, no clock, no file. Conversations are `async fn` over [`link::Link`];
//! a native link finishes inside `poll`, so no runtime is needed.
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

pub mod agent;
pub mod agent_format;
pub mod brom;
pub mod bus;
pub mod chips;
pub mod codes;
pub mod error;
#[cfg(test)]
mod fixtures;
pub mod link;
pub mod talk;
pub mod wire;
