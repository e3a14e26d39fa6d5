//! `phone serve`, `phone demo-agent`, `phone models`.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use bromide_job::event::Event;
use bromide_link::Cancel;
use bromide_phone::serve::{self, Serving, Terms};
use bromide_phone::usb::VENDOR;
use bromide_phone::{Generation, Model, demo_agent};

use crate::cli::{AgentFormat, Listen, Serve};
use crate::faults;
use crate::front::Front;
use crate::out;
use crate::report::{Failure, exit};
use crate::virtual_phone::Spec;

/// `bromide phone serve`: until Ctrl-C.
pub(crate) fn serve(args: Serve, front: &mut Front, cancel: &Cancel) -> Result<(), Failure> {
    let usage =
        |what: String| Failure::new("phone/cannot-serve", exit::USAGE, what, "bromide phone serve --help");
    let mut spec: Spec = args.model.parse().map_err(usage)?;
    spec.keys(&args.with).map_err(usage)?;
    if let Some(faults) = &args.fault {
        faults::of_served_phone(faults)?;
        spec.break_chip(faults);
        front.tell(&Event::Warning(&format!("faults are injected on purpose: {faults}")));
    }
    if args.flash.is_some() {
        spec.flash = args.flash;
    }
    spec.announce(front);
    let mut phone = spec.phone(cancel)?;
    let terms = Terms { pace: spec.pace, stop: cancel.flag() };
    let begun = Instant::now();
    let tell = &mut |serving: Serving| say(front, &serving, begun.elapsed());
    let ended = match &args.listen {
        Listen::Pty(link) => serve::pty(&mut phone, link.as_deref(), terms, tell),
        Listen::Tcp(address) => serve::tcp(&mut phone, address, terms, tell),
        Listen::UsbIp(address) => serve::usbip(&mut phone, address, terms, tell),
        Listen::UsbRedir(path) => serve::usbredir(&mut phone, path, terms, tell),
        Listen::Vhci(port) => serve::vhci(&mut phone, *port, terms, tell),
    };
    ended.map_err(|e| {
        Failure::new("phone/serve", exit::FAILED, e.to_string(), "choose another address or path")
    })
}

/// The address goes to standard output as well: a script waits for that line.
pub(crate) fn say(front: &mut Front, serving: &Serving, at: Duration) {
    match (front, serving) {
        (Front::Json(json), Serving::At(at)) => json.line(&serde_json::json!({"event": "serving", "at": at})),
        (Front::Json(json), other) => {
            let mut line = value(other);
            line["event"] = "phone".into();
            line["text"] = text(other).into();
            line["seconds"] = at.as_secs_f64().into();
            json.line(&line);
        }
        (Front::Screen(screen), Serving::At(at)) => {
            screen.say("The phone waits here; Ctrl-C ends it.");
            out::line(at);
        }
        (Front::Screen(screen), other) => screen.say(&format!("{:9.3} s  {}", at.as_secs_f64(), text(other))),
    }
}

/// What programs want apart.
fn value(serving: &Serving) -> serde_json::Value {
    match serving {
        Serving::At(_) | Serving::Remark(_) => serde_json::json!({"what": "remark"}),
        Serving::PluggedIn => serde_json::json!({"what": "plugged-in"}),
        Serving::Over(_) => serde_json::json!({"what": "over"}),
        Serving::Appeared { face, place } => serde_json::json!({
            "what": "attached", "vid": VENDOR, "pid": face.pid(), "speed": face.speed().to_string(), "place": place
        }),
        Serving::Left { face, why } => {
            serde_json::json!({"what": "left", "vid": VENDOR, "pid": face.pid(), "why": why})
        }
        Serving::Request(_) => serde_json::json!({"what": "request"}),
    }
}

fn text(serving: &Serving) -> String {
    match serving {
        Serving::At(at) => at.clone(),
        Serving::PluggedIn => "plugged in".into(),
        Serving::Over(ended) => format!("plug-in over: {ended}"),
        Serving::Remark(text) => text.clone(),
        Serving::Appeared { face, place } => {
            format!("attached as {VENDOR:04x}:{:04x} at {}: {place}", face.pid(), face.speed())
        }
        Serving::Left { face, why } => format!("{VENDOR:04x}:{:04x} left: {why}", face.pid()),
        Serving::Request(line) => line.clone(),
    }
}

/// `bromide phone demo-agent`.
pub(crate) fn demo_agent(format: AgentFormat, output: &Path, front: &mut Front) -> Result<(), Failure> {
    let failed = |e: std::io::Error| {
        let what = format!("{}: {e}", output.display());
        Failure::new("file/io", exit::FAILED, what, "choose another file with -o")
    };
    let mut file = fs::OpenOptions::new().write(true).create_new(true).open(output).map_err(failed)?;
    file.write_all(&demo_agent::container(generation(format))).map_err(failed)?;
    front.say(&format!("Saved   {} (for virtual phones only)", output.display()));
    Ok(())
}

const fn generation(format: AgentFormat) -> Generation {
    match format {
        AgentFormat::G1 => Generation::G1,
        AgentFormat::G2 => Generation::G2,
    }
}

/// `bromide phone models`.
pub(crate) fn models(front: &mut Front) -> Result<(), Failure> {
    let models = Model::names().into_iter().filter_map(|name| Model::builtin(name).ok());
    match front {
        Front::Json(json) => {
            for Model { name, description, .. } in models {
                json.line(&serde_json::json!({"event": "model", "name": name, "description": description}));
            }
            Ok(())
        }
        Front::Screen(_) => {
            let lines: Vec<_> = models.map(|m| format!("{:10} {}", m.name, m.description)).collect();
            out::result(&lines)
        }
    }
}
