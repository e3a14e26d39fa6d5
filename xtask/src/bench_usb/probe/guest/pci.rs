//! The controller on PCI: found by its class, given an address, switched on.
//!
//! Facts from the PCI Local Bus specification 3.0, sections 3.2.2.3.2 (configuration mechanism 1) and 6.2.

use super::Stop;
use super::qtest::Machine;

/// Ports of the configuration mechanism.
const ADDRESS: u16 = 0xcf8;
const DATA: u16 = 0xcfc;
/// Registers of a device.
const COMMAND: u32 = 4;
const CLASS: u32 = 8;
const FIRST_BASE: u32 = 0x10;
const SECOND_BASE: u32 = 0x14;
/// Class code of an xHCI.
const XHCI: u32 = 0x0c_0330;
const MEMORY_AND_MASTER: u32 = 6;
/// In the hole that PC machines leave for devices below 4 GiB.
const REGISTERS: u32 = 0xe000_0000;

/// Puts the first xHCI's registers where they can be reached; returns that address.
pub(crate) fn place(machine: &mut Machine) -> Result<u64, Stop> {
    for device in 0..32 {
        let register = |at: u32| 1 << 31 | device << 11 | at;
        machine.out_port(ADDRESS, register(CLASS))?;
        if machine.in_port(DATA)? >> 8 != XHCI {
            continue;
        }
        for (at, value) in [(FIRST_BASE, REGISTERS), (SECOND_BASE, 0), (COMMAND, MEMORY_AND_MASTER)] {
            machine.out_port(ADDRESS, register(at))?;
            machine.out_port(DATA, value)?;
        }
        return Ok(REGISTERS.into());
    }
    Err(Stop::Fault("the machine has no xHCI on its first PCI bus".into()))
}
