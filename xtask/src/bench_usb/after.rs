//! What is checked on the machine when the guest is done with a job: its capture.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::capture::{self, Event};
use super::jobs::After;
use super::tools;

/// MediaTek, as tshark prints it.
const VENDOR: &str = "0x0e8d";

/// Lines in the manner of a job: `PASS`, `FAIL`, `FIGURE`.
pub(crate) fn check(what: After, folder: &Path, program: &Path) -> String {
    let lines = match what {
        After::Faces => capture(folder).and_then(|events| faces(&events, folder)),
        After::Arrival => capture(folder).and_then(|events| arrival(&events, folder)),
        After::Handover => handover(folder),
        After::Takeover => takeover(folder),
        After::Session => session(folder, program),
    };
    lines.unwrap_or_else(|what| format!("FAIL {what}\n"))
}

fn capture(folder: &Path) -> Result<Vec<Event>, String> {
    let path = folder.join("usbmon.raw");
    let stream = fs::read(&path).map_err(|e| format!("{}: {e}", path.display()))?;
    Ok(capture::events(&stream))
}

/// The product ids of the device descriptors, in order and without repetition, are those in the file `faces`.
fn faces(events: &[Event], folder: &Path) -> Result<String, String> {
    let file = folder.join("usbmon.pcap");
    fs::write(&file, capture::file(events)).map_err(|e| format!("{}: {e}", file.display()))?;
    shows_faces(&file, folder, &format!("{} events", events.len()))
}

fn shows_faces(file: &Path, folder: &Path, what: &str) -> Result<String, String> {
    let expected = fs::read_to_string(folder.join("faces")).map_err(|e| format!("faces: {e}"))?;
    let mut tshark = Command::new("tshark");
    tshark.arg("-r").arg(file).args(["-Y", "usb.idProduct", "-T", "fields"]);
    let shown = tools::output(tshark.args(["-e", "usb.idVendor", "-e", "usb.idProduct"]))?;
    let seen = in_order(&shown);
    let text = format!("tshark opens {what} and shows {seen}");
    let right = seen.split_whitespace().eq(expected.split_whitespace());
    Ok(if right { format!("PASS {text}\n") } else { format!("FAIL {text}, not {expected}\n") })
}

/// What the plugin has to name in the recording of a read.
const COMMANDS: [&str; 3] = ["SEND_DA", "JUMP_DA", "NAND_READ"];
/// What it must not find there.
const ODD: [&str; 5] = ["_ws.malformed", "_ws.lua.error", "mtk.out_of_step", "mtk.unknown", "mtk.bad_sum"];

/// `session.pcapng` shows the faces in the file `faces`, and the plugin of `program` understands all of it.
fn session(folder: &Path, program: &Path) -> Result<String, String> {
    let file = folder.join("session.pcapng");
    let mut lines = shows_faces(&file, folder, "the recording")?;
    let script = folder.join("mtk.lua");
    let plugin = tools::output(Command::new(program).args(["wireshark", "show"]))?;
    fs::write(&script, plugin).map_err(|e| format!("{}: {e}", script.display()))?;
    let mut tshark = Command::new("tshark");
    tshark.args(["-2", "-X", &format!("lua_script:{}", script.display()), "-r"]).arg(&file);
    tshark.args(["-T", "fields", "-e", "mtk.brom.cmd_name", "-e", "mtk.da.cmd_name"]);
    tshark.args(ODD.iter().flat_map(|field| ["-e", field]));
    let shown = tools::output(&mut tshark)?;
    lines += &understood(&shown);
    Ok(lines)
}

