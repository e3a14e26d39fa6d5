//! `log prune`.

use std::io::{self, IsTerminal as _, Write as _};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bromide_log::{Prune as Which, Store, StoredRun};
use clap::Args;
use serde_json::json;

use super::{failed, list};
use crate::front::Front;
use crate::numbers::{bytes, grouped};
use crate::out;
use crate::report::{Failure, exit};

/// Remove logs: shows which, and asks
///
/// Nothing else ever removes one. A log that is being written stays, and so does a folder with anything else in it.
#[derive(Debug, Args)]
pub(crate) struct Prune {
    #[command(flatten)]
    which: Choice,
    /// Do not ask
    #[arg(long)]
    yes: bool,
}

/// Which logs may go.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Choice {
    /// All but the newest N
    #[arg(long, value_name = "N")]
    keep: Option<usize>,
    /// Those of more than so many days ago
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(..=100_000))]
    older_than: Option<u32>,
    /// Those with more bytes (K, M, G)
    #[arg(long, value_name = "SIZE", value_parser = bytes)]
    larger_than: Option<u64>,
}

/// `bromide log prune`.
pub(super) fn prune(args: &Prune, store: &Store, front: &mut Front) -> Result<(), Failure> {
    let Choice { keep, older_than, larger_than } = args.which;
    let which = match (keep, older_than, larger_than) {
        (Some(newest), _, _) => Which::Keep(newest),
        (_, Some(days), _) => Which::OlderThan(Duration::from_secs(u64::from(days) * 86_400)),
        (_, _, larger) => Which::LargerThan(larger.unwrap_or(u64::MAX)),
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let runs = store.to_prune(which, now).map_err(|e| {
        Failure::new("log/io", exit::FAILED, format!("the folder of the logs: {e}"), "name it with --log-dir")
    })?;
    if runs.is_empty() {
        front.say("There is nothing to remove.");
        return Ok(());
    }
    if let Front::Screen(_) = front {
        out::result(&list::table(&runs))?;
    }
    let size: u64 = runs.iter().map(|run| run.bytes).sum();
    if !args.yes {
        ask(runs.len(), size, front)?;
    }
    remove(&runs, front)
}

fn ask(runs: usize, size: u64, front: &Front) -> Result<(), Failure> {
    let no =
        |what: &str| Err(Failure::new("log/not-pruned", exit::USAGE, what, "--yes removes without asking"));
    if matches!(front, Front::Json(_)) || !io::stdin().is_terminal() {
        return no("nothing was removed: nobody is there to be asked");
    }
    let _ = write!(io::stderr(), "Remove {runs} logs, {} bytes? [y/N] ", grouped(size));
    let mut answer = String::new();
    let _ = io::stdin().read_line(&mut answer);
    if matches!(answer.trim(), "y" | "Y" | "yes") { Ok(()) } else { no("nothing was removed") }
}

fn remove(runs: &[StoredRun], front: &mut Front) -> Result<(), Failure> {
    let mut first = None;
    for run in runs {
        match (run.remove(), &mut *front) {
            (Ok(()), Front::Json(json)) => json.line(&json!({"event": "removed", "name": run.name})),
            (Ok(()), Front::Screen(screen)) => screen.say(&format!("Removed {}", run.name)),
            (Err(e), _) => drop(first.get_or_insert_with(|| failed(run, &e))),
        }
    }
    first.map_or(Ok(()), Err)
}
