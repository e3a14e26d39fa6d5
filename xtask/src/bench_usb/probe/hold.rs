//! Another program that holds the phone, as a modem daemon or a second tool would.

use std::io::{Write, stdout};
use std::thread;
use std::time::Duration;

use nusb::{Interface, MaybeFuture};

/// Longer than any job.
const HELD: Duration = Duration::from_secs(600);

/// Holds the terminal open.
pub(crate) fn tty(path: &str) -> Result<(), String> {
    let file =
        std::fs::File::options().read(true).write(true).open(path).map_err(|e| format!("{path}: {e}"))?;
    hold()?;
    drop(file);
    Ok(())
}

/// Claims both interfaces, the kernel's driver detached.
pub(crate) fn usb(id: &str) -> Result<(), String> {
    let claimed = claim(id)?;
    hold()?;
    drop(claimed);
    Ok(())
}

/// Control and data interface of the first device with this `VID:PID`.
pub(crate) fn claim(id: &str) -> Result<[Interface; 2], String> {
    let failed = |e: nusb::Error| format!("{id}: {e}");
    let hex = |text: &str| u16::from_str_radix(text, 16).map_err(|_| format!("{id} is no VID:PID"));
    let (vid, pid) = id.split_once(':').ok_or_else(|| format!("{id} is no VID:PID"))?;
    let (vid, pid) = (hex(vid)?, hex(pid)?);
    let mut all = nusb::list_devices().wait().map_err(failed)?;
    let found = all.find(|d| d.vendor_id() == vid && d.product_id() == pid);
    let device = found.ok_or_else(|| format!("{id} is not there"))?.open().wait().map_err(failed)?;
    let claim = |number| device.detach_and_claim_interface(number).wait().map_err(failed);
    Ok([claim(0)?, claim(1)?])
}

fn hold() -> Result<(), String> {
    println!("held");
    stdout().flush().map_err(|e| e.to_string())?;
    thread::sleep(HELD);
    Ok(())
}
