//! The serial port on systems where it is not supported yet: the same types, and an error that says so.

use core::time::Duration;
use std::path::Path;

use bromide_proto::link::{Link, LinkError};

use crate::cancel::Cancel;

/// Speed a port would be set to.
pub const BAUD_RATE: u32 = 921_600;

/// How to open a port.
#[derive(Debug, Clone, Default)]
pub struct OpenOptions {
    /// The flag that interrupts every wait.
    pub cancel: Cancel,
    /// How long to wait for the port to appear.
    pub wait: Duration,
}

/// A link that cannot be had here.
#[derive(Debug)]
pub enum SerialLink {}

impl SerialLink {
    /// As on Unix.
    pub const MOST_AT_ONCE: usize = 32 << 10;

    /// Always fails.
    ///
    /// # Errors
    /// [`LinkError::Other`], which says that serial ports are for Unix systems only so far.
    pub fn open(path: impl AsRef<Path>, _: OpenOptions) -> Result<Self, LinkError> {
        let path = path.as_ref().display();
        Err(LinkError::Other(
            format!("{path}: serial ports are supported on Unix systems only so far").into(),
        ))
    }
}

impl Link for SerialLink {
    async fn send(&mut self, _: &[u8]) -> Result<(), LinkError> {
        match *self {}
    }

    async fn recv(&mut self, _: &mut [u8], _: Duration) -> Result<usize, LinkError> {
        match *self {}
    }

    fn now(&self) -> Duration {
        match *self {}
    }
}
