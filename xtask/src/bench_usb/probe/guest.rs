//! An operating system's USB driver, played from outside a machine without a processor.
//!
//! QEMU runs with `-qtest unix:SOCKET,server=on,wait=off -qtest-log none` and a processor that does nothing: `-accel
//! qtest`, or, where a distribution left that out as Debian 12 did, `-accel tcg -bios FILE` with 64 KiB of zeros but for
//! the bytes `fa f4 eb fd` at 0xfff0 (interrupts off, halt, and back to the halt). Its xHCI and its `usb-host` are the
//! real ones, and so are the kernel and the phone behind them; only what a processor would do is done here. A program
//! that connects to the TCP address talks to the phone through the machine's own port, and loses its connection whenever
//! the phone leaves.
//!
//! A line is said for each device: `guest port 3: 0e8d:0003 configured`, later `guest port 3: 0e8d:0003 left`.

mod base64;
mod control;
mod descriptors;
mod device;
mod memory;
mod pci;
mod pipe;
mod qtest;
mod rings;
mod xhci;

use std::convert::Infallible;
use std::io::{Write, stdout};
use std::thread;
use std::time::Duration;

use pipe::Pipe;
use qtest::Machine;
use xhci::Xhci;

/// How often the ports are looked at while nothing is plugged in.
const PORTS: Duration = Duration::from_millis(10);

/// Why something is not gone on with.
#[derive(Debug)]
pub(crate) enum Stop {
    /// The machine was ended.
    Over,
    /// The device left, or does not do as it should.
    Device(String),
    /// Anything else.
    Fault(String),
}

/// Drives what comes and goes at this port of the machine, until the machine ends.
pub(crate) fn guest(socket: &str, port: &str, listen: &str) -> Result<(), String> {
    let number = port.parse().map_err(|_| format!("{port} is no port"))?;
    match drive(socket, number, listen) {
        Ok(never) => match never {},
        Err(Stop::Over) => Ok(()),
        Err(Stop::Device(why) | Stop::Fault(why)) => Err(why),
    }
}

fn drive(socket: &str, number: u32, listen: &str) -> Result<Infallible, Stop> {
    let mut xhci = Xhci::start(Machine::connect(socket)?)?;
    let halves = xhci.halves(number);
    if halves.is_empty() {
        return Err(Stop::Fault(format!("the controller has no port {number}")));
    }
    say(number, "waiting")?;
    loop {
        for half in &halves {
            if xhci.look_anew(*half)? {
                attend(&mut xhci, *half, number, listen)?;
                while xhci.is_connected(*half)? {
                    thread::sleep(PORTS);
                }
            }
        }
        thread::sleep(PORTS);
    }
}

/// One device, from its coming to its leaving.
fn attend(xhci: &mut Xhci, half: u32, number: u32, listen: &str) -> Result<(), Stop> {
    let mut device = match device::configure(xhci, half) {
        Ok(device) => device,
        Err(Stop::Device(why)) => return say(number, &format!("not configured: {why}")),
        Err(other) => return Err(other),
    };
    let id = format!("{:04x}:{:04x}", device.id.0, device.id.1);
    // Only now: without a device nobody is to find an open port.
    let mut pipe = Pipe::open(xhci, &mut device, listen)?;
    say(number, &format!("{id} configured"))?;
    let why = match pipe.serve() {
        Ok(never) => match never {},
        Err(Stop::Device(why)) => why,
        Err(other) => return Err(other),
    };
    // Ends the connection too.
    drop(pipe);
    say(number, &format!("{id} left ({why})"))?;
    device::forget(xhci, device.slot)
}

fn say(port: u32, what: &str) -> Result<(), Stop> {
    let mut out = stdout().lock();
    let said = writeln!(out, "guest port {port}: {what}").and_then(|()| out.flush());
    said.map_err(|e| Stop::Fault(e.to_string()))
}
