//! A device goes back to the kernel's own driver after a program held it.
//!
//! Whoever detached the driver attaches it again, as a rule; a program that was killed did not.

use core::time::Duration;
use std::thread;
use std::time::Instant;

use nusb::MaybeFuture;

use super::details::Details;
use super::listing::{Device, Places, port_of};

/// Between two looks.
const LOOK: Duration = Duration::from_millis(10);
/// Programs that hold a device through its node appear as this driver.
const PROGRAM: &str = "usbfs";

/// Waits until a driver of the kernel has the device, and asks the kernel to bind one if that does not happen by
/// itself in half of the time. Gives the drivers' names; none: no driver took it, or the device has left.
pub fn give_back(device: &Device, places: &Places, within: Duration) -> Vec<String> {
    let begun = Instant::now();
    let mut asked = false;
    loop {
        let mut drivers = Details::of(device, places).drivers;
        drivers.retain(|driver| driver != PROGRAM);
        let over = begun.elapsed() > within || !device.is_there(places);
        if !drivers.is_empty() || over {
            return drivers;
        }
        if !asked && begun.elapsed() > within / 2 {
            asked = true;
            ask(device);
        }
        thread::sleep(LOOK);
    }
}

/// Has the kernel look for a driver. What goes wrong with it shows in there being none.
#[cfg(target_os = "linux")]
fn ask(device: &Device) {
    let Ok(mut all) = nusb::list_devices().wait() else { return };
    let found = all.find(|info| port_of(info) == device.port && info.device_address() == device.address);
    let Some(info) = found else { return };
    let interfaces: Vec<u8> = info.interfaces().map(|interface| interface.interface_number()).collect();
    let Ok(open) = info.open().wait() else { return };
    for number in interfaces {
        let _ = open.attach_kernel_driver(number);
    }
}

/// Elsewhere there is nothing to ask for.
#[cfg(not(target_os = "linux"))]
fn ask(_: &Device) {}
