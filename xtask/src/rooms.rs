//! The rules of the house that no compiler knows: short files, no path of one machine, nothing left undone.

use std::fs;

use crate::process::{root, tracked};

/// Lines a source file may have.
const LONGEST: usize = 600;

/// Checks all tracked sources.
pub(crate) fn check() -> Result<(), String> {
    println!("==> house rules");
    let mut wrong = Vec::new();
    for file in tracked(".rs")? {
        let Ok(text) = fs::read_to_string(root().join(&file)) else { continue };
        let lines = text.lines().count();
        if lines > LONGEST {
            wrong.push(format!("{}: {lines} lines, at most {LONGEST}", file.display()));
        }
        if !text.starts_with("//!") && !text.starts_with("#![") {
            wrong.push(format!("{}: no module head", file.display()));
        }
        for (number, line) in text.lines().enumerate() {
            if let Some(what) = forbidden(line) {
                wrong.push(format!("{}:{}: {what}", file.display(), number + 1));
            }
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(format!("house rules:\n  {}", wrong.join("\n  "))) }
}

fn forbidden(line: &str) -> Option<&'static str> {
    // Written in two parts so that this file passes its own check.
    let machine = [concat!("/ro", "ot/"), concat!("/wo", "rk/")];
    let undone = [concat!("to", "do!("), concat!("unimple", "mented!("), concat!("#[ig", "nore")];
    if machine.iter().any(|path| line.contains(path)) {
        Some("a path of one machine")
    } else if undone.iter().any(|word| line.contains(word)) {
        Some("unfinished or ignored")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unfinished_code_and_machine_paths_are_found() {
        assert!(forbidden(concat!("    to", "do!()")).is_some());
        assert!(forbidden(concat!("let p = \"/ro", "ot/x\";")).is_some());
        assert!(forbidden("let x = 1; // fine").is_none());
    }
}
