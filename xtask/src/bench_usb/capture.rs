//! What usbmon saw: read as it came from `/dev/usbmon0`, and made a file that tshark opens.
//!
//! An event is a 48-byte head (`Documentation/usb/usbmon.rst`, "struct usbmon_packet") and the bytes captured with it;
//! link type 189 of a capture file is just that sequence.

use std::time::Duration;

const HEAD: usize = 48;
/// LINKTYPE_USB_LINUX.
const LINK_TYPE: u32 = 189;
/// usbmon's number for bulk transfers.
const BULK: u8 = 3;

/// One event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Event {
    bytes: Vec<u8>,
}

impl Event {
    fn byte(&self, at: usize) -> u8 {
        self.bytes.get(at).copied().unwrap_or(0)
    }

    fn word(&self, at: usize) -> u32 {
        self.bytes.get(at..at + 4).and_then(|b| b.try_into().ok()).map_or(0, u32::from_le_bytes)
    }

    /// The wall clock.
    pub(crate) fn at(&self) -> Duration {
        Duration::new(u64::from(self.word(16)), 0) + Duration::from_micros(u64::from(self.word(24)))
    }

    /// Whether a program hands over bytes for the device.
    pub(crate) fn sends(&self) -> bool {
        self.byte(8) == b'S' && self.byte(9) == BULK && self.byte(10) & 0x80 == 0 && self.word(32) > 0
    }

    /// Bus and device.
    pub(crate) fn device(&self) -> (u32, u32) {
        (u32::from(self.byte(12)) | u32::from(self.byte(13)) << 8, u32::from(self.byte(11)))
    }
}

/// Takes the stream apart; an event cut off at the end is left out.
pub(crate) fn events(mut stream: &[u8]) -> Vec<Event> {
    let mut events = Vec::new();
    while let Some(head) = stream.get(..HEAD) {
        let captured = u32::from_le_bytes([head[36], head[37], head[38], head[39]]) as usize;
        let Some(bytes) = stream.get(..HEAD + captured) else { break };
        events.push(Event { bytes: bytes.to_vec() });
        stream = stream.get(HEAD + captured..).unwrap_or_default();
    }
    events
}

/// The same as a capture file.
pub(crate) fn file(events: &[Event]) -> Vec<u8> {
    let mut file = Vec::new();
    for word in [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 0x0004_0000, LINK_TYPE] {
        file.extend(word.to_le_bytes());
    }
    for event in events {
        let length = event.bytes.len() as u32;
        // What was not captured is not in the stream; usbmon's own head says how long the transfer was.
        for word in [event.word(16), event.word(24), length, length] {
            file.extend(word.to_le_bytes());
        }
        file.extend(&event.bytes);
    }
    file
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(kind: u8, endpoint: u8, length: u32, data: &[u8]) -> Vec<u8> {
        let mut head = vec![0; HEAD];
        head[8..14].copy_from_slice(&[kind, BULK, endpoint, 5, 2, 1]);
        head[16] = 7;
        head[24] = 9;
        head[32..36].copy_from_slice(&length.to_le_bytes());
        head[36..40].copy_from_slice(&(data.len() as u32).to_le_bytes());
        head.extend(data);
        head
    }

    #[test]
    fn a_stream_is_taken_apart_and_a_cut_event_left_out() {
        let mut stream = event(b'S', 1, 3, b"abc");
        stream.extend(event(b'C', 0x81, 2, b""));
        stream.extend(&event(b'S', 1, 3, b"abc")[..50]);
        let events = events(&stream);
        assert_eq!(events.len(), 2);
        assert!(events[0].sends() && !events[1].sends());
        assert_eq!(events[0].device(), (258, 5));
        assert_eq!(events[0].at(), Duration::from_micros(7_000_009));
    }

    #[test]
    fn a_capture_file_is_a_head_and_framed_events() {
        let file = file(&events(&event(b'S', 1, 3, b"abc")));
        assert_eq!(file.len(), 24 + 16 + 51);
        assert_eq!(&file[..4], &[0xd4, 0xc3, 0xb2, 0xa1]);
        assert_eq!(file[20], 189);
        assert_eq!(file[32], 51);
    }
}
