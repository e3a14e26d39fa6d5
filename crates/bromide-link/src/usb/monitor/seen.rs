//! Events as tests write them down.

use bromide_capture::UsbmonEvent;

/// GET_DESCRIPTOR(device).
const QUESTION: [u8; 8] = [0x80, 6, 0, 1, 0, 0, 18, 0];

/// One event, as `/dev/usbmon0` gives it.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    pub(super) id: u64,
    pub(super) step: u8,
    /// 1 interrupt, 2 control, 3 bulk.
    pub(super) transfer: u8,
    pub(super) endpoint: u8,
    pub(super) device: u8,
    pub(super) status: i32,
    pub(super) length: usize,
    pub(super) setup: Option<[u8; 8]>,
    pub(super) data: Vec<u8>,
}

impl Seen {
    pub(super) fn bulk(id: u64, step: u8, endpoint: u8, device: u8, data: &[u8]) -> Self {
        let data = data.to_vec();
        Self { id, step, transfer: 3, endpoint, device, status: 0, length: data.len(), setup: None, data }
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut bytes = self.id.to_ne_bytes().to_vec();
        bytes.extend([self.step, self.transfer, self.endpoint, self.device]);
        bytes.extend(1u16.to_ne_bytes());
        bytes.push(if self.setup.is_some() { 0 } else { b'-' });
        bytes.push(if self.data.is_empty() { b'<' } else { 0 });
        bytes.extend(1_700_000_000u64.to_ne_bytes());
        bytes.extend(5u32.to_ne_bytes());
        bytes.extend(self.status.to_ne_bytes());
        bytes.extend(u32::try_from(self.length).unwrap().to_ne_bytes());
        bytes.extend(u32::try_from(self.data.len()).unwrap().to_ne_bytes());
        bytes.extend(self.setup.unwrap_or_default());
        bytes.extend(&self.data);
        bytes
    }

    pub(super) fn event(&self) -> UsbmonEvent {
        UsbmonEvent::first_of(&self.bytes()).unwrap().unwrap().0
    }
}

/// The kernel asks the device at this address which it is.
pub(super) fn asked(device: u8) -> Seen {
    let setup = Some(QUESTION);
    Seen { transfer: 2, setup, length: 18, ..Seen::bulk(0xd0, b'S', 0x80, device, &[]) }
}

/// It says so.
pub(super) fn told(device: u8, (vid, pid): (u16, u16)) -> Seen {
    let ([v0, v1], [p0, p1]) = (vid.to_le_bytes(), pid.to_le_bytes());
    let descriptor = [18, 1, 0, 2, 2, 0, 0, 64, v0, v1, p0, p1, 0, 1, 0, 0, 0, 1];
    Seen { transfer: 2, ..Seen::bulk(0xd0, b'C', 0x80, device, &descriptor) }
}

/// Somebody sends a byte, with a transfer of its own.
pub(super) fn sent(device: u8, byte: u8) -> [Seen; 2] {
    let done = Seen { length: 1, ..Seen::bulk(byte.into(), b'C', 1, device, &[]) };
    [Seen::bulk(byte.into(), b'S', 1, device, &[byte]), done]
}
