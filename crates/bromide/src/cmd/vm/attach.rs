//! `vm attach`: the phone follows into the guest by itself.

use std::path::PathBuf;
use std::time::Instant;

use bromide_job::event::Event as JobEvent;
use bromide_link::Cancel;
use bromide_link::usb::{WantedPort, list};
use bromide_proto::bus::Face;
use bromide_vm::{Event, Follower, VmError, Wish};
use clap::Args;

use super::{FaceArg, Guest, advice, plan, tell};
use crate::choose::port_chain;
use crate::cmd::devices::{Place, no_bus};
use crate::front::Front;
use crate::report::Failure;
use crate::usb_recording::{self, UsbRecording};

/// Hand the phone to a virtual machine, and follow it there through every mode
///
/// The vendor's tool in a Windows guest needs the phone at the same USB port each time, within the three seconds a
/// preloader stays, and again when 0e8d:0003 becomes 0e8d:2001. Start this command first, then the tool in the guest,
/// then plug in the phone. Each mode is put into the guest the moment it appears here, always at the same guest port,
/// and taken out when it leaves. Ctrl-C takes the phone back, which resets it (QEMU does so with every device that it
/// lets go of). Each step is printed with its time.
///
/// What the tool in the guest says to the phone is its own business: Bromide only hands the phone over. With --record
/// FILE it is recorded through the kernel's usbmon, as bromide watch --record does, and can be looked at in Wireshark and
/// replayed.
///
/// Examples:
///
///   bromide vm attach winxp --connect qemu:///system
///
///   bromide vm attach --qmp /tmp/qmp.sock --guest-port 3
///
///   bromide vm attach winxp --dry-run
///
///   sudo bromide vm attach winxp --record vendor.pcapng
///
/// docs/recipes/windows-guest.md tells the whole evening. Untested with real phones.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Attach {
    #[command(flatten)]
    pub(crate) guest: Guest,
    /// The guest's USB port [default: the first free one]. Keep it from run to run: Windows looks for drivers again when a phone appears elsewhere
    #[arg(long, value_name = "N")]
    pub(crate) guest_port: Option<u32>,
    /// The guest's USB bus: xhci.0 and the like with QEMU, a controller's index with libvirt [default: an xHCI's, else an EHCI's]
    #[arg(long, value_name = "BUS")]
    pub(crate) guest_bus: Option<String>,
    /// The modes that go into the guest; others stay with this computer
    #[arg(long, value_delimiter = ',', value_name = "FACES", default_value = "preloader,brom,da")]
    pub(crate) faces: Vec<FaceArg>,
    /// Only the phone at this port of this computer, like 1-4.2 (bromide devices lists them)
    #[arg(long, value_name = "PORTCHAIN", value_parser = port_chain)]
    pub(crate) port: Option<String>,
    /// Let the guest's resets of its USB port reach the phone while it is in use: a BootROM forgets what it was told then
    #[arg(long)]
    pub(crate) guest_reset: bool,
    /// Record in this file what the guest and the phone say to each other (pcapng, for Wireshark and --via replay:FILE)
    #[arg(long, value_name = "FILE", conflicts_with = "dry_run")]
    pub(crate) record: Option<PathBuf>,
    /// Replace the file of --record if it exists, and discard what an interrupted recording left
    #[arg(long, requires = "record")]
    pub(crate) force: bool,
    /// Show what would be done, and do nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) place: Place,
}

/// `bromide vm attach`: until Ctrl-C, which is how it is meant to end, or until the machine is switched off.
pub(crate) fn attach(args: &Attach, front: &mut Front, cancel: &Cancel) -> Result<(), Failure> {
    let failed = |e: &VmError| advice::failure(e, &args.guest);
    // Known before anything is waited for.
    let places = args.place.places();
    list(&places).map_err(|e| no_bus(&e, &places))?;
    let mut machine = args.guest.machine()?;
    let guest = machine.look().map_err(|e| failed(&e))?;
    let port = guest.choose(args.guest_bus.as_deref(), args.guest_port).map_err(|e| failed(&e))?;
    let faces: Vec<Face> = args.faces.iter().map(|face| face.face()).collect();
    let wish = Wish { places, port: args.port.clone(), faces, guest_reset: args.guest_reset };
    if args.dry_run {
        return plan::show(machine.as_ref(), &port, &wish, front);
    }
    // Before anything is waited for: what passes first is what matters most.
    let recorded = WantedPort::new(args.port.clone());
    let recording = match &args.record {
        None => None,
        Some(target) => {
            let (places, port) = (wish.places.clone(), recorded.clone());
            Some(usb_recording::start(usb_recording::Wish { target, force: args.force, places, port })?)
        }
    };
    let name = guest.name.as_deref().or(args.guest.domain.as_deref()).unwrap_or("the virtual machine");
    tell::waiting(front, name, &guest.state, &port);
    let follower = Follower::new(machine.as_mut(), &guest, port, wish);
    let followed = follow(&args.guest, follower, (recording.as_ref(), recorded), front, cancel);
    let ended = recording.map(UsbRecording::finish).transpose();
    followed.map_err(|e| failed(&e))?;
    if let Some(ended) = ended? {
        ended.tell(front);
    }
    Ok(())
}

fn follow(
    guest: &Guest,
    mut follower: Follower<'_>,
    (recording, recorded): (Option<&UsbRecording>, WantedPort),
    front: &mut Front,
    cancel: &Cancel,
) -> Result<(), VmError> {
    let start = Instant::now();
    let followed = follower.follow(cancel, &mut |event| {
        if let Event::Attached { seen, .. } = event {
            recorded.set(&seen.port);
        }
        if !tell::event(event, start.elapsed(), guest, front) {
            cancel.set(); // nobody reads any more
        }
        while let Some(trouble) = recording.and_then(UsbRecording::trouble) {
            front.tell(&JobEvent::Warning(&trouble));
        }
    });
    match followed {
        // The user shuts Windows down when he is done.
        Err(VmError::Gone) => {
            front.say("The virtual machine has been switched off.");
            Ok(())
        }
        other => other,
    }
}
