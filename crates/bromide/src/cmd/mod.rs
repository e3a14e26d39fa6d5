//! The verbs, one file each.

pub(crate) mod account;
pub(crate) mod bundle;
pub(crate) mod da;
pub(crate) mod demo;
pub(crate) mod devices;
pub(crate) mod doctor;
pub(crate) mod drivers;
pub(crate) mod identify;
pub(crate) mod image;
pub(crate) mod info;
pub(crate) mod log;
pub(crate) mod map;
pub(crate) mod meet;
pub(crate) mod phone;
pub(crate) mod read;
pub(crate) mod resume;
pub(crate) mod setup;
pub(crate) mod verify;
pub(crate) mod vm;
pub(crate) mod watch;
pub(crate) mod wireshark;
