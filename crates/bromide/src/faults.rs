//! `--fault`: trouble on purpose, on any cable and in virtual phones.

use bromide_link::{Cancel, FaultSpec, FaultSpecError, FaultyBus, Hands};

use crate::choose::{AnyBus, AnyLink, Via};
use crate::report::{Failure, exit};

/// A phone on a cable with the faults that were asked for, or none.
pub(crate) type Cabled<'a> = FaultyBus<AnyBus<'a>>;

/// Reads a specification for the command line.
pub(crate) fn parse(text: &str) -> Result<Box<FaultSpec>, FaultSpecError> {
    text.parse().map(Box::new)
}

/// Puts the faults that happen outside the phone on every appearance of it.
pub(crate) fn on_cable<'a>(bus: AnyBus<'a>, faults: Option<&FaultSpec>, cancel: &Cancel) -> Cabled<'a> {
    let hands = Hands {
        sleep: Box::new(bus.sleeper(cancel)),
        kill: Box::new(kill_this_process),
        pull: Box::new(AnyLink::pull),
    };
    FaultyBus::new(bus, faults.unwrap_or(&FaultSpec::default()), hands)
}

/// The place with the faults that only a virtual phone can have; any other place is refused them.
pub(crate) fn in_phone(via: &Via, faults: Option<&FaultSpec>) -> Result<Via, Failure> {
    let mut via = via.clone();
    match (&mut via, faults) {
        (Via::Phone(spec), Some(faults)) => spec.break_chip(faults),
        (_, Some(faults)) if faults.chip.any() => {
            let what = "--fault: ecc, bad-page and jitter are faults of a virtual phone's chip";
            let advice = "use --via phone:MODEL, or give them to bromide phone serve --fault";
            return Err(Failure::new("usage", exit::USAGE, what, advice));
        }
        _ => {}
    }
    Ok(via)
}

/// Refuses faults that no phone has.
pub(crate) fn of_served_phone(faults: &FaultSpec) -> Result<(), Failure> {
    if !faults.any_on_host() {
        return Ok(());
    }
    let what =
        "--fault: a served phone takes seed, ecc, bad-page and jitter; the others happen on the host's side";
    let advice = "give them to the command that reads: bromide read --fault";
    Err(Failure::new("usage", exit::USAGE, what, advice))
}

/// As a power cut would: nothing is written any more, nothing tidied up.
fn kill_this_process() {
    #[cfg(unix)]
    {
        use rustix::process::{Signal, getpid, kill_process};
        let _ = kill_process(getpid(), Signal::KILL);
    }
    std::process::abort();
}
