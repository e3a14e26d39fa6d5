//! One device: from the reset of its port to its configuration (xHCI 1.2 section 4.3), as any system's driver does it.

use std::thread;
use std::time::Duration;

use super::Stop;
use super::control::Control;
use super::descriptors::{self, Pair};
use super::memory::{CONTEXTS, CONTROL, INPUT, INWARD, OUTPUT, OUTWARD, PAGE};
use super::rings::{Ring, Trb};
use super::xhci::Xhci;

/// Types of commands (table 6-91).
const ENABLE_SLOT: u32 = 9;
const DISABLE_SLOT: u32 = 10;
const ADDRESS_DEVICE: u32 = 11;
const CONFIGURE_ENDPOINT: u32 = 12;

/// Bytes of a context.
const CONTEXT: u64 = 32;
/// Kinds of endpoints (table 6-9), and three tries for a packet.
const BULK_OUT: u32 = 2;
const BULK_IN: u32 = 6;
const CONTROL_KIND: u32 = 4;
const TRIES: u32 = 3 << 1;

/// A connection is stable after so long (USB 2.0 section 7.1.7.3, as long as systems wait).
const DEBOUNCE: Duration = Duration::from_millis(100);
/// A device may rest after its reset and after it got its address (section 7.1.7.5, 9.2.6.3).
const RECOVERY: Duration = Duration::from_millis(10);

/// A device that is configured.
#[derive(Debug)]
pub(crate) struct Device {
    /// The port of the root hub.
    pub(crate) port: u32,
    /// Its place in the controller.
    pub(crate) slot: u32,
    /// Vendor and product.
    pub(crate) id: (u16, u16),
    /// Its endpoints.
    pub(crate) pair: Pair,
    control: Control,
}

impl Device {
    /// Asks it for its status (USB 2.0 section 9.4.5): nothing else tells that it has left while nothing is asked of it,
    /// because the machine has it on its port until it is taken away.
    pub(crate) fn is_there(&mut self, xhci: &mut Xhci) -> Result<(), Stop> {
        self.control.request(xhci, [0x80, 0, 0, 0, 0, 0, 2, 0]).map(drop)
    }
}

/// Configures what is plugged in there. After a failure nothing is left of it in the controller.
pub(crate) fn configure(xhci: &mut Xhci, port: u32) -> Result<Device, Stop> {
    thread::sleep(DEBOUNCE);
    if !xhci.is_connected(port)? {
        return Err(Stop::Device("it left at once".into()));
    }
    let speed = xhci.reset_port(port)?;
    thread::sleep(RECOVERY);
    let slot = xhci.command("enable a slot", Trb::new(ENABLE_SLOT, 0, 0, 0))?.slot();
    let mut beginning = Beginning { xhci, port, slot, speed, control: Control::new(slot) };
    match beginning.configure() {
        Ok((id, pair)) => {
            let control = beginning.control;
            Ok(Device { port, slot, id, pair, control })
        }
        Err(why) => {
            forget(xhci, slot)?;
            Err(why)
        }
    }
}

/// Gives a device's slot back (section 4.6.4).
pub(crate) fn forget(xhci: &mut Xhci, slot: u32) -> Result<(), Stop> {
    xhci.command("disable the slot", Trb::new(DISABLE_SLOT, 0, 0, slot << 24))?;
    xhci.machine.write(CONTEXTS + 8 * u64::from(slot), &[0; 8])
}

/// Numbers that name an endpoint in contexts and doorbells (section 4.5.1).
pub(crate) const fn outward_context(number: u8) -> u32 {
    2 * number as u32
}

/// See [`outward_context`].
pub(crate) const fn inward_context(number: u8) -> u32 {
    2 * number as u32 + 1
}

struct Beginning<'x> {
    xhci: &'x mut Xhci,
    port: u32,
    slot: u32,
    speed: u32,
    control: Control,
}

