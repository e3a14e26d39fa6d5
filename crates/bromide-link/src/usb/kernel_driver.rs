//! A phone goes back to the kernel's own driver after a program held it.
//!
//! Whoever detached the driver attaches it again, as a rule; a program that was killed did not. The port is what is
//! followed: some programs reset a device when they let go of it, and it may return under another address.

use core::time::Duration;
use std::thread;
use std::time::Instant;

#[cfg(target_os = "linux")]
use nusb::MaybeFuture;

use super::details::Details;
use super::listing::{Device, Places, phones};

/// Between two looks.
const LOOK: Duration = Duration::from_millis(10);
/// Programs that hold a device through its node appear as this driver.
const PROGRAM: &str = "usbfs";

/// Waits until a driver of the kernel has the phone at this port, and asks the kernel to bind one if that does not
/// happen by itself in half of the time. Gives the drivers' names, none where no driver took it; `None`: there is no
/// phone at the port.
pub fn give_back(port: &str, places: &Places, within: Duration) -> Option<Vec<String>> {
    let begun = Instant::now();
    let mut asked = false;
    loop {
        let there = phones(places).unwrap_or_default().into_iter().map(|(_, device)| device);
        let device = there.into_iter().find(|device| device.port == port);
        let mut drivers = device.as_ref().map_or(Vec::new(), |device| Details::of(device, places).drivers);
        drivers.retain(|driver| driver != PROGRAM);
        let half = begun.elapsed() > within / 2;
        match device {
            Some(_) if !drivers.is_empty() || begun.elapsed() > within => return Some(drivers),
            // One that was only reset is back by now.
            None if half => return None,
            Some(device) if half && !asked => {
                asked = true;
                ask(&device);
            }
            _ => {}
        }
        thread::sleep(LOOK);
    }
}

/// Has the kernel look for a driver. What goes wrong with it shows in there being none.
#[cfg(target_os = "linux")]
fn ask(device: &Device) {
    use super::listing::port_of;

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
