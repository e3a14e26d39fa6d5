//! What happens while a phone is followed into a guest: one line each, with its time.

use std::io::{self, ErrorKind, Write};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bromide_proto::bus::Sighting;
use bromide_vm::{Event, GuestPort};
use serde_json::{Value, json};

use super::{Guest, advice};
use crate::cmd::devices::{face_word, speed_word};
use crate::front::Front;
use crate::out::harmless;

/// The follower begins.
pub(super) fn waiting(front: &mut Front, name: &str, state: &str, port: &GuestPort) {
    match front {
        Front::Json(json) => json.line(&json!({
            "event": "waiting", "machine": name, "state": state, "guest_bus": port.bus, "guest_port": port.port,
        })),
        Front::Screen(screen) => screen.say(&harmless(&format!(
            "Waiting for the phone; it goes to {port} of {name} ({state}). Ctrl-C ends this and takes it back.\n\
             Another time, keep the port: --guest-bus {} --guest-port {}",
            port.bus, port.port
        ))),
    }
}

/// Tells one event; false: nobody reads any more.
pub(super) fn event(event: &Event, at: Duration, guest: &Guest, front: &Front) -> bool {
    let text = match front {
        Front::Json(_) => {
            let mut value = value(event, guest);
            value["at_ms"] = json!(millis(at));
            // For whoever lays this beside other records of the same run.
            value["clock"] =
                json!(SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |it| it.as_secs_f64()));
            value.to_string()
        }
        Front::Screen(_) => line(event, at, guest),
    };
    let mut out = io::stdout().lock();
    match writeln!(out, "{}", harmless(&text)).and_then(|()| out.flush()) {
        Ok(()) => true,
        Err(e) => e.kind() != ErrorKind::BrokenPipe,
    }
}

fn line(event: &Event, at: Duration, guest: &Guest) -> String {
    let stamped = |port: &str, text: String| format!("{:9.3}  {port:<8} {text}", at.as_secs_f64());
    let shown =
        |seen: &Sighting| format!("{} ({:04x}:{:04x}, {})", seen.face, seen.vid, seen.pid, seen.speed);
    match event {
        Event::Came { seen, before } => {
            let verb = if *before { "is there" } else { "came" };
            stamped(&seen.port, format!("{} {verb}", shown(seen)))
        }
        Event::Passed(seen) => stamped(&seen.port, "stays with this computer: not among --faces".to_owned()),
        Event::Elsewhere { seen, followed } => stamped(
            &seen.port,
            format!(
                "{} came, and stays with this computer: the phone at {followed} is followed (--port)",
                shown(seen)
            ),
        ),
        Event::TakingBack => {
            stamped("", "taking the phone back (Ctrl-C again leaves it in the guest)".to_owned())
        }
        Event::Attached { seen, port, took, since_kernel } => {
            let since = match since_kernel {
                Some(since) => format!(", {} ms after the kernel had it", millis(*since)),
                None => String::new(),
            };
            stamped(
                &seen.port,
                format!("is in the guest, at {port}{since} (asked for: {} ms)", millis(*took)),
            )
        }
        Event::Missed { seen, tried, stayed } => stamped(
            &seen.port,
            format!(
                "left before the guest had it: it was there for {:.1} s, and was asked for during {:.1} s\n  next: {}",
                stayed.as_secs_f64(),
                tried.as_secs_f64(),
                advice::MISSED
            ),
        ),
        Event::NotAttached(seen, why) => {
            let advice =
                advice::of(why, guest).map(|advice| format!("\n  next: {advice}")).unwrap_or_default();
            stamped(&seen.port, format!("is not in the guest: {why} [{}]{advice}", why.code()))
        }
        Event::Left { seen, stayed } => {
            stamped(&seen.port, format!("{} left after {:.1} s", shown(seen), stayed.as_secs_f64()))
        }
        Event::Detached { took, stale: false, .. } => {
            stamped("", format!("is out of the guest ({} ms)", millis(*took)))
        }
        Event::Detached { id, took, stale: true } => {
            stamped("", format!("{id}, left in the guest earlier, is out of it ({} ms)", millis(*took)))
        }
        Event::GivenBack { port, drivers } if drivers.is_empty() => stamped(
            port,
            format!("is this computer's again, but no driver has taken it\n  next: {}", advice::NO_DRIVER),
        ),
        Event::GivenBack { port, drivers } => {
            stamped(port, format!("is this computer's again, driver {}", drivers.join(" and ")))
        }
    }
}

