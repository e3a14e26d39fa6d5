//! The two standard streams. Neither ends the program: a reader that went away, or a full disk behind a
//! redirection, is no reason to lose a dump.

use std::io::{self, ErrorKind, Write};

use crate::report::{Failure, exit};

/// One line to standard error. Whether anybody reads it makes no difference.
pub(crate) fn tell(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// One line to standard output while a job runs, at once; as [`tell`].
pub(crate) fn line(text: impl std::fmt::Display) {
    let mut out = io::stdout().lock();
    let _ = writeln!(out, "{text}").and_then(|()| out.flush());
}

/// The result of a command that has no other, to standard output. A reader that has seen enough (`| head`) is
/// content; anything else that hinders it is a failure.
pub(crate) fn result(lines: &[String]) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    let written = lines.iter().try_for_each(|line| writeln!(out, "{line}")).and_then(|()| out.flush());
    match written {
        Err(e) if e.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::new("file/io", exit::FAILED, format!("standard output: {e}"), ""))
        }
        _ => Ok(()),
    }
}

/// Foreign text fit for a terminal: control characters are written as escapes.
pub(crate) fn harmless(text: &str) -> String {
    let escaped = |c: char| {
        let control = c.is_control() && c != '\n';
        if control { c.escape_default().to_string() } else { c.to_string() }
    };
    text.chars().map(escaped).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_text_cannot_steer_the_terminal() {
        assert_eq!(harmless("\x1b]0;title\x07 grün\n"), "\\u{1b}]0;title\\u{7} grün\n");
        assert_eq!(harmless("\u{9b}2J"), "\\u{9b}2J");
    }
}
