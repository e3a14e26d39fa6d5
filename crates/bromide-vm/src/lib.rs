//! A phone in a virtual machine: handed over the moment it shows a face, taken back when it leaves.
//!
//! [`Follower`] watches the host's bus and tells a [`Machine`] what to do; [`Qmp`] is plain QEMU, [`Virsh`] a domain
//! of libvirt. QEMU does not let go of a device that left, and its own matching looks only every two seconds
//! (test-bench.md section 5), so the host is what is watched. Nothing here prints; nothing is linked, libvirt is
//! reached by its program `virsh`.

mod error;
mod follow;
mod guest;
mod holder;
mod machine;
mod owner;
mod qmp;
mod take_back;
mod virsh;

pub use error::VmError;
pub use follow::{Event, Follower, Wish};
pub use guest::{Controller, Guest, GuestDevice, GuestPort, Held};
pub use machine::{HostDevice, Machine};
pub use qmp::Qmp;
pub use take_back::take_back;
pub use virsh::{HostdevSource, Virsh, hostdev};
