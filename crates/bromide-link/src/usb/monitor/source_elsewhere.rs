//! Where there is no usbmon.

use core::time::Duration;
use std::io;

use super::super::listing::Places;
use super::UsbmonError;

/// What a read brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Came {
    Bytes,
}

/// The kernel's view of all that passes on USB, which only Linux has.
#[derive(Debug)]
pub enum Usbmon {}

impl Usbmon {
    /// Says that there is none.
    ///
    /// # Errors
    /// Always.
    pub fn open(_: &Places) -> Result<Self, UsbmonError> {
        Err(UsbmonError::Elsewhere)
    }

    pub(super) fn hurry(&self) {
        match *self {}
    }

    pub(super) fn read(&mut self, _: &mut Vec<u8>, _: usize) -> io::Result<Came> {
        match *self {}
    }

    pub(super) fn wait(&self, _: Came, _: Duration) {
        match *self {}
    }
}
