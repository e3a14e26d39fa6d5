//! The guest's USB as its machine describes it, and the choice of the port that the phone gets.

use crate::error::VmError;

/// A machine's USB side.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Guest {
    /// The machine's name, if it has one.
    pub name: Option<String>,
    /// What it does: `running`, `paused`, ..
    pub state: String,
    /// USB controllers.
    pub controllers: Vec<Controller>,
    /// What is plugged into them.
    pub devices: Vec<GuestDevice>,
}

/// A USB controller of the guest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Controller {
    /// The name of its bus: `xhci.0` with QEMU, the index with libvirt.
    pub bus: String,
    /// Its model, like `qemu-xhci`.
    pub model: String,
    /// How many ports it has, where that can be known.
    pub ports: Option<u32>,
}

impl Controller {
    /// How well it suits a phone, whose faces are of full and of high speed; the least is best. An xHCI takes both at
    /// every port, an EHCI where it has companions.
    fn rank(&self) -> u8 {
        if self.model.contains("xhci") {
            0
        } else if self.model.contains("ehci") {
            1
        } else {
            2
        }
    }
}

/// Something on the guest's USB.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuestDevice {
    /// The bus it is on.
    pub bus: String,
    /// Its port there, like `3` or behind a hub `1.2`; empty: not known.
    pub port: String,
    /// QEMU's or libvirt's word for it: `usb-tablet`, `hostdev`.
    pub model: String,
    /// The name by which the machine takes it away.
    pub id: String,
    /// The host's device behind it: bus and address.
    pub host: Option<(u8, u8)>,
    /// Whether it is connected at present, where that is said.
    pub attached: Option<bool>,
    /// Whether it was put there by this tool, in this run or one that is gone.
    pub ours: bool,
    /// The process of another run that put it there and goes on.
    pub run: Option<u32>,
}

/// The one port of the guest at which the phone appears each time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuestPort {
    /// The controller's bus.
    pub bus: String,
    /// The port, counted from 1.
    pub port: u32,
}

impl core::fmt::Display for GuestPort {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "guest port {} of USB bus {}", self.port, self.bus)
    }
}

/// What a machine holds on behalf of this tool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// The name by which it is taken away.
    pub id: String,
    /// The host's device: bus and address.
    pub host: Option<(u8, u8)>,
}

/// More ports than any controller has; where the number is not known, the search ends here.
const MOST_PORTS: u32 = 15;

impl Guest {
    /// What this tool has put there, in this run or an earlier one.
    pub fn ours(&self) -> Vec<Held> {
        let ours = self.devices.iter().filter(|device| device.ours);
        ours.map(|device| Held { id: device.id.clone(), host: device.host }).collect()
    }

    /// Ports of a controller at which nothing is plugged in; what this tool left there does not count.
    pub fn free(&self, controller: &Controller) -> Vec<u32> {
        let all = 1..=controller.ports.unwrap_or(MOST_PORTS);
        all.filter(|port| self.at(&controller.bus, *port).is_none()).collect()
    }

    fn at(&self, bus: &str, port: u32) -> Option<&GuestDevice> {
        let port = port.to_string();
        self.devices.iter().find(|device| device.bus == bus && device.port == port && !device.ours)
    }

    /// Processes of other runs that have put a phone there and go on.
    pub fn runs(&self) -> Vec<u32> {
        self.devices.iter().filter_map(|device| device.run).collect()
    }

