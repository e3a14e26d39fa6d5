//! Whole jobs on a MediaTek phone: meet it, read it back, check what comes, save it.
//!
//! Generic over the cable; nothing here prints or knows where the phone is. Files appear under their final name
//! only when whole.

pub mod agent_file;
mod edge;
pub mod error;
pub mod event;
pub mod extract;
pub mod follow;
pub mod open_file;
pub mod pagecheck;
pub mod pageimage;
pub mod pagereport;
pub mod readback;
pub mod rows;
pub mod save;
pub mod session;
pub mod source;
pub mod sums;
pub mod table;
