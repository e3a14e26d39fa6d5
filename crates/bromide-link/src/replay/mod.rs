//! A recorded phone: what it said then it says now, as long as the host says the same.
//!
//! Promises: [`ReplayBus`] gives a conversation the bytes of a recording in their order and stops it at the first byte
//! to the phone that differs, with its place ([`ReplayDiffers`]); from then on every call fails in the same way. How
//! bytes were cut into calls makes no difference. Time is that of the recording. [`ReplayPhone`] is the other side:
//! it shows the recording as a phone to another program.

mod bus;
mod differs;
mod phone;
mod tape;
#[cfg(test)]
mod tests;

pub use bus::{ReplayBus, ReplayLink};
pub use differs::{ReplayDiffers, ReplayEnded, ReplayUnreadable};
pub use phone::{Left, ReplayPhone};