    /// The port for the phone: the wished one, else the first free one of the wished bus, else of the controller that
    /// suits a phone best.
    ///
    /// # Errors
    /// No controller, no such bus, no such port, or something else is there.
    pub fn choose(&self, bus: Option<&str>, port: Option<u32>) -> Result<GuestPort, VmError> {
        let mut controllers: Vec<&Controller> =
            self.controllers.iter().filter(|c| bus.is_none_or(|wished| c.bus == wished)).collect();
        if controllers.is_empty() {
            let all = self.controllers.iter().map(|c| c.bus.clone()).collect();
            return Err(match bus {
                Some(bus) if !self.controllers.is_empty() => VmError::NoBus { bus: bus.to_owned(), all },
                _ => VmError::NoController,
            });
        }
        controllers.sort_by_key(|c| c.rank());
        let Some(port) = port else {
            let free = |c: &&Controller| Some((c.bus.clone(), *self.free(c).first()?));
            let (bus, port) = controllers.iter().find_map(free).ok_or(VmError::NoFreePort)?;
            return Ok(GuestPort { bus, port });
        };
        // Not at whichever controller has it free: the guest would see the phone at another place, or at one too slow.
        let controller = controllers.first().ok_or(VmError::NoController)?;
        self.check(controller, port)?;
        Ok(GuestPort { bus: controller.bus.clone(), port })
    }

    fn check(&self, controller: &Controller, port: u32) -> Result<(), VmError> {
        let bus = controller.bus.clone();
        if port == 0 || controller.ports.is_some_and(|ports| port > ports) {
            return Err(VmError::NoPort { bus, port, ports: controller.ports });
        }
        match self.at(&controller.bus, port) {
            None => Ok(()),
            Some(device) => {
                let by = format!("{} {}", device.model, device.id).trim().to_owned();
                Err(VmError::PortTaken { bus, port, by, free: self.free(controller) })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn controller(bus: &str, model: &str, ports: Option<u32>) -> Controller {
        Controller { bus: bus.into(), model: model.into(), ports }
    }

    fn device(bus: &str, port: &str, ours: bool) -> GuestDevice {
        let (model, id) = ("usb-tablet".into(), String::new());
        GuestDevice {
            bus: bus.into(),
            port: port.into(),
            model,
            id,
            host: None,
            attached: None,
            ours,
            run: None,
        }
    }

    fn guest() -> Guest {
        Guest {
            controllers: vec![
                controller("usb-bus.0", "piix3-usb-uhci", Some(2)),
                controller("xhci.0", "qemu-xhci", Some(4)),
            ],
            devices: vec![device("xhci.0", "1", false), device("xhci.0", "2", true)],
            ..Guest::default()
        }
    }

    #[test]
    fn without_a_wish_the_phone_gets_the_first_free_port_of_an_xhci() {
        let port = guest().choose(None, None).unwrap();
        assert_eq!(port, GuestPort { bus: "xhci.0".into(), port: 2 }, "a leftover of ours counts as free");
        let other = guest().choose(Some("usb-bus.0"), None).unwrap();
        assert_eq!(other, GuestPort { bus: "usb-bus.0".into(), port: 1 });
    }

    #[test]
    fn a_port_that_is_taken_is_refused_with_what_is_there_and_what_is_free() {
        let refused = guest().choose(Some("xhci.0"), Some(1)).unwrap_err();
        let VmError::PortTaken { by, free, .. } = refused else { panic!("{refused}") };
        assert_eq!((by.as_str(), free.as_slice()), ("usb-tablet", &[2, 3, 4][..]));
    }

    #[test]
    fn a_port_or_bus_that_does_not_exist_is_refused() {
        assert!(matches!(guest().choose(None, Some(5)), Err(VmError::NoPort { port: 5, .. })));
        assert!(matches!(guest().choose(None, Some(0)), Err(VmError::NoPort { .. })));
        assert!(matches!(guest().choose(Some("x"), None), Err(VmError::NoBus { .. })));
        assert!(matches!(Guest::default().choose(None, None), Err(VmError::NoController)));
        assert!(matches!(Guest::default().choose(Some("x"), None), Err(VmError::NoController)));
    }

    #[test]
    fn a_wished_port_that_is_taken_does_not_slide_to_another_controller() {
        assert!(matches!(guest().choose(None, Some(1)), Err(VmError::PortTaken { .. })));
    }

    #[test]
    fn a_machine_full_of_devices_has_no_port_for_a_phone() {
        let mut guest = guest();
        guest.controllers.remove(0);
        guest.devices = (1..=4).map(|n| device("xhci.0", &n.to_string(), false)).collect();
        assert!(matches!(guest.choose(None, None), Err(VmError::NoFreePort)));
    }
}
