//! What a job left behind, and the tables at the end.

use std::fs;
use std::path::Path;
use std::time::Duration;

/// How a job ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    Passed,
    /// The first try failed, and why; the second passed.
    PassedAgain(String),
    Failed(String),
    /// Not run: the tree lacks something.
    Waiting(String),
}

impl Verdict {
    /// The word of the tables.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Self::Passed => "pass",
            Self::PassedAgain(_) => "pass, second try",
            Self::Failed(_) => "FAIL",
            Self::Waiting(_) => "waiting",
        }
    }
}

/// A job's end.
#[derive(Debug, Clone)]
pub(crate) struct Outcome {
    pub(crate) name: String,
    pub(crate) shows: String,
    pub(crate) verdict: Verdict,
    pub(crate) took: Duration,
    /// Lines `FIGURE what | ours | compared with | ratio`, without the word.
    pub(crate) figures: Vec<String>,
}

/// Judges a job by its exit code and its own lines: it must have said `PASS` at least once and `FAIL` never.
pub(crate) fn judge(code: &str, log: &str) -> Verdict {
    let said = |word: &str| log.lines().filter(|line| line.starts_with(word)).count();
    if let Some(line) = log.lines().find(|line| line.starts_with("FAIL ")) {
        return Verdict::Failed(line.trim_start_matches("FAIL ").to_owned());
    }
    match code {
        "0" if said("PASS ") > 0 => Verdict::Passed,
        "0" => Verdict::Failed("it checked nothing".into()),
        // busybox: 128 + SIGTERM, from its time limit.
        "143" | "124" => Verdict::Failed("not finished in its time".into()),
        code => Verdict::Failed(format!("exit code {code}")),
    }
}

/// The figures of a log.
pub(crate) fn figures(log: &str) -> Vec<String> {
    log.lines().filter_map(|line| line.strip_prefix("FIGURE ")).map(str::to_owned).collect()
}

/// Prints both tables; fails if a job did.
pub(crate) fn print(outcomes: &[Outcome], results: &Path) -> Result<(), String> {
    println!("\n| job | | seconds | shows |\n|---|---|---|---|");
    for outcome in outcomes {
        let word = outcome.verdict.word();
        let seconds = outcome.took.as_secs_f64();
        println!("| {} | {word} | {seconds:.1} | {} |", outcome.name, outcome.shows);
    }
    let figures: Vec<_> = outcomes.iter().flat_map(|o| &o.figures).collect();
    if !figures.is_empty() {
        println!("\n| figure | measured | compared with | ratio |\n|---|---|---|---|");
        figures.iter().for_each(|figure| println!("| {figure} |"));
    }
    println!();
    let mut failed = Vec::new();
    for Outcome { name, verdict, .. } in outcomes {
        match verdict {
            Verdict::Passed => {}
            Verdict::PassedAgain(why) => {
                println!("passed at the second try: {name}; the first: {why}");
                println!("--- {}", results.join(format!("{name}.first.log")).display());
            }
            Verdict::Waiting(what) => println!("waiting: {name}: {what}"),
            Verdict::Failed(what) => {
                println!("failed: {name}: {what}\n--- {}", results.join(format!("{name}.log")).display());
                println!("{}", tail(results, name));
                failed.push(name.as_str());
            }
        }
    }
    if failed.is_empty() { Ok(()) } else { Err(format!("jobs that failed: {}", failed.join(", "))) }
}

fn tail(results: &Path, name: &str) -> String {
    let text = fs::read(results.join(format!("{name}.log"))).unwrap_or_default();
    let text = String::from_utf8_lossy(&text).into_owned();
    let lines: Vec<&str> = text.lines().collect();
    lines.get(lines.len().saturating_sub(30)..).unwrap_or_default().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_that_checks_nothing_has_not_passed() {
        assert_eq!(judge("0", "PASS a\n"), Verdict::Passed);
        assert!(matches!(judge("0", "all well\n"), Verdict::Failed(_)));
        assert!(matches!(judge("0", "PASS a\nFAIL b\n"), Verdict::Failed(what) if what == "b"));
        assert!(matches!(judge("1", "PASS a\n"), Verdict::Failed(_)));
        assert!(matches!(judge("143", "PASS a\n"), Verdict::Failed(what) if what.contains("time")));
    }

    #[test]
    fn figures_are_taken_from_anywhere_in_the_log() {
        assert_eq!(figures("x\nFIGURE a | 1 | b | 2\nPASS y\n"), ["a | 1 | b | 2"]);
    }
}
