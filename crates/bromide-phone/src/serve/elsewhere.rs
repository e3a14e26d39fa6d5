//! Systems without Unix's descriptors: a phone can be used in process there, but not be served to others.

use std::io::{Error, ErrorKind};
use std::path::Path;

use super::{ServeError, Served, Serving, Terms};
use crate::phone::Phone;

fn not_here() -> ServeError {
    let what = "a virtual phone can be served on Unix systems only; --via phone:MODEL works everywhere";
    ServeError::Wait(Error::new(ErrorKind::Unsupported, what))
}

/// Not on this system.
///
/// # Errors
/// Always [`ServeError::Wait`].
pub fn terminal(
    _: &mut impl Served,
    _: Option<&Path>,
    _: Terms<'_>,
    _: &mut dyn FnMut(Serving),
) -> Result<(), ServeError> {
    Err(not_here())
}

/// Not on this system.
///
/// # Errors
/// Always [`ServeError::Wait`].
pub fn connections(
    _: &mut impl Served,
    _: &str,
    _: Terms<'_>,
    _: &mut dyn FnMut(Serving),
) -> Result<(), ServeError> {
    Err(not_here())
}

/// Not on this system.
///
/// # Errors
/// Always [`ServeError::Wait`].
pub fn usbip(_: &mut Phone, _: &str, _: Terms<'_>, _: &mut dyn FnMut(Serving)) -> Result<(), ServeError> {
    Err(not_here())
}

/// Not on this system.
///
/// # Errors
/// Always [`ServeError::Wait`].
pub fn usbredir(_: &mut Phone, _: &Path, _: Terms<'_>, _: &mut dyn FnMut(Serving)) -> Result<(), ServeError> {
    Err(not_here())
}

/// Not on this system.
///
/// # Errors
/// Always [`ServeError::Wait`].
pub fn vhci(
    _: &mut Phone,
    _: Option<u32>,
    _: Terms<'_>,
    _: &mut dyn FnMut(Serving),
) -> Result<(), ServeError> {
    Err(not_here())
}
