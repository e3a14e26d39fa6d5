//! A virtual machine as the follower needs it.

use std::path::PathBuf;

use bromide_link::usb::{Device, Places};

use crate::error::VmError;
use crate::guest::{Guest, GuestPort, Held};

/// A device of this computer's USB, as a machine is told about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostDevice {
    /// Number of the bus.
    pub bus: u8,
    /// Address on the bus.
    pub address: u8,
    /// The file through which it is opened.
    pub node: PathBuf,
}

impl HostDevice {
    /// This device.
    pub fn of(device: &Device, places: &Places) -> Self {
        Self { bus: device.bus, address: device.address, node: device.node(places) }
    }
}

/// A virtual machine with USB. Every call has a bound in time.
pub trait Machine: core::fmt::Debug {
    /// What the guest has now.
    ///
    /// # Errors
    /// The machine is gone or does not answer as expected.
    fn look(&mut self) -> Result<Guest, VmError>;

    /// Plugs a device into the guest. When this returns the guest's port has it.
    ///
    /// # Errors
    /// Why it is not there. [`VmError::Denied`] and [`VmError::PhoneGone`] may pass: rights come a moment after the
    /// device.
    fn attach(&mut self, device: &HostDevice, port: &GuestPort, guest_reset: bool) -> Result<Held, VmError>;

    /// Takes a device out of the guest, whether or not the host still has it. When this returns the port is free, or about
    /// to be: [`Machine::look`] tells.
    ///
    /// # Errors
    /// [`VmError::NoDevice`]: it was not there; or why it still is.
    fn detach(&mut self, held: &Held) -> Result<(), VmError>;

    /// Whether the machine is still on. Cheap: asked several times a second.
    ///
    /// # Errors
    /// [`VmError::Gone`], or why that cannot be known.
    fn check(&mut self) -> Result<(), VmError>;

    /// What would be said to attach, and to detach, for `--dry-run`; without a device a placeholder stands for it.
    fn words(&self, device: Option<&HostDevice>, port: &GuestPort, guest_reset: bool) -> [String; 2];
}
