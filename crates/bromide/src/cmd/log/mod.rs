//! `log`: recordings of sessions.

mod replay;

use bromide_link::Cancel;
use clap::Subcommand;

use crate::front::Front;
use crate::report::Failure;

#[derive(Debug, Subcommand)]
pub(crate) enum LogCommand {
    Replay(replay::Replay),
}

/// `bromide log`.
pub(crate) fn log(command: LogCommand, front: &mut Front, cancel: &Cancel) -> Result<(), Failure> {
    match command {
        LogCommand::Replay(args) => replay::replay(&args, front, cancel),
    }
}
