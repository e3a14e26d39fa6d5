//! `watch`: one line for every coming and going of a phone, as it happens.

use std::io::{self, ErrorKind, Write};
use std::time::{Duration, Instant};

use bromide_link::Cancel;
use bromide_link::usb::{Change, Details, Watch as Watcher};
use bromide_proto::bus::{Face, Sighting};
use bromide_proto::link::LinkError;
use clap::Args;
use serde_json::json;

use crate::cmd::devices::{HOW_TO_CATCH, Place, face_word, next_step, no_bus, object, speed_word};
use crate::front::Front;
use crate::report::{Failure, exit};

/// Tell live what MediaTek phones do on USB: which mode appears at which port, how long it stays, what to do next
///
/// Each line is one change: seconds since the start, port, what came or left. Leave it running in a second window while
/// you find out how to bring a phone into its download mode. Nothing is opened; root is not needed. Ctrl-C ends it.
#[derive(Debug, Args)]
pub(crate) struct Watch {
    #[command(flatten)]
    pub(crate) place: Place,
}

/// `bromide watch`: until Ctrl-C, which is how it is meant to end.
pub(crate) fn watch(args: &Watch, front: &mut Front, cancel: &Cancel) -> Result<(), Failure> {
    let places = args.place.places();
    let (mut watcher, start, mut first) = (Watcher::new(places.clone()), Instant::now(), true);
    loop {
        let wait = if first { Duration::ZERO } else { Duration::MAX };
        let change = match watcher.next(wait, cancel) {
            Ok(change) => change,
            Err(LinkError::Timeout(_)) => {
                first = false;
                if let Front::Screen(screen) = front {
                    screen.say(&format!("Watching USB; Ctrl-C ends it. To see a phone: {HOW_TO_CATCH}"));
                }
                continue;
            }
            Err(LinkError::Cancelled) => return Ok(()),
            Err(LinkError::Other(e)) => {
                return Err(match e.downcast::<io::Error>() {
                    Ok(e) => no_bus(&e, &places),
                    Err(e) => Failure::new("usb/list", exit::FAILED, e.to_string(), ""),
                });
            }
            Err(e) => return Err(Failure::new("usb/list", exit::FAILED, e.to_string(), "")),
        };
        let at = start.elapsed();
        let text = match (&change, &*front) {
            (Change::Came { seen, device, before }, Front::Json(_)) => {
                let mut object = object("came", seen, &Details::of(device, &places));
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
                line(at, seen, verb, &next_step(seen, Details::of(device, &places).access))
            }
            (Change::Left { seen, stayed }, Front::Screen(_)) => {
                line(at, seen, &format!("left after {:.1} s", stayed.as_secs_f64()), after(seen))
            }
        };
        if !tell(&text)? {
            return Ok(());
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
