//! What one face answers: descriptors and class requests; bytes to it are taken, bytes from it never come.
//!
//! Descriptors are those of `bromide-phone` (control interface first, so that the kernel's driver finds its interface
//! at once) with a product string of their own; requests are those of `usbip-cdc.md` section 5.

use bromide_phone::usb::{Face, Layout, Speed};

use crate::vhci::{self, HEAD, LONGEST, STALL, SUBMIT, SUBMITTED, TAKEN_BACK, UNLINK, UNLINKED, message};

/// Index of the product string, and where a device descriptor has it and the product id.
const PRODUCT: u8 = 2;
const PRODUCT_AT: usize = 15;
const PID_AT: usize = 10;

/// One appearance of one face.
pub(crate) struct Device {
    device: [u8; 18],
    configuration: Vec<u8>,
    product: Vec<u8>,
    speed: Speed,
    configured: u8,
    line_coding: [u8; 7],
    /// Reads that nobody will answer, by sequence number.
    pending: Vec<u32>,
}

impl Device {
    /// A phone's face, or with another product id something like its preloader.
    pub(crate) fn new(pid: u16) -> Self {
        let (face, layout) = match pid {
            0x0003 => (Face::BootRom, Layout::B1),
            0x2001 => (Face::Agent, Layout::D1),
            _ => (Face::Preloader, Layout::P2),
        };
        let mut device = layout.device(face);
        for (at, byte) in pid.to_le_bytes().into_iter().enumerate() {
            device[PID_AT + at] = byte;
        }
        device[PRODUCT_AT] = PRODUCT;
        let text: Vec<u8> = format!("Phone {pid:04x}").encode_utf16().flat_map(u16::to_le_bytes).collect();
        let product = [&[2 + text.len() as u8, 3], text.as_slice()].concat();
        let (speed, configuration) = (face.speed(), layout.configuration(face.speed()));
        let line_coding = [0; 7];
        Self { device, configuration, product, speed, configured: 0, line_coding, pending: Vec::new() }
    }

    /// Its speed, as the attach line says it.
    pub(crate) fn speed(&self) -> u32 {
        if self.speed == Speed::Full { vhci::FULL_SPEED } else { vhci::HIGH_SPEED }
    }

    /// Answers the first message of `input`; how many bytes that was, 0 when it has not come whole.
    pub(crate) fn answer(&mut self, input: &[u8], out: &mut Vec<u8>) -> Result<usize, String> {
        let Some((head, rest)) = input.split_first_chunk::<HEAD>() else { return Ok(0) };
        let field = |at| vhci::field(head, at);
        let (command, sequence, inward, endpoint) = (field(0), field(4), field(12) == 1, field(16));
        let length = field(24) as usize;
        match command {
            UNLINK => {
                let before = self.pending.len();
                self.pending.retain(|pending| *pending != field(20));
                let status = if self.pending.len() < before { TAKEN_BACK } else { 0 };
                out.extend(message(UNLINKED, sequence, status, 0));
                Ok(HEAD)
            }
            SUBMIT if length > LONGEST => Err(format!("a transfer of {length} bytes")),
            SUBMIT if inward => {
                match (endpoint, head.last_chunk::<8>()) {
                    (0, Some(setup)) => match self.said(*setup) {
                        Some(mut said) => {
                            said.truncate(length);
                            out.extend(message(SUBMITTED, sequence, 0, said.len()));
                            out.extend(said);
                        }
                        None => out.extend(message(SUBMITTED, sequence, STALL, 0)),
                    },
                    _ => self.pending.push(sequence),
                }
                Ok(HEAD)
            }
            SUBMIT => {
                let Some(data) = rest.get(..length) else { return Ok(0) };
                let accepted =
                    endpoint != 0 || head.last_chunk().is_some_and(|setup| self.told(*setup, data));
                let (status, length) = if accepted { (0, length) } else { (STALL, 0) };
                out.extend(message(SUBMITTED, sequence, status, length));
                Ok(HEAD + data.len())
            }
            other => Err(format!("unknown message {other}")),
        }
    }

    /// What is answered to a request for bytes; `None`: a stall.
    fn said(&self, setup: [u8; 8]) -> Option<Vec<u8>> {
        let [kind, request, index, descriptor, ..] = setup;
        Some(match (kind, request, descriptor) {
            (0x80, 6, 1) => self.device.to_vec(),
            (0x80, 6, 2) => self.configuration.clone(),
            (0x80, 6, 3) if index == 0 => vec![4, 3, 9, 4],
            (0x80, 6, 3) if index == PRODUCT => self.product.clone(),
            (0x80, 8, _) => vec![self.configured],
            (0x80..=0x82, 0, _) => vec![0, 0],
            (0xa1, 0x21, _) => self.line_coding.to_vec(),
            _ => return None,
        })
    }

