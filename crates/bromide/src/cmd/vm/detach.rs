//! `vm detach`: takes out of the guest what this tool has put there.

use std::time::Instant;

use bromide_vm::{VmError, take_back};
use clap::Args;

use super::{Guest, advice, tell};
use crate::cmd::devices::Place;
use crate::front::Front;
use crate::report::Failure;

/// Take the phone out of a virtual machine, where a run of vm attach that was killed has left it
///
/// Only what bromide vm attach has put there is taken out; the phone goes back to this computer's drivers. QEMU resets a
/// device that it lets go of: what a tool had begun with the phone has to be begun anew. What a run that still goes on
/// has put there is left alone; Ctrl-C there takes it back.
#[derive(Debug, Args)]
pub(crate) struct Detach {
    #[command(flatten)]
    pub(crate) guest: Guest,
    #[command(flatten)]
    pub(crate) place: Place,
}

/// `bromide vm detach`.
pub(crate) fn detach(args: &Detach, front: &mut Front) -> Result<(), Failure> {
    let failed = |e: VmError| advice::failure(&e, &args.guest);
    let mut machine = args.guest.machine()?;
    let running = machine.look().map_err(failed)?.runs().first().copied();
    if let Some(process) = running {
        return Err(failed(VmError::Running(process)));
    }
    let (start, mut some) = (Instant::now(), false);
    let taken = take_back(machine.as_mut(), &args.place.places(), &mut |event| {
        some = true;
        tell::event(event, start.elapsed(), &args.guest, front);
    });
    taken.map_err(failed)?;
    if !some {
        front.say("There is nothing of Bromide's in the guest.");
    }
    Ok(())
}
