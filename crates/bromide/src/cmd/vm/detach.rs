//! `vm detach`: takes out of the guest what this tool has put there.

use std::time::Instant;

use bromide_vm::take_back;
use clap::Args;

use super::{Guest, advice, tell};
use crate::cmd::devices::Place;
use crate::front::Front;
use crate::report::Failure;

/// Take the phone out of a virtual machine, where a run of vm attach that was killed has left it
///
/// Only what bromide vm attach has put there is taken out; the phone goes back to this computer's drivers.
#[derive(Debug, Args)]
pub(crate) struct Detach {
    #[command(flatten)]
    pub(crate) guest: Guest,
    #[command(flatten)]
    pub(crate) place: Place,
}

/// `bromide vm detach`.
pub(crate) fn detach(args: &Detach, front: &mut Front) -> Result<(), Failure> {
    let mut machine = args.guest.machine()?;
    let (start, mut some) = (Instant::now(), false);
    let taken = take_back(machine.as_mut(), &args.place.places(), &mut |event| {
        some = true;
        tell::event(event, start.elapsed(), front);
    });
    taken.map_err(|e| advice::failure(&e, &args.guest))?;
    if !some {
        front.say("There is nothing of Bromide's in the guest.");
    }
    Ok(())
}
