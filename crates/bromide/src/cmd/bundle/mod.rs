//! `bundle`: dumps of all partitions as they lie on the disk, looked at without a phone.

mod diff;
mod diff_lines;
mod verify;

use bromide_link::Cancel;
use clap::Subcommand;

use crate::front::Front;
use crate::report::Failure;

#[derive(Debug, Subcommand)]
pub(crate) enum BundleCommand {
    Verify(verify::Verify),
    Diff(diff::Diff),
}

/// `bromide bundle`.
pub(crate) fn bundle(command: BundleCommand, front: &mut Front, cancel: &Cancel) -> Result<(), Failure> {
    match command {
        BundleCommand::Verify(args) => verify::verify(&args, front, cancel),
        BundleCommand::Diff(args) => diff::diff(&args, front, cancel),
    }
}
