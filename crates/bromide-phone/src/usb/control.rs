//! Requests on endpoint 0 (`usbip-cdc.md` section 5): what is answered, what is stalled.
//!
//! Promises: a request that the table does not list is stalled and nothing else happens. Class requests reach no
//! program of the phone: line settings have no meaning on USB (`brom-preloader.md` section 1.4).

use super::{Face, Layout, Speed};

/// The request is refused by a STALL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stall;

/// Most lines kept that nobody has asked for yet.
const LOG: usize = 1000;

/// What endpoint 0 remembers.
#[derive(Debug)]
pub(crate) struct Control {
    device: [u8; 18],
    configuration: Vec<u8>,
    layout: Layout,
    speed: Speed,
    /// Value of the last SET_CONFIGURATION.
    pub(super) configured: u8,
    line_coding: [u8; 7],
    /// Halted bulk and interrupt endpoints, by address.
    halted: Vec<u8>,
    log: Vec<String>,
}

impl Control {
    pub(super) fn new(face: Face, layout: Layout, speed: Speed) -> Self {
        Self {
            device: layout.device(face),
            configuration: layout.configuration(speed),
            layout,
            speed,
            configured: 0,
            // 115200 8N1.
            line_coding: [0, 0xc2, 1, 0, 0, 0, 8],
            halted: Vec::new(),
            log: Vec::new(),
        }
    }

    pub(super) fn is_halted(&self, address: u8) -> bool {
        self.halted.contains(&address)
    }

    /// Class requests, changes of state and refusals since the last call, in words.
    pub(crate) fn take_log(&mut self) -> Vec<String> {
        core::mem::take(&mut self.log)
    }

    /// Answers a request; what comes back is cut to wLength, and empty for OUT requests.
    pub(super) fn request(&mut self, setup: [u8; 8], data: &[u8]) -> Result<Vec<u8>, Stall> {
        let answer = self.answer(setup, data);
        if let Some(line) = self.describe(setup, data, answer.is_err()).filter(|_| self.log.len() < LOG) {
            self.log.push(line);
        }
        let mut answer = answer?;
        answer.truncate(usize::from(u16::from_le_bytes([setup[6], setup[7]])));
        Ok(answer)
    }

    fn answer(&mut self, setup: [u8; 8], data: &[u8]) -> Result<Vec<u8>, Stall> {
        let [kind, request, low, high, index, ..] = setup;
        match (kind, request) {
            (0x80, 0x06) => self.descriptor(high, low),
            (0x80, 0x08) => Ok(vec![self.configured]),
            (0x00, 0x09) if low <= 1 && high == 0 => {
                self.configured = low;
                self.halted.clear();
                Ok(vec![])
            }
            (0x80, 0x00) => Ok(vec![1, 0]),
            (0x81, 0x00) => Ok(vec![0, 0]),
            (0x82, 0x00) => Ok(vec![u8::from(self.is_halted(index)), 0]),
            (0x01, 0x0b) if (low, high) == (0, 0) => Ok(vec![]),
            (0x02, 0x01) if (low, high) == (0, 0) => {
                self.halted.retain(|halted| *halted != index);
                Ok(vec![])
            }
            (0x02, 0x03) if (low, high) == (0, 0) => {
                if !self.is_halted(index) && self.halted.len() < 32 {
                    self.halted.push(index);
                }
                Ok(vec![])
            }
            (0x21, 0x20) => {
                self.line_coding = data.try_into().map_err(|_| Stall)?;
                Ok(vec![])
            }
            (0xa1, 0x21) => Ok(self.line_coding.to_vec()),
            (0x21, 0x22 | 0x23) => Ok(vec![]),
            _ => Err(Stall),
        }
    }

    fn descriptor(&self, kind: u8, index: u8) -> Result<Vec<u8>, Stall> {
        match (kind, index) {
            (1, 0) => Ok(self.device.to_vec()),
            (2, 0) => Ok(self.configuration.clone()),
            (3, 0) => Ok(vec![4, 3, 9, 4]),
            (3, _) => {
                let text = self.layout.string(index).ok_or(Stall)?;
                // The longest text has 31 characters.
                let mut bytes = vec![2 + 2 * text.len() as u8, 3];
                bytes.extend(text.encode_utf16().flat_map(u16::to_le_bytes));
                Ok(bytes)
            }
            // Only a device of USB 2.0 that knows two speeds has a qualifier.
            (6, 0) if self.device[3] == 2 && !matches!(self.layout, Layout::B1 | Layout::B2) => {
                Ok(vec![10, 6, 0, 2, 2, 0, 0, 64, 1, 0])
            }
            _ => Err(Stall),
        }
    }

    /// The request in words; nothing for reads that every host makes.
    fn describe(&self, setup: [u8; 8], data: &[u8], stalled: bool) -> Option<String> {
        let [kind, request, low, high, index, ..] = setup;
        let said = match (kind, request) {
            (0x00, 0x09) => format!("SET_CONFIGURATION {low} at {}", self.speed),
            (0x21, 0x20) => match data.first_chunk() {
                Some(rate) => format!("SET_LINE_CODING {} baud", u32::from_le_bytes(*rate)),
                None => "SET_LINE_CODING without its 7 bytes".to_owned(),
            },
            (0xa1, 0x21) => "GET_LINE_CODING".to_owned(),
            (0x21, 0x22) => format!("SET_CONTROL_LINE_STATE {low}"),
            (0x21, 0x23) => "SEND_BREAK".to_owned(),
            (0x02, 0x01) => format!("CLEAR_FEATURE of endpoint {index:02x}"),
            (0x02, 0x03) => format!("SET_FEATURE of endpoint {index:02x}"),
            _ if stalled => format!("request {kind:02x} {request:02x} value {high:02x}{low:02x}"),
            _ => return None,
        };
        Some(if stalled { format!("{said}: STALL") } else { said })
    }
}