/// Judges lines of two fields with names of commands and those of [`ODD`].
fn understood(shown: &str) -> String {
    let rows = shown.lines().map(|line| line.split('\t').collect::<Vec<_>>());
    let (mut named, mut odd) = (0, 0);
    let mut missing = COMMANDS.to_vec();
    for row in rows {
        let names = row.iter().take(2).flat_map(|field| field.split(',')).filter(|name| !name.is_empty());
        for name in names {
            named += 1;
            missing.retain(|wanted| *wanted != name);
        }
        odd += usize::from(row.iter().skip(2).any(|field| !field.is_empty()));
    }
    let text = format!("the plugin names {named} commands, {odd} frames are odd");
    match (odd, missing.as_slice()) {
        (0, []) => format!("PASS {text}\n"),
        _ => format!("FAIL {text}; missing: {}\n", missing.join(", ")),
    }
}

fn in_order(shown: &str) -> String {
    let mut seen: Vec<&str> = Vec::new();
    for line in shown.lines() {
        if let Some((VENDOR, product)) = line.split_once('\t') {
            let product = product.trim_start_matches("0x");
            if seen.last() != Some(&product) {
                seen.push(product);
            }
        }
    }
    seen.join(" ")
}

/// From the kernel's `add` event of each plug-in to the first byte a program sends to that device.
fn arrival(events: &[Event], folder: &Path) -> Result<String, String> {
    let log = text(folder, "events.txt")?;
    let adds: Vec<_> = log.lines().filter_map(add).collect();
    let first = |from: Duration, until: Duration, device| {
        let mut sent = events.iter().filter(|e| e.sends() && e.device() == device).map(Event::at);
        sent.find(|at| (from..until).contains(at))
    };
    Ok(distribution(
        "from the kernel's event to the first handshake byte",
        "plug-ins",
        "a first byte",
        &adds,
        first,
    ))
}

/// From the kernel's `add` event of each face to the moment `bromide vm attach` says that the guest has it.
fn handover(folder: &Path) -> Result<String, String> {
    let (log, followed) = (text(folder, "events.txt")?, text(folder, "follow.json")?);
    let adds: Vec<_> = log.lines().filter_map(add).collect();
    let attached: Vec<_> = followed.lines().filter_map(attached).collect();
    let first = |from, until, _| attached.iter().copied().find(|at| (from..until).contains(at));
    let what = "from the kernel's event to the guest having the phone, `bromide vm attach`";
    Ok(distribution(what, "faces", "in the guest", &adds, first))
}

/// From the kernel's `add` event to its driver being taken off by QEMU's own matching.
fn takeover(folder: &Path) -> Result<String, String> {
    let log = text(folder, "events.txt")?;
    let adds: Vec<_> = log.lines().filter_map(add).collect();
    let unbound: Vec<_> = log.lines().filter(|l| l.contains(" unbound e8d/")).filter_map(time).collect();
    let first = |from, until, _| unbound.iter().copied().find(|at| (from..until).contains(at));
    let what = "from the kernel's event to QEMU's own matching (`vendorid=`) having the phone";
    Ok(distribution(what, "faces", "taken", &adds, first))
}

fn text(folder: &Path, name: &str) -> Result<String, String> {
    fs::read_to_string(folder.join(name)).map_err(|e| format!("{name}: {e}"))
}

/// An appearance of a phone: when, and where.
type Appearance = (Duration, (u32, u32));

/// How long after each appearance something came first: a verdict, and a figure.
fn distribution(
    what: &str,
    of: &str,
    came: &str,
    adds: &[Appearance],
    first: impl Fn(Duration, Duration, (u32, u32)) -> Option<Duration>,
) -> String {
    let mut took = Vec::new();
    for (number, (at, device)) in adds.iter().enumerate() {
        let until = adds.get(number + 1).map_or(Duration::MAX, |next| next.0);
        took.extend(first(*at, until, *device).map(|then| then - *at));
    }
    took.sort();
    let part = |share: usize| {
        let at = (took.len() * share / 100).min(took.len().saturating_sub(1));
        took.get(at).map_or(f64::NAN, |t| t.as_secs_f64() * 1e3)
    };
    let (all, answered) = (adds.len(), took.len());
    let word = if all > 0 && answered == all { "PASS" } else { "FAIL" };
    format!(
        "{word} {came}: {answered} of {all} {of}\n\
         FIGURE {what}, {all} {of} | median {:.1} ms | 10 %: {:.1} ms, 90 %: {:.1} ms, slowest: {:.1} ms | \n",
        part(50),
        part(10),
        part(90),
        part(100)
    )
}

