//! `vm attach --dry-run`: what would be done, in the words that the machine would be told.

use bromide_link::usb::list;
use bromide_vm::{GuestPort, HostDevice, Machine, Wish};
use serde_json::json;

use crate::cmd::devices::{face_word, no_bus};
use crate::front::Front;
use crate::out;
use crate::report::Failure;

/// Shows it. The machine has been looked at; nothing is changed.
pub(super) fn show(
    machine: &dyn Machine,
    port: &GuestPort,
    wish: &Wish,
    front: &mut Front,
) -> Result<(), Failure> {
    let all = list(&wish.places).map_err(|e| no_bus(&e, &wish.places))?;
    let there = all.iter().find_map(|device| {
        let seen = device.sighting()?;
        let here = wish.port.as_ref().is_none_or(|port| *port == seen.port);
        (here && wish.faces.contains(&seen.face)).then_some((seen, device))
    });
    let host = there.as_ref().map(|(_, device)| HostDevice::of(device, &wish.places));
    let [attach, detach] = machine.words(host.as_ref(), port, wish.guest_reset);
    if let Front::Json(json) = front {
        json.line(&json!({
            "event": "plan", "guest_bus": port.bus, "guest_port": port.port,
            "faces": wish.faces.iter().map(|face| face_word(*face)).collect::<Vec<_>>(),
            "port": there.map(|(seen, _)| seen.port), "attach": attach, "detach": detach,
        }));
        return Ok(());
    }
    let faces: Vec<_> = wish.faces.iter().map(ToString::to_string).collect();
    let at = match (&there, &wish.port) {
        (Some((seen, _)), _) => format!("it is there: {seen}"),
        (None, Some(port)) => format!("only at port {port} of this computer; nothing is there now"),
        (None, None) => "at any port of this computer; nothing is there now".to_owned(),
    };
    out::result(&[
        format!("The phone as {}: {at}", faces.join(", ")),
        format!("goes to {port}, which is free."),
        format!("When it comes:   {}", attach.trim_end()),
        format!("When it leaves:  {}", detach.trim_end()),
        "Nothing was done.".to_owned(),
    ])
}
