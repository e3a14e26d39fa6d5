//! The beginning and the end of the account: what was asked for, how it ended, how to repeat it.

use std::path::Path;
use std::time::Duration;

use crate::clock::{date, time_of_day};
use crate::run::{Detail, Kind, Outcome, Run, Trouble};
use crate::words::{code, command, counted, file, grouped, quoted, span};

use super::{Part, Story, Tally, sentence};

/// The head, with the command line: a run that is killed has no end to tell it.
pub(crate) fn begin(run: &Run, at: Duration) -> String {
    let first = match run.phone {
        Kind::Real => "",
        Kind::Virtual => {
            "**The phone is virtual, made by this program: times and speeds say nothing about a real one.**\n\n"
        }
        Kind::Recorded => {
            "**The phone is played from a recording: times and speeds say nothing about a real one.**\n\n"
        }
    };
    format!(
        "# Hack log, {} {}\n\n{first}Kept by Bromide {} while it worked, on {}. All times are UTC.\n\nThe task: {}\n\n    \
         {}\n\ntyped in the folder {}.\n",
        date(at),
        time_of_day(at),
        run.version,
        run.os,
        run.asked,
        command(&run.args),
        file(Path::new(&run.folder)),
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
    /// Whether that is in a bundle.
    pub(crate) bundle: bool,
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
    let said = said + &came(&story.tally) + &left(&story.tally, exit == 0);
    let mut text = story.line(Part::End, end.at, &said);
    if !tail.is_empty() {
        text += "\nThe last exchanges with the phone (> sent, < received):\n\n";
        text.extend(tail.lines().map(|line| format!("    {line}\n")));
    }
    if let Some(why) = end.incomplete {
        text += &format!("\n**This log is incomplete**: {}\n", sentence(why));
    }
    text + &repeat(&story.tally, end) + &closer(&story.tally, end)
}

/// What was read, and whether all went well on the way.
fn came(tally: &Tally) -> String {
    let bytes = tally.saved.iter().map(|(_, bytes, _)| bytes).sum();
    let mut text = match &tally.saved[..] {
        [] => String::new(),
        [(name, ..)] => format!(" Read whole: {}, {}.", code(name), counted(bytes, "byte")),
        several => format!(" Read whole: {} files, {}.", several.len(), counted(bytes, "byte")),
    };
    let amiss = [
        (u64::from(tally.unread), "file", "is not whole", "are not whole"),
        (tally.damaged, "page", "is damaged beyond repair", "are damaged beyond repair"),
        (u64::from(tally.recoveries), "request", "had to be repeated", "had to be repeated"),
        (u64::from(tally.warnings), "warning", "was given", "were given"),
    ];
    let amiss: Vec<String> = amiss
        .into_iter()
        .filter(|(n, ..)| *n > 0)
        .map(|(n, what, one, many)| format!("{} {}", counted(n, what), if n == 1 { one } else { many }))
        .collect();
    if !amiss.is_empty() {
        text += &format!(" Not all went smoothly: {}.", amiss.join(", "));
    } else if !tally.saved.is_empty() {
        text +=
            " Nothing went wrong: no request had to be repeated, no page is damaged, no warning was given.";
    }
    text
}

/// How the phone was left. A session that ends badly is told to end too, where there is still a cable.
fn left(tally: &Tally, well: bool) -> String {
    if !tally.agent {
        return String::new();
    }
    let told = if well {
        "The agent was told to end, upon which the phone switches off."
    } else {
        "If the cable still held, the agent was told to end."
    };
    format!(
        " {told} Nothing was written to the phone's storage; into its memory went only the agent, and a few registers \
         were set (watchdog)."
    )
}

fn failed(trouble: &Trouble, exit: u8, took: &str) -> String {
    let Trouble { code: name, what, advice, .. } = trouble;
    let begun = if exit == 130 { "It was stopped" } else { "It failed" };
    let advice =
        advice.as_ref().map_or_else(String::new, |text| format!(" What to do next: {}", sentence(text)));
    format!("{begun} after {took}: {} (exit code {exit}, {}){advice}", sentence(what), code(name))
}

fn repeat(tally: &Tally, end: &End<'_>) -> String {
    let Run { verb, args, folder, .. } = end.run;
    let mut text = format!("\n## To repeat it\n\n    cd {}\n    {}\n", quoted(folder), command(args));
    let reads = verb == "read" || verb == "read-list";
    if verb == "demo" && keeps(args) {
        text += "\nThe folder of -o must not exist yet: name another, or remove it first.\n";
    } else if verb == "demo" {
        text += "\nThe demo's files were removed at its end; -o FOLDER keeps them.\n";
    } else if end.bundle && reads {
        // The log lies in the bundle's folder, below `log`.
        let bundle = end.folder.ancestors().nth(2).unwrap_or(end.folder).to_string_lossy();
        let resume = command(&["bromide".into(), "resume".into(), bundle.into_owned()]);
        text += &format!("\nTo go on with this dump, keeping what is whole:\n\n    {resume}\n");
    } else if reads && end.outcome.exit == 0 && !tally.saved.is_empty() {
        text += "\nThe same command would find the result there and not replace it: take another -o, or add --force.";
        if let [(_, _, sha256)] = &tally.saved[..] {
            text += &format!(
                " The result should have SHA-256 {}, unless the phone wrote there since.",
                code(sha256)
            );
        }
        text.push('\n');
    } else if reads {
        text += "\nWhat has come is kept where a file was begun: the same command goes on from there.\n";
    }
    text
}

/// Whether the demo was given a folder of its own.
fn keeps(args: &[String]) -> bool {
    args.iter().any(|word| word.starts_with("-o") || word.starts_with("--output"))
}

/// Where the rest of the log is and how it is looked at.
fn closer(tally: &Tally, end: &End<'_>) -> String {
    let Run { verb, args, folder, detail, redact, .. } = end.run;
    let log = end.folder.to_string_lossy();
    let gone = verb == "demo" && !keeps(args) && *detail == Detail::On;
    let pages = match detail {
        Detail::On if gone => "Pages that were saved are not in it, and their file is gone.",
        Detail::On => {
            "Pages that were saved are not in it a second time: it says where in which file they are, and the export \
             puts them back, so the images must stay where they are."
        }
        Detail::Full => "Every byte is in it.",
    };
    let export = if gone { " --without-pages" } else { "" };
    let mut text = format!(
        "\n## To look at it more closely\n\nThis account lies in {}, with `session.jsonl` (every event with its time) and \
         `session.pcapng` (what went over the cable, as Wireshark reads it; the framing as USB packets is made up by \
         Bromide, the bytes are what passed). {pages}\n\n    cd {}\n    bromide log show . --events\n    bromide \
         wireshark install\n    tshark -r session.pcapng\n    bromide log export . -o ../whole.pcapng{export}\n\n\
         `bromide wireshark install` is needed once, so that Wireshark and tshark understand what passes; without \
         installing: `bromide wireshark show > mtk.lua`, then `tshark -X lua_script:mtk.lua -r session.pcapng`.",
        file(end.folder),
        quoted(&log),
    );
    let megabytes = (tally.came + 500_000) / 1_000_000;
    if *detail == Detail::On && !gone && megabytes > 0 {
        text += &format!(" The export will have the {} MB of the pages, and some more.", grouped(megabytes));
    }
    text += if *redact {
        "\n\nNames and unique ids are masked in this log.\n"
    } else {
        "\n\n**The log holds names and unique ids**: `bromide log show . --redact` gives a copy fit for publishing.\n"
    };
    let recording = end.folder.join("session.pcapng");
    if let Some(args) = replayed(args, &recording.to_string_lossy()) {
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
pub(super) mod tests {
    use super::*;

    pub(in super::super) fn a_run() -> Run {
        Run {
            version: "1.2.3".into(),
            verb: "read".into(),
            asked: "read system.".into(),
            args: ["bromide", "read", "system"].map(String::from).to_vec(),
            folder: "/home/alice/./phone".into(),
            os: "linux x86_64".into(),
            phone: Kind::Real,
            container: "da/DA.bin".into(),
            names: crate::redact::Names::default(),
            detail: Detail::On,
            redact: false,
        }
    }

    fn ended(run: &Run, tally: Tally, bundle: bool) -> String {
        let mut story = Story::new(run);
        story.tally = tally;
        let (at, took) = (Duration::from_secs(7), Duration::from_secs(5));
        let folder = Path::new("/d/log/2026-11-29T18-57-08Z-read-ab12");
        let outcome = &Outcome::DONE;
        super::end(&mut story, &End { run, outcome, at, took, folder, bundle, incomplete: None })
    }

    fn one_file() -> Tally {
        let saved = vec![("system".to_owned(), 2_112_000, "e3b0".to_owned())];
        Tally { saved, came: 2_112_000, agent: true, ..Tally::default() }
    }

    #[test]
    fn a_virtual_phone_is_told_of_before_anything_else() {
        let run = Run { phone: Kind::Virtual, ..a_run() };
        let text = begin(&run, Duration::ZERO);
        assert!(
            text.starts_with("# Hack log, 1 January 1970 00:00:00\n\n**The phone is virtual, "),
            "{text}"
        );
        assert!(text.contains("typed in the folder `/home/alice/phone`."), "{text}");
        assert!(!begin(&a_run(), Duration::ZERO).contains("virtual"));
    }

    #[test]
    fn the_end_says_what_came_what_went_wrong_and_how_the_phone_was_left() {
        let text = ended(&a_run(), one_file(), false);
        for part in [
            "Read whole: `system`, 2,112,000 bytes. Nothing went wrong:",
            "The agent was told to end, upon which the phone switches off. Nothing was written to the phone's storage",
            "take another -o, or add --force. The result should have SHA-256 `e3b0`",
            "The export will have the 2 MB of the pages",
            "`bromide log show . --redact`",
        ] {
            assert!(text.contains(part), "{part} is missing in\n{text}");
        }
        let text = ended(&a_run(), Tally { warnings: 2, damaged: 1, ..one_file() }, true);
        let amiss = "Not all went smoothly: 1 page is damaged beyond repair, 2 warnings were given.";
        assert!(text.contains(amiss) && !text.contains("Nothing went wrong"), "{text}");
        assert!(text.contains("    bromide resume /d\n"), "{text}");
    }

    #[test]
    fn a_demo_whose_files_are_gone_promises_no_pages() {
        let mut run = Run { verb: "demo".into(), args: vec!["bromide".into(), "demo".into()], ..a_run() };
        let text = ended(&run, one_file(), false);
        assert!(text.contains("files were removed at its end"), "{text}");
        assert!(text.contains("whole.pcapng --without-pages\n") && !text.contains("will have"), "{text}");
        run.args.extend(["-o".into(), "d".into()]);
        assert!(ended(&run, one_file(), false).contains("The folder of -o must not exist yet"));
    }

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
