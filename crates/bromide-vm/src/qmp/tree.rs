//! What the guest has, read from QEMU's object tree.
//!
//! Seen with QEMU 7.2: devices given on the command line or added later are children of `/machine/peripheral` (with a
//! name) and `/machine/peripheral-anon`, built-in ones of `/machine/unattached`. A controller has a child of type
//! `usb-bus`; a USB device has the properties `port`, `attached` and a link `parent_bus`.

use serde_json::{Value, json};

use super::OURS;
use super::client::Client;
use crate::error::VmError;
use crate::guest::{Controller, Guest, GuestDevice};
use crate::owner::{self, Owner};

const NAMED: &str = "/machine/peripheral";
const UNNAMED: &str = "/machine/peripheral-anon";
const BUILT_IN: &str = "/machine/unattached";

/// Reads it all.
pub(super) fn look(client: &mut Client) -> Result<Guest, VmError> {
    let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
    let name = client.execute("query-name", json!({}))?.ok().and_then(|it| text(it.get("name")));
    let status = client.execute("query-status", json!({}))?.ok();
    let state = status.and_then(|it| text(it.get("status"))).unwrap_or_else(|| "unknown".into());
    let mut guest = Guest { name, state, ..Guest::default() };
    for folder in [NAMED, UNNAMED, BUILT_IN] {
        for (name, kind) in list(client, folder)? {
            let Some(model) = child(&kind) else { continue };
            // Among the built-in things are a hundred that are no device.
            if folder == BUILT_IN && !model.contains("usb") && !model.contains("hci") {
                continue;
            }
            let path = format!("{folder}/{name}");
            let properties = list(client, &path)?;
            let has = |wanted: &str| properties.iter().any(|(name, _)| name == wanted);
            for (bus, _) in properties.iter().filter(|(_, kind)| child(kind) == Some("usb-bus")) {
                let ports = ports(client, &path, model, &has)?;
                guest.controllers.push(Controller { bus: bus.clone(), model: model.to_owned(), ports });
            }
            if has("port") && has("attached") && has("parent_bus") {
                guest.devices.push(device(client, &path, model, &name, folder == NAMED)?);
            }
        }
    }
    Ok(guest)
}

fn device(
    client: &mut Client,
    path: &str,
    model: &str,
    name: &str,
    named: bool,
) -> Result<GuestDevice, VmError> {
    let mut text = |property| Ok::<_, VmError>(get(client, path, property)?.and_then(as_text));
    let bus = text("parent_bus")?.unwrap_or_default();
    let port = text("port")?.unwrap_or_default();
    let node = if model == "usb-host" { text("hostdevice")? } else { None };
    let owner = if named { owner::of(name, OURS) } else { None };
    Ok(GuestDevice {
        bus: bus.rsplit('/').next().unwrap_or_default().to_owned(),
        port,
        model: model.to_owned(),
        id: if named { name.to_owned() } else { String::new() },
        host: node.as_deref().and_then(of_node),
        attached: get(client, path, "attached")?.and_then(|it| it.as_bool()),
        ours: owner == Some(Owner::Ours),
        run: if let Some(Owner::Running(process)) = owner { Some(process) } else { None },
    })
}

/// How many ports a controller has: an xHCI and an OHCI say so, the others have a fixed number (QEMU's models).
fn ports(
    client: &mut Client,
    path: &str,
    model: &str,
    has: &impl Fn(&str) -> bool,
) -> Result<Option<u32>, VmError> {
    // What an xHCI has beyond `p2` takes nothing but SuperSpeed.
    let property = ["p2", "num-ports"].into_iter().find(|property| has(property));
    let told = match property {
        Some(property) => get(client, path, property)?.and_then(|it| u32::try_from(it.as_u64()?).ok()),
        None => None,
    };
    let fixed = if model.contains("uhci") {
        Some(2)
    } else if model.contains("ehci") {
        Some(6)
    } else {
        None
    };
    Ok(told.or(fixed))
}

/// Names and types of an object's properties; none where it is gone.
fn list(client: &mut Client, path: &str) -> Result<Vec<(String, String)>, VmError> {
    let listed = client.execute("qom-list", json!({"path": path}))?.unwrap_or_default();
    let pair =
        |it: &Value| Some((it.get("name")?.as_str()?.to_owned(), it.get("type")?.as_str()?.to_owned()));
    Ok(listed.as_array().map(|all| all.iter().filter_map(pair).collect()).unwrap_or_default())
}

fn get(client: &mut Client, path: &str, property: &str) -> Result<Option<Value>, VmError> {
    Ok(client.execute("qom-get", json!({"path": path, "property": property}))?.ok())
}

fn as_text(value: Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text),
        _ => None,
    }
}

/// `child<TYPE>`.
fn child(kind: &str) -> Option<&str> {
    kind.strip_prefix("child<")?.strip_suffix('>')
}

/// Bus and address in `/dev/bus/usb/BBB/DDD`.
fn of_node(node: &str) -> Option<(u8, u8)> {
    let mut parts = node.rsplit('/');
    let address = parts.next()?.parse().ok()?;
    Some((parts.next()?.parse().ok()?, address))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_names_bus_and_address() {
        assert_eq!(of_node("/dev/bus/usb/001/012"), Some((1, 12)));
        assert_eq!(of_node("/dev/null"), None);
        assert_eq!(of_node(""), None);
    }

    #[test]
    fn only_children_have_a_model() {
        assert_eq!(child("child<qemu-xhci>"), Some("qemu-xhci"));
        assert_eq!(child("link<bus>"), None);
    }
}
