//! `devices`: the phones on USB and the ports between them and the machine, as one looks for them in a port tree.
//!
//! Nothing is opened, so it works without root and disturbs no other program.

use std::path::PathBuf;

use bromide_link::usb::{Access, Details, Device, NoBus, Places, list};
use bromide_proto::bus::{BusSpeed, Face, Sighting};
use clap::Args;
use serde_json::{Value, json};

use crate::front::Front;
use crate::out::{self, harmless};
use crate::report::{Failure, NO_BUS, exit};

/// What helps a phone into a mode in which it can be read.
pub(crate) const HOW_TO_CATCH: &str = "switch the phone off, hold Volume-Down, plug in";

/// Show the MediaTek phones on USB: port, mode, speed, driver, serial port, access, and what to do next
///
/// The port chain in the first column (like 1-4.2) names a phone for --via usb:1-4.2; it stays the same while the
/// phone changes its mode. Nothing is opened or changed; root is not needed.
#[derive(Debug, Args)]
pub(crate) struct Devices {
    #[command(flatten)]
    pub(crate) place: Place,
}

/// Where the system's view of its devices is; another place is for tests.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Place {
    /// Folder with sys and dev instead of the root
    #[arg(long = "usb-root", value_name = "FOLDER", hide = true)]
    root: Option<PathBuf>,
}

impl Place {
    pub(crate) fn places(&self) -> Places {
        let at = |root: &PathBuf| Places { sys: root.join("sys"), dev: root.join("dev") };
        self.root.as_ref().map_or_else(Places::default, at)
    }
}

/// `bromide devices`.
pub(crate) fn devices(args: &Devices, front: &mut Front) -> Result<(), Failure> {
    let places = args.place.places();
    let all = list(&places).map_err(|e| no_bus(&e, &places))?;
    let phones: Vec<_> = all.iter().filter_map(|d| Some((d.sighting()?, d))).collect();
    if let Front::Json(json) = front {
        for (seen, device) in &phones {
            json.line(&object("device", seen, &Details::of(device, &places)));
        }
        return Ok(());
    }
    if phones.is_empty() {
        front.say(&format!(
            "No MediaTek phone is on USB.\n  next: {HOW_TO_CATCH}; bromide watch shows what happens"
        ));
        return Ok(());
    }
    out::result(&tree(&all, &places))
}

/// The system does not list USB devices.
pub(crate) fn no_bus(error: &std::io::Error, places: &Places) -> Failure {
    let folder = places.sys.join("bus/usb/devices");
    if error.kind() == std::io::ErrorKind::NotFound {
        return Failure::new("usb/no-bus", exit::FAILED, NoBus(folder).to_string(), NO_BUS);
    }
    Failure::new("usb/list", exit::FAILED, format!("{}: {error}", folder.display()), "")
}

/// Every phone, below the hubs that lead to it.
fn tree(all: &[Device], places: &Places) -> Vec<String> {
    let mut lines = Vec::new();
    for device in all {
        let indent = "  ".repeat(depth(&device.port));
        if let Some(seen) = device.sighting() {
            let details = Details::of(device, places);
            lines.push(format!("{indent}{}  {}", device.port, line(&seen, &details)));
            lines.push(format!("{indent}  next: {}", next_step(&seen, details.access)));
        } else if device.hub && all.iter().any(|d| leads_to(device, d)) {
            let what = if device.port.starts_with("usb") { "root hub" } else { "hub" };
            lines.push(format!("{indent}{}  {what}, {}", device.port, device.speed));
        }
    }
    lines
}

/// Hubs between a device and the machine, the root hub included.
fn depth(port: &str) -> usize {
    if port.starts_with("usb") { 0 } else { 1 + port.matches('.').count() }
}

/// Whether a phone hangs somewhere below a hub.
fn leads_to(hub: &Device, device: &Device) -> bool {
    let below = match hub.port.strip_prefix("usb") {
        Some(bus) => device.port.strip_prefix(bus).is_some_and(|rest| rest.starts_with('-')),
        None => device.port.strip_prefix(&hub.port).is_some_and(|rest| rest.starts_with('.')),
    };
    below && device.sighting().is_some()
}