impl Beginning<'_> {
    fn configure(&mut self) -> Result<((u16, u16), Pair), Stop> {
        for page in [INPUT, OUTPUT, CONTROL, INWARD, OUTWARD] {
            self.xhci.machine.write(page, &[0; PAGE])?;
        }
        self.address()?;
        thread::sleep(RECOVERY);
        let device = self.descriptor(1, 18)?;
        let head = self.descriptor(2, 9)?;
        let (&[_, _, low, high, ..], &[_, _, _, _, _, _, _, _, v0, v1, p0, p1, ..]) =
            (&head[..], &device[..])
        else {
            return Err(Stop::Device("its descriptors are too short".into()));
        };
        let whole = self.descriptor(2, u16::from_le_bytes([low, high]))?;
        let pair = descriptors::pair(&whole).map_err(Stop::Device)?;
        self.control.request(self.xhci, [0x00, 9, pair.configuration, 0, 0, 0, 0, 0])?;
        self.endpoints(&pair)?;
        Ok(((u16::from_le_bytes([v0, v1]), u16::from_le_bytes([p0, p1])), pair))
    }

    /// Contexts of slot and endpoint 0, and an address on the bus (section 4.3.3, 4.3.4).
    fn address(&mut self) -> Result<(), Stop> {
        let machine = &mut self.xhci.machine;
        machine.write(CONTEXTS + 8 * u64::from(self.slot), &OUTPUT.to_le_bytes())?;
        // Full and high speed: 64 bytes a packet, as the phone's descriptors say; SuperSpeed: 512.
        let packet = if self.speed < 4 { 64 } else { 512 };
        machine.write(INPUT, &words([0, 0b11]))?;
        self.slot_context(1)?;
        self.endpoint_context(1, CONTROL_KIND, packet, CONTROL)?;
        self.xhci.command("address the device", Trb::new(ADDRESS_DEVICE, INPUT, 0, self.slot << 24)).map(drop)
    }

    /// The bulk pair (section 4.6.6).
    fn endpoints(&mut self, pair: &Pair) -> Result<(), Stop> {
        let (outward, inward) = (outward_context(pair.outward.number), inward_context(pair.inward.number));
        self.xhci.machine.write(INPUT, &words([0, 1 | 1 << outward | 1 << inward]))?;
        self.slot_context(outward.max(inward))?;
        self.endpoint_context(outward, BULK_OUT, pair.outward.packet.into(), OUTWARD)?;
        self.endpoint_context(inward, BULK_IN, pair.inward.packet.into(), INWARD)?;
        self.xhci
            .command("configure its endpoints", Trb::new(CONFIGURE_ENDPOINT, INPUT, 0, self.slot << 24))
            .map(drop)
    }

    /// Section 6.2.2: speed, the last context there is, the port.
    fn slot_context(&mut self, last: u32) -> Result<(), Stop> {
        let context = words([last << 27 | self.speed << 20, self.port << 16]);
        self.xhci.machine.write(INPUT + CONTEXT, &context)
    }

    /// Section 6.2.3: kind, bytes of a packet, and the ring.
    fn endpoint_context(&mut self, number: u32, kind: u32, packet: u32, ring: u64) -> Result<(), Stop> {
        let start = Ring::new(ring).start();
        let context =
            words([0, packet << 16 | kind << 3 | TRIES, start as u32, (start >> 32) as u32, packet]);
        self.xhci.machine.write(INPUT + CONTEXT * u64::from(number + 1), &context)
    }

    /// A descriptor, cut to so many bytes; it may be shorter.
    fn descriptor(&mut self, kind: u8, bytes: u16) -> Result<Vec<u8>, Stop> {
        let [low, high] = bytes.min(PAGE as u16).to_le_bytes();
        self.control.request(self.xhci, [0x80, 6, 0, kind, 0, 0, low, high])
    }
}

fn words<const N: usize>(words: [u32; N]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}
