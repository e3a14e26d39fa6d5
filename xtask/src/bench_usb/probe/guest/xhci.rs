//! The controller: brought up, told commands, asked for events, and its root hub's ports.
//!
//! Facts from the xHCI specification 1.2; sections and tables are named.

use std::thread;
use std::time::{Duration, Instant};

use super::memory::{COMMANDS, CONTEXTS, EVENTS, PAGE, SEGMENTS};
use super::qtest::Machine;
use super::rings::{self, Events, Ring, Trb};
use super::{Stop, pci};

/// Capability registers (section 5.3).
const HCSPARAMS1: u64 = 4;
const HCSPARAMS2: u64 = 8;
const HCCPARAMS1: u64 = 0x10;
const DBOFF: u64 = 0x14;
const RTSOFF: u64 = 0x18;
const LARGE_CONTEXTS: u32 = 1 << 2;
const SUPPORTED_PROTOCOL: u32 = 2;

/// Operational registers (section 5.4).
const USBCMD: u64 = 0;
const USBSTS: u64 = 4;
const CRCR: u64 = 0x18;
const DCBAAP: u64 = 0x30;
const CONFIG: u64 = 0x38;
const PORTSC: u64 = 0x400;
const RUN: u32 = 1;
const RESET: u32 = 1 << 1;
const HALTED: u32 = 1;
const NOT_READY: u32 = 1 << 11;

/// Registers of the first interrupter (section 5.5.2), from the runtime base.
const ERSTSZ: u64 = 0x28;
const ERSTBA: u64 = 0x30;
const ERDP: u64 = 0x38;
const HANDLER_BUSY: u64 = 1 << 3;

/// Bits of a port (section 5.4.8). The changes are cleared by writing 1, and so is ENABLED.
const CONNECTED: u32 = 1;
const ENABLED: u32 = 1 << 1;
const RESET_PORT: u32 = 1 << 4;
const POWER: u32 = 1 << 9;
const CONNECT_CHANGE: u32 = 1 << 17;
const RESET_CHANGE: u32 = 1 << 21;

/// Types of events (table 6-91).
pub(crate) const TRANSFER_EVENT: u32 = 32;
const COMMAND_EVENT: u32 = 33;
/// Flag of a block whose end is to be told (section 6.4.1).
pub(crate) const INTERRUPT: u32 = 1 << 5;
/// Completion code of what went well (table 6-90).
pub(crate) const SUCCESS: u32 = 1;

/// How often things are looked at.
pub(crate) const LOOK: Duration = Duration::from_millis(1);
/// How long anything may take. Real controllers need milliseconds; this one is emulated in an emulated machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A running controller.
#[derive(Debug)]
pub(crate) struct Xhci {
    /// What it is part of.
    pub(crate) machine: Machine,
    operational: u64,
    runtime: u64,
    doorbells: u64,
    commands: Ring,
    events: Events,
    /// First port and number of ports of each protocol, USB 2 and USB 3.
    protocols: Vec<(u32, u32)>,
}

impl Xhci {
    /// Finds the machine's controller and runs it (section 4.2).
    pub(crate) fn start(mut machine: Machine) -> Result<Self, Stop> {
        let base = pci::place(&mut machine)?;
        let lengths = machine.get(base)?;
        let capabilities = machine.get(base + HCCPARAMS1)?;
        let scratchpads = machine.get(base + HCSPARAMS2)? & 0xffe0_0000;
        if capabilities & LARGE_CONTEXTS != 0 || scratchpads != 0 {
            return Err(Stop::Fault("this controller wants large contexts or scratchpads".into()));
        }
        let protocols = protocols(&mut machine, base, capabilities >> 16)?;
        let mut xhci = Self {
            operational: base + u64::from(lengths & 0xff),
            runtime: base + u64::from(machine.get(base + RTSOFF)? & !0x1f),
            doorbells: base + u64::from(machine.get(base + DBOFF)? & !3),
            machine,
            commands: Ring::new(COMMANDS),
            events: Events::new(EVENTS),
            protocols,
        };
        let slots = xhci.machine.get(base + HCSPARAMS1)? & 0xff;
        xhci.reset()?;
        xhci.run(slots)?;
        Ok(xhci)
    }

    fn reset(&mut self) -> Result<(), Stop> {
        self.until(USBSTS, NOT_READY, 0, "ready")?;
        self.machine.set(self.operational + USBCMD, 0)?;
        self.until(USBSTS, HALTED, HALTED, "halted")?;
        self.machine.set(self.operational + USBCMD, RESET)?;
        self.until(USBCMD, RESET, 0, "reset")?;
        self.until(USBSTS, NOT_READY, 0, "ready after its reset")
    }

    fn run(&mut self, slots: u32) -> Result<(), Stop> {
        for page in [CONTEXTS, COMMANDS, EVENTS, SEGMENTS] {
            self.machine.write(page, &[0; PAGE])?;
        }
        // The one segment: where it is, how many blocks.
        let segment = u128::from(EVENTS) | (rings::BLOCKS as u128) << 64;
        self.machine.write(SEGMENTS, &segment.to_le_bytes())?;
        let (operational, runtime) = (self.operational, self.runtime);
        self.machine.set(operational + CONFIG, slots)?;
        self.machine.set_wide(operational + DCBAAP, CONTEXTS)?;
        self.machine.set_wide(operational + CRCR, self.commands.start())?;
        self.machine.set(runtime + ERSTSZ, 1)?;
        self.machine.set_wide(runtime + ERDP, EVENTS)?;
        self.machine.set_wide(runtime + ERSTBA, SEGMENTS)?;
        self.machine.set(operational + USBCMD, RUN)?;
        self.until(USBSTS, HALTED, 0, "running")
    }

