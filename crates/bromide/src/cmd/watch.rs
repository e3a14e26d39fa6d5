//! `watch`: one line for every coming and going of a phone, as it happens.

use std::io::{self, ErrorKind, Write};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use bromide_job::event::Event;
use bromide_link::Cancel;
use bromide_link::usb::{Change, Details, Places, WantedPort, Watch as Watcher, list};
use bromide_proto::bus::{Face, Sighting};
use bromide_proto::link::LinkError;
use clap::Args;
use serde_json::json;

use crate::choose::port_chain;
use crate::cmd::devices::{HOW_TO_CATCH, Place, face_word, next_step, no_bus, object, speed_word};
use crate::front::Front;
use crate::report::{Failure, exit};
use crate::usb_recording::{self, UsbRecording, Wish};

/// How often a recording is asked how it is.
const ASK: Duration = Duration::from_millis(500);

/// Tell live what MediaTek phones do on USB: which mode appears at which port, how long it stays, what to do next
///
/// Each line is one change: seconds since the start, port, what came or left. Leave it running in a
/// second window while you find out how to bring a phone into its download mode. Nothing is opened;
/// root is not needed. Ctrl-C ends it.
///
/// With --record FILE it also records what any program on this machine says to the phone, or one in
/// a virtual machine on it: the vendor's flash tool, another open one, Bromide itself. Start it
/// first, use the other program, end it with Ctrl-C. Linux only; the kernel's usbmon has to be there
/// (sudo modprobe usbmon) and your user has to be allowed to read it: the message says how.
///
/// Recorded is one phone in BootROM, preloader or agent mode: that at --port, else the first that
/// comes, through all its changes. Other devices are left out, also the phone when it runs its own
/// system. What the kernel cuts (transfers over 60 KiB) or loses on a busy machine is counted and
/// noted where it happened. FILE is FILE.part until the end; a run that was killed leaves that, and
/// it can be used as far as it goes.
///
/// Look at it, with every command by its name:
///
///   bromide wireshark install
///   tshark -2 -r FILE -Y mtk -T fields -e frame.number -e mtk.face -e _ws.col.Info
///
/// Say the same to the recorded phone once more, with Bromide or with another program:
///
///   bromide info --da DA.bin --via replay:FILE
///   bromide log replay FILE --as-phone --listen pty:phone.tty
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Watch {
    /// Only the phone at this port, like 1-4.2 (bromide devices lists them)
    #[arg(long, value_name = "PORTCHAIN", value_parser = port_chain)]
    pub(crate) port: Option<String>,
    /// Record in this file what any program says to the phone (pcapng, for Wireshark and for --via replay:FILE)
    #[arg(long, value_name = "FILE")]
    pub(crate) record: Option<PathBuf>,
    /// Replace the file of --record if it exists, and discard what an interrupted recording left
    #[arg(long, requires = "record")]
    pub(crate) force: bool,
    #[command(flatten)]
    pub(crate) place: Place,
}

/// `bromide watch`: until Ctrl-C, which is how it is meant to end.
pub(crate) fn watch(args: &Watch, front: &mut Front, cancel: &Cancel) -> Result<(), Failure> {
    let places = args.place.places();
    let Some(target) = &args.record else {
        return Watched { port: args.port.as_deref(), places, recording: None }.tell_all(front, cancel);
    };
    // Known before there is a file.
    list(&places).map_err(|e| no_bus(&e, &places))?;
    let port = WantedPort::new(args.port.clone());
    let wish = Wish { target, force: args.force, places: places.clone(), port: port.clone() };
    let recording = usb_recording::start(wish)?;
    match front {
        Front::Screen(screen) => screen.say(&format!("Recording into {}", target.display())),
        Front::Json(json) => {
            json.line(&json!({"event": "recording", "file": target.to_string_lossy(), "port": args.port}))
        }
    }
    let told = args.port.is_some();
    let mut asked = Asked { recording, port, told };
    let watched =
        Watched { port: args.port.as_deref(), places, recording: Some(&mut asked) }.tell_all(front, cancel);
    let ended = asked.recording.finish();
    watched?;
    ended?.tell(front);
    Ok(())
}

/// A recording that goes on beside, and what was told of it.
struct Asked {
    recording: UsbRecording,
    port: WantedPort,
    /// Whether it was told which port it is.
    told: bool,
}

impl Asked {
    fn tell(&mut self, front: &mut Front) {
        while let Some(trouble) = self.recording.trouble() {
            front.tell(&Event::Warning(&trouble));
        }
        let Some(port) = self.port.get().filter(|_| !self.told) else { return };
        self.told = true;
        match front {
            Front::Screen(screen) => screen.say(&format!("Recording the phone at port {port}")),
            Front::Json(json) => json.line(&json!({"event": "recording", "port": port})),
        }
    }
}

