//! Plain QEMU, by its machine protocol (QMP): JSON lines over a Unix socket.
//!
//! The device is named by its node, never by bus and address: those QEMU looks up in a list that is stale where no
//! udevd runs (test-bench.md section 5). What the guest has is read from QEMU's object tree; commands, answers and the
//! texts of refusals were seen with QEMU 7.2 (formats.md section 9.1).

mod client;
mod tree;

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::error::VmError;
use crate::guest::{Guest, GuestPort, Held};
use crate::machine::{HostDevice, Machine};
use client::{Client, Refusal};

/// What this tool's devices are called in the machine, with the run's process and a number behind it.
pub(crate) const OURS: &str = "bromide-phone-";

/// How long the machine may take to let go of a device.
const LET_GO: Duration = Duration::from_secs(10);

/// A machine of plain QEMU, started with `-qmp unix:SOCKET,server=on,wait=off`.
#[derive(Debug)]
pub struct Qmp {
    client: Client,
    /// Numbers used in names so far.
    number: u64,
}

impl Qmp {
    /// Connects to the socket.
    ///
    /// # Errors
    /// There is none, or nobody, or not QEMU behind it; or somebody else is connected.
    pub fn connect(socket: &Path) -> Result<Self, VmError> {
        Ok(Self { client: Client::connect(socket)?, number: 0 })
    }

    /// The same over a stream that is connected already.
    #[cfg(test)]
    fn over(stream: std::os::unix::net::UnixStream) -> Result<Self, VmError> {
        Ok(Self { client: Client::greet(Box::new(stream), "test".into())?, number: 0 })
    }

    fn arguments(id: &str, node: &str, port: &GuestPort, guest_reset: bool) -> serde_json::Value {
        // A reset that the guest passes on in the handshake window makes a BootROM forget it (formats.md section 9.1).
        json!({
            "driver": "usb-host", "id": id, "bus": port.bus, "port": port.port.to_string(),
            "hostdevice": node, "guest-reset": guest_reset,
        })
    }
}

impl Machine for Qmp {
    fn look(&mut self) -> Result<Guest, VmError> {
        tree::look(&mut self.client)
    }

    fn attach(&mut self, device: &HostDevice, port: &GuestPort, guest_reset: bool) -> Result<Held, VmError> {
        self.number = self.number.saturating_add(1);
        let id = name(self.number);
        let node = device.node.to_string_lossy();
        let arguments = Self::arguments(&id, &node, port, guest_reset);
        self.client.execute("device_add", arguments)?.map_err(|refusal| refused(&refusal, port))?;
        Ok(Held { id, host: Some((device.bus, device.address)) })
    }

    fn detach(&mut self, held: &Held) -> Result<(), VmError> {
        self.client.forget_deleted(&held.id);
        match self.client.execute("device_del", json!({"id": held.id}))? {
            Ok(_) => {}
            Err(refusal) if refusal.class == "DeviceNotFound" => {
                return Err(VmError::NoDevice(held.id.clone()));
            }
            // An earlier request is still being carried out; its event is what to wait for.
            Err(refusal) if refusal.text.contains("already in the process of unplug") => {}
            Err(refusal) => return Err(VmError::Refused(refusal.text)),
        }
        if self.client.deleted(&held.id, Instant::now() + LET_GO)? {
            Ok(())
        } else {
            Err(VmError::NoAnswer(LET_GO))
        }
    }

    fn check(&mut self) -> Result<(), VmError> {
        self.client.check()
    }

    fn words(&self, device: Option<&HostDevice>, port: &GuestPort, guest_reset: bool) -> [String; 2] {
        let id = name(1);
        let node = device.map_or("/dev/bus/usb/BBB/DDD".into(), |device| device.node.to_string_lossy());
        let arguments = Self::arguments(&id, &node, port, guest_reset);
        [
            json!({"execute": "device_add", "arguments": arguments}).to_string(),
            json!({"execute": "device_del", "arguments": {"id": id}}).to_string(),
        ]
    }
}

/// No other run's.
fn name(number: u64) -> String {
    format!("{OURS}{}-{number}", std::process::id())
}

/// QEMU's words in the user's.
fn refused(refusal: &Refusal, port: &GuestPort) -> VmError {
    let text = refusal.text.clone();
    let says = |word: &str| text.contains(word);
    let GuestPort { bus, port } = port.clone();
    if says("Permission denied") || says("Operation not permitted") {
        VmError::Denied(text)
    } else if says("failed to open host usb device") {
        // Found, and then something else. Each try resets the phone and costs QEMU a file (hw/usb/host-libusb.c).
        VmError::NotOpened(text)
    } else if says("No such file") || says("No such device") {
        VmError::PhoneGone(text)
    } else if says("(in use?)") {
        VmError::PortTaken { bus, port, by: "another device".to_owned(), free: Vec::new() }
    } else if says("Bus '") {
        VmError::NoBus { bus, all: Vec::new() }
    } else {
        VmError::Refused(text)
    }
}

#[cfg(all(test, unix))]
mod tests;
