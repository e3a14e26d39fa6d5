//! The native cables: a serial port, a TCP connection, USB, and wrappers that watch or disturb any link.
//!
//! Promises: every future of this crate is finished within one poll (it blocks inside, see [`run`]); every
//! wait looks at its [`Cancel`] at least every 100 ms; nothing here understands what is said on the cable.

mod again;
mod cancel;
mod fault;
pub mod replay;
mod run;
#[cfg_attr(not(unix), path = "serial_elsewhere.rs")]
mod serial;
mod stream;
mod tap;
mod tcp;
pub mod usb;

pub use again::{SerialBus, TcpBus};
pub use bromide_proto::link::Direction;
pub use cancel::Cancel;
pub use fault::{
    BadPage, Change, ChipFaults, Fault, FaultSpec, FaultSpecError, Faulty, FaultyBus, FaultyLink, Hands,
    Losses, Place, Probability, Slow, Stalls, Unplug,
};
pub use run::run;
pub use serial::{BAUD_RATE, OpenOptions, SerialLink};
pub use stream::STALL;
pub use tap::Tap;
pub use tcp::TcpLink;