/// What is watched.
struct Watched<'a> {
    port: Option<&'a str>,
    places: Places,
    recording: Option<&'a mut Asked>,
}

impl Watched<'_> {
    /// Every change on a line, until the user or whoever reads has enough.
    fn tell_all(mut self, front: &mut Front, cancel: &Cancel) -> Result<(), Failure> {
        let (mut watcher, start, mut first) = (Watcher::new(self.places.clone()), Instant::now(), true);
        let patience = if self.recording.is_some() { ASK } else { Duration::MAX };
        loop {
            let change = watcher.next(if first { Duration::ZERO } else { patience }, cancel);
            if let Some(recording) = &mut self.recording {
                recording.tell(front);
            }
            let change = match change {
                Ok(change) => change,
                Err(LinkError::Timeout(_)) => {
                    if let (Front::Screen(screen), true) = (&mut *front, first) {
                        screen.say(&format!("Watching USB; Ctrl-C ends it. To see a phone: {HOW_TO_CATCH}"));
                    }
                    first = false;
                    continue;
                }
                Err(LinkError::Cancelled) => return Ok(()),
                Err(e) => return Err(unwatched(e, &self.places)),
            };
            let (Change::Came { seen, .. } | Change::Left { seen, .. }) = &change;
            if self.port.is_some_and(|port| port != seen.port) {
                continue;
            }
            if !tell(&text(&change, start.elapsed(), &self.places, front))? {
                return Ok(());
            }
        }
    }
}

/// There is nothing to be watched.
fn unwatched(error: LinkError, places: &Places) -> Failure {
    match error {
        LinkError::Other(e) => match e.downcast::<io::Error>() {
            Ok(e) => no_bus(&e, places),
            Err(e) => Failure::new("usb/list", exit::FAILED, e.to_string(), ""),
        },
        e => Failure::new("usb/list", exit::FAILED, e.to_string(), ""),
    }
}

fn text(change: &Change, at: Duration, places: &Places, front: &Front) -> String {
    match (change, front) {
        (Change::Came { seen, device, before }, Front::Json(_)) => {
            let mut object = object("came", seen, &Details::of(device, places));
            object["at_ms"] = json!(at.as_millis() as u64);
            object["before"] = json!(before);
            object.to_string()
        }
        (Change::Left { seen, stayed }, Front::Json(_)) => json!({
            "event": "left",
            "port": seen.port,
            "face": face_word(seen.face),
            "id": format!("{:04x}:{:04x}", seen.vid, seen.pid),
            "speed": speed_word(seen.speed),
            "at_ms": at.as_millis() as u64,
            "stayed_ms": stayed.as_millis() as u64,
            "next": after(seen),
        })
        .to_string(),
        (Change::Came { seen, device, before }, Front::Screen(_)) => {
            let verb = if *before { "is there" } else { "came" };
            line(at, seen, verb, &next_step(seen, Details::of(device, places).access))
        }
        (Change::Left { seen, stayed }, Front::Screen(_)) => {
            line(at, seen, &format!("left after {:.1} s", stayed.as_secs_f64()), after(seen))
        }
    }
}

fn line(at: Duration, seen: &Sighting, verb: &str, next: &str) -> String {
    let Sighting { face, vid, pid, port, speed } = seen;
    format!("{:9.3}  {port:<8} {face} ({vid:04x}:{pid:04x}, {speed}) {verb}; next: {next}", at.as_secs_f64())
}

/// What to do when a face has gone.
fn after(seen: &Sighting) -> &'static str {
    match seen.face {
        Face::Android => "when it is off, hold Volume-Down and plug in",
        Face::Preloader => "the phone boots on; to catch it start bromide info or read, then plug in again",
        Face::BootRom => "it comes back at once while Volume-Down is held; if not, plug in again",
        Face::Agent => "for another run take the battery out for a moment, then plug in again",
    }
}

/// One line at once. False: nobody reads any more.
fn tell(text: &str) -> Result<bool, Failure> {
    let mut out = io::stdout().lock();
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        Ok(()) => Ok(true),
        Err(e) if e.kind() == ErrorKind::BrokenPipe => Ok(false),
        Err(e) => Err(Failure::new("file/io", exit::FAILED, format!("standard output: {e}"), "")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bromide_proto::bus::BusSpeed;

    #[test]
    fn a_line_tells_time_port_face_id_speed_and_the_next_step() {
        let seen = Sighting {
            face: Face::Preloader,
            vid: 0x0e8d,
            pid: 0x2000,
            port: "1-4.2".into(),
            speed: BusSpeed::High,
        };
        assert_eq!(
            line(Duration::from_millis(12_345), &seen, "left after 2.9 s", after(&seen)),
            "   12.345  1-4.2    preloader (0e8d:2000, high speed) left after 2.9 s; next: the phone boots on; to catch it \
             start bromide info or read, then plug in again"
        );
    }
}
