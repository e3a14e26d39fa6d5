//! What this tool has put into a guest comes out again, and the phone goes back to the host's drivers.

use std::time::{Duration, Instant};

use bromide_link::usb::{Places, give_back, list};

use crate::error::VmError;
use crate::follow::Event;
use crate::guest::Held;
use crate::machine::Machine;

/// How long the machine may take to let go of everything.
const LET_GO: Duration = Duration::from_secs(10);
/// Between two looks.
const AGAIN: Duration = Duration::from_millis(50);
/// How long a phone may take to be on the host's USB again, and its driver to bind: QEMU resets what it lets go of.
const BIND: Duration = Duration::from_secs(3);

/// Takes out of the guest whatever this tool has put there, in this run or one that is gone, and sees to it that the
/// host's drivers have it again.
///
/// # Errors
/// The machine does not answer, or does not let go.
pub fn take_back(
    machine: &mut dyn Machine,
    places: &Places,
    tell: &mut dyn FnMut(&Event),
) -> Result<(), VmError> {
    let until = Instant::now() + LET_GO;
    let mut asked: Vec<Held> = Vec::new();
    loop {
        let ours = machine.look()?.ours();
        if ours.is_empty() {
            return Ok(());
        }
        if Instant::now() > until {
            return Err(VmError::NoAnswer(LET_GO));
        }
        for held in ours {
            if asked.contains(&held) {
                std::thread::sleep(AGAIN);
            } else {
                out(machine, &held, places, tell)?;
                asked.push(held);
            }
        }
    }
}

/// Takes one of them out.
pub(crate) fn out(
    machine: &mut dyn Machine,
    held: &Held,
    places: &Places,
    tell: &mut dyn FnMut(&Event),
) -> Result<(), VmError> {
    let begun = Instant::now();
    let there = list(places).unwrap_or_default();
    match machine.detach(held) {
        Ok(()) | Err(VmError::NoDevice(_)) => {}
        Err(e) => return Err(e),
    }
    tell(&Event::Detached { id: held.id.clone(), took: begun.elapsed(), stale: true });
    // The address may be somebody else's by now.
    let device = there.iter().find(|device| Some((device.bus, device.address)) == held.host);
    if let Some(device) = device.filter(|device| device.sighting().is_some()) {
        returned(&device.port, places, tell);
    }
    Ok(())
}

/// Waits for the host's driver to have the phone at this port again, if there is one.
pub(crate) fn returned(port: &str, places: &Places, tell: &mut dyn FnMut(&Event)) {
    if let Some(drivers) = give_back(port, places, BIND) {
        tell(&Event::GivenBack { port: port.to_owned(), drivers });
    }
}
