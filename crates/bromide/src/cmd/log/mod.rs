//! `log`: what was said to phones in earlier runs.

mod export;
mod list;
mod prune;
mod replay;
mod show;

use bromide_link::Cancel;
use bromide_log::{Redactor, Store, StoredRun};
use clap::Subcommand;

use crate::front::Front;
use crate::report::{Failure, exit};
use crate::run_log::{LogOptions, names};

#[derive(Debug, Subcommand)]
pub(crate) enum LogCommand {
    /// List the logs there are, the newest first
    List,
    Show(show::Show),
    Export(export::Export),
    Replay(replay::Replay),
    Prune(prune::Prune),
}

/// `bromide log`.
pub(crate) fn log(
    command: LogCommand,
    options: &LogOptions,
    front: &mut Front,
    cancel: &Cancel,
) -> Result<(), Failure> {
    match command {
        LogCommand::List => list::list(&store(options)?, front),
        LogCommand::Show(args) => show::show(&args, &store(options)?, options.redact, front),
        LogCommand::Export(args) => export::export(&args, &store(options)?, options.redact, front),
        LogCommand::Replay(args) => replay::replay(&args, front, cancel),
        LogCommand::Prune(args) => prune::prune(&args, &store(options)?, front),
    }
}

fn store(options: &LogOptions) -> Result<Store, Failure> {
    let root = options.root().ok_or_else(|| {
        let what = "it is not known where the logs are";
        Failure::new("log/no-store", exit::FAILED, what, "name their folder with --log-dir")
    })?;
    Ok(Store::at(&root))
}

/// The run that is meant.
fn find(store: &Store, run: Option<&str>) -> Result<StoredRun, Failure> {
    store.find(run).map_err(|what| {
        Failure::new("log/no-run", exit::USAGE, what, "bromide log list shows which there are")
    })
}

/// Masks what the log gives away, and what this computer would.
fn redactor(run: &StoredRun) -> Redactor {
    let mut redactor = run.redactor();
    redactor.know(&names());
    redactor
}

fn failed(run: &StoredRun, what: &dyn std::fmt::Display) -> Failure {
    Failure::new("log/io", exit::FAILED, format!("{}: {what}", run.folder.display()), "")
}