/// When `bromide vm attach` says, in a line for programs, that the guest has the phone.
fn attached(line: &str) -> Option<Duration> {
    line.contains("\"event\":\"attached\"").then_some(())?;
    let (_, rest) = line.split_once("\"clock\":")?;
    let end = rest.find([',', '}'])?;
    rest.get(..end)?.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
}

/// `SECONDS add e8d/2000/100 BUS DEVICE`: a phone.
fn add(line: &str) -> Option<Appearance> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let [_, "add", product, bus, device] = words.as_slice() else { return None };
    product.starts_with("e8d/").then_some(())?;
    // With leading zeros in the event, without in usbmon's head.
    Some((time(line)?, (bus.parse().ok()?, device.parse().ok()?)))
}

/// The seconds, to the microsecond, that a line begins with.
fn time(line: &str) -> Option<Duration> {
    let (seconds, micros) = line.split_whitespace().next()?.split_once('.')?;
    Some(Duration::from_secs(seconds.parse().ok()?) + Duration::from_micros(micros.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faces_are_told_in_order_without_repetition() {
        let shown = "0x1d6b\t0x0002\n0x0e8d\t0x0003\n0x0e8d\t0x0003\n0x0e8d\t0x2001\n0x0e8d\t0x0003\n";
        assert_eq!(in_order(shown), "0003 2001 0003");
    }

    #[test]
    fn only_the_line_that_says_attached_is_the_guest_having_it() {
        let line = r#"{"at_ms":12,"clock":1700000000.25,"event":"attached","face":"bootrom"}"#;
        assert_eq!(attached(line), Some(Duration::from_millis(1_700_000_000_250)));
        assert_eq!(attached(&line.replace("attached", "came")), None);
    }

    #[test]
    fn one_appearance_without_an_answer_fails_it() {
        let adds = [(Duration::from_secs(1), (1, 2)), (Duration::from_secs(3), (1, 3))];
        let all = |from: Duration, _, _| Some(from + Duration::from_millis(50));
        assert!(
            distribution("w", "faces", "x", &adds, all)
                .starts_with("PASS x: 2 of 2 faces\nFIGURE w, 2 faces | median 50.0 ms")
        );
        let one = |from: Duration, _, _| (from < Duration::from_secs(2)).then_some(from);
        assert!(distribution("w", "faces", "x", &adds, one).starts_with("FAIL"));
        assert!(distribution("w", "faces", "x", &[], all).starts_with("FAIL"));
    }

    #[test]
    fn a_recording_is_understood_when_every_command_is_named_and_nothing_is_odd() {
        let good = "SEND_DA\t\t\t\t\t\t\n\t\t\t\t\t\t\nJUMP_DA\t\t\t\t\t\t\n\tNAND_READ,FINISH\t\t\t\t\t\n";
        assert_eq!(understood(good), "PASS the plugin names 4 commands, 0 frames are odd\n");
        assert!(understood("SEND_DA\t\t\t\t\t\t\n").starts_with("FAIL"));
        assert!(understood(&format!("{good}\t\t\t\t1\t\t\n")).starts_with("FAIL"));
        assert!(understood("").starts_with("FAIL"));
    }

    #[test]
    fn only_a_phone_that_is_added_counts() {
        let line = "1700000000.000250 add e8d/2000/100 001 007";
        assert_eq!(add(line), Some((Duration::from_micros(1_700_000_000_000_250), (1, 7))));
        assert_eq!(add("1.0 remove e8d/2000/100 001 007"), None);
        assert_eq!(add("1.0 add 1d6b/2/602 001 001"), None);
    }
}
