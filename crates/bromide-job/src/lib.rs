//! Whole jobs on a MediaTek phone: meet it, read it back, check what comes, save it.
//!
//! Generic over the cable; nothing here prints or knows where the phone is. Files appear under their final name
//! only when whole.

pub mod agent_file;

pub mod bundle;
pub mod dump;
pub mod error;
pub mod event;
pub mod extract;
pub mod follow;
pub mod mapfile;
pub mod open_file;
pub mod pagecheck;
pub mod pageimage;
pub mod pagereport;
pub mod phone_id;
pub mod readback;
pub mod rows;
mod same_page;
pub mod save;
pub mod session;
pub mod source;
pub mod sums;
pub mod table;