    /// Waits until these bits of an operational register are as wished.
    fn until(&mut self, register: u64, mask: u32, wished: u32, what: &str) -> Result<(), Stop> {
        let until = Instant::now() + PATIENCE;
        while self.machine.get(self.operational + register)? & mask != wished {
            if Instant::now() > until {
                return Err(Stop::Fault(format!("the controller is never {what}")));
            }
            thread::sleep(LOOK);
        }
        Ok(())
    }

    /// Puts a block on a ring; its address.
    pub(crate) fn put(&mut self, ring: &mut Ring, trb: Trb) -> Result<u64, Stop> {
        let (address, writes) = ring.put(trb);
        for (at, bytes) in writes {
            self.machine.write(at, &bytes)?;
        }
        Ok(address)
    }

    /// Tells the controller that an endpoint of a slot has work; slot 0 is the command ring (section 5.6).
    pub(crate) fn knock(&mut self, slot: u32, endpoint: u32) -> Result<(), Stop> {
        self.machine.set(self.doorbells + 4 * u64::from(slot), endpoint)
    }

    /// The events since the last call.
    pub(crate) fn poll(&mut self) -> Result<Vec<Trb>, Stop> {
        let most = self.events.until_end().min(32 * rings::TRB);
        let bytes = self.machine.read(self.events.place(), most)?;
        let found = self.events.take(&bytes);
        if !found.is_empty() {
            let place = self.events.place() | HANDLER_BUSY;
            self.machine.set_wide(self.runtime + ERDP, place)?;
        }
        Ok(found)
    }

    /// Waits for the event that is looked for; others of that time are of no interest then.
    pub(crate) fn wait_for(&mut self, what: &str, wanted: impl Fn(&Trb) -> bool) -> Result<Trb, Stop> {
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(event) = self.poll()?.into_iter().find(&wanted) {
                return Ok(event);
            }
            if Instant::now() > until {
                return Err(Stop::Device(format!("{what}: no event")));
            }
            thread::sleep(LOOK);
        }
    }

    /// A command (section 4.6) and its event, where it went well.
    pub(crate) fn command(&mut self, what: &str, trb: Trb) -> Result<Trb, Stop> {
        let (address, writes) = self.commands.put(trb);
        for (at, bytes) in writes {
            self.machine.write(at, &bytes)?;
        }
        self.knock(0, 0)?;
        let event =
            self.wait_for(what, |event| event.kind() == COMMAND_EVENT && event.parameter == address)?;
        match event.code() {
            SUCCESS => Ok(event),
            code => Err(Stop::Device(format!("{what}: completion code {code}"))),
        }
    }

    /// The ports of the root hub that one connector leads to: its USB 2 and its USB 3 half. A connector's number is
    /// its place within each protocol's ports.
    pub(crate) fn halves(&self, connector: u32) -> Vec<u32> {
        let inside =
            |(first, count): &(u32, u32)| (1..=*count).contains(&connector).then(|| first + connector - 1);
        self.protocols.iter().filter_map(inside).collect()
    }

    fn port(&self, port: u32) -> u64 {
        self.operational + PORTSC + 0x10 * u64::from(port - 1)
    }

    /// Whether something is plugged in, and was not pulled meanwhile.
    pub(crate) fn is_connected(&mut self, port: u32) -> Result<bool, Stop> {
        let status = self.machine.get(self.port(port))?;
        Ok(status & (CONNECTED | CONNECT_CHANGE) == CONNECTED)
    }

    /// Whether something is plugged in now; what was pulled and plugged in so far is forgotten then.
    pub(crate) fn look_anew(&mut self, port: u32) -> Result<bool, Stop> {
        let register = self.port(port);
        let connected = self.machine.get(register)? & CONNECTED != 0;
        // Only after the look: what comes in between is seen at the next one.
        if connected {
            self.machine.set(register, POWER | CONNECT_CHANGE)?;
        }
        Ok(connected)
    }

    /// Resets a port (section 4.3.1); the speed of what is there (table 7-13).
    pub(crate) fn reset_port(&mut self, port: u32) -> Result<u32, Stop> {
        let register = self.port(port);
        self.machine.set(register, POWER | RESET_PORT)?;
        let until = Instant::now() + PATIENCE;
        loop {
            let status = self.machine.get(register)?;
            if status & (RESET_CHANGE | ENABLED) == RESET_CHANGE | ENABLED {
                self.machine.set(register, POWER | RESET_CHANGE)?;
                return Ok(status >> 10 & 0xf);
            }
            if status & CONNECTED == 0 || Instant::now() > until {
                return Err(Stop::Device(format!("the port is not enabled by its reset ({status:#x})")));
            }
            thread::sleep(LOOK);
        }
    }
}

/// First port and number of ports of each protocol (section 7.2), from the list of extended capabilities.
fn protocols(machine: &mut Machine, base: u64, first: u32) -> Result<Vec<(u32, u32)>, Stop> {
    let mut found = Vec::new();
    let (mut at, mut step) = (base, first);
    // A list that leads in a circle ends too.
    for _ in 0..64 {
        if step == 0 {
            break;
        }
        at += 4 * u64::from(step);
        let head = machine.get(at)?;
        if head & 0xff == SUPPORTED_PROTOCOL {
            let ports = machine.get(at + 8)?;
            found.push((ports & 0xff, ports >> 8 & 0xff));
        }
        step = head >> 8 & 0xff;
    }
    // Numbers of ports begin with 1.
    found.retain(|(first, _)| *first > 0);
    Ok(found)
}
