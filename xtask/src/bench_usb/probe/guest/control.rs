//! Endpoint 0 of a device (xHCI 1.2 section 4.11.2.2): requests that bring nothing to it.

use super::Stop;
use super::memory::{CONTROL, CONTROL_DATA};
use super::rings::{Ring, Trb};
use super::xhci::{INTERRUPT, SUCCESS, TRANSFER_EVENT, Xhci};

/// Types of blocks (table 6-91) and their flags (section 6.4.1.2).
const SETUP: u32 = 2;
const DATA: u32 = 3;
const STATUS: u32 = 4;
const IMMEDIATE: u32 = 1 << 6;
const INWARDS: u32 = 1 << 16;
const DATA_COMES: u32 = 3 << 16;
/// Its place in doorbells.
const FIRST: u32 = 1;

/// Requests to the device of a slot.
#[derive(Debug)]
pub(crate) struct Control {
    slot: u32,
    ring: Ring,
}

impl Control {
    /// With the ring that the slot's context names.
    pub(crate) const fn new(slot: u32) -> Self {
        Self { slot, ring: Ring::new(CONTROL) }
    }

    /// One request: the bytes that came, with zeros where fewer came than were asked for; at most a page.
    pub(crate) fn request(&mut self, xhci: &mut Xhci, setup: [u8; 8]) -> Result<Vec<u8>, Stop> {
        let bytes = u16::from_le_bytes([setup[6], setup[7]]);
        xhci.machine.write(CONTROL_DATA, &vec![0; bytes.into()])?;
        let setup = u64::from_le_bytes(setup);
        // The direction of the last stage is against that of the data, and inwards without any.
        let blocks = if bytes > 0 {
            vec![
                Trb::new(SETUP, setup, 8, IMMEDIATE | DATA_COMES),
                Trb::new(DATA, CONTROL_DATA, bytes.into(), INWARDS),
                Trb::new(STATUS, 0, 0, INTERRUPT),
            ]
        } else {
            vec![Trb::new(SETUP, setup, 8, IMMEDIATE), Trb::new(STATUS, 0, 0, INTERRUPT | INWARDS)]
        };
        for block in blocks {
            xhci.put(&mut self.ring, block)?;
        }
        xhci.knock(self.slot, FIRST)?;
        let what = format!("request {:02x?}", setup.to_le_bytes());
        let ours = |event: &Trb| {
            event.kind() == TRANSFER_EVENT && event.slot() == self.slot && event.endpoint() == FIRST
        };
        match xhci.wait_for(&what, ours)?.code() {
            SUCCESS => xhci.machine.read(CONTROL_DATA, bytes.into()),
            code => Err(Stop::Device(format!("{what}: completion code {code}"))),
        }
    }
}