    /// Whether a request that brings something or nothing is accepted.
    fn told(&mut self, setup: [u8; 8], data: &[u8]) -> bool {
        match setup {
            [0x00, 9, value @ (0 | 1), 0, ..] => self.configured = value,
            [0x21, 0x20, ..] => match data.try_into() {
                Ok(coding) => self.line_coding = coding,
                Err(_) => return false,
            },
            // The halt of an endpoint, the one alternate setting, line state and break.
            [0x02, 1 | 3, 0, 0, ..] | [0x01, 11, 0, 0, ..] | [0x21, 0x22 | 0x23, ..] => {}
            _ => return false,
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(
        command: u32,
        sequence: u32,
        inward: bool,
        endpoint: u32,
        length: u32,
        setup: [u8; 8],
    ) -> Vec<u8> {
        let words = [command, sequence, 0x1_0002, u32::from(inward), endpoint, 0, length, 0, 0, 0];
        words.iter().flat_map(|word| word.to_be_bytes()).chain(setup).collect()
    }

    /// Status and data of the one answer.
    fn ask(device: &mut Device, input: &[u8]) -> (i32, Vec<u8>) {
        let mut out = Vec::new();
        assert_eq!(device.answer(input, &mut out), Ok(input.len()));
        let (head, data) = out.split_first_chunk::<HEAD>().unwrap();
        (vhci::field(head, 20).cast_signed(), data.to_vec())
    }

    fn descriptor(device: &mut Device, kind: u8, index: u8) -> (i32, Vec<u8>) {
        ask(device, &request(SUBMIT, 1, true, 0, 255, [0x80, 6, index, kind, 0, 0, 255, 0]))
    }

    #[test]
    fn every_face_has_its_id_its_name_and_a_configuration_as_long_as_it_says() {
        for (pid, speed) in [(0x0003, 2), (0x2000, 3), (0x2001, 3), (0x0c03, 3)] {
            let mut device = Device::new(pid);
            assert_eq!(device.speed(), speed);
            let (_, bytes) = descriptor(&mut device, 1, 0);
            assert_eq!(bytes.len(), 18);
            assert_eq!(u16::from_le_bytes([bytes[10], bytes[11]]), pid);
            let (_, bytes) = descriptor(&mut device, 2, 0);
            assert_eq!(bytes.len(), usize::from(bytes[2]));
            // Control interface first.
            assert_eq!(bytes[9..15], [9, 4, 0, 0, 1, 2]);
            let (_, bytes) = descriptor(&mut device, 3, PRODUCT);
            assert_eq!(bytes.len(), usize::from(bytes[0]));
            let text: Vec<u16> = bytes[2..].chunks(2).map(|c| u16::from_le_bytes([c[0], c[1]])).collect();
            assert_eq!(String::from_utf16_lossy(&text), format!("Phone {pid:04x}"));
            assert_eq!(descriptor(&mut device, 6, 0).0, STALL);
        }
    }

    #[test]
    fn reads_stay_pending_until_they_are_taken_back() {
        let mut device = Device::new(0x2001);
        let mut out = Vec::new();
        assert_eq!(device.answer(&request(SUBMIT, 5, true, 1, 512, [0; 8]), &mut out), Ok(HEAD));
        assert!(out.is_empty());
        let mut unlink = request(UNLINK, 6, false, 0, 0, [0; 8]);
        unlink[20..24].copy_from_slice(&5_u32.to_be_bytes());
        assert_eq!(ask(&mut device, &unlink).0, TAKEN_BACK);
        assert_eq!(ask(&mut device, &unlink).0, 0);
    }

    #[test]
    fn bytes_to_it_are_taken_when_they_have_come_whole() {
        let mut device = Device::new(0x0003);
        let mut input = request(SUBMIT, 1, false, 1, 3, [0; 8]);
        input.extend([1, 2]);
        assert_eq!(device.answer(&input, &mut Vec::new()), Ok(0));
        assert_eq!(device.answer(&input[..20], &mut Vec::new()), Ok(0));
        input.push(3);
        assert_eq!(ask(&mut device, &input).0, 0);
        assert!(device.answer(&request(SUBMIT, 1, false, 1, u32::MAX, [0; 8]), &mut Vec::new()).is_err());
        assert!(device.answer(&request(9, 1, false, 1, 0, [0; 8]), &mut Vec::new()).is_err());
    }

    #[test]
    fn line_coding_is_kept_and_an_unknown_request_stalled() {
        let mut device = Device::new(0x0003);
        let coding = [0x80, 0x25, 0, 0, 0, 0, 8];
        let mut set = request(SUBMIT, 1, false, 0, 7, [0x21, 0x20, 0, 0, 0, 0, 7, 0]);
        set.extend(coding);
        assert_eq!(ask(&mut device, &set).0, 0);
        let get = request(SUBMIT, 2, true, 0, 7, [0xa1, 0x21, 0, 0, 0, 0, 7, 0]);
        assert_eq!(ask(&mut device, &get), (0, coding.to_vec()));
        assert_eq!(ask(&mut device, &request(SUBMIT, 3, false, 0, 0, [0x40, 1, 0, 0, 0, 0, 0, 0])).0, STALL);
    }
}
