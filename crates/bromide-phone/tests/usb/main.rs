//! The phone on USB, without a kernel: an own USB/IP client and an own usbredir peer check every byte.

mod client;
mod descriptors;
mod faces;
#[path = "../phone/host.rs"]
#[expect(dead_code, reason = "shared with the tests over other cables, which need more of it")]
mod host;
mod hostile;
mod redir;
mod served;
mod transfers;