fn value(event: &Event, guest: &Guest) -> Value {
    let phone = |word: &str, seen: &Sighting| {
        json!({
            "event": word, "port": seen.port, "face": face_word(seen.face),
            "id": format!("{:04x}:{:04x}", seen.vid, seen.pid), "speed": speed_word(seen.speed),
        })
    };
    let with = |mut object: Value, more: &[(&str, Value)]| {
        for (key, value) in more {
            object[*key] = value.clone();
        }
        object
    };
    match event {
        Event::Came { seen, before } => with(phone("came", seen), &[("before", json!(before))]),
        Event::Passed(seen) => phone("passed", seen),
        Event::Elsewhere { seen, followed } => {
            with(phone("elsewhere", seen), &[("followed", json!(followed))])
        }
        Event::TakingBack => json!({"event": "taking-back"}),
        Event::Attached { seen, port, took, since_kernel } => with(
            phone("attached", seen),
            &[
                ("guest_bus", json!(port.bus)),
                ("guest_port", json!(port.port)),
                ("took_ms", json!(millis(*took))),
                ("since_kernel_ms", json!(since_kernel.map(millis))),
            ],
        ),
        Event::Missed { seen, tried, stayed } => with(
            phone("missed", seen),
            &[
                ("tried_ms", json!(millis(*tried))),
                ("stayed_ms", json!(millis(*stayed))),
                ("advice", json!(advice::MISSED)),
            ],
        ),
        Event::NotAttached(seen, why) => with(
            phone("not-attached", seen),
            &[
                ("code", json!(why.code())),
                ("text", json!(why.to_string())),
                ("advice", json!(advice::of(why, guest))),
            ],
        ),
        Event::Left { seen, stayed } => with(phone("left", seen), &[("stayed_ms", json!(millis(*stayed)))]),
        Event::Detached { id, took, stale } => {
            json!({"event": "detached", "id": id, "took_ms": millis(*took), "stale": stale})
        }
        Event::GivenBack { port, drivers } => {
            json!({"event": "given-back", "port": port, "drivers": drivers})
        }
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bromide_proto::bus::{BusSpeed, Face};

    fn seen() -> Sighting {
        Sighting { face: Face::BootRom, vid: 0x0e8d, pid: 3, port: "1-4".into(), speed: BusSpeed::Full }
    }

    fn guest() -> Guest {
        Guest { domain: Some("winxp".into()), connect: None, qmp: None }
    }

    #[test]
    fn a_line_tells_when_where_and_how_long_after_the_kernel() {
        let attached = Event::Attached {
            seen: seen(),
            port: GuestPort { bus: "xhci.0".into(), port: 3 },
            took: Duration::from_millis(41),
            since_kernel: Some(Duration::from_millis(56)),
        };
        assert_eq!(
            line(&attached, Duration::from_millis(1_056), &guest()),
            "    1.056  1-4      is in the guest, at guest port 3 of USB bus xhci.0, 56 ms after the kernel had it (asked \
             for: 41 ms)"
        );
    }

    #[test]
    fn what_goes_wrong_is_told_with_what_to_do_next() {
        let missed = Event::Missed {
            seen: seen(),
            tried: Duration::from_millis(1400),
            stayed: Duration::from_secs(1),
        };
        let text = line(&missed, Duration::ZERO, &guest());
        assert!(
            text.contains("there for 1.0 s") && text.contains("during 1.4 s") && text.contains("next: "),
            "{text}"
        );
        let claimed = Event::NotAttached(seen(), bromide_vm::VmError::Claimed("other (process 7)".into()));
        let text = line(&claimed, Duration::ZERO, &guest());
        assert!(text.contains("in use by other (process 7) [vm/claimed]\n  next: "), "{text}");
        assert_eq!(value(&missed, &guest())["event"], "missed");
        let silent = Event::NotAttached(seen(), bromide_vm::VmError::NoAnswer(Duration::from_secs(10)));
        assert!(line(&silent, Duration::ZERO, &guest()).contains("bromide vm status winxp shows"));
    }
}
