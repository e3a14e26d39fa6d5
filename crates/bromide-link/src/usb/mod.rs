//! A phone on USB, opened directly: every byte arrives, and the phone is followed from face to face.
//!
//! [`UsbBus`] waits for a phone and opens it as [`UsbLink`]; [`list`], [`Details`] and [`Watch`] only look, [`Monitor`]
//! records what others say.
//! Written for Linux, where it is tested; on other systems it uses what `nusb` offers there and is untested.

mod arrivals;
mod bus;
mod descriptors;
mod details;
mod input;
mod kernel_driver;
mod link;
mod listing;
mod monitor;
mod watch;

pub use arrivals::LOOK;
pub use bus::{NoBus, Notice, SeveralPhones, UsbBus, UsbOptions, UsbOrTty, udev_rule};
pub use descriptors::{DescriptorError, Interfaces};
pub use details::{Access, Details};
pub use kernel_driver::give_back;
pub use link::{Unconfigured, UsbLink};
pub use listing::{Device, Places, list};
pub use monitor::{Monitor, MonitorError, MonitorOptions, Recorded, Usbmon, UsbmonError, WantedPort};
pub use watch::{Change, Watch};
