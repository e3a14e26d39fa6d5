//! `log list`.

use bromide_log::{Store, StoredRun};
use serde_json::json;

use crate::front::Front;
use crate::numbers::grouped;
use crate::out::{self, harmless};
use crate::report::{Failure, exit};
use crate::run_log::from_home;

/// `bromide log list`.
pub(super) fn list(store: &Store, front: &mut Front) -> Result<(), Failure> {
    let runs = store.runs().map_err(|e| {
        let what = format!("the folder of the logs: {e}");
        Failure::new("log/io", exit::FAILED, what, "name another one with --log-dir")
    })?;
    if let Front::Json(json) = front {
        for (number, run) in runs.iter().enumerate() {
            json.line(&json!({
                "event": "run", "number": number + 1, "name": run.name, "begun": run.begun,
                "command": run.command, "args": run.args, "phone": run.phone, "exit": run.exit,
                "running": run.running, "bytes": run.bytes, "folder": run.folder.to_string_lossy(),
            }));
        }
        return Ok(());
    }
    if runs.is_empty() {
        front.say("There is no log yet; each run that meets a phone leaves one.");
        return Ok(());
    }
    out::result(&table(&runs))
}

/// Runs as rows.
pub(super) fn table(runs: &[StoredRun]) -> Vec<String> {
    let head = ["", "begun (UTC)", "command", "phone", "outcome", "bytes", "folder"].map(str::to_owned);
    let row = |(number, run): (usize, &StoredRun)| {
        [
            (number + 1).to_string(),
            harmless(&run.begun.replace('T', " ").chars().take(19).collect::<String>()),
            harmless(&run.command),
            harmless(run.phone.as_deref().unwrap_or("-")),
            outcome(run),
            grouped(run.bytes),
            harmless(&from_home(&run.folder)),
        ]
    };
    let rows: Vec<[String; 7]> = [head].into_iter().chain(runs.iter().enumerate().map(row)).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..7).map(width).collect();
    let cell = |(column, text): (usize, &String)| match column {
        0 | 5 => format!("{text:>0$}", widths[column]),
        _ => format!("{text:<0$}", widths[column]),
    };
    let line = |row: &[String; 7]| row.iter().enumerate().map(cell).collect::<Vec<_>>().join("  ");
    rows.iter().map(|row| line(row).trim_end().to_owned()).collect()
}

fn outcome(run: &StoredRun) -> String {
    match run.exit {
        Some(0) => "done".to_owned(),
        Some(exit::NO_PHONE) => "no phone".to_owned(),
        Some(exit::DIFFERS) => "data differs".to_owned(),
        Some(exit::DAMAGED) => "damage found".to_owned(),
        Some(exit::INTERRUPTED) => "stopped".to_owned(),
        Some(code) => format!("failed ({code})"),
        None if run.running => "running".to_owned(),
        None => "killed".to_owned(),
    }
}
