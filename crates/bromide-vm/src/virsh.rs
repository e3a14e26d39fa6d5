//! A domain of libvirt, by its program `virsh`, as a user would call it; nothing is linked.
//!
//! The device is named by bus and address, which libvirt passes on as a node; it bears an alias of the user's kind
//! (`ua-..`), by which it is found again. Texts of refusals were seen with libvirt 9.0 (test-bench.md sections 4 and
//! 5, formats.md section 9.2).

mod domain;
mod run;

use std::time::{Duration, Instant};

use crate::error::VmError;
use crate::guest::{Guest, GuestPort, Held};
use crate::machine::{HostDevice, Machine};
use run::{Program, Said};

/// What this tool's devices are called in a domain, with the run's process behind it. libvirt leaves aliases
/// that begin with `ua-` to its users.
pub(crate) const OURS: &str = "ua-bromide-phone-";

/// Standard input as a file. `/dev/stdin` is a link that a bare system may lack.
const INPUT: &str = if cfg!(target_os = "linux") { "/proc/self/fd/0" } else { "/dev/stdin" };

/// How often libvirt is asked whether the domain still runs.
const CHECK: Duration = Duration::from_secs(5);
/// So many times in a row it may fail to answer that.
const STRIKES: u8 = 3;

/// A domain.
#[derive(Debug)]
pub struct Virsh {
    program: Program,
    name: String,
    checked: Instant,
    /// How often in a row libvirt did not answer.
    strikes: u8,
}

impl Virsh {
    /// The domain of this name, at libvirt's usual place or at this connection (like `qemu:///system`).
    ///
    /// # Errors
    /// No virsh, no libvirt, no such domain, or it is not running.
    pub fn open(name: &str, connect: Option<&str>) -> Result<Self, VmError> {
        // Not asked first: that would be a connection to the other computer.
        connect.map_or(Ok(()), of_this_computer)?;
        Self::with(Program::new("virsh", connect), name)
    }

    fn with(program: Program, name: &str) -> Result<Self, VmError> {
        let mut domain = Self { program, name: name.to_owned(), checked: Instant::now(), strikes: 0 };
        of_this_computer(domain.say(&["uri"], None)?.trim())?;
        let state = domain.state()?;
        match state.as_str() {
            "shut off" | "crashed" | "in shutdown" => Err(VmError::NotRunning { name: domain.name, state }),
            _ => Ok(domain),
        }
    }

    /// The same to a domain that was there: one that is switched off has gone.
    fn tell(&self, words: &[&str], input: Option<&str>) -> Result<String, VmError> {
        self.say(words, input).map_err(|e| match e {
            VmError::NotRunning { .. } | VmError::NoDomain { .. } => VmError::Gone,
            other => other,
        })
    }

    fn say(&self, words: &[&str], input: Option<&str>) -> Result<String, VmError> {
        match self.program.run(words, input)? {
            Said::Done(text) => Ok(text),
            Said::Failed(text) => Err(self.refused(&text)),
        }
    }

    fn state(&mut self) -> Result<String, VmError> {
        self.checked = Instant::now();
        self.say(&["domstate", "--domain", &self.name], None).map(|text| text.trim().to_owned())
    }

    /// virsh's words in the user's.
    fn refused(&self, text: &str) -> VmError {
        let says = |word: &str| text.contains(word);
        let after = |word: &str| {
            let rest = text.split_once(word).map(|(_, rest)| rest).unwrap_or_default();
            rest.trim_start_matches([' ', '\''])
                .split([' ', '\'', '\n'])
                .next()
                .unwrap_or_default()
                .to_owned()
        };
        let name = self.name.clone();
        if says("failed to connect to the hypervisor") {
            return VmError::NoConnection(last_line(text));
        }
        if says("failed to get domain") {
            return VmError::NoDomain { name, all: self.names() };
        }
        if says("domain is not running") {
            return VmError::NotRunning { name, state: "shut off".into() };
        }
        if says("requested USB port") {
            let port = after("requested USB port").parse().unwrap_or_default();
            return VmError::NoPort { bus: after("on USB bus"), port, ports: None };
        }
        // Aliases are looked at before addresses.
        if says("non unique alias") {
            let by = OURS.to_owned();
            return VmError::PortTaken { bus: String::new(), port: 0, by, free: Vec::new() };
        }
        if says("Duplicate USB address") {
            let port = after(" port").parse().unwrap_or_default();
            let by = "another device".to_owned();
            return VmError::PortTaken { bus: after("address bus"), port, by, free: Vec::new() };
        }
        if says("Missing USB bus") {
            return VmError::NoBus { bus: after("Missing USB bus"), all: Vec::new() };
        }
        if says("is in use by driver") {
            return VmError::Claimed(format!("the virtual machine {}", after("domain ")));
        }
        if says("no device found with alias") || says("device not found") || says("not found in domain") {
            return VmError::NoDevice(OURS.to_owned());
        }
        if says("failed to open host usb device") {
            return VmError::NotOpened(last_line(text));
        }
        if says("Did not find USB device")
            || says("No such device")
            || says("/dev/bus/usb") && says("No such file")
        {
            return VmError::PhoneGone(last_line(text));
        }
        if says("Permission denied")
            || says("Operation not permitted")
            || says("apparmor")
            || says("AppArmor")
        {
            return VmError::Denied(last_line(text));
        }
        VmError::Refused(last_line(text))
    }

    /// All domains of this connection.
    fn names(&self) -> Vec<String> {
        match self.program.run(&["list", "--all", "--name"], None) {
            Ok(Said::Done(text)) => {
                text.lines().map(str::trim).filter(|l| !l.is_empty()).map(str::to_owned).collect()
            }
            _ => Vec::new(),
        }
    }