fn line(seen: &Sighting, details: &Details) -> String {
    let mut line = format!("{} {:04x}:{:04x}, {}", seen.face, seen.vid, seen.pid, seen.speed);
    match details.drivers.as_slice() {
        [] => line += ", no driver",
        drivers => line += &format!(", driver {}", harmless(&drivers.join(" and "))),
    }
    if let Some(tty) = &details.tty {
        line += &format!(", {}", harmless(&tty.display().to_string()));
    }
    line += match details.access {
        Access::Granted => ", access ok",
        Access::Denied => ", no permission",
        Access::Missing => ", no device file",
    };
    if let Some(product) = &details.product {
        line += &format!(", \"{}\"", harmless(product));
    }
    line
}

/// What to do with a phone that shows this face.
pub(crate) fn next_step(seen: &Sighting, access: Access) -> String {
    let node = "sudo bromide setup linux --install lets your user open it";
    match (seen.face, access) {
        (Face::Android, _) => format!("its own system runs; {HOW_TO_CATCH}"),
        (_, Access::Denied) => node.into(),
        (_, Access::Missing) => "the device file is missing: a container has to be given /dev/bus/usb".into(),
        (Face::Preloader, _) => {
            "it leaves within 3 s: start bromide info or read first, then plug in again".into()
        }
        (Face::BootRom, _) => format!("it can be read: bromide info --da DA.bin --via usb:{}", seen.port),
        (Face::Agent, _) => {
            "an agent of another run is at work; if none is running, take the battery out for a moment".into()
        }
    }
}

/// A phone for programs.
pub(crate) fn object(event: &str, seen: &Sighting, details: &Details) -> Value {
    json!({
        "event": event,
        "port": seen.port,
        "face": face_word(seen.face),
        "id": format!("{:04x}:{:04x}", seen.vid, seen.pid),
        "speed": speed_word(seen.speed),
        "product": details.product,
        "drivers": details.drivers,
        "tty": details.tty,
        "node": details.node,
        "access": match details.access {
            Access::Granted => "ok",
            Access::Denied => "denied",
            Access::Missing => "missing",
        },
        "next": next_step(seen, details.access),
    })
}

/// Stable names for programs.
pub(crate) const fn face_word(face: Face) -> &'static str {
    match face {
        Face::Android => "android",
        Face::Preloader => "preloader",
        Face::BootRom => "bootrom",
        Face::Agent => "agent",
    }
}

/// Stable names for programs; null where the system does not say.
pub(crate) const fn speed_word(speed: BusSpeed) -> Option<&'static str> {
    match speed {
        BusSpeed::Low => Some("low"),
        BusSpeed::Full => Some("full"),
        BusSpeed::High => Some("high"),
        BusSpeed::Super => Some("super"),
        BusSpeed::Unknown => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(port: &str, vid: u16, pid: u16, hub: bool) -> Device {
        Device { port: port.into(), bus: 1, address: 1, vid, pid, speed: BusSpeed::High, hub }
    }

    #[test]
    fn only_hubs_that_lead_to_a_phone_are_shown() {
        let all = [
            device("usb1", 0x1d6b, 2, true),
            device("1-1", 0x05e3, 0x608, true),
            device("1-1.2", 0x046d, 0xc31c, false),
            device("1-10", 0x05e3, 0x608, true),
            device("1-10.2", 0x0e8d, 0x2000, false),
            device("usb11", 0x1d6b, 2, true),
        ];
        let nowhere = Places { sys: "/nonexistent".into(), dev: "/nonexistent".into() };
        let lines = tree(&all, &nowhere);
        assert_eq!(
            lines,
            [
                "usb1  root hub, high speed",
                "  1-10  hub, high speed",
                "    1-10.2  preloader 0e8d:2000, high speed, no driver, no device file",
                "      next: the device file is missing: a container has to be given /dev/bus/usb",
            ]
        );
    }

    #[test]
    fn the_next_step_fits_the_face_and_the_access() {
        let seen = |vid, pid| device("1-4", vid, pid, false).sighting().unwrap();
        assert!(next_step(&seen(0x0bb4, 0x0c03), Access::Denied).contains("hold Volume-Down"));
        assert!(next_step(&seen(0x0e8d, 3), Access::Granted).contains("--via usb:1-4"));
        assert!(next_step(&seen(0x0e8d, 3), Access::Denied).contains("setup linux"));
    }
}
