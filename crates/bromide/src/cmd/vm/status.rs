//! `vm status`: what the guest has on USB, and which of it is a phone of this computer.

use bromide_link::usb::{Device, list};
use bromide_vm::GuestDevice;
use clap::Args;
use serde_json::json;

use super::{Guest, advice};
use crate::cmd::devices::Place;
use crate::front::Front;
use crate::out::{self, harmless};
use crate::report::Failure;

/// Show what a virtual machine has on USB: controllers, ports, devices, and the phone if it is there
///
/// Nothing is changed. A plain QEMU listens to one program at a time at each of its QMP sockets: while vm attach runs,
/// ask through a second one (start QEMU with two -qmp options).
#[derive(Debug, Args)]
pub(crate) struct Status {
    #[command(flatten)]
    pub(crate) guest: Guest,
    #[command(flatten)]
    pub(crate) place: Place,
}

/// `bromide vm status`.
pub(crate) fn status(args: &Status, front: &mut Front) -> Result<(), Failure> {
    let mut machine = args.guest.machine()?;
    let guest = machine.look().map_err(|e| advice::failure(&e, &args.guest))?;
    // Where this computer has no USB the guest's is shown all the same.
    let there = list(&args.place.places()).unwrap_or_default();
    let name = guest.name.as_deref().or(args.guest.domain.as_deref()).unwrap_or("virtual machine");
    if let Front::Json(json) = front {
        json.line(&json!({"event": "machine", "name": name, "state": guest.state}));
        for it in &guest.controllers {
            json.line(&json!({"event": "controller", "bus": it.bus, "model": it.model, "ports": it.ports}));
        }
        for it in &guest.devices {
            let host = behind(it, &there);
            json.line(&json!({
                "event": "device", "bus": it.bus, "port": it.port, "model": it.model, "id": it.id, "ours": it.ours,
                "attached": it.attached, "host_bus": it.host.map(|it| it.0), "host_device": it.host.map(|it| it.1),
                "host_port": host.map(|it| &it.port),
                "host_id": host.map(|it| format!("{:04x}:{:04x}", it.vid, it.pid)),
            }));
        }
        return Ok(());
    }
    let mut lines = vec![format!("{name} ({})", guest.state)];
    for controller in &guest.controllers {
        let ports = controller.ports.map(|ports| format!(", {ports} ports")).unwrap_or_default();
        lines.push(format!("USB bus {}: {}{ports}", controller.bus, controller.model));
        for device in guest.devices.iter().filter(|device| device.bus == controller.bus) {
            lines.push(format!("  port {:<4} {}", device.port, told(device, &there, &args.guest)));
        }
    }
    if guest.controllers.is_empty() {
        lines.push("no USB controller".to_owned());
    }
    out::result(&lines.iter().map(|line| harmless(line)).collect::<Vec<_>>())
}

/// The device of this computer that the guest has.
fn behind<'a>(device: &GuestDevice, there: &'a [Device]) -> Option<&'a Device> {
    there.iter().find(|it| Some((it.bus, it.address)) == device.host)
}

fn told(device: &GuestDevice, there: &[Device], guest: &Guest) -> String {
    let name =
        if device.id.is_empty() { device.model.clone() } else { format!("{} ({})", device.model, device.id) };
    let what = match (behind(device, there), device.host) {
        (Some(host), _) => match host.sighting() {
            Some(seen) => format!("the phone, {seen} of this computer"),
            None => format!("{:04x}:{:04x} at port {} of this computer", host.vid, host.pid, host.port),
        },
        (None, Some((bus, address))) if device.ours => format!(
            "a phone that has left this computer (bus {bus}, device {address}); next: bromide vm detach {}",
            guest.words()
        ),
        (None, Some((bus, address))) => {
            format!("bus {bus}, device {address} of this computer, which is gone")
        }
        (None, None) => String::new(),
    };
    let plugged = if device.attached == Some(false) { ", not connected" } else { "" };
    if what.is_empty() { format!("{name}{plugged}") } else { format!("{name}{plugged}: {what}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bromide_proto::bus::BusSpeed;

    #[test]
    fn a_phone_in_the_guest_is_named_as_this_computer_sees_it_and_one_that_has_left_with_what_to_do() {
        let there = [Device {
            port: "1-4".into(),
            bus: 1,
            address: 5,
            vid: 0x0e8d,
            pid: 3,
            speed: BusSpeed::Full,
            hub: false,
        }];
        let device = |host| GuestDevice {
            bus: "0".into(),
            port: "3".into(),
            model: "hostdev".into(),
            id: "ua-bromide-phone".into(),
            host,
            attached: None,
            ours: true,
            run: None,
        };
        let guest = Guest { domain: Some("winxp".into()), connect: None, qmp: None };
        assert_eq!(
            told(&device(Some((1, 5))), &there, &guest),
            "hostdev (ua-bromide-phone): the phone, BootROM (0e8d:0003) at port 1-4, full speed of this computer"
        );
        let gone = told(&device(Some((1, 6))), &there, &guest);
        assert!(gone.ends_with("next: bromide vm detach winxp"), "{gone}");
    }
}
