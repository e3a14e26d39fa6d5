//! The beginning and the end of the account: what was asked for, how it ended, how to repeat it.

use std::path::Path;
use std::time::Duration;

use crate::clock::{date, time_of_day};
use crate::run::{Detail, Outcome, Run, Trouble};
use crate::words::{code, command, quoted, span};

use super::{Part, Story, sentence};

/// The head, with the command line: a run that is killed has no end to tell it.
pub(crate) fn begin(run: &Run, at: Duration) -> String {
    format!(
        "# Hack log, {} {}\n\nKept by Bromide {} while it worked, on {}. All times are UTC.\n\nThe task: {}\n\n    {}\n\n\
         typed in the folder {}.\n",
        date(at),
        time_of_day(at),
        run.version,
        run.os,
        run.asked,
        command(&run.args),
        code(&run.folder),
    )
}

/// What the last lines are made of.
pub(crate) struct End<'a> {
    pub(crate) run: &'a Run,
    pub(crate) outcome: &'a Outcome,
    /// When, and how long after the beginning.
    pub(crate) at: Duration,
    pub(crate) took: Duration,
    /// Folder of the log.
    pub(crate) folder: &'a Path,
    /// What is missing in the log.
    pub(crate) incomplete: Option<&'a str>,
}

/// How it ended, and how to repeat it.
pub(crate) fn end(story: &mut Story, end: &End<'_>) -> String {
    let took = span(end.took);
    let exit = end.outcome.exit;
    let (said, tail) = match &end.outcome.trouble {
        None => {
            (format!("All that was asked for is done, {took} after the beginning (exit code {exit})."), "")
        }
        Some(trouble) => (failed(trouble, exit, &took), trouble.tail.as_str()),
    };
    let mut text = story.line(Part::End, end.at, &said);
    if !tail.is_empty() {
        text += "\nThe last exchanges with the phone (> sent, < received):\n\n";
        text.extend(tail.lines().map(|line| format!("    {line}\n")));
    }
    if let Some(why) = end.incomplete {
        text += &format!("\n**This log is incomplete**: {}\n", sentence(why));
    }
    text + &repeat(end)
}

fn failed(trouble: &Trouble, exit: u8, took: &str) -> String {
    let Trouble { code: name, what, advice, .. } = trouble;
    let begun = if exit == 130 { "It was stopped" } else { "It failed" };
    let advice =
        advice.as_ref().map_or_else(String::new, |text| format!(" What to do next: {}", sentence(text)));
    format!("{begun} after {took}: {} (exit code {exit}, {}){advice}", sentence(what), code(name))
}

fn repeat(end: &End<'_>) -> String {
    let Run { args, folder, detail, .. } = end.run;
    let log = end.folder.to_string_lossy();
    let recording = end.folder.join("session.pcapng");
    let recording = recording.to_string_lossy();
    let pages = match detail {
        Detail::On => {
            "Pages that were saved are not in it a second time: it says where in which file they are, and the export \
             puts them back."
        }
        Detail::Full => "Every byte is in it.",
    };
    let mut text = format!(
        "\n## To repeat it\n\n    cd {}\n    {}\n\n## To look at it more closely\n\nThis account lies in {}, with \
         `session.jsonl` (every event with its time) and `session.pcapng` (what went over the cable, as Wireshark reads \
         it). {pages}\n\n    cd {}\n    bromide log show . --events\n    tshark -r session.pcapng\n    \
         bromide log export . -o whole.pcapng\n",
        quoted(folder),
        command(args),
        code(&log),
        quoted(&log),
    );
    if let Some(args) = replayed(args, &recording) {
        text += &format!(
            "\nThe same once more without a phone, played from the recording, with another -o:\n\n    cd {}\n    {}\n",
            quoted(folder),
            command(&args)
        );
    }
    text
}

/// The command with the recording in the place of the phone; none where it names no place.
fn replayed(args: &[String], recording: &str) -> Option<Vec<String>> {
    let mut rest = Vec::with_capacity(args.len());
    let mut words = args.iter();
    let mut had = args.iter().any(|word| word == "--da" || word.starts_with("--da="));
    while let Some(word) = words.next() {
        if word == "--via" {
            had = words.next().is_some();
        } else if !word.starts_with("--via=") {
            rest.push(word.clone());
        }
    }
    rest.extend(["--via".to_owned(), format!("replay:{recording}")]);
    had.then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_replayed_with_the_recording_in_the_place_of_the_phone() {
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let replay = |text| replayed(&words(text), "r").map(|args| args.join(" "));
        let told = replay("bromide read system --via usb --da x");
        assert_eq!(told.as_deref(), Some("bromide read system --da x --via replay:r"));
        assert_eq!(
            replay("bromide info --da=x --via=usb").as_deref(),
            Some("bromide info --da=x --via replay:r")
        );
        assert_eq!(replay("bromide demo"), None);
    }
}
