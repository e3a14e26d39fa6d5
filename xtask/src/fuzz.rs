//! `cargo xtask fuzz`: every target of `fuzz/`, one after another.

use crate::process::{root, run};

/// Runs each target; `shared` splits the time among them, else each gets it whole.
pub(crate) fn fuzz(seconds: u64, shared: bool) -> Result<(), String> {
    let targets = targets()?;
    let count = u64::try_from(targets.len()).unwrap_or(1).max(1);
    let each = if shared { (seconds / count).max(1) } else { seconds };
    for target in targets {
        run(&format!(
            "cargo +nightly fuzz run {target} -- -max_total_time={each} -verbosity=0 -print_final_stats=1"
        ))?;
    }
    Ok(())
}

fn targets() -> Result<Vec<String>, String> {
    let folder = root().join("fuzz/fuzz_targets");
    let entries = std::fs::read_dir(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    let mut names: Vec<String> =
        entries.filter_map(|e| Some(e.ok()?.path().file_stem()?.to_string_lossy().into_owned())).collect();
    names.sort();
    Ok(names)
}
