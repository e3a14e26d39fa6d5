//! `vm xml`: libvirt's description of a phone in a guest, to keep or edit.

use bromide_proto::bus::{Face, IDS};
use bromide_vm::{GuestPort, HostdevSource, hostdev};
use clap::Args;
use serde_json::json;

use super::FaceArg;
use crate::cmd::devices::face_word;
use crate::front::Front;
use crate::out;
use crate::report::Failure;

/// Print libvirt's description of the phone for virsh attach-device, one for each mode
///
/// With this, virsh attach-device DOMAIN FILE does by hand what vm attach does by itself, once for each mode and within
/// its time; in the definition of a guest (virsh edit) it is attached at the guest's start, if the phone is there then.
/// It names the phone by its ids, since its address is another at each appearance.
#[derive(Debug, Args)]
pub(crate) struct Xml {
    /// The mode [default: all three, to be cut apart: virsh takes one at a time]
    pub(crate) face: Option<FaceArg>,
    /// The guest's USB port, so that Windows does not look for drivers again
    #[arg(long, value_name = "N", requires = "face")]
    pub(crate) guest_port: Option<u32>,
    /// The index of the guest's USB controller
    #[arg(long, value_name = "BUS", default_value = "0", requires = "guest_port")]
    pub(crate) guest_bus: String,
    /// Let the guest's resets of its USB port reach the phone
    #[arg(long)]
    pub(crate) guest_reset: bool,
}

/// `bromide vm xml`.
pub(crate) fn xml(args: &Xml, front: &mut Front) -> Result<(), Failure> {
    let faces = match args.face {
        Some(face) => vec![face.face()],
        None => vec![Face::Preloader, Face::BootRom, Face::Agent],
    };
    let port = args.guest_port.map(|port| GuestPort { bus: args.guest_bus.clone(), port });
    let mut lines = Vec::new();
    for face in faces {
        // The first of a face's ids is the common one.
        let Some(id) = IDS.iter().find(|id| id.face == face) else { continue };
        let source = HostdevSource::Ids { vid: id.vid, pid: id.first };
        let text = hostdev(&source, port.as_ref(), args.guest_reset, None);
        if let Front::Json(json) = front {
            json.line(&json!({"event": "xml", "face": face_word(face), "text": text}));
            continue;
        }
        lines.push(format!("<!-- {face} -->"));
        lines.extend(text.lines().map(str::to_owned));
    }
    out::result(&lines)
}
