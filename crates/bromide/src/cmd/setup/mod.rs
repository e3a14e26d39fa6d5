//! `setup`: makes this computer ready for phones. What changes it is shown first and asked for.

pub(crate) mod rules;

mod diff;
mod install;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::json;

use crate::front::Front;
use crate::out;
use crate::report::Failure;

#[derive(Debug, Subcommand)]
pub(crate) enum Setup {
    Linux(Linux),
}

/// Print the udev rules that let you use a phone without root, or install them
///
/// Without an option the rules are printed, with what each is for, and nothing is changed. With --install they become
/// /etc/udev/rules.d/61-bromide.rules and udevd is told to read them; that needs root. Installing twice changes
/// nothing. A file of that name with other content is shown as a difference and kept unless --yes is given.
#[derive(Debug, Args)]
pub(crate) struct Linux {
    /// Write the rules and have udevd read them
    #[arg(long)]
    pub(crate) install: bool,
    /// Take the rules away again
    #[arg(long, conflicts_with = "install")]
    pub(crate) remove: bool,
    /// Do it without asking, also where the file differs
    #[arg(long, short)]
    pub(crate) yes: bool,
    /// Another root of the file system
    #[arg(long, value_name = "FOLDER", hide = true, default_value = "/")]
    pub(crate) root: PathBuf,
}

/// `bromide setup ..`.
pub(crate) fn setup(command: Setup, front: &mut Front) -> Result<(), Failure> {
    let Setup::Linux(args) = command;
    if args.install {
        return install::install(&args, front);
    }
    if args.remove {
        return install::remove(&args, front);
    }
    let text = rules::text();
    if let Front::Json(json) = front {
        json.line(&json!({"event": "rules", "file": rules::FILE, "text": text}));
        return Ok(());
    }
    out::result(&text.lines().map(str::to_owned).collect::<Vec<_>>())
}

/// A line that runs this very program as root, to be copied. The full path where `sudo` would not find it:
/// it looks in the system's folders only.
pub(crate) fn sudo(words: &str) -> String {
    let system = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];
    let program = std::env::current_exe().ok().filter(|path| {
        let folder = path.parent().and_then(|folder| folder.to_str());
        folder.is_none_or(|folder| !system.contains(&folder))
    });
    match program {
        Some(path) => format!("sudo {} {words}", quoted(&path.to_string_lossy())),
        None => format!("sudo bromide {words}"),
    }
}

/// As a shell takes it for one word.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "/._-+:".contains(c);
    if word.chars().all(plain) { word.to_owned() } else { format!("'{}'", word.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_one_word_for_the_shell() {
        assert_eq!(quoted("/home/u/.cargo/bin/bromide"), "/home/u/.cargo/bin/bromide");
        assert_eq!(quoted("/my programs/it's"), r"'/my programs/it'\''s'");
    }
}
