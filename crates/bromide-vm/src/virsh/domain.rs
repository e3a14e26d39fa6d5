//! The USB side of a domain's description (`virsh dumpxml`), as libvirt 9.0 prints that of a running one.

use roxmltree::{Document, Node};

use super::OURS;
use crate::guest::{Controller, Guest, GuestDevice};
use crate::owner::{self, Owner};

/// Controllers and devices; the state is not in it.
///
/// # Errors
/// It is no such description.
pub(super) fn parse(text: &str) -> Result<Guest, String> {
    let document = Document::parse(text).map_err(|e| format!("virsh dumpxml cannot be read: {e}"))?;
    let root = document.root_element();
    let child = |name: &str| root.children().find(|node| node.has_tag_name(name));
    let devices = child("devices").ok_or("virsh dumpxml has no devices")?;
    let mut guest =
        Guest { name: child("name").and_then(|n| n.text()).map(str::to_owned), ..Guest::default() };
    for node in devices.children().filter(Node::is_element) {
        if node.has_tag_name("controller") && node.attribute("type") == Some("usb") {
            add_controller(&mut guest, &node);
        } else {
            guest.devices.extend(device(&node));
        }
    }
    Ok(guest)
}

/// The parts of an EHCI controller share one index: one bus.
fn add_controller(guest: &mut Guest, node: &Node<'_, '_>) {
    let bus = node.attribute("index").unwrap_or("0").to_owned();
    let model = node.attribute("model").unwrap_or("usb").to_owned();
    if model == "none" {
        return;
    }
    let number = node.attribute("ports").and_then(|ports| ports.parse().ok());
    let ports = number.or(match model.as_str() {
        it if it.contains("uhci") => Some(2),
        it if it.contains("ehci") => Some(6),
        _ => None,
    });
    match guest.controllers.iter_mut().find(|c| c.bus == bus) {
        Some(known) if known.ports < ports => (known.model, known.ports) = (model, ports),
        Some(_) => {}
        None => guest.controllers.push(Controller { bus, model, ports }),
    }
}

/// Anything with an address on USB.
fn device(node: &Node<'_, '_>) -> Option<GuestDevice> {
    let named = |name: &'static str| node.children().find(|child| child.has_tag_name(name));
    let address = named("address").filter(|address| address.attribute("type") == Some("usb"));
    let alias = named("alias").and_then(|alias| alias.attribute("name")).unwrap_or_default().to_owned();
    let owner = owner::of(&alias, OURS);
    if address.is_none() && owner.is_none() {
        return None;
    }
    let of_address = |key| address.and_then(|it| it.attribute(key)).unwrap_or_default().to_owned();
    let host = named("source").filter(|_| node.has_tag_name("hostdev")).and_then(|source| {
        let address = source.children().find(|child| child.has_tag_name("address"))?;
        Some((address.attribute("bus")?.parse().ok()?, address.attribute("device")?.parse().ok()?))
    });
    Some(GuestDevice {
        bus: of_address("bus"),
        port: of_address("port"),
        model: node.tag_name().name().to_owned(),
        id: alias,
        host,
        attached: None,
        ours: owner == Some(Owner::Ours),
        run: if let Some(Owner::Running(process)) = owner { Some(process) } else { None },
    })
}
