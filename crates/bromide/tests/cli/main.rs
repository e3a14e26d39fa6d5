//! The binary as a user runs it: what it writes, what it says, what its exit code is.
//!
//! Every phone here is virtual and holds its chip in memory or in a small file; nothing is asserted about speed.
#![cfg(unix)]

mod agents;
mod bench;
mod boot_images;
mod bundles;
mod commands;
mod damage;
mod doctor;
mod extract;
mod faults;
mod folders;
mod history;
mod image_chips;
mod images;
mod interrupted;
mod logs;
mod machines;
mod maps;
mod mount;
mod output;
mod page_images;
mod places;
mod reading;
mod refusals;
mod replay;
mod setup;
mod tree;
mod usb_refusals;
mod watch_record;
mod wireshark;