    fn xml(held: &Held) -> Option<String> {
        let (bus, device) = held.host?;
        Some(hostdev(&HostdevSource::Address { bus, device }, None, true, Some(&held.id)))
    }
}

impl Machine for Virsh {
    fn look(&mut self) -> Result<Guest, VmError> {
        let state = self.tell(&["domstate", "--domain", &self.name], None)?.trim().to_owned();
        let text = self.tell(&["dumpxml", "--domain", &self.name], None)?;
        let mut guest = domain::parse(&text).map_err(VmError::Refused)?;
        guest.state = state;
        Ok(guest)
    }

    fn attach(&mut self, device: &HostDevice, port: &GuestPort, guest_reset: bool) -> Result<Held, VmError> {
        let held = Held { id: name(), host: Some((device.bus, device.address)) };
        let source = HostdevSource::Address { bus: device.bus, device: device.address };
        let xml = hostdev(&source, Some(port), guest_reset, Some(&held.id));
        let words = ["attach-device", "--domain", &self.name, "--file", INPUT, "--live"];
        self.tell(&words, Some(&xml))?;
        Ok(held)
    }

    fn detach(&mut self, held: &Held) -> Result<(), VmError> {
        match Self::xml(held) {
            Some(xml) => {
                let words = ["detach-device", "--domain", &self.name, "--file", INPUT, "--live"];
                self.tell(&words, Some(&xml))?;
            }
            None => {
                let words = ["detach-device-alias", "--domain", &self.name, "--alias", &held.id, "--live"];
                self.tell(&words, None)?;
            }
        }
        // libvirt's yes may mean that it has asked the machine and got no answer yet; asking again costs more than it is
        // worth between two faces.
        Ok(())
    }

    fn check(&mut self) -> Result<(), VmError> {
        if self.checked.elapsed() < CHECK {
            return Ok(());
        }
        match self.state() {
            Ok(state) if state == "shut off" || state == "crashed" => Err(VmError::Gone),
            // A transient domain is forgotten when it is switched off.
            Err(VmError::NoDomain { .. }) => Err(VmError::Gone),
            Ok(_) => {
                self.strikes = 0;
                Ok(())
            }
            // A daemon that is started anew is away for a moment; the machine is not.
            Err(_) if self.strikes < STRIKES => {
                self.strikes += 1;
                Ok(())
            }
            Err(e) => Err(e),
        }
    }

    fn words(&self, device: Option<&HostDevice>, port: &GuestPort, guest_reset: bool) -> [String; 2] {
        let source = match device {
            Some(device) => HostdevSource::Address { bus: device.bus, device: device.address },
            None => HostdevSource::Unknown,
        };
        let xml = hostdev(&source, Some(port), guest_reset, Some(&name()));
        let line = |verb| format!("{} {verb} {} FILE --live", self.program.words(), self.name);
        [
            format!("{}, FILE being\n{xml}", line("attach-device")),
            format!("{}, with the same FILE", line("detach-device")),
        ]
    }
}

/// Bus and address are those of this computer: the libvirt of another one would take whatever has them there.
fn of_this_computer(uri: &str) -> Result<(), VmError> {
    let (scheme, rest) = uri.split_once("://").unwrap_or((uri, ""));
    let host = rest.split('/').next().unwrap_or_default();
    let local = host.is_empty() || host == "localhost";
    let transport = scheme.split_once('+').map_or("unix", |(_, transport)| transport);
    if local && transport == "unix" { Ok(()) } else { Err(VmError::Elsewhere(uri.to_owned())) }
}

/// No other run's.
fn name() -> String {
    format!("{OURS}{}", std::process::id())
}

/// What of virsh's text says why.
fn last_line(text: &str) -> String {
    let mut lines = text.lines().map(|line| line.trim().trim_start_matches("error: "));
    lines.rfind(|line| !line.is_empty()).unwrap_or("no reason given").to_owned()
}

/// How a description names the host's device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostdevSource {
    /// By bus and address: this very appearance.
    Address {
        /// Number of the bus.
        bus: u8,
        /// Address on it.
        device: u8,
    },
    /// By its ids: whatever shows them when it is attached.
    Ids {
        /// Vendor.
        vid: u16,
        /// Product.
        pid: u16,
    },
    /// Not known yet: for texts that show what would be said.
    Unknown,
}

/// libvirt's description of a USB device handed into a guest (formats.md section 9.2).
pub fn hostdev(
    source: &HostdevSource,
    port: Option<&GuestPort>,
    guest_reset: bool,
    alias: Option<&str>,
) -> String {
    let mut xml = String::from("<hostdev mode='subsystem' type='usb' managed='yes'>\n");
    let reset = if guest_reset { "" } else { " guestReset='off'" };
    match source {
        HostdevSource::Address { bus, device } => {
            xml += &format!("  <source{reset}>\n    <address bus='{bus}' device='{device}'/>\n  </source>\n");
        }
        // Absent at a start of the guest: it is left out instead of keeping the guest from starting.
        HostdevSource::Ids { vid, pid } => {
            xml += &format!(
                "  <source startupPolicy='optional'{reset}>\n    <vendor id='{vid:#06x}'/>\n    <product id='{pid:#06x}'/>\n  </source>\n"
            );
        }
        HostdevSource::Unknown => {
            xml += &format!("  <source{reset}>\n    <address bus='BUS' device='DEVICE'/>\n  </source>\n");
        }
    }
    if let Some(alias) = alias {
        xml += &format!("  <alias name='{alias}'/>\n");
    }
    if let Some(port) = port {
        xml += &format!("  <address type='usb' bus='{}' port='{}'/>\n", port.bus, port.port);
    }
    xml + "</hostdev>\n"
}

#[cfg(all(test, unix))]
mod tests;
